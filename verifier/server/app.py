"""``create_app``: the verifier's service as an ASGI application."""

from __future__ import annotations

import asyncio
import logging
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request  # noqa: TC002 - FastAPI reads it

from vcred.errors import VcredError
from vcred.formats._wire import epoch
from vcred.qr.apart import PictureReader
from vcred.serving import Limits, Metrics, build_app, problem
from verifier.server.errors import AnswerRefusedError, CodeNeededError, StateError, WishError
from verifier.server.figures import Figures
from verifier.server.pages import add as add_pages
from verifier.server.pages import upload_paths
from verifier.server.parts import Parts, load_policies, own_policies
from verifier.server.routes import api, wallets
from verifier.server.transactions import Transactions
from verifier.server.trust import Standing, Standings
from verifier.server.webhooks import Webhooks

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping
    from datetime import datetime

    from fastapi import FastAPI
    from starlette.responses import Response

    from vcred.outgoing import Http
    from vcred.policy import VerificationPolicy
    from verifier.server.parts import Recorder
    from verifier.server.settings import VerifierServerSettings
    from verifier.server.store import VerifierStore
    from verifier.server.trust import TrustFile
    from verifier.verifier import Verifier

__all__ = ["create_app", "housekeeping"]

_LOG: Final = logging.getLogger("vcred.verifier")
_BODY: Final = 2 * 1024 * 1024
_SECONDS: Final = 2.0


def create_app(
    settings: VerifierServerSettings,
    *,
    verifier: Verifier,
    policies: Mapping[str, VerificationPolicy],
    store: VerifierStore,
    http: Http,
    clock: Callable[[], datetime],
    recorder: Recorder | None = None,
    trust: TrustFile | None = None,
) -> FastAPI:
    """The service. ``verifier`` works over ``store`` and writes to ``recorder``; whoever made them closes them.

    ``verifier`` and ``policies`` are what it begins with. With ``trust`` both are replaced, together, when a newer
    bundle comes. Raises ``ValueError`` for a reader whose certificate does not fit the settings.
    """
    own = own_policies(settings)
    standings = Standings(
        Standing(verifier=verifier, policies=policies),
        file=trust,
        policies=lambda bundle: load_policies(settings, bundle, own),
        clock=clock,
    )
    parts = Parts(
        settings=settings,
        store=store,
        standings=standings,
        transactions=Transactions(settings, standings=standings, store=store, recorder=recorder),
        webhooks=Webhooks(settings, store, http),
        pictures=PictureReader(),
        http=http,
        clock=clock,
    )
    metrics = Metrics("vcred_verifier")

    def add_routes(app: FastAPI) -> None:
        app.state.figures = Figures(metrics)
        for kind in (AnswerRefusedError, CodeNeededError, StateError, WishError):
            app.add_exception_handler(kind, _refused)
        app.include_router(wallets, prefix=settings.path)
        app.include_router(api, prefix=settings.path)
        add_pages(app, parts)

    return build_app(
        "vcred verifier",
        path=settings.path,
        parts=parts,
        metrics=metrics,
        limits=Limits(body=_BODY, bodies=upload_paths(settings.path)),
        database=store.last_seen,
        checks={"trust": standings.expired},
        warnings={"trust": lambda: standings.problem},
        add_routes=add_routes,
        lifespan=_lifespan,
    )


def housekeeping(parts: Parts, *, at: datetime) -> int:
    """What has to be done now and then: webhooks that are due, results whose time is over. How many messages arrived.

    Raises ``StoreError``.
    """
    parts.standings.newest()
    parts.store.erase(before=epoch(at) - parts.settings.lifetimes.kept)
    return parts.webhooks.deliver(at=at)


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    parts: Parts = app.state.parts

    async def again(work: Callable[[], object]) -> None:
        while True:
            try:
                await run_in_threadpool(work)
            except VcredError as error:
                _LOG.error("housekeeping: %s: %s", type(error).__name__, error)
            await asyncio.sleep(_SECONDS)

    tasks = [  # the trust bundle does not wait for somebody's slow webhook
        asyncio.create_task(again(lambda: housekeeping(parts, at=parts.clock()))),
        asyncio.create_task(again(lambda: app.state.figures.show(parts.standings, at=parts.clock()))),
    ]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        for task in tasks:
            with suppress(asyncio.CancelledError):
                await task
        parts.pictures.close()


async def _refused(request: Request, error: Exception) -> Response:
    more: dict[str, Any] = {}
    if isinstance(error, WishError):
        return problem(request, 422, error.detail, path=error.member)
    if isinstance(error, CodeNeededError):
        return problem(request, 403, str(error), needs=error.needs, state="answered")
    if isinstance(error, StateError):
        more["state"] = error.state
        return problem(request, 409, error.detail, **more)
    assert isinstance(error, AnswerRefusedError)
    reasons = [one.code.value for one in error.result.reasons]
    return problem(request, 400, "the answer was not accepted", reasons=list(dict.fromkeys(reasons)))
