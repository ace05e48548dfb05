"""Leads at their goal: when each lead reached it, what it brought, and what was known of the lead at that instant.

The other leads are seen at the present moment. Outcomes are folded as everywhere: what was retracted or reopened never happened.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from data.outcomes import after_reopenings, after_retractions, goal_kinds
from data.snapshots import Snapshots
from data.store import Store


@dataclass(frozen=True, slots=True)
class LeadsAtGoal:
    """All leads that were created and known by now, by (created_at, lead_id).

    Attributes
    ----------
    snapshots : n rows without profile fields; the cutoff is the instant of the goal, or now for leads that have not reached it.
    is_goal : bool array, shape (n,).
    amount : float array, shape (n,): what the latest ``won`` that states an amount was worth, NaN for none.
    """

    snapshots: Snapshots
    is_goal: np.ndarray
    amount: np.ndarray


def leads_at_goal(store: Store, *, goal: str, now: int) -> LeadsAtGoal:
    """Every created lead at its goal, by what had happened and been received by ``now``. Raises ConfigError for an unknown goal.

    Touchpoints and outcomes of leads never created are left out.
    """
    kinds = goal_kinds(goal)
    tables = store.read_training()
    cutoffs = np.full(len(tables.lead_ids), now, dtype=np.int64)
    is_goal = np.zeros(len(cutoffs), dtype=bool)
    amount = np.full(len(cutoffs), np.nan)
    for i, lead_id in enumerate(tables.lead_ids):
        standing = after_reopenings(after_retractions(tables.outcomes.get(lead_id, ()), known_at=now))
        reached = [o.occurred_at for o in standing if o.kind in kinds]
        if reached:
            cutoffs[i], is_goal[i] = min(reached), True
        for outcome in standing:
            if outcome.kind == "won" and outcome.amount is not None:
                amount[i] = outcome.amount
    rows = np.flatnonzero((tables.created_at <= now) & (tables.received_at <= now))
    snapshots = Snapshots(
        lead_ids=tables.lead_ids,
        cutoffs=cutoffs,
        created_at=tables.created_at,
        fields={},
        ledger=tables.ledger,
        start=tables.start,
        stop=tables.stop,
    )
    return LeadsAtGoal(snapshots.take(rows), is_goal[rows], amount[rows])
