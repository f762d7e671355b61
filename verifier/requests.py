"""Open requests and answers already seen: what makes a nonce count once.

Rules: a request is on disk before it is shown; using it up is one atomic step, and an answer is believed
only after that step is durable; a one-way answer is remembered for as long as it could be replayed; the
last time seen never goes backwards. Keys are hashes, and nothing personal is stored.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from heapq import heappop, heappush
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, Self, runtime_checkable

from vcred._sqlite import made_ready, write_ahead
from vcred.errors import Locked, StoreError

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection, Iterator

__all__ = ["MemoryRequestStore", "OpenRequest", "RequestStore", "SqliteRequestStore"]


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenRequest:
    """A request this verifier made: the hash of its bytes, the policy's TOML, and when it ends (seconds).

    ``response_key`` is the private key (PKCS #8) that its answer is encrypted to, for online requests: fresh for each,
    and of no use once this one has ended.
    """

    key: bytes
    policy: str = field(repr=False)
    reference_date: date | None
    expires_at: int
    response_key: bytes | None = field(default=None, repr=False)


@runtime_checkable
class RequestStore(Protocol):
    """Where requests are kept. Pass one to ``Verifier``; every method raises ``StoreError`` when it cannot do it."""

    def put(self, request: OpenRequest, *, now: int) -> None:
        """Keep ``request``, durably, before it is shown to anybody. What ended before ``now`` may be dropped."""

    def get(self, key: bytes) -> OpenRequest | None:
        """The request of that key, used up or not; ``None`` when there is none."""

    def use(self, key: bytes) -> bool:
        """Use the request up, once: ``True`` the first time, ``False`` ever after and for an unknown key."""

    def remember(self, answers: Collection[bytes], *, until: int, now: int) -> bool:
        """Remember all of ``answers`` until ``until``; ``False``, and none remembered, if one was seen already."""

    def last_seen(self) -> int | None:
        """The latest time given to ``observe``."""

    def observe(self, now: int) -> None:
        """Note that ``now`` has passed."""


class MemoryRequestStore:
    """A store in this process: a restart forgets open requests, so their answers are then refused."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: dict[bytes, OpenRequest] = {}
        self._used: set[bytes] = set()
        self._seen: dict[bytes, int] = {}
        self._ends: list[tuple[int, bytes]] = []
        self._last: int | None = None

    def put(self, request: OpenRequest, *, now: int) -> None:
        """See ``RequestStore``."""
        with self._lock:
            for key in [key for key, one in self._open.items() if one.expires_at + _KEPT < now]:
                del self._open[key]
                self._used.discard(key)
            self._open[request.key] = request

    def get(self, key: bytes) -> OpenRequest | None:
        """See ``RequestStore``."""
        return self._open.get(key)

    def use(self, key: bytes) -> bool:
        """See ``RequestStore``."""
        with self._lock:
            if key not in self._open or key in self._used:
                return False
            self._used.add(key)
            return True

    def remember(self, answers: Collection[bytes], *, until: int, now: int) -> bool:
        """See ``RequestStore``."""
        with self._lock:
            # The first to end is on top: what a whole day's answers left is not looked through for each of them.
            while self._ends and self._ends[0][0] < now:
                del self._seen[heappop(self._ends)[1]]
            if len(set(answers)) != len(answers) or any(one in self._seen for one in answers):
                return False
            for one in answers:
                self._seen[one] = until
                heappush(self._ends, (until, one))
            return True

    def last_seen(self) -> int | None:
        """See ``RequestStore``."""
        return self._last

    def observe(self, now: int) -> None:
        """See ``RequestStore``."""
        with self._lock:
            self._last = now if self._last is None else max(now, self._last)


_KEPT = 600
"""Seconds an ended request is kept, so that a late answer is called expired and not unknown."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS requests (
  key BLOB PRIMARY KEY, policy TEXT NOT NULL, reference_date TEXT, expires_at INTEGER NOT NULL, used INTEGER NOT NULL,
  response_key BLOB
) STRICT;
CREATE TABLE IF NOT EXISTS answers (key BLOB PRIMARY KEY, until INTEGER NOT NULL) STRICT;
CREATE INDEX IF NOT EXISTS answers_by_end ON answers (until);
CREATE TABLE IF NOT EXISTS clock (id INTEGER PRIMARY KEY CHECK (id = 1), last_seen INTEGER NOT NULL) STRICT;
"""


class SqliteRequestStore:
    """A store in one file, safe for several processes at one desk. Close it, or use it in ``with``."""

    def __init__(self, path: str | Path) -> None:
        """Open or make the file. Raises ``StoreError``."""
        import sqlite3  # noqa: PLC0415 - only this store needs it

        self._lock = threading.Lock()
        self._errors = sqlite3.Error
        with self._translated():
            self._db = sqlite3.connect(Path(path), timeout=5, isolation_level=None, check_same_thread=False)
        with made_ready(self._db):
            with self._translated():
                write_ahead(self._db)
                self._db.execute("PRAGMA synchronous = FULL")
                self._db.executescript(_SCHEMA)
            with self._transaction() as db:
                if not any(row[1] == "response_key" for row in db.execute("PRAGMA table_info(requests)")):
                    db.execute("ALTER TABLE requests ADD COLUMN response_key BLOB")

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def put(self, request: OpenRequest, *, now: int) -> None:
        """See ``RequestStore``."""
        day = None if request.reference_date is None else request.reference_date.isoformat()
        with self._transaction() as db:
            db.execute("DELETE FROM requests WHERE expires_at < ?", (now - _KEPT,))
            db.execute(
                "INSERT INTO requests VALUES (?, ?, ?, ?, 0, ?)",
                (request.key, request.policy, day, request.expires_at, request.response_key),
            )

    def get(self, key: bytes) -> OpenRequest | None:
        """See ``RequestStore``."""
        with self._transaction() as db:
            names = "policy, reference_date, expires_at, response_key"
            row = db.execute(f"SELECT {names} FROM requests WHERE key = ?", (key,)).fetchone()  # noqa: S608 - ours
        if row is None:
            return None
        policy, day, expires_at, response_key = row
        reference = None if day is None else date.fromisoformat(day)
        return OpenRequest(
            key=key, policy=policy, reference_date=reference, expires_at=expires_at, response_key=response_key
        )

    def use(self, key: bytes) -> bool:
        """See ``RequestStore``."""
        with self._transaction() as db:
            return db.execute("UPDATE requests SET used = 1 WHERE key = ? AND used = 0", (key,)).rowcount == 1

    def remember(self, answers: Collection[bytes], *, until: int, now: int) -> bool:
        """See ``RequestStore``."""
        with self._transaction() as db:
            db.execute("DELETE FROM answers WHERE until < ?", (now,))
            known = any(db.execute("SELECT 1 FROM answers WHERE key = ?", (one,)).fetchone() for one in answers)
            if known or len(set(answers)) != len(answers):
                return False
            db.executemany("INSERT INTO answers VALUES (?, ?)", [(one, until) for one in answers])
            return True

    def last_seen(self) -> int | None:
        """See ``RequestStore``."""
        with self._transaction() as db:
            row = db.execute("SELECT last_seen FROM clock").fetchone()
        return None if row is None else int(row[0])

    def observe(self, now: int) -> None:
        """See ``RequestStore``."""
        with self._transaction() as db:
            db.execute("INSERT OR IGNORE INTO clock VALUES (1, ?)", (now,))
            db.execute("UPDATE clock SET last_seen = ? WHERE last_seen < ?", (now, now))  # else nothing to sync

    def forget_time(self, now: int) -> None:
        """Set the last seen time to ``now``, backwards as well (``vcred.trust.seen.forget_time`` says when)."""
        with self._transaction() as db:
            db.execute("UPDATE clock SET last_seen = ?", (now,))

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Turn the database's errors into ours."""
        try:
            yield
        except self._errors as error:
            wrong = Locked if "locked" in str(error) else StoreError
            raise wrong(f"the request store cannot be used: {error}") from error

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """One write transaction: durable when the block has ended, undone when it raises."""
        with self._lock, self._translated():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")
