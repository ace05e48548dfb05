"""A synthetic firm with leads, touchpoints and outcomes, and the truth about every lead.

The same number of leads, seed and end give the same world, to the byte. What a CRM could export is in ``leads``, ``touchpoints`` and
``outcomes``; what no CRM knows, the chance each lead really had, is kept apart in ``truth``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from data.domain import DAY, SECOND
from data.errors import ConfigError
from data.world.campaigns import (
    CAMPAIGN_FIT,
    CAMPAIGNS,
    SOURCE_FIT,
    SOURCE_HOT,
    SOURCE_WARM,
    SOURCES,
    make_schedule,
)
from data.world.engagement import CHANNELS, CONTENTS, DIRECTIONS, TYPES, Audience, draw_received, draw_touches
from data.world.intent import HOT, draw_first_state, draw_states
from data.world.people import draw_people
from data.world.sales import (
    LOOKS_HOT,
    N_STEPS,
    OFFICE_OPENS,
    OFFICE_SECONDS,
    Statements,
    Work,
    choose_worked,
    draw_contact_steps,
    draw_statements,
    true_chances,
)
from data.world.seasons import DAY_SECONDS, Seasons, make_seasons, seconds_of_day

HISTORY_DAYS = 540
_DEFAULT_END = 1_782_864_000 * SECOND  # 2026-07-01T00:00Z
BEFORE_DAYS, AFTER_DAYS = 70, 1_000  # calendar around the history: earlier visits, deals that run on
DRIFT = -0.35  # log-odds over the whole history: the market gets harder


@dataclass(frozen=True, slots=True)
class World:
    """What happened until ``end``. Instants are int64 microseconds UTC.

    Attributes
    ----------
    leads : one row per lead by ``created_at``: lead_id, created_at and profile columns; None or NaN where not known.
    touchpoints : touchpoint_id, lead_id, occurred_at, received_at, type, channel, campaign, content, direction, value; by time.
    outcomes : outcome_id, lead_id, kind, occurred_at, amount, undoes; by time.
    truth : lead_id, is_worked, state ("cold", "warm", "hot" at creation), fit, and the chances that each goal comes within 90 days if
        sales works the lead: ``qualified_at_creation``, ``won_at_creation``, ``qualified_at_14_days``, ``won_at_14_days``. The chances
        at 14 days are NaN for leads closed by then, the ``qualified`` one also for leads already qualified by then.
    """

    seed: int
    end: int
    leads: pd.DataFrame
    touchpoints: pd.DataFrame
    outcomes: pd.DataFrame
    truth: pd.DataFrame


def make_world(n_leads: int, *, seed: int, end: int | None = None) -> World:
    """A world of ``n_leads`` leads (20 to 1,000,000) created in the 540 days before ``end``.

    ``end`` is an instant in microseconds, cut to whole days; 2026-07-01 by default. About fourteen touchpoints come with each
    lead; 200,000 leads take well under a minute and 2 GB.
    """
    if not 20 <= n_leads <= 1_000_000:
        raise ConfigError(f"n_leads must lie between 20 and 1,000,000; it is {n_leads}")
    end = _DEFAULT_END if end is None else end // DAY * DAY
    rng = np.random.default_rng(seed)
    seasons = calendar(end)
    schedule = make_schedule(n_days=seasons.n_days, history_start=BEFORE_DAYS, history_days=HISTORY_DAYS)

    history = slice(BEFORE_DAYS, BEFORE_DAYS + HISTORY_DAYS)
    volume = (schedule.volume * seasons.web)[history]
    day = BEFORE_DAYS + rng.choice(HISTORY_DAYS, n_leads, p=volume / volume.sum())
    created = np.sort((seasons.first_day + day) * DAY_SECONDS + seconds_of_day(rng, n_leads))
    day = created // DAY_SECONDS - seasons.first_day
    source = (rng.random(n_leads)[:, None] > np.cumsum(schedule.share, axis=1)[day, :-1]).sum(axis=1)
    campaign = schedule.draw_campaign(rng, source=source, day=day)
    people = draw_people(rng, n_leads)
    first = draw_first_state(rng, hot=SOURCE_HOT[source], warm=SOURCE_WARM[source])
    states = draw_states(rng, first, n_days=N_STEPS)

    origin_fit = SOURCE_FIT[source] + np.where(campaign >= 0, CAMPAIGN_FIT[campaign], 0.0)
    fit = people.fit + origin_fit
    looks = people.visible_fit + origin_fit + LOOKS_HOT * (first == HOT)
    is_worked = choose_worked(rng, day=day, looks=looks, seasons=seasons)
    office = OFFICE_OPENS + rng.integers(0, OFFICE_SECONDS, n_leads)
    offset = np.maximum((office - created) % DAY_SECONDS, 1)
    first_day = (created + offset) // DAY_SECONDS - seasons.first_day
    work = Work(
        first_day=first_day,
        contact_step=draw_contact_steps(rng, first_day=first_day, is_worked=is_worked, seasons=seasons),
        is_worked=is_worked,
        strength=fit + drift(day),
    )
    said, closed_step = draw_statements(rng, work=work, states=states, seasons=seasons)
    lead_ids = _ids("L", n_leads)

    jitter = rng.integers(-1_200, 1_200, len(said.lead))
    said_at = (
        created[said.lead] + said.step * DAY_SECONDS + np.clip(offset[said.lead] + jitter, 1, DAY_SECONDS - 1)
    )
    outcomes = _outcome_frame(rng, said, said_at, lead_ids, end // SECOND)

    audience = Audience(
        created=created,
        source=source,
        campaign=campaign,
        states=states,
        gets_mail=people.has_email & (rng.random(n_leads) < 0.85),
    )
    touches = draw_touches(rng, audience, seasons=seasons, schedule=schedule)
    received = draw_received(rng, touches.occurred)
    # The visit that made the lead had been received when the lead was created.
    is_first = (touches.occurred < created[touches.lead]) & (touches.occurred > created[touches.lead] - 3_600)
    received = np.where(is_first, np.minimum(received, created[touches.lead]), received)
    stays = created + np.minimum(closed_step + 4, 10_000) * DAY_SECONDS
    kept = np.flatnonzero((received < end // SECOND) & (touches.occurred < stays[touches.lead]))
    kept = kept[np.lexsort((touches.type[kept], touches.lead[kept], touches.occurred[kept]))]
    touches, received = touches.take(kept), received[kept]
    return World(
        seed=seed,
        end=end,
        leads=_lead_frame(lead_ids, created, source, campaign, people.fields),
        touchpoints=_touchpoint_frame(touches, received, lead_ids),
        outcomes=outcomes,
        truth=_truth_frame(lead_ids, work, states, said, seasons, fit),
    )


def calendar(end: int) -> Seasons:
    """The calendar of a world that ends at ``end``; day 0 of its history is at position ``BEFORE_DAYS``."""
    first_day = end // DAY - HISTORY_DAYS - BEFORE_DAYS
    return make_seasons(first_day, HISTORY_DAYS + BEFORE_DAYS + AFTER_DAYS)


def drift(day: np.ndarray) -> np.ndarray:
    """What the market adds to the log-odds of leads created on these calendar positions."""
    return DRIFT * (day - BEFORE_DAYS) / HISTORY_DAYS


def _ids(prefix: str, n: int) -> np.ndarray:
    width = max(6, len(str(n)))
    return np.array([f"{prefix}{i:0{width}d}" for i in range(1, n + 1)], dtype=object)


def _named(names: tuple[str, ...], codes: np.ndarray) -> pd.Categorical:
    return pd.Categorical.from_codes(codes, categories=list(names))


def _lead_frame(lead_ids, created, source, campaign, fields) -> pd.DataFrame:
    columns = {"lead_id": lead_ids, "created_at": created * SECOND, **fields}
    columns["source"] = _named(SOURCES, source)
    columns["campaign"] = _named(CAMPAIGNS, campaign)
    return pd.DataFrame(columns)


def _touchpoint_frame(touches, received, lead_ids) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "touchpoint_id": _ids("t", len(received)),
            "lead_id": lead_ids[touches.lead],
            "occurred_at": touches.occurred * SECOND,
            "received_at": received * SECOND,
            "type": _named(TYPES, touches.type),
            "channel": _named(CHANNELS, touches.channel),
            "campaign": _named(CAMPAIGNS, touches.campaign),
            "content": _named(CONTENTS, touches.content),
            "direction": _named(DIRECTIONS, (touches.type == TYPES.index("email_sent")).astype(np.int8)),
            "value": touches.value,
        }
    )


def _outcome_frame(rng, said: Statements, said_at, lead_ids, end_seconds: int) -> pd.DataFrame:
    # Ids are given in order of time over everything, so that a retraction can name an outcome before both are cut at the end.
    order = np.lexsort((said.kind.astype(str), said.lead, said_at))
    ids = np.empty(len(order), dtype=object)
    ids[order] = _ids("o", len(order))
    undone = np.where(said.undoes >= 0, ids[said.undoes], None)
    amount = np.where(
        said.kind == "won", np.rint(np.exp(rng.normal(9.6, 0.7, len(order))) / 100) * 100, np.nan
    )
    order = order[said_at[order] < end_seconds]
    return pd.DataFrame(
        {
            "outcome_id": ids[order],
            "lead_id": lead_ids[said.lead[order]],
            "kind": said.kind[order],
            "occurred_at": said_at[order] * SECOND,
            "amount": amount[order],
            "undoes": undone[order],
        }
    )


def _truth_frame(lead_ids, work: Work, states, said: Statements, seasons, fit) -> pd.DataFrame:
    n = len(lead_ids)
    at_creation = true_chances(work=work, state=states[0], seasons=seasons, cutoff_step=0)
    is_true = said.kind == "qualified"
    is_true[said.undoes[said.undoes >= 0]] = False
    early = said.step < 14
    qualified_step = np.full(n, -1)
    rows = is_true & early
    qualified_step[said.lead[rows]] = said.step[rows]
    ends = np.isin(said.kind, ("won", "lost", "disqualified")).astype(int) - (said.kind == "reopened")
    is_closed = np.bincount(said.lead, weights=ends * early, minlength=n) > 0
    later = true_chances(
        work=work, state=states[14], seasons=seasons, cutoff_step=14, qualified_step=qualified_step
    )
    return pd.DataFrame(
        {
            "lead_id": lead_ids,
            "is_worked": work.is_worked,
            "state": _named(("cold", "warm", "hot"), states[0]),
            "fit": fit,
            "qualified_at_creation": at_creation[0],
            "won_at_creation": at_creation[1],
            "qualified_at_14_days": np.where(is_closed, np.nan, later[0]),
            "won_at_14_days": np.where(is_closed, np.nan, later[1]),
        }
    )
