"""Reading the store in pieces by order of arrival.

Each read takes a short range of ``seq``: on SQLite's rollback journal a long reader keeps writers waiting. In a process of its own the
rows come through ADBC where its drivers are installed (half the CPU time of Python's own drivers); both ways give the same arrays.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, Protocol

import pyarrow as pa
from sqlalchemy import Connection, text

from data.buckets.layout import READ, TABLES
from data.database import NOT_SUPPRESSED, connect, explained, parse_url
from data.domain import Link
from data.errors import StoreError
from data.reading import LINK

_ADBC_RANGE = 100_000
_PLAIN_RANGE = 20_000
_AT_ONCE = 2_000  # rows turned into arrays at a time: more of them as tuples leave the processor's cache
_LAST_ROW = {
    "leads": "lead_id, created_at",
    "profiles": "lead_id, observed_at, fields",
    "touchpoints": "source, touchpoint_id, lead_id",
    "links": "source, link_id, from_id, lead_id",
}


@dataclass(frozen=True, slots=True)
class Marks:
    """How far the store goes: last ``seq`` and a hash of the last row by table, how many leads there are, and who is barred.

    ``barred`` changes whenever somebody is erased, suppressed or freed; it is empty while nobody is.
    """

    last: Mapping[str, int]
    rows: Mapping[str, str]
    n_leads: int
    barred: str = ""


class RowSource(Protocol):
    """Where a build reads from; sent to the processes that read."""

    def marks(self) -> Marks: ...

    def holds(self, marks: Marks) -> bool: ...

    def barred(self) -> str: ...

    def batches(self, table: str, after: int, upto: int, *, is_alone: bool) -> Iterator[pa.RecordBatch]: ...

    def links(self, upto: int) -> Iterator[Link]: ...


@dataclass(frozen=True, slots=True)
class StoreSource:
    """A store by its URL; may be sent to other processes."""

    url: str

    def marks(self) -> Marks:
        """How far the store goes now. Every row up to there is in, and none will come later."""
        last, rows = {}, {}
        with self._connected() as connection:
            # First: who is barred while the rest is read is barred anew for the next build.
            with connection.begin():
                barred = _barred(connection)
            for table in READ:
                with connection.begin():
                    if connection.dialect.name == "postgresql":
                        # Writers number rows before they commit; waiting for those at work leaves no gap that fills later.
                        connection.execute(text(f"LOCK TABLE {table} IN SHARE MODE"))
                    last[table] = connection.execute(
                        text(f"SELECT COALESCE(MAX(seq), 0) FROM {table}")
                    ).scalar_one()
                with connection.begin():
                    rows[table] = _row_hash(connection, table, last[table])
            with connection.begin():
                n_leads = _count_leads(connection, last["leads"])
        return Marks(last, rows, n_leads, barred)

    def holds(self, marks: Marks) -> bool:
        """Whether this is the store the marks were taken from, and nobody was erased, suppressed or freed since."""
        with self._connected() as connection, connection.begin():
            return (
                _barred(connection) == marks.barred
                and _count_leads(connection, marks.last["leads"]) == marks.n_leads
                and all(
                    _row_hash(connection, table, marks.last[table]) == marks.rows[table] for table in READ
                )
            )

    def barred(self) -> str:
        """The mark of who is barred now."""
        with self._connected() as connection, connection.begin():
            return _barred(connection)

    def batches(self, table: str, after: int, upto: int, *, is_alone: bool) -> Iterator[pa.RecordBatch]:
        """Rows with ``after < seq <= upto`` in order of ``seq``, in the columns of ``TABLES``, without those of suppressed persons.

        ``is_alone`` says that this process reads the store in no other way. Only then may ADBC be used: it brings a SQLite of its own,
        and two of them in one process take each other's locks away.
        """
        read = _adbc if is_alone and self._has_adbc() else _plain
        yield from read(self, table, after, upto)

    def links(self, upto: int) -> Iterator[Link]:
        """All links with ``seq <= upto`` but those of suppressed persons."""
        statement = text(
            f"SELECT {LINK} FROM links WHERE seq > :low AND seq <= :high "
            f"AND {NOT_SUPPRESSED.format(id='links.from_id')} AND {NOT_SUPPRESSED.format(id='links.lead_id')}"
        )
        with self._connected() as connection:
            for low, high in _ranges(0, upto, _PLAIN_RANGE):
                with connection.begin():
                    rows = connection.execute(statement, {"low": low, "high": high}).fetchall()
                yield from (Link(*row) for row in rows)

    def _has_adbc(self) -> bool:
        return find_spec(f"adbc_driver_{parse_url(self.url).get_backend_name()}") is not None

    def _connected(self) -> Any:
        return _Connected(self.url)


class _Connected:
    """A connection for one block, with the store's own errors."""

    def __init__(self, url: str) -> None:
        self._engine = connect(url, create=False, busy_seconds=10.0)

    def __enter__(self) -> Connection:
        self._explained = explained(self._engine.url)
        self._explained.__enter__()
        self._connection = self._engine.connect()
        return self._connection

    def __exit__(self, *error: Any) -> None:
        self._connection.close()
        self._engine.dispose()
        self._explained.__exit__(*error)


