"""Reading some leads from the store: a fixed number of queries, however many leads are asked for.

Statements are plain text with one parameter for all ids (a JSON list on SQLite, an array on PostgreSQL): no limit on how many, and
the database's plan is prepared once.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

from sqlalchemy import Connection, TextClause, text

from data.database import AMONG, NOT_SUPPRESSED, ids_for
from data.domain import LATEST, Link, Outcome, Touchpoint
from data.identity import Identities, Known
from data.snapshots import LeadHistory, ProfileVersion

# In the order of the dataclasses' fields, so that a row is an object's arguments.
_TOUCHPOINT = "touchpoint_id, lead_id, occurred_at, type, channel, campaign, content, direction, value, received_at, source"
_OUTCOME = "outcome_id, lead_id, kind, occurred_at, undoes, amount, received_at, source"
LINK = "link_id, from_id, lead_id, occurred_at, received_at, source"
_PATCH = "lead_id, observed_at, received_at, fields, as_exported"
_ASKED = {
    "sqlite": "SELECT value FROM json_each(:ids)",
    # The recursion's columns must sort alike from the start.
    "postgresql": 'SELECT unnest(CAST(:ids AS text[])) COLLATE "C"',
}
# Every link that has a say about the persons asked for: up to the last owner, everything below, and whatever else claims that.
_LINKS = """
    WITH RECURSIVE
    up(id) AS ({asked} UNION SELECT links.lead_id FROM links JOIN up ON links.from_id = up.id),
    below(id) AS (SELECT id FROM up UNION SELECT links.from_id FROM links JOIN below ON links.lead_id = below.id),
    above(id) AS (SELECT id FROM below UNION SELECT links.lead_id FROM links JOIN above ON links.from_id = above.id)
    SELECT {link} FROM links WHERE from_id IN (SELECT id FROM above)
"""
_MANY_IDS = 20


@cache
def _statement(
    dialect: str, what: str, table: str, happened: str | None = None, order: str = ""
) -> TextClause:
    known = f" AND {happened} <= :cutoff AND received_at <= :cutoff" if happened else ""
    return text(f"SELECT {what} FROM {table} WHERE lead_id {AMONG[dialect]}{known}{order}")


def _rows(
    connection: Connection,
    lead_ids: Iterable[str],
    *what: str,
    happened: str | None = None,
    cutoff: int = LATEST,
    order: str = "",
) -> Sequence[Any]:
    dialect = connection.dialect.name
    parameters = ids_for(dialect, lead_ids)
    if happened:
        parameters["cutoff"] = cutoff
    return connection.execute(_statement(dialect, *what, happened, order), parameters).fetchall()


@cache
def _links_statement(dialect: str) -> TextClause:
    return text(_LINKS.format(asked=_ASKED[dialect], link=LINK))


@cache
def _linked_statement(dialect: str) -> TextClause:
    either = (f"SELECT {name} FROM links WHERE {name} {AMONG[dialect]}" for name in ("from_id", "lead_id"))
    return text(" UNION ".join(either))


def links_about(connection: Connection, ids: Sequence[str]) -> list[Link]:
    """Every link that has a say about the persons of these ids, those without effect among them."""
    dialect = connection.dialect.name
    if len(ids) >= _MANY_IDS:
        # Most ids of many stand in no link: to find out which do costs a fifth of following them all.
        ids = connection.execute(_linked_statement(dialect), ids_for(dialect, ids)).scalars().all()
        if not ids:
            return []
    return [Link(*row) for row in connection.execute(_links_statement(dialect), ids_for(dialect, ids))]


def identities(connection: Connection, lead_ids: Iterable[str], *, also: Sequence[Link] = ()) -> Identities:
    """Who belongs to these ids and to whom they belong; ``also`` are links to take into account as if they were held."""
    held = links_about(connection, [*lead_ids, *(i for link in also for i in (link.from_id, link.lead_id))])
    keys = {(link.source, link.link_id) for link in held}
    return Identities([*held, *(link for link in also if (link.source, link.link_id) not in keys)])


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


def inherited(members: Known, patches: Mapping[str, Sequence[ProfileVersion]]) -> Iterator[ProfileVersion]:
    """What is held about the ids that belong to a lead, as it counts for the lead."""
    for member, since in members.items():
        for patch in patches.get(member, ()):
            yield patch._replace(received_at=max(patch.received_at, since), inherited=(since, member))


def received_at(connection: Connection, lead_ids: Iterable[str]) -> dict[str, int]:
    """When each lead was first received; ids that are no leads are absent."""
    return dict(map(tuple, _rows(connection, lead_ids, "lead_id, received_at", "leads")))


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


def outcomes_of_persons(connection: Connection, lead_ids: Sequence[str]) -> dict[str, list[Outcome]]:
    """Outcomes of each lead and of all ids of the same person, by (time, source, id); see ``Store.outcomes_of``."""
    ids = list(dict.fromkeys(lead_ids))
    who = identities(connection, ids)
    if not who:
        return outcomes(connection, ids)
    persons = {lead_id: who.person(lead_id) for lead_id in ids}
    held = outcomes(connection, sorted({*ids, *(i for person in persons.values() for i in person)}))
    found = {i: with_inherited(i, held.get(i, ()), persons[i], held) for i in ids}
    return {
        lead_id: sorted(own, key=lambda o: (o.occurred_at, o.source, o.outcome_id))
        for lead_id, own in found.items()
        if own
    }


def with_inherited(
    lead_id: str, own: Iterable[Outcome], person: Known, held: Mapping[str, Sequence[Outcome]]
) -> list[Outcome]:
    """The lead's own outcomes, and those of the ids in ``person`` as received when they were known to be the same."""
    return [*own, *(
        replace(o, lead_id=lead_id, received_at=max(_received(o), since)) for i, since in person.items() for o in held.get(i, ())
    )]  # fmt: skip


