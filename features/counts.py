"""Counts by the level of one column, all features that count so at once.

A dozen features count touchpoints of this or that type in this or that window. Selecting those of each would go over the touchpoints as
often as there are features; a table of rows by levels is filled once a window, and each of these features is a sum over some of its
columns.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from features.seen import Seen
from features.spec import Feature

Counted = tuple[
    int, Feature, int | None
]  # place in the matrix, definition, window in microseconds or None for all time


def counts_by_level(feature: Feature) -> bool:
    """Whether the feature is a count of touchpoints with one column's values."""
    return feature.agg == "count" and len(feature.where) == 1


class LevelCounts:
    """The features of a plan that count by one column's levels, made ready."""

    def __init__(self, counted: Sequence[Counted]) -> None:
        self._windows = sorted({window for *_, window in counted if window is not None})
        by_column: dict[str, list[Counted]] = {}
        for one in counted:
            by_column.setdefault(one[1].where[0][0], []).append(one)
        self._columns = [_Column(name, own, self._windows) for name, own in by_column.items()]

    def fill(self, seen: Seen, out: np.ndarray) -> None:
        """Write the counts of all rows that ``seen`` holds; ``out`` has shape (rows, p)."""
        if self._columns:
            # Row and narrowest window that holds the touchpoint, which every wider one holds too; the last is all time.
            line = seen.row * (len(self._windows) + 1)
            for window in self._windows:
                line += seen.age >= window
            for column in self._columns:
                column.fill(seen, line, out)


class _Column:
    def __init__(self, name: str, counted: Sequence[Counted], windows: Sequence[int]) -> None:
        self._name = name
        asked = [dict.fromkeys(feature.where[0][1]) for _, feature, _ in counted]
        self._number = {value: k for k, value in enumerate(dict.fromkeys(v for own in asked for v in own), 1)}
        self._width = len(self._number) + 1  # 0 is null and all levels nobody asks for
        self._n_windows = len(windows) + 1
        self._places = np.array([place for place, *_ in counted])
        # Adds up what a feature counts: its values, in its window and all narrower ones.
        self._sums = np.zeros((self._n_windows, self._width, len(asked)))
        for column, (own, (_, _, window)) in enumerate(zip(asked, counted, strict=True)):
            widest = len(windows) if window is None else windows.index(window)
            for value in own:
                self._sums[: widest + 1, self._number[value], column] = 1.0

    def fill(self, seen: Seen, line: np.ndarray, out: np.ndarray) -> None:
        levels = seen.ledger.text(self._name).levels
        number = np.zeros(len(levels) + 1, dtype=np.intp)  # of each level, then of null, whose code is -1
        for value, own in self._number.items():
            if value in levels:
                number[levels.index(value)] = own
        sums = self._sums.reshape(-1, len(self._places))
        cell = line * self._width + number[seen.codes(self._name)]
        table = np.bincount(cell, minlength=seen.n * len(sums)).reshape(seen.n, -1)
        out[:, self._places] = table.astype(np.float64) @ sums  # of whole numbers: exact in any order
