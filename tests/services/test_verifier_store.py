"""The verifier service's store on both databases: the contract of a request store, secrets, one winner of two."""

from __future__ import annotations

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import date

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from vcred.errors import StoreError
from verifier.requests import OpenRequest, RequestStore, SqliteRequestStore
from verifier.server.store import Delivery, Moved, Transaction, VerifierStore
from verifier.server.tables import metadata

pytestmark = pytest.mark.loopback
KEY = bytes(range(32))
REQUEST = OpenRequest(
    key=b"k" * 32, policy="id = 1", reference_date=date(2026, 9, 1), expires_at=1_100, response_key=b"private-key-bytes"
)
STEP = Moved(at=1_050, state="submitted", reason=None)


@pytest.fixture
def url(database):
    return database("bank")


@pytest.fixture
def store(url):
    with VerifierStore(url, key=KEY) as found:
        yield found


def transaction(**changed):
    values = {
        "id": "t-1",
        "handle": "h-1",
        "owner": "desk",
        "state": "open",
        "device": "cross_device",
        "mode": "direct_post",
        "policy": "",
        "wish": "{}",
        "redirect": None,
        "webhook": None,
        "created_at": 1_000,
        "expires_at": 1_600,
    }
    return Transaction(**(values | changed))


def test_migrations_make_the_tables_that_the_code_uses(store):
    with store.engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


def test_it_is_a_request_store_that_survives_the_process(store, url):
    assert isinstance(store, RequestStore)
    assert store.last_seen() is None
    store.put(REQUEST, now=1_000)
    store.observe(1_000)
    store.observe(900)
    with VerifierStore(url, key=KEY) as other:
        assert other.get(REQUEST.key) == REQUEST
        assert other.last_seen() == 1_000
        assert other.use(REQUEST.key)
    assert not store.use(REQUEST.key)
    assert not store.use(b"another")
    assert store.get(b"another") is None
    store.put(OpenRequest(key=b"l", policy="", reference_date=None, expires_at=9_000), now=1_701)
    assert store.get(REQUEST.key) is None


def test_answers_are_remembered_all_or_none(store):
    assert store.remember([b"a", b"b"], until=2_000, now=1_000)
    assert not store.remember([b"c", b"a"], until=2_000, now=1_000)
    assert store.remember([b"c"], until=2_000, now=1_000)
    assert not store.remember([b"d", b"d"], until=2_000, now=1_000)
    assert store.remember([], until=2_000, now=1_000)
    assert store.remember([b"a"], until=3_000, now=2_001)


def test_of_many_at_once_one_uses_a_request_up(store):
    store.put(REQUEST, now=1_000)
    with ThreadPoolExecutor(8) as pool:
        used = list(pool.map(lambda _: store.use(REQUEST.key), range(16)))
        marked = list(pool.map(lambda _: store.remember([b"m"], until=2_000, now=1_000), range(16)))
        for _ in pool.map(store.observe, range(1_000, 1_032)):
            pass
    assert (used.count(True), marked.count(True), store.last_seen()) == (1, 1, 1_031)


def test_secrets_are_encrypted_and_bound_to_their_place(store, url):
    store.put(REQUEST, now=1_000)
    other = OpenRequest(key=b"o" * 32, policy="", reference_date=None, expires_at=1_100, response_key=b"x")
    store.put(other, now=1_000)
    with store.engine.begin() as connection:
        table = metadata.tables["open_requests"]
        (raw,) = [one.sealed_response_key for one in connection.execute(table.select()) if one.key == REQUEST.key]
        assert REQUEST.response_key not in raw
        connection.execute(table.update().where(table.c.key == other.key).values(sealed_response_key=raw))
    with pytest.raises(StoreError, match="storage key"):
        store.get(other.key)
    with VerifierStore(url, key=bytes(32)) as stolen, pytest.raises(StoreError, match="storage key"):
        stolen.get(REQUEST.key)


def test_a_request_object_is_kept_once(store):
    store.add(transaction())
    assert store.signed("t-1", b"first", expires_at=1_100)
    assert not store.signed("t-1", b"second", expires_at=1_200)
    found = store.by_handle("h-1")
    assert (found.request, found.request_expires_at) == (b"first", 1_100)
    assert store.by_id("t-1", "another") is None


def test_a_transaction_is_answered_or_ended_once(store):
    store.add(transaction())
    told = Delivery(id="d-1", url="https://a.example", body=b"{}")
    more = {"at": 1_050, "code": "123456", "step": STEP, "outcome": "ACCEPTED", "response_code": b"r", "evidence": 7}
    assert store.answered("t-1", result=b"first", told=told, **more)
    assert not store.answered("t-1", result=b"second", told=None, **more)
    assert not store.closed("t-1", at=1_060, state="cancelled", told=None)
    found = store.by_response_code(b"r")
    assert (found.result, found.code, found.evidence, found.submission) == (b"first", "123456", 7, "submitted")
    step = Moved(at=1_070, state="deleted", reason=None)
    assert store.moved("t-1", before="submitted", step=step, told=None, erase=True)
    assert not store.moved("t-1", before="submitted", step=step, told=None, erase=True)
    assert (store.by_id("t-1", "desk").result, store.by_response_code(b"r")) == (None, None)
    assert store.steps("t-1") == [STEP, step]


def test_a_message_is_one_worker_s_until_its_lease_ends(store):
    store.add(transaction())
    told = Delivery(id="d-1", url="https://a.example", body=b"{}")
    store.closed("t-1", at=1_000, state="cancelled", told=told)
    with ThreadPoolExecutor(4) as pool:
        found = [one for many in pool.map(lambda _: store.due(at=1_000, lease=60, limit=9), range(8)) for one in many]
    assert found == [told]
    (again,) = store.due(at=1_060, lease=60, limit=9)
    store.failed(again, next_at=2_000)
    (last,) = store.due(at=2_000, lease=60, limit=9)
    assert last.attempts == 1
    store.delivered("d-1", at=2_001)
    assert store.due(at=9_000, lease=60, limit=9) == []


def test_an_older_file_of_a_desk_gets_room_for_keys(tmp_path):
    path = tmp_path / "requests.db"
    with closing(sqlite3.connect(path)) as old:
        old.executescript(
            "CREATE TABLE requests (key BLOB PRIMARY KEY, policy TEXT NOT NULL, reference_date TEXT,"
            " expires_at INTEGER NOT NULL, used INTEGER NOT NULL) STRICT;"
            "INSERT INTO requests VALUES (x'01', 'p', NULL, 1100, 0);"
        )
    with SqliteRequestStore(path) as desk:
        assert desk.get(b"\x01").response_key is None
        desk.put(REQUEST, now=1_000)
    with SqliteRequestStore(path) as desk:
        assert desk.get(REQUEST.key) == REQUEST
