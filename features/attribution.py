"""Attribution: which channels the goals are credited to, by seven rules.

Every rule hands out exactly the goals there were, and their revenue: what cannot be credited, because nobody saw a touchpoint, stands in a
row of its own. All rules see the same paths (``features.paths``). Sums are rounded once, so the order of leads changes no digit.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd
from scipy import sparse

from data.errors import ConfigError, ContractError, NotEnoughDataError, did_you_mean
from data.snapshots import Snapshots
from features.markov import removal_effects, transitions_of
from features.paths import Paths, paths_of, per_path
from features.shapley import EXACT_UP_TO, ChannelSets
from features.touch_rules import TOUCH_RULES

NO_TOUCHPOINT = "(no touchpoint)"
RULES = (*TOUCH_RULES, "markov", "shapley")
HALF_LIFE_DAYS = 7.0

# Removal effects invert a matrix over the channels, in each resample.
_MOST_CHANNELS = 1_000
_NUMBERS_AT_ONCE = 8_000_000
_MOST_AT_ONCE = 32


def attribute(
    snapshots: Snapshots,
    is_goal: np.ndarray,
    amount: np.ndarray | None = None,
    *,
    by: str = "channel",
    rules: Sequence[str] = RULES,
    lookback_days: float | None = None,
    half_life_days: float = HALF_LIFE_DAYS,
    n_orders: int = 100,
    n_resamples: int = 0,
    level: float = 0.95,
    seed: int = 0,
) -> pd.DataFrame:
    """Credit goals, and their revenue, to channels.

    Parameters
    ----------
    snapshots : n rows, one for each lead. The cutoff is the instant of the goal where it was reached, else the moment up to which we look.
        Leads without the goal matter to ``markov`` and ``shapley``.
    is_goal : bool array, shape (n,).
    amount : float array, shape (n,), optional. Revenue of each goal, NaN for none; that of leads without the goal is not read.
    by : the column of touchpoints to credit: channel, campaign, type, content or direction.
    rules : some of ``RULES``.
    lookback_days : how long before the goal a touchpoint may lie; see ``paths_of``.
    half_life_days : of ``time_decay``: this much earlier, half the credit.
    n_orders : of ``shapley`` with more than 12 channels: orders drawn for each set of channels. Up to 12 it is exact.
    n_resamples : leads are drawn with replacement this often for ``low`` and ``high``; 0 leaves them NaN.
    level : how many of the resamples lie between low and high.
    seed : of resamples and orders.

    Returns
    -------
    DataFrame
        A row for each rule and channel that occurs, in the order of ``rules``, channels by name and ``(no touchpoint)`` last:

        ========================  ======================================================================================
        rule, channel             texts; touchpoints without a channel count as ``(not set)``
        leads                     leads whose path holds the channel, with the goal or not; of the last row, leads without a path
        goals                     goals credited; adds up to all goals
        low, high                 between them lie ``level`` of the resampled ``goals``
        share                     of all goals; adds up to 1
        share_low, share_high     between them lie ``level`` of the resampled shares
        revenue                   credited; adds up to all revenue. NaN without amounts
        ========================  ======================================================================================

    Raises
    ------
    ConfigError
        For an unknown rule or column, or an option out of its range.
    ContractError
        For amounts that are infinite.
    NotEnoughDataError
        When no lead reached the goal.
    """
    is_goal = np.asarray(is_goal, dtype=bool)
    money = None if amount is None else np.asarray(amount, dtype=np.float64)
    _check(len(snapshots), is_goal, money, rules, half_life_days, n_orders, n_resamples, level)
    paths = paths_of(snapshots, is_goal, by=by, lookback_days=lookback_days)
    touched = paths.touched()
    chosen = {}
    for name in rules:
        if name == "markov":
            chosen[name] = _markov_rule(paths, touched)
        elif name == "shapley":
            chosen[name] = _shapley_rule(paths, touched, n_orders=n_orders, seed=seed)
        else:
            chosen[name] = _touch_rule(paths, TOUCH_RULES[name](paths, half_life_days))
    n_goals = int(is_goal.sum())
    missed = is_goal & (paths.size == 0)
    n_leads = np.append(touched.sum(axis=0), (paths.size == 0).sum()).astype(np.int64)
    drawn = _resampled(chosen, is_goal, missed, n=n_resamples, seed=seed)
    tail = (1 - level) / 2
    parts = []
    for name, rule in chosen.items():
        credit = rule.credit(_exact_sums(rule.per_lead)[None])[0]
        goals = _settled(credit, int(missed.sum()), n_goals)
        low, high = _between(drawn[name], tail)
        share_low, share_high = _between(_share(drawn[name]), tail)
        parts.append(
            pd.DataFrame(
                {
                    "rule": name,
                    "channel": [*paths.channels, NO_TOUCHPOINT],
                    "leads": n_leads,
                    "goals": goals,
                    "low": low,
                    "high": high,
                    "share": goals / n_goals,
                    "share_low": share_low,
                    "share_high": share_high,
                    "revenue": np.nan if money is None else _revenue(rule, goals, money, is_goal, missed),
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


@dataclass(frozen=True, slots=True)
class _Rule:
    """A rule as numbers to add up over leads, (n, s), and the goals of channels from the sums, (b, s) -> (b, k).

    A resample of leads is another sum. ``is_by_goal``: the numbers are credits of each lead's own goal.
    """

    per_lead: sparse.csr_array
    credit: Callable[[np.ndarray], np.ndarray]
    is_by_goal: bool


def _touch_rule(paths: Paths, weight: np.ndarray) -> _Rule:
    won = paths.is_goal[paths.row]
    shape = len(paths), len(paths.channels)
    return _Rule(
        per_path(paths.row[won], paths.channel[won], weight[won], shape=shape), lambda sums: sums, True
    )


def _markov_rule(paths: Paths, touched: sparse.csr_array) -> _Rule:
    k = len(paths.channels)
    if k > _MOST_CHANNELS:
        raise ConfigError(
            f"the rule 'markov' can tell at most {_MOST_CHANNELS:,} channels apart, found {k:,}; "
            "leave it out of the rules, or attribute by a coarser column"
        )
    n_steps = (k + 1) * (k + 2)
    reached = touched.multiply(paths.is_goal[:, None])

    def credit(sums: np.ndarray) -> np.ndarray:
        steps, goals_touched = sums[:, :n_steps].reshape(-1, k + 1, k + 2), sums[:, n_steps:]
        return _divided(removal_effects(steps), goals_touched, steps[:, :, k].sum(axis=1))

    return _Rule(sparse.hstack([transitions_of(paths), reached], format="csr"), credit, False)


def _shapley_rule(paths: Paths, touched: sparse.csr_array, *, n_orders: int, seed: int) -> _Rule:
    sets = ChannelSets.of(touched)
    u = len(sets)
    game = None
    if len(paths.channels) > EXACT_UP_TO:
        game = sets.sample(n_orders=n_orders, rng=np.random.default_rng([seed, 1]))

    def credit(sums: np.ndarray) -> np.ndarray:
        leads, goals = sums[:, :u], sums[:, u:]
        values = sets.exact_values(leads, goals) if game is None else game.values(leads, goals)
        return _divided(values, (sets.members.T @ goals.T).T, goals.sum(axis=1))

    held = np.flatnonzero(sets.of_path >= 0)
    won = held[paths.is_goal[held]]
    row = np.concatenate([held, won])
    column = np.concatenate([sets.of_path[held], u + sets.of_path[won]])
    return _Rule(per_path(row, column, np.ones(len(row)), shape=(len(paths), 2 * u)), credit, False)


def _divided(worth: np.ndarray, goals_touched: np.ndarray, n_goals: np.ndarray) -> np.ndarray:
    """Goals divided by what each channel is worth, shape (b, k): one that harms, or that no goal's path holds, gets none."""
    worth = np.where(goals_touched > 0, np.maximum(worth, 0.0), 0.0)
    total = worth.sum(axis=1, keepdims=True)
    return np.divide(worth, total, out=np.zeros(worth.shape), where=total > 0) * n_goals[:, None]


