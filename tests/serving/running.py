"""A real server for tests: `bentoml serve` on a loopback port, with a store and an MLflow registry of its own."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import httpx
import psutil

from training.scorer.registry import Registry
from training.scorer.scorer import Scorer

ROOT = Path(__file__).parents[2]
_PATIENCE_SECONDS = 150


class Server:
    """One `bentoml serve` and what it started."""

    def __init__(
        self,
        home: Path,
        *,
        target: str = "serving.service:LeadScorer",
        cwd: Path = ROOT,
        n_workers: int = 1,
        **environment: str,
    ) -> None:
        self.home = home
        self.port = _free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = home / "service.log"
        own = {name: value for name, value in os.environ.items() if not name.startswith("LEADLOOP_")}
        own.pop("MLFLOW_TRACKING_URI", None)
        own.pop("MLFLOW_REGISTRY_URI", None)
        self.environment = {
            **own,
            "LEADLOOP_HOME": str(home),
            "LEADLOOP_STORE": store_url(home),
            "LEADLOOP_REGISTRY": registry_url(home),
            "LEADLOOP_POLL_SECONDS": "0.3",
            "LEADLOOP_WORKERS": str(n_workers),
            # BentoML clears the counts of other services that share its folder.
            "BENTOML_HOME": str(home / "bentoml"),
            "BENTOML_DO_NOT_TRACK": "True",
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "OMP_NUM_THREADS": "1",
            **environment,
        }
        command = [sys.executable, "-m", "bentoml", "serve", target]
        command += ["--host", "127.0.0.1", "--port", str(self.port)]
        with self.log.open("ab") as sink:
            self.process = subprocess.Popen(command, cwd=cwd, env=self.environment, stdout=sink, stderr=sink)

    def wait_until_ready(self, *, seconds: float = _PATIENCE_SECONDS) -> None:
        until(
            lambda: _answers(f"{self.url}/readyz", 200),
            f"not ready: {self.log.read_text()[-3000:]}",
            seconds=seconds,
        )

    def post(self, path: str, body: object) -> httpx.Response:
        return httpx.post(self.url + path, json=body, timeout=30)

    def version(self) -> str | None:
        try:
            return httpx.get(f"{self.url}/v1/model", timeout=5).json().get("model_version")
        except httpx.HTTPError:
            return None

    def kill(self) -> None:
        """SIGKILL to all of it."""
        for process in [*self.workers(), psutil.Process(self.process.pid)]:
            process.kill()
        self.process.wait(timeout=20)

    def workers(self) -> list[psutil.Process]:
        """The processes that `bentoml serve` started."""
        return psutil.Process(self.process.pid).children(recursive=True)

    def stop(self) -> None:
        if self.process.poll() is not None:
            return
        workers = self.workers()
        self.process.terminate()
        try:
            self.process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self.process.kill()
        _, alive = psutil.wait_procs(workers, timeout=10)
        for process in alive:
            process.kill()


class MlflowServer:
    """`mlflow server` on a loopback port, which hands out the files of versions itself, as a remote one does."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._port = _free_port()
        self.url = f"http://127.0.0.1:{self._port}"

    def start(self) -> None:
        command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(self._port)]
        command += ["--backend-store-uri", f"sqlite:///{self._folder / 'server.db'}", "--workers", "1"]
        command += ["--artifacts-destination", str(self._folder / "files"), "--serve-artifacts"]
        environment = {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true"}
        log = self._folder / "server.log"
        with log.open("ab") as sink:
            self._process = subprocess.Popen(
                command, cwd=self._folder, env=environment, stdout=sink, stderr=sink
            )
        until(lambda: _answers(f"{self.url}/health", 200), f"no MLflow server: {log}", seconds=120)

    def stop(self) -> None:
        processes = [*psutil.Process(self._process.pid).children(recursive=True), self._process]
        for process in processes:
            process.terminate()
        for process in psutil.wait_procs(processes[:-1], timeout=10)[1]:
            process.kill()
        self._process.wait(timeout=20)


@contextmanager
def serving(home: Path, **options: object) -> Iterator[Server]:
    """A ready server, stopped at the end."""
    server = Server(home, **options)  # type: ignore[arg-type]
    try:
        server.wait_until_ready()
        yield server
    finally:
        server.stop()


def store_url(home: Path) -> str:
    return f"sqlite:///{home / 'leadloop.db'}"


def registry_url(home: Path) -> str:
    return f"sqlite:///{home / 'mlflow.db'}"


def register(home: Path, scorer: Scorer, *, now: int) -> str:
    """Register a scorer as a training's result; returns its number."""
    result = SimpleNamespace(scorer=scorer, card={"config": {}}, evaluation=SimpleNamespace(scorer=scorer))
    return Registry(registry_url(home), home=home).register(result, now=now).number  # type: ignore[arg-type]


def promote(home: Path, number: str) -> None:
    Registry(registry_url(home), home=home).promote("qualified", number)


def until(holds, otherwise: str, *, seconds: float = _PATIENCE_SECONDS) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, otherwise
        time.sleep(0.1)


def _answers(url: str, status: int) -> bool:
    try:
        return httpx.get(url, timeout=5).status_code == status
    except httpx.HTTPError:
        return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
