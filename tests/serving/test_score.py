"""POST /v1/score: what an answer says, what it looked at, and what it leaves behind."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from data.asof import snapshots_at
from data.domain import DAY, HOUR, Lead, Touchpoint, format_instant, parse_instant
from tests.serving.conftest import NOW, Service, assert_problem, make_service, stop_service

VISIT = {
    "touchpoint_id": "t1",
    "occurred_at": "2026-03-07T14:30:00Z",
    "type": "pricing_view",
    "channel": "email",
}


def test_answer_is_flat_and_names_everything(service: Service):
    answer = service.post("/v1/score", {"lead_id": "ada", "title": "CTO", "touchpoints": [VISIT]})
    assert answer.status_code == 200
    assert answer.headers["x-model-version"] == "7"
    said = answer.json()
    assert list(said) == [
        "lead_id", "score", "grade", "probability", "low", "high", "points", "baseline_points", "fit_points", "engagement_points",
        "reason_1", "reason_1_points", "reason_2", "reason_2_points", "reason_3", "reason_3_points",
        "reason_4", "reason_4_points", "reason_5", "reason_5_points",
        "model_version", "score_id", "scored_at", "goal", "horizon_days", "route", "stored", "degraded",
        "conflicts", "conflict_ids", "warnings",
    ]  # fmt: skip
    assert (said["lead_id"], said["model_version"], said["goal"]) == ("ada", "7", "qualified")
    assert (said["horizon_days"], said["route"], said["stored"], said["degraded"]) == (
        90,
        "champion",
        True,
        False,
    )
    assert not any(isinstance(value, dict | list) for value in said.values())


def test_points_add_up(service: Service):
    said = service.post("/v1/score", {"lead_id": "ada", "employees": 40, "touchpoints": [VISIT]}).json()
    total = said["baseline_points"] + said["fit_points"] + said["engagement_points"]
    assert abs(total - said["points"]) < 1e-9
    assert said["score"] == round(min(max(said["points"], 0), 100))


def test_scored_at_is_the_cutoff_with_microseconds(service: Service):
    said = service.post("/v1/score", {"lead_id": "ada", "title": "CTO"}).json()
    assert said["scored_at"] == "2026-03-08T12:00:00.000000Z"
    row = service.store.scores.by_id(said["score_id"])
    assert row is not None
    assert format_instant(row.cutoff) == said["scored_at"]


def test_ids_of_scores_rise_with_time_and_are_never_the_same(service: Service):
    """Where they come in no order, the log's index writes a page of its own for each of them."""
    asked = {"leads": [{"title": "CTO", "employees": n} for n in range(100)]}
    calls = []
    for _ in range(3):
        calls.append([a["score_id"] for a in service.post("/v1/score/bulk", asked).json()["results"]])
        service.clock.forward(1 / 24)
    assert max(calls[0]) < min(calls[1])
    assert max(calls[1]) < min(calls[2])
    every = [score_id for ids in calls for score_id in ids]
    assert len(set(every)) == 300
    assert {len(score_id) for score_id in every} == {32}


def test_null_means_not_known(service: Service):
    nulls = {
        "lead_id": "ada",
        "title": "CTO",
        "company": None,
        "created_at": None,
        "touchpoints": None,
        "store": None,
    }
    plain = {"lead_id": "bob", "title": "CTO"}
    assert (
        service.post("/v1/score", nulls).json()["points"] == service.post("/v1/score", plain).json()["points"]
    )


def test_what_came_with_a_lead_is_kept(service: Service):
    service.post(
        "/v1/score",
        {"lead_id": "ada", "title": "CTO", "created_at": "2026-03-01T00:00:00Z", "touchpoints": [VISIT]},
    )
    kept = service.store.histories(["ada"])["ada"]
    assert kept.created_at == parse_instant("2026-03-01T00:00:00Z", name="t")
    assert kept.profile_at(NOW) == {"title": "CTO"}
    assert [(t.touchpoint_id, t.received_at) for t in kept.touchpoints] == [("t1", NOW)]


def test_store_false_keeps_nothing_but_the_log(service: Service):
    said = service.post(
        "/v1/score", {"lead_id": "ada", "title": "CTO", "touchpoints": [VISIT], "store": False}
    ).json()
    assert said["stored"] is False
    counts = service.store.counts()
    assert (counts["leads"], counts["profiles"], counts["touchpoints"], counts["scores"]) == (0, 0, 0, 1)


