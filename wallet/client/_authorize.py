"""How the wallet gets tokens: by a pre-authorized code, by the holder's login in a browser, by a refresh token.

The browser step (RFC 9126, 7636, 9207, 8252) is in two halves, and everything between them is on disk: an app may be
ended while the holder logs in. What comes back is believed only if it is for this very request (``state``) and from the
server it was sent to (``iss``).
"""

from __future__ import annotations

import hashlib
import secrets
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl, urlencode, urlsplit

from vcred.errors import MalformedError, RefusedError
from vcred.formats._wire import b64u_encode, dump_json, epoch
from vcred.oid4vci import PRE_AUTHORIZED
from vcred.reasons import ReasonCode
from wallet.client._calls import error_text, host_of, json_of
from wallet.client._refusal import ServerError, during

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from vcred.oauth import AuthorizationServer
    from vcred.oid4vci import CredentialConfiguration, IssuerMetadata
    from wallet.client._calls import Calls, Identity
    from wallet.client._session import Session

__all__ = [
    "authorization_url",
    "check_returned",
    "redeem_code",
    "redeem_pre_authorized",
    "redeem_refresh",
    "redirect_is_loopback",
]

_MAX_RETURNED: Final = 8192
_MAX_TOKEN: Final = 16_384
_DETAIL: Final = "openid_credential"


def authorization_url(
    session: Session,
    server: AuthorizationServer,
    metadata: IssuerMetadata,
    *,
    calls: Calls,
    who: Identity,
    redirect_uri: str,
    issuer_state: str | None,
) -> str:
    """Where to send the holder's browser. The request is on disk, and at the server, when this returns.

    Raises ``RefusedError`` for a server without what it takes, ``TransportError``.
    """
    if server.authorization_endpoint is None:
        raise RefusedError(ReasonCode.FORMAT, "as_metadata.authorization_endpoint", "missing")
    if server.code_challenge_methods and "S256" not in server.code_challenge_methods:
        raise RefusedError(ReasonCode.ALG, "as_metadata.code_challenge_methods_supported", "not S256")
    if who.client_id is None:
        raise RefusedError(ReasonCode.FORMAT, "client_id", "a login needs a wallet with a client id")
    verifier, state = secrets.token_urlsafe(48), secrets.token_urlsafe(24)
    session.update(grant={"kind": "code", "verifier": verifier, "state": state, "redirect_uri": redirect_uri})
    members = {
        "response_type": "code",
        "client_id": who.client_id,
        "redirect_uri": redirect_uri,
        "state": state,
        "code_challenge": b64u_encode(hashlib.sha256(verifier.encode()).digest()),
        "code_challenge_method": "S256",
        **_wish([metadata.configurations[want.configuration] for want in session.wants], server, metadata),
    }
    if issuer_state is not None:
        members["issuer_state"] = issuer_state
    if server.issuer != metadata.issuer:
        members["resource"] = metadata.issuer
    if server.par_endpoint is not None:
        calls.challenge(server.issuer, server.challenge_endpoint)
        answer = calls.form(server.par_endpoint, members, audience=server.issuer, who=who)
        request_uri = json_of(answer, "par").get("request_uri")
        if not isinstance(request_uri, str) or not 0 < len(request_uri) <= 2048:
            raise MalformedError(ReasonCode.FORMAT, "par.request_uri", "missing")
        members = {"client_id": who.client_id, "request_uri": request_uri}
    elif server.par_required:
        raise RefusedError(ReasonCode.FORMAT, "as_metadata.pushed_authorization_request_endpoint", "missing")
    place = server.authorization_endpoint
    return f"{place}{'&' if '?' in place else '?'}{urlencode(members)}"


def check_returned(url: str, grant: Mapping[str, Any], server: AuthorizationServer) -> str:
    """The authorization code in what the browser came back with.

    Raises ``RefusedError`` for an answer to another request or from another server, ``ServerError`` for a refusal.
    """
    path = "redirect"
    if len(url) > _MAX_RETURNED or not url.startswith(grant["redirect_uri"]):
        raise RefusedError(ReasonCode.SCHEME, path, "not the address that the browser was to come back to")
    rest = url[len(grant["redirect_uri"]) :]
    if rest[:1] not in ("?", "&") or "#" in rest:
        raise RefusedError(ReasonCode.SCHEME, path, "not the address that the browser was to come back to")
    try:
        pairs = parse_qsl(rest[1:], keep_blank_values=True, max_num_fields=32, errors="strict")
    except ValueError:
        raise MalformedError(ReasonCode.FORMAT, path, "its query cannot be read") from None
    found = dict(pairs)
    if len(found) != len(pairs):
        raise MalformedError(ReasonCode.DUPLICATE_KEY, path, "a parameter appears twice")
    if not secrets.compare_digest(found.get("state", "").encode("utf-8", "replace"), grant["state"].encode()):
        raise RefusedError(ReasonCode.REPLAY, f"{path}.state", "not an answer to the wallet's request")
    if found.get("iss") != server.issuer and ("iss" in found or server.iss_in_response):
        raise RefusedError(ReasonCode.ISSUER, f"{path}.iss", "not from the server that was asked (RFC 9207)")
    if "error" in found:
        raise ServerError(host_of(server.issuer), 302, error_text(found["error"]), step="login")
    if not 0 < len(found.get("code", "")) <= _MAX_RETURNED:
        raise MalformedError(ReasonCode.FORMAT, f"{path}.code", "missing")
    return found["code"]


