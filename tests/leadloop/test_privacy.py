"""`leadloop erase`, `suppress` and `unsuppress`: what they print, and that nothing is erased unasked."""

from __future__ import annotations

import io
from contextlib import closing
from pathlib import Path

import pytest

import leadloop as ll
from data.domain import Lead
from data.store import open_store
from tests.leadloop.test_command import Shell

NOW = 1_780_000_000_000_000


@pytest.fixture
def stocked(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Shell:
    shell = Shell(tmp_path / "var", capsys, monkeypatch)
    shell.home.mkdir()
    with closing(open_store(f"sqlite:///{shell.home / 'leadloop.db'}")) as store:
        store.add_leads([Lead("L-1", NOW, {"title": "CEO"}), Lead("L-2", NOW)], now=NOW)
    return shell


def held(shell: Shell) -> list[str]:
    with closing(open_store(f"sqlite:///{shell.home / 'leadloop.db'}")) as store:
        return store.lead_ids()


def test_erasing_tells_what_was_deleted(stocked: Shell):
    gone = stocked.json("erase", "L-1", "--yes")
    assert (gone["exit"], gone["ids"], gone["leads"], gone["profiles"]) == (0, 1, 1, 1)
    assert held(stocked) == ["L-2"]
    again = stocked("erase", "L-1", "--yes")
    assert (again.code, "Erased under one id" in again.out) == (0, True)


@pytest.mark.parametrize(
    ("answer", "left"), [("n\n", ["L-1", "L-2"]), ("", ["L-1", "L-2"]), ("y\n", ["L-2"])]
)
def test_without_yes_it_is_asked_first(
    stocked: Shell, monkeypatch: pytest.MonkeyPatch, answer: str, left: list[str]
):
    monkeypatch.setattr("sys.stdin", io.StringIO(answer))
    done = stocked("erase", "L-1")
    assert "cannot be undone" in done.err
    assert (done.code, held(stocked)) == (0 if left == ["L-2"] else 1, left)


def test_suppressing_and_back(stocked: Shell):
    assert stocked.json("suppress", "L-1") == {"suppressed": True, "ids": 1, "exit": 0}
    assert held(stocked) == ["L-2"]
    with closing(open_store(f"sqlite:///{stocked.home / 'leadloop.db'}")) as store:
        assert ll.snapshots(store, ["L-1", "L-2"]).lead_ids == ("L-2",)
    assert "Suppressed under one id" in stocked("suppress", "L-1").out
    assert stocked.json("unsuppress", "L-1") == {"suppressed": False, "ids": 1, "exit": 0}
    assert held(stocked) == ["L-1", "L-2"]


def test_an_erased_person_cannot_be_suppressed(stocked: Shell):
    stocked("erase", "L-1", "--yes")
    for command in ("suppress", "unsuppress"):
        refused = stocked(command, "L-1")
        assert (refused.code, "was erased" in refused.err) == (1, True)
