"""The store busy or away: nothing is acknowledged that is not kept, and what a request says itself is still scored."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from data.errors import StoreError
from tests.serving.conftest import NOW, Service, assert_problem, make_service, stop_service

VISIT = {"touchpoint_id": "t1", "occurred_at": "2026-03-07T14:30:00Z", "type": "pricing_view"}


@pytest.fixture
def hurried(tmp_path: Path) -> Iterator[Service]:
    """A service that waits for its store for a fifth of a second."""
    made = make_service(tmp_path, score_patience=0.2, write_patience=0.2)
    yield made
    stop_service(made)


@contextmanager
def locked(service: Service, how: str = "EXCLUSIVE") -> Iterator[None]:
    """Another process holds the database."""
    other = sqlite3.connect(service.store.url.removeprefix("sqlite:///"), isolation_level=None)
    other.execute(f"BEGIN {how}")
    try:
        yield
    finally:
        other.execute("ROLLBACK")
        other.close()


@pytest.mark.parametrize(
    ("path", "item"),
    [
        ("/v1/leads", {"lead_id": "ada", "title": "CTO"}),
        ("/v1/touchpoints", {**VISIT, "lead_id": "ada"}),
        ("/v1/outcomes", {"lead_id": "ada", "kind": "won", "occurred_at": "2026-03-08T09:00:00Z"}),
    ],
)
def test_writes_are_refused_with_a_time_to_come_again(hurried: Service, path: str, item: dict):
    with locked(hurried):
        response = hurried.post(path, item)
        assert_problem(response, 503, "store_unavailable")
        assert int(response.headers["retry-after"]) > 0
    assert hurried.post(path, item).json()["received"] == 1


def test_hubspot_is_told_no_seconds_because_it_reads_milliseconds(hurried: Service):
    said = {
        "json": {"lead_id": "ada", "kind": "won", "occurred_at": "2026-03-08T09:00:00Z"},
        "headers": {"User-Agent": "HubSpot Connect 2.0 (namespace: webhooks)"},
    }
    with locked(hurried):
        response = hurried.call("POST", "/v1/outcomes", **said)
    assert_problem(response, 503, "store_unavailable")
    assert "retry-after" not in response.headers


def test_what_the_request_says_is_scored_without_the_store(hurried: Service):
    lead = {"lead_id": "ada", "title": "CTO", "employees": 9, "touchpoints": [VISIT]}
    with locked(hurried):
        said = hurried.post("/v1/score", lead)
    assert said.status_code == 200
    assert (said.json()["degraded"], said.json()["stored"]) == (True, False)
    whole = hurried.post("/v1/score", lead).json()
    assert (whole["degraded"], whole["stored"]) == (False, True)
    assert said.json()["points"] == pytest.approx(whole["points"], abs=1e-3)


def test_a_lead_named_only_by_its_id_cannot_be_scored_without_the_store(hurried: Service):
    hurried.post("/v1/leads", {"lead_id": "ada", "title": "CTO"})
    with locked(hurried):
        assert_problem(hurried.post("/v1/score", {"lead_id": "ada"}), 503, "store_unavailable")
        bulk = hurried.post("/v1/score/bulk", {"leads": [{"lead_id": "ada"}, {"title": "CTO"}]}).json()
    assert bulk["results"][0]["code"] == "store_unavailable"
    assert bulk["results"][1]["degraded"] is True


def test_a_store_that_can_be_read_but_not_written_still_tells_what_it_knows(hurried: Service):
    hurried.post("/v1/leads", {"lead_id": "ada", "title": "CTO", "employees": 9})
    whole = hurried.post("/v1/score", {"lead_id": "ada"}).json()
    with locked(hurried, "IMMEDIATE"):
        said = hurried.post("/v1/score", {"lead_id": "ada"}).json()
    assert said["degraded"] is True
    assert said["fit_points"] == pytest.approx(whole["fit_points"], abs=1e-3)


def test_degraded_scores_are_logged_when_the_store_is_back(hurried: Service):
    with locked(hurried):
        said = hurried.post("/v1/score", {"title": "CTO"}).json()
    hurried.parts.writer.stop()
    row = hurried.store.scores.by_id(said["score_id"])
    assert row is not None
    assert (row.points, row.cutoff, row.stored) == (said["points"], NOW, False)


def test_a_write_given_up_in_line_is_never_made(hurried: Service):
    with locked(hurried):
        hurried.calls([("POST", "/v1/leads", {"json": {"lead_id": f"l{i}"}}) for i in range(5)])
    hurried.parts.writer.stop()
    # The first may have been on its way; those that waited behind it were taken out of the line.
    assert hurried.store.counts()["leads"] <= 5


def test_views_say_so_when_the_store_does_not_answer(hurried: Service, monkeypatch):
    def away(*args, **options):
        raise StoreError("cannot reach PostgreSQL; check that it runs and that the store's address is right")

    monkeypatch.setattr(hurried.store, "histories", away)
    for name in ("recent", "last_of"):
        monkeypatch.setattr(hurried.store.scores, name, away)
    assert_problem(hurried.get("/v1/leads/ada"), 503, "store_unavailable")
    page = hurried.get("/")
    assert page.status_code == 200
    assert "The store does not answer" in page.text
