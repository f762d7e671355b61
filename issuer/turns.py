"""Whose turn it is to write, among the processes on one SQLite file.

SQLite lets one process write and has the others look again after a while, longer each time: who waits sleeps while
nobody writes, and among busy processes comes last again and again, for seconds. Here the system wakes the next one at
once. It is an order only: what keeps writers apart is SQLite's own lock, and a process that is killed gives up both.
"""

from __future__ import annotations

import os
from contextlib import contextmanager, nullcontext
from importlib.util import find_spec
from typing import TYPE_CHECKING

from issuer.schema import is_file, path_of
from vcred.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

__all__ = ["BusyError", "Turns"]


class BusyError(StoreError):
    """Somebody else writes now."""


class Turns:
    """The turns on one database, kept in an empty file beside it that a service makes; who finds it there takes turns
    with the service. In memory and on PostgreSQL there are none.
    """

    def __init__(self, target: str | Path | None, *, make: bool) -> None:
        """``target`` as in ``Database``. Raises ``StoreError``."""
        self._place: int | None = None
        # Where a system has no such locks, they look again after a while.
        if target is not None and is_file(target) and find_spec("fcntl") is not None:
            path = path_of(target)
            try:
                self._place = os.open(
                    path.with_name(f"{path.name}-turn"), os.O_RDWR | (os.O_CREAT if make else 0), 0o600
                )
            except FileNotFoundError:
                pass
            except OSError as error:
                raise StoreError("the issuer store cannot be opened") from error

    def mine(self, *, wait: bool = True) -> AbstractContextManager[None]:
        """Inside, nobody else writes who asks here. For one thread at a time. Raises ``BusyError`` rather than wait."""
        return nullcontext() if self._place is None else _held(self._place, wait=wait)

    def close(self) -> None:
        """Let go of the file."""
        if self._place is not None:
            os.close(self._place)
            self._place = None


@contextmanager
def _held(place: int, *, wait: bool) -> Iterator[None]:
    import fcntl  # noqa: PLC0415 - not on every system

    try:
        fcntl.flock(place, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        raise BusyError("it is another process's turn to write") from None
    try:
        yield
    finally:
        fcntl.flock(place, fcntl.LOCK_UN)
