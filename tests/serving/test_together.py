"""Scores that wait side by side are made in one go, and nobody can tell."""

from __future__ import annotations

import threading
import time
import weakref
from contextlib import contextmanager
from functools import partial

import pytest

from serving import writer
from serving.live import Served
from serving.messages import LeadMessage
from serving.scoring import Scoring
from serving.writer import Writer
from tests.serving.conftest import NOW, Service

VARYING = ("score_id", "scored_at")


def _message(lead_id: str | None, **profile: str) -> LeadMessage:
    return LeadMessage(lead_id, None, profile)


def _together(service: Service, messages: list[LeadMessage]) -> tuple[list, list[int]]:
    """The answers to these messages, each of a request of its own, and the times they asked for."""
    served = service.live.current()
    assert isinstance(served, Served)
    scoring: Scoring = service.parts.scoring()
    times: list[int] = []

    def now() -> int:
        times.append(NOW + len(times))
        return times[-1]

    with service.store.transaction():
        answers = scoring._scored_together(now, [(message, served, True) for message in messages])
    return answers, times


def _plain(answer: dict) -> dict:
    return {name: value for name, value in answer.items() if name not in VARYING}


def test_leads_scored_in_one_go_get_the_answers_they_get_alone(service: Service):
    told = [{"title": f"Head of {i}", "country": ("de", "fr")[i % 2], "store": False} for i in range(8)]
    alone = [service.post("/v1/score", body).json() for body in told]
    found, times = _together(
        service,
        [
            LeadMessage(None, None, {"title": b["title"], "country": b["country"]}, is_to_store=False)
            for b in told
        ],
    )
    assert [_plain(a) for a in found] == [_plain(a) for a in alone]
    assert len(times) == 1


def test_a_second_message_about_a_lead_sees_the_first_and_comes_later(service: Service):
    answers, times = _together(
        service,
        [_message("ada", industry="software"), _message("bob", country="de"), _message("ada", country="fr")],
    )
    assert len(times) == 2
    assert service.store.histories(["ada"])["ada"].profile_at(times[0]) == {"industry": "software"}
    both = {"industry": "software", "country": "fr"}
    assert service.store.histories(["ada"])["ada"].profile_at(times[1]) == both
    assert [a["lead_id"] for a in answers] == ["ada", "bob", "ada"]
    assert answers[0]["scored_at"] < answers[2]["scored_at"]


def test_many_requests_at_once_get_their_own_answers(service: Service):
    bodies = [{"lead_id": f"lead {i}", "country": ("de", "fr", "at")[i % 3]} for i in range(40)]
    answers = [r.json() for r in service.calls([("POST", "/v1/score", {"json": b}) for b in bodies])]
    assert [a["lead_id"] for a in answers] == [b["lead_id"] for b in bodies]
    by_country = {b["country"]: a["points"] for a, b in zip(answers, bodies, strict=True)}
    assert all(a["points"] == by_country[b["country"]] for a, b in zip(answers, bodies, strict=True))
    assert {r.score_id for r in service.store.scores.recent(limit=50)} == {a["score_id"] for a in answers}


def test_one_request_that_breaks_does_not_take_the_others_along(service: Service):
    def work(now, items):
        if "bad" in items:
            raise ZeroDivisionError
        return [(item, now()) for item in items]

    promises = [service.parts.writer._queue(work, item) for item in ("a", "bad", "b")]
    assert [p.result(5)[0] for p in (promises[0], promises[2])] == ["a", "b"]
    assert isinstance(promises[1].exception(5), ZeroDivisionError)


class NoStore:
    """Transactions of nothing."""

    @contextmanager
    def transaction(self):
        yield


@pytest.fixture
def alone():
    """A writer by itself."""
    made = Writer(NoStore(), clock=lambda: NOW)  # type: ignore[arg-type]
    made.start()
    yield made
    made.stop()


class Load:
    """What a job holds."""


def test_what_was_written_is_let_go_though_nobody_comes_after(alone: Writer):
    load = Load()
    held = weakref.ref(load)
    alone.submit(partial(lambda load, now: now, load)).result(timeout=10)
    del load
    deadline = time.monotonic() + 10
    while held() is not None and time.monotonic() < deadline:
        time.sleep(0.01)
    assert held() is None


def test_callers_that_ask_again_at_once_do_not_stay_in_halves(alone: Writer):
    """One was worked on alone while seven waited, then the seven while the one waited, and so on for ever."""
    sizes = []

    def work(now, items):
        sizes.append(len(items))
        time.sleep(0.02)
        return items

    def ask():
        for _ in range(20):
            alone._queue(work, None).result(30)

    callers = [threading.Thread(target=ask) for _ in range(8)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert max(sizes) == 8


def test_where_nobody_waits_nobody_is_held_up(alone: Writer, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(writer, "_GATHERED_SHARE", 1e9)
    monkeypatch.setattr(writer, "_GATHERED_SECONDS", 3_600)
    for n in range(5):
        assert alone.submit(lambda _, n=n: n).result(5) == n


def test_the_end_is_not_held_up_for_those_who_might_come_again(
    alone: Writer, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(writer, "_GATHERED_SHARE", 1e9)
    monkeypatch.setattr(writer, "_GATHERED_SECONDS", 3_600)
    is_waiting = threading.Event()
    first = alone.submit(lambda _: is_waiting.wait(5))
    second = alone.submit(lambda _: "done")
    is_waiting.set()
    assert first.result(5)
    alone.stop()
    assert second.result(0) == "done"
