"""``Verifier``: makes requests, and decides about the answers. Needs no network.

One-way answers (``MaxAge``) prove that the holder's key signed recently, not that it did so for this desk
now: the same code works at a second desk inside the window. Such a result says ``unchallenged``.
"""

from __future__ import annotations

import datetime as dt
import secrets
from typing import TYPE_CHECKING, Protocol

from vcred.errors import RefusedError
from vcred.formats._wire import epoch
from vcred.policy import compile_policy, lint
from vcred.presentation import Challenge, MaxAge, PresentationRequest, sign_request
from verifier.judge import judge, judge_paper, request_key
from verifier.requests import MemoryRequestStore, OpenRequest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from vcred.formats.base import CredentialFormat
    from vcred.oid4vp import ResponseMode, WalletError
    from vcred.policy import VerificationPolicy as AnyPolicy
    from vcred.presentation import Freshness, Presentation
    from vcred.qr import Message
    from vcred.receipt import Receipt
    from vcred.trust import Names, TrustBundle
    from verifier.identity import ReaderIdentity
    from verifier.judge import Judgement
    from verifier.requests import RequestStore
    from verifier.result import VerificationResult

__all__ = ["Evidence", "Verifier"]

CHALLENGE_LIFETIME = dt.timedelta(seconds=120)
"""How long a challenge may be answered (VP-11)."""

STANDING_LIFETIME = dt.timedelta(hours=24)
"""How long a request without a challenge hangs at a door."""


class Evidence(Protocol):
    """Where verdicts are written down. Pass one to ``Verifier``; ``EvidenceArchive`` is one."""

    def record(self, judgement: Judgement) -> object:
        """Write it down, durably, before anybody hears the verdict. Raises ``StoreError`` when that fails."""


