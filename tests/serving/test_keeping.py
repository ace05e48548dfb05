"""POST /v1/leads, /v1/touchpoints, /v1/outcomes, and what is told about a lead."""

from __future__ import annotations

import pytest

from data.domain import DAY, format_instant
from tests.serving.conftest import NOW, Service, assert_problem

LEAD = {"lead_id": "ada", "created_at": "2026-03-01T08:00:00Z", "title": "CTO", "x_plan": "gold"}
VISIT = {
    "touchpoint_id": "t1",
    "lead_id": "ada",
    "occurred_at": "2026-03-07T14:30:00Z",
    "type": "pricing_view",
}
OUTCOME = {
    "outcome_id": "o1",
    "lead_id": "ada",
    "kind": "qualified",
    "occurred_at": "2026-03-08T09:00:00Z",
    "amount": 5.5,
}

KINDS = [
    ("/v1/leads", "leads", LEAD),
    ("/v1/touchpoints", "touchpoints", VISIT),
    ("/v1/outcomes", "outcomes", OUTCOME),
]


@pytest.mark.parametrize(("path", "name", "item"), KINDS)
def test_twice_is_once(service: Service, path: str, name: str, item: dict):
    first, again = service.post(path, item), service.post(path, item)
    assert (first.status_code, first.json()) == (200, {"received": 1, "new": 1, "known": 0, "conflicts": 0})
    assert (again.status_code, again.json()) == (200, {"received": 1, "new": 0, "known": 1, "conflicts": 0})
    assert service.store.counts()[name] == 1


@pytest.mark.parametrize(("path", "name", "item"), KINDS)
def test_one_a_list_or_a_named_list(service: Service, path: str, name: str, item: dict):
    assert service.post(path, [item, item]).json() == {"received": 2, "new": 1, "known": 1, "conflicts": 0}
    assert service.post(path, {name: [item]}).json() == {"received": 1, "new": 0, "known": 1, "conflicts": 0}


@pytest.mark.parametrize(("path", "name", "item"), KINDS)
def test_all_or_nothing_and_the_index_is_told(service: Service, path: str, name: str, item: dict):
    bad = {key: value for key, value in item.items() if key != "lead_id"}
    document = assert_problem(service.post(path, [item, item, bad]), 422, "missing_field")
    assert document["errors"][0]["index"] == 2
    assert document["message"].startswith("item 2: lead_id")
    assert service.store.counts()[name] == 0
    assert_problem(service.post(path, []), 422, "empty_list")


def test_a_lead_sent_again_adds_what_is_new(service: Service):
    service.post("/v1/leads", LEAD)
    service.clock.forward(1)
    assert service.post("/v1/leads", {"lead_id": "ada", "title": "CEO"}).json()["new"] == 1
    known = service.get("/v1/leads/ada").json()
    assert known["profile"] == {"title": "CEO", "x_plan": "gold"}
    assert known["created_at"] == "2026-03-01T08:00:00.000000Z"


def test_outcome_and_touchpoint_without_id_are_known_by_what_they_say(service: Service):
    outcome = {key: value for key, value in OUTCOME.items() if key != "outcome_id"}
    visit = {key: value for key, value in VISIT.items() if key != "touchpoint_id"}
    for path, item, other in (
        ("/v1/outcomes", outcome, {**outcome, "kind": "won"}),
        ("/v1/touchpoints", visit, {**visit, "type": "webinar"}),
    ):
        assert service.post(path, [item, item, other]).json() == {
            "received": 3,
            "new": 2,
            "known": 1,
            "conflicts": 0,
        }
        assert service.post(path, item).json()["new"] == 0


@pytest.mark.parametrize("missing", ["lead_id", "kind", "occurred_at"])
def test_outcome_needs_lead_kind_and_time(service: Service, missing: str):
    item = {key: value for key, value in OUTCOME.items() if key != missing}
    document = assert_problem(service.post("/v1/outcomes", item), 422, "missing_field")
    assert document["message"].startswith(missing)


