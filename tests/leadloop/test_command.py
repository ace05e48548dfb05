"""The command: what it prints for people and scripts, its exit codes, and its errors."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import pytest

from data.domain import DAY, Lead, Touchpoint, format_instant, parse_instant
from data.errors import ConfigError
from data.store import open_store
from leadloop.command import main
from leadloop.commands.application import write_text

END = "2026-06-30T00:00:00Z"


class Shell:
    """Runs the command in this process with its own home."""

    def __init__(self, home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
        self.home, self.capsys, self.monkeypatch = home, capsys, monkeypatch
        for name in [n for n in os.environ if n.startswith("LEADLOOP_")]:
            monkeypatch.delenv(name)
        monkeypatch.setenv("LEADLOOP_HOME", str(home))
        monkeypatch.setenv("COLUMNS", "200")

    def __call__(self, *words: str) -> SimpleNamespace:
        self.monkeypatch.setattr(sys, "argv", ["leadloop", *words])
        self.capsys.readouterr()
        with pytest.raises(SystemExit) as left:
            main()
        printed = self.capsys.readouterr()
        code = left.value.code
        return SimpleNamespace(code=0 if code is None else code, out=printed.out, err=printed.err)

    def json(self, *words: str) -> dict:
        done = self(*words, "--json")
        assert done.code in (0, 3), done.err
        return {**json.loads(done.out), "exit": done.code}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture
def run(home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Shell:
    return Shell(home, capsys, monkeypatch)


@pytest.fixture
def fresh(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Shell:
    return Shell(tmp_path / "var", capsys, monkeypatch)


@pytest.fixture
def stocked(fresh: Shell) -> Shell:
    """A home whose store knows the lead L-1."""
    fresh.home.mkdir()
    with closing(open_store(f"sqlite:///{fresh.home / 'leadloop.db'}")) as store:
        store.add_leads([Lead("L-1", 1_780_000_000_000_000, {"title": "CEO"})], now=1_780_000_000_000_000)
    return fresh


@pytest.mark.slow
def test_the_loop_by_hand(run: Shell, home: Path, tmp_path: Path):
    made = run.json("world", str(home / "export"), "--leads", "6000", "--seed", "3", "--end", END)
    assert made["leads"] == 6000

    dry = run.json("import", str(home / "export"), "--dry-run")
    real = run.json("import", str(home / "export"))
    again = run.json("import", str(home / "export"))
    assert dry["kept"] == real["kept"] > 6000
    assert again["kept"] == 0
    for report in (dry, real, again):
        assert report["read"] == report["kept"] + report["known"] + report["skipped"] + sum(
            report["dropped"].values()
        )

    early = format_instant(parse_instant(END, name="end") - 120 * DAY)
    first = run.json("train", "--now", early)
    assert first["version"] == "1"
    assert 0.5 < first["card"]["out_of_time"]["roc_auc"]["value"] < 1
    verdict = run.json("judge", "1", "--now", early)
    assert verdict["promote"] is True, verdict["why"]
    assert run.json("promote", "1")["champion"] == "1"

    turn = run.json("retrain", "--now", END)
    assert turn["version"] == "2"
    assert turn["exit"] == (0 if turn["promoted"] else 3)
    assert turn["verdict"]["why"]

    run.json("promote", "2")
    assert run.json("rollback")["champion"] == "1"
    assert run("rollback").code == 1

    best = run.json("score", "--now", END)["scores"][0]
    one = run.json("score", best["lead_id"], "--now", END)["scores"][0]
    assert one["score"] == best["score"]
    assert one["baseline_points"] + sum(r["points"] for r in one["reasons"]) + one[
        "small_points"
    ] == pytest.approx(one["points"], abs=1e-9)
    assert run("score", "NOBODY", "--now", END).code == 1
    text = run("score", best["lead_id"], "--now", END).out
    assert f"score {best['score']}" in text
    assert "baseline" in text

    said = run.json("outcomes", best["lead_id"], "won", "--at", "2026-06-29T10:00:00Z")
    same = run.json("outcomes", best["lead_id"], "won", "--at", "2026-06-29T10:00:00Z")
    assert "won" in [o["kind"] for o in said["outcomes"]]
    assert len(same["outcomes"]) == len(said["outcomes"])

    page = tmp_path / "report.html"
    run.json("report", "--out", str(page))
    assert "What moves scores" in page.read_text()
    assert 'src="http' not in page.read_text()


def test_training_on_an_empty_store_says_what_is_missing(fresh: Shell):
    done = fresh("train")
    assert done.code == 1
    assert "Traceback" not in done.err
    assert "import" in done.err


def test_scoring_without_a_champion_says_how_to_get_one(fresh: Shell):
    done = fresh("score")
    assert done.code == 1
    assert "leadloop train" in done.err


def test_an_unknown_outcome_names_the_nearest(stocked: Shell):
    done = stocked("outcomes", "L-1", "wonn")
    assert done.code == 1
    assert "did you mean 'won'" in done.err


def test_a_naive_time_is_refused(stocked: Shell):
    done = stocked("outcomes", "L-1", "won", "--at", "2026-06-29T10:00:00")
    assert done.code == 1
    assert "--at has no time zone" in done.err


def test_an_outcome_in_the_future_is_refused(stocked: Shell):
    done = stocked("outcomes", "L-1", "won", "--at", "2199-01-01T00:00:00Z")
    assert done.code == 1
    assert "future" in done.err


def test_an_outcome_of_an_unknown_lead_is_refused(stocked: Shell):
    """A typo in the id was recorded without a word."""
    done = stocked("outcomes", "L-2", "won")
    assert done.code == 1
    assert "nothing is known of L-2" in done.err


def test_reading_where_nothing_was_imported_makes_no_store(fresh: Shell):
    """A typo in LEADLOOP_STORE made an empty database and scored 0 leads."""
    assert fresh("outcomes", "L-1").code == 1
    assert not (fresh.home / "leadloop.db").exists()


def test_a_taken_port_is_said_in_words(fresh: Shell):
    """It ended in a traceback of the process manager."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = fresh("serve", "--port", str(taken.getsockname()[1]))
    assert done.code == 1
    assert "choose another --port" in done.err


