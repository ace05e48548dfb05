"""The one executor of touchpoint features: numpy over a ledger in columns.

Trainer, service and Spark call this function and nothing else, so a lead alone, the same lead in a batch and the same row in training
agree bit for bit. To keep it so on every processor:

- sums are ``np.bincount`` (one addition after the other for each row, in ledger order), never a pairwise or BLAS sum;
- no exponential or logarithm: the decay is a table of correctly rounded powers of two, indexed by whole numbers;
- everything else is comparison, integer arithmetic or one division.

Rows are worked on in chunks; a row never depends on its neighbours, so the chunk size changes memory and nothing else.

A touchpoint is seen when it occurred and was received at or before the cutoff, and is in a window when cutoff - window < occurred_at.
Ties in time keep the ledger's order (source, touchpoint id). What each aggregation gives when there is nothing to look at:

=====================  ===========================================================  ==================
aggregation            value                                                        of nothing
=====================  ===========================================================  ==================
count, diff, decay     touchpoints; this window less the one before; half-life      0
                       weighted
nunique                distinct non-null values of ``column``                       0
sum                    of non-null ``value``                                        0
mean, max              of non-null ``value``                                        NaN
recency                hours since the latest                                       NaN
age                    days since the first                                         NaN
gap_mean, gap_max      hours between consecutive ones                               NaN (fewer than 2)
first, last            level of ``column`` of the first, last; its null stays null  NaN
=====================  ===========================================================  ==================

Infinite and NaN values are nulls; so is a sum or mean that overflows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal, localcontext
from functools import cache, lru_cache

import numpy as np

from data.domain import DAY, HOUR, SECOND
from data.ledger import Ledger
from data.snapshots import Snapshots
from features.spec import Feature, FeatureSet

Where = tuple[tuple[str, tuple[str, ...]], ...]

CHUNK = (
    65_536  # touchpoints (plus rows) at once: small enough for the processor's cache, which halves the time
)
_STEPS = 4_096  # table entries per half-life
_FARTHEST = 1_000  # half-lives after which a touchpoint weighs nothing; keeps subnormal numbers out


def touchpoint_values(snapshots: Snapshots, features: FeatureSet, *, chunk: int = CHUNK) -> np.ndarray:
    """Values of the touchpoint features, float64, shape (n rows, number of features) in C order.

    Columns of profile features are left NaN. Categories are codes into ``snapshots.ledger.text(column).levels``, NaN for null.
    """
    out = np.full((len(snapshots), len(features)), np.nan)
    plan = _plan(features)
    if plan:
        for lo, hi in _chunks(snapshots, chunk):
            seen = _Seen(snapshots, lo, hi)
            for step in plan:
                step.compute(seen, step, out[lo:hi, step.place])
    return out


def _chunks(snapshots: Snapshots, chunk: int) -> Iterator[tuple[int, int]]:
    n = len(snapshots)
    if n == 1:
        yield 0, 1
        return
    size = np.cumsum(snapshots.stop - snapshots.start + 1)
    lo, done = 0, 0
    while lo < n:
        hi = max(lo + 1, int(np.searchsorted(size, done + chunk, side="right")))
        yield lo, hi
        lo, done = hi, int(size[hi - 1])


class _Seen:
    """What rows lo:hi may see: one entry per (row, touchpoint), by row, then in ledger order."""

    __slots__ = ("_chosen", "_codes", "age", "ledger", "n", "position", "row")

    def __init__(self, snapshots: Snapshots, lo: int, hi: int) -> None:
        ledger = snapshots.ledger
        start, stop = snapshots.start[lo:hi], snapshots.stop[lo:hi]
        self.ledger: Ledger = ledger
        self.n = hi - lo
        position: slice | np.ndarray
        cutoff: np.ndarray
        if self.n == 1:
            position = slice(int(start[0]), int(stop[0]))
            cutoff = snapshots.cutoffs[lo:hi]
            row = np.zeros(max(0, position.stop - position.start), dtype=np.intp)
        else:
            length = stop - start
            row = np.repeat(np.arange(self.n), length)
            cutoff = np.repeat(snapshots.cutoffs[lo:hi], length)
            position = np.arange(len(row)) + np.repeat(start - (np.cumsum(length) - length), length)
        occurred = ledger.occurred_at[position]
        visible = (occurred <= cutoff) & (ledger.received_at[position] <= cutoff)
        self.age = cutoff - occurred  # microseconds, never negative once cut to what is visible
        self.row = row
        self.position = position
        if not visible.all():
            kept = np.flatnonzero(visible)
            self.age, self.row = self.age[kept], row[kept]
            self.position = kept + position.start if isinstance(position, slice) else position[kept]
        self._codes: dict[str, np.ndarray] = {}
        self._chosen: dict[tuple[Where, int | None], _Chosen] = {}

    def codes(self, column: str) -> np.ndarray:
        """Level codes of a text column, -1 for null."""
        if column not in self._codes:
            self._codes[column] = self.ledger.text(column).codes[self.position]
        return self._codes[column]

    def chosen(self, where: Where, window: int | None) -> _Chosen:
        """Touchpoints that match ``where`` and lie in the window; computed once for all features that ask."""
        key = (where, window)
        found = self._chosen.get(key)
        if found is None:
            if window is not None:
                found = self.chosen(where, None).within(window)
            else:
                found = _Chosen(self, self._matching(where) if where else None)
            self._chosen[key] = found
        return found

    def _matching(self, where: Where) -> np.ndarray:
        mask: np.ndarray | None = None
        for column, values in where:
            coded = self.ledger.text(column)
            wanted = [code for code in map(coded.code_of, values) if code >= 0]
            if not wanted:
                return np.empty(0, dtype=np.intp)
            codes = self.codes(column)
            one = codes == wanted[0]
            for code in wanted[1:]:
                one |= codes == code
            mask = one if mask is None else mask & one
        assert mask is not None  # callers pass a condition
        return np.flatnonzero(mask)


class _Chosen:
    """Some of the seen touchpoints, in the same order. ``index`` None means all of them."""

    __slots__ = ("_counts", "_ends", "_row", "age", "index", "n", "seen", "size")

    def __init__(self, seen: _Seen, index: np.ndarray | None, age: np.ndarray | None = None) -> None:
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

    def within(self, window: int) -> _Chosen:
        inside = self.age < window
        kept = np.flatnonzero(inside)
        if len(kept) == self.size:
            return self
        return _Chosen(self.seen, kept if self.index is None else self.index[kept], self.age[kept])

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
            self._counts = np.bincount(self.row, minlength=self.n)
        return self._counts

    def ends(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Rows that have any, and where among the chosen their first and last one are."""
        if self._ends is None:
            counts = self.counts
            rows = np.flatnonzero(counts)
            after = np.cumsum(counts)[rows]
            self._ends = rows, after - counts[rows], after - 1
        return self._ends

    def values(self) -> tuple[np.ndarray, np.ndarray]:
        """Non-null numbers and their rows."""
        values = self.pick(self.seen.ledger.value[self.seen.position])
        known = np.isfinite(values)
        # Adding 0.0 makes -0.0 and 0.0 one number, whose order would otherwise show in a maximum.
        return values[known] + 0.0, self.row[known]


