"""The verifier: makes a request, checks the answer, says why. No network needed.

The names below are imported when they are first used, so that ``import verifier`` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vcred.presentation import Challenge, MaxAge
    from verifier.archive import EvidenceArchive
    from verifier.auditor import AuditReport, audit
    from verifier.batch import Checked, Scan, Sheet, Submission, verify_many
    from verifier.findings import AuditCode, AuditFinding
    from verifier.identity import ReaderIdentity
    from verifier.policy import HolderBinding, RrnLevel, VerificationPolicy
    from verifier.requests import MemoryRequestStore, OpenRequest, RequestStore, SqliteRequestStore
    from verifier.result import Assurance, CertificateResult, Check, CheckStatus, VerificationResult
    from verifier.verifier import Verifier

_HOME = {
    "Assurance": "verifier.result",
    "AuditCode": "verifier.findings",
    "AuditFinding": "verifier.findings",
    "AuditReport": "verifier.auditor",
    "CertificateResult": "verifier.result",
    "Challenge": "vcred.presentation",
    "Check": "verifier.result",
    "CheckStatus": "verifier.result",
    "Checked": "verifier.batch",
    "EvidenceArchive": "verifier.archive",
    "HolderBinding": "verifier.policy",
    "MaxAge": "vcred.presentation",
    "MemoryRequestStore": "verifier.requests",
    "OpenRequest": "verifier.requests",
    "ReaderIdentity": "verifier.identity",
    "RequestStore": "verifier.requests",
    "RrnLevel": "verifier.policy",
    "Scan": "verifier.batch",
    "Sheet": "verifier.batch",
    "SqliteRequestStore": "verifier.requests",
    "Submission": "verifier.batch",
    "VerificationPolicy": "verifier.policy",
    "VerificationResult": "verifier.result",
    "Verifier": "verifier.verifier",
    "audit": "verifier.auditor",
    "verify_many": "verifier.batch",
}

__all__ = [
    "Assurance",
    "AuditCode",
    "AuditFinding",
    "AuditReport",
    "CertificateResult",
    "Challenge",
    "Check",
    "CheckStatus",
    "Checked",
    "EvidenceArchive",
    "HolderBinding",
    "MaxAge",
    "MemoryRequestStore",
    "OpenRequest",
    "ReaderIdentity",
    "RequestStore",
    "RrnLevel",
    "Scan",
    "Sheet",
    "SqliteRequestStore",
    "Submission",
    "VerificationPolicy",
    "VerificationResult",
    "Verifier",
    "audit",
    "verify_many",
]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module 'verifier' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
