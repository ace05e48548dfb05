"""Is there enough to learn from, and if not, what is missing?

- *Not ready*: fewer than 20 mature leads that reached the goal, or that did not. Scores come from points set by hand.
- *Limited*: fewer than 120. A scorecard that is held back strongly, and no choice among models: the folds would be too small to tell.
- *Ready*: the full set of candidates.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from data.domain import DAY
from training.learning.dataset import Dataset

NOT_READY, LIMITED, READY = "Not ready", "Limited", "Ready"
FEWEST, FULL = 20, 120
# The pace is that of the newest mature leads.
_PACE_DAYS = 90
_USES = {NOT_READY: "points set by hand", LIMITED: "a scorecard, held back", READY: "the full set of models"}


def readiness(dataset: Dataset) -> dict[str, Any]:
    """Plain values for the card.

    Returns
    -------
    state : Not ready, Limited or Ready. uses : what makes the scores in this state.
    goals, others : mature leads that reached the goal at some cutoff, and that did not at some cutoff.
    missing : what the next state needs, such as "38 more qualified leads, about 6 weeks at the present pace"; empty when Ready.
    says : all of it as one sentence.
    """
    mature = dataset.is_mature
    leads = {
        "goals": np.unique(dataset.lead_numbers[mature & (dataset.y > 0.5)]),
        "others": np.unique(dataset.lead_numbers[mature & (dataset.y <= 0.5)]),
    }
    n = {name: len(found) for name, found in leads.items()}
    fewest = min(n.values())
    state = NOT_READY if fewest < FEWEST else LIMITED if fewest < FULL else READY
    wanted = {NOT_READY: FEWEST, LIMITED: FULL, READY: 0}[state]
    kinds = {"goals": f"{dataset.goal} leads", "others": f"leads that do not become {dataset.goal}"}
    if not dataset.is_timed:
        kinds = {"goals": f"rows with {dataset.goal}", "others": f"rows without {dataset.goal}"}
    missing = [
        _sentence(wanted - n[name], kinds[name], _per_week(dataset, leads[name]))
        for name in ("goals", "others")
        if n[name] < wanted
    ]
    found = {"state": state, "uses": _USES[state], **n, "missing": missing}
    return {**found, "says": said(found)}


def said(ready: dict[str, Any]) -> str:
    """One sentence for people.

    >>> said({"state": "Limited", "uses": "a scorecard", "goals": 82, "others": 700, "missing": ["38 more qualified leads"]})
    'Limited: scores come from a scorecard (82 leads with the goal, 700 without); missing: 38 more qualified leads'
    """
    text = f"{ready['state']}: scores come from {ready['uses']} ({ready['goals']} leads with the goal, {ready['others']} without)"
    return f"{text}; missing: {' and '.join(ready['missing'])}" if ready["missing"] else text


def _sentence(n: int, kind: str, per_week: float | None) -> str:
    if per_week is None:
        return f"{n} more {kind}"
    weeks = max(1, round(n / per_week))
    if weeks > 520:
        return f"{n} more {kind}, more than ten years at the present pace"
    return f"{n} more {kind}, about {weeks} week{'' if weeks == 1 else 's'} at the present pace"


def _per_week(dataset: Dataset, leads: np.ndarray) -> float | None:
    """Such leads a week among the newest mature ones; None where there are no times, or no such lead to tell a pace."""
    mature = dataset.is_mature
    if not dataset.is_timed or not mature.any():
        return None
    newest = int(dataset.order[mature].max())
    oldest = int(dataset.order[mature].min())
    days = min(_PACE_DAYS, max((newest - oldest) / DAY, 7.0))
    own = mature & (dataset.order >= newest - round(days * DAY)) & np.isin(dataset.lead_numbers, leads)
    n = len(np.unique(dataset.lead_numbers[own]))
    return n / (days / 7) if n else None
