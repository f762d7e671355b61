"""Many transactions in one commit: what waits for the disk waits together.

Whoever comes while nobody writes does so at once, for himself and for all who come before he begins; the next of those
who came meanwhile leads the next commit. So a lone request waits for no other thread, and many wait for one disk write.

If any of it fails, all is undone and done again, each piece in a savepoint of its own, so that one that fails takes
nothing of the others with it. Nobody hears that his is done before the commit that holds it is durable. If that fails,
all of them failed.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING, Any, Final, Generic, Protocol, TypeAlias, TypeVar

from issuer.turns import BusyError
from vcred.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from issuer.database import Database
    from vcred._waiting import Waiting

__all__ = ["MOST", "GroupCommit", "InLoop", "Job", "commit_together"]

MOST: Final = 64
"""Works in one commit: the first waits for the last."""

_T = TypeVar("_T")
_W = TypeVar("_W")
_Work: TypeAlias = "Callable[[], Any]"


class Job(Generic[_W]):
    """A piece of work, and what became of it."""

    __slots__ = ("error", "result", "work")

    def __init__(self, work: _W) -> None:
        self.work = work
        self.result: Any = None
        self.error: BaseException | None = None


class InLoop(Protocol):
    """What does together what waits in an event loop; ``issuer.server.loop_batches`` has it."""

    def run(self, work: Any, waiting: Waiting) -> Any:
        """The job's result. Raises its error, and ``StoreError``."""

    def check_idle(self) -> None:
        """Raises ``StoreError`` where ``close`` would wait for itself."""

    def close(self) -> None:
        """Take no more."""


class _ThreadsJob(Job[_Work]):
    """``turn`` is held while its thread has to wait."""

    __slots__ = ("done", "turn")

    def __init__(self, work: _Work) -> None:
        super().__init__(work)
        self.done = False
        self.turn = threading.Lock()
        self.turn.acquire()


class GroupCommit:
    """Who writes, and who waits for him. ``close`` refuses what comes later."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._mutex = threading.Lock()
        self._waiting: deque[_ThreadsJob] = deque()
        self._writer: int | None = None
        self._closed = False

    def run(self, work: Callable[[], _T]) -> _T:
        """What ``work`` returns, when it is durable; or what it raised. Raises ``StoreError``."""
        me = threading.get_ident()
        if self._writer == me:
            return work()
        job = _ThreadsJob(work)
        with self._mutex:
            if self._closed:
                raise StoreError("the store is closed")
            self._waiting.append(job)
            leads = self._writer is None
            if leads:
                self._writer = me
        if not leads:
            job.turn.acquire()
        if not job.done:
            self._lead(me)
        if job.error is not None:
            raise job.error
        found: _T = job.result
        return found

    def close(self) -> None:
        """Take no more work; what is waiting is done first."""
        with self._mutex:
            self._closed = True
            last = _ThreadsJob(lambda: None)
            self._waiting.append(last)
            leads = self._writer is None
            if leads:
                self._writer = threading.get_ident()
        if not leads:
            last.turn.acquire()
        if not last.done:
            self._lead(threading.get_ident())

    def _lead(self, me: int) -> None:
        """Commit what waits, this thread's own work first, and let the next one lead."""
        self._writer = me
        jobs = [self._waiting.popleft() for _ in range(min(MOST, len(self._waiting)))]
        try:
            commit_together(self._database, jobs)
        finally:
            with self._mutex:
                follower = self._waiting[0] if self._waiting else None
                self._writer = None if follower is None else -1
            for job in jobs:
                job.done = True
                job.turn.release()
            if follower is not None:
                follower.turn.release()


def commit_together(database: Database, jobs: Sequence[Job[_Work]], *, wait: bool = True) -> None:
    """Do them in one transaction, each whole or not at all, and note what became of each.

    Raises ``BusyError``, where nobody is to ``wait``, while somebody else writes; nothing was done then.
    """
    try:
        if not _all_done(database, jobs, wait=wait):
            _each_done(database, jobs, wait=wait)
    except BaseException as error:
        if isinstance(error, BusyError) and not wait:
            raise
        for job in jobs:  # the commit failed for all of them: each hears of it
            job.error = job.error or error


def _all_done(database: Database, jobs: Sequence[Job[_Work]], *, wait: bool) -> bool:
    """Whether nothing went wrong in any of them, which is the rule, and then costs no savepoints. If not, and it is not
    known who must not take the others with him, all of it is undone.
    """
    at_end = False
    try:
        with database.writing(wait=wait):
            for job in jobs:
                job.result = job.work()
            if len(jobs) > 1:
                database.look()
            at_end = True
    except Exception as error:
        if at_end or len(jobs) == 1 or (isinstance(error, BusyError) and not wait):
            raise
        return False
    return True


def _each_done(database: Database, jobs: Sequence[Job[_Work]], *, wait: bool) -> None:
    with database.writing(wait=wait):
        for job in jobs:
            try:
                job.result = database.alone(job.work)
            except BaseException as error:
                if isinstance(error, BusyError) and not wait:
                    raise
                job.error = error
