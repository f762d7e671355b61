"""Several open one database at once, and nobody is refused; who has to wait too long is."""

from __future__ import annotations

import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from issuer.store import IssuerStore
from vcred._sqlite import made_ready, write_ahead
from verifier.requests import SqliteRequestStore


@pytest.mark.parametrize("kind", [IssuerStore, SqliteRequestStore])
def test_of_many_that_open_a_new_file_at_once_nobody_is_refused(tmp_path, kind):
    def opened(number):
        with kind(tmp_path / f"{number // 8}.db"):
            return number

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(opened, range(240))) == list(range(240))


def test_the_timeout_is_kept_and_ends_the_wait(tmp_path):
    with closing(sqlite3.connect(tmp_path / "a.db", isolation_level=None)) as holder:
        holder.execute("CREATE TABLE t (x)")
        holder.execute("BEGIN EXCLUSIVE")
        with closing(sqlite3.connect(tmp_path / "a.db", timeout=0.3, isolation_level=None)) as db:
            began = time.monotonic()
            with pytest.raises(sqlite3.OperationalError, match="locked"):
                write_ahead(db)
            assert time.monotonic() - began >= 0.3
            holder.execute("COMMIT")
            write_ahead(db)
            assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_who_waits_his_turn_keeps_his_timeout(tmp_path):
    with closing(sqlite3.connect(tmp_path / "a.db", timeout=7, isolation_level=None)) as db:
        write_ahead(db)
        assert db.execute("PRAGMA busy_timeout").fetchone() == (7_000,)


def test_a_connection_that_cannot_be_made_ready_is_let_go_of(tmp_path):
    db = sqlite3.connect(tmp_path / "any.db")
    with pytest.raises(ValueError, match="not ready"), made_ready(db):
        raise ValueError("not ready")
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        db.execute("SELECT 1")
