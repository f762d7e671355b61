"""What the verifier's service shows of its trust bundle: version, age, and whether a newer one could not be used."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from vcred.serving import Metrics
    from verifier.server.trust import Standings

__all__ = ["Figures"]


class Figures:
    """The gauges of one process. Of several the worst counts: the lowest version, the highest age."""

    def __init__(self, metrics: Metrics) -> None:
        self._version = metrics.gauge("trust_version", "Version of the trust bundle in use", of_workers="min")
        self._age = metrics.gauge(
            "trust_age_seconds", "Seconds since the trust bundle in use was vouched for", of_workers="max"
        )
        self._left = metrics.gauge(
            "trust_expires_seconds", "Seconds until the trust bundle in use has expired", of_workers="min"
        )
        self._refused = metrics.gauge(
            "trust_refused", "ALARM when it is 1: what is in the bundle's place cannot be used", of_workers="max"
        )

    def show(self, standings: Standings, *, at: datetime) -> None:
        """Take up a newer bundle, if there is one, and set the figures."""
        bundle = standings.newest().trust
        self._version.set(bundle.version)
        self._age.set(bundle.age(at).total_seconds())
        self._left.set((bundle.expires_at - at).total_seconds())
        self._refused.set(0 if standings.problem is None else 1)
