"""Importing tables: from files through a mapping into the store, with every row accounted for.

Columns are checked in all files before the first row is written. Each file goes in as a whole or not at all. Importing the same files
again adds nothing, and the order of rows changes nothing.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from data.domain import Lead, Link, Outcome, Touchpoint
from data.errors import ConfigError, ContractError
from data.intake import Intake
from data.sources.clocks import is_to_reckon, reckon
from data.sources.duplicates import ID_OF, give_ids, without_duplicates
from data.sources.joins import joined_names, with_joins
from data.sources.mapping import ImportMapping, TableMapping, load_mapping
from data.sources.reading import NOT_WANTED, Fields, read_fields
from data.sources.report import ERASED, ImportReport, TableReport
from data.sources.tables import Rows, TableFile, open_table
from data.sources.visits import take_in
from data.store import Added, Store

Progress = Callable[[str, int, int], None]

_CHUNK = 20_000
_N_EXAMPLES = 3
_SAFE_ID = re.compile(r"[A-Za-z0-9._:/-]{1,60}")
_SAFE_WORD = re.compile(r"[A-Za-z][A-Za-z _-]{0,29}")
_WRONG_CELLS = "wrong number of cells"


class _Undo(Exception):  # noqa: N818
    """Ends a dry run's transaction."""


@dataclass(frozen=True, slots=True)
class _Step:
    table: TableMapping
    file: TableFile


def import_tables(
    store: Store,
    *,
    path: str | Path,
    mapping: str | Path | ImportMapping | None = None,
    source: str | None = None,
    dry_run: bool = False,
    now: int,
    intake: Intake | None = None,
    progress: Progress | None = None,
) -> ImportReport:
    """Import the files in a folder.

    Parameters
    ----------
    path : the folder; or one of its files, to import that one alone.
    mapping : a mapping, or the path of its file; the folder's ``mapping.toml`` by default.
    source : name to keep ids apart by, instead of the mapping's.
    dry_run : read, check and report, write nothing.
    now : instant of the import, microseconds UTC.
    intake : rules of channels and left-out visits where the mapping has none.
    progress : called with (file, rows done, rows).

    Raises
    ------
    ConfigError
        If the mapping or a file is missing, or a key of the mapping unknown.
    ContractError
        If a file lacks a column the mapping names (before anything is written), or its times have no zone; the files before it in the
        mapping stay imported.
    """
    path = Path(path)
    if not path.exists():
        raise ConfigError(f"there is no file or folder {path}")
    folder = path if path.is_dir() else path.parent
    if not isinstance(mapping, ImportMapping):
        mapping = load_mapping(folder / "mapping.toml" if mapping is None else mapping)
    if source is not None:
        mapping = replace(mapping, source=source)
    if mapping.intake is None:
        mapping = replace(mapping, intake=intake or Intake())
    steps = _plan(mapping, folder, only=None if path.is_dir() else path.name)
    reports: list[TableReport] = []
    try:
        if dry_run:
            # The same work in a transaction that never ends well: the report cannot differ.
            with store.transaction():
                reports = _run(store, steps, mapping, folder, now, progress)
                raise _Undo
        reports = _run(store, steps, mapping, folder, now, progress)
    except _Undo:
        pass
    return ImportReport(source=mapping.source, dry_run=dry_run, tables=tuple(reports))


def _plan(mapping: ImportMapping, folder: Path, *, only: str | None) -> list[_Step]:
    """The files in order, each with all the columns its mapping names."""
    steps = []
    for table in mapping.tables:
        for name in table.files:
            if only is not None and Path(name).name != only:
                continue
            file = open_table(folder, name, separator=table.separator, encoding=table.encoding)
            _check_columns(file, table, folder)
            steps.append(_Step(table, file))
    if not steps:
        raise ConfigError(f"the mapping does not name the file {only}")
    return steps


