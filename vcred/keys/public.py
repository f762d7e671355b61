"""Public keys as JWK (RFC 7517), COSE_Key (RFC 9052) and SubjectPublicKeyInfo (RFC 5280), strictly read.

One key has one algorithm: P-256 is ES256, P-384 is ES384, Ed25519 is EdDSA. Nothing else is accepted, but for
post-quantum keys (RFC 9964: key type AKP) by callers who say so: ``post_quantum=True``.
Key objects are kept: parsing a point costs a third of a signature check.
"""

from __future__ import annotations

import base64
import hashlib
import json
from functools import cached_property, lru_cache
from typing import Any

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

from vcred.errors import MalformedError, RefusedError
from vcred.formats._wire import b64u_decode
from vcred.keys import post_quantum as pq
from vcred.reasons import ReasonCode

__all__ = ["PublicKey", "der_to_raw", "raw_to_der"]

_CURVES: dict[str, tuple[str, ec.EllipticCurve, ec.ECDSA, int, int]] = {
    # alg: (JOSE curve, curve, signature algorithm, coordinate bytes, COSE curve)
    "ES256": ("P-256", ec.SECP256R1(), ec.ECDSA(hashes.SHA256()), 32, 1),
    "ES384": ("P-384", ec.SECP384R1(), ec.ECDSA(hashes.SHA384()), 48, 2),
}
_ALG_OF_CRV = {"P-256": "ES256", "P-384": "ES384", "Ed25519": "EdDSA"}
_ALG_OF_CURVE_NAME = {"secp256r1": "ES256", "secp384r1": "ES384"}
_ALG_OF_COSE_CRV = {1: "ES256", 2: "ES384", 6: "EdDSA"}
_AKP = 7
_COSE_ALGS = {"ES256": (-7, -9), "ES384": (-35, -51), "EdDSA": (-8, -19)}


