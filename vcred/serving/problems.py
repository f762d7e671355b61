"""What a client is told when something goes wrong: problem details (RFC 9457), or its protocol's own error object.

A problem has a reason code of ours as ``code``, a sentence in the client's language as ``title`` and never a value that
the client sent. What nobody foresaw is logged with an id, and the client gets the id.
"""

from __future__ import annotations

import logging
import secrets
import traceback
from typing import TYPE_CHECKING, Any, Final

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse

from vcred.errors import (
    Locked,
    MissingExtraError,
    NotFound,
    RecordError,
    RefusedError,
    SigningError,
    StoreError,
    TransportError,
    VcredError,
)
from vcred.reasons import Reason, ReasonCode
from vcred.serving.openapi import describe_problems
from vcred.serving.pages import language_of

if TYPE_CHECKING:
    from collections.abc import Mapping, MutableMapping

    from fastapi import FastAPI
    from starlette.responses import Response

    from vcred.serving.limits import App, Receive, Send

__all__ = ["ProtocolError", "add_problems", "problem", "route_of"]

_TYPE: Final = "application/problem+json"
_LOG: Final = logging.getLogger("vcred.serving")
_NO_STORE: Final = {"Cache-Control": "no-store"}

_OURS: Final[tuple[tuple[type[VcredError], int, str], ...]] = (
    # The first that fits counts. None of these texts says anything about the client's data.
    (NotFound, 404, "there is no such thing"),
    (Locked, 503, "the store is busy: try again"),
    (RecordError, 409, "the registry has no record that may be certified"),
    (SigningError, 503, "nothing can be signed now"),
    (StoreError, 503, "the store cannot be used now"),
    (TransportError, 502, "another server cannot be reached or gives no usable answer"),
    (MissingExtraError, 501, "a part of this service is not installed"),
)


class ProtocolError(Exception):
    """An error object of OAuth 2.0 or OpenID4VC: ``{"error": ..., "error_description": ...}``.

    ``description`` is for the developer at the other end, in ASCII, and holds no value that was sent.
    """

    def __init__(
        self,
        error: str,
        description: str = "",
        *,
        status: int = 400,
        headers: Mapping[str, str] | None = None,
        more: Mapping[str, Any] | None = None,
    ) -> None:
        self.error = error
        self.description = description
        self.status = status
        self.headers = dict(headers or {})
        self.more = dict(more or {})
        super().__init__(f"{error}: {description}" if description else error)

    def response(self) -> Response:
        """As the client gets it."""
        body = {"error": self.error, **self.more}
        if self.description:
            body["error_description"] = self.description
        return JSONResponse(body, status_code=self.status, headers=_NO_STORE | self.headers)


def problem(
    request: Request,
    status: int,
    title: str,
    *,
    code: str | None = None,
    path: str = "",
    headers: Mapping[str, str] | None = None,
    **more: Any,
) -> Response:
    """Problem details as an answer to ``request``."""
    del request
    body: dict[str, Any] = {"type": "about:blank", "title": title, "status": status}
    if code is not None:
        body |= {"type": f"urn:vcred:reason:{code}", "code": code}
    if path:
        body["path"] = path
    return JSONResponse(body | more, status_code=status, media_type=_TYPE, headers=_NO_STORE | dict(headers or {}))


def route_of(request: Request) -> str:
    """Where a request went, for a log: the route, as the path of some is a secret (an offer, a request, a code)."""
    return str(getattr(request.scope.get("route"), "path", "other"))


def add_problems(app: FastAPI) -> None:
    """Turn every exception of ours into an answer, hide every other, and say so in the OpenAPI document."""
    describe_problems(app)
    app.add_exception_handler(ProtocolError, _protocol)
    app.add_exception_handler(RefusedError, _refused)
    app.add_exception_handler(VcredError, _ours)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _unforeseen)
    app.add_middleware(_Unforeseen)


async def _protocol(request: Request, error: Exception) -> Response:
    del request
    assert isinstance(error, ProtocolError)
    return error.response()


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, RefusedError)
    title = Reason(error.code, error.path, error.detail).message(language_of(request))
    status = 413 if error.code is ReasonCode.SIZE else 400
    return problem(request, status, title, code=error.code.value, path=error.path, detail=error.detail)


async def _ours(request: Request, error: Exception) -> Response:
    for kind, status, title in _OURS:
        if isinstance(error, kind):
            if status >= 500:
                _LOG.error("%s %s: %s: %s", request.method, route_of(request), type(error).__name__, error)
            return problem(request, status, title, code=kind.__name__)
    return await _unforeseen(request, error)


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    where = [".".join(str(part) for part in one["loc"]) for one in error.errors()]
    kinds = [str(one["type"]) for one in error.errors()]
    wrong = [{"path": path, "problem": kind} for path, kind in zip(where, kinds, strict=True)]
    return problem(request, 422, "the request does not fit the interface description", errors=wrong[:16])


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return problem(request, error.status_code, str(error.detail), headers=error.headers)


async def _unforeseen(request: Request, error: Exception) -> Response:
    incident = secrets.token_hex(8)
    # Where, and of what type. The text of a stranger's exception may hold anything.
    where = "".join(traceback.format_tb(error.__traceback__))
    kind = type(error).__name__
    _LOG.error("incident %s: %s %s: %s\n%s", incident, request.method, route_of(request), kind, where)
    return problem(request, 500, "something went wrong here", incident=incident)


class _Unforeseen:
    """The end of an exception that nobody foresaw. Starlette would raise it again when it was answered, and the server
    then write it into its log with its text.
    """

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = False

        async def note(message: MutableMapping[str, Any]) -> None:
            nonlocal begun
            begun = begun or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, receive, note)
        except Exception as error:  # noqa: BLE001 - whatever it is
            answer = await _unforeseen(Request(scope), error)
            if begun:
                raise ConnectionAbortedError("an answer broke off") from None
            await answer(scope, receive, send)
