"""Many transactions in one commit: what waits for the disk waits together.

Each piece of work runs in a savepoint of its own, so that one that fails takes nothing of the others with it; nobody
hears that his is done before the commit that holds it is durable. If that fails, all of them failed.
"""

from __future__ import annotations

import queue
import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, Final, TypeVar

from vcred.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from issuer.database import Database

__all__ = ["GroupCommit"]

_MOST: Final = 64
"""Works in one commit: the first waits for the last."""

_T = TypeVar("_T")
_Job = tuple["Callable[[], Any]", "Future[Any]"]


class GroupCommit:
    """The one thread that writes. ``close`` ends it after what is waiting."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._closed = False
        self._thread = threading.Thread(target=self._serve, name="group-commit", daemon=True)
        self._thread.start()

    def run(self, work: Callable[[], _T]) -> _T:
        """What ``work`` returns, when it is durable; or what it raised. Raises ``StoreError``."""
        if threading.current_thread() is self._thread:
            return work()
        if self._closed:
            raise StoreError("the store is closed")
        job: Future[_T] = Future()
        self._waiting.put((work, job))
        return job.result()

    def close(self) -> None:
        """Finish what is waiting."""
        self._closed = True
        self._waiting.put(None)
        self._thread.join()

    def _serve(self) -> None:
        more = True
        while more:
            jobs: list[_Job] = []
            first = self._waiting.get()
            while first is not None:
                jobs.append(first)
                if len(jobs) == _MOST or self._waiting.empty():
                    break
                first = self._waiting.get()
            more = first is not None
            if jobs:
                self._commit(jobs)

    def _commit(self, jobs: Sequence[_Job]) -> None:
        done: list[tuple[Future[Any], Any]] = []
        failed: list[tuple[Future[Any], BaseException]] = []
        try:
            with self._database.writing():
                for work, job in jobs:
                    try:
                        done.append((job, self._database.alone(work)))
                    except BaseException as error:  # noqa: BLE001 - it is whoever waits that hears of it
                        failed.append((job, error))
        except BaseException as error:  # noqa: BLE001 - as above: the commit failed, for all of them
            failed += [(job, error) for job, _ in done]
            answered = {id(job) for job, _ in failed}
            failed += [(job, error) for _, job in jobs if id(job) not in answered]
            done = []
        for job, result in done:
            job.set_result(result)
        for job, reason in failed:
            job.set_exception(reason)
