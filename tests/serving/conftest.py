"""A service in this process: a store of its own, a scorer made by hand, a registry of folders, and a clock the test sets."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from data.domain import DAY, parse_instant
from data.errors import RegistryError
from data.store import Store, open_store
from features.catalog import default_features
from features.matrix import Matrix
from features.spec import FeatureSet
from serving.app import build_app
from serving.keyring import Keyring
from serving.live import LiveScorer, Served
from serving.metrics import Uncounted
from serving.parts import Parts
from serving.shadow import Shadow
from serving.writer import Writer
from training.scorer.additive import Additive, Affine
from training.scorer.artifact import save_scorer
from training.scorer.policy import Grades
from training.scorer.scale import Scale
from training.scorer.scorecard import CategoryTerm, NumberTerm, Scorecard, Term
from training.scorer.scorer import Golden, Scorer

NOW = parse_instant("2026-03-08T12:00:00Z", name="now")
LEVELS = {
    "industry": ("logistics", "software"),
    "country": ("at", "de", "fr"),
}


def make_scorer(*, slope: float = 0.2, features: FeatureSet | None = None) -> Scorer:
    """A scorecard over the default features whose weights differ by column, so that a swapped column changes scores."""
    features = features or default_features()
    terms: list[Term] = []
    for j, feature in enumerate(features):
        weight = slope * (1 + j % 7) / 3 * (-1 if j % 5 == 4 else 1)
        if feature.is_category:
            n = len(LEVELS.get(feature.name, ("x", "y")))
            terms.append(
                CategoryTerm(
                    tuple(weight * (i + 1) / n for i in range(n)), other=-weight / 2, missing=0.01 * j
                )
            )
        else:
            terms.append(NumberTerm((0.0, 1.0, 10.0), (0.0, weight, 2 * weight), missing=-0.01 * j))
    levels = {f.name: LEVELS.get(f.name, ("x", "y")) for f in features if f.is_category}
    model = Additive(len(features), scorecard=Scorecard(-1.5, terms), weight_scorecard=1.0)
    rows = np.vstack([np.zeros(len(features)), np.full(len(features), np.nan)])
    made = Scorer(
        goal="qualified",
        horizon_days=90,
        features=features,
        levels=levels,
        model=model,
        calibration=Affine(0.9, 0.05),
        scale=Scale(-1.2),
        grades=Grades(70, 55, 45),
        golden=Golden(rows, np.zeros(2)),
    )
    margin = made.margin(Matrix(features.names, rows, levels))
    return replace(made, golden=Golden(rows, margin))


@dataclass
class FolderRegistry:
    """Versions as folders; ``champion``, ``challenger`` and ``is_away`` are set by the test."""

    folder: Path
    champion: str | None = None
    challenger: str | None = None
    is_away: bool = False
    fetched: list[str] = field(default_factory=list)

    def register(self, number: str, scorer: Scorer) -> Path:
        return save_scorer(scorer, self.folder / number)

    def resolve(self, goal: str, alias: str) -> str | None:
        if self.is_away:
            raise RegistryError("the model registry did not answer")
        return self.challenger if alias == "challenger" else self.champion

    def fetch(self, goal: str, number: str, *, into: Path) -> Path:
        if self.is_away:
            raise RegistryError("the model registry did not answer")
        self.fetched.append(number)
        return Path(shutil.copytree(self.folder / number, into))


@dataclass
class Service:
    """The application in process, with what stands behind it."""

    parts: Parts
    app: Any
    store: Store
    live: LiveScorer
    registry: FolderRegistry
    clock: SettableClock
    seconds: Any = None

    @property
    def scorer(self) -> Scorer:
        served = self.live.current()
        assert served is not None
        return served.scorer

    def call(self, method: str, path: str, **options: Any) -> httpx.Response:
        return self.calls([(method, path, options)])[0]

    def calls(self, wanted: list[tuple[str, str, dict[str, Any]]]) -> list[httpx.Response]:
        """All requests at once."""

        async def run() -> list[httpx.Response]:
            transport = httpx.ASGITransport(app=self.app)
            async with httpx.AsyncClient(
                transport=transport, base_url="http://service", timeout=60
            ) as client:
                return await asyncio.gather(*(client.request(m, p, **o) for m, p, o in wanted))

        return asyncio.run(run())

    def post(self, path: str, body: object) -> httpx.Response:
        return self.call("POST", path, json=body)

    def post_raw(self, path: str, body: bytes, **options: Any) -> httpx.Response:
        return self.call("POST", path, content=body, **options)

    def get(self, path: str) -> httpx.Response:
        return self.call("GET", path)


@dataclass
class SettableClock:
    now: int = NOW

    def __call__(self) -> int:
        return self.now

    def forward(self, days: float) -> None:
        self.now += int(days * DAY)


def make_service(
    folder: Path,
    *,
    champion: bool = True,
    store_url: str | None = None,
    seconds: Any = time.monotonic,
    shadow: Any = None,
    **options: Any,
) -> Service:
    """A service on a fresh store; with a champion unless told otherwise. ``shadow`` are options of a challenger in shadow, version 8."""
    folder.mkdir(parents=True, exist_ok=True)
    clock = SettableClock()
    store = open_store(store_url or f"sqlite:///{folder / 'store.db'}", busy_seconds=0.3)
    registry = FolderRegistry(folder / "registry")
    live = LiveScorer(
        registry, goal="qualified", folder=folder / "live", poll_seconds=0.05, trial=lambda _: None
    )
    if champion:
        registry.register("7", make_scorer())
        registry.champion = "7"
        live.look()
    writer = Writer(store, clock=clock, busy=options.get("metrics", Uncounted()).store_busy)
    writer.start()
    keyring = Keyring(store.keys, monotonic=seconds)
    if shadow is not None:
        registry.register("8", make_scorer(slope=0.4))
        registry.challenger = "8"
        challenger = LiveScorer(
            registry,
            goal="qualified",
            folder=folder / "challenger",
            alias="challenger",
            poll_seconds=0.05,
            trial=lambda _: None,
        )
        challenger.look()
        options["shadow"] = Shadow(store, writer, champion=live, challenger=challenger, **shadow)
    parts = Parts(store=store, writer=writer, live=live, keyring=keyring, clock=clock, **options)
    return Service(parts, build_app(parts), store, live, registry, clock, seconds)


def stop_service(service: Service) -> None:
    if service.parts.shadow is not None:
        service.parts.shadow.stop()
    service.live.stop()
    service.parts.writer.stop()
    service.store.close()


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    made = make_service(tmp_path)
    yield made
    stop_service(made)


@pytest.fixture
def service_without_model(tmp_path: Path) -> Iterator[Service]:
    made = make_service(tmp_path, champion=False)
    yield made
    stop_service(made)


def assert_problem(response: httpx.Response, status: int, code: str | None = None) -> dict[str, Any]:
    """The problem document of a refusal, checked for its members."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    document = response.json()
    assert {"type", "title", "status", "detail", "code", "message"} <= set(document)
    assert document["status"] == status
    assert document["message"]
    if code is not None:
        assert document["code"] == code
    return document


__all__ = ["NOW", "FolderRegistry", "Served", "Service", "assert_problem", "make_scorer", "make_service"]
