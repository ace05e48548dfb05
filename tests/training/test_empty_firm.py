"""The loop turns from the first day on: a firm with leads and no outcome gets points by hand, and learns when outcomes come."""

from __future__ import annotations

from data.domain import DAY, Lead
from data.store import open_store
from training.learning.config import TrainConfig
from training.loop.retraining import retrain
from training.scorer.registry import Registry

NOW = 1_780_000_000_000_000


def test_points_by_hand_are_the_first_champion_and_never_the_second(tmp_path):
    store = open_store(f"sqlite:///{tmp_path}/leadloop.db")
    store.add_leads(
        [
            Lead(f"l{i}", NOW - DAY, {"title": "CEO", "country": "de"}, received_at=NOW - DAY)
            for i in range(5)
        ],
        now=NOW,
    )
    registry = Registry(f"sqlite:///{tmp_path}/mlflow.db", home=tmp_path)
    first = retrain(store, registry, now=NOW, config=TrainConfig(n_bootstrap=20))
    assert first.promoted
    assert "points set by hand" in first.verdict.why
    assert registry.resolve("qualified", "champion") == first.version.number
    again = retrain(store, registry, now=NOW, config=TrainConfig(n_bootstrap=20))
    assert not again.promoted
    assert "a champion serves already" in again.verdict.why
    store.close()
