"""A short way to the few routes that many requests are for.

FastAPI looks through its routes, solves the dependencies that a signature declares, and keeps stacks of what is to be
closed. A route that takes the request, declares nothing and gives its answer needs none of it, and it costs more than
what such a route does. The route stays FastAPI's own: in the OpenAPI document, and for whatever does not fit here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi.routing import APIRoute
from starlette.requests import Request

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Mapping, MutableMapping

    from fastapi import FastAPI

    App = Callable[[MutableMapping[str, Any], Any, Any], Awaitable[None]]

__all__ = ["add_direct"]


def add_direct(app: FastAPI, operations: Collection[str]) -> None:
    """Answer these operations of ``app`` directly. Call it before ``add_middleware``, so that all of it stays around.

    Each is a route with no parameter in its path, whose function takes nothing but the request.
    """
    app.add_middleware(_Direct, service=app, operations=frozenset(operations))


class _Direct:
    """A plain ASGI middleware, the innermost of ours. The routes are there when the first request comes."""

    def __init__(self, app: App, *, service: FastAPI, operations: frozenset[str]) -> None:
        self._app = app
        self._handlers: Mapping[Any, Any] = service.exception_handlers
        self._routes: Mapping[tuple[str, str], APIRoute] = {
            (method, route.path): route
            for route in service.routes
            if isinstance(route, APIRoute) and route.operation_id in operations
            for method in route.methods or ()
        }

    async def __call__(self, scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        route = self._routes.get((scope["method"], scope["path"])) if scope["type"] == "http" else None
        if route is None:
            await self._app(scope, receive, send)
            return
        scope["route"], scope["endpoint"], scope["path_params"] = route, route.endpoint, {}
        request = Request(scope, receive)
        try:
            answer = await route.endpoint(request)
        except Exception as error:
            kind = next((one for one in type(error).__mro__ if one in self._handlers), Exception)
            if kind is Exception:  # what nobody foresaw is the outermost layer's, as with any other route
                raise
            answer = await self._handlers[kind](request, error)
        await answer(scope, receive, send)
