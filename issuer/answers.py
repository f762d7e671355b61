"""``AnswerDesk``: from an application to signed certificates, for keys that somebody has proven to hold.

Nothing is signed inside a transaction: a key in a device may be slow, or hang, and everybody who writes would wait. An
answer reserves its status entries, signs, and is delivered, by a second transaction that looks once more whether it
may: after ``stop`` returned nothing is, whatever was under way. A key at hand signs for places that were seen to be
free, and one transaction takes them and delivers, or nothing is done and the places are reserved first. Every copy is
opened and verified by our own verifier's code before it is let out, and one that fails stops the line.

Times are coarse, so that two copies shown in two places do not betray a common issue: ``iat`` is the full hour,
``exp`` the last second of the last day of validity in Korea.
"""

from __future__ import annotations

import datetime as dt
import secrets
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from issuer.database import audit_reason
from issuer.selfcheck import SelfCheckError, issue_checked, without_marks
from issuer.status import StatusDesk
from issuer.status_store import BoundError, TakenError
from issuer.store import OfferRow, Reservation
from vcred._waiting import elsewhere
from vcred.catalog.age import KST, kst_date
from vcred.credential import Content
from vcred.errors import RecordError, RefusedError, SigningError, StoreError
from vcred.formats._wire import dump_json, epoch
from vcred.formats.base import IssuerKey
from vcred.formats.known import FORMATS, Formats
from vcred.issuance import Delivery
from vcred.keys import SoftwareSigner
from vcred.reasons import ReasonCode

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from issuer.profile import IssuerProfile, TimedSigner
    from issuer.records import RecordSource
    from issuer.store import IssuerStore
    from vcred.catalog import Catalog, CertificateType
    from vcred.formats.base import CredentialFormat
    from vcred.keys import PublicKey

__all__ = ["AnswerDesk"]

_HOUR: Final = 3_600
_NOON: Final = dt.time(12)


class _Terms(NamedTuple):
    kind: CertificateType
    issued_at: int
    expires_at: int

    @property
    def bits(self) -> int:
        """The width of the status lists that its copies are in."""
        return 2 if self.kind.status.suspendable else 1


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


def _check_running(hindrance: str | None) -> None:
    if hindrance:
        raise SigningError(f"signing is stopped: {hindrance}")


def _nothing(*_: object) -> None:
    pass


