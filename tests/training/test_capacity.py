"""Grades from capacity and from worth, their frontier, and the alarm when volume leaves its band."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.domain import DAY
from data.errors import ConfigError, NotEnoughDataError
from data.scorelog import ScoreRow
from training.insights.charts import frontier as frontier_chart
from training.loop.capacity import (
    Seen,
    Volume,
    frontier,
    grades_for_capacity,
    grades_for_worth,
    policy_of,
    volume_alarm,
)
from training.scorer.scale import Scale, probability_of

NOW = 1_000 * 7 * DAY


def recent(n_weeks: int = 12, *, per_week: int = 200, seed: int = 1) -> Volume:
    rng = np.random.default_rng(seed)
    score = np.clip(rng.normal(50, 12, size=n_weeks * per_week), 0, 100).astype(np.int64)
    return Volume(score, np.repeat(np.arange(n_weeks), per_week), n_weeks)


def mature(n: int = 3_000, *, seed: int = 2) -> Seen:
    rng = np.random.default_rng(seed)
    score = np.clip(rng.normal(50, 12, size=n), 0, 100).astype(np.int64)
    y = (rng.random(n) < probability_of((score - 60) / 14)).astype(float)
    return Seen(score, y, np.ones(n))


def test_a_and_b_fill_the_week():
    volume = recent()
    grades = grades_for_capacity(volume, per_week=60)
    graded = grades.of(volume.score)
    assert np.isin(graded, ("A", "B")).sum() / 12 == pytest.approx(60, abs=6)
    assert (graded == "A").sum() / 12 == pytest.approx(24, abs=5)
    assert (graded == "C").sum() / 12 == pytest.approx(60, abs=10)


def test_room_for_everybody_leaves_nobody_below_b():
    grades = grades_for_capacity(recent(), per_week=500)
    assert set(grades.of(np.arange(101)).tolist()) == {"A", "B"}


@pytest.mark.parametrize("per_week", [0, -3, float("nan"), float("inf")])
def test_a_capacity_that_is_none_is_refused(per_week: float):
    with pytest.raises(ConfigError, match="per_week"):
        grades_for_capacity(recent(), per_week=per_week)


def test_few_recent_leads_are_too_few():
    with pytest.raises(NotEnoughDataError, match="need 50"):
        grades_for_capacity(recent(1, per_week=30), per_week=10)


@given(st.floats(-4, 2), st.floats(10, 1e6), st.floats(0.01, 0.9))
def test_b_begins_where_a_lead_pays(reference: float, value: float, ratio: float):
    scale, cost = Scale(reference), value * ratio
    grades = grades_for_worth(scale, value_of_goal=value, cost_of_lead=cost)
    for threshold, worth in ((grades.b, 1.0), (grades.c, 0.5)):
        chance = probability_of(np.array([scale.margin_of(threshold), scale.margin_of(threshold - 1)]))
        if threshold < 100:
            assert chance[0] * value >= worth * cost * (1 - 1e-9)
        if threshold > 0:
            assert chance[1] * value < worth * cost * (1 + 1e-6)


def test_the_frontier_rises_to_all_goals_and_all_leads():
    volume, seen = recent(), mature()
    rows = frontier(volume, seen)
    leads, caught = ([row[name] for row in rows] for name in ("leads_per_week", "goals_caught"))
    assert leads == sorted(leads)
    assert caught == sorted(caught)
    assert leads[-1] == pytest.approx(200)
    assert caught[-1] == pytest.approx(1.0, abs=0.01)
    assert rows[len(rows) // 2]["goal_rate"] > rows[-1]["goal_rate"]


def policy() -> dict:
    volume = recent()
    return policy_of(grades_for_capacity(volume, per_week=60), volume, mature(), chosen_by={"per_week": 60.0})


def test_a_policy_says_what_each_grade_holds():
    made = policy()
    assert [row["grade"] for row in made["grades"]] == ["A", "B", "C", "D"]
    assert sum(row["goals_caught"] for row in made["grades"]) == pytest.approx(1.0, abs=1e-5)
    assert sum(row["leads_per_week"] for row in made["grades"]) == pytest.approx(200, abs=1e-4)
    rates = [row["goal_rate"] for row in made["grades"]]
    assert rates == sorted(rates, reverse=True)
    assert made["band"]["low"] < made["band"]["expected"] < made["band"]["high"]
    drawn = frontier_chart({"policy": made})
    assert [trace.text for trace in drawn.data[1:]] == [("A",), ("A + B",)]


def scored(n: int, grade: str, *, days_ago: float, version: str = "3", again: bool = False) -> list[ScoreRow]:
    at = NOW - int(days_ago * DAY)
    return [
        ScoreRow(
            f"{grade}{days_ago}{i}{again}",
            f"{grade}{i}",
            "won",
            version,
            at,
            50,
            grade,
            0.5,
            50.0,
            b"",
            "[]",
            True,
        )
        for i in range(n)
    ]


LONG_AGO = scored(1, "D", days_ago=30)


@pytest.mark.parametrize(("n", "alarm"), [(60, False), (10, True), (160, True)])
def test_the_alarm_rings_outside_the_band_only(n: int, alarm: bool):
    found = volume_alarm(LONG_AGO + scored(n, "B", days_ago=2), policy(), version="3", now=NOW)
    assert found.alarm is alarm
    assert found.count == n


def test_a_lead_scored_often_counts_once_and_other_versions_do_not_count():
    rows = LONG_AGO + scored(60, "A", days_ago=3) + scored(60, "A", days_ago=1, again=True)
    rows += scored(90, "B", days_ago=1, version="2")
    assert volume_alarm(rows, policy(), version="3", now=NOW).count == 60


def test_less_than_a_week_of_scores_is_too_early_to_tell():
    found = volume_alarm(scored(5, "A", days_ago=2), policy(), version="3", now=NOW)
    assert found.alarm is None
    assert "less than a week" in found.why


def test_the_band_holds_weeks_of_an_unchanged_market():
    made = policy()
    rng = np.random.default_rng(7)
    weeks = rng.poisson(made["band"]["expected"], size=2_000)
    rung = ((weeks < made["band"]["low"]) | (weeks > made["band"]["high"])).mean()
    assert rung <= 0.02
