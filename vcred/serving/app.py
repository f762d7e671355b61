"""``build_app``: a service as an ASGI application, with all that is the same for the issuer's and the verifier's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi import FastAPI
from fastapi.routing import iter_route_contexts

from vcred.errors import VcredError
from vcred.serving.direct import add_direct
from vcred.serving.health import add_health
from vcred.serving.limits import LimitsMiddleware
from vcred.serving.metrics import add_metrics
from vcred.serving.problems import add_problems

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from vcred.serving.health import Readiness
    from vcred.serving.limits import Limits
    from vcred.serving.metrics import Metrics

__all__ = ["build_app"]


def build_app(
    title: str,
    *,
    path: str,
    parts: object,
    metrics: Metrics,
    limits: Limits,
    database: Callable[[], object],
    add_routes: Callable[[FastAPI], None],
    direct: Collection[str] = (),
    checks: Readiness | None = None,
    warnings: Readiness | None = None,
    lifespan: Any = None,
) -> FastAPI:
    """The application below ``path``, whole: no request builds anything of it. ``app.state.parts`` is ``parts``.

    ``database`` asks something of the database, and raises what ``VcredError`` there is when it does not answer: then
    the service is not ready. ``checks`` and ``warnings`` are more of that kind, as in ``add_health``. ``add_routes``
    puts in what is the service's own, exception handlers too. ``direct`` is as in ``add_direct``.
    """
    app = FastAPI(
        title=title,
        version="1",
        openapi_url=f"{path}/openapi.json",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        lifespan=lifespan,
    )
    app.state.parts = parts
    if direct:
        add_direct(app, direct)
    add_problems(app)
    add_metrics(app, metrics)
    app.add_middleware(LimitsMiddleware, limits=limits)
    add_health(app, {"database": lambda: _missing(database), **(checks or {})}, warnings=warnings)
    add_routes(app)
    _finish(app)
    return app


def _finish(app: FastAPI) -> None:
    """Build the routes of every included router, those that are in no document too.

    FastAPI would do so with the first request to each router, in whatever thread that is, and switches warnings off for
    the whole process meanwhile. Walking over them is what builds them.
    """
    for _ in iter_route_contexts(app.routes):
        pass


def _missing(database: Callable[[], object]) -> str | None:
    try:
        database()
    except VcredError:
        return "the database does not answer"
    return None
