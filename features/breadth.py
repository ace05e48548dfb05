"""Breadth over the account: how many other leads of the same company are known.

Counted are leads that are of the snapshot's account at its cutoff (``data.accounts``): a lead merged into another is counted once, the lead
itself never. Whole numbers are compared and counted, nothing else, so one lead alone and the same lead in a batch agree bit for bit.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np

from data.accounts import FIELDS, MOST_LEADS, Spans, account_of, hashes
from data.domain import DAY
from data.snapshots import Snapshots

_PAIRS = 1 << 22  # (row, ended span) looked at together
_FEW_PAIRS = 1 << 14  # (row, span): up to so many, every row looks at every span


class OtherLeads:
    """Counts of other leads for some snapshots; what several features need is found once."""

    def __init__(self, snapshots: Snapshots) -> None:
        self._n = len(snapshots)
        self._rows = np.zeros(0, dtype=np.int64)
        if (known := snapshots.accounts) is not None:
            self._accounts, self._rows = _accounts(snapshots)
            self._spans, self._own = known.spans, known.own[self._rows]
            self._cutoffs = snapshots.cutoffs[self._rows]

    def count(self, window_days: float | None) -> np.ndarray:
        """Other leads of the account at each cutoff, float64, shape (n,): those that joined it in the window, or all for None.

        A lead joins when the profile that tells its account is known; the window is (cutoff - window, cutoff]. More than ``MOST_LEADS``
        count as that many. 0 where there is no other; NaN where the lead's account is not known, or nobody told which leads there are.
        """
        n = np.full(self._n, np.nan)
        if len(self._rows):
            window = None if window_days is None else round(window_days * DAY)
            n[self._rows] = np.minimum(self._standing(window), MOST_LEADS)
        return n

    def _standing(self, window: int | None) -> np.ndarray:
        if len(self._rows) * len(self._spans) <= _FEW_PAIRS:
            account, own, cutoff = (a[:, None] for a in (self._accounts, self._own, self._cutoffs))
            return standing_beside(self._spans, account, own=own, cutoff=cutoff, window=window)
        everyone, alone = self._groups
        return everyone.standing(self._accounts, self._cutoffs, window) - alone.standing(
            _both(self._accounts, self._own), self._cutoffs, window
        )

    @cached_property
    def _groups(self) -> tuple[_Groups, _Groups]:
        spans = self._spans
        return _Groups(spans.account, spans), _Groups(_both(spans.account, spans.lead), spans)


def standing_beside(
    spans: Spans,
    account: np.uint64 | np.ndarray,
    *,
    own: np.uint64 | np.ndarray,
    cutoff: int | np.ndarray,
    window: int | None,
) -> np.ndarray:
    """Leads but ``own`` that are of one account at the cutoff, of those that joined it in the window; not bounded by ``MOST_LEADS``.

    One number each, or for many at once columns of shape (n, 1); the result has shape () or (n,).
    """
    counts = (spans.account == account) & (spans.lead != own)
    counts &= (spans.since <= cutoff) & (spans.until > cutoff)
    if window is not None:
        counts &= spans.since > cutoff - window
    return counts.sum(axis=-1)


def _accounts(snapshots: Snapshots) -> tuple[np.ndarray, np.ndarray]:
    """Hashes of the accounts that are known, and the rows they are of."""
    names = [name for name in FIELDS if name in snapshots.fields]
    rows, told = [], []
    for row, own in enumerate(zip(*(snapshots.fields[name].tolist() for name in names), strict=True)):
        account = account_of(dict(zip(names, own, strict=True)))
        if account is not None:
            rows.append(row)
            told.append(account)
    return hashes(told), np.array(rows, dtype=np.int64)


class _Groups:
    """Spans by group, to be counted at many cutoffs at once."""

    def __init__(self, group: np.ndarray, spans: Spans) -> None:
        self._began, self._ended = _Times(group, spans.since), _Times(group, spans.until)
        self._since = spans.since[self._ended.order]

    def standing(self, groups: np.ndarray, cutoffs: np.ndarray, window: int | None) -> np.ndarray:
        """Spans of each row's group that hold at its cutoff and began in the window, int64."""
        first, n_ended = self._ended.upto(groups, cutoffs)
        n = self._began.upto(groups, cutoffs)[1] - n_ended
        if window is None:
            return n
        opens = cutoffs - window
        before = self._ended.upto(groups, opens)[1]
        n -= self._began.upto(groups, opens)[1] - before
        # Those that began before the window and ended inside it have been taken away twice.
        size = n_ended - before
        starts = np.concatenate(([0], np.cumsum(size)))
        lo = 0
        while lo < len(groups):
            hi = max(lo + 1, int(np.searchsorted(starts, starts[lo] + _PAIRS, "right")) - 1)
            row = np.repeat(np.arange(lo, hi), size[lo:hi])
            place = np.arange(starts[lo], starts[hi]) - starts[row] + (first + before)[row]
            n[lo:hi] += np.bincount(row[self._since[place] <= opens[row]] - lo, minlength=hi - lo)
            lo = hi
        return n


class _Times:
    """Instants by group, in order."""

    def __init__(self, group: np.ndarray, at: np.ndarray) -> None:
        self.order = np.lexsort((at, group))
        self._groups, self._instants = np.unique(group), np.unique(at)
        place = np.searchsorted(self._groups, group[self.order])
        # One whole number for (group, instant): ranks instead of instants keep it far below 2**63.
        self._keys = self._key(place, np.searchsorted(self._instants, at[self.order]) + 1)

    def _key(self, place: np.ndarray, rank: np.ndarray | int) -> np.ndarray:
        return place * (len(self._instants) + 1) + rank

    def upto(self, groups: np.ndarray, at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Where each group begins in ``order``, and how many of its instants are not after ``at``; none for unknown groups."""
        place = np.searchsorted(self._groups, groups)
        is_known = np.append(self._groups, np.uint64(0))[place] == groups
        is_known &= place < len(self._groups)
        first = np.searchsorted(self._keys, self._key(place, 0))
        last = np.searchsorted(
            self._keys, self._key(place, np.searchsorted(self._instants, at, "right")), "right"
        )
        return first, np.where(is_known, last - first, 0)


def _both(account: np.ndarray, lead: np.ndarray) -> np.ndarray:
    """One hash of two; multiplication by an odd number loses nothing, and wraps around."""
    return account * np.uint64(0x9E3779B97F4A7C15) + lead
