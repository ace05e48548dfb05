"""Facts as rows of their tables.

A fact without ``received_at`` is marked so and counts as received when it occurred, or now if that is still to come.
"""

from __future__ import annotations

from typing import Any

from data.domain import Link, Outcome, Touchpoint

# The source and the id come first: a fact is known by them.
TOUCHPOINTS = (
    "source", "touchpoint_id", "lead_id", "occurred_at", "received_at", "received_assumed", "type", "channel", "campaign",
    "content", "direction", "value",
)  # fmt: skip
OUTCOMES = (
    "source", "outcome_id", "lead_id", "kind", "occurred_at", "received_at", "received_assumed", "undoes", "amount",
)  # fmt: skip
LINKS = ("source", "link_id", "from_id", "lead_id", "occurred_at", "received_at", "received_assumed")


def touchpoint_row(t: Touchpoint, *, now: int) -> tuple[Any, ...]:
    """The touchpoint as values of ``TOUCHPOINTS``."""
    return (
        t.source, t.touchpoint_id, t.lead_id, t.occurred_at,
        min(t.occurred_at, now) if t.received_at is None else t.received_at, t.received_at is None,
        t.type, t.channel, t.campaign, t.content, t.direction, _number(t.value),
    )  # fmt: skip


def outcome_row(o: Outcome, *, now: int) -> tuple[Any, ...]:
    """The outcome as values of ``OUTCOMES``."""
    return (
        o.source, o.outcome_id, o.lead_id, o.kind, o.occurred_at,
        min(o.occurred_at, now) if o.received_at is None else o.received_at, o.received_at is None,
        o.undoes, _number(o.amount),
    )  # fmt: skip


def link_row(k: Link, *, now: int) -> tuple[Any, ...]:
    """The link as values of ``LINKS``."""
    return (
        k.source, k.link_id, k.from_id, k.lead_id, k.occurred_at,
        min(k.occurred_at, now) if k.received_at is None else k.received_at, k.received_at is None,
    )  # fmt: skip


def _number(value: float | None) -> float | None:
    # NaN would be null in SQLite and a number in PostgreSQL.
    return None if value is None or value != value else float(value)
