"""The service as it runs: BentoML, MLflow, real sockets, real kills."""

from __future__ import annotations

import itertools
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import httpx
import psutil
import pytest

from benchmarks.soak_faults import worker_processes
from data.store import open_store
from tests.serving.conftest import NOW, make_scorer
from tests.serving.running import ROOT, MlflowServer, Server, promote, register, serving, store_url, until
from training.scorer.registry import Registry

pytestmark = pytest.mark.slow

LEAD = {"employees": 9, "country": "de", "title": "CTO"}
SECRET = "Ada.Lovelace@example.org"


@pytest.fixture(scope="module")
def registered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home whose registry has versions 1 (champion) and 2."""
    home = tmp_path_factory.mktemp("home")
    promote(home, register(home, make_scorer(slope=0.1), now=NOW))
    register(home, make_scorer(slope=0.3), now=NOW)
    return home


@pytest.fixture(scope="module")
def server(registered: Path) -> Iterator[Server]:
    with serving(registered) as running:
        yield running


def test_answers_at_the_door_are_ours(server: Server):
    for path in ("/nothing", "/v1/leads/nobody"):
        response = httpx.get(server.url + path)
        assert (response.status_code, response.headers["content-type"]) == (404, "application/problem+json")
    assert httpx.get(server.url + "/v1/score").status_code == 405
    page = httpx.get(server.url + "/")
    assert page.status_code == 200
    assert "leadloop" in page.text
    assert "googletagmanager" not in page.text
    assert httpx.get(server.url + "/livez").status_code == 200


def test_a_bentoml_client_scores_in_bulk(server: Server):
    import bentoml

    with bentoml.SyncHTTPClient(server.url) as client:
        said = client.score(leads=[LEAD, {"nonsense": 1}])
    assert (said["scored"], said["failed"]) == (1, 1)
    assert said["results"][0]["score"] == server.post("/v1/score", LEAD).json()["score"]


def test_bodies_are_bounded_on_both_doors(server: Server):
    for path in ("/v1/score", "/score"):
        response = httpx.post(server.url + path, content=b" " * 50_000_000, timeout=60)
        assert (response.status_code, response.json()["code"]) == (413, "too_large")


def test_documents_and_packed_answers_pass_the_server_unchanged(server: Server):
    for path in ("/openapi-3.0.json", "/openapi-2.0.json", "/v1/model"):
        first = httpx.get(server.url + path)
        assert (first.status_code, first.headers["content-encoding"]) == (200, "gzip")
        again = httpx.get(server.url + path, headers={"If-None-Match": first.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
    packed = server.post("/v1/score/bulk?reasons=0&lenient=1", {"leads": [{**LEAD, "titel": "x"}] * 40})
    assert packed.headers["content-encoding"] == "gzip"
    assert packed.json()["results"][39]["warnings"]


def test_half_sent_bodies_do_not_hold_up_others(server: Server):
    held = []
    for _ in range(100):
        connection = socket.create_connection(("127.0.0.1", server.port))
        connection.sendall(b"POST /v1/score HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
        held.append(connection)
    try:
        assert server.post("/v1/score", LEAD).status_code == 200
    finally:
        for connection in held:
            connection.close()


def test_neither_log_nor_metrics_hold_what_was_sent(server: Server):
    server.post("/v1/score", {"lead_id": SECRET, "email": SECRET, "title": SECRET})
    server.post("/v1/score", {"email": [SECRET]})
    server.post("/score", {"leads": SECRET})
    server.post("/score", {"leads": [{"email": {SECRET: 1}}]})
    assert httpx.get(f"{server.url}/v1/leads/{SECRET}").status_code == 200
    httpx.get(f"{server.url}/{SECRET}")
    metrics = httpx.get(f"{server.url}/metrics").text
    assert "/v1/leads/{lead_id}" in metrics
    assert "lovelace" not in (metrics + server.log.read_text()).lower()


def test_metrics_tell_scores_outcomes_and_the_version_that_serves(server: Server):
    grade = server.post("/v1/score", LEAD).json()["grade"]
    outcome = {"lead_id": "m", "kind": "lost", "occurred_at": "2026-03-07T14:30:00Z"}
    server.post("/v1/outcomes", outcome)
    metrics = httpx.get(f"{server.url}/metrics").text.splitlines()
    assert f'leadloop_scores_total{{grade="{grade}",model_version="1"}}' in {m.split(" ")[0] for m in metrics}
    for line in (
        'leadloop_outcomes_total{kind="lost"} 1.0',
        'leadloop_model_info{trained_at="",version="1"} 1.0',
        "leadloop_champion_refused 0.0",
        "leadloop_registry_reachable 1.0",
    ):
        assert line in metrics

    def told() -> set[str]:
        return {m.split(" ")[0] for m in httpx.get(f"{server.url}/metrics").text.splitlines()}

    assert 'leadloop_score_ratio_bucket{le="1.0"}' in told()
    until(lambda: 'leadloop_feature_null_ratio{feature="industry"}' in told(), "no gaps are shown")


def test_a_promoted_version_is_taken_up_under_load_without_a_failure(server: Server, registered: Path):
    stop = threading.Event()
    seen: list[tuple[int, str, str, float]] = []

    def load() -> None:
        with httpx.Client(base_url=server.url, timeout=30) as client:
            while not stop.is_set():
                response = client.post("/v1/score", json={**LEAD, "store": False})
                said = response.json()
                seen.append(
                    (
                        response.status_code,
                        response.headers.get("x-model-version"),
                        said.get("model_version"),
                        said.get("points"),
                    )
                )

    threads = [threading.Thread(target=load) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        until(lambda: len(seen) > 30, "no answers")
        for number in ("2", "1", "2"):
            promote(registered, number)
            until(
                lambda number=number: server.version() == number,
                f"version {number} is not taken up",
                seconds=30,
            )
            time.sleep(0.3)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert {status for status, *_ in seen} == {200}
    assert all(header == version for _, header, version, _ in seen)
    assert {version for _, _, version, _ in seen} == {"1", "2"}
    # One version, one score: no answer mixes two models.
    for version in ("1", "2"):
        assert len({points for _, _, v, points in seen if v == version}) == 1
    promote(registered, "1")
    until(lambda: server.version() == "1", "version 1 is not taken up again")


def test_two_workers_on_postgresql_are_one_service(registered: Path, tmp_path: Path, postgres_url: str):
    home = tmp_path / "home"
    shutil.copytree(registered, home, ignore=shutil.ignore_patterns("*.log", "leadloop.db*"))
    promote(home, "1")
    with serving(home, n_workers=2, LEADLOOP_STORE=postgres_url) as two:

        def asked(n: int) -> set[tuple[str, float]]:
            answers = [
                two.post("/v1/score", LEAD).json() for _ in range(n)
            ]  # each over a connection of its own
            return {(answer["model_version"], answer["points"]) for answer in answers}

        until(lambda: len(worker_processes(two)) == 2, "there are no two workers")
        until(lambda: two.log.read_text().count("version 1 serves") + two.log.read_text().count(
            "serving version 1 from the copy") >= 2, "one of the workers has no model")  # fmt: skip
        assert len(asked(40)) == 1
        counted = sum(
            float(line.rsplit(" ", 1)[1])
            for line in httpx.get(f"{two.url}/metrics").text.splitlines()
            if line.startswith("leadloop_scores_total{")
        )
        assert counted == 40
        promote(home, "2")
        until(lambda: {version for version, _ in asked(20)} == {"2"}, "a worker keeps the old version")
        until(
            lambda: two.log.read_text().count("version 2 serves") == 2,
            "one of the workers kept the old version",
        )
        worker_processes(two)[0].kill()
        until(lambda: len(worker_processes(two)) == 2, "the worker that was killed is not replaced")
        until(lambda: {version for version, _ in asked(20)} == {"2"}, "the service does not answer again")


def test_what_was_acknowledged_survives_kill_9_and_the_last_model_serves_without_a_registry(
    registered: Path, tmp_path: Path
):
    home = tmp_path / "home"
    # The copied registry names its files by absolute path; they are still there.
    shutil.copytree(registered, home, ignore=shutil.ignore_patterns("*.log", "leadloop.db*"))
    server = Server(home)
    acknowledged: list[str] = []
    numbers = itertools.count()
    stop = threading.Event()

    def write() -> None:
        with httpx.Client(base_url=server.url, timeout=10) as client:
            while not stop.is_set():
                number = next(numbers)
                item = {"lead_id": f"l{number}", "kind": "contacted", "occurred_at": "2026-03-01T00:00:00Z"}
                try:
                    if (
                        client.post("/v1/outcomes", json={**item, "outcome_id": f"o{number}"}).status_code
                        == 200
                    ):
                        acknowledged.append(f"l{number}")
                except httpx.HTTPError:
                    return

    threads = [threading.Thread(target=write) for _ in range(4)]
    try:
        server.wait_until_ready()
        for thread in threads:
            thread.start()
        until(lambda: len(acknowledged) > 150, "too few acknowledgements")
    finally:
        server.kill()
        stop.set()
    for thread in threads:
        thread.join()
    store = open_store(store_url(home))
    store.check()
    kept = store.outcomes_of(acknowledged)
    store.close()
    assert [lead_id for lead_id in acknowledged if lead_id not in kept] == []

    with serving(home, LEADLOOP_REGISTRY="http://127.0.0.1:9") as again:
        said = again.post("/v1/score", LEAD)
        assert (said.status_code, said.json()["model_version"]) == (200, "1")


def test_a_killed_worker_comes_back_and_a_killed_parent_takes_its_workers_along(
    registered: Path, tmp_path: Path
):
    home = tmp_path / "home"
    shutil.copytree(registered, home, ignore=shutil.ignore_patterns("*.log", "leadloop.db*"))
    server = Server(home)
    try:
        server.wait_until_ready()
        [worker] = [p for p in server.workers() if "worker.service" in " ".join(p.cmdline())]
        worker.kill()
        worker.wait(timeout=10)
        server.wait_until_ready()
        assert server.post("/v1/score", LEAD).status_code == 200
        workers = server.workers()
        server.process.kill()
        server.process.wait(timeout=10)
        _, alive = psutil.wait_procs(workers, timeout=15)
        assert alive == []
    finally:
        server.stop()


def test_the_packed_service_gives_the_same_scores_from_anywhere(
    registered: Path, server: Server, postgres_url: str, tmp_path: Path
):
    bentos = {"BENTOML_HOME": str(tmp_path / "bentoml")}
    environment = {**os.environ, **bentos, "BENTOML_DO_NOT_TRACK": "True"}
    done = subprocess.run(
        [sys.executable, "-m", "bentoml", "build", "--output", "tag"],
        cwd=ROOT, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    [packed] = (tmp_path / "bentoml" / "bentos" / "leadloop").glob("*/src")
    names = {str(p.relative_to(packed)) for p in packed.rglob("*") if p.is_file()}
    assert {"serving/templates/overview.html", "serving/static/page.css", "data/migrations/env.py"} <= names
    assert not [
        n for n in names if n.startswith(("tests", "var", "notebooks")) or n.endswith((".db", ".csv", ".env"))
    ]
    written = (packed.parent / "env" / "python" / "requirements.txt").read_text()
    assert not [
        line for line in written.splitlines() if line.strip().startswith("--") and "--hash" not in line
    ]
    assert "://" not in written
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    leads = [{**LEAD, "employees": n, "x_plan": "a", "store": False} for n in range(50)]
    with serving(registered, target="leadloop:latest", cwd=elsewhere, **bentos) as other:
        theirs = other.post("/v1/score/bulk", {"leads": leads}).json()["results"]
        assert httpx.get(f"{other.url}/static/plotly.min.js").status_code == 200
        assert httpx.get(f"{other.url}/").status_code == 200
    ours = server.post("/v1/score/bulk", {"leads": leads}).json()["results"]
    assert [row["points"] for row in theirs] == [row["points"] for row in ours]
    assert list(elsewhere.iterdir()) == []

    # The same with the store and the registry behind servers of their own.
    home = tmp_path / "home"
    home.mkdir()
    remote = MlflowServer(tmp_path / "mlflow")
    remote.start()
    try:
        registry = Registry(remote.url, home=home)
        scorer = make_scorer(slope=0.1)
        result = SimpleNamespace(
            scorer=scorer, card={"config": {}}, evaluation=SimpleNamespace(scorer=scorer)
        )
        registry.promote("qualified", registry.register(result, now=NOW).number)  # type: ignore[arg-type]
        far = {"LEADLOOP_STORE": postgres_url, "LEADLOOP_REGISTRY": remote.url}
        with serving(home, target="leadloop:latest", cwd=elsewhere, **bentos, **far) as other:
            kept = [{**lead, "lead_id": f"far-{n}", "store": True} for n, lead in enumerate(leads)]
            theirs = other.post("/v1/score/bulk", {"leads": kept}).json()["results"]
            again = other.post("/v1/score", {"lead_id": "far-9"}).json()
            assert (again["degraded"], again["stored"]) == (False, True)
    finally:
        remote.stop()
    assert [row["points"] for row in theirs] == [row["points"] for row in ours]


def test_keys_guard_every_address_but_those_of_health(registered: Path, tmp_path: Path):
    home = Path(shutil.copytree(registered, tmp_path / "home"))
    store = open_store(store_url(home))
    secret, _ = store.keys.create("watch", ["read", "score"], now=NOW)
    with serving(home) as server:
        for path in ("/metrics", "/schema.json", "/docs.json", "/openapi.json", "/", "/v1/model", "/nothing"):
            refused = httpx.get(server.url + path)
            assert (refused.status_code, refused.json()["code"]) == (401, "key_required"), path
        assert httpx.post(f"{server.url}/score", json={"leads": [LEAD]}).status_code == 401
        for path in ("/livez", "/readyz"):
            assert httpx.get(server.url + path).status_code == 200
        known = {"X-API-Key": secret}
        for path in ("/metrics", "/", "/v1/model"):
            assert httpx.get(server.url + path, headers=known).status_code == 200, path
        assert httpx.post(f"{server.url}/score", json={"leads": [LEAD]}, headers=known).json()["scored"] == 1
        store.keys.revoke("watch", now=NOW)
        until(
            lambda: httpx.get(f"{server.url}/v1/whoami", headers=known).status_code == 401,
            "a revoked key still works",
            seconds=1,
        )
        assert secret not in server.log.read_text()
    store.close()


def test_a_second_service_leaves_the_counts_of_the_first_alone(
    server: Server, registered: Path, tmp_path: Path
):
    server.post("/v1/score", LEAD)
    copy = shutil.copytree(
        registered, tmp_path / "home", ignore=shutil.ignore_patterns("*.log", "leadloop.db*", "bentoml")
    )
    with serving(Path(copy)) as other:
        assert "leadloop_scores_total{" not in httpx.get(f"{other.url}/metrics").text
        assert "leadloop_scores_total{" in httpx.get(f"{server.url}/metrics").text


def test_unfinished_heads_are_closed(server: Server):
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        connection.sendall(b"POST /v1/score HTTP/1.1\r\nHost: x\r\nContent-")
        assert connection.recv(65_536).startswith(b"HTTP/1.1 408 ")


def test_without_keys_a_caller_behind_a_local_proxy_is_not_taken_for_local(server: Server):
    forwarded = httpx.get(f"{server.url}/v1/whoami", headers={"X-Forwarded-For": "10.0.0.7"})
    assert (forwarded.status_code, forwarded.json()["code"]) == (401, "no_keys")
    assert httpx.get(f"{server.url}/v1/whoami").status_code == 200
