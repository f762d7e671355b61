"""Both request stores, by the same tests: once is once, and what is used stays used."""

import threading
from datetime import date

import pytest

from vcred.errors import StoreError
from verifier import MemoryRequestStore, OpenRequest, RequestStore, SqliteRequestStore


@pytest.fixture(params=["memory", "sqlite"])
def store(request, tmp_path):
    if request.param == "memory":
        yield MemoryRequestStore()
        return
    with SqliteRequestStore(tmp_path / "requests.db") as one:
        yield one


def opened(key=b"k", *, expires_at=120, day=None):
    return OpenRequest(key=key, policy="id = 1", reference_date=day, expires_at=expires_at)


def test_it_is_a_request_store(store):
    assert isinstance(store, RequestStore)


def test_a_request_is_kept_and_used_once(store):
    request = opened(day=date(2026, 8, 1))
    store.put(request, now=0)
    assert store.get(b"k") == request
    assert store.use(b"k")
    assert not store.use(b"k")
    assert store.get(b"k") == request, "a late answer is called a replay, not unknown"


def test_an_unknown_request_cannot_be_used(store):
    assert store.get(b"?") is None
    assert not store.use(b"?")


def test_ended_requests_are_dropped_later(store):
    store.put(opened(), now=0)
    store.put(opened(b"l", expires_at=900), now=700)
    assert store.get(b"k") is not None
    store.put(opened(b"m", expires_at=900), now=721)
    assert store.get(b"k") is None
    assert not store.use(b"k")


def test_answers_are_remembered_all_or_none(store):
    assert store.remember([b"a", b"b"], until=10, now=0)
    assert not store.remember([b"c", b"a"], until=10, now=1)
    assert store.remember([b"c"], until=10, now=1)
    assert not store.remember([b"d", b"d"], until=10, now=1)
    assert not store.remember([b"a"], until=20, now=10)
    assert store.remember([b"a"], until=20, now=11)


def test_the_last_time_seen_never_goes_back(store):
    assert store.last_seen() is None
    store.observe(5)
    store.observe(9)
    store.observe(7)
    assert store.last_seen() == 9


def test_many_threads_use_a_request_once(store):
    store.put(opened(), now=0)
    won = []
    threads = [threading.Thread(target=lambda: won.append(store.use(b"k"))) for _ in range(8)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert won.count(True) == 1


def test_two_processes_worth_of_stores_share_one_file(tmp_path):
    with SqliteRequestStore(tmp_path / "r.db") as one, SqliteRequestStore(tmp_path / "r.db") as other:
        one.put(opened(), now=0)
        assert other.use(b"k")
        assert not one.use(b"k")
        other.observe(3)
        assert one.last_seen() == 3


def test_a_failed_transaction_leaves_nothing_behind(tmp_path):
    with SqliteRequestStore(tmp_path / "r.db") as store:
        store.put(opened(), now=0)
        with pytest.raises(StoreError):
            store.put(opened(), now=0)
        assert store.use(b"k")


def test_a_file_that_is_no_store_is_an_error_of_ours(tmp_path):
    (tmp_path / "r.db").write_bytes(b"this is no database, it is a text that is long enough" * 40)
    with pytest.raises(StoreError):
        SqliteRequestStore(tmp_path / "r.db")
    with pytest.raises(StoreError):
        SqliteRequestStore(tmp_path / "missing" / "r.db")
