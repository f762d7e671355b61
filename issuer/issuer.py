"""``Issuer``: from a registry's record to signed certificates, and their revocation.

Offer, proofs, delivery. Nothing is signed before the holder's keys are proven. An issue reserves its status entries,
signs outside any transaction (a key in a device may be slow, or hang), and is delivered in a second one, which looks
once more whether it may be: after ``stop`` returned nothing is, whatever was under way. Every copy is opened and
verified by our own verifier's code before it is let out, and one that fails stops the line.

Times are coarse, so that two copies shown in two places do not betray a common issue: ``iat`` is the full hour,
``exp`` the last second of the last day of validity in Korea.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import secrets
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from issuer.database import audit_reason
from issuer.lint import lint_indexes
from issuer.profile import CertifiedSigner
from issuer.proofs import check_proofs
from issuer.selfcheck import SelfCheckError, issue_checked, without_marks
from issuer.status import LIST_LIFETIME, StatusDesk
from issuer.store import IssuerStore, OfferRow
from vcred.catalog.age import KST, kst_date
from vcred.credential import Content, StatusReference
from vcred.errors import RecordError, RefusedError, SigningError, StoreError
from vcred.formats._wire import dump_json, epoch
from vcred.formats.base import IssuerKey
from vcred.formats.known import FORMATS, Formats
from vcred.issuance import Delivery, IssuanceRequest, Offer
from vcred.reasons import ReasonCode
from vcred.trust.profile import Purpose

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from issuer.profile import IssuerProfile
    from issuer.records import RecordSource
    from issuer.store import Reservation
    from vcred.catalog import Catalog, CertificateType
    from vcred.formats.base import CredentialFormat
    from vcred.keys import PublicKey
    from vcred.qr import Message

__all__ = ["Issuer"]

_OFFER_LIFETIME: Final = dt.timedelta(minutes=10)
_HOUR: Final = 3_600
_LINT_WINDOWS: Final = 16
_LINT_LENGTH: Final = 1_024


class _Terms(NamedTuple):
    kind: CertificateType
    issued_at: int
    expires_at: int


class Issuer(StatusDesk):
    """Makes offers, answers key proofs with certificates, revokes, and signs status lists."""

    def __init__(
        self,
        profile: IssuerProfile,
        *,
        records: RecordSource,
        catalog: Catalog,
        store: IssuerStore | None = None,
    ) -> None:
        """Without a ``store`` everything is forgotten with the process. Raises ``SigningError`` when profile, keys and
        certificates do not belong together, ``ValueError`` for a format nobody here writes.
        """
        self._document_signer = CertifiedSigner(profile.signer, profile.chain, id=profile.id, purpose=Purpose.ISSUER)
        status_signer = self._document_signer
        if profile.status_signer is not None:
            status_signer = CertifiedSigner(
                profile.status_signer, profile.status_chain, id=profile.id, purpose=Purpose.STATUS
            )
        super().__init__(profile, status_signer, catalog=catalog, store=IssuerStore() if store is None else store)
        self._key = IssuerKey(public_key=profile.signer.public_key, chain=self.chain)
        self._records = records
        self._store.name_signer(self._key.public_key.kid)
        if not set(profile.formats) <= set(FORMATS):
            raise ValueError(f"unknown format in {', '.join(profile.formats)}")
        self._formats: Mapping[str, CredentialFormat] = Formats(catalog)

    @property
    def id(self) -> str:
        """The issuer's identifier, as credentials carry it."""
        return self._profile.id

    @property
    def chain(self) -> tuple[bytes, ...]:
        """The document signer's certificates, DER, leaf first, without the root."""
        return self._document_signer.chain

    def offer(
        self,
        code: str,
        *,
        subject: str,
        at: dt.datetime,
        variant: str | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> Offer:
        """Offer ``subject`` a certificate, once, for ten minutes.

        The record is fetched and certified on trial now, so that a wrong option or an unknown subject is
        noticed here. Raises ``CatalogError``, ``RecordError``, ``ValueError`` for an unknown option or
        variant, ``SigningError`` when this issuer may not or cannot sign it.
        """
        kind = self._type(code)
        self._check_running()
        self._expiry(kind, at)
        chosen = dict(options or {})
        day = kst_date(at)
        claims = kind.issue(self._records.fetch(code, subject, at=at), variant=variant, options=chosen, issued_on=day)
        nonce = secrets.token_bytes(16)
        row = OfferRow(
            code=code,
            subject=subject,
            variant=variant,
            options=chosen,
            record_digest=self._digest(claims),
            offered_on=day.isoformat(),
            expires_at=epoch(at + _OFFER_LIFETIME),
        )
        self._store.put_offer(nonce, row, at=epoch(at))
        return Offer(
            issuer=self.id,
            code=code,
            nonce=nonce,
            expires_at=row.expires_at,
            formats=self._profile.formats,
            copies=self._profile.copies,
            variant=variant,
            options=chosen,
            redeem=self.issue,
        )

    def issue(self, request: IssuanceRequest | Message | bytes, *, at: dt.datetime) -> Delivery:
        """Answer a wallet's key proofs. The same request gets the same answer until the offer ends, or signing stops.

        Raises ``RefusedError`` for what is wrong with the request (``nonce``, ``request_expired``, ``replay``, ``key``
        for a key that is bound already, and those of ``check_proofs``), ``RecordError`` when the record is no longer
        what the offer was made for, ``SigningError`` when nothing may be signed, ``StoreError``.
        """
        if not isinstance(request, IssuanceRequest):
            request = IssuanceRequest.parse(request)
        digest = hashlib.sha256(request.to_bytes()).digest()
        offer = self._open(request, digest, at)
        if isinstance(offer, Delivery):
            return offer
        keys = check_proofs(request, issuer=self.id, formats=self._profile.formats, copies=self._profile.copies, at=at)
        kind, claims = self._claims(offer, at)
        terms = self._terms(kind, at)
        reserved = self._reserve(request, digest, terms, keys, at)
        if isinstance(reserved, Delivery):
            return reserved
        try:
            delivery = self._sign(terms, claims, keys, reserved)
            return self._deliver(request, digest, delivery, terms, at)
        except BaseException as error:
            with suppress(StoreError):  # what cannot be given back now is when the offer ends
                if isinstance(error, SelfCheckError):
                    self.stop(reason="self-check failed", at=at)
                self._store.release(reserved.credential_id)
            raise

    def stop(self, *, reason: str, at: dt.datetime) -> None:
        """Deliver no certificate from now on, in any process on this store, until ``start``. Status lists go on."""
        self._store.set_stopped(audit_reason(reason), at=epoch(at))

    def start(self, *, at: dt.datetime) -> None:
        """Sign again."""
        self._store.set_stopped(None, at=epoch(at))

    def give_up_signer(self, kid: bytes, *, reason: str, at: dt.datetime) -> None:
        """Sign no certificate with the key ``kid`` any more, in any process on this store: it leaked, or may have."""
        self._store.give_up(kid, reason=audit_reason(reason), at=epoch(at))

    def lint(self, *, at: dt.datetime) -> list[str]:
        """What an operator should put right: one English sentence each, without personal data; empty is good.

        The signers' ends against every type's lifetime, types that do not exist, status indexes that look drawn in
        sequence (threats ST-16; a sample of them), an audit log that was tampered with (OP-12, as ``StoreError``).
        """
        self._store.check_audit()
        found = lint_indexes(self._store.sample(windows=_LINT_WINDOWS, length=_LINT_LENGTH))
        for code in sorted(self._catalog if self._profile.types is None else self._profile.types):
            if code not in self._catalog:
                found.append(f"{code} is not in the catalogue")
                continue
            try:
                self._expiry(self._catalog[code], at)
            except SigningError as error:
                found.append(f"{code}: {error}")
        try:
            self._status_signer.check(at=at + LIST_LIFETIME)
        except SigningError:
            found.append(f"the signer of the status lists ends within {LIST_LIFETIME.days} days")
        if reason := self._store.hindrance(self._key.public_key.kid):
            found.append(f"signing is stopped: {reason}")
        return found

    def _open(self, request: IssuanceRequest, digest: bytes, at: dt.datetime) -> OfferRow | Delivery:
        """The offer, if it may be answered now; the answer it had, to the same request."""
        offer = self._store.offer(request.nonce)
        if offer is None:
            raise RefusedError(ReasonCode.NONCE, "nonce", "there is no such offer")
        if at.timestamp() >= offer.expires_at:
            raise RefusedError(ReasonCode.REQUEST_EXPIRED, "nonce", "the offer has expired")
        if offer.request_digest not in (None, digest):
            raise RefusedError(ReasonCode.REPLAY, "nonce", "this offer was redeemed with other keys")
        self._check_running()
        return offer if offer.delivery is None else Delivery.parse(offer.delivery)

    def _check_running(self) -> None:
        if reason := self._store.hindrance(self._key.public_key.kid):
            raise SigningError(f"signing is stopped: {reason}")

    def _type(self, code: str) -> CertificateType:
        if self._profile.types is not None and code not in self._profile.types:
            raise SigningError(f"{self.id} does not issue {code}")
        return self._catalog[code]

    def _claims(self, offer: OfferRow, at: dt.datetime) -> tuple[CertificateType, dict[str, Any]]:
        """What is signed: the record as it is now, if it still is what the applicant agreed to (threats OP-11)."""
        kind = self._type(offer.code)
        record = self._records.fetch(offer.code, offer.subject, at=at)
        then = dt.date.fromisoformat(offer.offered_on)
        agreed = kind.issue(record, variant=offer.variant, options=offer.options, issued_on=then)
        if self._digest(agreed) != offer.record_digest:
            raise RecordError("the record has changed since the offer was made: make another offer")
        day = kst_date(at)
        if day == then:
            return kind, agreed
        return kind, kind.issue(record, variant=offer.variant, options=offer.options, issued_on=day)

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

    def _reserve(
        self,
        request: IssuanceRequest,
        digest: bytes,
        terms: _Terms,
        keys: Sequence[tuple[str, PublicKey]],
        at: dt.datetime,
    ) -> Reservation | Delivery:
        """A credential and a status entry for each copy, this request's alone; those it has, when it comes again."""
        with self._store.writing():
            # Another process may have answered or stopped while the proofs were checked.
            offer = self._open(request, digest, at)
            if isinstance(offer, Delivery):
                return offer
            if known := self._store.reserved(request.nonce):
                return known
            credential_id = f"c-{secrets.token_hex(8)}"
            self._store.add_credential(
                credential_id,
                code=terms.kind.code,
                subject=offer.subject,
                signer=self._key.public_key.kid,
                made_at=epoch(at),
                issued_at=terms.issued_at,
                expires_at=terms.expires_at,
            )
            bits = 2 if terms.kind.status.suspendable else 1
            for index, (name, key) in enumerate(keys):
                if self._store.is_bound(key.thumbprint):
                    raise RefusedError(ReasonCode.KEY, f"keys[{index}].proof", "the key is bound to another credential")
                self._store.add_copy(credential_id, format=name, key=key.thumbprint, bits=bits)
            return self._store.reserve(request.nonce, digest, credential_id)

    def _sign(
        self,
        terms: _Terms,
        claims: Mapping[str, Any],
        keys: Sequence[tuple[str, PublicKey]],
        reserved: Reservation,
    ) -> Delivery:
        copies = []
        for (name, key), (number, entry) in zip(keys, reserved.places, strict=True):
            self._check_running()
            content = Content(
                vct=terms.kind.vct,
                issuer=self.id,
                claims=claims,
                issued_at=terms.issued_at,
                expires_at=terms.expires_at,
                holder_key=key,
                status=StatusReference(uri=self._profile.list_uri(number), index=entry),
            )
            copies.append((name, issue_checked(self._formats[name], content, self._key, self._profile.signer)))
        return Delivery(code=terms.kind.code, credential_id=reserved.credential_id, credentials=tuple(copies))

    def _deliver(
        self, request: IssuanceRequest, digest: bytes, delivery: Delivery, terms: _Terms, at: dt.datetime
    ) -> Delivery:
        """Keep the answer and let it out, unless the offer was answered or signing was stopped meanwhile."""
        with self._store.writing():
            offer = self._open(request, digest, at)
            if isinstance(offer, Delivery):
                return offer
            self._store.deliver(
                request.nonce,
                delivery.credential_id,
                delivery.to_bytes(),
                signer=self._key.public_key.kid,
                at=epoch(at),
                issued_at=terms.issued_at,
                expires_at=terms.expires_at,
            )
            self._store.log(
                epoch(at),
                "issued",
                code=delivery.code,
                subject_hash=self._store.subject_hash(offer.subject),
                credential=delivery.credential_id,
            )
        return delivery
