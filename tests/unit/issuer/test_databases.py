"""The issuer's store says the same on SQLite and on PostgreSQL, and puts what waits together into one commit."""

from __future__ import annotations

import secrets
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from issuer.group_commit import Job, commit_together
from issuer.postgres import translate
from issuer.status_store import REVOKED, SUSPENDED, Selection
from issuer.store import IssuerStore, OfferRow
from vcred.errors import NotFound, StoreError

pytestmark = pytest.mark.loopback
ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(params=["sqlite", "postgresql"])
def target(request, tmp_path):
    if request.param == "sqlite":
        return str(tmp_path / "issuer.db")
    return request.getfixturevalue("postgres").database(f"i{secrets.token_hex(6)}")


@pytest.fixture
def store(target):
    with IssuerStore(target, list_size=1000) as found:
        yield found


def offer(store: IssuerStore, nonce: bytes, *, expires_at: int = 2_000) -> None:
    row = OfferRow("resident.personal", "p-1", None, {"years": 5}, b"d" * 32, "2026-09-26", expires_at)
    store.put_offer(nonce, row, at=1_000)


def reserve(store: IssuerStore, nonce: bytes, *, bits: int = 2) -> str:
    name = f"c-{secrets.token_hex(8)}"
    store.add_credential(
        name, code="resident.personal", subject="p-1", signer=b"signer-1", made_at=1_000, issued_at=0, expires_at=9_000
    )
    for _ in range(2):
        store.add_copy(name, format="sd-cwt", key=secrets.token_bytes(32), bits=bits)
    store.reserve(nonce, b"r" * 32, name)
    return name


def issue(store: IssuerStore) -> str:
    nonce = secrets.token_bytes(16)
    offer(store, nonce)
    name = store.transact(lambda: reserve(store, nonce))

    def deliver() -> None:
        store.deliver(nonce, name, b"delivery", signer=b"signer-1", at=1_001, issued_at=0, expires_at=9_000)
        store.log(1_001, "issued", code="resident.personal", credential=name)

    store.transact(deliver)
    return name


def test_an_issue_from_offer_to_revocation(store: IssuerStore) -> None:
    nonce = secrets.token_bytes(16)
    offer(store, nonce)
    found = store.offer(nonce)
    assert found is not None
    assert (found.code, found.subject, found.options, found.delivery) == (
        "resident.personal",
        "p-1",
        {"years": 5},
        None,
    )
    name = store.transact(lambda: reserve(store, nonce))
    assert store.reserved(nonce) == (name, store.places(name))
    store.release(name)
    assert store.reserved(nonce) is None
    with pytest.raises(NotFound):
        store.state(name)

    name = issue(store)
    store.set_state(name, SUSPENDED, reason="check", at=1_002)
    assert set(store.changed(1).values()) == {SUSPENDED}
    store.set_state(name, REVOKED, reason="lost", at=1_003)
    with pytest.raises(StoreError, match="stays revoked"):
        store.set_state(name, 0, reason="undo", at=1_004)
    assert sum(store.packed(store.lists()[0])) > 0
    assert store.count_signature(1) == 1
    assert store.credentials_of("p-1") == [name]
    assert store.issued(5)[0].id == name
    assert store.check_audit() == len(store.audit())


def test_bulk_revocation_and_sampling(store: IssuerStore) -> None:
    names = [issue(store) for _ in range(6)]
    store.set_state(names[0], REVOKED, reason="lost", at=1_002)
    which = Selection(code="resident.personal", signer=b"signer-1")
    assert store.count_all(which) == (5, 10)
    assert store.revoke_all(which, reason="key", at=1_005) == (5, 10)
    assert {store.state(name) for name in names} == {REVOKED}
    assert len(store.entries()) == 12
    assert len(store.sample(windows=2, length=3)) == 6


def test_a_list_of_one_bit_has_no_room_for_a_suspension(store: IssuerStore) -> None:
    nonce = secrets.token_bytes(16)
    offer(store, nonce)
    name = store.transact(lambda: reserve(store, nonce, bits=1))
    with pytest.raises(StoreError, match="no room"):
        store.set_state(name, SUSPENDED, reason="check", at=1_002)


def test_what_ended_is_forgotten_and_stops_are_shared(store: IssuerStore, target: str) -> None:
    nonce = secrets.token_bytes(16)
    offer(store, nonce, expires_at=1_100)
    store.transact(lambda: reserve(store, nonce))
    store.forget_expired(at=1_100)
    assert store.offer(nonce) is None
    assert store.entries() == []
    with IssuerStore(target) as other:
        other.set_stopped("drill", at=1_200)
        assert store.stopped == "drill"
        other.give_up(b"signer-1", reason="leak", at=1_201)
        other.set_stopped(None, at=1_202)
    assert store.hindrance(b"signer-1") == "leak"
    assert store.hindrance(b"signer-2") is None
    store.serve_bitstring([1, 2])
    assert store.has_bitstring(2)


