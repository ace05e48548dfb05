"""The best chance that a record tells is the truth's mean over all that the record does not tell."""

from dataclasses import replace

import numpy as np
import pytest

from data.domain import DAY
from data.world import World, make_world
from data.world.observed import observable_chances
from data.world.sales import contact_delays


@pytest.fixture(scope="module")
def world() -> World:
    return make_world(4_000, seed=7)


@pytest.fixture(scope="module")
def told(world: World) -> np.ndarray:
    return observable_chances(world)


def test_own_chances_average_to_what_the_record_tells(world: World, told: np.ndarray):
    """Among worked leads, overall and in each fifth, within four standard errors and one part in fifty."""
    worked = world.truth["is_worked"].to_numpy()
    own, told = world.truth["qualified_at_creation"].to_numpy()[worked], told[worked]
    order = np.argsort(told)
    for group in (order, *np.array_split(order, 5)):
        error = own[group].std() / np.sqrt(len(group))
        assert abs(own[group].mean() - told[group].mean()) < 4 * error + 0.02 * told[group].mean()
    assert told[order[-800:]].mean() > 10 * told[order[:800]].mean()


def test_what_the_record_tells_is_less_than_the_truth_and_more_than_the_rate(world: World, told: np.ndarray):
    worked = world.truth["is_worked"].to_numpy()
    own = world.truth["qualified_at_creation"].to_numpy()[worked]

    def loss(p: np.ndarray) -> float:
        return float(-(own * np.log(p) + (1 - own) * np.log1p(-p)).mean())

    assert loss(own) < 0.97 * loss(told[worked])
    assert loss(told[worked]) < 0.9 * loss(np.full(len(own), own.mean()))


def test_what_came_after_creation_and_what_nobody_wrote_down_change_nothing(world: World, told: np.ndarray):
    created = world.leads.set_index("lead_id")["created_at"]
    touches = world.touchpoints
    at = created.reindex(touches["lead_id"]).to_numpy()
    early = touches[(touches["received_at"] <= at) & (touches["occurred_at"] <= at)]
    blind = world.truth.assign(state="cold", fit=0.0, qualified_at_creation=0.5)
    less = replace(world, touchpoints=early, truth=blind, outcomes=world.outcomes.head(0))
    np.testing.assert_array_equal(observable_chances(less), told)


def test_a_demo_request_at_the_end_of_the_first_visit_raises_the_chance(world: World, told: np.ndarray):
    created = world.leads.set_index("lead_id")["created_at"]
    touches = world.touchpoints
    at = created.reindex(touches["lead_id"]).to_numpy()
    asked = touches[(touches["type"] == "demo_request") & (touches["occurred_at"] <= at)]
    asked = asked[asked["occurred_at"] > at[asked.index] - DAY]
    has = world.leads["lead_id"].isin(asked["lead_id"]).to_numpy()
    assert has.sum() > 200
    assert told[has].mean() > 1.5 * told[~has].mean()


def test_days_to_first_contact_are_those_that_are_drawn():
    delays, share = contact_delays()
    assert share.sum() == pytest.approx(1.0)
    # Geometric with 0.55, and in 8 of 100 cases 5 to 24 days (14.5 on average) more.
    assert (delays * share).sum() == pytest.approx(1 / 0.55 + 0.08 * 14.5, rel=0.02)
