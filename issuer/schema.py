"""The issuer's database: its tables, and how a connection to it is opened.

Rules the database itself enforces, whatever the program does: a status index is given once, a holder key is bound
once, an offer is answered once. Personal data: the registry key of an open offer, and the delivery kept for a wallet
that lost the answer; both go when the offer expires (``secure_delete`` overwrites them). Everything else knows a
subject by a keyed hash only.
"""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from typing import Any

from vcred._sqlite import made_ready, write_ahead
from vcred.errors import StoreError

__all__ = ["SCHEMA", "VERSION", "connect", "is_file", "open_database", "open_reader", "path_of"]

VERSION = 2
_BUSY_SECONDS = 60.0
"""Longer than the largest transaction there is: three million revocations."""

_CACHE_KIB = 64 * 1024
_LOG_PAGES = 8_000
"""Pages in the write-ahead log (32 MiB) before they go into the file: the same pages are written again and again."""

SCHEMA = (
    "CREATE TABLE meta (name TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT",
    # ``used`` is what the allocator goes by, so that it counts nothing; ``version`` goes up with every signature.
    """CREATE TABLE lists (
        number INTEGER PRIMARY KEY,
        bits INTEGER NOT NULL CHECK (bits IN (1, 2)),
        size INTEGER NOT NULL CHECK (size > 0),
        used INTEGER NOT NULL DEFAULT 0 CHECK (used BETWEEN 0 AND size),
        version INTEGER NOT NULL DEFAULT 0
    ) STRICT""",
    "CREATE INDEX lists_by_bits ON lists (bits, number)",
    # ``issued_at`` is the full hour that the credential says, ``made_at`` the second. ``signer`` is the kid of the key
    # that signed; NULL where version 1 did not note it and nobody has said since.
    """CREATE TABLE credentials (
        number INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        code TEXT NOT NULL,
        subject_hash BLOB NOT NULL,
        signer BLOB,
        made_at INTEGER NOT NULL,
        issued_at INTEGER NOT NULL,
        expires_at INTEGER NOT NULL,
        state INTEGER NOT NULL DEFAULT 0 CHECK (state IN (0, 1, 2))
    ) STRICT""",
    "CREATE INDEX credentials_by_subject ON credentials (subject_hash)",
    "CREATE INDEX credentials_by_code ON credentials (code, made_at)",
    # ``serial`` is the order of allocation.
    """CREATE TABLE copies (
        serial INTEGER PRIMARY KEY,
        list INTEGER NOT NULL REFERENCES lists (number),
        idx INTEGER NOT NULL CHECK (idx >= 0),
        credential INTEGER NOT NULL REFERENCES credentials (number),
        format TEXT NOT NULL,
        key_hash BLOB UNIQUE,
        UNIQUE (list, idx)
    ) STRICT""",
    "CREATE INDEX copies_by_credential ON copies (credential)",
    # Only entries that are not 0: a list is signed from these alone.
    """CREATE TABLE changed (
        list INTEGER NOT NULL,
        idx INTEGER NOT NULL,
        value INTEGER NOT NULL CHECK (value IN (1, 2)),
        PRIMARY KEY (list, idx),
        FOREIGN KEY (list, idx) REFERENCES copies (list, idx)
    ) STRICT, WITHOUT ROWID""",
    # Open, then reserved (a credential is being signed for one request), then answered.
    """CREATE TABLE offers (
        nonce_hash BLOB PRIMARY KEY,
        code TEXT NOT NULL,
        subject TEXT NOT NULL,
        variant TEXT,
        options TEXT NOT NULL,
        record_digest BLOB NOT NULL,
        offered_on TEXT NOT NULL,
        expires_at INTEGER NOT NULL,
        request_digest BLOB,
        reserved TEXT UNIQUE REFERENCES credentials (id),
        delivery BLOB,
        CHECK ((request_digest IS NULL) = (reserved IS NULL AND delivery IS NULL)),
        CHECK (reserved IS NULL OR delivery IS NULL)
    ) STRICT""",
    "CREATE INDEX offers_by_expiry ON offers (expires_at)",
    """CREATE TABLE audit (
        seq INTEGER PRIMARY KEY,
        at INTEGER NOT NULL,
        event TEXT NOT NULL,
        code TEXT,
        subject_hash BLOB,
        credential TEXT,
        note TEXT,
        hash BLOB NOT NULL
    ) STRICT""",
)


