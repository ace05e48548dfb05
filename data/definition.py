"""What exactly a label means, as one value with a hash.

Two models may be compared, or one may replace the other, only when their labels mean the same: a loss against one question says nothing
about another. A goal together with the hash of its definition is a model family.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from data.outcomes import goal_kinds

# What may become of rows whose horizon is still open; "drop" and "negative" exist to be compared.
_OPEN = {
    "ipcw": "no label until it is decided",
    "wait": "no label until it is decided",
    "drop": "no label until it is decided, and the decided taken as if they were all",
    "negative": "taken as a negative",
}
IMMATURE = tuple(_OPEN)


def label_definition(
    *, goal: str, horizon_days: int | None, immature: str = "ipcw", is_work_recorded: bool = True
) -> dict[str, Any]:
    """The definition of a label, plain values for JSON; ``hash`` is the first 16 hex digits of its SHA-256.

    Parameters
    ----------
    horizon_days : None for a flat table, whose target column is the label.
    immature : as in ``data.asof.training_snapshots``. ``ipcw`` and ``wait`` mean the same label, learned from more or fewer rows.
    is_work_recorded : whether leads nobody worked are left out, which needs a store that records work.
    """
    meaning: dict[str, Any] = {"goal": goal, "horizon_days": horizon_days}
    if horizon_days is not None:
        meaning |= {
            "reached_by": sorted(goal_kinds(goal)),
            "window": "after the cutoff, up to the end of the horizon",
            "open_row": _OPEN[immature],
            "unworked_lead": "left out" if is_work_recorded else "a negative, no work is recorded",
        }
    text = json.dumps(meaning, sort_keys=True)
    return {**meaning, "hash": hashlib.sha256(text.encode()).hexdigest()[:16]}


def definition_change(before: Mapping[str, Any], after: Mapping[str, Any]) -> str | None:
    """What differs between two definitions, in words; None when they mean the same.

    >>> week, month = (label_definition(goal="won", horizon_days=days) for days in (7, 30))
    >>> definition_change(week, month)
    'horizon_days is 30, it was 7'
    """
    if before.get("hash") == after.get("hash"):
        return None
    names = [n for n in dict.fromkeys([*before, *after]) if n != "hash" and before.get(n) != after.get(n)]
    return (
        "; ".join(f"{n} is {after.get(n)!r}, it was {before.get(n)!r}" for n in names) or "it is not stated"
    )
