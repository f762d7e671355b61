"""Counts and durations for Prometheus, spans for OpenTelemetry where it is installed. No label is personal data.

Where a service has several workers, each shows the figures of all of them (``vcred.serving.shared_metrics``).
"""

from __future__ import annotations

import time
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, Final, Literal

from vcred.serving.shared_metrics import all_workers

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, MutableMapping

    from fastapi import FastAPI

    App = Callable[[MutableMapping[str, Any], Any, Any], Awaitable[None]]

__all__ = ["Metrics", "add_metrics"]

_BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)


class Metrics:
    """The figures of one service. ``service`` is the prefix of every name, for example ``vcred_issuer``."""

    def __init__(self, service: str) -> None:
        from prometheus_client import (  # noqa: PLC0415 - only a running service
            CollectorRegistry,
            Counter,
            Gauge,
            Histogram,
        )

        self._counter, self._gauge = Counter, Gauge
        self._asked = CollectorRegistry()
        self.service = service
        self.registry = CollectorRegistry()
        self.requests = Counter(
            f"{service}_requests", "Requests by route and status", ("route", "status"), registry=self.registry
        )
        self.seconds = Histogram(
            f"{service}_request_seconds",
            "Time to answer by route",
            ("route",),
            buckets=_BUCKETS,
            registry=self.registry,
        )

    def counter(self, name: str, text: str, *labels: str) -> Any:
        """One more counter of this service, for what its domain counts (issued, verdicts ...)."""
        return self._counter(f"{self.service}_{name}", text, labels, registry=self.registry)

    def gauge(self, name: str, text: str, *, of_workers: Literal["min", "max", "sum"]) -> Any:
        """A figure that is set. Of those that several workers set, ``of_workers`` is shown."""
        return self._gauge(f"{self.service}_{name}", text, registry=self.registry, multiprocess_mode=of_workers)

    def asked(self, name: str, text: str, value: Callable[[], float]) -> None:
        """A figure that is the same for all workers, and looked up when somebody wants to see it."""
        self._asked.register(_Asked(f"{self.service}_{name}", text, value))

    def text(self) -> bytes:
        """Everything in Prometheus' text format, that of all workers where there are several."""
        from prometheus_client import generate_latest  # noqa: PLC0415 - as above

        shared = all_workers()
        return generate_latest(self.registry if shared is None else shared) + generate_latest(self._asked)


class _Asked:
    """A collector of one figure."""

    def __init__(self, name: str, text: str, value: Callable[[], float]) -> None:
        self._name, self._text, self._value = name, text, value

    def collect(self) -> Iterator[Any]:
        from prometheus_client.core import GaugeMetricFamily  # noqa: PLC0415 - as above

        yield GaugeMetricFamily(self._name, self._text, value=self._value())

    def describe(self) -> Iterator[Any]:
        """Its name, without asking: it may not be known yet."""
        from prometheus_client.core import GaugeMetricFamily  # noqa: PLC0415 - as above

        yield GaugeMetricFamily(self._name, self._text)


def add_metrics(app: FastAPI, metrics: Metrics, *, path: str = "/metrics") -> None:
    """Measure every request of ``app`` and show the figures at ``path``: bind it to the inside in the proxy."""
    from starlette.responses import PlainTextResponse  # noqa: PLC0415 - as above

    app.add_middleware(_Measure, metrics=metrics)

    @app.get(path, include_in_schema=False, response_class=PlainTextResponse, response_model=None)
    def figures() -> PlainTextResponse:
        return PlainTextResponse(metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")


class _Measure:
    """A plain ASGI middleware: the route is known once the application has answered."""

    def __init__(self, app: App, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics
        self._span = _spans(metrics.service)

    async def __call__(self, scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status = time.perf_counter(), 500

        async def note(message: MutableMapping[str, Any]) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            with self._span():
                await self._app(scope, receive, note)
        finally:
            route = getattr(scope.get("route"), "path", "other")
            self._metrics.requests.labels(route, str(status)).inc()
            self._metrics.seconds.labels(route).observe(time.perf_counter() - began)


def _spans(service: str) -> Callable[[], Any]:
    """A span for each request; nothing at all where OpenTelemetry is not installed, or nobody listens."""
    try:
        from opentelemetry import trace  # noqa: PLC0415 - optional
    except ModuleNotFoundError:
        return nullcontext
    tracer = trace.get_tracer(service)

    def span() -> Any:
        if isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):
            return nullcontext()
        return tracer.start_as_current_span(f"{service} request")

    return span
