"""The ridge is settled by later leads: flat where little moves the goal, as set where a lot does."""

from __future__ import annotations

import numpy as np
import pandas as pd

from training.learning.config import TrainConfig
from training.learning.folds import time_folds
from training.learning.ridge import TIMES, with_settled_ridge
from training.learning.table import table_dataset


def settled(effect: float, *, columns: int, n: int = 1_500) -> float:
    rng = np.random.default_rng(5)
    X = rng.normal(size=(n, columns))
    chance = 1 / (1 + np.exp(-(effect * X[:, 0] - effect * X[:, 1] - 1)))
    frame = pd.DataFrame(X, columns=[f"c{j}" for j in range(columns)])
    frame["goal"] = (rng.random(n) < chance).astype(int)
    dataset = table_dataset(frame, target="goal")
    config = TrainConfig()
    chosen = with_settled_ridge(dataset, time_folds(dataset.rows, n_folds=4), config=config, seed=0)
    return chosen.scorecard_l2 / config.scorecard_l2


def test_where_little_moves_the_goal_the_scorecard_is_flat():
    assert settled(0.05, columns=30) == TIMES[-1]


def test_where_a_lot_moves_the_goal_the_ridge_stays_as_set():
    assert settled(2.0, columns=4) == TIMES[0]


def test_nothing_else_is_changed():
    frame = pd.DataFrame({"c": np.arange(400.0), "goal": [0, 1] * 200})
    dataset = table_dataset(frame, target="goal")
    config = TrainConfig(scorecard_l2=3.0, n_knots=4)
    chosen = with_settled_ridge(dataset, time_folds(dataset.rows, n_folds=4), config=config, seed=0)
    assert chosen.n_knots == 4
    assert chosen.candidates == config.candidates
