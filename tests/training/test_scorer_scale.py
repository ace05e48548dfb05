"""Law 4, second half: a higher probability never gets a lower score or grade. Every 10 points double the odds."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.errors import ConfigError
from training.scorer.policy import Grades, choose_grades
from training.scorer.scale import Scale, log_odds, probability_of, score_of_points

margins = st.floats(-800, 800, allow_nan=False)
scores = st.integers(0, 100)


@given(margins, margins, st.floats(-6, 6), st.lists(scores, min_size=3, max_size=3))
def test_higher_log_odds_never_get_less_of_anything(one, other, reference, cuts):
    low, high = sorted([one, other])
    both = np.array([low, high])
    probability = probability_of(both)
    score = Scale(reference).score(both)
    grade = Grades(*sorted(cuts, reverse=True)).of(score)
    assert probability[0] <= probability[1]
    assert score[0] <= score[1]
    assert grade[0] >= grade[1], "A comes before D in the alphabet"


@given(st.lists(margins, min_size=1, max_size=20))
def test_a_probability_alone_is_the_one_in_the_batch(values):
    batch = probability_of(np.array(values))
    assert all(probability_of(np.array([v]))[0] == p for v, p in zip(values, batch, strict=True))
    assert ((batch >= 0) & (batch <= 1)).all()


@given(
    st.lists(
        st.one_of(st.floats(-40, 140), st.integers(-2, 202).map(lambda n: n / 2), st.just(math.inf)),
        min_size=2,
    ),
    st.lists(scores, min_size=3, max_size=3),
)
def test_a_score_alone_is_the_one_in_the_batch(points, cuts):
    grades = Grades(*sorted(cuts, reverse=True))
    score = score_of_points(np.array(points))
    grade = grades.of(score)
    alone = [score_of_points(np.array([p])) for p in points]
    assert [s.tolist() for s in alone] == [[s] for s in score.tolist()]
    assert [grades.of(s).tolist() for s in alone] == [[g] for g in grade.tolist()]
    assert {(s.dtype, grades.of(s).dtype) for s in alone} == {(score.dtype, grade.dtype)}


@given(st.floats(-30, 30), st.floats(-6, 6))
def test_ten_points_double_the_odds(margin, reference):
    scale = Scale(reference)
    before, after = scale.points(np.array([margin, margin + math.log(2)]))
    assert after - before == pytest.approx(10, abs=1e-9)
    assert scale.margin_of(float(before)) == pytest.approx(margin, abs=1e-9)


def test_the_reference_is_fifty_and_scores_are_clipped():
    assert Scale(-1.5).score(np.array([-1.5, 40.0, -40.0])).tolist() == [50, 100, 0]


def test_halves_go_to_the_even_score():
    assert score_of_points(np.array([50.5, 51.5])).tolist() == [50, 52]


def test_a_score_of_nothing_is_refused():
    with pytest.raises(ValueError, match="NaN"):
        score_of_points(np.array([np.nan]))


@pytest.mark.parametrize("reference", [math.nan, math.inf])
def test_a_reference_must_be_finite(reference):
    with pytest.raises(ConfigError, match="finite"):
        Scale(reference)


@given(st.floats(1e-9, 1 - 1e-9))
def test_log_odds_and_probability_are_inverse(p):
    assert probability_of(np.array([log_odds(p)]))[0] == pytest.approx(p, rel=1e-9)


def test_grades_hold_the_wanted_shares_when_scores_allow_it():
    score = np.arange(100)
    grades = choose_grades(score, shares=(0.10, 0.15, 0.25))
    letters, counts = np.unique(grades.of(score), return_counts=True)
    assert dict(zip(letters, counts.tolist(), strict=True)) == {"A": 10, "B": 15, "C": 25, "D": 50}


def test_weights_count_as_that_many_leads():
    few, weight = np.array([90, 50]), np.array([1.0, 9.0])
    many = np.array([90] + [50] * 9)
    assert choose_grades(few, weight=weight) == choose_grades(many)


def test_one_score_for_all_gives_one_grade():
    score = np.full(50, 50)
    assert set(choose_grades(score).of(score)) == {"C"}


@given(st.lists(scores, min_size=1, max_size=60))
def test_chosen_thresholds_always_make_a_valid_policy(values):
    grades = choose_grades(np.array(values))
    assert 100 >= grades.a >= grades.b >= grades.c >= 0


def test_thresholds_out_of_order_are_refused():
    with pytest.raises(ConfigError, match="fall from A to C"):
        Grades(40, 60, 20)
    with pytest.raises(ConfigError, match="sum of at most 1"):
        choose_grades(np.array([1]), shares=(0.5, 0.4, 0.3))


def test_thresholds_move_with_the_scale():
    assert Grades(80, 60, 40).shifted(10.4) == Grades(90, 70, 50)
    assert Grades(95, 60, 3).shifted(-5).c == 0
