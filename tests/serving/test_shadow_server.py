"""A challenger in shadow as the service runs: BentoML, MLflow, real sockets."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from data.asof import snapshots_at
from data.scorelog import ScoreRow, id_beside
from data.store import Store, open_store
from tests.serving.conftest import NOW, make_scorer
from tests.serving.running import ROOT, Server, promote, register, registry_url, serving, store_url, until
from training.scorer.registry import Registry

pytestmark = pytest.mark.slow

LEAD = {"employees": 9, "country": "de", "title": "CTO", "company": "Acme"}
VISIT = {"touchpoint_id": "t-1", "occurred_at": "2026-03-07T14:30:00Z", "type": "pricing_view"}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Version 1 is champion; version 2, the challenger, is damaged in the registry."""
    home = tmp_path_factory.mktemp("home")
    promote(home, register(home, make_scorer(slope=0.1), now=NOW))
    known = set(home.rglob("scorer.json"))
    register(home, make_scorer(slope=0.3), now=NOW)
    for path in set(home.rglob("scorer.json")) - known:
        path.write_bytes(path.read_bytes()[:-100])
    return home


@pytest.fixture(scope="module")
def server(home: Path) -> Iterator[Server]:
    with serving(home, LEADLOOP_SHADOW="challenger") as running:
        yield running


def model(server: Server) -> dict:
    return httpx.get(f"{server.url}/v1/model", timeout=10).json()


def metrics(server: Server) -> list[str]:
    return httpx.get(f"{server.url}/metrics", timeout=10).text.splitlines()


def beside(store: Store, answer: dict) -> ScoreRow:
    until(lambda: store.scores.by_id(id_beside(answer["score_id"])) is not None, "not scored in shadow")
    row = store.scores.by_id(id_beside(answer["score_id"]))
    assert row is not None
    return row


def test_a_damaged_challenger_leaves_the_champion_untouched(server: Server, home: Path):
    until(lambda: model(server)["refused"], "the damaged challenger is not refused")
    assert [refused["version"] for refused in model(server)["refused"]] == ["2"]
    answer = server.post("/v1/score", {**LEAD, "lead_id": "early"})
    assert (answer.status_code, answer.json()["model_version"]) == (200, "1")
    assert httpx.get(f"{server.url}/readyz").status_code == 200
    assert (model(server)["model_version"], model(server)["shadow"]) == ("1", None)
    told = metrics(server)
    assert "leadloop_champion_refused 0.0" in told
    assert 'leadloop_model_info{trained_at="",version="1"} 1.0' in told
    assert not [
        line
        for line in told
        if line.startswith(("leadloop_shadow_scores_total{", 'leadloop_shadow_info{version="2"} 1'))
    ]
    assert "version 2 is refused in shadow" in server.log.read_text()
    with closing(open_store(store_url(home))) as store:
        assert store.scores.by_id(id_beside(answer.json()["score_id"])) is None


