"""What the touchpoints known at creation say of a lead's intent.

Only what depends on intent counts: how the visit that made the lead ended, how many pages it and earlier visits had and how many of these
were about prices, whether there were earlier visits and how these ended. Everything else in a visit is drawn alike for all.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from data.domain import SECOND
from data.world.campaigns import SOURCE_HOT, SOURCE_WARM, SOURCES
from data.world.engagement import (
    EARLIER_COUNT,
    EARLIER_DAYS,
    EARLIER_VISITS,
    EVENT_WEBINARS,
    FIRST_CONVERSION,
    FIRST_PAGE_SECONDS,
    MORE_PAGES,
    PAGE_SECONDS,
    PRICING_SHARE,
    SESSION_END,
)
from data.world.intent import N_STATES
from data.world.observed_fit import codes_of
from data.world.seasons import DAY_SECONDS, Seasons

_CONVERSIONS = ("form_submit", "content_download", "webinar_attended", "demo_request")
_ENDS = ("content_download", "demo_request", "form_submit")
_LATEST_CONVERSION = 60 * SECOND
_PAUSE = max(PAGE_SECONDS, 2 * FIRST_PAGE_SECONDS)


def intent_at_creation(leads: pd.DataFrame, touchpoints: pd.DataFrame, *, seasons: Seasons) -> np.ndarray:
    """Chances of the three states of intent at creation, given the source and the touchpoints received by then; shape (n, 3).

    ``leads`` and ``touchpoints`` as in ``World``. Visits are told apart by pauses longer than any between two pages of one visit.
    """
    n = len(leads)
    source = codes_of(leads["source"], SOURCES)
    created = leads["created_at"].to_numpy()
    log_p = np.stack([np.zeros(n), SOURCE_WARM[source], SOURCE_HOT[source]], axis=1)
    row = pd.Series(np.arange(n), index=leads["lead_id"])[touchpoints["lead_id"]].to_numpy()
    occurred, received = touchpoints["occurred_at"].to_numpy(), touchpoints["received_at"].to_numpy()
    known = np.flatnonzero((occurred <= created[row]) & (received <= created[row]))
    known = known[np.lexsort((occurred[known], row[known]))]
    row, occurred = row[known], occurred[known]
    type_ = touchpoints["type"].astype(object).to_numpy()[known]

    pause = np.diff(occurred, prepend=0) > _PAUSE * SECOND
    starts = pause | np.concatenate(([True], row[1:] != row[:-1]))
    visit = np.cumsum(starts) - 1
    of_lead = row[starts]
    n_visits = len(of_lead)

    def count(*types: str) -> np.ndarray:
        return np.bincount(visit[np.isin(type_, types)], minlength=n_visits)

    # The visit that made the lead ends with a conversion just before it.
    is_last_minute = (occurred > created[row] - _LATEST_CONVERSION) & np.isin(type_, _CONVERSIONS)
    is_first = np.bincount(visit[is_last_minute], minlength=n_visits) > 0
    pages, pricing = count("page_view", "pricing_view"), count("pricing_view")
    has_pages = pages > 0
    for state in range(N_STATES):
        said = np.where(has_pages, np.log(1 - MORE_PAGES[state]), 0.0)
        said += np.maximum(pages - 1, 0) * np.log(MORE_PAGES[state])
        said += pricing * np.log(PRICING_SHARE[state]) + (pages - pricing) * np.log(1 - PRICING_SHARE[state])
        ends = np.stack([count(name) > 0 for name in _ENDS], axis=1)
        none = np.log(1 - SESSION_END[state].sum())
        said += np.where(is_first, 0.0, np.where(ends.any(axis=1), ends @ np.log(SESSION_END[state]), none))
        log_p[:, state] += np.bincount(of_lead, weights=said, minlength=n)
        log_p[:, state] += _first_conversion(type_, row, is_last_minute, source, state)
        had = np.bincount(of_lead[~is_first], minlength=n) > 0
        log_p[:, state] += np.log(
            np.where(had, EARLIER_VISITS[state], 1 - EARLIER_VISITS[state] * _came(created, seasons))
        )
    p = np.exp(log_p - log_p.max(axis=1, keepdims=True))
    return p / p.sum(axis=1, keepdims=True)


def _first_conversion(type_, row, is_conversion, source, state: int) -> np.ndarray:
    """Log-likelihood of how the first visit ended, 0 where nothing is known of it (leads from a fair or a partner)."""
    n = len(source)
    kind = np.full(n, -1)
    for code, name in enumerate(_CONVERSIONS):
        kind[row[is_conversion & (type_ == name)]] = code
    chance = np.tile(FIRST_CONVERSION[state], (n, 1))
    event = source == SOURCES.index("event")
    chance[event] *= 1 - EVENT_WEBINARS
    chance[event, _CONVERSIONS.index("webinar_attended")] += EVENT_WEBINARS
    return np.where(kind >= 0, np.log(chance[np.arange(n), kind]), 0.0)


def _came(created: np.ndarray, seasons: Seasons) -> np.ndarray:
    """Chance that at least one of a lead's earlier visits, if it meant to make any, was really made; shape (n,)."""
    days = np.arange(0, 60)
    share = np.exp(-days / EARLIER_DAYS) * (1 - np.exp(-1 / EARLIER_DAYS))
    day = created // (DAY_SECONDS * SECOND) - seasons.first_day
    comes = (seasons.web[day[:, None] - days] * share).sum(axis=1) / share.sum()
    stays = 1 - comes
    return 1 - EARLIER_COUNT * stays / (1 - (1 - EARLIER_COUNT) * stays)
