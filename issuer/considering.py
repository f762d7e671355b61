"""``ConsiderDesk``: what may be issued to whom, on what terms, and from which record.

Times are coarse, so that two copies shown in two places do not betray a common issue: ``iat`` is the full hour,
``exp`` the last second of the last day of validity in Korea.
"""

from __future__ import annotations

import datetime as dt
import secrets
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from issuer.database import audit_reason
from issuer.selfcheck import without_marks
from issuer.status import StatusDesk
from issuer.store import OfferRow
from vcred._waiting import elsewhere
from vcred.catalog.age import KST, kst_date
from vcred.errors import RecordError, SigningError
from vcred.formats._wire import dump_json, epoch
from vcred.formats.base import IssuerKey
from vcred.formats.known import FORMATS, Formats

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from issuer.profile import IssuerProfile, TimedSigner
    from issuer.records import RecordSource
    from issuer.store import IssuerStore
    from vcred.catalog import Catalog, CertificateType
    from vcred.formats.base import CredentialFormat

__all__ = ["ConsiderDesk", "Terms", "check_running"]

_HOUR: Final = 3_600
_NOON: Final = dt.time(12)


class Terms(NamedTuple):
    """What a certificate is, and from when to when."""

    kind: CertificateType
    issued_at: int
    expires_at: int

    @property
    def bits(self) -> int:
        """The width of the status lists that its copies are in."""
        return 2 if self.kind.status.suspendable else 1


def check_running(hindrance: str | None) -> None:
    """Raises ``SigningError`` where something stands in the way."""
    if hindrance:
        raise SigningError(f"signing is stopped: {hindrance}")


class ConsiderDesk(StatusDesk):
    """Considers applications, and stops or starts what follows."""

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

    def stop(self, *, reason: str, at: dt.datetime) -> None:
        """Deliver no certificate from now on, in any process on this store, until ``start``. Status lists go on."""
        why = audit_reason(reason)
        self._store.transact(lambda: self._store.set_stopped(why, at=epoch(at)))

    def start(self, *, at: dt.datetime) -> None:
        """Sign again."""
        self._store.transact(lambda: self._store.set_stopped(None, at=epoch(at)))

    def _check_running(self) -> None:
        check_running(self._store.hindrance(self._key.public_key.kid))

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

    def _terms(self, kind: CertificateType, at: dt.datetime) -> Terms:
        now = epoch(at)
        return Terms(kind, max(now - now % _HOUR, self._document_signer.not_before), self._expiry(kind, at))
