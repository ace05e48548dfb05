"""How near do the chances come to the truth? Measured on the synthetic firm, whose true chances are known.

The truth knows each lead's intent and the part of its fit that no field shows; no model can. So two oracles stand beside the model on
the newest leads: the *truth* itself, and the *observable oracle*, the best that can be said from what a CRM holds. The latter
is estimated: trees fitted on the true chances (not on outcomes) of a second, larger firm of the same make, which also may look at the
calendar. Log losses are expected ones, over the draw of the outcome from its true chance, so that luck in 4,000 outcomes does not blur a
difference of 1 %.

    python -m benchmarks.oracle
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np

from data.domain import DAY
from data.sources.importing import import_tables
from data.store import open_store
from data.world import World, make_world, write_world
from features.matrix import Matrix, recode
from training.learning.calibration_check import slope_of
from training.learning.config import TrainConfig
from training.learning.dataset import Dataset, build_dataset
from training.learning.run import train
from training.scorer.scale import log_odds, probability_of

# Ages of a lead, in days, at which the world tells its true chance.
TOLD = {0: "qualified_at_creation", 14: "qualified_at_14_days"}


@dataclass(frozen=True, slots=True)
class Told:
    """A world's mature rows whose true chance is known: the dataset's row numbers, the chance and the age in days, shape (m,)."""

    dataset: Dataset
    rows: np.ndarray
    truth: np.ndarray
    age: np.ndarray


def world_dataset(world: World, *, ages_days: tuple[float, ...] = TrainConfig().ages_days) -> Dataset:
    """The rows one would learn from, by the way of an export and an import."""
    with tempfile.TemporaryDirectory() as work:
        write_world(world, Path(work) / "export")
        store = open_store(f"sqlite:///{work}/leadloop.db")
        import_tables(store, path=Path(work) / "export", now=world.end)
        dataset = build_dataset(
            store, goal="qualified", horizon_days=90, now=world.end, ages_days=tuple(ages_days)
        )
        store.close()
    return dataset


def told(world: World, dataset: Dataset) -> Told:
    """The rows at creation and at 14 days, where the world tells the truth."""
    age = (dataset.cutoffs - dataset.order) / DAY
    by_lead = world.truth.set_index("lead_id")
    truth = np.full(len(dataset), np.nan)
    for days, column in TOLD.items():
        rows = np.flatnonzero(np.abs(age - days) < 0.5)
        truth[rows] = by_lead.loc[dataset.lead_ids[rows].tolist(), column].to_numpy(dtype=np.float64)
    rows = np.flatnonzero((truth > 0) & (truth < 1))
    return Told(dataset, rows, truth[rows], age[rows])


@dataclass(frozen=True)
class ObservableOracle:
    """The best chance from what a CRM holds, as trees on true chances can tell it."""

    booster: Any
    matrix: Matrix

    @classmethod
    def fit(cls, known: Told, *, seed: int = 0) -> ObservableOracle:
        """A tenth of the leads decides how many trees."""
        levels = known.dataset.matrix.levels
        X, names = _columns(known, known.dataset.matrix), known.dataset.matrix.names
        is_check = known.dataset.lead_numbers[known.rows] % 10 == 0
        settings = {
            "objective": "cross_entropy", "learning_rate": 0.06, "num_leaves": 31, "min_data_in_leaf": 40, "lambda_l2": 2.0,
            "feature_fraction": 0.5, "seed": seed, "deterministic": True, "force_row_wise": True, "verbosity": -1,
        }  # fmt: skip
        categories = [j for j, name in enumerate(names) if name in levels]
        data = [
            lightgbm.Dataset(X[own], label=known.truth[own], categorical_feature=categories)
            for own in (~is_check, is_check)
        ]
        booster = lightgbm.train(
            settings, data[0], num_boost_round=1_500, valid_sets=[data[1]],
            callbacks=[lightgbm.early_stopping(30, verbose=False)],
        )  # fmt: skip
        return cls(booster, known.dataset.matrix)

    def chances(self, known: Told) -> np.ndarray:
        """Shape (m,), for the rows of ``known``."""
        matrix = recode(known.dataset.matrix, self.matrix.levels)
        if matrix.names != self.matrix.names:
            raise ValueError("the two worlds have different features")
        return np.asarray(self.booster.predict(_columns(known, matrix)), dtype=np.float64)


def oracle_figures(
    n_leads: int = 20_000, *, seed: int = 11, n_oracle: int = 100_000, config: TrainConfig | None = None
) -> dict[str, float]:
    """Figures of a model trained on a world, on its newest 30 % of leads, those that were worked.

    Returns
    -------
    oracle_gap, oracle_gap_observable : log loss over that of the truth, and of the observable oracle, minus 1.
    observable_gap : the observable oracle's log loss over the truth's, minus 1: what no model can win.
    slope : of the logistic regression of outcomes on the model's log-odds. observed_over_predicted : goals over the sum of chances.
    interval_coverage, interval_coverage_observable : share of leads whose 90 % interval holds the true chance, and the observable oracle's.
    interval_width : mean of high - low. log_loss, log_loss_truth, log_loss_observable, n_rows.
    """
    world = make_world(n_leads, seed=seed)
    dataset = world_dataset(world)
    result = train(dataset, config, seed=0)
    large = make_world(n_oracle, seed=seed + 1_000_003)
    oracle = ObservableOracle.fit(told(large, world_dataset(large, ages_days=tuple(map(float, TOLD)))))

    known = told(world, dataset)
    newest = np.isin(known.rows, result.evaluation.rows)
    observable = oracle.chances(known)[newest]
    rows, truth = known.rows[newest], known.truth[newest]
    twin = result.evaluation.scorer
    own = twin.matrix(dataset.snapshots.take(rows))
    margin = twin.margin(own)
    assert twin.intervals is not None
    low, high = twin.intervals.of(margin)
    chance = probability_of(margin)
    y = dataset.y[rows]
    loss, loss_truth, loss_observable = (expected_log_loss(truth, p) for p in (chance, truth, observable))
    figures = {
        "oracle_gap": loss / loss_truth - 1,
        "oracle_gap_observable": loss / loss_observable - 1,
        "observable_gap": loss_observable / loss_truth - 1,
        "slope": slope_of(margin, y, np.ones(len(y)))[0],
        "slope_observable_oracle": slope_of(np.array([log_odds(p) for p in observable]), y, np.ones(len(y)))[
            0
        ],
        "observed_over_predicted": float(y.sum() / chance.sum()),
        "interval_coverage": float(((low <= truth) & (truth <= high)).mean()),
        "interval_coverage_observable": float(((low <= observable) & (observable <= high)).mean()),
        "interval_width": float((high - low).mean()),
        "log_loss": loss,
        "log_loss_truth": loss_truth,
        "log_loss_observable": loss_observable,
        "n_rows": float(len(rows)),
    }
    return {name: round(float(value), 5) for name, value in figures.items()}


def expected_log_loss(truth: np.ndarray, chance: np.ndarray) -> float:
    """Mean log loss of ``chance`` when each outcome is drawn from its ``truth``; both strictly between 0 and 1."""
    return float(-(truth * np.log(chance) + (1 - truth) * np.log1p(-chance)).mean())


def _columns(known: Told, matrix: Matrix) -> np.ndarray:
    day = known.dataset.order[known.rows] / DAY
    return np.column_stack([matrix.X[known.rows], day, known.age])


def main() -> None:
    """Print one line a figure, for three seeds."""
    table = [oracle_figures(seed=seed) for seed in (11, 12, 13)]
    print(f"{'synthetic world, 20,000 leads; seed':45}{11:>9}{12:>9}{13:>9}")
    for name in table[0]:
        print(f"{name:45}" + "".join(f"{row[name]:9.3f}" for row in table))


if __name__ == "__main__":
    main()