def _row_hash(connection: Connection, table: str, seq: int) -> str:
    row = connection.execute(
        text(f"SELECT {_LAST_ROW[table]} FROM {table} WHERE seq = :seq"), {"seq": seq}
    ).first()
    return "" if row is None else hashlib.sha256(repr(tuple(row)).encode()).hexdigest()


def _count_leads(connection: Connection, last: int) -> int:
    counted = NOT_SUPPRESSED.format(id="leads.lead_id")
    statement = text(f"SELECT COUNT(*) FROM leads WHERE seq <= :last AND {counted}")
    return connection.execute(statement, {"last": last}).scalar_one()


def _barred(connection: Connection) -> str:
    if connection.dialect.name == "postgresql":
        # Waits for those who erase or suppress; numbers they have taken are committed then.
        connection.execute(text("LOCK TABLE tombstones IN SHARE MODE"))
    found = [
        connection.execute(text(f"SELECT COUNT(*), COALESCE(MAX(seq), 0) FROM {table}")).one()
        for table in ("tombstones", "suppressions")
    ]
    # Rows are numbered once and for all, so the same count up to the same number are the same rows.
    return "" if not any(n for n, _ in found) else " ".join(f"{n}/{last}" for n, last in found)


def _select(table: str, low: int | str, high: int | str) -> str:
    names, counted = ", ".join(TABLES[table].names), NOT_SUPPRESSED.format(id=f"{table}.lead_id")
    return f"SELECT {names} FROM {table} WHERE seq > {low} AND seq <= {high} AND {counted} ORDER BY seq"


def _ranges(after: int, upto: int, step: int) -> Iterator[tuple[int, int]]:
    for low in range(after, upto, step):
        yield low, min(low + step, upto)


def _plain(source: StoreSource, table: str, after: int, upto: int) -> Iterator[pa.RecordBatch]:
    schema = TABLES[table]
    statement = text(_select(table, ":low", ":high"))
    with _Connected(source.url) as connection:
        for low, high in _ranges(after, upto, _PLAIN_RANGE):
            with connection.begin():
                cursor: Any = connection.execute(statement, {"low": low, "high": high}).cursor
                batches = []
                while rows := cursor.fetchmany(_AT_ONCE):
                    columns = zip(*rows, strict=True)
                    arrays = [
                        _array(values, field.type) for values, field in zip(columns, schema, strict=True)
                    ]
                    batches.append(pa.record_batch(arrays, schema=schema))
            yield from batches


def _array(values: tuple[Any, ...], kind: pa.DataType) -> pa.Array:
    # SQLite has no true and false.
    return pa.array([bool(v) for v in values] if kind == pa.bool_() else values, kind)


def _adbc(source: StoreSource, table: str, after: int, upto: int) -> Iterator[pa.RecordBatch]:
    from adbc_driver_manager import Error

    try:
        with closing(_adbc_connection(source.url)) as connection:
            for low, high in _ranges(after, upto, _ADBC_RANGE):
                yield from (
                    _adbc_range(source, connection, _select(table, low, high))
                    .cast(TABLES[table])
                    .to_batches()
                )
    except Error as fault:  # its texts may quote the address
        raise StoreError(
            f"reading the store through ADBC failed ({type(fault).__name__}); try again, or uninstall its drivers"
        ) from None


def _adbc_range(source: StoreSource, connection: Any, statement: str) -> pa.Table:
    with closing(connection.cursor()) as cursor:
        if parse_url(source.url).get_backend_name() == "sqlite":
            # Types are inferred from the first rows; nulls there would settle for whole numbers.
            cursor.adbc_statement.set_options(**{"adbc.sqlite.query.batch_rows": str(_ADBC_RANGE)})
        cursor.execute(statement)
        return cursor.fetch_arrow_table()


def _adbc_connection(url: str) -> Any:
    parsed = parse_url(url)
    if parsed.get_backend_name() == "sqlite":
        from urllib.parse import quote

        from adbc_driver_sqlite import dbapi

        return dbapi.connect(f"file:{quote(str(parsed.database))}?mode=ro")
    from adbc_driver_postgresql import dbapi as postgresql

    return postgresql.connect(parsed.set(drivername="postgresql").render_as_string(hide_password=False))
