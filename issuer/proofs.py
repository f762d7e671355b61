"""The wallet's key proofs (OpenID4VCI 1.0 appendix F.1), checked before anything is bound to a key."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from vcred.errors import MalformedError, RefusedError
from vcred.formats._wire import b64u_encode, epoch, parse_json
from vcred.issuance import PROOF_TYP
from vcred.reasons import ReasonCode

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

    from vcred.issuance import IssuanceRequest
    from vcred.keys import PublicKey

__all__ = ["check_proofs"]

_LEEWAY: Final = 300
"""Seconds a wallet's clock may be off, either way."""

_MAX_PROOF: Final = 4_096


def check_proofs(
    request: IssuanceRequest, *, issuer: str, formats: Collection[str], copies: int, at: datetime
) -> tuple[tuple[str, PublicKey], ...]:
    """The format and the proven key of each copy wanted, in the order of the request.

    1. at most ``copies`` keys for each of ``formats`` (``limit``, ``format_not_accepted``), before any signature;
    2. each proof: ``typ``, ES256, one public ``jwk`` and no other key (``typ``, ``alg``, ``key``, ...);
    3. ``aud`` is this issuer, ``nonce`` the offer's, ``iat`` within five minutes, no ``iss`` (the flow is anonymous);
    4. the signature, with the key the proof names (``signature``);
    5. no key twice (``key``).

    Raises ``RefusedError``.
    """
    wanted = Counter(one for one, _ in request.keys)
    if unknown := wanted.keys() - set(formats):
        raise RefusedError(ReasonCode.FORMAT_NOT_ACCEPTED, "keys", f"{min(unknown)} is not offered")
    if not wanted or max(wanted.values()) > copies:
        raise RefusedError(ReasonCode.LIMIT, "keys", f"1 to {copies} keys for a format")
    proven: dict[PublicKey, str] = {}
    for index, (one, proof) in enumerate(request.keys):
        key = _check(proof, request.nonce, issuer, at, f"keys[{index}].proof")
        if key in proven:
            raise RefusedError(ReasonCode.KEY, f"keys[{index}].proof", "two proofs are for one key")
        proven[key] = one
    return tuple((one, key) for key, one in proven.items())


def _check(proof: bytes, nonce: bytes, issuer: str, at: datetime, path: str) -> PublicKey:
    from vcred.formats._jose import parse_proof, verify_jws  # noqa: PLC0415 - loads with the first request

    jws, key = parse_proof(proof, path=path, typ=PROOF_TYP, max_bytes=_MAX_PROOF)
    if jws.header["alg"] != "ES256":
        raise MalformedError(ReasonCode.ALG, f"{path}.header.alg", "a holder key is P-256")
    payload = parse_json(jws.payload, f"{path}.payload", max_bytes=_MAX_PROOF, max_depth=4)
    if not isinstance(payload, dict):
        raise MalformedError(ReasonCode.FORMAT, f"{path}.payload", "not an object")
    if "iss" in payload:
        raise RefusedError(ReasonCode.FORMAT, f"{path}.payload.iss", "a pre-authorized flow names no client")
    if payload.get("aud") != issuer:
        raise RefusedError(ReasonCode.AUD, f"{path}.payload.aud", "the proof is for another issuer")
    if payload.get("nonce") != b64u_encode(nonce):
        raise RefusedError(ReasonCode.NONCE, f"{path}.payload.nonce", "the proof is for another offer")
    issued_at = payload.get("iat")
    if type(issued_at) is not int or abs(epoch(at) - issued_at) > _LEEWAY:
        raise RefusedError(ReasonCode.IAT, f"{path}.payload.iat", "more than five minutes from now")
    verify_jws(jws, key)
    return key