def _check_columns(file: TableFile, table: TableMapping, folder: Path) -> None:
    there = file.columns
    for join in table.joins:
        other = open_table(folder, join.file, encoding=table.encoding)
        there = (*there, *joined_names(there, join, other))
    for column in table.columns():
        if column in file.repeated:
            raise ContractError(f"{file.name} has column {column!r} twice; rename one of them")
        if column in there:
            continue
        field = table.field_of(column)
        head = f"{table.kind}.profile" if field in table.profile else table.kind
        # Nearer than for words of ours: a wrong guess about somebody else's column is worse than none.
        free = [c for c in there if c not in table.columns()]
        near = (difflib.get_close_matches(column, free, n=1, cutoff=0.75) or ["..."])[0]
        raise ContractError(
            f"{file.name} lacks column {column!r}; it has {list(there)}.\n"
            f'Name it in the mapping file: [{head}] {field} = "{near}".'
        )


def _run(
    store: Store,
    steps: list[_Step],
    mapping: ImportMapping,
    folder: Path,
    now: int,
    progress: Progress | None,
) -> list[TableReport]:
    joined: dict[str, Rows] = {}
    reports = []
    for step in steps:
        encoding = step.table.encoding

        def find(name: str, encoding: str = encoding) -> TableFile:
            return open_table(folder, name, encoding=encoding)

        rows, notes = with_joins(
            step.file.read(),
            step.table,
            find,
            joined,
        )
        fields = read_fields(rows, step.table, mapping, file=step.file.name)
        fields.warnings[:0] = [*rows.notes, *notes]
        if step.table.kind == "touchpoints" and mapping.intake is not None:
            take_in(fields, mapping.intake)
        added, n_again = _add(store, fields, step, mapping, now, progress)
        reports.append(_report(step, rows, fields, added, n_again, now))
    return reports


def _add(
    store: Store, fields: Fields, step: _Step, mapping: ImportMapping, now: int, progress: Progress | None
) -> tuple[Added, int]:
    """Add the rows to keep, all or none; what the store said, and how many rows were duplicates within the file."""
    kind = step.table.kind
    good = np.flatnonzero(fields.reason < 0)
    if kind != "leads":
        give_ids(fields, kind, good)
    rows, others = without_duplicates(fields, kind, good)
    reckon(fields)
    total = Added(0, 0, len(others), _keys(fields, kind, others[:_N_EXAMPLES], mapping.source))
    with store.transaction():
        for start in range(0, len(rows), _CHUNK):
            if progress is not None:
                progress(step.file.name, start, len(rows))
            some = rows[start : start + _CHUNK]
            if kind == "leads":
                added = store.add_leads(_leads(fields, some, step.table, mapping), now=now)
            elif kind == "touchpoints":
                added = store.add_touchpoints(_touchpoints(fields, some, mapping.source), now=now)
            elif kind == "outcomes":
                added = store.add_outcomes(_outcomes(fields, some, mapping.source), now=now)
            else:
                added = store.add_links(_links(fields, some, mapping.source), now=now)
            total += added
    if progress is not None:
        progress(step.file.name, len(rows), len(rows))
    return total, len(good) - len(rows)


def _keys(fields: Fields, kind: str, rows: np.ndarray, source: str) -> tuple[tuple[str, str, str], ...]:
    if kind == "leads":
        return ()
    ids = _column(fields, ID_OF[kind], rows)
    return tuple((source, i, lead) for i, lead in zip(ids, _column(fields, "lead_id", rows), strict=True))


def _column(fields: Fields, name: str, rows: np.ndarray) -> list:
    """A field of some rows; None where it is not known."""
    if name not in fields.columns:
        return [None] * len(rows)
    values = fields.columns[name][rows]
    if name in fields.is_given:
        values = values.astype(object)
        values[~fields.is_given[name][rows]] = None
    elif values.dtype.kind == "f":
        is_known = ~np.isnan(values)
        values = values.astype(object)
        values[~is_known] = None
    return values.tolist()


def _leads(fields: Fields, rows: np.ndarray, table: TableMapping, mapping: ImportMapping) -> Iterator[Lead]:
    as_exported = "observed_at" not in table.cells if mapping.as_exported is None else mapping.as_exported
    names = list(fields.profile)
    profiles = (
        zip(*(fields.profile[name][rows].tolist() for name in names), strict=True)
        if names
        else [()] * len(rows)
    )
    ids, created = _column(fields, "lead_id", rows), _column(fields, "created_at", rows)
    observed = _column(fields, "observed_at", rows)
    for lead_id, at, seen, values in zip(ids, created, observed, profiles, strict=True):
        profile = {name: value for name, value in zip(names, values, strict=True) if value is not None}
        yield Lead(lead_id=lead_id, created_at=at, profile=profile, observed_at=seen, as_exported=as_exported)