class PublicKey:
    """An immutable public key. Equal keys are equal objects; ``repr`` shows only the key id."""

    __slots__ = ("__dict__", "alg", "crypto")

    def __init__(self, crypto: Any, *, post_quantum: bool = False) -> None:
        self.crypto = crypto
        if isinstance(crypto, ed25519.Ed25519PublicKey):
            self.alg = "EdDSA"
        elif not isinstance(crypto, ec.EllipticCurvePublicKey):
            alg = pq.alg_of(crypto) if post_quantum else None
            if alg is None:
                raise MalformedError(ReasonCode.KEY, "", "the key is not P-256, P-384 or Ed25519")
            self.alg = alg
        elif crypto.curve.name in _ALG_OF_CURVE_NAME:
            self.alg = _ALG_OF_CURVE_NAME[crypto.curve.name]
        else:
            raise MalformedError(ReasonCode.KEY, "", "the curve is not P-256, P-384 or Ed25519")

    @classmethod
    def from_jwk(cls, jwk: Any, *, path: str = "jwk", post_quantum: bool = False) -> PublicKey:
        """Read a public JWK. Raises ``MalformedError`` with ``key`` or ``key_use``."""
        if not isinstance(jwk, dict):
            raise MalformedError(ReasonCode.KEY, path, "a JWK is an object")
        if "d" in jwk or "k" in jwk or "p" in jwk or "priv" in jwk:
            raise MalformedError(ReasonCode.KEY, path, "private or symmetric key material")
        if jwk.get("use", "sig") != "sig":
            raise MalformedError(ReasonCode.KEY_USE, path, "use is not sig")
        ops = jwk.get("key_ops", ["verify"])
        if not isinstance(ops, list) or "verify" not in ops:
            raise MalformedError(ReasonCode.KEY_USE, path, "key_ops lacks verify")
        if post_quantum and jwk.get("kty") == "AKP":
            name = jwk.get("alg")
            if not isinstance(name, str) or name not in pq.POST_QUANTUM:
                raise MalformedError(ReasonCode.KEY, path, "alg, which an AKP key has, is not one that is known here")
            pub = _base64url(jwk.get("pub"), f"{path}.pub")
            return cls(pq.public_from_bytes(name, pub, path=f"{path}.pub"), post_quantum=True)
        alg = _ALG_OF_CRV.get(jwk["crv"]) if isinstance(jwk.get("crv"), str) else None
        if alg is None or jwk.get("kty") != ("OKP" if alg == "EdDSA" else "EC"):
            raise MalformedError(ReasonCode.KEY, path, "kty and crv are not P-256, P-384 or Ed25519")
        if jwk.get("alg", alg) not in (alg, "Ed25519" if alg == "EdDSA" else alg):
            raise MalformedError(ReasonCode.KEY, path, "alg does not fit the curve")
        x, y = jwk.get("x"), "" if alg == "EdDSA" else jwk.get("y")
        if not isinstance(x, str) or not isinstance(y, str):
            raise MalformedError(ReasonCode.KEY, path, "a coordinate is missing or no text")
        return _from_texts(alg, x, y, path)

    @classmethod
    def from_cose(cls, cose: Any, *, path: str = "COSE_Key", post_quantum: bool = False) -> PublicKey:
        """Read a public COSE_Key map. Raises ``MalformedError`` with ``key`` or ``key_use``."""
        if not isinstance(cose, dict):
            raise MalformedError(ReasonCode.KEY, path, "a COSE_Key is a map")
        if post_quantum and type(cose.get(1)) is int and cose[1] == _AKP:
            return cls(_akp_of(cose, path), post_quantum=True)
        if -4 in cose:
            raise MalformedError(ReasonCode.KEY, path, "private key material")
        crv = cose.get(-1)
        alg = _ALG_OF_COSE_CRV.get(crv) if type(crv) is int else None
        if alg is None or type(cose.get(1)) is not int or cose[1] != (1 if alg == "EdDSA" else 2):
            raise MalformedError(ReasonCode.KEY, path, "kty and crv are not P-256, P-384 or Ed25519")
        if 3 in cose and cose[3] not in _COSE_ALGS[alg]:
            raise MalformedError(ReasonCode.KEY, path, "alg does not fit the curve")
        ops = cose.get(4, [2])
        if not isinstance(ops, (list, tuple)) or 2 not in ops:
            raise MalformedError(ReasonCode.KEY_USE, path, "key_ops lacks verify")
        width = 32 if alg == "EdDSA" else _CURVES[alg][3]
        x, y = cose.get(-2), cose.get(-3, b"" if alg == "EdDSA" else None)
        if not isinstance(x, bytes) or len(x) != width:
            raise MalformedError(ReasonCode.KEY, f"{path}[-2]", "x has the wrong length")
        if not isinstance(y, bytes) or len(y) != (0 if alg == "EdDSA" else width):
            raise MalformedError(ReasonCode.KEY, f"{path}[-3]", "y is not a full coordinate")
        return _from_point(alg, x, y, path)

    @classmethod
    def from_spki(cls, der: bytes, *, post_quantum: bool = False) -> PublicKey:
        """Read a DER SubjectPublicKeyInfo. Raises ``MalformedError`` with ``key``."""
        try:
            key: Any = pq.public_from_spki(der) if post_quantum else None
            key = key or load_der_public_key(der)
        except (ValueError, UnsupportedAlgorithm) as error:
            raise MalformedError(ReasonCode.KEY, "", "not a usable SubjectPublicKeyInfo") from error
        known = isinstance(key, (ec.EllipticCurvePublicKey, ed25519.Ed25519PublicKey))
        if not known and not (post_quantum and pq.alg_of(key)):
            raise MalformedError(ReasonCode.KEY, "", "not an EC or Ed25519 key")
        found = cls(key, post_quantum=post_quantum)
        if found.spki != der:
            raise MalformedError(ReasonCode.KEY, "", "a compressed point, or not DER: one key has one form")
        return found

    @property
    def is_post_quantum(self) -> bool:
        """Whether ML-DSA vouches for what it signs, alone or as a half of a hybrid."""
        return self.alg in pq.POST_QUANTUM

    @property
    def halves(self) -> tuple[PublicKey, ...]:
        """The two keys of a hybrid, which are never to be used alone; none of any other key."""
        if not isinstance(self.crypto, pq.HybridPublicKey):
            return ()
        return PublicKey(self.crypto.ml_dsa, post_quantum=True), PublicKey(self.crypto.ecdsa)

    @cached_property
    def spki(self) -> bytes:
        """DER SubjectPublicKeyInfo."""
        if self.alg in pq.POST_QUANTUM:
            return pq.spki_of(self.crypto)
        der: bytes = self.crypto.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return der

    @cached_property
    def kid(self) -> bytes:
        """First 8 bytes of SHA-256 over the SPKI (design section 5): it selects a key and never trusts one."""
        return hashlib.sha256(self.spki).digest()[:8]

    @cached_property
    def _point(self) -> tuple[bytes, bytes]:
        if self.alg == "EdDSA":
            return self.crypto.public_bytes(Encoding.Raw, PublicFormat.Raw), b""
        width = _CURVES[self.alg][3]
        point = self.crypto.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        return point[1 : 1 + width], point[1 + width :]

    def to_jwk(self) -> dict[str, str]:
        """The public JWK with its required members only (RFC 7638 order)."""
        if self.alg in pq.POST_QUANTUM:
            return {"alg": self.alg, "kty": "AKP", "pub": _b64u(pq.public_bytes(self.crypto))}
        x, y = self._point
        if self.alg == "EdDSA":
            return {"crv": "Ed25519", "kty": "OKP", "x": _b64u(x)}
        return {"crv": _CURVES[self.alg][0], "kty": "EC", "x": _b64u(x), "y": _b64u(y)}

    def to_cose(self) -> dict[int, int | bytes]:
        """The public COSE_Key with its required members only."""
        if self.alg in pq.POST_QUANTUM:
            return {1: _AKP, 3: pq.POST_QUANTUM[self.alg], -1: pq.public_bytes(self.crypto)}
        x, y = self._point
        if self.alg == "EdDSA":
            return {1: 1, -1: 6, -2: x}
        return {1: 2, -1: _CURVES[self.alg][4], -2: x, -3: y}

    @cached_property
    def thumbprint(self) -> bytes:
        """RFC 7638 SHA-256 thumbprint."""
        return hashlib.sha256(json.dumps(self.to_jwk(), separators=(",", ":"), sort_keys=True).encode()).digest()

    def verify(self, signature: bytes, message: bytes) -> None:
        """Check a raw signature. Raises ``RefusedError`` with ``signature``."""
        try:
            if isinstance(self.crypto, ed25519.Ed25519PublicKey):
                self.crypto.verify(signature, message)
            elif self.alg in pq.POST_QUANTUM:
                if not pq.verifies(message, self.crypto, signature):
                    raise InvalidSignature
            else:
                _, _, ecdsa, width, _ = _CURVES[self.alg]
                self.crypto.verify(raw_to_der(signature, width), message, ecdsa)
        except InvalidSignature:
            raise RefusedError(ReasonCode.SIGNATURE, "", "the signature does not verify") from None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PublicKey) and self.spki == other.spki

    def __hash__(self) -> int:
        return hash(self.spki)

    def __repr__(self) -> str:
        return f"PublicKey({self.alg}, kid={self.kid.hex()})"


