"""The model behind a score: scorecard and trees, mixed and calibrated, additive in log-odds.

    raw margin = weight_scorecard * scorecard + weight_trees * trees        (or a constant, the base rate)
    margin     = intercept + slope * raw margin

Both parts divide their log-odds among the features exactly, and neither mixing nor calibration is anything but a weighted sum, so the
whole divides exactly too. The margin itself never depends on whether contributions were asked for: what rounding leaves between the
trees' score and the sum of its shares goes into the baseline of that row.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from training.scorer.scorecard import Scorecard
from training.scorer.trees import Trees


@dataclass(frozen=True, slots=True)
class Affine:
    """Calibration ``intercept + slope * margin``; the slope is positive, so calibration never reorders leads."""

    slope: float = 1.0
    intercept: float = 0.0

    def __post_init__(self) -> None:
        if not (math.isfinite(self.slope) and math.isfinite(self.intercept) and self.slope > 0):
            raise ValueError(f"calibration needs a positive slope and finite values, got {self!r}")

    def of(self, margin: np.ndarray) -> np.ndarray:
        """Calibrated log-odds, shape kept."""
        return self.intercept + self.slope * margin


@dataclass(frozen=True, slots=True)
class Additive:
    """Raw margin from the parts that are present; without any, ``base`` alone (the base rate in log-odds).

    Weights belong to parts that are present; ``n_features`` is the number of columns.
    """

    n_features: int
    base: float = 0.0
    scorecard: Scorecard | None = None
    trees: Trees | None = None
    weight_scorecard: float = 0.0
    weight_trees: float = 0.0

    def margin(self, X: np.ndarray) -> np.ndarray:
        """Raw log-odds, shape (n,)."""
        card = None if self.scorecard is None else self.scorecard.margin(X)
        return self._margin(len(X), card, None if self.trees is None else self.trees.margin(X))

    def divided(self, X: np.ndarray, *, unit: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
        """``margin``, and raw log-odds times ``unit`` per row and feature, shape (n, p).

        What the raw log-odds lack to the margin is the row's baseline.
        """
        C = np.zeros((len(X), self.n_features))
        card = trees = None
        if self.scorecard is not None:
            terms = self.scorecard.contributions(X)
            card = self.scorecard.sum_of(terms)
            C += (unit * self.weight_scorecard) * terms
        if self.trees is not None:
            trees, shares = self.trees.divided(X)
            C += (unit * self.weight_trees) * shares
        return self._margin(len(X), card, trees), C

    def _margin(self, n: int, card: np.ndarray | None, trees: np.ndarray | None) -> np.ndarray:
        total = np.full(n, self.base)
        if card is not None:
            total += self.weight_scorecard * card
        if trees is not None:
            total += self.weight_trees * trees
        return total


def explained(
    model: Additive, calibration: Affine, X: np.ndarray, *, unit: float = 1.0
) -> tuple[np.ndarray, np.ndarray]:
    """(margin (n,), contributions (n, p)): calibrated log-odds, and their division among the features times ``unit``.

    What the row sums lack to the margin, in the same unit, is the baseline.
    """
    raw, C = model.divided(X, unit=calibration.slope * unit)
    return calibration.of(raw), C
