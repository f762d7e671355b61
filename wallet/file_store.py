"""The encrypted store in a file: opened by a PIN, on one device, by one process at a time.

What it withstands: a stolen file (the device key is not in it), guessing the PIN (ten attempts), records that are
changed, swapped or moved (each is bound to its place), a process that dies at any point, a full disk, a second
process, and a file written by a newer version. What it does not: somebody who puts back an old copy of every file at
once, and code that runs as the same user while the store is open.
"""

from __future__ import annotations

import secrets
import sqlite3
import threading
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, Self, TypeVar

from vcred.errors import Locked, NotFound, StoreError
from vcred.formats._wire import epoch
from wallet._crypto import (
    RFC9106_LOW_MEMORY,
    Argon2Cost,
    Secret,
    associated,
    derive,
    new_recovery_key,
    recovery_secret,
    seal,
    text_secret,
    unseal,
)
from wallet._disk import (
    Ballast,
    DiskFull,
    FileLock,
    check_header,
    check_version,
    connect,
    load_device_key,
    telling,
)
from wallet._lockout import Lockout
from wallet._vault import PIN, RECOVERY, Vault
from wallet.store import DamagedRecord, Delete

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

    from wallet.store import Change

__all__ = ["FileStore"]

_MIN_PIN = 6
_T = TypeVar("_T")


