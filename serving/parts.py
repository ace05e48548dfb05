"""The collaborators of the application, as one value."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request

from data.intake import Intake
from data.store import Store
from serving.hubspot import HubSpot
from serving.json_body import read_json
from serving.keyring import Keyring
from serving.live import LiveScorer, Served
from serving.metrics import Counts, Uncounted
from serving.problems import no_model
from serving.rates import Rates
from serving.scoring import Scoring
from serving.shadow import Shadow
from serving.writer import Clock, Writer


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What the routes work with.

    Attributes
    ----------
    store : read by pages and lead views; written through ``writer`` only.
    live : which model serves.
    keyring : who may call.
    rates : how often.
    shadow : where a challenger scores beside the champion; None when the setting is off.
    clock : microseconds since 1970 UTC.
    max_body_bytes : longest body, also after unpacking.
    body_seconds : how long a body may take to arrive.
    max_at_work : requests worked on at once.
    metrics : where is counted what came and what was answered.
    intake : how channels are told and which visits are left out.
    hubspot : how HubSpot's webhooks are checked and read; None: none are taken.
    score_patience, write_patience : seconds a score and a write wait for the store.
    """

    store: Store
    writer: Writer
    live: LiveScorer
    keyring: Keyring
    clock: Clock
    max_body_bytes: int = 10_485_760
    body_seconds: float = 30.0
    max_at_work: int = 256
    metrics: Counts = field(default_factory=Uncounted)
    intake: Intake = field(default_factory=Intake)
    score_patience: float = 1.0
    write_patience: float = 10.0
    rates: Rates = field(default_factory=Rates)
    shadow: Shadow | None = None
    hubspot: HubSpot | None = None

    def served(self) -> Served:
        """The model for this request. Raises Problem 503 when none serves yet."""
        served = self.live.current()
        if served is None:
            raise no_model()
        return served

    def scoring(self) -> Scoring:
        return Scoring(
            self.store,
            self.writer,
            clock=self.clock,
            patience=self.score_patience,
            counts=self.metrics,
            shadow=self.shadow,
        )

    async def body(self, request: Request) -> Any:
        """The request's JSON, strictly read."""
        return await read_json(request, max_bytes=self.max_body_bytes)
