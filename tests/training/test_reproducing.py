"""A version can be made again from the store, to the byte, also after newer rows have come; what changed is named."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from data.domain import DAY, Lead, Outcome, Touchpoint, parse_instant
from data.errors import ConfigError
from data.sources.importing import import_tables
from data.store import Store, open_store
from data.world import make_world, write_world
from tests.training.examples import QUICK, trained
from training.learning.dataset import build_dataset
from training.loop import reproducing
from training.loop.reproducing import reproduce
from training.loop.retraining import retrain
from training.scorer.provenance import code_hash, lock_hash
from training.scorer.registry import Registry

NOW = parse_instant("2026-07-01T00:00:00Z", name="now")
THEN = NOW - 100 * DAY
CONFIG = replace(QUICK, ages_days=(0.0, 7.0), candidates=("scorecard", "blend"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("world")
    write_world(make_world(2_000, seed=3, end=NOW), made)
    return made


@pytest.fixture(scope="module")
def store(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Store:
    store = open_store(f"sqlite:///{tmp_path_factory.mktemp('store') / 'leadloop.db'}")
    import_tables(store, path=folder, now=NOW)
    return store


@pytest.fixture(scope="module")
def registry(store: Store, tmp_path_factory: pytest.TempPathFactory) -> Registry:
    home = tmp_path_factory.mktemp("registry")
    registry = Registry(f"sqlite:///{home / 'mlflow.db'}", home=home)
    retrain(store, registry, now=THEN, config=CONFIG, seed=5)
    return registry


def later_rows(store: Store, *, received_at: int | None) -> None:
    """Rows dated before the training: a new lead that qualified, and of a known lead a touchpoint, an outcome and a new statement."""
    known = store.lead_ids(created_before=THEN - 95 * DAY)[100]
    at = THEN - 94 * DAY
    store.add_leads(
        [
            Lead(lead_id="late", created_at=at, received_at=received_at, profile={"country": "AT", "x_new": "q"}),
            Lead(lead_id=known, created_at=at, received_at=received_at, observed_at=at, profile={"industry": "mining"}, as_exported=True),
        ],
        now=NOW,
    )  # fmt: skip
    touch = Touchpoint(
        touchpoint_id="t-late", lead_id=known, type="pricing_view", occurred_at=at, received_at=received_at
    )
    store.add_touchpoints([touch], now=NOW)
    said = [
        Outcome(f"o-{lead_id}", lead_id, "qualified", at + 4 * DAY, received_at=received_at, source="test")
        for lead_id in ("late", known)
    ]
    store.add_outcomes(said, now=NOW)


@pytest.mark.parametrize("immature", ["wait", "ipcw"])
def test_rows_received_later_leave_the_dataset_of_then_as_it_was(folder: Path, tmp_path: Path, immature: str):
    store = open_store(f"sqlite:///{tmp_path / 'leadloop.db'}")
    import_tables(store, path=folder, now=NOW)
    before = build_dataset(store, now=THEN, immature=immature)
    later_rows(store, received_at=NOW - DAY)
    again = build_dataset(store, now=THEN, immature=immature)
    assert again.data_hash == before.data_hash
    assert build_dataset(store, now=NOW, immature=immature).data_hash != before.data_hash


def test_a_version_comes_out_identical_also_after_newer_rows(store: Store, registry: Registry):
    later_rows(store, received_at=NOW - DAY)
    made = reproduce(registry, store, goal="qualified", version="challenger")
    assert made.identical, made.why
    assert set(made.files.values()) == {True}
    assert len(made.files) == 4
    assert made.differences == ()


def test_history_without_times_of_receipt_is_named_as_changed_data(
    folder: Path, registry: Registry, tmp_path: Path
):
    store = open_store(f"sqlite:///{tmp_path / 'leadloop.db'}")
    import_tables(store, path=folder, now=NOW)
    later_rows(store, received_at=None)
    made = reproduce(registry, store, goal="qualified", version="1")
    assert not made.identical
    assert "the data has changed since (rows " in made.why
    assert made.to_dict()["files"]["scorer.json"] is False


def test_another_lock_and_other_code_are_named_although_the_bytes_agree(
    store: Store, registry: Registry, monkeypatch: pytest.MonkeyPatch
):
    real = reproducing.provenance
    monkeypatch.setattr(
        reproducing,
        "provenance",
        lambda card: {**real(card), "lock_hash": "other", "code_hash": "feed", "packages": {**real(card)["packages"], "numpy": "9.9"}},
    )  # fmt: skip
    made = reproduce(registry, store, goal="qualified", version="1")
    assert made.identical
    assert any("requirements.lock has changed" in said for said in made.differences)
    assert any("numpy was" in said and "9.9" in said for said in made.differences)
    assert any("feed" in said for said in made.differences)


def test_an_empty_store_is_changed_data(registry: Registry, tmp_path: Path):
    made = reproduce(
        registry, open_store(f"sqlite:///{tmp_path / 'empty.db'}"), goal="qualified", version="1"
    )
    assert not made.identical
    assert made.files == {}
    assert "the data has changed since" in made.why


def test_a_flat_table_is_not_kept_and_said_so(store: Store, tmp_path: Path):
    registry = Registry(f"sqlite:///{tmp_path / 'mlflow.db'}", home=tmp_path)
    version = registry.register(trained("scorecard"), now=NOW)
    with pytest.raises(ConfigError, match="flat table"):
        reproduce(registry, store, goal=version.goal, version=version.number)


def test_what_a_version_comes_from_is_beside_its_files_and_not_in_them(registry: Registry, tmp_path: Path):
    folder = registry.fetch("qualified", "1", into=tmp_path / "version")
    run = json.loads((folder / "run.json").read_text())
    assert (run["now"], run["seed"], run["ages_days"]) == (THEN, 5, [0.0, 7.0])
    assert run["code_hash"] == code_hash()
    assert run["lock_hash"] == lock_hash()
    assert run["code_hash"] not in (folder / "scorer.json").read_text()


def test_the_first_version_promoted_is_the_anchor_of_its_family(store: Store, registry: Registry):
    registry.promote("qualified", "1")
    family = registry.versions("qualified")[0]["tags"]["family"]
    second = retrain(store, registry, now=NOW, config=CONFIG, seed=6).version.number
    registry.promote("qualified", second)
    assert registry.anchor("qualified", family) == "1"
    assert registry.anchor("qualified", "another family") is None
