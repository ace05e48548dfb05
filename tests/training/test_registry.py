"""The registry: versions, aliases, frozen reference odds, whole files, and what happens when it is away."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data.errors import DamagedScorerError, RegistryError
from training.learning.run import TrainingResult
from training.learning.table import fit_table
from training.scorer.artifact import load_scorer_folder
from training.scorer.registry import Registry

NOW = 1_780_000_000_000_000


def made_result(*, shift: float = 0.0, seed: int = 0) -> TrainingResult:
    rng = np.random.default_rng(seed)
    visits = rng.poisson(4, 800)
    goal = rng.random(800) < 1 / (1 + np.exp(-(0.5 * visits - 3 + shift)))
    frame = pd.DataFrame(
        {"visits": visits, "country": rng.choice(["DE", "FR", "US"], 800), "goal": goal.astype(int)}
    )
    return fit_table(frame, target="goal", order_by=None)


@pytest.fixture(scope="module")
def results() -> list[TrainingResult]:
    return [made_result(), made_result(shift=1.0, seed=1), made_result(shift=-0.5, seed=2)]


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory, results: list[TrainingResult]) -> Registry:
    home = tmp_path_factory.mktemp("registry")
    made = Registry(f"sqlite:///{home / 'mlflow.db'}", home=home)
    for result in results:
        made.register(result, now=NOW)
    return made


def test_the_newest_version_is_the_challenger(registry: Registry):
    assert registry.resolve("goal", "challenger") == "3"
    assert [row["number"] for row in registry.versions("goal")] == ["1", "2", "3"]


def test_a_fetched_scorer_scores_like_the_trained_one(
    registry: Registry, results: list[TrainingResult], tmp_path: Path
):
    scorer = load_scorer_folder(registry.fetch("goal", "2", into=tmp_path / "scorer"))
    frame = pd.DataFrame({"visits": [0, 3, 9, None], "country": ["DE", "XX", None, "US"]})
    assert (scorer.predict_proba(frame) == results[1].scorer.predict_proba(frame)).all()
    assert json.loads((tmp_path / "scorer" / "card.json").read_text())["goal"] == "goal"


def test_the_reference_odds_are_frozen_by_the_first_version(
    registry: Registry, results: list[TrainingResult]
):
    first = results[0].scorer.scale.reference_log_odds
    assert results[1].scorer.scale.reference_log_odds != first
    assert [registry.load("goal", n).scale.reference_log_odds for n in "123"] == [first] * 3


def test_promote_and_roll_back(registry: Registry):
    for number in ("1", "3"):
        registry.promote("goal", number)
        registry.promote("goal", number)
    assert registry.resolve("goal", "champion") == "3"
    assert registry.rollback("goal").number == "1"
    assert registry.resolve("goal", "champion") == "1"
    with pytest.raises(RegistryError, match="none before"):
        registry.rollback("goal")


def test_the_held_out_scorer_travels_with_the_version(registry: Registry, results: list[TrainingResult]):
    frame = pd.DataFrame({"visits": [1, 5], "country": ["DE", "FR"]})
    held = registry.load_held_out("goal", "1").predict_proba(frame)
    assert (held == results[0].evaluation.scorer.predict_proba(frame)).all()
    assert not (held == results[0].scorer.predict_proba(frame)).all()


def test_what_is_missing_is_named(registry: Registry):
    assert registry.resolve("nothing", "champion") is None
    assert registry.resolve("goal", "99") is None
    with pytest.raises(RegistryError, match="leadloop train"):
        registry.load("nothing", "champion")


def test_an_unreachable_registry_says_so(tmp_path: Path):
    away = Registry("http://127.0.0.1:9", home=tmp_path)
    with pytest.raises(RegistryError, match="LEADLOOP_REGISTRY"):
        away.resolve("goal", "champion")


def test_altered_files_are_not_loaded(registry: Registry, tmp_path: Path):
    folder = registry.fetch("goal", "1", into=tmp_path / "scorer")
    text = (folder / "scorer.json").read_text()
    (folder / "scorer.json").write_text(text.replace('"intercept":', '"intercept": 1e-9, "_":', 1))
    with pytest.raises(DamagedScorerError):
        load_scorer_folder(folder)


def test_a_model_loads_through_mlflow_and_answers_the_same(registry: Registry, results: list[TrainingResult]):
    import mlflow

    mlflow.set_tracking_uri(registry.url)
    frame = pd.DataFrame({"visits": [1.0, 5.0], "country": ["DE", "FR"]})
    model = mlflow.pyfunc.load_model("models:/leadloop-goal/1")
    assert (
        model.predict(frame)["probability"].tolist() == results[0].scorer.predict_proba(frame)[:, 1].tolist()
    )


def test_no_stored_file_is_a_pickle(registry: Registry):
    files = [p for p in (registry.home / "mlartifacts").rglob("*") if p.is_file()]
    assert files
    assert not [
        p for p in files if p.suffix in (".pkl", ".pickle", ".joblib") or p.read_bytes()[:1] == b"\x80"
    ]


def test_four_processes_may_make_a_fresh_registry_at_once(tmp_path: Path):
    code = (
        "import sys; from pathlib import Path; from training.scorer.registry import Registry; "
        "home = Path(sys.argv[1]); print(Registry(f'sqlite:///{home}/mlflow.db', home=home).resolve('goal', 'champion'))"
    )
    started = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        for _ in range(4)
    ]
    for process in started:
        out, err = process.communicate(timeout=120)
        assert process.returncode == 0, err.decode()
        assert out.decode().strip() == "None"


def test_registering_twice_gives_the_same_bytes(results: list[TrainingResult], tmp_path: Path):
    from training.scorer.version_files import write_files

    again = replace(made_result(), card=results[0].card)
    for name, result in (("a", results[0]), ("b", again)):
        write_files(result, tmp_path / name, reference_log_odds=-1.0)
    files = sorted(p.relative_to(tmp_path / "a") for p in (tmp_path / "a").rglob("*") if p.is_file())
    assert len(files) >= 5
    for file in files:
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes(), file


def test_rollback_passes_over_a_damaged_champion(tmp_path: Path, results: list[TrainingResult]):
    home = tmp_path / "var"
    registry = Registry(f"sqlite:///{tmp_path / 'mlflow.db'}", home=home)
    for result in results:
        registry.register(result, now=NOW)
    for number in ("1", "2", "3"):
        registry.promote("goal", number)
    for scorer in (home / "mlartifacts").rglob("scorer.json"):
        if json.loads((scorer.parent / "scorer.json").read_text()) == _second(registry):
            scorer.write_bytes(scorer.read_bytes()[:200])
            break
    assert registry.rollback("goal").number == "1"


def _second(registry: Registry) -> dict:
    import tempfile

    with tempfile.TemporaryDirectory() as work:
        return json.loads((registry.fetch("goal", "2", into=Path(work) / "s") / "scorer.json").read_text())


def test_rollback_without_any_champion_says_what_there_is(tmp_path: Path, results: list[TrainingResult]):
    registry = Registry(f"sqlite:///{tmp_path / 'mlflow.db'}", home=tmp_path / "var")
    with pytest.raises(RegistryError, match="leadloop train"):
        registry.rollback("goal")
    registry.register(results[0], now=NOW)
    with pytest.raises(RegistryError, match=r"it has 1 \(challenger\)"):
        registry.rollback("goal")
