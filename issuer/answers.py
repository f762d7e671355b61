"""``AnswerDesk``: from an application to signed certificates, for keys that somebody has proven to hold.

Nothing is signed inside a transaction: a key in a device may be slow, or hang, and everybody who writes would wait. An
answer reserves its status entries, signs, and is delivered, by a second transaction that looks once more whether it
may: after ``stop`` returned nothing is, whatever was under way. A key at hand signs for places that were seen to be
free, and one transaction takes them and delivers, or nothing is done and the places are reserved first. Every copy is
opened and verified by our own verifier's code before it is let out, and one that fails stops the line.
"""

from __future__ import annotations

import secrets
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from issuer.considering import ConsiderDesk, Terms, check_running
from issuer.selfcheck import SelfCheckError, issue_checked
from issuer.status_store import BoundError, TakenError
from issuer.store import OfferRow, Reservation
from vcred._waiting import elsewhere
from vcred.credential import Content
from vcred.errors import RefusedError, StoreError
from vcred.formats._wire import epoch
from vcred.formats.known import FORMATS
from vcred.issuance import Delivery
from vcred.keys import SoftwareSigner
from vcred.reasons import ReasonCode

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Mapping, Sequence

    from vcred.keys import PublicKey

__all__ = ["AnswerDesk"]


class _Signed(NamedTuple):
    """What was signed for places that were seen to be free."""

    delivery: Delivery
    keys: Sequence[tuple[str, PublicKey]]
    places: Sequence[tuple[int, int]]


class _Asked(NamedTuple):
    """One request: of which offer, which it is, and what is done with it in its transactions."""

    nonce: bytes
    digest: bytes
    application: OfferRow | None
    within: Callable[[], object]
    delivered: Callable[[str], object]
    at: dt.datetime


def _nothing(*_: object) -> None:
    pass


