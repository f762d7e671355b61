"""The authorization server's routes: metadata, pushed requests, authorization, tokens, nonces, challenges.

They translate HTTP to ``Grants``, ``Nonces`` and ``authenticate``. What wallets ask for runs in the loop, and waits in
it (``Greenlets``); what a browser asks for runs in a thread.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from fastapi import Request  # noqa: TC002 - FastAPI reads it
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, RedirectResponse, Response

from issuer.server.assertions import ASSERTION_ALGORITHMS, read_client_keys
from issuer.server.authorizing import authorize, push
from issuer.server.forms import (
    GRANT_TYPES,
    AuthorizationRequest,
    ChallengeResponse,
    NonceResponse,
    Pushed,
    TokenRequest,
    TokenResponse,
    form_of,
    read_form,
)
from issuer.server.pages import site_of
from issuer.server.parts import parts_of
from issuer.server.proofs import ALGORITHMS
from issuer.server.sessions import set_session
from issuer.server.tokens import tokens_for
from vcred.errors import VcredError
from vcred.oauth import well_known
from vcred.serving import ProtocolError, counted_address, wants_page

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastapi import FastAPI

    from issuer.server.parts import Parts

__all__ = ["add", "metadata"]

_NO_STORE: Final = {"Cache-Control": "no-store"}
_TAGS: Final[list[Any]] = ["authorization server"]
_ERROR: Final = {
    "type": "object",
    "required": ["error"],
    "properties": {"error": {"type": "string"}, "error_description": {"type": "string"}},
}


def add(app: FastAPI, parts: Parts) -> None:
    """Put the routes into ``app``."""
    path = parts.settings.path
    place = well_known(parts.settings.base_url, "oauth-authorization-server")
    place = place.removeprefix(parts.settings.base_url.removesuffix(path))
    document = metadata(parts)
    for client in parts.settings.clients:
        if client.jwks is not None:
            read_client_keys(client.jwks)

    @app.get(place, tags=_TAGS, operation_id="authorization_server_metadata")
    async def authorization_server() -> JSONResponse:
        """Authorization server metadata (RFC 8414)."""
        return JSONResponse(document)

    @app.post(
        f"{path}/par",
        status_code=201,
        tags=_TAGS,
        operation_id="pushed_authorization_request",
        openapi_extra=_form(AuthorizationRequest),
        responses={201: {"model": Pushed}, **_errors(400, 401, 429)},
    )
    async def pushed(request: Request) -> JSONResponse:
        """Pushed authorization request (RFC 9126)."""
        form = form_of(AuthorizationRequest, await read_form(request))
        return await _answer(request, 201, lambda: push(request, parts, form))

    @app.get(
        f"{path}/authorize",
        status_code=303,
        response_class=RedirectResponse,
        tags=_TAGS,
        operation_id="authorize",
        responses={303: {"description": "To the login pages, or back to the wallet."}, **_errors(400, page=True)},
        openapi_extra={"parameters": _QUERY},
    )
    async def authorized(request: Request) -> Response:
        """Authorization request, in the person's browser (RFC 6749 section 4.1.1)."""
        return await run_in_threadpool(_authorized, request, parts)

    @app.post(
        f"{path}/token",
        tags=_TAGS,
        operation_id="token",
        openapi_extra=_form(TokenRequest),
        responses={200: {"model": TokenResponse}, **_errors(400, 401, 429)},
    )
    async def token(request: Request) -> JSONResponse:
        """Tokens for a code, a pre-authorized code or a refresh token (OpenID4VCI 1.0 section 6)."""
        form = form_of(TokenRequest, await read_form(request))
        return await _answer(request, 200, lambda: tokens_for(request, parts, form))

    @app.post(f"{path}/nonce", tags=_TAGS, operation_id="nonce", responses={200: {"model": NonceResponse}})
    async def nonce(request: Request) -> JSONResponse:
        """A nonce for key proofs, and one for DPoP proofs in the header (OpenID4VCI 1.0 section 7)."""
        del request
        at = parts.clock()
        body = {"c_nonce": parts.nonces.for_credentials(at=at)}
        return JSONResponse(body, headers=_NO_STORE | _fresh(parts))

    @app.post(
        f"{path}/challenge",
        tags=_TAGS,
        operation_id="attestation_challenge",
        responses={200: {"model": ChallengeResponse}},
    )
    async def challenge() -> JSONResponse:
        """A challenge for the proof of an attested key."""
        return JSONResponse(
            {"attestation_challenge": parts.nonces.for_proofs(at=parts.clock())}, headers=_NO_STORE | _fresh(parts)
        )


