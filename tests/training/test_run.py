"""A training run: its card, its verdict, and what it refuses."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest

from tests.training.examples import QUICK, leads_frame, trained
from training.learning.run import train
from training.learning.table import fit_table, table_dataset


def test_the_card_is_plain_json_without_gaps_that_json_does_not_know():
    card = trained().card
    assert json.loads(json.dumps(card, allow_nan=False)) == card


def test_the_card_says_what_a_reader_needs():
    card = trained().card
    assert {
        "goal", "horizon_days", "candidate", "why", "candidates", "verdict", "out_of_time", "calibration", "grades",
        "importances", "leaks", "data", "folds", "notes", "scale", "features_hash", "data_hash", "config", "seed",
    } <= set(card)  # fmt: skip
    for name in (
        "roc_auc",
        "average_precision",
        "log_loss",
        "log_loss_base_rate",
        "log_loss_gain",
        "brier",
        "lift_at_10",
    ):
        figure = card["out_of_time"][name]
        assert figure["low"] <= figure["value"] <= figure["high"]
    gain = card["out_of_time"]["log_loss_base_rate"]["value"] - card["out_of_time"]["log_loss"]["value"]
    assert card["out_of_time"]["log_loss_gain"]["value"] == pytest.approx(gain, abs=1e-5)
    assert (card["data"]["rows"], card["data"]["leads"], card["data"]["held_out_leads"]) == (600, 600, 180)
    assert card["data"]["held_out_after"] < card["data"]["trained_through"]
    assert sum(row["share"] for row in card["grades"]) == pytest.approx(1.0, abs=1e-5)
    assert [row["grade"] for row in card["grades"]] == ["A", "B", "C", "D"]
    assert {row["feature"] for row in card["importances"]["features"]} == set(trained().scorer.features.names)


def test_better_grades_reach_the_goal_more_often():
    rates = [
        row["goal_rate"] for row in fit_table(leads_frame(3_000), target="won", config=QUICK).card["grades"]
    ]
    assert rates == sorted(rates, reverse=True)
    assert rates[0] > 2 * rates[-1]


def test_noise_is_no_better_than_the_base_rate():
    result = fit_table(leads_frame(1_500, signal=0.0), target="won", config=QUICK)
    assert result.card["verdict"].startswith("no better than the base rate")
    p = result.scorer.predict_proba(leads_frame(300, seed=5))[:, 1]
    assert p.std() < 0.04


def test_the_held_out_scorer_has_not_seen_the_newest_leads():
    frame = leads_frame()
    changed = frame.copy()
    changed.loc[420:, "won"] = 1 - changed.loc[420:, "won"]
    one, other = (
        fit_table(f, target="won", config=replace(QUICK, candidates=("scorecard",))).evaluation.scorer
        for f in (frame, changed)
    )
    assert one.model.scorecard.to_record() == other.model.scorecard.to_record()
    assert one.calibration == other.calibration


def test_the_choice_does_not_see_the_newest_leads():
    frame = leads_frame()
    changed = frame.copy()
    changed.loc[420:, ["visits", "noise"]] = 0
    one, other = (fit_table(f, target="won", config=QUICK).card for f in (frame, changed))
    assert (one["candidate"], one["candidates"]) == (other["candidate"], other["candidates"])


def test_the_evaluation_is_that_of_its_own_scorer():
    result, frame = trained(), leads_frame()
    said = result.evaluation.scorer.predict_proba(frame.iloc[result.evaluation.rows])[:, 1]
    assert said.tolist() == result.evaluation.probability.tolist()


def test_a_given_reference_is_kept():
    dataset = table_dataset(leads_frame(), target="won")
    result = train(dataset, QUICK, reference_log_odds=-2.0)
    assert result.scorer.scale.reference_log_odds == -2.0
    rate = dataset.y.mean()
    own = train(dataset, QUICK).scorer.scale.reference_log_odds
    assert own == pytest.approx(math.log(rate / (1 - rate)), abs=0.01)


def test_a_leak_is_named():
    frame = leads_frame()
    frame["closed_reason"] = np.where(frame["won"] == 1, "signed", "none")
    result = fit_table(frame, target="won", config=QUICK)
    assert {leak.field for leak in result.leaks} == {"closed_reason"}
    assert result.card["leaks"][0]["action"] == "block"
    assert trained().leaks == ()


def test_a_column_of_rare_levels_is_no_leak():
    frame = leads_frame()
    frame["town"] = [f"town {i % 299}" for i in range(600)]
    assert fit_table(frame, target="won", config=QUICK).leaks == ()


@pytest.mark.parametrize("newest", [0, 1])
def test_goals_that_all_lie_on_one_side_of_the_split_still_train(newest):
    """The older part, or the newest, may hold one class only."""
    frame = leads_frame(200)
    frame["won"] = (np.arange(200) >= 140).astype(int) if newest else (np.arange(200) < 100).astype(int)
    result = fit_table(frame, target="won", config=QUICK)
    assert np.isfinite(result.scorer.predict_proba(frame)).all()
    json.dumps(result.card, allow_nan=False)


def test_little_data_trains():
    frame = leads_frame(50).assign(won=[0, 1] * 25)
    result = fit_table(frame, target="won", config=QUICK)
    assert np.isfinite(result.scorer.predict_proba(frame)).all()


def test_progress_is_told_and_changes_nothing():
    told: list[tuple[str, int, int]] = []
    dataset = table_dataset(leads_frame(), target="won")
    quiet, loud = train(dataset, QUICK), train(dataset, QUICK, progress=lambda *step: told.append(step))
    assert quiet.card == loud.card
    assert {what for what, _, _ in told} == {
        "choosing a model",
        "judging on the newest leads",
        "fitting on all leads",
    }
    assert all(0 <= done <= of for _, done, of in told)


def test_groups_are_not_split_and_the_card_says_what_was_left_out():
    frame = leads_frame().assign(account=[f"a{i % 200}" for i in range(600)])
    card = fit_table(frame, target="won", groups="account", config=QUICK).card
    assert card["folds"][-1]["rows_left_out"] > 0
