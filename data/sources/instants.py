"""Columns of times as instants, whole columns at a time.

Read are ISO 8601 dates and times, seconds, milliseconds or microseconds since 1970 (told apart by size), typed Parquet columns, and any
other writing named by a format. A time without a zone is only read when the mapping says which zone it was written in; where clocks go
back, the earlier of two meanings is taken, where they go forward, the next moment that exists.
"""

from __future__ import annotations

from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from data.domain import EARLIEST, LATEST, SECOND
from data.sources.cells import as_texts

READ, MISSING, NO_TIME, NO_ZONE, OUTSIDE = 0, 1, 2, 3, 4
REASONS = {
    MISSING: "is missing",
    NO_TIME: "is not a time",
    NO_ZONE: "has no time zone",
    OUTSIDE: "lies outside the years 1900 to 2200",
}

_ISO = r"^(\d{8}|\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?)?( ?(Z|[+-]\d{2}(:?\d{2})?))?)$"
_ZONED = r"[T ]\d{2}:\d{2}.*(Z|[+-]\d{2}(:?\d{2})?)$"
_NUMBER = r"^-?\d{1,17}(\.\d+)?$"
_NAT = np.iinfo(np.int64).min
_UNITS = {"epoch_s": SECOND, "epoch_ms": 1_000, "epoch_us": 1}
# Without a named unit, numbers below are no epoch: 45000 is a spreadsheet's day, 20260307 a date.
_SMALLEST_EPOCH = 1e8


def instants(
    column: pa.Array, *, form: str | None = None, zone: str | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Instants of a column, int64 of shape (n,), and how each cell was read: READ, MISSING, NO_TIME, NO_ZONE or OUTSIDE.

    Where a cell was not read the instant is 0.
    """
    kind = column.type
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        found, problem = _typed(column, zone)
    elif pa.types.is_floating(kind):
        missing = pc.is_null(column, nan_is_null=True).to_numpy(zero_copy_only=False)
        found, problem = _epoch(column.cast(pa.float64()).to_numpy(zero_copy_only=False), form)
        problem[missing] = MISSING
    else:
        found, problem = _written(as_texts(column), form, zone)
    is_outside = (problem == READ) & ((found < EARLIEST) | (found >= LATEST))
    problem[is_outside] = OUTSIDE
    return np.where(problem == READ, found, 0), problem


def _typed(column: pa.Array, zone: str | None) -> tuple[np.ndarray, np.ndarray]:
    problem = np.where(pc.is_null(column).to_numpy(zero_copy_only=False), MISSING, READ).astype(np.int8)
    has_zone = pa.types.is_timestamp(column.type) and column.type.tz is not None
    if not has_zone and zone is None:
        problem[problem == READ] = NO_ZONE
        return np.zeros(len(column), dtype=np.int64), problem
    unit = column.type.unit if pa.types.is_timestamp(column.type) else "us"
    naive = column.cast(pa.timestamp(unit, column.type.tz if has_zone else None))
    raw = pc.fill_null(naive.cast(pa.int64()), 0).to_numpy(zero_copy_only=False)
    per = {"s": SECOND, "ms": 1_000, "us": 1}.get(unit)
    if per is None:
        found = raw // 1_000
    else:
        # Far-off years would overflow; they lie outside anyway.
        limit = LATEST // per
        found = np.clip(raw, -limit, limit) * per
    if not has_zone:
        found = _placed(found, zone)
    return found, problem


def _epoch(numbers: np.ndarray, form: str | None) -> tuple[np.ndarray, np.ndarray]:
    problem = np.where(np.isfinite(numbers), READ, NO_TIME).astype(np.int8)
    known = np.where(problem == READ, numbers, 0.0)
    if form in _UNITS:
        per = np.full(len(known), _UNITS[form], dtype=np.float64)
    else:
        size = np.abs(known)
        problem[known < _SMALLEST_EPOCH] = NO_TIME
        per = np.where(size < 1e11, SECOND, np.where(size < 1e14, 1_000, 1))
    # Whole part and fraction apart: seconds with microseconds do not fit a float's digits otherwise.
    limit = float(LATEST)
    scaled = np.clip(np.floor(known) * per, -limit, limit) + np.floor((known - np.floor(known)) * per)
    return np.clip(scaled, -limit, limit).astype(np.int64), problem


def _written(texts: pa.Array, form: str | None, zone: str | None) -> tuple[np.ndarray, np.ndarray]:
    n = len(texts)
    found = np.zeros(n, dtype=np.int64)
    problem = np.where(pc.is_null(texts).to_numpy(zero_copy_only=False), MISSING, NO_TIME).astype(np.int8)
    if form is not None and form not in _UNITS:
        _parse(texts, problem == NO_TIME, found, problem, form=form, is_zoned="%z" in form, zone=zone)
        return found, problem
    is_number = _matches(texts, _NUMBER) & ~((form is None) & _matches(texts, r"^\d{8}$"))
    if is_number.any():
        rows = np.flatnonzero(is_number)
        values = texts.take(pa.array(rows)).cast(pa.float64()).to_numpy(zero_copy_only=False)
        found[rows], problem[rows] = _epoch(values, form)
    if form in _UNITS:
        return found, problem
    is_iso = _matches(texts, _ISO)
    is_zoned = is_iso & _matches(texts, _ZONED)
    # pandas would keep nanoseconds for the whole column: cut finer digits here.
    texts = pc.replace_substring_regex(texts, r"(\.\d{6})\d+", r"\1")
    _parse(texts, is_zoned, found, problem, form="ISO8601", is_zoned=True, zone=None)
    _parse(texts, is_iso & ~is_zoned, found, problem, form="ISO8601", is_zoned=False, zone=zone)
    return found, problem


def _matches(texts: pa.Array, pattern: str) -> np.ndarray:
    return pc.fill_null(pc.match_substring_regex(texts, pattern), False).to_numpy(zero_copy_only=False)


def _parse(texts, mask, found, problem, *, form: str, is_zoned: bool, zone: str | None) -> None:
    """Read the masked cells into ``found`` and ``problem``, in place."""
    rows = np.flatnonzero(mask)
    if not len(rows):
        return
    part = texts.take(pa.array(rows)).to_numpy(zero_copy_only=False)
    try:
        moments = pd.to_datetime(pd.Series(part, dtype=object), format=form, utc=is_zoned, errors="coerce")
    except (ValueError, TypeError):  # a format nobody can read by
        return
    if is_zoned:
        moments = moments.dt.tz_localize(None)
    micros = moments.to_numpy().astype("datetime64[us]").astype(np.int64)
    is_read = micros != _NAT
    if not is_zoned and zone is None:
        problem[rows[is_read]] = NO_ZONE
        return
    micros = micros[is_read]
    found[rows[is_read]] = micros if is_zoned else _placed(micros, zone)
    problem[rows[is_read]] = READ


def _placed(naive: np.ndarray, zone: str | None) -> np.ndarray:
    """Instants of wall-clock times in a zone."""
    wall = pd.DatetimeIndex(naive.astype("datetime64[us]"))
    aware = wall.tz_localize(
        ZoneInfo(str(zone)), ambiguous=np.ones(len(naive), dtype=bool), nonexistent="shift_forward"
    )
    return aware.tz_convert("UTC").tz_localize(None).to_numpy().astype("datetime64[us]").astype(np.int64)
