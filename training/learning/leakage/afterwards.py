"""Fields filled in after the outcome, where the store holds their history.

Where most leads got a field only once they were won, lost or had reached the goal, its value is a consequence. Point-in-time snapshots
keep it out of the training rows of dated statements; but the same field in an export without dates, or at a lead that is scored later, is
not what the model learned from. Blocked when more than half of the closed leads that have it got it afterwards, beyond chance.
"""

from __future__ import annotations

import math

import numpy as np

from data.fills import Fills
from training.learning.leakage.chance import Z
from training.learning.leakage.finding import Finding

BLOCK_SHARE = 0.5
FEWEST_LEADS = 20


def afterwards(fills: Fills, lead_ids: frozenset[str]) -> list[Finding]:
    """Fields that most of these leads got at or after their outcome; statements of an export's day carry no time and are not counted."""
    is_ours = np.array([lead_id in lead_ids for lead_id in fills.lead_ids], dtype=bool)
    dated = ~fills.as_exported & is_ours[fills.lead] if len(fills.lead) else np.zeros(0, dtype=bool)
    found = []
    for code, name in enumerate(fills.fields):
        rows = dated & (fills.field == code)
        n = int(rows.sum())
        if n < FEWEST_LEADS:
            continue
        after = int((fills.first_at[rows] >= fills.ended_at[fills.lead[rows]]).sum())
        if after / n <= BLOCK_SHARE + Z * math.sqrt(0.25 / n):
            continue
        found.append(
            Finding(
                field=name,
                probe="afterwards",
                action="block",
                says=f"{name} was filled in at or after the outcome for {after:,} of {n:,} closed leads that have it",
                evidence={"leads": float(n), "share_afterwards": round(after / n, 4)},
            )
        )
    return found
