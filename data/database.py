"""The database under the store: how it is opened, how rows are added, and what its errors mean.

SQLite: every write transaction begins IMMEDIATE, because one that reads first and writes later fails at once when another writer came
between, whatever the timeout. WAL is used only on versions without the WAL-reset bug (it can corrupt a file that two connections
share); others keep the rollback journal. PostgreSQL runs READ COMMITTED with a lock timeout of the same length.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import (
    URL,
    BigInteger,
    Boolean,
    Connection,
    CursorResult,
    Double,
    Engine,
    Integer,
    LargeBinary,
    Table,
    create_engine,
    event,
    make_url,
    text,
)
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from data.errors import CrossedWritesError, DamagedStoreError, StoreError

_CACHE_KIB = 65_536
_SPILL_PAGES = 262_144  # 1 GiB

_CROSSED = ("40P01", "40001")  # PostgreSQL: deadlock detected, serialization failure
_DAMAGED = "the store's file is damaged"


def wal_is_safe(version: tuple[int, int, int]) -> bool:
    """Whether this SQLite has the WAL-reset corruption bug mended: 3.51.3 and later, 3.50.7 and later, 3.44.6 and later.

    >>> wal_is_safe((3, 40, 1)), wal_is_safe((3, 50, 7)), wal_is_safe((3, 51, 3))
    (False, True, True)
    """
    return version >= (3, 51, 3) or (3, 50, 7) <= version < (3, 51, 0) or (3, 44, 6) <= version < (3, 45, 0)


def parse_url(url: str) -> URL:
    """The database URL, checked. ``postgresql://`` means the psycopg driver. Raises StoreError without echoing passwords."""
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise StoreError(
            "the store's address is not a URL; write sqlite:///var/leadloop.db or postgresql+psycopg://user@host/name"
        ) from None
    if parsed.drivername in ("postgresql", "postgres"):
        parsed = parsed.set(drivername="postgresql+psycopg")
    if parsed.drivername not in ("sqlite", "sqlite+pysqlite", "postgresql+psycopg"):
        raise StoreError(
            f"the store cannot be kept in {parsed.drivername!r}; use sqlite:///... or postgresql+psycopg://..."
        )
    if parsed.get_backend_name() == "sqlite" and parsed.database in (None, "", ":memory:"):
        raise StoreError(
            "a store in memory forgets what it acknowledged; name a file: sqlite:///var/leadloop.db"
        )
    return parsed


def connect(url: str, *, create: bool, busy_seconds: float) -> Engine:
    """An engine for the store's URL; opens nothing yet except the folder of a new SQLite file.

    Raises StoreError for an address that cannot be a store, or, with ``create=False``, for a SQLite file that is not there.
    """
    parsed = parse_url(url)
    if parsed.get_backend_name() == "sqlite":
        path = Path(parsed.database or "")
        if not create and not path.is_file():
            raise StoreError(f"there is no store at {path}; import first: leadloop import FOLDER makes one")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(f"cannot make the folder {path.parent}: {error.strerror}") from None
        engine = create_engine(
            parsed, connect_args={"timeout": busy_seconds}, hide_parameters=True, pool_size=8, max_overflow=32
        )
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        return engine
    try:
        # The recursion over links is reckoned so dear that PostgreSQL would compile it anew for each of these short queries.
        options = f"-c lock_timeout={int(busy_seconds * 1000)} -c jit=off"
        return create_engine(
            parsed,
            connect_args={"options": options, "connect_timeout": 10, "application_name": "leadloop"},
            hide_parameters=True,
            pool_pre_ping=True,
            pool_size=8,
            max_overflow=32,
            isolation_level="READ COMMITTED",
        )
    except (ImportError, NoSuchModuleError):
        raise StoreError(
            "PostgreSQL needs the psycopg driver; install leadloop with its 'postgres' extra"
        ) from None


def _prepare_sqlite(dbapi_connection: sqlite3.Connection, record: object) -> None:
    # None: the driver must not begin transactions by itself, `_begin_sqlite` does.
    dbapi_connection.isolation_level = None
    mode = "WAL" if wal_is_safe(sqlite3.sqlite_version_info[:3]) else "TRUNCATE"
    held = dbapi_connection.execute("PRAGMA journal_mode").fetchone()[0]
    if held.upper() != mode:
        dbapi_connection.execute(f"PRAGMA journal_mode={mode}")
    dbapi_connection.execute("PRAGMA synchronous=FULL")
    dbapi_connection.execute("PRAGMA foreign_keys=ON")
    # What is deleted is overwritten with zeros, or erased text would stay in free pages.
    dbapi_connection.execute("PRAGMA secure_delete=ON")
    dbapi_connection.execute(f"PRAGMA cache_size=-{_CACHE_KIB}")
    # A transaction that outgrows its cache writes to the file early and shuts readers out until it ends: let it grow first.
    dbapi_connection.execute(f"PRAGMA cache_spill={_SPILL_PAGES}")


def empty_wal(engine: Engine) -> None:
    """Bring what stands in SQLite's write-ahead log into the file and cut the log to nothing; other databases and journals need none of it.

    Waits for readers as long as a writer would. When they are still there then, it is left to later writes to overwrite the log.
    """
    if engine.dialect.name != "sqlite" or not wal_is_safe(sqlite3.sqlite_version_info[:3]):
        return
    with closing(engine.raw_connection()) as connection:
        connection.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


