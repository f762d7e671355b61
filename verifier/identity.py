"""Who asks: the reader's certificate and the key that signs its requests."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from vcred.errors import RefusedError, SigningError
from vcred.keys.pem import read_pem_chain

if TYPE_CHECKING:
    from pathlib import Path

    from vcred.keys import Signer

__all__ = ["ReaderIdentity"]


@dataclass(frozen=True, slots=True)
class ReaderIdentity:
    """A reader: X.509 chain (DER, leaf first, without the root) and the signer of the leaf's key.

    ``client_id`` is what wallets bind their answers to; online, ``client_ids`` has the others that they may be given,
    one for each of ``dns_names``. Raises ``SigningError`` when chain and signer
    do not belong together or the leaf is no reader certificate.
    """

    chain: tuple[bytes, ...] = field(repr=False)
    signer: Signer = field(repr=False)
    client_id: str = field(init=False)
    dns_names: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        from vcred.trust import Purpose  # noqa: PLC0415 - X.509 is loaded when an identity is made, not on import
        from vcred.trust.x509 import check_leaf, read_certificate  # noqa: PLC0415

        if not self.chain:
            raise SigningError("a reader has at least one certificate")
        try:
            leaf = read_certificate(self.chain[0], "reader")
            check_leaf(leaf, purpose=Purpose.READER, path="reader")
        except RefusedError as error:
            raise SigningError(f"the reader certificate cannot be used: {error}") from error
        if leaf.key != self.signer.public_key:
            raise SigningError("the signer's key is not the one in the reader certificate")
        digest = base64.urlsafe_b64encode(hashlib.sha256(self.chain[0]).digest()).rstrip(b"=").decode()
        object.__setattr__(self, "client_id", f"x509_hash:{digest}")
        object.__setattr__(self, "dns_names", leaf.dns_names)

    @property
    def client_ids(self) -> tuple[str, ...]:
        """Everything this reader may be called."""
        return (self.client_id, *(f"x509_san_dns:{name}" for name in self.dns_names))

    @classmethod
    def load(cls, path: str | Path, *, signer: Signer) -> Self:
        """Read a PEM file with the reader's certificate and, below it, intermediates. Raises ``SigningError``."""
        return cls(read_pem_chain(path), signer)
