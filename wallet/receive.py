"""Receiving: keys, proofs, and a check of everything that comes back before a byte of it is kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vcred.errors import MalformedError, RefusedError
from vcred.formats._wire import epoch
from vcred.issuance import Delivery, IssuanceRequest, Offer, build_request
from vcred.keys import SoftwareSigner
from vcred.qr import Message, MessageKind, decode_message
from vcred.reasons import ReasonCode
from wallet._records import (
    CERTIFICATES,
    COPIES,
    PENDING,
    CertificateRecord,
    CopyRecord,
    PendingRecord,
    load_all,
    new_id,
    save,
)
from wallet.store import Delete

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from vcred.credential import Opened
    from vcred.formats.base import CredentialFormat
    from vcred.trust import TrustBundle
    from wallet.store import CredentialStore

__all__ = ["parse_offered", "prepare", "take"]

_LEEWAY = 60
_PENDING_SECONDS = 30 * 86_400


def parse_offered(source: Message | bytes | str) -> Offer | Delivery:
    """An offer or a delivery, whichever it is. Raises ``MalformedError``."""
    if isinstance(source, bytes) and source[:1] == b"V":
        source = decode_message(source)
    if isinstance(source, Message):
        return Delivery.parse(source) if source.kind is MessageKind.DELIVERY else Offer.parse(source)
    return Delivery.parse(source) if isinstance(source, bytes) and source[:1] == b"{" else Offer.parse(source)


def prepare(
    store: CredentialStore, offer: Offer, formats: Mapping[str, CredentialFormat], *, at: datetime
) -> IssuanceRequest:
    """Make and keep the keys for ``offer``; the request with their proofs.

    Asked again for the same offer it returns the same request, so that an answer that was lost can be fetched again.
    Raises ``RefusedError`` for an offer that has expired or has no format this wallet holds.
    """
    now = epoch(at)
    if now > offer.expires_at:
        raise RefusedError(ReasonCode.REQUEST_EXPIRED, "offer", "the offer has expired")
    waiting = load_all(store, PendingRecord)
    for record in waiting.values():
        request = IssuanceRequest.parse(record.request)
        if (record.issuer, request.nonce) == (offer.issuer, offer.nonce):
            return request
    names = [name for name in offer.formats if name in formats]
    if not names:
        raise RefusedError(ReasonCode.FORMAT_NOT_ACCEPTED, "offer.formats", "none that this wallet can hold")
    signers = [SoftwareSigner.generate() for _ in range(offer.copies * len(names))]
    request = build_request(offer, signers, formats=names, at=at)
    pending = PendingRecord(
        issuer=offer.issuer,
        code=offer.code,
        asked_at=now,
        keys=[signer.to_der() for signer in signers],
        request=request.to_bytes(),
    )
    forgotten = [name for name, record in waiting.items() if now - record.asked_at > _PENDING_SECONDS]
    changes = [Delete(table=PENDING, record=name) for name in forgotten]
    store.write([*changes, save(PENDING, new_id(), pending, new=True)])
    return request


def take(
    store: CredentialStore,
    delivery: Delivery,
    formats: Mapping[str, CredentialFormat],
    trust: TrustBundle,
    *,
    at: datetime,
) -> str:
    """Check a delivery and keep it in one transaction; the new certificate's id. Raises ``RefusedError``."""
    trust.check_time(at)
    waiting = load_all(store, PendingRecord)
    keys = {
        signer.public_key: (name, signer)
        for name, record in waiting.items()
        for signer in map(SoftwareSigner.from_der, record.keys)
    }
    opened, signers, answered = [], [], set()
    for index, (name, raw) in enumerate(delivery.credentials):
        one = _checked(raw, name, formats, trust, delivery.code, at=at, path=f"credentials[{index}]")
        if one.holder_key not in keys:
            raise RefusedError(ReasonCode.CNF, f"credentials[{index}]", "bound to a key that is not this wallet's")
        waiting_id, signer = keys[one.holder_key]
        if (waiting[waiting_id].issuer, waiting[waiting_id].code) != (one.issuer, delivery.code):
            raise RefusedError(ReasonCode.ISSUER, f"credentials[{index}]", "not what was asked of this issuer")
        opened.append(one)
        signers.append(signer)
        answered.add(waiting_id)
    if len(answered) != 1:
        raise RefusedError(ReasonCode.FORMAT, "credentials", "not the answer to one request")
    _check_copies(opened)
    certificate = new_id()
    changes = [save(CERTIFICATES, certificate, _record(delivery, opened, epoch(at)), new=True)]
    for number, (one, signer) in enumerate(zip(opened, signers, strict=True)):
        copy = CopyRecord(key=signer.to_der(), credentials={one.format: one.raw}, used=False)
        changes.append(save(COPIES, f"{certificate}-{number}", copy, new=True))
    store.write([*changes, Delete(table=PENDING, record=answered.pop())])
    return certificate


