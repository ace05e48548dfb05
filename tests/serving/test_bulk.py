"""POST /v1/score/bulk."""

from __future__ import annotations

from tests.serving.conftest import Service, assert_problem


def test_results_are_in_order_with_a_problem_per_bad_item(service: Service):
    leads = [
        {"lead_id": "a", "title": "CTO"},
        {"lead_id": "b", "titel": "CTO"},
        {"lead_id": "nobody"},
        {"lead_id": "c", "employees": 5},
        "d",
    ]
    response = service.post("/v1/score/bulk", {"leads": leads})
    assert response.status_code == 200
    assert response.headers["x-model-version"] == "7"
    said = response.json()
    assert (said["model_version"], said["scored"], said["failed"]) == ("7", 2, 3)
    assert [r.get("lead_id") for r in said["results"]] == ["a", None, None, "c", None]
    problems = [r for r in said["results"] if "code" in r]
    assert [(p["index"], p["code"]) for p in problems] == [
        (1, "unknown_field"),
        (2, "no_information"),
        (4, "not_an_object"),
    ]
    assert all(p["message"] for p in problems)


def test_bulk_scores_like_one_by_one(service: Service):
    leads = [
        {"lead_id": f"l{i}", "employees": i, "title": "CTO" if i % 2 else None, "store": False}
        for i in range(120)
    ]
    bulk = service.post("/v1/score/bulk", {"leads": leads}).json()["results"]
    singles = [service.post("/v1/score", lead).json() for lead in leads]
    # Ages differ by the microseconds between the requests; nothing of these leads depends on age.
    assert [b["points"] for b in bulk[1:]] == [s["points"] for s in singles[1:]]


def test_ten_thousand_leads_are_taken_and_one_more_is_not(service: Service):
    leads = [{"employees": i % 700} for i in range(10_000)]
    said = service.post("/v1/score/bulk", {"leads": leads})
    assert said.status_code == 200
    assert said.json()["scored"] == 10_000
    assert service.store.counts()["scores"] == 10_000
    document = assert_problem(
        service.post("/v1/score/bulk", {"leads": [*leads, {"employees": 1}]}), 422, "too_many_items"
    )
    assert "10,000" in document["message"]


def test_bulk_must_be_a_list_with_something_in_it(service: Service):
    assert_problem(service.post("/v1/score/bulk", {"leads": []}), 422, "empty_list")
    assert_problem(service.post("/v1/score/bulk", {"lead": [{"title": "CTO"}]}), 422, "not_a_list")
    assert_problem(service.post("/v1/score/bulk", {"leads": {"title": "CTO"}}), 422, "not_a_list")


def test_a_lead_that_comes_twice_in_a_bulk_is_scored_once_without_the_second_message(service: Service):
    """Both were scored on the last profile: all items of a request have one cutoff."""
    visit = {"touchpoint_id": "t", "occurred_at": "2026-03-07T14:30:00Z", "type": "pricing_view"}
    alone = service.post("/v1/score", {"lead_id": "x", "employees": 5}).json()["points"]
    leads = [{"lead_id": "a", "employees": 5}, {"lead_id": "b"}, {"lead_id": "a", "touchpoints": [visit]}]
    said = service.post("/v1/score/bulk", {"leads": leads}).json()
    first, _, second = said["results"]
    assert first["points"] == alone
    assert (second["index"], second["code"], second["pointer"]) == (2, "duplicate_lead", "/lead_id")
    assert "item 0" in second["message"]
    assert service.store.counts()["touchpoints"] == 0


def test_a_message_that_cannot_be_read_does_not_stand_in_the_way_of_the_next(service: Service):
    leads = [
        {"lead_id": "a", "titel": "CTO"},
        {"lead_id": "a", "title": "CTO"},
        {"title": "CTO"},
        {"title": "CTO"},
    ]
    results = service.post("/v1/score/bulk", {"leads": leads}).json()["results"]
    assert [r.get("code") for r in results] == ["unknown_field", None, None, None]
