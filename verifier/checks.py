"""The checks of one presented certificate, as a numbered list (design section 2).

 1  parse: the bytes are what their format says, within limits (RFC 9901 4; SD-CWT 4)
 2  format: algorithm, type and critical headers are on our list, the algorithm on the policy's (RFC 8725 3.1, 3.11)
 3  type: the catalogue knows the type, in this format; issuer: chain or key leads to an anchor that may sign this type
 4  signature: the issuer signed these bytes (RFC 7515 5.2; RFC 9052 4.4)
 5  digests: every disclosure matches one digest, none is left over (RFC 9901 7.1; SD-CWT 7)
 6  validity: nbf, iat and exp, with 60 s for clocks (RFC 7519 4.1)
 7  status: a list that is signed, young enough for the policy and the type, and says valid (Token Status List 8.3)
 8  holder: bound to a key that signed this presentation, for us, now (RFC 9901 7.3; SD-CWT 8)

Steps 9 and 10 look at all certificates together and are in ``verifier.judge``. How old trust and status were, and under
whose limit that is good, is noted whatever comes out (``freshness_of``). A check runs when what it
needs has passed; with a clock that cannot be right, nothing that depends on the time runs at all.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from vcred.catalog.age import kst_date
from vcred.credential import status_entries
from vcred.errors import MalformedError, RefusedError
from vcred.formats.known import may_be_in
from vcred.formats.paper import PAPER_FORMAT
from vcred.freshness import Freshness, FreshnessState, Limit, LimitRule, Subject, trust_freshness
from vcred.policy import HolderBinding, PresentedCertificate
from vcred.presentation import Challenge
from vcred.reasons import Reason, ReasonCode
from verifier._formats import open_presented
from verifier.result import CertificateResult

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from vcred.catalog import CertificateType
    from vcred.credential import KeyBinding, Opened, StatusEntry
    from vcred.formats.base import CredentialFormat
    from vcred.policy import VerificationPolicy
    from vcred.presentation import Presentation, PresentationRequest, Presented
    from vcred.trust import TrustBundle, VerifiedIssuer
    from verifier._ledger import Ledger

__all__ = ["BOUND", "ISSUED", "Examined", "Session", "check_trust_age", "examine", "freshness_of", "trust_limit"]

LEEWAY = 60
"""Seconds that honest clocks may differ."""

ONE_WAY_LEEWAY = 1
"""Seconds on top of a one-way answer's age: every second more is a second of replay."""

ISSUED = ("parse", "format", "digests", "type", "issuer", "signature", "validity", "status", "holder_binding")
"""What every certificate must pass."""

BOUND = ("key_binding", "audience", "freshness")
"""What it must pass besides, unless the policy takes documents that anybody can carry."""

