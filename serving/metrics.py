"""What the service counts, for Prometheus, beside BentoML's own request metrics.

Labels are bounded: versions, grades, features, kinds of outcomes and reasons, never a lead. Workers write side by side; ``/metrics``
adds their counts up and shows of each gauge what was set last.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter as Tally
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from data.domain import format_instant
from data.scorelog import ScoreRow
from serving.feature_counts import Counted, FeatureCounts
from serving.live import LiveScorer, Served
from training.scorer.scorer import Scorer

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry


_TENTHS = tuple(n / 10 for n in range(1, 11))
_RECENT_ROWS = 1_000


class Counts(Protocol):
    """Where the application says what happened."""

    def scored(self, answers: Iterable[Mapping[str, Any]]) -> None: ...

    def saw(self, scorer: Scorer, rows: Sequence[ScoreRow]) -> None: ...

    def received_outcomes(self, kinds: Iterable[str]) -> None: ...

    def left_out(self, reasons: Iterable[str]) -> None: ...

    def store_busy(self) -> None: ...


class Uncounted:
    """Counts nothing."""

    def scored(self, answers: Iterable[Mapping[str, Any]]) -> None: ...

    def saw(self, scorer: Scorer, rows: Sequence[ScoreRow]) -> None: ...

    def received_outcomes(self, kinds: Iterable[str]) -> None: ...

    def left_out(self, reasons: Iterable[str]) -> None: ...

    def store_busy(self) -> None: ...


class Metrics:
    """The service's own metrics; once a process, or once a ``registry``."""

    def __init__(self, *, registry: CollectorRegistry | None = None) -> None:
        # Imported only here: BentoML says where workers write together just before it starts them, and the client reads that once.
        from prometheus_client import REGISTRY, Counter, Gauge, Histogram

        into = REGISTRY if registry is None else registry

        def gauge(name: str, says: str, labels: Sequence[str] = ()) -> Gauge:
            return Gauge(name, says, labels, multiprocess_mode="mostrecent", registry=into)

        self._scores = Counter(
            "leadloop_scores_total", "Scores given.", ("model_version", "grade"), registry=into
        )
        self._outcomes = Counter(
            "leadloop_outcomes_total",
            "Outcomes received and kept, those known already among them.",
            ("kind",),
            registry=into,
        )
        self._ratios = Histogram(
            "leadloop_score_ratio", "Scores given, as shares of 100.", buckets=_TENTHS, registry=into
        )
        self._gaps = gauge(
            "leadloop_feature_null_ratio",
            "Share of a worker's last scores, about a thousand, for which the feature had no value.",
            ("feature",),
        )
        self._unknown = Counter(
            "leadloop_unknown_category_total",
            "Scores for which the feature said something the model has no level for: never learned, or too rare.",
            ("feature",),
            registry=into,
        )
        self._left_out = Counter(
            "leadloop_ingest_dropped_total",
            "Touchpoints, outcomes, links and leads received and left out on purpose.",
            ("reason",),
            registry=into,
        )
        self._busy = Counter(
            "leadloop_db_busy_total",
            "Requests that the store did not serve in time: refused with 503, or scored without it.",
            registry=into,
        )
        self._maturity = gauge(
            "leadloop_label_maturity_ratio",
            "Share of the leads created at least the served model's horizon ago.",
        )
        self._model = _VersionInfo(
            "leadloop_model_info", "1 for the version that serves.", into, ("trained_at",)
        )
        self._refused = gauge(
            "leadloop_champion_refused", "1 while the registry's champion failed its trial."
        )
        self._reachable = gauge("leadloop_registry_reachable", "1 while the registry answers.")

        self._rows = FeatureCounts()
        self._n_rows = 0
        self._shares: dict[str, float] = {}

    def scored(self, answers: Iterable[Mapping[str, Any]]) -> None:
        """Count answers by version and grade, and their scores."""
        tally: Tally[tuple[str, str, int]] = Tally()
        for answer in answers:
            tally[answer["model_version"], answer["grade"], answer["score"]] += 1
        for (version, grade, score), n in tally.items():
            self._scores.labels(version, grade).inc(n)
            self._observe(score / 100, n)

    def _observe(self, ratio: float, times: int) -> None:
        # The client can observe but one at a time, which is a thirtieth of a bulk.
        own = self._ratios
        own._sum.inc(ratio * times)
        own._buckets[bisect_left(own._upper_bounds, ratio)].inc(times)

    def saw(self, scorer: Scorer, rows: Sequence[ScoreRow]) -> None:
        """Count what the rows lack; it is shown at the next look at the registry. From any thread."""
        self._rows.add(scorer, rows)

    def received_outcomes(self, kinds: Iterable[str]) -> None:
        """Count outcomes by kind."""
        for kind, n in Tally(kinds).items():
            self._outcomes.labels(kind).inc(n)

    def left_out(self, reasons: Iterable[str]) -> None:
        """Count what was left out, by reason."""
        for reason, n in Tally(reasons).items():
            self._left_out.labels(reason).inc(n)

    def store_busy(self) -> None:
        """Count a request that the store did not serve in time."""
        self._busy.inc()

    def matured(self, share: float) -> None:
        """Show the share of leads old enough to learn from."""
        self._maturity.set(share)

    def looked(self, live: LiveScorer) -> None:
        """Show what the last look at the registry found, and what features the scores since the one before lacked."""
        for counted in self._rows.take():
            self._show(counted)
        served, watch = live.current(), live.watch
        version = None if served is None else served.version
        self._model.show(version, **({} if served is None else {"trained_at": _trained_at(served)}))
        is_refused = watch.named is not None and watch.named != version and watch.named in watch.refused
        self._refused.set(float(is_refused))
        self._reachable.set(float(watch.trouble is None))

    def _show(self, counted: Counted) -> None:
        # The mean of the first thousand rows; from then on each row weighs a thousandth.
        self._n_rows = min(self._n_rows + counted.n, _RECENT_ROWS)
        weight = min(1.0, counted.n / self._n_rows)
        for name, gaps in zip(counted.names, counted.gaps.tolist(), strict=True):
            share = gaps / counted.n
            before = self._shares.get(name, share)
            self._shares[name] = before + weight * (share - before)
            self._gaps.labels(name).set(self._shares[name])
        for name, n in counted.unknown.items():
            if n:
                self._unknown.labels(name).inc(n)


def _trained_at(served: Served) -> str:
    """When its training began, by the card; empty where the card does not say."""
    now = (served.card.get("data") or {}).get("now")
    return format_instant(now) if isinstance(now, int) else ""


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
    """A gauge that is 1 for one version at a time; ``more`` are names of labels that say more about it."""

    def __init__(self, name: str, says: str, into: CollectorRegistry, more: Sequence[str] = ()) -> None:
        from prometheus_client import Gauge

        self._gauge = Gauge(name, says, ("version", *more), multiprocess_mode="mostrecent", registry=into)
        self._shown: dict[str, str] = {}

    def show(self, version: str | None, **more: str) -> None:
        """Say 1 for this version and 0 for the one before."""
        shown = {} if version is None else {"version": version, **more}
        if self._shown and self._shown != shown:
            # Processes that write side by side cannot take a label back.
            self._gauge.labels(**self._shown).set(0)
        if shown:
            self._gauge.labels(**shown).set(1)
        self._shown = shown