def test_many_at_once_lose_nothing_and_give_nothing_twice(store: IssuerStore, target: str) -> None:
    store.group_commits()
    with IssuerStore(target) as other, ThreadPoolExecutor(8) as pool:
        other.group_commits()
        names = list(pool.map(lambda number: issue(store if number % 2 else other), range(40)))
        assert len(set(names)) == 40
        entries = store.entries()
        assert len({(entry.list, entry.index) for entry in entries}) == len(entries) == 80
        assert store.check_audit() == 80


def test_a_work_that_fails_takes_nothing_of_the_others_with_it(store: IssuerStore) -> None:
    store.group_commits()
    started = threading.Barrier(6)

    def work(number: int) -> int:
        def inside() -> int:
            store.log(1_000 + number, "offered", code=f"n-{number}")
            if number % 2:
                raise ValueError(number)
            return number

        started.wait()
        return store.transact(inside)

    with ThreadPoolExecutor(6) as pool:
        jobs = [pool.submit(work, number) for number in range(6)]
        assert [job.exception() is None for job in jobs] == [True, False] * 3
    assert sorted(line["code"] for line in store.audit()) == ["n-0", "n-2", "n-4"]


def twice(store: IssuerStore) -> None:
    """The last thing done is what the database refuses, and nobody looks at its result."""
    store.log(1_000, "never kept")
    store.put_offer(b"o" * 16, OfferRow("resident.personal", "p-1", None, {}, b"d" * 32, "2026-09-26", 2_000), at=1_000)


def test_what_is_refused_at_the_end_of_a_work_is_that_works_own_fault(store: IssuerStore) -> None:
    offer(store, b"o" * 16)
    store.group_commits()
    inside, held, done = threading.Event(), threading.Event(), []

    def slow() -> None:
        inside.set()
        assert held.wait(30)

    def fails() -> None:
        with pytest.raises(StoreError):
            store.transact(lambda: twice(store))
        done.append("refused")

    def works() -> None:
        store.transact(lambda: store.log(1_000, "kept"))
        done.append("kept")

    threads = [threading.Thread(target=store.transact, args=(slow,))]
    threads += [threading.Thread(target=one) for one in (fails, works, fails, works)]
    for number, one in enumerate(threads):
        one.start()
        assert inside.wait(30)
        until = time.monotonic() + 30
        while len(store._committer._waiting) < number and time.monotonic() < until:
            threading.Event().wait(0.01)
    held.set()
    for one in threads:
        one.join(30)
    assert sorted(done) == ["kept", "kept", "refused", "refused"]
    assert [line["event"] for line in store.audit()] == ["offered", "kept", "kept"]


@pytest.mark.parametrize("more", [False, True])
def test_work_that_changes_no_row_where_it_must_is_undone_alone(store: IssuerStore, more: bool) -> None:
    changing = "UPDATE credentials SET made_at = ? WHERE id = ?"
    name = issue(store)
    before = len(store.audit())

    def work(which: str) -> None:
        store.log(1_000, "of " + which)
        store._must(changing, (1_234, which), LookupError(which))
        if more:
            store.log(1_000, "more of " + which)

    with pytest.raises(LookupError, match="c-nobody"):
        store.transact(lambda: work("c-nobody"))
    with store.writing():
        with pytest.raises(LookupError, match="c-nobody"):
            store.alone(lambda: work("c-nobody"))
        store.alone(lambda: work(name))
    with pytest.raises(LookupError, match="c-nobody"):
        store.transact(lambda: (work("c-nobody"), work(name)))
    assert [line["event"] for line in store.audit()][before:] == ["of " + name, "more of " + name][: 1 + more]


def test_a_commit_that_is_refused_keeps_nothing_and_holds_up_nobody(store: IssuerStore, target: str) -> None:
    offer(store, b"o" * 16)
    with pytest.raises(StoreError):
        store.transact(lambda: twice(store))
    with IssuerStore(target, list_size=1000) as other:
        other.transact(lambda: other.log(1_000, "by another"))
    store.transact(lambda: store.log(1_000, "and again"))
    assert [line["event"] for line in store.audit()] == ["offered", "by another", "and again"]


def test_who_reads_waits_for_no_writer_and_sees_what_was_committed(store: IssuerStore) -> None:
    offer(store, b"o" * 16)
    store.group_commits()
    inside, held, seen = threading.Event(), threading.Event(), []

    def slow() -> None:
        store.set_stopped("drill", at=1_000)
        seen.append(store.stopped)
        inside.set()
        assert held.wait(30)

    writer = threading.Thread(target=store.transact, args=(slow,))
    writer.start()
    assert inside.wait(30)
    assert store.offer(b"o" * 16) is not None
    assert store.stopped is None, "it is not committed"
    held.set()
    writer.join(30)
    assert (seen, store.stopped) == (["drill"], "drill")


