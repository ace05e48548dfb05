"""Paths: the touchpoints a lead had on the way to its goal, or so far.

A path holds what a snapshot sees: touchpoints that occurred and were received at or before its cutoff, in the ledger's order (time,
source, touchpoint id). The cutoff of a lead that reached its goal is the goal's instant, so nothing that came after can take credit.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from data.domain import DAY
from data.errors import ConfigError, did_you_mean
from data.ledger import TEXT_COLUMNS
from data.snapshots import Snapshots
from features.seen import Seen, Selections

NOT_SET = "(not set)"


@dataclass(frozen=True, slots=True)
class Paths:
    """Paths of n leads with m touchpoints in all.

    Attributes
    ----------
    channels : the k channels that occur, by name; a touchpoint without one counts as ``(not set)``.
    is_goal : bool array, shape (n,).
    size : int array, shape (n,): touchpoints of each path, 0 for an empty one.
    row, channel : int arrays, shape (m,): the path of each touchpoint and its place in ``channels``, path by path, first touch first.
    before_last : float array, shape (m,): days from the touchpoint to the last one of its path.
    """

    channels: tuple[str, ...]
    is_goal: np.ndarray
    size: np.ndarray
    row: np.ndarray
    channel: np.ndarray
    before_last: np.ndarray

    def __len__(self) -> int:
        return len(self.size)

    @property
    def stop(self) -> np.ndarray:
        """Where each path ends among the touchpoints, shape (n,)."""
        return np.cumsum(self.size)

    def touched(self) -> sparse.csr_array:
        """Whether each path holds each channel, 0 or 1, shape (n, k)."""
        held = per_path(self.row, self.channel, np.ones(len(self.row)), shape=(len(self), len(self.channels)))
        held.data[:] = 1.0
        return held


def paths_of(
    snapshots: Snapshots, is_goal: np.ndarray, *, by: str = "channel", lookback_days: float | None = None
) -> Paths:
    """The paths of leads, one snapshot for each.

    Parameters
    ----------
    snapshots : n rows; the cutoff is the goal's instant where ``is_goal``, else the moment up to which we look.
    is_goal : bool array, shape (n,).
    by : the text column of the ledger that is taken for the channel.
    lookback_days : above 0; touchpoints this long or longer before the goal are left out. Other paths end with their last touchpoint
        and are cut back from there: counted from the present moment they would fade away while goals of the same age stay.

    Raises
    ------
    ConfigError
        For a column that is no text column, or a ``lookback_days`` not above 0.
    """
    if by not in TEXT_COLUMNS:
        raise ConfigError(f"cannot attribute by {by!r}{did_you_mean(by, TEXT_COLUMNS)}")
    if lookback_days is not None and not 0 < lookback_days < np.inf:
        raise ConfigError(
            f"lookback_days must be above 0, not {lookback_days!r}; leave it out to look at everything"
        )
    seen = Seen(snapshots, 0, len(snapshots), Selections())
    row, age, codes = seen.row, seen.age, seen.codes(by)
    if lookback_days is not None and len(row):
        ends_at = np.where(is_goal[row], 0, _last_of(row, age, n=len(snapshots)))
        kept = age - ends_at < round(lookback_days * DAY)
        row, age, codes = row[kept], age[kept], codes[kept]
    channels, channel = _by_name(codes, snapshots.ledger.text(by).levels)
    return Paths(
        channels=channels,
        is_goal=is_goal,
        size=np.bincount(row, minlength=len(snapshots)),
        row=row,
        channel=channel,
        before_last=(age - _last_of(row, age, n=len(snapshots))) / DAY,
    )


def per_path(
    row: np.ndarray, column: np.ndarray, value: np.ndarray, *, shape: tuple[int, int]
) -> sparse.csr_array:
    """Values added up by (path, column)."""
    return sparse.coo_array((value, (row, column)), shape=shape).tocsr()


def _last_of(row: np.ndarray, value: np.ndarray, *, n: int) -> np.ndarray:
    """For each touchpoint, the value of the last one of its path."""
    stop = np.cumsum(np.bincount(row, minlength=n))
    return value[stop[row] - 1]


def _by_name(codes: np.ndarray, levels: tuple[str, ...]) -> tuple[tuple[str, ...], np.ndarray]:
    """Names that occur, sorted, and the place of each code among them: how the ledger numbers its texts is no matter."""
    occurring, place = np.unique(codes, return_inverse=True)
    names = [levels[code] if code >= 0 else NOT_SET for code in occurring]
    channels = tuple(sorted(set(names)))
    number = {name: i for i, name in enumerate(channels)}
    return channels, np.array([number[name] for name in names], dtype=np.int64)[place]