def test_store_false_scores_like_store_true(service: Service):
    lead = {"lead_id": "ada", "title": "CTO", "employees": 7, "touchpoints": [VISIT]}
    asked = service.post("/v1/score", {**lead, "store": False}).json()
    told = service.post("/v1/score", lead).json()
    # The two are a microsecond apart, which moves ages by nothing anybody could see.
    assert asked["points"] == pytest.approx(told["points"], abs=1e-6)
    assert asked["reason_1"] == told["reason_1"]


def test_held_and_inline_touchpoints_both_count(service: Service):
    before = Touchpoint("old", "ada", NOW - 3 * DAY, "webinar", received_at=NOW - 3 * DAY)
    service.store.add_leads([Lead("ada", NOW - 9 * DAY)], now=NOW - 9 * DAY)
    service.store.add_touchpoints([before], now=NOW - 3 * DAY)
    said = service.post("/v1/score", {"lead_id": "ada", "touchpoints": [VISIT]}).json()
    row = service.store.scores.by_id(said["score_id"])
    assert row is not None
    X = np.frombuffer(row.features)
    touches = service.scorer.features.names.index("n_touches_30d")
    assert X[touches] == 2.0


def test_touchpoint_sent_twice_counts_once(service: Service):
    lead = {"lead_id": "ada", "touchpoints": [VISIT]}
    service.post("/v1/score", lead)
    service.post("/v1/score", lead)
    assert service.store.counts()["touchpoints"] == 1


def test_known_lead_is_scored_by_its_id_alone(service: Service):
    first = service.post("/v1/score", {"lead_id": "ada", "title": "CTO"}).json()
    again = service.post("/v1/score", {"lead_id": "ada"}).json()
    assert again["fit_points"] == pytest.approx(first["fit_points"], abs=1e-6)
    assert again["stored"] is True


def test_lead_without_id_is_scored_and_not_kept(service: Service):
    said = service.post("/v1/score", {"title": "CTO"}).json()
    assert (said["lead_id"], said["stored"]) == (None, False)
    assert service.store.counts()["leads"] == 0


def test_a_clock_a_little_ahead_is_set_back_to_now(service: Service):
    ahead = format_instant(NOW + 120 * 1_000_000)
    service.post("/v1/score", {"lead_id": "ada", "touchpoints": [{**VISIT, "occurred_at": ahead}]})
    [kept] = service.store.histories(["ada"])["ada"].touchpoints
    assert kept.occurred_at == NOW


def test_outcomes_do_not_change_a_score(service: Service):
    before = service.post("/v1/score", {"lead_id": "ada", "title": "CTO"}).json()
    service.post("/v1/outcomes", {"lead_id": "ada", "kind": "won", "occurred_at": "2026-03-08T11:00:00Z"})
    after = service.post("/v1/score", {"lead_id": "ada"}).json()
    assert after["points"] == pytest.approx(before["points"], abs=1e-6)


def test_fields_only_the_model_knows_are_taken(tmp_path):
    from features.catalog import table_features
    from serving.messages import read_score

    features = table_features(
        {"Total Visits": np.array([1.0, 2.0]), "city": np.array(["a", "b"], dtype=object)}
    )
    message = read_score(
        {"lead_id": "ada", "Total Visits": 3, "city": "Graz"}, fields=features.fields, now=NOW
    )
    assert message.profile == {"Total Visits": 3.0, "city": "Graz"}