def _touchpoints(fields: Fields, rows: np.ndarray, source: str) -> Iterator[Touchpoint]:
    names = (
        "touchpoint_id", "lead_id", "occurred_at", "type", "channel", "campaign", "content", "direction", "value", "received_at",
    )  # fmt: skip
    columns = (_column(fields, name, rows) for name in names)
    is_reckoned = is_to_reckon(fields)[rows].tolist()
    for row in zip(*columns, [source] * len(rows), is_reckoned, strict=True):
        yield Touchpoint(*row)


def _outcomes(fields: Fields, rows: np.ndarray, source: str) -> Iterator[Outcome]:
    names = ("outcome_id", "lead_id", "kind", "occurred_at", "undoes", "amount", "received_at")
    for row in zip(*(_column(fields, name, rows) for name in names), [source] * len(rows), strict=True):
        yield Outcome(*row)


def _links(fields: Fields, rows: np.ndarray, source: str) -> Iterator[Link]:
    names = ("link_id", "from_id", "lead_id", "occurred_at", "received_at")
    for row in zip(*(_column(fields, name, rows) for name in names), [source] * len(rows), strict=True):
        yield Link(*row)


def _report(step: _Step, rows: Rows, fields: Fields, added: Added, n_again: int, now: int) -> TableReport:
    dropped, examples = {}, {}
    if rows.malformed:
        dropped[_WRONG_CELLS] = len(rows.malformed)
        examples[_WRONG_CELLS] = tuple(
            f"line {line} has {found} cells, {expected} expected"
            for line, found, expected in rows.malformed[:_N_EXAMPLES]
        )
    n_skipped = 0
    for code, reason in enumerate(fields.reasons):
        found = np.flatnonzero(fields.reason == code)
        if reason == NOT_WANTED:
            n_skipped = len(found)
        elif len(found):
            dropped[reason] = len(found)
            examples[reason] = tuple(
                _example(fields, rows, row, reason) for row in found[:_N_EXAMPLES].tolist()
            )
    if added.erased:
        dropped[ERASED] = added.erased
    warnings = list(fields.warnings)
    if added.conflicts:
        warnings.append(_conflicts(added, step.table.kind))
    at = "created_at" if step.table.kind == "leads" else "occurred_at"
    n_ahead = int(((fields.columns[at] > now) & (fields.reason < 0)).sum())
    if n_ahead:
        warnings.append(f"{at}: {n_ahead:,} rows lie after the time of the import")
    return TableReport(
        file=step.file.name,
        kind=step.table.kind,
        read=rows.n_read,
        kept=added.new,
        known=added.known + n_again,
        dropped=dropped,
        examples=examples,
        warnings=tuple(warnings),
        repeated=n_again,
        skipped=n_skipped,
    )


def _conflicts(added: Added, kind: str) -> str:
    ids = dict.fromkeys(key[1] for key in added.conflict_keys if _SAFE_ID.fullmatch(key[1]))
    named = ", ".join(list(ids)[:_N_EXAMPLES])
    mending = (
        "; to correct an outcome, import a retracted that undoes it and the right one under a new id"
        if kind == "outcomes"
        else ""
    )
    return (
        f"{added.conflicts:,} rows have an id that is known with other content; what came first stays"
        + (f" ({named})" if named else "")
        + mending
    )


def _example(fields: Fields, rows: Rows, row: int, reason: str) -> str:
    """Where a dropped row is, by line and id. Ids that might be an address or a name are left out."""
    text = f"{rows.unit} {rows.lines[row]}"
    for name in (*ID_OF.values(), "lead_id"):
        value = fields.columns[name][row] if name in fields.columns else None
        if value is not None and _SAFE_ID.fullmatch(value):
            text += f", {name} {value}"
            break
    if reason == "unknown outcome kind" and _SAFE_WORD.fullmatch(fields.columns["kind"][row]):
        text += f": {fields.columns['kind'][row]!r}"
    return text
