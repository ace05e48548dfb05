"""How often scored leads lack a feature, or say something the model has no name for.

Rows are added where they are scored and taken by whoever shows them, so that a score costs no look at a metric for each of its features.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from data.scorelog import ScoreRow
from training.scorer.scorer import Scorer


@dataclass(frozen=True, slots=True)
class Counted:
    """What ``n`` rows of one scorer said.

    Attributes
    ----------
    names : the features, in the order of the columns.
    gaps : by name, how many rows had no value, shape (p,).
    unknown : by category feature, how many rows said something that has no level of its own: never learned, or too rare.
    """

    n: int
    names: tuple[str, ...]
    gaps: np.ndarray
    unknown: dict[str, int]


class FeatureCounts:
    """Adds rows up, from any thread, until they are taken."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sums: list[_Sums] = []

    def add(self, scorer: Scorer, rows: Sequence[ScoreRow]) -> None:
        """Count these log rows of the scorer."""
        with self._lock:
            if not self._sums or self._sums[-1].scorer is not scorer:
                self._sums.append(_Sums(scorer))
            self._sums[-1].add(rows)

    def take(self) -> list[Counted]:
        """What was added since the last time, a part for each scorer in turn."""
        with self._lock:
            sums, self._sums = self._sums, []
        return [one.counted() for one in sums]


class _Sums:
    def __init__(self, scorer: Scorer) -> None:
        self.scorer = scorer
        self._names = scorer.features.names
        self._categories = [name for name in self._names if name in scorer.levels]
        self._columns = np.array([self._names.index(name) for name in self._categories], dtype=np.intp)
        # A category's code counts its levels; the one after the last stands for all others.
        self._others = np.array([len(scorer.levels[name]) for name in self._categories], dtype=np.float64)
        self._n = 0
        self._gaps = np.zeros(len(self._names), dtype=np.int64)
        self._unknown = np.zeros(len(self._categories), dtype=np.int64)

    def add(self, rows: Sequence[ScoreRow]) -> None:
        X = np.frombuffer(b"".join([row.features for row in rows])).reshape(len(rows), -1)
        self._n += len(rows)
        self._gaps += np.isnan(X).sum(axis=0)
        self._unknown += (X[:, self._columns] == self._others).sum(axis=0)

    def counted(self) -> Counted:
        unknown = dict(zip(self._categories, self._unknown.tolist(), strict=True))
        return Counted(self._n, self._names, self._gaps, unknown)
