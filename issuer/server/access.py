"""Who may use the credential endpoints: a token of ours, with a proof of the key it is bound to (RFC 9449 section 7).

``access_of`` is what every protected route begins with. It refuses with 401 and says in ``WWW-Authenticate`` why.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from starlette.requests import Request  # noqa: TC002 - FastAPI reads it

from issuer.server.parts import parts_of
from issuer.server.proofs import ALGORITHMS, Unspent, dpop_of
from vcred.formats._wire import epoch
from vcred.serving import ProtocolError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

__all__ = ["Access", "access_of", "access_with", "identifier_of"]

_MAX: Final = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """What a token allows: credentials of an application, in ``configurations``.

    ``identifiers``: by ``credential_identifier``, the configuration of each that was asked for in detail; such a one
    must be named by its identifier, all others by their configuration (OpenID4VCI 1.0 section 8.2). ``headers`` go
    into the answer: a fresh nonce for the next proof.
    """

    application_id: str
    grant_id: str
    token_hash: bytes = field(repr=False)
    client_id: str | None
    jkt: str | None
    configurations: tuple[str, ...]
    identifiers: Mapping[str, str]
    expires_at: int
    headers: Mapping[str, str] = field(default_factory=dict)


def identifier_of(configuration_id: str) -> str:
    """The ``credential_identifier`` of the one credential that a token gives in this configuration."""
    return f"{configuration_id}#1"


def access_of(request: Request) -> Access:
    """What the token of this request allows; its proof is used. Raises ``ProtocolError`` with 401 (threats CI-07)."""
    parts = parts_of(request)
    at = parts.clock()
    unspent = Unspent(parts, at=at)
    with unspent.settled():
        return access_with(request, unspent, at=at)


def access_with(request: Request, unspent: Unspent, *, at: datetime) -> Access:
    """The same, where ``unspent`` says in the route's own transaction that the proof is used for the first time."""
    parts = parts_of(request)
    if "access_token" in request.query_params:
        raise _refused("invalid_request", "an access token belongs into the Authorization header")
    lines = request.headers.getlist("authorization")
    scheme, _, token = (lines[0] if len(lines) == 1 else "").partition(" ")
    token = token.strip()
    if scheme.lower() not in ("dpop", "bearer") or not 0 < len(token) <= _MAX:
        raise _refused("", "an access token is needed")
    row = parts.store.token("access", token)
    if row is None or epoch(at) >= row.expires_at:
        raise _refused("invalid_token", "the access token is not known or has expired")
    if (scheme.lower() == "dpop") != (row.jkt is not None):
        raise _refused("invalid_token", "not the scheme of this token")
    headers: dict[str, str] = {}
    if row.jkt is not None:
        proof = dpop_of(request, parts, unspent, at=at, access_token=token)
        if proof is None or proof.thumbprint != row.jkt:
            raise _refused("invalid_dpop_proof", "the token is bound to another key")
        if parts.settings.proof_nonces:
            headers["DPoP-Nonce"] = parts.nonces.for_proofs(at=at)
    return Access(
        application_id=row.application,
        grant_id=row.grant_id,
        token_hash=parts.store.secret_hash("access", token),
        client_id=row.client_id,
        jkt=row.jkt,
        configurations=tuple(one for one in row.configurations if one not in row.detailed),
        identifiers={identifier_of(one): one for one in row.detailed},
        expires_at=row.expires_at,
        headers=headers,
    )


def _refused(error: str, description: str) -> ProtocolError:
    challenge = f'DPoP algs="{" ".join(ALGORITHMS)}"'
    if error:
        challenge += f', error="{error}", error_description="{description}"'
    return ProtocolError(error or "invalid_token", description, status=401, headers={"WWW-Authenticate": challenge})
