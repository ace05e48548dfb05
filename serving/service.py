"""The BentoML service: process, workers, readiness and metrics around the application.

``bentoml serve serving.service:LeadScorer`` or ``leadloop serve``. Settings are read when a worker starts, not when this module is
imported; only the number of workers BentoML wants to know then, whose ``--api-workers`` does nothing for a service of this kind. Workers
are spawned and load their model themselves; nothing is shared between them but the store and the folder of copies.
"""

from __future__ import annotations

import os

# BentoML calls home on import paths it takes itself; it must be told before.
os.environ.setdefault("BENTOML_DO_NOT_TRACK", "True")
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")

import logging
import time
from functools import cache
from typing import Any

import bentoml
from starlette.types import ASGIApp

from data.errors import DamagedStoreError
from data.intake import load_intake
from data.scorelog import CHALLENGER
from data.settings import Settings, n_workers
from data.sources.hubspot import load_hubspot_rules
from data.store import Store, open_store
from serving import connections
from serving.app import build_app
from serving.garbage import settle_garbage
from serving.give_back import GiveBack
from serving.hubspot import HubSpot
from serving.keyring import Keyring
from serving.late import BulkDoor, KeyDoor, LateApp
from serving.limits import BodyLimit, bound_answers
from serving.live import LiveScorer
from serving.log_lines import write_json_lines
from serving.maturity import MaturityWatch
from serving.metric_paths import bound_metric_paths, count_without_asking
from serving.metrics import Metrics, ShadowMetrics
from serving.orphans import leave_with_parent
from serving.parts import Parts
from serving.problems import store_damaged
from serving.shadow import Shadow
from serving.tracing import trace_only_where_collected
from serving.writer import Writer
from training.scorer.registry import Registry

_TIMEOUT_SECONDS = 60

front = LateApp()
bound_metric_paths()
count_without_asking()
bound_answers()
trace_only_where_collected()


def door(app: ASGIApp) -> ASGIApp:
    """What stands before BentoML: it sees requests that are complete."""
    parts = front.parts
    return (
        app if parts is None else BodyLimit(app, max_bytes=parts.max_body_bytes, seconds=parts.body_seconds)
    )


connections.install(door)


def clock() -> int:
    """Microseconds since 1970 UTC."""
    return time.time_ns() // 1_000


@cache
def service_metrics() -> Metrics:
    """The metrics of this process; Prometheus takes each name once."""
    return Metrics()


@cache
def shadow_metrics() -> ShadowMetrics:
    """Those of a challenger in shadow, where there may be one."""
    return ShadowMetrics()


def damage(settings: Settings) -> DamagedStoreError | None:
    """What is broken in the store's file, which queries may never notice; about a second for each GB."""
    try:
        store = open_store(settings.store_url)
        try:
            store.check()
        finally:
            store.close()
    except DamagedStoreError as fault:
        return fault
    return None


def start_parts(settings: Settings, give_back: GiveBack) -> Parts:
    """The collaborators of a worker, started: store open, writer and model watch running; memory of models let go goes back."""
    intake = load_intake(settings.intake)
    store = open_store(settings.store_url)
    metrics = service_metrics()
    writer = Writer(store, clock=clock, busy=metrics.store_busy)
    live = LiveScorer(
        Registry(settings.registry_url, home=settings.home),
        goal=settings.goal,
        folder=settings.home / "serving" / settings.goal,
        poll_seconds=settings.poll_seconds,
        told=metrics.looked,
        let_go=give_back.soon,
    )
    writer.start()
    live.start()
    shadow = shadow_of(settings, store, writer, live, give_back) if settings.shadow == CHALLENGER else None
    if shadow is not None:
        shadow.start()
    return Parts(
        store=store,
        writer=writer,
        live=live,
        keyring=Keyring(store.keys),
        clock=clock,
        max_body_bytes=settings.max_body_bytes,
        metrics=metrics,
        intake=intake,
        shadow=shadow,
        hubspot=hubspot_of(settings),
    )


