"""One lead alone = the same lead in a batch = in any order = in any chunk, bit for bit."""

from __future__ import annotations

import gc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.domain import DAY
from data.snapshots import LeadHistory, snapshots_of
from features.catalog import default_features, with_custom_fields
from features.executor import touchpoint_values
from features.matrix import build_matrix
from features.spec import AGGREGATIONS, FeatureSet
from tests.features.histories import NOON, cutoffs, lead_histories, touchpoint
from tests.features.test_executor import EVERYTHING

FEATURES = default_features()
EACH = FeatureSet(
    tuple(f for f in EVERYTHING if f.name.endswith(("_all_None", "_inbound_14")) or f.name.startswith("nth_"))
)


@given(st.lists(st.tuples(lead_histories(), cutoffs), min_size=1, max_size=6))
def test_one_row_alone_is_the_row_in_the_batch(rows):
    batch = snapshots_of(rows)
    features = with_custom_fields(FEATURES, batch)
    matrix = build_matrix(batch, features)
    for i, row in enumerate(rows):
        alone = build_matrix(snapshots_of([row]), features, levels=matrix.levels)
        assert alone.X.tobytes() == matrix.X[i].tobytes()
        taken = build_matrix(batch.take(np.array([i])), features, levels=matrix.levels)
        assert taken.X.tobytes() == matrix.X[i].tobytes()


@given(st.lists(st.tuples(lead_histories(), cutoffs), min_size=1, max_size=5))
def test_every_aggregation_of_one_row_alone_is_that_of_the_row_in_the_batch(rows):
    assert {f.agg for f in EACH} == set(AGGREGATIONS)
    matrix = build_matrix(snapshots_of(rows), EACH)
    for i, row in enumerate(rows):
        alone = build_matrix(snapshots_of([row]), EACH, levels=matrix.levels)
        assert alone.X.tobytes() == matrix.X[i].tobytes()


@given(
    st.lists(st.tuples(lead_histories(), cutoffs), min_size=2, max_size=6), st.randoms(use_true_random=False)
)
def test_a_shuffled_batch_gives_the_same_rows(rows, random):
    matrix = build_matrix(snapshots_of(rows), FEATURES)
    order = list(range(len(rows)))
    random.shuffle(order)
    shuffled = build_matrix(snapshots_of([rows[i] for i in order]), FEATURES, levels=matrix.levels)
    assert shuffled.X.tobytes() == matrix.X[order].tobytes()
    taken = build_matrix(snapshots_of(rows).take(np.array(order)), FEATURES, levels=matrix.levels)
    assert taken.X.tobytes() == matrix.X[order].tobytes()


@given(st.lists(st.tuples(lead_histories(), cutoffs), min_size=1, max_size=8), st.integers(1, 40))
def test_any_chunk_size_gives_the_same_values(rows, chunk):
    snapshots = snapshots_of(rows)
    whole = touchpoint_values(snapshots, EVERYTHING)
    assert touchpoint_values(snapshots, EVERYTHING, chunk=chunk).tobytes() == whole.tobytes()


def test_sums_of_many_awkward_numbers_do_not_depend_on_company():
    """A pairwise or vectorised sum would round differently in a batch."""
    rng = np.random.default_rng(0)
    histories = [
        LeadHistory(
            f"l{k}",
            NOON - 90 * DAY,
            (),
            [
                touchpoint(NOON - int(a), touchpoint_id=str(i), value=float(v))
                for i, (a, v) in enumerate(
                    zip(rng.integers(0, 60 * DAY, 400), rng.lognormal(0, 12, 400), strict=True)
                )
            ],
        )
        for k in range(20)
    ]
    rows = [(h, NOON - days * DAY) for h in histories for days in (0, 9, 31)]
    batch = touchpoint_values(snapshots_of(rows), EVERYTHING)
    numbers = [j for j, f in enumerate(EVERYTHING) if not f.is_category]
    for i, row in enumerate(rows):
        alone = touchpoint_values(snapshots_of([row]), EVERYTHING)
        assert alone[0, numbers].tobytes() == batch[i, numbers].tobytes()
    total = EVERYTHING.names.index("sum_all_None")
    in_order = [t.value for t in sorted(histories[0].touchpoints, key=lambda t: t.occurred_at)]
    assert float(np.sum(in_order)) != batch[0, total], "numbers too tame to tell a pairwise sum apart"


@pytest.mark.parametrize("chunk", [1, 7, 100])
def test_a_lead_larger_than_the_chunk_is_computed_whole(chunk):
    big = LeadHistory("ada", NOON, (), [touchpoint(NOON - i) for i in range(50)])
    snapshots = snapshots_of([(big, NOON), (LeadHistory("bob", NOON), NOON), (big, NOON - 10)])
    counts = touchpoint_values(snapshots, FEATURES, chunk=chunk)[:, FEATURES.names.index("n_touches")]
    assert counts.tolist() == [50, 0, 40]


def test_a_matrix_leaves_nothing_to_collect():
    rows = [(LeadHistory(f"L{k}", NOON, touchpoints=[touchpoint(NOON)]), NOON + DAY) for k in range(12)]
    snapshots = snapshots_of(rows)
    build_matrix(snapshots, EACH)
    gc.collect()
    gc.disable()
    try:
        for _ in range(30):
            build_matrix(snapshots, EACH)
            build_matrix(snapshots.take(np.array([3])), EACH)
        assert gc.collect() < 30  # not even one for each; other threads of this process may leave some
    finally:
        gc.enable()