def test_unknown_kind_names_the_nearest(service: Service):
    document = assert_problem(
        service.post("/v1/outcomes", {**OUTCOME, "kind": "qualifed"}), 422, "unknown_kind"
    )
    assert "did you mean 'qualified'?" in document["message"]
    assert_problem(service.post("/v1/outcomes", {**OUTCOME, "kind": ["won"]}), 422, "unknown_kind")


def test_events_may_come_before_their_lead(service: Service):
    service.post("/v1/touchpoints", VISIT)
    assert service.post("/v1/score", {"lead_id": "ada"}).status_code == 200
    assert service.get("/v1/leads/ada").json()["n_touchpoints"] == 1


def test_what_is_known_about_a_lead(service: Service):
    service.post("/v1/leads", LEAD)
    service.post("/v1/touchpoints", VISIT)
    service.post("/v1/outcomes", OUTCOME)
    scored = service.post("/v1/score", {"lead_id": "ada"}).json()
    known = service.get("/v1/leads/ada").json()
    assert [t["touchpoint_id"] for t in known["touchpoints"]] == ["t1"]
    assert [(o["outcome_id"], o["kind"], o["amount"]) for o in known["outcomes"]] == [
        ("o1", "qualified", 5.5)
    ]
    assert (known["last_score"]["score_id"], known["last_score"]["points"]) == (
        scored["score_id"],
        scored["points"],
    )
    assert_problem(service.get("/v1/leads/nobody"), 404, "unknown_lead")


def test_ids_with_slashes_are_found(service: Service):
    service.post("/v1/leads", {**LEAD, "lead_id": "crm/9"})
    assert service.get("/v1/leads/crm%2F9").json()["lead_id"] == "crm/9"


def test_explanation_takes_the_last_score_apart(service: Service):
    service.post("/v1/leads", LEAD)
    assert_problem(service.get("/v1/leads/ada/explanation"), 404, "not_scored")
    scored = service.post("/v1/score", {"lead_id": "ada", "employees": 12}).json()
    told = service.get("/v1/leads/ada/explanation").json()
    assert told["complete"] is True
    assert len(told["features"]) == len(service.scorer.features)
    total = told["baseline_points"] + sum(f["points"] for f in told["features"])
    assert abs(total - scored["points"]) < 1e-9
    assert told["reasons"][0] == {"sentence": scored["reason_1"], "points": scored["reason_1_points"]}


def test_model_tells_version_features_and_grades(service: Service):
    said = service.get("/v1/model").json()
    assert (said["model_version"], said["goal"], said["horizon_days"]) == ("7", "qualified", 90)
    assert said["grades"] == {"A": 70, "B": 55, "C": 45}
    assert [f["name"] for f in said["features"]] == list(service.scorer.features.names)


def test_another_content_under_a_known_id_is_told(service: Service):
    """It was answered like a repetition, and the second outcome was lost without a word."""
    service.post("/v1/outcomes", OUTCOME)
    said = service.post("/v1/outcomes", [OUTCOME, {**OUTCOME, "kind": "lost"}]).json()
    assert {k: said[k] for k in ("received", "new", "known", "conflicts")} == {
        "received": 2,
        "new": 0,
        "known": 2,
        "conflicts": 1,
    }
    assert said["conflict_ids"] == ["o1"]
    assert "retracted" in said["message"]
    assert [o["kind"] for o in service.get("/v1/leads/ada").json()["outcomes"]] == ["qualified"]


def test_another_content_in_one_list_is_told_and_ten_ids_are_enough(service: Service):
    visits = [{**VISIT, "touchpoint_id": f"t{i:02}", "type": kind} for kind in ("a", "b") for i in range(12)]
    said = service.post("/v1/touchpoints", visits).json()
    assert (said["new"], said["known"], said["conflicts"]) == (12, 12, 12)
    assert said["conflict_ids"] == [f"t{i:02}" for i in range(10)]
    assert "retracted" not in said["message"]


