"""What a connection may keep waiting for, and how long.

The HTTP server below waits for ever for the end of a request's headers, and for ever for a caller to read its answer; a few thousand
connections that do neither would use up its file descriptors and its memory. Here a connection that has begun a request must finish its
head in time, or is told so and closed, and one that does not read what was sent is dropped.

Bodies are read before BentoML sees the request: its layers cost a millisecond for each, which a crowd of callers that never finish theirs
would take from the others. For the same reason a crowd that comes at once is let in a few a turn of the event loop, so that callers who are
there already are answered in between, and those that came together are not closed together: each deadline is up to a quarter longer, by
chance.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Callable
from typing import Any

from starlette.types import ASGIApp

from serving.limits import spread
from serving.problems import MEDIA_TYPE, Problem
from serving.whole_answers import WholeAnswers

HEAD_SECONDS = 10.0
READING_SECONDS = 60.0

# New connections whose first bytes are read in one turn of the event loop; each costs about a millisecond.
LET_IN_A_TURN = 2

Door = Callable[[ASGIApp], ASGIApp]


class Entrance:
    """Lets new connections begin a few a turn of the event loop, in the order they came."""

    def __init__(self, *, let_in: int = LET_IN_A_TURN) -> None:
        self._let_in = let_in
        self._waiting: deque[asyncio.Transport] = deque()
        self._n_this_turn = 0
        self._is_turning = False

    def arrive(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        """Read from the connection now, or when its turn comes."""
        if self._waiting or self._n_this_turn >= self._let_in:
            transport.pause_reading()
            self._waiting.append(transport)
        else:
            self._n_this_turn += 1
        if not self._is_turning:
            self._is_turning = True
            loop.call_soon(self._turn, loop)

    def _turn(self, loop: asyncio.AbstractEventLoop) -> None:
        self._n_this_turn = 0
        while self._waiting and self._n_this_turn < self._let_in:
            transport = self._waiting.popleft()
            if not transport.is_closing():
                transport.resume_reading()
                self._n_this_turn += 1
        self._is_turning = self._n_this_turn > 0
        if self._is_turning:
            loop.call_soon(self._turn, loop)


def bounded(
    protocol: type,
    *,
    door: Door | None = None,
    head_seconds: float = HEAD_SECONDS,
    reading_seconds: float = READING_SECONDS,
) -> type:
    """The protocol class of the HTTP server with deadlines.

    Parameters
    ----------
    door : what stands before the application, made for each connection.
    head_seconds : how long a head may take, and a new connection may be silent.
    reading_seconds : how long a caller may leave an answer unread that is too long for the buffers in between.
    """
    entrance = Entrance()

    class Bounded(protocol):
        app: ASGIApp
        _head_timer: asyncio.TimerHandle | None = None
        _reading_timer: asyncio.TimerHandle | None = None
        _has_begun = False

        def __init__(self, *args: Any, **options: Any) -> None:
            super().__init__(*args, **options)
            # Addresses hold lead ids, whatever the level of logging.
            self.access_log = False
            if door is not None:
                self.app = door(self.app)

        def connection_made(self, transport: Any) -> None:
            super().connection_made(WholeAnswers(transport, self.conn))
            entrance.arrive(transport, self.loop)
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
            self._stop_waiting_for_reader()
            super().connection_lost(exc)

        def pause_writing(self) -> None:
            super().pause_writing()
            if self._reading_timer is None:
                self._reading_timer = self.loop.call_later(spread(reading_seconds), self.transport.abort)

        def resume_writing(self) -> None:
            super().resume_writing()
            self._stop_waiting_for_reader()

        def send_400_response(self, msg: str) -> None:
            # The server's own answer is plain text.
            if not self.transport.is_closing():
                self.transport.write(_raw(_not_http()))
                self.transport.close()

        def _expect_head(self) -> None:
            if not self.transport.is_closing():
                self._head_timer = self.loop.call_later(spread(head_seconds), self._give_up)

        def _stop_waiting(self) -> None:
            if self._head_timer is not None:
                self._head_timer.cancel()
                self._head_timer = None

        def _stop_waiting_for_reader(self) -> None:
            if self._reading_timer is not None:
                self._reading_timer.cancel()
                self._reading_timer = None

        def _give_up(self) -> None:
            self._head_timer = None
            if not self.transport.is_closing():
                # A browser opens connections it may never use: those are closed without a word.
                if self._has_begun:
                    self.transport.write(_raw(_too_slow(head_seconds)))
                self.transport.close()

    Bounded.__name__ = Bounded.__qualname__ = protocol.__name__
    return Bounded


def install(door: Door) -> None:
    """Make the HTTP server of this process, not started yet, use the deadlines and the door. Does nothing the second time.

    Heads are read by h11 also where httptools is installed, which the server would prefer: that one takes heads of any length and loses
    the body of a request that offers to go over to HTTP/2, as Java's own client does with each.
    """
    from uvicorn.protocols.http import auto
    from uvicorn.protocols.http.h11_impl import H11Protocol

    if not getattr(auto.AutoHTTPProtocol, "is_bounded", False):
        made = bounded(H11Protocol, door=door)
        made.is_bounded = True  # type: ignore[attr-defined]
        auto.AutoHTTPProtocol = made


def _too_slow(seconds: float) -> Problem:
    return Problem(
        408, "too_slow", f"The headers were not complete after {seconds:g} seconds; send them in one go."
    )


def _not_http() -> Problem:
    return Problem(400, "not_http", "This is not an HTTP/1.1 request, or its headers are too long.")


def _raw(problem: Problem) -> bytes:
    body = json.dumps(problem.document()).encode()
    reason = {400: "Bad Request", 408: "Request Timeout"}[problem.status]
    head = (
        f"HTTP/1.1 {problem.status} {reason}\r\ncontent-type: {MEDIA_TYPE}\r\n"
        f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
    )
    return head.encode() + body
