"""Grades that fit what sales can take.

A + B fill the capacity of a week, A being the best two fifths of it; C holds as many leads again, and D the rest. Or by worth: B begins
where a lead's chance times the value of a goal pays for working it, A where it pays three times, C where it pays half. Volumes are those of
recent weeks, each lead graded at its creation; goals are counted on mature leads that the scorer that grades them had not seen.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from data.domain import DAY
from data.errors import ConfigError, NotEnoughDataError
from data.scorelog import ScoreRow
from training.learning.metrics import wilson
from training.scorer.policy import LETTERS, Grades, choose_grades
from training.scorer.scale import Scale, log_odds

A_PART = 0.4
A_WORTH, C_WORTH = 3.0, 0.5
WEEK = 7 * DAY
_Z_BAND = 2.5758293035489
_FEWEST = 50


@dataclass(frozen=True, slots=True)
class Volume:
    """Recent leads as they were graded at creation: whole scores, shape (n,), the week of each from 0, and how many weeks."""

    score: np.ndarray
    week: np.ndarray
    n_weeks: int

    @property
    def per_week(self) -> float:
        return len(self.score) / self.n_weeks


@dataclass(frozen=True, slots=True)
class Seen:
    """Mature leads the scorer had not seen: whole scores, 0/1 goals and weights, shape (m,)."""

    score: np.ndarray
    y: np.ndarray
    weight: np.ndarray


@dataclass(frozen=True, slots=True)
class VolumeAlarm:
    """Whether last week's A + B leads left the band; ``alarm`` None: too early to tell."""

    alarm: bool | None
    count: int
    low: float
    high: float
    why: str

    def to_dict(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


def grades_for_capacity(volume: Volume, *, per_week: float) -> Grades:
    """Thresholds whose A and B come nearest to ``per_week`` leads a week. With room for every lead, none is below B."""
    if not (math.isfinite(per_week) and per_week > 0):
        raise ConfigError(f"per_week must be a number of leads above 0, got {per_week!r}")
    if len(volume.score) < _FEWEST:
        raise NotEnoughDataError(
            f"{len(volume.score)} leads came in the last {volume.n_weeks} weeks; grades from capacity need {_FEWEST}"
        )
    share = per_week / volume.per_week
    if share >= 1.0:
        a = choose_grades(volume.score, shares=(A_PART, 0.3, 0.3)).a
        return Grades(a, 0, 0)
    rest = max(min(share, 1.0 - share), 1e-9)
    return choose_grades(volume.score, shares=(A_PART * share, (1 - A_PART) * share, rest))


def grades_for_worth(scale: Scale, *, value_of_goal: float, cost_of_lead: float) -> Grades:
    """Thresholds where a lead pays for the work on it; the first whole score at or above each chance.

    >>> grades_for_worth(Scale(0.0), value_of_goal=200.0, cost_of_lead=20.0)
    Grades(a=38, b=19, c=8)
    """
    if not (0 < cost_of_lead < value_of_goal and math.isfinite(value_of_goal)):
        raise ConfigError(
            f"cost_of_lead must lie above 0 and below value_of_goal, got {cost_of_lead!r} and {value_of_goal!r}"
        )

    def cut(times: float) -> int:
        chance = min(times * cost_of_lead / value_of_goal, 1 - 1e-9)
        points = float(scale.points(np.array([log_odds(chance)]))[0])
        return int(np.clip(math.ceil(points - 1e-9), 0, 100))

    return Grades(cut(A_WORTH), cut(1.0), cut(C_WORTH))


def frontier(volume: Volume, seen: Seen) -> list[dict[str, Any]]:
    """What each threshold would mean, highest first: ``lowest_score, leads_per_week, goals_per_week, goals_caught, goal_rate`` with a 95 %
    interval ``low`` to ``high``. Thresholds that hold the same leads as the next higher one are left out."""
    goals = float((seen.weight * seen.y).sum())
    rows: list[dict[str, Any]] = []
    before = 0
    for threshold in range(100, -1, -1):
        n = int((volume.score >= threshold).sum())
        if n == before:
            continue
        before = n
        own = seen.score >= threshold
        held = float(seen.weight[own].sum())
        hits = float((seen.weight * seen.y)[own].sum())
        rate = hits / held if held > 0 else 0.0
        low, high = wilson(rate, held)
        per_week = n / volume.n_weeks
        rows.append(
            {
                "lowest_score": threshold,
                "leads_per_week": _round(per_week),
                "goals_per_week": _round(per_week * rate),
                "goals_caught": _round(hits / goals) if goals > 0 else None,
                "goal_rate": _round(rate),
                "low": _round(low),
                "high": _round(high),
            }
        )
    return rows


def policy_of(
    grades: Grades, volume: Volume, seen: Seen, *, chosen_by: Mapping[str, float]
) -> dict[str, Any]:
    """What is stored with the version: thresholds, what they were chosen by, what each grade holds, the band of A + B, the frontier.

    The band holds 99 % of weeks: as wide as recent weeks differ, at least as Poisson does.
    """
    graded, known = grades.of(volume.score), grades.of(seen.score)
    goals = max(float((seen.weight * seen.y).sum()), 1e-12)
    rows = []
    for letter in LETTERS:
        own = known == letter
        held, hits = float(seen.weight[own].sum()), float((seen.weight * seen.y)[own].sum())
        rate = hits / held if held > 0 else 0.0
        low, high = wilson(rate, held)
        per_week = float((graded == letter).sum()) / volume.n_weeks
        rows.append(
            {
                "grade": letter, "lowest_score": grades.thresholds.get(letter, 0), "leads_per_week": _round(per_week),
                "goals_per_week": _round(per_week * rate), "goals_caught": _round(hits / goals), "goal_rate": _round(rate),
                "low": _round(low), "high": _round(high),
            }
        )  # fmt: skip
    weekly = np.bincount(volume.week[np.isin(graded, ("A", "B"))], minlength=volume.n_weeks).astype(float)
    expected = float(weekly.mean())
    spread = float(weekly.var(ddof=1)) if volume.n_weeks > 1 else 0.0
    # One more variance over n: the expectation itself is known only from these weeks.
    half = _Z_BAND * math.sqrt(max(expected, spread, 1.0) * (1 + 1 / volume.n_weeks))
    return {
        "thresholds": grades.thresholds,
        "chosen_by": dict(chosen_by),
        "weeks": volume.n_weeks,
        "grades": rows,
        "band": {
            "expected": _round(expected),
            "low": _round(max(expected - half, 0.0)),
            "high": _round(expected + half),
        },
        "frontier": frontier(volume, seen),
    }


def volume_alarm(
    rows: Sequence[ScoreRow], policy: Mapping[str, Any], *, version: str, now: int
) -> VolumeAlarm:
    """Leads that this version graded A or B for the first time in the seven days before ``now``, against the policy's band.

    ``rows`` are those of the score log; a lead scored often counts once, by its first score in the week. A version that has been
    scoring for less than a week gets no verdict.
    """
    band = policy["band"]
    own = sorted((r for r in rows if r.model_version == version and r.cutoff <= now), key=lambda r: r.cutoff)
    first: dict[str, str] = {}
    for row in own:
        if row.cutoff > now - WEEK:
            first.setdefault(row.lead_id or row.score_id, row.grade)
    count = sum(grade in ("A", "B") for grade in first.values())
    said = f"{count} leads were graded A or B in the last seven days; the band is {band['low']:.0f} to {band['high']:.0f}"
    if not own or own[0].cutoff > now - WEEK:
        return VolumeAlarm(
            None, count, band["low"], band["high"], f"version {version} has been scoring for less than a week"
        )
    if band["low"] <= count <= band["high"]:
        return VolumeAlarm(False, count, band["low"], band["high"], said)
    hint = (
        "choose the grades anew"
        if count > band["high"]
        else "look for leads that no longer arrive, or choose the grades anew"
    )
    return VolumeAlarm(True, count, band["low"], band["high"], f"{said}: {hint}")


def _round(value: float) -> float:
    return round(float(value), 6)
