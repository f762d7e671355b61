"""Which wallet asks: by attestation (OAuth 2.0 Attestation-Based Client Authentication), assertion, or by name only."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from issuer.server.assertions import ASSERTION_TYPE, check_assertion
from issuer.server.proofs import SECONDS
from vcred.errors import RefusedError
from vcred.formats._wire import b64u_encode
from vcred.oauth import check_attestation_pop, check_client_attestation
from vcred.serving import ProtocolError

if TYPE_CHECKING:
    from datetime import datetime

    from starlette.requests import Request

    from issuer.server.forms import AuthorizationRequest, TokenRequest
    from issuer.server.parts import Parts
    from issuer.server.proofs import Unspent
    from issuer.server.settings import ClientSettings
    from vcred.oauth import ClientAttestation, DpopProof

__all__ = ["ANONYMOUS", "CHALLENGE", "Client", "authenticate", "may_redirect"]

ATTESTATION: Final = "oauth-client-attestation"
POP: Final = "oauth-client-attestation-pop"
CHALLENGE: Final = "OAuth-Client-Attestation-Challenge"
_SCHEME: Final = re.compile(r"[a-z][a-z0-9+.-]{1,63}")
_NEVER: Final = frozenset({"about", "blob", "data", "file", "filesystem", "ftp", "javascript", "vbscript"})
_LOOPBACK: Final = ("127.0.0.1", "::1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """A wallet. ``instance`` is the thumbprint of this installation's key, where one was attested."""

    id: str | None
    instance: str | None = None
    registered: ClientSettings | None = None


ANONYMOUS: Final = Client(id=None)


def authenticate(
    request: Request,
    parts: Parts,
    form: AuthorizationRequest | TokenRequest,
    dpop: DpopProof | None,
    unspent: Unspent,
    *,
    at: datetime,
) -> Client:
    """Who sent ``request``. ``ANONYMOUS`` when nobody is named: whether that will do is the caller's to say.

    That a proof or an assertion is used for the first time is ``unspent``'s to say.

    Raises ``ProtocolError``: ``invalid_client`` (401), ``use_attestation_challenge`` (threats CI-17).
    """
    if ATTESTATION in request.headers or POP in request.headers:
        return _attested(request, parts, form.client_id, dpop, unspent, at=at)
    if form.client_assertion is not None or form.client_assertion_type is not None:
        return _asserted(parts, form, unspent, at)
    if form.client_id is None:
        return ANONYMOUS
    registered = _registered(parts, form.client_id)
    if registered is None or registered.authentication != "none":
        raise no_client("the wallet has to authenticate itself")
    return Client(id=form.client_id, registered=registered)


def may_redirect(client: Client, redirect_uri: str, *, development: bool) -> bool:
    """Whether authorization responses of ``client`` may go there: exactly as registered.

    An attested wallet without an entry says it itself, over an authenticated request (RFC 9126 section 2.4): an https
    address, a scheme of an app, or loopback (in development any http).
    """
    if client.registered is not None and client.registered.redirect_uris:
        return redirect_uri in client.registered.redirect_uris
    if client.instance is None or not redirect_uri.isascii() or not redirect_uri.isprintable() or " " in redirect_uri:
        return False
    try:
        parts = urlsplit(redirect_uri)
        host = parts.hostname
        _ = parts.port
    except ValueError:
        return False
    if "#" in redirect_uri or "\\" in redirect_uri or "@" in parts.netloc:
        return False
    if parts.scheme in ("https", "http"):
        return bool(host) and (parts.scheme == "https" or development or host in _LOOPBACK)
    return parts.scheme not in _NEVER and _SCHEME.fullmatch(parts.scheme) is not None


def no_client(description: str) -> ProtocolError:
    """What a client that is not who it says it is gets."""
    return ProtocolError("invalid_client", description, status=401)


def _attested(
    request: Request, parts: Parts, client_id: str | None, dpop: DpopProof | None, unspent: Unspent, *, at: datetime
) -> Client:
    attestations, pops = request.headers.getlist(ATTESTATION), request.headers.getlist(POP)
    if len(attestations) != 1 or len(pops) > 1:
        raise no_client("one attestation, with one proof")
    try:
        found = check_client_attestation(attestations[0], resolve=parts.wallet_attesters.resolver(at=at), at=at)
    except RefusedError as error:
        raise no_client(f"the attestation is refused: {error.code.value} {error.path}") from None
    if client_id not in (None, found.client_id):
        raise no_client("the attestation is of another client_id")
    registered = _registered(parts, found.client_id)
    if registered is None and not parts.settings.unregistered_wallets:
        raise no_client("this wallet is not registered here")
    if registered is not None and registered.authentication != "attestation":
        raise no_client("this client authenticates itself in another way")
    if pops:
        _check_pop(pops[0], found, parts, unspent, at)
    elif dpop is None or dpop.key != found.key:  # one proof for both: its nonce and jti were checked
        raise no_client("a proof of the attested key is missing")
    return Client(id=found.client_id, instance=b64u_encode(found.key.thumbprint), registered=registered)


def _check_pop(token: str, attestation: ClientAttestation, parts: Parts, unspent: Unspent, at: datetime) -> None:
    try:
        pop = check_attestation_pop(token, key=attestation.key, audience=parts.settings.base_url, at=at)
    except RefusedError as error:
        raise no_client(f"the proof of the attested key is refused: {error.code.value} {error.path}") from None
    if parts.settings.proof_nonces and not parts.nonces.is_for_proofs(pop.challenge, at=at):
        raise ProtocolError(
            "use_attestation_challenge",
            "a challenge of this server is needed",
            headers={CHALLENGE: parts.nonces.for_proofs(at=at)},
        )
    who = f"pop {b64u_encode(attestation.key.thumbprint)}"
    again = no_client("the proof of the attested key was used")
    unspent.add(who, pop.jti, expires_at=pop.issued_at + SECONDS, refused=again)


def _registered(parts: Parts, client_id: str) -> ClientSettings | None:
    return next((one for one in parts.settings.clients if one.id == client_id), None)


def _asserted(parts: Parts, form: AuthorizationRequest | TokenRequest, unspent: Unspent, at: datetime) -> Client:
    registered = None if form.client_id is None else _registered(parts, form.client_id)
    if form.client_assertion_type != ASSERTION_TYPE or form.client_assertion is None:
        raise no_client("not an assertion of a kind that is known here")
    if registered is None or registered.jwks is None:
        raise no_client("client_id names no client that signs assertions")
    found = check_assertion(
        form.client_assertion,
        client_id=registered.id,
        jwks=registered.jwks,
        audience=parts.settings.base_url,
        at=at,
    )
    if found is None:
        raise no_client("the assertion is refused")
    jti, expires_at = found
    again = no_client("the assertion was used")
    unspent.add(f"assertion {registered.id}", jti, expires_at=expires_at, refused=again)
    return Client(id=registered.id, registered=registered)
