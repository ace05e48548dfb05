"""How good are the chances a model gives? Weighted metrics with their neutral value and their empty case.

All take y (0/1, shape (n,)), probability (shape (n,)) and an optional weight (shape (n,), non-negative). Larger is better for ROC-AUC,
average precision and lift; smaller for log loss and Brier.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

_TINY = 1e-15


def _weights(y: np.ndarray, weight: np.ndarray | None) -> np.ndarray:
    return np.ones(len(y)) if weight is None else np.asarray(weight, dtype=np.float64)


def goal_rate(y: np.ndarray, *, weight: np.ndarray | None = None) -> float:
    """Share of leads that reached the goal. NaN without rows.

    >>> goal_rate(np.array([1, 0, 0, 0]))
    0.25
    """
    w = _weights(y, weight)
    return float((w * y).sum() / w.sum()) if w.sum() > 0 else float("nan")


def row_log_loss(y: np.ndarray, probability: np.ndarray) -> np.ndarray:
    """Natural log loss of each row, shape (n,). A chance of exactly 0 or 1 counts as 1e-15 from it."""
    p = np.clip(probability, _TINY, 1 - _TINY)
    return -np.where(y > 0.5, np.log(p), np.log1p(-p))


def log_loss(y: np.ndarray, probability: np.ndarray, *, weight: np.ndarray | None = None) -> float:
    """Mean natural log loss. ln 2 = 0.693 is a coin; the base rate's own entropy is what a model must beat. NaN without rows.

    >>> round(log_loss(np.array([1, 0]), np.array([0.5, 0.5])), 6)
    0.693147
    """
    w = _weights(y, weight)
    return float((w * row_log_loss(y, probability)).sum() / w.sum()) if w.sum() > 0 else float("nan")


def brier(y: np.ndarray, probability: np.ndarray, *, weight: np.ndarray | None = None) -> float:
    """Mean squared error of the chance. 0 is perfect, rate * (1 - rate) is the base rate's. NaN without rows.

    >>> brier(np.array([1, 0]), np.array([0.5, 0.5]))
    0.25
    """
    w = _weights(y, weight)
    return float((w * (probability - y) ** 2).sum() / w.sum()) if w.sum() > 0 else float("nan")


def roc_auc(y: np.ndarray, probability: np.ndarray, *, weight: np.ndarray | None = None) -> float:
    """Chance that a lead with the goal ranks above one without; ties count half. 0.5 is a random order. NaN when one class is absent.

    >>> roc_auc(np.array([0, 0, 1, 1]), np.array([0.1, 0.4, 0.35, 0.8]))
    0.75
    """
    return Ranking.of(probability).roc_auc(y, _weights(y, weight))


def average_precision(y: np.ndarray, probability: np.ndarray, *, weight: np.ndarray | None = None) -> float:
    """Mean precision over the recalls, from the highest chance down; tied leads come together. The goal rate is a random order. NaN when
    nobody reached the goal.

    >>> round(average_precision(np.array([0, 0, 1, 1]), np.array([0.1, 0.4, 0.35, 0.8])), 4)
    0.8333
    """
    return Ranking.of(probability).average_precision(y, _weights(y, weight))


def lift_at(
    y: np.ndarray, probability: np.ndarray, *, share: float, weight: np.ndarray | None = None
) -> float:
    """Goal rate among the top ``share`` of leads over the overall rate. 1.0 is a random order; NaN when nobody reached the goal. Leads tied
    at the edge count with the part of their weight that still fits, so their order is no matter.

    >>> lift_at(np.array([1, 0, 0, 0]), np.array([.9, .2, .1, .3]), share=0.25)
    4.0
    """
    return Ranking.of(probability).lift_at(y, _weights(y, weight), share=share)


@dataclass(frozen=True, slots=True)
class Ranking:
    """Leads sorted once by their chance, so that resamples need not sort again.

    ``place`` is the position of each lead's chance among the ``n`` distinct ones, by rising chance.
    """

    place: np.ndarray
    n: int

    @classmethod
    def of(cls, probability: np.ndarray) -> Ranking:
        values, place = np.unique(probability, return_inverse=True)
        return cls(place, len(values))

    def roc_auc(self, y: np.ndarray, weight: np.ndarray) -> float:
        hit, miss = self._held(y, weight)
        if hit.sum() <= 0 or miss.sum() <= 0:
            return float("nan")
        below = np.cumsum(miss) - miss
        return float((hit * (below + miss / 2)).sum() / (hit.sum() * miss.sum()))

    def average_precision(self, y: np.ndarray, weight: np.ndarray) -> float:
        hit, miss = (held[::-1] for held in self._held(y, weight))
        if hit.sum() <= 0:
            return float("nan")
        found, seen = np.cumsum(hit), np.cumsum(hit + miss)
        precision = np.divide(found, seen, out=np.zeros_like(found), where=seen > 0)
        return float((hit * precision).sum() / hit.sum())

    def lift_at(self, y: np.ndarray, weight: np.ndarray, *, share: float) -> float:
        if not 0 < share <= 1:
            raise ValueError(f"share must lie in (0, 1], got {share!r}")
        hit, miss = (held[::-1] for held in self._held(y, weight))
        if hit.sum() <= 0:
            return float("nan")
        held = hit + miss
        room = share * held.sum()
        taken = np.clip(room - (np.cumsum(held) - held), 0.0, held)
        part = np.divide(taken, held, out=np.zeros_like(held), where=held > 0)
        return float((hit * part).sum() / room / (hit.sum() / held.sum()))

    def _held(self, y: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Weight with and without the goal at each distinct chance."""
        hit = np.bincount(self.place, weights=weight * (y > 0.5), minlength=self.n)
        miss = np.bincount(self.place, weights=weight * (y <= 0.5), minlength=self.n)
        return hit, miss


