"""Answers kept for callers that send a request again under the same Idempotency-Key.

A request is claimed before it is worked on and its answer is kept afterwards, so that of several workers one does the work. A claim whose
worker died is taken over after ``LEASE_SECONDS``: all that is written is known by its ids, so doing it again does no harm. The key itself
and the body are kept as digests only, because either may name a person; which leads a request was about is kept beside its answer, so that
erasing a lead erases the answers too.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import delete, select, update

from data import tables
from data.bars import Bars
from data.database import insert_new
from data.turns import Turns

KEPT_SECONDS = 72 * 3600
LEASE_SECONDS = 120
_MICRO = 1_000_000
_IDS_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer as it was given: ``headers`` is JSON, ``body`` what was sent, packed."""

    status: int
    headers: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Claimed:
    """What became of a claim.

    Attributes
    ----------
    is_ours : the request is to be worked on now.
    is_other : the key was used for another request.
    reply : the answer given before; None while it is being worked on.
    """

    is_ours: bool = False
    is_other: bool = False
    reply: Reply | None = None


class Replies:
    """The kept answers of one store."""

    def __init__(self, turns: Turns, bars: Bars) -> None:
        self._turns = turns
        self._bars = bars

    def claim(self, request_id: str, fingerprint: str, *, now: int) -> Claimed:
        """Begin a request.

        Parameters
        ----------
        request_id : digest of the caller and its Idempotency-Key.
        fingerprint : digest of what is asked.
        now : microseconds since 1970 UTC; also the mark by which ``keep`` and ``release`` know the claim.
        """
        t = tables.replies
        with self._turns.write() as connection:
            too_old = (t.c.request_id == request_id) & (t.c.claimed_at < now - KEPT_SECONDS * _MICRO)
            connection.execute(delete(t).where(too_old))
            names = ("request_id", "fingerprint", "claimed_at")
            if insert_new(connection, t, names, [(request_id, fingerprint, now)]):
                return Claimed(is_ours=True)
            held = connection.execute(
                select(t.c.fingerprint, t.c.claimed_at, t.c.status, t.c.headers, t.c.body).where(
                    t.c.request_id == request_id
                )
            ).first()
            if held is None:
                # Given up by another worker between our two looks: the caller comes again.
                return Claimed()
            if held.fingerprint != fingerprint:
                return Claimed(is_other=True)
            if held.status is not None:
                return Claimed(reply=Reply(held.status, held.headers, held.body))
            if held.claimed_at >= now - LEASE_SECONDS * _MICRO:
                return Claimed()
            mine = (t.c.request_id == request_id) & (t.c.claimed_at == held.claimed_at)
            taken = connection.execute(update(t).where(mine, t.c.status.is_(None)).values(claimed_at=now))
            return Claimed(is_ours=taken.rowcount == 1)

    def keep(self, request_id: str, reply: Reply, *, claimed_at: int, lead_ids: Collection[str]) -> None:
        """Keep the answer of a claimed request; ``lead_ids`` are the leads it is about. Nothing when the claim was lost meanwhile.

        The answer to a request about somebody who was erased is not kept, and the claim is given up: the answer may be from before.
        """
        t = tables.replies
        with self._turns.write() as connection:
            if self._bars.erased(connection, lead_ids):
                self.release(request_id, claimed_at=claimed_at)
                return
            mine = (t.c.request_id == request_id) & (t.c.claimed_at == claimed_at)
            values = {"status": reply.status, "headers": reply.headers, "body": reply.body}
            if connection.execute(update(t).where(mine).values(values)).rowcount:
                rows = [(request_id, lead_id) for lead_id in sorted(set(lead_ids))]
                insert_new(connection, tables.reply_leads, ("request_id", "lead_id"), rows)

    def release(self, request_id: str, *, claimed_at: int) -> None:
        """Give a claim up, so that the request may be sent again."""
        t = tables.replies
        with self._turns.write() as connection:
            mine = (t.c.request_id == request_id) & (t.c.claimed_at == claimed_at)
            connection.execute(delete(t).where(mine, t.c.status.is_(None)))

    def reap(self, *, now: int) -> int:
        """Forget what is older than 72 hours; returns how many."""
        t, leads = tables.replies, tables.reply_leads
        with self._turns.write() as connection:
            gone = connection.execute(delete(t).where(t.c.claimed_at < now - KEPT_SECONDS * _MICRO)).rowcount
            if gone:
                connection.execute(delete(leads).where(leads.c.request_id.not_in(select(t.c.request_id))))
            return gone

    def erase(self, lead_ids: Collection[str]) -> int:
        """Forget the answers about these leads; returns how many. Part of erasing a lead."""
        t, leads = tables.replies, tables.reply_leads
        gone, ids = 0, sorted(set(lead_ids))
        with self._turns.write() as connection:
            for start in range(0, len(ids), _IDS_AT_ONCE):
                about = leads.c.lead_id.in_(ids[start : start + _IDS_AT_ONCE])
                named = list(connection.execute(select(leads.c.request_id).where(about).distinct()).scalars())
                for first in range(0, len(named), _IDS_AT_ONCE):
                    some = named[first : first + _IDS_AT_ONCE]
                    gone += connection.execute(delete(t).where(t.c.request_id.in_(some))).rowcount
                    connection.execute(delete(leads).where(leads.c.request_id.in_(some)))
        return gone
