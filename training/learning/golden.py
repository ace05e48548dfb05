"""Golden rows: invented leads whose margins prove, after loading, that a scorer still computes what it did when it was made.

Every column is drawn on its own, so no row is a person; the first is all unknown, the second all "other" levels and extreme numbers.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from features.matrix import Matrix
from training.scorer.scorer import Golden, Scorer

N_ROWS = 32


def golden_of(scorer: Scorer, X: np.ndarray, *, seed: int) -> Scorer:
    """The scorer with golden rows drawn from the columns of its training matrix ``X``, coded by its levels."""
    rng = np.random.default_rng([seed, 11])
    rows = np.full((N_ROWS, X.shape[1]), np.nan)
    for j, name in enumerate(scorer.features.names):
        if name in scorer.levels:
            pool = np.arange(len(scorer.levels[name]) + 1, dtype=np.float64)
            extreme = float(len(scorer.levels[name]))
        else:
            known = X[~np.isnan(X[:, j]), j]
            # Quantiles, not values of leads: one rare value could point to a person.
            pool = (
                np.unique(np.quantile(known, np.linspace(0.02, 0.98, 25))) if len(known) else np.array([0.0])
            )
            extreme = 1e9
        rows[1, j] = extreme
        rows[2:, j] = np.where(rng.random(N_ROWS - 2) < 0.1, np.nan, rng.choice(pool, size=N_ROWS - 2))
    margin = scorer.margin(Matrix(scorer.features.names, rows, dict(scorer.levels)))
    return replace(scorer, golden=Golden(rows, margin))
