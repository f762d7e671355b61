"""DPoP proofs (RFC 9449): this request, to this address, by whoever has this key.

Whether ``jti`` was seen and ``nonce`` is one of ours is for the server's store to say; everything else is checked here.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from vcred.errors import RefusedError
from vcred.formats._jose import sign_jws, verify_jws
from vcred.formats._wire import b64u_encode, dump_json, epoch
from vcred.oauth._jwt import check_issued_at, moment, optional_text, read_proof, text
from vcred.reasons import ReasonCode

if TYPE_CHECKING:
    from datetime import datetime

    from vcred.keys import PublicKey, Signer

__all__ = ["DpopProof", "build_dpop", "check_dpop"]

_TYP: Final = "dpop+jwt"
_SECONDS: Final = 300
_PORTS: Final = {"https": 443, "http": 80}


@dataclass(frozen=True, slots=True, kw_only=True)
class DpopProof:
    """A proof that holds: its key (``thumbprint`` is the ``jkt``), and what the caller has to remember or compare."""

    key: PublicKey
    jti: str
    issued_at: int
    nonce: str | None

    @property
    def thumbprint(self) -> str:
        """The ``jkt`` that tokens are bound to (RFC 9449 section 6.1)."""
        return b64u_encode(self.key.thumbprint)


def build_dpop(
    signer: Signer,
    *,
    method: str,
    url: str,
    at: datetime,
    nonce: str | None = None,
    access_token: str | None = None,
) -> str:
    """A fresh proof for one request. Raises ``SigningError``."""
    parts = urlsplit(url)
    claims: dict[str, Any] = {
        "jti": secrets.token_urlsafe(16),
        "htm": method,
        "htu": f"{parts.scheme}://{parts.netloc}{parts.path}",
        "iat": epoch(at),
    }
    if nonce is not None:
        claims["nonce"] = nonce
    if access_token is not None:
        claims["ath"] = _hash(access_token)
    header = {"typ": _TYP, "jwk": signer.public_key.to_jwk()}
    return sign_jws(header, dump_json(claims), signer).decode("ascii")


def check_dpop(token: str, *, method: str, url: str, at: datetime, access_token: str | None = None) -> DpopProof:
    """A proof for a ``method`` request to ``url`` (RFC 9449 section 4.3), with ``ath`` where a token is presented.

    Raises ``RefusedError``: those of ``parse_proof``, ``aud`` for another method or address, ``iat``, ``digest`` for
    another access token, ``signature``.
    """
    jws, key, claims = read_proof(token, path="dpop", typ=_TYP)
    if claims.get("htm") != method or _place(text(claims, "htu", "dpop", most=2048)) != _place(url):
        raise RefusedError(ReasonCode.AUD, "dpop.htu", "the proof is for another request")
    issued_at = moment(claims, "iat", "dpop")
    check_issued_at(issued_at, "dpop", at=at, seconds=_SECONDS)
    if access_token is not None and claims.get("ath") != _hash(access_token):
        raise RefusedError(ReasonCode.DIGEST, "dpop.ath", "the proof is for another access token")
    verify_jws(jws, key)
    return DpopProof(
        key=key,
        jti=text(claims, "jti", "dpop", most=256),
        issued_at=issued_at,
        nonce=optional_text(claims, "nonce", "dpop", most=512),
    )


def _hash(access_token: str) -> str:
    return b64u_encode(hashlib.sha256(access_token.encode("ascii", "replace")).digest())


def _place(url: str) -> tuple[str, str, int | None, str]:
    """What of an address counts: RFC 3986 section 6.2.2 and 6.2.3, without query and fragment."""
    try:
        parts = urlsplit(url)
        port = parts.port or _PORTS.get(parts.scheme)
    except ValueError:
        return "", "", None, ""
    return parts.scheme, (parts.hostname or "").lower(), port, parts.path or "/"
