"""What issuance at a counter and OpenID4VCI 1.0 online have in common: names on the wire, and the proof of a key."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from vcred.formats._wire import dump_json, epoch

if TYPE_CHECKING:
    from datetime import datetime

    from vcred.keys import Signer

__all__ = ["OFFER_SCHEME", "PRE_AUTHORIZED", "PROOF_TYP", "build_proof"]

OFFER_SCHEME: Final = "openid-credential-offer"
PRE_AUTHORIZED: Final = "urn:ietf:params:oauth:grant-type:pre-authorized_code"
PROOF_TYP: Final = "openid4vci-proof+jwt"


def build_proof(
    signer: Signer,
    *,
    audience: str,
    nonce: str | None,
    at: datetime,
    client_id: str | None = None,
    key_attestation: str | None = None,
) -> str:
    """A ``jwt`` proof of the signer's key. ``client_id`` is left out in an anonymous pre-authorized flow."""
    from vcred.formats._jose import sign_jws  # noqa: PLC0415 - reading an offer needs no signature code

    header: dict[str, Any] = {"typ": PROOF_TYP, "jwk": signer.public_key.to_jwk()}
    if key_attestation is not None:
        header["key_attestation"] = key_attestation
    claims: dict[str, Any] = {"aud": audience, "iat": epoch(at)}
    if client_id is not None:
        claims["iss"] = client_id
    if nonce is not None:
        claims["nonce"] = nonce
    return sign_jws(header, dump_json(claims), signer).decode("ascii")
