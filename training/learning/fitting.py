"""Fitting the parts of a model on some rows, and taking candidates from the parts.

Levels are pooled among the rows that are learned from, never among those the model is judged on. The trees are boosted on top of the
scorecard: they learn what it leaves unsaid, and where leads come from ranges nobody has seen, which trees alone cannot follow, the
scorecard's lines still carry the sum. Candidates are the base rate, the scorecard alone, the scorecard with its trees (``trees``), and
half-way between the last two in log-odds (``blend``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from features.matrix import Matrix, pooled_levels, recode
from training.learning.candidates import Hint, base_log_odds, fit_scorecard, fit_trees
from training.learning.config import TrainConfig
from training.learning.dataset import Dataset
from training.learning.evidence import evidence, held_back
from training.scorer.additive import Additive
from training.scorer.scorecard import Scorecard
from training.scorer.trees import Trees

# Leads, and leads not, of which sales said something before it teaches.
FEWEST_SAID = 20

# Weights of scorecard and trees in each candidate; the trees hold only what is to be added to the scorecard.
WEIGHTS = {"base_rate": (0.0, 0.0), "scorecard": (1.0, 0.0), "trees": (1.0, 1.0), "blend": (1.0, 0.5)}


@dataclass(frozen=True, slots=True)
class Parts:
    """What was fitted on some rows; a part that no candidate needed, or that could not be fitted, is None."""

    levels: Mapping[str, tuple[str, ...]]
    n_features: int
    base: float
    scorecard: Scorecard | None
    trees: Trees | None

    def candidate(self, name: str) -> Additive:
        """The candidate's raw model; the base rate where its parts could not be fitted."""
        by_scorecard, by_trees = WEIGHTS[name]
        if (
            (by_scorecard and self.scorecard is None)
            or (by_trees and self.trees is None)
            or name == "base_rate"
        ):
            return Additive(n_features=self.n_features, base=self.base)
        return Additive(
            n_features=self.n_features,
            scorecard=self.scorecard if by_scorecard else None,
            trees=self.trees if by_trees else None,
            weight_scorecard=by_scorecard,
            weight_trees=by_trees,
        )

    def columns(self, matrix: Matrix, rows: np.ndarray) -> np.ndarray:
        """These rows of a dataset's matrix, coded by the levels of the parts."""
        return recode(matrix.take(rows), self.levels).X


def fit_parts(
    dataset: Dataset,
    rows: np.ndarray,
    *,
    candidates: Sequence[str],
    config: TrainConfig,
    seed: int,
    y: np.ndarray | None = None,
    weight: np.ndarray | None = None,
) -> Parts:
    """Fit on these rows what the candidates need. With only one class among them there is nothing to fit but the base rate; with few
    leads of one class, the parts are held back (``training.learning.evidence``).

    ``y`` and ``weight``, one for each of the rows, replace those of the dataset; such a ``y`` may be a chance, 0 to 1.
    """
    y = dataset.y[rows] if y is None else y
    weight = dataset.weight[rows] if weight is None else weight
    given, config = config, held_back(config, evidence(y, dataset.lead_numbers[rows]))
    matrix = dataset.matrix
    levels = pooled_levels(matrix, rows, min_count=config.min_level_rows, max_levels=config.max_levels)
    scorecard, trees = None, None
    if 0 < int((y > 0.5).sum()) < len(y):
        X = recode(matrix.take(rows), levels).X
        n_levels = [len(levels[name]) if name in levels else None for name in matrix.names]
        if any(WEIGHTS[name][0] for name in candidates):
            scorecard = fit_scorecard(
                X,
                y,
                weight,
                n_levels=n_levels,
                config=config,
                hints=_hints(dataset, rows, config=given),
                groups=[f.group for f in dataset.features],
            )
        if scorecard is not None and any(WEIGHTS[name][1] for name in candidates):
            n_leads = len(np.unique(dataset.lead_numbers[rows]))
            trees = fit_trees(
                X,
                y,
                weight,
                start=scorecard.margin(X),
                names=matrix.names,
                n_levels=n_levels,
                directions=[f.direction for f in dataset.features],
                n_leads=n_leads,
                config=config,
                seed=seed,
            )
    return Parts(
        levels=levels,
        n_features=len(matrix.names),
        base=base_log_odds(y, weight),
        scorecard=scorecard,
        trees=trees,
    )


def _hints(dataset: Dataset, rows: np.ndarray, *, config: TrainConfig) -> list[Hint]:
    """What sales said of these rows beside the goal, as far as enough leads were said it of."""
    found = []
    for name in config.also_learn:
        said = dataset.said.get(name, np.zeros(0))
        if not len(said):
            continue
        told = rows[said[rows] >= 0]
        n = evidence(said[told], dataset.lead_numbers[told])
        if n >= FEWEST_SAID:
            found.append(Hint(said[rows].astype(np.float64), held_back(config, n).scorecard_l2))
    return found
