"""The key-binding token of SD-CWT (draft sections 8.1 and 9): the holder's signature over one presentation.

It carries the whole SD-CWT in its protected header, so there is no hash of it to compare: what the holder signed
is what was received.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from vcred.credential import KeyBinding
from vcred.errors import MalformedError, RefusedError
from vcred.formats._cbor import Tagged, decode, encode
from vcred.formats._cose import ALG, COSE_ALG, TYP, assemble
from vcred.formats._cwt_claims import time_claim
from vcred.reasons import ReasonCode

if TYPE_CHECKING:
    from vcred.credential import Opened, Prepared
    from vcred.formats._cose import Sign1

__all__ = ["KB_TYPES", "KCWT", "carried", "check_times", "prepare_key_binding", "read_key_binding"]

KB_TYPES: Final = (294, "application/kb+cwt")
KCWT: Final = 13

_ISS, _SUB, _AUD, _EXP, _NBF, _IAT, _CNONCE = 1, 2, 3, 4, 5, 6, 39
_MAX_TEXT: Final = 2048
_MAX_NONCE: Final = 64
_SIGN1_TAG: Final = 18
_NO_TAGS: Final[frozenset[int]] = frozenset()


def carried(token: Sign1) -> Any:
    """The SD-CWT in a key-binding token, as its COSE_Sign1 array. Raises ``MalformedError`` with ``format``.

    Nothing may stand in the unprotected header: no signature covers it.
    """
    found = token.protected.get(KCWT)
    if type(found) is not Tagged or found.tag != _SIGN1_TAG:
        raise MalformedError(ReasonCode.FORMAT, f"kbt.protected[{KCWT}]", "no SD-CWT")
    if token.unprotected:
        raise MalformedError(ReasonCode.FORMAT, "kbt.unprotected", "not empty")
    return found.value


def read_key_binding(token: Sign1) -> KeyBinding:
    """The claims of a key-binding token. Raises ``MalformedError``: ``claim_type``, ``aud``, ``nonce``, ``iat``."""
    path = "kbt.payload"
    claims = decode(token.payload, path, max_bytes=len(token.payload), tags=_NO_TAGS)
    if type(claims) is not dict:
        raise MalformedError(ReasonCode.FORMAT, path, "not a map")
    if _ISS in claims or _SUB in claims:
        raise MalformedError(ReasonCode.CLAIM_TYPE, path, "a key-binding token has neither iss nor sub")
    audience, nonce = claims.get(_AUD), claims.get(_CNONCE)
    if type(audience) is not str or not 0 < len(audience) <= _MAX_TEXT:
        raise MalformedError(ReasonCode.AUD, f"{path}[{_AUD}]", "not one audience as text")
    if _CNONCE in claims and not (type(nonce) is bytes and 0 < len(nonce) <= _MAX_NONCE):
        raise MalformedError(ReasonCode.NONCE, f"{path}[{_CNONCE}]", f"not 1 to {_MAX_NONCE} bytes")
    issued_at = time_claim(claims, _IAT, path, ReasonCode.IAT)
    if issued_at is None:
        raise MalformedError(ReasonCode.IAT, f"{path}[{_IAT}]", "missing")
    return KeyBinding(
        audience=audience,
        nonce=nonce,
        issued_at=issued_at,
        alg=token.alg,
        signing_input=token.signing_input,
        signature=token.signature,
        not_before=time_claim(claims, _NBF, path, ReasonCode.IAT),
        expires_at=time_claim(claims, _EXP, path, ReasonCode.IAT),
    )


def check_times(binding: KeyBinding, opened: Opened) -> None:
    """A binding is never valid when its SD-CWT is not (draft section 9, step 6). Raises ``RefusedError``, ``iat``."""
    iat, nbf, exp = binding.issued_at, binding.not_before, binding.expires_at
    # What is absent is no bound.
    latest = _at_most(opened.expires_at)
    earliest = max(opened.issued_at or 0, opened.not_before or 0)
    if not (earliest <= iat < latest and iat < _at_most(exp)):
        raise RefusedError(ReasonCode.IAT, "kbt.payload[6]", "signed outside the validity of the credential or its own")
    if exp is not None and exp > latest:
        raise RefusedError(ReasonCode.IAT, "kbt.payload[4]", "valid longer than the credential")
    if nbf is not None and not (opened.not_before or 0) <= nbf <= iat:
        raise RefusedError(ReasonCode.IAT, "kbt.payload[5]", "nbf before the credential's or after iat")


def prepare_key_binding(sd_cwt: bytes, *, alg: str, audience: str, nonce: bytes | None, issued_at: int) -> Prepared:
    """A key-binding token over ``sd_cwt`` (tagged), but for its signature. Raises ``ValueError``."""
    if not 0 < len(audience) <= _MAX_TEXT:
        raise ValueError("a key binding names its audience")
    if nonce is not None and not 0 < len(nonce) <= _MAX_NONCE:
        raise ValueError(f"a nonce is 1 to {_MAX_NONCE} bytes")
    claims: dict[int, Any] = {_AUD: audience, _IAT: issued_at}
    if nonce is not None:
        claims[_CNONCE] = bytes(nonce)
    # {1: alg, 13: sd_cwt, 16: 294}, with the received bytes in their place.
    header = b"".join(
        (b"\xa3", bytes((ALG,)), encode(COSE_ALG[alg]), bytes((KCWT,)), sd_cwt, bytes((TYP,)), b"\x19\x01\x26")
    )
    return assemble(header, b"\xa0", encode(claims))


def _at_most(time: int | None) -> float:
    return float("inf") if time is None else time
