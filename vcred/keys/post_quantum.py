"""Post-quantum signatures: ML-DSA (FIPS 204) as RFC 9964 has it, alone or as one half of a hybrid.

A hybrid (composite) key is ML-DSA and P-256 under one algorithm name: both sign, both must verify, and neither
signature is of use without the other. What each half signs begins with a prefix and names the algorithm, ML-DSA under a
context of its own besides, so that no half is ever a signature of ML-DSA or ECDSA alone, or of another hybrid.

Such keys are for issuers whose certificates are looked at for decades. Nothing here is loaded, and no reader of keys
takes one, unless the caller says that it may be post-quantum: holders, readers, status lists and trust lists do not.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from vcred.errors import MalformedError, SigningError
from vcred.reasons import ReasonCode

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = [
    "COMPOSITE_DRAFT",
    "POST_QUANTUM",
    "HybridPrivateKey",
    "HybridPublicKey",
    "alg_of",
    "generate",
    "hybrid_of",
    "public_bytes",
    "public_from_bytes",
    "public_from_spki",
    "sign",
    "spki_of",
    "verifies",
]

COMPOSITE_DRAFT: Final = "draft-ietf-jose-pq-composite-sigs-05"
"""The draft that the hybrid follows; with draft-ietf-lamps-pq-composite-sigs, which it takes the construction from."""

POST_QUANTUM: Final[Mapping[str, int]] = {
    "ML-DSA-44": -48,
    "ML-DSA-65": -49,
    "ML-DSA-44-ES256": -54,
    "ML-DSA-65-ES256": -55,
}
"""The algorithms and their numbers in COSE (RFC 9964 section 8.1; table 5 of the draft, requested)."""

_PREFIX: Final = b"CompositeAlgorithmSignatures2025"
_NO_CONTEXT: Final = b"\0"
_POINT_BYTES: Final = 65
_TOO_OLD: Final = "the cryptography package here has no ML-DSA: update it"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Set:
    """A parameter set of ML-DSA: its classes in ``cryptography``, lengths of public key and signature."""

    name: str
    public: int
    signature: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Hybrid:
    """A composite algorithm (draft sections 5.1 and 5.3) and the end of its OID, 1.3.6.1.5.5.7.6.x."""

    ml_dsa: str
    label: bytes
    prehash: Callable[[bytes], Any]
    oid: int


_SETS: Final = {
    "ML-DSA-44": _Set(name="MLDSA44", public=1312, signature=2420),
    "ML-DSA-65": _Set(name="MLDSA65", public=1952, signature=3309),
}
_HYBRIDS: Final = {
    "ML-DSA-44-ES256": _Hybrid(
        ml_dsa="ML-DSA-44", label=b"COMPSIG-MLDSA44-ECDSA-P256-SHA256", prehash=hashlib.sha256, oid=40
    ),
    "ML-DSA-65-ES256": _Hybrid(
        ml_dsa="ML-DSA-65", label=b"COMPSIG-MLDSA65-ECDSA-P256-SHA512", prehash=hashlib.sha512, oid=45
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class HybridPublicKey:
    """Both public halves of a hybrid key."""

    alg: str
    ml_dsa: Any = field(repr=False)
    ecdsa: ec.EllipticCurvePublicKey = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class HybridPrivateKey:
    """Both private halves of a hybrid key."""

    alg: str
    ml_dsa: Any = field(repr=False)
    ecdsa: ec.EllipticCurvePrivateKey = field(repr=False)

    def public_key(self) -> HybridPublicKey:
        """The matching public halves."""
        return HybridPublicKey(alg=self.alg, ml_dsa=self.ml_dsa.public_key(), ecdsa=self.ecdsa.public_key())


def alg_of(key: object) -> str | None:
    """The algorithm of a post-quantum key, public or private; ``None`` for any other object."""
    if isinstance(key, (HybridPublicKey, HybridPrivateKey)):
        return key.alg
    if not type(key).__name__.startswith("MLDSA"):  # so that nobody else's key loads the module
        return None
    module = _module()
    for alg, one in _SETS.items():
        if isinstance(key, (getattr(module, f"{one.name}PublicKey"), getattr(module, f"{one.name}PrivateKey"))):
            return alg
    return None


def hybrid_of(ml_dsa: object, ecdsa: object) -> HybridPrivateKey:
    """One key of two private keys. ``SigningError`` unless they are ML-DSA-44 or -65, then P-256."""
    alg = next((name for name, one in _HYBRIDS.items() if one.ml_dsa == alg_of(ml_dsa)), None)
    if alg is None or not isinstance(ecdsa, ec.EllipticCurvePrivateKey) or ecdsa.curve.name != "secp256r1":
        raise SigningError("a hybrid key is an ML-DSA-44 or ML-DSA-65 key, then a P-256 key")
    return HybridPrivateKey(alg=alg, ml_dsa=ml_dsa, ecdsa=ecdsa)


def generate(alg: str) -> Any:
    """A fresh private key.

    Raises ``ValueError`` for an algorithm that is not here, ``SigningError`` where the library has no ML-DSA.
    """
    if alg in _HYBRIDS:
        return HybridPrivateKey(
            alg=alg, ml_dsa=generate(_HYBRIDS[alg].ml_dsa), ecdsa=ec.generate_private_key(ec.SECP256R1())
        )
    if alg not in _SETS:
        raise ValueError("no such post-quantum algorithm")
    try:
        return getattr(_module(), f"{_SETS[alg].name}PrivateKey").generate()
    except (MalformedError, UnsupportedAlgorithm) as error:
        raise SigningError(f"no {alg} key can be made here: {error}") from error


def public_from_bytes(alg: str, raw: bytes, *, path: str) -> Any:
    """The public key in ``pub`` of an AKP key. Raises ``MalformedError`` with ``key``."""
    size = _SETS[_HYBRIDS[alg].ml_dsa if alg in _HYBRIDS else alg].public
    if len(raw) != size + (_POINT_BYTES if alg in _HYBRIDS else 0):
        raise MalformedError(ReasonCode.KEY, path, f"not as long as a public key of {alg}")
    if alg not in _HYBRIDS:
        try:
            return getattr(_module(), f"{_SETS[alg].name}PublicKey").from_public_bytes(raw)
        except (ValueError, UnsupportedAlgorithm) as error:
            raise MalformedError(ReasonCode.KEY, path, f"not a public key of {alg} that can be used here") from error
    point = raw[size:]
    try:
        if point[0] != 4:
            raise ValueError
        ecdsa = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
    except ValueError as error:
        raise MalformedError(ReasonCode.KEY, path, "the point is not on the curve, in full") from error
    return HybridPublicKey(alg=alg, ml_dsa=public_from_bytes(_HYBRIDS[alg].ml_dsa, raw[:size], path=path), ecdsa=ecdsa)


def public_bytes(key: Any) -> bytes:
    """``pub`` of an AKP key: ML-DSA's own encoding, and in a hybrid the uncompressed point after it."""
    if not isinstance(key, HybridPublicKey):
        raw: bytes = key.public_bytes_raw()
        return raw
    return public_bytes(key.ml_dsa) + key.ecdsa.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def spki_of(key: Any) -> bytes:
    """DER SubjectPublicKeyInfo: RFC 9881, and of a hybrid draft-ietf-lamps-pq-composite-sigs section 5.1."""
    if not isinstance(key, HybridPublicKey):
        der: bytes = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return der
    return _hybrid_head(key.alg) + public_bytes(key)


