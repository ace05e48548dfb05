"""What rows may see: touchpoints that occurred and were received at or before the cutoff, and selections of them.

Entries go by row, then in ledger order (time, source, touchpoint id), so the first and last entry of a row are its first and last
touchpoint. Selections are made once for all features that ask for them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from data.ledger import Ledger
from data.snapshots import Snapshots
from features.spec import Where


@dataclass(frozen=True, slots=True)
class Terms:
    """What an aggregation needs besides its touchpoints: a column, a half-life in seconds, a position, the number of another selection."""

    column: str = ""
    half_life: int = 0
    position: int = 0
    other: int = -1


class Selections:
    """Numbered pairs of a condition and a window in microseconds; a windowed one is cut from its windowless parent."""

    def __init__(self) -> None:
        self._number: dict[tuple[Where, int | None], int] = {}
        self.where: list[Where] = []
        self.window: list[int | None] = []
        self.parent: list[int] = []

    def __len__(self) -> int:
        return len(self.where)

    def add(self, where: Where, window: int | None) -> int:
        """The number of this selection."""
        parent = -1 if window is None else self.add(where, None)
        number = self._number.setdefault((where, window), len(self.where))
        if number == len(self.where):
            self.where.append(where)
            self.window.append(window)
            self.parent.append(parent)
        return number


class Seen:
    """The touchpoints that rows lo:hi may see, one entry per (row, touchpoint)."""

    __slots__ = (
        "_chosen",
        "_codes",
        "_occurred",
        "_values",
        "age",
        "ledger",
        "n",
        "position",
        "row",
        "selections",
        "size",
    )

    def __init__(self, snapshots: Snapshots, lo: int, hi: int, selections: Selections) -> None:
        ledger = snapshots.ledger
        self.ledger: Ledger = ledger
        self.n = hi - lo
        start, stop, cutoff = snapshots.start[lo:hi], snapshots.stop[lo:hi], snapshots.cutoffs[lo:hi]
        position: slice | np.ndarray
        if self.n == 1:
            position = slice(int(start[0]), int(stop[0]))
            row = np.zeros(max(0, position.stop - position.start), dtype=np.intp)
        else:
            length = stop - start
            row = np.repeat(np.arange(self.n), length)
            cutoff = cutoff[row]
            if (start[1:] == stop[:-1]).all():  # one after the other, as in a request
                position = slice(int(start[0]), int(stop[-1]))
            else:
                position = np.arange(len(row)) + np.repeat(start - (np.cumsum(length) - length), length)
        occurred = ledger.occurred_at[position]
        visible = np.maximum(occurred, ledger.received_at[position]) <= cutoff
        age = cutoff - occurred
        if not visible.all():
            kept = np.flatnonzero(visible)
            age, row = age[kept], row[kept]
            position = kept + position.start if isinstance(position, slice) else position[kept]
        self.age = age  # microseconds before the cutoff, never negative
        self.row = row
        self.position = position
        self.size = len(age)
        self.selections = selections
        self._codes: dict[str, np.ndarray] = {}
        self._occurred: np.ndarray | None = None
        self._values: np.ndarray | None = None
        self._chosen: list[Chosen | None] = [None] * len(selections)

    def codes(self, column: str) -> np.ndarray:
        """Level codes of a text column, -1 for null."""
        found = self._codes.get(column)
        if found is None:
            found = self._codes[column] = self.ledger.text(column).codes[self.position]
        return found

    def occurred(self) -> np.ndarray:
        """When each occurred, int64 microseconds since 1970 UTC."""
        if self._occurred is None:
            self._occurred = self.ledger.occurred_at[self.position]
        return self._occurred

    def values(self) -> np.ndarray:
        """Numbers, NaN or infinite where there is none."""
        if self._values is None:
            # Adding 0.0 makes -0.0 and 0.0 one number, whose order would otherwise show in a maximum.
            self._values = self.ledger.value[self.position] + 0.0
        return self._values

    def chosen(self, number: int) -> Chosen:
        """The selection of that number."""
        found = self._chosen[number]
        if found is None:
            window = self.selections.window[number]
            if window is None:
                where = self.selections.where[number]
                found = Chosen(self, self._matching(where) if where else None)
            else:
                found = self.chosen(self.selections.parent[number]).within(window)
            self._chosen[number] = found
        return found

    def let_go(self) -> None:
        """Forget the selections: they point back here, and a cycle would keep all arrays until the next full collection."""
        self._chosen = []

    def _matching(self, where: Where) -> np.ndarray:
        mask: np.ndarray | None = None
        for column, values in where:
            levels = self.ledger.text(column).levels
            wanted = [levels.index(value) for value in values if value in levels]
            if not wanted:
                return _NONE
            codes = self.codes(column)
            one = codes == wanted[0]
            for code in wanted[1:]:
                one |= codes == code
            mask = one if mask is None else mask & one
        assert mask is not None  # callers pass a condition
        return mask.nonzero()[0]


class Chosen:
    """Some of the seen touchpoints, in the same order. ``index`` None means all of them."""

    __slots__ = ("_counts", "_ends", "_row", "_values", "age", "index", "n", "seen", "size")

    def __init__(self, seen: Seen, index: np.ndarray | None, age: np.ndarray | None = None) -> None:
        self.seen = seen
        self.n = seen.n
        self.index = index
        if age is None:
            age = seen.age if index is None else seen.age[index]
        self.age = age
        self.size = len(age)
        self._row: np.ndarray | None = seen.row if index is None else None
        self._counts: np.ndarray | None = None
        self._ends: tuple[np.ndarray, np.ndarray, np.ndarray] | None = None
        self._values: tuple[np.ndarray, np.ndarray] | None = None

    def within(self, window: int) -> Chosen:
        """Those that occurred after cutoff - window."""
        if not self.size:
            return self
        kept = (self.age < window).nonzero()[0]
        if len(kept) == self.size:
            return self
        return Chosen(self.seen, kept if self.index is None else self.index[kept], self.age[kept])

    def pick(self, values: np.ndarray) -> np.ndarray:
        """Entries of an array over all seen touchpoints."""
        return values if self.index is None else values[self.index]

    @property
    def row(self) -> np.ndarray:
        if self._row is None:
            self._row = self.pick(self.seen.row)
        return self._row

    @property
    def counts(self) -> np.ndarray:
        """How many of them each row has, shape (n,)."""
        if self._counts is None:
            if self.n == 1:
                self._counts = np.array((self.size,))
            else:
                self._counts = np.bincount(self.row, minlength=self.n)
        return self._counts

    def ends(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Rows that have any, and where among the chosen their first and last one are."""
        if self._ends is None:
            if self.n == 1 and self.size:
                self._ends = _ZERO, _ZERO, np.array((self.size - 1,))
            else:
                counts = self.counts
                rows = counts.nonzero()[0]
                after = np.cumsum(counts)[rows]
                self._ends = rows, after - counts[rows], after - 1
        return self._ends

    def occurred(self) -> np.ndarray:
        """When each occurred, int64 microseconds since 1970 UTC."""
        return self.pick(self.seen.occurred())

    def codes(self, column: str) -> np.ndarray:
        """Level codes of a text column, -1 for null."""
        return self.pick(self.seen.codes(column))

    def values(self) -> tuple[np.ndarray, np.ndarray]:
        """Non-null numbers and their rows."""
        if self._values is None:
            values = self.pick(self.seen.values())
            known = np.isfinite(values)
            values = values[known]
            self._values = values, self.row[: len(values)] if self.n == 1 else self.row[known]
        return self._values


_NONE = np.empty(0, dtype=np.intp)
_ZERO = np.zeros(1, dtype=np.intp)
