"""What a request may say.

Messages are flat JSON objects. Null means "not known" everywhere. A field nobody knows is refused with the nearest known name, because a
misspelt field would otherwise be lost without a word. No refusal repeats a value.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple, TypeVar

from data.domain import (
    OUTCOME_KINDS,
    PROFILE_FIELDS,
    Lead,
    Link,
    Outcome,
    Touchpoint,
    check_id,
    check_profile,
)
from data.errors import ContractError, did_you_mean
from data.intake import Intake
from serving.message_fields import (
    check_object,
    checked_value,
    derived_id,
    id_of,
    instant_of,
    is_custom,
    label_of,
    missing_field,
    note_ignored,
    number_of,
    refuse_unknown,
    unknown_field,
)
from serving.problems import Problem
from serving.touches import received_touchpoint, touchpoint_of

MAX_ITEMS = 10_000

_LEAD_FIELDS = ("lead_id", "anonymous_id", "created_at")
_SCORE_FIELDS = (*_LEAD_FIELDS, "touchpoints", "store")
_PROFILE = frozenset(PROFILE_FIELDS)
_OUTCOME_FIELDS = ("outcome_id", "lead_id", "kind", "occurred_at", "amount", "undoes", "source")

T = TypeVar("T")


class LeadMessage(NamedTuple):
    """One lead to score or to keep. ``touchpoints`` carry the time they occurred, not yet the time they were received.

    ``anonymous_id`` is the visitor who turned out to be this lead. ``warnings`` are the fields that were ignored on demand,
    ``left_out`` the reasons for which touchpoints do not count.
    """

    lead_id: str | None
    created_at: int | None
    profile: Mapping[str, str | float]
    touchpoints: tuple[Touchpoint, ...] = ()
    is_to_store: bool = True
    anonymous_id: str | None = None
    warnings: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()

    @property
    def says_something(self) -> bool:
        return bool(self.profile) or bool(self.touchpoints)

    @property
    def is_news(self) -> bool:
        """Whether there is anything to keep of it."""
        return self.says_something or self.anonymous_id is not None

    def lead(self, *, now: int) -> Lead:
        """The lead as stated now. Needs a ``lead_id``."""
        if self.lead_id is None:
            raise ValueError("a lead without lead_id cannot be kept")
        created = now if self.created_at is None else min(self.created_at, now)
        return Lead(self.lead_id, created, self.profile, observed_at=now, received_at=now)

    def links(self, *, now: int) -> list[Link]:
        """The link it states, as received now."""
        if self.lead_id is None or self.anonymous_id is None:
            return []
        link_id = derived_id(self.anonymous_id, self.lead_id)
        return [Link(link_id, self.anonymous_id, self.lead_id, occurred_at=now, received_at=now)]

    def received(self, *, now: int) -> list[Touchpoint]:
        """Its touchpoints as received now."""
        return [received_touchpoint(t, now=now) for t in self.touchpoints]


def received_outcome(outcome: Outcome, *, now: int) -> Outcome:
    """The outcome with ``received_at`` now; a sender's clock that runs a little ahead is set back to now."""
    return replace(outcome, occurred_at=min(outcome.occurred_at, now), received_at=now)


def read_score(
    body: object,
    *,
    fields: Collection[str],
    now: int,
    intake: Intake | None = None,
    is_lenient: bool = False,
) -> LeadMessage:
    """One lead to score: ``lead_id``, ``created_at``, profile and custom fields, ``touchpoints``, ``store``.

    Parameters
    ----------
    body : the JSON value.
    fields : further profile fields that the served model reads.
    now : the service's time; nothing may have happened more than five minutes later.
    intake : how channels are told; touchpoints it leaves out are left out.
    is_lenient : ignore fields nobody knows, with a warning each, instead of refusing the first.

    Raises
    ------
    Problem
        422 with the place and the reason.
    """
    message = check_object(body, what="a lead")
    ignored: list[str] | None = [] if is_lenient else None
    lead_id, created_at, profile = _lead(
        message, fields=fields, known=_SCORE_FIELDS, now=now, ignored=ignored
    )
    anonymous_id = _anonymous(message, lead_id=lead_id)
    is_to_store = message.get("store")
    if is_to_store is not None and not isinstance(is_to_store, bool):
        raise Problem(422, "invalid", "store must be true or false", pointer="/store")
    items = message.get("touchpoints")
    if items is not None and not isinstance(items, list):
        raise Problem(422, "invalid", "touchpoints must be a list of objects", pointer="/touchpoints")
    touchpoints, left_out = [], []
    for place, item in enumerate(items or ()):
        try:
            found = touchpoint_of(item, lead_id=lead_id or "", now=now, intake=intake, ignored=ignored)
        except Problem as problem:
            raise problem.at(f"/touchpoints/{place}") from None
        if isinstance(found, Touchpoint):
            touchpoints.append(found)
        else:
            left_out.append(found.reason)
    is_kept = is_to_store is not False
    return LeadMessage(
        lead_id, created_at, profile, tuple(touchpoints), is_kept, anonymous_id, tuple(ignored or ()), tuple(left_out)
    )  # fmt: skip


