"""The rules of judging, on invented log-odds: what is promoted, what is stopped, and by which rule."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.judging import contest, expected_loss, invented_aa, six_in_a_row, truth_of, worse_by
from data.errors import ConfigError
from tests.training.examples import QUICK, leads_frame
from tests.training.test_comparison import judged, scorer  # noqa: F401
from training.learning.table import fit_table
from training.loop.comparison import Contest, compare, decide
from training.loop.gates import segments_of, worst_segment
from training.loop.paired import differences, in_top
from training.loop.stability import grade_churn
from training.scorer.flat import snapshots_of_frame


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng([seed, 99])


@pytest.fixture
def better() -> Contest:
    """A challenger that is clearly better than its champion."""
    truth = truth_of(4_000, rng())
    return contest(truth, worse_by(truth, truth, 1.06, rng(1)), truth, rng(2))


def holds(verdict) -> dict[str, bool]:
    return {row["measure"]: row["holds"] for row in verdict.table}


def test_a_better_challenger_is_promoted_and_every_rule_holds(better: Contest):
    verdict = decide(better)
    assert verdict.promote, verdict.why
    assert len(verdict.table) >= 5
    assert all(holds(verdict).values())


def test_a_challenger_of_another_seed_is_seldom_promoted():
    assert invented_aa(runs=60, n_leads=500) <= 0.05


def test_six_losses_of_two_percent_in_a_row_are_all_stopped():
    found = six_in_a_row(series=1, n_leads=2_000)
    assert found["promoted"] == found["promoted_by_hand"] == 0
    assert found["anchor_held"] == 1


def test_worse_by_two_percent_is_two_percent():
    truth = truth_of(3_000, rng())
    assert expected_loss(truth, worse_by(truth, truth, 1.02, rng())) == pytest.approx(
        1.02 * expected_loss(truth, truth), rel=1e-6
    )


def test_a_gain_for_sure_but_too_small_to_matter_is_refused():
    truth = truth_of(30_000, rng())
    champion = worse_by(truth, truth, 1.0015, rng(1))
    verdict = decide(contest(truth, champion, truth, rng(3)))
    assert not verdict.promote
    assert "another seed" in verdict.why


def test_a_base_rate_never_replaces_a_model(better: Contest):
    verdict = decide(replace(better, challenger_is_base_rate=True))
    assert not verdict.promote
    assert "base rate never replaces a model" in verdict.why


def test_a_model_no_better_than_the_base_rate_is_not_promoted():
    truth = np.full(4_000, -1.5)
    noise = rng(4).normal(size=4_000)
    verdict = decide(contest(truth, truth + 1.2 * noise, truth + 0.3 * noise, rng(5)))
    assert not verdict.promote
    assert "no better than the base rate" in verdict.why


def test_goals_missed_among_the_leads_sales_can_take_stop_a_gain_in_log_loss(better: Contest):
    # The champion orders perfectly but says every chance ten times too high; the challenger's chances are right and its top is shuffled.
    truth = truth_of(4_000, rng(6))
    top = truth > np.quantile(truth, 0.6)
    shuffled = np.where(top, np.log(1 / (1 / (1 / (1 + np.exp(-truth[top]))).mean() - 1)), truth)
    verdict = decide(contest(truth, truth + 2.3, shuffled + 1e-6 * rng(7).normal(size=4_000), rng(8)))
    assert not verdict.promote
    assert "goals in the top 20%" in verdict.why


def test_a_segment_that_pays_for_the_gain_stops_it():
    truth = truth_of(8_000, rng(9))
    champion = worse_by(truth, truth, 1.10, rng(10))
    own = np.arange(8_000) < 1_000
    challenger = np.where(own, worse_by(truth, champion, 1.15, rng(11)), truth)
    made = contest(truth, champion, challenger, rng(12))
    verdict = decide(replace(made, segments={"country = AT": own, "country = DE": ~own}))
    assert not verdict.promote
    assert "leads with country = AT become worse" in verdict.why
    assert decide(replace(made, segments={})).promote


def test_a_segment_of_few_leads_is_not_asked():
    y = np.tile([1.0, 0.0], 100)
    few = np.arange(200) < 99
    assert worst_segment(np.zeros(200), -3 * y, y, np.ones(200), np.arange(200), {"few": few}) is None


def test_chances_that_do_not_keep_their_word_stop_a_better_order():
    # The champion knows one of two causes and says so rightly; the challenger knows both and is much too bold.
    known, unknown = rng(13).normal(-1.8, 0.6, size=6_000), rng(14).normal(0.0, 1.04, size=6_000)
    truth, champion = known + unknown, known / np.sqrt(1 + 0.346 * 1.08)
    verdict = decide(contest(truth, champion, 1.5 * (truth + 1.2) - 1.2, rng(15)))
    assert not verdict.promote
    assert verdict.table[0]["challenger"] < verdict.table[0]["champion"]
    assert "calibration fails: the chances are too bold" in verdict.why


def test_of_two_that_do_not_keep_their_word_the_nearer_one_may_serve():
    truth = truth_of(6_000, rng(16))
    assert decide(contest(truth, truth - 1.4, truth - 0.6, rng(17))).promote


def test_an_anchor_stops_what_only_beats_a_fallen_champion():
    truth = truth_of(6_000, rng(18))
    fallen = worse_by(truth, truth, 1.10, rng(19))
    made = contest(truth, fallen, truth + 0.75 * (fallen - truth), rng(20))
    assert decide(made).promote
    verdict = decide(replace(made, anchor=truth))
    assert not verdict.promote
    assert "falls behind the anchor" in verdict.why


def test_rows_of_one_lead_are_one_piece_of_evidence():
    value = rng(21).normal(0.1, 1.0, size=300)
    once = differences([(value, np.ones(300))], np.arange(300), seed=0)[0]
    tenfold = differences(
        [(np.repeat(value, 10), np.full(3_000, 0.1))], np.repeat(np.arange(300), 10), seed=0
    )[0]
    assert (tenfold.low, tenfold.high) == pytest.approx((once.low, once.high))


def test_ties_at_the_edge_of_capacity_share_the_room():
    assert in_top(np.array([1.0, 0.0, 0.0, -1.0]), np.ones(4), share=0.5).tolist() == [1.0, 0.5, 0.5, 0.0]


def test_segments_are_levels_of_strong_categories_or_of_the_field_named():
    frame = leads_frame(800)
    own = fit_table(frame, target="won", config=QUICK).scorer
    snapshots = snapshots_of_frame(frame.drop(columns="won"), own.features)
    found = segments_of(own, own.matrix(snapshots), snapshots)
    assert (found["industry = software"] == (frame["industry"] == "software").to_numpy()).all()
    named = segments_of(own, own.matrix(snapshots), snapshots, by="industry")
    assert {name.split(" = ")[0] for name in named} == {"industry"}
    with pytest.raises(ConfigError, match="did you mean 'industry'"):
        segments_of(own, own.matrix(snapshots), snapshots, by="industri")


def test_a_flat_challenger_is_seen_as_one(scorer, judged):  # noqa: F811
    model = scorer.model
    flat = replace(
        scorer, model=replace(model, scorecard=None, trees=None, weight_scorecard=0.0, weight_trees=0.0)
    )
    assert "base rate never replaces a model" in compare(scorer, flat, judged).why


def test_the_same_seed_leaves_every_grade_in_place():
    frame = leads_frame(900, seed=4)
    first, again, other = (fit_table(frame, target="won", config=QUICK, seed=s).scorer for s in (1, 1, 2))
    snapshots = snapshots_of_frame(frame.drop(columns="won"), first.features)
    assert grade_churn(first, again, snapshots).share == 0.0
    assert grade_churn(first, other, snapshots).score_shift > 0.0
