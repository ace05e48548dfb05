"""The synthetic firm as rows to learn from, with the leads' own true chances beside them."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from data.domain import DAY
from data.sources.importing import import_tables
from data.store import open_store
from data.world import World, write_world
from training.learning.config import TrainConfig
from training.learning.dataset import Dataset, build_dataset

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