def calibration_table(
    y: np.ndarray,
    probability: np.ndarray,
    *,
    weight: np.ndarray | None = None,
    lead: np.ndarray | None = None,
    n_bins: int = 10,
) -> list[dict[str, float]]:
    """Leads in equal shares by rising chance: what was said, what came, and a 95 % interval of it.

    Leads with one chance stay together, so bins may be fewer. ``lead`` numbers the leads of the rows, as rows of one lead are one piece
    of evidence; None counts every row. Empty without rows.

    >>> calibration_table(np.array([0, 1]), np.array([0.2, 0.8]), n_bins=2)[1]
    {'share': 0.5, 'predicted': 0.8, 'observed': 1.0, 'low': 0.206549, 'high': 1.0}
    """
    if not len(y):
        return []
    w = _weights(y, weight)
    ranking = Ranking.of(probability)
    held = np.bincount(ranking.place, weights=w, minlength=ranking.n)
    middle = (np.cumsum(held) - held / 2) / held.sum()
    bins = np.minimum((middle * n_bins).astype(np.int64), n_bins - 1)[ranking.place]
    table = []
    for b in np.unique(bins):
        rows = bins == b
        total = float(w[rows].sum())
        if total <= 0:
            continue
        observed = float((w * y)[rows].sum() / total)
        n = len(y[rows]) if lead is None else len(np.unique(lead[rows]))
        low, high = wilson(observed, n)
        found = (total / w.sum(), (w * probability)[rows].sum() / total, observed, low, high)
        names = ("share", "predicted", "observed", "low", "high")
        table.append({name: round(float(value), 6) for name, value in zip(names, found, strict=True)})
    return table


def wilson(rate: float, n: float) -> tuple[float, float]:
    """95 % interval of a rate seen among n. (0, 1) for n = 0.

    >>> tuple(round(v, 3) for v in wilson(0.5, 100))
    (0.404, 0.596)
    """
    if n <= 0:
        return 0.0, 1.0
    z = 1.959964
    middle = (rate + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z * math.sqrt(rate * (1 - rate) / n + z**2 / (4 * n**2)) / (1 + z**2 / n)
    return max(middle - half, 0.0), min(middle + half, 1.0)
