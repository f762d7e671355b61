"""The issuer's database: its tables, and how a connection to it is opened.

Rules the database itself enforces, whatever the program does: a status index is given once (primary key of
``copies``), a holder key is bound once, an offer is answered once. Personal data: the registry key of an open offer,
and the delivery kept for a wallet that lost the answer; both go when the offer expires (``secure_delete`` overwrites
them). Everything else knows a subject by a keyed hash only.
"""

from __future__ import annotations

import os
import sqlite3
from typing import TYPE_CHECKING

from vcred.errors import StoreError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["connect"]

VERSION = 1
_BUSY_SECONDS = 10.0

_SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS offers (
    nonce_hash BLOB PRIMARY KEY,
    code TEXT NOT NULL,
    subject TEXT NOT NULL,
    variant TEXT,
    options TEXT NOT NULL,
    record_digest BLOB NOT NULL,
    offered_on TEXT NOT NULL,
    expires_at INTEGER NOT NULL,
    request_digest BLOB,
    delivery BLOB,
    CHECK ((request_digest IS NULL) = (delivery IS NULL))
) STRICT;
CREATE INDEX IF NOT EXISTS offers_by_expiry ON offers (expires_at);
CREATE TABLE IF NOT EXISTS credentials (
    id TEXT PRIMARY KEY,
    code TEXT NOT NULL,
    subject_hash BLOB NOT NULL,
    issued_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    state INTEGER NOT NULL DEFAULT 0 CHECK (state IN (0, 1, 2))
) STRICT;
CREATE INDEX IF NOT EXISTS credentials_by_subject ON credentials (subject_hash);
CREATE TABLE IF NOT EXISTS lists (number INTEGER PRIMARY KEY, size INTEGER NOT NULL CHECK (size > 0)) STRICT;
CREATE TABLE IF NOT EXISTS copies (
    list INTEGER NOT NULL REFERENCES lists (number),
    idx INTEGER NOT NULL CHECK (idx >= 0),
    credential TEXT NOT NULL REFERENCES credentials (id),
    format TEXT NOT NULL,
    key_hash BLOB UNIQUE,
    serial INTEGER NOT NULL UNIQUE,
    PRIMARY KEY (list, idx)
) STRICT;
CREATE INDEX IF NOT EXISTS copies_by_credential ON copies (credential);
CREATE TABLE IF NOT EXISTS audit (
    seq INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    event TEXT NOT NULL,
    code TEXT,
    subject_hash BLOB,
    credential TEXT,
    note TEXT,
    hash BLOB NOT NULL
) STRICT;
"""


def connect(path: Path | None) -> sqlite3.Connection:
    """A connection to the file at ``path``, made with mode 0600 if need be; in memory for ``None``.

    Raises ``StoreError`` when it cannot be opened or is not ours.
    """
    try:
        if path is not None:
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        db = sqlite3.connect(
            ":memory:" if path is None else path,
            timeout=_BUSY_SECONDS,
            isolation_level=None,
            check_same_thread=False,
        )
    except (OSError, sqlite3.Error) as error:
        raise StoreError("the issuer store cannot be opened") from error
    try:
        db.row_factory = sqlite3.Row
        for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON", "secure_delete = ON"):
            db.execute(f"PRAGMA {pragma}")
        found = db.execute("PRAGMA user_version").fetchone()[0]
        if found not in (0, VERSION):
            raise StoreError("the issuer store is of another version")
        if found == 0:
            db.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} PRAGMA user_version = {VERSION}; COMMIT;")
    except sqlite3.Error as error:
        db.close()
        raise StoreError("the issuer store cannot be read") from error
    except StoreError:
        db.close()
        raise
    return db
