"""What the service counts, for Prometheus, beside BentoML's own request metrics.

Labels are bounded: versions, grades and kinds of outcomes, never a lead. Workers write side by side; ``/metrics`` adds their counts up and
shows of each gauge what was set last.
"""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from data.scorelog import ScoreRow
from serving.live import LiveScorer

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry


class Counts(Protocol):
    """Where the application says what happened."""

    def scored(self, answers: Iterable[Mapping[str, Any]]) -> None: ...

    def received_outcomes(self, kinds: Iterable[str]) -> None: ...


class Uncounted:
    """Counts nothing."""

    def scored(self, answers: Iterable[Mapping[str, Any]]) -> None: ...

    def received_outcomes(self, kinds: Iterable[str]) -> None: ...


class Metrics:
    """The service's own metrics; once a process, or once a ``registry``."""

    def __init__(self, *, registry: CollectorRegistry | None = None) -> None:
        # Imported only here: BentoML says where workers write together just before it starts them, and the client reads that once.
        from prometheus_client import REGISTRY, Counter, Gauge

        into = REGISTRY if registry is None else registry

        def gauge(name: str, says: str) -> Gauge:
            return Gauge(name, says, multiprocess_mode="mostrecent", registry=into)

        self._scores = Counter(
            "leadloop_scores_total", "Scores given.", ("model_version", "grade"), registry=into
        )
        self._outcomes = Counter(
            "leadloop_outcomes_total",
            "Outcomes received and kept, those known already among them.",
            ("kind",),
            registry=into,
        )
        self._model = _VersionInfo("leadloop_model_info", "1 for the version that serves.", into)
        self._refused = gauge(
            "leadloop_champion_refused", "1 while the registry's champion failed its trial."
        )
        self._reachable = gauge("leadloop_registry_reachable", "1 while the registry answers.")

    def scored(self, answers: Iterable[Mapping[str, Any]]) -> None:
        """Count answers by version and grade."""
        for (version, grade), n in Tally((a["model_version"], a["grade"]) for a in answers).items():
            self._scores.labels(version, grade).inc(n)

    def received_outcomes(self, kinds: Iterable[str]) -> None:
        """Count outcomes by kind."""
        for kind, n in Tally(kinds).items():
            self._outcomes.labels(kind).inc(n)

    def looked(self, live: LiveScorer) -> None:
        """Show what the last look at the registry found."""
        served, watch = live.current(), live.watch
        version = None if served is None else served.version
        self._model.show(version)
        is_refused = watch.named is not None and watch.named != version and watch.named in watch.refused
        self._refused.set(float(is_refused))
        self._reachable.set(float(watch.trouble is None))


class ShadowMetrics:
    """Metrics of a challenger in shadow; made only where one may score. Once a process, or once a ``registry``."""

    def __init__(self, *, registry: CollectorRegistry | None = None) -> None:
        from prometheus_client import REGISTRY, Counter

        into = REGISTRY if registry is None else registry
        self._scores = Counter(
            "leadloop_shadow_scores_total",
            "Scores logged in shadow, which nobody was given.",
            ("model_version", "grade"),
            registry=into,
        )
        self._dropped = Counter(
            "leadloop_shadow_dropped_total",
            "Leads not scored in shadow: too many waited, scoring failed, or the service ended.",
            registry=into,
        )
        self._info = _VersionInfo("leadloop_shadow_info", "1 for the challenger that scores in shadow.", into)

    def shadowed(self, rows: Iterable[ScoreRow]) -> None:
        """Count a challenger's scores by version and grade."""
        for (version, grade), n in Tally((row.model_version, row.grade) for row in rows).items():
            self._scores.labels(version, grade).inc(n)

    def dropped(self, n: int) -> None:
        """Count leads that the challenger did not score."""
        self._dropped.inc(n)

    def beside(self, version: str | None) -> None:
        """Show which challenger scores beside the champion."""
        self._info.show(version)


class _VersionInfo:
    """A gauge that is 1 for one version at a time."""

    def __init__(self, name: str, says: str, into: CollectorRegistry) -> None:
        from prometheus_client import Gauge

        self._gauge = Gauge(name, says, ("version",), multiprocess_mode="mostrecent", registry=into)
        self._version: str | None = None

    def show(self, version: str | None) -> None:
        if self._version is not None and self._version != version:
            # Processes that write side by side cannot take a label back.
            self._gauge.labels(self._version).set(0)
        if version is not None:
            self._gauge.labels(version).set(1)
        self._version = version
