"""What waits in an event loop, done together: all that comes in one round of the loop, or while others are done.

Group commit for work that waits (``vcred._waiting``), and, where the database is a server, one way there and back for
many reads. A local database is used in the loop's own thread: it answers at once, and a second thread would fight this
one for the interpreter. A server, or a database in which somebody else writes just now, is waited for in a thread.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from contextvars import Context
from functools import partial
from threading import Event
from typing import TYPE_CHECKING, Any, Final, Generic, TypeAlias, TypeVar
from weakref import WeakKeyDictionary

from issuer.group_commit import MOST, Job
from issuer.turns import BusyError
from vcred._waiting import WAITING
from vcred.errors import StoreError
from vcred.serving.greenlets import Greenlets

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from vcred._waiting import Waiting

__all__ = ["LoopBatches"]

_ROUNDS: Final = 3
"""Rounds of the loop to wait for company: in that many, a request that has come is as far as this."""

_LOOK: Final = 0.05
"""Seconds after which is looked whether a loop that is waited for still runs."""

_W = TypeVar("_W")
_Waiters: TypeAlias = "list[tuple[Job[_W], asyncio.Future[None]]]"
_End: TypeAlias = "Callable[[BaseException | None], None]"


class _Batch(Generic[_W]):
    """What waits in one loop. ``busy`` from the first to come until there is nobody left."""

    def __init__(self) -> None:
        self.jobs: _Waiters[_W] = []
        self.busy = False
        self.task: asyncio.Task[bool] | None = None
        """What is done while the loop goes on."""
        self.idle = Event()
        self.idle.set()


class LoopBatches(Generic[_W]):
    """Does what waits together. ``close`` refuses what comes later."""

    def __init__(
        self,
        do: Callable[[Sequence[Job[_W]]], None],
        *,
        at_once: Callable[[Sequence[Job[_W]]], None] | None = None,
        waiting: Callable[[Sequence[Job[_W]], Waiting], None] | None = None,
    ) -> None:
        """``do`` notes in each job what became of it, in a thread.

        ``at_once`` does the same in the loop's own, ``waiting`` while the loop goes on; or they raise ``BusyError``,
        having done nothing.
        """
        self._do = do
        self._at_once = at_once
        self._waiting = waiting
        self._greenlets = Greenlets(1)
        self._batches: WeakKeyDictionary[asyncio.AbstractEventLoop, _Batch[_W]] = WeakKeyDictionary()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="database")
        self._closed = False

    def run(self, work: _W, waiting: Waiting) -> Any:
        """The job's result. Raises its error, and ``StoreError``."""
        loop = asyncio.get_running_loop()
        batch = self._batches.get(loop)
        if batch is None:
            batch = self._batches[loop] = _Batch()
        job, done = Job(work), loop.create_future()
        batch.jobs.append((job, done))
        if not batch.busy:
            batch.busy = True
            self._soon(loop, batch, _ROUNDS)
        waiting.wait(done)
        if job.error is not None:
            raise job.error
        return job.result

    def check_idle(self) -> None:
        """Raises ``StoreError`` in a loop that is doing something: it would wait for itself to end it."""
        with suppress(RuntimeError):  # nothing runs here
            batch = self._batches.get(asyncio.get_running_loop())
            if batch is not None and batch.task is not None:
                raise StoreError("the store is in use: close it after what is under way")

    def close(self) -> None:
        """Take no more; what is being done is done to its end."""
        self._closed = True
        for loop, batch in list(self._batches.items()):
            while not batch.idle.wait(_LOOK):
                if loop.is_closed():  # it will never go on
                    _drop(batch)
        self._thread.shutdown()

    def _soon(self, loop: asyncio.AbstractEventLoop, batch: _Batch[_W], rounds: int) -> None:
        # In a context of its own: what is done here does not wait as the work does for which it is done.
        loop.call_soon(self._begin, loop, batch, rounds, context=Context())

    def _begin(self, loop: asyncio.AbstractEventLoop, batch: _Batch[_W], rounds: int) -> None:
        if rounds:
            self._soon(loop, batch, rounds - 1)
            return
        now, batch.jobs = batch.jobs[:MOST], batch.jobs[MOST:]
        end = partial(self._end, loop, batch, now)
        if self._closed:
            end(StoreError("the store is closed"))
        elif self._done_at_once([job for job, _ in now]):
            end(None)
        elif self._waiting is None:
            self._in_thread(loop, now, end)
        else:
            jobs = [job for job, _ in now]
            batch.idle.clear()
            batch.task = loop.create_task(self._greenlets.run(self._while_others, jobs), context=Context())
            batch.task.add_done_callback(partial(self._waited, loop, batch, now, end), context=Context())

    def _in_thread(self, loop: asyncio.AbstractEventLoop, now: _Waiters[_W], end: _End) -> None:
        try:
            ended = loop.run_in_executor(self._thread, self._do, [job for job, _ in now])
        except RuntimeError:  # it was closed this very moment
            end(StoreError("the store is closed"))
        else:
            ended.add_done_callback(lambda it: end(it.exception()), context=Context())

    def _while_others(self, jobs: Sequence[Job[_W]]) -> bool:
        """Whether they were done."""
        assert self._waiting is not None
        waiting = WAITING.get()
        assert waiting is not None
        WAITING.set(None)  # the work itself does not wait: nothing may come between it and its transaction
        try:
            self._waiting(jobs, waiting)
        except BusyError:
            return False
        return True

    def _waited(
        self,
        loop: asyncio.AbstractEventLoop,
        batch: _Batch[_W],
        now: _Waiters[_W],
        end: _End,
        task: asyncio.Task[bool],
    ) -> None:
        batch.task = None
        batch.idle.set()
        if task.cancelled():
            end(StoreError("the service ends"))
        elif (error := task.exception()) is not None or task.result():
            end(error)
        else:
            self._in_thread(loop, now, end)

    def _done_at_once(self, jobs: Sequence[Job[_W]]) -> bool:
        if self._at_once is None:
            return False
        try:
            self._at_once(jobs)
        except BusyError:
            return False
        return True

    def _end(
        self,
        loop: asyncio.AbstractEventLoop,
        batch: _Batch[_W],
        done: _Waiters[_W],
        error: BaseException | None,
    ) -> None:
        for job, heard in done:
            job.error = job.error or error
            if not heard.done():  # who was told to stop does not hear it
                heard.set_result(None)
        batch.busy = bool(batch.jobs)
        if batch.busy:
            self._soon(loop, batch, 0)


def _drop(batch: _Batch[Any]) -> None:
    if batch.task is not None:
        with suppress(Exception):  # what it holds can be given back in its own thread only
            batch.task.get_coro().close()
        batch.task = None
    batch.idle.set()