@dataclass(frozen=True, slots=True)
class _Step:
    """A definition made ready: windows in microseconds, half-life in seconds, and the function that computes it."""

    place: int
    where: Where
    window: int | None
    column: str
    half_life: int
    compute: Callable[[_Seen, _Step, np.ndarray], None]


@lru_cache(maxsize=64)
def _plan(features: FeatureSet) -> tuple[_Step, ...]:
    return tuple(_step(place, f) for place, f in enumerate(features) if f.reads_touchpoints)


def _step(place: int, feature: Feature) -> _Step:
    return _Step(
        place=place,
        where=feature.where,
        window=None if feature.window_days is None else round(feature.window_days * DAY),
        column=feature.column or "",
        half_life=0 if feature.half_life_days is None else round(feature.half_life_days * 86_400),
        compute=_COMPUTE[feature.agg],
    )


def _count(seen: _Seen, step: _Step, out: np.ndarray) -> None:
    chosen = seen.chosen(step.where, step.window)
    out[:] = chosen.counts if chosen.size else 0.0


def _diff(seen: _Seen, step: _Step, out: np.ndarray) -> None:
    assert step.window is not None  # Feature checks it
    both = seen.chosen(step.where, 2 * step.window)
    out[:] = 2 * seen.chosen(step.where, step.window).counts - both.counts if both.size else 0.0


def _sum(seen: _Seen, step: _Step, out: np.ndarray) -> None:
    values, row = seen.chosen(step.where, step.window).values()
    total = np.bincount(row, weights=values, minlength=seen.n)
    out[:] = np.where(np.isfinite(total), total, np.nan)


def _mean(seen: _Seen, step: _Step, out: np.ndarray) -> None:
    values, row = seen.chosen(step.where, step.window).values()
    total = np.bincount(row, weights=values, minlength=seen.n)
    counts = np.bincount(row, minlength=seen.n)
    has = np.flatnonzero((counts > 0) & np.isfinite(total))
    out[has] = total[has] / counts[has]


def _max(seen: _Seen, step: _Step, out: np.ndarray) -> None:
    values, row = seen.chosen(step.where, step.window).values()
    if len(values):
        counts = np.bincount(row, minlength=seen.n)
        has = np.flatnonzero(counts)
        out[has] = np.maximum.reduceat(values, (np.cumsum(counts) - counts)[has])


