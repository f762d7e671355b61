"""The list of checks as they are made: each with its clause, what it needed, and how it ended."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from vcred.errors import RefusedError
from vcred.reasons import Outcome, Reason
from verifier.result import Check, CheckStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["CLAUSES", "Ledger"]

T = TypeVar("T")

CLAUSES: dict[str, tuple[int, str]] = {
    "answer": (1, "OpenID4VP 1.0 8.1; QR profile: envelope"),
    "parse": (1, "RFC 9901 4; SD-CWT 4; limits of our own"),
    "format": (2, "RFC 8725 3.1, 3.11; RFC 9901 7.1; SD-CWT 7"),
    "clock": (3, "the last time seen, kept with the bundle and the requests"),
    "bundle": (3, "TUF specification 5: expiry"),
    "trust_age": (3, "the policy's limit for the age of the trust bundle"),
    "type": (3, "SD-JWT VC 3.2.2.1; catalogue of the trust bundle"),
    "issuer": (3, "SD-JWT VC 3.5; RFC 5280 6; trust bundle"),
    "signature": (4, "RFC 7515 5.2; RFC 9052 4.4"),
    "digests": (5, "RFC 9901 7.1; SD-CWT 7"),
    "validity": (6, "RFC 7519 4.1.4 to 4.1.6; RFC 8392 3.1"),
    "status": (7, "Token Status List 8.3"),
    "request": (8, "OpenID4VP 1.0 14.1; 120 s"),
    "holder_binding": (8, "RFC 9901 7.3; SD-CWT 8"),
    "key_binding": (8, "RFC 9901 7.3; SD-CWT 8"),
    "audience": (8, "RFC 9901 7.3; OpenID4VP 1.0 14.1.2"),
    "freshness": (8, "RFC 9901 7.3; OpenID4VP 1.0 14.1"),
    "transaction_data": (8, "OpenID4VP 1.0 8.4 and B.3.3: hashes in the key-binding JWT"),
    "replay": (8, "OpenID4VP 1.0 14.1: a nonce counts once"),
    "query": (9, "OpenID4VP 1.0 6.4 and 8.6"),
    "policy": (9, "the policy's rules"),
}
"""Step and source of every check that is not a rule of a policy."""


class Ledger:
    """Checks in the order they were made. A check whose needs did not pass is skipped and says what blocked it."""

    def __init__(self) -> None:
        self.checks: list[Check] = []

    def run(
        self, name: str, action: Callable[[], T], *, certificate: str = "", needs: Iterable[tuple[str, str]] = ()
    ) -> T | None:
        """Make a check: ``action`` raises ``RefusedError`` or returns. ``None`` when it did not pass."""
        blocker = self.blocker(needs)
        if blocker is not None:
            self.skip(name, blocker, certificate=certificate)
            return None
        try:
            value = action()
        except RefusedError as error:
            self.refuse(name, (Reason(error.code, error.path, error.detail),), certificate=certificate)
            return None
        self._add(name, CheckStatus.PASSED, certificate)
        return value

    def pass_(self, name: str, *, certificate: str = "") -> None:
        """Note a check that was made as part of another one, and passed."""
        self._add(name, CheckStatus.PASSED, certificate)

    def refuse(self, name: str, reasons: tuple[Reason, ...], *, certificate: str = "") -> None:
        """Note a check that did not pass: failed, or undecided if no reason means rejection."""
        rejected = any(reason.code.outcome is Outcome.REJECTED for reason in reasons)
        status = CheckStatus.FAILED if rejected else CheckStatus.UNDECIDED
        self._add(name, status, certificate, reasons=_below(certificate, reasons))

    def skip(self, name: str, blocked_by: str, *, certificate: str = "") -> None:
        """Note a check that could not be made."""
        self._add(name, CheckStatus.SKIPPED, certificate, blocked_by=blocked_by)

    def rule(self, check: Check) -> None:
        """Note a rule of the policy."""
        self.checks.append(check)

    def blocker(self, needs: Iterable[tuple[str, str]]) -> str | None:
        """The first of ``needs`` (certificate, name) that has not passed."""
        passed = {(one.certificate, one.name) for one in self.checks if one.status is CheckStatus.PASSED}
        return next((".".join(part for part in need if part) for need in needs if need not in passed), None)

    def _add(
        self,
        name: str,
        status: CheckStatus,
        certificate: str,
        *,
        reasons: tuple[Reason, ...] = (),
        blocked_by: str | None = None,
    ) -> None:
        step, clause = CLAUSES[name]
        self.checks.append(
            Check(
                step=step,
                name=name,
                clause=clause,
                status=status,
                certificate=certificate,
                reasons=reasons,
                blocked_by=blocked_by,
            )
        )


def _below(certificate: str, reasons: tuple[Reason, ...]) -> tuple[Reason, ...]:
    """Reasons with the certificate's query id at the head of their path."""
    return tuple(
        Reason(one.code, ".".join(part for part in (certificate, one.path) if part), one.detail) for one in reasons
    )
