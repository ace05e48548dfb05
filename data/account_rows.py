"""The store's rows of accounts: kept as profiles and links arrive, and read for some accounts.

They hold nothing that profiles and links do not tell. Where those change, the rows of the persons concerned are made anew, in the same
transaction: what is read is always what reading everything would give. Rows of suppressed persons are passed over: training does not see
them either.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import cache

from sqlalchemy import Connection, TextClause, text

from data import reading, tables
from data.account_spans import timeline
from data.accounts import MOST_LEADS, Spans
from data.database import AMONG, NOT_SUPPRESSED, hold_leads, ids_for, insert_new
from data.domain import LATEST
from data.snapshots import ProfileVersion

_COLUMNS = ("account", "lead_id", "since", "until")
_CHUNK = 10_000
_Row = tuple[str, str, int, int]

_COUNTED = NOT_SUPPRESSED.format(id="accounts.lead_id")
_ALL = f"SELECT account, lead_id, since, until FROM accounts WHERE account {{of}} AND {_COUNTED}"
# The newest of each account: one more than are told apart, as one may be the lead that is asked about. Of a single account, which is what
# one score asks for, the index is read from its end and no farther.
_NEWEST_OF_ONE = f"""
    SELECT account, lead_id, since, until FROM accounts WHERE account = :account AND since <= :cutoff AND until > :cutoff AND {_COUNTED}
    ORDER BY since DESC LIMIT {MOST_LEADS + 1}
"""
_NEWEST = f"""
    SELECT account, lead_id, since, until FROM (
        SELECT account, lead_id, since, until, ROW_NUMBER() OVER (PARTITION BY account ORDER BY since DESC) AS place
        FROM accounts WHERE account {{of}} AND since <= :cutoff AND until > :cutoff AND {_COUNTED}
    ) AS standing WHERE place <= {MOST_LEADS + 1}
"""


@cache
def _statement(dialect: str, what: str) -> TextClause:
    return text(what.format(of=AMONG[dialect]))


def account_spans(connection: Connection, accounts: Sequence[str], *, cutoff: int | None = None) -> Spans:
    """Spans of these accounts; see ``Store.account_spans``."""
    if not accounts:
        return Spans.of(())
    dialect = connection.dialect.name
    statement, parameters = _ALL, ids_for(dialect, accounts)
    if cutoff is not None:
        statement, parameters = _NEWEST, {**parameters, "cutoff": cutoff}
        if len(accounts) == 1:
            statement, parameters = _NEWEST_OF_ONE, {"account": accounts[0], "cutoff": cutoff}
    rows = connection.execute(_statement(dialect, statement), parameters).fetchall()
    return Spans.of(map(tuple, rows))


def renew_told(
    connection: Connection, told: Mapping[str, Sequence[ProfileVersion]], *, created: Collection[str]
) -> None:
    """After the profiles of these leads said something: ``told`` is all that is held of their own; ``created`` are new leads."""
    if not told:
        return
    if reading.links_about(connection, sorted(told)):
        renew_linked(connection, told)
        return
    rows = [row for lead_id in sorted(told) for row in _rows(lead_id, told[lead_id])]
    _replace(connection, [i for i in told if i not in created], rows)


def renew_linked(connection: Connection, ids: Collection[str]) -> None:
    """After links were added that speak of these ids, or linked leads said something: make the rows of all persons concerned anew."""
    everyone = _connected(connection, ids)
    if connection.dialect.name == "postgresql":
        # What came while we waited is read after it.
        hold_leads(connection, everyone)
        everyone = _connected(connection, everyone)
    who = reading.identities(connection, everyone)
    received_at = reading.received_at(connection, everyone)
    patches = reading.profiles(connection, everyone)
    merged_at = who.merged(received_at)
    rows = []
    for lead_id in sorted(received_at):
        versions = [*patches.get(lead_id, ()), *reading.inherited(who.members(lead_id), patches)]
        rows += _rows(lead_id, versions, until=merged_at.get(lead_id, LATEST))
    _replace(connection, everyone, rows)


def _connected(connection: Connection, ids: Collection[str]) -> list[str]:
    """These ids and all that links about them name: one that was known earlier and came later takes an id away from its owner so far."""
    links = reading.links_about(connection, sorted(ids))
    return sorted({*ids, *(i for link in links for i in (link.from_id, link.lead_id))})


def _rows(lead_id: str, versions: Iterable[ProfileVersion], *, until: int = LATEST) -> list[_Row]:
    return [(account, lead_id, since, end) for account, since, end in timeline(versions, until=until)]


def _replace(connection: Connection, lead_ids: Sequence[str], rows: list[_Row]) -> None:
    if lead_ids:
        dialect = connection.dialect.name
        statement = _statement(dialect, "DELETE FROM accounts WHERE lead_id {of}")
        connection.execute(statement, ids_for(dialect, lead_ids))
    insert_new(connection, tables.accounts, _COLUMNS, rows)


def fill_accounts(connection: Connection) -> None:
    """Make the rows of all leads of a store that has none yet."""
    page = text("SELECT lead_id, seq FROM leads WHERE seq > :after ORDER BY seq LIMIT :limit")
    after = 0
    while found := connection.execute(page, {"after": after, "limit": _CHUNK}).fetchall():
        after = found[-1][1]
        ids = [lead_id for lead_id, _ in found]
        patches = reading.profiles(connection, ids)
        renew_told(connection, {i: patches.get(i, ()) for i in ids}, created=ids)
