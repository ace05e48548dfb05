"""Fitting the parts of a model on some rows, and taking candidates from the parts.

Levels are pooled among the rows that are learned from, never among those the model is judged on. A candidate is the base rate, one
part, or the blend of both, half and half in log-odds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from features.matrix import Matrix, pooled_levels, recode
from training.learning.candidates import base_log_odds, fit_scorecard, fit_trees
from training.learning.config import TrainConfig
from training.learning.dataset import Dataset
from training.scorer.additive import Additive
from training.scorer.scorecard import Scorecard
from training.scorer.trees import Trees

WEIGHTS = {"base_rate": (0.0, 0.0), "scorecard": (1.0, 0.0), "trees": (0.0, 1.0), "blend": (0.5, 0.5)}


@dataclass(frozen=True)
class Parts:
    """What was fitted on some rows; a scorecard for every form that was asked for."""

    levels: Mapping[str, tuple[str, ...]]
    n_features: int
    base: float
    scorecards: Mapping[str, Scorecard]
    trees: Trees | None

    def candidate(self, name: str, *, form: str) -> Additive:
        """The candidate's raw model; ``form`` chooses the scorecard."""
        scorecard_weight, trees_weight = WEIGHTS[name]
        if name == "base_rate" or (self.trees is None and not self.scorecards):
            return Additive(n_features=self.n_features, base=self.base)
        return Additive(
            n_features=self.n_features,
            scorecard=self.scorecards[form] if scorecard_weight else None,
            trees=self.trees if trees_weight else None,
            weight_scorecard=scorecard_weight,
            weight_trees=trees_weight,
        )

    def columns(self, matrix: Matrix, rows: np.ndarray) -> np.ndarray:
        """These rows of a dataset's matrix, coded by the levels of the parts."""
        return recode(matrix.take(rows), self.levels).X


def fit_parts(
    dataset: Dataset,
    rows: np.ndarray,
    *,
    config: TrainConfig,
    seed: int,
    forms: tuple[str, ...],
    with_trees: bool = True,
) -> Parts:
    """Fit on these rows. With only one class among them there is nothing to fit but the base rate."""
    y, weight = dataset.y[rows], dataset.weight[rows]
    matrix = dataset.matrix
    levels = pooled_levels(matrix, rows, min_count=config.min_level_rows, max_levels=config.max_levels)
    base = base_log_odds(y, weight)
    if not 0 < (y > 0.5).sum() < len(y):
        return Parts(levels=levels, n_features=len(matrix.names), base=base, scorecards={}, trees=None)
    X = recode(matrix.take(rows), levels).X
    n_levels = [len(levels[name]) if name in levels else None for name in matrix.names]
    return Parts(
        levels=levels,
        n_features=len(matrix.names),
        base=base,
        scorecards={
            form: fit_scorecard(X, y, weight, n_levels=n_levels, config=config, form=form) for form in forms
        },
        trees=fit_trees(
            X, y, weight, names=matrix.names, n_levels=n_levels, config=config, seed=seed,
            n_leads=len(np.unique(dataset.lead_numbers[rows])),
        ) if with_trees else None,
    )  # fmt: skip
