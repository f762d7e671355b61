"""The holder's software: an encrypted store, receiving, consent, presenting, history, backup.

The names below are imported when they are first used, so that ``import wallet`` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wallet._crypto import new_recovery_key
    from wallet.backup import restore
    from wallet.certificate import Certificate, CertificateState
    from wallet.consent import Consent, ConsentRequest
    from wallet.file_store import FileStore
    from wallet.hardening import forbid_core_dumps
    from wallet.receipts import ReceiptBasis, ReceiptProof
    from wallet.store import CredentialStore, DamagedRecord, MemoryStore
    from wallet.wallet import Wallet

_HOME = {
    "Certificate": "wallet.certificate",
    "CertificateState": "wallet.certificate",
    "Consent": "wallet.consent",
    "ConsentRequest": "wallet.consent",
    "CredentialStore": "wallet.store",
    "DamagedRecord": "wallet.store",
    "FileStore": "wallet.file_store",
    "MemoryStore": "wallet.store",
    "ReceiptBasis": "wallet.receipts",
    "ReceiptProof": "wallet.receipts",
    "Wallet": "wallet.wallet",
    "forbid_core_dumps": "wallet.hardening",
    "new_recovery_key": "wallet._crypto",
    "restore": "wallet.backup",
}

__all__ = [
    "Certificate",
    "CertificateState",
    "Consent",
    "ConsentRequest",
    "CredentialStore",
    "DamagedRecord",
    "FileStore",
    "MemoryStore",
    "ReceiptBasis",
    "ReceiptProof",
    "Wallet",
    "forbid_core_dumps",
    "new_recovery_key",
    "restore",
]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module 'wallet' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
