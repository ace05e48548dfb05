"""Small trainings that several tests look at: made once, never changed."""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd

from training.learning.config import TrainConfig
from training.learning.run import TrainingResult, train
from training.learning.table import table_dataset

QUICK = TrainConfig(n_trees=25, n_folds=2, n_bootstrap=20)


def leads_frame(n: int = 600, *, seed: int = 1, signal: float = 1.0) -> pd.DataFrame:
    """Flat leads in order of time; ``visits``, ``industry`` and a gap in ``employees`` tell something when ``signal`` is above 0."""
    rng = np.random.default_rng(seed)
    visits = rng.poisson(3.0, size=n)
    industry = rng.choice(["software", "retail", "health", "farming"], size=n, p=[0.4, 0.3, 0.2, 0.1])
    employees = np.where(rng.random(n) < 0.3, np.nan, np.round(np.exp(rng.normal(4.0, 1.0, size=n))))
    margin = -1.2 + signal * (
        0.5 * (visits - 3)
        + np.where(industry == "software", 0.8, 0.0)
        - np.where(np.isnan(employees), 0.7, 0.0)
    )
    return pd.DataFrame(
        {
            "visits": visits,
            "industry": pd.array(industry, dtype="str"),
            "employees": employees,
            "is_partner": rng.random(n) < 0.2,
            "noise": rng.normal(size=n),
            "won": (rng.random(n) < 1 / (1 + np.exp(-margin))).astype(int),
        }
    )


@cache
def trained(candidate: str = "blend") -> TrainingResult:
    """A quick training of one candidate on ``leads_frame()``."""
    config = TrainConfig(n_trees=25, n_folds=2, n_bootstrap=20, candidates=(candidate,))
    return train(table_dataset(leads_frame(), target="won"), config, seed=3)
