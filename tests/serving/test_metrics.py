"""What is counted, and that no label grows with the leads."""

from __future__ import annotations

from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from data.errors import DamagedScorerError
from serving.metrics import Metrics
from tests.serving.conftest import make_scorer, make_service, stop_service

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
    }


def test_gauges_tell_what_serves_and_what_was_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    registry = CollectorRegistry()
    metrics = Metrics(registry=registry)
    service = make_service(tmp_path)
    live = service.live

    def now() -> dict[str, float | None]:
        metrics.looked(live)
        return {
            **{v: registry.get_sample_value("leadloop_model_info", {"version": v}) for v in ("7", "8")},
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