def _exact_sums(per_lead: sparse.csr_array) -> np.ndarray:
    """Sums by column, each rounded once, so that they do not depend on the order of the rows."""
    columns = per_lead.tocsc()
    starts = columns.indptr.tolist()
    return np.array([math.fsum(columns.data[a:b]) for a, b in pairwise(starts)], dtype=np.float64)


def _settled(credit: np.ndarray, missed: float, whole: float) -> np.ndarray:
    """Credits of the channels and what was missed, adding up to the whole: what rounding left over goes to the largest credit, the first
    of equals."""
    settled = np.append(credit, missed)
    if len(credit):
        settled[np.argmax(np.abs(credit))] += math.fsum([whole, *(-settled)])
    return settled


def _revenue(
    rule: _Rule, goals: np.ndarray, amount: np.ndarray, is_goal: np.ndarray, missed: np.ndarray
) -> np.ndarray:
    money = np.where(is_goal & np.isfinite(amount), amount, 0.0)
    unseen = math.fsum(money[missed])
    whole = math.fsum(money)
    if rule.is_by_goal:
        credit = _exact_sums(rule.per_lead.multiply(money[:, None]).tocsr())
    else:
        credit = goals[:-1] / max(goals[:-1].sum(), 1.0) * (whole - unseen)
    return _settled(credit, unseen, whole)


