"""Receiving: keys, proofs, and a check of everything that comes back before a byte of it is kept."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from vcred.credential import status_entries
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
    copies_of,
    load,
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
    from vcred.keys import PublicKey
    from vcred.trust import TrustBundle
    from wallet.store import Change, CredentialStore

__all__ = ["Given", "check_credentials", "keep", "keep_besides", "parse_offered", "prepare", "take"]

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
    asked = {
        signer.public_key: (name, signer)
        for name, record in waiting.items()
        for signer in map(SoftwareSigner.from_der, record.keys)
    }
    keys = {key: signer for key, (_, signer) in asked.items()}
    given = check_credentials(delivery.credentials, keys, formats, trust, code=delivery.code, at=at)
    for index, one in enumerate(given):
        record = waiting[asked[one.signer.public_key][0]]
        if (record.issuer, record.code) != (one.issuer, delivery.code):
            raise RefusedError(ReasonCode.ISSUER, f"credentials[{index}]", "not what was asked of this issuer")
    answered = {asked[one.signer.public_key][0] for one in given}
    if len(answered) != 1:
        raise RefusedError(ReasonCode.FORMAT, "credentials", "not the answer to one request")
    certificate = new_id()
    changes = keep(certificate, given, code=delivery.code, credential_id=delivery.credential_id, at=at)
    store.write([*changes, Delete(table=PENDING, record=answered.pop())])
    return certificate


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """A credential that was checked, and the holder key it is bound to.

    ``issuer`` is the authority of the trust bundle that signed it, which a foreign credential need not name.
    """

    opened: Opened
    issuer: str
    signer: SoftwareSigner = field(repr=False)


def check_credentials(
    credentials: Sequence[tuple[str, bytes]],
    keys: Mapping[PublicKey, SoftwareSigner],
    formats: Mapping[str, CredentialFormat],
    trust: TrustBundle,
    *,
    code: str,
    at: datetime,
) -> tuple[Given, ...]:
    """What came, if all of it is right: by an issuer of the bundle, of type ``code``, each bound to one of ``keys``.

    Raises ``RefusedError``.
    """
    trust.check_time(at)
    given = []
    for index, (name, raw) in enumerate(credentials):
        one, issuer = _checked(raw, name, formats, trust, code, at=at, path=f"credentials[{index}]")
        signer = None if one.holder_key is None else keys.get(one.holder_key)
        if signer is None:
            raise RefusedError(ReasonCode.CNF, f"credentials[{index}]", "bound to a key that is not this wallet's")
        given.append(Given(opened=one, issuer=issuer, signer=signer))
    if not given:
        raise RefusedError(ReasonCode.FORMAT, "credentials", "nothing came")
    _check_copies([one.opened for one in given])
    if len({one.issuer for one in given}) != 1:
        raise RefusedError(ReasonCode.ISSUER, "credentials", "the copies are of different authorities")
    return tuple(given)


def keep(certificate: str, given: Sequence[Given], *, code: str, credential_id: str, at: datetime) -> list[Change]:
    """The changes that make ``given`` the certificate of that id."""
    opened = [one.opened for one in given]
    record = _record(opened, issuer=given[0].issuer, code=code, credential_id=credential_id, now=epoch(at))
    return [save(CERTIFICATES, certificate, record, new=True), *_copies(certificate, given)]


def keep_besides(
    store: CredentialStore, certificate: str, given: Sequence[Given], formats: Mapping[str, CredentialFormat]
) -> list[Change] | None:
    """The changes that add ``given`` to a certificate that is there, as it came in another format.

    ``None`` when they are not more copies of the same: then they are a certificate of their own.
    """
    record = load(store, CertificateRecord, certificate)
    held = [
        formats[name].open(raw)
        for copy in copies_of(store, certificate).values()
        for name, raw in copy.credentials.items()
    ]
    opened = [one.opened for one in given]
    if given[0].issuer != record.issuer or not held or {one.format for one in held} & {one.format for one in opened}:
        return None
    try:
        _check_copies([*held, *opened])
    except RefusedError:
        return None
    known = {"issuer": record.issuer, "code": record.code, "credential_id": record.credential_id}
    merged = _record([*held, *opened], **known, now=record.received_at)
    return [save(CERTIFICATES, certificate, merged), *_copies(certificate, given)]


def _copies(certificate: str, given: Sequence[Given]) -> list[Change]:
    return [
        save(
            COPIES,
            f"{certificate}-{new_id()}",
            CopyRecord(key=one.signer.to_der(), credentials={one.opened.format: one.opened.raw}, used=False),
            new=True,
        )
        for one in given
    ]


def _record(opened: Sequence[Opened], *, issuer: str, code: str, credential_id: str, now: int) -> CertificateRecord:
    """``issued_at`` is the latest and ``expires_at`` the earliest of the copies: what holds for each."""
    formats = sorted({one.format for one in opened})
    return CertificateRecord(
        code=code,
        vct=opened[0].vct,
        issuer=issuer,
        credential_id=credential_id,
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
    places = [place for one in opened for place in status_entries(one.status)]
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
) -> tuple[Opened, str]:
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
    return opened, issuer.authority.id
