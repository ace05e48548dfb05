"""Reading some leads from the store: a fixed number of queries, however many leads are asked for.

Statements are plain text with one parameter for all ids (a JSON list on SQLite, an array on PostgreSQL): no limit on how many, and
the database's plan is prepared once.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

from sqlalchemy import Connection, TextClause, text

from data.domain import LATEST, Outcome, Touchpoint
from data.snapshots import LeadHistory, ProfileVersion

_OF_THESE = {
    "sqlite": "lead_id IN (SELECT value FROM json_each(:ids))",
    "postgresql": "lead_id = ANY(:ids)",
}
# In the order of the dataclasses' fields, so that a row is an object's arguments.
_TOUCHPOINT = "touchpoint_id, lead_id, occurred_at, type, channel, campaign, content, direction, value, received_at, source"
_OUTCOME = "outcome_id, lead_id, kind, occurred_at, undoes, amount, received_at, source"
_PATCH = "lead_id, observed_at, received_at, fields, as_exported"


@cache
def _statement(
    dialect: str, what: str, table: str, happened: str | None = None, order: str = ""
) -> TextClause:
    known = f" AND {happened} <= :cutoff AND received_at <= :cutoff" if happened else ""
    return text(f"SELECT {what} FROM {table} WHERE {_OF_THESE[dialect]}{known}{order}")


def _rows(
    connection: Connection,
    lead_ids: Iterable[str],
    *what: str,
    happened: str | None = None,
    cutoff: int = LATEST,
    order: str = "",
) -> Sequence[Any]:
    dialect = connection.dialect.name
    ids = list(lead_ids)
    parameters: dict[str, Any] = {"ids": json.dumps(ids) if dialect == "sqlite" else ids}
    if happened:
        parameters["cutoff"] = cutoff
    return connection.execute(_statement(dialect, *what, happened, order), parameters).fetchall()


def existing_leads(connection: Connection, lead_ids: Sequence[str]) -> set[str]:
    """Those of the ids that are leads already."""
    return {row[0] for row in _rows(connection, lead_ids, "lead_id", "leads")}


def profiles(
    connection: Connection, lead_ids: Sequence[str], *, cutoff: int = LATEST
) -> dict[str, list[ProfileVersion]]:
    """Profile versions by lead, in order of arrival."""
    found: dict[str, list[ProfileVersion]] = defaultdict(list)
    rows = _rows(
        connection, lead_ids, _PATCH, "profiles", happened="observed_at", cutoff=cutoff, order=" ORDER BY seq"
    )
    for lead_id, observed_at, received_at, fields, as_exported in rows:
        found[lead_id].append(ProfileVersion(observed_at, received_at, json.loads(fields), bool(as_exported)))
    return found


def outcomes(
    connection: Connection, lead_ids: Sequence[str], *, cutoff: int = LATEST
) -> dict[str, list[Outcome]]:
    """Outcomes by lead, by (time, source, id)."""
    order = " ORDER BY occurred_at, source, outcome_id"
    found: dict[str, list[Outcome]] = {}
    rows = _rows(
        connection, lead_ids, _OUTCOME, "outcomes", happened="occurred_at", cutoff=cutoff, order=order
    )
    for row in rows:
        found.setdefault(row[1], []).append(Outcome(*row))
    return found


def histories(
    connection: Connection, lead_ids: Sequence[str], *, cutoff: int | None = None
) -> dict[str, LeadHistory]:
    """Histories in the order of ``lead_ids``; see ``Store.histories``."""
    until = LATEST if cutoff is None else cutoff
    ids = list(dict.fromkeys(lead_ids))
    created = {
        lead_id: created_at
        for lead_id, created_at, received_at in _rows(
            connection, ids, "lead_id, created_at, received_at", "leads"
        )
        if received_at <= until
    }
    patches = profiles(connection, ids, cutoff=until)
    touched: dict[str, list[Touchpoint]] = defaultdict(list)
    for row in _rows(connection, ids, _TOUCHPOINT, "touchpoints", happened="occurred_at", cutoff=until):
        touched[row[1]].append(Touchpoint(*row))
    uncreated = [lead_id for lead_id in ids if lead_id not in created]
    stated = outcomes(connection, uncreated, cutoff=until) if uncreated else {}
    found = {}
    for lead_id in ids:
        own, touches = patches.get(lead_id, ()), touched.get(lead_id, ())
        instants = [created[lead_id]] if lead_id in created else [
            *(p.observed_at for p in own), *(t.occurred_at for t in touches), *(o.occurred_at for o in stated.get(lead_id, ())),
        ]  # fmt: skip
        if instants:
            found[lead_id] = LeadHistory(lead_id, min(instants), tuple(own), tuple(touches))
    return found


def lead_ids(connection: Connection, *, created_from: int | None, created_before: int | None) -> list[str]:
    """Ids of created leads, by (created_at, lead_id)."""
    statement = text(
        "SELECT lead_id FROM leads WHERE created_at >= :start AND created_at < :stop ORDER BY created_at, lead_id"
    )
    limits = {
        "start": -(2**63) if created_from is None else created_from,
        "stop": 2**63 - 1 if created_before is None else created_before,
    }
    return [row[0] for row in connection.execute(statement, limits)]
