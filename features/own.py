"""Your own features, in three lines of Python.

>>> Count("n_demo_requests_30d", where={"type": "demo_request"}, window_days=30, says="Demo requests in 30 days").sentence(2)
'Demo requests in 30 days: 2'

Each function makes one definition for an aggregation of the closed list; ``features.aggregations`` tells what it computes. All take

where : conditions by touchpoint column, each a value or a list of values; a touchpoint must meet all of them.
window_days : only touchpoints of these last days; left out: all.
says : the sentence people read as a reason; ``{value}`` is replaced by the lead's value, and added at the end where it is missing.
topic : features of one topic share a reason; by default the name without its window.
group, direction, unit, says_zero, says_one, says_missing : as in ``features.spec.Feature``.

Every refusal is a ConfigError that names the feature and the nearest word that is known.
"""

from __future__ import annotations

from typing import Any

from features.defining import Conditions, define
from features.spec import Feature

__all__ = [
    "AccountLeads", "Age", "BusinessHours", "Count", "Decay", "Diff", "Distinct", "First", "GapMax", "GapMean", "Last", "Max", "Mean",
    "Min", "Nth", "NumberField", "Recency", "SessionSize", "Sessions", "Share", "Streak", "StreakNow", "Sum", "TextField", "Trend",
    "Weekend",
]  # fmt: skip


def Count(name: str, *, where: Conditions | None = None, window_days: float | None = None, **more: Any) -> Feature:  # fmt: skip
    """How many touchpoints."""
    return define("count", name, where=where, window_days=window_days, **more)


def Diff(name: str, *, window_days: float, where: Conditions | None = None, **more: Any) -> Feature:
    """Touchpoints in this window less those in the one before."""
    return define("diff", name, where=where, window_days=window_days, **more)


def Trend(name: str, *, window_days: float, where: Conditions | None = None, **more: Any) -> Feature:
    """This window against the one before, from -1 (all before) to 1 (all in this one)."""
    return define("trend", name, where=where, window_days=window_days, **more)


def Share(name: str, *, where: Conditions, window_days: float | None = None, **more: Any) -> Feature:
    """Share of all touchpoints in the window that meet ``where``."""
    return define("share", name, where=where, window_days=window_days, **more)


def Decay(name: str, *, half_life_days: float, where: Conditions | None = None, **more: Any) -> Feature:
    """Touchpoints, each counting half as much after every half-life."""
    return define("decay", name, where=where, half_life_days=half_life_days, **more)


def Distinct(name: str, *, column: str, where: Conditions | None = None, **more: Any) -> Feature:
    """Distinct known values of a touchpoint column, such as ``channel`` or ``content``."""
    return define("nunique", name, where=where, column=column, **more)


def Sum(name: str, *, where: Conditions | None = None, **more: Any) -> Feature:
    """Sum of the touchpoints' ``value``."""
    return define("sum", name, where=where, **more)


def Mean(name: str, *, where: Conditions | None = None, **more: Any) -> Feature:
    """Mean of the touchpoints' ``value``."""
    return define("mean", name, where=where, **more)


def Min(name: str, *, where: Conditions | None = None, **more: Any) -> Feature:
    """Least ``value``."""
    return define("min", name, where=where, **more)


def Max(name: str, *, where: Conditions | None = None, **more: Any) -> Feature:
    """Greatest ``value``."""
    return define("max", name, where=where, **more)


def Recency(name: str, *, where: Conditions | None = None, **more: Any) -> Feature:
    """Hours since the latest touchpoint."""
    return define("recency", name, where=where, **more)


def Age(name: str, *, where: Conditions | None = None, **more: Any) -> Feature:
    """Days since the first touchpoint."""
    return define("age", name, where=where, **more)


def GapMean(name: str, *, where: Conditions | None = None, **more: Any) -> Feature:
    """Mean hours between consecutive touchpoints."""
    return define("gap_mean", name, where=where, **more)


def GapMax(name: str, *, where: Conditions | None = None, **more: Any) -> Feature:
    """Longest silence between touchpoints, in hours."""
    return define("gap_max", name, where=where, **more)


def First(name: str, *, column: str, where: Conditions | None = None, **more: Any) -> Feature:
    """The first touchpoint's level of a column."""
    return define("first", name, where=where, column=column, **more)


def Last(name: str, *, column: str, where: Conditions | None = None, **more: Any) -> Feature:
    """The last touchpoint's level of a column."""
    return define("last", name, where=where, column=column, **more)


def Nth(name: str, *, column: str, position: int, where: Conditions | None = None, **more: Any) -> Feature:
    """The level of a column of the touchpoint at this position; 1 is the first. Three of them are the first three channels."""
    return define("nth", name, where=where, column=column, position=position, **more)


def Sessions(name: str, *, where: Conditions | None = None, **more: Any) -> Feature:
    """Visits; a silence of more than 30 minutes ends one."""
    return define("sessions", name, where=where, **more)


def SessionSize(name: str, *, where: Conditions | None = None, **more: Any) -> Feature:
    """Touchpoints a session."""
    return define("session_size", name, where=where, **more)


def BusinessHours(name: str, *, where: Conditions | None = None, **more: Any) -> Feature:
    """Share of touchpoints on Monday to Friday from 08:00 to 18:00 UTC."""
    return define("business_hours", name, where=where, **more)


def Weekend(name: str, *, where: Conditions | None = None, **more: Any) -> Feature:
    """Share of touchpoints on Saturdays and Sundays, UTC."""
    return define("weekend", name, where=where, **more)


def Streak(name: str, *, where: Conditions | None = None, **more: Any) -> Feature:
    """Most days in a row (UTC) with a touchpoint."""
    return define("streak", name, where=where, **more)


def StreakNow(name: str, *, where: Conditions | None = None, **more: Any) -> Feature:
    """Days in a row with a touchpoint, up to the cutoff's day or the one before."""
    return define("streak_now", name, where=where, **more)


def AccountLeads(name: str, *, window_days: float | None = None, **more: Any) -> Feature:
    """Other leads of the same company, or those that joined it in the window."""
    return define("account_leads", name, window_days=window_days, **more)


def TextField(name: str, *, column: str, **more: Any) -> Feature:
    """A profile field as text, such as ``x_plan``."""
    return define("field_text", name, column=column, **more)


def NumberField(name: str, *, column: str, **more: Any) -> Feature:
    """A profile field as a number."""
    return define("field_number", name, column=column, **more)
