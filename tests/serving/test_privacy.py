"""Erasing and suppressing over HTTP: what is gone stays gone, and who objected is not scored."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import event

from data.bars import ERASED, SUPPRESSED
from serving.metric_paths import label_of
from tests.data.test_privacy import mentions
from tests.serving.conftest import Service, assert_problem, make_service, stop_service
from tests.serving.test_store_away import locked

LEAD = {"lead_id": "ada", "title": "CTO", "company": "Acme", "anonymous_id": "cookie"}
VISIT = {"touchpoint_id": "t1", "occurred_at": "2026-03-07T14:30:00Z", "type": "pricing_view"}
WON = {"lead_id": "ada", "kind": "won", "occurred_at": "2026-03-08T09:00:00Z"}
BOB = {"lead_id": "bob", "title": "CEO"}


@pytest.fixture
def either(tmp_path: Path, store_url: str) -> Iterator[Service]:
    made = make_service(tmp_path, store_url=store_url)
    yield made
    stop_service(made)


def erase(service: Service, lead_id: str = "ada") -> dict[str, int]:
    response = service.call("DELETE", f"/v1/leads/{lead_id}")
    assert response.status_code == 200, response.text
    return response.json()


def suppress(service: Service, lead_id: str = "ada") -> dict[str, object]:
    response = service.call("POST", f"/v1/leads/{lead_id}/suppress")
    assert response.status_code == 200, response.text
    return response.json()


def test_an_erased_lead_is_gone_and_stays_gone(either: Service):
    either.post("/v1/score", {**LEAD, "touchpoints": [VISIT]})
    either.post("/v1/outcomes", WON)
    either.post("/v1/touchpoints", {**VISIT, "touchpoint_id": "t2", "anonymous_id": "cookie"})
    gone = erase(either)
    assert gone == {
        "ids": 2, "leads": 1, "profiles": 1, "touchpoints": 2, "outcomes": 1, "links": 1, "accounts": 1, "scores": 1, "dead_letters": 0,
        "replies": 0,
    }  # fmt: skip
    assert mentions(either.store, ["ada", "cookie", "Acme"]) == []
    assert_problem(either.get("/v1/leads/ada"), 404, "unknown_lead")
    assert_problem(either.get("/v1/leads/ada/explanation"), 404, "unknown_lead")
    assert_problem(either.post("/v1/score", LEAD), 410, "erased")
    assert_problem(
        either.post("/v1/score", {"lead_id": "ada", "title": "CTO", "store": False}), 410, "erased"
    )
    assert erase(either) == {**dict.fromkeys(gone, 0), "ids": 1}
    assert mentions(either.store, ["ada", "cookie", "Acme"]) == []


@pytest.mark.parametrize(
    ("path", "about", "other"),
    [
        ("/v1/leads", {"lead_id": "ada", "title": "CTO"}, BOB),
        ("/v1/touchpoints", {**VISIT, "lead_id": "ada"}, {**VISIT, "lead_id": "bob", "touchpoint_id": "t2"}),
        ("/v1/outcomes", WON, {**WON, "lead_id": "bob"}),
        ("/v1/links", {"from_id": "v1", "lead_id": "ada"}, {"from_id": "v2", "lead_id": "bob"}),
    ],
)
def test_messages_about_an_erased_lead_are_taken_and_left_out(
    either: Service, path: str, about: dict, other: dict
):
    erase(either)
    answer = either.post(path, [about, other])
    assert answer.status_code == 200
    assert answer.json() == {"received": 2, "new": 1, "known": 0, "left_out": 1, "conflicts": 0}
    alone = either.post(path, about).json()
    assert (alone["new"], alone["known"], alone["left_out"]) == (0, 0, 1)
    assert "left_out" not in either.post(path, other).json()
    assert mentions(either.store, ["ada", "v1"]) == []


def test_a_suppressed_lead_is_not_scored_and_nothing_of_the_message_is_kept(either: Service):
    either.post("/v1/score", LEAD)
    assert suppress(either) == suppress(either) == {"suppressed": True, "ids": 2}
    before = either.store.counts()
    message = {"lead_id": "ada", "title": "CFO", "anonymous_id": "phone", "touchpoints": [VISIT]}
    for said in (
        message,
        {**message, "store": False},
        {"lead_id": "cookie", "title": "CTO"},
        {"lead_id": "ada"},
    ):
        assert_problem(either.post("/v1/score", said), 409, "suppressed")
    assert either.store.counts() == before
    shown = either.get("/v1/leads/ada").json()
    assert (shown["suppressed"], shown["profile"]["title"]) == (True, "CTO")
    withdrawn = either.call("DELETE", "/v1/leads/cookie/suppress")
    assert (withdrawn.status_code, withdrawn.json()) == (200, {"suppressed": False, "ids": 2})
    assert either.post("/v1/score", message).status_code == 200
    assert either.get("/v1/leads/ada").json()["suppressed"] is False


def test_a_lead_that_turns_out_to_be_a_visitor_who_objected_is_not_scored(either: Service):
    either.post("/v1/score", BOB)
    suppress(either, "cookie")
    scores = either.store.counts()["scores"]
    unkept = {**BOB, "title": "CFO", "anonymous_id": "cookie", "store": False}
    assert_problem(either.post("/v1/score", unkept), 409, "suppressed")
    assert either.store.privacy.barred(["bob"]) == {}
    assert_problem(either.post("/v1/score", {**unkept, "store": True}), 409, "suppressed")
    assert either.store.privacy.barred(["bob", "cookie"]) == dict.fromkeys(("bob", "cookie"), SUPPRESSED)
    assert_problem(either.post("/v1/score", BOB), 409, "suppressed")
    assert either.store.counts()["scores"] == scores
    assert either.get("/v1/leads/bob").json()["profile"]["title"] == "CEO"


def test_a_lead_that_was_an_erased_visitor_begins_anew(either: Service):
    erase(either, "cookie")
    assert either.post("/v1/score", {**BOB, "anonymous_id": "cookie"}).status_code == 200
    assert mentions(either.store, ["cookie"]) == []


@pytest.mark.parametrize("n", [4, 80])
def test_in_a_bulk_each_is_answered_by_itself(either: Service, n: int):
    erase(either, "l1")
    suppress(either, "l2")
    before = either.store.counts()
    leads = [{"lead_id": f"l{i}", "title": "CTO"} for i in range(n)]
    answer = either.post("/v1/score/bulk", {"leads": leads}).json()
    assert (answer["scored"], answer["failed"]) == (n - 2, 2)
    assert [r.get("code") for r in answer["results"][:4]] == [None, "erased", "suppressed", None]
    assert [r["lead_id"] for r in answer["results"][3:]] == [f"l{i}" for i in range(3, n)]
    assert [r["index"] for r in answer["results"][1:3]] == [1, 2]
    grown = either.store.counts()
    assert (grown["leads"] - before["leads"], grown["scores"]) == (n - 2, n - 2)


def test_a_bulk_of_barred_leads_alone_scores_nobody(either: Service):
    suppress(either)
    for n in (1, 60):
        extra = [{"lead_id": f"x{i}"} for i in range(n - 1)]
        answer = either.post("/v1/score/bulk", {"leads": [{"lead_id": "ada", "title": "CTO"}, *extra]}).json()
        assert (answer["scored"], answer["results"][0]["code"]) == (0, "suppressed")


def test_requests_side_by_side_are_told_apart(either: Service):
    erase(either, "l1")
    suppress(either, "l2")
    wanted = [("POST", "/v1/score", {"json": {"lead_id": f"l{i % 4}", "title": "CTO"}}) for i in range(16)]
    answers = either.calls(wanted)
    assert [a.status_code for a in answers] == [200, 410, 409, 200] * 4
    assert {a.json()["lead_id"] for a in answers if a.status_code == 200} == {"l0", "l3"}


def test_who_is_barred_is_one_question_for_a_batch(service: Service):
    suppress(service)
    said: list[str] = []
    event.listen(service.store._engine, "before_cursor_execute", lambda *a: said.append(a[2]))
    service.post("/v1/score/bulk", {"leads": [{"lead_id": f"l{i}", "title": "CTO"} for i in range(40)]})
    asked = [s for s in said if "FROM suppressions" in s and "UNION ALL" in s]
    assert len(asked) == 2  # before anything is kept, and before the scores are logged


def test_without_the_store_what_can_be_asked_is_asked(tmp_path: Path):
    """Another process writes; reading is possible."""
    made = make_service(tmp_path, score_patience=0.5, write_patience=5.0)
    try:
        suppress(made)
        erase(made, "eve")
        with locked(made, "IMMEDIATE"):
            assert_problem(made.post("/v1/score", {"lead_id": "ada", "title": "CTO"}), 409, "suppressed")
            assert_problem(made.post("/v1/score", {"lead_id": "eve", "title": "CTO"}), 410, "erased")
            leads = [{"lead_id": i, "title": "CTO"} for i in ("bob", "ada")]
            bulk = made.post("/v1/score/bulk", {"leads": leads}).json()["results"]
            assert (bulk[0]["degraded"], bulk[1]["code"]) == (True, "suppressed")
        with locked(made, "EXCLUSIVE"):
            assert made.post("/v1/score", {"lead_id": "eve", "title": "CTO"}).json()["degraded"] is True
        assert made.post("/v1/leads", BOB).status_code == 200  # after all that waited
        assert [made.store.scores.last_of(i) for i in ("ada", "eve")] == [None, None]
        assert mentions(made.store, ["eve"]) == []
    finally:
        stop_service(made)


def test_a_repeated_request_is_not_answered_from_before(either: Service):
    headers = {"Idempotency-Key": "k-1"}
    calls = {
        name: lambda name=name: either.call(
            "POST", "/v1/score", json={**BOB, "lead_id": name}, headers={"Idempotency-Key": name}
        )
        for name in ("ada", "eve")
    }
    first = {name: call() for name, call in calls.items()}
    assert {a.status_code for a in first.values()} == {200}
    assert erase(either)["replies"] == 1
    suppress(either, "eve")
    assert_problem(calls["ada"](), 410, "erased")
    assert_problem(calls["eve"](), 409, "suppressed")
    assert_problem(calls["ada"](), 410, "erased")
    for _ in range(2):
        kept = either.call("POST", "/v1/leads", json=[{"lead_id": "ada"}, BOB], headers=headers)
        assert (kept.status_code, kept.json()["left_out"]) == (200, 1)
    assert mentions(either.store, ["ada"]) == []


def test_an_objection_sent_twice_under_one_key_is_answered_twice(either: Service):
    headers = {"Idempotency-Key": "k-1"}
    answers = [either.call("POST", "/v1/leads/ada/suppress", headers=headers) for _ in range(2)]
    assert [a.json() for a in answers] == [{"suppressed": True, "ids": 1}] * 2
    assert answers[1].headers["idempotent-replayed"] == "true"
    assert erase(either)["replies"] == 1
    assert mentions(either.store, ["ada"]) == []


def test_ids_with_slashes_are_whole_ids(service: Service):
    for name in ("crm/7", "crm/7/explanation", "crm"):
        service.post("/v1/leads", {"lead_id": name, "title": "CTO"})
    suppress(service, "crm/7")
    assert service.store.privacy.barred(["crm", "crm/7"]) == {"crm/7": SUPPRESSED}
    assert erase(service, "crm/7")["leads"] == 1
    assert erase(service, "crm/7/explanation")["leads"] == 1
    assert service.store.lead_ids() == ["crm"]
    assert service.store.privacy.barred(["suppress", "crm/7"]) == {"crm/7": ERASED}


def test_an_erased_lead_cannot_be_suppressed_or_freed(service: Service):
    erase(service)
    for method in ("POST", "DELETE"):
        assert_problem(service.call(method, "/v1/leads/ada/suppress"), 410, "erased")


@pytest.mark.parametrize("bad", ["%20", "a%00b", "x" * 201])
def test_what_can_be_no_id_is_refused(service: Service, bad: str):
    for method, end in (("DELETE", ""), ("POST", "/suppress"), ("DELETE", "/suppress")):
        assert_problem(service.call(method, f"/v1/leads/{bad}{end}"), 422, "invalid")


def test_while_the_store_is_away_nothing_is_acknowledged(tmp_path: Path):
    made = make_service(tmp_path, score_patience=0.2, write_patience=0.2)
    try:
        made.post("/v1/leads", LEAD)
        with locked(made):
            assert_problem(made.call("DELETE", "/v1/leads/ada"), 503, "store_unavailable")
            assert_problem(made.call("POST", "/v1/leads/ada/suppress"), 503, "store_unavailable")
    finally:
        stop_service(made)


def test_neither_answers_nor_logs_name_anybody(service: Service, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.DEBUG)
    name = "Ada.Lovelace@example.org"
    service.post("/v1/score", {"lead_id": name, "title": "CTO"})
    said = [service.call("POST", f"/v1/leads/{name}/suppress"), service.post("/v1/score", {"lead_id": name})]
    said += [service.call("DELETE", f"/v1/leads/{name}"), service.post("/v1/score", {"lead_id": name})]
    said += [service.call("POST", f"/v1/leads/{name}/suppress"), service.get(f"/v1/leads/{name}")]
    assert [a.status_code for a in said] == [200, 409, 200, 410, 410, 404]
    assert not any("lovelace" in a.text.lower() for a in said)
    ours = [r.getMessage() for r in caplog.records if r.name.startswith("leadloop")]
    assert not any("lovelace" in line.lower() for line in ours)


def test_no_label_of_a_metric_holds_an_id():
    assert label_of("/v1/leads/a/b/suppress") == "/v1/leads/{lead_id}/suppress"
    assert label_of("/v1/leads/a/b") == "/v1/leads/{lead_id}"
