"""An answer that does not come in time is a problem, and a request that was answered leaves nothing behind."""

from __future__ import annotations

import asyncio
import gc
from contextvars import ContextVar
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from bentoml._internal.server.base_app import BaseAppFactory

from serving.limits import AnswerLimit, bound_answers
from tests.serving.conftest import assert_problem


class Parcel:
    """What a request holds on to."""


def asked(app: Any, *, timeout: float = 60.0) -> httpx.Response:
    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(AnswerLimit(app, timeout=timeout))
        async with httpx.AsyncClient(transport=transport, base_url="http://there") as client:
            return await client.get("/")

    return asyncio.run(ask())


def test_no_answer_in_time_is_a_problem():
    async def never(scope, receive, send):
        await asyncio.sleep(30)

    assert_problem(asked(never, timeout=0.05), 504, "no_answer")


def test_an_answer_that_has_begun_may_take_its_time():
    async def slowly(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await asyncio.sleep(0.2)
        await send({"type": "http.response.body", "body": b"late"})

    assert asked(slowly, timeout=0.05).content == b"late"


def test_an_answer_that_begins_as_the_deadline_strikes_is_the_only_one():
    sent = []

    async def stubborn(scope, receive, send):
        try:
            await asyncio.sleep(30)
        except asyncio.CancelledError:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            raise

    async def send(message: Any) -> None:
        sent.append(message["type"])

    with pytest.raises(TimeoutError):
        asyncio.run(AnswerLimit(stubborn, timeout=0.05)({"type": "http"}, send, send))
    assert sent == ["http.response.start"]


def test_an_applications_own_timeout_is_its_own():
    async def fails(scope, receive, send):
        raise TimeoutError("of its own")

    with pytest.raises(TimeoutError, match="of its own"):
        asked(fails)


def test_answered_requests_are_let_go_long_before_their_deadline():
    carried: ContextVar[Parcel] = ContextVar("carried")

    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"ok"})

    limited = AnswerLimit(app, timeout=600.0)

    async def nothing(message: Any) -> None: ...

    async def traced() -> None:
        # As tracing does, around BentoML's limit.
        carried.set(Parcel())
        await limited({"type": "http"}, nothing, nothing)

    async def ask() -> int:
        for _ in range(1_000):
            await asyncio.create_task(traced())
        gc.collect()
        return sum(isinstance(o, Parcel) for o in gc.get_objects())

    # The loop drops stopped timers once they are more than a hundred and more than half of all.
    assert asyncio.run(ask()) <= 201


def test_bentoml_limits_answers_so():
    bound_answers()
    (used,) = BaseAppFactory.middlewares.fget(SimpleNamespace(timeout=5.0, max_concurrency=None))
    assert used.cls is AnswerLimit
