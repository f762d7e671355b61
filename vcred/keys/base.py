"""The two things the SDK needs of a key: sign with it, verify with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from vcred.keys.public import PublicKey

__all__ = ["Signer"]


@runtime_checkable
class Signer(Protocol):
    """A private key, wherever it lives. Users pass one; implementers write the two members.

    ``sign`` returns the raw signature as JOSE and COSE use it (ECDSA: R || S, fixed width) over
    ``message`` (the hash is the algorithm's own) and raises ``SigningError`` when the key is locked,
    gone or refuses. It never falls back to another key.
    """

    @property
    def public_key(self) -> PublicKey:
        """The key that verifies what this one signs; its ``alg`` is the only algorithm used."""

    def sign(self, message: bytes) -> bytes:
        """Sign ``message``."""