def raw_to_der(signature: bytes, width: int) -> bytes:
    """R || S to the DER that OpenSSL takes. Raises ``RefusedError`` with ``signature`` for a wrong length."""
    if len(signature) != 2 * width:
        raise RefusedError(ReasonCode.SIGNATURE, "", "the signature has the wrong length")
    body = _der_integer(signature[:width]) + _der_integer(signature[width:])
    return bytes((0x30, len(body))) + body


def der_to_raw(der: bytes, width: int) -> bytes:
    """OpenSSL's DER to R || S. The input is our own signer's, not a stranger's."""
    r_end = 4 + der[3]
    r, s = der[4:r_end], der[r_end + 2 :]
    return r[-width:].rjust(width, b"\0") + s[-width:].rjust(width, b"\0")


def _der_integer(big_endian: bytes) -> bytes:
    value = big_endian.lstrip(b"\0") or b"\0"
    if value[0] & 0x80:
        value = b"\0" + value
    return bytes((2, len(value))) + value


def _from_point(alg: str, x: bytes, y: bytes, path: str) -> PublicKey:
    try:
        return _parsed(alg, x, y)
    except ValueError as error:
        raise MalformedError(ReasonCode.KEY, path, "the point is not on the curve") from error


@lru_cache(maxsize=1024)
def _parsed(alg: str, x: bytes, y: bytes) -> PublicKey:
    """A key, one object wherever it stands. Raises ``ValueError``, which is not kept."""
    if alg == "EdDSA":
        return PublicKey(ed25519.Ed25519PublicKey.from_public_bytes(x))
    return PublicKey(ec.EllipticCurvePublicKey.from_encoded_point(_CURVES[alg][1], b"\4" + x + y))


@lru_cache(maxsize=1024)
def _from_texts(alg: str, x: str, y: str, path: str) -> PublicKey:
    """``_from_point`` for the coordinates of a JWK; what it refuses is not kept."""
    point = _coordinate(x, alg, f"{path}.x")
    return _from_point(alg, point, b"" if alg == "EdDSA" else _coordinate(y, alg, f"{path}.y"), path)


def _akp_of(cose: dict[Any, Any], path: str) -> Any:
    """The key in a COSE_Key of type AKP (RFC 9964 section 3): ``alg`` and ``pub``, and no private half."""
    if -2 in cose:
        raise MalformedError(ReasonCode.KEY, path, "private key material")
    number, pub, ops = cose.get(3), cose.get(-1), cose.get(4, [2])
    name = next((alg for alg, one in pq.POST_QUANTUM.items() if type(number) is int and one == number), None)
    if name is None:
        raise MalformedError(ReasonCode.KEY, path, "alg, which an AKP key has, is not one that is known here")
    if not isinstance(ops, (list, tuple)) or 2 not in ops:
        raise MalformedError(ReasonCode.KEY_USE, path, "key_ops lacks verify")
    if not isinstance(pub, bytes):
        raise MalformedError(ReasonCode.KEY, f"{path}[-1]", "pub is missing or no bytes")
    return pq.public_from_bytes(name, pub, path=f"{path}[-1]")


def _base64url(text: Any, path: str) -> bytes:
    try:
        return b64u_decode(text if isinstance(text, str) else "=", path)
    except MalformedError as error:
        raise MalformedError(ReasonCode.KEY, path, error.detail) from None


def _coordinate(text: str, alg: str, path: str) -> bytes:
    raw = _base64url(text, path)
    if len(raw) != (32 if alg == "EdDSA" else _CURVES[alg][3]):
        raise MalformedError(ReasonCode.KEY, path, "not a coordinate of full length")
    return raw


def _b64u(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
