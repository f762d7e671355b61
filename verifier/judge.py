"""The verdict about an answer, from everything it depends on and nothing else: no private key, no clock, no disk.

``Verifier`` calls it with its own memory of requests. An auditor calls it years later with what was written down
(``Remembered``), and the same bytes under the same trust state at the same time get the same verdict.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TYPE_CHECKING

from vcred.errors import RefusedError
from vcred.formats._wire import epoch
from vcred.policy import VerificationPolicy, slot_of
from vcred.presentation import Challenge, Presentation, PresentationRequest, Presented
from vcred.qr.message import ENVELOPE_TAG
from vcred.reasons import Reason, ReasonCode
from verifier._ledger import Ledger
from verifier._together import check_policy, check_query, check_transaction, disclosed
from verifier.checks import BOUND, ISSUED, Examined, Session, check_trust_age, examine, freshness_of
from verifier.result import Assurance, Check, CheckStatus, VerificationResult

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from vcred.credential import Status
    from vcred.formats.base import CredentialFormat
    from vcred.qr import Message
    from vcred.trust import TrustBundle
    from verifier.requests import OpenRequest, RequestStore

__all__ = [
    "Judgement",
    "Known",
    "Remembered",
    "SignedBy",
    "check_time",
    "judge",
    "judge_paper",
    "policy_of",
    "replayed",
    "request_key",
]

_GLOBAL = ("answer", "bundle", "clock", "trust_age", "request", "replay", "query", "policy")
_PAPER = "vcred-paper"
_ENVELOPE = (b"", bytes((ENVELOPE_TAG,)))
_REPLAYED = Reason(ReasonCode.REPLAY, "", "this answer has been shown before")


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What the desk remembered when it judged.

    ``last_seen``: the latest time known to have passed. ``request``: the request as it was kept; ``None`` when the
    desk had none like it. ``first_use``: whether the answer was new; ``None`` when it did not come to that.
    """

    last_seen: int | None
    request: OpenRequest | None
    first_use: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedBy:
    """Whose signature was verified on one certificate: what a later look at the key and the status needs."""

    query_id: str
    code: str
    issuer: str
    kid: bytes
    issued_at: int
    x5c: tuple[bytes, ...] = field(repr=False)
    status: Status | None = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """A verdict with everything it came from. ``sheet`` is a paper document, ``received`` what could not be read."""

    result: VerificationResult
    at: dt.datetime
    trust: TrustBundle
    policy: VerificationPolicy | None
    reference_date: dt.date | None
    known: Known
    signed: tuple[SignedBy, ...] = ()
    sheet: bytes | None = field(default=None, repr=False)
    received: bytes = field(default=b"", repr=False)


class Remembered:
    """A ``RequestStore`` that knows what was written down with a verdict, and forgets nothing and learns nothing."""

    def __init__(self, known: Known) -> None:
        self._known = known

    def put(self, request: OpenRequest, *, now: int) -> None:
        """Nothing new is asked."""

    def get(self, key: bytes) -> OpenRequest | None:
        """The request as it was kept."""
        found = self._known.request
        return found if found is not None and found.key == key else None

    def use(self, key: bytes) -> bool:  # noqa: ARG002 - the protocol's signature
        """Whether it was the first use then."""
        return self._known.first_use is True

    def remember(self, answers: Collection[bytes], *, until: int, now: int) -> bool:  # noqa: ARG002 - as above
        """Whether the answer was new then."""
        return self._known.first_use is True

    def last_seen(self) -> int | None:
        """The latest time known then."""
        return self._known.last_seen

    def observe(self, now: int) -> None:
        """Time does not pass in the past."""


