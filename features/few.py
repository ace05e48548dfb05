"""Few touchpoints of one lead: the same aggregations in plain Python.

For few touchpoints nearly all time goes into calling numpy, a microsecond a call, and not into its work. So one lead's touchpoints become
lists, and every aggregation is a line over the positions of those it selects. The values are bit for bit those of
``features.aggregations``: comparisons, whole numbers, one division, and sums that add one touchpoint after the other.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Hashable, Iterable, Sequence
from functools import cache, lru_cache
from operator import sub
from typing import Protocol

import numpy as np

from data.domain import DAY, HOUR, SECOND
from features.aggregations import DECAY_STEPS, half_powers
from features.seen import Seen, Selections, Terms

MOST = 256  # touchpoints; with more, numpy is quicker

_FOREVER = 1 << 62


class Step(Protocol):
    """A feature in a plan: its place in the matrix, its aggregation, the number of its selection, and what else it needs."""

    @property
    def place(self) -> int: ...
    @property
    def agg(self) -> str: ...
    @property
    def selection(self) -> int: ...
    @property
    def terms(self) -> Terms: ...


class View(Protocol):
    """The touchpoints that one row sees, in order of time, as lists."""

    age: list[int]  # microseconds before the cutoff

    def levels(self, column: str) -> Sequence[Hashable]:
        """What stands in a text column: the same for the same text, None for null."""

    def code(self, column: str, position: int) -> float:
        """What the row gets for the text at this position, which is not null."""

    def values(self) -> list[float]:
        """Numbers, NaN or infinite where there is none; 0.0, never -0.0."""

    def named(self, column: str, wanted: dict[str, str]) -> list[str | None]:
        """The text of a column where it is one of ``wanted``, else None."""


class OfSeen:
    """What the arrays of ``Seen`` hold for its one row."""

    __slots__ = ("_seen", "age")

    def __init__(self, seen: Seen) -> None:
        self.age: list[int] = seen.age.tolist()
        self._seen = seen

    def levels(self, column: str) -> list[int | None]:
        return [None if code < 0 else code for code in self._seen.codes(column).tolist()]

    def code(self, column: str, position: int) -> float:
        return float(self._seen.codes(column)[position])

    def values(self) -> list[float]:
        found: list[float] = self._seen.values().tolist()
        return found

    def named(self, column: str, wanted: dict[str, str]) -> list[str | None]:
        levels = [*map(wanted.get, self._seen.ledger.text(column).levels), None]
        return [levels[code] for code in self._seen.codes(column).tolist()]


class Few:
    """A view and its selections: ``chosen[number]`` are the positions of a selection."""

    __slots__ = ("_levels", "_values", "_view", "age", "chosen")

    def __init__(self, view: View, chosen: list[list[int]]) -> None:
        self.age = view.age
        self.chosen = chosen
        self._view = view
        self._levels: dict[str, Sequence[Hashable]] = {}
        self._values: list[float] | None = None

    def levels(self, column: str) -> Sequence[Hashable]:
        """What stands in a text column: the same for the same text, None for null."""
        found = self._levels.get(column)
        if found is None:
            found = self._levels[column] = self._view.levels(column)
        return found

    def code(self, column: str, position: int) -> float:
        """What the row gets for the text at this position, NaN for null."""
        return math.nan if self.levels(column)[position] is None else self._view.code(column, position)

    def values(self, at: list[int]) -> list[float]:
        """The known numbers of these."""
        if self._values is None:
            self._values = self._view.values()
        every = self._values
        return [v for i in at if math.isfinite(v := every[i])]


class FewSteps:
    """The features of a plan that are computed this way, made ready."""

    def __init__(self, selections: Selections, steps: Iterable[Step]) -> None:
        self._wheres = list(dict.fromkeys(selections.where))
        windows = sorted({_FOREVER if w is None else w for w in selections.window})
        self._windows = [-w for w in windows]
        self._selections = [
            (self._wheres.index(where), windows.index(_FOREVER if window is None else window))
            for where, window in zip(selections.where, selections.window, strict=True)
        ]
        self._columns = sorted({column for where in self._wheres for column, _ in where})
        self._wanted = [
            {v: v for where in self._wheres for c, values in where if c == column for v in values}
            for column in self._columns
        ]
        self._met = lru_cache(maxsize=4_096)(self._met_by)
        self._steps = [(s.place, _COMPUTE[s.agg], s.selection, s.terms) for s in steps if s.agg in _COMPUTE]

    def fill(self, seen: Seen, out: np.ndarray) -> None:
        """Write the features of the one row that ``seen`` holds; ``out``, shape (p,), is that row and holds the values of nothing."""
        row = out.tolist()
        self.write(OfSeen(seen), row)
        out[:] = row

    def write(self, view: View, row: list[float]) -> None:
        """Write the features of a view that is not empty into ``row``, which holds the values of nothing."""
        age = view.age
        met: list[list[int]] = [[] for _ in self._wheres]
        levels = [view.named(*wanted) for wanted in zip(self._columns, self._wanted, strict=True)]
        for position, own in enumerate(zip(*levels, strict=True) if levels else ((),) * len(age)):
            for number in self._met(own):
                met[number].append(position)
        # From the oldest to the newest: a window begins where the ages fall below it.
        falling = [-a for a in age]
        begins = [bisect_right(falling, w) for w in self._windows]
        chosen = []
        for number, window in self._selections:
            at, begin = met[number], begins[window]
            chosen.append(at[bisect_left(at, begin) :] if begin else at)
        few = Few(view, chosen)
        for place, compute, selection, terms in self._steps:
            if at := chosen[selection]:
                row[place] = compute(few, at, terms)

    def _met_by(self, own: tuple[str | None, ...]) -> tuple[int, ...]:
        """The numbers of the conditions that these levels meet, one level for each column."""
        level = dict(zip(self._columns, own, strict=True))
        return tuple(
            number
            for number, where in enumerate(self._wheres)
            if all(level[column] in values for column, values in where)
        )


# Every function gets the positions of a selection that is not empty, in order of time.


def _count(few: Few, at: list[int], terms: Terms) -> float:
    return len(at)


def _diff(few: Few, at: list[int], terms: Terms) -> float:
    return 2 * len(few.chosen[terms.other]) - len(at)


def _trend(few: Few, at: list[int], terms: Terms) -> float:
    return _diff(few, at, terms) / len(at)


def _share(few: Few, at: list[int], terms: Terms) -> float:
    return len(few.chosen[terms.other]) / len(at)


def _recency(few: Few, at: list[int], terms: Terms) -> float:
    return float(few.age[at[-1]]) / HOUR


def _age(few: Few, at: list[int], terms: Terms) -> float:
    return float(few.age[at[0]]) / DAY


def _gap_mean(few: Few, at: list[int], terms: Terms) -> float:
    if len(at) < 2:
        return math.nan
    # The gaps add up to the whole span, in whole microseconds.
    return float(few.age[at[0]] - few.age[at[-1]]) / ((len(at) - 1) * HOUR)


def _gap_max(few: Few, at: list[int], terms: Terms) -> float:
    if len(at) < 2:
        return math.nan
    ages = [few.age[i] for i in at]
    return float(max(map(sub, ages, ages[1:]))) / HOUR


def _decay(few: Few, at: list[int], terms: Terms) -> float:
    fine, coarse = _half_powers()
    total, farthest = 0.0, len(coarse) - 1
    ages, half_life = few.age, terms.half_life
    for i in at:
        q = ages[i] // SECOND * DECAY_STEPS // half_life
        total += fine[q % DECAY_STEPS] * coarse[min(q // DECAY_STEPS, farthest)]
    return total


@cache
def _half_powers() -> tuple[list[float], list[float]]:
    fine, coarse = half_powers()
    return fine.tolist(), coarse.tolist()


def _nunique(few: Few, at: list[int], terms: Terms) -> float:
    if terms.column == "value":
        return len(set(few.values(at)))
    return len({*map(few.levels(terms.column).__getitem__, at)} - _NULL)


def _first(few: Few, at: list[int], terms: Terms) -> float:
    return few.code(terms.column, at[0])


def _last(few: Few, at: list[int], terms: Terms) -> float:
    return few.code(terms.column, at[-1])


def _nth(few: Few, at: list[int], terms: Terms) -> float:
    return few.code(terms.column, at[terms.position - 1]) if len(at) >= terms.position else math.nan


def _sum(few: Few, at: list[int], terms: Terms) -> float:
    total = 0.0
    for value in few.values(at):  # not sum(), which later Pythons round otherwise
        total += value
    return total if math.isfinite(total) else math.nan


def _mean(few: Few, at: list[int], terms: Terms) -> float:
    n = len(few.values(at))
    return _sum(few, at, terms) / n if n else math.nan


def _min(few: Few, at: list[int], terms: Terms) -> float:
    return min(few.values(at), default=math.nan)


def _max(few: Few, at: list[int], terms: Terms) -> float:
    return max(few.values(at), default=math.nan)


_NULL = frozenset((None,))
_COMPUTE: dict[str, Callable[[Few, list[int], Terms], float]] = {
    "count": _count, "diff": _diff, "trend": _trend, "share": _share, "recency": _recency, "age": _age, "gap_mean": _gap_mean,
    "gap_max": _gap_max, "decay": _decay, "nunique": _nunique, "first": _first, "last": _last, "nth": _nth, "sum": _sum,
    "mean": _mean, "min": _min, "max": _max,
}  # fmt: skip
# The others, about the rhythm, are left to numpy.
FEW = frozenset(_COMPUTE)