def read_lead(body: object, *, fields: Collection[str], now: int) -> LeadMessage:
    """One lead to keep: ``lead_id``, optional ``created_at``, profile and custom fields."""
    message = check_object(body, what="a lead")
    lead_id, created_at, profile = _lead(message, fields=fields, known=_LEAD_FIELDS, now=now)
    if lead_id is None:
        raise missing_field("lead_id", "the CRM's id of the lead")
    return LeadMessage(lead_id, created_at, profile, anonymous_id=_anonymous(message, lead_id=lead_id))


def read_outcome(body: object, *, now: int) -> Outcome:
    """One outcome to keep: ``lead_id``, ``kind``, ``occurred_at`` and what else is known.

    Without an ``outcome_id`` one is derived from (lead, kind, time), so that the same message twice is still one outcome.
    """
    message = check_object(body, what="an outcome")
    refuse_unknown(message, _OUTCOME_FIELDS)
    for name, meaning in (
        ("lead_id", "the CRM's id of the lead"),
        ("kind", f"one of {', '.join(OUTCOME_KINDS)}"),
    ):
        if message.get(name) is None:
            raise missing_field(name, meaning)
    lead_id = checked_value("lead_id", lambda: check_id(message["lead_id"], name="lead_id"))
    kind = message["kind"]
    if kind not in OUTCOME_KINDS:
        hint = did_you_mean(kind, OUTCOME_KINDS) if isinstance(kind, str) and len(kind) < 50 else ""
        hint = hint if "did you mean" in hint else f"; known are {', '.join(OUTCOME_KINDS)}"
        raise Problem(422, "unknown_kind", f"kind is none we know{hint}", pointer="/kind")
    occurred_at = instant_of(message, "occurred_at", now=now)
    source = label_of(message, "source") or "api"
    outcome_id = id_of(message, "outcome_id") or derived_id(lead_id, kind, occurred_at)
    return Outcome(
        outcome_id=outcome_id,
        lead_id=lead_id,
        kind=kind,
        occurred_at=occurred_at,
        undoes=id_of(message, "undoes"),
        amount=number_of(message, "amount"),
        source=source,
    )


def read_items(body: object, *, name: str, read: Callable[[object], T]) -> list[T]:
    """The items of a request: one object, a list, or ``{name: [...]}``; all of them or none.

    Raises
    ------
    Problem
        422 for an empty list, more than 10,000 items, or the first item that cannot be used, with its index.
    """
    if isinstance(body, dict) and isinstance(body.get(name), list) and len(body) == 1:
        body = body[name]
    if not isinstance(body, list):
        return [read(body)]
    check_count(body, name=name)
    found = []
    for index, item in enumerate(body):
        try:
            found.append(read(item))
        except Problem as problem:
            raise problem.of_item(index) from None
    return found


def check_count(items: list[Any], *, name: str) -> None:
    """Raises Problem 422 for an empty list or more than 10,000 items."""
    if not items:
        raise Problem(422, "empty_list", f"{name} is an empty list; send at least one item.")
    if len(items) > MAX_ITEMS:
        raise Problem(
            422,
            "too_many_items",
            f"{name} has {len(items):,} items; send at most {MAX_ITEMS:,} in one request.",
        )


def _lead(
    message: Mapping[str, Any],
    *,
    fields: Collection[str],
    known: tuple[str, ...],
    now: int,
    ignored: list[str] | None = None,
) -> tuple[str | None, int | None, dict[str, str | float]]:
    profile = {name: value for name, value in message.items() if name not in known}
    for name in [name for name in profile if name not in _PROFILE]:
        if name in fields or is_custom(name):
            continue
        every = (*known, *PROFILE_FIELDS, *sorted(fields))
        if ignored is None:
            raise unknown_field(name, every)
        note_ignored(name, every, ignored)
        del profile[name]
    lead_id = id_of(message, "lead_id")
    created_at = None if message.get("created_at") is None else instant_of(message, "created_at", now=now)
    try:
        return lead_id, created_at, check_profile(profile, extra=fields)
    except ContractError:
        # Which field it is, only looking at each by itself tells.
        for name, value in profile.items():
            checked_value(name, partial(check_profile, {name: value}, extra=fields))
        raise


def _anonymous(message: Mapping[str, Any], *, lead_id: str | None) -> str | None:
    anonymous_id = id_of(message, "anonymous_id")
    if anonymous_id is not None and lead_id is None:
        raise missing_field("lead_id", "an anonymous_id says which visitor the lead is")
    return anonymous_id
