"""What a verification found. The outcome is derived from checks that passed, never from the absence of errors."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from vcred.errors import NotAcceptedError
from vcred.reasons import Outcome, Reason, ReasonCode

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date, timedelta

    from vcred.freshness import Freshness
    from vcred.presentation import Presentation, PresentationRequest

__all__ = ["Assurance", "CertificateResult", "Check", "CheckStatus", "VerificationResult"]


class CheckStatus(StrEnum):
    """How one check ended. ``UNDECIDED``: it was made, and there was not enough to tell."""

    PASSED = "PASSED"
    FAILED = "FAILED"
    UNDECIDED = "UNDECIDED"
    SKIPPED = "SKIPPED"


class Assurance(StrEnum):
    """How sure it is that the holder is here and now.

    ``challenged``: the holder's key answered this request. ``unchallenged``: it signed recently, and the
    same answer may have been shown elsewhere. ``bearer``: whoever had the document.
    """

    CHALLENGED = "challenged"
    UNCHALLENGED = "unchallenged"
    BEARER = "bearer"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One step, the clause it comes from, the certificate (query id) it is about, and how it ended."""

    step: int
    name: str
    clause: str
    status: CheckStatus
    certificate: str = ""
    reasons: tuple[Reason, ...] = ()
    blocked_by: str | None = None

    def to_json(self) -> dict[str, Any]:
        """As JSON-able values."""
        return {
            "step": self.step,
            "name": self.name,
            "clause": self.clause,
            "certificate": self.certificate,
            "status": self.status.value,
            "reasons": [_reason_json(reason) for reason in self.reasons],
            "blocked_by": self.blocked_by,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateResult:
    """What is known about one presented certificate, without its claims. ``None``: not established."""

    query_id: str
    slot: str
    format: str
    code: str | None = None
    issuer: str | None = None
    issuer_name: Mapping[str, str] = field(default_factory=dict)
    issued_on: date | None = None
    expires_at: int | None = None
    status_age: timedelta | None = None

    def to_json(self) -> dict[str, Any]:
        """As JSON-able values; the age in seconds."""
        return {
            "query_id": self.query_id,
            "slot": self.slot,
            "format": self.format,
            "code": self.code,
            "issuer": self.issuer,
            "issuer_name": dict(self.issuer_name),
            "issued_on": None if self.issued_on is None else self.issued_on.isoformat(),
            "expires_at": self.expires_at,
            "status_age": None if self.status_age is None else int(self.status_age.total_seconds()),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class VerificationResult:
    """The checks, and what follows from them. True only when ACCEPTED; ``claims`` raises otherwise.

    ``required`` names the checks (certificate, name) without which nothing is accepted. ``freshness`` says, whatever
    the outcome, how old the trust bundle and each certificate's status list were, and under which rule that is good:
    the bundle first, then the certificates in their order. ``trust_age`` is the bundle's age alone.
    """

    checks: tuple[Check, ...]
    required: frozenset[tuple[str, str]]
    certificates: tuple[CertificateResult, ...] = ()
    assurance: Assurance
    trust_age: timedelta | None = None
    freshness: tuple[Freshness, ...] = ()
    policy: str = ""
    request: PresentationRequest | None = field(default=None, repr=False)
    presentation: Presentation | None = field(default=None, repr=False)
    disclosed: Mapping[str, Mapping[str, Any]] = field(default_factory=dict, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.outcome is not Outcome.ACCEPTED:
            object.__setattr__(self, "disclosed", MappingProxyType({}))

    @property
    def outcome(self) -> Outcome:
        """ACCEPTED, REJECTED or INDETERMINATE."""
        if any(reason.code.outcome is Outcome.REJECTED for check in self.checks for reason in check.reasons):
            return Outcome.REJECTED
        passed = {(check.certificate, check.name) for check in self.checks if check.status is CheckStatus.PASSED}
        complete = bool(self.checks) and bool(self.required) and self.required <= passed
        if complete and all(check.status is CheckStatus.PASSED for check in self.checks):
            return Outcome.ACCEPTED
        return Outcome.INDETERMINATE

    @property
    def reasons(self) -> tuple[Reason, ...]:
        """Why it was not accepted, each once; empty when it was."""
        found = tuple(dict.fromkeys(reason for check in self.checks for reason in check.reasons))
        if not found and self.outcome is not Outcome.ACCEPTED:
            return (Reason(ReasonCode.UNCHECKED, "", "a required check was not made"),)
        return found

    @property
    def claims(self) -> Mapping[str, Mapping[str, Any]]:
        """The disclosed claims by slot, and by type code where only one certificate has it.

        Where a slot has several certificates, those of each are under its ``query_id``.

        Raises ``NotAcceptedError`` unless the outcome is ACCEPTED.
        """
        if self.outcome is not Outcome.ACCEPTED:
            raise NotAcceptedError(self)
        return self.disclosed

    @property
    def unchallenged(self) -> bool:
        """Whether the answer could be a copy: nobody asked for it by a nonce."""
        return self.assurance is not Assurance.CHALLENGED

    def __bool__(self) -> bool:
        return self.outcome is Outcome.ACCEPTED

    def check(self, name: str, certificate: str = "") -> Check:
        """The check of that name. Raises ``KeyError``."""
        for one in self.checks:
            if one.name == name and one.certificate == certificate:
                return one
        raise KeyError((certificate, name))

    def to_json(self) -> dict[str, Any]:
        """The result as JSON-able values, with sentences in both languages; claims only when ACCEPTED."""
        out: dict[str, Any] = {
            "outcome": self.outcome.value,
            "assurance": self.assurance.value,
            "unchallenged": self.unchallenged,
            "policy": self.policy,
            "trust_age": None if self.trust_age is None else int(self.trust_age.total_seconds()),
            "freshness": [one.to_json() for one in self.freshness],
            "reasons": [_reason_json(reason) for reason in self.reasons],
            "certificates": [one.to_json() for one in self.certificates],
            "checks": [check.to_json() for check in self.checks],
        }
        if self:
            out["claims"] = json.loads(json.dumps({name: dict(claims) for name, claims in self.claims.items()}))
        return out


def _reason_json(reason: Reason) -> dict[str, Any]:
    return {
        "code": reason.code.value,
        "path": reason.path,
        "detail": reason.detail,
        "message": {lang: reason.message(lang) for lang in ("ko", "en")},
        "action": {lang: reason.action(lang) for lang in ("ko", "en")},
    }
