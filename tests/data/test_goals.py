"""Leads at their goal: by the fold of outcomes, as known by now."""

from __future__ import annotations

import math
from collections.abc import Iterator

import pytest

from data.domain import DAY, Lead, Outcome, Touchpoint
from data.errors import ConfigError
from data.goals import LeadsAtGoal, leads_at_goal
from data.store import Store, open_store

NOW = 100 * DAY


@pytest.fixture
def store(sqlite_url: str) -> Iterator[Store]:
    opened = open_store(sqlite_url)
    opened.add_leads([Lead("ada", DAY, received_at=DAY), Lead("bob", 2 * DAY, received_at=2 * DAY)], now=NOW)
    yield opened
    opened.close()


def after(store: Store, *said: Outcome, goal: str = "qualified", now: int = NOW) -> LeadsAtGoal:
    store.add_outcomes(said, now=now)
    return leads_at_goal(store, goal=goal, now=now)


def days(found: LeadsAtGoal) -> list[float]:
    return (found.snapshots.cutoffs / DAY).tolist()


def test_a_lead_stands_at_its_goal_and_the_others_at_now(store: Store):
    found = after(store, Outcome("1", "ada", "won", 9 * DAY), Outcome("2", "ada", "qualified", 7 * DAY))
    assert found.snapshots.lead_ids == ("ada", "bob")
    assert days(found) == [7, 100]
    assert found.is_goal.tolist() == [True, False]


def test_the_goal_won_does_not_begin_with_qualified(store: Store):
    found = after(
        store, Outcome("1", "ada", "won", 9 * DAY), Outcome("2", "bob", "qualified", 7 * DAY), goal="won"
    )
    assert days(found) == [9, 100]


def test_a_retracted_goal_never_was(store: Store):
    said = [Outcome("1", "ada", "won", 9 * DAY, amount=5.0), Outcome("2", "ada", "retracted", 12 * DAY, "1")]
    found = after(store, *said)
    assert (found.is_goal.any(), math.isnan(found.amount[0])) == (False, True)
    assert days(leads_at_goal(store, goal="won", now=11 * DAY)) == [9, 11]


def test_a_goal_received_later_is_not_known_yet(store: Store):
    found = after(store, Outcome("1", "ada", "won", 9 * DAY, received_at=50 * DAY))
    assert found.is_goal.any()
    assert not leads_at_goal(store, goal="won", now=49 * DAY).is_goal.any()


def test_the_amount_is_that_of_the_latest_won_that_states_one(store: Store):
    said = [
        Outcome("1", "ada", "opportunity", 5 * DAY, amount=99.0),
        Outcome("2", "ada", "won", 9 * DAY, amount=10.0),
        Outcome("3", "ada", "won", 11 * DAY, amount=12.0),
        Outcome("4", "ada", "won", 12 * DAY),
    ]
    found = after(store, *said, Outcome("5", "bob", "opportunity", 5 * DAY, amount=99.0))
    assert found.amount[0] == 12
    assert math.isnan(found.amount[1])


def test_leads_that_came_later_or_were_never_created_are_left_out(store: Store):
    store.add_leads([Lead("eve", 40 * DAY, received_at=90 * DAY)], now=NOW)
    store.add_touchpoints([Touchpoint("t", "nobody", DAY, "visit")], now=NOW)
    found = after(store, Outcome("1", "nobody", "won", 9 * DAY))
    assert found.snapshots.lead_ids == ("ada", "bob", "eve")
    assert leads_at_goal(store, goal="won", now=89 * DAY).snapshots.lead_ids == ("ada", "bob")


def test_an_unknown_goal_is_refused(store: Store):
    with pytest.raises(ConfigError, match="did you mean 'won'"):
        leads_at_goal(store, goal="wonn", now=NOW)
