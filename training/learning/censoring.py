"""How soon rows are decided, and how soon they are known to be rows at all.

A row (lead, cutoff) is watched from its cutoff to now. Its label is known once the goal, an end or the end of the horizon has decided it;
until then it is censored and has none. Early decided rows are no fair sample of their time: they are quick goals and quick losses.

Censored rows say how long rows are watched. From that the Kaplan-Meier curve of the time under observation gives every decided row the
weight 1 / G(t), and these weights give, without bias, how much of all goals, and of all leads without one, is decided by each day: the
maturity curves. ``training.learning.open_rows`` learns by them from rows that are still open.

Weighing rows by 1 / G(t) outright would be simpler. It lets mature rows stand for the open rows of young leads, whatever those are like;
so what came up lately, such as a new campaign, would be seen in its quick goals only and taken for a cause of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from data.asof import Followed
from data.domain import DAY
from data.errors import ContractError

# Largest 1 / G(t). It is reached when fewer than a fiftieth of the rows were watched that long.
LARGEST_WEIGHT = 50.0
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


@dataclass(frozen=True, slots=True)
class Shares:
    """What share of each row's kin is known after as many days as the row was watched; float arrays, shape (n,), 1 for a mature row.

    Kin are rows of the same age and group that reach the goal (``goals``), or do not (``others``).

    Attributes
    ----------
    decided_goals, decided_others : share whose label is known.
    seen_goals, seen_others : share that is known to be worked, decided or not; 1 where work is not recorded.
    n_truncated : rows whose weight on the way to the curves was cut; see ``censoring_weights``.
    """

    decided_goals: np.ndarray
    decided_others: np.ndarray
    seen_goals: np.ndarray
    seen_others: np.ndarray
    n_truncated: int = 0


def known_shares(
    followed: Followed, *, now: int, horizon_days: float, n_rows: int, alike: np.ndarray | None = None
) -> Shares:
    """The maturity curves at the time each of the n training rows has been watched by ``now``.

    ``alike``, whole numbers of shape (n_rows,), tells groups of rows with curves of their own: likely goals come sooner than unlikely
    ones. Rows taken at different ages always have their own. Where a group has no decided row of a kind, that kind's share is 1.
    """
    kind = np.zeros(n_rows, dtype=np.int64) if alike is None else np.asarray(alike)
    shares = {
        name: np.ones(n_rows) for name in ("decided_goals", "decided_others", "seen_goals", "seen_others")
    }
    n_truncated = 0
    for age in np.unique(followed.age):
        own = np.flatnonzero(followed.age == age)
        took, is_censored = _observed(followed, own, now, horizon_days)
        found = censoring_weights(took, is_censored, horizon_days)
        n_truncated += found.n_truncated
        is_row = followed.row[own] >= 0
        own, took, certainty = own[is_row], took[is_row], found.weight[is_row]
        saw = (np.maximum(followed.worked_at[own], followed.cutoff[own]) - followed.cutoff[own]) / DAY
        watched = np.minimum((now - followed.cutoff[own]) / DAY, horizon_days)
        row, is_goal = followed.row[own], followed.is_goal[own]
        for k in np.unique(kind[row]):
            group = kind[row] == k
            for name, one in (("goals", group & is_goal), ("others", group & ~is_goal)):
                one &= ~is_censored[is_row]
                shares[f"decided_{name}"][row[group]] = _share(took[one], certainty[one], watched[group])
                shares[f"seen_{name}"][row[group]] = _share(saw[one], certainty[one], watched[group])
    return Shares(**shares, n_truncated=n_truncated)


def _observed(
    followed: Followed, rows: np.ndarray, at: int, horizon_days: float
) -> tuple[np.ndarray, np.ndarray]:
    """Days until decided or, if undecided at ``at``, until then; and which are undecided."""
    until = np.minimum(followed.known_at[rows], at)
    days = np.minimum((until - followed.cutoff[rows]) / DAY, horizon_days)
    return days, followed.known_at[rows] > at


def _share(took: np.ndarray, weight: np.ndarray, by: np.ndarray) -> np.ndarray:
    """Weighted share of ``took`` up to each day of ``by``; 1 where there is nothing to share."""
    if not len(took):
        return np.ones(len(by))
    order = np.argsort(took, kind="stable")
    total = np.concatenate(([0.0], np.cumsum(weight[order])))
    return total[np.searchsorted(took[order], by, side="right")] / total[-1]


def maturity_rows(followed: Followed, *, now: int, horizon_days: float) -> list[dict[str, Any]]:
    """The maturity curve: of the goals that come within the horizon after a lead's youngest age, the share that has come by each day.

    Rows ``{days, share}``, the last at the horizon with share 1; empty when no goal is known. Goals are weighed for those that could
    not be watched long enough, so late goals are not missed only because many leads are young.
    """
    young = np.flatnonzero((followed.age == 0) & (followed.cutoff <= now))
    took, is_censored = _observed(followed, young, now, horizon_days)
    weights = censoring_weights(took, is_censored, horizon_days).weight
    goal = weights * followed.is_goal[young]
    if not goal.sum() > 0:
        return []
    days = [float(d) for d in _CURVE_DAYS if d < horizon_days] + [float(horizon_days)]
    return [{"days": d, "share": round(float(goal[took <= d].sum() / goal.sum()), 6)} for d in days]
