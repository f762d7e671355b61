"""A certificate in a wallet, as an app lists it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from vcred.formats._wire import epoch
from wallet._records import CertificateRecord, copies_of, load_all

if TYPE_CHECKING:
    from datetime import datetime

    from vcred.catalog import Catalog, CertificateType
    from wallet._records import CopyRecord
    from wallet.store import CredentialStore

__all__ = ["Certificate", "CertificateState", "certificate_of", "list_certificates"]


class CertificateState(StrEnum):
    """What can be done with a certificate."""

    READY = "ready"
    """It can be shown."""
    USED_UP = "used_up"
    """Every copy of its batch has been shown once: renew it, or agree to reuse."""
    REISSUE = "reissue"
    """Its keys stayed on another device: have it issued again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """One certificate. Of its ``total`` copies ``unused`` were never shown; a single copy (no batch) is never used up,
    a copy of a batch is shredded when it was shown, but for the last.

    ``type`` is ``None`` when the trust bundle no longer knows the type. ``credential_id`` is the issuer's name for it.
    """

    id: str
    code: str
    issuer: str
    credential_id: str
    received_at: int
    issued_at: int
    expires_at: int
    formats: tuple[str, ...]
    batch: bool
    unused: int
    total: int
    state: CertificateState
    type: CertificateType | None = field(repr=False)

    def name(self, lang: str) -> str:
        """The certificate's name in ``ko`` or ``en``; its code if the type is unknown."""
        return self.code if self.type is None else self.type.name(lang)

    def expired(self, at: datetime) -> bool:
        """Whether its own validity has ended."""
        return epoch(at) >= self.expires_at


def certificate_of(
    record_id: str, record: CertificateRecord, copies: dict[str, CopyRecord], catalog: Catalog
) -> Certificate:
    """Put together what an app sees."""
    usable = [copy for copy in copies.values() if copy.key is not None]
    unused = sum(not copy.used for copy in usable)
    state = CertificateState.READY
    if not usable:
        state = CertificateState.REISSUE
    elif record.batch and not unused:
        state = CertificateState.USED_UP
    return Certificate(
        id=record_id,
        code=record.code,
        issuer=record.issuer,
        credential_id=record.credential_id,
        received_at=record.received_at,
        issued_at=record.issued_at,
        expires_at=record.expires_at,
        formats=tuple(record.formats),
        batch=record.batch,
        unused=unused,
        total=len(copies),
        state=state,
        type=catalog.by_vct(record.vct),
    )


def list_certificates(store: CredentialStore, catalog: Catalog) -> dict[str, Certificate]:
    """Every readable certificate, by id."""
    return {
        record_id: certificate_of(record_id, record, copies_of(store, record_id), catalog)
        for record_id, record in load_all(store, CertificateRecord).items()
    }
