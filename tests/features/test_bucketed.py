"""From files by lead, the same matrix bit for bit as from the store at once and from one lead alone."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.asof import snapshots_at, training_snapshots
from data.buckets.build import build_buckets
from data.buckets.source import StoreSource
from data.domain import DAY, Lead
from data.errors import ConfigError, StoreError
from data.snapshots import snapshots_of
from data.store import open_store
from features.bucketed import bucketed_matrix
from features.catalog import default_features
from features.matrix import build_matrix
from features.spec import FeatureSet
from tests.features.histories import NOON, touchpoint_lists
from tests.features.test_executor import EVERYTHING

FEATURES = FeatureSet((*default_features(), *EVERYTHING))
AGES = (0.0, 3.0, 30.0)


@settings(max_examples=25)
@given(st.lists(touchpoint_lists(), min_size=1, max_size=6), st.integers(1, 3), st.integers(1, 3))
def test_bucketed_is_the_batch_is_the_lead_alone(tmp_path_factory, histories, n_buckets: int, n_builds: int):
    folder: Path = tmp_path_factory.mktemp("snapshot")
    url = f"sqlite:///{folder}/store.db"
    store = open_store(url)
    store.add_leads(
        [Lead(f"l{k}", NOON - 40 * DAY, {"title": "CEO", "x_plan": str(k % 2)}) for k in range(len(histories))],
        now=NOON - 30 * DAY,
    )  # fmt: skip
    facts = [
        _of(t, lead_id=f"l{k}", touchpoint_id=f"{k}-{t.touchpoint_id}")
        for k, own in enumerate(histories)
        for t in own
    ]
    random.Random(0).shuffle(facts)
    for part in range(n_builds):
        store.add_touchpoints(facts[part::n_builds], now=NOON)
        build_buckets(StoreSource(url), folder / "out", n_buckets=n_buckets)
    batch = snapshots_at(store, [f"l{k}" for k in range(len(histories))], cutoff=NOON)
    expected = build_matrix(batch, FEATURES)
    rows, matrix = bucketed_matrix(folder / "out", FEATURES, cutoff=NOON)
    assert rows.lead_ids.tolist() == list(batch.lead_ids)
    assert matrix.levels == expected.levels
    assert matrix.X.tobytes() == expected.X.tobytes()
    for place, lead_id in enumerate(rows.lead_ids):
        alone = snapshots_of([(store.histories([lead_id])[lead_id], NOON)])
        assert build_matrix(alone, FEATURES, levels=matrix.levels).X.tobytes() == matrix.X[place].tobytes()
    store.close()


def _of(touchpoint, **more):
    from dataclasses import replace

    value = touchpoint.value
    return replace(touchpoint, value=None if value is None or not np.isfinite(value) else value, **more)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory):
    from tests.data.test_buckets import fill

    folder = tmp_path_factory.mktemp("world")
    store = open_store(f"sqlite:///{folder}/store.db")
    fill(store, first=0, n=2_000, leads=90)
    build_buckets(StoreSource(store.url), folder / "out", n_buckets=4)
    yield store, folder / "out"
    store.close()


def test_rows_by_age_are_those_of_training(world):
    store, folder = world
    made = training_snapshots(
        store, goal="won", horizon_days=1, now=NOON * 2, ages_days=AGES, immature="negative"
    )
    rows, matrix = bucketed_matrix(folder, FEATURES, ages_days=AGES)
    assert rows.lead_ids.tolist() == list(made.snapshots.lead_ids)
    assert rows.cutoffs.tolist() == made.snapshots.cutoffs.tolist()
    assert matrix.X.tobytes() == build_matrix(made.snapshots, FEATURES).X.tobytes()


def test_processes_give_what_one_gives(world):
    _, folder = world
    alone, together = (bucketed_matrix(folder, FEATURES, ages_days=AGES, processes=n) for n in (1, 2))
    assert alone[0].lead_ids.tolist() == together[0].lead_ids.tolist()
    assert alone[1].X.tobytes() == together[1].X.tobytes()


def test_given_rows_are_found_and_unknown_leads_left_out(world):
    store, folder = world
    known = store.lead_ids()[:5]
    cutoffs = np.array([NOON - k * DAY for k in range(6)])
    rows, matrix = bucketed_matrix(folder, FEATURES, given=([*known, "stranger"], cutoffs), levels=None)
    assert rows.lead_ids.tolist() == known
    assert rows.cutoffs.tolist() == cutoffs[:5].tolist()
    histories = store.histories(known)
    expected = build_matrix(
        snapshots_of([(histories[i], int(c)) for i, c in zip(known, cutoffs, strict=False)]), FEATURES, levels=matrix.levels
    )  # fmt: skip
    assert matrix.X.tobytes() == expected.X.tobytes()


def test_levels_of_a_model_are_used(world):
    _, folder = world
    learned = bucketed_matrix(folder, FEATURES, cutoff=NOON)[1].levels
    few = {name: levels[:1] for name, levels in learned.items()}
    matrix = bucketed_matrix(folder, FEATURES, cutoff=NOON, levels=few)[1]
    assert matrix.levels == few
    codes = matrix.X[:, matrix.names.index("country")]
    assert set(np.unique(codes[~np.isnan(codes)])) == {0.0, 1.0}


def test_rows_asked_for_twice_or_not_at_all_are_refused(world):
    _, folder = world
    for asked in ({}, {"cutoff": NOON, "ages_days": (1,)}):
        with pytest.raises(ConfigError, match="one of cutoff"):
            bucketed_matrix(folder, FEATURES, **asked)


def test_a_folder_without_a_snapshot_is_refused(tmp_path: Path):
    with pytest.raises(StoreError, match="leadloop snapshot"):
        bucketed_matrix(tmp_path, FEATURES, cutoff=NOON)
