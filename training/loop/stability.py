"""Whether scores stay put when nothing changed.

A retrain on unchanged data should leave leads where they were: people who see a B become a C ask what the lead did, and it did nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from data.snapshots import Snapshots
from training.scorer.policy import LETTERS
from training.scorer.scorer import Scorer


@dataclass(frozen=True, slots=True)
class Churn:
    """How the same snapshots fare under two scorers.

    Attributes
    ----------
    share : share of them whose grade differs, 0 to 1.
    moves : share by pair of grades, old and new, where they differ.
    score_shift : mean absolute difference of the whole score.
    largest_shift : the largest one.
    """

    share: float
    moves: dict[tuple[str, str], float]
    score_shift: float
    largest_shift: int


def grade_churn(old: Scorer, new: Scorer, snapshots: Snapshots) -> Churn:
    """Compare two scorers on unchanged leads; 0 for the same scorer, and without leads."""
    n = len(snapshots)
    if not n:
        return Churn(0.0, {}, 0.0, 0)
    before, after = (s.score_matrix(s.matrix(snapshots)) for s in (old, new))
    moves = {
        (a, b): float(np.mean((before.grade == a) & (after.grade == b)))
        for a in LETTERS
        for b in LETTERS
        if a != b
    }
    shift = np.abs(after.score.astype(np.int64) - before.score.astype(np.int64))
    return Churn(
        share=float(np.mean(before.grade != after.grade)),
        moves={pair: share for pair, share in moves.items() if share > 0},
        score_shift=float(shift.mean()),
        largest_shift=int(shift.max()),
    )
