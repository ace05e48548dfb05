"""How far a lead's chance may lie from what the model says: ``low`` and ``high`` around every probability.

Two honest sources of doubt are joined, and the wider one counts on each side. ``half_width`` is a band in log-odds: how far models learned
from other leads, and other months, would have put the same lead. The Venn-Abers pair is what leads of about this score did: the chance
if one more such lead reached its goal, and if it did not. What is covered is the chance among leads of whom the same is known. What
nobody wrote down about a lead (its mood, a competitor's offer) moves its own chance further, and no outcome can show how far.

References
----------
Vovk, Petej and Fedorova (2015), Large-scale probabilistic predictors with and without guarantees of validity.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from data.errors import DamagedScorerError
from training.scorer.scale import probability_of


@dataclass(frozen=True, slots=True)
class Intervals:
    """Intervals by calibrated log-odds.

    Attributes
    ----------
    coverage : share of leads whose interval is meant to hold the chance.
    half_width : at least 0, in log-odds.
    edges : rising log-odds; group k of the Venn-Abers tables lies from ``edges[k - 1]`` up to below ``edges[k]``.
    if_missed, if_reached : chance of each group, never falling, len(edges) + 1 each: if one more lead of it misses or reaches the goal.
    """

    coverage: float
    half_width: float
    edges: tuple[float, ...] = ()
    if_missed: tuple[float, ...] = (1.0,)
    if_reached: tuple[float, ...] = (0.0,)

    def __post_init__(self) -> None:
        numbers = (self.coverage, self.half_width, *self.edges, *self.if_missed, *self.if_reached)
        if not all(math.isfinite(n) for n in numbers) or self.half_width < 0 or not 0 < self.coverage < 1:
            raise DamagedScorerError(
                "intervals need finite numbers, a half width of at least 0 and a coverage between 0 and 1"
            )
        if not len(self.edges) + 1 == len(self.if_missed) == len(self.if_reached):
            raise DamagedScorerError("the tables of the intervals do not fit their edges")
        for rising in (self.edges, self.if_missed, self.if_reached):
            if any(b < a for a, b in pairwise(rising)):
                raise DamagedScorerError("the tables of the intervals must not fall")

    def of(self, margin: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(low, high) of calibrated log-odds, shape (n,) each. Both never fall as the margin rises, and hold the chance between them."""
        groups = [bisect_right(self.edges, m) for m in margin.tolist()]
        missed, reached = ([table[g] for g in groups] for table in (self.if_missed, self.if_reached))
        low = np.minimum(probability_of(margin - self.half_width), missed)
        high = np.maximum(probability_of(margin + self.half_width), reached)
        return low, high

    def shifted(self, log_odds: float) -> Intervals:
        """The same intervals for margins that were moved by ``log_odds``: the tables move along."""

        def moved(table: tuple[float, ...]) -> tuple[float, ...]:
            return tuple(_moved(p, log_odds) for p in table)

        return Intervals(
            self.coverage,
            self.half_width,
            tuple(edge + log_odds for edge in self.edges),
            moved(self.if_missed),
            moved(self.if_reached),
        )

    def to_record(self) -> dict[str, Any]:
        return {
            "coverage": self.coverage,
            "half_width": self.half_width,
            "edges": list(self.edges),
            "if_missed": list(self.if_missed),
            "if_reached": list(self.if_reached),
        }

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Intervals:
        """Inverse of ``to_record``. Raises DamagedScorerError for tables that cannot be intervals."""
        return cls(
            float(record["coverage"]),
            float(record["half_width"]),
            *(tuple(map(float, record[name])) for name in ("edges", "if_missed", "if_reached")),
        )


def _moved(probability: float, log_odds: float) -> float:
    odds = probability * math.exp(log_odds)
    return odds / (1.0 - probability + odds)