_HOLDER = """
import sys
from issuer.store import IssuerStore
with IssuerStore(sys.argv[1]) as store, store.writing():
    store.log(1_000, "of the one that was killed")
    print("inside", flush=True)
    sys.stdin.read()
"""


def test_who_waits_for_its_turn_gets_it_when_the_writer_is_killed(tmp_path) -> None:
    target = str(tmp_path / "issuer.db")
    with IssuerStore(target) as store:
        store.group_commits()
        command = [sys.executable, "-c", _HOLDER, target]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT) as holder:
            assert holder.stdout.readline() == b"inside\n"
            waiter = threading.Thread(target=store.transact, args=(lambda: store.log(1_001, "after it"),))
            waiter.start()
            waiter.join(0.2)
            assert waiter.is_alive(), "it is the other's turn"
            holder.kill()
            waiter.join(30)
        assert [line["event"] for line in store.audit()] == ["after it"]


def test_a_transaction_inside_a_transaction_is_a_part_of_it(store: IssuerStore) -> None:
    store.group_commits()

    def fail() -> None:
        with store.writing():
            store.transact(lambda: store.log(1_000, "offered"))
            raise ValueError("undo")

    with pytest.raises(ValueError, match="undo"):
        fail()
    assert store.audit() == []


def test_a_closed_store_takes_no_more_work(target: str) -> None:
    store = IssuerStore(target)
    store.group_commits()
    store.close()
    with pytest.raises(StoreError, match="closed"):
        store.transact(lambda: None)
    with pytest.raises(StoreError, match="closed"):
        _ = store.stopped


def test_op_04_a_restart_of_the_database_is_survived(postgres) -> None:
    url = postgres.database(f"i{secrets.token_hex(6)}")
    with IssuerStore(url) as store:
        store.group_commits()
        before = issue(store)
        postgres.kill()
        with pytest.raises(StoreError):
            issue(store)
        postgres.start()
        after = issue(store)
        assert store.credentials_of("p-1") == [before, after]
        assert store.check_audit() == 4


def test_a_database_that_is_not_there_is_said_so(tmp_path) -> None:
    with pytest.raises(StoreError):
        IssuerStore(f"postgresql+psycopg://vcred@/none?host={tmp_path}")
    with pytest.raises(StoreError, match="sqlite:///file"):
        IssuerStore("mysql://somewhere")


def test_the_tables_are_made_once_by_many_at_the_same_time(postgres) -> None:
    url = postgres.database(f"i{secrets.token_hex(6)}")
    with ThreadPoolExecutor(4) as pool:
        stores = list(pool.map(lambda _: IssuerStore(url), range(4)))
    for store in stores:
        store.close()


def test_statements_are_put_into_postgresqls_words() -> None:
    made = translate("CREATE TABLE a (n INTEGER PRIMARY KEY, b BLOB, c INTEGER) STRICT, WITHOUT ROWID")
    assert made == "CREATE TABLE a (n BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY, b BYTEA, c BIGINT)"
    assert translate("SELECT 1 WHERE a LIKE '%' AND b = ?") == "SELECT 1 WHERE a LIKE '%%' AND b = %s"


@pytest.mark.parametrize("alone", [True, False])
@pytest.mark.parametrize("later", ["nothing", "python", "database"])
def test_what_came_to_nothing_first_is_what_is_said(store: IssuerStore, later: str, alone: bool) -> None:
    undone: list[str] = []

    def work() -> None:
        store.log(1_000, "lost")
        store.if_undone(lambda: undone.append("lost"))
        store._must("UPDATE meta SET value = value WHERE name = ?", ("not there",), LookupError("first"))
        if later == "python":
            raise RuntimeError("later")
        if later == "database":
            store._put("INSERT INTO changed VALUES (?, ?, ?)", (77, 1, 1))  # there is no such list

    with store.writing():
        store.if_undone(lambda: undone.append("never"))
        if alone:
            with pytest.raises(LookupError):
                store.alone(work)
        store.log(1_001, "kept")
    if not alone:
        with pytest.raises(LookupError):
            store.transact(work)
    assert undone == ["lost"]
    assert [line["event"] for line in store.audit()] == ["kept"]


def test_a_value_that_cannot_be_written_is_its_own_works_fault(store: IssuerStore) -> None:
    def put(name: str) -> Job:
        return Job(lambda: store._db.execute("INSERT INTO meta VALUES (?, ?)", (name, b"1")))

    for names in (["a", "\ud800"], ["\ud800", "b"], ["c", "\ud800", "d"]):
        jobs = [put(name) for name in names]
        commit_together(store, jobs)
        assert [type(one.error) for one in jobs] == [
            UnicodeEncodeError if name == "\ud800" else type(None) for name in names
        ]
    rows = store._all("SELECT name FROM meta WHERE length(name) = 1 ORDER BY name")
    assert [row["name"] for row in rows] == ["a", "b", "c", "d"]


