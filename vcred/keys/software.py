"""Private keys in memory or in a PEM file. A hybrid key is two PKCS #8 keys in one file: ML-DSA, then P-256."""

from __future__ import annotations

import re
from typing import Any, Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
    load_pem_private_key,
)

from vcred.errors import SigningError
from vcred.keys import post_quantum as pq
from vcred.keys.public import _CURVES, PublicKey, der_to_raw

__all__ = ["SoftwareSigner"]

_PRIVATE: Final = re.compile(rb"-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----[^-]+-----END (?:[A-Z]+ )?PRIVATE KEY-----")


class SoftwareSigner:
    """A ``Signer`` whose key is in this process."""

    __slots__ = ("_key", "_public")

    def __init__(self, key: Any) -> None:
        self._key = key
        self._public = PublicKey(key.public_key(), post_quantum=pq.alg_of(key) is not None)

    @classmethod
    def generate(cls, alg: str = "ES256") -> SoftwareSigner:
        """A fresh P-256 key, or one for an algorithm of ``POST_QUANTUM``. ``ValueError`` for any other."""
        return cls(ec.generate_private_key(ec.SECP256R1()) if alg == "ES256" else pq.generate(alg))

    @classmethod
    def from_der(cls, der: bytes) -> SoftwareSigner:
        """Read an unencrypted PKCS #8 key. Raises ``SigningError``."""
        try:
            return cls._checked(load_der_private_key(der, None))
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise SigningError("the private key cannot be read") from error

    @classmethod
    def from_pem(cls, pem: bytes, *, password: bytes | None, post_quantum: bool = False) -> SoftwareSigner:
        """Read a PEM key. Raises ``SigningError``, also for a wrong password, and for a key that is post-quantum
        unless the caller says that it may be.
        """
        try:
            blocks = _PRIVATE.findall(pem) if post_quantum else []
            if len(blocks) == 2:
                return cls(pq.hybrid_of(*(load_pem_private_key(one, password) for one in blocks)))
            key = load_pem_private_key(pem, password)
            return cls(key) if post_quantum and pq.alg_of(key) else cls._checked(key)
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise SigningError("the private key cannot be read: wrong password or not a PEM key") from error

    @classmethod
    def _checked(cls, key: object) -> SoftwareSigner:
        if not isinstance(key, (ec.EllipticCurvePrivateKey, ed25519.Ed25519PrivateKey)):
            raise SigningError("the private key is not P-256, P-384 or Ed25519")
        return cls(key)

    @property
    def public_key(self) -> PublicKey:
        """The matching public key."""
        return self._public

    @property
    def crypto(self) -> Any:
        """The key object itself, for X.509 building; never logged or shown."""
        return self._key

    def sign(self, message: bytes) -> bytes:
        """Sign ``message``; R || S for ECDSA."""
        if isinstance(self._key, ed25519.Ed25519PrivateKey):
            return self._key.sign(message)
        if self._public.alg in pq.POST_QUANTUM:
            return pq.sign(self._key, message)
        _, _, ecdsa, width, _ = _CURVES[self._public.alg]
        return der_to_raw(self._key.sign(message, ecdsa), width)

    def to_der(self) -> bytes:
        """The key as unencrypted PKCS #8, for a store that encrypts it itself. ``ValueError`` for a hybrid key."""
        if isinstance(self._key, pq.HybridPrivateKey):
            raise ValueError("a hybrid key is two keys: it has no DER form here")  # noqa: TRY004 - of the right type
        der: bytes = self._key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
        return der

    def to_pem(self, *, password: bytes | None) -> bytes:
        """The key as PKCS #8 PEM, encrypted unless ``password`` is ``None``."""
        encryption = NoEncryption() if password is None else BestAvailableEncryption(password)
        hybrid = isinstance(self._key, pq.HybridPrivateKey)
        keys = (self._key.ml_dsa, self._key.ecdsa) if hybrid else (self._key,)
        return b"".join(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption) for key in keys)

    def __repr__(self) -> str:
        return f"SoftwareSigner({self._public!r})"
