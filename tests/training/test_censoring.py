"""Rows still open: no label, no negative, yet their share is kept by what those decided stand for."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.asof import Followed
from data.domain import DAY
from data.errors import ContractError
from training.learning.censoring import LARGEST_STAND, censoring_weights, maturity_rows, stands_for
from training.learning.folds import Rows, split_newest

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


def followed_rows(
    n: int, *, seed: int, goal_rate: float = 0.3, span: int = 180
) -> tuple[Followed, np.ndarray, int]:
    """Leads born evenly over ``span`` days before now. Goals come after 20 days on average, losses after 50, both cut at the horizon."""
    rng = np.random.default_rng(seed)
    now = 1_000 * DAY
    cutoff = now - rng.integers(0, span * DAY, n)
    is_goal = rng.random(n) < goal_rate
    goes = np.where(is_goal, rng.exponential(20, n) % HORIZON, np.minimum(rng.exponential(50, n), HORIZON))
    known_at = cutoff + np.round(goes * DAY).astype(np.int64)
    is_known = known_at <= now
    row = np.where(is_known, np.cumsum(is_known) - 1, -1)
    return (
        Followed(
            row,
            cutoff,
            np.where(is_known, known_at, cutoff + round(HORIZON * DAY)),
            np.zeros(n, int),
            is_goal & is_known,
        ),
        is_goal[is_known].astype(float),
        now,
    )


def test_the_goal_rate_survives_when_half_of_the_leads_are_open():
    """Against the truth of 30 %: keeping the decided alone, or calling the open ones lost, both miss."""
    rates = []
    for seed in range(5):
        followed, y, now = followed_rows(4_000, seed=seed)
        found = stands_for(followed, at=now, horizon_days=HORIZON, n_rows=len(y))
        rates.append(
            [(found.weight * y).sum() / found.weight.sum(), y.mean(), y.sum() / len(followed.cutoff)]
        )
    weighed, decided_only, open_as_lost = np.mean(rates, axis=0)
    assert weighed == pytest.approx(0.30, rel=0.03)
    assert decided_only > 0.30 * 1.1
    assert open_as_lost < 0.30 * 0.95


def test_mature_rows_stand_for_themselves_and_no_row_for_more_than_the_bound():
    followed, y, now = followed_rows(2_000, seed=1)
    found = stands_for(followed, at=now, horizon_days=HORIZON, n_rows=len(y))
    known = followed.row >= 0
    days = (now - followed.cutoff[known]) / DAY
    assert set(found.weight[days >= HORIZON].tolist()) == {1.0}
    young = found.weight[days < HORIZON]
    assert young.max() <= LARGEST_STAND + 1e-9
    assert ((young >= 1) | (young == 0)).all()
    assert found.n_too_young == int((young == 0).sum()) > 0
    # Too young is a matter of being watched, never of the outcome: otherwise one kind would be missing among the young.
    taught = found.weight > 0
    assert days[taught].min() >= days[~taught].max()


@given(st.integers(0, 1_000), st.integers(1, 200), st.booleans())
def test_an_open_row_never_weighs_anything(seed, back, in_groups):
    """Law 5, also for what was known at any earlier instant."""
    followed, y, now = followed_rows(60, seed=seed)
    at = now - back * DAY // 2
    alike = np.arange(len(y)) % 2 if in_groups else None
    found = stands_for(followed, at=at, horizon_days=HORIZON, n_rows=len(y), alike=alike)
    was_open = np.zeros(len(y), dtype=bool)
    own = followed.row >= 0
    was_open[followed.row[own]] = (followed.known_at[own] > at) | (followed.cutoff[own] > at)
    assert (found.weight[was_open] == 0).all()
    assert np.isfinite(found.weight).all()


def test_groups_have_maturity_curves_of_their_own():
    """In one group all goals come on day 1, in the other on day 40; a lead of the second, watched for 30 days, teaches nothing."""
    now = 200 * DAY
    watched_days = np.array([100, 100, 30, 30] * 2)
    days = np.array([1, 20, 1, 20, 40, 20, 40, 20])
    is_goal = np.array([True, False] * 4)
    cutoff = now - watched_days * DAY
    known = days <= watched_days
    followed = Followed(
        np.where(known, np.cumsum(known) - 1, -1),
        cutoff,
        cutoff + days * DAY,
        np.zeros(8, int),
        is_goal & known,
    )
    alike = np.array([0, 0, 0, 0, 1, 1, 1])
    found = stands_for(followed, at=now, horizon_days=HORIZON, n_rows=7, alike=alike)
    assert found.weight.tolist() == [1, 1, 1, 1, 1, 1, 0]
    assert found.n_too_young == 1


def test_the_maturity_curve_is_not_bent_by_young_leads():
    """Half of the goals of mature leads come by day 10, half on day 60; many young leads show only the quick ones."""
    now = 400 * DAY
    mature = [(200, 10), (200, 60)] * 50
    young = [(30, 10)] * 50 + [(30, 90)] * 50
    watched_days, days = (np.array(column) for column in zip(*(mature + young), strict=True))
    cutoff = now - watched_days * DAY
    known = days <= watched_days
    rows = np.where(known, np.cumsum(known) - 1, -1)
    followed = Followed(rows, cutoff, cutoff + days * DAY, np.zeros(200, int), known & (days < 90))
    curve = {row["days"]: row["share"] for row in maturity_rows(followed, now=now, horizon_days=90)}
    assert curve[90.0] == 1.0
    assert curve[7.0] == 0.0
    assert curve[10.0] == curve[45.0] == 0.5
    assert list(curve.values()) == sorted(curve.values())


def test_no_goal_no_curve():
    nothing = np.zeros(0, dtype=np.int64)
    empty = Followed(nothing, nothing, nothing, nothing, nothing.astype(bool))
    assert maturity_rows(empty, now=DAY, horizon_days=90) == []
    assert stands_for(empty, at=DAY, horizon_days=90, n_rows=0).effective == 0


def test_a_fold_learns_what_was_decided_when_its_test_leads_came():
    """A lead every ten days, decided after so many: when lead 9 comes, on day 90, leads 6 and 8 are open and 4, 5 and 7 are not."""
    n = 12
    cutoff = np.arange(n) * 10 * DAY
    decides = np.array([5, 20, 5, 60, 5, 20, 60, 20, 20, 5, 20, 60]) * DAY
    followed = Followed(np.arange(n), cutoff, cutoff + decides, np.zeros(n, int), decides == 5 * DAY)
    rows = Rows(
        order=cutoff,
        lead=np.arange(n),
        cutoff=cutoff,
        horizon_days=60,
        known_at=cutoff + decides,
        followed=followed,
    )
    fold = split_newest(rows, share=0.25)
    assert fold.test.tolist() == [9, 10, 11]
    assert fold.is_purged
    assert fold.train.tolist() == [0, 1, 2, 3, 4, 5, 7]
    assert fold.n_lost == 2
    assert fold.weight(np.full(n, 0.5)) == pytest.approx(0.5 * fold.stands_for)
    plain = Rows(order=cutoff, lead=np.arange(n), cutoff=cutoff, horizon_days=60)
    assert not split_newest(plain, share=0.25).is_purged, "waiting for the horizon would leave four of nine"
