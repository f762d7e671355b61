"""Where a wallet keeps its records: the protocol, and the store in memory.

A store is a small set of tables of opaque records. It knows nothing of certificates; the wallet knows nothing of
files. Rules every store keeps, checked by ``vcred.testing.contracts.check_credential_store``:

1. ``write`` is all or nothing, and durable when it returns.
2. A record is read back byte for byte, or refused with ``DamagedRecord`` naming it; its neighbours stay readable.
3. ``Put(new=True)`` fails if the record exists, so that "used once" is decided by the store.
4. What ``derive`` returns can be made on this device only, and is the same each time.
"""

from __future__ import annotations

import re
import secrets
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from vcred.errors import Locked, NotFound, RefusedError, StoreError
from vcred.reasons import ReasonCode
from wallet._crypto import Secret, derive

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Change", "CredentialStore", "DamagedRecord", "Delete", "MemoryStore", "Put"]

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


class DamagedRecord(StoreError, RefusedError):
    """A stored record was changed, moved or cut. ``code`` is ``integrity``, ``path`` is ``table/record id``."""

    def __init__(self, code: ReasonCode, path: str = "", detail: str = "") -> None:
        RefusedError.__init__(self, code, path, detail)

    @classmethod
    def at(cls, table: str, record: str) -> DamagedRecord:
        """The error for one record."""
        return cls(ReasonCode.INTEGRITY, f"{table}/{record}", "the stored record is damaged or is not in its place")


@dataclass(frozen=True, slots=True, kw_only=True)
class Put:
    """Write one record; with ``new`` the whole batch fails if there already is one."""

    table: str
    record: str
    value: bytes = field(repr=False)
    new: bool = False

    def __post_init__(self) -> None:
        _check_names(self.table, self.record)


@dataclass(frozen=True, slots=True, kw_only=True)
class Delete:
    """Shred one record; the whole batch fails if there is none."""

    table: str
    record: str

    def __post_init__(self) -> None:
        _check_names(self.table, self.record)


Change = Put | Delete


class CredentialStore(Protocol):
    """Records of one wallet. Users pass a store to ``Wallet``; implementers keep the four rules of this module.

    Every method raises ``StoreError`` when the storage fails and ``Locked`` once the store is closed.
    """

    def ids(self, table: str) -> tuple[str, ...]:
        """The record ids of a table in the order they were first written; empty for an unknown table."""

    def read(self, table: str, record: str) -> bytes:
        """One record. Raises ``NotFound``, or ``DamagedRecord`` when it is not what was written."""

    def write(self, changes: Iterable[Change]) -> None:
        """Make all changes or none; durable on return. Raises ``StoreError``, and ``NotFound`` for a bad ``Delete``."""

    def derive(self, purpose: str) -> bytes:
        """32 bytes for ``purpose`` that this device alone can make, whatever the PIN."""

    def close(self) -> None:
        """Forget the keys and let others open the store. May be called twice."""


class MemoryStore:
    """A store that is gone with the process: for tests, demos and kiosks. Nothing is ever on disk."""

    def __init__(self, *, device_key: bytes | None = None) -> None:
        self._device = Secret(device_key if device_key is not None else secrets.token_bytes(32))
        self._tables: dict[str, dict[str, bytes]] | None = {}
        self._lock = threading.RLock()

    def ids(self, table: str) -> tuple[str, ...]:
        """See ``CredentialStore``."""
        with self._lock:
            return tuple(self._open().get(table, ()))

    def read(self, table: str, record: str) -> bytes:
        """See ``CredentialStore``."""
        with self._lock:
            try:
                return self._open()[table][record]
            except KeyError:
                raise NotFound(f"{table}/{record}: no such record") from None

    def write(self, changes: Iterable[Change]) -> None:
        """See ``CredentialStore``."""
        with self._lock:
            tables = {name: dict(records) for name, records in self._open().items()}
            for change in changes:
                records = tables.setdefault(change.table, {})
                present = change.record in records
                if isinstance(change, Delete):
                    if not present:
                        raise NotFound(f"{change.table}/{change.record}: no such record")
                    del records[change.record]
                elif change.new and present:
                    raise StoreError(f"{change.table}/{change.record}: the record exists already")
                else:
                    records[change.record] = bytes(change.value)
            self._tables = tables

    def derive(self, purpose: str) -> bytes:
        """See ``CredentialStore``."""
        self._open()
        return derive(self._device, purpose.encode()).expose()

    def close(self) -> None:
        """See ``CredentialStore``."""
        self._tables = None

    def _open(self) -> dict[str, dict[str, bytes]]:
        if self._tables is None:
            raise Locked("the store is closed")
        return self._tables

    def __repr__(self) -> str:
        return f"MemoryStore({'closed' if self._tables is None else 'open'})"


def _check_names(table: str, record: str) -> None:
    if not _NAME.fullmatch(table) or not _NAME.fullmatch(record):
        raise ValueError("table and record ids are 1 to 64 letters, digits, '_' and '-'")
