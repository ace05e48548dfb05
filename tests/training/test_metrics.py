"""Metrics: golden values, neutral values, empty cases, weights."""

from __future__ import annotations

import doctest
import importlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as reference

from training.learning.metrics import (
    average_precision,
    brier,
    calibration_table,
    goal_rate,
    lift_at,
    log_loss,
    roc_auc,
    wilson,
)  # fmt: skip

chances = st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.500001, 0.9, 1.0])
rows = st.lists(st.tuples(st.integers(0, 1), chances, st.integers(0, 3)), min_size=1, max_size=40)
EMPTY = np.zeros(0)


@pytest.mark.parametrize(
    "module",
    [
        "training.learning.metrics", "training.learning.config", "training.scorer.scale", "training.scorer.policy",
        "training.scorer.scorecard", "training.scorer.trees", "training.scorer.reasons",
    ],
)  # fmt: skip
def test_examples_in_docstrings_hold(module):
    assert doctest.testmod(importlib.import_module(module)).failed == 0


@given(rows)
def test_metrics_agree_with_scikit_learn(drawn):
    y, p, w = (np.array(column, dtype=np.float64) for column in zip(*drawn, strict=True))
    if (w * y).sum() == 0 or (w * (1 - y)).sum() == 0:
        return
    assert roc_auc(y, p, weight=w) == pytest.approx(reference.roc_auc_score(y, p, sample_weight=w), abs=1e-12)
    assert average_precision(y, p, weight=w) == pytest.approx(
        reference.average_precision_score(y, p, sample_weight=w), abs=1e-12
    )
    assert brier(y, p, weight=w) == pytest.approx(
        reference.brier_score_loss(y, p, sample_weight=w), abs=1e-12
    )
    inner = np.clip(p, 0.01, 0.99)
    assert log_loss(y, inner, weight=w) == pytest.approx(
        reference.log_loss(y, inner, sample_weight=w), abs=1e-12
    )


@given(rows)
def test_a_weight_counts_as_that_many_leads(drawn):
    y, p, w = (np.array(column, dtype=np.float64) for column in zip(*drawn, strict=True))
    times = w.astype(int)
    for metric in (roc_auc, average_precision, brier, log_loss, goal_rate_of, lift_at_30):
        assert metric(y, p, weight=w) == pytest.approx(
            metric(np.repeat(y, times), np.repeat(p, times)), abs=1e-9, nan_ok=True
        )


def goal_rate_of(y: np.ndarray, p: np.ndarray, weight: np.ndarray | None = None) -> float:
    return goal_rate(y, weight=weight)


def lift_at_30(y: np.ndarray, p: np.ndarray, weight: np.ndarray | None = None) -> float:
    return lift_at(y, p, share=0.3, weight=weight)


def test_one_chance_for_all_is_neutral():
    y, p = np.array([1, 0, 0, 1, 0]), np.full(5, 0.4)
    assert roc_auc(y, p) == 0.5
    assert average_precision(y, p) == pytest.approx(0.4)
    assert lift_at(y, p, share=0.2) == pytest.approx(1.0)


def test_without_rows_or_goals_there_is_no_figure():
    for metric in (roc_auc, average_precision, brier, log_loss, lift_at_30, goal_rate_of):
        assert np.isnan(metric(EMPTY, EMPTY))
    nobody = np.zeros(4)
    assert np.isnan(average_precision(nobody, nobody))
    assert np.isnan(lift_at(nobody, nobody, share=0.5))
    assert np.isnan(roc_auc(nobody, nobody))
    assert calibration_table(EMPTY, EMPTY) == []


def test_a_certain_mistake_costs_much_but_not_everything():
    assert log_loss(np.array([1.0]), np.array([0.0])) == pytest.approx(15 * np.log(10))


def test_the_top_share_of_tied_leads_takes_part_of_each():
    y, p = np.array([1, 0, 0, 0]), np.array([0.9, 0.9, 0.1, 0.1])
    assert lift_at(y, p, share=0.25) == pytest.approx(2.0)
    with pytest.raises(ValueError, match="share"):
        lift_at(y, p, share=0)


def test_calibration_shares_are_equal_and_cover_all():
    p = np.linspace(0.01, 0.99, 1_000)
    table = calibration_table((p > 0.5).astype(float), p)
    assert len(table) == 10
    assert [row["share"] for row in table] == pytest.approx([0.1] * 10)
    assert all(row["low"] <= row["observed"] <= row["high"] for row in table)
    assert table[0]["observed"] == 0.0


def test_rows_of_one_lead_do_not_make_a_rate_surer():
    y, p = np.ones(100), np.full(100, 0.5)
    many, one = calibration_table(y, p)[0], calibration_table(y, p, lead=np.zeros(100))[0]
    assert one["low"] < 0.3 < 0.9 < many["low"]


def test_wilson_knows_nothing_about_nobody():
    assert wilson(0.0, 0) == (0.0, 1.0)
