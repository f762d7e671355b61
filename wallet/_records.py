"""What a wallet writes into its store, as CBOR: certificates, their copies, keys waiting for a delivery, history, and
what is under way with an issuer online.

A certificate is one act of issue. A copy is one holder key with the credentials bound to it, one per format; with a
batch, each copy is shown once. A copy's id starts with its certificate's, so that the copies of one are found without
decrypting the others.
"""

from __future__ import annotations

import secrets
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from vcred.errors import MalformedError
from vcred.formats import _cbor
from wallet.store import DamagedRecord, Put

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wallet.store import CredentialStore

__all__ = [
    "CERTIFICATES",
    "COPIES",
    "HISTORY",
    "PENDING",
    "SESSIONS",
    "CertificateRecord",
    "CopyRecord",
    "HistoryRecord",
    "PendingRecord",
    "SessionRecord",
    "copies_of",
    "copy_ids",
    "damaged",
    "load",
    "load_all",
    "new_id",
    "save",
]

CERTIFICATES, COPIES, PENDING, HISTORY, SESSIONS = "certificates", "copies", "pending", "history", "sessions"
_MAX_RECORD = 4 * 1024 * 1024
_NO_TAGS: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateRecord:
    """What is known of a certificate without opening a copy. ``batch``: its copies are for one use each."""

    code: str
    vct: str
    issuer: str
    credential_id: str
    received_at: int
    issued_at: int
    expires_at: int
    batch: bool
    formats: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyRecord:
    """One holder key (PKCS #8; ``None`` after a restore on another device) and its credentials by format."""

    key: bytes | None = field(repr=False)
    credentials: Mapping[str, bytes] = field(repr=False)
    used: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingRecord:
    """Holder keys made for an offer and not yet delivered to, and the request that was sent."""

    issuer: str
    code: str
    asked_at: int
    keys: list[bytes] = field(repr=False)
    request: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryRecord:
    """One act of presenting. ``answers`` holds the fingerprints of what was shown, ``receipt`` what came back.

    ``reader`` are the certificates (leaf first) that the receipt was verified with when it came: its proof when no
    trust list names that reader any more.
    """

    at: int
    client_id: str
    verifier: Mapping[str, str]
    registered: bool
    purpose: str
    retention: str | None
    policy: str | None
    one_way: bool
    shown: list[Mapping[str, Any]] = field(repr=False)
    answers: list[bytes] = field(repr=False)
    receipt: bytes | None = field(repr=False)
    reader: list[bytes] = field(default_factory=list, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionRecord:
    """One authorization at an issuer online, from the holder's yes on: written before each request that it leads to.

    ``grant`` is how tokens are obtained and empty once they are, ``tokens`` what was obtained, ``wants`` one entry for
    each credential with its own keys and how far it is (``wallet.client._session`` says what is in these). ``dpop``
    and ``instance`` are private keys, ``offer`` the digest of the offer it began with.
    """

    issuer: str
    server: str | None
    begun_at: int
    client_id: str | None
    offer: bytes
    dpop: bytes = field(repr=False)
    instance: bytes = field(repr=False)
    grant: Mapping[str, Any] = field(repr=False)
    tokens: Mapping[str, Any] = field(repr=False)
    wants: list[Mapping[str, Any]] = field(repr=False)


Record = CertificateRecord | CopyRecord | PendingRecord | HistoryRecord | SessionRecord
_KINDS: dict[str, type[Any]] = {
    CERTIFICATES: CertificateRecord,
    COPIES: CopyRecord,
    PENDING: PendingRecord,
    HISTORY: HistoryRecord,
    SESSIONS: SessionRecord,
}
_T = TypeVar("_T", CertificateRecord, CopyRecord, PendingRecord, HistoryRecord, SessionRecord)


def new_id() -> str:
    """A random record id that says nothing."""
    return secrets.token_hex(8)


def save(table: str, record: str, value: Record, *, new: bool = False) -> Put:
    """The change that writes ``value``."""
    return Put(table=table, record=record, value=_cbor.encode(asdict(value)), new=new)


def load(store: CredentialStore, kind: type[_T], record: str) -> _T:
    """One record. Raises ``NotFound``, ``DamagedRecord``."""
    table = next(name for name, each in _KINDS.items() if each is kind)
    return _decoded(table, record, store.read(table, record), kind)


def load_all(store: CredentialStore, kind: type[_T]) -> dict[str, _T]:
    """Every record of a kind that can be read, by id and in order; damaged ones are left out."""
    table = next(name for name, each in _KINDS.items() if each is kind)
    return _readable(store, kind, store.ids(table))


def copy_ids(store: CredentialStore, certificate: str) -> list[str]:
    """The ids of the copies of one certificate, readable or not."""
    return [one for one in store.ids(COPIES) if one.startswith(f"{certificate}-")]


def copies_of(store: CredentialStore, certificate: str) -> dict[str, CopyRecord]:
    """The readable copies of one certificate, by id."""
    return _readable(store, CopyRecord, copy_ids(store, certificate))


def damaged(store: CredentialStore) -> tuple[str, ...]:
    """Every record that cannot be read, as ``table/id``."""
    every = {table: store.ids(table) for table in _KINDS}
    return tuple(
        f"{table}/{record}"
        for table, ids in every.items()
        for record in ids
        if not _readable(store, _KINDS[table], [record])
    )


def _readable(store: CredentialStore, kind: type[_T], ids: Any) -> dict[str, _T]:
    found: dict[str, _T] = {}
    for record in ids:
        try:
            found[record] = load(store, kind, record)
        except DamagedRecord:
            continue
    return found


def _decoded(table: str, record: str, raw: bytes, kind: type[_T]) -> _T:
    try:
        return kind(**_cbor.decode(raw, record, max_bytes=_MAX_RECORD, tags=_NO_TAGS))
    except (MalformedError, TypeError):
        raise DamagedRecord.at(table, record) from None
