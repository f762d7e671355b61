"""The issuer's database: transactions, hashes nobody can guess back, and the audit log.

The audit log is a hash chain: a line removed, changed or moved is noticed.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import secrets
import sqlite3
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from functools import partial
from threading import Lock, get_ident
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar

from issuer.group_commit import GroupCommit, commit_together
from issuer.readers import Readers
from issuer.schema import is_file, open_database
from issuer.turns import BusyError, Turns
from vcred._waiting import WAITING
from vcred.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path
    from types import TracebackType

    from issuer.group_commit import InLoop, Job
    from vcred._waiting import Waiting

__all__ = ["Database", "StateError", "audit_reason"]

_REASON: Final = re.compile(r"[A-Za-z][A-Za-z0-9_. -]{0,63}")
_PAGE: Final = 10_000
_BEFORE_ALL: Final = -(2**63)
_MINUTE: Final = 60
_T = TypeVar("_T")

_INSIDE: ContextVar[tuple[Database, ...]] = ContextVar("inside", default=())
"""The databases whose connection is held here. Not by the thread: in a loop it has others to do meanwhile."""


class StateError(StoreError):
    """What was asked for cannot be done to a thing in this state: a revoked certificate is not reinstated."""


class Database:
    """SQLite, in a file (mode 0600) or in memory, or PostgreSQL. Safe for several threads and several processes."""

    def __init__(self, path: str | Path | None = None) -> None:
        """``path`` is a file, or an address as SQLAlchemy writes it (``postgresql+psycopg://...``, ``sqlite:///...``).

        Raises ``StoreError`` when it cannot be opened or is of another version.
        """
        self._lock = Lock()
        self._if_undone: list[Callable[[], object]] = []
        self._holder: int | None = None
        """The thread that holds the lock."""
        self._forgot: dict[str, int] = {}
        self._last: tuple[int, bytes] | None = None
        self._committer: GroupCommit | None = None
        self._loop_commits: InLoop | None = None
        self._loop_reads: InLoop | None = None
        self._readers: Readers | None = None
        self._target = path
        self._db: Any = open_database(path)
        self._turns = Turns(path, make=False)
        self._together: Any = getattr(self._db, "put", None)
        """Where statements cost a way there and back: sends one with the next."""
        self._put: Callable[[str, tuple[object, ...]], object] = self._together or self._db.execute
        """Inside ``writing``: a statement whose result nobody looks at."""
        with self.writing():
            key = secrets.token_bytes(32)
            self._db.execute("INSERT INTO meta VALUES ('key', ?) ON CONFLICT (name) DO NOTHING", (key,))
        found = self._db.execute("SELECT value FROM meta WHERE name = 'key'").fetchone()
        # ``hmac.digest`` lets the other threads go first, for every hash; a copy of what is begun does not.
        self._mac = hmac.new(found[0], digestmod="sha256")

    def close(self) -> None:
        """Release the file, after what is being written. Raises ``StoreError`` in a loop where that is under way."""
        in_loop = [one for one in (self._loop_commits, self._loop_reads) if one is not None]
        for batches in in_loop:
            batches.check_idle()
        for one in (self._committer, *in_loop):
            if one is not None:
                one.close()
        if self._readers is not None:
            self._readers.close()
        with self._locked():
            self._db.close()
            self._turns.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def group_commits(self, in_loop: Callable[..., InLoop] | None = None) -> None:
        """From now on ``transact`` puts what waits together into one commit, processes that write take turns, and who
        only reads waits for nobody who writes: for a service with many requests.

        ``in_loop`` is ``LoopBatches`` in a service whose work waits in an event loop.
        """
        if self._committer is not None:
            return
        self._turns.close()
        self._turns = Turns(self._target, make=True)
        self._readers = None if self._target is None else Readers(self._target)
        self._committer = GroupCommit(self)
        if in_loop is None:
            return
        together = partial(commit_together, self)
        if self._readers is None or self._target is None or is_file(self._target):
            self._loop_commits = in_loop(together, at_once=partial(together, wait=False))
        else:
            self._loop_commits = in_loop(together, waiting=self._commit_waiting)
            self._loop_reads = in_loop(self._readers.read, waiting=self._readers.read_waiting)

    def transact(self, work: Callable[[], _T]) -> _T:
        """Do ``work`` in a transaction; what it returns is durable. Raises what it raises, and ``StoreError``.

        It may be undone and done again before that: what it does elsewhere, ``if_undone`` takes back. Inside
        ``writing`` it is a part of that transaction.
        """
        if self._committer is None or self in _INSIDE.get():
            with self.writing():
                return work()
        waiting = WAITING.get()
        if waiting is None or self._loop_commits is None:
            return self._committer.run(work)
        found: _T = self._loop_commits.run(work, waiting)
        return found

    def _commit_waiting(self, jobs: Sequence[Job[Callable[[], Any]]], waiting: Waiting) -> None:
        """As ``commit_together``, in a loop that does other things while the server does its part.

        Raises ``BusyError`` where another thread writes, or there is no connection yet.
        """
        if not self._db.usable:
            raise BusyError("the connection is opened first")
        with self._locked(wait=False):
            self._db.waiting = waiting
            try:
                commit_together(self, jobs, wait=False)
            finally:
                self._db.waiting = None

    def alone(self, work: Callable[[], _T]) -> _T:
        """Inside ``writing``: ``work`` whole or not at all, whatever becomes of the rest of the transaction.

        Raises what it raises, and ``StoreError``.
        """
        self._db.execute("SAVEPOINT work")
        known = len(self._if_undone)
        try:
            with _said(), self._in_order():
                result = work()
            self._db.execute("RELEASE SAVEPOINT work")
        except BaseException:
            self._undo(known)
            self._db.execute("ROLLBACK TO SAVEPOINT work")
            self._db.execute("RELEASE SAVEPOINT work")
            self._last = None
            raise
        return result

    def if_undone(self, call: Callable[[], object]) -> None:
        """Inside ``writing``: ``call`` when what is done now is undone, with whatever it noted elsewhere."""
        self._if_undone.append(call)

    def _undo(self, known: int) -> None:
        while len(self._if_undone) > known:
            self._if_undone.pop()()

    @contextmanager
    def _in_order(self) -> Iterator[None]:
        """What came to nothing earlier, and is not looked at yet (``_must``), is said rather than what is wrong now."""
        try:
            yield
        except Exception:
            self.look()
            raise

    def look(self) -> None:
        """Inside ``writing``: raises what shows at its end otherwise, of statements whose outcome is not known yet."""
        if self._together is not None:
            self._db.look()

    @contextmanager
    def writing(self, *, wait: bool = True) -> Iterator[None]:
        """One transaction: all of it or nothing; a part of it, inside another.

        Raises ``StoreError``: ``BusyError`` at once, where nobody is to ``wait``, while somebody else writes.
        """
        with self._locked(wait=wait):
            if self._db.in_transaction:
                yield
                return
            with self._turns.mine(wait=wait):
                self._db.execute("BEGIN IMMEDIATE")
                self._last = None  # another process may have gone on
                self._if_undone.clear()
                try:
                    with self._in_order():
                        yield
                    self._db.execute("COMMIT")
                except BaseException:
                    self._undo(0)
                    if self._db.in_transaction:
                        with suppress(StoreError):  # of a connection that broke nothing is kept
                            self._db.execute("ROLLBACK")
                    raise

    def _must(self, sql: str, values: tuple[object, ...], otherwise: Exception) -> None:
        """Inside ``writing``: a statement that changes one row.

        ``otherwise`` is raised where it does not, at the latest before anything of this work counts.
        """
        if self._together is not None:
            self._together(sql, values, otherwise=otherwise)
        elif self._db.execute(sql, values).rowcount != 1:
            raise otherwise

    def due(self, what: str, *, at: int) -> bool:
        """Whether to look for ``what`` that has expired: once a minute is enough, and cheaper than with every write."""
        if abs(at - self._forgot.get(what, _BEFORE_ALL)) < _MINUTE:
            return False
        self._forgot[what] = at
        return True

    def keyed_hash(self, purpose: str, value: bytes) -> bytes:
        """A hash nobody can compute or guess back without this store's key."""
        mac = self._mac.copy()
        mac.update(purpose.encode() + b"\0" + value)
        return mac.digest()

    def subject_hash(self, subject: str) -> bytes:
        """How the store knows a subject."""
        return self.keyed_hash("subject", subject.encode())

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
        if self._last is None:
            row = self._one("SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1")
            self._last = (0, b"") if row is None else (row["seq"], row["hash"])
        before, previous = self._last
        line = (before + 1, at, event, code, subject_hash, credential, note)
        link = _link(previous, line)
        self._put("INSERT INTO audit VALUES (?, ?, ?, ?, ?, ?, ?, ?)", (*line, link))
        self._last = (before + 1, link)

    def audit(self) -> list[dict[str, Any]]:
        """The log, oldest line first. Raises ``StoreError`` when a line was removed, changed or moved.

        Lines cut off at the end are noticed by whoever keeps the last ``hash`` elsewhere.
        """
        return list(self._audited())

    def check_audit(self) -> int:
        """As ``audit``, without keeping the lines: how many there are."""
        return sum(1 for _ in self._audited())

    def _audited(self) -> Iterator[dict[str, Any]]:
        previous, number, after = b"", 0, _BEFORE_ALL
        while True:
            rows = self._all("SELECT * FROM audit WHERE seq > ? ORDER BY seq LIMIT ?", after, _PAGE)
            for row in rows:
                number += 1
                line = tuple(row)[:-1]
                if row["seq"] != number or not hmac.compare_digest(row["hash"], _link(previous, line)):
                    raise StoreError(f"the audit log is broken at line {number}")
                previous = row["hash"]
                yield dict(row)
            if len(rows) < _PAGE:
                return
            after = number

    @contextmanager
    def _locked(self, *, wait: bool = True) -> Iterator[None]:
        """The connection, for the work of this context alone, which may ask for it again."""
        with self._mine(wait=wait), _said():
            yield

    @contextmanager
    def _mine(self, *, wait: bool) -> Iterator[None]:
        inside = _INSIDE.get()
        if self in inside:
            yield
            return
        # Who holds it in this very thread lets go of it only if nobody waits here.
        if not self._lock.acquire(blocking=wait and self._holder != get_ident()):
            raise BusyError("somebody else writes")
        self._holder = get_ident()
        token = _INSIDE.set((*inside, self))
        try:
            yield
        finally:
            _INSIDE.reset(token)
            self._holder = None
            self._lock.release()

    @contextmanager
    def _reading(self) -> Iterator[Any]:
        """A connection to read with, for this thread alone: inside ``writing`` the one that sees what it wrote."""
        if self._readers is None or self in _INSIDE.get():
            with self._locked():
                yield self._db
            return
        db = self._readers.take(wait=WAITING.get() is None)
        try:
            with _said():
                yield db
        finally:
            self._readers.give(db)

    def _one(self, sql: str, *values: object) -> Any:
        if (waiting := self._waits()) is not None:
            rows = self._batched(sql, values, waiting)
            return rows[0] if rows else None
        with self._reading() as db:
            return db.execute(sql, values).fetchone()

    def _all(self, sql: str, *values: object) -> list[Any]:
        if (waiting := self._waits()) is not None:
            return self._batched(sql, values, waiting)
        with self._reading() as db:
            rows: list[Any] = db.execute(sql, values).fetchall()
            return rows

    def _waits(self) -> Waiting | None:
        """How to wait for a server's answer, where that must not hold up a loop."""
        return None if self._loop_reads is None or self in _INSIDE.get() else WAITING.get()

    def _batched(self, sql: str, values: tuple[object, ...], waiting: Waiting) -> list[Any]:
        assert self._loop_reads is not None
        rows: list[Any] = self._loop_reads.run((sql, values), waiting)
        return rows


@contextmanager
def _said() -> Iterator[None]:
    """SQLite's errors as ours."""
    try:
        yield
    except sqlite3.Error as error:
        raise StoreError(f"the issuer store refused: {type(error).__name__}") from error


def audit_reason(reason: str) -> str:
    """``reason``, if it may go into the audit log: a few words, never personal data. Raises ``ValueError``."""
    if not _REASON.fullmatch(reason):
        raise ValueError("a reason is a few ASCII words, at most 64 characters: it goes into the audit log")
    return reason


def _link(previous: bytes, line: tuple[Any, ...]) -> bytes:
    text = json.dumps([value.hex() if isinstance(value, bytes) else value for value in line], ensure_ascii=False)
    return hashlib.sha256(previous + text.encode()).digest()