class AnswerDesk(ConsiderDesk):
    """Answers applications."""

    def answered(self, nonce: bytes, *, digest: bytes, at: dt.datetime) -> Delivery | None:
        """The answer that a request had, if it had one and it may still be given. Raises as ``answer``."""
        offer, hindrance = self._standing(nonce)
        if offer is None:
            return None
        found = self._checked(offer, hindrance, digest, at)
        return found if isinstance(found, Delivery) else None

    def answer(
        self,
        nonce: bytes,
        keys: Sequence[tuple[str, PublicKey]],
        *,
        digest: bytes,
        at: dt.datetime,
        application: OfferRow | None = None,
        within: Callable[[], object] = _nothing,
        delivered: Callable[[str], object] = _nothing,
    ) -> Delivery:
        """A certificate for each of ``keys``, which the caller has seen proven; the same answer to the same request.

        ``digest`` tells this request from any other with ``nonce``. ``application`` is what is answered where the store
        has none of that nonce, and is kept with the answer. ``within`` runs in the transaction that reserves, once for
        a request, whatever comes after (a request that failed and comes again has used up its nonces itself);
        ``delivered``, with the credential's id, in the one that delivers. What they raise undoes their transaction.

        Raises ``RefusedError`` (``nonce``, ``request_expired``, ``replay``, ``key`` for a key that is bound already),
        ``RecordError`` when the record is no longer what the application was made for, ``SigningError`` when nothing
        may be signed, ``StoreError``.
        """
        asked = _Asked(nonce, digest, application, within, delivered, at)
        # Whether anything stands in a new application's way is looked at where it is reserved or delivered.
        offer = self._open(nonce, digest, at) if application is None else self._checked(application, None, digest, at)
        if isinstance(offer, Delivery):
            return offer
        kind, claims = self._claims(offer, at)
        terms = self._terms(kind, at)
        try:
            if all(self._is_quick(name) for name, _ in keys):
                delivery = self._answer_quickly(asked, terms, claims, keys, offer)
                if delivery is not None:
                    return delivery
            return self._answer_slowly(asked, terms, claims, keys)
        except SelfCheckError:
            with suppress(StoreError):
                self.stop(reason="self-check failed", at=at)
            raise

    def _answer_quickly(
        self,
        asked: _Asked,
        terms: Terms,
        claims: Mapping[str, Any],
        keys: Sequence[tuple[str, PublicKey]],
        offer: OfferRow,
    ) -> Delivery | None:
        """``None`` where it takes more than one look: nothing is done then."""
        places = self._store.free_places(terms.bits, len(keys))
        if len(places) < len(keys):
            return None
        delivery = self._sign(terms, claims, keys, Reservation(f"c-{secrets.token_hex(8)}", places))
        try:
            self._store.transact(lambda: self._take(asked, terms, offer, _Signed(delivery, keys, places)))
        except TakenError:
            self._store.forget_list(terms.bits)
            return None
        return delivery

    def _take(self, asked: _Asked, terms: Terms, offer: OfferRow, signed: _Signed) -> None:
        """What was signed is answered, with all that belongs to it; or ``TakenError`` is raised."""
        delivery = signed.delivery
        answered = offer._replace(request_digest=asked.digest, delivery=delivery.to_bytes())
        kid, is_new = self._key.public_key.kid, asked.application is not None
        # First: a request that comes again, and finds its places reserved, has used up its nonces itself.
        self._store.answer(asked.nonce, answered, kid=kid, at=epoch(asked.at), is_new=is_new)
        asked.within()
        self._add_credential(delivery.credential_id, terms, offer.subject, asked.at)
        for (name, key), place in zip(signed.keys, signed.places, strict=True):
            self._store.take_place(delivery.credential_id, place, format=name, key=key.thumbprint, bits=terms.bits)
        self._let_out(asked, delivery, offer.subject)

    def _answer_slowly(
        self, asked: _Asked, terms: Terms, claims: Mapping[str, Any], keys: Sequence[tuple[str, PublicKey]]
    ) -> Delivery:
        reserved = self._store.transact(lambda: self._reserve(asked, terms, keys))
        if isinstance(reserved, Delivery):
            return reserved
        try:
            delivery = self._sign(terms, claims, keys, reserved)
            return self._store.transact(lambda: self._deliver(asked, delivery, terms))
        except BaseException:
            with suppress(StoreError):  # what cannot be given back now is when the offer ends
                self._store.transact(lambda: self._store.release(reserved.credential_id))
            raise

    def _open(
        self, nonce: bytes, digest: bytes, at: dt.datetime, application: OfferRow | None = None
    ) -> OfferRow | Delivery:
        """The offer, if it may be answered now; the answer it had, to the same request."""
        found, hindrance = self._standing(nonce)
        offer = found or application
        if offer is None:
            raise RefusedError(ReasonCode.NONCE, "nonce", "there is no such offer")
        return self._checked(offer, hindrance, digest, at)

    def _standing(self, nonce: bytes) -> tuple[OfferRow | None, str | None]:
        return self._store.standing(nonce, self._key.public_key.kid)

    def _checked(self, offer: OfferRow, hindrance: str | None, digest: bytes, at: dt.datetime) -> OfferRow | Delivery:
        if at.timestamp() >= offer.expires_at:
            raise RefusedError(ReasonCode.REQUEST_EXPIRED, "nonce", "the offer has expired")
        if offer.request_digest not in (None, digest):
            raise RefusedError(ReasonCode.REPLAY, "nonce", "this offer was redeemed with other keys")
        check_running(hindrance)
        return offer if offer.delivery is None else Delivery.parse(offer.delivery)

    def _reserve(self, asked: _Asked, terms: Terms, keys: Sequence[tuple[str, PublicKey]]) -> Reservation | Delivery:
        """A credential and a status entry for each copy, this request's alone; those it has, when it comes again."""
        at = asked.at
        # Another process may have answered or stopped while the proofs were checked.
        offer = self._open(asked.nonce, asked.digest, at, asked.application)
        if isinstance(offer, Delivery):
            return offer
        if offer.reserved is not None:
            return Reservation(offer.reserved, self._store.places(offer.reserved))
        if offer is asked.application or asked.application is None:
            asked.within()
        credential_id = f"c-{secrets.token_hex(8)}"
        self._add_credential(credential_id, terms, offer.subject, at)
        places = []
        for index, (name, key) in enumerate(keys):
            try:
                places.append(self._store.add_copy(credential_id, format=name, key=key.thumbprint, bits=terms.bits))
            except BoundError:
                path = f"keys[{index}].proof"
                raise RefusedError(ReasonCode.KEY, path, "the key is bound to another credential") from None
        if offer is asked.application:
            reserved = offer._replace(request_digest=asked.digest, reserved=credential_id)
            self._store.put_offer(asked.nonce, reserved, at=epoch(at), event=None)
        else:
            self._store.reserve(asked.nonce, asked.digest, credential_id)
        return Reservation(credential_id, places)

    def _add_credential(self, credential_id: str, terms: Terms, subject: str, at: dt.datetime) -> None:
        self._store.add_credential(
            credential_id,
            code=terms.kind.code,
            subject=subject,
            signer=self._key.public_key.kid,
            made_at=epoch(at),
            issued_at=terms.issued_at,
            expires_at=terms.expires_at,
        )

    def _sign(
        self,
        terms: Terms,
        claims: Mapping[str, Any],
        keys: Sequence[tuple[str, PublicKey]],
        reserved: Reservation,
    ) -> Delivery:
        placed = list(zip(keys, reserved.places, strict=True))
        bitstrings = [one for (name, _), (one, _) in placed if self._profile.names_bitstrings(name)]
        self._store.serve_bitstring(bitstrings)
        copies = []
        for (name, key), (number, entry) in placed:
            if not self._is_quick(name):
                self._check_running()
            content = Content(
                vct=terms.kind.vct,
                issuer=self._profile.id,
                claims=claims,
                issued_at=terms.issued_at,
                expires_at=terms.expires_at,
                holder_key=key,
                status=self._profile.status(name, number, entry, suspendable=terms.kind.status.suspendable),
            )
            copies.append((name, self._issue(name, content)))
        return Delivery(code=terms.kind.code, credential_id=reserved.credential_id, credentials=tuple(copies))

    def _is_quick(self, name: str) -> bool:
        """Whether no device signs what is in this format, and no other process."""
        return name in FORMATS and isinstance(self._profile.signer, SoftwareSigner)

    def _issue(self, name: str, content: Content) -> bytes:
        issue = partial(issue_checked, self._formats[name], content, self._key, self._profile.signer)
        raw: bytes = issue() if self._is_quick(name) else elsewhere(issue)
        return raw

    def _deliver(self, asked: _Asked, delivery: Delivery, terms: Terms) -> Delivery:
        """Keep the answer and let it out, unless the offer was answered or signing was stopped meanwhile."""
        offer = self._open(asked.nonce, asked.digest, asked.at)
        if isinstance(offer, Delivery):
            return offer
        self._store.deliver(
            asked.nonce,
            delivery.credential_id,
            delivery.to_bytes(),
            signer=self._key.public_key.kid,
            at=epoch(asked.at),
            issued_at=terms.issued_at,
            expires_at=terms.expires_at,
        )
        self._let_out(asked, delivery, offer.subject)
        return delivery

    def _let_out(self, asked: _Asked, delivery: Delivery, subject: str) -> None:
        self._store.log(
            epoch(asked.at),
            "issued",
            code=delivery.code,
            subject_hash=self._store.subject_hash(subject),
            credential=delivery.credential_id,
        )
        asked.delivered(delivery.credential_id)
