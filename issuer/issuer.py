"""``Issuer``: from a registry's record to signed certificates, and their revocation.

Offer, proofs, delivery: nothing is signed before the holder's keys are proven (``issuer.answers`` has the rest).
"""

from __future__ import annotations

import datetime as dt
import hashlib
from typing import TYPE_CHECKING, Any, Final

from issuer.answers import AnswerDesk
from issuer.database import audit_reason
from issuer.lint import lint_indexes
from issuer.profile import BareSigner, CertifiedSigner, TimedSigner
from issuer.proofs import check_proofs
from issuer.status import LIST_LIFETIME
from issuer.store import IssuerStore
from vcred.errors import SigningError
from vcred.formats._wire import epoch
from vcred.issuance import Delivery, IssuanceRequest, Offer
from vcred.trust.profile import Purpose

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from issuer.profile import IssuerProfile
    from issuer.records import RecordSource
    from vcred.catalog import Catalog, CertificateType
    from vcred.formats.base import CredentialFormat
    from vcred.qr import Message

__all__ = ["Issuer"]

_OFFER_LIFETIME: Final = dt.timedelta(minutes=10)
_HOUR: Final = 3_600
_LINT_WINDOWS: Final = 16
_LINT_LENGTH: Final = 1_024


class Issuer(AnswerDesk):
    """Makes offers, answers key proofs with certificates, revokes, and signs status lists."""

    def __init__(
        self,
        profile: IssuerProfile,
        *,
        records: RecordSource,
        catalog: Catalog,
        store: IssuerStore | None = None,
        more_formats: Mapping[str, Callable[[], CredentialFormat]] | None = None,
    ) -> None:
        """Without a ``store`` everything is forgotten with the process. ``more_formats``, by id, may be among the
        profile's besides the usual ones: ``{"ldp_vc": LdpVc}``. Raises ``SigningError`` when profile, keys and
        certificates do not belong together, ``ValueError`` for a format nobody here writes.
        """
        document_signer = _document_signer(profile)
        status_signer = document_signer
        if profile.status_signer is not None:
            status_signer = CertifiedSigner(
                profile.status_signer, profile.status_chain, id=profile.id, purpose=Purpose.STATUS
            )
        super().__init__(
            profile,
            document_signer,
            status_signer,
            records=records,
            catalog=catalog,
            store=IssuerStore() if store is None else store,
            more_formats=more_formats,
        )

    @property
    def id(self) -> str:
        """The issuer's identifier, as credentials carry it."""
        return self._profile.id

    @property
    def chain(self) -> tuple[bytes, ...]:
        """The document signer's certificates, DER, leaf first, without the root; none when it is a bare key."""
        return self._document_signer.chain

    def kinds(self) -> dict[str, tuple[str, ...]]:
        """The certificate types that this issuer issues, by code, each with its formats."""
        codes = sorted(self._catalog if self._profile.types is None else self._profile.types & set(self._catalog))
        found = {
            code: tuple(one for one in self._profile.formats if one in self._catalog[code].formats)
            for code in codes
            if not self._catalog[code].foreign
        }
        return {code: formats for code, formats in found.items() if formats}

    def type_of(self, code: str) -> CertificateType:
        """A certificate type. Raises ``CatalogError``, and ``SigningError`` for one that this issuer does not issue."""
        return self._type(code)

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
        formats = self._formats_of(self._type(code))
        chosen = dict(options or {})
        expires_at = epoch(at + _OFFER_LIFETIME)
        nonce = self.apply(code, subject=subject, variant=variant, options=chosen, at=at, expires_at=expires_at)
        return Offer(
            issuer=self.id,
            code=code,
            nonce=nonce,
            expires_at=expires_at,
            formats=formats,
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
        offer = self._open(request.nonce, digest, at)
        if isinstance(offer, Delivery):
            return offer
        formats = self._formats_of(self._type(offer.code))
        keys = check_proofs(request, issuer=self.id, formats=formats, copies=self._profile.copies, at=at)
        return self.answer(request.nonce, keys, digest=digest, at=at)

    def give_up_signer(self, kid: bytes, *, reason: str, at: dt.datetime) -> None:
        """Sign no certificate with the key ``kid`` any more, in any process on this store: it leaked, or may have."""
        why = audit_reason(reason)
        self._store.transact(lambda: self._store.give_up(kid, reason=why, at=epoch(at)))

    def lint(self, *, at: dt.datetime) -> list[str]:
        """What an operator should put right: one English sentence each, without personal data; empty is good.

        The signers' ends against every type's lifetime, types that do not exist or may not be in a format, status
        indexes that look drawn in sequence (threats ST-16; a sample of them), an audit log that was tampered with
        (OP-12, as ``StoreError``).
        """
        self._store.check_audit()
        found = lint_indexes(self._store.sample(windows=_LINT_WINDOWS, length=_LINT_LENGTH))
        for code in sorted(self._catalog if self._profile.types is None else self._profile.types):
            if code not in self._catalog:
                found.append(f"{code} is not in the catalogue")
                continue
            if refused := [one for one in self._profile.formats if one not in self._catalog[code].formats]:
                found.append(f"{code} is not issued as {', '.join(refused)}: its type is not in that format")
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


def _document_signer(profile: IssuerProfile) -> TimedSigner:
    if profile.bare is None:
        return CertifiedSigner(profile.signer, profile.chain, id=profile.id, purpose=Purpose.ISSUER)
    if "mso_mdoc" in profile.formats and not profile.bare.key.is_post_quantum:
        raise ValueError("an mdoc carries the certificate of its signer")
    return BareSigner(profile.signer, profile.bare, id=profile.id)
