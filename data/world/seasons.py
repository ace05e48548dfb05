"""The calendar of the synthetic firm: when people visit, when sales works.

Days count from ``first_day``. Weekends and the turn of the year are no business days; August is slow. Everything random in the world
that depends on the date goes through these arrays, so that true probabilities can be computed from the same numbers.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

DAY_SECONDS = 86_400

# Shares of visits by hour of the day, UTC: office hours in Europe with an evening tail.
_HOURS = np.array(
    [1, 1, 1, 1, 1, 2, 4, 9, 14, 17, 17, 14, 11, 14, 16, 15, 12, 9, 6, 5, 5, 4, 3, 2], dtype=float
)
_HOURS_CUM = np.cumsum(_HOURS / _HOURS.sum())


@dataclass(frozen=True, slots=True)
class Seasons:
    """Per day, shape (d,) each.

    Attributes
    ----------
    first_day : days since 1970 of position 0.
    sales : pace of sales, 0 on days nobody works, 1 on a plain working day.
    web : activity of visitors, in (0, 1].
    business_count : business days up to and including the day.
    business_days : positions of the business days, in order.
    """

    first_day: int
    sales: np.ndarray
    web: np.ndarray
    business_count: np.ndarray
    business_days: np.ndarray

    @property
    def n_days(self) -> int:
        return len(self.web)

    def after(self, day: np.ndarray, n_business_days: np.ndarray) -> np.ndarray:
        """The position of the n-th business day after ``day``; 0 is the last business day up to ``day``."""
        return self.business_days[self.business_count[day] - 1 + n_business_days]


def make_seasons(first_day: int, n_days: int) -> Seasons:
    """The calendar of ``n_days`` days from ``first_day`` (days since 1970)."""
    dates = np.datetime64(first_day, "D") + np.arange(n_days)
    weekday = (dates.astype(np.int64) + 3) % 7  # 1970-01-01 was a Thursday; Monday is 0
    months = dates.astype("datetime64[M]")
    month = months.astype(np.int64) % 12 + 1
    day_of_month = (dates - months).astype(np.int64) + 1
    is_turn = ((month == 12) & (day_of_month >= 23)) | ((month == 1) & (day_of_month <= 2))
    is_summer = ((month == 7) & (day_of_month >= 20)) | ((month == 8) & (day_of_month <= 25))

    web = np.where(weekday >= 5, 0.35, np.array([0.95, 1.0, 1.0, 0.95, 0.8, 1.0, 1.0])[weekday])
    web = web * np.where(is_turn, 0.35, 1.0) * np.where(is_summer, 0.7, 1.0)
    is_business = (weekday < 5) & ~is_turn
    sales = np.where(is_business, np.where(is_summer, 0.7, 1.0), 0.0)
    return Seasons(
        first_day=first_day,
        sales=sales,
        web=web,
        business_count=np.cumsum(is_business),
        business_days=np.flatnonzero(is_business),
    )


def seconds_of_day(rng: np.random.Generator, n: int) -> np.ndarray:
    """Times of day of visits, int64 seconds, shape (n,)."""
    hour = np.searchsorted(_HOURS_CUM[:-1], rng.random(n), side="right")
    return hour.astype(np.int64) * 3_600 + rng.integers(0, 3_600, n)
