"""The store: leads, touchpoints, outcomes and links as they arrived.

Facts are appended and never changed, and deleted only with all that is held of a person (``data.privacy``). The same message twice is the
same as once: touchpoints, outcomes and links are known by (source, id), leads by their id, and a profile that says nothing new is not kept
again. When a call returns, what it added is durable.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

from sqlalchemy import Engine, func, select, text

from data import account_rows, columns, migrations, reading, rows, tables
from data.accounts import Spans
from data.bars import Bars
from data.columns import TrainingTables
from data.conflicts import Added, conflicting, held_rows
from data.database import connect, explained, insert_new, parse_url
from data.deadletters import DeadLetters
from data.domain import Lead, Link, Outcome, Touchpoint
from data.errors import DamagedStoreError
from data.keys import Keys
from data.patches import add_some_leads
from data.privacy import Privacy
from data.replies import Replies
from data.scorelog import ScoreLog
from data.snapshots import LeadHistory
from data.turns import Turns

_CHUNK = 10_000
T = TypeVar("T")


def open_store(url: str, *, create: bool = True, busy_seconds: float = 10.0) -> Store:
    """Open the store at a database URL, making or renewing its tables where needed.

    Parameters
    ----------
    url : ``sqlite:///path`` (a file on a local disk) or ``postgresql+psycopg://user@host/name``.
    create : whether a SQLite file that is not there is made.
    busy_seconds : how long a write waits for other writers before it gives up.

    Raises
    ------
    StoreError
        If the address is no store, the file is missing, damaged or not writable, or a newer leadloop made the tables.
    """
    engine = connect(url, create=create, busy_seconds=busy_seconds)
    try:
        with explained(engine.url):
            migrations.upgrade(engine)
    except BaseException:
        engine.dispose()
        raise
    return Store(engine, url=url, busy_seconds=busy_seconds)


def open_trial(url: str, *, busy_seconds: float = 10.0) -> Store:
    """The store for a dry run: the one at the URL, or, where its SQLite file is not there yet, an empty one that ``close`` throws away.

    Nothing is made at the URL. Raises StoreError as ``open_store`` does.
    """
    parsed = parse_url(url)
    if parsed.get_backend_name() != "sqlite" or Path(parsed.database or "").is_file():
        return open_store(url, busy_seconds=busy_seconds)
    folder = TemporaryDirectory(prefix="leadloop-trial-")
    made = open_store(f"sqlite:///{folder.name}/trial.db", busy_seconds=busy_seconds)
    made.on_close = folder.cleanup
    return made


class Store:
    """Leads, touchpoints, outcomes and past scores in one database. May be shared by threads; processes open their own.

    A touchpoint or outcome may come before its lead. Two messages with one id and different content: the first received stays,
    and the second is counted as a conflict.

    Attributes
    ----------
    keys : who may call the service.
    privacy : erases and suppresses persons. What is added about somebody who was erased is left out and counted as ``erased``.
    replies : answers kept for requests that are sent again.
    dead_letters : messages that were acknowledged and could not be used.
    scores : the log of past scores.
    """

    def __init__(self, engine: Engine, *, url: str, busy_seconds: float) -> None:
        self.url = url
        self._engine = engine
        self._turns = Turns(engine, busy_seconds=busy_seconds)
        self.keys = Keys(self._turns)
        self._bars = Bars(self._turns)
        self.replies = Replies(self._turns, self._bars)
        self.dead_letters = DeadLetters(self._turns, self._bars)
        self.scores = ScoreLog(self._turns, self._bars)
        self.privacy = Privacy(self._turns, self._bars, self.replies)
        self.on_close: Callable[[], None] | None = None

    def __repr__(self) -> str:
        return f"Store({self._engine.url.render_as_string(hide_password=True)!r})"

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Everything this thread adds inside the block is committed together at its end, or not at all if it raises."""
        with self._turns.write():
            yield

    def add_leads(self, leads: Iterable[Lead], *, now: int) -> Added:
        """Create leads and append what their profiles newly say. ``new`` counts messages that did either.

        A lead's ``created_at`` stays as first given. Without ``received_at`` a lead counts as received when it was created, and its
        profile when it was observed; a profile with neither time is as of ``created_at`` when exported, else as of ``now``.
        A profile is left out when, for each of its fields, the statement before it says the same.
        """
        added = Added(0, 0)
        with self._turns.write() as connection:
            for chunk in _chunks(leads):
                kept = self._bars.without_erased(connection, chunk, lambda lead: (lead.lead_id,))
                new = add_some_leads(connection, kept, now=now) if kept else 0
                added += Added(new, len(kept) - new, erased=len(chunk) - len(kept))
        return added

    def add_touchpoints(self, touchpoints: Iterable[Touchpoint], *, now: int) -> Added:
        """Append touchpoints not known yet by (source, id).

        One without ``received_at`` is marked so and counts as received when it occurred (``now`` if that is still to come).
        """
        reckoned: set[tuple[str, str]] = set()
        made = (rows.touchpoint_row(t, now=now) for t in _noting(touchpoints, reckoned))
        return self._append(tables.touchpoints, rows.TOUCHPOINTS, made, reckoned=reckoned)

    def add_outcomes(self, outcomes: Iterable[Outcome], *, now: int) -> Added:
        """Append outcomes not known yet by (source, id); ``received_at`` as for touchpoints."""
        made = (rows.outcome_row(o, now=now) for o in outcomes)
        return self._append(tables.outcomes, rows.OUTCOMES, made)

    def add_links(self, links: Iterable[Link], *, now: int) -> Added:
        """Append links not known yet by (source, id); ``received_at`` as for touchpoints. What they mean: ``data.identity``."""
        added = Added(0, 0)
        with self._turns.write() as connection:
            has_suppressed = self._bars.has_suppressed(connection)
            if has_suppressed:
                self._bars.hold_links(connection)
            for chunk in _chunks(rows.link_row(k, now=now) for k in links):
                kept = self._bars.without_erased(connection, chunk, lambda row: row[2:4])
                some = self._append(tables.links, rows.LINKS, kept)
                added += some + Added(0, 0, erased=len(chunk) - len(kept))
                named = {i for row in kept for i in row[2:4]}
                if some.new:
                    account_rows.renew_linked(connection, named)
                if some.new and has_suppressed:
                    self.privacy.extend(connection, named, now=now)
        return added

    def _append(
        self,
        table: Any,
        names: Sequence[str],
        made: Iterable[tuple[Any, ...]],
        *,
        reckoned: Container[tuple[str, str]] = (),
    ) -> Added:
        added, whose = Added(0, 0), names.index("lead_id")
        with self._turns.write() as connection:
            for given in _chunks(made):
                chunk = self._bars.without_erased(connection, given, lambda row: (row[whose],))
                # Sorted by (source, id): on PostgreSQL two writers of the same ids meet in one order.
                chunk.sort(key=lambda row: row[:2])
                new = insert_new(connection, table, names, chunk)
                # Only where something was known can anything differ from what is held.
                keys = []
                if new < len(chunk):
                    keys = conflicting(connection, table, names, chunk, reckoned=reckoned)
                n_erased = len(given) - len(chunk)
                added += Added(new, len(chunk) - new, len(keys), tuple(keys), erased=n_erased)
        return added

    def histories(
        self, lead_ids: Sequence[str], *, cutoff: int | None = None, also: Sequence[Link] = ()
    ) -> dict[str, LeadHistory]:
        """All that is held about these leads, or, with a cutoff, all that had happened and been received by then.

        What is held under ids that belong to a lead counts for it as received when that was known (``data.identity``); ``also`` are links
        to take into account as if they were held.

        Leads of which nothing is known are absent. One that was never created, but has touchpoints or outcomes, counts as created at
        the earliest of them.
        """
        with self._turns.read() as connection:
            return reading.histories(connection, lead_ids, cutoff=cutoff, also=also)

    def account_spans(self, accounts: Sequence[str], *, cutoff: int | None = None) -> Spans:
        """Which leads were of these accounts when, or, with a cutoff, the newest of those that are at it.

        Of each account these are as many as are told apart (``data.accounts.MOST_LEADS``), and one.
        """
        with self._turns.read() as connection:
            return account_rows.account_spans(connection, accounts, cutoff=cutoff)

    def held_touchpoints(self, touchpoints: Iterable[Touchpoint]) -> set[tuple[str, str]]:
        """Those (source, touchpoint_id) that are held already, whosever they are."""
        keys = [(t.source, t.touchpoint_id) for t in touchpoints]
        with self._turns.read() as connection:
            return set(held_rows(connection, tables.touchpoints, rows.TOUCHPOINTS[:2], keys))

    def outcomes_of(self, lead_ids: Sequence[str]) -> dict[str, list[Outcome]]:
        """Outcomes by lead, by (time, source, id); leads without any are absent.

        Those of all ids of the same person are among them, as received when the two were known to be one.
        """
        with self._turns.read() as connection:
            return reading.outcomes_of_persons(connection, lead_ids)

    def lead_ids(
        self,
        *,
        created_from: int | None = None,
        created_before: int | None = None,
        standing_at: int | None = None,
    ) -> list[str]:
        """Ids of created leads, by (created_at, lead_id); ``created_from`` is inside, ``created_before`` is not.

        With ``standing_at``, without those known by then to have been merged into another lead. Suppressed ones are not among them.
        """
        with self._turns.read() as connection:
            return reading.lead_ids(
                connection, created_from=created_from, created_before=created_before, standing_at=standing_at
            )

    def lead_counts(self, *, created_by: int) -> tuple[int, int]:
        """How many created leads there are by an instant, inclusive, and in all; those suppressed or merged are among them."""
        with self._turns.read() as connection:
            return reading.lead_counts(connection, created_by=created_by)

    def read_training(self) -> TrainingTables:
        """Everything about all created leads but suppressed ones, in columns, read in short pages so that writers go on meanwhile."""
        return columns.read_training(self._turns.read)

    def counts(self) -> dict[str, int]:
        """Rows of ``leads``, ``profiles``, ``touchpoints``, ``outcomes``, ``links`` and ``scores``."""
        with self._turns.read() as connection:
            return {
                table.name: connection.execute(select(func.count()).select_from(table)).scalar_one()
                for table in tables.FACTS
            }

    def check(self) -> None:
        """Read the whole SQLite file for damage, or ask PostgreSQL for an answer. Raises StoreError when it fails,
        DamagedStoreError for damage.

        A damaged file often still answers queries; only this sees it. Takes about a second for each GB.
        """
        with self._turns.read() as connection:
            if connection.dialect.name != "sqlite":
                connection.execute(text("SELECT 1"))
                return
            found = [row[0] for row in connection.exec_driver_sql("PRAGMA quick_check(3)")]
        if found != ["ok"]:
            what = " ".join("; ".join(found).split())[:300]
            raise DamagedStoreError(f"the store's file is damaged ({what}); restore it from a backup")

    def close(self) -> None:
        self._engine.dispose()
        if self.on_close is not None:
            self.on_close()


def _chunks(items: Iterable[T]) -> Iterator[list[T]]:
    source = iter(items)
    while chunk := list(islice(source, _CHUNK)):
        yield chunk


def _noting(touchpoints: Iterable[Touchpoint], reckoned: set[tuple[str, str]]) -> Iterator[Touchpoint]:
    for t in touchpoints:
        if t.is_reckoned:
            reckoned.add((t.source, t.touchpoint_id))
        yield t
