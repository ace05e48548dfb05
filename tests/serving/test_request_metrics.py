"""BentoML's request metrics under few labels, and its tracing only where somebody collects it."""

from __future__ import annotations

import asyncio
import inspect
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from bentoml._internal.server.http.instruments import RunnerTrafficMetricsMiddleware
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Summary
from starlette.types import Message, Receive, Scope, Send

from serving.metric_paths import _bounded, label_of
from tests.serving.running import ROOT

# Another test of this process may have put ours in its place.
THEIRS = next(c for c in RunnerTrafficMetricsMiddleware.__mro__ if "has_bounded_paths" not in vars(c))
OURS = _bounded(THEIRS)


class Client:
    """What the middleware needs of BentoML's Prometheus client, on a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()

    def __getattr__(self, name: str) -> Any:
        kinds = {"Histogram": Histogram, "Counter": Counter, "Gauge": Gauge, "Summary": Summary}
        return lambda **options: kinds[name](registry=self.registry, **options)


async def answer(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["path"] == "/broken":
        raise ValueError("broken")
    await send(
        {"type": "http.response.start", "status": 200 if scope["path"] == "/v1/score" else 404, "headers": []}
    )
    await send({"type": "http.response.body", "body": b"{", "more_body": True})
    await send({"type": "http.response.body", "body": b"}"})


def samples(middleware: type, paths: list[str]) -> tuple[dict[tuple, float], list[Message]]:
    """What is counted after these requests, by name and labels, and all that was sent."""
    client, sent = Client(), []
    # As BentoML's parent sets it up, in this process.
    app = middleware(answer, namespace="bentoml_service")
    app._setup(metrics_client=client, duration_buckets=(0.1, 60.0, float("inf")))

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        return {"type": "http.request", "body": b""}

    async def all_of_them() -> None:
        for path in paths:
            try:
                await app({"type": "http", "path": path, "method": "POST", "headers": []}, receive, send)
            except ValueError:
                assert path == "/broken"

    asyncio.run(all_of_them())
    found = {
        (s.name, tuple(sorted(s.labels.items()))): s.value
        for family in client.registry.collect()
        for s in family.samples
        # Those depend on the clock.
        if not s.name.endswith(("_sum", "_created", "timestamp_seconds"))
    }
    return found, sent


def test_what_is_counted_is_what_bentoml_counts():
    paths = ["/v1/score", "/v1/score", "/v1/leads", "/livez", "/metrics"]
    ours, theirs = (samples(m, paths) for m in (OURS, THEIRS))
    assert ours == theirs
    assert any(name.endswith("request_duration_seconds_bucket") for name, _ in ours[0])
    assert max(ours[0].values()) == 2.0


def test_paths_are_counted_under_few_labels():
    found, _ = samples(OURS, ["/v1/leads/ada", "/v1/leads/bob", "/wp-login.php", "/x"])
    endpoints = {dict(labels)["endpoint"] for _, labels in found if "endpoint" in dict(labels)}
    assert endpoints == {"/v1/leads/{lead_id}", "other"}
    assert label_of("/v1/leads/ada/explanation") == "/v1/leads/{lead_id}/explanation"


def test_a_request_that_breaks_is_no_longer_in_progress():
    found, _ = samples(OURS, ["/broken"])
    assert [v for (name, _), v in found.items() if name.endswith("in_progress")] == [0.0]


@pytest.mark.parametrize("exporter", ["in_memory", None])
def test_tracing_is_bentomls_where_an_exporter_is_configured_and_absent_elsewhere(
    exporter: str | None, tmp_path: Path
):
    """In a process of its own, because BentoML reads its configuration once."""
    configuration = tmp_path / "bentoml.yaml"
    configuration.write_text(
        f"version: 1\ntracing:\n  exporter_type: {exporter or '~'}\n  sample_rate: 1.0\n"
    )
    code = """
import serving.service
from bentoml._internal.configuration.containers import BentoMLContainer
from opentelemetry.instrumentation import asgi

async def app(scope, receive, send): ...
made = asgi.OpenTelemetryMiddleware(app, tracer_provider=BentoMLContainer.tracer_provider.get())
print("plain" if made is app else type(made).__name__)
"""
    environment = {**os.environ, "BENTOML_CONFIG": str(configuration)}
    said = subprocess.run(
        [sys.executable, "-c", code], env=environment, cwd=ROOT, capture_output=True, text=True
    )
    assert said.returncode == 0, said.stderr
    assert said.stdout.split()[-1] == ("plain" if exporter is None else "OpenTelemetryMiddleware")


def test_bentoml_still_takes_its_tracing_from_where_it_is_replaced():
    """An upgrade that imports it otherwise would bring the cost back unseen."""
    from _bentoml_impl.server import app

    assert "from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware" in inspect.getsource(
        app.ServiceAppFactory.middlewares.fget
    )


@pytest.mark.parametrize("path", ["/v1/score", "/livez"])
def test_answers_pass_unchanged(path: str):
    _, sent = samples(OURS, [path])
    assert [m["type"] for m in sent] == ["http.response.start", "http.response.body", "http.response.body"]


COUNTING = """
import os
from prometheus_client import CollectorRegistry, Counter
from prometheus_client.multiprocess import MultiProcessCollector
from serving.metric_paths import count_without_asking

count_without_asking()
count_without_asking()
counter = Counter("things", "Things.")
ask, asked = os.getpid, []
os.getpid = lambda: asked.append(1) or ask()
counter.inc()
assert not asked, "the process's number was asked for"
child = os.fork()
counter.inc(2 if child == 0 else 4)
if child == 0:
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
registry = CollectorRegistry()
MultiProcessCollector(registry)
print(registry.get_sample_value("things_total"), len(os.listdir(os.environ["PROMETHEUS_MULTIPROC_DIR"])))
"""


def test_counting_asks_no_system_for_the_process_and_still_knows_a_fork(tmp_path: Path):
    """Both processes' counts, each in its own file; asking took a thirtieth of a score's time."""
    said = subprocess.run(
        [sys.executable, "-c", COUNTING],
        env={**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert said.stdout.split() == ["7.0", "2"]
