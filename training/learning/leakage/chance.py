"""How far from a bar a figure must be before it counts: every probe tests at 99 %, one-sided, against the bar itself.

A field without information lies far below every bar, so that in practice fewer than 1 in 100 fields of noise are found; small data need
a larger effect, and where no effect could be certain nothing is found.
"""

from __future__ import annotations

import math

import numpy as np

CERTAIN = 0.99
Z = 2.326348  # the 99 % quantile of the normal distribution


def auc_error(auc: float, n_goals: float, n_others: float) -> float:
    """Standard error of a ROC-AUC. Infinite when a class is absent.

    References
    ----------
    Hanley and McNeil (1982), The meaning and use of the area under a ROC curve.

    >>> round(auc_error(0.9, 100, 100), 4)
    0.0226
    """
    if min(n_goals, n_others) <= 0:
        return math.inf
    q1, q2 = auc / (2 - auc), 2 * auc**2 / (1 + auc)
    spread = auc * (1 - auc) + (n_goals - 1) * (q1 - auc**2) + (n_others - 1) * (q2 - auc**2)
    return math.sqrt(max(spread, 0.0) / (n_goals * n_others))


def is_above(auc: float, bar: float, n_goals: float, n_others: float) -> bool:
    """Whether a ROC-AUC lies above the bar beyond chance: the error is that at the bar, so that an AUC of 1 on ten leads is no proof."""
    return bool(auc > bar + Z * auc_error(bar, n_goals, n_others))


def odds_ratio(counts: np.ndarray) -> tuple[float, float, float]:
    """Odds ratio of a 2x2 table and its one-sided 99 % bounds; half a lead is added to each cell, so that empty ones stay finite.

    >>> tuple(round(v, 2) for v in odds_ratio(np.array([[200.0, 100.0], [100.0, 200.0]])))
    (3.98, 2.66, 5.95)
    """
    cells = np.asarray(counts, dtype=np.float64) + 0.5
    log = math.log(cells[0, 0] * cells[1, 1] / (cells[0, 1] * cells[1, 0]))
    error = Z * math.sqrt(float((1 / cells).sum()))
    return math.exp(log), math.exp(log - error), math.exp(log + error)
