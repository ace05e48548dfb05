"""The shares by tables are LightGBM's own, and a row's do not depend on its neighbours."""

from __future__ import annotations

import lightgbm
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.scorer.tree_tables import TreeTables
from training.scorer.trees import portable_text


def _grown(seed: int, **wanted) -> tuple[lightgbm.Booster, np.ndarray]:
    """A booster over numbers with and without gaps, and categories with and without gaps; rows to try it on."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(1_500, 6)).round(2)
    X[:, 2] = rng.integers(0, 40, 1_500)
    X[:, 4] = rng.integers(0, 3, 1_500)
    has_gaps = rng.random((1_500, 6)) < 0.15
    X[has_gaps & (np.arange(6) % 2 == 0)] = np.nan
    y = np.nan_to_num(X[:, 0]) * X[:, 1] + (X[:, 2] % 3 == 0) + (X[:, 4] == 1) + X[:, 5] > 0.6
    data = lightgbm.Dataset(X, y, categorical_feature=[2, 4])
    asked = {
        "objective": "binary", "num_leaves": 8, "max_depth": 4, "min_data_in_leaf": 10, "feature_fraction": 0.6, "verbose": -1,
        "num_threads": 1, "seed": seed, "cat_smooth": 1, "min_data_per_group": 5, **wanted,
    }  # fmt: skip
    odd = rng.normal(size=(400, 6))
    odd[:, [2, 4]] = rng.integers(-3, 90, (400, 2))
    odd[rng.random(odd.shape) < 0.3] = np.nan
    odd[:3] = np.array([np.inf, -np.inf, 0.0])[:, None]
    odd[:3, [2, 4]] = 1.0
    return lightgbm.train(asked, data, num_boost_round=40), np.vstack([X[:400], odd])


def _tables(booster: lightgbm.Booster) -> TreeTables | None:
    return TreeTables.of_text(portable_text(booster.model_to_string()), n_columns=6)


@pytest.mark.parametrize(
    "wanted",
    [
        {},
        {"max_depth": -1},
        {"num_leaves": 2},
        {"num_leaves": 3, "max_depth": 2},
        {"max_cat_to_onehot": 50},
        {"use_missing": False},
        {"min_data_in_leaf": 700},
    ],
)
def test_tables_divide_as_lightgbm_does(wanted):
    for seed in range(4):
        booster, X = _grown(seed, **wanted)
        tables = _tables(booster)
        assert tables is not None
        theirs = booster.predict(X, pred_contrib=True, num_threads=1)
        margin, shares = tables.divided(X)
        np.testing.assert_allclose(shares, theirs[:, :-1], rtol=0, atol=1e-12)
        assert margin.tobytes() == booster.predict(X, raw_score=True, num_threads=1).tobytes()
        np.testing.assert_allclose(shares.sum(axis=1) + theirs[:, -1], margin, rtol=0, atol=1e-12)


@given(seed=st.integers(0, 3), rows=st.lists(st.integers(0, 799), min_size=1, max_size=150))
@settings(max_examples=50)
def test_a_row_is_divided_the_same_among_any_others(seed, rows):
    tables, X = _KNOWN[seed]
    margin, shares = tables.divided(X)
    for chosen in (X[rows], np.asfortranarray(X[rows])):
        own_margin, own_shares = tables.divided(chosen)
        assert own_margin.tobytes() == margin[rows].tobytes()
        assert own_shares.tobytes() == shares[rows].tobytes()


@pytest.mark.parametrize(
    "wanted",
    [
        {"num_leaves": 9, "max_depth": -1},
        {"zero_as_missing": True},
        {"linear_tree": True},
        {"boosting": "rf", "bagging_freq": 1, "bagging_fraction": 0.5},
    ],
)
def test_other_trees_are_left_to_lightgbm(wanted):
    assert _tables(_grown(0, **wanted)[0]) is None


def test_trees_without_a_question_say_nothing_of_any_feature():
    booster, X = _grown(0, min_data_in_leaf=1_400)
    tables = _tables(booster)
    assert tables is not None
    margin, shares = tables.divided(X)
    assert not shares.any()
    assert margin.tobytes() == booster.predict(X, raw_score=True).tobytes()


def _known(seed: int) -> tuple[TreeTables, np.ndarray]:
    booster, X = _grown(seed)
    tables = _tables(booster)
    assert tables is not None
    return tables, X


_KNOWN = [_known(seed) for seed in range(4)]
