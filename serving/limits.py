"""How much a request may send, how long it may take to send it and to be answered, and how many are worked on at once.

The server below has no limits of its own. Bodies are read whole before anything else happens, up to a size and a deadline, and only then
does a request take one of the places at work: callers that send half a message and wait hold up nobody. What is too much is read and
thrown away for a short while, so that the caller gets to read the refusal instead of a broken connection.
"""

from __future__ import annotations

import asyncio
import contextlib
import random

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.json_body import too_large
from serving.problems import Problem

_PATIENCE_SECONDS = 10.0
_DISCARD_FACTOR = 20
_SPREAD = 0.25
_IS_READ = "leadloop.is_read"


def spread(seconds: float) -> float:
    """The deadline, or up to a quarter later by chance: those who came together are not all sent away in one moment."""
    return seconds * random.uniform(1, 1 + _SPREAD)


class BodyLimit:
    """Reads the body whole; answers 413 above ``max_bytes`` and 408 when it is not there after ``seconds``.

    Memory stays bounded by ``max_bytes`` whatever is sent. Passed twice, it reads once.
    """

    def __init__(self, app: ASGIApp, *, max_bytes: int, seconds: float) -> None:
        self.app = app
        self.max_bytes = max_bytes
        self.seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or _IS_READ in scope:
            await self.app(scope, receive, send)
            return
        try:
            async with asyncio.timeout(spread(self.seconds)):
                body = await self._read(scope, receive)
        except TimeoutError:
            await _too_slow(self.seconds).response()(scope, receive, send)
        except Problem as problem:
            await problem.response()(scope, receive, send)
        else:
            if body is not None:
                await self.app({**scope, _IS_READ: True}, replayed(body, receive), send)

    async def _read(self, scope: Scope, receive: Receive) -> bytes | None:
        """The body; None when the caller left before it was complete. Raises Problem 413."""
        if _declared(scope) > self.max_bytes:
            await self._discard(receive)
            raise too_large(self.max_bytes)
        read = bytearray()
        while True:
            message = await receive()
            if message["type"] != "http.request":
                return None
            read += message.get("body", b"")
            has_more = message.get("more_body", False)
            if len(read) > self.max_bytes:
                read.clear()
                if has_more:
                    await self._discard(receive)
                raise too_large(self.max_bytes)
            if not has_more:
                return bytes(read)

    async def _discard(self, receive: Receive) -> None:
        thrown_away = 0
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(min(_PATIENCE_SECONDS, self.seconds / 2)):
                while thrown_away < self.max_bytes * _DISCARD_FACTOR:
                    message = await receive()
                    thrown_away += len(message.get("body", b""))
                    if message["type"] != "http.request" or not message.get("more_body", False):
                        return


class AnswerLimit:
    """Answers 504 when no answer has begun after ``timeout`` seconds; one that has begun may take as long as it will.

    Stands in for BentoML's own, whose timer is never stopped: it keeps all there is of a request for a minute after its answer, tens of
    megabytes under load, and costs a task of its own for each.
    """

    def __init__(self, app: ASGIApp, timeout: float) -> None:
        self.app = app
        self.timeout = timeout

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        has_begun = False

        async def sending(message: Message) -> None:
            nonlocal has_begun
            if not has_begun:
                has_begun = True
                if not limit.expired():
                    limit.reschedule(None)
            await send(message)

        try:
            async with asyncio.timeout(self.timeout) as limit:
                await self.app(scope, receive, sending)
        except TimeoutError:
            if has_begun or not limit.expired():
                raise
            await _no_answer(self.timeout).response()(scope, receive, send)


def bound_answers() -> None:
    """Make BentoML use ``AnswerLimit`` for a service's ``timeout``."""
    from bentoml._internal.server.http import traffic

    traffic.TimeoutMiddleware = AnswerLimit  # type: ignore[misc,assignment]


class Places:
    """Works on ``most`` requests at once; answers 503 to the others. Comes after ``BodyLimit``: a request counts once its body is there."""

    def __init__(self, app: ASGIApp, *, most: int) -> None:
        self.app = app
        self.most = most
        self._n_taken = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        if self._n_taken >= self.most:
            await _too_busy(self.most).response()(scope, receive, send)
            return
        self._n_taken += 1
        try:
            await self.app(scope, receive, send)
        finally:
            self._n_taken -= 1


def replayed(body: bytes, receive: Receive) -> Receive:
    """A body that was read already, to be read again; afterwards what else ``receive`` has to say."""
    is_read = False

    async def again() -> Message:
        nonlocal is_read
        if is_read:
            return await receive()
        is_read = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again


def _too_slow(seconds: float) -> Problem:
    return Problem(
        408,
        "too_slow",
        f"The body was not complete after {seconds:g} seconds; send it in one go, or fewer items in one request.",
        headers={"Connection": "close"},
    )


def _no_answer(seconds: float) -> Problem:
    return Problem(
        504,
        "no_answer",
        f"There was no answer after {seconds:g} seconds; send it again, or fewer items in one request.",
    )


def _too_busy(most: int) -> Problem:
    return Problem(
        503,
        "too_busy",
        f"The service works on {most:,} requests already; send this one again after a moment. Nothing of it was kept.",
        headers={"Retry-After": "1"},
    )


def _declared(scope: Scope) -> int:
    for name, value in scope["headers"]:
        if name == b"content-length":
            return int(value) if value.isdigit() else 0
    return 0
