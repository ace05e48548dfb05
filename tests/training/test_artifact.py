"""Laws 8 and 10: the same training gives the same bytes; damaged files are refused before anything is parsed."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.errors import DamagedScorerError, OtherDefinitionsError
from features.meaning import MEANING
from tests.training.examples import QUICK, leads_frame, trained
from training.learning.table import fit_table
from training.scorer.artifact import SUMS_FILE, load_scorer_folder, save_scorer, scorer_hash
from training.scorer.tree_tables import TreeTables

FILES = ("scorer.json", "trees.txt", SUMS_FILE)
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_scorer(trained().scorer, tmp_path_factory.mktemp("scorer"))


def copy(folder: Path, into: Path) -> Path:
    into.mkdir(exist_ok=True)
    for name in FILES:
        (into / name).write_bytes((folder / name).read_bytes())
    return into


def resum(folder: Path) -> None:
    """Make the sums agree again, as somebody who altered the files on purpose would."""
    lines = [f"{hashlib.sha256((folder / n).read_bytes()).hexdigest()}  {n}\n" for n in FILES[:2]]
    (folder / SUMS_FILE).write_text("".join(lines))


def altered(folder: Path, change) -> None:
    record = json.loads((folder / "scorer.json").read_text())
    change(record)
    (folder / "scorer.json").write_text(json.dumps(record))
    resum(folder)


@pytest.mark.parametrize("candidate", ["base_rate", "scorecard", "trees", "blend"])
def test_a_scorer_comes_back_to_the_last_bit(candidate, tmp_path):
    scorer = trained(candidate).scorer
    loaded = load_scorer_folder(save_scorer(scorer, tmp_path / "one"), version="3")
    frame = leads_frame(200, seed=8)
    assert loaded.predict_proba(frame).tolist() == scorer.predict_proba(frame).tolist()
    assert (loaded.goal, loaded.grades, loaded.scale, loaded.version) == (
        scorer.goal,
        scorer.grades,
        scorer.scale,
        "3",
    )
    assert loaded.features.hash == scorer.features.hash
    save_scorer(loaded, tmp_path / "two")
    assert scorer_hash(tmp_path / "one") == scorer_hash(tmp_path / "two")


def test_the_same_data_config_and_seed_give_the_same_bytes(tmp_path):
    for name in ("one", "two"):
        result = fit_table(leads_frame(), target="won", config=QUICK, seed=5)
        save_scorer(result.scorer, tmp_path / name)
        (tmp_path / name / "card.json").write_text(json.dumps(result.card, sort_keys=True))
    for name in (*FILES, "card.json"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_other_processes_and_thread_counts_give_the_same_bytes(tmp_path):
    code = (
        "import sys, dataclasses\n"
        "from tests.training.examples import QUICK, leads_frame\n"
        "from training.learning.table import fit_table\n"
        "from training.scorer.artifact import save_scorer, scorer_hash\n"
        "config = dataclasses.replace(QUICK, threads=int(sys.argv[2]))\n"
        "save_scorer(fit_table(leads_frame(), target='won', config=config, seed=5).scorer, sys.argv[1])\n"
        "print(scorer_hash(sys.argv[1]))\n"
    )
    hashes = set()
    for threads in ("1", "2"):
        env = {
            **os.environ,
            "PYTHONHASHSEED": threads,
            "OPENBLAS_NUM_THREADS": threads,
            "PYTHONPATH": str(ROOT),
        }
        run = subprocess.run(
            [sys.executable, "-c", code, str(tmp_path / threads), threads],
            cwd=ROOT, env=env, capture_output=True, text=True, check=True, timeout=120,
        )  # fmt: skip
        hashes.add(run.stdout.strip())
    assert len(hashes) == 1


def test_another_seed_gives_other_bytes(tmp_path):
    for seed in (5, 6):
        save_scorer(
            fit_table(leads_frame(), target="won", config=QUICK, seed=seed).scorer, tmp_path / str(seed)
        )
    assert scorer_hash(tmp_path / "5") != scorer_hash(tmp_path / "6")


@pytest.mark.parametrize("name", FILES)
@given(data=st.data())
def test_a_flipped_bit_is_refused(name, data, saved, tmp_path):
    folder = copy(saved, tmp_path / "copy")
    content = bytearray((folder / name).read_bytes())
    content[data.draw(st.integers(0, len(content) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    (folder / name).write_bytes(content)
    with pytest.raises(DamagedScorerError):
        load_scorer_folder(folder)


@pytest.mark.parametrize("name", FILES)
@given(data=st.data())
def test_a_truncated_file_is_refused(name, data, saved, tmp_path):
    folder = copy(saved, tmp_path / "copy")
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content[: data.draw(st.integers(0, len(content) - 1))])
    with pytest.raises(DamagedScorerError):
        load_scorer_folder(folder)


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_refused_by_name(name, saved, tmp_path):
    folder = copy(saved, tmp_path / "copy")
    (folder / name).unlink()
    with pytest.raises(DamagedScorerError, match=name):
        load_scorer_folder(folder)


def test_files_beside_the_scorer_are_no_matter(saved, tmp_path):
    folder = copy(saved, tmp_path / "copy")
    (folder / "card.json").write_text("{}")
    assert load_scorer_folder(folder).goal == "won"


def test_trees_are_not_parsed_before_the_sums_agree(saved, tmp_path, monkeypatch):
    def parsed(*_args: object, **_settings: object) -> None:
        raise AssertionError("LightGBM saw a damaged text")

    folder = copy(saved, tmp_path / "copy")
    (folder / "trees.txt").write_bytes((folder / "trees.txt").read_bytes()[:600])
    monkeypatch.setattr("training.scorer.artifact.Trees", parsed)
    with pytest.raises(DamagedScorerError, match="do not agree"):
        load_scorer_folder(folder)


def test_a_model_that_answers_otherwise_is_refused(saved, tmp_path):
    folder = copy(saved, tmp_path / "copy")
    altered(
        folder,
        lambda record: record["calibration"].update(intercept=record["calibration"]["intercept"] + 1e-9),
    )
    with pytest.raises(DamagedScorerError, match="golden rows score otherwise"):
        load_scorer_folder(folder)


@pytest.mark.parametrize(
    ("factors", "complaint"),
    [((1.0, 1.001), "must be one number"), ((1.001, 1.0), "golden rows score otherwise")],
)
def test_a_model_whose_tables_say_something_else_is_refused(saved, monkeypatch, factors, complaint):
    whole = TreeTables.divided

    def other(self, X):
        return tuple(factor * own for factor, own in zip(factors, whole(self, X), strict=True))

    monkeypatch.setattr(TreeTables, "divided", other)
    with pytest.raises(DamagedScorerError, match=complaint):
        load_scorer_folder(saved)


@pytest.mark.parametrize(
    "change",
    [
        lambda record: record.pop("levels"),
        lambda record: record.update(format=99),
        lambda record: record.update(features_hash="0" * 64),
        lambda record: record["features"][0].update(agg="guess"),
        lambda record: record["calibration"].update(slope=-1.0),
        lambda record: record["grades"].update(A=-5),
        lambda record: record["model"]["scorecard"]["terms"].pop(),
        lambda record: record["model"]["trees"]["fill"].pop(),
        lambda record: record["golden"]["rows"][0].pop(),
        lambda record: record["golden"]["margins"].pop(),
        lambda record: record.update(model=None),
        lambda record: record.update(levels=[]),
        lambda record: record["levels"].pop("industry"),
        lambda record: record.update(meanings=[]),
        lambda record: record["meanings"].update(field_text="one"),
    ],
)
def test_a_record_that_makes_no_sense_is_refused_without_a_crash(change, saved, tmp_path):
    folder = copy(saved, tmp_path / "copy")
    altered(folder, change)
    with pytest.raises(DamagedScorerError):
        load_scorer_folder(folder)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda record: record["meanings"].update(field_text=7), r"field_text \(7 there, 1 here\)"),
        (lambda record: record["meanings"].update(median=1), r"median \(1 there, unknown here\)"),
        (lambda record: record["features"][0].update(says="Other"), "do not have the hash"),
    ],
)
def test_features_that_are_computed_otherwise_here_are_refused_with_a_name(change, said, saved, tmp_path):
    folder = copy(saved, tmp_path / "copy")
    altered(folder, change)
    with pytest.raises(OtherDefinitionsError, match=said):
        load_scorer_folder(folder)


def test_the_meaning_of_an_aggregation_is_part_of_the_model(saved, monkeypatch):
    """The same files, read by code that computes ``field_number`` otherwise."""
    assert load_scorer_folder(saved)
    monkeypatch.setitem(MEANING, "field_number", 2)
    with pytest.raises(OtherDefinitionsError, match="train it anew"):
        load_scorer_folder(saved)
    saved_anew = json.loads(
        save_scorer(trained().scorer, saved.parent / "anew").joinpath("scorer.json").read_text()
    )
    assert saved_anew["meanings"]["field_number"] == 2


def test_early_scorers_without_meanings_had_the_first_ones(saved, tmp_path, monkeypatch):
    folder = copy(saved, tmp_path / "copy")
    altered(folder, lambda record: record.pop("meanings"))
    assert load_scorer_folder(folder)
    monkeypatch.setitem(MEANING, "field_number", 2)
    with pytest.raises(OtherDefinitionsError, match="1 there, 2 here"):
        load_scorer_folder(folder)


@pytest.mark.parametrize("text", ["", "[]", "null", "{", "\ufeff{}", "[" * 100_000])
def test_json_that_is_no_scorer_is_refused(text, saved, tmp_path):
    folder = copy(saved, tmp_path / "copy")
    (folder / "scorer.json").write_text(text)
    resum(folder)
    with pytest.raises(DamagedScorerError):
        load_scorer_folder(folder)


def test_golden_rows_are_no_lead_of_the_training(saved):
    scorer = load_scorer_folder(saved)
    frame = leads_frame()
    known = {(v, e) for v, e in zip(frame["visits"], frame["noise"], strict=True)}
    names = scorer.features.names
    golden = {(r[names.index("visits")], r[names.index("noise")]) for r in scorer.golden.X}
    assert len(scorer.golden.X) >= 16
    assert not known & golden
    assert np.isnan(scorer.golden.X[0]).all(), "the first row knows nothing"


def test_nothing_in_the_files_can_run(saved):
    assert sorted(p.name for p in saved.iterdir()) == sorted(FILES)
    for name in FILES:
        (saved / name).read_bytes().decode("utf-8")
