"""What HubSpot's webhooks say, as leads, outcomes, links and erasures.

An event tells one property of one record, not the record. A contact's record id is the lead's id. What says nothing about a lead (deals,
companies, properties nobody mapped) is ignored; an event that should say something and cannot be used is kept as a dead letter, because
HubSpot sends a whole batch again for as long as any of it is refused.

Events come in any order and more than once, and their ``eventId`` is not unique. So a property counts as observed when it changed, and an
outcome is known by contact, property, time and kind. Only when a lead was created depends on what arrives first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from data.clocks import CLOCK_SKEW
from data.domain import (
    CUSTOM_PREFIX,
    EARLIEST,
    LATEST,
    NUMBER_FIELDS,
    OUTCOME_KINDS,
    PROFILE_FIELDS,
    Lead,
    Link,
    Outcome,
    check_id,
    check_profile,
)
from data.errors import ConfigError, ContractError, did_you_mean, unknown_key
from data.toml_files import read_toml

SOURCE = "hubspot"
# Why an event is of no use. A closed set: metrics are labelled by it.
IGNORED = "HubSpot event that says nothing about a lead"
UNUSABLE = "HubSpot event that cannot be used"

# Properties that are on the record before anybody decides; those written by sales or HubSpot's own scoring would leak.
PROPERTIES: Mapping[str, str] = {
    "email": "email",
    "jobtitle": "title",
    "company": "company",
    "industry": "industry",
    "country": "country",
    "numemployees": "company_size",
    "hs_analytics_source": "source",
}
OUTCOMES: Mapping[str, Mapping[str, str]] = {
    "lifecyclestage": {
        "salesqualifiedlead": "qualified",
        "opportunity": "opportunity",
        "customer": "won",
    },
    "hs_lead_status": {"CONNECTED": "contacted", "UNQUALIFIED": "disqualified"},
}
_CONTACT = "0-1"  # how generic subscriptions name the type
_KEYS = ("portal_id", "properties", "outcomes")


@dataclass(frozen=True, slots=True)
class HubSpotRules:
    """What the properties of one portal mean.

    Attributes
    ----------
    portal_id : events of any other portal are dead letters: its record ids are other people's. None: all are taken.
    properties : profile field by property.
    outcomes : kind of outcome by property and value.
    """

    portal_id: str | None = None
    properties: Mapping[str, str] = field(default_factory=lambda: dict(PROPERTIES))
    outcomes: Mapping[str, Mapping[str, str]] = field(default_factory=lambda: dict(OUTCOMES))


@dataclass(slots=True)
class HubSpotNews:
    """A batch, read; ``unusable`` are (lead_id or None, why, the event) of dead letters."""

    leads: list[Lead] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)
    links: list[Link] = field(default_factory=list)
    erased: list[str] = field(default_factory=list)
    n_ignored: int = 0
    unusable: list[tuple[str | None, str, object]] = field(default_factory=list)


def load_hubspot_rules(path: Path | None) -> HubSpotRules:
    """The rules of a file that holds ``[hubspot]`` alone; the usual ones without a file.

    ``properties`` come on top of the usual ones, and ``""`` takes one away. ``outcomes.NAME`` takes the place of the usual values of that
    property: stages are renamed and added by every portal.

    Raises ConfigError when the file cannot be read, for an unknown key, and for a field or an outcome nobody knows.
    """
    if path is None:
        return HubSpotRules()
    content = read_toml(path)
    for key in content:
        if key != "hubspot":
            raise unknown_key(key, ("hubspot",), where=path.name)
    table = _table(content.get("hubspot", {}), "[hubspot]")
    for key in table:
        if key not in _KEYS:
            raise unknown_key(key, _KEYS, where="[hubspot]")
    properties = dict(PROPERTIES)
    for name, to in _table(table.get("properties", {}), "[hubspot.properties]").items():
        properties[name] = _field(name, to)
    outcomes = dict(OUTCOMES)
    for name, values in _table(table.get("outcomes", {}), "[hubspot.outcomes]").items():
        where = f"[hubspot.outcomes.{name}]"
        outcomes[name] = {value: _kind(value, to, where) for value, to in _table(values, where).items()}
    portal = table.get("portal_id")
    if portal is not None and (isinstance(portal, bool) or not isinstance(portal, int | str)):
        raise ConfigError("portal_id in [hubspot] must be the number of the portal, like 62515")
    return HubSpotRules(
        None if portal is None else str(portal),
        {name: to for name, to in properties.items() if to},
        {name: values for name, values in outcomes.items() if values},
    )


def read_events(events: Sequence[object], rules: HubSpotRules, *, now: int) -> HubSpotNews:
    """Read a batch. Nothing in it can fail: what cannot be used is told as such.

    ``now`` is when it was received. An event up to five minutes ahead of it counts as of now.
    """
    news = HubSpotNews()
    for event in events:
        if not isinstance(event, dict):
            news.unusable.append((None, "an event must be an object", event))
            continue
        try:
            if (action := _action(event)) is None:
                news.n_ignored += 1
            else:
                _read_event(event, action, rules, news, now=now)
        except ContractError as fault:
            news.unusable.append((_whose(event), str(fault), event))
    # A lead is created by the first of its messages: its creation, where that is among them.
    news.leads.sort(key=lambda lead: lead.created_at)
    return news


def _action(event: Mapping[str, Any]) -> str | None:
    """What happened to a contact; None for what says nothing about a lead."""
    kind = event.get("subscriptionType")
    if not isinstance(kind, str):
        raise ContractError("subscriptionType must be text, like contact.propertyChange")
    of, _, action = kind.partition(".")
    is_contact = of == "contact" or (of == "object" and event.get("objectTypeId") == _CONTACT)
    known = ("creation", "propertyChange", "privacyDeletion", "merge")
    return action if is_contact and action in known else None


def _read_event(
    event: Mapping[str, Any],
    action: str,
    rules: HubSpotRules,
    news: HubSpotNews,
    *,
    now: int,
) -> None:
    portal = check_id(event.get("portalId"), name="portalId")
    if rules.portal_id is not None and portal != rules.portal_id:
        raise ContractError("the event is of another portal than portal_id names")
    occurred_at = _occurred_at(event, now=now)
    if action == "merge":
        news.links += _links(event, occurred_at, now=now)
        return
    lead_id = check_id(event.get("objectId"), name="objectId")
    if action == "privacyDeletion":
        news.erased.append(lead_id)
    elif action == "creation":
        news.leads.append(Lead(lead_id, occurred_at, observed_at=occurred_at, received_at=now))
    else:
        name, value = event.get("propertyName"), event.get("propertyValue")
        if not isinstance(name, str) or not (value is None or isinstance(value, str)):
            raise ContractError("propertyName and propertyValue must be text")
        kind = rules.outcomes.get(name, {}).get(value or "")
        patch = _patch(rules.properties.get(name), value)
        if kind is not None:
            # By the time that was sent: set back to now, it would be another one when the event comes again.
            told = f"{portal}/{lead_id}/{name}/{event['occurredAt']}/{kind}"
            news.outcomes.append(Outcome(told, lead_id, kind, occurred_at, received_at=now, source=SOURCE))
        if patch:
            news.leads.append(Lead(lead_id, occurred_at, patch, observed_at=occurred_at, received_at=now))
        news.n_ignored += kind is None and not patch


def _patch(to: str | None, value: str | None) -> dict[str, str | float]:
    """The property as a profile field; nothing for one that is not mapped or was cleared."""
    if to is None or value is None or not value.strip():
        return {}
    if to not in NUMBER_FIELDS:
        return check_profile({to: value})
    try:
        number = float(value)
    except ValueError:
        raise ContractError(f"{to} is no number") from None
    return check_profile({to: number})


def _links(event: Mapping[str, Any], occurred_at: int, *, now: int) -> list[Link]:
    primary = check_id(event.get("primaryObjectId"), name="primaryObjectId")
    new = event.get("newObjectId")
    into = primary if new is None else check_id(new, name="newObjectId")
    merged = event.get("mergedObjectIds")
    if not isinstance(merged, list) or not merged:
        raise ContractError("mergedObjectIds must be a list of ids")
    away = dict.fromkeys((primary, *(check_id(i, name="mergedObjectIds") for i in merged)))
    return [
        Link(f"{i}/{into}", i, into, occurred_at, received_at=now, source=SOURCE) for i in away if i != into
    ]


def _whose(event: Mapping[str, Any]) -> str | None:
    """Whom a dead letter goes with, as far as it can be read."""
    for name in ("objectId", "primaryObjectId"):
        try:
            return check_id(event.get(name), name=name)
        except ContractError:
            continue
    return None


def _occurred_at(event: Mapping[str, Any], *, now: int) -> int:
    millis = event.get("occurredAt")
    if isinstance(millis, bool) or not isinstance(millis, int) or not EARLIEST <= millis * 1_000 < LATEST:
        raise ContractError("occurredAt must be milliseconds since 1970")
    if millis * 1_000 > now + CLOCK_SKEW:
        raise ContractError("occurredAt is more than 5 minutes in the future")
    return min(millis * 1_000, now)


def _table(value: object, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ConfigError(f"{where} must be a table, not {type(value).__name__}")
    return value


def _field(name: str, to: object) -> str:
    if to == "":
        return ""
    if not isinstance(to, str) or (to not in PROFILE_FIELDS and not to.startswith(CUSTOM_PREFIX)):
        hint = did_you_mean(str(to), PROFILE_FIELDS)
        raise ConfigError(f"{name} in [hubspot.properties]: unknown field {to!r}{hint}")
    try:
        check_profile({to: 0.0 if to in NUMBER_FIELDS else "x"})
    except ContractError as fault:
        raise ConfigError(f"{name} in [hubspot.properties]: {fault}") from None
    return to


def _kind(value: str, to: object, where: str) -> str:
    if to not in OUTCOME_KINDS:
        raise ConfigError(f"{value} in {where}: unknown outcome {to!r}{did_you_mean(str(to), OUTCOME_KINDS)}")
    return str(to)
