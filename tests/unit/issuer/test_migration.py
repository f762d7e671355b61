"""A store made by version 1 goes on as one of version 2; one of a later version is left alone."""

from __future__ import annotations

import hashlib
import hmac
import json
import random
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from issuer import IssuerStore, Selection
from issuer.status_store import IssuedRow, ListRow
from tests.unit.issuer.conftest import AT, SIGNER, Agency
from vcred.errors import StoreError

NOW = int(AT.timestamp())
KEY = bytes(range(32))
VERSION_1 = """
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
PRAGMA user_version = 1;
"""


def version_1(path):
    """A file of version 1: two lists, five credentials of four copies, one of them revoked and one suspended."""
    drawn = random.Random(1)
    with closing(sqlite3.connect(path)) as db, db:
        db.executescript(VERSION_1)
        db.execute("INSERT INTO meta VALUES ('key', ?)", (KEY,))
        db.executemany("INSERT INTO lists VALUES (?, 131072)", [(1,), (2,)])
        previous = b""
        for number in range(5):
            state = {1: 1, 3: 2}.get(number, 0)
            row = (f"c-{number}", "id.resident_mobile", b"subject %d" % number, NOW // 3600 * 3600, NOW + 999, state)
            db.execute("INSERT INTO credentials VALUES (?, ?, ?, ?, ?, ?)", row)
            for copy in range(4):
                serial = 4 * number + copy + 1
                place = (1 + number // 3, drawn.randrange(131072))
                db.execute(
                    "INSERT INTO copies VALUES (?, ?, ?, 'sd-cwt', ?, ?)", (*place, row[0], bytes([serial]), serial)
                )
            line = (number + 1, NOW + number, "issued", row[1], row[2], row[0], None)
            text = json.dumps([value.hex() if isinstance(value, bytes) else value for value in line])
            previous = hashlib.sha256(previous + text.encode()).digest()
            db.execute("INSERT INTO audit VALUES (?, ?, ?, ?, ?, ?, ?, ?)", (*line, previous))
        for nonce, answer in ((b"open", (None, None)), (b"answered", (b"digest", b"delivery"))):
            hashed = hashlib.sha256(b"offer\0" + nonce).digest()
            row = (hashed, "resident.personal", "key-17", None, "{}", b"record", "2026-09-26", NOW + 600, *answer)
            db.execute(f"INSERT INTO offers VALUES ({', '.join('?' * 10)})", row)
        places = db.execute("SELECT list, idx, state FROM copies JOIN credentials ON id = credential ORDER BY serial")
        return places.fetchall()


def test_nothing_is_lost_and_what_follows_is_as_if_it_had_always_been_version_2(tmp_path):
    path = tmp_path / "issuer.db"
    places = version_1(path)
    with IssuerStore(path) as store:
        assert [(one.list, one.index, one.value) for one in store.entries()] == places
        assert store.lists() == [ListRow(1, 2, 131072, 12, 0), ListRow(2, 2, 131072, 8, 0)]
        assert [store.state(f"c-{number}") for number in range(5)] == [0, 1, 0, 2, 0]
        assert store.issued(9)[2] == IssuedRow("c-2", "id.resident_mobile", NOW + 2, 0), "the second is in the log"
        assert [line["at"] for line in store.audit()] == [NOW + number for number in range(5)]
        assert store.offer(b"open").request_digest is None
        assert store.offer(b"answered").delivery == b"delivery"
        assert store.keyed_hash("subject", b"a") == hmac.digest(KEY, b"subject\0a", "sha256")
        agency = Agency(store)
        assert agency.issuer.count_all(Selection(signer=SIGNER.public_key.kid)) == (4, 16), "the one key there was"
        delivery = agency.take()
        agency.issuer.reinstate("c-3", reason="found", at=AT)
        assert agency.issuer.revoke_all(Selection(code="id.resident_mobile"), reason="key leaked", at=AT) == (4, 16)
        assert store.state(delivery.credential_id) == 0
        store.name_signer(b"\x09" * 8)
        assert agency.issuer.count_all(Selection(signer=b"\x09" * 8)) == (0, 0), "said once"
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert db.execute("PRAGMA foreign_key_check").fetchall() == []
        names = {name for (name,) in db.execute("SELECT name FROM sqlite_schema WHERE sql IS NOT NULL")}
    IssuerStore(tmp_path / "fresh.db").close()
    with closing(sqlite3.connect(tmp_path / "fresh.db")) as db:
        assert names == {name for (name,) in db.execute("SELECT name FROM sqlite_schema WHERE sql IS NOT NULL")}


def test_a_migration_that_fails_leaves_version_1(tmp_path):
    path = tmp_path / "issuer.db"
    version_1(path)
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("DELETE FROM credentials WHERE id = 'c-4'")
    before = path.read_bytes()
    for _ in range(2):
        with pytest.raises(StoreError, match="damaged"):
            IssuerStore(path)
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (1,)
        assert db.execute("SELECT count(*) FROM copies").fetchone() == (20,)
        assert "changed" not in {name for (name,) in db.execute("SELECT name FROM sqlite_schema")}
    assert len(path.read_bytes()) == len(before)


def test_two_processes_that_open_it_at_once_migrate_it_once(tmp_path):
    path = tmp_path / "issuer.db"
    places = version_1(path)

    def opened(_):
        with IssuerStore(path) as store:
            return [(one.list, one.index, one.value) for one in store.entries()]

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(opened, range(4))) == [places] * 4


def test_ws_13_a_later_version_is_refused_and_not_written_to(tmp_path):
    path = tmp_path / "issuer.db"
    with closing(sqlite3.connect(path)) as db:
        db.executescript("CREATE TABLE theirs (x); PRAGMA user_version = 3;")
    before = path.read_bytes()
    with pytest.raises(StoreError, match="version"):
        IssuerStore(path)
    assert path.read_bytes() == before
    assert [one.name for one in tmp_path.iterdir()] == ["issuer.db"]


def test_a_process_of_version_1_that_still_runs_can_write_nothing_wrong(tmp_path):
    path = tmp_path / "issuer.db"
    version_1(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as old:
        with IssuerStore(path) as store:
            before = store.entries()
        for statement in (
            "INSERT INTO credentials (id, code, subject_hash, issued_at, expires_at) VALUES ('c-9', 'x', x'00', 1, 2)",
            "INSERT INTO copies VALUES (1, 17, 'c-1', 'sd-cwt', x'99', 99)",
            "INSERT INTO offers VALUES (x'00', 'x', 'y', NULL, '{}', x'00', '2026-09-26', 1, NULL, NULL)",
            "INSERT INTO lists VALUES (3, 131072)",
        ):
            with pytest.raises(sqlite3.Error):
                old.execute(statement)
    with IssuerStore(path) as store:
        assert store.entries() == before
