"""Who vouches for the wallet and its keys: the wallet's provider, whose service an app calls, or a file that is here.

An attestation says that this is an unchanged wallet of that provider, and how its keys are kept. ``LocalAttester`` says
so because it is told to: it is for development, tests, and a provider's own service.
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING, Final, Protocol

from vcred.errors import SigningError
from vcred.oauth import build_client_attestation
from vcred.oid4vci import build_key_attestation

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from pathlib import Path

    from vcred.keys import PublicKey, Signer

__all__ = ["LocalAttester", "WalletAttester"]

_LIFETIME: Final = timedelta(hours=1)
_KEY: Final = re.compile(rb"-----BEGIN ([A-Z ]*PRIVATE KEY)-----.+?-----END \1-----", re.DOTALL)
_STORAGE: Final = ("iso_18045_basic",)
"""What a key in this wallet's encrypted file withstands (OpenID4VCI 1.0 appendix D.2)."""


class WalletAttester(Protocol):
    """Attests this wallet. Users pass one to ``Online``; implementers call their provider and may keep answers."""

    @property
    def client_id(self) -> str:
        """What the wallet is called: ``sub`` of its attestations, the same for every installation."""

    def attest_wallet(self, key: PublicKey, *, at: datetime) -> str:
        """An attestation that an installation has ``key``. Raises ``TransportError``, ``SigningError``."""

    def attest_keys(self, keys: Sequence[PublicKey], *, nonce: str | None, at: datetime) -> str:
        """An attestation of holder keys. Raises ``TransportError``, ``SigningError``."""


class LocalAttester:
    """An attester whose key is here. ``chain`` is DER, leaf first, without its root."""

    def __init__(self, signer: Signer, chain: Sequence[bytes], *, client_id: str, issuer: str) -> None:
        self._signer = signer
        self._chain = tuple(chain)
        self._client_id = client_id
        self._issuer = issuer

    @classmethod
    def load(cls, path: Path, *, client_id: str, issuer: str) -> LocalAttester:
        """From a PEM file with an unencrypted private key and its certificates. Raises ``SigningError``."""
        from vcred.keys import SoftwareSigner  # noqa: PLC0415 - only where an attester is a file
        from vcred.keys.pem import read_pem_chain  # noqa: PLC0415 - as above

        chain = read_pem_chain(path)
        found = _KEY.search(path.read_bytes())
        if found is None:
            raise SigningError(f"{path}: no private key in PEM form")
        signer = SoftwareSigner.from_pem(found[0] + b"\n", password=None)
        return cls(signer, chain, client_id=client_id, issuer=issuer)

    @property
    def client_id(self) -> str:
        """See ``WalletAttester``."""
        return self._client_id

    def attest_wallet(self, key: PublicKey, *, at: datetime) -> str:
        """See ``WalletAttester``."""
        return build_client_attestation(
            self._signer,
            key,
            client_id=self._client_id,
            issuer=self._issuer,
            at=at,
            lifetime=_LIFETIME,
            x5c=self._chain,
        )

    def attest_keys(self, keys: Sequence[PublicKey], *, nonce: str | None, at: datetime) -> str:
        """See ``WalletAttester``."""
        return build_key_attestation(
            self._signer,
            keys,
            nonce=nonce,
            at=at,
            lifetime=_LIFETIME,
            key_storage=_STORAGE,
            user_authentication=_STORAGE,
            x5c=self._chain,
        )

    def __repr__(self) -> str:
        return f"LocalAttester({self._client_id!r})"
