"""How firmly to hold a model back, by how much there is to learn from.

The evidence is the number of leads in the rarer class, because that is what limits a model. Below 120 of them, the ridge of the scorecard
grows and numbers lose their bends; below 400 the trees get fewer. So the same settings serve twenty goals and twenty thousand, and
what is learned goes over into the base rate, not into noise, as the evidence gets thin.

The exponents and limits were chosen on draws from the synthetic world (``benchmarks/learning_curve.py`` measures them on others).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from training.learning.config import TrainConfig

FULL_SCORECARD, FULL_TREES = 120, 400
_RIDGE_POWER = 1.5
_LEADS_PER_KNOT = 30


def evidence(y: np.ndarray, lead: np.ndarray) -> int:
    """Leads in the rarer class of these rows; a lead with both counts in both."""
    return min(len(np.unique(lead[y > 0.5])), len(np.unique(lead[y <= 0.5])))


def held_back(config: TrainConfig, n: int) -> TrainConfig:
    """The settings for an evidence of ``n`` leads; the same object's values from 400 on."""
    if n >= FULL_TREES:
        return config
    short = max(1.0, FULL_SCORECARD / max(n, 1))
    return replace(
        config,
        scorecard_l2=min(config.scorecard_l2 * short**_RIDGE_POWER, 1e6),
        n_knots=max(2, min(config.n_knots, n // _LEADS_PER_KNOT)),
        n_trees=max(1, round(config.n_trees * n / FULL_TREES)),
    )
