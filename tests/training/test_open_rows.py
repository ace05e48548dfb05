"""Leads still open teach their chance: no label, no negative."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.asof import Followed
from data.domain import DAY
from training.learning.censoring import Shares
from training.learning.dataset import Dataset
from training.learning.open_rows import LARGEST_STAND, lessons_of, soft_label, young_level
from training.learning.table import table_dataset

HORIZON = 90
OPEN = np.nan


def shares(goals: float, others: float, *, seen: float = 1.0, n: int = 1) -> Shares:
    return Shares(np.full(n, goals), np.full(n, others), np.full(n, seen), np.full(n, seen))


def test_staying_open_is_weighed_by_bayes_rule():
    """Three quarters of the goals and a quarter of the others are decided: an open lead is three times likelier among the others."""
    q = soft_label(np.array([OPEN]), np.array([0.5]), shares(0.75, 0.25))
    assert q == pytest.approx([0.25])


def test_a_lead_watched_for_no_time_keeps_its_chance():
    assert soft_label(np.array([OPEN]), np.array([0.3]), shares(0.0, 0.0)) == pytest.approx([0.3])


def test_a_lead_open_when_all_goals_have_come_is_none():
    assert soft_label(np.array([OPEN]), np.array([0.3]), shares(1.0, 0.5)).tolist() == [0.0]
    assert soft_label(np.array([OPEN]), np.array([0.3]), shares(0.5, 1.0)).tolist() == [1.0]
    assert soft_label(np.array([OPEN]), np.array([0.3]), shares(1.0, 1.0)).tolist() == [0.3], (
        "curves that know nothing"
    )


def test_only_leads_known_to_be_worked_are_still_open():
    """Of goals 0.6 are known to be worked and 0.3 decided, of the others 0.9 and 0.3: an open worked lead is twice as often of these."""
    found = Shares(np.array([0.3]), np.array([0.3]), np.array([0.6]), np.array([0.9]))
    assert soft_label(np.array([OPEN]), np.array([0.5]), found) == pytest.approx([1 / 3])


chances = st.floats(0.001, 0.999)


@given(st.sampled_from([0.0, 1.0]), chances, chances, chances)
def test_a_decided_row_has_its_label_whatever_was_thought_of_it(y, p, goals, others):
    assert soft_label(np.array([y]), np.array([p]), shares(goals, others)).tolist() == [y]


@given(chances, chances, chances)
def test_an_open_row_is_never_taken_for_a_negative(p, goals, others):
    """Law 5: while goals may still come, the chance stays above 0."""
    q = soft_label(np.array([OPEN]), np.array([p]), shares(goals, others))
    assert 0 < q[0] < 1
    assert (q[0] <= p + 1e-12) == (goals >= others - 1e-9) or abs(q[0] - p) < 1e-6


def firm(
    n: int, *, seed: int, goal_rate: float = 0.3, span: int = 180, contact_days: float = 0
) -> tuple[Dataset, np.ndarray]:
    """Leads born evenly over ``span`` days before now, and which reach the goal. Goals come after 20 days on average, losses after 50; with
    ``contact_days``, sales first acts after so many on average, and only then the lead is known to be a row."""
    rng = np.random.default_rng(seed)
    now = 1_000 * DAY
    cutoff = np.sort(now - rng.integers(0, span * DAY, n))
    is_goal = rng.random(n) < goal_rate
    waits = np.minimum(rng.exponential(contact_days, n), 30) if contact_days else np.zeros(n)
    takes = waits + np.where(is_goal, rng.exponential(20, n) % 60, rng.exponential(50, n))
    known_at = cutoff + np.round(np.minimum(takes, HORIZON) * DAY).astype(np.int64)
    worked_at = cutoff + np.round(waits * DAY).astype(np.int64)
    is_known, is_row = known_at <= now, worked_at <= now
    followed = Followed(
        np.where(is_row, np.cumsum(is_row) - 1, -1),
        cutoff,
        np.where(is_known, known_at, cutoff + HORIZON * DAY),
        worked_at,
        np.zeros(n, int),
        is_goal & is_known,
    )
    y = np.where(is_known, is_goal, np.nan)[is_row]
    made = table_dataset(pd.DataFrame({"x": np.arange(is_row.sum()) % 7, "y": np.nan_to_num(y)}), target="y")
    return replace(
        made, y=y, cutoffs=cutoff[is_row], order=cutoff[is_row], horizon_days=HORIZON, now=now, followed=followed, immature="ipcw",
        known_at=followed.known_at[is_row],
    ), is_goal  # fmt: skip


def taught_rate(dataset: Dataset) -> float:
    """The goal rate that the rows teach once it no longer changes."""
    rate = 0.5
    for _ in range(100):
        lessons = lessons_of(dataset, np.full(len(dataset), rate))
        rate = float((lessons.weight * lessons.y).sum() / lessons.weight.sum())
    return rate


@pytest.mark.parametrize("contact_days", [0, 5])
def test_the_goal_rate_survives_when_half_of_the_leads_are_open(contact_days):
    """Against what the same leads do in the end: keeping the decided alone, or calling the open ones lost, both miss."""
    misses = []
    for seed in range(5):
        found, is_goal = firm(4_000, seed=seed, contact_days=contact_days)
        truth = is_goal.mean()
        misses.append([taught_rate(found), np.nanmean(found.y), np.nansum(found.y) / len(found)] / truth - 1)
    soft, decided_only, open_as_lost = np.mean(misses, axis=0)
    assert abs(soft) < 0.03
    assert decided_only > 0.10
    assert open_as_lost < -0.05


def test_mature_rows_weigh_as_ever_and_no_row_stands_for_more_than_the_bound():
    found, _ = firm(2_000, seed=1, contact_days=8)
    lessons = lessons_of(found, np.full(len(found), 0.3))
    assert (lessons.weight[found.is_mature] == found.weight[found.is_mature]).all()
    assert (lessons.y[found.is_mature] == found.y[found.is_mature]).all()
    stands = lessons.weight / found.weight
    assert stands.max() <= LARGEST_STAND + 1e-9
    taught = stands > 0
    assert 0 < (~taught).sum() < len(found) / 10
    assert (stands[taught] >= 1 - 1e-9).all()
    # Too young is a matter of being watched, never of the outcome: otherwise one kind would be missing among the young.
    assert found.cutoffs[taught].max() <= found.cutoffs[~taught].min()


def test_without_open_rows_labels_teach_as_they_are():
    found, _ = firm(500, seed=2)
    alone = replace(found, followed=None)
    lessons = lessons_of(alone, np.full(len(found), 0.5))
    assert lessons.y is alone.y
    assert lessons.weight is alone.weight


def test_the_level_of_young_leads_is_found_though_half_of_them_are_open():
    """A model says 15 % to everybody, of whom 30 % reach the goal."""
    found, _ = firm(8_000, seed=3)
    level = young_level(found, np.full(len(found), np.log(0.15 / 0.85)))
    odds = np.exp(np.log(0.15 / 0.85) + level)
    assert odds / (1 + odds) == pytest.approx(0.30, rel=0.06)
    old = replace(found, now=found.now + 365 * DAY)
    assert young_level(old, np.zeros(len(found))) == 0.0, "nobody is young"
