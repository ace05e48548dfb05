"""How soon rows are decided: weights for censored rows, and the maturity curves made of them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.asof import Followed
from data.domain import DAY
from data.errors import ContractError
from training.learning.censoring import censoring_weights, known_shares, maturity_rows

HORIZON = 90.0


def test_weights_by_hand():
    """Five rows; one was left at day 10 with three still watched: these then stand for 4 / 3 each."""
    found = censoring_weights(
        np.array([5.0, 10.0, 10.0, 40.0, 90.0, 90.0]),
        np.array([False, False, True, False, False, False]),
        90,
    )
    # The row decided on day 10 itself was known before the other one left.
    assert found.weight == pytest.approx([1, 1, 0, 4 / 3, 4 / 3, 4 / 3])
    assert found.n_truncated == 0
    assert found.effective == pytest.approx(6**2 / (2 + 3 * 16 / 9))


def test_without_open_rows_every_row_stands_for_itself():
    found = censoring_weights(np.array([3.0, 90.0]), np.zeros(2, dtype=bool), 90)
    assert found.weight.tolist() == [1, 1]
    assert found.effective == 2
    assert censoring_weights(np.zeros(0), np.zeros(0, dtype=bool), 90).effective == 0


def test_strata_have_curves_of_their_own():
    days, is_open = np.array([5.0, 90.0, 5.0, 90.0]), np.array([True, False, False, False])
    assert censoring_weights(days, is_open, 90, stratum=np.array([0, 0, 1, 1])).weight.tolist() == [
        0,
        2,
        1,
        1,
    ]


def test_weights_above_the_bound_are_cut_and_counted():
    days = np.concatenate([np.arange(1.0, 10.0), [90.0]])
    found = censoring_weights(days, days < 90, 90, bound=4)
    assert found.weight[-1] == 4
    assert found.n_truncated == 1


def test_what_cannot_be_is_refused():
    with pytest.raises(ContractError, match="between 0 and the horizon"):
        censoring_weights(np.array([91.0]), np.array([False]), 90)
    with pytest.raises(ContractError, match="cannot be censored"):
        censoring_weights(np.array([90.0]), np.array([True]), 90)


watched = st.lists(st.tuples(st.integers(0, 20), st.integers(1, 20)), min_size=1, max_size=40)


@given(watched)
def test_the_weights_add_up_to_all_rows_where_the_longest_watched_is_known(drawn):
    """Nothing is lost: what an open row stood for is shared by those watched longer."""
    watch, decides = (np.array(column, dtype=float) for column in zip(*[*drawn, (20, 20)], strict=True))
    found = censoring_weights(np.minimum(watch, decides), decides > watch, 20, bound=1e9)
    assert found.weight.sum() == pytest.approx(len(watch))
    assert (found.weight[decides > watch] == 0).all()
    assert (found.weight[decides <= watch] >= 1).all()
    order = np.argsort(decides[decides <= watch], kind="stable")
    assert (np.diff(found.weight[decides <= watch][order]) >= -1e-12).all(), (
        "the later, the rarer, the heavier"
    )


def test_groups_have_maturity_curves_of_their_own():
    """In one group all goals come on day 1, in the other on day 40; 30 days say all about goals of the first, nothing about the second."""
    now = 200 * DAY
    watched_days = np.array([100, 100, 30, 30] * 2)
    days = np.array([1, 20, 1, 20, 40, 20, 40, 20])
    is_goal = np.array([True, False] * 4)
    cutoff = now - watched_days * DAY
    followed = Followed(
        np.arange(8), cutoff, cutoff + days * DAY, cutoff, np.zeros(8, int), is_goal & (days <= watched_days)
    )
    found = known_shares(followed, now=now, horizon_days=HORIZON, n_rows=8, alike=np.repeat([0, 1], 4))
    assert found.decided_goals.tolist() == [1, 1, 1, 1, 1, 1, 0, 0]
    assert found.decided_others.tolist() == [1] * 8
    assert found.seen_goals.tolist() == found.seen_others.tolist() == [1] * 8, "no work is recorded"


def test_what_is_known_of_a_lead_grows_with_the_time_it_was_watched():
    """Two leads are touched on day 2 and decided on day 10, one on day 20 and 30; a lead open on day 15 is taken to be as slow as that."""
    now = 200 * DAY
    cutoff = now - np.array([150, 150, 150, 15, 1]) * DAY
    followed = Followed(
        np.arange(5),
        cutoff,
        cutoff + np.array([10, 10, 30, 90, 90]) * DAY,
        cutoff + np.array([2, 2, 20, 2, 1]) * DAY,
        np.zeros(5, int),
        np.zeros(5, bool),
    )
    found = known_shares(followed, now=now, horizon_days=HORIZON, n_rows=5)
    assert found.decided_others == pytest.approx([1, 1, 1, 1 / 2, 0])
    assert found.seen_others == pytest.approx([1, 1, 1, 1 / 2, 0])
    assert found.decided_goals.tolist() == [1] * 5, "nothing can be said of goals where there was none"


def test_the_maturity_curve_is_not_bent_by_young_leads():
    """Half of the goals of mature leads come by day 10, half on day 60; many young leads show only the quick ones."""
    now = 400 * DAY
    mature = [(200, 10), (200, 60)] * 50
    young = [(30, 10)] * 50 + [(30, 90)] * 50
    watched_days, days = (np.array(column) for column in zip(*(mature + young), strict=True))
    cutoff = now - watched_days * DAY
    known = days <= watched_days
    rows = np.where(known, np.cumsum(known) - 1, -1)
    followed = Followed(rows, cutoff, cutoff + days * DAY, cutoff, np.zeros(200, int), known & (days < 90))
    curve = {row["days"]: row["share"] for row in maturity_rows(followed, now=now, horizon_days=90)}
    assert curve[90.0] == 1.0
    assert curve[7.0] == 0.0
    assert curve[10.0] == curve[45.0] == 0.5
    assert list(curve.values()) == sorted(curve.values())


def test_no_goal_no_curve():
    nothing = np.zeros(0, dtype=np.int64)
    empty = Followed(nothing, nothing, nothing, nothing, nothing, nothing.astype(bool))
    assert maturity_rows(empty, now=DAY, horizon_days=90) == []
    assert known_shares(empty, now=DAY, horizon_days=90, n_rows=0).decided_goals.shape == (0,)
