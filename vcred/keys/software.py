"""Private keys in memory or in a PEM file."""

from __future__ import annotations

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
from vcred.keys.public import _CURVES, PublicKey, der_to_raw

__all__ = ["SoftwareSigner"]


class SoftwareSigner:
    """A ``Signer`` whose key is in this process."""

    __slots__ = ("_key", "_public")

    def __init__(self, key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey) -> None:
        self._key = key
        self._public = PublicKey(key.public_key())

    @classmethod
    def generate(cls) -> SoftwareSigner:
        """A fresh P-256 key."""
        return cls(ec.generate_private_key(ec.SECP256R1()))

    @classmethod
    def from_der(cls, der: bytes) -> SoftwareSigner:
        """Read an unencrypted PKCS #8 key. Raises ``SigningError``."""
        try:
            return cls._checked(load_der_private_key(der, None))
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise SigningError("the private key cannot be read") from error

    @classmethod
    def from_pem(cls, pem: bytes, *, password: bytes | None) -> SoftwareSigner:
        """Read a PEM key. Raises ``SigningError``, also for a wrong password."""
        try:
            return cls._checked(load_pem_private_key(pem, password))
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
    def crypto(self) -> ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey:
        """The key object itself, for X.509 building; never logged or shown."""
        return self._key

    def sign(self, message: bytes) -> bytes:
        """Sign ``message``; R || S for ECDSA."""
        if isinstance(self._key, ed25519.Ed25519PrivateKey):
            return self._key.sign(message)
        _, _, ecdsa, width, _ = _CURVES[self._public.alg]
        return der_to_raw(self._key.sign(message, ecdsa), width)

    def to_der(self) -> bytes:
        """The key as unencrypted PKCS #8, for a store that encrypts it itself."""
        return self._key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())

    def to_pem(self, *, password: bytes | None) -> bytes:
        """The key as PKCS #8 PEM, encrypted unless ``password`` is ``None``."""
        encryption = NoEncryption() if password is None else BestAvailableEncryption(password)
        return self._key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)

    def __repr__(self) -> str:
        return f"SoftwareSigner({self._public!r})"
