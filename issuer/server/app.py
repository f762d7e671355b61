"""``create_app``: the issuer's service as an ASGI application."""

from __future__ import annotations

from typing import TYPE_CHECKING

from issuer.server import admin, credentials, oauth, pages
from issuer.server.applications import Applications
from issuer.server.attesters import Attesters
from issuer.server.configurations import Configurations
from issuer.server.grants import Grants
from issuer.server.nonces import Nonces
from issuer.server.parts import Parts
from vcred.serving import Limits, Metrics, build_app

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime
    from typing import Any

    from fastapi import FastAPI

    from issuer.issuer import Issuer
    from issuer.server.settings import IssuerServerSettings
    from issuer.server.store import ServiceStore
    from vcred.outgoing import Http

__all__ = ["create_app"]


def create_app(
    settings: IssuerServerSettings,
    *,
    issuer: Issuer,
    store: ServiceStore,
    http: Http,
    clock: Callable[[], datetime],
    sources: Mapping[str, Any] | None = None,
) -> FastAPI:
    """The service. ``store`` is ``issuer``'s own; whoever made it closes it. Raises ``SettingsError``."""
    configurations = Configurations(issuer)
    parts = Parts(
        settings=settings,
        issuer=issuer,
        store=store,
        http=http,
        clock=clock,
        configurations=configurations,
        applications=Applications(settings, store, issuer, configurations),
        grants=Grants(settings, store, configurations),
        nonces=Nonces(store, lifetime=settings.lifetimes.of("nonce")),
        wallet_attesters=Attesters(settings.wallet_attesters),
        key_attesters=Attesters(settings.key_attesters),
        metrics=Metrics("vcred_issuer"),
        sources=sources or {},
    )
    store.group_commits()

    def add_routes(app: FastAPI) -> None:
        for routes in (oauth, credentials, admin, pages):
            routes.add(app, parts)

    return build_app(
        "vcred issuer",
        path=settings.path,
        parts=parts,
        metrics=parts.metrics,
        limits=Limits(),
        database=lambda: store.stopped,
        add_routes=add_routes,
    )
