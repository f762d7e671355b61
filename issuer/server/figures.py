"""What the credential endpoints count: issued and refused, failures of the signer (an alarm), what waits."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from vcred.errors import SigningError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from vcred.serving import Metrics

__all__ = ["Figures"]


class Figures:
    """The figures of one service. No label is personal data."""

    def __init__(self, metrics: Metrics, *, waiting: Callable[[], int]) -> None:
        """``waiting`` says how many applications wait for a decision, when somebody asks for the figures."""
        from prometheus_client import Histogram  # noqa: PLC0415 - only a running service

        self._issued = metrics.counter("issued", "Certificates issued, copies by type and format", "code", "format")
        self._refused = metrics.counter("refused", "Credential requests refused, by error", "error")
        self._deferred = metrics.counter("deferred", "Credential requests that have to wait, by type", "code")
        self._told = metrics.counter("notifications", "What wallets told, by event", "event")
        self._alarms = metrics.counter(
            "signing_failures", "ALARM when it grows: nothing could be signed, or signing is stopped"
        )
        name = metrics.service
        self._signing = Histogram(
            f"{name}_answer_seconds", "Time to reserve, sign and deliver", registry=metrics.registry
        )
        metrics.asked("waiting_applications", "Applications waiting for a decision", lambda: float(waiting()))

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Count an alarm where nothing is signed, or may be let out."""
        try:
            yield
        except SigningError:
            self._alarms.inc()
            raise

    @contextmanager
    def answering(self) -> Iterator[None]:
        """The same, and measure the answer."""
        began = time.perf_counter()
        with self.watching():
            yield
        self._signing.observe(time.perf_counter() - began)

    def issued(self, code: str, format: str, copies: int) -> None:  # noqa: A002 - as everywhere
        """Certificates left the house."""
        self._issued.labels(code, format).inc(copies)

    def refused(self, error: str) -> None:
        """A request was refused."""
        self._refused.labels(error).inc()

    def deferred(self, code: str) -> None:
        """A request has to wait."""
        self._deferred.labels(code).inc()

    def told(self, event: str) -> None:
        """A wallet said what became of it."""
        self._told.labels(event).inc()
