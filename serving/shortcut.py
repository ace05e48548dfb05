"""The shortest way to a score.

FastAPI takes a fifth of the time of a score to find the call by its address and the parameters that were not sent. A call whose parameters
may all be left out, and were, is made here; all others go on to FastAPI, which documents this one too.
"""

from __future__ import annotations

from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from serving.problems import Problem


class Shortcut:
    """Makes the calls of ``route``, a POST at a fixed address, that come without a query."""

    def __init__(self, app: ASGIApp, *, route: APIRoute) -> None:
        self.app = app
        self._path = route.path
        self._call = route.endpoint

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope.get("path") != self._path or scope.get("method") != "POST" or scope["query_string"]:
            await self.app(scope, receive, send)
            return
        try:
            response = await self._call(Request(scope, receive))
        except Problem as problem:
            response = problem.response()
        await response(scope, receive, send)
