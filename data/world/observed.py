"""The best chance that can be told from a lead's own record.

The truth of the synthetic firm knows what no CRM holds: the lead's intent today, the part of its fit that no field shows, fields nobody
filled in, the day on which sales will call. This is the truth's mean over all of that, given what the record says when the lead is
created: its profile, but for the names of person and firm, and the touchpoints received by then. It follows from the laws the world is
drawn by (Bayes' rule), not from a model fitted to outcomes, so nothing that learns from records alone can do better on average.

Intent and fit are independent given the record, but for who gets worked: sales prefers leads that look good. The states of intent are
weighed exactly; what is open about the fit is drawn many times.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.interpolate import CubicSpline
from scipy.special import expit, logit, ndtr

from data.domain import SECOND
from data.world.campaigns import CAMPAIGN_FIT, CAMPAIGNS, SOURCE_FIT, SOURCES
from data.world.intent import HOT, N_STATES
from data.world.observed_fit import ProfileDraws, codes_of
from data.world.observed_intent import intent_at_creation
from data.world.sales import (
    LOOKS_HOT,
    LOOKS_WEIGHT,
    OFFICE_OPENS,
    OFFICE_SECONDS,
    Work,
    contact_delays,
    true_chances,
)
from data.world.seasons import DAY_SECONDS, Seasons
from data.world.world import World, calendar, drift

# Log-odds of the chance are nearly straight in the strength, so a cubic through few points is exact to about 0.001.
_STRENGTHS = np.arange(-10.0, 9.01, 1.0)
_FINE = 0.05
_BLOCK = 500
_FEW_DRAWS = 16


def observable_chances(world: World, *, n_draws: int = 128, seed: int = 0) -> np.ndarray:
    """Chance of ``qualified`` within 90 days of creation, given the record then and that sales works the lead.

    Parameters
    ----------
    n_draws : draws of what the profile leaves open, for each lead; a power of two. With 128, chances are within about 1 % of the limit.

    Returns
    -------
    float array, shape (number of leads,), in the order of ``world.leads``.
    """
    leads, seasons = world.leads, calendar(world.end)
    created = leads["created_at"].to_numpy() // SECOND
    day = created // DAY_SECONDS - seasons.first_day
    origin = SOURCE_FIT[codes_of(leads["source"], SOURCES)]
    campaign = codes_of(leads["campaign"], CAMPAIGNS)
    origin = origin + np.where(campaign >= 0, CAMPAIGN_FIT[campaign], 0.0)
    state = intent_at_creation(leads, world.touchpoints, seasons=seasons)
    bar, scale = _bars(
        leads, state, origin, week=day // 7, is_worked=world.truth["is_worked"].to_numpy(), seed=seed
    )
    table = _Chances.made(seasons, first=int(day.min()), last=int(day.max()) + 1)
    draws = ProfileDraws(leads, n_draws=n_draws, seed=seed)
    # Sales works at one time of its day: a lead of the evening is looked at on the next.
    second = created % DAY_SECONDS
    same_day = 1 - np.clip((second - OFFICE_OPENS) / OFFICE_SECONDS, 0.0, 1.0)
    found = np.empty(len(leads))
    for start in range(0, len(leads), _BLOCK):
        rows = np.arange(start, min(start + _BLOCK, len(leads)))
        visible, fit = draws.of(rows)
        above, weight = np.zeros(len(rows)), np.zeros(len(rows))
        strength = fit + (origin[rows] + drift(day[rows]))[:, None]
        for s in range(N_STATES):
            looks = visible + origin[rows, None] + LOOKS_HOT * (s == HOT)
            share = state[rows, s, None] * ndtr(LOOKS_WEIGHT * looks / scale - bar[rows, None])
            today, tomorrow = (table.of(day[rows] + late, s, strength) for late in (0, 1))
            chance = same_day[rows, None] * today + (1 - same_day[rows, None]) * tomorrow
            above += (share * chance).sum(axis=1)
            weight += share.sum(axis=1)
        found[rows] = above / weight
    return found


class _Chances:
    """True chances by first day, state and strength, over the day of first contact; log-odds, shape (states, days, strengths)."""

    def __init__(self, first: int, log_odds: np.ndarray) -> None:
        self._first = first
        self._log_odds = log_odds

    @classmethod
    def made(cls, seasons: Seasons, *, first: int, last: int) -> _Chances:
        """The table for first days ``first`` to ``last``, both included."""
        days = np.arange(first, last + 1)
        delays, share = contact_delays()
        fine = np.arange(_STRENGTHS[0], _STRENGTHS[-1] + _FINE / 2, _FINE)
        chance = np.zeros((N_STATES, len(days), len(_STRENGTHS)))
        for delay, part in zip(delays, share, strict=True):
            contact = seasons.after(days - 1, np.full(len(days), delay)) - days
            work = Work(
                first_day=np.repeat(days, len(_STRENGTHS)),
                contact_step=np.repeat(contact, len(_STRENGTHS)),
                is_worked=np.ones(len(days) * len(_STRENGTHS), dtype=bool),
                strength=np.tile(_STRENGTHS, len(days)),
            )
            for s in range(N_STATES):
                found = true_chances(
                    work=work, state=np.full(len(work.strength), s), seasons=seasons, cutoff_step=0
                )
                chance[s] += part * found[0].reshape(len(days), -1)
        return cls(first, CubicSpline(_STRENGTHS, logit(chance), axis=2)(fine))

    def of(self, day: np.ndarray, state: int, strength: np.ndarray) -> np.ndarray:
        """Chances of leads with these first days, shape of ``strength`` (n, n_draws)."""
        place = np.clip((strength - _STRENGTHS[0]) / _FINE, 0, self._log_odds.shape[2] - 1.001)
        low = place.astype(np.int64)
        own = self._log_odds[state, day - self._first]
        left, right = np.take_along_axis(own, low, axis=1), np.take_along_axis(own, low + 1, axis=1)
        return expit(left + (place - low) * (right - left))


def _bars(
    leads: pd.DataFrame,
    state: np.ndarray,
    origin: np.ndarray,
    *,
    week: np.ndarray,
    is_worked: np.ndarray,
    seed: int,
) -> tuple[np.ndarray, float]:
    """How good a lead had to look to be worked that week, in spreads of looks and shape (n,), and that spread."""
    visible, _ = ProfileDraws(leads, n_draws=_FEW_DRAWS, seed=seed + 1).of(np.arange(len(leads)))
    looks = (visible + origin[:, None])[:, :, None] + LOOKS_HOT * (np.arange(N_STATES) == HOT)
    share = np.repeat(state[:, None, :] / _FEW_DRAWS, _FEW_DRAWS, axis=1)
    mean = float((share * looks).sum() / share.sum())
    scale = float(np.sqrt((share * (looks - mean) ** 2).sum() / share.sum()))
    bar = np.empty(len(leads))
    for one in np.unique(week):
        own = np.flatnonzero(week == one)
        wanted = is_worked[own].mean()
        low, high = -10.0, 10.0
        for _ in range(40):
            middle = (low + high) / 2
            worked = (share[own] * ndtr(LOOKS_WEIGHT * looks[own] / scale - middle)).sum() / len(own)
            low, high = (middle, high) if worked > wanted else (low, middle)
        bar[own] = (low + high) / 2
    return bar, scale
