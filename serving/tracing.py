"""Tracing costs nothing where nobody collects it.

BentoML makes the spans of OpenTelemetry for every request, also where no exporter is configured and every one of them is thrown away: as
much processor time as scoring a lead. With an exporter (``tracing`` in the file that ``BENTOML_CONFIG`` names), all is as BentoML gives it.
"""

from __future__ import annotations

from typing import Any

from starlette.types import ASGIApp


def trace_only_where_collected() -> None:
    """Leave BentoML's tracing out of its application where no exporter is configured. Does nothing the second time."""
    from opentelemetry.instrumentation import asgi

    tracing = asgi.OpenTelemetryMiddleware
    if not getattr(tracing, "is_only_where_collected", False):
        made: Any = _only_where_collected(tracing)
        made.is_only_where_collected = True
        asgi.OpenTelemetryMiddleware = made  # type: ignore[misc]


def _only_where_collected(tracing: type) -> Any:
    def traced(app: ASGIApp, **options: Any) -> ASGIApp:
        return tracing(app, **options) if is_collected() else app

    return traced


def is_collected() -> bool:
    """Whether BentoML's configuration names an exporter for traces."""
    from bentoml._internal.configuration.containers import BentoMLContainer

    return BentoMLContainer.tracing.exporter_type.get() is not None
