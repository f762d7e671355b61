"""Wallet attestations: who made this wallet, and a proof that this instance has the attested key.

OAuth 2.0 Attestation-Based Client Authentication, as OpenID4VCI 1.0 appendix E and HAIP use it. Whom to believe is the
caller's to say (``resolve``); replay of ``jti`` and the challenge are for the server's store.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from vcred.errors import MalformedError, RefusedError
from vcred.formats._jose import Jws, sign_jws, verify_jws, x5c_texts
from vcred.formats._wire import dump_json, epoch
from vcred.keys import PublicKey
from vcred.oauth._jwt import check_expiry, check_issued_at, moment, optional_text, read_jwt, text
from vcred.reasons import ReasonCode

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime, timedelta

    from vcred.keys import Signer

__all__ = [
    "AttestationPop",
    "ClientAttestation",
    "build_attestation_pop",
    "build_client_attestation",
    "check_attestation_pop",
    "check_client_attestation",
]

TYP: Final = "oauth-client-attestation+jwt"
POP_TYP: Final = "oauth-client-attestation-pop+jwt"
_SECONDS: Final = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientAttestation:
    """What an attester says of a wallet: its client id (the same for all instances), and the instance's key.

    ``issuer`` may be absent; ``x5c`` and ``kid`` say which key signed, and prove nothing by themselves.
    """

    client_id: str
    key: PublicKey
    expires_at: int
    issuer: str | None
    x5c: tuple[bytes, ...] = field(repr=False)
    kid: str | None
    jws: Jws = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class AttestationPop:
    """A proof of the instance's key: what the caller has to remember or compare."""

    jti: str
    issued_at: int
    challenge: str | None


def build_client_attestation(
    signer: Signer,
    key: PublicKey,
    *,
    client_id: str,
    issuer: str,
    at: datetime,
    lifetime: timedelta,
    x5c: Sequence[bytes] = (),
) -> str:
    """An attestation that ``client_id``'s instance has ``key``. For wallet providers and tests."""
    header: dict[str, Any] = {"typ": TYP}
    if x5c:
        header["x5c"] = x5c_texts(x5c)
    now = epoch(at)
    claims = {
        "iss": issuer,
        "sub": client_id,
        "iat": now,
        "exp": now + int(lifetime.total_seconds()),
        "cnf": {"jwk": key.to_jwk()},
    }
    return sign_jws(header, dump_json(claims), signer).decode("ascii")


def check_client_attestation(
    token: str, *, resolve: Callable[[ClientAttestation], PublicKey], at: datetime
) -> ClientAttestation:
    """An attestation that holds. ``resolve`` gives the attester's key, or raises ``RefusedError``.

    Raises ``RefusedError``: those of parsing, ``cnf``, ``key``, ``expired``, ``not_yet_valid``, ``signature``.
    """
    path = "attestation"
    jws, claims = read_jwt(token, path=path, typ=TYP)
    cnf = claims.get("cnf")
    if not isinstance(cnf, dict):
        raise MalformedError(ReasonCode.CNF, f"{path}.cnf", "must be an object")
    found = ClientAttestation(
        client_id=text(claims, "sub", path),
        key=PublicKey.from_jwk(cnf.get("jwk"), path=f"{path}.cnf.jwk"),
        expires_at=moment(claims, "exp", path),
        issuer=optional_text(claims, "iss", path),
        x5c=jws.x5c,
        kid=jws.header.get("kid"),
        jws=jws,
    )
    check_expiry(found.expires_at, path, at=at)
    for name in ("nbf", "iat"):
        if name in claims and moment(claims, name, path) > epoch(at) + 60:
            raise RefusedError(ReasonCode.NOT_YET_VALID, f"{path}.{name}", "in the future")
    verify_jws(jws, resolve(found))
    return found


def build_attestation_pop(signer: Signer, *, audience: str, at: datetime, challenge: str | None = None) -> str:
    """A fresh proof of the instance's key for one authorization server."""
    claims: dict[str, Any] = {"aud": audience, "jti": secrets.token_urlsafe(16), "iat": epoch(at)}
    if challenge is not None:
        claims["challenge"] = challenge
    return sign_jws({"typ": POP_TYP}, dump_json(claims), signer).decode("ascii")


def check_attestation_pop(token: str, *, key: PublicKey, audience: str, at: datetime) -> AttestationPop:
    """A proof by ``key`` for ``audience``, made in the last five minutes.

    Raises ``RefusedError``: those of parsing, ``aud``, ``iat``, ``signature``.
    """
    path = "pop"
    jws, claims = read_jwt(token, path=path, typ=POP_TYP)
    if claims.get("aud") not in (audience, [audience]):
        raise RefusedError(ReasonCode.AUD, f"{path}.aud", "the proof is for another server")
    issued_at = moment(claims, "iat", path)
    check_issued_at(issued_at, path, at=at, seconds=_SECONDS)
    verify_jws(jws, key)
    return AttestationPop(
        jti=text(claims, "jti", path, most=256),
        issued_at=issued_at,
        challenge=optional_text(claims, "challenge", path, most=512),
    )
