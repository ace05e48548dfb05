"""One row alone gives the bits it gives among others."""

from __future__ import annotations

import gc
import threading

import lightgbm
import numpy as np

from training.scorer.scorecard import CategoryTerm, NumberTerm, Scorecard
from training.scorer.tree_calls import CONTRIBUTIONS, RAW, OneRow, of_rows
from training.scorer.trees import Trees, column_names

NAMES = ("a", "b", "c")


def _trees(**wanted) -> tuple[Trees, np.ndarray]:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(2_000, 3))
    X[:, 2] = rng.integers(0, 5, 2_000)
    X[rng.random((2_000, 3)) < 0.1] = np.nan
    y = np.nan_to_num(X[:, 0]) + (X[:, 2] == 3) > 0.3
    data = lightgbm.Dataset(X, y, feature_name=column_names(NAMES), categorical_feature=[2])
    settings = {"objective": "binary", "num_leaves": 8, "verbose": -1, "num_threads": 1, **wanted}
    booster = lightgbm.train(settings, data, num_boost_round=30)
    return Trees(booster.model_to_string(), names=NAMES, fill=np.full(3, np.nan)), X


def test_trees_of_one_row_have_the_bits_of_many():
    trees, X = _trees()
    margin, shares = trees.divided(X)
    assert margin.tobytes() == trees.margin(X).tobytes()
    for i in range(500):
        own_margin, own_shares = trees.divided(X[i : i + 1])
        assert own_margin[0] == margin[i] == trees.margin(X[i : i + 1])[0]
        assert (own_shares[0] == shares[i]).all()


def test_rows_have_the_bits_of_lightgbms_own_prediction():
    trees, X = _trees()
    booster = lightgbm.Booster(model_str=trees.text)
    assert of_rows(booster, RAW, X)[:, 0].tobytes() == booster.predict(X, raw_score=True).tobytes()
    theirs = booster.predict(X, pred_contrib=True)
    assert of_rows(booster, CONTRIBUTIONS, X).tobytes() == theirs.tobytes()
    one = OneRow(booster, CONTRIBUTIONS, n_columns=3)
    assert all(one.of(X[i]).tobytes() == theirs[i].tobytes() for i in range(200))


def test_large_trees_are_divided_by_lightgbm():
    trees, X = _trees(num_leaves=20)
    theirs = lightgbm.Booster(model_str=trees.text).predict(X, pred_contrib=True)[:, :-1]
    for given, wanted in ((X, theirs), (np.asfortranarray(X), theirs), (X[7:8], theirs[7])):
        margin, shares = trees.divided(given)
        assert shares.tobytes() == wanted.tobytes()
        assert margin.tobytes() == trees.margin(given).tobytes()


def test_predictions_leave_nothing_to_collect():
    for trees, X in (_trees(), _trees(num_leaves=20)):
        trees.divided(X)
        gc.collect()
        gc.disable()
        try:
            for _ in range(100):
                trees.margin(X[:8])
                trees.divided(X[:8])
            assert gc.collect() < 100  # not even one for each; other threads of this process may leave some
        finally:
            gc.enable()


def test_threads_do_not_share_a_row():
    trees, X = _trees()
    margin, wrong = trees.margin(X), []

    def work(start: int) -> None:
        wrong.extend(i for i in range(start, 2_000, 4) if trees.margin(X[i : i + 1])[0] != margin[i])

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_a_scorecard_of_one_row_has_the_bits_of_many():
    card = Scorecard(
        -1.0,
        [
            NumberTerm((-0.5, 0.1, 0.7), (0.3, -0.2, 0.9), missing=0.05),
            NumberTerm((0.0,), (0.4,), missing=-0.3),
            CategoryTerm((0.1, 0.2, 0.3), other=-0.4, missing=0.7),
        ],
    )
    X = np.vstack(
        [_trees()[1], [[0.1, 0.0, 3.0], [-0.5, -0.0, 9.0], [0.7, 1e300, 0.0], [-1e300, np.inf, 2.0]]]
    )
    with np.errstate(invalid="ignore"):
        every, sums = card.contributions(X), card.margin(X)
        alone = np.vstack([card.contributions(X[i : i + 1]) for i in range(len(X))])
        sums_alone = np.concatenate([card.margin(X[i : i + 1]) for i in range(len(X))])
    assert alone.tobytes() == every.tobytes()
    assert sums_alone.tobytes() == sums.tobytes()
