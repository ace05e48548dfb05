"""The Python front door: the loop in a few calls, for notebooks and scripts.

Each function opens what it needs by the settings (``LEADLOOP_HOME``, ``LEADLOOP_STORE``, ``LEADLOOP_REGISTRY``) and hands over. Here, and
in the command, is where the clock is read.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd

from data.asof import snapshots_at
from data.domain import parse_instant, to_instant
from data.errors import ConfigError
from data.intake import load_intake
from data.settings import Settings
from data.snapshots import Snapshots
from data.sources.importing import import_tables as _import_tables
from data.sources.report import ImportReport
from data.store import Store
from data.store import open_store as _open_store
from features.defining import read_features
from features.spec import Feature
from leadloop.attribution import attribute
from leadloop.upkeep import check_grades, grades, recalibrate, shadow
from training.insights.charts import figures
from training.learning.config import TrainConfig
from training.learning.dataset import Dataset
from training.learning.dataset import build_dataset as _build_dataset
from training.learning.run import TrainingResult
from training.learning.run import train as _train
from training.learning.table import fit_table
from training.loop.comparison import Verdict
from training.loop.reproducing import Reproduction
from training.loop.reproducing import reproduce as _reproduce
from training.loop.retraining import judge as _judge
from training.scorer.artifact import load_scorer_folder
from training.scorer.registry import ModelVersion, Registry
from training.scorer.scorer import Scorer

__all__ = [
    "attribute", "build_dataset", "check_grades", "fit_table", "grades", "import_tables", "judge", "load_scorer",
    "open_registry", "open_store", "promote", "recalibrate", "register", "reproduce", "rollback", "scores",
    "shadow", "snapshots", "train",
]  # fmt: skip

Moment = datetime | str | int | None


def settings() -> Settings:
    """The settings of this process's environment."""
    return Settings.from_env(os.environ)


def instant(moment: Moment = None, *, name: str = "--now") -> int:
    """An instant from an aware datetime, ISO text or microseconds; None is this moment. Errors call it ``name``."""
    if moment is None:
        return time.time_ns() // 1_000
    if isinstance(moment, datetime):
        return to_instant(moment, name=name)
    return parse_instant(moment, name=name) if isinstance(moment, str) else int(moment)


def open_store(url: str | None = None) -> Store:
    """The store at ``url`` (``sqlite:///...`` or ``postgresql+psycopg://...``), or the one the settings name; made when missing."""
    return _open_store(url or settings().store_url)


def existing_store() -> Store:
    """The store the settings name; StoreError when nothing has been imported there yet."""
    return _open_store(settings().store_url, create=False)


def open_registry(url: str | None = None) -> Registry:
    """The model registry at ``url``, or the one the settings name."""
    chosen = settings()
    return Registry(url or chosen.registry_url, home=chosen.home)


def import_tables(
    store: Store,
    *,
    path: str | Path,
    source: str | None = None,
    mapping: str | Path | None = None,
    dry_run: bool = False,
) -> ImportReport:
    """Import a folder of CSV or Parquet files; the report accounts for every row. Without ``mapping``, the folder's mapping.toml."""
    return _import_tables(
        store,
        path=Path(path),
        source=source,
        mapping=None if mapping is None else Path(mapping),
        dry_run=dry_run,
        now=instant(),
        intake=load_intake(settings().intake),
    )


def build_dataset(
    store: Store,
    *,
    goal: str = "qualified",
    horizon_days: int = 90,
    now: Moment = None,
    ages_days: Sequence[float] | None = None,
    immature: str | None = None,
    features: Sequence[Feature | Mapping[str, Any]] | str | Path = (),
) -> Dataset:
    """Features, labels and weights of every (lead, cutoff) whose label is known at ``now`` (this moment by default).

    ``features`` are added to the catalog's: definitions made with ``leadloop.features``, or the TOML file that holds them.
    """
    usual = TrainConfig()
    own = read_features(features) if isinstance(features, str | Path) else features
    return _build_dataset(
        store,
        goal=goal,
        horizon_days=horizon_days,
        now=instant(now),
        ages_days=usual.ages_days if ages_days is None else tuple(ages_days),
        immature=usual.immature if immature is None else immature,
        own=own,
    )


