"""Metrics without lead ids.

BentoML labels its request metrics with the path as it came: every lead id, and every address a scanner tries, would become a time series
of its own, for ever. Here a path becomes one of a few labels before it is counted.
"""

from __future__ import annotations

import re
from typing import Any

_LEAD = re.compile(r"/v1/leads/.+?(/explanation)?")
_KNOWN = frozenset(
    {
        "/", "/docs", "/docs.json", "/openapi.json", "/schema.json", "/livez", "/readyz", "/healthz", "/metrics", "/score",
        "/v1/score", "/v1/score/bulk", "/v1/leads", "/v1/touchpoints", "/v1/outcomes", "/v1/links", "/v1/model",
        "/openapi-3.0.json", "/openapi-2.0.json",
    }
)  # fmt: skip
_ORIGINAL = "leadloop.path"


def label_of(path: str) -> str:
    """The label under which a path is counted.

    >>> label_of("/v1/leads/00Q5/explanation"), label_of("/v1/score"), label_of("/wp-login.php")
    ('/v1/leads/{lead_id}/explanation', '/v1/score', 'other')
    """
    if path in _KNOWN:
        return path
    lead = _LEAD.fullmatch(path)
    if lead:
        return "/v1/leads/{lead_id}" + (lead[1] or "")
    return "/static" if path.startswith("/static/") else "other"


def bound_metric_paths() -> None:
    """Make BentoML count by ``label_of``. Does nothing the second time."""
    from bentoml._internal.server.http import instruments

    for name in ("HTTPTrafficMetricsMiddleware", "RunnerTrafficMetricsMiddleware"):
        counting = getattr(instruments, name)
        if not getattr(counting, "has_bounded_paths", False):
            setattr(instruments, name, _bounded(counting))


def _bounded(counting: type) -> type:
    class Bounded(counting):
        has_bounded_paths = True

        def __init__(self, app: Any, *args: Any, **options: Any) -> None:
            async def restored(scope: Any, receive: Any, send: Any) -> None:
                if _ORIGINAL in scope:
                    scope = {**scope, "path": scope[_ORIGINAL]}
                await app(scope, receive, send)

            super().__init__(restored, *args, **options)

        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            if "path" in scope:
                scope = {**scope, _ORIGINAL: scope["path"], "path": label_of(scope["path"])}
            await super().__call__(scope, receive, send)

    Bounded.__name__ = Bounded.__qualname__ = counting.__name__
    return Bounded
