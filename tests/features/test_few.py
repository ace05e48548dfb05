"""One lead's table gives the bits of the aggregations it stands in for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.snapshots import LeadHistory, snapshots_of
from features import executor, few
from features.catalog import default_features
from features.executor import touchpoint_values
from features.spec import FeatureSet
from tests.features.histories import NOON, cutoffs, touchpoint_lists
from tests.features.test_executor import EVERYTHING, define


@pytest.mark.parametrize("features", [EVERYTHING, default_features()], ids=["everything", "catalog"])
@given(own=touchpoint_lists(), cutoff=cutoffs)
def test_the_table_gives_what_the_aggregations_give(features: FeatureSet, own, cutoff: int):
    snapshots = snapshots_of([(LeadHistory("ada", NOON, (), own), cutoff)])
    tabled = touchpoint_values(snapshots, features)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(executor, "LARGEST", -1)
        assert touchpoint_values(snapshots, features).tobytes() == tabled.tobytes()


@given(
    own=touchpoint_lists(max_size=6),
    values=st.lists(st.sampled_from(["page_view", "call", "x"]), min_size=1, max_size=2),
)
def test_conditions_on_one_column_twice_must_both_hold(own, values):
    where = (("type", tuple(values)), ("type", ("page_view",)), ("direction", ("inbound",)))
    features = FeatureSet((define("count", where=where), define("recency", where=where)))
    snapshots = snapshots_of([(LeadHistory("ada", NOON, (), own), NOON)])
    tabled = touchpoint_values(snapshots, features)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(executor, "LARGEST", -1)
        assert touchpoint_values(snapshots, features).tobytes() == tabled.tobytes()


def test_more_conditions_than_bits_are_left_to_the_aggregations():
    many = FeatureSet(tuple(define("count", name=f"n{i}", where=(("type", (f"t{i}",)),)) for i in range(70)))
    assert not executor._plan(many).few.is_usable
    assert executor._plan(default_features()).few.is_usable
    assert set(few.TABLED) <= {"count", "diff", "recency", "age"}