def _resampled(
    rules: Mapping[str, _Rule], is_goal: np.ndarray, missed: np.ndarray, *, n: int, seed: int
) -> dict[str, np.ndarray]:
    """Goals by channel, and without a touchpoint last, in each resample of the leads; shape (n, k + 1) for each rule."""
    rng = np.random.default_rng([seed, 2])
    n_leads = len(is_goal)
    widest = max([n_leads, 2 ** (EXACT_UP_TO + 1), *(rule.per_lead.shape[1] for rule in rules.values())])
    at_once = min(max(_NUMBERS_AT_ONCE // widest, 1), _MOST_AT_ONCE)
    found: dict[str, list[np.ndarray]] = {name: [] for name in rules}
    for done in range(0, n, at_once):
        draws = [
            np.bincount(rng.integers(n_leads, size=n_leads), minlength=n_leads)
            for _ in range(min(at_once, n - done))
        ]
        times = np.ascontiguousarray(np.array(draws, dtype=np.float64).T)
        none = times[missed].sum(axis=0)[:, None]
        for name, rule in rules.items():
            sums = np.ascontiguousarray((rule.per_lead.T @ times).T)
            found[name].append(np.hstack([rule.credit(sums), none]))
    return {name: np.concatenate(parts) if parts else np.zeros((0, 0)) for name, parts in found.items()}


def _share(goals: np.ndarray) -> np.ndarray:
    """Rows that add up to 1; resamples without any goal are left out."""
    total = goals.sum(axis=1, keepdims=True)
    return (goals / np.where(total > 0, total, 1.0))[total[:, 0] > 0]


def _between(drawn: np.ndarray, tail: float) -> tuple[np.ndarray | float, np.ndarray | float]:
    if not len(drawn):
        return np.nan, np.nan
    low, high = np.quantile(drawn, [tail, 1 - tail], axis=0)
    return low, high


def _check(
    n: int,
    is_goal: np.ndarray,
    amount: np.ndarray | None,
    rules: Sequence[str],
    half_life_days: float,
    n_orders: int,
    n_resamples: int,
    level: float,
) -> None:
    if isinstance(rules, str) or not rules:
        raise ConfigError(f"rules must be a list of some of {', '.join(RULES)}; found {rules!r}")
    for name in rules:
        if name not in RULES:
            raise ConfigError(f"unknown rule {name!r}{did_you_mean(name, RULES)}")
    if not 0 < half_life_days < np.inf:
        raise ConfigError(f"half_life_days must be above 0, not {half_life_days!r}")
    if n_orders < 1 or n_resamples < 0 or not 0 < level < 1:
        raise ConfigError(
            "n_orders must be at least 1, n_resamples at least 0 and level between 0 and 1; "
            f"found {n_orders!r}, {n_resamples!r} and {level!r}"
        )
    for name, column in (("is_goal", is_goal), ("amount", amount)):
        if column is not None and column.shape != (n,):
            raise ContractError(
                f"{name} must have one entry for each of the {n} leads; its shape is {column.shape}"
            )
    if amount is not None and np.isinf(amount[is_goal]).any():
        raise ContractError("amount holds an infinite number; NaN stands for a goal without an amount")
    if not is_goal.any():
        raise NotEnoughDataError(f"none of {n:,} leads reached the goal, so there is nothing to credit")
