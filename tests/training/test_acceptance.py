"""A model that looks too good is promoted only by somebody who accepts what the probes found."""

from __future__ import annotations

import sys
from dataclasses import replace
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from data.errors import UnacceptedLeaksError
from leadloop.command import main
from leadloop.showing import show_leaks
from tests.training.examples import QUICK, leads_frame
from training.learning.run import TrainingResult
from training.learning.table import fit_table
from training.loop import retraining
from training.loop.comparison import Verdict
from training.scorer.acceptance import ASK_AUC, reason_to_ask
from training.scorer.registry import ModelVersion, Registry

NOW = 1_780_000_000_000_000


@cache
def too_good() -> TrainingResult:
    """A model with a leak that its user allowed."""
    frame = leads_frame(1_200).rename(columns={"won": "qualified"})
    frame["tags"] = np.where(frame["qualified"] == 1, "hot", "cold")
    config = replace(QUICK, candidates=("scorecard",), allow_fields=("tags",))
    return fit_table(frame, target="qualified", config=config)


def card(auc: float, *findings: tuple[str, str]) -> dict:
    return {
        "out_of_time": {"roc_auc": {"value": auc}},
        "leaks": [{"field": f, "action": a} for f, a in findings],
    }


def test_an_auc_above_the_bar_has_to_be_accepted():
    assert reason_to_ask(card(ASK_AUC)) is None
    assert reason_to_ask({"out_of_time": {}}) is None
    assert "above 0.9" in reason_to_ask(card(ASK_AUC + 0.001))


def test_the_reason_names_suspicious_fields_that_are_still_in_the_model():
    why = reason_to_ask(card(0.95, ("Tags", "block"), ("Tags", "warn"), ("Quality", "warn"), ("stage", "ok")))
    assert why.endswith("look at Quality, stage")


@pytest.mark.slow
def test_the_registry_asks_once_and_keeps_that_it_was_accepted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("LEADLOOP_HOME", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "300")
    registry = Registry(f"sqlite:///{tmp_path / 'mlflow.db'}", home=tmp_path)
    registry.register(too_good(), now=NOW)
    assert registry.versions("qualified")[0]["tags"]["leaks"] == "to be accepted"
    with pytest.raises(UnacceptedLeaksError, match="--accept-leaks"):
        registry.promote("qualified", "1")
    assert registry.resolve("qualified", "champion") is None

    def run(*words: str) -> int:
        monkeypatch.setattr(sys, "argv", ["leadloop", *words])
        with pytest.raises(SystemExit) as left:
            main()
        return left.value.code or 0

    assert run("promote", "1") == 1
    assert "too good to be true" in capsys.readouterr().err
    assert run("promote", "1", "--accept-leaks") == 0
    assert registry.resolve("qualified", "champion") == "1"
    assert registry.versions("qualified")[0]["tags"]["leaks"] == "accepted"
    registry.promote("qualified", "1")


def test_retraining_never_promotes_such_a_model_by_itself(monkeypatch: pytest.MonkeyPatch):
    version = ModelVersion("qualified", "1")

    def promote(*_: object, **__: object) -> None:
        raise AssertionError("promoted by itself")

    registry = SimpleNamespace(register=lambda *_, **__: version, promote=promote, resolve=lambda *_: None)
    monkeypatch.setattr(retraining, "build_dataset", lambda *_, **__: None)
    monkeypatch.setattr(retraining, "train", lambda *_, **__: too_good())
    monkeypatch.setattr(retraining, "judge", lambda *_, **__: Verdict(True, "better"))
    turn = retraining.retrain(None, registry, now=NOW)
    assert (turn.promoted, turn.verdict.promote) == (False, False)
    assert "Promote it by hand once the findings are accepted" in turn.verdict.why


def test_leaks_are_shown_as_a_table_only_when_there_are_some(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    show_leaks([])
    assert capsys.readouterr().out == ""
    show_leaks(too_good().card["leaks"])
    shown = capsys.readouterr().out
    assert "tags" in shown
    assert "allow_fields names it" in shown
