"""Fields that begin, end or change at some time.

A field that only new leads have, or that meant something else before, makes a model of the past a poor guess at the present, and often
was back-filled for those who mattered. Named where the leads before and after some moment differ in most of their values: the
distributions (gaps included) share less than half, beyond what the same cut through shuffled leads shows. That is no proof of a leak
(interest rates change as well), so it warns.
"""

from __future__ import annotations

import numpy as np

from training.learning.leakage.columns import Column, Part
from training.learning.leakage.finding import Finding

SHIFT = 0.5
_CUTS = np.arange(1, 10) / 10
_FEWEST_LEADS = 50
_RARE = 0.01


def change(column: Column, part: Part) -> Finding | None:
    """A field whose values before and after the sharpest of nine cuts in time have less than half in common."""
    if column.is_dated:
        return None
    bins = _pooled(column.bins(np.ones(len(part.y), dtype=bool), most=20), part.weight)
    best, at = 0.0, 0.0
    for cut in _CUTS.tolist():
        if min(cut, 1 - cut) * part.n_leads < _FEWEST_LEADS:
            continue
        beyond = _apart(bins, part.weight, part.place >= cut) - _apart(
            bins, part.weight, part.shuffled >= cut
        )
        if beyond > best:
            best, at = beyond, cut
    if best <= SHIFT:
        return None
    known, after = column.is_known, part.place >= at
    shares = _share(known, part.weight, ~after), _share(known, part.weight, after)
    if abs(shares[1] - shares[0]) > SHIFT:
        what = f"is filled for {shares[0]:.0%} of the leads in the first {at:.0%} of the older history and for {shares[1]:.0%} afterwards"
    else:
        what = f"takes mostly other values after the first {at:.0%} of the older history than before"
    return Finding(
        field=column.field,
        probe="change",
        action="warn",
        says=f"{column.field} {what}: it begins, ends or changes its meaning there",
        evidence={
            "at": round(at, 2), "shift": round(best, 4), "filled_before": round(shares[0], 4), "filled_after": round(shares[1], 4),
        },
    )  # fmt: skip


def _pooled(bins: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Bins from 0, those with less than a hundredth of the leads as one: rare values differ between any two samples."""
    held = np.bincount(bins, weights=weight)
    rare = held < _RARE * held.sum()
    rare[0] = False
    return np.where(rare[bins], len(held), bins)


def _apart(bins: np.ndarray, weight: np.ndarray, after: np.ndarray) -> float:
    """Total variation distance of the two sides: 0 alike, 1 nothing in common."""
    n = int(bins.max()) + 1
    one = np.bincount(bins[~after], weights=weight[~after], minlength=n)
    two = np.bincount(bins[after], weights=weight[after], minlength=n)
    if min(one.sum(), two.sum()) <= 0:
        return 0.0
    return float(np.abs(one / one.sum() - two / two.sum()).sum() / 2)


def _share(known: np.ndarray, weight: np.ndarray, rows: np.ndarray) -> float:
    return float(weight[known & rows].sum() / max(float(weight[rows].sum()), 1e-12))