def metadata(parts: Parts) -> dict[str, Any]:
    """What wallets are told about this authorization server."""
    settings = parts.settings
    methods = {"attest_jwt_client_auth", "attest_jwt_client_auth_dpop"} if parts.wallet_attesters else set()
    for client in settings.clients:
        if client.authentication != "attestation":
            methods.add(client.authentication)
    if settings.anonymous_pre_authorized:
        methods.add("none")
    found: dict[str, Any] = {
        "issuer": settings.base_url,
        "authorization_endpoint": parts.url("/authorize"),
        "pushed_authorization_request_endpoint": parts.url("/par"),
        "require_pushed_authorization_requests": settings.require_par,
        "token_endpoint": parts.url("/token"),
        "grant_types_supported": list(GRANT_TYPES),
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": True,
        "token_endpoint_auth_methods_supported": sorted(methods),
        "dpop_signing_alg_values_supported": list(ALGORITHMS),
        "scopes_supported": parts.configurations.scopes,
        "authorization_details_types_supported": ["openid_credential"],
        "pre-authorized_grant_anonymous_access_supported": settings.anonymous_pre_authorized,
    }
    if "private_key_jwt" in methods:
        found["token_endpoint_auth_signing_alg_values_supported"] = list(ASSERTION_ALGORITHMS)
    if parts.wallet_attesters:
        found["client_attestation_signing_alg_values_supported"] = list(ALGORITHMS)
        found["client_attestation_pop_signing_alg_values_supported"] = list(ALGORITHMS)
        if settings.proof_nonces:
            found["challenge_endpoint"] = parts.url("/challenge")
    return found


def _authorized(request: Request, parts: Parts) -> Response:
    """On to the pages or back to the wallet; what leads nowhere is a page for a person, an error object for others."""
    try:
        location, session = authorize(request, parts)
    except (ProtocolError, VcredError) as error:
        if not wants_page(request):
            raise
        return site_of(request).refused(request, error)
    answer = RedirectResponse(location, status_code=303, headers=_NO_STORE)
    if session is not None:
        set_session(answer, session, parts.settings)
    return answer


async def _answer(request: Request, status: int, work: Callable[[], dict[str, Any]]) -> JSONResponse:
    """What ``work`` makes; a request that fails for who sent it counts as a guess of its sender."""
    parts = parts_of(request)
    body = await parts.greenlets.run(_counted, parts, counted_address(request), work)
    return JSONResponse(body, status_code=status, headers=_NO_STORE | _fresh(parts))


def _counted(parts: Parts, who: str, work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    store, at = parts.store, int(parts.clock().timestamp())
    if store.guesses(who, at=at) >= parts.settings.wrong_guesses:
        raise ProtocolError("slow_down", "too many requests that failed", status=429, headers={"Retry-After": "60"})
    try:
        return work()
    except ProtocolError as error:
        if error.error in ("invalid_grant", "invalid_client"):
            store.transact(lambda: store.add_guess(who, at=at))
        raise


def _fresh(parts: Parts) -> dict[str, str]:
    return {"DPoP-Nonce": parts.nonces.for_proofs(at=parts.clock())} if parts.settings.proof_nonces else {}


def _form(model: type[AuthorizationRequest | TokenRequest]) -> dict[str, Any]:
    content = {"application/x-www-form-urlencoded": {"schema": model.model_json_schema(by_alias=True)}}
    return {"requestBody": {"required": True, "content": content}}


def _errors(*statuses: int, page: bool = False) -> dict[int | str, dict[str, Any]]:
    """``page``: or a page, for a browser."""
    content: dict[str, Any] = {"application/json": {"schema": _ERROR}}
    if page:
        content["text/html"] = {"schema": {"type": "string"}}
    return {status: {"description": "An OAuth error object.", "content": content} for status in statuses}


_QUERY: Final = [
    {"name": name, "in": "query", "required": True, "schema": {"type": "string"}}
    for name in ("client_id", "request_uri")
]
