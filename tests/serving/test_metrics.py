"""What is counted, and that no label grows with the leads."""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Histogram

from data.domain import DAY, Lead
from data.errors import DamagedScorerError
from features.spec import FeatureSet
from serving.maturity import MaturityWatch
from serving.metrics import Metrics
from tests.serving.conftest import NOW, Service, make_scorer, make_service, stop_service

OUTCOME = {"lead_id": "ada", "occurred_at": "2026-03-07T14:30:00Z"}


def test_scores_are_counted_by_version_and_grade_and_outcomes_by_kind(tmp_path: Path):
    registry = CollectorRegistry()
    service = make_service(tmp_path, metrics=Metrics(registry=registry))
    try:
        leads = [{"lead_id": f"l{i}", "employees": 5} for i in range(3)]
        grade = service.post("/v1/score", {"employees": 5}).json()["grade"]
        service.post("/v1/score/bulk", {"leads": [*leads, {"lead_id": "nobody"}, {"titel": 1}]})
        service.post("/v1/score", {"titel": 1})
        kinds = ("won", "lost", "won")
        service.post(
            "/v1/outcomes", [{**OUTCOME, "outcome_id": str(i), "kind": k} for i, k in enumerate(kinds)]
        )
        service.post("/v1/outcomes", {**OUTCOME, "kind": "wonn"})
    finally:
        stop_service(service)
    counted = {
        (s.name, tuple(sorted(s.labels.items()))): s.value
        for family in registry.collect()
        for s in family.samples
        if s.name.endswith("_total")
    }
    assert counted == {
        ("leadloop_scores_total", (("grade", grade), ("model_version", "7"))): 4.0,
        ("leadloop_outcomes_total", (("kind", "won"),)): 2.0,
        ("leadloop_outcomes_total", (("kind", "lost"),)): 1.0,
        ("leadloop_db_busy_total", ()): 0.0,
    }
    assert registry.get_sample_value("leadloop_score_ratio_count") == 4


Counted = tuple[Service, CollectorRegistry]


@pytest.fixture
def counted(tmp_path: Path) -> Iterator[Counted]:
    registry = CollectorRegistry()
    service = make_service(
        tmp_path, metrics=Metrics(registry=registry), score_patience=0.2, write_patience=0.2
    )
    yield service, registry
    stop_service(service)


