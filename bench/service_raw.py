"""What a machine and its database make durable with nothing around it: flushes and bare commits in a second."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

__all__ = ["commits", "flushes"]

_BLOCK = b"\0" * 4096


def flushes(folder: Path, *, seconds: float) -> float:
    """Blocks of 4 KB written at the end of a file, each flushed to the disk before the next."""
    place = os.open(folder / "flushes", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def flush() -> None:
        os.write(place, _BLOCK)
        os.fdatasync(place)

    try:
        return _rate([flush], seconds)
    finally:
        os.close(place)


def commits(address: str, *, connections: int, seconds: float) -> float:
    """Transactions of one row each, by so many connections, one after another in each."""
    if address.startswith("sqlite:///"):
        return _rate([_sqlite(address.removeprefix("sqlite:///")) for _ in range(connections)], seconds)
    return _rate([_postgres(address.replace("+psycopg", "")) for _ in range(connections)], seconds)


def _sqlite(path: str) -> Callable[[], object]:
    """As durable as the issuer's own store."""
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=60)
    for text in (
        "PRAGMA journal_mode = WAL",
        "PRAGMA synchronous = FULL",
        "CREATE TABLE IF NOT EXISTS bare (one INTEGER)",
    ):
        db.execute(text)
    return lambda: db.execute("INSERT INTO bare VALUES (1)")


def _postgres(address: str) -> Callable[[], object]:
    import psycopg

    db = psycopg.connect(address, autocommit=True)
    db.execute("CREATE TABLE IF NOT EXISTS bare (one BIGINT)")
    return lambda: db.execute("INSERT INTO bare VALUES (1)")


def _rate(works: list[Callable[[], object]], seconds: float) -> float:
    """How often they were done in a second, each in a thread of its own."""
    done = [0] * len(works)
    until = time.perf_counter() + seconds

    def repeat(number: int) -> None:
        while time.perf_counter() < until:
            works[number]()
            done[number] += 1

    threads = [threading.Thread(target=repeat, args=(number,)) for number in range(len(works))]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    return sum(done) / seconds
