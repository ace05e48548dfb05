"""A deadline for the head of a request.

The HTTP server below waits for ever for the end of a request's headers; a few thousand connections that never finish theirs would use up
its file descriptors. Here a connection that has begun a request must finish its head in time, or is told so and closed.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

from serving.problems import MEDIA_TYPE, Problem

HEAD_SECONDS = 10.0


def bound_heads(protocol: type, *, seconds: float = HEAD_SECONDS) -> type:
    """The protocol class of the HTTP server, with a deadline for heads."""

    class Bounded(protocol):
        _head_timer: asyncio.TimerHandle | None = None
        _has_begun = False

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            self._expect_head()

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            self._has_begun = True
            if self.cycle is not None and not self.cycle.response_complete:
                self._stop_waiting()
                self._has_begun = False
            elif self._head_timer is None:
                self._expect_head()

        def connection_lost(self, exc: Exception | None) -> None:
            self._stop_waiting()
            super().connection_lost(exc)

        def _expect_head(self) -> None:
            self._head_timer = self.loop.call_later(seconds, self._give_up)

        def _stop_waiting(self) -> None:
            if self._head_timer is not None:
                self._head_timer.cancel()
                self._head_timer = None

        def _give_up(self) -> None:
            self._head_timer = None
            if not self.transport.is_closing():
                # A browser opens connections it may never use: those are closed without a word.
                if self._has_begun:
                    self.transport.write(_refusal(seconds))
                self.transport.close()

    Bounded.__name__ = Bounded.__qualname__ = protocol.__name__
    return Bounded


def install() -> None:
    """Make the HTTP server of this process, not started yet, use the deadline. Does nothing the second time."""
    from uvicorn.protocols.http import auto

    if not getattr(auto.AutoHTTPProtocol, "has_bounded_heads", False):
        bounded = bound_heads(auto.AutoHTTPProtocol)
        bounded.has_bounded_heads = True  # type: ignore[attr-defined]
        auto.AutoHTTPProtocol = bounded


def _refusal(seconds: float) -> bytes:
    problem = Problem(
        408, "too_slow", f"The headers were not complete after {seconds:g} seconds; send them in one go."
    )
    body = json.dumps(problem.document()).encode()
    head = (
        f"HTTP/1.1 408 Request Timeout\r\ncontent-type: {MEDIA_TYPE}\r\n"
        f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
    )
    return head.encode() + body