def _received(fact: Outcome | Touchpoint) -> int:
    return fact.occurred_at if fact.received_at is None else fact.received_at


def histories(
    connection: Connection, lead_ids: Sequence[str], *, cutoff: int | None = None, also: Sequence[Link] = ()
) -> dict[str, LeadHistory]:
    """Histories in the order of ``lead_ids``; see ``Store.histories``."""
    until = LATEST if cutoff is None else cutoff
    ids = list(dict.fromkeys(lead_ids))
    who = identities(connection, ids, also=also)
    members: dict[str, dict[str, int]] = {}
    if who:
        members = {i: {m: since for m, since in who.members(i).items() if since <= until} for i in ids}
    everyone = list(dict.fromkeys([*ids, *(m for own in members.values() for m in own)]))
    owners = {i: dict(who.owners(i)) for i in ids} if who else {}
    leads = {
        lead_id: (created_at, received_at)
        for lead_id, created_at, received_at in _rows(
            connection,
            {*ids, *(o for own in owners.values() for o in own)} if owners else ids,
            "lead_id, created_at, received_at",
            "leads",
        )
        if received_at <= until
    }
    created = {i: leads[i][0] for i in ids if i in leads}
    patches = profiles(connection, everyone, cutoff=until)
    touched: dict[str, list[Touchpoint]] = defaultdict(list)
    for row in _rows(connection, everyone, _TOUCHPOINT, "touchpoints", happened="occurred_at", cutoff=until):
        touched[row[1]].append(Touchpoint(*row))
    uncreated = [i for lead_id in ids if lead_id not in created for i in (lead_id, *members.get(lead_id, ()))]
    stated = outcomes(connection, uncreated, cutoff=until) if uncreated else {}
    known = {*created, *patches, *touched, *stated}
    found = {}
    for lead_id in ids:
        below = members.get(lead_id, {})
        if known.isdisjoint((lead_id, *below)):
            continue
        own, touches = list(patches.get(lead_id, ())), list(touched.get(lead_id, ()))
        own += inherited(below, patches)
        for member, since in below.items():
            touches += [
                t._replace(lead_id=lead_id, received_at=max(_received(t), since))
                for t in touched.get(member, ())
            ]
        instants = [created[lead_id]] if lead_id in created else [
            *(p.observed_at for p in own), *(t.occurred_at for t in touches),
            *(o.occurred_at for i in (lead_id, *below) for o in stated.get(i, ())),
        ]  # fmt: skip
        if instants:
            above = (
                (o, max(since, leads[o][1])) for o, since in owners.get(lead_id, {}).items() if o in leads
            )
            standing = tuple((o, since) for o, since in above if since <= until)
            found[lead_id] = LeadHistory(lead_id, min(instants), tuple(own), tuple(touches), standing)
    return found


def lead_ids(
    connection: Connection, *, created_from: int | None, created_before: int | None, standing_at: int | None
) -> list[str]:
    """Ids of created leads, by (created_at, lead_id); see ``Store.lead_ids``."""
    statement = text(
        "SELECT lead_id FROM leads WHERE created_at >= :start AND created_at < :stop "
        f"AND {NOT_SUPPRESSED.format(id='leads.lead_id')} ORDER BY created_at, lead_id"
    )
    limits = {
        "start": -(2**63) if created_from is None else created_from,
        "stop": 2**63 - 1 if created_before is None else created_before,
    }
    found = [row[0] for row in connection.execute(statement, limits)]
    merged = {} if standing_at is None else _merged_leads(connection)
    return [i for i in found if merged.get(i, LATEST) > (standing_at or 0)] if merged else found


def lead_counts(connection: Connection, *, created_by: int) -> tuple[int, int]:
    """Created leads by an instant, and in all."""
    statement = text("SELECT COUNT(*) FILTER (WHERE created_at <= :by), COUNT(*) FROM leads")
    old, n = connection.execute(statement, {"by": created_by}).one()
    return int(old), int(n)


def _merged_leads(connection: Connection) -> dict[str, int]:
    linked = text("SELECT DISTINCT from_id FROM links JOIN leads ON leads.lead_id = links.from_id")
    who = identities(connection, [row[0] for row in connection.execute(linked)])
    owners = {owner for lead_id in who.owned() for owner, _ in who.owners(lead_id)}
    return who.merged(received_at(connection, sorted({*owners, *who.owned()})))
