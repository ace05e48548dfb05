"""The executor agrees with the oracle, and looks only at what was there at the cutoff."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.domain import DAY, HOUR, SECOND
from data.snapshots import LeadHistory, Snapshots, snapshots_of
from features.executor import touchpoint_values
from features.spec import AGGREGATIONS, Feature, FeatureSet
from tests.features.histories import BEFORE_1970, NOON, cutoffs, touchpoint, touchpoint_lists
from tests.features.oracle import history, value_of

_COLUMN = {
    "sum": "value",
    "mean": "value",
    "min": "value",
    "max": "value",
    "first": "channel",
    "last": "campaign",
    "nth": "channel",
    "nunique": "content",
}
_WHERE = {
    "all": (),
    "inbound": (("direction", ("inbound",)),),
    "pricing_or_click": (("type", ("pricing_view", "email_click")), ("direction", ("inbound", "outbound"))),
    "unheard_of": (("type", ("carrier_pigeon",)),),
}


def define(agg: str, **more) -> Feature:
    more.setdefault("name", agg)
    if agg in _COLUMN:
        more.setdefault("column", _COLUMN[agg])
    if agg == "decay":
        more.setdefault("half_life_days", 7)
    if agg in ("diff", "trend") and more.get("window_days") is None:
        more["window_days"] = 7
    if agg == "share" and not more.get("where"):
        more["where"] = _WHERE["inbound"]
    if agg == "nth":
        more.setdefault("position", 2)
    return Feature(agg=agg, group="engagement", says="{value}", topic="t", **more)


EVERYTHING = FeatureSet(
    (
        *(
            define(agg, name=f"{agg}_{label}_{window}", where=where, window_days=window)
            for agg in AGGREGATIONS
            for label, where in _WHERE.items()
            for window in (None, 7, 14, 30, 1 / 86_400)
        ),
        define("nunique", name="n_values", column="value"),
        define("nth", name="first_again", position=1),
        define("nth", name="nth_far", position=9, column="content"),
        define("decay", name="decay_second", half_life_days=1 / 86_400),
        define("decay", name="decay_year", half_life_days=365),
    )
)


def value_at(feature: Feature, touchpoints, cutoff: int = NOON) -> float | str | None:
    """One feature of one lead; a category comes back as its text."""
    snapshots = snapshots_of([(LeadHistory("ada", NOON, (), touchpoints), cutoff)])
    number = float(touchpoint_values(snapshots, FeatureSet((feature,)))[0, 0])
    if not feature.is_category:
        return number
    return None if math.isnan(number) else snapshots.ledger.text(str(feature.column)).levels[int(number)]


def values_of(snapshots: Snapshots) -> list[float | str | None]:
    """Everything about the first row, categories as their texts."""
    found: list[float | str | None] = []
    for feature, value in zip(EVERYTHING, touchpoint_values(snapshots, EVERYTHING)[0].tolist(), strict=True):
        if not feature.is_category:
            found.append(value)
        else:
            levels = snapshots.ledger.text(str(feature.column)).levels
            found.append(None if math.isnan(value) else levels[int(value)])
    return found


def assert_same(found: list[float | str | None], expected: list[float | str | None]) -> None:
    for feature, a, b in zip(EVERYTHING, found, expected, strict=True):
        assert same(a, b), (feature.name, a, b)


def same(found, expected) -> bool:
    if isinstance(expected, float):
        return found == expected or (math.isnan(expected) and math.isnan(found))
    return found == expected


# More rows than are worked on one by one (ALONE), too: they are counted in tables.
@given(st.lists(st.tuples(touchpoint_lists(), cutoffs), min_size=1, max_size=7))
def test_every_aggregation_equals_the_oracle(rows):
    snapshots = snapshots_of([(LeadHistory("ada", NOON, (), own), cutoff) for own, cutoff in rows])
    X = touchpoint_values(snapshots, EVERYTHING)
    for i, (own, cutoff) in enumerate(rows):
        for j, feature in enumerate(EVERYTHING):
            found = X[i, j].item()
            if feature.is_category:
                found = (
                    None if math.isnan(found) else snapshots.ledger.text(feature.column).levels[int(found)]
                )
            expected = value_of(feature, own, cutoff)
            assert same(found, expected), (feature.name, found, expected)


@given(touchpoint_lists(), touchpoint_lists(), cutoffs)
def test_what_happens_or_arrives_after_the_cutoff_changes_nothing(own, others, cutoff):
    before = [t for t in history(own) if t.occurred_at <= cutoff]
    later = [t._replace(touchpoint_id=f"later{i}", occurred_at=cutoff + 1 + i) for i, t in enumerate(others)]
    late = [t._replace(touchpoint_id=f"late{i}", received_at=cutoff + 1) for i, t in enumerate(others)]
    assert_same(
        values_of(snapshots_of([(LeadHistory("ada", NOON, (), [*later, *before, *late]), cutoff)])),
        values_of(snapshots_of([(LeadHistory("ada", NOON, (), before), cutoff)])),
    )


@given(touchpoint_lists(), cutoffs, st.randoms(use_true_random=False))
def test_order_and_duplication_change_nothing(own, cutoff, random):
    again = [*own, *own]
    random.shuffle(again)
    assert_same(
        values_of(snapshots_of([(LeadHistory("ada", NOON, (), again), cutoff)])),
        values_of(snapshots_of([(LeadHistory("ada", NOON, (), own), cutoff)])),
    )


@pytest.mark.parametrize(
    ("at", "expected"), [(NOON, 1), (NOON + 1, 0), (NOON - 7 * DAY + 1, 1), (NOON - 7 * DAY, 0)]
)
def test_a_window_holds_its_cutoff_and_not_its_far_edge(at, expected):
    assert value_at(define("count", window_days=7), [touchpoint(at)]) == expected


@pytest.mark.parametrize(("received_at", "expected"), [(NOON, 1), (NOON + 1, 0), (None, 1)])
def test_a_touchpoint_counts_once_it_was_received(received_at, expected):
    late = touchpoint(NOON - DAY, received_at=received_at)
    assert value_at(define("count"), [late]) == expected


def test_a_lead_without_touchpoints():
    values = {agg: value_at(define(agg), []) for agg in AGGREGATIONS}
    zeros = {agg for agg, value in values.items() if value == 0}
    assert zeros == {"count", "sum", "nunique", "decay", "diff", "sessions", "streak", "streak_now"}
    texts = {"first", "last", "nth"}
    assert all(values[agg] is None for agg in texts)
    assert all(math.isnan(values[agg]) for agg in set(AGGREGATIONS) - zeros - texts)


def test_a_single_touchpoint_has_no_gap():
    assert math.isnan(value_at(define("gap_mean"), [touchpoint(NOON)]))
    assert math.isnan(value_at(define("gap_max"), [touchpoint(NOON)]))


def test_gaps_recency_and_age_are_in_hours_hours_and_days():
    own = [touchpoint(NOON - 3 * DAY), touchpoint(NOON - 3 * DAY + 2 * HOUR), touchpoint(NOON - 12 * HOUR)]
    assert value_at(define("gap_max"), own) == 58.0
    assert value_at(define("gap_mean"), own) == 30.0
    assert value_at(define("recency"), own) == 12.0
    assert value_at(define("age"), own) == 3.0


def test_a_null_last_channel_stays_unknown():
    """DuckDB's ARG_MAX would skip it and answer 'email'."""
    own = [touchpoint(NOON - DAY, channel="email"), touchpoint(NOON, channel=None)]
    assert value_at(define("last", column="channel"), own) is None
    assert value_at(define("first", column="channel"), own) == "email"


