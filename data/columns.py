"""Reading the whole store in columns, for training.

Pages by order of arrival keep every read short: on SQLite's rollback journal a long reader would keep writers waiting. What arrives
while the pages are read is left for the next time. Touchpoints become numpy columns and dictionary codes, never Python objects.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from data.domain import Outcome
from data.ledger import TEXT_COLUMNS, CodedColumn, Ledger

if TYPE_CHECKING:  # files and Spark need these columns without a database
    from sqlalchemy import Connection

Read = Callable[[], "AbstractContextManager[Connection]"]

_PAGE = 50_000
CODED = pa.dictionary(pa.int32(), pa.string())
_TOUCHPOINTS: Mapping[str, pa.DataType] = {
    "lead_id": CODED, "source": CODED, "touchpoint_id": pa.large_string(), "occurred_at": pa.int64(),
    "received_at": pa.int64(), **dict.fromkeys(TEXT_COLUMNS, CODED), "value": pa.float64(),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class TrainingTables:
    """All created leads and what is held about them.

    Attributes
    ----------
    lead_ids : n texts, by (created_at, lead_id); "lead" below is a position in them.
    created_at, received_at : int64 arrays, shape (n,).
    patches : profile versions by lead position: (observed_at, received_at, JSON text of the fields, as_exported), in no order.
    ledger : their touchpoints. Those of leads never created are left out.
    start, stop : int64 arrays, shape (n,): each lead's slice of the ledger.
    outcomes : outcomes by lead id, those of leads never created too: they tell whether work is recorded at all.
    """

    lead_ids: tuple[str, ...]
    created_at: np.ndarray
    received_at: np.ndarray
    patches: Mapping[int, Sequence[tuple[int, int, str, bool]]]
    ledger: Ledger
    start: np.ndarray
    stop: np.ndarray
    outcomes: Mapping[str, Sequence[Outcome]]


def read_training(read: Read) -> TrainingTables:
    """All tables as they stand now; ``read`` opens a short read transaction each time it is called."""
    from sqlalchemy import text

    with read() as connection:
        last = {
            name: connection.execute(text(f"SELECT COALESCE(MAX(seq), 0) FROM {name}")).scalar_one()
            for name in ("leads", "profiles", "touchpoints", "outcomes")
        }
    leads = [row for page in _pages(read, "leads", "lead_id, created_at, received_at", last) for row in page]
    leads.sort(key=lambda row: (row[1], row[0]))
    ids = tuple(row[0] for row in leads)
    place = {lead_id: position for position, lead_id in enumerate(ids)}

    patches: dict[int, list[tuple[int, int, str, bool]]] = {}
    for page in _pages(read, "profiles", "lead_id, observed_at, received_at, fields, as_exported", last):
        for lead_id, observed_at, received_at, fields, as_exported, _ in page:
            if lead_id in place:
                patches.setdefault(place[lead_id], []).append(
                    (observed_at, received_at, fields, bool(as_exported))
                )

    outcomes: dict[str, list[Outcome]] = {}
    what = "outcome_id, lead_id, kind, occurred_at, undoes, amount, received_at, source"
    for page in _pages(read, "outcomes", what, last):
        for row in page:
            outcomes.setdefault(row[1], []).append(Outcome(*row[:-1]))

    ledger, start, stop = ledger_of(_read_touchpoints(read, last), ids)
    return TrainingTables(
        lead_ids=ids,
        created_at=np.array([row[1] for row in leads], dtype=np.int64),
        received_at=np.array([row[2] for row in leads], dtype=np.int64),
        patches=patches,
        ledger=ledger,
        start=start,
        stop=stop,
        outcomes=outcomes,
    )


def _pages(read: Read, table: str, what: str, last: Mapping[str, int]) -> Iterator[Sequence[Any]]:
    """Rows up to the ``last`` seq of the table, page by page; each row ends with its seq."""
    from sqlalchemy import text

    statement = text(
        f"SELECT {what}, seq FROM {table} WHERE seq > :after AND seq <= :last ORDER BY seq LIMIT {_PAGE}"
    )
    after = 0
    while after < last[table]:
        with read() as connection:
            cursor = connection.execute(statement, {"after": after, "last": last[table]}).cursor
            page = cursor.fetchall()
        if not page:
            return
        after = page[-1][-1]
        yield page


def _read_touchpoints(read: Read, last: Mapping[str, int]) -> pa.Table:
    schema = pa.schema(list(_TOUCHPOINTS.items()))
    batches = []
    for page in _pages(read, "touchpoints", ", ".join(_TOUCHPOINTS), last):
        arrays = []
        for values, kind in zip(zip(*page, strict=True), _TOUCHPOINTS.values(), strict=False):
            if kind is CODED:
                arrays.append(pa.array(values, pa.string()).dictionary_encode())
            else:
                arrays.append(pa.array(values, kind))
        batches.append(pa.record_batch(arrays, schema=schema))
    return pa.Table.from_batches(batches, schema=schema).unify_dictionaries().combine_chunks()


def ledger_of(table: pa.Table, lead_ids: Sequence[str]) -> tuple[Ledger, np.ndarray, np.ndarray]:
    """The ledger of these leads, and where each one's slice starts and stops; touchpoints of others are left out.

    ``table`` has the columns of the store in any order of rows; texts but ``touchpoint_id`` are dictionary-coded.
    """
    codes, levels = coded(table, "lead_id")
    place_of_level = pc.index_in(pa.array(levels, pa.string()), value_set=pa.array(lead_ids, pa.string()))
    places = np.append(pc.fill_null(place_of_level, -1).to_numpy(zero_copy_only=False).astype(np.int64), -1)
    lead = places[codes]
    occurred = table["occurred_at"].to_numpy()
    order = np.lexsort((occurred, lead))
    order = order[np.searchsorted(lead[order], 0) :]
    order = ties_ordered(table, order, lead, occurred)
    lead = lead[order]
    texts = {}
    for name in TEXT_COLUMNS:
        codes, levels = coded(table, name)
        texts[name] = CodedColumn(codes[order], levels)
    ledger = Ledger(
        occurred_at=occurred[order],
        received_at=table["received_at"].to_numpy()[order],
        value=pc.fill_null(table["value"], np.nan).to_numpy()[order],
        **texts,
    )
    rows = np.arange(len(lead_ids))
    return ledger, np.searchsorted(lead, rows, "left"), np.searchsorted(lead, rows, "right")


def ties_ordered(table: pa.Table, order: np.ndarray, lead: np.ndarray, occurred: np.ndarray) -> np.ndarray:
    """The order with touchpoints of one lead and instant arranged by (source, id). Arrow sorts texts by code point, as Python does."""
    same = np.flatnonzero((np.diff(lead[order]) == 0) & (np.diff(occurred[order]) == 0))
    slots = np.union1d(same, same + 1)
    rows = order[slots]
    tied = pa.table(
        {
            "lead": lead[rows],
            "occurred_at": occurred[rows],
            "source": table["source"].take(pa.array(rows)).cast(pa.string()),
            "touchpoint_id": table["touchpoint_id"].take(pa.array(rows)),
        }
    )
    keys = [(name, "ascending") for name in tied.column_names]
    arranged = order.copy()
    arranged[slots] = rows[pc.sort_indices(tied, sort_keys=keys).to_numpy()]
    return arranged


def coded(table: pa.Table, name: str) -> tuple[np.ndarray, tuple[str, ...]]:
    """Codes of a dictionary column with unified dictionaries, int32 with -1 for null, and its levels."""
    column = table[name].combine_chunks()
    if isinstance(column, pa.ChunkedArray):  # no rows: nothing to combine
        return np.zeros(0, dtype=np.int32), ()
    indices = pc.fill_null(column.indices, -1) if column.null_count else column.indices
    codes = indices.to_numpy().astype(np.int32, copy=False)
    return codes, tuple(column.dictionary.to_pylist())