def redeem_code(session: Session, server: AuthorizationServer, code: str, *, calls: Calls, who: Identity) -> None:
    """Tokens for an authorization code, on disk when this returns. Raises ``TransportError``, ``RefusedError``."""
    grant = session.record.grant
    members = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": grant["redirect_uri"],
        "code_verifier": grant["verifier"],
    }
    _redeem(session, server, members, calls=calls, who=who)


def redeem_pre_authorized(session: Session, server: AuthorizationServer, *, calls: Calls, who: Identity) -> None:
    """The same for the pre-authorized code of an offer."""
    grant = session.record.grant
    members = {"grant_type": PRE_AUTHORIZED, "pre-authorized_code": grant["code"]}
    if grant["tx_code"] is not None:
        members["tx_code"] = grant["tx_code"]
    _redeem(session, server, members, calls=calls, who=who)


def redeem_refresh(session: Session, server: AuthorizationServer, *, calls: Calls, who: Identity) -> None:
    """The same for the session's refresh token."""
    members = {"grant_type": "refresh_token", "refresh_token": session.record.tokens["refresh"]}
    _redeem(session, server, members, calls=calls, who=who)


def _redeem(
    session: Session, server: AuthorizationServer, members: dict[str, str], *, calls: Calls, who: Identity
) -> None:
    if who.client_id is not None:
        members["client_id"] = who.client_id
    with during("renewal" if members["grant_type"] == "refresh_token" else "token"):
        calls.challenge(server.issuer, server.challenge_endpoint)
        answer = calls.form(server.token_endpoint, members, audience=server.issuer, who=who)
    tokens = _tokens(json_of(answer, "token"), calls)
    # A server that gives no new refresh token goes on with the one it gave (RFC 6749 section 6).
    tokens.setdefault("refresh", session.record.tokens.get("refresh"))
    tokens["identifiers"] = tokens["identifiers"] or session.record.tokens.get("identifiers", {})
    session.update(tokens=tokens, grant={}, server=server.issuer)


def _tokens(value: dict[str, Any], calls: Calls) -> dict[str, Any]:
    """What the session keeps of a token response (OpenID4VCI 1.0 section 6.2)."""
    access, kind = value.get("access_token"), value.get("token_type")
    if not isinstance(access, str) or not access.isascii() or not 0 < len(access) <= _MAX_TOKEN:
        raise MalformedError(ReasonCode.FORMAT, "token.access_token", "missing, or not a token")
    expected = "bearer" if calls.key is None else "dpop"
    if not isinstance(kind, str) or kind.lower() != expected:
        raise RefusedError(ReasonCode.FORMAT, "token.token_type", f"not {expected}, as was asked for")
    seconds = value.get("expires_in")
    until = epoch(calls.clock()) + seconds if type(seconds) is int and 0 < seconds < 10**9 else None
    found: dict[str, Any] = {
        "access": access,
        "until": until,
        "dpop": calls.key is not None,
        "identifiers": _identifiers(value),
    }
    refresh = value.get("refresh_token")
    if isinstance(refresh, str) and refresh.isascii() and 0 < len(refresh) <= _MAX_TOKEN:
        found["refresh"] = refresh
    return found


def _identifiers(value: Mapping[str, Any]) -> dict[str, list[str]]:
    """Credential identifiers by configuration; empty when the token goes by configuration ids."""
    rows = value.get("authorization_details", [])
    if not isinstance(rows, list) or len(rows) > 64:
        raise MalformedError(ReasonCode.FORMAT, "token.authorization_details", "not a list")
    found: dict[str, list[str]] = {}
    for row in rows:
        if not isinstance(row, dict) or row.get("type") != _DETAIL:
            continue
        name, ids = row.get("credential_configuration_id"), row.get("credential_identifiers")
        if not isinstance(name, str) or not isinstance(ids, list) or not 0 < len(ids) <= 16:
            raise MalformedError(ReasonCode.FORMAT, "token.authorization_details", "no identifiers")
        if not all(isinstance(one, str) and 0 < len(one) <= 2048 for one in ids):
            raise MalformedError(ReasonCode.FORMAT, "token.authorization_details", "an identifier that is not text")
        found.setdefault(name, []).extend(ids)
    return found


def _wish(
    configurations: Sequence[CredentialConfiguration], server: AuthorizationServer, metadata: IssuerMetadata
) -> dict[str, str]:
    """What is asked for: by scope where every configuration has one (HAIP 1.0 section 4.2), else in detail."""
    scopes = [one.scope for one in configurations if one.scope]
    if len(scopes) == len(configurations):
        return {"scope": " ".join(dict.fromkeys(scopes))}
    elsewhere = {"locations": [metadata.issuer]} if server.issuer != metadata.issuer else {}
    details = [
        {"type": _DETAIL, "credential_configuration_id": one.id, **elsewhere}
        for one in {one.id: one for one in configurations}.values()
    ]
    return {"authorization_details": dump_json(details).decode()}


def redirect_is_loopback(redirect_uri: str) -> bool:
    """Whether this machine itself is to listen for the browser (RFC 8252 section 7.3)."""
    parts = urlsplit(redirect_uri)
    return parts.scheme == "http" and parts.hostname in ("127.0.0.1", "::1")