def test_ties_in_time_are_broken_by_source_then_id():
    own = [
        touchpoint(NOON, touchpoint_id="a", source="web", channel="last"),
        touchpoint(NOON, touchpoint_id="b", source="crm", channel="middle"),
        touchpoint(NOON, touchpoint_id="a", source="crm", channel="first"),
    ]
    assert value_at(define("first", column="channel"), own) == "first"
    assert value_at(define("last", column="channel"), own) == "last"


def test_values_that_are_no_finite_number_are_nulls():
    own = [
        touchpoint(NOON - i, value=v) for i, v in enumerate([2.0, math.nan, math.inf, -math.inf, None, 4.0])
    ]
    assert value_at(define("sum"), own) == 6.0
    assert value_at(define("mean"), own) == 3.0
    assert value_at(define("max"), own) == 4.0
    assert value_at(define("nunique", column="value"), own) == 2.0


@pytest.mark.parametrize("values", [(0.0, -0.0), (-0.0, 0.0), (-0.0,)])
@pytest.mark.parametrize("agg", ["min", "max", "sum", "mean"])
def test_minus_zero_is_zero(agg, values):
    own = [touchpoint(NOON - i, touchpoint_id=str(i), value=v) for i, v in enumerate(values)]
    assert math.copysign(1, value_at(define(agg), own)) == 1.0


