"""A store of version 1 becomes one of version 2: nothing is lost, and what is not known is said to be not known.

Version 1 had lists of two bits, a value for each credential and none for each entry, and did not note who signed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from issuer.schema import SCHEMA
from vcred.errors import StoreError

if TYPE_CHECKING:
    import sqlite3

__all__ = ["UNNAMED_SIGNER", "from_version_1"]

UNNAMED_SIGNER = "unnamed signer"
"""In ``meta`` while credentials have no signer: version 1 had one key, and whoever opens the store next names it."""

_TABLES = ("meta", "offers", "credentials", "lists", "copies", "audit")
_INDEXES = ("offers_by_expiry", "credentials_by_subject", "copies_by_credential")
_MOVE = (
    "INSERT INTO meta SELECT name, value FROM old_meta",
    """INSERT INTO lists (number, bits, size, used)
        SELECT number, 2, size, (SELECT count(*) FROM old_copies WHERE list = number) FROM old_lists""",
    """INSERT INTO credentials (id, code, subject_hash, made_at, issued_at, expires_at, state)
        SELECT old.id, old.code, old.subject_hash, coalesce(line.at, old.issued_at), old.issued_at, old.expires_at,
            old.state
        FROM old_credentials AS old
        LEFT JOIN (SELECT credential, min(at) AS at FROM old_audit WHERE event = 'issued' GROUP BY credential) AS line
            ON line.credential = old.id
        ORDER BY old.rowid""",
    """INSERT INTO copies SELECT old.serial, old.list, old.idx, new.number, old.format, old.key_hash
        FROM old_copies AS old JOIN credentials AS new ON new.id = old.credential ORDER BY old.serial""",
    """INSERT INTO changed SELECT list, idx, state FROM copies JOIN credentials ON number = credential
        WHERE state <> 0 ORDER BY list, idx""",
    """INSERT INTO offers SELECT nonce_hash, code, subject, variant, options, record_digest, offered_on, expires_at,
            request_digest, NULL, delivery
        FROM old_offers""",
    "INSERT INTO audit SELECT * FROM old_audit",
)


def from_version_1(db: sqlite3.Connection) -> None:
    """Move everything into the tables of this version. Inside a transaction, with foreign keys off.

    Raises ``StoreError`` when a row did not arrive.
    """
    for name in _INDEXES:
        db.execute(f"DROP INDEX {name}")
    for name in _TABLES:
        db.execute(f"ALTER TABLE {name} RENAME TO old_{name}")
    for statement in SCHEMA + _MOVE:
        db.execute(statement)
    if db.execute("SELECT 1 FROM credentials LIMIT 1").fetchone() is not None:
        db.execute("INSERT INTO meta VALUES (?, x'01')", (UNNAMED_SIGNER,))
    for name in _TABLES:
        new, old = (db.execute(f"SELECT count(*) FROM {each}").fetchone()[0] for each in (name, f"old_{name}"))  # noqa: S608 - our own names
        if new < old:
            raise StoreError("the issuer store of version 1 is damaged: it stays as it is")
    for name in reversed(_TABLES):
        db.execute(f"DROP TABLE old_{name}")
    if db.execute("PRAGMA foreign_key_check").fetchone() is not None:
        raise StoreError("the issuer store of version 1 is damaged: it stays as it is")
