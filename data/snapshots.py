"""Snapshots: everything known about a lead at a cutoff.

Known means: it had happened and had been received by then. The cutoff itself is inside. Profiles are folded here, as of each cutoff;
touchpoints stay in the shared ledger and are cut by the feature executor, which sees both of their times.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from data.accounts import Accounts, Spans, account_of, hashes
from data.domain import Touchpoint
from data.ledger import Ledger, sorted_touchpoints

Value = str | float


class ProfileVersion(NamedTuple):
    """Fields stated about a lead at one time; a patch over earlier ones.

    ``inherited`` is set when it was stated about another id that belongs to the lead: since when that is known, and the id.
    """

    observed_at: int
    received_at: int
    fields: Mapping[str, Value]
    as_exported: bool = False
    inherited: tuple[int, str] | None = None

    def order(self) -> tuple[bool, tuple[int, str], int, int, str]:
        """Later statements win: by time, then by received time, then by content, so that order of arrival is no matter.

        What was stated about the lead itself wins over whatever it inherits: after a merge the CRM tells what holds. Of inherited ids the
        one known last wins, as a whole: statements left out because they repeated an earlier one about the same id change nothing.
        """
        own = self.inherited is None
        return (
            own,
            self.inherited or (0, ""),
            self.observed_at,
            self.received_at,
            repr(sorted(self.fields.items())),
        )


class LeadHistory(NamedTuple):
    """All we hold about one lead, in no particular order.

    ``owners`` are the created leads it belongs to, nearest first, each with the instant from which that is known.
    """

    lead_id: str
    created_at: int
    profiles: Sequence[ProfileVersion] = ()
    touchpoints: Sequence[Touchpoint] = ()
    owners: Sequence[tuple[str, int]] = ()

    def profile_at(self, cutoff: int) -> dict[str, Value]:
        """Fields known at the cutoff: later statements win, in ``ProfileVersion.order``."""
        seen = [p for p in self.profiles if p.observed_at <= cutoff and p.received_at <= cutoff]
        if len(seen) == 1:
            return dict(seen[0].fields)
        known: dict[str, Value] = {}
        for patch in sorted(seen, key=ProfileVersion.order):
            known.update(patch.fields)
        return known

    def standing_at(self, cutoff: int) -> str:
        """The id of the lead that this one is part of at the cutoff: its own unless it had been merged into another."""
        return next((owner for owner, since in reversed(self.owners) if since <= cutoff), self.lead_id)


@dataclass(frozen=True, slots=True)
class Snapshots:
    """Rows (lead, cutoff).

    Attributes
    ----------
    lead_ids : n texts; a lead may occur at several cutoffs.
    cutoffs, created_at : int64 arrays, shape (n,).
    fields : profile columns, name -> object array, shape (n,), of str, float or None. An absent column is unknown for every row.
    ledger : touchpoints of these leads.
    start, stop : int64 arrays, shape (n,): the lead's slice of the ledger. The slice may hold touchpoints after the cutoff.
    accounts : the leads beside them; None where nobody told.
    """

    lead_ids: tuple[str, ...]
    cutoffs: np.ndarray
    created_at: np.ndarray
    fields: Mapping[str, np.ndarray]
    ledger: Ledger
    start: np.ndarray
    stop: np.ndarray
    accounts: Accounts | None = None

    def __len__(self) -> int:
        return len(self.lead_ids)

    def take(self, rows: np.ndarray) -> Snapshots:
        """The snapshots at these positions, in that order; the ledger is shared."""
        return Snapshots(
            lead_ids=tuple(self.lead_ids[i] for i in rows),
            cutoffs=self.cutoffs[rows],
            created_at=self.created_at[rows],
            fields={name: column[rows] for name, column in self.fields.items()},
            ledger=self.ledger,
            start=self.start[rows],
            stop=self.stop[rows],
            accounts=None if self.accounts is None else self.accounts.take(rows),
        )


def field_columns(profiles: Sequence[Mapping[str, Any]]) -> dict[str, np.ndarray]:
    """Profile dicts as object columns, names sorted, None where a row does not know the field."""
    names = sorted({name for profile in profiles for name in profile})
    columns = {}
    for name in names:
        column = np.empty(len(profiles), dtype=object)
        column[:] = [profile.get(name) for profile in profiles]
        columns[name] = column
    return columns


def snapshots_of(
    rows: Sequence[tuple[LeadHistory, int]], *, beside: Callable[[list[str]], Spans] | None = None
) -> Snapshots:
    """Snapshots of leads held in memory, one for each (history, cutoff), in that order.

    The same history object may be given with several cutoffs; its touchpoints are sorted and deduplicated once. ``beside`` tells
    which leads are of some accounts (``Store.account_spans``); without it, nothing is known of other leads.
    """
    place: dict[int, tuple[int, int]] = {}
    flat: list[Touchpoint] = []
    for history, _ in rows:
        if id(history) not in place:
            own = sorted_touchpoints(history.touchpoints)
            place[id(history)] = (len(flat), len(flat) + len(own))
            flat.extend(own)
    spans = np.array([place[id(history)] for history, _ in rows], dtype=np.int64).reshape(-1, 2)
    known = [history.profile_at(cutoff) for history, cutoff in rows]
    accounts = None
    if beside is not None:
        asked = {account for fields in known if (account := account_of(fields)) is not None}
        standing = hashes(history.standing_at(cutoff) for history, cutoff in rows)
        accounts = Accounts(beside(sorted(asked)), standing)
    return Snapshots(
        lead_ids=tuple(history.lead_id for history, _ in rows),
        cutoffs=np.array([cutoff for _, cutoff in rows], dtype=np.int64),
        created_at=np.array([history.created_at for history, _ in rows], dtype=np.int64),
        fields=field_columns(known),
        ledger=Ledger.of(flat),
        start=spans[:, 0],
        stop=spans[:, 1],
        accounts=accounts,
    )
