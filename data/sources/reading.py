"""One file's rows as fields of ours, each with the reason why it cannot be kept, if any.

Where several reasons hold, the first of: malformed, blank, not wanted, id, time, kind counts. A profile value, number or label that
cannot be read is left unknown and the row kept: the warning counts such cells.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from data.domain import DAY, EARLIEST, LATEST, NUMBER_FIELDS, OUTCOME_KINDS
from data.errors import ContractError
from data.intake import LONG_FIELDS
from data.sources.cells import as_texts, checked_ids, checked_texts, numbers, translated
from data.sources.hints import holds, unread_times
from data.sources.instants import MISSING, NO_TIME, NO_ZONE, OUTSIDE, READ, REASONS, instants
from data.sources.mapping import INSTANT_FIELDS, Cell, ImportMapping, TableMapping
from data.sources.tables import Rows

_IDS = ("lead_id", "anonymous_id", "from_id", "touchpoint_id", "outcome_id", "link_id", "undoes")
_REQUIRED_IDS = ("lead_id", "from_id")
_REQUIRED_INSTANTS = ("created_at", "occurred_at")
_LABEL_LIMIT = 500
# Left out on purpose, unlike every other reason.
NOT_WANTED = "not selected by where"


@dataclass
class Fields:
    """Fields of n rows: object arrays of texts or None, int64 instants, float64 numbers with NaN for none.

    ``reason`` is an int16 array, shape (n,): position in ``reasons``, -1 for rows to keep. ``is_given`` says where an
    instant is known.
    """

    n: int
    columns: dict[str, np.ndarray] = field(default_factory=dict)
    profile: dict[str, np.ndarray] = field(default_factory=dict)
    is_given: dict[str, np.ndarray] = field(default_factory=dict)
    reasons: list[str] = field(default_factory=list)
    reason: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=np.int16))
    warnings: list[str] = field(default_factory=list)

    def drop(self, rows: np.ndarray, reason: str) -> None:
        """Mark the masked rows that have no reason yet."""
        rows = rows & (self.reason < 0)
        if rows.any():
            if reason not in self.reasons:
                self.reasons.append(reason)
            self.reason[rows] = self.reasons.index(reason)


def read_fields(rows: Rows, table: TableMapping, mapping: ImportMapping, *, file: str) -> Fields:
    """All fields the mapping names.

    Raises
    ------
    ContractError
        If a column of times has no zone anywhere and the mapping names none.
    """
    fields = Fields(n=rows.n, reason=np.full(rows.n, -1, dtype=np.int16))
    fields.drop(_blank(rows), "blank row")
    for column, wanted in table.where.items():
        texts = as_texts(rows.columns[column])
        is_wanted = pc.is_in(texts, value_set=pa.array([w or None for w in wanted], pa.large_string()))
        found = is_wanted.to_numpy(zero_copy_only=False)
        if rows.n and not found.any():
            fields.warnings.append(f"where {column} selects no row; {holds(texts)}")
        fields.drop(~found, NOT_WANTED)
    for name in sorted(table.cells, key=_order):
        _read_cell(fields, rows, name, table, mapping, file)
    if "anonymous_id" in fields.columns:
        visitor = fields.columns.pop("anonymous_id")
        lead = fields.columns.get("lead_id", visitor)
        fields.columns["lead_id"] = lead = np.where(_missing(lead), visitor, lead)
        fields.drop(_missing(lead), "lead_id and anonymous_id are missing")
    for name, cell in table.profile.items():
        fields.profile[name] = _profile_column(fields, rows, name, cell, table)
    return fields


def _order(name: str) -> tuple[bool, bool]:
    # Reasons are looked for in this order: ids, times, the rest.
    return name not in _IDS, name not in INSTANT_FIELDS


def _blank(rows: Rows) -> np.ndarray:
    """Rows in which no cell says anything."""
    blank = np.ones(rows.n, dtype=bool)
    for column in rows.columns.values():
        if not blank.any():
            break
        if not pa.types.is_large_string(column.type):  # Parquet has no blank lines
            return np.zeros(rows.n, dtype=bool)
        place = np.flatnonzero(blank)
        texts = as_texts(column.take(pa.array(place)))
        blank[place] = pc.is_null(texts).to_numpy(zero_copy_only=False)
    return blank


def _read_cell(
    fields: Fields, rows: Rows, name: str, table: TableMapping, mapping: ImportMapping, file: str
) -> None:
    cell = table.cells[name]
    if name in INSTANT_FIELDS:
        _read_instants(fields, rows, name, table, mapping, file)
        return
    if cell.is_number:
        fields.columns[name] = _numbers(fields, rows, name, cell, table)
        return
    texts = _texts(rows, name, cell, table)
    if name in _IDS:
        found, is_bad = checked_ids(texts)
        fields.columns[name] = found
        fields.drop(is_bad, f"{name} is not an id (at most 200 printable characters)")
        if name in _REQUIRED_IDS and "anonymous_id" not in table.cells:
            fields.drop(_missing(found), f"{name} is missing")
    elif name in ("kind", "type"):
        found, n_refused = checked_texts(texts, name=name, limit=_LABEL_LIMIT)
        fields.columns[name] = found
        fields.drop(_missing(found), f"{name} is missing")
        if name == "kind":
            fields.drop(~np.isin(found.astype(str), OUTCOME_KINDS), "unknown outcome kind")
    else:
        found, n_refused = checked_texts(texts, name=name, limit=LONG_FIELDS.get(name, _LABEL_LIMIT))
        _warn(fields, n_refused, name, "no usable texts")
        fields.columns[name] = found


def _read_instants(
    fields: Fields, rows: Rows, name: str, table: TableMapping, mapping: ImportMapping, file: str
) -> None:
    cell = table.cells[name]
    # A table of meanings or a default turns typed cells into texts; otherwise types are kept.
    if cell.column is not None and cell.default is None and name not in table.values:
        column = rows.columns[cell.column]
    else:
        column = _texts(rows, name, cell, table)
    found, problem = instants(column, form=cell.format, zone=mapping.time_zone)
    if (problem == NO_ZONE).any() and not (problem == READ).any():
        raise ContractError(
            f"{file}: the times in column {cell.column!r} have no zone. Say in which zone they were written, in the mapping file: "
            f'[source] time_zone = "Europe/Berlin" (or "UTC").'
        )
    if cell.plus_days:
        found = np.where(problem == READ, found + round(cell.plus_days * DAY), found)
        problem[(problem == READ) & ((found < EARLIEST) | (found >= LATEST))] = OUTSIDE
    unread = (problem == NO_TIME) & (fields.reason < 0)
    if unread.any():
        is_hopeless = not (problem == READ).any()
        fields.warnings.append(unread_times(column, unread, name=name, cell=cell, is_hopeless=is_hopeless))
    is_needed = name in _REQUIRED_INSTANTS
    for code, reason in REASONS.items():
        if code != MISSING or is_needed:
            fields.drop(problem == code, f"{name} {reason}")
    fields.columns[name] = found
    fields.is_given[name] = problem == READ


def _texts(rows: Rows, name: str, cell: Cell, table: TableMapping) -> pa.Array:
    if cell.column is None:
        texts = pa.array([cell.const or None], pa.large_string()).take(
            pa.array(np.zeros(rows.n, dtype=np.int64))
        )
    else:
        texts = as_texts(rows.columns[cell.column])
    texts = translated(texts, table.values.get(name, {}))
    return texts if cell.default is None else pc.fill_null(texts, cell.default)


def _numbers(fields: Fields, rows: Rows, name: str, cell: Cell, table: TableMapping) -> np.ndarray:
    found, n_refused = numbers(_texts(rows, name, cell, table), form=cell.format)
    _warn(fields, n_refused, name, "not numbers")
    if name in NUMBER_FIELDS:
        is_negative = found < 0
        _warn(fields, int(is_negative.sum()), name, "negative")
        found = np.where(is_negative, np.nan, found)
    return found


def _profile_column(fields: Fields, rows: Rows, name: str, cell: Cell, table: TableMapping) -> np.ndarray:
    """Values of a profile field: text or float, None for not known. Typed number columns give custom fields numbers."""
    typed = cell.column is not None and _is_number(rows.columns[cell.column]) and name.startswith("x_")
    if cell.is_number or (typed and name not in table.values):
        values = _numbers(fields, rows, name, cell, table)
        found = values.astype(object)
        found[np.isnan(values)] = None
        return found
    found, n_refused = checked_texts(_texts(rows, name, cell, table), name=name)
    _warn(fields, n_refused, name, "no usable texts")
    return found


def _is_number(column: pa.Array) -> bool:
    kind = column.type
    return pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)


def _missing(column: np.ndarray) -> np.ndarray:
    return pd.isna(column)


def _warn(fields: Fields, n: int, name: str, what: str) -> None:
    if n:
        fields.warnings.append(f"{name}: {n:,} cells are {what}; they count as not known")
