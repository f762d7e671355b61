"""From a wallet's authorization request to a person's decision: pushed first, then opened in a browser."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

from issuer.server.clients import Client, authenticate, may_redirect, no_client
from issuer.server.forms import AuthorizationRequest, form_of, read_parameters, wish_of
from issuer.server.proofs import Unspent, dpop_of
from vcred.serving import ProtocolError

if TYPE_CHECKING:
    from datetime import datetime

    from starlette.requests import Request

    from issuer.server.grants import Authorization
    from issuer.server.parts import Parts

__all__ = ["LOGIN", "authorize", "push"]

LOGIN: Final = "/apply"
"""Where the login pages begin, below the base path."""

_CHALLENGE: Final = re.compile(r"[A-Za-z0-9_-]{43}")


def push(request: Request, parts: Parts, form: AuthorizationRequest) -> dict[str, Any]:
    """Remember the request of a wallet that says who it is. Raises ``ProtocolError``."""
    at = parts.clock()
    unspent = Unspent(parts, at=at)
    with unspent.settled():
        return _pushed(request, parts, form, unspent, at)


def _pushed(
    request: Request, parts: Parts, form: AuthorizationRequest, unspent: Unspent, at: datetime
) -> dict[str, Any]:
    dpop = dpop_of(request, parts, unspent, at=at)
    client = authenticate(request, parts, form, dpop, unspent, at=at)
    if client.id is None:
        raise no_client("who asks is not said")
    if form.request_uri is not None:
        raise ProtocolError("invalid_request", "request_uri is not for pushed requests")
    if not may_redirect(client, form.redirect_uri, development=parts.settings.development):
        raise ProtocolError("invalid_request", "redirect_uri is not one of this wallet")
    if dpop is not None and form.dpop_jkt not in (None, dpop.thumbprint):
        raise ProtocolError("invalid_dpop_proof", "dpop_jkt names another key")
    jkt = form.dpop_jkt if dpop is None else dpop.thumbprint
    request_uri, seconds = _remember(parts, client, form, jkt, at)
    return {"request_uri": request_uri, "expires_in": seconds}


def authorize(request: Request, parts: Parts) -> tuple[str, str | None]:
    """Where the browser goes next, and the secret it comes back with. Raises ``ProtocolError`` for the person's eyes.

    With ``auto_approve`` (development) that is the wallet at once.
    """
    at = parts.clock()
    form = read_parameters(request.url.query)
    client_id, request_uri = form.get("client_id"), form.get("request_uri")
    if client_id is None:
        raise ProtocolError("invalid_request", "client_id is missing")
    if request_uri is None:
        request_uri, back = _unpushed(parts, form, at)
        if request_uri is None:
            return back, None
    authorization, session = parts.grants.begin(client_id, request_uri, at=at)
    if parts.settings.auto_approve is not None:
        return _approved(parts, authorization, at), None
    return parts.url(LOGIN), session


def _remember(
    parts: Parts, client: Client, form: AuthorizationRequest, jkt: str | None, at: datetime
) -> tuple[str, int]:
    """What is left to check, and the request is in the database."""
    if form.request is not None:
        raise ProtocolError("request_not_supported", "request objects are not read here")
    if form.response_type != "code":
        raise ProtocolError("unsupported_response_type", "response_type is code")
    if form.response_mode not in (None, "query"):
        raise ProtocolError("invalid_request", "response_mode is query")
    if form.code_challenge_method != "S256" or not _CHALLENGE.fullmatch(form.code_challenge or ""):
        raise ProtocolError("invalid_request", "code_challenge by S256 is needed (RFC 7636)")
    wish = wish_of(form.scope, form.authorization_details, parts.configurations, issuer=parts.settings.base_url)
    if wish is None:
        raise ProtocolError("invalid_scope", "neither scope nor authorization_details names a credential")
    return parts.grants.push(
        client,
        wish,
        redirect_uri=form.redirect_uri,
        code_challenge=form.code_challenge or "",
        state=form.state,
        issuer_state=form.issuer_state,
        jkt=jkt,
        at=at,
    )


def _unpushed(parts: Parts, parameters: dict[str, str], at: datetime) -> tuple[str | None, str]:
    """A request in the address itself, where settings allow it: only to an address that is registered.

    A ``request_uri``, or where an error goes.
    """
    if parts.settings.require_par:
        raise ProtocolError("invalid_request", "push the authorization request first (RFC 9126)")
    client_id, redirect_uri = parameters.get("client_id"), parameters.get("redirect_uri", "")
    registered = next((one for one in parts.settings.clients if one.id == client_id), None)
    if registered is None or redirect_uri not in registered.redirect_uris:
        raise ProtocolError("invalid_request", "no such client, or redirect_uri is not one of its own")
    try:
        form = form_of(AuthorizationRequest, parameters)
        client = Client(id=client_id, registered=registered)
        return _remember(parts, client, form, form.dpop_jkt, at)[0], ""
    except ProtocolError as error:
        found = {"error": error.error, "error_description": error.description, "iss": parts.settings.base_url}
        if "state" in parameters:
            found["state"] = parameters["state"]
        return None, f"{redirect_uri}{'&' if '?' in redirect_uri else '?'}{urlencode(found)}"


def _approved(parts: Parts, authorization: Authorization, at: datetime) -> str:
    """The decision of a conformance run: an application of the subject in the settings."""
    subject = parts.settings.auto_approve
    assert subject is not None
    state = authorization.issuer_state
    offered = None if state is None else parts.applications.of_issuer_state(state, at=at)
    if offered is not None and offered.subject == subject:
        covered = [one for one in authorization.configurations if one in offered.configuration_ids]
        if covered:
            return parts.grants.grant(authorization.id, offered.id, configuration_ids=covered, at=at)
    code = parts.configurations[authorization.configurations[0]].code
    covered = [one for one in authorization.configurations if parts.configurations[one].code == code]
    application = parts.applications.create(
        code=code, subject=subject, variant=None, options={}, configuration_ids=covered, deferred_until=None, at=at
    )
    return parts.grants.grant(authorization.id, application.id, configuration_ids=covered, at=at)
