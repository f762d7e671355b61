"""What the service does, without HTTP: requests from their wish to the end of their submission.

Rules:

1. The caller's ``id`` and the wallet's ``handle`` are two secrets: no link has the first, no caller needs the second.
2. A request object is signed when a wallet first asks for it, so that its two minutes begin then. Until it is answered
   or has ended everybody gets the same one (threats VP-05).
3. The first answer that an issuer and a holder really signed is the answer, whatever the verdict; a second one is
   refused (VP-07). What proves nothing leaves the request open, for a while.
4. An accepted result is for whoever brings the person's code: the response code that went to the wallet's own device
   (VP-09), or for another device the short code that the person reads there and carries over (VP-10). Through a browser
   the answer comes from the page that asked, and needs none.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
import json
import secrets
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode, urlsplit

from vcred.errors import CatalogError, NotFound, PolicyError, RefusedError
from vcred.formats._wire import dump_json, epoch
from vcred.oid4vp import RequestLink, ResponseMode, WalletError
from vcred.policy import VerificationPolicy
from vcred.reasons import Outcome
from verifier.online import read_request
from verifier.result import CheckStatus
from verifier.server.errors import AnswerRefusedError, CodeNeededError, StateError, WishError
from verifier.server.models import Submission, Wish
from verifier.server.store import Moved, Transaction
from verifier.server.webhooks import message

if TYPE_CHECKING:
    from collections.abc import Mapping

    from vcred.presentation import PresentationRequest
    from verifier.result import VerificationResult
    from verifier.server.parts import Recorder
    from verifier.server.settings import VerifierServerSettings
    from verifier.server.store import Delivery, VerifierStore
    from verifier.server.trust import Standings
    from verifier.verifier import Verifier

__all__ = ["MULTISIGNED", "NEXT", "SIGNED", "Transactions"]

_CODE_DIGITS: Final = 6
SIGNED: Final = "openid4vp-v1-signed"
MULTISIGNED: Final = "openid4vp-v1-multisigned"
NEXT: Final[Mapping[Submission, tuple[Submission, ...]]] = {
    Submission.SUBMITTED: (Submission.RECEIVED, Submission.RETURNED, Submission.WITHDRAWN, Submission.DELETED),
    Submission.RECEIVED: (Submission.RETURNED, Submission.DELETED),
    Submission.RETURNED: (Submission.DELETED,),
    Submission.WITHDRAWN: (Submission.DELETED,),
    Submission.DELETED: (),
}


class Transactions:
    """See the module. Every method raises ``StoreError``."""

    def __init__(
        self,
        settings: VerifierServerSettings,
        *,
        standings: Standings,
        store: VerifierStore,
        recorder: Recorder | None,
    ) -> None:
        self._settings = settings
        self._standings = standings
        self._store = store
        self._recorder = recorder
        self.client_id = _client_id(settings, standings.current.verifier)

    def create(self, wish: Wish, *, owner: str, at: dt.datetime) -> Transaction:
        """A new request. Raises ``WishError``."""
        now = self._standings.newest()
        policy = now.policies.get(wish.policy)
        if policy is None:
            raise WishError("policy", "no such policy here")
        self._check_places(wish)
        try:
            now.verifier.check_online(
                policy,
                reference_date=wish.reference_date,
                formats=self._formats(wish, policy),
                transaction_data=wish.transaction_data,
            )
        except (CatalogError, PolicyError) as error:
            raise WishError("policy", str(error)) from None
        except RefusedError as error:
            raise WishError("transaction_data", str(error)) from None
        except ValueError as error:
            raise WishError("policy", str(error)) from None
        made = Transaction(
            id=secrets.token_urlsafe(24),
            handle=secrets.token_urlsafe(16),
            owner=owner,
            state="open",
            device=wish.device or "browser",
            mode=wish.mode,
            policy=policy.source,
            wish=wish.model_dump_json(),
            redirect=wish.redirect,
            webhook=wish.webhook,
            created_at=epoch(at),
            expires_at=epoch(at + self._settings.link_life),
        )
        self._store.add(made)
        return made

    def link(self, transaction: Transaction, endpoint: str) -> str:
        """The link that calls a wallet at ``endpoint``."""
        post = self._settings.request_uri_method == "post"
        return RequestLink(client_id=self.client_id, request_uri=self.request_uri(transaction), post=post).to_uri(
            endpoint
        )

    def request_uri(self, transaction: Transaction) -> str:
        """Where wallets get the request object."""
        return f"{self._settings.base_url}/r/{transaction.handle}"

    def request_object(self, handle: str, *, wallet_nonce: str | None, at: dt.datetime) -> bytes:
        """The request object, with the wallet's nonce in it if it sent one.

        Raises ``NotFound``, ``StateError``, ``SigningError``.
        """
        found = self._by_handle(handle)
        if _way(found) != "wallet":
            raise NotFound("no request for wallets")
        found = self._signed(found, at)
        assert found.request is not None
        if wallet_nonce is None:
            return found.request
        return self._standings.current.verifier.renew(read_request(found.request), wallet_nonce=wallet_nonce)

    def page_request(
        self, transaction: str, *, owner: str, at: dt.datetime, protocol: str = SIGNED
    ) -> tuple[str, dict[str, Any]]:
        """Protocol and data for a page that asks through its browser. Raises as ``request_object`` does."""
        found = self._mine(transaction, owner)
        if _way(found) != "browser":
            raise StateError(found.state, "this request is not for a browser")
        found = self._signed(found, at)
        assert found.request is not None
        if protocol == MULTISIGNED:
            verifier = self._standings.current.verifier
            return protocol, {"request": verifier.multisigned(read_request(found.request))}
        return SIGNED, {"request": found.request.decode("ascii")}

    def answer(self, handle: str, body: bytes, *, at: dt.datetime) -> str | None:
        """Take a wallet's form. Where to send the person, if anywhere.

        Raises ``NotFound``, ``StateError``, ``RefusedError`` for what is no answer to this request, and
        ``AnswerRefusedError`` for a verdict that is not ACCEPTED.
        """
        found = self._by_handle(handle)
        if _way(found) != "wallet":
            raise NotFound("no request for wallets")
        return self._take(found, body, at)

    def page_answer(self, transaction: str, data: Mapping[str, Any], *, owner: str, at: dt.datetime) -> None:
        """The same for what a page got from its browser."""
        found = self._mine(transaction, owner)
        if _way(found) != "browser":
            raise StateError(found.state, "this request is not for a browser")
        self._take(found, data, at)

    def of_code(self, response_code: str) -> Transaction | None:
        """The transaction with that response code, for our own pages."""
        return self._store.by_response_code(_digest(response_code))

    def carried(self, response_code: str, *, at: dt.datetime) -> str:
        """The short code, for the device of the wallet that shows it for a while. Raises ``NotFound``."""
        found = self._store.by_response_code(_digest(response_code))
        if found is None or found.code is None or found.answered_at is None:
            raise NotFound("no such code")
        if epoch(at) > found.answered_at + self._settings.lifetimes.code:
            raise NotFound("no such code any more")
        return found.code

    def look(self, transaction: str, *, owner: str, at: dt.datetime) -> Transaction:
        """A transaction as it stands. Raises ``NotFound``."""
        found = self._mine(transaction, owner)
        if found.state == "open" and _is_over(found, epoch(at)):
            return replace(found, state="expired")
        return found

    def result(self, found: Transaction, *, response_code: str | None, code: str | None) -> dict[str, Any] | None:
        """The verdict, if there is one. Raises ``CodeNeededError``, and ``StateError`` after too many wrong ones."""
        if found.result is None:
            return None
        if found.outcome == Outcome.ACCEPTED.value and found.device != "browser":
            self._check_code(found, response_code=response_code, code=code)
        verdict: dict[str, Any] = json.loads(found.result)
        return verdict

    def cancel(self, transaction: str, *, owner: str, at: dt.datetime) -> None:
        """End an open request, or erase what was submitted. Raises ``NotFound``, ``StateError``."""
        found = self.look(transaction, owner=owner, at=at)
        if found.state == "answered":
            if found.submission != Submission.DELETED.value:
                self.move(transaction, Submission.DELETED, None, owner=owner, at=at)
        elif found.state == "open":
            told = self._told(found, state="cancelled", at=at)
            if not self._store.closed(found.id, at=epoch(at), state="cancelled", told=told):
                raise StateError("answered", "an answer came first")

    def move(
        self, transaction: str, state: Submission, reason: str | None, *, owner: str, at: dt.datetime
    ) -> Transaction:
        """The next step of a submission. Raises ``NotFound``, ``StateError``, ``WishError`` without a reason."""
        found = self._mine(transaction, owner)
        if found.submission is None:
            raise StateError(found.state, "nothing was submitted")
        if state not in NEXT[Submission(found.submission)]:
            raise StateError(found.submission, f"it cannot become {state.value}")
        if (state is Submission.RETURNED) != (reason is not None):
            raise WishError("reason", "is for what is returned, and has to be there then")
        erase = state is Submission.DELETED
        if erase and found.evidence is not None and self._recorder is not None:
            self._recorder.destroy(found.evidence, at=at)
        step = Moved(at=epoch(at), state=state.value, reason=reason)
        told = self._told(found, state=found.state, at=at, outcome=found.outcome, submission=state)
        if not self._store.moved(found.id, before=found.submission, step=step, told=told, erase=erase):
            raise StateError(found.submission, "it changed meanwhile")
        return self._mine(transaction, owner)

    def _formats(self, wish: Wish, policy: VerificationPolicy) -> tuple[str, ...] | None:
        return wish.formats or (() if policy.formats else self._settings.formats) or None

    def _check_places(self, wish: Wish) -> None:
        """Everything that leads elsewhere is in the settings, letter for letter (threats WF-16)."""
        browser = ResponseMode(wish.mode).browser
        if wish.redirect is not None and wish.redirect not in (self._settings.landing, *self._settings.redirect_uris):
            raise WishError("redirect", "not one that the settings name")
        if wish.webhook is not None and wish.webhook not in {one.url for one in self._settings.webhooks}:
            raise WishError("webhook", "not one that the settings name")
        if browser != (wish.origin is not None) or (
            wish.origin is not None and wish.origin not in (self._settings.origin, *self._settings.origins)
        ):
            raise WishError("origin", "one that the settings name, for a request through a browser")
        if browser == (wish.device is not None):
            raise WishError("device", "same_device or cross_device, but for a request through a browser")
        if (wish.device == "same_device" and wish.redirect is None) or (browser and wish.redirect is not None):
            raise WishError("redirect", "where the person goes on, on the same device")

    def _mine(self, transaction: str, owner: str) -> Transaction:
        found = self._store.by_id(transaction, owner)
        if found is None:
            raise NotFound("no such request")
        return found

    def _by_handle(self, handle: str) -> Transaction:
        found = self._store.by_handle(handle)
        if found is None:
            raise NotFound("no such request")
        return found

    def _signed(self, found: Transaction, at: dt.datetime) -> Transaction:
        """The transaction with its request object, if it is still to be answered."""
        _check_open(found, epoch(at))
        if found.request is not None:
            return found
        request = self._sign(found, at)
        self._store.signed(found.id, request.raw, expires_at=request.expires_at)
        return self._by_handle(found.handle)  # another process may have been first: its object is the one

    def _sign(self, found: Transaction, at: dt.datetime) -> PresentationRequest:
        wish = Wish.model_validate_json(found.wish)
        policy, mode = VerificationPolicy.load(found.policy), ResponseMode(found.mode)
        return self._standings.newest().verifier.online_request(
            policy,
            mode=mode,
            at=at,
            lifetime=dt.timedelta(seconds=self._settings.lifetimes.answer),
            response_uri=None if mode.browser else f"{self.request_uri(found)}/answer",
            origin=wish.origin,
            client_id=self.client_id,
            reference_date=wish.reference_date,
            formats=self._formats(wish, policy),
            transaction_data=wish.transaction_data,
            verifier_info=self._settings.verifier_info,
            lang=wish.lang or self._settings.lang,
            plain_http=self._settings.development,
        )

    def _take(self, found: Transaction, answer: bytes | Mapping[str, Any], at: dt.datetime) -> str | None:
        _check_open(found, epoch(at))
        if found.request is None:
            raise StateError(found.state, "nobody has fetched the request yet")
        verifier = self._standings.newest().verifier
        request = read_request(found.request)
        try:
            read = verifier.read(answer, request=request, at=at)
        except RefusedError as error:
            self._wrong(found, (error.code.value,), at)
            raise
        if isinstance(read, WalletError):
            told = self._told(found, state="declined", at=at)
            if not self._store.closed(found.id, at=epoch(at), state="declined", error=read.error, told=told):
                raise StateError("answered", "an answer came first")
            return found.redirect
        return self.judged(found, verifier.verify(read, request=request, at=at), at)

    def judged(self, found: Transaction, result: VerificationResult, at: dt.datetime) -> str | None:
        """Keep the verdict about an answer to an open request. Where to send the person, if anywhere.

        Raises ``AnswerRefusedError`` for one that is not ACCEPTED, ``StateError`` when another answer was first.
        """
        evidence = None if self._recorder is None else self._recorder.number()
        codes = tuple(dict.fromkeys(reason.code.value for reason in result.reasons))
        if not any(one.name == "replay" and one.status is CheckStatus.PASSED for one in result.checks):
            self._wrong(found, codes, at)
            raise AnswerRefusedError(result)
        accepted = result.outcome is Outcome.ACCEPTED
        secret = secrets.token_urlsafe(32) if accepted and found.device != "browser" else None
        short = None
        if secret is not None and found.device == "cross_device":
            short = f"{secrets.randbelow(10**_CODE_DIGITS):0{_CODE_DIGITS}d}"
        returned = result.outcome is Outcome.REJECTED
        submission = Submission.RETURNED if returned else Submission.SUBMITTED
        kept = self._store.answered(
            found.id,
            at=epoch(at),
            result=self._written(found, result, at),
            code=short,
            step=Moved(at=epoch(at), state=submission.value, reason=", ".join(codes) if returned else None),
            told=self._told(found, state="answered", at=at, outcome=result.outcome.value, submission=submission),
            outcome=result.outcome.value,
            response_code=None if secret is None else _digest(secret),
            evidence=evidence,
        )
        if not kept:
            raise StateError("answered", "another answer came first")
        if not accepted:
            raise AnswerRefusedError(result)
        return None if secret is None else self._onward(found, secret)

    def _written(self, found: Transaction, result: VerificationResult, at: dt.datetime) -> bytes:
        """The verdict as it is kept, with the receipt for the holder."""
        reference = Wish.model_validate_json(found.wish).reference
        receipt = self._standings.current.verifier.receipt(result, at=at, reference=reference)
        return dump_json(result.to_json() | {"receipt": receipt.raw.decode("ascii")})

    def _onward(self, found: Transaction, secret: str) -> str:
        if found.redirect is None:
            return f"{self._settings.base_url}/carry/{secret}"
        mark = "&" if "?" in found.redirect else "?"
        return f"{found.redirect}{mark}{urlencode({'response_code': secret})}"

    def _wrong(self, found: Transaction, codes: tuple[str, ...], at: dt.datetime) -> None:
        if self._store.refused(found.id, reasons=json.dumps(codes)) >= self._settings.wrong_answers:
            self._store.closed(found.id, at=epoch(at), state="closed", told=self._told(found, state="closed", at=at))

    def _check_code(self, found: Transaction, *, response_code: str | None, code: str | None) -> None:
        same = found.device == "same_device"
        brought = response_code if same else code
        needed = "response_code" if same else "code"
        if brought is None:
            raise CodeNeededError(needed)
        if not self._store.guess(found.id, most=self._settings.tries):
            raise StateError("locked", "too many wrong codes")
        right = found.response_code if same else (found.code or "").encode()
        given = _digest(brought) if same else brought.encode("utf-8", "replace")
        if not right or not hmac.compare_digest(right, given):
            raise CodeNeededError(needed)
        self._store.guessed_right(found.id)

    def _told(
        self,
        found: Transaction,
        *,
        state: str,
        at: dt.datetime,
        outcome: str | None = None,
        submission: Submission | None = None,
    ) -> Delivery | None:
        if found.webhook is None:
            return None
        step = None if submission is None else submission.value
        return message(found, state=state, outcome=outcome, submission=step, at=epoch(at))


def _client_id(settings: VerifierServerSettings, verifier: Verifier) -> str:
    """Under which of the reader's names the service asks. Raises ``ValueError`` when it does not have that one."""
    if settings.client_id_prefix == "x509_hash":
        return verifier.client_id
    wanted = f"x509_san_dns:{urlsplit(settings.base_url).hostname}"
    if wanted not in verifier.client_ids:
        raise ValueError("the reader's certificate has no dNSName for base_url")
    return wanted


def _check_open(found: Transaction, now: int) -> None:
    if found.state != "open":
        raise StateError(found.state, "it is over")
    if _is_over(found, now):
        raise StateError("expired", "it is over")


def _is_over(found: Transaction, now: int) -> bool:
    return now > (found.expires_at if found.request_expires_at is None else found.request_expires_at)


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "replace")).digest()


def _way(transaction: Transaction) -> str:
    """How the answer comes: from a ``wallet``, through a ``browser``, or at the desk, ``offline``."""
    if transaction.mode not in list(ResponseMode):
        return "offline"
    return "browser" if ResponseMode(transaction.mode).browser else "wallet"
