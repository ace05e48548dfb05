"""Idempotency-Key: one request, one answer, from whichever worker, on both databases."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from serving.app import build_app
from tests.serving.conftest import NOW, Service, assert_problem, make_service, stop_service
from tests.serving.test_store_away import locked

LEAD = {"lead_id": "ada", "title": "CTO"}
OUTCOME = {"lead_id": "ada", "kind": "won", "occurred_at": "2026-03-08T09:00:00Z"}
CALLS = [
    ("/v1/score", LEAD),
    ("/v1/score/bulk", {"leads": [LEAD, {"nonsense": 1}]}),
    ("/v1/leads", LEAD),
    ("/v1/outcomes", OUTCOME),
    ("/v1/touchpoints", {"lead_id": "ada", "occurred_at": "2026-03-07T14:30:00Z", "type": "webinar"}),
]


@pytest.fixture
def either(tmp_path: Path, store_url: str) -> Iterator[Service]:
    made = make_service(tmp_path, store_url=store_url)
    yield made
    stop_service(made)


def once(service: Service, path: str, body: object, key: str = "k-1", **headers: str):
    return service.call("POST", path, json=body, headers={"Idempotency-Key": key, **headers})


@pytest.mark.parametrize(("path", "body"), CALLS)
def test_the_same_request_again_gets_the_first_answer(either: Service, path: str, body: dict):
    first = once(either, path, body)
    either.clock.forward(1)
    again = once(either, path, body)
    assert first.status_code == 200
    assert "idempotent-replayed" not in first.headers
    assert (again.status_code, again.content) == (200, first.content)
    assert again.headers["idempotent-replayed"] == "true"
    for name in ("content-type", "x-model-version"):
        assert again.headers.get(name) == first.headers.get(name)
    assert once(either, path, body, key="k-2").content != first.content or path == "/v1/score/bulk"


def test_a_score_replayed_is_logged_once_and_survives_a_restart(either: Service):
    first = once(either, "/v1/score", LEAD)
    restarted = build_app(either.parts)
    either.app = restarted
    assert once(either, "/v1/score", LEAD).content == first.content
    assert either.store.counts()["scores"] == 1


def test_another_request_under_the_key_is_refused(service: Service):
    once(service, "/v1/outcomes", OUTCOME)
    for path, body in (("/v1/outcomes", {**OUTCOME, "kind": "lost"}), ("/v1/leads", OUTCOME)):
        document = assert_problem(once(service, path, body), 422, "idempotency_key_reused")
        assert document["message"] == (
            "This Idempotency-Key came with another request before; give every request a key of its own."
        )
    assert len(service.store.outcomes_of(["ada"])["ada"]) == 1


def test_while_one_is_at_work_the_others_are_told_to_come_again(either: Service):
    headers = {"Idempotency-Key": "k-1"}
    wanted = [("POST", "/v1/score", {"json": LEAD, "headers": headers})] * 8
    answers = either.calls(wanted)
    assert {a.status_code for a in answers} <= {200, 409}
    assert len({a.content for a in answers if a.status_code == 200}) == 1
    assert either.store.counts()["scores"] == 1
    for busy in (a for a in answers if a.status_code == 409):
        assert_problem(busy, 409, "in_progress")
        assert busy.headers["retry-after"] == "1"


def test_a_request_at_work_elsewhere_is_a_conflict(service: Service):
    once(service, "/v1/score", LEAD)
    with service.store._engine.execution_options(writes=True).begin() as connection:
        connection.execute(text("UPDATE replies SET status = NULL, body = NULL"))
    assert_problem(once(service, "/v1/score", LEAD), 409, "in_progress")
    service.clock.forward(1)
    assert once(service, "/v1/score", LEAD).status_code == 200


def test_refusals_are_not_kept(service: Service):
    assert_problem(once(service, "/v1/score", {"titel": "CTO"}), 422, "unknown_field")
    assert once(service, "/v1/score", LEAD).status_code == 200


@pytest.mark.parametrize("key", ["", "a b", "x" * 256, "é"])
def test_keys_are_bounded(service: Service, key: str):
    said = service.call("POST", "/v1/score", json=LEAD, headers={b"Idempotency-Key": key.encode("latin-1")})
    assert_problem(said, 422, "bad_idempotency_key")


def test_keys_belong_to_the_caller(service: Service):
    secrets = [service.store.keys.create(name, ["admin"], now=NOW)[0] for name in ("crm", "shop", "crm")]
    service.app = build_app(service.parts)
    service.parts.keyring._looked_at = -1e9
    answers = [once(service, "/v1/score", LEAD, **{"X-API-Key": secret}) for secret in secrets]
    assert [a.headers.get("idempotent-replayed") for a in answers] == [None, None, "true"]
    assert answers[0].content == answers[2].content != answers[1].content


def test_neither_body_nor_key_is_kept_as_it_came(service: Service):
    once(service, "/v1/outcomes", OUTCOME, key="order-of-ada")
    with service.store._engine.connect() as connection:
        kept = repr(connection.execute(text("SELECT * FROM replies")).all())
    assert "ada" not in kept
    assert "won" not in kept


@pytest.mark.parametrize(("path", "body"), CALLS)
def test_erasing_a_lead_erases_its_kept_answers(either: Service, path: str, body: dict):
    packed = gzip.compress(json.dumps(body).encode())
    headers = {"Idempotency-Key": "k-2", "Content-Encoding": "gzip"}
    once(either, path, body)
    either.call("POST", path, content=packed, headers=headers)
    assert either.store.replies.erase(["ada"]) == 2
    assert "idempotent-replayed" not in once(either, path, body).headers


def test_after_72_hours_the_key_is_free(service: Service):
    once(service, "/v1/outcomes", OUTCOME)
    service.clock.forward(3.01)
    assert once(service, "/v1/outcomes", {**OUTCOME, "kind": "lost"}).status_code == 200


def test_while_the_store_is_away_a_score_is_given_and_a_write_is_not(tmp_path: Path):
    service = make_service(tmp_path, score_patience=0.2, write_patience=0.2)
    try:
        with locked(service):
            assert once(service, "/v1/score", LEAD).json()["degraded"] is True
            assert_problem(once(service, "/v1/outcomes", OUTCOME), 503, "store_unavailable")
        assert once(service, "/v1/outcomes", OUTCOME, key="k-3").status_code == 200
    finally:
        stop_service(service)


def test_a_replay_is_plain_whatever_the_first_caller_took(service: Service):
    leads = {"leads": [{"lead_id": f"L{i}", "title": "CTO"} for i in range(50)]}
    first = once(service, "/v1/score/bulk", leads, **{"Accept-Encoding": "gzip"})
    again = once(service, "/v1/score/bulk", leads, **{"Accept-Encoding": "identity"})
    assert "content-encoding" not in again.headers
    assert again.json() == first.json()