def judge(
    answer: Presentation | Message | bytes | Sequence[bytes],
    *,
    request: PresentationRequest,
    trust: TrustBundle,
    requests: RequestStore,
    formats: Mapping[str, CredentialFormat],
    at: dt.datetime,
    observe: Callable[[], None] | None,
) -> Judgement:
    """Decide about ``answer`` to ``request``. ``observe`` notes that ``at`` has passed; ``None`` for a time long ago.

    Raises ``ValueError`` for a naive ``at``, ``StoreError`` when ``requests`` fails.
    """
    now = epoch(at)
    ledger = Ledger()
    presentation = ledger.run("answer", lambda: _parsed(answer, request, formats, trust))
    last_seen = check_time(trust, requests, ledger, at, observe)
    record = ledger.run("request", lambda: _open_request(requests, request, now), needs=(("", "clock"),))
    kept = requests.get(request_key(request)) if record is None else record
    policy = None if kept is None else policy_of(kept.policy)
    assurance = Assurance.CHALLENGED if isinstance(request.freshness, Challenge) else Assurance.UNCHALLENGED
    examined: list[Examined] = []
    first_use = None
    if presentation is not None and record is not None:
        session = Session(
            trust=trust,
            policy=policy_of(record.policy),
            formats=formats,
            request=request,
            presentation=presentation,
            at=at,
            now=now,
        )
        check_trust_age(session, ledger)
        examined = [
            examine(session, ledger, name, slot_of(name), one) for name, one in _named(request, presentation).items()
        ]
        check_transaction(ledger, request, examined)
        first_use = _check_replay(session, requests, ledger, examined)
        check_query(ledger, request, presentation, examined)
        check_policy(session, ledger, examined, record.reference_date)
        if any(one.bearer for one in examined):
            assurance = Assurance.BEARER
    freshness = freshness_of(ledger, trust, policy, examined, at)
    result = VerificationResult(
        checks=_sorted(ledger),
        required=_required(request, presentation, examined),
        certificates=tuple(one.summary() for one in examined),
        assurance=assurance,
        trust_age=freshness[0].age,
        freshness=freshness,
        policy=request.policy or "",
        request=request,
        presentation=presentation,
        disclosed=disclosed(examined),
    )
    return Judgement(
        result=result,
        at=at,
        trust=trust,
        policy=policy,
        reference_date=None if kept is None else kept.reference_date,
        known=Known(last_seen=last_seen, request=kept, first_use=first_use),
        signed=_signed(ledger, examined),
        received=answer if isinstance(answer, bytes) else b"",
    )


def judge_paper(
    sheet: bytes,
    *,
    policy: VerificationPolicy,
    reference_date: dt.date | None,
    trust: TrustBundle,
    requests: RequestStore,
    formats: Mapping[str, CredentialFormat],
    at: dt.datetime,
    observe: Callable[[], None] | None,
) -> Judgement:
    """The same for a paper document, which answers no request."""
    ledger = Ledger()
    last_seen = check_time(trust, requests, ledger, at, observe)
    session = Session(
        trust=trust, policy=policy, formats=formats, request=None, presentation=None, at=at, now=epoch(at)
    )
    check_trust_age(session, ledger)
    found = examine(session, ledger, "paper", "", Presented(format=_PAPER, raw=sheet))
    if found.type is not None:
        code = found.type.code
        found.slot = next((one.id for one in policy.slots if one.acceptable(code) is not None), "")
    check_policy(session, ledger, [found], reference_date)
    freshness = freshness_of(ledger, trust, policy, [found], at)
    result = VerificationResult(
        checks=_sorted(ledger),
        required=_required_of_paper(),
        certificates=(found.summary(),),
        assurance=Assurance.BEARER,
        trust_age=freshness[0].age,
        freshness=freshness,
        policy=policy.id,
        disclosed=disclosed([found]),
    )
    return Judgement(
        result=result,
        at=at,
        trust=trust,
        policy=policy,
        reference_date=reference_date,
        known=Known(last_seen=last_seen, request=None, first_use=None),
        signed=_signed(ledger, [found]),
        sheet=sheet,
    )


def replayed(result: VerificationResult) -> VerificationResult:
    """The verdict that the same answer gets when it has been shown before: no other check depends on it."""
    ledger = Ledger()
    ledger.refuse("replay", (_REPLAYED,))
    checks = (ledger.checks[0] if one.name == "replay" and not one.certificate else one for one in result.checks)
    return replace(result, checks=tuple(checks))


def request_key(request: PresentationRequest) -> bytes:
    """What a request is kept under: the hash of its bytes."""
    return hashlib.sha256(request.raw).digest()


def check_time(
    trust: TrustBundle, requests: RequestStore, ledger: Ledger, at: dt.datetime, observe: Callable[[], None] | None
) -> int | None:
    """The bundle may be used, by a clock that can be right. A wrong clock blocks everything about time.

    Returns the latest time that was known to have passed before.
    """
    times = [one for one in (requests.last_seen(), trust.seen.last_seen) if one is not None]
    last = max(times, default=None)
    try:
        trust.check_time(at, last_seen=None if last is None else dt.datetime.fromtimestamp(last, dt.UTC))
    except RefusedError as error:
        reason = (Reason(error.code, error.path, error.detail),)
        if error.code is ReasonCode.CLOCK:
            ledger.refuse("clock", reason)
            ledger.skip("bundle", "clock")
        else:
            ledger.pass_("clock")
            ledger.refuse("bundle", reason)
        return last
    ledger.pass_("clock")
    ledger.pass_("bundle")
    if observe is not None:
        observe()
    return last