def test_a_result_that_cannot_be_written_is_said_in_words(tmp_path: Path):
    """Report and score ended in a traceback."""
    with pytest.raises(ConfigError, match=r"cannot write .*choose another place with --out"):
        write_text(tmp_path / "nowhere" / "r.html", "page")


def test_importing_a_folder_that_is_not_there(fresh: Shell, tmp_path: Path):
    done = fresh("import", str(tmp_path / "nothing"))
    assert done.code == 1
    assert "nothing" in done.err


def test_wrong_usage_is_exit_code_two(fresh: Shell):
    assert fresh("world").code == 2
    assert fresh("train", "--seeed", "1").code == 2


def test_a_misspelt_setting_is_refused(fresh: Shell, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("LEADLOOP_STOR", "sqlite:///x.db")
    done = fresh("score")
    assert done.code == 1
    assert "LEADLOOP_STORE" in done.err


def test_a_misspelt_config_key_is_refused(fresh: Shell, tmp_path: Path):
    config = tmp_path / "train.toml"
    config.write_text("[train]\nhorizon_day = 60\n")
    done = fresh("train", "--config", str(config))
    assert done.code == 1
    assert "did you mean 'horizon_days'" in done.err


def test_listening_beyond_loopback_is_refused(fresh: Shell):
    done = fresh("serve", "--host", "0.0.0.0")
    assert done.code == 1
    assert "loopback" in done.err


def test_a_file_of_rules_that_cannot_be_meant_stops_the_start(
    fresh: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Each worker would end by it, and be started again for ever."""
    rules = tmp_path / "rules.toml"
    rules.write_text("[hubspt]")
    for name, known in (("LEADLOOP_HUBSPOT", "hubspot"), ("LEADLOOP_INTAKE", "intake")):
        monkeypatch.setenv(name, str(rules))
        done = fresh("serve")
        monkeypatch.delenv(name)
        assert (done.code, f"known are {known}" in done.err or f"'{known}'" in done.err) == (1, True), (
            done.err
        )


def test_dead_letters_are_listed(stocked: Shell):
    assert stocked("dead-letters").out.strip() == "There are none."
    with closing(open_store(f"sqlite:///{stocked.home / 'leadloop.db'}")) as store:
        store.dead_letters.add("hubspot", [("L-1", "title must be text", {"n": 1})], now=1)
        store.dead_letters.add("hubspot", [(None, "no id", {"n": 2})], now=2)
    told = stocked("dead-letters", "--limit", "1").out
    assert "no id" in told
    assert "title must be text" not in told
    assert [letter["body"] for letter in stocked.json("dead-letters")["dead_letters"]] == [
        '{"n": 2}',
        '{"n": 1}',
    ]


def test_a_snapshot_is_written_once_and_then_brought_up_to_date(stocked: Shell, tmp_path: Path):
    made = stocked.json("snapshot", "--buckets", "2", "--processes", "1")
    assert (made["buckets"], made["leads"], made["new"]) == (2, 1, 0)
    assert (stocked.home / "snapshot" / "manifest.json").is_file()
    with closing(open_store(f"sqlite:///{stocked.home / 'leadloop.db'}")) as store:
        store.add_touchpoints([Touchpoint("t1", "L-1", 0, "call")], now=1)
    done = stocked("snapshot", "--processes", "1")
    assert "1 touchpoints of 1 leads in 2 buckets, 1 of them new" in done.out


def test_a_snapshot_of_no_store_is_refused(fresh: Shell):
    done = fresh("snapshot")
    assert done.code == 1
    assert "there is no store" in done.err


def test_every_command_has_a_help_text(fresh: Shell):
    done = fresh("--help")
    for name in [
        "demo",
        "world",
        "import",
        "train",
        "judge",
        "promote",
        "rollback",
        "score",
        "serve",
        "outcomes",
        "retrain",
        "report",
        "attribution",
        "snapshot",
    ]:
        assert name in done.out


ENDED = """
import sys, time
from pathlib import Path
from leadloop.command import app, main

@app.command()
def wait_here() -> None:
    try:
        print("ready", flush=True)
        time.sleep(60)
    finally:
        Path(sys.argv[0]).write_text("tidied up")

sys.argv = [sys.argv[1], "wait-here"]
main()
"""


def test_a_command_that_is_told_to_end_tidies_up_first(tmp_path: Path):
    """The demo left its service running."""
    command = [sys.executable, "-c", ENDED, str(tmp_path / "said")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2]) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        process.terminate()
        assert process.wait(30) == 143
    assert (tmp_path / "said").read_text() == "tidied up"
