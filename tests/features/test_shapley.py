"""Shapley values: textbook games, the axioms, and sampled orders against exact values."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from features.shapley import ChannelSets, coalition_values, shapley


def by_orders(value: np.ndarray) -> np.ndarray:
    """The definition: what each player adds, over all orders in which they may come."""
    k = value.size.bit_length() - 1
    orders = list(permutations(range(k)))
    found = np.zeros(k)
    for order in orders:
        held = 0
        for i in order:
            found[i] += value[held | 1 << i] - value[held]
            held |= 1 << i
    return found / len(orders)


def test_the_glove_game():
    """Shapley's market: one left glove, two right ones, a pair is worth 1. The left one gets 2/3, each right one 1/6."""
    value = np.array([float(s & 1 and s & 0b110 != 0) for s in range(8)])
    assert shapley(value) == pytest.approx([2 / 3, 1 / 6, 1 / 6])


def test_the_airport_game():
    """Littlechild and Owen (1973): runways of cost 1, 2 and 4; each stretch is shared by those who need it."""
    cost = np.array([1.0, 2.0, 4.0])
    value = np.array([max((c for i, c in enumerate(cost) if s >> i & 1), default=0.0) for s in range(8)])
    assert shapley(value) == pytest.approx([1 / 3, 1 / 3 + 1 / 2, 1 / 3 + 1 / 2 + 2])


def test_the_weighted_majority_game():
    """Votes of 4, 3, 2 and 1 with a majority of 6: Shapley and Shubik (1954) index 5/12, 3/12, 3/12, 1/12."""
    votes = [4, 3, 2, 1]
    value = np.array([float(sum(v for i, v in enumerate(votes) if s >> i & 1) >= 6) for s in range(16)])
    assert shapley(value) == pytest.approx(np.array([5, 3, 3, 1]) / 12)


_games = st.integers(1, 5).flatmap(lambda k: st.lists(st.integers(-50, 50), min_size=2**k, max_size=2**k))


@given(_games)
def test_values_are_the_mean_over_all_orders(worth):
    value = np.array(worth, dtype=float)
    assert shapley(value) == pytest.approx(by_orders(value), abs=1e-9)


@given(_games)
def test_efficiency(worth):
    value = np.array(worth, dtype=float)
    assert shapley(value).sum() == pytest.approx(value[-1] - value[0], abs=1e-9)


@given(_games, st.integers(-50, 50))
def test_a_dummy_gets_what_it_is_worth_alone(worth, alone):
    value = np.array(worth, dtype=float)
    grown = shapley(np.concatenate([value, value + alone]))
    assert grown == pytest.approx([*shapley(value), alone], abs=1e-9)


@given(_games)
def test_symmetry(worth):
    """Two players that may be exchanged get the same: the worth depends on how many of them are there."""
    few = np.array(worth, dtype=float)
    value = np.concatenate([few, 2 * few, 2 * few, 3 * few + 1])
    *_, one, other = shapley(value)
    assert one == pytest.approx(other, abs=1e-9)


@given(_games, st.integers(-3, 3))
def test_additivity(worth, times):
    value = np.array(worth, dtype=float)
    assert shapley(value + times * value[::-1]) == pytest.approx(
        shapley(value) + times * shapley(value[::-1]), abs=1e-9
    )


@st.composite
def seen(draw) -> tuple[np.ndarray, np.ndarray]:
    k = draw(st.integers(1, 5))
    leads = draw(st.lists(st.integers(0, 9), min_size=2**k, max_size=2**k))
    return np.array(leads, dtype=float), np.array([draw(st.integers(0, n)) for n in leads], dtype=float)


@given(seen())
def test_a_coalition_is_worth_the_goals_of_leads_that_keep_its_channels(counts):
    leads, goals = counts
    rate = [g / n if n and s else 0.0 for s, (n, g) in enumerate(zip(leads, goals, strict=True))]
    wanted = [sum(n * rate[t & s] for t, n in enumerate(leads)) for s in range(len(leads))]
    assert coalition_values(leads, goals) == pytest.approx(np.array(wanted), abs=1e-9)


def invented_sets(n: int, k: int, *, seed: int) -> tuple[ChannelSets, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    touched = sparse.csr_array((rng.random((n, k)) < 0.35).astype(float))
    sets = ChannelSets.of(touched)
    own = np.maximum(sets.of_path, 0)
    held = sets.of_path >= 0
    won = held & (rng.random(n) < 0.1 + 0.4 * touched.toarray()[:, 0])
    leads, goals = (np.bincount(own[rows], minlength=len(sets)).astype(float)[None] for rows in (held, won))
    return sets, leads, goals


def test_sampled_values_come_near_the_exact_ones():
    sets, leads, goals = invented_sets(2_000, 7, seed=1)
    exact = sets.exact_values(leads, goals)[0]
    errors = []
    for n_orders in (10, 1_000):
        game = sets.sample(n_orders=n_orders, rng=np.random.default_rng(2))
        sampled = game.values(leads, goals)[0]
        assert sampled.sum() == pytest.approx(goals.sum(), abs=1e-9)
        errors.append(np.abs(sampled - exact).max())
    assert errors[1] < 0.01 * goals.sum()
    assert errors[1] < errors[0]


def test_two_channels_need_only_an_order_and_its_reverse():
    sets, leads, goals = invented_sets(50, 2, seed=3)
    exact = sets.exact_values(leads, goals)
    for seed in range(5):
        game = sets.sample(n_orders=2, rng=np.random.default_rng(seed))
        assert game.values(leads, goals) == pytest.approx(exact, abs=1e-9)


def test_sets_of_more_than_64_channels_are_told_apart():
    rng = np.random.default_rng(6)
    touched = sparse.csr_array((rng.random((500, 90)) < 0.03).astype(float))
    distinct = {tuple(np.flatnonzero(row)) for row in touched.toarray() if row.any()}
    sets = ChannelSets.of(touched)
    assert len(sets) == len(distinct)
    assert {tuple(np.flatnonzero(row)) for row in sets.members.toarray()} == distinct
    held = sets.of_path >= 0
    assert (sets.members[sets.of_path[held]].toarray() == touched.toarray()[held]).all()
