"""What a challenger must not break: segments of leads, and the meaning of its probabilities.

A gain on average may hide a loss for one country or one channel, and a better order may come with chances that no longer mean what they
say. Both gates ask for two things at once before they close: a deviation beyond chance, and one large enough to matter.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from data.errors import ConfigError, did_you_mean
from data.snapshots import Snapshots
from features.matrix import Matrix
from training.loop.paired import mean_and_error, normal_quantile, row_losses
from training.scorer.scale import probability_of
from training.scorer.scorer import Scorer

SEGMENT_LEADS, SEGMENT_GOALS = 100, 10
SEGMENT_MARGIN = 0.02
CALIBRATION_BAND = 1.25
_FEATURES = 3
_MOST_EXPLAINED = 2_000
_STEPS = 25


@dataclass(frozen=True, slots=True)
class SegmentLoss:
    """The change of log loss in one segment: the champion's, the challenger's, 95 % ends of the gain, and whether it is worse beyond
    chance (among all segments looked at) and by more than 2 %."""

    name: str
    champion: float
    challenger: float
    low: float
    high: float
    is_worse: bool


@dataclass(frozen=True, slots=True)
class CalibrationCheck:
    """Observed over predicted goals and the slope of the log-odds, 1.0 each when they mean what they say, with 95 % ends.

    ``fails`` names what is off beyond chance (99 %) and outside 0.8 to 1.25; empty when nothing is.
    """

    level: float
    level_low: float
    level_high: float
    slope: float
    slope_low: float
    slope_high: float
    fails: tuple[str, ...]


def segments_of(
    scorer: Scorer, matrix: Matrix, snapshots: Snapshots, *, by: str | None = None
) -> dict[str, np.ndarray]:
    """Masks of rows by segment: the levels of the three strongest categories of the scorer, or of the one named ``by``.

    ``by`` is a category of the scorer or a profile field of texts. Raises ConfigError when it is neither.
    """
    if by is not None and by not in matrix.levels:
        if by not in snapshots.fields:
            known = (*matrix.levels, *snapshots.fields)
            raise ConfigError(f"segment_by {by!r} is no category and no field{did_you_mean(by, known)}")
        texts = np.array([str(v) for v in snapshots.fields[by].tolist()], dtype=object)
        return {f"{by} = {level}": texts == level for level in sorted(set(texts.tolist()) - {"None"})}
    found: dict[str, np.ndarray] = {}
    for name in [by] if by is not None else _strongest(scorer, matrix):
        codes = matrix.X[:, matrix.names.index(name)]
        for code, level in enumerate(matrix.levels[name]):
            found[f"{name} = {level}"] = codes == code
        found[f"{name} = (blank)"] = np.isnan(codes)
    return found


def _strongest(scorer: Scorer, matrix: Matrix) -> list[str]:
    if not matrix.levels:
        return []
    rows = np.linspace(0, len(matrix) - 1, min(len(matrix), _MOST_EXPLAINED)).astype(np.int64)
    points = np.abs(scorer.explain_matrix(matrix.take(rows)).points).mean(axis=0)
    strength = {name: float(points[matrix.names.index(name)]) for name in matrix.levels}
    return sorted((n for n, s in strength.items() if s > 0), key=lambda n: (-strength[n], n))[:_FEATURES]


def worst_segment(
    champion: np.ndarray,
    challenger: np.ndarray,
    y: np.ndarray,
    weight: np.ndarray,
    lead: np.ndarray,
    segments: Mapping[str, np.ndarray],
) -> SegmentLoss | None:
    """The segment with the strongest evidence of a loss; None when none has 100 leads and 10 goals.

    The more segments are looked at, the stronger the evidence must be (Bonferroni at 5 %).
    """
    large = {
        name: rows
        for name, rows in segments.items()
        if len(np.unique(lead[rows])) >= SEGMENT_LEADS
        and len(np.unique(lead[rows & (y > 0.5)])) >= SEGMENT_GOALS
    }
    if not large:
        return None
    before, after = row_losses(champion, y), row_losses(challenger, y)
    limit = normal_quantile(1 - 0.05 / len(large))
    found = []
    for name, rows in large.items():
        w = weight[rows]
        gain, error = mean_and_error((before - after)[rows], w, lead[rows])
        old = float((w * before[rows]).sum() / w.sum())
        z = gain / error if error > 0 else 0.0
        is_worse = z < -limit and -gain > SEGMENT_MARGIN * old
        half = 1.96 * error
        found.append((z, SegmentLoss(name, old, old - gain, gain - half, gain + half, is_worse)))
    # A segment that is worse for sure comes before one that is worse by little.
    return min(found, key=lambda row: (not row[1].is_worse, row[0], row[1].name))[1]


def check_calibration(
    margin: np.ndarray, y: np.ndarray, weight: np.ndarray, lead: np.ndarray
) -> CalibrationCheck:
    """Whether log-odds mean what they say on these leads; both classes must occur."""
    p = probability_of(margin)
    predicted = float((weight * p).sum() / weight.sum())
    gap, error = mean_and_error(y - p, weight, lead)
    level, level_error = 1 + gap / predicted, error / predicted
    slope, slope_error = _slope(margin, y, weight, lead)
    fails = []
    for what, value, by in (("level", level, level_error), ("slope", slope, slope_error)):
        is_off = not 1 / CALIBRATION_BAND <= value <= CALIBRATION_BAND
        if is_off and abs(value - 1) > 2.576 * by:
            fails.append(what)
    return CalibrationCheck(
        level, level - 1.96 * level_error, level + 1.96 * level_error,
        slope, slope - 1.96 * slope_error, slope + 1.96 * slope_error, tuple(fails),
    )  # fmt: skip


def _slope(margin: np.ndarray, y: np.ndarray, weight: np.ndarray, lead: np.ndarray) -> tuple[float, float]:
    """Slope of a logistic regression of y on the log-odds, and its standard error over leads. (1, 0) where all log-odds are equal."""
    if float(np.ptp(margin)) == 0.0:
        return 1.0, 0.0
    middle = float((weight * margin).sum() / weight.sum())
    D = np.column_stack([np.ones(len(y)), margin - middle])
    beta = np.array([middle, 1.0])

    def gradient_and_curve(b: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        p = probability_of(D @ b)
        H = D.T @ (D * (weight * p * (1 - p))[:, None]) + 1e-9 * np.eye(2)
        rows = D * (weight * (y - p))[:, None]
        return rows, rows.sum(axis=0), H

    for _ in range(_STEPS):
        _, g, H = gradient_and_curve(beta)
        step = np.linalg.solve(H, g)
        largest = float(np.abs(step).max())
        beta = beta + step * min(1.0, 2.0 / largest if largest > 0 else 1.0)
        if largest < 1e-9:
            break
    rows, _, H = gradient_and_curve(beta)
    by_lead = np.column_stack([np.bincount(lead, weights=rows[:, k]) for k in range(2)])
    inverse = np.linalg.inv(H)
    return float(beta[1]), float(np.sqrt((inverse @ (by_lead.T @ by_lead) @ inverse)[1, 1]))
