"""The issuer's database: what it refuses whatever the program does, and what it keeps when the program dies."""

from __future__ import annotations

import itertools
import sqlite3
import stat
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from issuer import IssuerStore, Selection
from issuer.lint import lint_indexes
from issuer.status_store import IssuedRow, ListRow
from issuer.store import OfferRow
from vcred.errors import NotFound, StoreError
from vcred.status import StatusList

NOW = 1_790_000_000
KID = b"\x01" * 8
CODE = "resident.personal"


def moment(seconds):
    return datetime.fromtimestamp(NOW + seconds, UTC)


def credential(store, name="c-1", *, code=CODE, signer=KID, made_at=NOW):
    store.add_credential(
        name, code=code, subject="key", signer=signer, made_at=made_at, issued_at=NOW, expires_at=NOW + 1
    )


def allocate(store, count, *, bits=1):
    with store.writing():
        credential(store)
        for number in range(count):
            store.add_copy("c-1", format="sd-cwt", key=number.to_bytes(4, "big"), bits=bits)
    return store.entries()


def test_st_17_the_database_refuses_two_credentials_with_one_index(tmp_path):
    with IssuerStore(tmp_path / "issuer.db") as store:
        (entry,) = allocate(store, 1)
    row = (99, entry.list, entry.index, 1, "sd-cwt", b"another key")
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
            store.add_copy("c-1", format="sd-cwt", key=(1).to_bytes(4, "big"), bits=1)


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
        allocate(store, 1, bits=2)
        store.set_state("c-1", 2, reason="reported lost", at=NOW)
        store.set_state("c-1", 0, reason="found", at=NOW + 1)
        store.set_state("c-1", 1, reason="reissued", at=NOW + 2)
        assert [line["event"] for line in store.audit()] == ["suspended", "reinstated", "revoked"]
        assert store.check_audit() == 3
        with closing(sqlite3.connect(tmp_path / "issuer.db")) as db, db:
            db.execute(damage)
            db.execute("UPDATE audit SET seq = -seq WHERE seq < 0")
        for read in (store.audit, store.check_audit):
            with pytest.raises(StoreError, match="broken"):
                read()


OFFER = OfferRow(CODE, "key-17", None, {"rrnBack": True}, b"digest", "2026-09-26", NOW + 600)
FACTS = {"signer": KID, "at": NOW + 7, "issued_at": NOW, "expires_at": NOW + 9}


def reserve(store, nonce=b"n" * 16, name="c-1", *, key=b"key", digest=b"request"):
    with store.writing():
        credential(store, name)
        store.add_copy(name, format="sd-cwt", key=key, bits=1)
        return store.reserve(nonce, digest, name)


def test_an_offer_is_answered_once_and_forgotten_when_it_ends():
    with IssuerStore() as store:
        store.put_offer(b"n" * 16, OFFER, at=NOW)
        assert store.offer(b"n" * 16) == OFFER
        assert store.offer(b"m" * 16) is None
        held = reserve(store)
        assert store.reserved(b"n" * 16) == held
        assert store.offer(b"n" * 16) == OFFER._replace(request_digest=b"request", reserved="c-1")
        with store.writing():
            store.deliver(b"n" * 16, "c-1", b"delivery", **FACTS)
        assert store.reserved(b"n" * 16) is None
        with pytest.raises(StoreError, match="answered"), store.writing():
            store.deliver(b"n" * 16, "c-1", b"delivery", **FACTS)
        with pytest.raises(StoreError, match="answered"):
            reserve(store, name="c-2", key=b"other")
        store.release("c-1")
        assert len(store.entries()) == 1, "what was delivered is not given back"
        assert store.offer(b"n" * 16) == OFFER._replace(request_digest=b"request", delivery=b"delivery")
        assert store.issued(9) == [IssuedRow("c-1", CODE, NOW + 7, 0)]
        store.put_offer(b"m" * 16, OFFER._replace(expires_at=NOW + 1200), at=NOW + 600)
        assert store.offer(b"n" * 16) is None
        assert store.offer(b"m" * 16) is not None
        assert len(store.entries()) == 1


def test_what_was_reserved_and_not_delivered_is_free_again():
    with IssuerStore(list_size=4) as store:
        store.put_offer(b"n" * 16, OFFER, at=NOW)
        for _ in range(9):
            reserve(store)
            store.release("c-1")
        assert store.lists() == [ListRow(1, 1, 4, 0, 0)], "nine reservations fit into two places"
        assert (store.entries(), store.credentials_of("key")) == ([], [])
        assert store.packed(store.lists()[0]) == bytes(1)
        reserve(store)
        store.forget_expired(at=NOW + 600)
        assert store.entries() == []
        with pytest.raises(StoreError, match="withdrawn"), store.writing():
            store.deliver(b"n" * 16, "c-1", b"delivery", **FACTS)


def test_st_17_a_place_that_a_list_may_have_called_revoked_is_not_given_again():
    """Everything that a key signed is revoked while one certificate is being signed, and lists go out in between."""
    with IssuerStore(list_size=4) as store:
        store.put_offer(b"n" * 16, OFFER, at=NOW)
        reserve(store)
        (entry,) = store.entries()
        assert store.revoke_all(Selection(signer=KID), reason="key leaked", at=NOW) == (1, 1)
        said = store.packed(store.lists()[0])
        store.release("c-1")
        assert store.entries() == [replace(entry, value=1)]
        assert store.packed(store.lists()[0]) == said
        assert store.offer(b"n" * 16).request_digest is None, "the offer is open again"