def _open_request(requests: RequestStore, request: PresentationRequest, now: int) -> OpenRequest:
    record = requests.get(request_key(request))
    if record is None:
        raise RefusedError(ReasonCode.REQUEST_EXPIRED, "request", "this desk has no such open request")
    if now > record.expires_at:
        raise RefusedError(ReasonCode.REQUEST_EXPIRED, "request", f"{now - record.expires_at} s ago")
    return record


def _check_replay(
    session: Session, requests: RequestStore, ledger: Ledger, examined: Sequence[Examined]
) -> bool | None:
    """A nonce counts once, and a one-way answer is taken once. ``None`` when it did not come to that.

    Only what an issuer really signed and a holder really bound uses it up: a stranger cannot burn a nonce.
    """
    request = session.request
    assert request is not None
    needs = [(one.query_id, name) for one in examined for name in ("signature", *(() if one.bearer else BOUND))]
    fresh: list[bool] = []

    def used_once() -> bool:
        if isinstance(request.freshness, Challenge):
            fresh.append(requests.use(request_key(request)))
        else:
            bindings = [one.opened.key_binding for one in examined if one.opened is not None]
            answers = [hashlib.sha256(one.signing_input).digest() for one in bindings if one is not None]
            until = session.now + int(request.freshness.age.total_seconds()) * 2 + 2
            fresh.append(requests.remember(answers, until=until, now=session.now))
        if not fresh[0]:
            raise RefusedError(_REPLAYED.code, _REPLAYED.path, _REPLAYED.detail)
        return True

    ledger.run("replay", used_once, needs=needs)
    return fresh[0] if fresh else None


def _required(
    request: PresentationRequest, presentation: Presentation | None, examined: Sequence[Examined]
) -> frozenset[tuple[str, str]]:
    required = {("", name) for name in _GLOBAL}
    if request.online is not None and request.online.transaction_data:
        required.add(("", "transaction_data"))
    for name in {} if presentation is None else _named(request, presentation):
        bearer = any(one.query_id == name and one.bearer for one in examined)
        required |= {(name, check) for check in (ISSUED if bearer else ISSUED + BOUND)}
    return frozenset(required)


def _required_of_paper() -> frozenset[tuple[str, str]]:
    asked = {("", name) for name in ("bundle", "clock", "trust_age", "policy")}
    return frozenset(asked | {("paper", one) for one in ISSUED})


def _signed(ledger: Ledger, examined: Sequence[Examined]) -> tuple[SignedBy, ...]:
    """Only signatures that were verified: whoever forges a certificate writes any key into it."""
    verified = {
        one.certificate for one in ledger.checks if one.name == "signature" and one.status is CheckStatus.PASSED
    }
    return tuple(
        SignedBy(
            query_id=one.query_id,
            code=one.type.code,
            issuer=one.issuer.authority.id,
            kid=one.issuer.key.kid,
            issued_at=one.opened.issued_at,
            x5c=one.opened.x5c,
            status=one.opened.status,
        )
        for one in examined
        if one.query_id in verified
        and one.opened is not None
        and one.opened.issued_at is not None
        and one.type is not None
        and one.issuer is not None
    )


def _named(request: PresentationRequest, presentation: Presentation) -> dict[str, Presented]:
    """What was presented, each under a name of its own. Ids that were not asked for are ``check_query``'s to refuse.

    An id of a query has no bracket, so that nobody can choose the name of another's presentation.
    """
    named: dict[str, Presented] = {}
    for query in request.query.credentials:
        many = presentation.tokens.get(query.id, ())
        named |= {query.id if len(many) == 1 else f"{query.id}[{number}]": one for number, one in enumerate(many)}
    return named


def _parsed(
    answer: Presentation | Message | bytes | Sequence[bytes],
    request: PresentationRequest,
    formats: Mapping[str, CredentialFormat],
    trust: TrustBundle,
) -> Presentation:
    if isinstance(answer, Presentation):
        return answer
    if isinstance(answer, (list, tuple)) or (isinstance(answer, bytes) and answer[:1] not in _ENVELOPE):
        from verifier._answers import answer_of  # noqa: PLC0415 - answers over QR come in an envelope

        return answer_of([answer] if isinstance(answer, bytes) else answer, request, formats, trust.catalog)
    return Presentation.parse(answer)  # type: ignore[arg-type]  # a sequence went the other way


@lru_cache(maxsize=64)
def policy_of(source: str) -> VerificationPolicy:
    """The policy in the TOML that a request was kept with, read once."""
    return VerificationPolicy.load(source)


def _sorted(ledger: Ledger) -> tuple[Check, ...]:
    return tuple(sorted(ledger.checks, key=lambda check: check.step))
