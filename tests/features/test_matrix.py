"""Snapshots to a matrix: codes, levels, and the shape of it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.errors import ConfigError
from data.snapshots import snapshots_of
from features.catalog import default_features
from features.matrix import build_matrix, pooled_levels, recode
from features.spec import Feature, FeatureSet
from tests.features.histories import NOON, cutoffs, lead, lead_histories, touchpoint

FEATURES = default_features()
INDUSTRY = FeatureSet(
    (Feature(name="industry", agg="field_text", group="fit", says="{value}", topic="t", column="industry"),)
)


def industries(*values: str | None):
    return snapshots_of([(lead(industry=value), NOON) for value in values])


def test_levels_are_learned_sorted_and_missing_is_nan():
    matrix = build_matrix(industries("steel", None, "retail", "steel"), INDUSTRY)
    assert matrix.levels == {"industry": ("retail", "steel")}
    np.testing.assert_array_equal(matrix.X[:, 0], [1, np.nan, 0, 1])


def test_a_level_that_is_not_listed_is_other_and_not_missing():
    matrix = build_matrix(industries("steel", None, "retail"), INDUSTRY, levels={"industry": ("retail",)})
    np.testing.assert_array_equal(matrix.X[:, 0], [1, np.nan, 0])
    assert [matrix.text(i, "industry") for i in range(3)] == ["other", None, "retail"]


def test_levels_may_be_empty():
    matrix = build_matrix(industries("steel", None), INDUSTRY, levels={"industry": ()})
    np.testing.assert_array_equal(matrix.X[:, 0], [0, np.nan])


def test_levels_must_name_every_category():
    with pytest.raises(ConfigError, match="'industry'"):
        build_matrix(industries("steel"), INDUSTRY, levels={"country": ()})
    with pytest.raises(ConfigError, match="'industry'"):
        recode(build_matrix(industries("steel"), INDUSTRY), {})


@given(
    st.lists(st.tuples(lead_histories(), cutoffs), min_size=1, max_size=6),
    st.integers(1, 3),
    st.integers(0, 3),
)
def test_recoding_equals_building_with_those_levels(rows, min_count, max_levels):
    snapshots = snapshots_of(rows)
    learned = build_matrix(snapshots, FEATURES)
    levels = pooled_levels(learned, np.arange(len(rows)), min_count=min_count, max_levels=max_levels)
    built = build_matrix(snapshots, FEATURES, levels=levels)
    recoded = recode(learned, levels)
    assert recoded.X.tobytes() == built.X.tobytes()
    assert recoded.levels == built.levels == levels


def test_recoding_keeps_other_and_leaves_the_original_alone():
    narrow = build_matrix(industries("steel", "retail", None), INDUSTRY, levels={"industry": ("retail",)})
    before = narrow.X.copy()
    wide = recode(narrow, {"industry": ("optics", "retail", "wood")})
    np.testing.assert_array_equal(wide.X[:, 0], [3, 1, np.nan])
    np.testing.assert_array_equal(narrow.X, before)


def test_pooled_levels_are_the_frequent_ones_of_the_rows_asked():
    matrix = build_matrix(industries("a", "b", "b", "c", "c", None, "d", "d"), INDUSTRY)
    everything = np.ones(8, dtype=bool)
    assert pooled_levels(matrix, everything, min_count=2, max_levels=9) == {"industry": ("b", "c", "d")}
    assert pooled_levels(matrix, everything, min_count=2, max_levels=2) == {"industry": ("b", "c")}
    assert pooled_levels(matrix, np.arange(4), min_count=2, max_levels=9) == {"industry": ("b",)}


def test_other_is_never_pooled():
    matrix = build_matrix(industries("a", "b", "b"), INDUSTRY, levels={"industry": ("a",)})
    assert pooled_levels(matrix, np.arange(3), min_count=1, max_levels=9) == {"industry": ("a",)}


def test_the_matrix_is_float64_in_c_order():
    rows = [(lead(touchpoint(NOON), industry="steel"), NOON)] * 3
    for matrix in (
        build_matrix(snapshots_of(rows), FEATURES),
        build_matrix(snapshots_of(rows[:1]), FEATURES),
    ):
        assert matrix.X.dtype == np.float64
        assert matrix.X.flags["C_CONTIGUOUS"]
        assert matrix.X.shape == (len(matrix), len(FEATURES))
        assert matrix.names == FEATURES.names
        assert set(matrix.levels) == {f.name for f in FEATURES if f.is_category}


def test_no_rows_make_an_empty_matrix():
    matrix = build_matrix(snapshots_of([]), FEATURES)
    assert matrix.X.shape == (0, len(FEATURES))
    assert all(levels == () for levels in matrix.levels.values())


@given(st.lists(st.tuples(lead_histories(), cutoffs), max_size=4))
def test_no_value_is_infinite(rows):
    assert not np.isinf(build_matrix(snapshots_of(rows), FEATURES).X).any()


def test_taking_rows_keeps_their_codes():
    matrix = build_matrix(industries("steel", "retail", None), INDUSTRY)
    taken = matrix.take(np.array([2, 0]))
    np.testing.assert_array_equal(taken.X[:, 0], [np.nan, 1])
    assert taken.text(1, "industry") == "steel"
