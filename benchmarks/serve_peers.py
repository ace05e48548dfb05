"""The servers that ``benchmarks.serve`` compares: how each is made ready and started.

All stand on one firm and one kind of trees. leadloop scores leads of its store, with reasons and a durable log. The empty BentoML
endpoint does nothing: it is what the same shell can do at most. FastAPI and ``mlflow models serve`` have the usual scikit-learn pipeline
around LightGBM: they are sent the finished features as a record and give back a probability, without store, reasons or log.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from data.domain import DAY, Lead, Touchpoint
from data.sources.importing import import_tables
from data.store import Store, open_store
from data.world import make_world, write_world
from features.matrix import Matrix
from training.learning.config import TrainConfig
from training.learning.dataset import build_dataset
from training.loop.retraining import retrain
from training.scorer.registry import Registry

N_LEADS, N_TOUCHPOINTS = 200, 20
_PATIENCE_SECONDS = 120
_TYPES = ("page_view", "email_open", "email_click", "pricing_view", "form_submit", "webinar", "call")
_PIPELINE = "pipeline.pkl"

EMPTY_BENTO = """
import bentoml

@bentoml.service(name="empty", traffic={"timeout": 60}, logging={"access": {"enabled": False}})
class Empty:
    @bentoml.api
    async def score(self, lead_id: str) -> dict:
        return {"lead_id": lead_id}
"""

FASTAPI = """
import pickle
from typing import Any

import pandas as pd
from fastapi import FastAPI

app = FastAPI()
with open("pipeline.pkl", "rb") as file:
    pipeline = pickle.load(file)

@app.post("/predict")
def predict(row: dict[str, Any]) -> dict[str, float]:
    return {"probability": float(pipeline.predict_proba(pd.DataFrame([row]))[0, 1])}
"""


@dataclass
class Peer:
    """A running server: where it is asked, and the bodies that go round."""

    name: str
    url: str
    bodies: Sequence[str]
    process: subprocess.Popen[bytes]
    ready: str
    more: dict[str, Any] = field(default_factory=dict)

    def processes(self) -> list[psutil.Process]:
        main = psutil.Process(self.process.pid)
        return [main, *main.children(recursive=True)]

    def memory_mb(self) -> float:
        return sum(p.memory_info().rss for p in self.processes()) / 1e6

    def cpu_seconds(self) -> float:
        return sum(sum(p.cpu_times()[:2]) for p in self.processes())

    def stop(self) -> None:
        if self.process.poll() is not None:
            return
        own = self.processes()
        self.process.terminate()
        for process in psutil.wait_procs(own, timeout=15)[1]:
            process.kill()


def make_home(home: Path, *, leads: int, now: int) -> tuple[list[str], str]:
    """A firm in the store, a champion in the registry, 200 leads with 20 touchpoints each; returns their ids and the version."""
    write_world(make_world(leads, seed=0, end=now), home / "export")
    store = open_store(f"sqlite:///{home / 'leadloop.db'}")
    import_tables(store, path=home / "export", now=now)
    registry = Registry(f"sqlite:///{home / 'mlflow.db'}", home=home)
    turn = retrain(store, registry, now=now, config=TrainConfig(candidates=("blend",)), seed=0)
    if not turn.promoted:
        registry.promote("qualified", turn.version.number)
    _write_pipeline(store, home, now=now)
    ids = _lively_leads(store, now=now)
    store.close()
    return ids, turn.version.number


def profile(i: int) -> dict[str, str]:
    """What a form says about lead ``i``."""
    return {
        "title": ("Head of Operations", "CTO", "Sales Manager", "Student")[i % 4],
        "company_size": ("1-10", "51-200", "1001-5000")[i % 3],
        "country": ("DE", "FR", "US", "GB", "AT")[i % 5],
        "industry": ("software", "logistics", "finance")[i % 3],
        "email": f"someone{i}@firm{i}.example",
    }


def touchpoints(i: int, n: int, *, now: int) -> Iterator[dict[str, Any]]:
    """``n`` touchpoints of lead ``i`` in the last 60 days, as fields of ``Touchpoint``."""
    rng = np.random.default_rng((7, i))
    for k in range(n):
        yield {
            "touchpoint_id": f"bench-{i}-{k}",
            "occurred_at": now - int(rng.integers(1, 60 * DAY)),
            "type": _TYPES[rng.integers(len(_TYPES))],
            "channel": ("paid_search", "email", "direct", None)[rng.integers(4)],
            "campaign": f"campaign {rng.integers(20)}",
            "content": f"/pages/{rng.integers(50)}",
            "direction": ("inbound", "outbound")[rng.integers(2)],
        }


def _lively_leads(store: Store, *, now: int) -> list[str]:
    ids = [f"bench-{i}" for i in range(N_LEADS)]
    store.add_leads(
        [Lead(lead_id, now - 60 * DAY, profile(i), observed_at=now) for i, lead_id in enumerate(ids)], now=now
    )
    made = [
        Touchpoint(lead_id=lead_id, **fields)
        for i, lead_id in enumerate(ids)
        for fields in touchpoints(i, N_TOUCHPOINTS, now=now)
    ]
    store.add_touchpoints(made, now=now)
    return ids


def _write_pipeline(store: Store, home: Path, *, now: int) -> None:
    """The trees of leadloop's settings in the usual pipeline, as a pickle and as an MLflow model, and rows to send."""
    import pickle

    import lightgbm
    import mlflow
    import pandas as pd
    from sklearn.compose import ColumnTransformer
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import OrdinalEncoder

    config = TrainConfig()
    dataset = build_dataset(store, goal="qualified", horizon_days=90, now=now, ages_days=config.ages_days)
    frame = _frame(dataset.matrix)
    texts = sorted(dataset.matrix.levels)
    encoder = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1, encoded_missing_value=-1)
    trees = lightgbm.LGBMClassifier(
        n_estimators=config.n_trees, num_leaves=config.n_leaves, max_depth=config.max_depth,
        learning_rate=config.learning_rate, min_child_samples=config.min_rows_per_leaf, reg_lambda=config.trees_l2, n_jobs=1, verbose=-1,
    )  # fmt: skip
    pipeline = Pipeline(
        [
            ("columns", ColumnTransformer([("texts", encoder, texts)], remainder="passthrough")),
            ("trees", trees),
        ]
    ).fit(frame, dataset.y)
    (home / _PIPELINE).write_bytes(pickle.dumps(pipeline))
    mlflow.sklearn.save_model(pipeline, str(home / "pipeline"), serialization_format="cloudpickle")
    rows = frame.sample(N_LEADS, random_state=0).astype(object)
    records = rows.where(pd.notna(rows), None).to_dict(orient="records")
    (home / "rows.json").write_text(json.dumps(records))