def test_a_sound_challenger_scores_beside_and_only_the_champion_answers(server: Server, home: Path):
    challenger = make_scorer(slope=0.5)
    number = register(home, challenger, now=NOW)
    until(lambda: model(server)["shadow"] == number, "the challenger is not taken up")
    bulk = [{**LEAD, "lead_id": f"bulk {i}", "employees": i + 1} for i in range(120)]
    answers = [
        server.post(
            "/v1/score", {**LEAD, "lead_id": f"one {i}", "touchpoints": [{**VISIT, "touchpoint_id": f"t{i}"}]}
        ).json()
        for i in range(5)
    ]
    answers.append(server.post("/v1/score", LEAD).json())
    answers += server.post("/v1/score/bulk", {"leads": bulk}).json()["results"]
    assert {(answer["model_version"], answer["route"]) for answer in answers} == {("1", "champion")}
    with closing(open_store(store_url(home))) as store:
        for answer in answers:
            row, champions = beside(store, answer), store.scores.by_id(answer["score_id"])
            assert champions is not None
            assert (champions.route, champions.model_version) == ("champion", "1")
            assert (row.route, row.model_version) == ("challenger", number)
            assert (row.lead_id, row.cutoff) == (champions.lead_id, champions.cutoff)
            if row.lead_id:
                assert store.scores.last_of(row.lead_id) == champions
                matrix = challenger.matrix(snapshots_at(store, [row.lead_id], cutoff=row.cutoff))
                assert row.features == matrix.X[0].tobytes()
                assert row.points == challenger.score_matrix(matrix).points[0]
        assert len(store.scores.pairs(goal="qualified", limit=1_000)) == len(answers)
    shown = httpx.get(f"{server.url}/v1/leads/one%200", timeout=10).json()["last_score"]
    assert (shown["score_id"], shown["model_version"]) == (answers[0]["score_id"], "1")

    def counted(name: str) -> float:
        return sum(float(line.rsplit(" ", 1)[1]) for line in metrics(server) if line.startswith(name + "{"))

    until(lambda: counted("leadloop_shadow_scores_total") == len(answers), "not all are counted")
    assert counted("leadloop_scores_total") == len(answers) + 1
    told = metrics(server)
    assert f'leadloop_shadow_info{{version="{number}"}} 1.0' in told
    assert "leadloop_shadow_dropped_total 0.0" in told
    assert httpx.get(f"{server.url}/readyz").status_code == 200


def test_the_command_tells_how_they_differ(server: Server, home: Path):
    environment = {**server.environment, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    done = subprocess.run(
        [sys.executable, "-m", "leadloop.command", "shadow"], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "Version 3 would have given" in done.stdout
    assert "of 126 scores another grade than version 1 did" in done.stdout


def test_a_challenger_that_becomes_champion_or_is_taken_back_scores_beside_no_longer(
    server: Server, home: Path
):
    promote(home, "3")
    until(lambda: server.version() == "3", "not taken up")
    assert model(server)["shadow"] is None
    answer = server.post("/v1/score", {**LEAD, "lead_id": "late"}).json()
    assert answer["model_version"] == "3"
    until(lambda: 'leadloop_shadow_info{version="3"} 0.0' in metrics(server), "still shown")
    promote(home, "1")
    until(lambda: server.version() == "1", "not taken up")
    assert model(server)["shadow"] == "3"
    client = Registry(registry_url(home), home=home)._mlflow.client()
    client.delete_registered_model_alias("leadloop-qualified", "challenger")
    until(lambda: model(server)["shadow"] is None, "it still scores")
    with closing(open_store(store_url(home))) as store:
        assert store.scores.by_id(id_beside(answer["score_id"])) is None
    server.stop()
    assert server.process.returncode == 0
    log = server.log.read_text()
    assert "version 3 serves in shadow no longer" in log
    assert "Traceback" not in log


def test_two_workers_each_score_what_they_answered(tmp_path: Path, postgres_url: str):
    promote(tmp_path, register(tmp_path, make_scorer(slope=0.1), now=NOW))
    register(tmp_path, make_scorer(slope=0.3), now=NOW)
    with serving(tmp_path, n_workers=2, LEADLOOP_SHADOW="challenger", LEADLOOP_STORE=postgres_url) as two:

        def loaded(version: str, where: str = "") -> int:
            log = two.log.read_text().splitlines()
            said = (
                f"version {version} serves{where}",
                f"serving version {version} from the copy on disk{where}",
            )
            return sum(line.endswith(said) for line in log)

        until(lambda: loaded("1") == 2, "one of the workers has no champion")
        until(lambda: loaded("2", " in shadow") == 2, "one of the workers has no challenger")
        answers = [two.post("/v1/score", {**LEAD, "lead_id": f"l{i}"}).json() for i in range(40)]
        assert {answer["model_version"] for answer in answers} == {"1"}
        with closing(open_store(postgres_url)) as store:
            assert {beside(store, answer).model_version for answer in answers} == {"2"}
            until(
                lambda: sum(float(m.rsplit(" ", 1)[1]) for m in metrics(two) if m.startswith("leadloop_shadow_scores_total{")) == 40,
                "not all are counted",
            )  # fmt: skip
