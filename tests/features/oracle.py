"""The aggregations once more, one touchpoint at a time and without numpy: slow, and short enough to be believed by reading."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from datetime import date, datetime, timedelta
from decimal import Decimal, localcontext
from functools import cache
from itertools import pairwise

from data.domain import DAY, HOUR, SECOND, Touchpoint, to_datetime
from features.spec import Feature


def value_of(feature: Feature, touchpoints: Iterable[Touchpoint], cutoff: int) -> float | str | None:
    """The feature's value for one lead: a number (NaN unknown), or a level's text (None unknown)."""
    seen = [t for t in history(touchpoints) if t.occurred_at <= cutoff and _received(t) <= cutoff]
    matching = [t for t in seen if all(getattr(t, column) in values for column, values in feature.where)]
    chosen = [t for t in matching if _within(t, cutoff, feature.window_days)]
    match feature.agg:
        case "count":
            return float(len(chosen))
        case "diff":
            both = [t for t in matching if _within(t, cutoff, 2 * feature.window_days)]
            return float(len(chosen) - (len(both) - len(chosen)))
        case "trend":
            both = [t for t in matching if _within(t, cutoff, 2 * feature.window_days)]
            return (len(chosen) - (len(both) - len(chosen))) / len(both) if both else math.nan
        case "share":
            everything = [t for t in seen if _within(t, cutoff, feature.window_days)]
            return len(chosen) / len(everything) if everything else math.nan
        case "nunique":
            return float(len({_known(t, feature.column) for t in chosen} - {None}))
        case "sum":
            return _finite(_total(_numbers(chosen)))
        case "mean":
            numbers = _numbers(chosen)
            return _finite(_total(numbers) / len(numbers)) if numbers else math.nan
        case "min":
            return min(_numbers(chosen), default=math.nan)
        case "max":
            return max(_numbers(chosen), default=math.nan)
        case "recency":
            return (cutoff - chosen[-1].occurred_at) / HOUR if chosen else math.nan
        case "age":
            return (cutoff - chosen[0].occurred_at) / DAY if chosen else math.nan
        case "gap_mean":
            span = chosen[-1].occurred_at - chosen[0].occurred_at if chosen else 0
            return span / ((len(chosen) - 1) * HOUR) if len(chosen) > 1 else math.nan
        case "gap_max":
            gaps = [b.occurred_at - a.occurred_at for a, b in pairwise(chosen)]
            return max(gaps) / HOUR if gaps else math.nan
        case "first":
            return getattr(chosen[0], feature.column) if chosen else None
        case "last":
            return getattr(chosen[-1], feature.column) if chosen else None
        case "nth":
            return (
                getattr(chosen[feature.position - 1], feature.column)
                if len(chosen) >= feature.position
                else None
            )
        case "sessions":
            return float(len(_visits(chosen)))
        case "session_size":
            return len(chosen) / len(_visits(chosen)) if chosen else math.nan
        case "business_hours":
            return _share(chosen, lambda at: at.isoweekday() <= 5 and 8 <= at.hour < 18)
        case "weekend":
            return _share(chosen, lambda at: at.strftime("%a") in ("Sat", "Sun"))
        case "streak":
            return float(max((len(run) for run in _runs(chosen)), default=0))
        case "streak_now":
            runs = _runs(chosen)
            today = to_datetime(cutoff).date()
            return float(len(runs[-1])) if runs and (today - runs[-1][-1]).days <= 1 else 0.0
        case "decay":
            total = 0.0
            for t in chosen:
                total += half_power(
                    (cutoff - t.occurred_at) // SECOND, round(feature.half_life_days * 86_400)
                )
            return total
    raise AssertionError(feature.agg)


def _visits(touchpoints: list[Touchpoint]) -> list[list[Touchpoint]]:
    visits: list[list[Touchpoint]] = []
    for t in touchpoints:
        if not visits or t.occurred_at - visits[-1][-1].occurred_at > 30 * 60 * SECOND:
            visits.append([])
        visits[-1].append(t)
    return visits


def _runs(touchpoints: list[Touchpoint]) -> list[list[date]]:
    runs: list[list[date]] = []
    for day in sorted({to_datetime(t.occurred_at).date() for t in touchpoints}):
        if not runs or day - runs[-1][-1] > timedelta(days=1):
            runs.append([])
        runs[-1].append(day)
    return runs


def _share(touchpoints: list[Touchpoint], holds: Callable[[datetime], bool]) -> float:
    times = [to_datetime(t.occurred_at) for t in touchpoints]
    return sum(map(holds, times)) / len(times) if times else math.nan


def history(touchpoints: Iterable[Touchpoint]) -> list[Touchpoint]:
    """Each (source, id) once, as first received; by time, then source, then id."""
    first: dict[tuple[str, str], Touchpoint] = {}
    for t in sorted(touchpoints, key=_received):
        first.setdefault((t.source, t.touchpoint_id), t)
    return sorted(first.values(), key=lambda t: (t.occurred_at, t.source, t.touchpoint_id))


def half_power(age_seconds: int, half_life_seconds: int) -> float:
    """2^-(age / half-life), the exponent cut to 1/4096, correctly rounded."""
    q = age_seconds * 4096 // half_life_seconds
    return math.ldexp(_fraction(q % 4096), -(q // 4096)) if q // 4096 <= 1000 else 0.0


@cache
def _fraction(i: int) -> float:
    with localcontext() as context:
        context.prec = 50
        return float(Decimal(2) ** (Decimal(-i) / 4096))


def _within(t: Touchpoint, cutoff: int, window_days: float | None) -> bool:
    return window_days is None or t.occurred_at > cutoff - round(window_days * DAY)


def _received(t: Touchpoint) -> int:
    return t.occurred_at if t.received_at is None else t.received_at


def _numbers(touchpoints: list[Touchpoint]) -> list[float]:
    return [t.value for t in touchpoints if t.value is not None and math.isfinite(t.value)]


def _known(t: Touchpoint, column: str) -> object:
    value = getattr(t, column)
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _total(numbers: list[float]) -> float:
    total = 0.0
    for number in numbers:
        total += number
    return total


def _finite(number: float) -> float:
    return number if math.isfinite(number) else math.nan
