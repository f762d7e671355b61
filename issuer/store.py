"""What an issuer remembers: open offers, credentials and their status, who is stopped, and an audit log.

Everything that belongs together is one transaction, so a process killed at any moment leaves the state before or
after it. Status indexes are drawn at random (a neighbour says nothing about its neighbour) and the database refuses
to give one twice. The audit log is a hash chain: a line removed, changed or moved is noticed.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
import sqlite3
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import RLock
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Self

from issuer.schema import connect
from vcred.errors import NotFound, StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from types import TracebackType

__all__ = ["CopyRow", "IssuerStore", "OfferRow"]

VALID, REVOKED, SUSPENDED = 0, 1, 2
"""Values of the Token Status List draft, section 7.1."""

LIST_SIZE: Final = 131_072
_DRAWS: Final = 64


class OfferRow(NamedTuple):
    """An open or answered offer. ``answered`` is the request's digest and the delivery."""

    code: str
    subject: str
    variant: str | None
    options: Mapping[str, Any]
    record_digest: bytes
    offered_on: str
    expires_at: int
    answered: tuple[bytes, bytes] | None


@dataclass(frozen=True, slots=True)
class CopyRow:
    """One status entry: the list it is in, its index there and its value."""

    list: int
    index: int
    value: int


class IssuerStore:
    """SQLite, in a file (mode 0600) or in memory. Safe for several threads and several processes."""

    def __init__(
        self,
        path: str | Path | None = None,
        *,
        list_size: int = LIST_SIZE,
        draw: Callable[[int], int] = secrets.randbelow,
    ) -> None:
        """``list_size`` is the length of new status lists; ``draw(n)`` gives an unpredictable number below n.

        Raises ``StoreError`` when the file cannot be opened.
        """
        if list_size < 2:
            raise ValueError("a status list has at least 2 entries")
        self._list_size = list_size
        self._draw = draw
        self._lock = RLock()
        self._db = connect(None if path is None else Path(path))
        with self.writing():
            self._db.execute("INSERT OR IGNORE INTO meta VALUES ('key', ?)", (secrets.token_bytes(32),))
        self._key: bytes = self._db.execute("SELECT value FROM meta WHERE name = 'key'").fetchone()[0]

    def close(self) -> None:
        """Release the file."""
        with self._lock:
            self._db.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @contextmanager
    def writing(self) -> Iterator[None]:
        """One transaction: all of it or nothing. Raises ``StoreError`` when the database refuses."""
        with self._lock:
            try:
                self._db.execute("BEGIN IMMEDIATE")
                try:
                    yield
                    self._db.execute("COMMIT")
                except BaseException:
                    if self._db.in_transaction:
                        self._db.execute("ROLLBACK")
                    raise
            except sqlite3.Error as error:
                raise StoreError(f"the issuer store refused: {type(error).__name__}") from error

    def keyed_hash(self, purpose: str, value: bytes) -> bytes:
        """A hash nobody can compute or guess back without this store's key."""
        return hmac.digest(self._key, purpose.encode() + b"\0" + value, "sha256")

    def subject_hash(self, subject: str) -> bytes:
        """How the store knows a subject."""
        return self.keyed_hash("subject", subject.encode())

    def put_offer(self, nonce: bytes, offer: OfferRow, *, at: int) -> None:
        """Remember an open offer, and forget those that have expired."""
        with self.writing():
            self._db.execute("DELETE FROM offers WHERE expires_at <= ?", (at,))
            self._db.execute(
                "INSERT INTO offers VALUES (?, ?, ?, ?, ?, ?, ?, ?, NULL, NULL)",
                (
                    _nonce_hash(nonce),
                    offer.code,
                    offer.subject,
                    offer.variant,
                    json.dumps(dict(offer.options), ensure_ascii=False),
                    offer.record_digest,
                    offer.offered_on,
                    offer.expires_at,
                ),
            )
            self.log(at, "offered", code=offer.code, subject_hash=self.subject_hash(offer.subject))

    def forget_expired(self, *, at: int) -> None:
        """Delete offers that have ended, with the subject and the delivery they held."""
        with self.writing():
            self._db.execute("DELETE FROM offers WHERE expires_at <= ?", (at,))

    def offer(self, nonce: bytes) -> OfferRow | None:
        """The offer made with ``nonce``, if it is still remembered."""
        row = self._one("SELECT * FROM offers WHERE nonce_hash = ?", _nonce_hash(nonce))
        if row is None:
            return None
        return OfferRow(
            code=row["code"],
            subject=row["subject"],
            variant=row["variant"],
            options=json.loads(row["options"]),
            record_digest=row["record_digest"],
            offered_on=row["offered_on"],
            expires_at=row["expires_at"],
            answered=None if row["delivery"] is None else (row["request_digest"], row["delivery"]),
        )

    def answer_offer(self, nonce: bytes, request_digest: bytes, delivery: bytes) -> None:
        """Inside ``writing``: mark the offer answered. Raises ``StoreError`` when it was answered already."""
        changed = self._db.execute(
            "UPDATE offers SET request_digest = ?, delivery = ? WHERE nonce_hash = ? AND delivery IS NULL",
            (request_digest, delivery, _nonce_hash(nonce)),
        )
        if changed.rowcount != 1:
            raise StoreError("the offer was answered already")

    def add_credential(self, credential_id: str, *, code: str, subject: str, issued_at: int, expires_at: int) -> None:
        """Inside ``writing``: a credential, before its copies."""
        self._db.execute(
            "INSERT INTO credentials (id, code, subject_hash, issued_at, expires_at) VALUES (?, ?, ?, ?, ?)",
            (credential_id, code, self.subject_hash(subject), issued_at, expires_at),
        )

    def is_bound(self, key: bytes) -> bool:
        """Whether a credential is bound to the holder key of this thumbprint."""
        return self._one("SELECT 1 FROM copies WHERE key_hash = ?", self.keyed_hash("holder", key)) is not None

    def add_copy(self, credential_id: str, *, format: str, key: bytes | None) -> tuple[int, int]:  # noqa: A002 - as everywhere
        """Inside ``writing``: a fresh status entry for one copy, as list number and index.

        ``key`` is the holder key's thumbprint; ``None`` for a sheet of paper. Raises ``StoreError`` when the key is
        bound already, or no free index is found.
        """
        number, size = self._open_list()
        key_hash = None if key is None else self.keyed_hash("holder", key)
        if key_hash is not None and self._one("SELECT 1 FROM copies WHERE key_hash = ?", key_hash):
            raise StoreError("this holder key is bound to another credential")
        serial = self._count("SELECT coalesce(max(serial), 0) + 1 FROM copies")
        for _ in range(_DRAWS):
            index = self._draw(size)
            if self._one("SELECT 1 FROM copies WHERE list = ? AND idx = ?", number, index) is None:
                break
        # A draw that never found a free index ends here: the primary key refuses to give one twice.
        self._db.execute(
            "INSERT INTO copies VALUES (?, ?, ?, ?, ?, ?)", (number, index, credential_id, format, key_hash, serial)
        )
        return number, index

    def state(self, credential_id: str) -> int:
        """The status value of a credential. Raises ``NotFound``."""
        row = self._one("SELECT state FROM credentials WHERE id = ?", credential_id)
        if row is None:
            raise NotFound("there is no such credential")
        return int(row["state"])

    def set_state(self, credential_id: str, value: int, *, reason: str, at: int) -> None:
        """Change a credential's status, with an audit line. Raises ``NotFound``, ``StoreError`` after a revocation."""
        with self.writing():
            before = self.state(credential_id)
            if before == value:
                return
            if before == REVOKED:
                raise StoreError("a revoked credential stays revoked")
            self._db.execute("UPDATE credentials SET state = ? WHERE id = ?", (value, credential_id))
            event = {VALID: "reinstated", REVOKED: "revoked", SUSPENDED: "suspended"}[value]
            self.log(at, event, credential=credential_id, note=reason)

    def lists(self) -> dict[int, int]:
        """Every status list: its number and its size."""
        return {row["number"]: row["size"] for row in self._all("SELECT number, size FROM lists ORDER BY number")}

    def entries(self) -> list[CopyRow]:
        """Every status entry, in the order of allocation."""
        rows = self._all("SELECT list, idx, state FROM copies JOIN credentials ON id = credential ORDER BY serial")
        return [CopyRow(row["list"], row["idx"], row["state"]) for row in rows]

    def credentials_of(self, subject: str) -> list[str]:
        """Ids of what was issued to ``subject``, oldest first."""
        rows = self._all("SELECT id FROM credentials WHERE subject_hash = ? ORDER BY rowid", self.subject_hash(subject))
        return [row["id"] for row in rows]

    @property
    def stopped(self) -> str | None:
        """Why nothing may be signed; ``None`` when it may."""
        row = self._one("SELECT value FROM meta WHERE name = 'stopped'")
        return None if row is None else bytes(row["value"]).decode()

    def set_stopped(self, reason: str | None, *, at: int) -> None:
        """Stop or start signing, for every process on this store at once, with an audit line."""
        with self.writing():
            self._db.execute("DELETE FROM meta WHERE name = 'stopped'")
            if reason is not None:
                self._db.execute("INSERT INTO meta VALUES ('stopped', ?)", (reason.encode(),))
            self.log(at, "started" if reason is None else "stopped", note=reason)

    def log(
        self,
        at: int,
        event: str,
        *,
        code: str | None = None,
        subject_hash: bytes | None = None,
        credential: str | None = None,
        note: str | None = None,
    ) -> None:
        """Inside ``writing``: one audit line. Nothing in it may be personal data."""
        last = self._one("SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1")
        seq, previous = (1, b"") if last is None else (last["seq"] + 1, last["hash"])
        line = (seq, at, event, code, subject_hash, credential, note)
        self._db.execute("INSERT INTO audit VALUES (?, ?, ?, ?, ?, ?, ?, ?)", (*line, _link(previous, line)))

    def audit(self) -> list[dict[str, Any]]:
        """The log, oldest line first. Raises ``StoreError`` when a line was removed, changed or moved.

        Lines cut off at the end are noticed by whoever keeps the last ``hash`` elsewhere.
        """
        lines, previous = [], b""
        for number, row in enumerate(self._all("SELECT * FROM audit ORDER BY seq"), 1):
            line = tuple(row)[:-1]
            if row["seq"] != number or not hmac.compare_digest(row["hash"], _link(previous, line)):
                raise StoreError(f"the audit log is broken at line {number}")
            previous = row["hash"]
            lines.append(dict(row))
        return lines

    def _open_list(self) -> tuple[int, int]:
        row = self._one(
            "SELECT number, size, (SELECT count(*) FROM copies WHERE list = number) AS used"
            " FROM lists ORDER BY number DESC LIMIT 1"
        )
        # Half full at most: a draw finds a free index in two tries, and lists stay sparse.
        if row is not None and 2 * row["used"] < row["size"]:
            return row["number"], row["size"]
        number = 1 if row is None else row["number"] + 1
        self._db.execute("INSERT INTO lists VALUES (?, ?)", (number, self._list_size))
        return number, self._list_size

    def _one(self, sql: str, *values: object) -> sqlite3.Row | None:
        with self._lock:
            row: sqlite3.Row | None = self._db.execute(sql, values).fetchone()
            return row

    def _all(self, sql: str, *values: object) -> list[sqlite3.Row]:
        with self._lock:
            return self._db.execute(sql, values).fetchall()

    def _count(self, sql: str) -> int:
        row = self._one(sql)
        return 0 if row is None else int(row[0])


def _nonce_hash(nonce: bytes) -> bytes:
    return hashlib.sha256(b"offer\0" + nonce).digest()


def _link(previous: bytes, line: tuple[Any, ...]) -> bytes:
    text = json.dumps([value.hex() if isinstance(value, bytes) else value for value in line], ensure_ascii=False)
    return hashlib.sha256(previous + text.encode()).digest()
