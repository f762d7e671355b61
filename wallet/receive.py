"""Receiving: keys, proofs, and a check of everything that comes back before a byte of it is kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vcred.errors import MalformedError, RefusedError
from vcred.formats._wire import epoch
from vcred.issuance import Delivery, IssuanceRequest, Offer, build_request
from vcred.keys import SoftwareSigner
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
    from collections.abc import Mapping
    from datetime import datetime

    from vcred.credential import Opened
    from vcred.formats.base import CredentialFormat
    from vcred.trust import TrustBundle
    from wallet.store import CredentialStore

__all__ = ["prepare", "take"]


def prepare(
    store: CredentialStore, offer: Offer, formats: Mapping[str, CredentialFormat], *, at: datetime
) -> tuple[str, IssuanceRequest]:
    """Make and keep the keys for ``offer``; the id under which they wait, and the request with their proofs."""
    if epoch(at) > offer.expires_at:
        raise RefusedError(ReasonCode.REQUEST_EXPIRED, "offer", "the offer has expired")
    names = [name for name in offer.formats if name in formats]
    if not names:
        raise RefusedError(ReasonCode.FORMAT_NOT_ACCEPTED, "offer.formats", "none that this wallet can hold")
    signers = [SoftwareSigner.generate() for _ in range(offer.copies * len(names))]
    request = build_request(offer, signers, formats=names, at=at)
    pending = PendingRecord(
        issuer=offer.issuer,
        code=offer.code,
        asked_at=epoch(at),
        keys=[signer.to_der() for signer in signers],
        request=request.to_bytes(),
    )
    waiting = new_id()
    store.write([save(PENDING, waiting, pending, new=True)])
    return waiting, request


def take(
    store: CredentialStore,
    delivery: Delivery,
    formats: Mapping[str, CredentialFormat],
    trust: TrustBundle,
    *,
    at: datetime,
) -> str:
    """Check a delivery and keep it in one transaction; the new certificate's id. Raises ``RefusedError``."""
    waiting = load_all(store, PendingRecord)
    keys = {
        signer.public_key: (name, signer)
        for name, record in waiting.items()
        for signer in map(SoftwareSigner.from_der, record.keys)
    }
    checked = []
    for index, (name, raw) in enumerate(delivery.credentials):
        opened = _checked(raw, name, formats, trust, delivery.code, at=at, path=f"credentials[{index}]")
        if opened.holder_key not in keys:
            raise RefusedError(ReasonCode.CNF, f"credentials[{index}]", "bound to a key that is not this wallet's")
        checked.append((opened, *keys[opened.holder_key]))
    if len({opened.holder_key for opened, *_ in checked}) != len(checked):
        raise RefusedError(ReasonCode.CNF, "credentials", "two copies are bound to one key")
    used = {waiting_id for _, waiting_id, _ in checked}
    if len(used) != 1 or len({(one.vct, one.issuer) for one, *_ in checked}) != 1:
        raise RefusedError(ReasonCode.FORMAT, "credentials", "the copies are not of one certificate")
    (waiting_id,) = used
    first, certificate = checked[0][0], new_id()
    assert first.issued_at is not None
    assert first.expires_at is not None
    record = CertificateRecord(
        code=delivery.code,
        vct=first.vct,
        issuer=first.issuer,
        credential_id=delivery.credential_id,
        received_at=epoch(at),
        issued_at=first.issued_at,
        expires_at=first.expires_at,
        batch=len(checked) > len({opened.format for opened, *_ in checked}),
        formats=sorted({opened.format for opened, *_ in checked}),
    )
    changes = [save(CERTIFICATES, certificate, record, new=True)]
    for number, (opened, _, signer) in enumerate(checked):
        copy = CopyRecord(key=signer.to_der(), credentials={opened.format: opened.raw}, used=False)
        changes.append(save(COPIES, f"{certificate}-{number}", copy, new=True))
    store.write([*changes, Delete(table=PENDING, record=waiting_id)])
    return certificate


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
        raise MalformedError(ReasonCode.FORMAT, path, "a presentation, not a credential (RFC 9901 section 7.3)")
    kind = trust.catalog.by_vct(opened.vct)
    if kind is None or kind.code != code:
        raise RefusedError(ReasonCode.VCT, path, "not the certificate type that was offered")
    if opened.issued_at is None or opened.expires_at is None or epoch(at) > opened.expires_at:
        raise RefusedError(ReasonCode.EXPIRED, path, "without validity, or past it")
    issuer = trust.resolve_issuer(
        issuer=opened.issuer, kid=opened.kid, x5c=opened.x5c, code=kind.code, issued_at=opened.issued_at, at=at
    )
    formats[name].verify_signature(opened, issuer.key)
    return opened
