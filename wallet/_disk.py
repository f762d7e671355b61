"""The files of a store: database, device key, lock and ballast; and how SQLite's errors are told.

``<path>`` is the database, ``<path>.device`` the device key (unless the app brings one from the phone's key store),
``<path>.lock`` is held while the store is open, ``<path>.ballast`` is room kept for deleting when the disk is full.
All are readable by their owner only.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import sqlite3
from contextlib import contextmanager
from typing import TYPE_CHECKING

from vcred._sqlite import made_ready
from vcred.errors import Locked, StoreError
from vcred.reasons import ReasonCode
from wallet._crypto import Secret
from wallet.store import DamagedRecord

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = [
    "APPLICATION_ID",
    "SCHEMA_VERSION",
    "Ballast",
    "DiskFull",
    "FileLock",
    "check_header",
    "check_version",
    "connect",
    "load_device_key",
    "sync_folder",
    "telling",
    "write_whole",
]

APPLICATION_ID = 0x76637277  # "vcrw"
SCHEMA_VERSION = 1
_DEVICE_BYTES = 32
_BALLAST_BYTES = 512 * 1024


class DiskFull(StoreError):
    """There is no room on the disk; nothing was written."""


@contextmanager
def telling() -> Iterator[None]:
    """Turn SQLite's and the system's errors into ours, without their texts, which may quote values."""
    try:
        yield
    except sqlite3.Error as error:
        name = getattr(error, "sqlite_errorname", "SQLITE_ERROR")
        if name == "SQLITE_FULL":
            raise DiskFull("the disk is full: nothing was saved") from None
        if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
            raise DamagedRecord(ReasonCode.INTEGRITY, "database", "the file is damaged") from None
        raise StoreError(f"the store failed: {name}") from None
    except OSError as error:
        raise StoreError(f"the store failed: {error.strerror}") from None


def connect(path: Path) -> sqlite3.Connection:
    """Open or create the database for this process alone, durable and with deleted content overwritten."""
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    path.chmod(0o600)
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=0)
    with made_ready(db):
        # Exclusive before WAL: then SQLite keeps no shared-memory file, which a full disk could not grow.
        for pragma in ("locking_mode=EXCLUSIVE", "journal_mode=WAL", "synchronous=FULL", "secure_delete=ON"):
            db.execute(f"PRAGMA {pragma}").fetchone()
        db.execute("PRAGMA trusted_schema=OFF")
    return db


def check_header(path: Path) -> bool:
    """Whether there is a store at ``path``, by its first bytes and without opening it for writing.

    Raises ``StoreError`` for a file that is not ours or was made by a newer version; nothing is written then.
    """
    try:
        with path.open("rb") as file:
            head = file.read(100)
    except FileNotFoundError:
        return False
    if not head:
        return False
    version, application = int.from_bytes(head[60:64], "big"), int.from_bytes(head[68:72], "big")
    if not head.startswith(b"SQLite format 3\0") or application not in (0, APPLICATION_ID):
        raise StoreError("the file is not a wallet")
    check_version(version)
    return application == APPLICATION_ID


def check_version(version: int) -> None:
    """Refuse what a newer version wrote. Raises ``StoreError``."""
    if version > SCHEMA_VERSION:
        raise StoreError(f"the wallet was written by a newer version (schema {version}): update the app")


def load_device_key(source: bytes | Path, *, create: bool) -> Secret:
    """The 32 bytes this device holds: given, read from a file, or made when the store is. Raises ``Locked``."""
    if isinstance(source, bytes):
        if len(source) != _DEVICE_BYTES:
            raise ValueError("a device key is 32 bytes")
        return Secret(source)
    try:
        raw = source.read_bytes()
    except FileNotFoundError:
        if not create:
            raise Locked("the device key is not here: this store opens on its own device only") from None
        raw = secrets.token_bytes(_DEVICE_BYTES)
        write_whole(source, raw)
    if len(raw) != _DEVICE_BYTES:
        raise Locked("the device key file is damaged: this store opens with its own device key only")
    return Secret(raw)


def write_whole(path: Path, raw: bytes) -> None:
    """Write a file (mode 0600), whole or not at all. Raises ``OSError`` and leaves nothing behind."""
    part = path.with_name(path.name + ".part")
    try:
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(raw)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError:
        part.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make created, renamed and removed names durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


class FileLock:
    """Held by one process (and one store object) at a time; the system lets go when the process ends."""

    def __init__(self, path: Path) -> None:
        self._handle: int | None = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self.release()
            raise Locked("the wallet is open elsewhere: close the other window or process first") from None

    def release(self) -> None:
        """Let others in. May be called twice."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None


class Ballast:
    """A file that only takes room, dropped when deleting must work on a full disk."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def keep(self) -> None:
        """Take the room if it can be had; a full disk is no error."""
        try:
            if self._path.exists() and self._path.stat().st_size == _BALLAST_BYTES:
                return
            handle = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            try:
                # Random, so that no file system stores it in less.
                if os.write(handle, secrets.token_bytes(_BALLAST_BYTES)) != _BALLAST_BYTES:
                    raise OSError("no room")
                os.fsync(handle)
            finally:
                os.close(handle)
        except OSError:
            self.drop()

    def drop(self) -> None:
        """Give the room back."""
        self._path.unlink(missing_ok=True)
