"""Calibration: making a raw margin mean what it says.

An affine map keeps the model additive, and a moved base rate is mended by the intercept alone. It is fitted on margins of leads the model
had not seen. With few goals the slope stays near 1: a model's own log-odds are believed until the data says otherwise.
"""

from __future__ import annotations

import numpy as np

from data.errors import NotEnoughDataError
from training.scorer.additive import Affine

SMALLEST_SLOPE, LARGEST_SLOPE = 0.02, 4.0
# Worth of the belief that the slope is 1, as curvature of the log loss: what 60 leads at even odds and one unit of spread would tell.
SLOPE_BELIEF = 15.0
FOLD_SLOPE_BELIEF = 5.0
# How far calibrations may differ from none in a fold, as a standard deviation: of the slope, and of the log-odds of an average lead.
SLOPE_SPREAD, LEVEL_SPREAD = 0.1, 0.5
FEWEST = 10
_STEPS = 100


class CalibrationError(NotEnoughDataError):
    """Too few rows of one class to calibrate on."""


def platt(
    margin: np.ndarray, y: np.ndarray, *, weight: np.ndarray | None = None, slope_belief: float = SLOPE_BELIEF
) -> Affine:
    """Affine map from margin to calibrated log-odds, slope between 0.02 and 4.

    Parameters
    ----------
    margin : float array, shape (n,), natural log-odds from held-out folds.
    y : 0/1 array, shape (n,). Both classes must occur.
    weight : float array, shape (n,), optional. Non-negative.
    slope_belief : how firmly the slope is held near 1; 0 lets the data alone decide.

    Raises
    ------
    CalibrationError
        If fewer than 10 rows of either class remain; the message gives both counts.

    References
    ----------
    Platt (1999), with the target smoothing of Lin, Lin and Weng (2007).
    """
    weight = np.ones(len(y)) if weight is None else np.asarray(weight, dtype=np.float64)
    held = weight > 0
    hits, misses = int((y[held] > 0.5).sum()), int((y[held] <= 0.5).sum())
    if min(hits, misses) < FEWEST:
        raise CalibrationError(
            f"calibration needs {FEWEST} rows of either class, got {hits} with the goal and {misses} without"
        )
    w_hit, w_miss = float(weight[y > 0.5].sum()), float(weight[y <= 0.5].sum())
    target = np.where(y > 0.5, (w_hit + 1) / (w_hit + 2), 1 / (w_miss + 2))
    slope, intercept = _newton(margin, target, weight, slope_belief)
    bounded = float(np.clip(slope, SMALLEST_SLOPE, LARGEST_SLOPE))
    if bounded != slope:
        intercept = _intercept(bounded * margin, target, weight)
    return Affine(bounded, intercept)


def calibrate(margin: np.ndarray, y: np.ndarray, weight: np.ndarray, fold: np.ndarray) -> Affine:
    """Calibration from out-of-fold margins, as far as the folds agree.

    Each fold is calibrated on its own. What they have in common is applied; the more they differ, or the fewer leads they hold, the
    closer the result stays to none (slope 1, intercept 0). One fold in a time of change must not distort what the refitted model, which has
    learned from that time, says later.

    Parameters
    ----------
    margin, y, weight : shape (n,); margins from models that had not seen the rows.
    fold : whole numbers, shape (n,): which fold tested the row.

    Folds with fewer than 10 rows of either class are skipped. Where all are, the rows are taken together; where these are too few as well,
    there is no calibration.

    References
    ----------
    DerSimonian and Laird (1986) for the spread between folds.
    """
    centre = float((weight * margin).sum() / weight.sum())
    slopes, levels = [], []
    for k in np.unique(fold):
        own = fold == k
        try:
            found = platt(margin[own], y[own], weight=weight[own], slope_belief=FOLD_SLOPE_BELIEF)
        except CalibrationError:
            continue
        for_slope, for_level = _variances(found, margin[own], weight[own], centre)
        slopes.append((found.slope, for_slope))
        levels.append((found.intercept + found.slope * centre, for_level))
    if not slopes:
        try:
            return platt(margin, y, weight=weight)
        except CalibrationError:
            return Affine()
    slope = float(np.clip(_agreed(slopes, 1.0, SLOPE_SPREAD), SMALLEST_SLOPE, LARGEST_SLOPE))
    # The folds learned from much the same older leads, whose own luck does not average out between them.
    luck = 1 / sum(1 / variance for _, variance in levels)
    return Affine(slope, _agreed(levels, centre, LEVEL_SPREAD, shared=luck) - slope * centre)


