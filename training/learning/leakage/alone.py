"""What a field is worth by itself, learned from older leads and judged on newer ones.

Where the bars come from: a *model* with a ROC-AUC above 0.9 out of time may be promoted only after somebody has accepted the findings;
one *field* that does as much alone is blocked. Whole models without leaks reach 0.50 to 0.89 on the open data sets we know. A field
half-way from a coin to certainty (0.75) is worth a look. Made of dated touchpoints, a value cannot know what came later: there only
0.95 and more, which no honest count reaches, is worth a warning.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from training.learning.leakage.chance import Z, auc_error, is_above
from training.learning.leakage.columns import Column, Part
from training.learning.leakage.finding import Finding
from training.learning.metrics import roc_auc

BLOCK_AUC = 0.90
WARN_AUC = 0.75
ABSURD_AUC = 0.95
# A split at random may flatter by less than this without comment: what is certain about a tenth of the goals is worth 0.05 of an AUC.
GAP = 0.05


@dataclass(frozen=True, slots=True)
class Strength:
    """ROC-AUC of a column alone by time and by a random split (0.5 where undefined), and the weight of goals and others behind each."""

    by_time: float
    n_time: tuple[float, float]
    at_random: float
    n_random: tuple[float, float]

    def is_above(self, bar: float) -> bool:
        """Whether the column alone, out of time, is above the bar beyond chance."""
        return is_above(self.by_time, bar, *self.n_time)


def strength_of(column: Column, part: Part) -> Strength:
    """Measure a column: a value's worth is its goal rate among the learning leads, ranked on the others."""
    halves = [_auc(column, part, part.half, ~part.half), _auc(column, part, ~part.half, part.half)]
    return Strength(
        by_time=_auc(column, part, part.older, part.newer),
        n_time=part.held(part.newer),
        at_random=float(np.mean(halves)),
        n_random=part.held(np.ones(len(part.y), dtype=bool)),
    )


def alone(column: Column, strength: Strength) -> Finding | None:
    """A field that alone tells the outcome on newer leads."""
    auc = strength.by_time
    if column.is_dated:
        action = "warn" if strength.is_above(ABSURD_AUC) else None
    else:
        action = "block" if strength.is_above(BLOCK_AUC) else "warn" if strength.is_above(WARN_AUC) else None
    if action is None:
        return None
    how = "nearly tells" if auc > BLOCK_AUC else "goes far to tell"
    return Finding(
        field=column.field,
        probe="alone",
        action=action,
        says=f"{column.field} alone {how} the outcome of newer leads (ROC-AUC {auc:.3f}); is it filled in or changed afterwards?",
        evidence={"auc_out_of_time": round(auc, 4), "auc_random_split": round(strength.at_random, 4)},
    )


def gap(column: Column, strength: Strength) -> Finding | None:
    """A field that is worth more on leads drawn at random than on newer ones: it tells when a lead came, such as an id or a month."""
    difference = strength.at_random - strength.by_time
    errors = auc_error(0.5, *strength.n_time), auc_error(0.5, *strength.n_random)
    if column.is_dated or not difference > GAP + Z * float(np.hypot(*errors)):
        return None
    return Finding(
        field=column.field,
        probe="gap",
        action="warn",
        says=f"{column.field} is worth a ROC-AUC of {strength.at_random:.3f} on leads drawn at random but {strength.by_time:.3f} on newer "
        "ones: it tells when a lead came rather than what becomes of it",
        evidence={
            "auc_random_split": round(strength.at_random, 4),
            "auc_out_of_time": round(strength.by_time, 4),
            "gap": round(difference, 4),
        },
    )


def _auc(column: Column, part: Part, learns: np.ndarray, judged: np.ndarray) -> float:
    if not learns.any() or not judged.any():
        return 0.5
    bins = column.bins(learns)
    n = int(bins.max()) + 1
    hits = np.bincount(bins[learns], weights=(part.weight * part.y)[learns], minlength=n)
    held = np.bincount(bins[learns], weights=part.weight[learns], minlength=n)
    rate = float(hits.sum() / max(float(held.sum()), 1e-12))
    # One lead at the overall rate is added to each value, so that a rare one says little.
    worth = ((hits + rate) / (held + 1.0))[bins]
    auc = roc_auc(part.y[judged], worth[judged], weight=part.weight[judged])
    return auc if np.isfinite(auc) else 0.5