def train(dataset: Dataset, config: TrainConfig | None = None, *, seed: int = 0) -> TrainingResult:
    """Learn a scorer: ``.scorer``, ``.card`` (what it is worth out of time), ``.evaluation``, ``.leaks``."""
    return _train(dataset, config, seed=seed)


def register(result: TrainingResult) -> ModelVersion:
    """Put a training into the registry; it becomes the challenger."""
    return open_registry().register(result, now=instant(), figures=figures(result.card))


def judge(version: ModelVersion | str, *, store: Store | None = None, now: Moment = None) -> Verdict:
    """Champion against this version on the newest mature leads: ``.promote``, ``.why``, ``.table``."""
    registry, known = open_registry(), _version(version)
    card = registry.card(known.goal, known.number)
    dataset = _build_dataset(
        store or open_store(),
        goal=known.goal,
        horizon_days=int(card["horizon_days"]),
        now=instant(now),
        ages_days=tuple(card["config"]["ages_days"]),
    )
    return _judge(registry, known, dataset)


def promote(
    version: ModelVersion | str, *, accept_leaks: bool = False, new_family: bool = False
) -> ModelVersion:
    """Make a version the champion; services pick it up within seconds. One that looks too good needs ``accept_leaks``, one whose label
    means something else than the champion's ``new_family``."""
    registry, known = open_registry(), _version(version)
    registry.load(known.goal, known.number)  # a damaged version is refused here, not by every service later
    return registry.promote(known.goal, known.number, accept_leaks=accept_leaks, new_family=new_family)


def rollback(goal: str | None = None) -> ModelVersion:
    """Make the previous champion champion again."""
    return open_registry().rollback(goal or settings().goal)


def reproduce(version: ModelVersion | str, store: Store | None = None) -> Reproduction:
    """Train a version again on the data of then and compare the files: ``.identical``, ``.why``, ``.files``, ``.differences``."""
    known = _version(version)
    return _reproduce(open_registry(), store or open_store(), goal=known.goal, version=known.number)


def load_scorer(which: str | Path = "champion", *, goal: str | None = None) -> Scorer:
    """A scorer by alias, by version number, or from a local folder."""
    folder = Path(which)
    if (folder / "scorer.json").is_file():
        return load_scorer_folder(folder)
    if folder.is_dir() or os.sep in str(which):
        raise ConfigError(f"{which} is no scorer folder: it has no scorer.json")
    return open_registry().load(goal or settings().goal, str(which))


def snapshots(store: Store, lead_ids: Sequence[str] | None = None, *, cutoff: Moment = None) -> Snapshots:
    """What is known about these leads (all by default) at the cutoff (this moment by default); suppressed ones are absent."""
    at = instant(cutoff)
    if lead_ids is None:
        chosen = store.lead_ids(created_before=at + 1, standing_at=at)
    else:
        barred = store.privacy.barred(lead_ids)
        chosen = [i for i in lead_ids if i not in barred]
    return snapshots_at(store, chosen, cutoff=at)


def scores(store: Store, *, which: str = "champion", cutoff: Moment = None) -> pd.DataFrame:
    """Every lead's score at the cutoff, best first."""
    frame = load_scorer(which).score(snapshots(store, cutoff=cutoff))
    return frame.sort_values("score", ascending=False, kind="stable", ignore_index=True)


def _version(version: ModelVersion | str) -> ModelVersion:
    if isinstance(version, ModelVersion):
        return version
    goal = settings().goal
    return ModelVersion(goal=goal, number=open_registry().number(goal, str(version)))
