"""Intervals: order, monotony, the same bits alone and in a batch, and whether they hold what they are meant to hold."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.errors import DamagedScorerError
from features.matrix import Matrix
from tests.training.examples import leads_frame, trained
from training.learning.config import TrainConfig
from training.learning.run import train
from training.learning.table import table_dataset
from training.learning.uncertainty import isotonic, level_variance, make_intervals, venn_abers
from training.scorer.artifact import SCORER_FILE, load_scorer_folder, save_scorer
from training.scorer.intervals import Intervals
from training.scorer.scale import probability_of


def drawn(n: int = 2_000, *, seed: int = 1):
    rng = np.random.default_rng(seed)
    margin = rng.normal(-1.5, 1.0, size=n)
    return margin, (rng.random(n) < 1 / (1 + np.exp(-margin))).astype(float), np.ones(n)


INTERVALS = make_intervals(*drawn(), np.zeros(2_000, dtype=int), variance=0.05)
MARGINS = st.lists(st.floats(-60, 60), min_size=1, max_size=30)


@given(MARGINS)
def test_the_probability_lies_inside_and_both_ends_rise_with_it(margins: list[float]):
    margin = np.sort(np.array(margins))
    low, high = INTERVALS.of(margin)
    chance = probability_of(margin)
    assert (low <= chance).all()
    assert (chance <= high).all()
    assert (np.diff(low) >= 0).all()
    assert (np.diff(high) >= 0).all()


@given(MARGINS)
def test_alone_and_in_a_batch_are_the_same_bits(margins: list[float]):
    batch = INTERVALS.of(np.array(margins))
    for i, margin in enumerate(margins):
        alone = INTERVALS.of(np.array([margin]))
        assert [end[0].tobytes() for end in alone] == [end[i].tobytes() for end in batch]


@given(st.lists(st.tuples(st.floats(-3, 3), st.booleans()), min_size=1, max_size=60))
def test_tables_of_any_leads_are_intervals(leads: list[tuple[float, bool]]):
    margin, y = (np.array(column, dtype=float) for column in zip(*leads, strict=True))
    made = make_intervals(margin, y, np.ones(len(y)), np.zeros(len(y), dtype=int), variance=0.1)
    assert all(0 <= a < b <= 1 for a, b in zip(made.if_missed, made.if_reached, strict=True))
    assert Intervals.from_record(json.loads(json.dumps(made.to_record()))) == made


def test_venn_abers_of_one_group_is_the_rate_with_one_more_lead():
    assert venn_abers(np.zeros(9), np.array([1.0] * 3 + [0.0] * 6), np.ones(9)) == ((), (0.3,), (0.4,))


def test_venn_abers_holds_the_true_chance_of_a_bent_score():
    """One of the pair is calibrated whatever the score means: here the outcomes do not follow the margin's own chance at all."""
    rng = np.random.default_rng(2)
    margin = rng.uniform(-3, 3, size=20_000)
    truth = 0.1 + 0.5 * (margin > 1)
    edges, missed, reached = venn_abers(margin, (rng.random(20_000) < truth).astype(float), np.ones(20_000))
    group = np.searchsorted(edges, margin, side="right")
    assert np.abs(np.array(missed)[group] - truth).mean() < 0.02
    assert np.abs(np.array(reached)[group] - truth).mean() < 0.02


def test_isotonic_pools_what_falls():
    assert isotonic(np.array([0.2, 0.1, 0.4]), np.array([1.0, 3.0, 1.0])).tolist() == [0.125, 0.125, 0.4]


def test_the_more_months_differ_the_wider():
    margin, y, weight = drawn(6_000)
    fold = np.arange(6_000) % 3
    restless = np.where(fold == 2, 1.0, y * (np.arange(6_000) % 2))
    assert level_variance(margin, restless, weight, fold) > 10 * level_variance(margin, y, weight, fold)


def test_shifted_intervals_move_with_the_margin():
    margin = np.linspace(-3, 3, 50)
    moved = np.array(INTERVALS.shifted(0.7).of(margin + 0.7))
    there = np.array(INTERVALS.of(margin))
    assert np.log(moved / (1 - moved)) == pytest.approx(np.log(there / (1 - there)) + 0.7, abs=1e-9)


def test_the_interval_holds_the_true_chance_of_most_leads():
    """A flat table whose truth the model can see in full, but for what 1,500 leads teach."""
    held = []
    for seed in range(4):
        frame = leads_frame(1_500, seed=seed)
        margin = -1.2 + (
            0.5 * (frame["visits"] - 3)
            + 0.8 * (frame["industry"] == "software")
            - 0.7 * frame["employees"].isna()
        )
        truth = 1 / (1 + np.exp(-margin.to_numpy(dtype=float)))
        result = train(table_dataset(frame, target="won"), TrainConfig(n_trees=25, n_folds=2, n_bootstrap=20))
        scorer = result.evaluation.scorer
        assert scorer.intervals is not None
        low, high = scorer.intervals.of(
            scorer.margin(scorer.matrix(table_dataset(frame, target="won").snapshots))
        )
        newest = slice(1_050, None)
        held.append(((low <= truth) & (truth <= high))[newest].mean())
    assert 0.80 <= np.mean(held) <= 1.0


def test_a_trained_scorer_answers_with_intervals_after_loading(tmp_path):
    # So few leads may fail the calibration check, which is no matter here.
    scorer = replace(trained().scorer, probability_withheld=False)
    save_scorer(scorer, tmp_path)
    loaded = load_scorer_folder(tmp_path)
    assert loaded.intervals == scorer.intervals
    scored = loaded.score_matrix(Matrix(loaded.features.names, loaded.golden.X, dict(loaded.levels)))
    assert (scored.low < scored.probability).all()
    assert (scored.probability < scored.high).all()


@pytest.mark.parametrize(
    "wrong",
    [{"half_width": -1.0}, {"coverage": 1.0}, {"edges": [0.0]}, {"if_missed": ["x"]}, {"half_width": None}],
)
def test_tables_that_cannot_be_intervals_are_a_damaged_scorer(tmp_path, wrong: dict[str, object]):
    import hashlib

    from training.scorer.artifact import SUMS_FILE, TREES_FILE

    save_scorer(trained().scorer, tmp_path)
    record = json.loads((tmp_path / SCORER_FILE).read_text())
    record["intervals"] |= wrong
    (tmp_path / SCORER_FILE).write_text(json.dumps(record))
    names = (SCORER_FILE, TREES_FILE)
    sums = "".join(f"{hashlib.sha256((tmp_path / n).read_bytes()).hexdigest()}  {n}\n" for n in names)
    (tmp_path / SUMS_FILE).write_text(sums)
    with pytest.raises(DamagedScorerError):
        load_scorer_folder(tmp_path)
