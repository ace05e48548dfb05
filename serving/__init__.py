"""What we tell people: the HTTP service, its messages and its pages.

| module | promises |
|---|---|
| `service`, `late`, `orphans`, `metrics`, `metric_paths` | the BentoML service: process, workers, readiness, metrics |
| `app`, `parts` | one FastAPI application, assembled from collaborators given as values |
| `json_body`, `limits`, `problems` | what is read, how much of it, and how a refusal looks |
| `messages`, `message_fields`, `answers` | what a request may say and what an answer says |
| `scoring`, `writer` | from request to snapshot to score; one writer a process, acknowledged after the commit |
| `shadow` | a challenger that scores what was answered, logged and never answered |
| `explanations` | a past score taken apart |
| `live`, `smoke` | which model serves, and how it is exchanged without a pause |
| `routes`, `pages` | the calls of the API and the pages for people |
"""
