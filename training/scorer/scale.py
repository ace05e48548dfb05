"""From log-odds to points and to the score people see.

Every 10 points double the odds. 50 is the reference odds, frozen when the first model of a goal is registered, so a 70 means the same
after every retrain. Each step is monotone in floating point: a lead with higher log-odds never gets a lower probability or score.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from data.errors import ConfigError

MIDDLE = 50.0
LOWEST, HIGHEST = 0, 100
POINTS_PER_LOG_ODDS = 10.0 / math.log(2.0)


@dataclass(frozen=True, slots=True)
class Scale:
    """The reference: natural log-odds that are worth 50 points. Raises ConfigError when it is not finite."""

    reference_log_odds: float

    def __post_init__(self) -> None:
        if not math.isfinite(self.reference_log_odds):
            raise ConfigError(f"reference_log_odds must be finite, got {self.reference_log_odds!r}")

    def points(self, margin: np.ndarray) -> np.ndarray:
        """Unclipped score of log-odds, shape kept.

        >>> Scale(0.0).points(np.log([1.0, 2.0, 4.0])).round(6).tolist()
        [50.0, 60.0, 70.0]
        """
        return MIDDLE + (margin - self.reference_log_odds) * POINTS_PER_LOG_ODDS

    def score(self, margin: np.ndarray) -> np.ndarray:
        """Whole scores from 0 to 100 (int64), halves to even."""
        return score_of_points(self.points(margin))

    def margin_of(self, points: float) -> float:
        """Log-odds that are worth these unclipped points; inverse of ``points`` up to rounding."""
        return self.reference_log_odds + (points - MIDDLE) / POINTS_PER_LOG_ODDS


def score_of_points(points: np.ndarray) -> np.ndarray:
    """Unclipped points as whole scores from 0 to 100 (int64), halves to even. NaN is refused by ValueError."""
    if points.shape == (1,) and not math.isnan(own := points.item()):
        # One lead alone: numpy's calls take longer than their work.
        return np.array([round(min(max(own, LOWEST), HIGHEST))], dtype=np.int64)
    if np.isnan(points).any():
        raise ValueError("points must not be NaN")
    return np.minimum(np.maximum(np.rint(points), LOWEST), HIGHEST).astype(np.int64)


def probability_of(margin: np.ndarray) -> np.ndarray:
    """Chance of the goal from natural log-odds, one element at a time: numpy's vector exp may differ between CPUs and batch sizes.

    >>> probability_of(np.array([0.0, -1000.0, 1000.0])).tolist()
    [0.5, 0.0, 1.0]
    """
    return np.array([_sigmoid(m) for m in margin.tolist()], dtype=np.float64)


def log_odds(probability: float) -> float:
    """Natural log-odds of a chance strictly between 0 and 1.

    >>> log_odds(0.5)
    0.0
    """
    return math.log(probability) - math.log1p(-probability)


def _sigmoid(margin: float) -> float:
    if margin >= 0.0:
        return 1.0 / (1.0 + math.exp(-min(margin, 745.0)))
    odds = math.exp(max(margin, -746.0))
    return odds / (1.0 + odds)
