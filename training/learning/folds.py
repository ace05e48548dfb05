"""Folds in the order of time.

A model is always judged on leads that came after those it learned from. One lead, or one group of leads such as an account, is never on
both sides. Where the history is long enough, training rows whose horizon was still open when the test leads came are left out as well:
their outcome was not known then.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from data.domain import DAY

# A fold may lose this share of its training rows to the purge or to shared groups before it rather goes without.
_MOST_LOST = 0.5


@dataclass(frozen=True, slots=True)
class Fold:
    """Row numbers, rising.

    ``is_purged``: every training row's label was known when the test leads came. ``n_lost``: training rows left out.
    """

    train: np.ndarray
    test: np.ndarray
    is_purged: bool
    n_lost: int


@dataclass(frozen=True, slots=True)
class Rows:
    """What folds need to know of the rows, shape (n,) each.

    Attributes
    ----------
    order : position in time of the row's lead; equal for all rows of a lead.
    lead : whole numbers, one per lead. Leads of equal order follow these.
    group : whole numbers that must not be split, or None: every lead for itself.
    cutoff : instants, or None for a table that has no times.
    horizon_days : None for a table that has no times.
    known_at : instants from which labels are known; None: the end of the horizon.
    """

    order: np.ndarray
    lead: np.ndarray
    group: np.ndarray | None = None
    cutoff: np.ndarray | None = None
    horizon_days: float | None = None
    known_at: np.ndarray | None = None


def split_newest(rows: Rows, *, share: float, among: np.ndarray | None = None) -> Fold:
    """The newest ``share`` of leads as test, everything older as train."""
    among = np.arange(len(rows.order)) if among is None else among
    place = _lead_places(rows, among)
    n_leads = int(place.max()) + 1
    first = min(max(round(n_leads * (1 - share)), 1), n_leads - 1)
    return _fold(rows, among[place < first], among[place >= first])


def time_folds(
    rows: Rows, *, n_folds: int, first_share: float = 0.4, among: np.ndarray | None = None
) -> list[Fold]:
    """Expanding folds: each tests the next block of leads with everything older as training.

    The oldest ``first_share`` of leads is never tested; the rest is cut into ``n_folds`` blocks of equal leads. Fewer leads than blocks
    give fewer folds.
    """
    among = np.arange(len(rows.order)) if among is None else among
    place = _lead_places(rows, among)
    n_leads = int(place.max()) + 1
    edges = np.unique(np.round(np.linspace(first_share * n_leads, n_leads, n_folds + 1)).astype(np.int64))
    edges = edges[edges >= 1]
    return [
        _fold(rows, among[place < start], among[(place >= start) & (place < stop)])
        for start, stop in pairwise(edges.tolist())
    ]


def _lead_places(rows: Rows, among: np.ndarray) -> np.ndarray:
    """Position of each row's lead among the leads by (order, lead), from 0."""
    key = np.lexsort((rows.lead[among], rows.order[among]))
    lead = rows.lead[among][key]
    starts = np.concatenate(([0], (lead[1:] != lead[:-1]).astype(np.int64)))
    place = np.empty(len(among), dtype=np.int64)
    place[key] = np.cumsum(starts)
    return place


def _fold(rows: Rows, train: np.ndarray, test: np.ndarray) -> Fold:
    kept = train
    if rows.group is not None:
        kept = kept[~np.isin(rows.group[kept], rows.group[test])]
    if rows.cutoff is not None and rows.horizon_days is not None:
        begin = int(rows.cutoff[test].min())
        known_at = rows.cutoff + round(rows.horizon_days * DAY) if rows.known_at is None else rows.known_at
        matured = kept[known_at[kept] <= begin]
        if len(matured) >= len(kept) * (1 - _MOST_LOST):
            return Fold(train=matured, test=test, is_purged=True, n_lost=len(train) - len(matured))
    return Fold(train=kept, test=test, is_purged=False, n_lost=len(train) - len(kept))
