"""Erasing a person, and leaving one alone.

Erased is gone everywhere and stays gone: all rows about all ids of the person are deleted in one transaction, and a tombstone for each
id, from which nobody can tell the id (``data.bars``), keeps out what arrives later. Suppressed is kept, but neither scored nor trained
on, until the objection is withdrawn. Both hold for the person, so for every id that links joined to the one named (``data.identity``).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from sqlalchemy import Connection, text

from data import account_rows, reading, tables
from data.bars import Bar, Bars, digest_of
from data.database import AMONG, empty_wal, ids_for, insert_new
from data.domain import check_id
from data.replies import Replies
from data.turns import Turns

_BY_LEAD = (
    "leads",
    "profiles",
    "touchpoints",
    "outcomes",
    "accounts",
    "scores",
    "dead_letters",
    "suppressions",
)


@dataclass(frozen=True, slots=True)
class Erased:
    """What was deleted, in rows of each table; ``replies`` are kept answers, ``ids`` how many ids the person had."""

    ids: int
    leads: int
    profiles: int
    touchpoints: int
    outcomes: int
    links: int
    accounts: int
    scores: int
    dead_letters: int
    replies: int


class Privacy:
    """Erases and suppresses persons of one store."""

    def __init__(self, turns: Turns, bars: Bars, replies: Replies) -> None:
        self._turns = turns
        self._bars = bars
        self._replies = replies

    def erase(self, lead_id: str, *, now: int) -> Erased:
        """Delete everything that is held about the person, and keep out whatever names one of its ids later.

        An id nobody knows gets its tombstone all the same, so that a message that is still on its way does not create it. Erasing twice is
        the same as once. Backups and files written before are not touched: see docs/privacy.md.

        Raises ContractError for a value that can be no id, StoreError when the store is busy or away; nothing is erased then.
        """
        lead_id = check_id(lead_id, name="lead_id")
        with self._turns.write() as connection:
            self._bars.hold(connection)
            ids = _person(connection, lead_id)
            others = _linked_to(connection, ids)
            gone = {table: _delete(connection, table, "lead_id {of}", ids) for table in _BY_LEAD}
            gone["links"] = _delete(connection, "links", "from_id {of} OR lead_id {of}", ids)
            if others:
                account_rows.renew_linked(connection, others)
            gone["replies"] = self._replies.erase(ids)
            key = self._bars.key(connection)
            stones = sorted((digest_of(key, i), now) for i in ids)
            insert_new(connection, tables.tombstones, ("digest", "erased_at"), stones)
            self._bars.changed()
            self._turns.after_commit(empty_wal)
        del gone["suppressions"]
        return Erased(ids=len(ids), **gone)

    def suppress(self, lead_id: str, *, now: int) -> int:
        """Neither score the person nor train on it from now on; returns how many ids it has, 0 for one that was erased.

        An id nobody knows yet is suppressed when it comes. A link that later joins another id to the person extends it to that. Answers
        kept for repeated requests about the person are forgotten, as they may hold scores. Raises as ``erase`` does.
        """
        lead_id = check_id(lead_id, name="lead_id")
        with self._turns.write() as connection:
            self._bars.hold(connection)
            if self._bars.erased(connection, [lead_id]):
                return 0
            ids = _person(connection, lead_id)
            self._add(connection, ids, now=now)
            self._replies.erase(ids)
            return len(ids)

    def unsuppress(self, lead_id: str) -> int:
        """The objection is withdrawn: score the person again and train on it; returns as ``suppress`` does, and raises so."""
        lead_id = check_id(lead_id, name="lead_id")
        with self._turns.write() as connection:
            self._bars.hold(connection)
            if self._bars.erased(connection, [lead_id]):
                return 0
            ids = _person(connection, lead_id)
            _delete(connection, "suppressions", "lead_id {of}", ids)
            self._bars.changed()
            return len(ids)

    def barred(self, lead_ids: Collection[str]) -> dict[str, Bar]:
        """Those of the ids that were erased or are suppressed. One query, whatever their number."""
        with self._turns.read() as connection:
            return self._bars.barred(connection, lead_ids) if lead_ids else {}

    def extend(self, connection: Connection, ids: Iterable[str], *, now: int) -> None:
        """After links that name these ids were added: whoever is one person with somebody suppressed is suppressed too."""
        named = sorted(set(ids))
        who = reading.identities(connection, named)
        persons = {frozenset((i, *who.person(i))) for i in named}
        barred = self._bars.barred(connection, {i for person in persons for i in person})
        joined = {i for person in persons if not person.isdisjoint(barred) for i in person}
        if joined:
            self._add(connection, joined, now=now)

    def _add(self, connection: Connection, ids: Iterable[str], *, now: int) -> None:
        rows = [(i, now) for i in sorted(ids)]
        insert_new(connection, tables.suppressions, ("lead_id", "suppressed_at"), rows)
        self._bars.changed()


def _person(connection: Connection, lead_id: str) -> list[str]:
    """The id and all others of the same person, sorted."""
    return sorted({lead_id, *reading.identities(connection, [lead_id]).person(lead_id)})


def _linked_to(connection: Connection, ids: Collection[str]) -> set[str]:
    """Ids of other persons that links name beside these, those without effect among them."""
    dialect = connection.dialect.name
    about = text(
        f"SELECT from_id, lead_id FROM links WHERE from_id {AMONG[dialect]} OR lead_id {AMONG[dialect]}"
    )
    rows = connection.execute(about, ids_for(dialect, ids)).fetchall()
    return {i for row in rows for i in row} - set(ids)


def _delete(connection: Connection, table: str, which: str, ids: Collection[str]) -> int:
    dialect = connection.dialect.name
    statement = text(f"DELETE FROM {table} WHERE {which.format(of=AMONG[dialect])}")
    return connection.execute(statement, ids_for(dialect, ids)).rowcount
