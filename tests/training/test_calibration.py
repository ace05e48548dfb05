"""Calibration finds a distortion that all folds share, and leaves alone what only one of them says."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.learning.calibration import LARGEST_SLOPE, SMALLEST_SLOPE, CalibrationError, calibrate, platt


def told(n: int, *, slope: float, intercept: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Margins of which the truth is ``intercept + slope * margin``."""
    rng = np.random.default_rng(seed)
    margin = rng.normal(-0.5, 1.5, size=n)
    return margin, (rng.random(n) < 1 / (1 + np.exp(-(intercept + slope * margin)))).astype(float)


@pytest.mark.parametrize(("slope", "intercept"), [(1.0, 0.0), (0.5, -1.0), (1.6, 0.7)])
def test_a_known_distortion_is_found(slope, intercept):
    margin, y = told(40_000, slope=slope, intercept=intercept)
    found = platt(margin, y)
    assert found.slope == pytest.approx(slope, abs=0.05)
    assert found.intercept == pytest.approx(intercept, abs=0.06)


def test_the_mean_chance_equals_the_goal_rate():
    margin, y = told(5_000, slope=0.7, intercept=0.4)
    chance = 1 / (1 + np.exp(-platt(margin, y, slope_belief=0.0).of(margin)))
    assert chance.mean() == pytest.approx(y.mean(), abs=1e-3)


def test_few_leads_keep_the_slope_near_one():
    margin, y = told(60, slope=0.2, intercept=0.0)
    believed, free = platt(margin, y), platt(margin, y, slope_belief=0.0)
    assert abs(believed.slope - 1) < abs(free.slope - 1)


@given(st.integers(0, 10_000), st.floats(0.01, 30))
def test_the_slope_is_positive_and_bounded_whatever_the_margins(seed, spread):
    rng = np.random.default_rng(seed)
    y = (np.arange(60) % 3 == 0).astype(float)
    found = platt(rng.normal(0, spread, size=60) - y * rng.normal(0, spread), y)
    assert SMALLEST_SLOPE <= found.slope <= LARGEST_SLOPE
    assert np.isfinite(found.intercept)


def test_a_model_that_is_wrong_about_everybody_is_flattened_not_reversed():
    margin, y = told(3_000, slope=-1.0, intercept=0.0)
    found = platt(margin, y, slope_belief=0.0)
    assert found.slope == SMALLEST_SLOPE
    chance = 1 / (1 + np.exp(-found.of(margin)))
    assert chance.mean() == pytest.approx(y.mean(), abs=0.01)


def test_too_few_of_a_class_are_refused_with_both_counts():
    with pytest.raises(CalibrationError, match="9 with the goal and 51 without"):
        platt(np.zeros(60), (np.arange(60) < 9).astype(float))


def test_rows_of_no_weight_are_no_evidence():
    margin, y = told(500, slope=1.0, intercept=0.0)
    weight = np.ones(1_000)
    weight[500:] = 0.0
    both = platt(np.concatenate([margin, margin]), np.concatenate([y, 1 - y]), weight=weight)
    alone = platt(margin, y)
    assert (both.slope, both.intercept) == pytest.approx((alone.slope, alone.intercept), abs=1e-9)


def folds_of(*parts: tuple[np.ndarray, np.ndarray]) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    margin, y = (np.concatenate(column) for column in zip(*parts, strict=True))
    fold = np.repeat(np.arange(len(parts)), [len(m) for m, _ in parts])
    return margin, y, np.ones(len(y)), fold


def test_what_all_folds_share_is_applied():
    found = calibrate(*folds_of(*(told(4_000, slope=0.6, intercept=-0.5, seed=s) for s in range(4))))
    assert found.slope == pytest.approx(0.6, abs=0.06)
    assert found.intercept == pytest.approx(-0.5, abs=0.08)


def test_folds_that_disagree_change_little():
    disagreeing = calibrate(
        *folds_of(*(told(4_000, slope=s, intercept=0.0, seed=i) for i, s in enumerate([1.0, 1.0, 1.0, 0.02])))
    )
    agreeing = calibrate(*folds_of(*(told(4_000, slope=0.76, intercept=0.0, seed=s) for s in range(4))))
    assert abs(disagreeing.slope - 1) < abs(agreeing.slope - 1)


def test_small_folds_are_taken_together_and_very_small_ones_not_at_all():
    together = calibrate(*folds_of(*(told(24, slope=1.0, intercept=-2.5, seed=s) for s in range(12))))
    assert together.intercept < -0.5
    nothing = calibrate(*folds_of(told(8, slope=1.0, intercept=-2.0)))
    assert (nothing.slope, nothing.intercept) == (1.0, 0.0)