def test_a_list_of_one_bit_has_no_room_for_a_suspension():
    with IssuerStore(list_size=16) as store:
        with store.writing():
            for name, bits in (("narrow", 1), ("wide", 2)):
                credential(store, name)
                store.add_copy(name, format="sd-cwt", key=None, bits=bits)
        assert [(row.bits, row.used) for row in store.lists()] == [(1, 1), (2, 1)]
        with pytest.raises(StoreError, match="no room"):
            store.set_state("narrow", 2, reason="reported lost", at=NOW)
        store.set_state("wide", 2, reason="reported lost", at=NOW)
        store.set_state("narrow", 1, reason="reissued", at=NOW)
        values = {(one.list, one.index): one.value for one in store.entries()}
        assert sorted(values.values()) == [1, 2]
        for row in store.lists():
            read = StatusList(bits=row.bits, buffer=store.packed(row))
            assert [read.get(index) for index in range(16)] == [values.get((row.number, i), 0) for i in range(16)]


def test_giving_a_place_asks_no_more_of_a_full_store_than_of_an_empty_one(tmp_path):
    with IssuerStore(tmp_path / "issuer.db") as store:
        allocate(store, 400)
        plans = []
        store._db.set_trace_callback(lambda sql: plans.append(sql) if sql.startswith(("UPDATE", "INSERT")) else None)
        with store.writing():
            store.add_copy("c-1", format="sd-cwt", key=b"one more", bits=1)
        store._db.set_trace_callback(None)
        assert [sql.split(" ", 3)[:3] for sql in plans] == [["UPDATE", "lists", "SET"], ["INSERT", "INTO", "copies"]]
        for sql in plans:
            steps = [row["detail"] for row in store._db.execute(f"EXPLAIN QUERY PLAN {sql}")]
            assert steps
            assert not [step for step in steps if step.startswith("SCAN")], sql


@pytest.mark.parametrize(
    ("which", "revoked"),
    [
        (Selection(code=CODE), {"a", "b", "c"}),
        (Selection(signer=KID), {"a", "c", "d"}),
        (Selection(code=CODE, signer=KID), {"a", "c"}),
        (Selection(issued_from=moment(10)), {"b", "c", "d"}),
        (Selection(issued_until=moment(10)), {"a"}),
        (Selection(code=CODE, issued_from=moment(10), issued_until=moment(20)), {"b"}),
        (Selection(code="tax.income"), set()),
    ],
    ids=["type", "signer", "type and signer", "since", "until", "between", "none"],
)
def test_many_are_revoked_at_one_stroke_and_only_those_meant(which, revoked):
    facts = {
        "a": {"made_at": NOW},
        "b": {"made_at": NOW + 10, "signer": b"\x02" * 8},
        "c": {"made_at": NOW + 20},
        "d": {"made_at": NOW + 30, "code": "id.e_citizen"},
    }
    with IssuerStore(list_size=64) as store:
        with store.writing():
            for name, fact in facts.items():
                credential(store, name, **fact)
                for _ in range(3):
                    store.add_copy(name, format="sd-cwt", key=None, bits=2)
        store.set_state("a", 2, reason="reported lost", at=NOW)
        assert store.count_all(which) == (len(revoked), 3 * len(revoked))
        assert store.revoke_all(which, reason="key leaked", at=NOW + 99) == (len(revoked), 3 * len(revoked))
        assert {name for name in facts if store.state(name) == 1} == revoked
        assert sum(one.value == 1 for one in store.entries()) == 3 * len(revoked)
        assert store.revoke_all(which, reason="again", at=NOW + 99) == (0, 0)
        lines = [line for line in store.audit() if line["event"] == "revoked in bulk"]
        assert lines[0]["note"].startswith(f"key leaked: {len(revoked)} credentials, {3 * len(revoked)} copies")
        assert len(lines) == 2


def test_a_selection_means_something():
    with pytest.raises(ValueError, match="which"):
        Selection()
    with pytest.raises(ValueError, match="order"):
        Selection(issued_from=moment(1), issued_until=moment(1))
    with pytest.raises(ValueError, match=r"aware|offset|zone"):
        Selection(issued_from=datetime(2026, 9, 26)).condition()


def test_a_sample_has_the_newest_and_is_spread_over_all():
    with IssuerStore() as store:
        assert store.sample(windows=4, length=8) == []
        entries = allocate(store, 200)
        assert store.sample(windows=4, length=50) == entries
        assert store.sample(windows=4, length=10) == [
            entries[start + step] for start in (0, 63, 126, 190) for step in range(10)
        ]


def test_a_key_that_is_given_up_is_one_key():
    with IssuerStore() as store:
        store.give_up(KID, reason="key leaked", at=NOW)
        store.give_up(KID, reason="key leaked", at=NOW)
        assert store.hindrance(KID) == "key leaked"
        assert store.hindrance(b"\x02" * 8) is None
        store.set_stopped("drill", at=NOW)
        assert store.hindrance(b"\x02" * 8) == "drill"
        assert [line["event"] for line in store.audit()] == ["signer given up", "stopped"]
        assert store.audit()[0]["note"] == f"{KID.hex()}: key leaked"


def test_two_stores_on_one_file_see_each_other(tmp_path):
    with IssuerStore(tmp_path / "issuer.db") as one, IssuerStore(tmp_path / "issuer.db") as other:
        with one.writing():
            credential(one)
        assert other.state("c-1") == 0
        assert other.subject_hash("key") == one.subject_hash("key")
    with IssuerStore() as stranger:
        assert stranger.subject_hash("key") != one.subject_hash("key")
    assert [file.name for file in tmp_path.iterdir()] == ["issuer.db"], "closed cleanly, nothing else is left"
