"""Counts and times of one lead's touchpoints, for all features at once.

For one lead the time goes into calling numpy, not into its work. So the selections of all features are laid out as one table (selection,
touchpoint), and the aggregations that need no more than counts and ages are read from it. They are whole numbers and one division, so the
values are bit for bit those of ``features.aggregations``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import reduce

import numpy as np

from data.domain import DAY, HOUR
from features.seen import Seen, Selections

TABLED = ("count", "diff", "recency", "age")
LARGEST = 1 << 15  # cells of the table; beyond, selecting first is quicker

_FOREVER = np.iinfo(np.int64).max
_MOST_CONDITIONS = 62  # bits of a whole number


@dataclass(frozen=True, slots=True)
class TableStep:
    """One feature read from the table: its place in the matrix, its selection, and the later half of a ``diff``."""

    place: int
    agg: str
    selection: int
    later: int = -1


class FewTable:
    """The features of a plan that can be read from the table, made ready.

    ``is_usable`` is False when there are more conditions than a whole number has bits.
    """

    def __init__(self, selections: Selections, steps: list[TableStep]) -> None:
        wheres = list(dict.fromkeys(selections.where))
        self.is_usable = bool(steps) and len(wheres) <= _MOST_CONDITIONS
        if not self.is_usable:
            return
        used = sorted({s.selection for s in steps} | {s.later for s in steps if s.later >= 0})
        column_of = {selection: column for column, selection in enumerate(used)}
        self.n_columns = len(used)
        self._bit = np.array([[1 << wheres.index(selections.where[s])] for s in used], dtype=np.int64)
        window = [selections.window[s] for s in used]
        self._window = np.array([[_FOREVER if w is None else w] for w in window], dtype=np.int64)
        self._bits = _bits_of_levels(wheres)

        def chosen(*aggs: str) -> tuple[np.ndarray, np.ndarray]:
            own = [s for s in steps if s.agg in aggs]
            return _whole(s.place for s in own), _whole(column_of[s.selection] for s in own)

        self._counts, self._differences, self._times = (
            chosen("count"),
            chosen("diff"),
            chosen("recency", "age"),
        )
        self._later = _whole(column_of[s.later] for s in steps if s.agg == "diff")
        timed = [s for s in steps if s.agg in ("recency", "age")]
        # Touchpoints are in order of time: the first chosen is the oldest, the last the newest.
        self._edge = _whole(
            column_of[s.selection] + (self.n_columns if s.agg == "recency" else 0) for s in timed
        )
        self._unit = np.array([float(HOUR if s.agg == "recency" else DAY) for s in timed])

    def fill(self, seen: Seen, out: np.ndarray) -> None:
        """Write the features of the one row that ``seen`` holds; ``out`` is that row and holds the values of nothing."""
        age = seen.age
        chosen = age < self._window
        if self._bits:
            bits = reduce(np.bitwise_and, [self._of_column(seen, column) for column in self._bits])
            chosen &= (bits & self._bit) != 0
        counts = np.add.reduce(chosen, axis=1, dtype=np.intp)
        places, columns = self._counts
        out[places] = counts[columns]
        places, columns = self._differences
        if len(places):
            out[places] = 2 * counts[self._later] - counts[columns]
        places, columns = self._times
        if len(places):
            ends = np.concatenate((chosen.argmax(axis=1), ~chosen[:, ::-1].argmax(axis=1)))
            times = age[ends[self._edge]] / self._unit
            times[counts[columns] == 0] = np.nan
            out[places] = times

    def _of_column(self, seen: Seen, column: str) -> np.ndarray:
        by_level, free = self._bits[column]
        levels = seen.ledger.text(column).levels
        return np.array([*[by_level.get(level, free) for level in levels], free])[seen.codes(column)]


def _whole(numbers: Iterable[int]) -> np.ndarray:
    return np.array(list(numbers), dtype=np.intp)


def _bits_of_levels(wheres: list) -> dict[str, tuple[dict[str, int], int]]:
    """For each column with conditions: by level the bits of the conditions it meets, and the bits of those without one on it."""
    found = {}
    for column in sorted({name for where in wheres for name, _ in where}):
        own = [[values for name, values in where if name == column] for where in wheres]
        free = sum(1 << bit for bit, wanted in enumerate(own) if not wanted)
        levels = {level for wanted in own for values in wanted for level in values}
        by_level = {
            level: free
            | sum(1 << bit for bit, wanted in enumerate(own) if wanted and all(level in v for v in wanted))
            for level in levels
        }
        found[column] = (by_level, free)
    return found
