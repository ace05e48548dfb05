"""Who is barred: erased persons by their tombstones, suppressed ones by their ids.

A tombstone is the HMAC-SHA256 of an id under a key of this store, made with the first of them. Where there is no key nobody was erased:
a store without erased or suppressed persons is asked one tiny question in each write transaction and nothing else. On PostgreSQL a writer
holds the tombstones' table until it commits, and who erases or suppresses waits for that and keeps the next ones out: nothing comes in
that did not know of them.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from typing import Literal, NamedTuple, TypeVar

from sqlalchemy import Connection, TextClause, text

from data import tables
from data.database import AMONG, ids_for, insert_new
from data.turns import Turns

Bar = Literal["erased", "suppressed"]
ERASED: Bar = "erased"
SUPPRESSED: Bar = "suppressed"

_STANDING = text("SELECT (SELECT key FROM tombstone_keys WHERE seq = 1), EXISTS (SELECT 1 FROM suppressions)")
_NOTE = "bars"
_LINKING = 0x6C696E6B  # "link": any number, the same in every process
T = TypeVar("T")


class _Standing(NamedTuple):
    """The key of the tombstones, None before the first; whether anybody is suppressed."""

    key: bytes | None
    has_suppressed: bool


@cache
def _barred_statement(dialect: str) -> TextClause:
    digests = AMONG[dialect].replace(":ids", ":digests")
    return text(
        f"SELECT lead_id, 0 FROM suppressions WHERE lead_id {AMONG[dialect]} "
        f"UNION ALL SELECT digest, 1 FROM tombstones WHERE digest {digests}"
    )


class Bars:
    """Asks, inside a transaction, which ids are barred."""

    def __init__(self, turns: Turns) -> None:
        self._turns = turns

    def barred(self, connection: Connection, ids: Iterable[str]) -> dict[str, Bar]:
        """Those of the ids that are barred, each with why. One query, however many."""
        key, has_suppressed = self._standing(connection)
        if key is None and not has_suppressed:
            return {}
        wanted = sorted(set(ids))
        by_digest = {} if key is None else {digest_of(key, i): i for i in wanted}
        dialect = connection.dialect.name
        parameters = {**ids_for(dialect, wanted), "digests": ids_for(dialect, by_digest)["ids"]}
        found: dict[str, Bar] = {}
        for name, is_erased in connection.execute(_barred_statement(dialect), parameters):
            if is_erased:
                found[by_digest[name]] = ERASED
            else:
                found.setdefault(name, SUPPRESSED)
        return found

    def erased(self, connection: Connection, ids: Iterable[str]) -> set[str]:
        """Those of the ids that were erased."""
        if self._standing(connection).key is None:
            return set()
        return {i for i, bar in self.barred(connection, ids).items() if bar == ERASED}

    def without_erased(
        self, connection: Connection, items: list[T], ids_of: Callable[[T], Sequence[str]]
    ) -> list[T]:
        """The items that name nobody who was erased; ``ids_of`` gives the ids an item names."""
        if self._standing(connection).key is None:
            return items
        gone = self.erased(connection, (i for item in items for i in ids_of(item)))
        return [item for item in items if gone.isdisjoint(ids_of(item))] if gone else items

    def has_suppressed(self, connection: Connection) -> bool:
        """Whether anybody is suppressed."""
        return self._standing(connection).has_suppressed

    def hold(self, connection: Connection) -> None:
        """Before somebody is erased, suppressed or freed: wait for writers at work, and keep others out until this transaction ends."""
        if connection.dialect.name == "postgresql":
            connection.execute(text("LOCK TABLE tombstones IN EXCLUSIVE MODE"))
        self.changed()

    def hold_links(self, connection: Connection) -> None:
        """Before links are added while somebody is suppressed: one writer at a time, so that each sees whom the others joined."""
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LINKING})

    def changed(self) -> None:
        """Ask anew: this transaction has changed who is barred."""
        if self._turns.notes is not None:
            self._turns.notes.pop(_NOTE, None)

    def key(self, connection: Connection) -> bytes:
        """The key of the tombstones, made if there is none yet. To be called while it is held."""
        if (key := self._standing(connection).key) is None:
            insert_new(connection, tables.tombstone_keys, ("seq", "key"), [(1, secrets.token_bytes(32))])
            self.changed()
            key = self._standing(connection).key
        if key is None:
            raise RuntimeError("the key of the tombstones was written and is not there")
        return key

    def _standing(self, connection: Connection) -> _Standing:
        notes = self._turns.notes
        if notes is not None and (known := notes.get(_NOTE)) is not None:
            standing: _Standing = known
            return standing
        if notes is not None and connection.dialect.name == "postgresql":
            # A statement of its own: the next one must see what was committed while we waited.
            connection.execute(text("LOCK TABLE tombstones IN ROW SHARE MODE"))
        key, has_suppressed = connection.execute(_STANDING).one()
        standing = _Standing(None if key is None else bytes(key), bool(has_suppressed))
        if notes is not None:
            notes[_NOTE] = standing
        return standing


def digest_of(key: bytes, some_id: str) -> str:
    """The tombstone of an id."""
    return hmac.digest(key, some_id.encode(), "sha256").hex()
