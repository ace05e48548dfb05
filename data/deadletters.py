"""Messages that were acknowledged and could not be used, kept for people to look at.

Some senders repeat a whole batch for as long as any of it is refused, so what cannot be used is taken and laid aside. The newest 10,000
stay; the same message is kept once. They may hold personal data, and go with the person (``data.privacy``).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import delete, select

from data import tables
from data.bars import Bars
from data.database import insert_new
from data.turns import Turns

MOST = 10_000
_LONGEST = 4_000
_COLUMNS = ("letter_id", "source", "lead_id", "received_at", "why", "body")


class DeadLetter(NamedTuple):
    """One of them: who sent it, whom it is about where that could be read, when it came (microseconds since 1970 UTC), why it is of no use,
    and itself as JSON, cut after 4,000 characters."""

    source: str
    lead_id: str | None
    received_at: int
    why: str
    body: str


class DeadLetters:
    """The dead letters of one store."""

    def __init__(self, turns: Turns, bars: Bars) -> None:
        self._turns = turns
        self._bars = bars

    def add(self, source: str, letters: Sequence[tuple[str | None, str, object]], *, now: int) -> int:
        """Lay aside (lead_id, why, message); returns how many are new. None of somebody who was erased."""
        t = tables.dead_letters
        with self._turns.write() as connection:
            kept = self._bars.without_erased(connection, list(letters), lambda x: (x[0],) if x[0] else ())
            rows = {}
            for lead_id, why, message in kept:
                body = json.dumps(message, sort_keys=True)[:_LONGEST]
                letter_id = hashlib.sha256(f"{source}\n{why}\n{body}".encode()).hexdigest()
                rows[letter_id] = (letter_id, source, lead_id, now, why, body)
            new = insert_new(connection, t, _COLUMNS, [rows[i] for i in sorted(rows)])
            if new:
                oldest = select(t.c.seq).order_by(t.c.seq.desc()).offset(MOST).limit(1).scalar_subquery()
                connection.execute(delete(t).where(t.c.seq <= oldest))
        return new

    def recent(self, *, limit: int = 100) -> list[DeadLetter]:
        """The newest, newest first; those that came together in an order of their own."""
        t = tables.dead_letters
        columns = [t.c[name] for name in DeadLetter._fields]
        with self._turns.read() as connection:
            rows = connection.execute(select(*columns).order_by(t.c.seq.desc()).limit(limit))
            return [DeadLetter(*row) for row in rows]
