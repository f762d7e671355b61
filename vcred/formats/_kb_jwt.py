"""The key-binding JWT (RFC 9901 section 4.3): the holder's signature over one presentation.

A nonce is bytes in this SDK and text in a JWT. Text that is unpadded base64url of 16 to 64 bytes stands for those
bytes; any other text stands for its own ASCII bytes, so that a stranger's nonce is echoed letter for letter.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from vcred.credential import KeyBinding
from vcred.errors import MalformedError
from vcred.formats._jose import parse_jws
from vcred.formats._wire import b64u_decode, b64u_encode, parse_json
from vcred.reasons import ReasonCode

__all__ = ["TYP", "BoundKey", "WrittenNonce", "nonce_bytes", "nonce_text", "parse_key_binding"]

TYP = "kb+jwt"
_MAX_KB = 8192
_MAX_PAYLOAD = 4096
_MAX_TEXT = 2048
_LAST_SECOND = 253402300799
_VISIBLE = re.compile(r"[!-~]{1,256}")


class WrittenNonce(bytes):
    """A request's nonce as its bytes, which also knows the letters it was written in: an answer has to repeat them."""

    text: str

    @classmethod
    def of(cls, text: str) -> WrittenNonce:
        """The nonce that is written ``text``."""
        made = cls(nonce_bytes(text))
        made.text = text
        return made


@dataclass(frozen=True, slots=True, kw_only=True)
class BoundKey(KeyBinding):
    """A ``KeyBinding`` with what it says it covers: ``sd_hash``, to be compared by ``verify_key_binding``.

    ``transaction_hashes`` are what it agrees to besides (OpenID4VP 1.0 appendix B.3.3), by ``transaction_alg``.
    """

    sd_hash: str = field(repr=False)
    transaction_hashes: tuple[str, ...] = ()
    transaction_alg: str | None = None


def parse_key_binding(token: bytes) -> BoundKey:
    """Read a key-binding JWT; every claim of it is required.

    Raises ``MalformedError`` as ``parse_jws`` does, and with ``aud``, ``nonce``, ``iat`` or ``sd_hash``.
    """
    jws = parse_jws(token, path="kb", typ=TYP, max_bytes=_MAX_KB)
    claims = parse_json(jws.payload, "kb.payload", max_bytes=_MAX_PAYLOAD)
    if type(claims) is not dict:
        raise MalformedError(ReasonCode.FORMAT, "kb.payload", "not an object")
    audience, nonce, issued_at = claims.get("aud"), claims.get("nonce"), claims.get("iat")
    if type(audience) is not str or not 0 < len(audience) <= _MAX_TEXT:
        raise MalformedError(ReasonCode.AUD, "kb.payload.aud", "not one audience as text")
    if type(nonce) is not str or not _VISIBLE.fullmatch(nonce):
        raise MalformedError(ReasonCode.NONCE, "kb.payload.nonce", "not 1 to 256 visible ASCII characters")
    if type(issued_at) is not int or not 0 <= issued_at <= _LAST_SECOND:
        raise MalformedError(ReasonCode.IAT, "kb.payload.iat", "not whole seconds between 1970 and 9999")
    if type(claims.get("sd_hash")) is not str:
        raise MalformedError(ReasonCode.SD_HASH, "kb.payload.sd_hash", "not text")
    hashes, alg = claims.get("transaction_data_hashes", []), claims.get("transaction_data_hashes_alg")
    if type(hashes) is not list or any(type(one) is not str for one in hashes) or type(alg) not in (str, type(None)):
        raise MalformedError(ReasonCode.TRANSACTION_DATA, "kb.payload.transaction_data_hashes", "not texts")
    return BoundKey(
        audience=audience,
        nonce=nonce_bytes(nonce),
        issued_at=issued_at,
        alg=jws.header["alg"],
        signing_input=jws.signing_input,
        signature=jws.signature,
        sd_hash=claims["sd_hash"],
        transaction_hashes=tuple(hashes),
        transaction_alg=alg,
    )


def nonce_bytes(text: str) -> bytes:
    """The bytes a JWT's nonce stands for."""
    try:
        raw = b64u_decode(text, "nonce")
    except MalformedError:
        return text.encode("ascii")
    return raw if 16 <= len(raw) <= 64 else text.encode("ascii")


def nonce_text(nonce: bytes) -> str:
    """The text that stands for ``nonce``. Raises ``ValueError`` when there is none."""
    if isinstance(nonce, WrittenNonce):
        return nonce.text
    as_text = nonce.decode("ascii", "replace")
    if _VISIBLE.fullmatch(as_text) and nonce_bytes(as_text) == nonce:
        return as_text
    if not 16 <= len(nonce) <= 64:
        raise ValueError("a nonce is 16 to 64 bytes, or visible ASCII text")
    return b64u_encode(nonce)
