"""What is wrong with given certificates under a policy. Pure: no clock, no I/O, no trust decision.

The wallet asks before it presents (``evaluate``), the verifier asks for the evidence
(``check_rules``: every rule that applies, with its findings, as steps 9 and 10).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations, starmap
from typing import TYPE_CHECKING

from vcred.catalog.age import kst_date
from vcred.policy import _cross, _slot
from vcred.policy._finding import Finding
from vcred.policy.compile import slot_of
from vcred.policy.presented import alike
from vcred.policy.rules import Relation, SameAddress, SamePerson
from vcred.reasons import ReasonCode

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import date, datetime

    from vcred.policy.model import VerificationPolicy
    from vcred.policy.presented import PresentedCertificate
    from vcred.policy.rules import Rule

__all__ = ["Finding", "RuleCheck", "check_rules", "evaluate"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleCheck:
    """One rule that applied. Without ``findings`` it holds; with ``blocked_by`` it could not be asked.

    ``certificate`` is the slot it looked at, or several slots joined by ``+``.
    """

    rule: str
    step: int
    certificate: str
    findings: tuple[Finding, ...] = ()
    blocked_by: str | None = None


def evaluate(
    policy: VerificationPolicy,
    certificates: Mapping[str, Sequence[PresentedCertificate]],
    *,
    at: datetime,
    reference_date: date | None = None,
) -> list[Finding]:
    """Everything wrong with ``certificates`` (by slot, or by the query ids of the compiled policy).

    An empty list says that every rule holds, given what is visible. Raises ``ValueError`` for a naive
    ``at`` or when the policy needs a reference date and there is none.
    """
    checks = check_rules(policy, certificates, at=at, reference_date=reference_date)
    return [finding for check in checks for finding in check.findings]


def check_rules(
    policy: VerificationPolicy,
    certificates: Mapping[str, Sequence[PresentedCertificate]],
    *,
    at: datetime,
    reference_date: date | None = None,
) -> tuple[RuleCheck, ...]:
    """Every rule of ``policy`` that applies to ``certificates``, in order. Raises like ``evaluate``."""
    if policy.needs_reference_date and reference_date is None:
        raise ValueError(f"policy {policy.id} needs a reference date")
    today = kst_date(at)
    filled = _by_slot(policy, certificates)
    checks = [_presence(policy, filled)]
    for slot in policy.slots:
        for certificate in filled.get(slot.id, ()):
            asked = _slot.Asked(policy, slot, certificate, today, reference_date)
            for name, findings in _slot.checks(asked):
                checks.append(RuleCheck(rule=name, step=9, certificate=slot.id, findings=tuple(findings)))
    checks += [check for rule in policy.rules for check in _apply(policy, rule, filled, today)]
    return tuple(checks)


def _by_slot(
    policy: VerificationPolicy, certificates: Mapping[str, Sequence[PresentedCertificate]]
) -> dict[str, list[PresentedCertificate]]:
    known = {slot.id for slot in policy.slots}
    filled: dict[str, list[PresentedCertificate]] = {}
    for key, many in certificates.items():
        slot = slot_of(key)
        if slot not in known:
            raise ValueError(f"policy {policy.id} has no slot {slot!r}")
        filled.setdefault(slot, []).extend(many)
    return {slot: many for slot, many in filled.items() if many}


def _presence(policy: VerificationPolicy, filled: Mapping[str, list[PresentedCertificate]]) -> RuleCheck:
    """A slot takes one certificate: none where one is needed is wrong, and so are two where it is for one.

    Where it takes several they are several: two that may be one are for a person to look at.
    """
    missing = [slot.id for slot in policy.slots if slot.required and slot.id not in filled]
    for choice in policy.combinations:
        if not any(all(slot in filled for slot in option) for option in choice):
            missing += [slot for slot in choice[0] if slot not in filled]
    # Two in one slot could be of two people, and whoever reads the claims would have to pick one.
    crowded = [slot for slot, many in filled.items() if len(many) > 1 and not policy.slot(slot).multiple]
    twice = [
        slot for slot, many in filled.items() if slot not in crowded and any(starmap(alike, combinations(many, 2)))
    ]
    return RuleCheck(
        rule="certificates",
        step=9,
        certificate="",
        findings=(
            *(
                Finding(rule="certificates", code=ReasonCode.MISSING_CERTIFICATE, certificate=slot)
                for slot in dict.fromkeys(missing)
            ),
            *(
                Finding(rule="certificates", code=ReasonCode.DCQL, certificate=slot, detail="more than one certificate")
                for slot in crowded
            ),
            *(
                # A holder has several copies of each, and may show two of one.
                Finding(rule="certificates", code=ReasonCode.MANUAL, certificate=slot, detail="nothing tells two apart")
                for slot in twice
            ),
        ),
    )


def _apply(
    policy: VerificationPolicy, rule: Rule, filled: Mapping[str, list[PresentedCertificate]], today: date
) -> Iterator[RuleCheck]:
    """A rule over a slot that nobody had to fill, and nobody filled, does not apply."""
    names = "+".join(rule.slots)
    empty = [slot for slot in rule.slots if slot not in filled]
    if empty:
        if any(policy.slot(slot).required for slot in empty):
            yield RuleCheck(rule=rule.id, step=rule.step, certificate=names, blocked_by="certificates")
        return
    present = {slot: filled[slot] for slot in rule.slots}
    if not isinstance(rule, (SamePerson, Relation, SameAddress)) and not any(
        rule.applies_to(cert.code) for cert in present[rule.slot]
    ):
        return
    if isinstance(rule, (SamePerson, Relation, SameAddress)):
        findings = list(_cross.findings(policy, rule, present))
    else:
        findings = [one for many in present.values() for cert in many for one in _slot.findings(rule, cert, today)]
    yield RuleCheck(rule=rule.id, step=rule.step, certificate=names, findings=tuple(findings))
