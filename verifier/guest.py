"""``GuestVerifier``: a verifier as the guest of a service of another role, which keeps what is open itself.

It asks under one policy, and judges with everything that a desk's verifier checks. It keeps nothing between a question
and its answer: that is in the ``Question`` and in the ``Memory`` of the host (see ``vcred.identification``).

Rules, whatever the policy's file says otherwise:

1. Somebody is known by a document only if its holder's key answered this very question: a policy that takes what
   anybody can carry, answers without a challenge, or certificates without a status, is not taken.
2. One document says who somebody is: the policy requires one slot, and has no other.
3. In production a trust list for tests vouches for nobody.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vcred.errors import PolicyError, RefusedError, TrustError
from vcred.identification import Question, Reading, ReadingOutcome
from vcred.oid4vp import ResponseMode, WalletError
from vcred.policy import HolderBinding, lint
from vcred.reasons import Outcome, ReasonCode
from verifier.online import read_request
from verifier.requests import OpenRequest
from verifier.result import CheckStatus
from verifier.verifier import CHALLENGE_LIFETIME, Verifier

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Collection, Sequence

    from vcred.identification import Memory
    from vcred.policy import VerificationPolicy
    from vcred.presentation import PresentationRequest
    from vcred.trust import TrustBundle
    from verifier.identity import ReaderIdentity
    from verifier.result import VerificationResult

__all__ = ["GuestVerifier", "check_login"]


def check_login(policy: VerificationPolicy, trust: TrustBundle, *, production: bool) -> None:
    """Whether ``policy`` can say who somebody is, under ``trust``.

    Raises ``PolicyError`` for rules 1 and 2 and for what does not fit the catalogue, ``RefusedError`` for rule 3.
    """
    wrong = [
        ("holder_binding", policy.holder_binding is not HolderBinding.REQUIRED, "a login needs the holder's key"),
        ("freshness", not policy.challenge or policy.max_age is not None, "a login is an answer to a challenge alone"),
        ("status", not policy.status.required, "a login needs a status"),
        ("certificates", len(policy.slots) != 1 or not policy.slots[0].required, "a login asks for one document"),
        ("certificates", any(slot.multiple for slot in policy.slots), "a login asks for one document"),
        ("certificates", policy.needs_reference_date, "a login has no reference date"),
    ]
    for path, found, detail in wrong:
        if found:
            raise PolicyError(policy.file, path, detail)
    for mistake in lint(policy, trust.catalog):
        raise mistake
    _check_production(trust, production=production)


class GuestVerifier:
    """A ``CardReader``. Safe for several threads."""

    def __init__(
        self,
        trust: Callable[[], TrustBundle],
        identity: ReaderIdentity,
        policy: VerificationPolicy,
        *,
        formats: Sequence[str] | None = None,
        production: bool,
        plain_http: bool = False,
    ) -> None:
        """``trust`` gives the bundle in use, ``formats`` are as for ``Verifier.online_request``.

        ``plain_http`` is for development. Raises ``PolicyError`` for a policy that logs nobody in or does not fit the
        catalogue, ``RefusedError`` with ``test_key`` for rule 3.
        """
        check_login(policy, trust(), production=production)
        self._trust = trust
        self._identity = identity
        self._policy = policy
        self._formats = formats
        self._production = production
        self._plain_http = plain_http

    @property
    def client_id(self) -> str:
        """See ``CardReader``."""
        return self._identity.client_id

    @property
    def policy(self) -> VerificationPolicy:
        """See ``CardReader``."""
        return self._policy

    def cards(self, lang: str) -> tuple[str, ...]:
        """See ``CardReader``."""
        catalog = self._trust().catalog
        return tuple(catalog[one.code].name(lang) for slot in self._policy.slots for one in slot.any_of)

    def problem(self, *, at: dt.datetime) -> str | None:
        """See ``CardReader``: a trust list that has ended, or is older than the policy takes."""
        try:
            found = self._bundle()
            found.require_current(at)
        except (RefusedError, TrustError) as error:
            return f"the trust list cannot be used: {error}"
        hours = int(self._policy.trust.max_age.total_seconds()) // 3600
        if found.age(at) > self._policy.trust.max_age:
            return f"the trust list is older than the {hours} hours that {self._policy.id} takes"
        return None

    def ask(self, *, response_uri: str, lang: str, at: dt.datetime) -> Question:
        """See ``CardReader``. Raises ``RefusedError`` for rule 3, ``SigningError``."""
        kept = _Asking()
        request = Verifier(self._bundle(), self._identity, kept).online_request(
            self._policy,
            mode=ResponseMode.DIRECT_POST_JWT,
            at=at,
            lifetime=CHALLENGE_LIFETIME,
            response_uri=response_uri,
            formats=self._formats,
            lang=lang,
            plain_http=self._plain_http,
        )
        assert kept.put_in is not None
        assert kept.put_in.response_key is not None
        return Question(
            raw=request.raw,
            policy=kept.put_in.policy,
            response_key=kept.put_in.response_key,
            expires_at=request.expires_at,
        )

    def renew(self, question: Question, *, wallet_nonce: str) -> bytes:
        """See ``CardReader``."""
        verifier = Verifier(self._trust(), self._identity, _Asking())
        return verifier.renew(self._own(question), wallet_nonce=wallet_nonce)

    def read(self, question: Question, answer: bytes, *, memory: Memory, at: dt.datetime) -> Reading:
        """See ``CardReader``."""
        request = self._own(question)
        verifier = Verifier(self._bundle(), self._identity, _Answered(question, memory))
        read = verifier.read(answer, request=request, at=at)
        if isinstance(read, WalletError):
            return Reading(outcome=ReadingOutcome.DECLINED, final=True)
        return _reading(verifier.verify(read, request=request, at=at))

    def _own(self, question: Question) -> PresentationRequest:
        """What was asked. The host may have started with another certificate since: nobody answers the one before."""
        request = read_request(question.raw)
        if request.client_id not in self._identity.client_ids:
            raise RefusedError(ReasonCode.REQUEST_EXPIRED, "request", "asked under another certificate")
        return request

    def _bundle(self) -> TrustBundle:
        found = self._trust()
        _check_production(found, production=self._production)
        return found


def _check_production(trust: TrustBundle, *, production: bool) -> None:
    if production and not trust.production:
        raise RefusedError(ReasonCode.TEST_KEY, "trust", "a trust list for tests")


def _reading(result: VerificationResult) -> Reading:
    reasons = tuple(dict.fromkeys(reason.code.value for reason in result.reasons))
    used = any(one.name == "replay" and one.status is CheckStatus.PASSED for one in result.checks)
    if result.outcome is not Outcome.ACCEPTED:
        return Reading(outcome=ReadingOutcome.REFUSED, final=used, reasons=reasons)
    (shown,) = result.certificates
    return Reading(outcome=ReadingOutcome.ACCEPTED, final=True, code=shown.code, claims=result.claims[shown.slot])


class _Asking:
    """A ``RequestStore`` for the moment in which a request is made: the host keeps it."""

    def __init__(self) -> None:
        self.put_in: OpenRequest | None = None

    def put(self, request: OpenRequest, *, now: int) -> None:  # noqa: ARG002 - the protocol's signature
        self.put_in = request

    def get(self, key: bytes) -> OpenRequest | None:  # noqa: ARG002 - as above
        return None

    def use(self, key: bytes) -> bool:  # noqa: ARG002 - as above
        return False

    def remember(self, answers: Collection[bytes], *, until: int, now: int) -> bool:  # noqa: ARG002 - as above
        return False

    def last_seen(self) -> int | None:
        return None

    def observe(self, now: int) -> None:
        """Time is the host's to remember, when an answer is judged."""


class _Answered(_Asking):
    """The same for one question that was kept, over the host's memory."""

    def __init__(self, question: Question, memory: Memory) -> None:
        super().__init__()
        from verifier.judge import request_key  # noqa: PLC0415 - judging loads with the first answer

        self._memory = memory
        self._kept = OpenRequest(
            key=request_key(read_request(question.raw)),
            policy=question.policy,
            reference_date=None,
            expires_at=question.expires_at,
            response_key=question.response_key,
        )

    def get(self, key: bytes) -> OpenRequest | None:
        return self._kept if key == self._kept.key else None

    def use(self, key: bytes) -> bool:
        return key == self._kept.key and self._memory.use()

    def remember(self, answers: Collection[bytes], *, until: int, now: int) -> bool:
        return self._memory.remember(answers, until=until, now=now)

    def last_seen(self) -> int | None:
        return self._memory.last_seen()

    def observe(self, now: int) -> None:
        self._memory.observe(now)
