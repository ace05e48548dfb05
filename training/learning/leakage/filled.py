"""Whether being filled tells the outcome: fields that people fill in after talking to the lead.

Points are the measure: 10 points double the odds. A field whose mere presence is worth 10 points in either direction, beyond chance, is
named, because what sales writes down once it has talked to somebody is not known when a fresh lead is scored. That a field tells
something by being empty is no proof (forms differ), so this warns; it blocks only where the gaps alone nearly tell the outcome.
"""

from __future__ import annotations

import numpy as np

from training.learning.leakage.alone import BLOCK_AUC
from training.learning.leakage.chance import is_above, odds_ratio
from training.learning.leakage.columns import Column, Part
from training.learning.leakage.finding import Finding

WARN_ODDS = 2.0
# Less than a twentieth of gaps, or of filled cells, moves nothing worth a warning.
SMALLEST_SHARE = 0.05


def filled(column: Column, part: Part) -> Finding | None:
    """A field whose being filled, whatever its value, at least doubles or halves the odds of the goal."""
    known = column.is_known
    share = float(part.weight[known].sum() / part.weight.sum())
    if column.is_dated or not SMALLEST_SHARE <= share <= 1 - SMALLEST_SHARE:
        return None
    with_it, without = part.held(known), part.held(~known)
    ratio, low, high = odds_ratio(np.array([with_it, without]))
    # One threshold has one ROC point: its area is half of (1 + the difference of the two rates of being filled).
    goals, others = with_it[0] + without[0], with_it[1] + without[1]
    auc = 0.5 + abs(with_it[0] / max(goals, 1e-12) - with_it[1] / max(others, 1e-12)) / 2
    if not (low > WARN_ODDS or high < 1 / WARN_ODDS):
        return None
    rates = with_it[0] / max(sum(with_it), 1e-12), without[0] / max(sum(without), 1e-12)
    guess = (
        "somebody may fill it in after talking to the lead"
        if ratio > 1
        else "it may be cleared or skipped later"
    )
    return Finding(
        field=column.field,
        probe="filled",
        action="block" if is_above(auc, BLOCK_AUC, goals, others) else "warn",
        says=f"{rates[0]:.1%} of the leads with {column.field} reach the goal and {rates[1]:.1%} of those without it, whatever its value "
        f"(ROC-AUC {auc:.3f}): {guess}",
        evidence={
            "filled_share": round(share, 4),
            "goal_rate_filled": round(rates[0], 4),
            "goal_rate_missing": round(rates[1], 4),
            "odds_ratio": round(ratio, 3),
            "auc_missingness": round(auc, 4),
        },
    )
