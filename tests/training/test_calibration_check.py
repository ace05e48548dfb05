"""The calibration check: what fails it, what does not, and that withheld probabilities stay away from answers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from features.matrix import Matrix
from tests.training.examples import leads_frame, trained
from training.learning.calibration_check import calibration_check, slope_of
from training.learning.config import TrainConfig
from training.learning.run import train
from training.learning.table import table_dataset
from training.scorer.artifact import load_scorer_folder, save_scorer
from training.scorer.scorer import Scorer


def drawn(n: int = 4_000, *, seed: int = 1, slope: float = 1.0, shift: float = 0.0):
    """Margins, and outcomes drawn from ``slope * margin + shift``."""
    rng = np.random.default_rng(seed)
    margin = rng.normal(-1.5, 1.0, size=n)
    y = (rng.random(n) < 1 / (1 + np.exp(-(slope * margin + shift)))).astype(float)
    return margin, y, np.ones(n), np.arange(n)


def test_chances_that_keep_their_word_pass():
    check = calibration_check(*drawn())
    assert check["passed"]
    assert check["overall"]["slope"]["low"] < 1 < check["overall"]["slope"]["high"]
    assert len(check["deciles"]) == 10


@pytest.mark.parametrize(
    ("made", "said"),
    [({"shift": 1.0}, "was predicted"), ({"slope": 0.4}, "too bold"), ({"slope": 2.0}, "too timid")],
)
def test_what_is_off_beyond_chance_and_by_much_fails_and_says_how(made: dict[str, float], said: str):
    check = calibration_check(*drawn(**made))
    assert not check["passed"]
    assert said in check["why"]


def test_a_sure_but_small_deviation_passes():
    margin, y, weight, lead = drawn(60_000, slope=0.9)
    check = calibration_check(margin, y, weight, lead)
    assert check["overall"]["slope"]["high"] < 1
    assert check["passed"]


def test_a_large_deviation_that_chance_explains_passes():
    margin, y, weight, lead = drawn(120, seed=3, shift=0.4)
    check = calibration_check(margin, y, weight, lead)
    ratio = check["overall"]["observed_over_predicted"]
    assert ratio["low"] < 1 < ratio["high"]
    assert check["passed"]


def test_too_few_leads_of_one_outcome_do_not_pass():
    margin, y, weight, lead = drawn(200)
    y[np.flatnonzero(y)[19:]] = 0.0
    check = calibration_check(margin, y, weight, lead)
    assert not check["passed"]
    assert "needs 20 of each" in check["why"]


def test_a_large_segment_that_is_off_fails_and_a_small_one_warns():
    margin, y, weight, lead = drawn(20_000)
    large, small = np.arange(20_000) % 5 == 0, np.arange(20_000) % 50 == 1
    y[large] = (np.random.default_rng(5).random(int(large.sum())) < 0.04).astype(float)
    check = calibration_check(margin, y, weight, lead, segments={"country = DE": large})
    assert not check["passed"]
    assert "country = DE" in check["why"]
    margin, y, weight, lead = drawn(20_000)
    y[small] = 0.0
    check = calibration_check(margin, y, weight, lead, segments={"country = LI": small})
    assert check["passed"]
    assert "country = LI" in check["warnings"][0]


def test_rows_of_one_lead_are_one_piece_of_evidence():
    margin, y, weight, lead = drawn(1_000)
    once = calibration_check(margin, y, weight, lead)["overall"]["slope"]
    five = calibration_check(*(np.repeat(v, 5) for v in (margin, y, weight / 5, lead)))["overall"]["slope"]
    assert five["value"] == pytest.approx(once["value"], abs=1e-6)
    assert five["high"] - five["low"] == pytest.approx(once["high"] - once["low"], rel=1e-6)


def test_slope_of_known_outcomes():
    margin = np.array([-2.0, -1.0, 0.0, 1.0, 2.0] * 4_000)
    y = 1 / (1 + np.exp(-(0.5 * margin - 0.3)))
    assert slope_of(margin, y, np.ones(len(y))) == pytest.approx((0.5, -0.3), abs=1e-8)


def matrix_of(scorer: Scorer) -> Matrix:
    return Matrix(scorer.features.names, scorer.golden.X, dict(scorer.levels))


def test_a_scorer_that_failed_withholds_the_chance_and_keeps_score_and_grade(tmp_path):
    open_scorer = trained().scorer
    shut = replace(open_scorer, probability_withheld=True)
    save_scorer(shut, tmp_path)
    before, after = (
        s.score_matrix(matrix_of(s))
        for s in (replace(open_scorer, probability_withheld=False), load_scorer_folder(tmp_path))
    )
    assert np.isnan([after.probability, after.low, after.high]).all()
    assert not np.isnan([before.probability, before.low, before.high]).any()
    assert after.score.tolist() == before.score.tolist()
    assert after.grade.tolist() == before.grade.tolist()


def test_a_training_whose_newest_leads_are_off_withholds_and_says_why():
    frame = leads_frame(1_200, seed=4)
    newest = frame.index >= 840
    frame.loc[newest, "won"] = (np.random.default_rng(1).random(int(newest.sum())) < 0.85).astype(int)
    result = train(table_dataset(frame, target="won"), TrainConfig(n_trees=10, n_folds=2, n_bootstrap=20))
    assert result.scorer.probability_withheld
    assert result.evaluation.scorer.probability_withheld
    assert result.card["probability_withheld"]
    assert "was predicted" in result.card["calibration_check"]["why"]


def test_an_ordinary_training_passes_and_shows_its_segments():
    card = trained().card
    assert card["calibration_check"]["passed"] == (not card["probability_withheld"])
    assert {row["segment"].split(" = ")[0] for row in card["calibration_check"]["segments"]} == {
        "industry",
        "is_partner",
    }