def _nunique(seen: _Seen, step: _Step, out: np.ndarray) -> None:
    out[:] = 0.0
    chosen = seen.chosen(step.where, step.window)
    if not chosen.size:
        return
    if step.column == "value":
        values, row = chosen.values()
        distinct, codes = np.unique(values, return_inverse=True)
        n_levels = len(distinct)
    else:
        codes, row = chosen.pick(seen.codes(step.column)), chosen.row
        if codes.min() < 0:
            known = np.flatnonzero(codes >= 0)
            codes, row = codes[known], row[known]
        n_levels = len(seen.ledger.text(step.column).levels)
    if not n_levels:
        return
    pair = row * n_levels + codes
    if seen.n * n_levels <= 8 * chosen.size + 1_024:  # a table of all pairs is small: no need to sort
        table = np.zeros(seen.n * n_levels, dtype=bool)
        table[pair] = True
        out[:] = np.count_nonzero(table.reshape(seen.n, n_levels), axis=1)
    else:
        pair.sort()
        is_new = np.ones(len(pair), dtype=bool)
        np.not_equal(pair[1:], pair[:-1], out=is_new[1:])
        out[:] = np.bincount(pair[is_new] // n_levels, minlength=seen.n)


def _recency(seen: _Seen, step: _Step, out: np.ndarray) -> None:
    chosen = seen.chosen(step.where, step.window)
    if chosen.size:
        rows, _, last = chosen.ends()
        out[rows] = chosen.age[last] / HOUR


def _age(seen: _Seen, step: _Step, out: np.ndarray) -> None:
    chosen = seen.chosen(step.where, step.window)
    if chosen.size:
        rows, first, _ = chosen.ends()
        out[rows] = chosen.age[first] / DAY


def _first(seen: _Seen, step: _Step, out: np.ndarray) -> None:
    chosen = seen.chosen(step.where, step.window)
    if chosen.size:
        rows, first, _ = chosen.ends()
        _put_codes(out, rows, chosen.pick(seen.codes(step.column))[first])


def _last(seen: _Seen, step: _Step, out: np.ndarray) -> None:
    chosen = seen.chosen(step.where, step.window)
    if chosen.size:
        rows, _, last = chosen.ends()
        _put_codes(out, rows, chosen.pick(seen.codes(step.column))[last])


def _put_codes(out: np.ndarray, rows: np.ndarray, codes: np.ndarray) -> None:
    out[rows] = np.where(codes < 0, np.nan, codes)


def _gap_mean(seen: _Seen, step: _Step, out: np.ndarray) -> None:
    chosen = seen.chosen(step.where, step.window)
    if chosen.size > 1:
        rows, first, last = chosen.ends()
        several = np.flatnonzero(last > first)
        first, last = first[several], last[several]
        # The gaps add up to the whole span, in whole microseconds.
        out[rows[several]] = (chosen.age[first] - chosen.age[last]) / ((last - first) * HOUR)


def _gap_max(seen: _Seen, step: _Step, out: np.ndarray) -> None:
    chosen = seen.chosen(step.where, step.window)
    if chosen.size > 1:
        rows, first, last = chosen.ends()
        several = np.flatnonzero(last > first)
        gap = np.zeros(chosen.size, dtype=np.int64)
        gap[:-1] = chosen.age[:-1] - chosen.age[1:]
        gap[last] = 0  # the step from one row to the next is no gap
        out[rows[several]] = np.maximum.reduceat(gap, first)[several] / HOUR


def _decay(seen: _Seen, step: _Step, out: np.ndarray) -> None:
    chosen = seen.chosen(step.where, step.window)
    if not chosen.size:
        out[:] = 0.0
        return
    fine, coarse = _half_powers()
    q = (chosen.age // SECOND) * _STEPS // step.half_life
    weight = fine[q & (_STEPS - 1)] * coarse[np.minimum(q >> 12, _FARTHEST + 1)]
    out[:] = np.bincount(chosen.row, weights=weight, minlength=seen.n)


@cache
def _half_powers() -> tuple[np.ndarray, np.ndarray]:
    """2^(-i/4096) for one half-life, correctly rounded, and 2^-k for whole ones (exact; 0 beyond the farthest)."""
    with localcontext() as context:
        context.prec = 60
        ratio = Decimal(2) ** (Decimal(-1) / _STEPS)
        power, powers = Decimal(1), []
        for _ in range(_STEPS):
            powers.append(float(power))
            power *= ratio
    coarse = np.ldexp(1.0, -np.arange(_FARTHEST + 2))
    coarse[-1] = 0.0
    return np.array(powers), coarse


_COMPUTE: dict[str, Callable[[_Seen, _Step, np.ndarray], None]] = {
    "count": _count, "sum": _sum, "mean": _mean, "max": _max, "nunique": _nunique, "recency": _recency, "age": _age,
    "first": _first, "last": _last, "decay": _decay, "gap_mean": _gap_mean, "gap_max": _gap_max, "diff": _diff,
}  # fmt: skip
