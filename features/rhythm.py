"""Aggregations over the rhythm of touchpoints: sessions, hours of the week, days in a row.

Days, weekdays and hours are those of UTC, so nothing shifts when clocks do. Before 1970 all is counted the same way: divisions floor.
"""

from __future__ import annotations

import numpy as np

from data.domain import DAY, HOUR, SECOND
from features.seen import Chosen, Terms

SESSION_GAP = 30 * 60 * SECOND
OPENS, CLOSES = 8 * HOUR, 18 * HOUR
_MONDAY = 3  # 1970-01-01 was a Thursday: (day + 3) % 7 is 0 on Mondays


def sessions(chosen: Chosen, terms: Terms, out: np.ndarray) -> None:
    out[:] = _n_sessions(chosen)


def session_size(chosen: Chosen, terms: Terms, out: np.ndarray) -> None:
    has = chosen.counts.nonzero()[0]
    out[has] = chosen.counts[has] / _n_sessions(chosen)[has]


def business_hours(chosen: Chosen, terms: Terms, out: np.ndarray) -> None:
    day, time = np.divmod(chosen.occurred(), DAY)
    _put_share(chosen, ((day + _MONDAY) % 7 < 5) & (time >= OPENS) & (time < CLOSES), out)


def weekend(chosen: Chosen, terms: Terms, out: np.ndarray) -> None:
    _put_share(chosen, (chosen.occurred() // DAY + _MONDAY) % 7 >= 5, out)


def streak(chosen: Chosen, terms: Terms, out: np.ndarray) -> None:
    rows, first, length = _runs(chosen)
    out[rows] = np.maximum.reduceat(length, first)


def streak_now(chosen: Chosen, terms: Terms, out: np.ndarray) -> None:
    rows, first, length = _runs(chosen)
    _, _, last = chosen.ends()
    occurred = chosen.occurred()[last]
    cutoff = occurred + chosen.age[last]
    goes_on = cutoff // DAY - occurred // DAY <= 1
    final = np.append(first[1:], len(length)) - 1
    out[rows] = np.where(goes_on, length[final], 0)


def _n_sessions(chosen: Chosen) -> np.ndarray:
    begins = np.ones(chosen.size, dtype=bool)
    np.greater(chosen.age[:-1] - chosen.age[1:], SESSION_GAP, out=begins[1:])
    begins[chosen.ends()[1]] = True
    return np.bincount(chosen.row[begins], minlength=chosen.n)


def _put_share(chosen: Chosen, is_one: np.ndarray, out: np.ndarray) -> None:
    has = chosen.counts.nonzero()[0]
    out[has] = np.bincount(chosen.row[is_one], minlength=chosen.n)[has] / chosen.counts[has]


def _runs(chosen: Chosen) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows that have any, where among all runs of active days their first one is, and the length of every run in days."""
    rows, first, _ = chosen.ends()
    day = chosen.occurred() // DAY
    step = np.ones(chosen.size, dtype=np.int64)
    np.subtract(day[1:], day[:-1], out=step[1:])
    step[first] = 2  # whatever it is, a row begins with a run of its own
    begins = step > 1
    # A day counts once: where the day or the row changes.
    n_days = np.cumsum(step != 0)
    starts = begins.nonzero()[0]
    length = np.diff(n_days[starts], append=n_days[-1] + 1)
    return rows, (np.cumsum(begins) - 1)[first], length
