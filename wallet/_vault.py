"""The tables of a store's database, and the two ways in: the PIN slot and the recovery slot.

A slot is the data key, wrapped for one secret. Its row carries a MAC under the device key, so that a damaged slot is
told from a wrong PIN and costs no attempt. Every change of slots is one transaction: an interrupted one leaves the
old state.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from contextlib import contextmanager
from typing import TYPE_CHECKING

from vcred.errors import Locked
from wallet._crypto import Argon2Cost, Secret, associated, derive, mac, seal, unseal, wrapping_key
from wallet._disk import APPLICATION_ID, SCHEMA_VERSION
from wallet.store import DamagedRecord

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator

__all__ = ["PIN", "RECOVERY", "Vault"]

PIN = "pin"
RECOVERY = "recovery"

_SCHEMA = (
    "CREATE TABLE header(one INTEGER PRIMARY KEY CHECK (one = 1), wallet_id, device, digest)",
    "CREATE TABLE slots(name TEXT PRIMARY KEY, memory INTEGER, passes INTEGER, lanes INTEGER, salt, wrapped, mac)",
    "CREATE TABLE attempts(one INTEGER PRIMARY KEY CHECK (one = 1), failed INTEGER, seen INTEGER, mac BLOB)",
    "CREATE TABLE records(seq INTEGER PRIMARY KEY, tab TEXT, id TEXT, version INTEGER, body BLOB, UNIQUE(tab, id))",
)


class Vault:
    """An open database whose header belongs to this device. It holds no data key."""

    def __init__(self, db: sqlite3.Connection, device: Secret, wallet_id: bytes) -> None:
        self.db = db
        self.wallet_id = wallet_id
        self._device = device
        self.mac_key = derive(device, associated("vcred wallet rows 1", wallet_id))

    @classmethod
    def create(cls, db: sqlite3.Connection, device: Secret) -> Vault:
        """Write tables and header, inside the caller's transaction."""
        wallet_id = secrets.token_bytes(16)
        vault = cls(db, device, wallet_id)
        for statement in _SCHEMA:
            db.execute(statement)
        own = vault._device_check()
        digest = hashlib.sha256(wallet_id + own).digest()
        db.execute("INSERT INTO header VALUES (1, ?, ?, ?)", (wallet_id, own, digest))
        db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        db.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        return vault

    @classmethod
    def open(cls, db: sqlite3.Connection, device: Secret) -> Vault:
        """Read the header. Raises ``DamagedRecord``, and ``Locked`` when it is another device's."""
        row = db.execute("SELECT wallet_id, device, digest FROM header WHERE one = 1").fetchone()
        if row is None or not all(isinstance(value, bytes) for value in row):
            raise DamagedRecord.at("header", "1")
        wallet_id, own, digest = row
        if hashlib.sha256(wallet_id + own).digest() != digest:
            raise DamagedRecord.at("header", "1")
        vault = cls(db, device, wallet_id)
        if not hmac.compare_digest(own, vault._device_check()):
            raise Locked("the device key is not this store's: it opens on its own device only")
        return vault

    def _device_check(self) -> bytes:
        return mac(self.mac_key, "header", self.wallet_id)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing, durable when left without an exception."""
        self.db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self.db.execute("COMMIT")
        except BaseException:
            if self.db.in_transaction:
                self.db.execute("ROLLBACK")
            raise

    def has_slot(self, name: str) -> bool:
        """Whether there is such a way in."""
        return self.db.execute("SELECT 1 FROM slots WHERE name = ?", (name,)).fetchone() is not None

    def write_slot(self, name: str, secret: Secret, data_key: Secret, cost: Argon2Cost) -> None:
        """Wrap ``data_key`` for ``secret`` with a fresh salt, inside the caller's transaction."""
        salt = secrets.token_bytes(16)
        wrapping = wrapping_key(secret, self._device, salt=salt, cost=cost, wallet_id=self.wallet_id)
        wrapped = seal(wrapping, associated("slot", self.wallet_id, name), data_key.expose())
        row = (name, cost.memory_kib, cost.passes, cost.lanes, salt, wrapped)
        self.db.execute(
            "INSERT OR REPLACE INTO slots(name, memory, passes, lanes, salt, wrapped, mac) VALUES (?,?,?,?,?,?,?)",
            (*row, mac(self.mac_key, "slot", self.wallet_id, *row)),
        )

    def drop_slot(self, name: str) -> None:
        """Close a way in, inside the caller's transaction."""
        self.db.execute("DELETE FROM slots WHERE name = ?", (name,))

    def cost(self, name: str) -> Argon2Cost:
        """The Argon2id parameters of a slot. Raises ``DamagedRecord``."""
        return self._slot(name)[0]

    def open_slot(self, name: str, secret: Secret) -> Secret | None:
        """The data key; ``None`` when ``secret`` is wrong. Raises ``DamagedRecord``."""
        cost, salt, wrapped = self._slot(name)
        wrapping = wrapping_key(secret, self._device, salt=salt, cost=cost, wallet_id=self.wallet_id)
        key = unseal(wrapping, associated("slot", self.wallet_id, name), wrapped)
        return None if key is None else Secret(key)

    def _slot(self, name: str) -> tuple[Argon2Cost, bytes, bytes]:
        row = self.db.execute(
            "SELECT name, memory, passes, lanes, salt, wrapped, mac FROM slots WHERE name = ?", (name,)
        ).fetchone()
        if row is None or not all(isinstance(value, (str, int, bytes)) for value in row):
            raise DamagedRecord.at("slots", name)
        *kept, tag = row
        if not isinstance(tag, bytes) or not hmac.compare_digest(tag, mac(self.mac_key, "slot", self.wallet_id, *kept)):
            raise DamagedRecord.at("slots", name)
        return Argon2Cost(memory_kib=row[1], passes=row[2], lanes=row[3]), row[4], row[5]
