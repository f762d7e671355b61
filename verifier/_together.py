"""Steps 9 and 10: all certificates together, against the request and the policy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vcred.dcql import Candidate, answer_problems
from vcred.errors import RefusedError
from vcred.formats.known import query_reader, type_names
from vcred.policy import check_rules
from vcred.reasons import Outcome, Reason, ReasonCode
from verifier.result import Check, CheckStatus

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping, Sequence

    from vcred.presentation import Presentation, PresentationRequest
    from verifier._ledger import Ledger
    from verifier.checks import Examined, Session

__all__ = ["check_policy", "check_query", "check_transaction", "disclosed"]


def check_query(
    ledger: Ledger, request: PresentationRequest, presentation: Presentation, examined: Sequence[Examined]
) -> None:
    """Step 9, first half: the answer is one to what was asked (OpenID4VP 1.0 section 8.6)."""
    known = {one.id for one in request.query.credentials}
    if not known.issuperset(presentation.tokens):
        ledger.refuse("query", (Reason(ReasonCode.DCQL, "", "an answer to something that was not asked"),))
        return
    blocker = ledger.blocker((one.query_id, "type") for one in examined)
    if blocker is not None:
        ledger.skip("query", blocker)
        return
    answer: dict[str, list[Candidate]] = {}
    for one in examined:
        answer.setdefault(one.query_id.partition("[")[0], []).append(_candidate(one))
    problems = tuple(Reason(one.code, one.path, one.detail) for one in answer_problems(request.query, answer))
    if problems:
        ledger.refuse("query", problems)
    else:
        ledger.pass_("query")


def check_transaction(ledger: Ledger, request: PresentationRequest, examined: Sequence[Examined]) -> None:
    """Step 8, for a request with transaction data: each was agreed to by one holder's signature, and nothing else was.

    Which of the certificates that may carry it does so is the wallet's choice (OpenID4VP 1.0 section 5.1).
    """
    wanted = () if request.online is None else request.online.transaction_data
    if not wanted:
        return

    def agreed() -> bool:
        left: list[tuple[str, str, str | None]] = []
        for one in examined:
            binding = None if one.opened is None else one.opened.key_binding
            alg = getattr(binding, "transaction_alg", None)
            hashes = getattr(binding, "transaction_hashes", ())
            left += [(one.query_id.partition("[")[0], value, alg) for value in hashes]
        for data in wanted:
            alg = data.hash_alg if data.named else None
            found = [one for one in left if one[0] in data.credential_ids and one[1] == data.digest()]
            found = [one for one in found if one[2] == alg or (alg is None and one[2] == data.hash_alg)]
            if len(found) != 1:
                raise RefusedError(ReasonCode.TRANSACTION_DATA, "kb.payload", "not agreed to, or more than once")
            left.remove(found[0])
        if left:
            raise RefusedError(ReasonCode.TRANSACTION_DATA, "kb.payload", "something was agreed to that was not asked")
        return True

    ledger.run("transaction_data", agreed, needs=[(one.query_id, "key_binding") for one in examined])


def _candidate(one: Examined) -> Candidate:
    assert one.opened is not None
    assert one.type is not None  # the check "type" passed
    return Candidate(
        id=one.query_id,
        format=one.format,
        types=type_names(one.format, vct=one.opened.vct, doctype=one.type.doctype),
        claims=one.opened.claims,
        holder_bound=one.opened.key_binding is not None,
        disclosed=tuple(one.opened.disclosures),
        reads=query_reader(one.format, one.type, one.opened.claims),
    )


def check_policy(
    session: Session, ledger: Ledger, examined: Sequence[Examined], reference_date: dt.date | None
) -> None:
    """Steps 9 and 10: the rules, over certificates that their issuers really signed."""
    needs = [("", "clock")]
    needs += [(one.query_id, name) for one in examined for name in ("signature", "validity")]
    blocker = ledger.blocker(needs)
    known = {slot.id for slot in session.policy.slots}
    if blocker is not None:
        ledger.skip("policy", blocker)
        return
    if any(one.slot not in known for one in examined):
        ledger.refuse("policy", (Reason(ReasonCode.DCQL, "", "a certificate that the policy does not ask for"),))
        return
    filled: dict[str, list[Any]] = {}
    for one in examined:
        filled.setdefault(one.slot, []).append(one.presented())
    ledger.pass_("policy")
    for rule in check_rules(session.policy, filled, at=session.at, reference_date=reference_date):
        reasons = tuple(finding.reason for finding in rule.findings)
        status = CheckStatus.SKIPPED if rule.blocked_by is not None else CheckStatus.PASSED
        if reasons:
            rejected = any(reason.code.outcome is Outcome.REJECTED for reason in reasons)
            status = CheckStatus.FAILED if rejected else CheckStatus.UNDECIDED
        ledger.rule(
            Check(
                step=rule.step,
                name=rule.rule,
                clause=f"policy {session.policy.id}",
                status=status,
                certificate=rule.certificate,
                reasons=reasons,
                blocked_by=rule.blocked_by,
            )
        )


def disclosed(examined: Sequence[Examined]) -> dict[str, Mapping[str, Any]]:
    """Claims by slot, and by type code where it is unambiguous; of several in a slot each by its query id."""
    found: dict[str, list[Examined]] = {}
    for one in examined:
        if one.opened is not None and one.type is not None:
            for name in dict.fromkeys((one.slot, one.type.code)):
                found.setdefault(name, []).append(one)
    alone = {name: many[0] for name, many in found.items() if len(many) == 1}
    several = {one.query_id: one for many in found.values() for one in many if len(found[one.slot]) > 1}
    return {name: one.opened.claims for name, one in (alone | several).items() if one.opened is not None}
