"""How flat the scorecard should be, settled by what it says about later leads.

Where little moves the goal, a scorecard that trusts every column promises more than it keeps, and would lose to the base rate although
a flatter one would not. A few ridges, each several times the last, are tried on the folds; the flattest of those that are
about as good as the best is taken.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from training.learning.choice import clearly, row_loss
from training.learning.config import TrainConfig
from training.learning.dataset import Dataset
from training.learning.fitting import fit_parts
from training.learning.folds import Fold

TIMES = (1.0, 5.0, 25.0)
# A flatter scorecard is preferred until it is this many standard errors behind the best.
NEARLY = 0.5


def with_settled_ridge(
    dataset: Dataset, folds: Sequence[Fold], *, config: TrainConfig, seed: int
) -> TrainConfig:
    """The settings with the ridge that later leads support, ``scorecard_l2`` times 1, 5 or 25, and with ``also_learn`` only as far as that
    makes the best of them better."""
    if not folds or set(config.candidates) == {"base_rate"}:
        return config
    rows = np.concatenate([fold.test for fold in folds])
    fold = np.concatenate([np.full(len(f.test), k) for k, f in enumerate(folds)])
    y, weight = dataset.y[rows], dataset.weight[rows]

    def losses_of(tried: list[TrainConfig]) -> list[np.ndarray]:
        return [row_loss(_margins(dataset, folds, config=one, seed=seed), y) for one in tried]

    def mean(loss: np.ndarray) -> float:
        return float((weight * loss).sum())

    tried = [replace(config, scorecard_l2=min(config.scorecard_l2 * times, 1e6)) for times in TIMES]
    losses = losses_of(tried)
    if any(name in dataset.said for name in config.also_learn):
        plain = [replace(one, also_learn=()) for one in tried]
        without = losses_of(plain)
        if min(map(mean, without)) <= min(map(mean, losses)):
            tried, losses = plain, without
    means = [mean(loss) for loss in losses]
    best = int(np.argmin(means))
    for k in range(len(tried) - 1, best, -1):
        if clearly(losses[k] - losses[best], weight, fold) < NEARLY:
            return tried[k]
    return tried[best]


def _margins(dataset: Dataset, folds: Sequence[Fold], *, config: TrainConfig, seed: int) -> np.ndarray:
    found = []
    for fold in folds:
        parts = fit_parts(
            dataset,
            fold.train,
            candidates=["scorecard"],
            config=config,
            seed=seed,
        )
        found.append(parts.candidate("scorecard").margin(parts.columns(dataset.matrix, fold.test)))
    return np.concatenate(found)
