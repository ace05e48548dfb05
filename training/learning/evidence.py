"""How firmly to hold a model back, by how much there is to learn from.

The evidence is the number of leads in the rarer class, because that is what limits a model. Below 120 of them, the ridge of the scorecard
grows and numbers lose their bends; below 400 the trees get fewer. So the same settings serve twenty goals and twenty thousand, and
what is learned goes over into the base rate, not into noise, as the evidence gets thin.

The exponents and limits were chosen on draws from one synthetic world; ``benchmarks/learning_curve.py`` measures them on another.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from training.learning.config import TrainConfig
from training.scorer.additive import Affine

FULL_SCORECARD, FULL_TREES = 120, 400
# Two thirds of 120, because the choice is made on the older leads.
CHOICE_FROM = 80
CLEARLY_WORSE = 2.0
_RIDGE_POWER = 1.5
_LEADS_PER_KNOT = 30
_LEVEL_FROM, _LEVEL_FULL = 60, 180


def evidence(y: np.ndarray, lead: np.ndarray) -> int:
    """Leads in the rarer class of these rows; a lead with both counts in both."""
    return min(len(np.unique(lead[y > 0.5])), len(np.unique(lead[y <= 0.5])))


def choosing(config: TrainConfig, n: int) -> TrainConfig:
    """The settings for choosing with an evidence of ``n`` leads: below 80 the scorecard is the only model, and below 400 the base
    rate replaces a model that is already held back only when that is clearly worse, the more clearly the smaller the folds."""
    if n >= FULL_TREES:
        return config
    names = tuple(name for name in config.candidates if name in ("base_rate", "scorecard"))
    return replace(
        config,
        candidates=names if n < CHOICE_FROM and "scorecard" in names else config.candidates,
        base_rate_standard_errors=max(
            config.base_rate_standard_errors - CLEARLY_WORSE * (1 - n / FULL_TREES), -10.0
        ),
    )


def believed(found: Affine, margin: np.ndarray, weight: np.ndarray, n: int) -> Affine:
    """A calibration as far as an evidence of ``n`` leads supports its level; the slope, which holds itself back, is kept.

    In small folds the level is mostly luck: below 60 leads the model's own is taken, from 180 on the calibrated one.
    """
    share = min(max((n - _LEVEL_FROM) / (_LEVEL_FULL - _LEVEL_FROM), 0.0), 1.0)
    centre = float((weight * margin).sum() / weight.sum())
    level = centre + share * (found.intercept + found.slope * centre - centre)
    return Affine(found.slope, level - found.slope * centre)


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