def test_scores_are_counted_by_tenths(counted: Counted):
    service, registry = counted
    visit = {"occurred_at": "2026-03-07T14:30:00Z", "type": "pricing_view"}
    scores = [
        service.post("/v1/score", {"touchpoints": [{**visit, "touchpoint_id": str(k)} for k in range(n)], "title": "CTO"})
        .json()["score"]
        for n in (0, 1, 3, 9)
    ]  # fmt: skip
    assert len({score // 10 for score in scores}) > 2
    assert registry.get_sample_value("leadloop_score_ratio_sum") == pytest.approx(sum(scores) / 100)
    for tenth in range(1, 11):
        below = registry.get_sample_value("leadloop_score_ratio_bucket", {"le": str(tenth / 10)})
        assert below == sum(score <= 10 * tenth for score in scores)


@given(st.lists(st.integers(0, 100), max_size=30))
def test_scores_counted_together_are_counted_as_one_by_one(scores: list[int]):
    together, alone = CollectorRegistry(), CollectorRegistry()
    answers = [{"model_version": "7", "grade": "A", "score": score} for score in scores]
    Metrics(registry=together).scored(answers)
    one_by_one = Histogram("leadloop_score_ratio", "", buckets=[n / 10 for n in range(1, 11)], registry=alone)
    for score in scores:
        one_by_one.observe(score / 100)
    for n in range(1, 11):
        where = ("leadloop_score_ratio_bucket", {"le": str(n / 10)})
        assert together.get_sample_value(*where) == alone.get_sample_value(*where)
    for what in ("leadloop_score_ratio_count", "leadloop_score_ratio_sum"):
        assert together.get_sample_value(what) == pytest.approx(alone.get_sample_value(what))


def look(service: Service) -> None:
    """A look at the registry, once the rows of what was answered are counted: after the commit, so perhaps after the answer."""
    service.parts.writer.submit(lambda _: None).result(timeout=10)
    service.parts.metrics.looked(service.live)


def test_gaps_and_unknown_categories_are_shown_by_feature_after_a_look(counted: Counted):
    service, registry = counted
    service.post("/v1/score", {"employees": 9, "country": "DE", "store": False})
    bulk = [{"employees": 9, "country": "Nowhere"}] * 2 + [{"title": "CTO"}]
    assert service.post("/v1/score/bulk", {"leads": bulk}).json()["scored"] == 3
    look(service)

    def gaps(feature: str) -> float | None:
        return registry.get_sample_value("leadloop_feature_null_ratio", {"feature": feature})

    def unknown(feature: str) -> float | None:
        return registry.get_sample_value("leadloop_unknown_category_total", {"feature": feature})

    assert (gaps("employees"), gaps("country"), gaps("industry")) == (0.25, 0.25, 1.0)
    assert (unknown("country"), unknown("industry")) == (2.0, None)
    shown = {
        sample.labels["feature"]
        for family in registry.collect()
        if family.name == "leadloop_feature_null_ratio"
        for sample in family.samples
    }
    assert shown == set(service.live.current().scorer.features.names)
    look(service)
    assert (gaps("employees"), unknown("country")) == (0.25, 2.0)
    service.post("/v1/score/bulk", {"leads": [{"title": "CTO"}] * 996})
    look(service)
    assert gaps("employees") == pytest.approx(0.997)
    # From a thousand on, each row weighs a thousandth.
    service.post("/v1/score/bulk", {"leads": [{"employees": 4}] * 500})
    look(service)
    assert gaps("employees") == pytest.approx(0.4985)


def test_gaps_are_those_of_each_scorer(counted: Counted):
    """Two versions may have other features, and scores of both come between two looks."""
    service, registry = counted
    features = service.live.current().scorer.features
    fewer = make_scorer(features=FeatureSet(tuple(f for f in features if f.name != "employees")))
    service.post("/v1/score", {"country": "DE"})
    service.registry.register("8", fewer)
    service.registry.champion = "8"
    service.live.look()
    service.post("/v1/score", {"country": "DE", "employees": 9})
    look(service)
    ratio = {
        name: registry.get_sample_value("leadloop_feature_null_ratio", {"feature": name})
        for name in ("employees", "country", "industry")
    }
    assert ratio == {"employees": 1.0, "country": 0.0, "industry": 1.0}


def test_what_is_left_out_is_counted_by_reason(counted: Counted):
    service, registry = counted
    visit = {"occurred_at": "2026-03-07T14:30:00Z", "type": "page_view", "user_agent": "Googlebot/2.1"}
    service.post("/v1/touchpoints", [{**visit, "lead_id": "ada"}] * 2)
    service.post("/v1/score", {"lead_id": "ada", "title": "CTO", "touchpoints": [visit]})
    service.post("/v1/score/bulk", {"leads": [{"lead_id": "bo", "title": "CTO", "touchpoints": [visit]}]})
    service.call("DELETE", "/v1/leads/ada")
    service.post("/v1/outcomes", {**OUTCOME, "kind": "won"})

    def dropped(reason: str) -> float | None:
        return registry.get_sample_value("leadloop_ingest_dropped_total", {"reason": reason})

    assert (dropped("visit of a bot"), dropped("of an erased person")) == (4.0, 1.0)


def test_a_store_that_does_not_answer_is_counted(counted: Counted):
    service, registry = counted

    def busy() -> float | None:
        return registry.get_sample_value("leadloop_db_busy_total")

    other = sqlite3.connect(service.store.url.removeprefix("sqlite:///"), isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    try:
        assert service.post("/v1/outcomes", {**OUTCOME, "kind": "won"}).status_code == 503
        assert busy() == 1
        assert service.post("/v1/score", {"title": "CTO"}).json()["degraded"]
        assert busy() == 2
        assert service.get("/v1/leads/ada").status_code == 503
        assert busy() == 3
    finally:
        other.execute("ROLLBACK")
        other.close()
    assert service.post("/v1/outcomes", {**OUTCOME, "kind": "won"}).status_code == 200
    assert busy() == 3


def test_the_share_of_leads_old_enough_is_shown(tmp_path: Path, store_url: str):
    shown: list[float] = []
    service = make_service(tmp_path, store_url=store_url)
    watch = MaturityWatch(service.store, service.live, clock=service.clock, show=shown.append, seconds=0.02)
    try:
        assert not watch.look()
        horizon = 90 * DAY
        ages = (0, horizon - 1, horizon, 3 * horizon)
        service.store.add_leads([Lead(f"l{age}", NOW - age, {}, observed_at=NOW) for age in ages], now=NOW)
        assert watch.look()
        assert shown == [0.5]
        service.clock.forward(1)
        watch.start()
        until = time.monotonic() + 10
        while 0.75 not in shown:
            assert time.monotonic() < until
            time.sleep(0.01)
        watch.stop()
        assert not any(thread.name == "leadloop-maturity" for thread in threading.enumerate())
    finally:
        watch.stop()
        stop_service(service)


def test_without_a_model_no_leads_are_asked_for(service_without_model: Service):
    service = service_without_model
    shown: list[float] = []
    service.post("/v1/leads", {"lead_id": "ada", "title": "CTO"})
    assert not MaturityWatch(service.store, service.live, clock=service.clock, show=shown.append).look()
    assert shown == []


def test_gauges_tell_what_serves_and_what_was_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    registry = CollectorRegistry()
    metrics = Metrics(registry=registry)
    service = make_service(tmp_path)
    live = service.live

    def now() -> dict[str, float | None]:
        metrics.looked(live)
        return {
            **{
                v: registry.get_sample_value("leadloop_model_info", {"version": v, "trained_at": ""})
                for v in ("7", "8")
            },
            "refused": registry.get_sample_value("leadloop_champion_refused"),
            "reachable": registry.get_sample_value("leadloop_registry_reachable"),
        }

    def fail(folder: Path) -> None:
        raise DamagedScorerError("broken")

    try:
        assert now() == {"7": 1.0, "8": None, "refused": 0.0, "reachable": 1.0}
        service.registry.register("8", make_scorer(slope=0.3))
        service.registry.register("9", make_scorer(slope=0.4))
        service.registry.champion = "8"
        live.look()
        assert now() == {"7": 0.0, "8": 1.0, "refused": 0.0, "reachable": 1.0}
        monkeypatch.setattr(live, "_trial", fail)
        service.registry.champion = "9"
        live.look()
        assert now() == {"7": 0.0, "8": 1.0, "refused": 1.0, "reachable": 1.0}
        service.registry.champion = "8"
        live.look()
        assert now()["refused"] == 0.0
    finally:
        stop_service(service)


def test_when_the_served_model_was_trained_is_told_as_its_card_says(tmp_path: Path):
    registry = CollectorRegistry()
    metrics, service = Metrics(registry=registry), make_service(tmp_path)
    try:
        folder = service.registry.register("8", make_scorer(slope=0.3))
        (folder / "card.json").write_text(json.dumps({"data": {"now": NOW}}))
        service.registry.champion = "8"
        service.live.look()
        metrics.looked(service.live)
    finally:
        stop_service(service)
    at = {"version": "8", "trained_at": "2026-03-08T12:00:00.000000Z"}
    assert registry.get_sample_value("leadloop_model_info", at) == 1