def hubspot_of(settings: Settings) -> HubSpot | None:
    """How HubSpot's webhooks are checked and read; None without the secret of an app."""
    rules = load_hubspot_rules(settings.hubspot)
    if settings.hubspot_secret is None or settings.public_url is None:
        return None
    return HubSpot(settings.hubspot_secret, settings.public_url, rules)


def shadow_of(
    settings: Settings, store: Store, writer: Writer, champion: LiveScorer, give_back: GiveBack
) -> Shadow:
    """The challenger beside the champion, with a registry and copies of its own: it holds nobody up."""
    counts = shadow_metrics()
    challenger = LiveScorer(
        Registry(settings.registry_url, home=settings.home),
        goal=settings.goal,
        folder=settings.home / "serving" / f"{settings.goal}.{CHALLENGER}",
        alias=CHALLENGER,
        poll_seconds=settings.poll_seconds,
        told=lambda _: counts.beside(shadow.version()),
        let_go=give_back.soon,
    )
    shadow = Shadow(store, writer, champion=champion, challenger=challenger, counts=counts)
    return shadow


@bentoml.service(
    name="leadloop",
    workers=n_workers(os.environ),
    traffic={"timeout": _TIMEOUT_SECONDS},
    # Addresses hold lead ids, and access logs would keep them.
    logging={"access": {"enabled": False}},
)
@bentoml.asgi_app(front, path="/")
class LeadScorer:
    """Scores leads with reasons, and takes in what became of them."""

    @bentoml.on_startup
    def start(self) -> None:
        """Open the store, take up the model, and keep the garbage collector off what stays for ever."""
        # BentoML 1.4 runs this hook twice for one instance.
        if getattr(self, "parts", None) is not None:
            return
        # BentoML shows warnings of others only; which version serves is worth a line.
        logging.getLogger("leadloop").setLevel(logging.INFO)
        self.parts: Parts | None = None
        leave_with_parent()
        settings = Settings.from_env(os.environ)
        if settings.log == "json":
            write_json_lines()
        if (fault := damage(settings)) is not None:
            # Up, but never ready: a worker that ended would be started again, for ever.
            logging.getLogger("leadloop.serving").error("not serving: %s", fault)
            front.fault = store_damaged()
            return
        self.give_back = GiveBack()
        self.parts = start_parts(settings, self.give_back)
        front.app, front.parts = build_app(self.parts), self.parts
        settle_garbage()
        self.give_back.start()
        self.maturity = MaturityWatch(
            self.parts.store, self.parts.live, clock=clock, show=service_metrics().matured
        )
        self.maturity.start()

    @bentoml.on_shutdown
    def stop(self) -> None:
        """Commit what waits, then let go."""
        parts, self.parts, front.app, front.parts = self.parts, None, None, None
        if parts is not None:
            self.give_back.stop()
            self.maturity.stop()
            if parts.shadow is not None:
                parts.shadow.stop()
            parts.live.stop()
            parts.writer.stop()
            parts.store.close()

    def __is_ready__(self) -> bool:
        """Ready when a model serves; without one, leads are taken in but not scored."""
        parts = getattr(self, "parts", None)
        return parts is not None and parts.live.current() is not None

    @bentoml.api
    async def score(self, leads: list[dict[str, Any]]) -> dict[str, Any]:
        """Scores of up to 10,000 leads in their order, as ``POST /v1/score/bulk`` answers."""
        return await front.call_json("/v1/score/bulk", {"leads": leads})


# BentoML would read this call's body without a limit and log what it cannot parse; the application answers it instead.
LeadScorer.add_asgi_middleware(  # type: ignore[attr-defined]
    BulkDoor, front=front, path="/score", inner_path="/v1/score/bulk"
)
# BentoML answers these itself.
LeadScorer.add_asgi_middleware(  # type: ignore[attr-defined]
    KeyDoor, front=front, paths=frozenset({"/metrics", "/schema.json"})
)