def _record(delivery: Delivery, opened: Sequence[Opened], now: int) -> CertificateRecord:
    """``issued_at`` is the latest and ``expires_at`` the earliest of the copies: what holds for each."""
    formats = sorted({one.format for one in opened})
    return CertificateRecord(
        code=delivery.code,
        vct=opened[0].vct,
        issuer=opened[0].issuer,
        credential_id=delivery.credential_id,
        received_at=now,
        issued_at=max(one.issued_at or 0 for one in opened),
        expires_at=min(one.expires_at or 0 for one in opened),
        batch=len(opened) > len(formats),
        formats=formats,
    )


def _check_copies(opened: Sequence[Opened]) -> None:
    """The copies say the same, and have nothing in common by which two receivers could link them."""
    if any((one.vct, one.issuer, one.claims) != (opened[0].vct, opened[0].issuer, opened[0].claims) for one in opened):
        raise RefusedError(ReasonCode.FORMAT, "credentials", "the copies do not say the same")
    if len({one.holder_key for one in opened}) != len(opened):
        raise RefusedError(ReasonCode.CNF, "credentials", "two copies are bound to one key")
    places = [one.status for one in opened if one.status is not None]
    if len(set(places)) != len(places):
        raise RefusedError(ReasonCode.STATUS_INDEX, "credentials", "two copies share a status entry")
    disclosures = [raw for one in opened for raw in one.disclosures.values()]
    if len(set(disclosures)) != len(disclosures):
        raise RefusedError(ReasonCode.DUPLICATE_DISCLOSURE, "credentials", "two copies share a salt")


def _checked(
    raw: bytes,
    name: str,
    formats: Mapping[str, CredentialFormat],
    trust: TrustBundle,
    code: str,
    *,
    at: datetime,
    path: str,
) -> Opened:
    if name not in formats:
        raise RefusedError(ReasonCode.FORMAT_NOT_ACCEPTED, path, "a format this wallet cannot hold")
    opened = formats[name].open(raw)
    if opened.key_binding is not None:
        raise MalformedError(ReasonCode.FORMAT, path, "a presentation, not a credential (RFC 9901 section 7.2)")
    kind = trust.catalog.by_vct(opened.vct)
    if kind is None or kind.code != code:
        raise RefusedError(ReasonCode.VCT, path, "not the certificate type that was offered")
    now = epoch(at)
    if opened.issued_at is None or opened.expires_at is None or now > opened.expires_at:
        raise RefusedError(ReasonCode.EXPIRED, path, "without validity, or past it")
    if max(opened.issued_at, opened.not_before or 0) > now + _LEEWAY:
        raise RefusedError(ReasonCode.NOT_YET_VALID, path, "not valid yet")
    issuer = trust.resolve_issuer(
        issuer=opened.issuer, kid=opened.kid, x5c=opened.x5c, code=kind.code, issued_at=opened.issued_at, at=at
    )
    formats[name].verify_signature(opened, issuer.key)
    return opened
