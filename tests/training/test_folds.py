"""Folds: older leads teach, newer leads judge; nobody is on both sides; open horizons are left out where that is affordable."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from data.domain import DAY
from training.learning.folds import Rows, split_newest, time_folds

leads = st.lists(
    st.tuples(st.integers(0, 30), st.integers(1, 4), st.integers(0, 5)), min_size=10, max_size=60
)


def rows_of(drawn: list[tuple[int, int, int]], *, grouped: bool = False) -> Rows:
    """Leads (day of creation, number of rows, group) as shuffled rows."""
    lead = np.repeat(np.arange(len(drawn)), [n for _, n, _ in drawn])
    rng = np.random.default_rng(len(lead))
    lead = rng.permutation(lead)
    created, _, group = (np.array(column) for column in zip(*drawn, strict=True))
    return Rows(order=created[lead] * DAY, lead=lead, group=group[lead] if grouped else None)


@given(leads, st.integers(2, 6))
def test_every_test_lead_is_newer_than_all_that_teach_it(drawn, n_folds):
    rows = rows_of(drawn)
    folds = time_folds(rows, n_folds=n_folds)
    tested = np.concatenate([f.test for f in folds])
    assert len(tested) == len(set(tested.tolist())), "a row is tested once"
    for fold in folds:
        assert len(fold.train)
        assert not set(rows.lead[fold.train]) & set(rows.lead[fold.test])
        assert rows.order[fold.train].max() <= rows.order[fold.test].min()


@given(leads)
def test_no_group_is_on_both_sides(drawn):
    rows = rows_of(drawn, grouped=True)
    for fold in [split_newest(rows, share=0.3), *time_folds(rows, n_folds=3)]:
        assert not set(rows.group[fold.train]) & set(rows.group[fold.test])


@given(leads, st.floats(0.05, 0.6))
def test_the_newest_share_of_leads_is_held_out_and_nothing_lost(drawn, share):
    rows = rows_of(drawn)
    fold = split_newest(rows, share=share)
    assert len(fold.train) + len(fold.test) == len(rows.lead)
    assert abs(len(set(rows.lead[fold.test])) - share * len(drawn)) <= 1


@given(leads)
def test_the_order_of_rows_is_no_matter(drawn):
    rows = rows_of(drawn)
    back = Rows(order=rows.order[::-1], lead=rows.lead[::-1])
    last = len(rows.lead) - 1
    for one, other in zip(time_folds(rows, n_folds=3), time_folds(back, n_folds=3), strict=True):
        assert sorted(one.test) == sorted(last - other.test)
        assert sorted(one.train) == sorted(last - other.train)


def history(days: int, *, horizon_days: int) -> Rows:
    """One lead a day, one row at its creation."""
    created = np.arange(days) * DAY
    return Rows(order=created, lead=np.arange(days), cutoff=created, horizon_days=horizon_days)


def test_leads_whose_horizon_was_open_are_left_out_of_a_long_history():
    rows = history(1_000, horizon_days=90)
    fold = split_newest(rows, share=0.3)
    assert fold.is_purged
    assert rows.cutoff[fold.train].max() + 90 * DAY <= rows.cutoff[fold.test].min()
    assert fold.n_lost == 89


def test_a_short_history_keeps_them_and_says_so():
    fold = split_newest(history(100, horizon_days=90), share=0.3)
    assert not fold.is_purged
    assert (len(fold.train), fold.n_lost) == (70, 0)


def test_folds_stay_inside_what_they_are_given():
    rows = history(200, horizon_days=10)
    older = np.arange(140)
    for fold in time_folds(rows, n_folds=4, among=older):
        assert set(fold.train) | set(fold.test) <= set(older.tolist())