def open_database(target: str | Path | None) -> Any:
    """A connection to a file, to memory (``None``), or to the database that an address names.

    Raises ``StoreError``, ``MissingExtraError`` for PostgreSQL without its extra.
    """
    text = str(target)
    if target is None or is_file(target):
        return connect(None if target is None else path_of(target))
    if not text.startswith("postgresql"):
        raise StoreError("a store is a file, sqlite:///file or postgresql+psycopg://...")
    from issuer.migrations import upgrade  # noqa: PLC0415 - only who uses it
    from issuer.postgres import PostgresConnection  # noqa: PLC0415 - as above

    upgrade(text)
    return PostgresConnection(text)


def open_reader(target: str | Path) -> Any:
    """One more connection to a database that is open, to read with. Raises ``StoreError``."""
    text = str(target)
    if not is_file(target):
        from issuer.postgres import PostgresConnection  # noqa: PLC0415 - only who uses it

        return PostgresConnection(text)
    db = _open(path_of(target))
    db.row_factory = sqlite3.Row
    db.execute("PRAGMA query_only = ON")
    return db


def connect(path: Path | None) -> sqlite3.Connection:
    """A connection to the file at ``path``, made with mode 0600 if need be; in memory for ``None``.

    A file of version 1 becomes one of this version, whole or not at all. Raises ``StoreError`` when it cannot be
    opened, is not ours, or is of a later version (which nothing is written to).
    """
    try:
        if path is not None:
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    except OSError as error:
        raise StoreError("the issuer store cannot be opened") from error
    db = _open(path)
    try:
        with made_ready(db):
            db.row_factory = sqlite3.Row
            _check_version(db)
            write_ahead(db)
            settings = ("synchronous = FULL", "secure_delete = ON", f"cache_size = -{_CACHE_KIB}")
            for pragma in (*settings, f"wal_autocheckpoint = {_LOG_PAGES}"):
                db.execute(f"PRAGMA {pragma}")
            _bring_up(db)
            db.execute("PRAGMA foreign_keys = ON")
    except sqlite3.Error as error:
        raise StoreError("the issuer store cannot be read") from error
    return db


def is_file(target: str | Path) -> bool:
    """Whether an address is that of an SQLite file."""
    return "://" not in str(target) or str(target).startswith("sqlite:///")


def path_of(target: str | Path) -> Path:
    """The file."""
    return Path(str(target).removeprefix("sqlite:///"))


class _InMemory(sqlite3.Connection):
    """Of what is in memory nothing is left to close properly: who forgets it is not warned (CPython 3.13)."""

    def __del__(self) -> None:
        self.close()


def _open(path: Path | None) -> sqlite3.Connection:
    try:
        return sqlite3.connect(
            ":memory:" if path is None else path,
            timeout=_BUSY_SECONDS,
            isolation_level=None,
            check_same_thread=False,
            factory=_InMemory if path is None else sqlite3.Connection,
        )
    except sqlite3.Error as error:
        raise StoreError("the issuer store cannot be opened") from error


def _bring_up(db: sqlite3.Connection) -> None:
    """Make or migrate the tables, in one transaction. Foreign keys are off, because tables are renamed."""
    if _check_version(db) == VERSION:
        return
    db.execute("BEGIN IMMEDIATE")
    try:
        found = _check_version(db)  # another process may have been faster
        if found == 1:
            from issuer.migration import from_version_1  # noqa: PLC0415 - once in the life of a file

            from_version_1(db)
        elif found == 0:
            for statement in SCHEMA:
                db.execute(statement)
        db.execute(f"PRAGMA user_version = {VERSION}")
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise


def _check_version(db: sqlite3.Connection) -> int:
    found: int = db.execute("PRAGMA user_version").fetchone()[0]
    if not 0 <= found <= VERSION:
        raise StoreError("the issuer store is of another version")
    return found
