"""What sales does with the leads, and the true chance that it succeeds.

Sales works as many leads a week as it has capacity for, looking first at those that look better. From the day after first contact on, each
working day may bring qualification or an end, at rates that depend on fit, intent on that day, the season, the year's drift and how long
ago first contact was. ``true_chances`` runs the same rates forward as probabilities instead of drawing from them, so that what it
returns is the chance that the drawn outcomes really had, given all the world knows at the cutoff.

Sales works each lead at one time of its day; step ``t`` of a lead is the 24 hours from ``created + t days``, and holds that time once.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from data.world.intent import N_STATES, STEP
from data.world.seasons import Seasons

N_STEPS = 200
HORIZON_DAYS = 90
OFFICE_OPENS, OFFICE_SECONDS = 30_600, 28_800  # 8:30 to 16:30
_LONGEST_DEAL = 300  # longest deal, in business days

_QUALIFY_BASE = -6.0
_QUALIFY_STATE = np.array([-1.5, 0.0, 1.7])
_END_BASE = -4.2
_END_STATE = np.array([0.35, 0.0, -0.9])
LOOKS_WEIGHT, LOOKS_HOT = 0.45, 0.6  # how much sales minds what it sees, and what a hot lead adds to it
_REOPEN_RATE = 0.0005
_RETRACT_SHARE = 0.015
_UNDECIDED_SHARE = 0.12  # of the opportunities that are not won, those that never get closed either


@dataclass(frozen=True, slots=True)
class Work:
    """What drives sales on each lead, shape (n,) each.

    ``first_day`` is the calendar position of the lead's step 0, ``contact_step`` the step of first contact (for leads nobody contacted,
    the step it would usually have been), ``strength`` fit and drift in log-odds.
    """

    first_day: np.ndarray
    contact_step: np.ndarray
    is_worked: np.ndarray
    strength: np.ndarray


@dataclass(frozen=True, slots=True)
class Statements:
    """What sales said, one row each: position of the lead, its step, kind, and the row that a retraction takes back or -1."""

    lead: np.ndarray
    step: np.ndarray
    kind: np.ndarray
    undoes: np.ndarray


def choose_worked(
    rng: np.random.Generator, *, day: np.ndarray, looks: np.ndarray, seasons: Seasons
) -> np.ndarray:
    """Which leads get worked: each week's capacity goes to those with the best looks, plus much chance. Bool, shape (n,)."""
    week = day // 7
    priority = LOOKS_WEIGHT * (looks - looks.mean()) / looks.std() + rng.normal(size=len(day))
    order = np.lexsort((-priority, week))
    start = np.searchsorted(week[order], week[order], side="left")
    rank = np.arange(len(day)) - start
    n_weeks = int(week.max()) + 1
    # Sales hires slower than marketing grows, and works less in weeks with holidays.
    pace = np.bincount(np.arange(seasons.n_days) // 7, weights=seasons.sales)[:n_weeks] / 5
    usual = np.median(np.bincount(week, minlength=n_weeks)[week.min() :])
    capacity = np.maximum(1, np.rint(0.8 * usual * (0.35 + 0.65 * pace)))
    is_worked = np.empty(len(day), dtype=bool)
    is_worked[order] = rank < capacity[week[order]]
    return is_worked


def draw_contact_steps(
    rng: np.random.Generator, *, first_day: np.ndarray, is_worked: np.ndarray, seasons: Seasons
) -> np.ndarray:
    """Step of first contact: mostly within two working days, sometimes weeks. The usual one for leads nobody worked."""
    n = len(first_day)
    delay = 1 + rng.geometric(0.55, n) - 1
    late = rng.random(n) < 0.08
    delay = np.where(late, delay + rng.integers(5, 25, n), delay)
    delay = np.where(is_worked, delay, 2)
    return seasons.after(first_day - 1, delay) - first_day


def contact_delays() -> tuple[np.ndarray, np.ndarray]:
    """Business days to first contact and their chances, as ``draw_contact_steps`` draws them, every fourth day standing for its
    neighbours from the thirteenth on."""
    prompt = np.zeros(60)
    prompt[1:31] = 0.55 * 0.45 ** np.arange(30)
    late = sum(np.roll(prompt, extra) for extra in range(5, 25)) / 20
    chance = 0.92 * prompt + 0.08 * late
    delays = np.concatenate([np.arange(1, 13), np.arange(14, 42, 4)])
    share = [chance[d] if d < 13 else chance[d - 1 : d + 3].sum() for d in delays]
    return delays, np.array(share) / sum(share)


def _rates(work: Work, seasons: Seasons, step: int) -> tuple[np.ndarray, np.ndarray]:
    """Daily chances of qualification and of an end on this step by state of intent, shape (n, states)."""
    since = step - work.contact_step
    pace = np.where(since > 0, seasons.sales[work.first_day + step], 0.0)
    effort = 0.12 + 0.88 * np.exp(-since.clip(0) / 22)
    qualify = 1 - np.exp(
        -np.outer(pace * effort * np.exp(_QUALIFY_BASE + work.strength), np.exp(_QUALIFY_STATE))
    )
    patience = np.clip(since / 10, 0, 1)
    end = 1 - np.exp(
        -np.outer(pace * patience * np.exp(_END_BASE - 0.35 * work.strength), np.exp(_END_STATE))
    )
    return qualify, (1 - qualify) * end


def _deal_days(median: float, sigma: float) -> np.ndarray:
    """Chance that a deal takes at most k business days, k = 0 to ``_LONGEST_DEAL``; lognormal, nothing on day 0."""
    cum = [math.erfc(-math.log(k / median) / sigma / math.sqrt(2)) / 2 for k in range(1, _LONGEST_DEAL + 1)]
    return np.array([0.0, *cum]) / cum[-1]


WON_CUM = _deal_days(36.0, 0.5)
LOST_CUM = _deal_days(30.0, 0.6)


def _won_share(work: Work) -> np.ndarray:
    return 1 / (1 + np.exp(-(-1.9 + 0.55 * work.strength)))


def draw_statements(
    rng: np.random.Generator, *, work: Work, states: np.ndarray, seasons: Seasons
) -> tuple[Statements, np.ndarray]:
    """Everything sales says, in no particular order, and the step on which each lead was closed for good (N_STEPS * 10 if never)."""
    n = len(work.first_day)
    leads, steps, kinds, undoes = [], [], [], []
    n_rows = 0

    def say(
        who: np.ndarray, when: np.ndarray, kind: str | np.ndarray, of: np.ndarray | None = None
    ) -> np.ndarray:
        nonlocal n_rows
        rows = np.arange(n_rows, n_rows + len(who))
        n_rows += len(who)
        leads.append(who)
        steps.append(when)
        kinds.append(np.full(len(who), kind, dtype=object) if isinstance(kind, str) else kind)
        undoes.append(np.full(len(who), -1) if of is None else of)
        return rows

    worked = np.flatnonzero(work.is_worked)
    say(worked, work.contact_step[worked], "contacted")
    is_open = work.is_worked.copy()
    is_ended = np.zeros(n, dtype=bool)
    qualified_step = np.full(n, -1)
    closed_step = np.full(n, N_STEPS * 10)
    for step in range(N_STEPS):
        qualify, end = _rates(work, seasons, step)
        at = np.arange(n), states[step]
        u = rng.random(n)
        chance = qualify[at]
        is_true = is_open & (u < chance * (1 - _RETRACT_SHARE))
        is_false = is_open & ~is_true & (u < chance)
        is_end = is_open & (u >= chance) & (u < chance + end[at])
        is_back = is_ended & (u < _REOPEN_RATE * (seasons.sales[work.first_day + step] > 0))

        who = np.flatnonzero(is_true)
        say(who, np.full(len(who), step), "qualified")
        qualified_step[who] = step
        who = np.flatnonzero(is_false)
        mistaken = say(who, np.full(len(who), step), "qualified")
        later = seasons.after(work.first_day[who] + step, rng.integers(1, 6, len(who))) - work.first_day[who]
        say(who, later, "retracted", mistaken)
        who = np.flatnonzero(is_end)
        poor = rng.random(len(who)) < 1 / (1 + np.exp(work.strength[who] + 0.5))
        say(who, np.full(len(who), step), np.where(poor, "disqualified", "lost").astype(object))
        closed_step[who] = step
        who = np.flatnonzero(is_back)
        say(who, np.full(len(who), step), "reopened")
        closed_step[who] = N_STEPS * 10

        is_open &= ~(is_true | is_end)
        is_open |= is_back
        is_ended = (is_ended & ~is_back) | is_end

    _draw_deals(
        rng, work=work, seasons=seasons, qualified_step=qualified_step, closed_step=closed_step, say=say
    )
    said = Statements(
        lead=np.concatenate(leads),
        step=np.concatenate(steps),
        kind=np.concatenate(kinds),
        undoes=np.concatenate(undoes),
    )
    return said, closed_step


def _draw_deals(rng, *, work: Work, seasons: Seasons, qualified_step, closed_step, say) -> None:
    """Opportunities of qualified leads and how they end."""
    who = np.flatnonzero(qualified_step >= 0)
    day = work.first_day[who] + qualified_step[who]
    is_won = rng.random(len(who)) < _won_share(work)[who]
    u = rng.random(len(who))
    length = np.where(
        is_won, np.searchsorted(WON_CUM, u, side="left"), np.searchsorted(LOST_CUM, u, side="left")
    ).clip(1)
    is_closed = is_won | (rng.random(len(who)) > _UNDECIDED_SHARE)
    is_opportunity = np.where(is_won, rng.random(len(who)) < 0.96, rng.random(len(who)) < 0.55)
    part = np.minimum(np.ceil(length * rng.uniform(0.1, 0.5, len(who))).astype(np.int64), length - 1)
    opened = is_opportunity & (part >= 1)
    step_of = seasons.after(day, length) - work.first_day[who]
    say(who[opened], (seasons.after(day, part) - work.first_day[who])[opened], "opportunity")
    say(who[is_won], step_of[is_won], "won")
    lost = is_closed & ~is_won
    say(who[lost], step_of[lost], "lost")
    closed_step[who[is_closed]] = step_of[is_closed]


def true_chances(
    *,
    work: Work,
    state: np.ndarray,
    seasons: Seasons,
    cutoff_step: int,
    qualified_step: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Chances of ``qualified`` and ``won`` within 90 days of ``created + cutoff_step days``, for a lead that sales works.

    Parameters
    ----------
    state : int8 array, shape (n,): intent on the step of the cutoff.
    qualified_step : int array, shape (n,), -1 where not yet: leads already qualified before the cutoff get NaN for ``qualified``,
        and for ``won`` the chance of a deal that is still open then.

    Returns
    -------
    Two float arrays, shape (n,). Leads ended before the cutoff are the caller's to leave out.
    """
    n = len(state)
    last_day = work.first_day + cutoff_step + HORIZON_DAYS - 1
    share = _won_share(work)
    is_open = np.zeros((n, N_STATES))
    is_open[np.arange(n), state] = 1.0
    is_ended = np.zeros((n, N_STATES))
    qualified, won = np.zeros(n), np.zeros(n)
    for step in range(cutoff_step, cutoff_step + HORIZON_DAYS):
        if step > cutoff_step:
            is_open, is_ended = is_open @ STEP, is_ended @ STEP
        qualify, end = _rates(work, seasons, step)
        day = work.first_day + step
        back = is_ended * (_REOPEN_RATE * (seasons.sales[day] > 0))[:, None]
        truly = qualify * (1 - _RETRACT_SHARE)
        today = (is_open * truly).sum(axis=1)
        ending = is_open * end
        qualified += today
        won += today * share * WON_CUM[seasons.business_count[last_day] - seasons.business_count[day]]
        is_open = is_open * (1 - truly) - ending + back
        is_ended = is_ended + ending - back
    if qualified_step is not None:
        early = np.flatnonzero(qualified_step >= 0)
        day = seasons.business_count[work.first_day[early] + qualified_step[early]]
        gone = seasons.business_count[work.first_day[early] + cutoff_step - 1] - day
        left = seasons.business_count[last_day[early]] - day
        still = (
            1 - share[early] * WON_CUM[gone] - (1 - share[early]) * (1 - _UNDECIDED_SHARE) * LOST_CUM[gone]
        )
        won[early] = share[early] * (WON_CUM[left] - WON_CUM[gone]) / still
        qualified[early] = np.nan
    return qualified, won
