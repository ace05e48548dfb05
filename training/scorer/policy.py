"""Grades: which scores sales takes first.

A grade is an interval of whole scores. The thresholds are chosen from capacity, as the share of leads a grade should hold, on scores of
leads the model had not seen; they are kept with the model, so a grade never changes behind a score's back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from data.errors import ConfigError
from training.scorer.scale import HIGHEST, LOWEST

LETTERS = ("A", "B", "C", "D")
_LETTERS = np.array(LETTERS, dtype=object)
DEFAULT_SHARES = (0.10, 0.15, 0.25)


@dataclass(frozen=True, slots=True)
class Grades:
    """Lowest whole score of A, B and C; every lower score is D. Thresholds fall or stay equal; an equal one leaves its grade empty."""

    a: int
    b: int
    c: int

    def __post_init__(self) -> None:
        for name, value in (("a", self.a), ("b", self.b), ("c", self.c)):
            if isinstance(value, bool) or not isinstance(value, int):
                raise ConfigError(f"grade threshold {name} must be a whole score, got {value!r}")
        if not self.a >= self.b >= self.c:
            raise ConfigError(
                f"grade thresholds must fall from A to C, got A={self.a}, B={self.b}, C={self.c}; swap them"
            )

    @property
    def thresholds(self) -> dict[str, int]:
        return {"A": self.a, "B": self.b, "C": self.c}

    def of(self, score: np.ndarray) -> np.ndarray:
        """Letters of whole scores, object array of the same shape.

        >>> Grades(80, 60, 40).of(np.array([80, 79, 40, 39])).tolist()
        ['A', 'B', 'C', 'D']
        """
        if score.shape == (1,):
            # One lead alone: numpy's calls take longer than their work.
            own = score.item()
            return _LETTERS[[(own < self.a) + (own < self.b) + (own < self.c)]]
        rank = (score < self.a).astype(np.int64) + (score < self.b) + (score < self.c)
        return _LETTERS[rank]

    def shifted(self, points: float) -> Grades:
        """The thresholds moved with a scale: whole scores again, kept where some score can still reach them."""

        def move(threshold: int) -> int:
            return int(np.clip(np.rint(threshold + points), LOWEST, HIGHEST))

        return Grades(move(self.a), move(self.b), move(self.c))


def choose_grades(
    score: np.ndarray, *, shares: Sequence[float] = DEFAULT_SHARES, weight: np.ndarray | None = None
) -> Grades:
    """Thresholds whose grades come nearest to the wanted shares of these leads.

    Parameters
    ----------
    score : whole scores of leads the model had not seen, shape (n,), n > 0.
    shares : wanted share of A, B and C among all leads, each positive, sum at most 1.
    weight : shape (n,), optional. Non-negative.

    A tie between two thresholds takes the lower one: the grade that is rather too large than empty.
    """
    if len(shares) != 3 or min(shares) <= 0 or sum(shares) > 1 + 1e-9:
        raise ConfigError(
            f"grade shares must be three positive numbers with a sum of at most 1, got {shares!r}"
        )
    if not len(score):
        raise ConfigError("grades need at least one score")
    weight = np.ones(len(score)) if weight is None else weight
    volume = np.bincount(score, weights=weight, minlength=HIGHEST + 1)
    # held[t]: share of leads scored t or higher; one place more, for a threshold nobody reaches.
    held = np.append(np.cumsum(volume[::-1])[::-1] / volume.sum(), 0.0)
    cuts: list[int] = []
    wanted = 0.0
    for share in shares:
        wanted += share
        off = np.abs(held - wanted)
        near = np.flatnonzero(off <= off.min() + 1e-12)
        fullest = near[held[near] == held[near[0]]]
        # Of thresholds that hold the same leads, the score of the lowest of them; where nobody is held, the first out of reach.
        cuts.append(int(fullest[-1] if held[fullest[0]] > 0 else fullest[0]))
    a, b, c = (min(cut, HIGHEST) for cut in cuts)
    return Grades(a, min(a, b), min(a, b, c))
