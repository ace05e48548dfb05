"""Leads as they arrive: created once, and of each profile what it newly says."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from sqlalchemy import Connection

from data import reading, tables
from data.account_rows import renew_told
from data.accounts import FIELDS
from data.database import hold_leads, insert_new, insert_new_ids
from data.domain import Lead
from data.snapshots import ProfileVersion

_LEADS = ("lead_id", "created_at", "received_at")
_PROFILES = ("lead_id", "observed_at", "received_at", "fields", "as_exported")


def add_some_leads(connection: Connection, chunk: Sequence[Lead], *, now: int) -> int:
    """Add leads and what their profiles newly say; how many messages did either. See ``Store.add_leads``."""
    ids = sorted({lead.lead_id for lead in chunk})
    there = reading.existing_leads(connection, ids)
    firsts = {lead.lead_id: lead for lead in reversed(chunk) if lead.lead_id not in there}
    rows = [
        (i, firsts[i].created_at, firsts[i].created_at if (got := firsts[i].received_at) is None else got)
        for i in ids
        if i in firsts
    ]
    created = insert_new_ids(connection, tables.leads, _LEADS, rows)
    hold_leads(connection, ids)
    held = reading.profiles(connection, ids)
    patches = []
    # A lead that is new may be one that others were merged into, or that was merged itself, before it was known.
    telling = set(created)
    is_new = frozenset(created)
    new = 0
    for lead in chunk:
        patch = _patch_of(lead, now)
        versions = held.setdefault(lead.lead_id, [])
        is_news = bool(patch.fields) and not _says_nothing_new(patch, versions)
        if is_news:
            versions.append(patch)
            if any(name in patch.fields for name in FIELDS):
                telling.add(lead.lead_id)
            patches.append(
                (
                    lead.lead_id,
                    patch.observed_at,
                    patch.received_at,
                    _json(patch.fields),
                    patch.as_exported,
                )
            )
        new += is_news or lead.lead_id in created
        created.discard(lead.lead_id)
    insert_new(connection, tables.profiles, _PROFILES, patches)
    renew_told(connection, {i: held.get(i, ()) for i in telling}, created=is_new)
    return new


def _patch_of(lead: Lead, now: int) -> ProfileVersion:
    observed = lead.observed_at
    if observed is None:
        observed = lead.received_at
    if observed is None:
        observed = lead.created_at if lead.as_exported else now
    fields = {name: value if isinstance(value, str) else float(value) for name, value in lead.profile.items()}
    return ProfileVersion(
        observed, observed if lead.received_at is None else lead.received_at, fields, lead.as_exported
    )


def _says_nothing_new(patch: ProfileVersion, held: Sequence[ProfileVersion]) -> bool:
    """Whether no snapshot, at any cutoff, would change by adding the patch to what is held."""
    latest: dict[str, ProfileVersion] = {}
    for version in sorted(held, key=ProfileVersion.order):
        if version.order() <= patch.order():
            latest.update(dict.fromkeys(version.fields, version))
    return all(
        name in latest
        and latest[name].fields[name] == value
        and latest[name].received_at <= patch.received_at
        for name, value in patch.fields.items()
    )


def _json(fields: Mapping[str, str | float]) -> str:
    return json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
