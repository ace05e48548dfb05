"""A first look for leaks: a feature that alone nearly tells the outcome was probably filled in after it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from training.learning.dataset import Dataset
from training.learning.metrics import roc_auc

SUSPICIOUS_AUC = 0.95
_MOST_ROWS = 50_000


@dataclass(frozen=True, slots=True)
class Leak:
    """A suspicious feature: its ROC-AUC alone (missing and levels ranked by their goal rate on other rows), and what to do."""

    feature: str
    auc: float
    says: str


def single_feature_leaks(
    dataset: Dataset, rows: np.ndarray, *, threshold: float = SUSPICIOUS_AUC
) -> tuple[Leak, ...]:
    """Features whose ROC-AUC alone exceeds ``threshold`` on these rows, strongest first.

    Every second row learns what a value is worth, the others are judged by it: a column of rare levels must not look like a leak because it
    remembers its own rows.
    """
    if len(rows) > _MOST_ROWS:
        rows = rows[np.linspace(0, len(rows) - 1, _MOST_ROWS).astype(np.int64)]
    y, weight = dataset.y[rows], dataset.weight[rows]
    is_judged = dataset.lead_numbers[rows] % 2 == 1
    found = []
    for j, name in enumerate(dataset.matrix.names):
        worth = _worth(dataset.X[rows, j], y, weight, ~is_judged, is_category=name in dataset.matrix.levels)
        auc = roc_auc(y[is_judged], worth[is_judged], weight=weight[is_judged])
        if auc > threshold:
            found.append(
                Leak(
                    name,
                    round(auc, 4),
                    f"{name} alone tells the outcome (ROC-AUC {auc:.3f}); check whether it is filled in afterwards, and leave it out if so",
                )
            )
    return tuple(sorted(found, key=lambda leak: (-leak.auc, leak.feature)))


def _worth(
    x: np.ndarray, y: np.ndarray, weight: np.ndarray, learns: np.ndarray, *, is_category: bool
) -> np.ndarray:
    """Goal rate of each row's value, from the learning rows: by level, or by one of up to 50 quantile bins."""
    known = ~np.isnan(x)
    if is_category:
        bins = np.where(known, np.where(known, x, 0.0), -1.0).astype(np.int64) + 1
    else:
        edges = (
            np.unique(np.quantile(x[known & learns], np.linspace(0, 1, 51)[1:-1]))
            if (known & learns).any()
            else np.zeros(0)
        )
        bins = np.where(known, np.searchsorted(edges, np.where(known, x, 0.0), side="left") + 1, 0)
    n = int(bins.max()) + 1
    hits = np.bincount(bins[learns], weights=(weight * y)[learns], minlength=n)
    held = np.bincount(bins[learns], weights=weight[learns], minlength=n)
    rate = float((weight * y)[learns].sum() / max(float(weight[learns].sum()), 1e-12))
    return ((hits + rate) / (held + 1.0))[bins]
