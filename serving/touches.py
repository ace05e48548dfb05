"""What a request may say about touchpoints and links.

The rules of ``serving.messages`` hold. Addresses, user agents and click ids tell channel and traffic and go no further.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from data.clocks import corrected_instant
from data.domain import LATEST, MAX_TEXT, Link, Touchpoint, check_id
from data.intake import INTAKE_FIELDS, LONG_FIELDS, Intake
from serving.message_fields import (
    MAX_LABEL,
    check_object,
    checked_value,
    common_label_of,
    derived_id,
    id_of,
    instant_of,
    label_of,
    missing_field,
    number_of,
    refuse_unknown,
    without_unknown,
)

_KEPT_FIELDS = (
    "touchpoint_id", "occurred_at", "sent_at", "type", "channel", "campaign", "content", "direction", "value", "source",
)  # fmt: skip
_KEPT_NAMES = frozenset(_KEPT_FIELDS)
_TOUCH_FIELDS = (*_KEPT_FIELDS, *INTAKE_FIELDS)
_LINK_FIELDS = ("link_id", "from_id", "lead_id", "occurred_at", "source")


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A touchpoint that does not count: a bot's, or the firm's own (``data.traffic``)."""

    reason: str


def read_touchpoint(body: object, *, now: int, intake: Intake | None = None) -> Touchpoint | LeftOut:
    """One touchpoint to keep: ``lead_id`` or ``anonymous_id``, ``type``, ``occurred_at`` and what else is known.

    Without a ``touchpoint_id`` one is derived from the content, so that the same message twice is still one touchpoint.
    """
    message = check_object(body, what="a touchpoint")
    whose = ("lead_id", "anonymous_id")
    refuse_unknown(message, (*whose, *_TOUCH_FIELDS))
    lead_id = id_of(message, "lead_id") or id_of(message, "anonymous_id")
    if lead_id is None:
        raise missing_field("lead_id", "the CRM's id of the lead, or else the visitor's anonymous_id")
    rest = {k: v for k, v in message.items() if k not in whose}
    return touchpoint_of(rest, lead_id=lead_id, now=now, intake=intake)


def received_touchpoint(touchpoint: Touchpoint, *, now: int) -> Touchpoint:
    """The touchpoint with ``received_at`` now; a sender's clock that runs a little ahead is set back to now."""
    # In full, because a request may hold thousands: half the time of taking the middle together and of calling min.
    touchpoint_id, lead_id, at, kind, channel, campaign, content, direction, value, _, source, is_reckoned = (
        touchpoint
    )
    at = at if at < now else now
    return Touchpoint._make(
        (touchpoint_id, lead_id, at, kind, channel, campaign, content, direction, value, now, source, is_reckoned)
    )  # fmt: skip


def touchpoint_of(
    body: object, *, lead_id: str, now: int, intake: Intake | None = None, ignored: list[str] | None = None
) -> Touchpoint | LeftOut:
    """One touchpoint of this lead or visitor; its channel is told by ``intake`` where it is not stated.

    With ``ignored``, fields nobody knows are left out and told there instead of refused. With ``sent_at``, both times are by the sender's
    clock, however wrong it is: what it did how long before it sent is believed (``data.clocks``), as of ``now``, when it was received.
    """
    message = check_object(body, what="a touchpoint")
    told: dict[str, str | None] = {}
    if not _KEPT_NAMES.issuperset(message):
        message = without_unknown(message, _TOUCH_FIELDS, ignored=ignored)
        told = _told(message)
    reason = None
    if told:
        rules = intake or Intake()
        reason = rules.traffic.reason(told)
    is_reckoned = message.get("sent_at") is not None
    stated_at = instant_of(message, "occurred_at", now=LATEST if is_reckoned else now)
    sent_at = instant_of(message, "sent_at", now=LATEST) if is_reckoned else None
    kind = common_label_of(message, "type")
    if kind is None:
        raise missing_field("type", "what it was, like page_view, email_open, webinar, form_submit")
    channel, campaign, direction = (
        common_label_of(message, "channel"), common_label_of(message, "campaign"), common_label_of(message, "direction"),
    )  # fmt: skip
    content = label_of(message, "content", limit=MAX_TEXT)
    if told:
        channel = channel or rules.channels.channel_of(told)
        campaign = campaign or told.get("utm_campaign")
    value = number_of(message, "value")
    touchpoint_id = id_of(message, "touchpoint_id")
    if touchpoint_id is None:
        touchpoint_id = derived_id(lead_id, stated_at, kind, channel, campaign, content, direction, value)
    if reason is not None:
        return LeftOut(reason)
    occurred_at = corrected_instant(stated_at, sent_at=sent_at, received_at=now) if is_reckoned else stated_at
    source = common_label_of(message, "source") or "api"
    return Touchpoint._make(  # a fifth less time than the call
        (touchpoint_id, lead_id, occurred_at, kind, channel, campaign, content, direction, value, None, source, is_reckoned)
    )  # fmt: skip


def _told(message: dict[str, Any]) -> dict[str, str | None]:
    """What the message says that only tells channel and traffic."""
    return {
        name: label_of(message, name, limit=LONG_FIELDS.get(name, MAX_LABEL))
        for name in INTAKE_FIELDS
        if message.get(name) is not None
    }


def read_link(body: object, *, now: int) -> Link:
    """One link to keep: ``from_id`` belongs to ``lead_id``, since ``occurred_at`` (now when left out).

    Without a ``link_id`` one is derived from the two ids, so that the same link twice is still one.
    """
    message = check_object(body, what="a link")
    refuse_unknown(message, _LINK_FIELDS)
    for name, meaning in (
        ("from_id", "the visitor's anonymous id, or the lead that was merged away"),
        ("lead_id", "the lead (or other visitor) it belongs to"),
    ):
        if message.get(name) is None:
            raise missing_field(name, meaning)
    from_id, lead_id = (
        checked_value(name, partial(check_id, message[name], name=name)) for name in ("from_id", "lead_id")
    )
    return Link(
        link_id=id_of(message, "link_id") or derived_id(from_id, lead_id),
        from_id=from_id,
        lead_id=lead_id,
        occurred_at=now
        if message.get("occurred_at") is None
        else instant_of(message, "occurred_at", now=now),
        source=label_of(message, "source") or "api",
    )


def received_link(link: Link, *, now: int) -> Link:
    """The link with ``received_at`` now; a sender's clock that runs a little ahead is set back to now."""
    return replace(link, occurred_at=min(link.occurred_at, now), received_at=now)
