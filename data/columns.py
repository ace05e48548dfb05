"""Reading the whole store in columns, for training.

Pages by order of arrival keep every read short: on SQLite's rollback journal a long reader would keep writers waiting. What arrives
while the pages are read is left for the next time. Touchpoints become numpy columns and dictionary codes, never Python objects.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from data.domain import LATEST, Link, Outcome
from data.identity import Identities
from data.ledger import TEXT_COLUMNS, CodedColumn, Ledger

if TYPE_CHECKING:  # files and Spark need these columns without a database
    from sqlalchemy import Connection

# By id, the positions of the leads it belongs to, each with the instant from which that is known.
Heirs = Mapping[str, Sequence[tuple[int, int]]]
Patch = tuple[int, int, str, bool, tuple[int, str] | None]
Read = Callable[[], "AbstractContextManager[Connection]"]

_PAGE = 50_000
CODED = pa.dictionary(pa.int32(), pa.string())
_TOUCHPOINTS: Mapping[str, pa.DataType] = {
    "lead_id": CODED, "source": CODED, "touchpoint_id": pa.large_string(), "occurred_at": pa.int64(),
    "received_at": pa.int64(), **dict.fromkeys(TEXT_COLUMNS, CODED), "value": pa.float64(),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class TrainingTables:
    """All created leads but suppressed ones, and what is held about them.

    Attributes
    ----------
    lead_ids : n texts, by (created_at, lead_id); "lead" below is a position in them.
    created_at, received_at : int64 arrays, shape (n,).
    patches : profile versions by lead position: (observed_at, received_at, fields as JSON, as_exported, inherited), in no order.
    ledger : their touchpoints, and those of ids that belong to them, as received when that was known. Those of others are left out.
    start, stop : int64 arrays, shape (n,): each lead's slice of the ledger.
    outcomes : outcomes of the lead's person by lead id, those of leads never created too: they tell whether work is recorded at all.
    merged_at : int64 array, shape (n,): the instant from which the lead is known to belong to another created lead; LATEST for most.
    heirs : the leads that ids belong to.
    """

    lead_ids: tuple[str, ...]
    created_at: np.ndarray
    received_at: np.ndarray
    patches: Mapping[int, Sequence[Patch]]
    ledger: Ledger
    start: np.ndarray
    stop: np.ndarray
    outcomes: Mapping[str, Sequence[Outcome]]
    merged_at: np.ndarray
    heirs: Heirs


def read_training(read: Read) -> TrainingTables:
    """All tables as they stand now; ``read`` opens a short read transaction each time it is called."""
    from sqlalchemy import text

    from data.reading import LINK, with_inherited

    with read() as connection:
        last = {
            name: connection.execute(text(f"SELECT COALESCE(MAX(seq), 0) FROM {name}")).scalar_one()
            for name in ("leads", "profiles", "touchpoints", "outcomes", "links")
        }
        suppressed = set(connection.execute(text("SELECT lead_id FROM suppressions")).scalars())
    leads = [
        row
        for page in _pages(read, "leads", "lead_id, created_at, received_at", last)
        for row in page
        if row[0] not in suppressed
    ]
    leads.sort(key=lambda row: (row[1], row[0]))
    ids = tuple(row[0] for row in leads)
    received_at = np.array([row[2] for row in leads], dtype=np.int64)

    who = Identities(Link(*row[:-1]) for page in _pages(read, "links", LINK, last) for row in page)
    created = set(ids)
    owners = (
        (member, owner, since)
        for owner in who.owning()
        if owner in created
        for member, since in who.members(owner).items()
    )
    heirs, merged_at = heirs_of(owners, ids, received_at)
    what = "lead_id, observed_at, received_at, fields, as_exported"
    patches = patches_of(
        (row[:-1] for page in _pages(read, "profiles", what, last) for row in page), ids, heirs
    )

    outcomes: dict[str, list[Outcome]] = {}
    what = "outcome_id, lead_id, kind, occurred_at, undoes, amount, received_at, source"
    for page in _pages(read, "outcomes", what, last):
        for row in page:
            if row[1] not in suppressed:
                outcomes.setdefault(row[1], []).append(Outcome(*row[:-1]))

    if who:
        persons = ((i, person) for i in ids if (person := who.person(i)))
        outcomes |= {
            i: own for i, p in persons if (own := with_inherited(i, outcomes.get(i, ()), p, outcomes))
        }

    ledger, start, stop = ledger_of(_read_touchpoints(read, last), ids, heirs)
    return TrainingTables(
        lead_ids=ids,
        created_at=np.array([row[1] for row in leads], dtype=np.int64),
        received_at=received_at,
        patches=patches,
        ledger=ledger,
        start=start,
        stop=stop,
        outcomes=outcomes,
        merged_at=merged_at,
        heirs=heirs,
    )


def heirs_of(
    owners: Iterable[tuple[str, str, int]], lead_ids: Sequence[str], received_at: np.ndarray
) -> tuple[Heirs, np.ndarray]:
    """What ``TrainingTables`` needs to know of who is who: heirs, and ``merged_at`` of each lead.

    ``owners``: (id, an id it belongs to, the instant from which that is known), for every owner, not only the nearest; owners that are
    not among ``lead_ids`` play no part. ``received_at``, shape (n,): when each lead was first received.
    """
    place = {lead_id: position for position, lead_id in enumerate(lead_ids)}
    heirs: dict[str, list[tuple[int, int]]] = {}
    merged_at = np.full(len(lead_ids), LATEST, dtype=np.int64)
    for member, owner, since in owners:
        if (heir := place.get(owner)) is None:
            continue
        heirs.setdefault(member, []).append((heir, since))
        if (own := place.get(member)) is not None:
            merged_at[own] = min(merged_at[own], max(since, received_at[heir]))
    return heirs, merged_at


def patches_of(
    profiles: Iterable[Sequence[Any]], lead_ids: Sequence[str], heirs: Heirs
) -> dict[int, list[Patch]]:
    """Patches by lead position, inherited ones too, from (lead_id, observed_at, received_at, fields, as_exported)."""
    place = {lead_id: position for position, lead_id in enumerate(lead_ids)}
    patches: dict[int, list[Patch]] = {}
    for lead_id, observed_at, received_at, fields, as_exported in profiles:
        if lead_id in place:
            patches.setdefault(place[lead_id], []).append(
                (observed_at, received_at, fields, bool(as_exported), None)
            )
        for position, since in heirs.get(lead_id, ()):
            patches.setdefault(position, []).append(
                (observed_at, max(received_at, since), fields, bool(as_exported), (since, lead_id))
            )
    return patches


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


def ledger_of(
    table: pa.Table, lead_ids: Sequence[str], heirs: Heirs | None = None
) -> tuple[Ledger, np.ndarray, np.ndarray]:
    """The ledger of these leads, and where each one's slice starts and stops; touchpoints of others are left out.

    ``table`` has the columns of the store in any order of rows; texts but ``touchpoint_id`` are dictionary-coded. ``heirs`` are
    the leads that the touchpoints of other ids count for too.
    """
    codes, levels = coded(table, "lead_id")
    place_of_level = pc.index_in(pa.array(levels, pa.string()), value_set=pa.array(lead_ids, pa.string()))
    places = np.append(pc.fill_null(place_of_level, -1).to_numpy(zero_copy_only=False).astype(np.int64), -1)
    lead, rows = places[codes], np.arange(table.num_rows)
    received = table["received_at"].to_numpy()
    if heirs:
        also, heir, since = _inherited(codes, levels, heirs)
        lead, rows = np.append(lead, heir), np.append(rows, also)
        received = np.append(received, np.maximum(received[also], since))
    occurred = table["occurred_at"].to_numpy()[rows]
    order = np.lexsort((occurred, lead))
    order = order[np.searchsorted(lead[order], 0) :]
    order = ties_ordered(table, order, lead, occurred, rows=rows)
    lead, occurred, received, order = lead[order], occurred[order], received[order], rows[order]
    texts = {}
    for name in TEXT_COLUMNS:
        codes, levels = coded(table, name)
        texts[name] = CodedColumn(codes[order], levels)
    ledger = Ledger(
        occurred_at=occurred,
        received_at=received,
        value=pc.fill_null(table["value"], np.nan).to_numpy()[order],
        **texts,
    )
    leads = np.arange(len(lead_ids))
    return ledger, np.searchsorted(lead, leads, "left"), np.searchsorted(lead, leads, "right")


def _inherited(
    codes: np.ndarray, levels: Sequence[str], heirs: Heirs
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows of the table that count for another lead too: the row, that lead's position, the instant from which."""
    shares = [
        (code, position, since) for code, i in enumerate(levels) for position, since in heirs.get(i, ())
    ]
    code, position, since = np.array(shares, dtype=np.int64).reshape(-1, 3).T
    by_code = np.argsort(codes, kind="stable")
    first = np.searchsorted(codes[by_code], code, "left")
    n = np.searchsorted(codes[by_code], code, "right") - first
    slots = np.arange(n.sum()) + np.repeat(first - (np.cumsum(n) - n), n)
    return by_code[slots], np.repeat(position, n), np.repeat(since, n)