def _variances(found: Affine, margin: np.ndarray, weight: np.ndarray, centre: float) -> tuple[float, float]:
    """Variance of a fold's slope, and of its log-odds at the centre, from the curvature of its log loss."""
    p = _sigmoid(found.of(margin))
    curve, away = weight * p * (1 - p), margin - centre
    a, b, c = (
        float((curve * away**2).sum()) + FOLD_SLOPE_BELIEF,
        float((curve * away).sum()),
        float(curve.sum()),
    )
    determinant = max(a * c - b * b, 1e-12)
    return c / determinant, a / determinant


def _agreed(
    found: list[tuple[float, float]], expected: float, spread: float, *, shared: float = 0.0
) -> float:
    """Mean of (value, variance) pairs that may differ by more than their variances, drawn towards what is expected."""
    value, variance = (np.array(column) for column in zip(*found, strict=True))
    between = spread**2
    if len(value) > 1:
        w = 1 / variance
        mean = (w * value).sum() / w.sum()
        excess = (w * (value - mean) ** 2).sum() - (len(value) - 1)
        between = max(0.0, excess / (w.sum() - (w**2).sum() / w.sum()))
    w = 1 / (variance + between)
    believed = spread**2 / (spread**2 + 1 / w.sum() + shared)
    return float(expected + believed * ((w * value).sum() / w.sum() - expected))


def _newton(
    margin: np.ndarray, target: np.ndarray, weight: np.ndarray, slope_belief: float
) -> tuple[float, float]:
    theta = np.array([1.0, 0.0])

    def loss(theta: np.ndarray) -> float:
        z = theta[0] * margin + theta[1]
        return float(
            (weight * (np.logaddexp(0.0, z) - target * z)).sum() + slope_belief * (theta[0] - 1) ** 2 / 2
        )

    now = loss(theta)
    for _ in range(_STEPS):
        p = _sigmoid(theta[0] * margin + theta[1])
        off, curve = weight * (p - target), weight * p * (1 - p)
        gradient = np.array([(off * margin).sum() + slope_belief * (theta[0] - 1), off.sum()])
        cross = (curve * margin).sum()
        H = np.array(
            [[(curve * margin**2).sum() + slope_belief, cross], [cross, curve.sum()]]
        ) + 1e-9 * np.eye(2)
        step = np.linalg.solve(H, gradient)
        size = 1.0
        while size > 1e-8 and loss(theta - size * step) > now:
            size /= 2
        moved = theta - size * step
        if loss(moved) > now or np.abs(moved - theta).max() < 1e-12:
            break
        theta, now = moved, loss(moved)
    return float(theta[0]), float(theta[1])


def _intercept(margin: np.ndarray, target: np.ndarray, weight: np.ndarray) -> float:
    # The mean chance rises with the intercept: halving an interval cannot fail where Newton's method could overshoot.
    low, high = -60.0, 60.0
    wanted = float((weight * target).sum())
    for _ in range(200):
        middle = (low + high) / 2
        if float((weight * _sigmoid(margin + middle)).sum()) < wanted:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def _sigmoid(z: np.ndarray) -> np.ndarray:
    return 1.0 / (1.0 + np.exp(-np.clip(z, -500.0, 500.0)))