@pytest.mark.parametrize("fails", ["python", "must", "database", "put"])
@pytest.mark.parametrize("place", [0, 1, 2])
def test_of_many_in_one_commit_who_fails_is_undone_alone(store: IssuerStore, fails: str, place: int) -> None:
    undone: list[str] = []

    def work(name: str, bad: bool) -> str:
        store.if_undone(lambda: undone.append(name))
        store.log(1_000, name)
        if bad and fails == "python":
            raise ValueError(name)
        if bad and fails == "must":
            store._must("UPDATE meta SET value = value WHERE name = ?", ("not there",), ValueError(name))
        if bad and fails == "database":
            store._db.execute("INSERT INTO changed VALUES (?, ?, ?)", (77, 1, 1))  # there is no such list
        if bad and fails == "put":
            store._put("INSERT INTO changed VALUES (?, ?, ?)", (77, 1, 1))
        return f"done {name}"

    jobs = [Job(lambda number=number: work(f"n-{number}", number == place)) for number in range(3)]
    commit_together(store, jobs)
    others = [number for number in range(3) if number != place]
    assert isinstance(jobs[place].error, ValueError if fails in ("python", "must") else StoreError)
    assert [jobs[number].error for number in others] == [None, None]
    assert [jobs[number].result for number in others] == [f"done n-{number}" for number in others]
    assert [line["event"] for line in store.audit()] == [f"n-{number}" for number in others]
    assert undone.count(f"n-{place}") == 2, "undone with all of them, and then alone"
    assert all(undone.count(f"n-{number}") <= 1 for number in others)


def test_a_commit_that_is_refused_for_many_is_not_tried_again(store: IssuerStore) -> None:
    with store.writing():
        deferred = "REFERENCES lists (number) DEFERRABLE INITIALLY DEFERRED"
        store._db.execute(f"CREATE TABLE late (number {'INTEGER' if store._together is None else 'BIGINT'} {deferred})")
    done: list[str] = []

    def work(name: str, number: int | None) -> None:
        done.append(name)
        store.log(1_000, name)
        store._put("INSERT INTO late VALUES (?)", (number,))

    jobs = [Job(lambda: work("good", None)), Job(lambda: work("bad", 77))]
    commit_together(store, jobs)  # it might have come to pass: what is asked again finds out
    assert done == ["good", "bad"]
    assert [type(one.error) for one in jobs] == [StoreError, StoreError]
    assert store.audit() == []


@pytest.mark.parametrize("copies", [1, 2, 16, 17, 63, 100])
def test_free_places_for_so_many_copies(store: IssuerStore, copies: int) -> None:
    assert store.free_places(2, copies) == []
    issue(store)
    taken = {(entry.list, entry.index) for entry in store.entries()}
    found = store.free_places(2, copies)
    assert len(set(found)) == len(found) == copies
    assert not taken & set(found)


def test_a_server_remembers_few_statements_whatever_wallets_want(request: pytest.FixtureRequest) -> None:
    target = request.getfixturevalue("postgres").database(f"i{secrets.token_hex(6)}")
    with IssuerStore(target, list_size=1000) as store:
        issue(store)
        for copies in range(1, 60):
            store.free_places(2, copies)
        known = store._all("SELECT statement FROM pg_prepared_statements WHERE statement LIKE ?", "SELECT idx%")
        assert len(known) == 2


@pytest.mark.parametrize("encoding", ["UTF8", "EUC_KR"])
def test_korean_is_kept_whatever_a_database_writes_it_in(request: pytest.FixtureRequest, encoding: str) -> None:
    import psycopg

    postgres, name = request.getfixturevalue("postgres"), f"i{secrets.token_hex(6)}"
    with psycopg.connect(host=str(postgres.home), user="vcred", dbname="postgres", autocommit=True) as connection:
        connection.execute(
            f"CREATE DATABASE {name} ENCODING '{encoding}' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'"
        )
    with IssuerStore(f"postgresql+psycopg://vcred@/{name}?host={postgres.home}") as store:
        row = OfferRow("resident.personal", "홍길동", None, {"a": "가"}, b"d" * 32, "2026-09-26", 2_000)
        store.put_offer(b"n" * 16, row, at=1_000)
        assert store.offer(b"n" * 16) == row
    with psycopg.connect(host=str(postgres.home), user="vcred", dbname=name) as connection:
        assert connection.execute("SELECT subject FROM offers").fetchone() == ("홍길동",)
