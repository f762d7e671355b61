"""vcred: a verifiable digital-wallet SDK. What issuer, wallet and verifier share.

The names below are imported when they are first used, so that ``import vcred`` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vcred.catalog import Catalog, CertificateType
    from vcred.claims import ClaimPath
    from vcred.credential import Credential
    from vcred.errors import VcredError
    from vcred.keys import PublicKey, Signer, load_signer
    from vcred.presentation import Challenge, MaxAge, Presentation, PresentationRequest
    from vcred.reasons import Outcome, Reason, ReasonCode
    from vcred.receipt import Receipt
    from vcred.trust import TrustBundle

_HOME = {
    "Catalog": "vcred.catalog",
    "CertificateType": "vcred.catalog",
    "Challenge": "vcred.presentation",
    "ClaimPath": "vcred.claims",
    "Credential": "vcred.credential",
    "MaxAge": "vcred.presentation",
    "Outcome": "vcred.reasons",
    "Presentation": "vcred.presentation",
    "PresentationRequest": "vcred.presentation",
    "PublicKey": "vcred.keys",
    "Reason": "vcred.reasons",
    "ReasonCode": "vcred.reasons",
    "Receipt": "vcred.receipt",
    "Signer": "vcred.keys",
    "TrustBundle": "vcred.trust",
    "VcredError": "vcred.errors",
    "load_signer": "vcred.keys",
}

__all__ = [
    "Catalog",
    "CertificateType",
    "Challenge",
    "ClaimPath",
    "Credential",
    "MaxAge",
    "Outcome",
    "Presentation",
    "PresentationRequest",
    "PublicKey",
    "Reason",
    "ReasonCode",
    "Receipt",
    "Signer",
    "TrustBundle",
    "VcredError",
    "load_signer",
]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module 'vcred' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
