"""The issuer's database: what it refuses whatever the program does, and what it keeps when the program dies."""

from __future__ import annotations

import itertools
import sqlite3
import stat
from contextlib import closing

import pytest

from issuer import IssuerStore
from issuer.lint import lint_indexes
from issuer.store import OfferRow
from vcred.errors import NotFound, StoreError

NOW = 1_790_000_000


def credential(store, name="c-1"):
    store.add_credential(name, code="resident.personal", subject="key", issued_at=NOW, expires_at=NOW + 1)


def allocate(store, count):
    with store.writing():
        credential(store)
        for number in range(count):
            store.add_copy("c-1", format="sd-cwt", key=number.to_bytes(4, "big"))
    return store.entries()


def test_st_17_the_database_refuses_two_credentials_with_one_index(tmp_path):
    with IssuerStore(tmp_path / "issuer.db") as store:
        (entry,) = allocate(store, 1)
    row = (entry.list, entry.index, "c-1", "sd-cwt", b"another key", 99)
    with closing(sqlite3.connect(tmp_path / "issuer.db")) as db, pytest.raises(sqlite3.IntegrityError, match="UNIQUE"):
        db.execute("INSERT INTO copies VALUES (?, ?, ?, ?, ?, ?)", row)


def test_st_17_an_allocator_that_repeats_itself_fails_the_issue(tmp_path):
    with IssuerStore(tmp_path / "issuer.db", draw=lambda size: 7) as store:
        with pytest.raises(StoreError):
            allocate(store, 2)
        assert not store.entries(), "the whole issue is undone"
        assert len(allocate(store, 1)) == 1


def test_st_16_random_indexes_pass_the_lint_and_sequences_do_not():
    assert not lint_indexes(allocate(IssuerStore(), 200))
    counter = itertools.count(5)
    assert lint_indexes(allocate(IssuerStore(draw=lambda size: next(counter)), 200))
    stride = itertools.count(0, 37)
    assert lint_indexes(allocate(IssuerStore(draw=lambda size: next(stride) % size), 200))
    squares = (number * number for number in itertools.count())
    assert "in order" in lint_indexes(allocate(IssuerStore(draw=lambda size: next(squares)), 100))[0]
    assert not lint_indexes(allocate(IssuerStore(), 3)), "three draws say nothing"


def test_a_list_is_half_full_at_most_and_another_follows():
    entries = allocate(IssuerStore(list_size=8), 10)
    assert [entry.list for entry in entries] == [1, 1, 1, 1, 2, 2, 2, 2, 3, 3]
    assert len({(entry.list, entry.index) for entry in entries}) == 10
    with pytest.raises(ValueError, match="2 entries"):
        IssuerStore(list_size=1)


def test_a_holder_key_is_bound_once():
    with IssuerStore() as store:
        allocate(store, 2)
        assert store.is_bound((1).to_bytes(4, "big"))
        assert not store.is_bound(b"new")
        with pytest.raises(StoreError, match="bound"), store.writing():
            store.add_copy("c-1", format="sd-cwt", key=(1).to_bytes(4, "big"))


def test_the_file_is_for_its_owner_only(tmp_path):
    with IssuerStore(tmp_path / "issuer.db") as store:
        allocate(store, 1)
        assert {stat.S_IMODE(one.stat().st_mode) for one in tmp_path.iterdir()} == {0o600}


def test_a_file_that_is_not_ours_is_refused(tmp_path):
    (tmp_path / "text.db").write_text("this is no database, but long enough to look like a file of one" * 20)
    with pytest.raises(StoreError):
        IssuerStore(tmp_path / "text.db")
    with closing(sqlite3.connect(tmp_path / "later.db")) as db:
        db.execute("PRAGMA user_version = 99")
    with pytest.raises(StoreError, match="version"):
        IssuerStore(tmp_path / "later.db")
    with pytest.raises(StoreError):
        IssuerStore(tmp_path / "no" / "such" / "folder.db")


def test_an_error_undoes_the_whole_transaction():
    with IssuerStore() as store:
        with pytest.raises(ZeroDivisionError), store.writing():
            credential(store, f"c-1{credential(store) or 1 / 0}")
        with pytest.raises(NotFound):
            store.state("c-1")


@pytest.mark.parametrize(
    "damage",
    [
        "DELETE FROM audit WHERE seq = 2",
        "UPDATE audit SET note = 'harmless' WHERE seq = 2",
        "UPDATE audit SET at = at + 1 WHERE seq = 3",
        "UPDATE audit SET seq = 9 WHERE seq = 1",
        "UPDATE audit SET seq = CASE seq WHEN 2 THEN -3 WHEN 3 THEN -2 END WHERE seq IN (2, 3)",
    ],
    ids=["OP-12 removed", "OP-12 changed", "OP-12 re-dated", "OP-12 moved", "OP-12 exchanged"],
)
def test_op_12_a_damaged_audit_log_is_noticed(tmp_path, damage):
    with IssuerStore(tmp_path / "issuer.db") as store:
        with store.writing():
            credential(store)
        store.set_state("c-1", 2, reason="reported lost", at=NOW)
        store.set_state("c-1", 0, reason="found", at=NOW + 1)
        store.set_state("c-1", 1, reason="reissued", at=NOW + 2)
        assert [line["event"] for line in store.audit()] == ["suspended", "reinstated", "revoked"]
        with closing(sqlite3.connect(tmp_path / "issuer.db")) as db, db:
            db.execute(damage)
            db.execute("UPDATE audit SET seq = -seq WHERE seq < 0")
        with pytest.raises(StoreError, match="broken"):
            store.audit()


def test_an_offer_is_answered_once_and_forgotten_when_it_ends():
    row = OfferRow("resident.personal", "key-17", None, {"rrnBack": True}, b"digest", "2026-09-26", NOW + 600, None)
    with IssuerStore() as store:
        store.put_offer(b"n" * 16, row, at=NOW)
        assert store.offer(b"n" * 16) == row
        assert store.offer(b"m" * 16) is None
        with store.writing():
            store.answer_offer(b"n" * 16, b"request", b"delivery")
        with pytest.raises(StoreError, match="answered"), store.writing():
            store.answer_offer(b"n" * 16, b"request", b"delivery")
        assert store.offer(b"n" * 16).answered == (b"request", b"delivery")
        store.put_offer(b"m" * 16, row._replace(expires_at=NOW + 1200), at=NOW + 600)
        assert store.offer(b"n" * 16) is None
        assert store.offer(b"m" * 16) is not None


def test_two_stores_on_one_file_see_each_other(tmp_path):
    with IssuerStore(tmp_path / "issuer.db") as one, IssuerStore(tmp_path / "issuer.db") as other:
        with one.writing():
            credential(one)
        assert other.state("c-1") == 0
        assert other.subject_hash("key") == one.subject_hash("key")
    with IssuerStore() as stranger:
        assert stranger.subject_hash("key") != one.subject_hash("key")
    assert [file.name for file in tmp_path.iterdir()] == ["issuer.db"], "closed cleanly, nothing else is left"
