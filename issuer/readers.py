"""Connections that only read, beside the one that writes: no reader waits for a writer, or for his disk."""

from __future__ import annotations

from queue import Empty, LifoQueue
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from issuer.schema import open_reader
from issuer.turns import BusyError
from vcred.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from issuer.group_commit import Job
    from vcred._waiting import Waiting

__all__ = ["Query", "Readers"]

Query: TypeAlias = tuple[str, tuple[object, ...]]
"""A statement that reads, and its values."""

_NUMBER: Final = 4
"""More would wait for the interpreter, and a database server has connections for so many processes only."""


class Readers:
    """As many as are needed at one time, opened when they first are, and the last one used is the next. Each sees what
    was committed before it reads.
    """

    def __init__(self, target: str | Path) -> None:
        """``target`` as in ``Database``."""
        self._target = target
        self._closed = False
        self._free: LifoQueue[Any] = LifoQueue()
        for _ in range(_NUMBER):
            self._free.put(None)

    def take(self, *, wait: bool = True) -> Any:
        """A connection, for the thread that takes it, until it gives it back. Raises ``StoreError``.

        Who must not ``wait`` gets one more where all are taken.
        """
        try:
            db = self._free.get(block=wait)
        except Empty:
            if self._closed:
                raise StoreError("the store is closed") from None
            return open_reader(self._target)
        try:
            if self._closed:
                raise StoreError("the store is closed")
            return open_reader(self._target) if db is None else db
        except BaseException:
            self._free.put(db)
            raise

    def give(self, db: Any) -> None:
        """Take it back."""
        if self._free.qsize() < _NUMBER:
            self._free.put(db)
        else:
            db.close()

    def read(self, jobs: Sequence[Job[Query]]) -> None:
        """The rows of each, by one way to the server and back."""
        try:
            db = self.take()
        except StoreError as error:
            for job in jobs:
                job.error = error
            return
        try:
            self._read(jobs, db)
        finally:
            self.give(db)

    def _read(self, jobs: Sequence[Job[Query]], db: Any) -> None:
        try:
            for job, rows in zip(jobs, db.read([job.work for job in jobs]), strict=True):
                job.result = rows
        except BusyError:
            raise
        except Exception as error:  # noqa: BLE001 - the job's own, whatever it is
            if db.is_open and len(jobs) > 1:  # one that cannot be read is no other's fault
                for job in jobs:
                    self._read([job], db)
                return
            for job in jobs:
                job.error = error

    def read_waiting(self, jobs: Sequence[Job[Query]], waiting: Waiting) -> None:
        """As ``read``, in a loop that does other things meanwhile. Raises ``BusyError`` where no connection is open."""
        try:
            db = self._free.get(block=False)
        except Empty:
            raise BusyError("all connections are taken") from None
        if self._closed or db is None or not db.usable:
            self._free.put(db)
            raise BusyError("the connection is opened first")
        db.waiting = waiting
        try:
            self._read(jobs, db)
        finally:
            db.waiting = None
            self._free.put(db)

    def close(self) -> None:
        """Release the database, after what is being read."""
        self._closed = True
        for db in [self._free.get() for _ in range(_NUMBER)]:
            if db is not None:
                db.close()
            self._free.put(None)
