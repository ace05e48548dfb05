"""`leadloop reproduce`: exit code 0 when a version comes out identical, 1 with the reason when it does not."""

from __future__ import annotations

from pathlib import Path

import pytest

from data.domain import DAY, Outcome, parse_instant
from data.store import open_store
from tests.leadloop.test_command import END, Shell

NOW = parse_instant(END, name="now")


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Shell:
    return Shell(tmp_path / "var", capsys, monkeypatch)


def test_a_version_is_made_again_and_changed_data_is_named(run: Shell, tmp_path: Path):
    world, config = tmp_path / "world", tmp_path / "train.toml"
    config.write_text("[train]\nn_trees = 20\nn_folds = 2\nn_bootstrap = 20\nages_days = [0, 7]\n")
    assert run("world", str(world), "--leads", "2000", "--end", END).code == 0
    assert run("import", str(world)).code == 0
    made = run.json("train", "--now", END, "--config", str(config))

    same = run.json("reproduce", made["version"])
    assert (same["exit"], same["identical"]) == (0, True)

    store = open_store(f"sqlite:///{run.home / 'leadloop.db'}")
    older = store.lead_ids(created_before=NOW - 120 * DAY)[:100]
    late = [
        Outcome(f"late {i}", i, "disqualified", NOW - 110 * DAY, received_at=None, source="test")
        for i in older
    ]
    store.add_outcomes(late, now=NOW)
    changed = run("reproduce", made["version"])
    assert changed.code == 1
    assert "the data has changed since" in changed.out
