"""How often a PIN may be tried: ten times, over all restarts and whatever the clock says.

A failed attempt is written before the PIN is tried and taken back when it was right, so that ending the process
between the two does not give an attempt for free. The row carries a MAC under the device key: an edited count is
noticed. Who copies the whole database and puts it back has the old count again: no file can prevent that, only a
counter outside all files. A device key in the phone's key store at least ties such trials to that phone.

Counts decide. If the app gives the time, attempts five to nine also wait, measured from the latest time seen, so that
a clock set back only lengthens the wait and one set forward gains no attempt.
"""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING

from vcred.errors import Locked
from wallet._crypto import Secret, mac
from wallet.store import DamagedRecord

if TYPE_CHECKING:
    import sqlite3

__all__ = ["ATTEMPTS", "Lockout"]

ATTEMPTS = 10
_WAIT_SECONDS = {5: 60, 6: 300, 7: 900, 8: 3600, 9: 14400}


class Lockout:
    """The attempt counter of one store. The caller commits what ``count``, ``clear`` and ``reset`` write."""

    def __init__(self, db: sqlite3.Connection, key: Secret, wallet_id: bytes) -> None:
        self._db = db
        self._key = key
        self._wallet_id = wallet_id

    def reset(self) -> None:
        """Write a fresh row, whatever is there: for a store just made, or opened with its recovery key."""
        self._save(0, 0)

    def check(self, at: int | None) -> None:
        """Whether an attempt may be made. Raises ``Locked``, ``DamagedRecord`` when the row was edited."""
        failed, seen = self._load()
        if failed >= ATTEMPTS:
            raise Locked("too many wrong PINs: the wallet is locked until it is reset with the recovery key")
        wait = 0 if at is None else seen + _WAIT_SECONDS.get(failed, 0) - at
        if failed in _WAIT_SECONDS and wait > 0:
            raise Locked(f"too many wrong PINs: wait {wait} seconds")

    def count(self, at: int | None) -> int:
        """Count an attempt as failed before it is made; returns how many are left after it."""
        failed, seen = self._load()
        self._save(failed + 1, max(seen, at or 0))
        return ATTEMPTS - failed - 1

    def clear(self) -> None:
        """The PIN was right."""
        _, seen = self._load()
        self._save(0, seen)

    def _load(self) -> tuple[int, int]:
        row = self._db.execute("SELECT failed, seen, mac FROM attempts WHERE one = 1").fetchone()
        if row is None or type(row[0]) is not int or type(row[1]) is not int or not isinstance(row[2], bytes):
            raise DamagedRecord.at("attempts", "1")
        failed, seen, tag = row
        if not hmac.compare_digest(tag, self._mac(failed, seen)):
            raise DamagedRecord.at("attempts", "1")
        return failed, seen

    def _save(self, failed: int, seen: int) -> None:
        self._db.execute(
            "INSERT OR REPLACE INTO attempts(one, failed, seen, mac) VALUES (1, ?, ?, ?)",
            (failed, seen, self._mac(failed, seen)),
        )

    def _mac(self, failed: int, seen: int) -> bytes:
        return mac(self._key, "attempts", self._wallet_id, failed, seen)
