"""The token endpoint: who asks, with what, and the answer (RFC 6749 section 5, OpenID4VCI 1.0 section 6)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from issuer.server.access import identifier_of
from issuer.server.clients import authenticate, no_client
from issuer.server.forms import wish_of
from issuer.server.proofs import Unspent, dpop_of
from vcred.oid4vci.offer import PRE_AUTHORIZED
from vcred.serving import ProtocolError

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from starlette.requests import Request

    from issuer.server.clients import Client
    from issuer.server.forms import TokenRequest
    from issuer.server.grants import Tokens
    from issuer.server.parts import Parts

__all__ = ["tokens_for"]


def tokens_for(request: Request, parts: Parts, form: TokenRequest) -> dict[str, Any]:
    """The token response. Raises ``ProtocolError``."""
    at = parts.clock()
    unspent = Unspent(parts, at=at)
    with unspent.settled():
        return _answer(request, parts, form, unspent, at)


def _answer(request: Request, parts: Parts, form: TokenRequest, unspent: Unspent, at: datetime) -> dict[str, Any]:
    dpop = dpop_of(request, parts, unspent, at=at)
    client = authenticate(request, parts, form, dpop, unspent, at=at)
    if dpop is None and parts.settings.require_dpop:
        raise ProtocolError("invalid_dpop_proof", "a DPoP proof is needed (RFC 9449)")
    jkt = None if dpop is None else dpop.thumbprint
    if client.id is None and not (parts.settings.anonymous_pre_authorized and form.grant_type != "authorization_code"):
        raise no_client("the wallet has to say who it is")
    return _response(_tokens(parts, form, client, jkt, unspent.use, at=at), parts)


def _tokens(
    parts: Parts, form: TokenRequest, client: Client, jkt: str | None, within: Callable[[], None], *, at: datetime
) -> Tokens:
    if form.grant_type == "authorization_code":
        return parts.grants.redeem_code(
            client,
            _given(form.code, "code"),
            verifier=_given(form.code_verifier, "code_verifier"),
            redirect_uri=_given(form.redirect_uri, "redirect_uri"),
            jkt=jkt,
            within=within,
            at=at,
        )
    if form.grant_type == PRE_AUTHORIZED:
        return parts.grants.redeem_pre_authorized(
            client,
            _given(form.pre_authorized_code, "pre-authorized_code"),
            tx_code=form.tx_code,
            wish=wish_of(None, form.authorization_details, parts.configurations, issuer=parts.settings.base_url),
            jkt=jkt,
            within=within,
            at=at,
        )
    if form.grant_type == "refresh_token":
        token = _given(form.refresh_token, "refresh_token")
        return parts.grants.refresh(client, token, jkt=jkt, within=within, at=at)
    raise ProtocolError("unsupported_grant_type", "a code, a pre-authorized code or a refresh token")


def _given(value: str | None, name: str) -> str:
    if value is None:
        raise ProtocolError("invalid_request", f"{name} is missing")
    return value


def _response(tokens: Tokens, parts: Parts) -> dict[str, Any]:
    found: dict[str, Any] = {
        "access_token": tokens.access,
        "token_type": "Bearer" if tokens.jkt is None else "DPoP",
        "expires_in": tokens.seconds,
    }
    if tokens.refresh is not None:
        found["refresh_token"] = tokens.refresh
    scopes = [parts.configurations[one].scope for one in tokens.configurations if one not in tokens.detailed]
    if scopes:
        found["scope"] = " ".join(scopes)
    if tokens.detailed:
        found["authorization_details"] = [
            {
                "type": "openid_credential",
                "credential_configuration_id": one,
                "credential_identifiers": [identifier_of(one)],
            }
            for one in tokens.detailed
        ]
    return found