_FORMAT_CODES = frozenset(
    {ReasonCode.ALG, ReasonCode.TYP, ReasonCode.CRIT, ReasonCode.KID, ReasonCode.KEY, ReasonCode.KEY_USE}
)
_DIGEST_CODES = frozenset(
    {
        ReasonCode.COLLISION,
        ReasonCode.DIGEST,
        ReasonCode.DISCLOSURE,
        ReasonCode.DUPLICATE_DIGEST,
        ReasonCode.DUPLICATE_DISCLOSURE,
        ReasonCode.MUST_BE_PLAIN,
        ReasonCode.SD_ALG,
        ReasonCode.UNUSED_DISCLOSURE,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """What the checks are made with. ``request`` is ``None`` for a paper document."""

    trust: TrustBundle
    policy: VerificationPolicy
    formats: Mapping[str, CredentialFormat]
    request: PresentationRequest | None
    presentation: Presentation | None
    at: dt.datetime
    now: int


@dataclass(slots=True, kw_only=True)
class Examined:
    """What is known of one certificate so far; only checks that passed fill a field."""

    query_id: str
    slot: str
    format: str
    opened: Opened | None = field(default=None, repr=False)
    type: CertificateType | None = field(default=None, repr=False)
    issuer: VerifiedIssuer | None = field(default=None, repr=False)
    issued_on: dt.date | None = None
    status: Freshness | None = None
    bearer: bool = False

    def summary(self) -> CertificateResult:
        """The part that goes into the result: no claims."""
        opened, issuer = self.opened, self.issuer
        return CertificateResult(
            query_id=self.query_id,
            slot=self.slot,
            format=self.format,
            code=None if self.type is None else self.type.code,
            issuer=None if opened is None or issuer is None else issuer.authority.id,
            issuer_name={} if issuer is None else {lang: issuer.authority.name(lang) for lang in ("ko", "en")},
            issued_on=self.issued_on,
            expires_at=None if opened is None else opened.expires_at,
            status_age=self.freshness().age,
        )

    def freshness(self) -> Freshness:
        """How old its status list is, or why that is not known."""
        return self.status or _status_state(self, FreshnessState.UNKNOWN)

    def presented(self) -> PresentedCertificate:
        """As the policy's rules see it. Only for a certificate whose issuer checks passed."""
        assert self.opened is not None
        assert self.type is not None
        assert self.issued_on is not None
        assert self.issuer is not None
        return PresentedCertificate(
            code=self.type.code,
            type=self.type,
            claims=self.opened.claims,
            hidden_elements=self.opened.hidden_elements,
            issuer=self.issuer.authority.id,
            issued_on=self.issued_on,
            format=self.format,
        )


def trust_limit(policy: VerificationPolicy) -> Limit:
    """How old the trust bundle may be by ``policy``."""
    return Limit(age=policy.trust.max_age, rule=LimitRule.POLICY, source=policy.id)


def check_trust_age(session: Session, ledger: Ledger) -> None:
    """Part of step 3, once for all certificates: the bundle is as young as the policy wants it."""

    def young_enough() -> bool:
        age = session.trust.age(session.at)
        if age > session.policy.trust.max_age:
            allowed = int(session.policy.trust.max_age.total_seconds())
            detail = f"the trust bundle is {int(age.total_seconds())} s old: at most {allowed} s are allowed"
            raise RefusedError(ReasonCode.STALE, "trust", detail)
        return True

    ledger.run("trust_age", young_enough, needs=(("", "clock"),))


def freshness_of(
    ledger: Ledger, trust: TrustBundle, policy: VerificationPolicy | None, examined: Sequence[Examined], at: dt.datetime
) -> tuple[Freshness, ...]:
    """What every verdict says: the age of the trust bundle, then of each certificate's status list.

    By a clock that cannot be right nothing has an age. Without a policy (the request is not ours, or over) the bundle
    is judged by its own expiry.
    """
    if ledger.blocker([("", "clock")]):
        first = Freshness(subject=Subject.TRUST, state=FreshnessState.UNKNOWN)
    else:
        first = trust_freshness(
            version=trust.version,
            signed_at=trust.signed_at,
            expires_at=trust.expires_at,
            policy=None if policy is None else trust_limit(policy),
            at=at,
        )
    return (first, *(one.freshness() for one in examined))


def examine(session: Session, ledger: Ledger, query_id: str, slot: str, presented: Presented) -> Examined:
    """Steps 1 to 8 for one certificate, noted in ``ledger`` under ``query_id``."""
    found = Examined(query_id=query_id, slot=slot, format=presented.format)
    key = query_id

    # (1, 2, 5): one parser reads everything; its error says which of the three failed.
    _open(session, ledger, found, presented)
    opened = found.opened

    # (3): the type, then who signed it, among the authorities that may sign this type.
    readable = ((key, "parse"), (key, "format"), (key, "digests"))
    found.type = ledger.run("type", lambda: _type(session, opened), certificate=key, needs=readable)
    found.issuer = ledger.run(
        "issuer",
        lambda: _issuer(session, opened, found.type),
        certificate=key,
        needs=(("", "clock"), (key, "type")),
    )

    # (4): with the key that step 3 found, over the bytes as received.
    ledger.run(
        "signature", lambda: _signature(session, opened, found.issuer), certificate=key, needs=((key, "issuer"),)
    )

    # (6): our clock against theirs.
    found.issued_on = ledger.run(
        "validity", lambda: _validity(session, opened), certificate=key, needs=(("", "clock"), *readable)
    )

    # (7): the status of something nobody signed says nothing.
    ledger.run(
        "status", lambda: _status(session, opened, found), certificate=key, needs=(("", "clock"), (key, "signature"))
    )

    # (8): who shows it, to whom, when.
    _holder(session, ledger, found, readable)
    return found


def _open(session: Session, ledger: Ledger, found: Examined, presented: Presented) -> None:
    names = ("parse", "format", "digests")
    form = session.formats.get(presented.format)
    try:
        if form is None:
            raise RefusedError(ReasonCode.FORMAT_NOT_ACCEPTED, "", "this format is not read here")
        opened = open_presented(form, presented, session.request, now=session.now)
        session.policy.check_algorithm(opened.alg)
        found.opened = opened
    except RefusedError as error:
        reason = _misnamed(presented, session.formats) or Reason(error.code, error.path, error.detail)
        failed = "parse" if isinstance(error, MalformedError) else "format"
        if reason.code in _FORMAT_CODES:
            failed = "format"
        elif reason.code in _DIGEST_CODES:
            failed = "digests"
        for name in names:
            if name == failed:
                ledger.refuse(name, (reason,), certificate=found.query_id)
            else:
                ledger.skip(name, f"{found.query_id}.{failed}", certificate=found.query_id)
        return
    for name in names:
        ledger.pass_(name, certificate=found.query_id)


def _misnamed(presented: Presented, formats: Mapping[str, CredentialFormat]) -> Reason | None:
    """That the bytes are in another format than the one they were sent as, where that is why they were refused.

    Whoever sends them names the format, and is not believed: no bytes open in two formats, so the named one's own
    parser is the first look at them, and ``detect`` says what they are instead.
    """
    from vcred.formats.detect import detect  # noqa: PLC0415 - only where something is wrong

    if presented.format not in formats:
        return None
    try:
        found = detect(presented.raw)
    except MalformedError:
        return None
    if found == presented.format:
        return None
    return Reason(ReasonCode.FORMAT, "", f"sent as {presented.format}, but it is {found}")


def _type(session: Session, opened: Opened | None) -> CertificateType:
    assert opened is not None
    kind = session.trust.catalog.by_vct(opened.vct)
    if kind is None:
        raise RefusedError(ReasonCode.VCT, "vct", "the trust bundle has no such certificate type")
    # Paper is a way to carry a certificate: whether it will do is said by holder_binding, the type's and the policy's.
    if opened.format != PAPER_FORMAT and not may_be_in(kind, opened.format):
        raise RefusedError(ReasonCode.FORMAT_NOT_ACCEPTED, "", f"{kind.code} is not issued in this format")
    if session.policy.formats and opened.format not in (*session.policy.formats, PAPER_FORMAT):
        raise RefusedError(ReasonCode.FORMAT_NOT_ACCEPTED, "", f"policy {session.policy.id} does not take this format")
    return kind


def _issuer(session: Session, opened: Opened | None, kind: CertificateType | None) -> VerifiedIssuer:
    assert opened is not None
    assert kind is not None
    if opened.issued_at is None:
        raise RefusedError(ReasonCode.CLAIM_TYPE, "iat", "missing: the key must have been valid on the day of issue")
    return session.trust.resolve_issuer(
        issuer=opened.issuer,
        kid=opened.kid,
        x5c=opened.x5c,
        code=kind.code,
        issued_at=opened.issued_at,
        at=session.at,
    )


def _signature(session: Session, opened: Opened | None, issuer: VerifiedIssuer | None) -> bool:
    assert opened is not None
    assert issuer is not None
    session.formats[opened.format].verify_signature(opened, issuer.key)
    return True


def _validity(session: Session, opened: Opened | None) -> dt.date:
    """The day of issue, in Korea."""
    assert opened is not None
    now = session.now
    if opened.issued_at is None or opened.expires_at is None:
        raise RefusedError(ReasonCode.CLAIM_TYPE, "exp" if opened.expires_at is None else "iat", "missing")
    if now > opened.expires_at + LEEWAY:
        raise RefusedError(ReasonCode.EXPIRED, "exp", f"{now - opened.expires_at} s ago")
    for name, start in (("nbf", opened.not_before), ("iat", opened.issued_at)):
        if start is not None and start > now + LEEWAY:
            raise RefusedError(ReasonCode.NOT_YET_VALID, name, f"in {start - now} s")
    return _issued_on(opened, opened.issued_at)


def _issued_on(opened: Opened, issued_at: int) -> dt.date:
    printed = opened.claims.get("issuedOn")
    if printed is None:
        return kst_date(dt.datetime.fromtimestamp(issued_at, dt.UTC))
    try:
        return dt.date.fromisoformat(printed)
    except (TypeError, ValueError):
        raise RefusedError(ReasonCode.CLAIM_TYPE, "issuedOn", "not a date") from None


def _status(session: Session, opened: Opened | None, found: Examined) -> None:
    """Notes the age of the oldest list, which a clerk wants to know above all when a list is refused."""
    from vcred.status import check_every, check_status, status_freshness  # noqa: PLC0415 - loaded when asked for

    assert opened is not None
    assert found.type is not None
    if not status_entries(opened.status):
        found.status = _status_state(found, FreshnessState.NONE)
        if session.policy.status.required:
            raise RefusedError(ReasonCode.STATUS_MISSING, "status")
        return
    limits = (
        Limit(age=session.policy.status.max_age, rule=LimitRule.POLICY, source=session.policy.id),
        Limit(age=found.type.status.max_age, rule=LimitRule.TYPE, source=found.type.code),
    )
    noted: list[Freshness] = []

    def look_up(entry: StatusEntry) -> None:
        noted.append(_status_state(found, FreshnessState.UNSEEN))
        snapshot = session.trust.status_list(entry.uri)
        problem = None if snapshot is not None else session.trust.status_problem(entry.uri)
        if problem is not None:
            raise RefusedError(problem.code, problem.path, problem.detail)
        if snapshot is not None:
            noted[-1] = status_freshness(snapshot, limits=limits, certificate=found.query_id, at=session.at)
        check_status(entry, snapshot, max_age=min(limit.age for limit in limits), at=session.at)

    try:
        check_every(opened.status, look_up)
    finally:
        found.status = min(noted, key=_worst_first)


def _worst_first(one: Freshness) -> tuple[int, dt.timedelta]:
    order = (FreshnessState.UNSEEN, FreshnessState.UNKNOWN, FreshnessState.STALE, FreshnessState.GOOD)
    return order.index(one.state), -(one.age or dt.timedelta(0))


def _status_state(found: Examined, state: FreshnessState) -> Freshness:
    return Freshness(subject=Subject.STATUS, state=state, certificate=found.query_id)


def _holder(session: Session, ledger: Ledger, found: Examined, readable: tuple[tuple[str, str], ...]) -> None:
    key, opened = found.query_id, found.opened
    found.bearer = bool(ledger.run("holder_binding", lambda: _bearer(session, opened), certificate=key, needs=readable))
    if found.bearer:
        return
    bound = ((key, "holder_binding"), (key, "parse"))
    ledger.run("key_binding", lambda: _key_binding(session, opened), certificate=key, needs=bound)
    signed = ((key, "key_binding"),)
    ledger.run("audience", lambda: _audience(session, opened), certificate=key, needs=signed)
    ledger.run("freshness", lambda: _freshness(session, opened), certificate=key, needs=(("", "clock"), *signed))


def _bearer(session: Session, opened: Opened | None) -> bool:
    """Whether it is a document that anybody can carry, and both its type and the policy allow that."""
    assert opened is not None
    if opened.holder_key is not None:
        return False
    if session.policy.holder_binding is HolderBinding.REQUIRED:
        raise RefusedError(ReasonCode.HOLDER_BINDING, "cnf", "the document is bound to no key")
    kind = session.trust.catalog.by_vct(opened.vct)
    if kind is None or not kind.on_paper:
        raise RefusedError(ReasonCode.HOLDER_BINDING, "cnf", "no policy takes one of this type that is bound to no key")
    return True


def _key_binding(session: Session, opened: Opened | None) -> bool:
    assert opened is not None
    if opened.key_binding is None:
        raise RefusedError(ReasonCode.KB_MISSING, "", "the holder did not sign this presentation")
    session.formats[opened.format].verify_key_binding(opened)
    return True


def _binding(opened: Opened | None) -> KeyBinding:
    assert opened is not None
    assert opened.key_binding is not None
    return opened.key_binding


def _audience(session: Session, opened: Opened | None) -> bool:
    """``aud`` is our whole client identifier, letter for letter (KB-03), or the origin of our page in a browser."""
    assert session.request is not None
    if _binding(opened).audience != session.request.audience:
        raise RefusedError(ReasonCode.AUD, "aud", "made for somebody else")
    return True


def _freshness(session: Session, opened: Opened | None) -> bool:
    request, binding = session.request, _binding(opened)
    assert opened is not None
    assert request is not None
    assert session.presentation is not None
    one_way = session.presentation.one_way_nonce
    if isinstance(request.freshness, Challenge):
        if one_way is not None or binding.nonce is None or binding.nonce != request.nonce:
            raise RefusedError(ReasonCode.NONCE, "nonce", "does not answer this request")
        earliest, latest = request.issued_at - LEEWAY, session.now + LEEWAY
        if not earliest <= binding.issued_at <= latest:
            raise RefusedError(ReasonCode.IAT, "iat", "not signed between the request and now")
    else:
        if one_way is None or binding.nonce not in ((None, one_way) if opened.format == "sd-cwt" else (one_way,)):
            raise RefusedError(ReasonCode.NONCE, "nonce", "not the nonce of this one-way answer")
        age = session.now - binding.issued_at
        if age > int(request.freshness.age.total_seconds()) + ONE_WAY_LEEWAY:
            raise RefusedError(ReasonCode.EXPIRED, "iat", f"the answer is {age} s old")
        if age < -ONE_WAY_LEEWAY:
            raise RefusedError(ReasonCode.IAT, "iat", f"signed {-age} s in the future")
    if opened.issued_at is not None and binding.issued_at < opened.issued_at - LEEWAY:
        raise RefusedError(ReasonCode.IAT, "iat", "signed before the certificate was issued")
    if binding.expires_at is not None and session.now > binding.expires_at + LEEWAY:
        raise RefusedError(ReasonCode.EXPIRED, "exp", "the holder's statement has ended")
    return True
