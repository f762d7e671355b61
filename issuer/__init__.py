"""The issuer: from a registry's record to signed certificates, and their revocation.

The names below are imported when they are first used, so that ``import issuer`` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from issuer.issuer import Issuer
    from issuer.profile import IssuerProfile
    from issuer.records import RecordSource
    from issuer.status import SignedList
    from issuer.status_store import Selection
    from issuer.store import IssuerStore

_HOME = {
    "Issuer": "issuer.issuer",
    "IssuerProfile": "issuer.profile",
    "IssuerStore": "issuer.store",
    "RecordSource": "issuer.records",
    "Selection": "issuer.status_store",
    "SignedList": "issuer.status",
}

__all__ = ["Issuer", "IssuerProfile", "IssuerStore", "RecordSource", "Selection", "SignedList"]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module 'issuer' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
