"""Whose turn it is: readers and writers of one process on one database.

On SQLite one writer works at a time, and with the rollback journal no reader may be inside while a commit is written. SQLite settles
that by polling with sleeps, which lets a busy writer starve readers for seconds; threads of one process queue here instead, and a
writer leaves a pause between commits for the readers of other processes. PostgreSQL needs none of it.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

from sqlalchemy import Connection, Engine

from data.database import explained, wal_is_safe
from data.errors import StoreError

# Of the time between two commits, the share in which other processes can begin to read.
_PAUSE_SHARE = 0.25


class CommitGate:
    """Many readers or one commit. Readers that came while a commit waited go before the next one: neither side starves."""

    def __init__(self) -> None:
        self._change = threading.Condition()
        self._phase = 0
        self._is_commit_due = False
        self._n_inside = 0
        self._n_waiting = 0

    @contextmanager
    def reading(self) -> Iterator[None]:
        with self._change:
            if self._is_commit_due:
                phase = self._phase
                self._n_waiting += 1
                # The end of the commit counts us in, so that the next one waits for us.
                self._change.wait_for(lambda: self._phase != phase)
            else:
                self._n_inside += 1
        try:
            yield
        finally:
            with self._change:
                self._n_inside -= 1
                self._change.notify_all()

    @contextmanager
    def committing(self) -> Iterator[None]:
        """Only one thread at a time may come here; the writers' own queue sees to that."""
        with self._change:
            self._is_commit_due = True
            self._change.wait_for(lambda: self._n_inside == 0)
        try:
            yield
        finally:
            with self._change:
                self._is_commit_due = False
                self._phase += 1
                self._n_inside, self._n_waiting = self._n_waiting, 0
                self._change.notify_all()


class Turns:
    """Transactions of one process: one writer at a time on SQLite, nested writes of one thread joined into one."""

    def __init__(self, engine: Engine, *, busy_seconds: float) -> None:
        self._engine = engine
        self._writer = engine.execution_options(writes=True)
        self._busy_seconds = busy_seconds
        self._own = threading.local()
        is_sqlite = engine.dialect.name == "sqlite"
        self._queue = threading.Lock() if is_sqlite else None
        has_wal = wal_is_safe(sqlite3.sqlite_version_info[:3])
        self._gate = CommitGate() if is_sqlite and not has_wal else None
        self._pause_until = 0.0

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A connection inside a write transaction, committed when the outermost block ends, rolled back if it raises."""
        held = getattr(self._own, "connection", None)
        if held is not None:
            with explained(self._engine.url):
                yield held
            return
        if self._queue and not self._queue.acquire(timeout=self._busy_seconds):
            raise StoreError("the store is busy: another writer holds it; nothing was written, try again")
        try:
            with (
                explained(self._engine.url),
                self._writer.connect() as connection,
                connection.begin() as transaction,
            ):
                self._own.connection, self._own.notes = connection, {}
                afterwards: list[Callable[[Engine], None]] = []
                self._own.afterwards = afterwards
                try:
                    yield connection
                finally:
                    self._own.connection = self._own.notes = None
                if self._gate is None:
                    transaction.commit()
                else:
                    self._commit(self._gate, connection)
            with explained(self._engine.url):
                for do in afterwards:
                    do(self._engine)
        finally:
            if self._queue:
                self._queue.release()

    @property
    def notes(self) -> dict[str, Any] | None:
        """What is remembered until this thread's write transaction ends; None outside of one."""
        found: dict[str, Any] | None = getattr(self._own, "notes", None)
        return found

    def after_commit(self, do: Callable[[Engine], None]) -> None:
        """Inside a write transaction: ``do`` is called once it is committed, before the next writer's turn; never if it is not."""
        self._own.afterwards.append(do)

    def _commit(self, gate: CommitGate, connection: Connection) -> None:
        time.sleep(max(0.0, self._pause_until - time.monotonic()))
        with gate.committing():
            began = time.monotonic()
            connection.commit()
            ended = time.monotonic()
        self._pause_until = ended + _PAUSE_SHARE * min(ended - began, 1.0)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection to read from; inside this thread's write transaction, the one that sees what it wrote. Keep it short."""
        held = getattr(self._own, "connection", None)
        with explained(self._engine.url):
            if held is not None:
                yield held
                return
            with self._gate.reading() if self._gate else nullcontext(), self._engine.connect() as connection:
                yield connection
