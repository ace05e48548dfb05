"""The HTTP application, assembled.

Everything it works with arrives as a value, so tests and other servers run it in process. It asks neither environment nor clock.
"""

from __future__ import annotations

from fastapi import FastAPI

from serving import pages, problems
from serving.auth import Guard
from serving.limits import BodyLimit, Places
from serving.once import Once
from serving.parts import Parts
from serving.routes import (
    hubspot,
    leads,
    links,
    model,
    openapi,
    outcomes,
    privacy,
    score,
    touchpoints,
    whoami,
)
from serving.shortcut import Shortcut

DESCRIPTION = "Scores leads with reasons, and takes in what became of them."


def build_app(parts: Parts) -> FastAPI:
    """The application at ``/``: the API under ``/v1``, pages for people elsewhere."""
    app = FastAPI(
        title="leadloop",
        version="1",
        description=DESCRIPTION,
        docs_url=None,  # FastAPI's page loads its script from a CDN; ours is served from here.
        redoc_url=None,
        redirect_slashes=False,
        # BentoML traces requests where somebody collects; FastAPI would do it again, with addresses, messages and stack traces.
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    problems.install(app)
    scores = score.routes(parts)
    rooms = (leads, privacy, touchpoints, outcomes, links, hubspot, model, openapi, whoami)
    others = (room.routes(parts) for room in rooms)
    for router in (scores, *others):
        app.include_router(router)
    pages.install(app, parts)
    _describe_refusals(app)
    app.add_middleware(Shortcut, scores=scores)
    app.add_middleware(Once, parts=parts)
    app.add_middleware(Places, most=parts.max_at_work)
    app.add_middleware(BodyLimit, max_bytes=parts.max_body_bytes, seconds=parts.body_seconds)
    app.add_middleware(Guard, keyring=parts.keyring, rates=parts.rates)
    app.add_middleware(problems.Crashes)
    return app


def _describe_refusals(app: FastAPI) -> None:
    # FastAPI documents every model as application/json; refusals are problem documents.
    document = app.openapi()
    for methods in document["paths"].values():
        for call in methods.values():
            for status, answer in call["responses"].items():
                if status != "200" and answer.get("content"):
                    answer["content"] = {problems.MEDIA_TYPE: next(iter(answer["content"].values()))}
