"""What rows that are decided early stand for.

A row (lead, cutoff) is watched from its cutoff to now. Its label is known once the goal, an end or the end of the horizon has decided it;
otherwise it is censored. Early decided rows are mostly quick goals, so among young leads they are no fair sample. Each known row
therefore stands for itself and for those who were like it but could not be watched that long: its weight is 1 / G(t), where t is the
time it took to be decided and G the Kaplan-Meier estimate of the chance to be watched at least that long. Censored rows get no label
and no weight, but they shape G.

This holds as far as how long a row is watched tells nothing about its outcome; how long it is watched is how old it is. Rows taken at
different ages have curves of their own, because later ages have been watched less.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from data.asof import Followed
from data.domain import DAY
from data.errors import ContractError

# No known row stands for more than this many. It is reached when fewer than a tenth of the rows were watched for the whole horizon.
LARGEST_WEIGHT = 10.0
_CURVE_DAYS = (1, 2, 3, 5, 7, 10, 14, 21, 30, 45, 60, 90, 120, 150, 180, 270, 365)


@dataclass(frozen=True, slots=True)
class CensoringWeights:
    """Weights of n rows.

    Attributes
    ----------
    weight : float array, shape (n,): how many rows a known row stands for, at least 1; 0 for a censored one.
    n_truncated : rows whose weight was cut to the bound.
    effective : Kish's effective sample size.
    """

    weight: np.ndarray
    n_truncated: int
    effective: float


def censoring_weights(
    observed_days: np.ndarray,
    is_censored: np.ndarray,
    horizon_days: float,
    *,
    stratum: np.ndarray | None = None,
    bound: float = LARGEST_WEIGHT,
) -> CensoringWeights:
    """Inverse-probability-of-censoring weights.

    Parameters
    ----------
    observed_days : float array, shape (n,), days from the cutoff until the row was decided or, if censored, until now. 0 to
        ``horizon_days``.
    is_censored : bool array, shape (n,). A row watched for the whole horizon is never censored.
    stratum : whole numbers, shape (n,): rows of one stratum share a curve. None: all do.
    bound : largest weight; larger ones are cut to it and counted.

    Ties: rows decided at an instant are known before those censored at the same instant leave. Where the longest watched row of each
    stratum is known and nothing is truncated, the weights sum to n.

    Raises
    ------
    ContractError
        For times outside 0 to the horizon, or a censored row whose horizon has passed.

    References
    ----------
    Robins and Finkelstein (2000); Kaplan and Meier (1958); Kish (1965).
    """
    observed = np.asarray(observed_days, dtype=np.float64)
    censored = np.asarray(is_censored, dtype=bool)
    if len(observed) and not (observed.min() >= 0 and observed.max() <= horizon_days):
        raise ContractError(f"observed_days must lie between 0 and the horizon of {horizon_days:g} days")
    if (censored & (observed >= horizon_days)).any():
        raise ContractError("a row whose horizon has passed is decided, it cannot be censored")
    stands_for = np.zeros(len(observed))
    groups = np.zeros(len(observed), dtype=np.int64) if stratum is None else np.asarray(stratum)
    for group in np.unique(groups):
        own = np.flatnonzero(groups == group)
        stands_for[own] = 1.0 / _still_watched(observed[own], censored[own])
    stands_for[censored] = 0.0
    weight = np.minimum(stands_for, bound)
    return CensoringWeights(weight, int((stands_for > bound).sum()), effective_size(weight))


def effective_size(weight: np.ndarray) -> float:
    """Kish's effective sample size, (sum of w)^2 / sum of w^2; 0 when all weights are 0."""
    squares = float((weight**2).sum())
    return float(weight.sum()) ** 2 / squares if squares else 0.0


def _still_watched(observed: np.ndarray, censored: np.ndarray) -> np.ndarray:
    """Kaplan-Meier chance of not having been censored before each row's own time, shape kept; above 0."""
    times, place = np.unique(observed, return_inverse=True)
    n_left = np.bincount(place, weights=censored, minlength=len(times))
    n_known = np.bincount(place, weights=~censored, minlength=len(times))
    at_risk = len(observed) - np.concatenate(([0.0], np.cumsum(n_left + n_known)[:-1])) - n_known
    stays = 1.0 - np.divide(n_left, at_risk, out=np.zeros(len(times)), where=at_risk > 0)
    before = np.concatenate(([1.0], np.cumprod(stays)[:-1]))
    return np.where(before > 0, before, 1.0)[place]


def stands_for(
    followed: Followed, *, at: int, horizon_days: float, n_rows: int, bound: float = LARGEST_WEIGHT
) -> CensoringWeights:
    """How many rows each of the n training rows stands for by what was known at the instant ``at``; 0 where it was not known yet.

    Rows that began later are nobody's concern: they are not in the curve and get 0.
    """
    begun = followed.cutoff <= at
    until = np.minimum(followed.known_at, at)[begun]
    found = censoring_weights(
        np.minimum((until - followed.cutoff[begun]) / DAY, horizon_days),
        followed.known_at[begun] > at,
        horizon_days,
        stratum=followed.age[begun],
        bound=bound,
    )
    weight = np.zeros(n_rows)
    row = followed.row[begun]
    weight[row[row >= 0]] = found.weight[row >= 0]
    return CensoringWeights(weight, found.n_truncated, effective_size(weight))


def maturity_rows(followed: Followed, *, now: int, horizon_days: float) -> list[dict[str, Any]]:
    """The maturity curve: of the goals that come within the horizon after a lead's youngest age, the share that has come by each day.

    Rows ``{days, share}``, the last at the horizon with share 1; empty when no goal is known. Goals are weighed for those that could
    not be watched long enough, so late goals are not missed only because many leads are young.
    """
    young = (followed.age == 0) & (followed.cutoff <= now)
    took = np.minimum((np.minimum(followed.known_at, now) - followed.cutoff)[young] / DAY, horizon_days)
    weights = censoring_weights(took, followed.known_at[young] > now, horizon_days).weight
    goal = weights * followed.is_goal[young]
    if not goal.sum() > 0:
        return []
    days = [float(d) for d in _CURVE_DAYS if d < horizon_days] + [float(horizon_days)]
    return [{"days": d, "share": round(float(goal[took <= d].sum() / goal.sum()), 6)} for d in days]


def censoring_summary(found: CensoringWeights, y: np.ndarray, weight: np.ndarray) -> Mapping[str, Any]:
    """What the card says about the weights; ``y`` and ``weight`` of the training rows, shape (n,)."""
    total = float((weight * found.weight).sum())
    return {
        "rows": int((found.weight > 0).sum()),
        "effective_rows": round(found.effective, 1),
        "largest_weight": round(float(found.weight.max(initial=0.0)), 4),
        "bound": LARGEST_WEIGHT,
        "truncated": found.n_truncated,
        "goal_rate": round(float((weight * found.weight * y).sum()) / total, 6) if total else None,
    }