class AnswerDesk(StatusDesk):
    """Considers applications, and answers them."""

    def __init__(
        self,
        profile: IssuerProfile,
        document_signer: TimedSigner,
        status_signer: TimedSigner,
        *,
        records: RecordSource,
        catalog: Catalog,
        store: IssuerStore,
        more_formats: Mapping[str, Callable[[], CredentialFormat]] | None = None,
    ) -> None:
        super().__init__(profile, status_signer, catalog=catalog, store=store)
        self._document_signer = document_signer
        self._key = IssuerKey(
            public_key=profile.signer.public_key, chain=document_signer.chain, did_url=document_signer.did_url
        )
        self._records = records
        self._store.name_signer(self._key.public_key.kid)
        if not set(profile.formats) <= {*FORMATS, *(more_formats or ())}:
            raise ValueError(f"unknown format in {', '.join(profile.formats)}")
        self._formats: Mapping[str, CredentialFormat] = Formats(catalog, more_formats)

    def consider(
        self,
        code: str,
        *,
        subject: str,
        variant: str | None,
        options: Mapping[str, Any] | None,
        at: dt.datetime,
        expires_at: int,
    ) -> OfferRow:
        """An application as it would be answered now, kept nowhere.

        The record is fetched and certified on trial, so that a wrong option or an unknown subject is noticed here.
        Raises ``CatalogError``, ``RecordError``, ``ValueError`` for an unknown option or variant, ``SigningError``
        when this issuer may not or cannot sign it.
        """
        kind = self._type(code)
        self._formats_of(kind)
        self._check_running()
        self._expiry(kind, at)
        chosen, day = dict(options or {}), kst_date(at)
        claims = kind.issue(self._records.fetch(code, subject, at=at), variant=variant, options=chosen, issued_on=day)
        return OfferRow(
            code=code,
            subject=subject,
            variant=variant,
            options=chosen,
            record_digest=self._digest(claims),
            offered_on=day.isoformat(),
            expires_at=expires_at,
        )

    def apply(
        self,
        code: str,
        *,
        subject: str,
        variant: str | None,
        options: Mapping[str, Any] | None,
        at: dt.datetime,
        expires_at: int,
    ) -> bytes:
        """Keep an application until ``expires_at``: the nonce with which it can be answered once.

        Raises as ``consider``, and ``StoreError``.
        """
        row = self.consider(code, subject=subject, variant=variant, options=options, at=at, expires_at=expires_at)
        nonce = secrets.token_bytes(16)
        self._store.transact(lambda: self._store.put_offer(nonce, row, at=epoch(at)))
        return nonce

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
        # What a new application may not have is looked at where it is reserved.
        offer = application or self._open(nonce, digest, at)
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
        terms: _Terms,
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
            return None
        return delivery

    def _take(self, asked: _Asked, terms: _Terms, offer: OfferRow, signed: _Signed) -> None:
        """What was signed is answered, with all that belongs to it; or ``TakenError`` is raised."""
        delivery = signed.delivery
        answered = offer._replace(request_digest=asked.digest, delivery=delivery.to_bytes())
        kid, is_new = self._key.public_key.kid, asked.application is not None
        # First: a request that comes again, and finds its places reserved, has used up its nonces itself.
        self._store.answer(asked.nonce, answered, kid=kid, at=epoch(asked.at), is_new=is_new)
        asked.within()
        self._add_credential(delivery.credential_id, terms, offer.subject, asked.at)
        for (name, key), place in zip(signed.keys, signed.places, strict=True):
            self._store.take_place(delivery.credential_id, place, format=name, key=key.thumbprint)
        self._let_out(asked, delivery, offer.subject)

    def _answer_slowly(
        self, asked: _Asked, terms: _Terms, claims: Mapping[str, Any], keys: Sequence[tuple[str, PublicKey]]
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

    def stop(self, *, reason: str, at: dt.datetime) -> None:
        """Deliver no certificate from now on, in any process on this store, until ``start``. Status lists go on."""
        self._store.set_stopped(audit_reason(reason), at=epoch(at))

    def start(self, *, at: dt.datetime) -> None:
        """Sign again."""
        self._store.set_stopped(None, at=epoch(at))

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
        _check_running(hindrance)
        return offer if offer.delivery is None else Delivery.parse(offer.delivery)

    def _check_running(self) -> None:
        _check_running(self._store.hindrance(self._key.public_key.kid))

    def _type(self, code: str) -> CertificateType:
        if self._profile.types is not None and code not in self._profile.types:
            raise SigningError(f"{self._profile.id} does not issue {code}")
        if self._catalog[code].foreign:
            raise SigningError(f"{code} is a type of other issuers: it is verified here, not issued")
        return self._catalog[code]

    def _formats_of(self, kind: CertificateType) -> tuple[str, ...]:
        """What of this issuer's formats a certificate of ``kind`` may be in."""
        formats = tuple(one for one in self._profile.formats if one in kind.formats)
        if not formats:
            ours = ", ".join(self._profile.formats)
            raise SigningError(f"{kind.code} is issued as {', '.join(kind.formats)}, and this issuer writes {ours}")
        return formats

    def _claims(self, offer: OfferRow, at: dt.datetime) -> tuple[CertificateType, dict[str, Any]]:
        """What is signed: the record as it is now, if it still is what the applicant agreed to (threats OP-11)."""
        kind = self._type(offer.code)
        then, day = dt.date.fromisoformat(offer.offered_on), kst_date(at)
        # A record depends on the day. What was agreed to is compared on its own day, a deferred one weeks later too.
        of_then = at if day == then else dt.datetime.combine(then, _NOON, KST)
        record = self._record(offer, of_then)
        agreed = kind.issue(record, variant=offer.variant, options=offer.options, issued_on=then)
        if self._digest(agreed) != offer.record_digest:
            raise RecordError("the record has changed since the offer was made: make another offer")
        if day == then:
            return kind, agreed
        record = self._record(offer, at)
        return kind, kind.issue(record, variant=offer.variant, options=offer.options, issued_on=day)

    def _record(self, offer: OfferRow, at: dt.datetime) -> Mapping[str, Any]:
        def fetch() -> Mapping[str, Any]:
            return self._records.fetch(offer.code, offer.subject, at=at)

        record: Mapping[str, Any] = fetch() if getattr(self._records, "in_memory", False) else elsewhere(fetch)
        return record

    def _digest(self, claims: Mapping[str, Any]) -> bytes:
        return self._store.keyed_hash("record", dump_json(without_marks(claims)))

    def _expiry(self, kind: CertificateType, at: dt.datetime) -> int:
        """The end of the last day of validity in Korea: the same second for everybody who got one that day."""
        last = kst_date(at) + dt.timedelta(days=kind.lifetime_days + 1)
        expires_at = int(dt.datetime(last.year, last.month, last.day, tzinfo=KST).timestamp()) - 1
        self._document_signer.check(at=at, expires_at=expires_at)
        return expires_at

    def _terms(self, kind: CertificateType, at: dt.datetime) -> _Terms:
        now = epoch(at)
        return _Terms(kind, max(now - now % _HOUR, self._document_signer.not_before), self._expiry(kind, at))

    def _reserve(self, asked: _Asked, terms: _Terms, keys: Sequence[tuple[str, PublicKey]]) -> Reservation | Delivery:
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

    def _add_credential(self, credential_id: str, terms: _Terms, subject: str, at: dt.datetime) -> None:
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
        terms: _Terms,
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

    def _deliver(self, asked: _Asked, delivery: Delivery, terms: _Terms) -> Delivery:
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
