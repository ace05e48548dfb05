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
from data.buckets.layout import existing_manifest
from data.buckets.owners import placed
from data.buckets.source import StoreSource
from data.domain import DAY, Lead, Link, Touchpoint
from data.errors import ConfigError, StoreError
from data.snapshots import snapshots_of
from data.store import open_store
from features.bucketed import bucketed_matrix
from features.catalog import default_features
from features.matrix import build_matrix
from features.spec import FeatureSet
from tests.data import strategies as some
from tests.data.test_asof import NOW, refill
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
    value = touchpoint.value
    return touchpoint._replace(value=None if value is None or not np.isfinite(value) else value, **more)


def same_rows(store, folder: Path) -> None:
    """The folder's rows of training, of one instant and of asked leads are the store's, to the bit."""
    made = training_snapshots(
        store, goal="won", horizon_days=1, now=NOW, ages_days=AGES, immature="negative"
    ).snapshots
    rows, matrix = bucketed_matrix(folder, FEATURES, ages_days=AGES)
    keys = list(zip(made.lead_ids, made.cutoffs.tolist(), strict=True))
    assert list(zip(rows.lead_ids.tolist(), rows.cutoffs.tolist(), strict=True)) == keys
    assert matrix.X.tobytes() == build_matrix(made, FEATURES, levels=matrix.levels).X.tobytes()
    for day in (0, 10, 20, 40):
        standing = store.lead_ids(standing_at=day * DAY)
        batch = snapshots_at(store, standing, cutoff=day * DAY)
        rows, matrix = bucketed_matrix(folder, FEATURES, cutoff=day * DAY)
        created = {i for i, known in _received(store) if known <= day * DAY}
        kept = [k for k, i in enumerate(batch.lead_ids) if i in created]
        assert rows.lead_ids.tolist() == [batch.lead_ids[k] for k in kept]
        expected = build_matrix(batch, FEATURES, levels=matrix.levels) if kept else matrix
        assert matrix.X.tobytes() == (expected.X[kept] if kept else expected.X).tobytes()
    everyone = store.lead_ids()
    at = np.full(len(everyone), 30 * DAY)
    rows, matrix = bucketed_matrix(folder, FEATURES, given=(everyone, at))
    assert rows.lead_ids.tolist() == everyone
    asked = snapshots_of([(store.histories([i])[i], 30 * DAY) for i in everyone], beside=store.account_spans)
    if everyone:
        assert matrix.X.tobytes() == build_matrix(asked, FEATURES, levels=matrix.levels).X.tobytes()


def _received(store) -> list[tuple[str, int]]:
    tables = store.read_training()
    return list(zip(tables.lead_ids, tables.received_at.tolist(), strict=True))


@settings(max_examples=40)
@given(
    some.leads(), some.touchpoints(some.IDS), some.links(), some.leads(), some.touchpoints(some.IDS, prefix="z"),
    some.links(prefix="z"), st.integers(1, 4),
)  # fmt: skip
def test_with_links_bucketed_is_the_store(
    tmp_path_factory, leads, touchpoints, links, more_leads, more_touchpoints, more_links, n_buckets: int
):
    """Late, chained and conflicting links, merged leads, links that come after what they join was written."""
    folder: Path = tmp_path_factory.mktemp("linked")
    store = open_store(f"sqlite:///{folder}/store.db")
    refill(store, leads, touchpoints, [], links)
    build_buckets(StoreSource(store.url), folder / "out", n_buckets=n_buckets)
    same_rows(store, folder / "out")
    store.add_leads(more_leads, now=NOW)
    store.add_touchpoints(more_touchpoints, now=NOW)
    store.add_links(more_links, now=NOW)
    build_buckets(StoreSource(store.url), folder / "out")
    same_rows(store, folder / "out")
    build_buckets(StoreSource(store.url), folder / "full", n_buckets=n_buckets)
    grown, full = (bucketed_matrix(folder / name, FEATURES, ages_days=AGES) for name in ("out", "full"))
    assert grown[0].lead_ids.tolist() == full[0].lead_ids.tolist()
    assert grown[1].levels == full[1].levels
    assert grown[1].X.tobytes() == full[1].X.tobytes()
    store.close()


@pytest.fixture
def two_people(tmp_path: Path):
    """Ada and Bob, leads in different buckets, each with a visit; a visitor in Ada's bucket."""
    store = open_store(f"sqlite:///{tmp_path}/store.db")
    names = ("ada", "bob", "cookie")
    assert len(set(placed(names[:2], 3, None).tolist())) == 2
    store.add_leads([Lead(i, 0, {"country": c}) for i, c in (("ada", "DE"), ("bob", "FR"))], now=NOW)
    store.add_touchpoints(
        [Touchpoint(f"v-{i}", i, k * DAY, "page_view") for k, i in enumerate(names, 1)], now=NOW
    )
    yield store, tmp_path / "out"
    store.close()


def test_a_lead_merged_into_one_of_another_bucket_moves_there(two_people):
    store, folder = two_people
    store.add_links([Link("m", "ada", "bob", 20 * DAY)], now=NOW)
    build_buckets(StoreSource(store.url), folder, n_buckets=3)
    same_rows(store, folder)
    manifest = existing_manifest(folder)
    (bucket,) = set(placed(["ada", "bob"], 3, manifest.owners(folder)).tolist())
    assert {path.split("/")[1] for path in manifest.segments[0].files if path.startswith("leads/")} == {
        f"bucket={bucket:04}"
    }
    day = [bucketed_matrix(folder, FEATURES, cutoff=n * DAY)[0].lead_ids.tolist() for n in (19, 20)]
    assert day == [["ada", "bob"], ["bob"]]
    rows = bucketed_matrix(folder, FEATURES, ages_days=(0, 19, 20))[0]
    kept = list(zip(rows.lead_ids, rows.cutoffs // DAY, strict=True))
    assert kept == [("ada", 0), ("ada", 19), ("bob", 0), ("bob", 19), ("bob", 20)]


def test_a_link_that_joins_two_written_ids_tears_the_files_of_one(two_people):
    store, folder = two_people
    build_buckets(StoreSource(store.url), folder, n_buckets=3)
    before = existing_manifest(folder)
    store.add_links([Link("m", "ada", "bob", 20 * DAY, received_at=30 * DAY)], now=NOW)
    built = build_buckets(StoreSource(store.url), folder)
    home = placed(["ada"], 3, None)[0]
    gone = set(before.all_files()) - set(built.manifest.all_files())
    assert {path for path in gone if f"bucket={home:04}" in path} == {
        f"{table}/bucket={home:04}/000001.parquet" for table in ("leads", "profiles", "touchpoints")
    }
    assert (built.torn, built.new_rows, built.manifest.rows, built.rebuilt) == (3, 0, 3, False)
    assert set(built.manifest.all_files()) == {str(p.relative_to(folder)) for p in folder.rglob("*.parquet")}
    same_rows(store, folder)


def test_a_link_of_ids_not_written_before_tears_nothing(two_people):
    store, folder = two_people
    build_buckets(StoreSource(store.url), folder, n_buckets=3)
    store.add_touchpoints([Touchpoint("new", "new cookie", 3 * DAY, "form")], now=NOW)
    store.add_links([Link("n", "new cookie", "ada", 4 * DAY)], now=NOW)
    built = build_buckets(StoreSource(store.url), folder)
    assert (built.torn, built.new_rows, built.manifest.rows) == (0, 1, 4)
    same_rows(store, folder)


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
