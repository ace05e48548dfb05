"""Laws 2 and 4: one lead alone is the lead in the batch, bit for bit; points add up to the score, with and without reasons."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from data.errors import ContractError
from features.matrix import Matrix
from tests.training.examples import leads_frame, trained
from training.scorer.flat import snapshots_of_frame
from training.scorer.scorer import Scorer

CANDIDATES = ["base_rate", "scorecard", "trees", "blend"]


def bits(values: np.ndarray) -> list[int]:
    return values.view(np.int64).tolist()


def matrix_of(scorer: Scorer, n: int, values: np.ndarray) -> Matrix:
    """Any matrix the scorer could meet: codes beyond the levels, gaps, and numbers far outside of training."""
    X = np.array(values, dtype=np.float64).reshape(n, len(scorer.features))
    for j, name in enumerate(scorer.features.names):
        if name in scorer.levels:
            codes = np.abs(np.nan_to_num(X[:, j])).astype(np.float64) % (len(scorer.levels[name]) + 1)
            X[:, j] = np.where(np.isnan(X[:, j]), np.nan, np.floor(codes))
    return Matrix(scorer.features.names, X, dict(scorer.levels))


def matrices(scorer: Scorer) -> st.SearchStrategy[Matrix]:
    width = len(scorer.features)
    cells = st.one_of(
        st.just(float("nan")), st.floats(-1e6, 1e6), st.sampled_from([0.0, -0.0, 1.0, 3.0, 1e300])
    )
    return st.integers(1, 8).flatmap(
        lambda n: arrays(np.float64, (n, width), elements=cells).map(lambda v: matrix_of(scorer, n, v))
    )


@pytest.mark.parametrize("candidate", CANDIDATES)
@given(data=st.data())
def test_one_lead_alone_is_the_lead_in_the_batch(candidate, data):
    scorer = trained(candidate).scorer
    matrix = data.draw(matrices(scorer))
    batch, explained = scorer.score_matrix(matrix), scorer.explain_matrix(matrix)
    for i in range(len(matrix)):
        alone = matrix.take(np.array([i]))
        one = scorer.score_matrix(alone)
        assert bits(one.margin) == bits(batch.margin[i : i + 1])
        assert bits(one.probability) == bits(batch.probability[i : i + 1])
        assert (one.score[0], one.grade[0]) == (batch.score[i], batch.grade[i])
        why = scorer.explain_matrix(alone)
        assert bits(why.points[0]) == bits(explained.points[i])
        assert bits(why.baseline_points) == bits(explained.baseline_points[i : i + 1])


@pytest.mark.parametrize("candidate", CANDIDATES)
@given(data=st.data())
def test_points_add_up_to_the_score(candidate, data):
    scorer = trained(candidate).scorer
    matrix = data.draw(matrices(scorer))
    scored, explained = scorer.score_matrix(matrix), scorer.explain_matrix(matrix)
    total = explained.baseline_points + explained.points.sum(axis=1)
    assert np.abs(total - scored.points).max() < 1e-9
    baseline, C = scorer.contributions(matrix)
    assert np.abs(baseline + C.sum(axis=1) - scored.margin).max() < 1e-9
    for i, lead in enumerate(scorer.reasons(matrix)):
        assert lead.baseline_points + lead.fit_points + lead.engagement_points == pytest.approx(
            scored.points[i], abs=1e-9
        )


@given(data=st.data())
def test_a_higher_probability_never_gets_a_lower_score_or_grade(data):
    scorer = trained().scorer
    scored = scorer.score_matrix(data.draw(matrices(scorer)))
    order = np.argsort(scored.probability, kind="stable")
    assert (np.diff(scored.score[order]) >= 0).all()
    assert sorted(scored.grade[order], reverse=True) == scored.grade[order].tolist()


def test_average_lead_of_the_training_has_no_points():
    result = trained("scorecard")
    matrix = result.scorer.matrix(snapshots_of_frame(leads_frame(), result.scorer.features))
    assert np.abs(result.scorer.explain_matrix(matrix).points.mean(axis=0)).max() < 1e-6


def test_no_leads_give_no_scores():
    scorer = trained().scorer
    scored = scorer.score_matrix(
        Matrix(scorer.features.names, np.zeros((0, len(scorer.features))), dict(scorer.levels))
    )
    assert len(scored.score) == len(scored.grade) == len(scored.probability) == 0


def test_a_matrix_of_other_columns_is_refused():
    scorer = trained().scorer
    good = scorer.matrix(snapshots_of_frame(leads_frame(5), scorer.features))
    with pytest.raises(ContractError, match="same in another order"):
        scorer.margin(Matrix(good.names[::-1], good.X, good.levels))
    with pytest.raises(ContractError, match="visits"):
        scorer.margin(Matrix(("visitors", *good.names[1:]), good.X, good.levels))
    with pytest.raises(ContractError, match="other levels"):
        scorer.margin(Matrix(good.names, good.X, {**good.levels, "industry": ("farming",)}))


def test_another_reference_moves_scores_and_leaves_probabilities():
    scorer = trained().scorer
    moved = scorer.with_reference(scorer.scale.reference_log_odds - np.log(2.0))
    matrix = scorer.matrix(snapshots_of_frame(leads_frame(50), scorer.features))
    before, after = scorer.score_matrix(matrix), moved.score_matrix(matrix)
    assert bits(before.probability) == bits(after.probability)
    assert after.points - before.points == pytest.approx(10.0, abs=1e-9)
    inside = after.score < 100
    assert (before.grade[inside] == after.grade[inside]).all()


def test_frames_of_scores_and_explanations_have_the_promised_columns():
    scorer = trained().scorer.with_version("7")
    snapshots = snapshots_of_frame(leads_frame(3), scorer.features)
    scores, why = scorer.score(snapshots), scorer.explain(snapshots)
    assert list(scores) == ["lead_id", "score", "grade", "probability", "low", "high", "model_version"]
    assert scores["model_version"].tolist() == ["7"] * 3
    assert list(why) == ["lead_id", "feature", "group", "topic", "points", "sentence"]
    points = scorer.score_matrix(scorer.matrix(snapshots)).points
    assert why.groupby("lead_id")["points"].sum().to_numpy() == pytest.approx(points, abs=1e-9)


def test_new_frames_are_scored_by_name_and_extra_columns_ignored():
    scorer, frame = trained().scorer, leads_frame(40, seed=9)
    p = scorer.predict_proba(frame)
    assert p.shape == (40, 2)
    assert (p.sum(axis=1) == 1).all()
    shuffled = frame[frame.columns[::-1]].assign(colour="blue")
    assert bits(scorer.predict_proba(shuffled)[:, 1].copy()) == bits(p[:, 1].copy())


def test_missing_columns_are_all_named():
    with pytest.raises(ContractError, match=r"lacks 2 of the scorer's columns: 'visits', 'industry'"):
        trained().scorer.predict_proba(leads_frame(3).drop(columns=["industry", "visits"]))


def test_a_level_never_seen_and_a_gap_are_scored():
    scorer, frame = trained().scorer, leads_frame(3)
    strange = frame.assign(
        industry=pd.array(["mining", None, " "], dtype="str"), employees=[np.inf, np.nan, -5.0]
    )
    p = scorer.predict_proba(strange)[:, 1]
    assert np.isfinite(p).all()
    gap = scorer.predict_proba(frame.assign(industry=None, employees=strange["employees"]))[:, 1]
    assert p[1:].tolist() == gap[1:].tolist()


def test_text_in_a_column_of_numbers_is_refused_by_name():
    with pytest.raises(ContractError, match="'visits' held numbers"):
        trained().scorer.predict_proba(leads_frame(2).assign(visits=["many", "few"]))


def test_the_dtype_of_a_column_does_not_matter():
    scorer, frame = trained().scorer, leads_frame(30)
    other = frame.assign(
        visits=frame["visits"].astype("Int64"),
        employees=frame["employees"].astype("Float64"),
        industry=frame["industry"].astype("category"),
        is_partner=frame["is_partner"].astype(object),
    )
    assert scorer.predict_proba(other).tolist() == scorer.predict_proba(frame).tolist()
