"""Pages for people: what the model is worth, what moves scores, and the last scores with their reasons.

Rendered on the server; scripts and styles come from this service, so the pages work without a network.
"""

from serving.pages.installing import install

__all__ = ["install"]