def ties_ordered(
    table: pa.Table,
    order: np.ndarray,
    lead: np.ndarray,
    occurred: np.ndarray,
    *,
    rows: np.ndarray | None = None,
) -> np.ndarray:
    """The order with touchpoints of one lead and instant arranged by (source, id). Arrow sorts texts by code point, as Python does.

    ``rows`` are the rows of the table that ``lead`` and ``occurred`` speak of; None: all, in their order.
    """
    same = np.flatnonzero((np.diff(lead[order]) == 0) & (np.diff(occurred[order]) == 0))
    slots = np.union1d(same, same + 1)
    those = order[slots]
    place = pa.array(those if rows is None else rows[those])
    tied = pa.table(
        {
            "lead": lead[those],
            "occurred_at": occurred[those],
            "source": table["source"].take(place).cast(pa.string()),
            "touchpoint_id": table["touchpoint_id"].take(place),
        }
    )
    keys = [(name, "ascending") for name in tied.column_names]
    arranged = order.copy()
    arranged[slots] = those[pc.sort_indices(tied, sort_keys=keys).to_numpy()]
    return arranged


def coded(table: pa.Table, name: str) -> tuple[np.ndarray, tuple[str, ...]]:
    """Codes of a dictionary column with unified dictionaries, int32 with -1 for null, and its levels."""
    column = table[name].combine_chunks()
    if isinstance(column, pa.ChunkedArray):  # no rows: nothing to combine
        return np.zeros(0, dtype=np.int32), ()
    indices = pc.fill_null(column.indices, -1) if column.null_count else column.indices
    codes = indices.to_numpy().astype(np.int32, copy=False)
    return codes, tuple(column.dictionary.to_pylist())
