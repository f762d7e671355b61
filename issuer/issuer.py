"""``Issuer``: from a registry's record to signed certificates, and their revocation.

Offer, proofs, delivery. Nothing is signed before the holder's keys are proven; everything of one issue - offer used
up, status entries, certificate, answer - is one transaction; every copy is opened and verified by our own verifier's
code before it is let out, and one that fails stops the line.

Times are coarse, so that two copies shown in two places do not betray a common issue: ``iat`` is the full hour,
``exp`` the last second of the last day of validity in Korea.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import re
import secrets
from typing import TYPE_CHECKING, Any, Final, Literal

from issuer.lint import lint_indexes
from issuer.profile import DocumentSigner
from issuer.proofs import check_proofs
from issuer.selfcheck import SelfCheckError, issue_checked, without_marks
from issuer.store import REVOKED, SUSPENDED, VALID, IssuerStore, OfferRow
from vcred.catalog.age import KST, kst_date
from vcred.credential import Content, StatusReference
from vcred.errors import RecordError, RefusedError, SigningError
from vcred.formats._wire import dump_json, epoch
from vcred.formats.base import IssuerKey
from vcred.formats.sd_cwt import SdCwt
from vcred.formats.sd_jwt_vc import SdJwtVc
from vcred.issuance import Delivery, IssuanceRequest, Offer
from vcred.reasons import ReasonCode

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from issuer.profile import IssuerProfile
    from issuer.records import RecordSource
    from vcred.catalog import Catalog, CertificateType
    from vcred.formats.base import CredentialFormat
    from vcred.keys import PublicKey
    from vcred.qr import Message

__all__ = ["Issuer"]

_OFFER_LIFETIME: Final = dt.timedelta(minutes=10)
_LIST_LIFETIME: Final = dt.timedelta(days=30)
_STATUS_BITS: Final = 2  # valid, revoked, suspended
_HOUR: Final = 3_600
_REASON: Final = re.compile(r"[A-Za-z][A-Za-z0-9_. -]{0,63}")


class Issuer:
    """Makes offers, answers key proofs with certificates, revokes, and signs status lists."""

    def __init__(
        self,
        profile: IssuerProfile,
        *,
        records: RecordSource,
        catalog: Catalog,
        store: IssuerStore | None = None,
    ) -> None:
        """Without a ``store`` everything is forgotten with the process. Raises ``SigningError`` when profile, key and
        certificate do not belong together, ``ValueError`` for a format nobody here writes.
        """
        self._profile = profile
        self._document_signer = DocumentSigner(profile)
        self._key = IssuerKey(public_key=profile.signer.public_key, chain=self.chain)
        self._records = records
        self._catalog = catalog
        self._store = IssuerStore() if store is None else store
        known: tuple[CredentialFormat, ...] = (SdJwtVc(), SdCwt(catalog.labels))
        self._formats = {one.id: one for one in known if one.id in profile.formats}
        if set(self._formats) != set(profile.formats):
            raise ValueError(f"unknown format in {', '.join(profile.formats)}")

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
            answered=None,
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
        """Answer a wallet's key proofs. The same request gets the same answer until the offer ends.

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
        try:
            with self._store.writing():
                # Another process may have answered or stopped while the proofs were checked.
                offer = self._open(request, digest, at)
                if isinstance(offer, Delivery):
                    return offer
                delivery = self._sign(kind, offer, claims, keys, at)
                self._store.answer_offer(request.nonce, digest, delivery.to_bytes())
        except SelfCheckError:
            self.stop(reason="self-check failed", at=at)
            raise
        return delivery

    def revoke(self, credential_id: str, *, reason: str, at: dt.datetime) -> None:
        """Revoke every copy for ever. It reaches verifiers with the next status list.

        ``reason`` is a word for the audit log, never personal data (``ValueError``). Raises ``NotFound``.
        """
        self._store.set_state(credential_id, REVOKED, reason=_word(reason), at=epoch(at))

    def suspend(self, credential_id: str, *, reason: str, at: dt.datetime) -> None:
        """Suspend every copy. Raises as ``revoke``, and ``StoreError`` when it is revoked."""
        self._store.set_state(credential_id, SUSPENDED, reason=_word(reason), at=epoch(at))

    def reinstate(self, credential_id: str, *, reason: str, at: dt.datetime) -> None:
        """End a suspension. Raises as ``suspend``."""
        self._store.set_state(credential_id, VALID, reason=_word(reason), at=epoch(at))

    def stop(self, *, reason: str, at: dt.datetime) -> None:
        """Sign no certificate from now on, in any process on this store, until ``start``. Status lists go on."""
        self._store.set_stopped(_word(reason), at=epoch(at))

    def start(self, *, at: dt.datetime) -> None:
        """Sign again."""
        self._store.set_stopped(None, at=epoch(at))

    def status_tokens(
        self, *, at: dt.datetime, form: Literal["jwt", "cwt"] = "cwt", lifetime: dt.timedelta = _LIST_LIFETIME
    ) -> dict[str, bytes]:
        """A freshly signed Token Status List for every list, by URI."""
        from vcred.status import StatusList, build_status_token  # noqa: PLC0415 - an issue does not need it

        self._store.forget_expired(at=epoch(at))
        values: dict[int, dict[int, int]] = {}
        for entry in self._store.entries():
            if entry.value:
                values.setdefault(entry.list, {})[entry.index] = entry.value
        return {
            self._profile.list_uri(number): build_status_token(
                uri=self._profile.list_uri(number),
                status_list=StatusList.build(bits=_STATUS_BITS, size=size, values=values.get(number, {})),
                signer=self._profile.signer,
                chain=self.chain,
                issued_at=at,
                expires_at=at + lifetime,
                ttl=None,
                form=form,
            )
            for number, size in self._store.lists().items()
        }

    def lint(self, *, at: dt.datetime) -> list[str]:
        """What an operator should put right: one English sentence each, without personal data; empty is good.

        The signer's end against every type's lifetime, types that do not exist, status indexes that look drawn in
        sequence (threats ST-16), an audit log that was tampered with (OP-12, as ``StoreError``).
        """
        self._store.audit()
        found = lint_indexes(self._store.entries())
        for code in sorted(self._catalog if self._profile.types is None else self._profile.types):
            if code not in self._catalog:
                found.append(f"{code} is not in the catalogue")
                continue
            try:
                self._expiry(self._catalog[code], at)
            except SigningError as error:
                found.append(f"{code}: {error}")
        if reason := self._store.stopped:
            found.append(f"signing is stopped: {reason}")
        return found

    def _open(self, request: IssuanceRequest, digest: bytes, at: dt.datetime) -> OfferRow | Delivery:
        """The offer, if it may be answered now; the answer it had, to the same request."""
        offer = self._store.offer(request.nonce)
        if offer is None:
            raise RefusedError(ReasonCode.NONCE, "nonce", "there is no such offer")
        if at.timestamp() >= offer.expires_at:
            raise RefusedError(ReasonCode.REQUEST_EXPIRED, "nonce", "the offer has expired")
        if offer.answered is not None:
            if offer.answered[0] != digest:
                raise RefusedError(ReasonCode.REPLAY, "nonce", "this offer was redeemed with other keys")
            return Delivery.parse(offer.answered[1])
        self._check_running()
        return offer

    def _check_running(self) -> None:
        if reason := self._store.stopped:
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
        self._document_signer.check(expires_at=expires_at, at=at)
        return expires_at

    def _sign(
        self,
        kind: CertificateType,
        offer: OfferRow,
        claims: Mapping[str, Any],
        keys: Sequence[tuple[str, PublicKey]],
        at: dt.datetime,
    ) -> Delivery:
        now = epoch(at)
        issued_at = max(now - now % _HOUR, self._document_signer.not_before)
        expires_at = self._expiry(kind, at)
        credential_id = f"c-{secrets.token_hex(8)}"
        self._store.add_credential(
            credential_id, code=kind.code, subject=offer.subject, issued_at=issued_at, expires_at=expires_at
        )
        copies = []
        for index, (name, key) in enumerate(keys):
            if self._store.is_bound(key.thumbprint):
                raise RefusedError(ReasonCode.KEY, f"keys[{index}].proof", "the key is bound to another credential")
            number, entry = self._store.add_copy(credential_id, format=name, key=key.thumbprint)
            content = Content(
                vct=kind.vct,
                issuer=self.id,
                claims=claims,
                issued_at=issued_at,
                expires_at=expires_at,
                holder_key=key,
                status=StatusReference(uri=self._profile.list_uri(number), index=entry),
            )
            copies.append((name, issue_checked(self._formats[name], content, self._key, self._profile.signer)))
        self._store.log(
            now,
            "issued",
            code=kind.code,
            subject_hash=self._store.subject_hash(offer.subject),
            credential=credential_id,
        )
        return Delivery(code=kind.code, credential_id=credential_id, credentials=tuple(copies))


def _word(reason: str) -> str:
    if not _REASON.fullmatch(reason):
        raise ValueError("a reason is a few ASCII words, at most 64 characters: it goes into the audit log")
    return reason