def test_a_senders_clock_ahead_of_ours_is_no_conflict(service: Service):
    ahead = {**OUTCOME, "occurred_at": "2026-03-08T12:03:00Z"}
    assert service.post("/v1/outcomes", ahead).json()["new"] == 1
    service.clock.forward(1 / 24 / 60)
    assert service.post("/v1/outcomes", ahead).json()["conflicts"] == 0


def test_a_score_tells_touchpoints_that_say_something_else(service: Service):
    visit = {k: v for k, v in VISIT.items() if k != "lead_id"}
    first = service.post("/v1/score", {"lead_id": "ada", "touchpoints": [visit]}).json()
    again = service.post("/v1/score", {"lead_id": "ada", "touchpoints": [visit]}).json()
    other = service.post("/v1/score", {"lead_id": "ada", "touchpoints": [{**visit, "type": "demo"}]}).json()
    assert [(s["conflicts"], s["conflict_ids"]) for s in (first, again, other)] == [
        (0, None),
        (0, None),
        (1, "t1"),
    ]
    leads = [{"lead_id": "bob", "touchpoints": [visit]}, {"lead_id": "ada", "touchpoints": [visit]}]
    bulk = service.post("/v1/score/bulk", {"leads": leads}).json()["results"]
    assert [s["conflicts"] for s in bulk] == [1, 0]


@pytest.mark.parametrize("wrong_days", [0, 400, -400])
def test_a_wrong_clock_is_set_right_by_when_the_message_was_received(service: Service, wrong_days: int):
    happened, sent = (NOW + wrong_days * DAY - ago for ago in (90_000_000, 30_000_000))
    said = {
        "lead_id": "ada",
        "type": "page_view",
        "occurred_at": format_instant(happened),
        "sent_at": format_instant(sent),
    }
    assert service.post("/v1/touchpoints", said).json()["new"] == 1
    [kept] = service.store.histories(["ada"])["ada"].touchpoints
    assert (kept.occurred_at, kept.received_at) == (NOW - 60_000_000, NOW)


def test_a_message_sent_again_with_a_new_time_of_sending_is_known_and_no_conflict(service: Service):
    said = {"lead_id": "ada", "type": "page_view", "occurred_at": "2031-01-01T10:00:00Z"}
    for n, path in enumerate(("/v1/touchpoints", "/v1/touchpoints", "/v1/score")):
        touch = {**said, "sent_at": f"2031-01-01T10:0{n}:00.123Z"}
        body = (
            touch
            if n < 2
            else {
                "lead_id": "ada",
                "touchpoints": [{k: v for k, v in touch.items() if k != "lead_id"}],
            }
        )
        answer = service.post(path, body).json()
        assert answer["conflicts"] == 0
        service.clock.now += 7_000_000
    assert service.store.counts()["touchpoints"] == 1
    [kept] = service.store.histories(["ada"])["ada"].touchpoints
    assert kept.occurred_at == NOW - 123_000


def test_without_a_time_of_sending_a_time_far_ahead_is_still_refused(service: Service):
    said = {"lead_id": "ada", "type": "page_view", "occurred_at": "2031-01-01T10:00:00Z", "sent_at": None}
    assert_problem(service.post("/v1/touchpoints", said), 422, "in_the_future")


def test_a_visit_that_is_left_out_is_read_as_strictly_as_one_that_counts(service: Service):
    said = {
        "lead_id": "ada",
        "type": "page_view",
        "occurred_at": "2026-03-01T10:00:00Z",
        "user_agent": "Googlebot/2.1",
    }
    assert service.post("/v1/touchpoints", said).json()["left_out"] == 1
    assert_problem(service.post("/v1/touchpoints", {**said, "sent_at": "soon"}), 422, "invalid")