def _frame(matrix: Matrix) -> Any:
    import pandas as pd

    columns: dict[str, Any] = {name: matrix.X[:, j] for j, name in enumerate(matrix.names)}
    for name, levels in matrix.levels.items():
        codes = matrix.X[:, matrix.names.index(name)]
        texts = np.array([*levels, "other", None], dtype=object)
        columns[name] = texts[np.where(np.isnan(codes), len(levels) + 1, codes).astype(np.int64)]
    return pd.DataFrame(columns)


def start_peers(home: Path, ids: Sequence[str]) -> list[Peer]:
    """All servers, ready. leadloop comes twice, with and without reasons: one process, two addresses."""
    python = sys.executable
    (home / "empty_bento.py").write_text(EMPTY_BENTO)
    (home / "pipeline_app.py").write_text(FASTAPI)
    rows = json.loads((home / "rows.json").read_text())
    leads = [json.dumps({"lead_id": i}) for i in ids]
    own = {k: v for k, v in os.environ.items() if not k.startswith("LEADLOOP_")}
    own |= {"BENTOML_DO_NOT_TRACK": "True", "MLFLOW_DISABLE_TELEMETRY": "true", "OMP_NUM_THREADS": "1"}
    here = {
        **own, "LEADLOOP_HOME": str(home), "LEADLOOP_STORE": f"sqlite:///{home / 'leadloop.db'}",
        "LEADLOOP_REGISTRY": f"sqlite:///{home / 'mlflow.db'}", "LEADLOOP_POLL_SECONDS": "30",
    }  # fmt: skip
    root = Path(__file__).parents[1]
    at, bento = ["--host", "127.0.0.1", "--port"], [python, "-m", "bentoml", "serve"]
    sent = [json.dumps(row) for row in rows]
    framed = [json.dumps({"dataframe_records": [row]}) for row in rows]
    mlflow = [
        python,
        "-m",
        "mlflow",
        "models",
        "serve",
        "-m",
        str(home / "pipeline"),
        "--env-manager",
        "local",
    ]
    # MLflow starts its server by name.
    with_path = {
        **own,
        "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "true",
        "PATH": f"{Path(python).parent}{os.pathsep}{own.get('PATH', '')}",
    }
    peers: list[Peer] = []

    def start(
        name: str,
        path: str,
        ready: str,
        bodies: Sequence[str],
        command: list[str],
        cwd: Path,
        env: dict[str, str],
    ) -> None:
        port = _free_port()
        with (home / f"{name.split()[0]}.log").open("wb") as log:
            process = subprocess.Popen(
                [part.replace("PORT", str(port)) for part in command],
                cwd=cwd,
                env=env,
                stdout=log,
                stderr=log,
            )
        url = f"http://127.0.0.1:{port}"
        peers.append(Peer(name, url + path, bodies, process, url + ready))

    try:
        start("leadloop", "/v1/score", "/readyz", leads,
              [*bento, "serving.service:LeadScorer", *at, "PORT"], root, here)  # fmt: skip
        start("empty BentoML", "/score", "/readyz", leads,
              [*bento, "empty_bento:Empty", *at, "PORT"], home, own)  # fmt: skip
        start("FastAPI + pipeline", "/predict", "/openapi.json", sent,
              [python, "-m", "uvicorn", "pipeline_app:app", *at, "PORT", "--no-access-log"], home, own)  # fmt: skip
        start("mlflow models serve", "/invocations", "/ping", framed,
              [*mlflow, "--host", "127.0.0.1", "--port", "PORT", "--workers", "1"], home, with_path)  # fmt: skip
        for peer in peers:
            _wait(peer, home)
    except BaseException:
        for peer in peers:
            peer.stop()
        raise
    ours = peers[0]
    without = Peer("leadloop, no reasons", ours.url + "?reasons=0", leads, ours.process, ours.ready)
    return [ours, without, *peers[1:]]


def _wait(peer: Peer, home: Path) -> None:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < deadline and peer.process.poll() is None:
        try:
            with urllib.request.urlopen(peer.ready, timeout=5):
                return
        except OSError:
            time.sleep(0.3)
    log = (home / f"{peer.name.split()[0]}.log").read_text()
    raise RuntimeError(f"{peer.name} did not come up: {log[-3_000:]}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
