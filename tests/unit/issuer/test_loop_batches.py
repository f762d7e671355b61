"""What waits in an event loop is done together: commits on SQLite and PostgreSQL, reads on PostgreSQL."""

from __future__ import annotations

import asyncio
import secrets
import threading
from contextlib import contextmanager

import psycopg
import pytest

from issuer.postgres import PostgresConnection
from issuer.selfcheck import SelfCheckError
from issuer.server.loop_batches import LoopBatches
from issuer.store import IssuerStore
from tests.unit.issuer.conftest import AT, SIGNER, Agency
from vcred.errors import StoreError
from vcred.keys import SoftwareSigner
from vcred.serving import Greenlets

pytestmark = pytest.mark.loopback


@pytest.fixture(params=["sqlite", "postgresql", "memory"])
def store(request, tmp_path):
    places = {"sqlite": str(tmp_path / "issuer.db"), "memory": None}
    if request.param == "postgresql":
        places["postgresql"] = request.getfixturevalue("postgres").database(f"i{secrets.token_hex(6)}")
    with IssuerStore(places[request.param], list_size=1000) as found:
        found.group_commits(LoopBatches)
        yield found


def together(*works):
    greenlets = Greenlets(2)

    async def go():
        return await asyncio.gather(*(greenlets.run(work) for work in works), return_exceptions=True)

    return asyncio.run(go())


def counted(store, monkeypatch):
    """How many transactions are begun from now on."""
    begun, writing = [], type(store).writing

    def count(self, **options):
        if not self._db.in_transaction:
            begun.append(threading.current_thread().name)
        return writing(self, **options)

    monkeypatch.setattr(type(store), "writing", count)
    return begun


def test_what_comes_in_one_round_is_one_commit_and_who_fails_fails_alone(store, monkeypatch):
    begun = counted(store, monkeypatch)

    def work(number):
        def inside():
            store.log(1_000 + number, "offered", code=f"n-{number}")
            if number % 3 == 2:
                raise LookupError(number)
            return number

        return lambda: store.transact(inside)

    told = together(*(work(number) for number in range(9)))
    assert [one for one in told if isinstance(one, int)] == [0, 1, 3, 4, 6, 7]
    assert [number for number, one in enumerate(told) if isinstance(one, LookupError)] == [2, 5, 8]
    assert len(begun) == 2, "all together, and once more because not all of them could be done"
    assert sorted(line["code"] for line in store.audit()) == ["n-0", "n-1", "n-3", "n-4", "n-6", "n-7"]
    begun.clear()
    assert together(work(0), work(1), work(3)) == [0, 1, 3]
    assert len(begun) == 1


def test_work_that_waits_reads_what_was_committed_and_what_it_wrote(store):
    def work():
        store.set_stopped("before", at=1)
        before = store.stopped

        def inside():
            store.set_stopped("drill", at=2)
            return store.stopped

        return before, store.transact(inside), store.stopped

    assert together(work) == [("before", "drill", "drill")]


def test_the_loop_goes_on_while_another_thread_writes(store):
    inside, held, done = threading.Event(), threading.Event(), []

    def slow():
        inside.set()
        assert held.wait(30)

    def works(number):
        store.transact(lambda: store.log(1_000 + number, "kept"))
        done.append(number)

    async def go():
        greenlets = Greenlets(2)
        tasks = [asyncio.create_task(greenlets.run(works, number)) for number in range(4)]
        for _ in range(20):
            await asyncio.sleep(0.005)
        assert not done
        held.set()
        await asyncio.gather(*tasks)

    writer = threading.Thread(target=store.transact, args=(slow,))
    writer.start()
    assert inside.wait(30)
    try:
        asyncio.run(go())
    finally:
        held.set()
        writer.join(30)
    assert sorted(done) == [0, 1, 2, 3]
    assert store.check_audit() == 4


def test_who_is_told_to_stop_takes_nobody_with_him(store):
    async def go():
        greenlets = Greenlets(2)
        tasks = [
            asyncio.create_task(greenlets.run(store.transact, lambda number=number: store.log(number, "kept")))
            for number in range(3)
        ]
        await asyncio.sleep(0)
        tasks[1].cancel()
        return await asyncio.gather(*tasks, return_exceptions=True)

    assert [type(one) for one in asyncio.run(go())] == [type(None), asyncio.CancelledError, type(None)]
    assert store.check_audit() >= 2


def test_after_the_end_nothing_is_taken(store):
    store._loop_commits.close()
    (told,) = together(lambda: store.transact(lambda: store.log(1, "never kept")))
    assert isinstance(told, StoreError)
    assert store.audit() == []


