"""Request metrics without lead ids.

BentoML labels its request metrics with the path as it came: every lead id, and every address a scanner tries, would become a time series
of its own, for ever. Here a path becomes one of a few labels before it is counted. Names, labels and meaning of the metrics are BentoML's;
looking each of them up anew for every request, as it does, took longer than a lead takes to be scored, so they are kept.

Where workers write their counts side by side, the Prometheus client asks the operating system for the process's number whenever it counts,
to notice a fork. Python tells of forks by itself.
"""

from __future__ import annotations

import os
import re
from timeit import default_timer
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

_LEAD = re.compile(r"/v1/leads/.+?(/explanation|/suppress)?")
_KNOWN = frozenset(
    {
        "/", "/docs", "/docs.json", "/openapi.json", "/schema.json", "/livez", "/readyz", "/healthz", "/metrics", "/score",
        "/v1/score", "/v1/score/bulk", "/v1/leads", "/v1/touchpoints", "/v1/outcomes", "/v1/links", "/v1/model",
        "/v1/whoami", "/openapi-3.0.json", "/openapi-2.0.json", "/webhooks/hubspot",
    }
)  # fmt: skip


def label_of(path: str) -> str:
    """The label under which a path is counted.

    >>> label_of("/v1/leads/00Q5/explanation"), label_of("/v1/score"), label_of("/wp-login.php")
    ('/v1/leads/{lead_id}/explanation', '/v1/score', 'other')
    """
    if path in _KNOWN:
        return path
    lead = _LEAD.fullmatch(path)
    if lead:
        return "/v1/leads/{lead_id}" + (lead[1] or "")
    return "/static" if path.startswith("/static/") else "other"


def bound_metric_paths() -> None:
    """Make BentoML count by ``label_of``. Does nothing the second time."""
    from bentoml._internal.server.http import instruments

    counting = instruments.RunnerTrafficMetricsMiddleware
    if not getattr(counting, "has_bounded_paths", False):
        instruments.RunnerTrafficMetricsMiddleware = _bounded(counting)  # type: ignore[misc,assignment]


def _bounded(counting: type) -> type:
    class Bounded(counting):
        has_bounded_paths = True

        def __init__(self, app: ASGIApp, *args: Any, **options: Any) -> None:
            super().__init__(app, *args, **options)
            self._kept: dict[tuple[str, str, int], Any] = {}

        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != "http" or scope["path"] == "/metrics":
                await super().__call__(scope, receive, send)
                return
            if not self._is_setup:
                self._setup()
            path = label_of(scope["path"])
            if not path.startswith(tuple(self.skip_paths)):
                self._metric("last_request_timestamp").set_to_current_time()
            started, status = default_timer(), 0

            async def counted(message: Message) -> None:
                nonlocal status
                if message["type"] == "http.response.start":
                    status = message["status"]
                elif message["type"] == "http.response.body" and not message.get("more_body"):
                    self._metric("request_total", path, status).inc()
                    self._metric("request_duration", path, status).observe(max(default_timer() - started, 0))
                await send(message)

            with self._metric("request_in_progress", path).track_inprogress():
                await self.app(scope, receive, counted)

        def _metric(self, name: str, path: str = "", status: int = 0) -> Any:
            """BentoML's metric of that name with the labels of this service, and of the path and status where it has them."""
            kept = self._kept.get((name, path, status))
            if kept is None:
                kept = getattr(self, f"metrics_{name}").labels(
                    **_service_labels(), **_own_labels(path, status)
                )
                self._kept[name, path, status] = kept
            return kept

    Bounded.__name__ = Bounded.__qualname__ = counting.__name__
    return Bounded


def count_without_asking() -> None:
    """Make the Prometheus client ask for the process's number once, and again after a fork. Does nothing the second time.

    To be called before the first metric is made, where ``PROMETHEUS_MULTIPROC_DIR`` is set already if it will be.
    """
    # The client decides when it is imported whether workers write side by side.
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return
    from prometheus_client import values

    if not hasattr(values.ValueClass, "is_told_of_forks"):
        number = _ProcessNumber()
        os.register_at_fork(after_in_child=number.ask)
        values.ValueClass = values.MultiProcessValue(process_identifier=number)
        values.ValueClass.is_told_of_forks = True


class _ProcessNumber:
    """The number of this process."""

    def __init__(self) -> None:
        self.ask()

    def ask(self) -> None:
        self._number = os.getpid()

    def __call__(self) -> int:
        return self._number


def _own_labels(path: str, status: int) -> dict[str, object]:
    return ({"endpoint": path} if path else {}) | ({"http_response_code": status} if status else {})


def _service_labels() -> dict[str, object]:
    from bentoml._internal.context import server_context

    return {
        "service_name": server_context.bento_name,
        "service_version": server_context.bento_version,
        "runner_name": server_context.service_name,
    }
