"""What sales said beside the goal teaches as far as it speaks for the goal, and no further."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from data.errors import ConfigError
from training.learning.candidates import Hint, fit_scorecard
from training.learning.config import TrainConfig
from training.learning.dataset import Dataset
from training.learning.fitting import FEWEST_SAID, fit_parts
from training.learning.folds import time_folds
from training.learning.ridge import with_settled_ridge
from training.learning.table import table_dataset

COLUMNS, N = 24, 3_000
RNG = np.random.default_rng(8)
X = RNG.normal(size=(N, COLUMNS))
DRIVER = X @ np.linspace(-0.8, 0.8, COLUMNS)
CHANCE = 1 / (1 + np.exp(-(DRIVER - 3.5)))
Y = (RNG.random(N) < CHANCE).astype(np.float64)
# Sales disqualifies leads of little promise, and says so of many more than reach the goal.
DISQUALIFIED = ((RNG.random(N) < 1 / (1 + np.exp(DRIVER))) & (Y == 0)).astype(np.float64)
UNRELATED = (RNG.random(N) < 0.4).astype(np.float64)


def card(*said: np.ndarray, groups: int = 1):
    hints = [Hint(column, 10.0) for column in said]
    names = [f"group {j % groups}" for j in range(COLUMNS)]
    return fit_scorecard(
        X, Y, np.ones(N), n_levels=[None] * COLUMNS, config=TrainConfig(), hints=hints, groups=names
    )


def excess(scorecard) -> float:
    """Expected log loss over that of the true chances."""
    margin = scorecard.margin(X)
    loss = np.logaddexp(0, margin) - CHANCE * margin
    best = np.logaddexp(0, DRIVER - 3.5) - CHANCE * (DRIVER - 3.5)
    return float((loss - best).mean())


def flat(said: dict[str, np.ndarray]) -> Dataset:
    frame = pd.DataFrame(X, columns=[f"c{j}" for j in range(COLUMNS)])
    frame["goal"] = Y.astype(int)
    return replace(table_dataset(frame, target="goal"), said=said)


@pytest.mark.parametrize("groups", [1, 3])
def test_a_hint_that_shares_the_goals_cause_brings_the_scorecard_nearer_the_truth(groups):
    assert excess(card(DISQUALIFIED, groups=groups)) < 0.85 * excess(card())


def test_a_hint_without_a_common_cause_costs_little():
    assert excess(card(UNRELATED)) < 1.2 * excess(card())


def test_rows_of_which_nothing_is_known_yet_do_not_teach_the_hint():
    half = np.where(np.arange(N) < N // 2, DISQUALIFIED, -1.0)
    other = np.where(np.arange(N) < N // 2, DISQUALIFIED, 1.0 - DISQUALIFIED)
    assert excess(card(half)) < excess(card())
    assert excess(card(half)) < excess(card(other)), "an unknown row taken for a statement would mislead"


def test_the_sum_is_a_scorecard_whose_level_is_that_of_the_goal():
    found = card(DISQUALIFIED)
    chance = 1 / (1 + np.exp(-found.margin(X)))
    assert chance.mean() == pytest.approx(Y.mean(), rel=0.01)
    assert np.abs(found.contributions(X).mean(axis=0)).max() < 1e-9
    assert np.array_equal(found.margin(X), card(DISQUALIFIED).margin(X)), "same rows, same bits"


def test_too_few_statements_teach_nothing():
    config, rows = TrainConfig(), np.arange(N)

    def margin(n_said: int) -> np.ndarray:
        said = np.zeros(N, dtype=np.int8)
        said[np.flatnonzero(DISQUALIFIED)[:n_said]] = 1
        dataset = flat({"disqualified": said})
        parts = fit_parts(dataset, rows, candidates=["scorecard"], config=config, seed=0)
        return parts.candidate("scorecard").margin(parts.columns(dataset.matrix, rows))

    assert np.array_equal(margin(FEWEST_SAID - 1), margin(0))
    assert not np.array_equal(margin(FEWEST_SAID), margin(0))


def test_later_leads_decide_whether_the_statements_teach():
    """Statements that point the right way on the oldest leads and the wrong way afterwards are left out."""
    folds = time_folds(flat({}).rows, n_folds=4)

    def also_learned(said: np.ndarray) -> tuple[str, ...]:
        dataset = flat({"disqualified": said.astype(np.int8)})
        return with_settled_ridge(dataset, folds, config=TrainConfig(), seed=0).also_learn

    assert "disqualified" in also_learned(DISQUALIFIED)
    rng = np.random.default_rng(3)
    noise = (rng.random(N) < 1 / (1 + np.exp(-3 * X[:, ::-1] @ np.sin(np.arange(COLUMNS))))) & (Y == 0)
    assert also_learned(noise) == ()


def test_what_may_also_be_learned_is_a_closed_list():
    with pytest.raises(ConfigError, match="did you mean 'disqualified'"):
        TrainConfig(also_learn=("disqualifed",))
