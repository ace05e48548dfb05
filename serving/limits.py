"""How much a request may send.

The server below has no limit of its own, so one is set here, for bodies that declare their length and for those that stream. What is too
much is read and thrown away for a short while, so that the caller gets to read the refusal instead of a broken connection.
"""

from __future__ import annotations

import asyncio
import contextlib

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.json_body import too_large
from serving.problems import Problem

_PATIENCE_SECONDS = 10.0
_DISCARD_FACTOR = 20


class BodyLimit:
    """Answers 413 to a body above ``max_bytes``; memory stays bounded by ``max_bytes`` whatever is sent."""

    def __init__(self, app: ASGIApp, *, max_bytes: int) -> None:
        self.app = app
        self.max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        if _declared(scope) > self.max_bytes:
            await self._discard(receive)
            await too_large(self.max_bytes).response()(scope, receive, send)
            return
        seen = 0
        has_started = False

        async def counted() -> Message:
            nonlocal seen
            message = await receive()
            if message["type"] == "http.request":
                seen += len(message.get("body", b""))
                if seen > self.max_bytes:
                    if message.get("more_body", False):
                        await self._discard(receive)
                    raise too_large(self.max_bytes)
            return message

        async def watched(message: Message) -> None:
            nonlocal has_started
            has_started = True
            await send(message)

        try:
            await self.app(scope, counted, watched)
        except Problem as problem:
            if has_started:
                raise
            await problem.response()(scope, receive, send)

    async def _discard(self, receive: Receive) -> None:
        thrown_away = 0
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_PATIENCE_SECONDS):
                while thrown_away < self.max_bytes * _DISCARD_FACTOR:
                    message = await receive()
                    thrown_away += len(message.get("body", b""))
                    if message["type"] != "http.request" or not message.get("more_body", False):
                        return


def _declared(scope: Scope) -> int:
    for name, value in scope["headers"]:
        if name == b"content-length":
            return int(value) if value.isdigit() else 0
    return 0
