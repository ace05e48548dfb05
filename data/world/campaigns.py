"""Where leads come from: sources, their changing mix, and campaigns that start and stop."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

SOURCES = ("organic_search", "paid_search", "paid_social", "email", "referral", "event", "partner", "direct")
# Shares at the start and at the end of the history: social advertising grows, partners and events fade.
_SHARE_START = np.array([0.24, 0.17, 0.09, 0.08, 0.09, 0.11, 0.1, 0.12])
_SHARE_END = np.array([0.22, 0.16, 0.24, 0.08, 0.07, 0.07, 0.05, 0.11])
SOURCE_FIT = np.array([0.15, 0.0, -0.65, -0.1, 0.65, 0.05, 0.45, 0.25])
# How likely a fresh lead is hot or warm, in log-odds against cold.
SOURCE_HOT = np.array([-0.9, -0.7, -2.2, -1.6, -0.3, -1.6, -0.9, -0.2])
SOURCE_WARM = np.array([-0.2, -0.2, -0.7, -0.4, 0.0, -0.2, -0.1, 0.0])

# name, source, first and last day as shares of the history, quality in log-odds, pull (times more leads while it runs)
_CAMPAIGNS = (
    ("brand-search", "paid_search", 0.0, 1.0, 0.1, 1.0),
    ("competitor-search", "paid_search", 0.15, 0.55, 0.4, 1.3),
    ("generic-search", "paid_search", 0.4, 1.0, -0.3, 1.2),
    ("social-awareness", "paid_social", 0.05, 0.4, -0.4, 1.3),
    ("social-lookalike", "paid_social", 0.35, 1.0, 0.1, 1.4),
    ("social-free-template", "paid_social", 0.7, 0.95, -0.6, 1.8),
    ("newsletter", "email", 0.0, 1.0, 0.0, 1.0),
    ("winback-mailing", "email", 0.3, 0.38, -0.3, 2.0),
    ("product-launch-mailing", "email", 0.6, 0.68, 0.4, 2.2),
    ("spring-fair", "event", 0.45, 0.48, 0.2, 6.0),
    ("autumn-fair", "event", 0.1, 0.13, 0.2, 6.0),
    ("webinar-series", "event", 0.2, 0.9, -0.1, 1.0),
    ("partner-week", "partner", 0.52, 0.58, 0.3, 2.5),
    ("customer-referral", "referral", 0.25, 1.0, 0.3, 1.2),
)
CAMPAIGNS = tuple(row[0] for row in _CAMPAIGNS)
CAMPAIGN_FIT = np.array([row[4] for row in _CAMPAIGNS])


@dataclass(frozen=True, slots=True)
class Schedule:
    """Which campaigns run when. ``running`` is bool, shape (campaigns, days); days outside the history run none."""

    running: np.ndarray
    source: np.ndarray
    share: np.ndarray  # (days, sources): the mix of fresh leads, sums to 1
    volume: np.ndarray  # (days,): how many leads come, relative

    def draw_campaign(self, rng: np.random.Generator, *, source: np.ndarray, day: np.ndarray) -> np.ndarray:
        """One of the campaigns of that source running on that day, evenly; -1 where none runs. Shape (n,)."""
        eligible = self.running[:, day] & (self.source[:, None] == source)
        number = eligible.sum(axis=0)
        wanted = np.floor(rng.random(len(day)) * number) + 1
        found = (np.cumsum(eligible, axis=0, dtype=np.int8) == wanted) & eligible
        return np.where(number > 0, found.argmax(axis=0), -1)


def make_schedule(*, n_days: int, history_start: int, history_days: int) -> Schedule:
    """The schedule on a calendar of ``n_days`` days whose history lies at ``history_start`` for ``history_days``."""
    age = (np.arange(n_days) - history_start) / history_days
    source = np.array([SOURCES.index(row[1]) for row in _CAMPAIGNS])
    running = np.array([(age >= row[2]) & (age < row[3]) for row in _CAMPAIGNS])
    way = np.clip(age, 0, 1)[:, None]
    pull = np.ones((n_days, len(SOURCES)))
    for c, row in enumerate(_CAMPAIGNS):
        pull[:, source[c]] = np.maximum(pull[:, source[c]], np.where(running[c], row[5], 1.0))
    weight = (_SHARE_START * (1 - way) + _SHARE_END * way) * pull
    volume = weight.sum(axis=1) * (1 + 0.25 * way[:, 0])
    return Schedule(
        running=running, source=source, share=weight / weight.sum(axis=1, keepdims=True), volume=volume
    )
