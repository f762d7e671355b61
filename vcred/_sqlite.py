"""SQLite, where several processes open one file at the same moment."""

from __future__ import annotations

from contextlib import contextmanager
from threading import Event
from typing import TYPE_CHECKING, Any, Final, Protocol

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator

__all__ = ["made_ready", "write_ahead"]

_PAUSE: Final = 50
"""Milliseconds."""


class _Executes(Protocol):
    """A connection, or a cursor, of ``sqlite3``."""

    def execute(self, statement: str, /) -> Any: ...


@contextmanager
def made_ready(db: sqlite3.Connection) -> Iterator[None]:
    """Inside, a connection that was opened is made ready; where that fails, it is let go of."""
    try:
        yield
    except BaseException:
        db.close()
        raise


def write_ahead(db: _Executes) -> None:
    """Keep a write-ahead log from now on. Raises ``sqlite3.Error``.

    Of two that change to it at once SQLite refuses one without waiting, whatever its timeout. So who is refused tries
    again until the timeout is over.
    """
    import sqlite3  # noqa: PLC0415 - only who has a database

    (timeout,) = db.execute("PRAGMA busy_timeout").fetchone()
    db.execute("PRAGMA busy_timeout = 0")
    for left in range(timeout // _PAUSE, -1, -1):
        try:
            db.execute("PRAGMA journal_mode = WAL")
            break
        except sqlite3.OperationalError as error:
            if not left or error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
                raise
        Event().wait(_PAUSE / 1000)
    db.execute(f"PRAGMA busy_timeout = {timeout}")
