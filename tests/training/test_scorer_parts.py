"""Scorecard terms, trees and reasons by themselves."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.errors import DamagedScorerError
from features.matrix import Matrix
from features.spec import Feature, FeatureSet
from tests.training.examples import trained
from training.scorer.reasons import reasons_of
from training.scorer.scorecard import CategoryTerm, NumberTerm, Scorecard
from training.scorer.trees import Trees, column_names


def contributions(term: NumberTerm | CategoryTerm, *values: float) -> list[float]:
    return Scorecard(0.0, [term]).contributions(np.array(values)[:, None])[:, 0].tolist()


def test_a_number_is_straight_between_knots_and_flat_beyond():
    term = NumberTerm((0.0, 2.0, 10.0), (1.0, 3.0, -1.0), missing=0.5)
    assert contributions(term, -7.0, 0.0, 1.0, 2.0, 6.0, 10.0, 1e9) == [1.0, 1.0, 2.0, 3.0, 1.0, -1.0, -1.0]
    assert contributions(term, np.nan) == [0.5]


def test_a_category_knows_its_levels_other_and_missing():
    term = CategoryTerm((0.1, 0.2), other=0.3, missing=0.4)
    assert contributions(term, 0, 1, 2, 99, np.nan) == [0.1, 0.2, 0.3, 0.3, 0.4]


def test_terms_of_unequal_length_live_in_one_card():
    terms = [
        NumberTerm((0.0,), (2.0,), 0.0),
        CategoryTerm((), 1.0, -1.0),
        NumberTerm((0.0, 1.0, 2.0), (0.0, 1.0, 0.0), 9.0),
    ]
    card = Scorecard(10.0, terms)
    X = np.array([[5.0, 0.0, 1.5], [np.nan, np.nan, np.nan]])
    assert card.contributions(X).tolist() == [[2.0, 1.0, 0.5], [0.0, -1.0, 9.0]]
    assert card.margin(X).tolist() == [13.5, 18.0]
    assert Scorecard.from_record(card.to_record()).to_record() == card.to_record()


@pytest.mark.parametrize("knots", [(1.0, 1.0), (2.0, 1.0), ()])
def test_knots_must_rise(knots):
    with pytest.raises(ValueError, match="knot"):
        NumberTerm(knots, (0.0,) * len(knots), 0.0)


def test_trees_with_other_names_are_refused():
    trees = trained("trees").scorer.model.trees
    with pytest.raises(DamagedScorerError, match="other columns"):
        Trees(trees.text, names=[*trees.names[1:], trees.names[0]], fill=trees.fill)


def test_a_gap_that_training_never_had_reads_as_the_median_not_as_zero():
    trees = trained("trees").scorer.model.trees
    visits = trees.names.index("visits")
    X = np.full((2, len(trees.names)), np.nan)
    X[1, visits] = trees.fill[visits]
    assert trees.fill[visits] == 3.0
    assert np.isnan(trees.fill[trees.names.index("employees")]), "gaps in employees were learned"
    assert trees.margin(X)[0] == trees.margin(X)[1]


def test_the_text_of_trees_names_no_thread_count():
    assert "num_threads" not in trained("trees").scorer.model.trees.text


def test_column_names_are_plain_and_distinct():
    assert column_names(["Größe {x}", "Größe [x]"]) == ["0_Gr__e__x_", "1_Gr__e__x_"]


def feature(name: str, *, topic: str, group: str = "fit") -> Feature:
    return Feature(
        name=name, agg="field_number", column=name, group=group, topic=topic, says=f"{name} is {{value}}"
    )


def reasons(points: list[float], features: list[Feature], **settings: float):
    matrix = Matrix(tuple(f.name for f in features), np.array([[1.0] * len(features)]), {})
    return reasons_of(
        matrix,
        FeatureSet(tuple(features)),
        baseline_points=np.array([50.0]),
        points=np.array([points]),
        **settings,
    )[0]


def test_correlated_features_share_one_reason_told_by_the_strongest():
    lead = reasons(
        [4.0, 6.0, -3.0],
        [feature("a", topic="size"), feature("b", topic="size"), feature("c", topic="place")],
    )
    assert [(r.topic, r.points, r.sentence) for r in lead.reasons] == [
        ("size", 10.0, "B is 1"),
        ("place", -3.0, "C is 1"),
    ]


def test_the_sentence_comes_from_a_feature_that_moved_the_same_way():
    lead = reasons([-5.0, 3.0, 4.0], [feature(n, topic="size") for n in "abc"])
    assert lead.reasons[0].points == 2.0
    assert lead.reasons[0].sentence == "C is 1"


def test_small_reasons_are_withheld_and_their_points_still_counted():
    lead = reasons([0.4, 2.0], [feature("a", topic="x", group="engagement"), feature("b", topic="y")])
    assert [r.topic for r in lead.reasons] == ["y"]
    assert (lead.fit_points, lead.engagement_points) == (2.0, 0.4)


def test_equal_reasons_are_in_order_of_topic():
    lead = reasons(
        [2.0, -2.0, 2.0], [feature("a", topic="z"), feature("b", topic="m"), feature("c", topic="b")]
    )
    assert [r.topic for r in lead.reasons] == ["b", "m", "z"]


SHARES = st.sampled_from([0.0, -0.0, 0.25, 0.5, -0.5, 1.0, -1.0, 1.1, -2.2, 3.3, 0.1, 0.7])


@given(
    n_features=st.integers(1, 9),
    topics=st.lists(st.integers(0, 4), min_size=9, max_size=9),
    rows=st.lists(st.lists(SHARES, min_size=9, max_size=9), min_size=1, max_size=4),
    most=st.sampled_from([None, 1, 2, 5]),
)
def test_a_lead_among_many_gets_the_reasons_it_gets_alone(n_features, topics, rows, most):
    features = FeatureSet(
        tuple(
            feature(f"f{j}", topic=f"t{topics[j]}", group=("fit", "engagement")[topics[j] % 2])
            for j in range(n_features)
        )
    )
    points = np.array([rows[i % len(rows)][:n_features] for i in range(40)])
    X = np.where(points > 1, np.nan, np.round(points, 1))

    def told(which: slice):
        return reasons_of(
            Matrix(features.names, X[which], {}),
            features,
            baseline_points=np.arange(40.0)[which],
            points=points[which],
            most=most,
        )

    together = told(slice(None))
    alone = [told(slice(i, i + 1))[0] for i in range(40)]
    assert repr(together) == repr(alone), "to the last bit, and to the sign of zero"