def test_thousand_leads_score_like_the_scorer_on_snapshots_from_the_store(service: Service):
    """Scores and reasons over HTTP equal those of a later recomputation from the store: 0 differences."""
    random = np.random.default_rng(5)
    kinds = ["pricing_view", "page_view", "email_open", "webinar", "form_submit", "call"]
    leads = []
    for i in range(1000):
        touches = [
            {
                "touchpoint_id": f"{i}-{k}",
                "occurred_at": format_instant(
                    NOW - int(random.integers(0, 40 * 24)) * HOUR - int(random.integers(0, 10**9))
                ),
                "type": kinds[int(random.integers(len(kinds)))],
                "channel": [None, "email", "paid_search"][int(random.integers(3))],
                "value": float(random.random()),
            }
            for k in range(int(random.integers(0, 6)))
        ]
        leads.append(
            {
                "lead_id": f"lead-{i}",
                "created_at": format_instant(NOW - int(random.integers(1, 10**12))),
                "employees": int(random.integers(1, 5000)) if i % 3 else None,
                "country": ["de", "AT", "it", None][i % 4],
                "title": ["CEO", "Head of Ops", "intern", None][int(random.integers(4))],
                "x_plan": ["a", "b", None][i % 3],
                "touchpoints": touches,
                "source": "web",
            }
        )
    # Half in one bulk, half one by one, a third of those in two parts.
    answers = service.post("/v1/score/bulk", {"leads": leads[:500]}).json()["results"]
    first = [{k: v for k, v in lead.items() if k != "touchpoints"} for lead in leads[500::3]]
    service.post("/v1/leads", first)
    told = {lead["lead_id"] for lead in first}
    asked = [
        {k: v for k, v in lead.items() if lead["lead_id"] not in told or k in ("lead_id", "touchpoints")}
        for lead in leads[500:]
    ]
    for start in range(0, 500, 20):
        together = service.calls(
            [("POST", "/v1/score", {"json": lead}) for lead in asked[start : start + 20]]
        )
        answers += [answer.json() for answer in together]

    scorer = service.scorer
    different = 0
    for cutoff in sorted({a["scored_at"] for a in answers}):
        group = [a for a in answers if a["scored_at"] == cutoff]
        at = parse_instant(cutoff, name="cutoff")
        snapshots = snapshots_at(service.store, [a["lead_id"] for a in group], cutoff=at)
        matrix = scorer.matrix(snapshots)
        scored, reasons = scorer.score_matrix(matrix), scorer.reasons(matrix)
        for i, a in enumerate(group):
            assert snapshots.lead_ids[i] == a["lead_id"]
            mine = [
                (a[f"reason_{n}"], a[f"reason_{n}_points"])
                for n in range(1, 6)
                if a[f"reason_{n}"] is not None
            ]
            theirs = [(r.sentence, r.points) for r in reasons[i].reasons[:5]]
            row = service.store.scores.by_id(a["score_id"])
            assert row is not None
            different += (
                a["points"] != scored.points[i]
                or a["score"] != scored.score[i]
                or a["grade"] != scored.grade[i]
                or a["probability"] != scored.probability[i]
                or a["fit_points"] != reasons[i].fit_points
                or a["engagement_points"] != reasons[i].engagement_points
                or mine != theirs
                or row.features != matrix.X[i].tobytes()
                or json.loads(row.reasons) != [list(r) for r in theirs]
            )
    assert len(answers) == 1000
    assert different == 0


def test_without_a_champion_the_way_to_one_is_told(service_without_model: Service):
    document = assert_problem(
        service_without_model.post("/v1/score", {"lead_id": "ada", "title": "CTO"}), 503, "no_model"
    )
    assert "leadloop train" in document["message"]
    assert "leadloop promote" in document["message"]
    assert_problem(service_without_model.get("/v1/model"), 503, "no_model")


def test_leads_are_kept_before_there_is_a_model(service_without_model: Service):
    said = service_without_model.post("/v1/leads", {"lead_id": "ada", "title": "CTO"})
    assert (said.status_code, said.json()) == (200, {"received": 1, "new": 1, "known": 0, "conflicts": 0})


def test_both_databases_keep_and_score_alike(store_url: str, tmp_path: Path):
    made = make_service(tmp_path, store_url=store_url)
    try:
        lead = {"lead_id": "ada", "title": "CTO", "employees": 5, "x_plan": "gold", "touchpoints": [VISIT]}
        others = [{"lead_id": f"other {i}", "employees": i} for i in range(59)]
        answers = [
            made.post("/v1/score", lead).json(),
            *made.post("/v1/score/bulk", {"leads": [*others, lead]}).json()["results"],
        ]
        assert made.post("/v1/touchpoints", {**VISIT, "lead_id": "ada"}).json() == {
            "received": 1,
            "new": 0,
            "known": 1,
            "conflicts": 0,
        }
        for answer in (answers[0], answers[-1]):
            cutoff = parse_instant(answer["scored_at"], name="cutoff")
            snapshots = snapshots_at(made.store, ["ada"], cutoff=cutoff)
            assert made.scorer.score_matrix(made.scorer.matrix(snapshots)).points[0] == answer["points"]
        assert made.store.counts()["scores"] == 61
        assert made.get("/v1/leads/ada").json()["n_touchpoints"] == 1
    finally:
        stop_service(made)