def test_a_sum_that_overflows_is_unknown():
    own = [touchpoint(NOON - i, value=1.7e308) for i in range(3)]
    assert math.isnan(value_at(define("sum"), own))
    assert math.isnan(value_at(define("mean"), own))
    assert value_at(define("max"), own) == 1.7e308


def test_composed_and_decomposed_letters_are_different_texts():
    own = [touchpoint(NOON, content="\u00e9"), touchpoint(NOON - 1, content="e\u0301")]
    assert value_at(define("nunique", column="content"), own) == 2.0


def test_before_1970_is_a_time_like_any_other():
    own = [
        touchpoint(BEFORE_1970 - 3 * HOUR),
        touchpoint(BEFORE_1970 - 2 * HOUR),
        touchpoint(BEFORE_1970 + 1),
    ]
    assert value_at(define("recency"), own, cutoff=BEFORE_1970) == 2.0
    assert value_at(define("count", window_days=1), own, cutoff=BEFORE_1970) == 2.0


def test_a_touchpoint_weighs_half_after_a_half_life_and_nothing_in_the_far_past():
    assert value_at(define("decay"), [touchpoint(NOON)]) == 1.0
    assert value_at(define("decay"), [touchpoint(NOON - 7 * DAY)]) == 0.5
    assert value_at(define("decay"), [touchpoint(NOON - 21 * DAY), touchpoint(NOON)]) == 1.125
    assert value_at(define("decay", half_life_days=1 / 86_400), [touchpoint(NOON - 20 * DAY)]) == 0.0
    # Ages are whole seconds, floored.
    assert value_at(define("decay"), [touchpoint(NOON - SECOND + 1)]) == 1.0


def test_diff_compares_two_windows_that_touch():
    own = [touchpoint(NOON - days * DAY) for days in (0, 6, 7, 8, 13, 14)]
    assert value_at(define("diff", window_days=7), own) == 2 - 3


def test_conditions_on_several_columns_must_all_hold():
    own = [
        touchpoint(NOON, type="email", direction="inbound"),
        touchpoint(NOON - 1, type="email", direction="outbound"),
        touchpoint(NOON - 2, type="call", direction="inbound"),
    ]
    where = (("type", ("email", "chat")), ("direction", ("inbound",)))
    assert value_at(define("count", where=where), own) == 1


def test_distinct_values_are_counted_alike_in_a_small_and_in_a_wide_ledger():
    """Few levels are counted in a table, many by sorting."""
    narrow = LeadHistory("ada", NOON, (), [touchpoint(NOON - i, content=f"c{i % 3}") for i in range(9)])
    wide = [LeadHistory(f"l{i}", NOON, (), [touchpoint(NOON, content=f"only{i}")]) for i in range(300)]
    feature = FeatureSet((define("nunique", column="content"),))
    X = touchpoint_values(snapshots_of([(h, NOON) for h in [narrow, *wide]]), feature)
    assert X[:, 0].tolist() == [3.0] + [1.0] * 300


def test_no_rows_give_no_values():
    X = touchpoint_values(snapshots_of([]), EVERYTHING)
    assert X.shape == (0, len(EVERYTHING))
    assert X.dtype == np.float64