def test_the_loop_waits_for_no_reader(tmp_path):
    with IssuerStore(tmp_path / "issuer.db", list_size=1000) as store:
        store.group_commits(LoopBatches)
        taken = [store._readers.take() for _ in range(4)]
        assert together(lambda: store.stopped) == [None]
        store.set_stopped("drill", at=1)
        assert together(lambda: store.stopped, lambda: store.stopped) == ["drill"] * 2
        for one in taken:
            store._readers.give(one)
        assert store._readers._free.qsize() == 4


@pytest.fixture
def waiting_store(request):
    """A store on PostgreSQL, in a service."""
    target = request.getfixturevalue("postgres").database(f"i{secrets.token_hex(6)}")
    with IssuerStore(target, list_size=1000) as store:
        store.group_commits(LoopBatches)
        yield store


@contextmanager
def somebody_writes(store):
    """In another process, as it were, until what is given is called."""
    inside, held = threading.Event(), threading.Event()

    def slow():
        assert other.stopped is None  # with its first statement it takes the lock of all writers
        inside.set()
        assert held.wait(30)

    with IssuerStore(store._target) as other:
        writer = threading.Thread(target=other.transact, args=(slow,))
        writer.start()
        assert inside.wait(30)
        try:
            yield held.set
        finally:
            held.set()
            writer.join(30)


@pytest.fixture
def town(waiting_store):
    """The same while somebody else writes: ``(store, let_go)``."""
    with somebody_writes(waiting_store) as let_go:
        yield waiting_store, let_go


async def until(what):
    for _ in range(2_000):
        if what():
            return
        await asyncio.sleep(0.005)
    pytest.fail("nothing was begun")


async def begun(store):
    """Until the loop is inside a transaction, and waits."""
    await until(lambda: store._db.in_transaction)


def test_while_a_transaction_waits_for_its_server_nobody_gets_into_it(town):
    store, let_go = town
    greenlets = Greenlets(2)

    async def go():
        first = asyncio.create_task(greenlets.run(store.transact, lambda: store.log(1, "first")))
        await begun(store)
        assert await greenlets.run(lambda: store.stopped) is None, "who reads waits for nobody"
        assert store._lock.locked()
        with pytest.raises(StoreError, match="somebody else writes"):
            store.set_stopped("from the side", at=2)  # in this very thread, which would wait for itself
        second = asyncio.create_task(greenlets.run(store.transact, lambda: store.log(3, "second")))
        by_thread = asyncio.create_task(asyncio.to_thread(store.transact, lambda: store.log(4, "by thread")))
        await asyncio.sleep(0.05)
        assert not any(one.done() for one in (first, second, by_thread))
        let_go()
        await asyncio.gather(first, second, by_thread)

    asyncio.run(go())
    assert store.audit()[0]["event"] == "first"
    assert sorted(line["event"] for line in store.audit()) == ["by thread", "first", "second"]
    assert store.stopped is None


def test_a_transaction_that_is_not_waited_for_to_its_end_is_none(town):
    store, let_go = town
    greenlets = Greenlets(2)

    async def go():
        works = [asyncio.create_task(greenlets.run(store.transact, lambda: store.log(1, "lost"))) for _ in range(2)]
        await begun(store)
        (batch,) = store._loop_commits._batches.values()
        batch.task.cancel()
        return await asyncio.gather(*works, return_exceptions=True)

    assert all(isinstance(one, StoreError | asyncio.CancelledError) for one in asyncio.run(go()))
    let_go()
    assert not store._db.in_transaction
    store.transact(lambda: store.log(2, "kept"))
    assert together(lambda: store.transact(lambda: store.log(3, "kept"))) == [None]
    assert [line["event"] for line in store.audit()] == ["kept", "kept"]


class Flipping(SoftwareSigner):
    """A key in a failing memory: from some moment on its signatures have a flipped bit."""

    broken = False

    def sign(self, message):
        raw = super().sign(message)
        return bytes([raw[0] ^ 1]) + raw[1:] if self.broken else raw


def test_a_failed_self_check_stops_the_line_while_others_wait(waiting_store):
    store, greenlets = waiting_store, Greenlets(2)
    signer = Flipping(SIGNER._key)
    agency = Agency(store, signer=signer)
    agency.take()  # the first of a list makes the list
    asked = agency.request()
    signer.broken = True

    async def go():
        with somebody_writes(store) as let_go:
            first = asyncio.create_task(greenlets.run(store.transact, lambda: store.log(1, "first")))
            await begun(store)
            answer = asyncio.create_task(greenlets.run(agency.issuer.issue, asked, at=AT))
            await asyncio.sleep(0.3)
            let_go()
            return await asyncio.gather(first, answer, return_exceptions=True)

    assert isinstance(asyncio.run(go())[1], SelfCheckError)
    assert store.stopped == "self-check failed"


