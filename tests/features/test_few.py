"""One lead's few touchpoints give the bits of the aggregations over many."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.snapshots import LeadHistory, snapshots_of
from features import executor, few
from features.aggregations import COMPUTE
from features.catalog import default_features
from features.executor import touchpoint_values
from features.spec import FeatureSet
from tests.features.histories import NOON, cutoffs, touchpoint, touchpoint_lists
from tests.features.test_executor import EVERYTHING, define


@pytest.mark.parametrize("features", [EVERYTHING, default_features()], ids=["everything", "catalog"])
@given(own=touchpoint_lists(), cutoff=cutoffs)
def test_lists_give_what_the_aggregations_give(features: FeatureSet, own, cutoff: int):
    snapshots = snapshots_of([(LeadHistory("ada", NOON, (), own), cutoff)])
    listed = touchpoint_values(snapshots, features)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(executor, "MOST", -1)
        assert touchpoint_values(snapshots, features).tobytes() == listed.tobytes()


@given(
    own=touchpoint_lists(max_size=6),
    values=st.lists(st.sampled_from(["page_view", "call", "x"]), min_size=1, max_size=2),
)
def test_conditions_on_one_column_twice_must_both_hold(own, values):
    where = (("type", tuple(values)), ("type", ("page_view",)), ("direction", ("inbound",)))
    features = FeatureSet((define("count", where=where), define("recency", where=where)))
    snapshots = snapshots_of([(LeadHistory("ada", NOON, (), own), NOON)])
    listed = touchpoint_values(snapshots, features)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(executor, "MOST", -1)
        assert touchpoint_values(snapshots, features).tobytes() == listed.tobytes()


def test_every_aggregation_of_many_that_is_no_rhythm_has_its_twin():
    assert set(COMPUTE) - few.FEW == {
        "sessions", "session_size", "business_hours", "weekend", "streak", "streak_now",
    }  # fmt: skip
    assert set(COMPUTE) >= few.FEW


def test_types_nobody_asks_for_are_not_remembered():
    features = default_features()
    steps = executor._plan(features).few
    before = steps._met.cache_info().currsize
    for i in range(50):
        own = [touchpoint(NOON, type=f"page {i}")]
        touchpoint_values(snapshots_of([(LeadHistory("ada", NOON, (), own), NOON)]), features)
    assert steps._met.cache_info().currsize <= before + 1
