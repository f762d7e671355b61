"""``Verifier``: makes requests, and decides about the answers. Needs no network.

One-way answers (``MaxAge``) prove that the holder's key signed recently, not that it did so for this desk
now: the same code works at a second desk inside the window. Such a result says ``unchallenged``.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import secrets
from functools import lru_cache
from typing import TYPE_CHECKING

from vcred.errors import RefusedError
from vcred.formats._wire import epoch
from vcred.policy import VerificationPolicy as AnyPolicy
from vcred.policy import compile_policy, lint, slot_of
from vcred.presentation import Challenge, MaxAge, Presentation, PresentationRequest, Presented, sign_request
from vcred.reasons import Reason, ReasonCode
from verifier._ledger import Ledger
from verifier._together import check_policy, check_query, disclosed
from verifier.checks import BOUND, ISSUED, Examined, Session, examine
from verifier.requests import MemoryRequestStore, OpenRequest
from verifier.result import Assurance, Check, VerificationResult

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vcred.formats.base import CredentialFormat
    from vcred.presentation import Freshness
    from vcred.qr import Message
    from vcred.receipt import Receipt
    from vcred.trust import TrustBundle
    from verifier.identity import ReaderIdentity
    from verifier.requests import RequestStore

__all__ = ["Verifier"]

CHALLENGE_LIFETIME = dt.timedelta(seconds=120)
"""How long a challenge may be answered (VP-11)."""

STANDING_LIFETIME = dt.timedelta(hours=24)
"""How long a request without a challenge hangs at a door."""

_GLOBAL = ("answer", "bundle", "clock", "request", "replay", "query", "policy")
_PAPER = "vcred-paper"


class Verifier:
    """Makes requests under policies and verifies answers to them."""

    def __init__(self, trust: TrustBundle, identity: ReaderIdentity, requests: RequestStore | None = None) -> None:
        """``requests`` keeps open requests; without one they live in memory and end with the process."""
        self._trust = trust
        self._identity = identity
        self._requests: RequestStore = MemoryRequestStore() if requests is None else requests
        self._formats: tuple[TrustBundle, dict[str, CredentialFormat]] | None = None

    @property
    def trust(self) -> TrustBundle:
        """The bundle in use. Assign a newer one when it arrives."""
        return self._trust

    @trust.setter
    def trust(self, bundle: TrustBundle) -> None:
        self._trust = bundle

    @property
    def client_id(self) -> str:
        """What wallets bind their answers to."""
        return self._identity.client_id

    def request(
        self,
        policy: AnyPolicy,
        *,
        freshness: Freshness,
        at: dt.datetime,
        reference_date: dt.date | None = None,
        formats: Sequence[str] = ("sd-cwt",),
        lang: str = "ko",
    ) -> PresentationRequest:
        """A signed request for what ``policy`` demands. It is stored before it is returned.

        ``freshness`` is ``Challenge()``, or ``MaxAge(age)`` if the policy takes one-way answers that old.
        ``lang`` chooses the language of the purpose that wallets show. Raises ``PolicyError`` for a policy
        that does not fit the catalogue, ``ValueError`` for a freshness or reference date that does not fit
        the policy, ``SigningError``, ``StoreError``.
        """
        _check_freshness(policy, freshness)
        if not policy.source:
            raise ValueError("a policy is made by VerificationPolicy.load")
        if policy.needs_reference_date != (reference_date is not None):
            raise ValueError(f"policy {policy.id} takes a reference date: {policy.needs_reference_date}")
        for mistake in lint(policy, self._trust.catalog):
            raise mistake
        challenge = isinstance(freshness, Challenge)
        request = sign_request(
            compile_policy(policy, self._trust.catalog, formats),
            client_id=self.client_id,
            freshness=freshness,
            nonce=secrets.token_bytes(16) if challenge else None,
            purpose=policy.purpose(lang),
            policy=policy.id,
            retention=policy.retention.text(lang),
            at=at,
            lifetime=CHALLENGE_LIFETIME if challenge else STANDING_LIFETIME,
            signer=self._identity.signer,
            x5c=() if self._registered(at) else self._identity.chain,
        )
        self._requests.put(
            OpenRequest(
                key=_key(request),
                policy=policy.source,
                reference_date=reference_date,
                expires_at=request.expires_at,
            ),
            now=epoch(at),
        )
        return request

    def verify(
        self, answer: Presentation | Message | bytes, *, request: PresentationRequest, at: dt.datetime
    ) -> VerificationResult:
        """Decide about ``answer`` to ``request``. Every check whose needs are met is made, and is in the result.

        What is wrong with the answer is in the result. Raises ``TypeError`` without a request, ``ValueError``
        for somebody else's request or a naive ``at``, ``StoreError`` when the request store fails, ``TrustError``
        when the bundle's memory of times cannot be written.
        """
        if not isinstance(request, PresentationRequest):
            raise TypeError("an answer is verified against the request it answers")
        if request.client_id != self.client_id:
            raise ValueError("this request was made by another verifier")
        now = epoch(at)
        ledger, trust = Ledger(), self._trust  # one bundle a verdict, whatever another thread assigns meanwhile
        presentation = ledger.run("answer", lambda: _parsed(answer))
        self._check_time(trust, ledger, at, now)
        record = ledger.run("request", lambda: self._open_request(request, now), needs=(("", "clock"),))
        assurance = Assurance.CHALLENGED if isinstance(request.freshness, Challenge) else Assurance.UNCHALLENGED
        if presentation is None or record is None:
            return self._result(ledger, [], request, presentation, assurance=assurance, trust_age=trust.age(at))
        session = Session(
            trust=trust,
            policy=_policy(record.policy),
            formats=self._readers(trust),
            request=request,
            presentation=presentation,
            at=at,
            now=now,
        )
        examined = self._examine_all(session, ledger, presentation)
        self._check_replay(session, ledger, examined)
        check_query(ledger, request, presentation, examined)
        check_policy(session, ledger, examined, record.reference_date)
        if any(one.bearer for one in examined):
            assurance = Assurance.BEARER
        return self._result(ledger, examined, request, presentation, assurance=assurance, trust_age=trust.age(at))

    def verify_paper(
        self, sheet: bytes, *, policy: AnyPolicy, at: dt.datetime, reference_date: dt.date | None = None
    ) -> VerificationResult:
        """Decide about one paper document, which answers no request and proves nothing about who shows it.

        Accepted only under a policy that takes bearer documents. Raises ``ValueError`` for a naive ``at`` or
        a reference date that does not fit the policy.
        """
        if policy.needs_reference_date != (reference_date is not None):
            raise ValueError(f"policy {policy.id} takes a reference date: {policy.needs_reference_date}")
        now = epoch(at)
        ledger, trust = Ledger(), self._trust
        self._check_time(trust, ledger, at, now)
        session = Session(
            trust=trust,
            policy=policy,
            formats=self._readers(trust),
            request=None,
            presentation=None,
            at=at,
            now=now,
        )
        found = examine(session, ledger, "paper", "", Presented(format=_PAPER, raw=sheet))
        if found.type is not None:
            code = found.type.code
            found.slot = next((one.id for one in policy.slots if one.acceptable(code) is not None), "")
        check_policy(session, ledger, [found], reference_date)
        return VerificationResult(
            checks=_sorted(ledger),
            required=frozenset(
                {("", name) for name in ("bundle", "clock", "policy")} | {("paper", one) for one in ISSUED}
            ),
            certificates=(found.summary(),),
            assurance=Assurance.BEARER,
            trust_age=trust.age(at),
            policy=policy.id,
            disclosed=disclosed([found]),
        )

    def receipt(self, result: VerificationResult, *, at: dt.datetime, reference: str | None = None) -> Receipt:
        """The signed statement for the holder of what was checked. ``reference`` is our own case number.

        Raises ``ValueError`` for a result without a readable answer to a request, ``SigningError``.
        """
        from vcred.receipt import sign_receipt  # noqa: PLC0415 - only some desks give receipts

        if result.request is None or result.presentation is None:
            raise ValueError("there is no answer that a receipt could be about")
        return sign_receipt(
            result.presentation,
            result.request,
            outcome=result.outcome,
            reasons=[reason.code.value for reason in result.reasons],
            types=[one.code for one in result.certificates if one.code is not None],
            reference=reference,
            at=at,
            signer=self._identity.signer,
        )

    def _registered(self, at: dt.datetime) -> bool:
        try:
            return self._trust.resolve_reader(client_id=self.client_id, x5c=(), at=at).registered
        except RefusedError:
            return False

    def _readers(self, trust: TrustBundle) -> dict[str, CredentialFormat]:
        kept = self._formats
        if kept is None or kept[0] is not trust:
            from verifier._formats import readers  # noqa: PLC0415 - formats are loaded with the first answer

            kept = self._formats = (trust, readers(trust.catalog))
        return kept[1]

    def _check_time(self, trust: TrustBundle, ledger: Ledger, at: dt.datetime, now: int) -> None:
        """The bundle may be used, by a clock that can be right. A wrong clock blocks everything about time."""
        last = self._requests.last_seen()
        seen = None if last is None else dt.datetime.fromtimestamp(last, dt.UTC)
        try:
            trust.check_time(at, last_seen=seen)
        except RefusedError as error:
            reason = (Reason(error.code, error.path, error.detail),)
            if error.code is ReasonCode.CLOCK:
                ledger.refuse("clock", reason)
                ledger.skip("bundle", "clock")
            else:
                ledger.pass_("clock")
                ledger.refuse("bundle", reason)
            return
        ledger.pass_("clock")
        ledger.pass_("bundle")
        trust.observe(at)
        self._requests.observe(now)

    def _open_request(self, request: PresentationRequest, now: int) -> OpenRequest:
        record = self._requests.get(_key(request))
        if record is None:
            raise RefusedError(ReasonCode.REQUEST_EXPIRED, "request", "this desk has no such open request")
        if now > record.expires_at:
            raise RefusedError(ReasonCode.REQUEST_EXPIRED, "request", f"{now - record.expires_at} s ago")
        return record

    def _examine_all(self, session: Session, ledger: Ledger, presentation: Presentation) -> list[Examined]:
        assert session.request is not None
        return [
            examine(session, ledger, name, slot_of(name), one)
            for name, one in _named(session.request, presentation).items()
        ]

    def _check_replay(self, session: Session, ledger: Ledger, examined: Sequence[Examined]) -> None:
        """A nonce counts once, and a one-way answer is taken once.

        Only what an issuer really signed and a holder really bound uses it up: a stranger cannot burn a nonce.
        """
        request = session.request
        assert request is not None
        needs = [(one.query_id, name) for one in examined if not one.bearer for name in ("signature", *BOUND)]

        def used_once() -> bool:
            if isinstance(request.freshness, Challenge):
                fresh = self._requests.use(_key(request))
            else:
                bindings = [one.opened.key_binding for one in examined if one.opened is not None]
                answers = [hashlib.sha256(one.signing_input).digest() for one in bindings if one is not None]
                until = session.now + int(request.freshness.age.total_seconds()) * 2 + 2
                fresh = self._requests.remember(answers, until=until, now=session.now)
            if not fresh:
                raise RefusedError(ReasonCode.REPLAY, "", "this answer has been shown before")
            return True

        ledger.run("replay", used_once, needs=needs)

    def _result(
        self,
        ledger: Ledger,
        examined: Sequence[Examined],
        request: PresentationRequest,
        presentation: Presentation | None,
        *,
        assurance: Assurance,
        trust_age: dt.timedelta,
    ) -> VerificationResult:
        required = {("", name) for name in _GLOBAL}
        for name in {} if presentation is None else _named(request, presentation):
            bearer = any(one.query_id == name and one.bearer for one in examined)
            required |= {(name, check) for check in (ISSUED if bearer else ISSUED + BOUND)}
        return VerificationResult(
            checks=_sorted(ledger),
            required=frozenset(required),
            certificates=tuple(one.summary() for one in examined),
            assurance=assurance,
            trust_age=trust_age,
            policy=request.policy or "",
            request=request,
            presentation=presentation,
            disclosed=disclosed(examined),
        )


def _check_freshness(policy: AnyPolicy, freshness: Freshness) -> None:
    if isinstance(freshness, Challenge):
        if not policy.challenge:
            raise ValueError(f"policy {policy.id} takes no answers to a challenge")
    elif isinstance(freshness, MaxAge):
        if policy.max_age is None or freshness.age > policy.max_age:
            raise ValueError(f"policy {policy.id} takes no one-way answer of that age")
    else:
        raise TypeError("freshness is Challenge() or MaxAge(age)")


def _named(request: PresentationRequest, presentation: Presentation) -> dict[str, Presented]:
    """What was presented, each under a name of its own. Ids that were not asked for are ``check_query``'s to refuse.

    An id of a query has no bracket, so that nobody can choose the name of another's presentation.
    """
    named: dict[str, Presented] = {}
    for query in request.query.credentials:
        many = presentation.tokens.get(query.id, ())
        named |= {query.id if len(many) == 1 else f"{query.id}[{number}]": one for number, one in enumerate(many)}
    return named


def _key(request: PresentationRequest) -> bytes:
    return hashlib.sha256(request.raw).digest()


def _parsed(answer: Presentation | Message | bytes) -> Presentation:
    return answer if isinstance(answer, Presentation) else Presentation.parse(answer)


@lru_cache(maxsize=64)
def _policy(source: str) -> AnyPolicy:
    return AnyPolicy.load(source)


def _sorted(ledger: Ledger) -> tuple[Check, ...]:
    return tuple(sorted(ledger.checks, key=lambda check: check.step))