def public_from_spki(der: bytes) -> Any | None:
    """The hybrid key in a SubjectPublicKeyInfo; ``None`` when it is for something else. Raises ``MalformedError``."""
    for alg in _HYBRIDS:
        if der.startswith(head := _hybrid_head(alg)):
            return public_from_bytes(alg, der[len(head) :], path="")
    return None


def sign(key: Any, message: bytes) -> bytes:
    """The signature as JOSE and COSE carry it."""
    if not isinstance(key, HybridPrivateKey):
        raw: bytes = key.sign(message)
        return raw
    signed = _representative(key.alg, message)
    first: bytes = key.ml_dsa.sign(signed, _HYBRIDS[key.alg].label)
    return first + key.ecdsa.sign(signed, ec.ECDSA(hashes.SHA256()))


def verifies(message: bytes, key: Any, signature: bytes) -> bool:
    """Whether ``signature`` is one of ``message`` by ``key``: by both halves of a hybrid."""
    if not isinstance(key, HybridPublicKey):
        return _is_signed(key, signature, message)
    hybrid = _HYBRIDS[key.alg]
    size = _SETS[hybrid.ml_dsa].signature
    signed = _representative(key.alg, message)
    try:
        # One signature has one encoding (draft section 4.2.1).
        if encode_dss_signature(*decode_dss_signature(signature[size:])) != signature[size:]:
            return False
        key.ecdsa.verify(signature[size:], signed, ec.ECDSA(hashes.SHA256()))
    except (InvalidSignature, ValueError):
        return False
    return _is_signed(key.ml_dsa, signature[:size], signed, hybrid.label)


def _is_signed(key: Any, signature: bytes, message: bytes, *context: bytes) -> bool:
    try:
        key.verify(signature, message, *context)
    except (InvalidSignature, ValueError):
        return False
    return True


def _representative(alg: str, message: bytes) -> bytes:
    """M' of the construction: what both halves sign. The caller's context is empty in JOSE and COSE (section 4.1)."""
    hybrid = _HYBRIDS[alg]
    digest: bytes = hybrid.prehash(message).digest()
    return _PREFIX + hybrid.label + _NO_CONTEXT + digest


def _hybrid_head(alg: str) -> bytes:
    """A SubjectPublicKeyInfo up to the key."""
    hybrid = _HYBRIDS[alg]
    algorithm = b"\x30\x0a\x06\x08\x2b\x06\x01\x05\x05\x07\x06" + bytes((hybrid.oid,))
    bits = 1 + _SETS[hybrid.ml_dsa].public + _POINT_BYTES
    body = len(algorithm) + 4 + bits
    return b"\x30\x82" + body.to_bytes(2) + algorithm + b"\x03\x82" + bits.to_bytes(2) + b"\0"


def _module() -> Any:
    try:
        from cryptography.hazmat.primitives.asymmetric import mldsa  # noqa: PLC0415 - loads with the first such key
    except ImportError as error:
        raise MalformedError(ReasonCode.KEY, "", _TOO_OLD) from error
    if not hasattr(mldsa, "MLDSA44PublicKey"):  # the first release with the module had other names in it
        raise MalformedError(ReasonCode.KEY, "", _TOO_OLD)
    return mldsa
