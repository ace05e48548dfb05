"""Messages that say something else than what is held under their id.

Facts are never changed, so of two messages with one id the first stays. Whoever sent the second believes it was taken: it has to be told.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Table, text

from data.clocks import CLOCK_SKEW
from data.database import AMONG, ids_for

_MOST_KEYS = 10_000
_UNSAID = ("received_at", "received_assumed")


@dataclass(frozen=True, slots=True)
class Added:
    """How many messages said something new, and how many were known already.

    Of the known ones, ``conflicts`` say something else than what is held under their id; what came first stays. ``conflict_keys`` names
    up to 10,000 of these messages by (source, id, lead_id). ``erased`` ones were left out: they name somebody who was erased.
    """

    new: int
    known: int
    conflicts: int = 0
    conflict_keys: tuple[tuple[str, str, str], ...] = ()
    erased: int = 0

    def __add__(self, other: Added) -> Added:
        return Added(
            self.new + other.new,
            self.known + other.known,
            self.conflicts + other.conflicts,
            (self.conflict_keys + other.conflict_keys)[:_MOST_KEYS],
            self.erased + other.erased,
        )


def conflicting(
    connection: Connection,
    table: Table,
    names: Sequence[str],
    rows: Sequence[tuple[Any, ...]],
    *,
    reckoned: Container[tuple[str, str]] = (),
) -> list[tuple[str, str, str]]:
    """(source, id, lead_id) of those rows whose content is not what is held under their (source, id).

    Parameters
    ----------
    names : columns of the rows; the first two are the source and the id.
    rows : as just inserted, new ones and known ones. When a message was received is no part of what it says.
    reckoned : (source, id) of rows whose time follows from when they were received, and is no part of it either.
    """
    held = {row[:2]: row for row in held_rows(connection, table, names, rows)}
    said = [i for i, name in enumerate(names) if name not in (*_UNSAID, "occurred_at")]
    occurred, received, assumed, lead = (
        names.index(name) for name in ("occurred_at", "received_at", "received_assumed", "lead_id")
    )

    def differs(row: tuple[Any, ...], kept: tuple[Any, ...]) -> bool:
        if any(row[i] != kept[i] for i in said):
            return True
        if row[:2] in reckoned:
            return False
        if table.name == "links":  # the same link may be stated again and again: the first time counts
            return False
        ahead = row[occurred] - kept[occurred]
        # A time a little ahead of our clock was kept as the time of receipt; the same message again brings its own time again.
        was_set_back = not kept[assumed] and kept[occurred] == kept[received] and 0 < ahead <= CLOCK_SKEW
        return ahead != 0 and not was_set_back

    return [(row[0], row[1], row[lead]) for row in rows if differs(row, held[row[:2]])]


def held_rows(
    connection: Connection, table: Table, names: Sequence[str], rows: Sequence[tuple[Any, ...]]
) -> Iterator[tuple[Any, ...]]:
    """What is held under the (source, id) of these rows, as values of ``names``; the first two are the source and the id."""
    dialect = connection.dialect.name
    ids = defaultdict(set)
    for row in rows:
        ids[row[0]].add(row[1])
    # Names of columns are ours; nothing that was sent stands in the statement.
    statement = text(
        f"SELECT {', '.join(names)} FROM {table.name} WHERE {names[0]} = :source AND {names[1]} {AMONG[dialect]}"
    )
    for source, those in ids.items():
        parameters = {"source": source, **ids_for(dialect, sorted(those))}
        yield from map(tuple, connection.execute(statement, parameters))