class FileStore:
    """A ``CredentialStore`` in an SQLite file. Constructing it opens the file, or makes it.

    ``pin`` is the PIN or a function that asks for it; it is asked for once the file may be opened at all.
    ``device_key`` is 32 bytes from the phone's key store, or the file that holds them (``<path>.device`` if not
    given; made with the store). ``at`` turns on waiting after the fifth wrong PIN. ``cost`` is for a new store.

    Raises ``Locked`` (wrong PIN, too many attempts, another device, open elsewhere), ``DamagedRecord``, ``StoreError``
    (newer version, not a wallet, full disk) and ``ValueError`` for a PIN of fewer than six characters.
    """

    _data_key: Secret | None
    _db: sqlite3.Connection | None
    _vault: Vault | None
    _lockout: Lockout

    def __init__(
        self,
        path: str | Path,
        *,
        pin: Callable[[], str] | str,
        device_key: bytes | Path | None = None,
        cost: Argon2Cost = RFC9106_LOW_MEMORY,
        at: datetime | None = None,
    ) -> None:
        asked = pin if callable(pin) else None
        known = None if callable(pin) else text_secret(pin)
        del pin  # a crash reporter may show the variables of a frame
        self._prepare(Path(path), device_key)
        try:
            with telling():
                if self._vault is None:
                    self._create(known or _ask(asked), cost)
                else:
                    now = None if at is None else epoch(at)
                    self._lockout.check(now)
                    self._data_key = self._try_pin(known or _ask(asked), now)
                self._ballast.keep()
        except BaseException:
            self.close()
            raise

    def _prepare(self, path: Path, device_key: bytes | Path | None) -> None:
        """Take the lock and open the file as far as that needs no PIN."""
        self._mutex = threading.RLock()
        self._path = path
        self._data_key = None
        self._db = None
        self._vault = None
        self._ballast = Ballast(path.with_name(path.name + ".ballast"))
        with telling():
            exists = check_header(path)
            self._lock = FileLock(path.with_name(path.name + ".lock"))
        try:
            with telling():
                source = device_key if device_key is not None else path.with_name(path.name + ".device")
                self._device = load_device_key(source, create=not exists)
                self._db = connect(path)
                check_version(self._db.execute("PRAGMA user_version").fetchone()[0])
                if self._db.execute("SELECT 1 FROM sqlite_schema").fetchone() is not None:
                    self._vault = Vault.open(self._db, self._device)
                    self._lockout = Lockout(self._db, self._vault.mac_key, self._vault.wallet_id)
        except BaseException:
            self.close()
            raise

    def _create(self, pin: Secret, cost: Argon2Cost) -> None:
        _check_pin(pin)
        assert self._db is not None
        data_key = Secret(secrets.token_bytes(32))
        self._db.execute("BEGIN IMMEDIATE")
        self._vault = Vault.create(self._db, self._device)
        self._vault.write_slot(PIN, pin, data_key, cost)
        self._lockout = Lockout(self._db, self._vault.mac_key, self._vault.wallet_id)
        self._lockout.reset()
        self._db.execute("COMMIT")
        # The version must be in the file itself, where ``check_header`` of any version looks for it.
        self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self._data_key = data_key

    def _try_pin(self, pin: Secret, now: int | None) -> Secret:
        """The data key for a PIN; the attempt is on disk before the PIN is tried."""
        vault = self._vault_or_closed()
        vault.cost(PIN)  # a damaged slot costs no attempt
        left = self._with_room(lambda: self._lockout.count(now))
        key = vault.open_slot(PIN, pin)
        if key is None:
            raise Locked(f"wrong PIN: {left} attempts left" if left else "wrong PIN: the wallet is locked")
        self._with_room(self._lockout.clear)
        return key

    def _with_room(self, action: Callable[[], _T]) -> _T:
        """Run a transaction that must work on a full disk as well: then the ballast makes room."""
        vault = self._vault_or_closed()
        try:
            with telling(), vault.transaction():
                return action()
        except DiskFull:
            self._ballast.drop()
            with telling(), vault.transaction():
                return action()

    def ids(self, table: str) -> tuple[str, ...]:
        """See ``CredentialStore``."""
        with self._mutex, telling():
            rows = self._open().db.execute("SELECT id FROM records WHERE tab = ? ORDER BY seq", (table,))
            return tuple(str(row[0]) for row in rows)

    def read(self, table: str, record: str) -> bytes:
        """See ``CredentialStore``."""
        with self._mutex, telling():
            row = (
                self._open()
                .db.execute("SELECT version, body FROM records WHERE tab = ? AND id = ?", (table, record))
                .fetchone()
            )
            if row is None:
                raise NotFound(f"{table}/{record}: no such record")
            return self._unsealed(table, record, *row)

    def write(self, changes: Iterable[Change]) -> None:
        """See ``CredentialStore``. On a full disk only a batch with a ``Delete`` still works: it uses the ballast."""
        batch = tuple(changes)
        deletes = any(isinstance(change, Delete) for change in batch)
        with self._mutex, telling():
            if deletes:
                self._with_room(lambda: self._apply(batch))
                self._shred()
            else:
                self._save(batch)
            self._ballast.keep()

    def derive(self, purpose: str) -> bytes:
        """See ``CredentialStore``."""
        with self._mutex:
            self._open()
            return derive(self._device, associated("vcred wallet device 1", purpose)).expose()

    def change_pin(self, *, old: str, new: str, at: datetime | None = None) -> None:
        """Wrap the data key for another PIN, in one transaction. A wrong ``old`` counts as an attempt.

        Raises ``Locked``, ``ValueError`` for a ``new`` that is too short.
        """
        before, after = text_secret(old), text_secret(new)
        del old, new
        _check_pin(after)
        with self._mutex, telling():
            vault = self._open()
            cost = vault.cost(PIN)
            self._verify(before, at)
            with vault.transaction():
                vault.write_slot(PIN, after, self._key(), cost)
            self._shred()

    def rekey(self, *, pin: str, at: datetime | None = None) -> None:
        """Encrypt everything under a new data key, in one transaction; the recovery key stops working.

        Raises ``Locked``, and ``DamagedRecord`` for the first record that cannot be read: delete it, then try again.
        """
        secret = text_secret(pin)
        del pin
        with self._mutex, telling():
            vault = self._open()
            cost = vault.cost(PIN)
            self._verify(secret, at)
            fresh = Secret(secrets.token_bytes(32))
            with vault.transaction():
                for table, record, version, body in vault.db.execute(
                    "SELECT tab, id, version, body FROM records"
                ).fetchall():
                    place = self._place(table, record, version + 1)
                    self._replace(
                        table, record, version + 1, seal(fresh, place, self._unsealed(table, record, version, body))
                    )
                vault.drop_slot(RECOVERY)
                vault.write_slot(PIN, secret, fresh, cost)
            self._data_key = fresh
            self._shred()

    def add_recovery_key(self) -> str:
        """A new recovery key, to be written down and kept elsewhere; the one before stops working."""
        text = new_recovery_key()
        with self._mutex, telling():
            vault = self._open()
            with vault.transaction():
                vault.write_slot(RECOVERY, recovery_secret(text), self._key(), vault.cost(PIN))
        return text

    @classmethod
    def reset(
        cls, path: str | Path, *, recovery_key: str, pin: str, device_key: bytes | Path | None = None
    ) -> FileStore:
        """Open a locked store with its recovery key, on its own device, and give it another PIN.

        Raises ``Locked`` for a wrong recovery key (not counted: it cannot be guessed) or if there is none.
        """
        secret, after = recovery_secret(recovery_key), text_secret(pin)
        del recovery_key, pin
        _check_pin(after)
        store = cls.__new__(cls)
        store._prepare(Path(path), device_key)  # noqa: SLF001 - the other constructor of this class
        try:
            with telling():
                store._reset(secret, after)  # noqa: SLF001 - as above
        except BaseException:
            store.close()
            raise
        return store

    def _reset(self, secret: Secret, pin: Secret) -> None:
        vault = self._vault_or_closed()
        if not vault.has_slot(RECOVERY):
            raise Locked("this wallet has no recovery key: restore a backup into a new one")
        key = vault.open_slot(RECOVERY, secret)
        if key is None:
            raise Locked("wrong recovery key")
        with vault.transaction():
            vault.write_slot(PIN, pin, key, vault.cost(RECOVERY))
            self._lockout.reset()
        self._data_key = key
        self._ballast.keep()

    def close(self) -> None:
        """See ``CredentialStore``."""
        with self._mutex:
            self._data_key = None
            self._vault = None
            db, self._db = self._db, None
            if db is not None:
                with telling():
                    db.close()
            self._lock.release()

    def _verify(self, pin: Secret, at: datetime | None) -> None:
        now = None if at is None else epoch(at)
        self._lockout.check(now)
        self._try_pin(pin, now)

    def _save(self, batch: tuple[Change, ...]) -> None:
        try:
            with telling(), self._open().transaction():
                self._apply(batch)
        except DiskFull:
            self._tidy()  # what was half written goes back to the disk
            raise

    def _apply(self, batch: tuple[Change, ...]) -> None:
        db, key = self._open().db, self._key()
        for change in batch:
            where = (change.table, change.record)
            row = db.execute("SELECT version FROM records WHERE tab = ? AND id = ?", where).fetchone()
            if isinstance(change, Delete):
                if row is None:
                    raise NotFound(f"{change.table}/{change.record}: no such record")
                db.execute("DELETE FROM records WHERE tab = ? AND id = ?", where)
            elif row is None:
                body = seal(key, self._place(*where, 1), change.value)
                db.execute("INSERT INTO records(tab, id, version, body) VALUES (?, ?, 1, ?)", (*where, body))
            elif change.new:
                raise StoreError(f"{change.table}/{change.record}: the record exists already")
            else:
                version = row[0] + 1 if type(row[0]) is int else 1
                self._replace(*where, version, seal(key, self._place(*where, version), change.value))

    def _replace(self, table: str, record: str, version: int, body: bytes) -> None:
        self._open().db.execute(
            "UPDATE records SET version = ?, body = ? WHERE tab = ? AND id = ?", (version, body, table, record)
        )

    def _unsealed(self, table: str, record: str, version: object, body: object) -> bytes:
        if type(version) is int and isinstance(body, bytes):
            plain = unseal(self._key(), self._place(table, record, version), body)
            if plain is not None:
                return plain
        raise DamagedRecord.at(table, record)

    def _place(self, table: str, record: str, version: int) -> bytes:
        """What binds a record to where it stands: moved, swapped or of another wallet, it does not open."""
        return associated("record", self._vault_or_closed().wallet_id, table, record, version)

    def _tidy(self) -> None:
        """Bring the log into the database and cut it; when there is no room, later."""
        try:
            self._open().db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        except sqlite3.Error:
            return

    def _shred(self) -> None:
        """Leave no byte of deleted or replaced content: ``secure_delete`` wrote zeros, the rest is rebuilt and cut."""
        self._tidy()
        try:
            self._open().db.execute("VACUUM")
        except sqlite3.Error:
            return  # no room to rebuild; the zeros are in place
        self._tidy()

    def _key(self) -> Secret:
        return _closed() if self._data_key is None else self._data_key

    def _open(self) -> Vault:
        self._key()
        return self._vault_or_closed()

    def _vault_or_closed(self) -> Vault:
        return _closed() if self._vault is None else self._vault

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"FileStore({str(self._path)!r}, {'closed' if self._data_key is None else 'open'})"


def _ask(asked: Callable[[], str] | None) -> Secret:
    assert asked is not None
    return text_secret(asked())


def _check_pin(pin: Secret) -> None:
    if len(pin.expose().decode()) < _MIN_PIN:
        raise ValueError(f"a PIN has at least {_MIN_PIN} characters")


def _closed() -> NoReturn:
    raise Locked("the store is closed")