@contextmanager
def explained(url: URL) -> Iterator[None]:
    """Turn the errors of the database at ``url`` into StoreErrors that say what to do.

    Neither values of rows nor the password appear in them.
    """
    try:
        yield
    except PoolTimeoutError as error:
        raise StoreError("the store is busy: no free connection; try again") from error
    except DBAPIError as error:
        crossed = getattr(error.orig, "sqlstate", None) in _CROSSED
        raise (CrossedWritesError if crossed else _fault)(_explain(error, url)) from error
    except SQLAlchemyError as error:
        raise StoreError(f"the store failed: {type(error).__name__}") from error
    except sqlite3.Error as error:
        raise _fault(_explain_text(str(error))) from error


def _fault(said: str) -> StoreError:
    return DamagedStoreError(said) if said.startswith(_DAMAGED) else StoreError(said)


def _explain(error: DBAPIError, url: URL) -> str:
    state = getattr(error.orig, "sqlstate", None)
    if state in ("55P03", *_CROSSED):
        return "the store is busy: another writer holds it; nothing was written, try again"
    if state is not None:
        # PostgreSQL's texts quote values of rows; its codes do not.
        return f"PostgreSQL refused (SQLSTATE {state}); nothing was written"
    if type(error.orig).__module__.startswith("psycopg"):
        return (
            f"cannot reach PostgreSQL at {url.host or 'the local socket'}, port {url.port or 5432}: "
            f"{_first_line(error, url)}; check that it runs and that the store's address is right"
        )
    return _explain_text(str(error.orig))


def _first_line(error: DBAPIError, url: URL) -> str:
    lines = str(error.orig).strip().splitlines()
    said = lines[0].strip().rstrip(".;") if lines else type(error.orig).__name__
    # The driver does not quote passwords; should it ever, they stay here.
    return said.replace(str(url.password), "***") if url.password else said


def _explain_text(text: str) -> str:
    if "locked" in text or "busy" in text:
        return "the store is busy: another writer holds it; nothing was written, try again"
    if "malformed" in text or "not a database" in text or "corrupt" in text:
        return f"{_DAMAGED} ({text}); restore it from a backup"
    if "full" in text or "disk I/O" in text:
        return (
            f"the store could not write ({text}); nothing was written: free space on its disk, then try again"
        )
    if "unable to open" in text or "readonly" in text:
        return f"the store's file cannot be opened for writing ({text}); check the folder and its permissions"
    return f"the store failed: {text}"


# How a statement says "one of these", given by ``ids_for``: one parameter, whatever their number.
AMONG = {"sqlite": "IN (SELECT value FROM json_each(:ids))", "postgresql": "= ANY(:ids)"}
# How a statement leaves suppressed persons out, by a column of ids. An id is looked up for each row: a list of all that are suppressed
# would be made anew for every statement.
NOT_SUPPRESSED = "NOT EXISTS (SELECT 1 FROM suppressions WHERE suppressions.lead_id = {id})"


def ids_for(dialect: str, ids: Iterable[str]) -> dict[str, Any]:
    """The parameter ``ids`` of a statement with ``AMONG``."""
    these = list(ids)
    return {"ids": json.dumps(these) if dialect == "sqlite" else these}


def hold_leads(connection: Connection, ids: Iterable[str]) -> None:
    """On PostgreSQL, make other writers about these leads wait, so that each sees what the other wrote; SQLite has one writer anyway."""
    if connection.dialect.name == "postgresql":
        # Sorted, so that they cannot wait in a circle.
        statement = f"SELECT 1 FROM leads WHERE lead_id {AMONG['postgresql']} ORDER BY lead_id FOR UPDATE"
        connection.execute(text(statement), ids_for("postgresql", ids))


def insert_new(
    connection: Connection, table: Table, columns: Sequence[str], rows: list[tuple[Any, ...]]
) -> int:
    """Insert rows whose unique ids are not there yet; their values are in the order of ``columns``. Returns how many were new."""
    return _insert(connection, table, columns, rows).rowcount if rows else 0


def insert_new_ids(
    connection: Connection, table: Table, columns: Sequence[str], rows: list[tuple[Any, ...]]
) -> set[str]:
    """``insert_new`` of rows that were not there when last looked; returns the ids, in the first column, of those that were new."""
    if not rows:
        return set()
    if connection.dialect.name == "sqlite":
        # The writer's lock is held since the transaction began: nobody can have come between.
        _insert(connection, table, columns, rows)
        return {row[0] for row in rows}
    return set(_insert(connection, table, columns, rows, f" RETURNING {columns[0]}").scalars())


def _insert(
    connection: Connection,
    table: Table,
    columns: Sequence[str],
    rows: list[tuple[Any, ...]],
    ending: str = "",
) -> CursorResult[Any]:
    names = ", ".join(columns)
    if connection.dialect.name == "sqlite":
        marks = ", ".join("?" * len(columns))
        statement = f"INSERT INTO {table.name} ({names}) VALUES ({marks}) ON CONFLICT DO NOTHING"
        return connection.exec_driver_sql(statement, rows)
    # One array for each column: a single statement, whatever the number of rows.
    arrays = ", ".join(f"%s::{_array_type(table, name)}[]" for name in columns)
    statement = (
        f"INSERT INTO {table.name} ({names}) SELECT * FROM unnest({arrays}) ON CONFLICT DO NOTHING{ending}"
    )
    return connection.exec_driver_sql(statement, tuple(list(c) for c in zip(*rows, strict=True)))


def _array_type(table: Table, name: str) -> str:
    kind = table.c[name].type
    for python_type, sql in (
        (BigInteger, "bigint"), (Integer, "integer"), (Boolean, "boolean"), (Double, "double precision"),
        (LargeBinary, "bytea"),
    ):  # fmt: skip
        if isinstance(kind, python_type):
            return sql
    return "text"