class Verifier:
    """Makes requests under policies and verifies answers to them."""

    def __init__(
        self,
        trust: TrustBundle,
        identity: ReaderIdentity,
        requests: RequestStore | None = None,
        *,
        evidence: Evidence | None = None,
    ) -> None:
        """``requests`` keeps open requests; without one they live in memory and end with the process.

        With ``evidence`` every verdict is recorded before it is returned, and none is given that cannot be.
        """
        self._trust = trust
        self._identity = identity
        self._requests: RequestStore = MemoryRequestStore() if requests is None else requests
        self._evidence = evidence
        self._formats: tuple[TrustBundle, Mapping[str, CredentialFormat]] | None = None

    @property
    def trust(self) -> TrustBundle:
        """The bundle in use. Assign a newer one when it arrives."""
        return self._trust

    @trust.setter
    def trust(self, bundle: TrustBundle) -> None:
        self._trust = bundle

    def under(self, bundle: TrustBundle) -> Verifier:
        """The same verifier, with the same memory and evidence, under another bundle; this one stays as it is."""
        return Verifier(bundle, self._identity, self._requests, evidence=self._evidence)

    @property
    def client_id(self) -> str:
        """What wallets bind their answers to."""
        return self._identity.client_id

    @property
    def client_ids(self) -> tuple[str, ...]:
        """Everything this verifier may be called online, ``client_id`` first."""
        return self._identity.client_ids

    @property
    def registered_names(self) -> Names | None:
        """What the trust bundle calls this reader; ``None`` when it does not list it."""
        from vcred.trust.x509 import x509_hash  # noqa: PLC0415 - X.509 is loaded where a certificate is looked at

        mine = (one for one in self._trust.readers if f"x509_hash:{x509_hash(one.certificate)}" == self.client_id)
        return next((one.names for one in mine), None)

    def request(
        self,
        policy: AnyPolicy,
        *,
        freshness: Freshness,
        at: dt.datetime,
        reference_date: dt.date | None = None,
        formats: Sequence[str] | None = None,
        lang: str = "ko",
    ) -> PresentationRequest:
        """A signed request for what ``policy`` demands. It is stored before it is returned.

        ``freshness`` is ``Challenge()``, or ``MaxAge(age)`` if the policy takes one-way answers that old.
        ``formats`` are by default those of the policy, or SD-CWT where it names none.
        ``lang`` chooses the language of the purpose that wallets show. Raises ``PolicyError`` for a policy
        that does not fit the catalogue, ``ValueError`` for a freshness, reference date or format that does not fit
        the policy, ``SigningError``, ``StoreError``.
        """
        self._check_policy(policy, freshness, reference_date)
        challenge = isinstance(freshness, Challenge)
        request = sign_request(
            compile_policy(policy, self._trust.catalog, policy.formats_asked(formats)),
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
        return self._keep(request, policy, reference_date, at=at)

    def online_request(
        self,
        policy: AnyPolicy,
        *,
        mode: ResponseMode,
        at: dt.datetime,
        response_uri: str | None = None,
        origin: str | None = None,
        client_id: str | None = None,
        reference_date: dt.date | None = None,
        formats: Sequence[str] | None = None,
        transaction_data: Sequence[Mapping[str, str]] = (),
        verifier_info: Sequence[Mapping[str, Any]] = (),
        lang: str = "ko",
        lifetime: dt.timedelta = CHALLENGE_LIFETIME,
        plain_http: bool = False,
    ) -> PresentationRequest:
        """The same as an online request of OpenID4VP 1.0, always with a challenge. It is stored before it is returned.

        The answer is posted to ``response_uri``, or comes through a browser from the page at ``origin``, as ``mode``
        says; where it is encrypted, the key is fresh and kept with the open request. ``client_id`` is one of the
        reader's, by default that of HAIP 1.0 (``x509_hash:``). ``formats`` are by default those of the policy, or
        ``dc+sd-jwt``. ``transaction_data`` is what the holder is to agree to (``type`` and the members of the type).

        Raises as ``request`` does, and ``ValueError`` and ``RefusedError`` for what no wallet would answer.
        """
        from verifier.online import make_request  # noqa: PLC0415 - only services ask online

        self._check_policy(policy, Challenge(), reference_date)
        request, key = make_request(
            policy,
            self._trust,
            self._identity,
            client_id=self.client_id if client_id is None else client_id,
            mode=mode,
            response_uri=response_uri,
            origin=origin,
            formats=formats,
            transaction_data=transaction_data,
            verifier_info=verifier_info,
            lang=lang,
            at=at,
            lifetime=lifetime,
            plain_http=plain_http,
        )
        return self._keep(request, policy, reference_date, at=at, response_key=key)

    def check_online(
        self,
        policy: AnyPolicy,
        *,
        reference_date: dt.date | None,
        formats: Sequence[str] | None,
        transaction_data: Sequence[Mapping[str, str]],
    ) -> None:
        """Raises what ``online_request`` would raise for these, without making a request."""
        from verifier.online import plan_request  # noqa: PLC0415 - only services ask online

        self._check_policy(policy, Challenge(), reference_date)
        plan_request(policy, self._trust, formats=formats, transaction_data=transaction_data)

    def read(
        self, answer: bytes | Mapping[str, Any], *, request: PresentationRequest, at: dt.datetime
    ) -> Presentation | WalletError:
        """What a wallet answered to an online request: a posted form, or the object that a page got from its browser.

        Verifies nothing: that is ``verify``. Raises ``RefusedError`` for what is no answer to this very request, was
        encrypted to another key or under an ephemeral key that was seen before, ``StoreError``.
        """
        from verifier.online import read_online  # noqa: PLC0415 - only services ask online

        return read_online(answer, request=request, requests=self._requests, at=at)

    def renew(self, request: PresentationRequest, *, wallet_nonce: str) -> bytes:
        """The request object of an online request with a wallet's nonce in it. Raises ``SigningError``."""
        from vcred.oid4vp import with_wallet_nonce  # noqa: PLC0415 - only services ask online

        return with_wallet_nonce(request, wallet_nonce, self._identity.signer)

    def multisigned(self, request: PresentationRequest) -> Any:
        """A request for a page, signed under each of the reader's names at once (OpenID4VP 1.0 appendix A.3.2.2).

        It is answered as ``request`` is. Raises ``SigningError``.
        """
        from vcred.oid4vp import sign_multisigned  # noqa: PLC0415 - only services ask online

        me = self._identity
        return sign_multisigned(request, [(name, me.chain, me.signer) for name in me.client_ids])

    def verify(
        self,
        answer: Presentation | Message | bytes | Sequence[bytes],
        *,
        request: PresentationRequest,
        at: dt.datetime,
    ) -> VerificationResult:
        """Decide about ``answer`` to ``request``. Every check whose needs are met is made, and is in the result.

        Bytes are an answer of the QR profile, or a presentation in any format that is read here, as other people's
        wallets send it; a sequence is several of these.

        What is wrong with the answer is in the result. Raises ``TypeError`` without a request, ``ValueError``
        for somebody else's request or a naive ``at``, ``StoreError`` when the request store or the evidence cannot
        be written, ``TrustError`` when the bundle's memory of times cannot be.
        """
        if not isinstance(request, PresentationRequest):
            raise TypeError("an answer is verified against the request it answers")
        if request.client_id not in self._identity.client_ids:
            raise ValueError("this request was made by another verifier")
        trust = self._trust  # one bundle a verdict, whatever another thread assigns meanwhile
        return self._recorded(
            judge(
                answer,
                request=request,
                trust=trust,
                requests=self._requests,
                formats=self._readers(trust),
                at=at,
                observe=lambda: self._observe(trust, at),
            )
        )

    def verify_paper(
        self, sheet: bytes, *, policy: AnyPolicy, at: dt.datetime, reference_date: dt.date | None = None
    ) -> VerificationResult:
        """Decide about one paper document, which answers no request and proves nothing about who shows it.

        Accepted only under a policy that takes bearer documents. Raises ``ValueError`` for a naive ``at`` or
        a reference date that does not fit the policy.
        """
        if policy.needs_reference_date != (reference_date is not None):
            raise ValueError(f"policy {policy.id} takes a reference date: {policy.needs_reference_date}")
        trust = self._trust
        return self._recorded(
            judge_paper(
                sheet,
                policy=policy,
                reference_date=reference_date,
                trust=trust,
                requests=self._requests,
                formats=self._readers(trust),
                at=at,
                observe=lambda: self._observe(trust, at),
            )
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

    def _check_policy(self, policy: AnyPolicy, freshness: Freshness, reference_date: dt.date | None) -> None:
        _check_freshness(policy, freshness)
        if not policy.source:
            raise ValueError("a policy is made by VerificationPolicy.load")
        if policy.needs_reference_date != (reference_date is not None):
            raise ValueError(f"policy {policy.id} takes a reference date: {policy.needs_reference_date}")
        for mistake in lint(policy, self._trust.catalog):
            raise mistake

    def _keep(
        self,
        request: PresentationRequest,
        policy: AnyPolicy,
        reference_date: dt.date | None,
        *,
        at: dt.datetime,
        response_key: bytes | None = None,
    ) -> PresentationRequest:
        self._requests.put(
            OpenRequest(
                key=request_key(request),
                policy=policy.source,
                reference_date=reference_date,
                expires_at=request.expires_at,
                response_key=response_key,
            ),
            now=epoch(at),
        )
        return request

    def _registered(self, at: dt.datetime) -> bool:
        try:
            return self._trust.resolve_reader(client_id=self.client_id, x5c=(), at=at).registered
        except RefusedError:
            return False

    def _readers(self, trust: TrustBundle) -> Mapping[str, CredentialFormat]:
        kept = self._formats
        if kept is None or kept[0] is not trust:
            from verifier._formats import readers  # noqa: PLC0415 - formats are loaded with the first answer

            kept = self._formats = (trust, readers(trust.catalog))
        return kept[1]

    def _observe(self, trust: TrustBundle, at: dt.datetime) -> None:
        trust.observe(at)
        self._requests.observe(epoch(at))

    def _recorded(self, judgement: Judgement) -> VerificationResult:
        if self._evidence is not None:
            self._evidence.record(judgement)
        return judgement.result


def _check_freshness(policy: AnyPolicy, freshness: Freshness) -> None:
    if isinstance(freshness, Challenge):
        if not policy.challenge:
            raise ValueError(f"policy {policy.id} takes no answers to a challenge")
    elif isinstance(freshness, MaxAge):
        if policy.max_age is None or freshness.age > policy.max_age:
            raise ValueError(f"policy {policy.id} takes no one-way answer of that age")
    else:
        raise TypeError("freshness is Challenge() or MaxAge(age)")
