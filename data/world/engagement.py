"""Touchpoints: what leads do on the web, in mails and at webinars, and what marketing sends them.

Everything is drawn for all leads of a day at once. The rates depend on the state of intent that day, so that touchpoints show intent,
with noise. What a session holds is laid out afterwards, all sessions together.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from data.world.campaigns import SOURCES, Schedule
from data.world.seasons import DAY_SECONDS, Seasons, seconds_of_day

TYPES = (
    "page_view", "pricing_view", "email_sent", "email_open", "email_click", "content_download", "webinar_attended",
    "demo_request", "form_submit", "ad_click",
)  # fmt: skip
CHANNELS = SOURCES
DIRECTIONS = ("inbound", "outbound")
CONTENTS = (
    "home", "product", "blog", "customers", "docs", "pricing", "ebook-basics", "ebook-roi", "checklist", "contact-form",
    "demo-form", "newsletter-form", "nurture-mail", "webinar",
)  # fmt: skip

N_TOUCH_DAYS = 150
_SESSIONS_A_DAY = np.array([0.004, 0.03, 0.26])
MORE_PAGES = np.array([0.2, 0.36, 0.55])  # chance of yet another page
PRICING_SHARE = np.array([0.04, 0.1, 0.28])
_OPEN = np.array([0.12, 0.25, 0.42])
_CLICK = np.array([0.08, 0.16, 0.3])  # of those who opened
_WEBINAR = np.array([0.004, 0.02, 0.06])
# What ends a session besides pages, by state: download, demo request, form.
SESSION_END = np.array([[0.03, 0.002, 0.02], [0.09, 0.008, 0.03], [0.12, 0.07, 0.05]])
# How leads come in, by state: form, download, webinar, demo request.
FIRST_CONVERSION = np.array([[0.5, 0.4, 0.08, 0.02], [0.54, 0.27, 0.08, 0.11], [0.42, 0.09, 0.04, 0.45]])
EARLIER_VISITS = np.array([0.06, 0.3, 0.75])  # chance of visits before the one that makes the lead
EARLIER_COUNT, EARLIER_DAYS = 0.6, 6.0  # how many (geometric) and how long before (exponential)
EVENT_WEBINARS = 0.7  # of the leads of events that come by a webinar
PAGE_SECONDS = 120  # between two pages of a later visit, at most
FIRST_PAGE_SECONDS = 90  # between two pages of the visit that makes the lead; twice that up to its conversion
_SESSION_CHANNELS = np.array([0.34, 0.1, 0.08, 0.0, 0.12, 0.0, 0.02, 0.34])
_MAIL_EVERY_DAYS = 21


@dataclass(frozen=True, slots=True)
class Touches:
    """Touchpoints in columns, shape (m,): positions of leads, seconds since 1970, codes (-1 for none), value (NaN for none)."""

    lead: np.ndarray
    occurred: np.ndarray
    type: np.ndarray
    channel: np.ndarray
    campaign: np.ndarray
    content: np.ndarray
    value: np.ndarray

    def take(self, rows: np.ndarray) -> Touches:
        return Touches(*(getattr(self, name)[rows] for name in self.__slots__))


def _touches(lead, occurred, type_, channel, campaign, content, value=np.nan) -> Touches:
    n = len(lead)
    return Touches(
        lead=lead.astype(np.int32),
        occurred=occurred.astype(np.int64),
        type=np.broadcast_to(np.asarray(type_, dtype=np.int8), n),
        channel=np.broadcast_to(np.asarray(channel, dtype=np.int8), n),
        campaign=np.broadcast_to(np.asarray(campaign, dtype=np.int8), n),
        content=np.broadcast_to(np.asarray(content, dtype=np.int8), n),
        value=np.broadcast_to(np.asarray(value, dtype=np.float64), n),
    )


def _joined(parts: list[Touches]) -> Touches:
    return Touches(*(np.concatenate([getattr(p, name) for p in parts]) for name in Touches.__slots__))


@dataclass(frozen=True, slots=True)
class Audience:
    """Whom touchpoints are drawn for, shape (n,): creation in seconds, its source and campaign, states (days, n), who gets mail."""

    created: np.ndarray
    source: np.ndarray
    campaign: np.ndarray
    states: np.ndarray
    gets_mail: np.ndarray


def draw_touches(
    rng: np.random.Generator, audience: Audience, *, seasons: Seasons, schedule: Schedule
) -> Touches:
    """All touchpoints of all leads, in no particular order."""
    parts = [_first_visits(rng, audience)]
    lead, start, state, channel = _later_sessions(rng, audience, seasons)
    day = start // DAY_SECONDS - seasons.first_day
    campaign = schedule.draw_campaign(rng, source=channel, day=day)
    parts += _session_touches(rng, lead=lead, start=start, state=state, channel=channel, campaign=campaign)
    parts += _mail(rng, audience, seasons, schedule)
    parts.append(_webinars(rng, audience, seasons))
    return _joined(parts)


def _first_visits(rng: np.random.Generator, audience: Audience) -> Touches:
    """The visit that made the lead: it ends with a conversion some seconds before the lead is created."""
    n = len(audience.created)
    state = audience.states[0]
    kind = (rng.random(n)[:, None] > np.cumsum(FIRST_CONVERSION, axis=1)[state, :-1]).sum(axis=1)
    is_event = audience.source == SOURCES.index("event")
    kind = np.where(is_event & (rng.random(n) < EVENT_WEBINARS), 2, kind)
    is_offline = (is_event & (rng.random(n) < 0.6)) | (
        (audience.source == SOURCES.index("partner")) & (rng.random(n) < 0.5)
    )
    lead = np.flatnonzero(~is_offline)
    conversion = audience.created[lead] - rng.integers(5, 60, len(lead))
    kind, state = kind[lead], state[lead]
    channel, campaign = audience.source[lead], audience.campaign[lead]
    pages = rng.geometric(1 - MORE_PAGES[state]) * (kind != 2)
    start = conversion - (pages + 1) * rng.integers(15, FIRST_PAGE_SECONDS, len(lead))
    types = np.array(
        [TYPES.index(t) for t in ("form_submit", "content_download", "webinar_attended", "demo_request")]
    )
    contents = np.array([CONTENTS.index(c) for c in ("contact-form", "ebook-basics", "webinar", "demo-form")])
    parts = [_touches(lead, conversion, types[kind], channel, campaign, contents[kind])]
    parts.append(
        _pages(rng, lead, start, pages, state, channel, campaign, gap=(conversion - start) // (pages + 1))
    )
    opener = np.full(len(SOURCES), -1)
    opener[[SOURCES.index("paid_search"), SOURCES.index("paid_social")]] = TYPES.index("ad_click")
    opener[SOURCES.index("email")] = TYPES.index("email_click")
    click = opener[channel]
    has = click >= 0
    parts.append(_touches(lead[has], start[has] - 2, click[has], channel[has], campaign[has], -1))
    return _joined(parts)


def _pages(rng, lead, start, pages, state, channel, campaign, *, gap) -> Touches:
    """``pages`` page views for each session, ``gap`` seconds apart, each with the seconds spent on it as value."""
    row = np.repeat(np.arange(len(lead)), pages)
    place = np.arange(len(row)) - np.repeat(np.cumsum(pages) - pages, pages)
    is_pricing = rng.random(len(row)) < PRICING_SHARE[state[row]]
    content = np.where(is_pricing, CONTENTS.index("pricing"), rng.integers(0, 5, len(row)))
    spent = np.minimum(np.rint(np.exp(rng.normal(3.4, 0.8, len(row)))), 1_800)
    return _touches(
        lead[row],
        start[row] + place * gap[row],
        is_pricing.astype(np.int8),
        channel[row],
        campaign[row],
        content,
        spent,
    )


def _later_sessions(rng, audience: Audience, seasons: Seasons):
    """Sessions before (some) and after creation: lead, start in seconds, state and channel."""
    first = audience.states[0]
    count = rng.geometric(EARLIER_COUNT, len(first)) * (rng.random(len(first)) < EARLIER_VISITS[first])
    earlier = np.repeat(np.arange(len(first)), count)
    back = rng.exponential(EARLIER_DAYS, len(earlier)).astype(np.int64) + 1
    leads, starts = [earlier], [_on_day(rng, audience.created[earlier] - back * DAY_SECONDS)]
    states = [first[earlier]]
    for day in range(N_TOUCH_DAYS):
        state = audience.states[day]
        who = np.flatnonzero(rng.random(len(state)) < _SESSIONS_A_DAY[state])
        leads.append(who)
        starts.append(_on_day(rng, audience.created[who] + day * DAY_SECONDS))
        states.append(state[who])
    lead, start, state = np.concatenate(leads), np.concatenate(starts), np.concatenate(states)
    comes = rng.random(len(lead)) < seasons.web[start // DAY_SECONDS - seasons.first_day]
    lead, start, state = lead[comes], start[comes], state[comes]
    return lead, start, state, rng.choice(len(SOURCES), len(lead), p=_SESSION_CHANNELS)


def _on_day(rng: np.random.Generator, moment: np.ndarray) -> np.ndarray:
    """A likely time of day within the 24 hours after each moment (seconds)."""
    return moment + np.maximum((seconds_of_day(rng, len(moment)) - moment) % DAY_SECONDS, 1)


def _session_touches(rng, *, lead, start, state, channel, campaign) -> list[Touches]:
    pages = rng.geometric(1 - MORE_PAGES[state])
    gap = rng.integers(12, PAGE_SECONDS, len(lead))
    parts = [_pages(rng, lead, start, pages, state, channel, campaign, gap=gap)]
    end = start + pages * gap
    u = rng.random(len(lead))
    cum = np.cumsum(SESSION_END, axis=1)[state]
    download, demo, form = (
        u < cum[:, 0],
        (u >= cum[:, 0]) & (u < cum[:, 1]),
        (u >= cum[:, 1]) & (u < cum[:, 2]),
    )
    ebook = CONTENTS.index("ebook-basics") + rng.integers(0, 3, len(lead))
    for rows, kind, content in (
        (download, "content_download", ebook),
        (demo, "demo_request", np.full(len(lead), CONTENTS.index("demo-form"))),
        (form, "form_submit", np.full(len(lead), CONTENTS.index("newsletter-form"))),
    ):
        parts.append(
            _touches(lead[rows], end[rows], TYPES.index(kind), channel[rows], campaign[rows], content[rows])
        )
    ads = np.isin(channel, [SOURCES.index("paid_search"), SOURCES.index("paid_social")])
    parts.append(
        _touches(lead[ads], start[ads] - 2, TYPES.index("ad_click"), channel[ads], campaign[ads], -1)
    )
    return parts


def _mail(rng, audience: Audience, seasons: Seasons, schedule: Schedule) -> list[Touches]:
    """A nurture mail every two weeks in the morning, moved off weekends; opens and clicks by those with intent."""
    channel, content = SOURCES.index("email"), CONTENTS.index("nurture-mail")
    reader = np.flatnonzero(audience.gets_mail)
    phase = rng.integers(2, _MAIL_EVERY_DAYS, len(reader))
    rounds = np.arange(0, 84, _MAIL_EVERY_DAYS)
    lead = np.repeat(reader, len(rounds))
    age = (phase[:, None] + rounds).ravel()
    day = audience.created[lead] // DAY_SECONDS + age
    weekday = (day + 3) % 7
    day += np.where(weekday >= 5, 7 - weekday, 0)
    sent = day * DAY_SECONDS + 8 * 3_600 + rng.integers(0, 1_800, len(lead))
    campaign = schedule.draw_campaign(rng, source=np.full(len(lead), channel), day=day - seasons.first_day)
    state = audience.states[age, lead]
    parts = [_touches(lead, sent, TYPES.index("email_sent"), channel, campaign, content)]
    is_open = rng.random(len(lead)) < _OPEN[state]
    opened = sent + 30 + np.minimum(np.exp(rng.normal(8.3, 1.5, len(lead))), 6 * DAY_SECONDS).astype(np.int64)
    rows = np.flatnonzero(is_open)
    parts.append(
        _touches(lead[rows], opened[rows], TYPES.index("email_open"), channel, campaign[rows], content)
    )
    rows = rows[rng.random(len(rows)) < _CLICK[state[rows]]]
    clicked = opened[rows] + rng.integers(5, 90, len(rows))
    parts.append(_touches(lead[rows], clicked, TYPES.index("email_click"), channel, campaign[rows], content))
    landing = np.ones(len(rows), dtype=np.int64)
    parts.append(
        _pages(
            rng,
            lead[rows],
            clicked + 3,
            landing,
            state[rows],
            np.full(len(rows), channel),
            campaign[rows],
            gap=landing,
        )
    )
    return parts


def _webinars(rng, audience: Audience, seasons: Seasons) -> Touches:
    """Every third Wednesday at two: leads of the last four months may come."""
    leads, times = [], []
    for day in range(1, 120):
        date = audience.created // DAY_SECONDS + day
        held = (date % 21 == 6) & (seasons.web[date - seasons.first_day] > 0.5)
        who = np.flatnonzero(held & (rng.random(len(held)) < _WEBINAR[audience.states[day]]))
        leads.append(who)
        times.append(date[who] * DAY_SECONDS + 14 * 3_600 + rng.integers(0, 900, len(who)))
    lead = np.concatenate(leads)
    return _touches(
        lead,
        np.concatenate(times),
        TYPES.index("webinar_attended"),
        SOURCES.index("event"),
        -1,
        CONTENTS.index("webinar"),
        np.rint(rng.uniform(5, 60, len(lead))) * 60,
    )


def draw_received(rng: np.random.Generator, occurred: np.ndarray) -> np.ndarray:
    """When we got to know, seconds since 1970: seconds to minutes after it happened, one in a hundred hours to days."""
    delay = np.minimum(np.exp(rng.normal(1.6, 1.0, len(occurred))), 1_200).astype(np.int64) + 1
    is_late = rng.random(len(occurred)) < 0.01
    hours = np.exp(rng.uniform(np.log(2), np.log(96), len(occurred)))
    return occurred + np.where(is_late, (hours * 3_600).astype(np.int64), delay)