def test_a_connection_that_breaks_while_it_waits_is_opened_beside_the_loop(town, monkeypatch):
    store, let_go = town
    greenlets, opened = Greenlets(2), []
    real = PostgresConnection._open

    def opening(self):
        opened.append(threading.current_thread() is threading.main_thread())
        real(self)

    async def go():
        works = [asyncio.create_task(greenlets.run(store.transact, lambda: store.log(1, "kept"))) for _ in range(3)]
        await begun(store)
        pid = store._db._connection.driver_connection.pgconn.backend_pid
        await asyncio.to_thread(ended, store._target, pid)
        await asyncio.sleep(0.1)
        let_go()
        await asyncio.gather(*works)

    monkeypatch.setattr(PostgresConnection, "_open", opening)
    asyncio.run(go())
    assert opened == [False]
    assert store.check_audit() == 3


def ended(address, pid):
    with psycopg.connect(address.replace("+psycopg", ""), autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(%s, 10000)", (pid,))


@pytest.mark.parametrize("what", ["write", "read"])
def test_a_store_is_not_closed_by_the_loop_that_uses_it(waiting_store, what):
    store, greenlets = waiting_store, Greenlets(2)
    assert together(lambda: store.stopped) == [None]  # there is a connection to read with
    works = {"write": lambda: store.transact(lambda: store.log(1, "kept")), "read": lambda: store.stopped}
    batches = {"write": store._loop_commits, "read": store._loop_reads}[what]

    async def go():
        with psycopg.connect(store._target.replace("+psycopg", "")) as other:
            other.execute("LOCK TABLE meta, audit IN ACCESS EXCLUSIVE MODE")
            task = asyncio.create_task(greenlets.run(works[what]))
            await until(lambda: any(one.task is not None for one in batches._batches.values()))
            with pytest.raises(StoreError, match="in use"):
                store.close()
            other.rollback()
            return await task

    assert asyncio.run(go()) is None
    store.transact(lambda: store.log(2, "still open"))


def test_who_closes_a_store_waits_for_the_loop_that_uses_it(town):
    store, let_go = town
    greenlets = Greenlets(2)

    async def go():
        task = asyncio.create_task(greenlets.run(store.transact, lambda: store.log(1, "kept")))
        await begun(store)
        closing = asyncio.create_task(asyncio.to_thread(store.close))
        await asyncio.sleep(0.2)
        assert not closing.done()
        let_go()
        await asyncio.gather(task, closing)

    asyncio.run(go())
    with IssuerStore(store._target) as again:
        assert [line["event"] for line in again.audit()] == ["kept"]


def test_a_read_that_fails_is_no_other_reads_fault(store):
    def reads(sql):
        return lambda: store._all(sql)[0][0]

    told = together(reads("SELECT 1"), reads("SELECT nothing FROM nowhere"), reads("SELECT 2"))
    assert (told[0], type(told[1]), told[2]) == (1, StoreError, 2)


def test_reads_of_one_round_go_to_a_server_together(request, monkeypatch):
    target = request.getfixturevalue("postgres").database(f"i{secrets.token_hex(6)}")
    with IssuerStore(target, list_size=1000) as store:
        store.group_commits(LoopBatches)
        ways, read = [], type(store._readers)._read

        def count(self, jobs, db):
            ways.append(len(jobs))
            read(self, jobs, db)

        monkeypatch.setattr(type(store._readers), "_read", count)
        assert together(*(lambda: (store.stopped, store.stopped) for _ in range(5))) == [(None, None)] * 5
        assert ways == [5, 5]


def test_without_its_server_every_read_says_so_and_nobody_tries_once_for_each(request, monkeypatch):
    target = request.getfixturevalue("postgres").database(f"i{secrets.token_hex(6)}")
    with IssuerStore(target, list_size=1000) as store:
        store.group_commits(LoopBatches)
        assert together(lambda: store.stopped) == [None]
        tried = []

        def unreachable(self):
            tried.append(self)
            self._drop()
            raise StoreError("the issuer's database cannot be reached")

        readers = [store._readers.take() for _ in range(4)]
        for one in readers:
            one._drop()
            store._readers.give(one)
        monkeypatch.setattr(PostgresConnection, "_open", unreachable)
        told = together(*(lambda: store.stopped for _ in range(9)))
        assert [type(one) for one in told] == [StoreError] * 9
        assert len(tried) == 1
        monkeypatch.undo()
        assert together(lambda: store.stopped) == [None], "and it is there again with the next"
