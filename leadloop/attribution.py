"""The Python front door to attribution: what channels brought, from the store."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pandas as pd

from data.errors import NotEnoughDataError
from data.goals import leads_at_goal
from data.store import Store
from features.attribution import HALF_LIFE_DAYS, RULES
from features.attribution import attribute as _attribute

if TYPE_CHECKING:
    from leadloop.notebook import Moment


def attribute(
    store: Store,
    *,
    goal: str = "qualified",
    by: str = "channel",
    rules: Sequence[str] = RULES,
    now: Moment = None,
    lookback_days: float | None = None,
    half_life_days: float = HALF_LIFE_DAYS,
    n_resamples: int = 200,
    seed: int = 0,
) -> pd.DataFrame:
    """Goals and revenue credited to channels, a row for each rule and channel, by what is known ``now`` (this moment by default).

    ``goal`` is qualified or won, ``by`` a text column of touchpoints (channel, campaign, type, content, direction). Options, columns and
    errors: ``features.attribution.attribute``. Revenue is the amount of ``won`` outcomes.
    """
    from leadloop.notebook import instant

    at = leads_at_goal(store, goal=goal, now=instant(now))
    if not at.is_goal.any():
        raise NotEnoughDataError(
            f"none of {len(at.is_goal):,} leads is known to have reached the goal {goal!r}, so there is nothing to credit; "
            "import outcomes, choose another goal, or look at a later time"
        )
    return _attribute(
        at.snapshots,
        at.is_goal,
        at.amount,
        by=by,
        rules=rules,
        lookback_days=lookback_days,
        half_life_days=half_life_days,
        n_resamples=n_resamples,
        seed=seed,
    )
