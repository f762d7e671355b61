"""The files of an evidence archive: a SQLite database, and a folder of files named by their SHA-256.

Rules: a transaction is on the disk when it ends, and undone when it raises; two processes never append to the same
entry; a file is there whole or not at all; what is deleted is overwritten.
"""

from __future__ import annotations

import os
import tempfile
import threading
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from vcred._sqlite import made_ready, write_ahead
from vcred.errors import Locked, MalformedError, StoreError
from verifier.evidence import Entry, Kind, digest

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator

__all__ = ["DATABASE", "EvidenceFiles"]

DATABASE, TRUST = "evidence.db", "trust"
_MAX_FILE = 64 * 1024 * 1024
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS entries (sequence INTEGER PRIMARY KEY, body BLOB NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS seals (id INTEGER PRIMARY KEY, token BLOB NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS texts (sha256 TEXT PRIMARY KEY, content BLOB NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS packs (pack TEXT PRIMARY KEY, root TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS answers (
  sequence INTEGER PRIMARY KEY, sealed BLOB NOT NULL, keep_until INTEGER NOT NULL
) STRICT;
"""


class EvidenceFiles:
    """The database and the folder. Every method raises ``StoreError``."""

    def __init__(self, folder: Path) -> None:
        """Open them, or make them."""
        import sqlite3  # noqa: PLC0415 - only an evidence archive needs it

        self.folder = folder
        self._lock = threading.Lock()
        self._errors = sqlite3.Error
        with self._translated():
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            (folder / TRUST).mkdir(exist_ok=True, mode=0o700)
            path = folder / DATABASE
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
            self._db = sqlite3.connect(path, timeout=10, isolation_level=None, check_same_thread=False)
            with made_ready(self._db):
                write_ahead(self._db)
                self._db.execute("PRAGMA synchronous = FULL")
                self._db.execute("PRAGMA secure_delete = ON")
                self._db.executescript(_SCHEMA)

    def close(self) -> None:
        """Close the database."""
        self._db.close()

    def rows(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """What a query finds."""
        with self._lock, self._translated():
            return self._db.execute(statement, values).fetchall()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """One write transaction."""
        with self._lock, self._translated():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:  # a full disk may have ended it already
                    self._db.execute("ROLLBACK")
                raise

    def append(self, db: sqlite3.Connection, kind: Kind, at: int, body: dict[str, Any]) -> Entry:
        """The next entry, inside a transaction."""
        row = db.execute("SELECT body FROM entries ORDER BY sequence DESC LIMIT 1").fetchone()
        before = None if row is None else self.readable(row[0])
        entry = Entry.write(
            kind,
            sequence=0 if before is None else before.sequence + 1,
            at=at,
            previous="" if before is None else before.hash,
            software=_software(),
            body=body,
        )
        db.execute("INSERT INTO entries VALUES (?, ?)", (entry.sequence, entry.raw))
        return entry

    def readable(self, raw: bytes) -> Entry:
        """An entry that this desk builds on."""
        try:
            return Entry.parse(raw)
        except MalformedError as error:
            raise StoreError(f"{self.folder}: an entry of the evidence cannot be read: {error}") from error

    def forget(self) -> None:
        """Leave nothing of what was deleted in the log that SQLite writes ahead."""
        with self._lock, self._translated():
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def file(self, sha256: str) -> bytes | None:
        """A trust bundle, root or status list by its hash; ``None`` when it is not there, or not itself any more."""
        try:
            with (self.folder / TRUST / sha256).open("rb") as file:
                raw = file.read(_MAX_FILE + 1)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StoreError(f"{sha256}: {error.strerror}") from error
        return raw if digest(raw) == sha256 else None

    def keep_file(self, raw: bytes) -> str:
        """Write a file named by its hash, whole or not at all; its name."""
        name, folder = digest(raw), self.folder / TRUST
        if self.file(name) is not None:
            return name
        try:
            handle, temporary = tempfile.mkstemp(prefix=".new-", dir=folder)
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(raw)
                    file.flush()
                    os.fsync(file.fileno())
                Path(temporary).replace(folder / name)
            finally:
                Path(temporary).unlink(missing_ok=True)
            directory = os.open(folder, os.O_RDONLY)
            try:
                os.fsync(directory)
            finally:
                os.close(directory)
        except OSError as error:
            raise StoreError(f"the trust state cannot be kept: {error.strerror}") from error
        return name

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Turn the database's errors into ours."""
        try:
            yield
        except OSError as error:
            raise StoreError(f"the evidence archive cannot be used: {error.strerror}") from error
        except self._errors as error:
            wrong = Locked if "locked" in str(error) else StoreError
            raise wrong(f"the evidence archive cannot be used: {error}") from error


def _software() -> str:
    try:
        return f"vcred {version('vcred')}"
    except PackageNotFoundError:
        return "vcred"
