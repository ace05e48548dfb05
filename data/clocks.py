"""Clocks of clients, which may be wrong by minutes or years.

A client that says when it sent a message as well as when something happened tells how long ago that was by its own clock; only this
difference is believed. Where nothing is said about sending, the time is taken as it stands.
"""

from __future__ import annotations

from data.domain import EARLIEST, SECOND

# How far ahead of ours a sender's clock may be; less than that is taken for "now".
CLOCK_SKEW = 300 * SECOND


def corrected_instant(stated_at: int, *, sent_at: int | None, received_at: int) -> int:
    """When something happened, by our clock: ``received_at - (sent_at - stated_at)``, never after ``received_at``.

    Parameters
    ----------
    stated_at : when it happened, by the client's clock.
    sent_at : when the message was sent, by the same clock; None when the client does not say, as in imports of history.
    received_at : when the message was received, by ours.

    All are microseconds since 1970 UTC. What would have happened after it was sent, or is stated in the future, counts as happening
    when it was received; what would lie before 1900 counts as 1900.

    Source: Segment's specification, "timestamp = receivedAt - (sentAt - originalTimestamp)", which does not bound the result.
    """
    happened = stated_at if sent_at is None else received_at - (sent_at - stated_at)
    return max(min(happened, received_at), EARLIEST)
