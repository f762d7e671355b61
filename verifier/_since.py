"""What today's trust bundle says about the keys and certificates of an old verdict."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from vcred.catalog.age import KST
from vcred.errors import RefusedError
from vcred.formats._wire import epoch
from vcred.reasons import ReasonCode
from vcred.trust.content import WithdrawalReason
from verifier.findings import AuditCode, AuditFinding

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from vcred.credential import StatusEntry
    from vcred.trust import TrustBundle
    from vcred.trust.content import Withdrawal
    from verifier.judge import SignedBy
    from verifier.verdict import CertificateFact, RecordedVerdict

__all__ = ["since"]

_DAY, _HOUR = 86_400, 3_600
_ANY_AGE = dt.timedelta(days=36_500)


def since(
    bundle: TrustBundle,
    verdict: RecordedVerdict,
    signed: Sequence[SignedBy],
    *,
    judged_at: int,
    at: dt.datetime,
) -> Iterator[AuditFinding]:
    """For each certificate: was its key valid on the day of issue, and what happened since.

    ``signed`` is known where the answer could be read; without it the entry's day of issue has to do.
    """
    exact = {one.query_id: one for one in signed}
    for fact in verdict.certificates:
        if fact.issuer is not None and fact.kid is not None and fact.code is not None and fact.issued_on is not None:
            yield _key(bundle, fact, exact.get(fact.query_id), judged_at=judged_at, at=at)
        if fact.query_id in exact:
            yield from _status(bundle, verdict, exact[fact.query_id], at=at)


def _key(
    bundle: TrustBundle, fact: CertificateFact, signed: SignedBy | None, *, judged_at: int, at: dt.datetime
) -> AuditFinding:
    assert fact.issuer is not None
    assert fact.kid is not None
    assert fact.code is not None
    assert fact.issued_on is not None
    kid, about = bytes.fromhex(fact.kid), fact.query_id
    # Of a verdict without its answer only the day of issue is known, so every hour of it is asked about.
    day = epoch(dt.datetime(fact.issued_on.year, fact.issued_on.month, fact.issued_on.day, tzinfo=KST))
    moments = (signed.issued_at,) if signed is not None else (*range(day, day + _DAY, _HOUR), day + _DAY - 1)
    own = [each for authority in bundle.authorities if authority.id == fact.issuer for each in authority.withdrawn]
    leaked = {each for authority in bundle.authorities for each in authority.withdrawn if each.kid == kid}
    withdrawn = [each for each in own if each.kid is None or each.kid == kid]
    withdrawn += [each for each in leaked if each.reason is WithdrawalReason.COMPROMISED]
    if any(each.reason is WithdrawalReason.COMPROMISED for each in withdrawn):
        return AuditFinding(code=AuditCode.KEY_COMPROMISED, about=about, detail=_days(withdrawn))
    problem: RefusedError | None = None
    refused = 0
    for issued_at in moments:
        try:
            bundle.resolve_issuer(
                issuer=fact.issuer,
                kid=kid,
                x5c=() if signed is None else signed.x5c,
                code=fact.code,
                issued_at=issued_at,
                at=dt.datetime.fromtimestamp(judged_at, dt.UTC),
            )
        except RefusedError as error:
            problem, refused = error, refused + 1
    if problem is not None:
        code = AuditCode.KEY_NOT_VALID if refused == len(moments) else AuditCode.KEY_PART_OF_DAY
        return AuditFinding(code=code, about=about, reason=problem.code, detail=str(problem))
    if any(each.at <= epoch(at) for each in withdrawn):
        return AuditFinding(code=AuditCode.KEY_SUPERSEDED, about=about, detail=_days(withdrawn))
    return AuditFinding(code=AuditCode.KEY_VALID, about=about)


def _status(
    bundle: TrustBundle, verdict: RecordedVerdict, signed: SignedBy, *, at: dt.datetime
) -> Iterator[AuditFinding]:
    from vcred.status import check_every, check_status  # noqa: PLC0415 - loaded when one is asked for

    if signed.status is None:
        return
    known = {code for certificate, _, code in verdict.findings if certificate == signed.query_id}

    def look_up(entry: StatusEntry) -> None:
        check_status(entry, bundle.status_list(entry.uri), max_age=_ANY_AGE, at=at)

    try:
        check_every(signed.status, look_up)
    except RefusedError as error:
        if error.code.value in known:
            return
        codes = {
            ReasonCode.REVOKED: AuditCode.REVOKED_SINCE,
            ReasonCode.SUSPENDED: AuditCode.SUSPENDED_SINCE,
        }
        code = codes.get(error.code, AuditCode.STATUS_UNKNOWN)
        reason = error.code if code is AuditCode.STATUS_UNKNOWN else None
        yield AuditFinding(code=code, about=signed.query_id, reason=reason)


def _days(withdrawn: Sequence[Withdrawal]) -> str:
    return dt.datetime.fromtimestamp(min(each.at for each in withdrawn), dt.UTC).isoformat()
