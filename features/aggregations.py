"""The closed list of aggregations over selected touchpoints.

A touchpoint is seen when it occurred and was received at or before the cutoff, and is in a window when cutoff - window < occurred_at.
``where`` keeps those that match all its conditions; a null matches none. Ties in time keep the ledger's order (source, touchpoint id). What
each gives, also when there is nothing to look at:

=======================  =======================================================================  ========================
aggregation              value                                                                    of nothing
=======================  =======================================================================  ========================
count                    touchpoints                                                              0
diff                     touchpoints in this window less those in the one before                  0
trend                    the same over their sum: -1 all before, 0 as many, 1 all in this window  NaN (both empty)
share                    touchpoints that match ``where`` over all in the window, 0 to 1          NaN (none in the window)
decay                    touchpoints, each half as much after every half-life                     0
nunique                  distinct non-null values of ``column``                                   0
sum                      of non-null ``value``                                                    0
mean, min, max           of non-null ``value``                                                    NaN
recency                  hours since the latest                                                   NaN
age                      days since the first                                                     NaN
gap_mean, gap_max        hours between consecutive ones                                           NaN (fewer than 2)
first, last, nth         level of ``column`` of the first, last, ``position``-th; its null stays  NaN (fewer)
sessions                 visits: a silence of more than 30 minutes ends one                       0
session_size             touchpoints a session                                                    NaN
business_hours, weekend  share on Monday to Friday from 08:00 to 18:00 UTC; on Saturday, Sunday   NaN
streak                   most days in a row (UTC) with at least one                               0
streak_now               days in a row up to the cutoff's day, or to the day before it            0
=======================  =======================================================================  ========================

Infinite and NaN values are nulls; so is a sum or mean that overflows. A new aggregation needs a function here, a line in the oracle of
the tests, and its name in ``features.spec``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import Decimal, localcontext
from functools import cache

import numpy as np

from data.domain import DAY, HOUR, SECOND
from features.rhythm import business_hours, session_size, sessions, streak, streak_now, weekend
from features.seen import Chosen, Terms

_DECAY_BITS = 12
DECAY_STEPS = 1 << _DECAY_BITS  # table entries per half-life
_FARTHEST = 1_000  # half-lives after which a touchpoint weighs nothing; keeps subnormal numbers out


# Every function gets a selection that is not empty, and one column of the matrix that holds the value of nothing for each row.


def _count(chosen: Chosen, terms: Terms, out: np.ndarray) -> None:
    out[:] = chosen.counts


def _diff(chosen: Chosen, terms: Terms, out: np.ndarray) -> None:
    out[:] = 2 * chosen.seen.chosen(terms.other).counts - chosen.counts


def _trend(chosen: Chosen, terms: Terms, out: np.ndarray) -> None:
    both = chosen.counts
    has = both.nonzero()[0]
    now = chosen.seen.chosen(terms.other).counts[has]
    out[has] = (2 * now - both[has]) / both[has]


def _share(chosen: Chosen, terms: Terms, out: np.ndarray) -> None:
    has = chosen.counts.nonzero()[0]
    out[has] = chosen.seen.chosen(terms.other).counts[has] / chosen.counts[has]


def _sum(chosen: Chosen, terms: Terms, out: np.ndarray) -> None:
    values, row = chosen.values()
    total = np.bincount(row, weights=values, minlength=chosen.n)
    if chosen.n == 1:
        out[0] = total[0] if math.isfinite(total[0]) else np.nan
    else:
        out[:] = np.where(np.isfinite(total), total, np.nan)


def _mean(chosen: Chosen, terms: Terms, out: np.ndarray) -> None:
    values, row = chosen.values()
    total = np.bincount(row, weights=values, minlength=chosen.n)
    if chosen.n == 1:
        if len(values) and math.isfinite(total[0]):
            out[0] = total[0] / len(values)
        return
    counts = np.bincount(row, minlength=chosen.n)
    has = np.flatnonzero((counts > 0) & np.isfinite(total))
    out[has] = total[has] / counts[has]


def _min(chosen: Chosen, terms: Terms, out: np.ndarray) -> None:
    _extreme(chosen, np.minimum, out)


def _max(chosen: Chosen, terms: Terms, out: np.ndarray) -> None:
    _extreme(chosen, np.maximum, out)


def _extreme(chosen: Chosen, which: np.ufunc, out: np.ndarray) -> None:
    values, row = chosen.values()
    if len(values):
        counts = np.bincount(row, minlength=chosen.n)
        has = counts.nonzero()[0]
        out[has] = which.reduceat(values, (np.cumsum(counts) - counts)[has])


def _nunique(chosen: Chosen, terms: Terms, out: np.ndarray) -> None:
    if terms.column == "value":
        values, row = chosen.values()
        distinct, codes = np.unique(values, return_inverse=True)
        n_levels = len(distinct)
    else:
        codes = chosen.codes(terms.column)
        if chosen.n == 1:
            out[0] = len(set(codes.tolist()) - {-1})
            return
        row = chosen.row
        n_levels = len(chosen.seen.ledger.text(terms.column).levels)
        width = n_levels + 1
        if chosen.n * width <= 8 * chosen.size + 1_024:  # a table of all pairs is small: no need to sort
            table = np.zeros((chosen.n, width), dtype=np.int8)
            table.reshape(-1)[row * width + codes + 1] = 1  # nulls come first, and do not count
            out[:] = table @ np.concatenate(([0.0], np.ones(n_levels)))
            return
        if codes.min() < 0:
            known = np.flatnonzero(codes >= 0)
            codes, row = codes[known], row[known]
    if not len(codes):
        return
    pair = row * n_levels + codes
    pair.sort()
    is_new = np.ones(len(pair), dtype=bool)
    np.not_equal(pair[1:], pair[:-1], out=is_new[1:])
    out[:] = np.bincount(pair[is_new] // n_levels, minlength=chosen.n)


def _recency(chosen: Chosen, terms: Terms, out: np.ndarray) -> None:
    out[chosen.row] = chosen.age / HOUR  # the last of a row stays


def _age(chosen: Chosen, terms: Terms, out: np.ndarray) -> None:
    rows, first, _ = chosen.ends()
    out[rows] = chosen.age[first] / DAY


def _first(chosen: Chosen, terms: Terms, out: np.ndarray) -> None:
    if chosen.n == 1:
        _put_code(out, chosen.codes(terms.column)[0])
        return
    rows, first, _ = chosen.ends()
    _put_codes(out, rows, chosen.codes(terms.column)[first])


def _last(chosen: Chosen, terms: Terms, out: np.ndarray) -> None:
    if chosen.n == 1:
        _put_code(out, chosen.codes(terms.column)[-1])
        return
    rows, _, last = chosen.ends()
    _put_codes(out, rows, chosen.codes(terms.column)[last])


def _nth(chosen: Chosen, terms: Terms, out: np.ndarray) -> None:
    rows, first, last = chosen.ends()
    at = first + (terms.position - 1)
    has = np.flatnonzero(at <= last)
    _put_codes(out, rows[has], chosen.codes(terms.column)[at[has]])


def _put_codes(out: np.ndarray, rows: np.ndarray, codes: np.ndarray) -> None:
    out[rows] = np.where(codes < 0, np.nan, codes)


def _put_code(out: np.ndarray, code: int) -> None:
    out[0] = code if code >= 0 else np.nan


def _gap_mean(chosen: Chosen, terms: Terms, out: np.ndarray) -> None:
    if chosen.n == 1:
        if chosen.size > 1:
            out[0] = (chosen.age[0] - chosen.age[-1]) / ((chosen.size - 1) * HOUR)
        return
    rows, first, last = chosen.ends()
    several = np.flatnonzero(last > first)
    first, last = first[several], last[several]
    # The gaps add up to the whole span, in whole microseconds.
    out[rows[several]] = (chosen.age[first] - chosen.age[last]) / ((last - first) * HOUR)


def _gap_max(chosen: Chosen, terms: Terms, out: np.ndarray) -> None:
    if chosen.n == 1:
        if chosen.size > 1:
            out[0] = (chosen.age[:-1] - chosen.age[1:]).max() / HOUR
        return
    rows, first, last = chosen.ends()
    several = np.flatnonzero(last > first)
    gap = np.zeros(chosen.size, dtype=np.int64)
    np.subtract(chosen.age[:-1], chosen.age[1:], out=gap[:-1])
    gap[last] = 0  # the step from one row to the next is no gap
    out[rows[several]] = np.maximum.reduceat(gap, first)[several] / HOUR


def _decay(chosen: Chosen, terms: Terms, out: np.ndarray) -> None:
    fine, coarse = half_powers()
    q = chosen.age // SECOND * DECAY_STEPS // terms.half_life
    weight = fine.take(q & (DECAY_STEPS - 1)) * coarse.take(
        q >> _DECAY_BITS, mode="clip"
    )  # the last entry is 0
    out[:] = np.bincount(chosen.row, weights=weight, minlength=chosen.n)


@cache
def half_powers() -> tuple[np.ndarray, np.ndarray]:
    """2^(-i/4096) for one half-life, correctly rounded, and 2^-k for whole ones (exact; 0 beyond the farthest)."""
    with localcontext() as context:
        context.prec = 60
        ratio = Decimal(2) ** (Decimal(-1) / DECAY_STEPS)
        power, powers = Decimal(1), []
        for _ in range(DECAY_STEPS):
            powers.append(float(power))
            power *= ratio
    coarse = np.ldexp(1.0, -np.arange(_FARTHEST + 2))
    coarse[-1] = 0.0
    return np.array(powers), coarse


COMPUTE: dict[str, Callable[[Chosen, Terms, np.ndarray], None]] = {
    "count": _count, "sum": _sum, "mean": _mean, "min": _min, "max": _max, "nunique": _nunique, "recency": _recency, "age": _age,
    "first": _first, "last": _last, "nth": _nth, "decay": _decay, "gap_mean": _gap_mean, "gap_max": _gap_max, "diff": _diff,
    "trend": _trend, "share": _share, "sessions": sessions, "session_size": session_size, "business_hours": business_hours,
    "weekend": weekend, "streak": streak, "streak_now": streak_now,
}  # fmt: skip
_ZERO_OF_NOTHING = ("count", "sum", "nunique", "decay", "diff", "sessions", "streak", "streak_now")
OF_NOTHING = {agg: 0.0 if agg in _ZERO_OF_NOTHING else np.nan for agg in COMPUTE}
