"""What the routes of one service share. Made once by ``create_app``; nothing is global."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from starlette.requests import Request

    from issuer.issuer import Issuer
    from issuer.server.applications import Applications
    from issuer.server.attesters import Attesters
    from issuer.server.configurations import Configurations
    from issuer.server.grants import Grants
    from issuer.server.nonces import Nonces
    from issuer.server.settings import IssuerServerSettings
    from issuer.server.store import ServiceStore
    from vcred.identification import CardReader
    from vcred.outgoing import Http
    from vcred.serving import Greenlets, Metrics

__all__ = ["Parts", "parts_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """The parts of one service."""

    settings: IssuerServerSettings
    issuer: Issuer
    store: ServiceStore
    http: Http
    clock: Callable[[], datetime]
    configurations: Configurations
    applications: Applications
    grants: Grants
    nonces: Nonces
    wallet_attesters: Attesters
    key_attesters: Attesters
    metrics: Metrics
    greenlets: Greenlets
    sources: Mapping[str, Any] = field(default_factory=dict)
    card_reader: CardReader | None = None

    def url(self, path: str) -> str:
        """An address of ours, as clients know it."""
        return f"{self.settings.base_url}{path}"


def parts_of(request: Request) -> Parts:
    """Those of the service that answers ``request``."""
    return cast("Parts", request.app.state.parts)
