"""``create_app``: the issuer's service as an ASGI application."""

from __future__ import annotations

from typing import TYPE_CHECKING

from issuer.server import admin, credentials, id_routes, oauth, pages
from issuer.server.applications import Applications
from issuer.server.attesters import Attesters
from issuer.server.configurations import Configurations
from issuer.server.grants import Grants
from issuer.server.loop_batches import LoopBatches
from issuer.server.nonces import Nonces
from issuer.server.parts import Parts
from vcred.errors import SettingsError
from vcred.serving import Greenlets, Limits, Metrics, build_app

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime
    from typing import Any

    from fastapi import FastAPI

    from issuer.issuer import Issuer
    from issuer.server.settings import IssuerServerSettings
    from issuer.server.store import ServiceStore
    from vcred.identification import CardReader
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
    card_reader: CardReader | None = None,
) -> FastAPI:
    """The service. ``store`` is ``issuer``'s own; whoever made it closes it. Raises ``SettingsError``.

    ``sources`` may have ``people`` (whom to choose from in development) and ``identify`` (a function of the type and
    the claims of a card that gives the registry's key). ``card_reader`` asks wallets for it, where settings have
    ``id_login``.
    """
    if (settings.id_login is None) != (card_reader is None):
        raise SettingsError("id_login: goes with a card reader, and a card reader with it")
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
        greenlets=Greenlets(settings.threads),
        sources=sources or {},
        card_reader=card_reader,
    )
    store.group_commits(LoopBatches)

    def add_routes(app: FastAPI) -> None:
        for routes in (oauth, credentials, admin, pages, id_routes):
            routes.add(app, parts)

    return build_app(
        "vcred issuer",
        path=settings.path,
        parts=parts,
        metrics=parts.metrics,
        limits=Limits(),
        direct=("token", "nonce", "credential"),
        database=lambda: store.stopped,
        add_routes=add_routes,
    )
