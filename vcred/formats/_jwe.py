"""Compact JWE (RFC 7516): ECDH-ES on P-256 with A128GCM or A256GCM, and nothing else.

The encrypted response of OpenID4VP 1.0 section 8.3 needs no more. The ephemeral key must be a P-256 point and not our
own; ``zip`` is raw deflate with a cap on what it may become; no ``crit``, no key material but ``epk``.
"""

from __future__ import annotations

import os
import zlib
from dataclasses import dataclass, field
from hashlib import sha256
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from vcred.errors import MalformedError, RefusedError
from vcred.formats._jose import check_kid
from vcred.formats._wire import b64u_bytes, b64u_decode, dump_json, inflate_raw, parse_json
from vcred.keys import PublicKey
from vcred.reasons import ReasonCode

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Jwe", "decrypt", "encrypt", "encryption_key"]

_ALG = "ECDH-ES"
_CURVE = "secp256r1"
_KEY_BITS = {"A128GCM": 128, "A256GCM": 256}
_MAX_TOKEN = 1024 * 1024
_MAX_HEADER = 8192
_MAX_PARTY = 256
_FORBIDDEN = frozenset({"jwk", "jku", "x5u", "x5c"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Jwe:
    """A decrypted message. ``header`` was authenticated with it; ECDH-ES says nothing about who sent it."""

    header: Mapping[str, Any]
    plaintext: bytes = field(repr=False)


def encryption_key(jwk: Any, *, path: str = "jwk") -> ec.EllipticCurvePublicKey:
    """Read a public P-256 JWK meant for encryption (OpenID4VP 1.0: one without ``use`` is).

    Raises ``MalformedError`` with ``key`` or ``key_use``.
    """
    if not isinstance(jwk, dict):
        raise MalformedError(ReasonCode.KEY, path, "a JWK is an object")
    if jwk.get("use", "enc") != "enc" or "key_ops" in jwk:
        raise MalformedError(ReasonCode.KEY_USE, path, "the key is not for encryption")
    if jwk.get("alg", _ALG) != _ALG:
        raise MalformedError(ReasonCode.KEY, path, "alg is not ECDH-ES")
    return _point({name: value for name, value in jwk.items() if name not in ("use", "alg")}, path)


def encrypt(
    plaintext: bytes,
    key: ec.EllipticCurvePublicKey,
    *,
    enc: str,
    kid: str | None,
    apu: bytes = b"",
    apv: bytes = b"",
    deflate: bool = False,
) -> bytes:
    """A compact JWE for the holder of ``key`` (P-256), under a fresh ephemeral key.

    Raises ``ValueError`` for another curve or ``enc``.
    """
    if enc not in _KEY_BITS or key.curve.name != _CURVE:
        raise ValueError("ECDH-ES on P-256 with A128GCM or A256GCM only")
    ephemeral = ec.generate_private_key(ec.SECP256R1())
    header: dict[str, Any] = {"alg": _ALG, "enc": enc, "epk": PublicKey(ephemeral.public_key()).to_jwk()}
    if kid is not None:
        header["kid"] = kid
    header |= {name: str(b64u_bytes(value), "ascii") for name, value in (("apu", apu), ("apv", apv)) if value}
    if deflate:
        header["zip"] = "DEF"
        compressor = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
        plaintext = compressor.compress(plaintext) + compressor.flush()
    protected = b64u_bytes(dump_json(header))
    iv = os.urandom(12)
    content_key = _agree(ephemeral, key, enc, apu, apv)
    sealed = AESGCM(content_key).encrypt(iv, plaintext, protected)
    return b".".join((protected, b"", b64u_bytes(iv), b64u_bytes(sealed[:-16]), b64u_bytes(sealed[-16:])))


def decrypt(token: bytes | str, key: ec.EllipticCurvePrivateKey, *, path: str, max_plaintext: int) -> Jwe:
    """Open a compact JWE with our private P-256 ``key``.

    Raises ``MalformedError`` with ``size``, ``format``, ``encoding``, ``json``, ``duplicate_key``, ``alg``, ``crit``,
    ``untrusted``, ``kid`` or ``key``, and ``RefusedError`` with ``integrity`` when it was changed or is for another
    key. Raises ``ValueError`` when our own key is not on P-256.
    """
    if key.curve.name != _CURVE:
        raise ValueError("our decryption key is not on P-256")
    protected, iv, ciphertext, tag = _segments(token, path)
    header = _header(protected, f"{path}.header")
    epk = _point(header.get("epk"), f"{path}.header.epk")
    if epk == key.public_key():
        raise MalformedError(ReasonCode.KEY, f"{path}.header.epk", "the ephemeral key is our own")
    apu, apv = (_party(header, name, path) for name in ("apu", "apv"))
    try:
        content_key = _agree(key, epk, header["enc"], apu, apv)
        plaintext = AESGCM(content_key).decrypt(iv, ciphertext + tag, protected)
    except InvalidTag:
        raise RefusedError(ReasonCode.INTEGRITY, path, "it was changed, or is not for this key") from None
    if "zip" in header:
        plaintext = inflate_raw(plaintext, max_plaintext, f"{path}.plaintext")
    if len(plaintext) > max_plaintext:
        raise MalformedError(ReasonCode.SIZE, f"{path}.plaintext", f"more than {max_plaintext} bytes")
    return Jwe(header=MappingProxyType(header), plaintext=plaintext)


def _segments(token: bytes | str, path: str) -> tuple[bytes, bytes, bytes, bytes]:
    if len(token) > _MAX_TOKEN:
        raise MalformedError(ReasonCode.SIZE, path, f"more than {_MAX_TOKEN} bytes")
    raw = token if isinstance(token, bytes) else token.encode("utf-8", "surrogatepass")
    parts = raw.split(b".", 6)
    if len(parts) != 5 or not parts[0] or parts[1]:
        raise MalformedError(ReasonCode.FORMAT, path, "not five segments with a header and no encrypted key")
    iv, ciphertext, tag = (
        b64u_decode(part, f"{path}.{name}") for part, name in zip(parts[2:], ("iv", "ciphertext", "tag"), strict=True)
    )
    if len(iv) != 12 or len(tag) != 16:
        raise MalformedError(ReasonCode.FORMAT, path, "not a 96-bit iv and a 128-bit tag")
    return parts[0], iv, ciphertext, tag


def _header(protected: bytes, path: str) -> dict[str, Any]:
    header = parse_json(b64u_decode(protected, path), path, max_bytes=_MAX_HEADER)
    if not isinstance(header, dict):
        raise MalformedError(ReasonCode.FORMAT, path, "the header is not an object")
    if header.get("alg") != _ALG or not isinstance(header.get("enc"), str) or header["enc"] not in _KEY_BITS:
        raise MalformedError(ReasonCode.ALG, path, "not ECDH-ES with A128GCM or A256GCM")
    if "crit" in header:
        raise MalformedError(ReasonCode.CRIT, path, "no header extension is understood")
    if _FORBIDDEN & header.keys():
        raise MalformedError(ReasonCode.UNTRUSTED, path, "key material that has no use here")
    check_kid(header, path)
    if header.get("zip", "DEF") != "DEF":
        raise MalformedError(ReasonCode.ALG, f"{path}.zip", "not DEF")
    return header


def _point(jwk: Any, path: str) -> ec.EllipticCurvePublicKey:
    crypto = PublicKey.from_jwk(jwk, path=path).crypto
    if not isinstance(crypto, ec.EllipticCurvePublicKey) or crypto.curve.name != _CURVE:
        raise MalformedError(ReasonCode.KEY, path, "not a P-256 key")
    return crypto


def _party(header: Mapping[str, Any], name: str, path: str) -> bytes:
    value = header.get(name, "")
    if not isinstance(value, str):
        raise MalformedError(ReasonCode.FORMAT, f"{path}.header.{name}", "not text")
    raw = b64u_decode(value, f"{path}.header.{name}")
    if len(raw) > _MAX_PARTY:
        raise MalformedError(ReasonCode.SIZE, f"{path}.header.{name}", f"more than {_MAX_PARTY} bytes")
    return raw


def _agree(
    private: ec.EllipticCurvePrivateKey, public: ec.EllipticCurvePublicKey, enc: str, apu: bytes, apv: bytes
) -> bytes:
    # Concat KDF (NIST SP 800-56A, RFC 7518 section 4.6.2): one SHA-256 round covers both key sizes.
    shared = private.exchange(ec.ECDH(), public)
    info = b"".join(len(part).to_bytes(4, "big") + part for part in (enc.encode(), apu, apv))
    bits = _KEY_BITS[enc]
    return sha256(b"\0\0\0\1" + shared + info + bits.to_bytes(4, "big")).digest()[: bits // 8]
