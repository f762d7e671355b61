"""Many statements on one way to a PostgreSQL server and back: values, refusals, broken connections, and a loop."""

from __future__ import annotations

import asyncio
import secrets

import psycopg
import pytest

from issuer.postgres import PostgresConnection
from issuer.wire import Statement, Wire
from vcred._waiting import WAITING
from vcred.errors import StoreError
from vcred.serving import Greenlets

pytestmark = pytest.mark.loopback


@pytest.fixture
def address(postgres):
    return postgres.database(f"w{secrets.token_hex(6)}").replace("+psycopg", "")


@pytest.fixture
def wire(address):
    with psycopg.connect(address, autocommit=True) as connection:
        yield Wire(connection)


def exchange(wire, *statements, **waiting):
    """The results; raises what was refused."""
    found, refused = wire.exchange([Statement.of(*one) for one in statements], **waiting)
    assert (len(found) == len(statements)) == (refused is None)
    if refused is not None:
        raise refused
    return found


def ask(wire, sql, *values):
    return exchange(wire, (sql, values))[0]


def numbers(wire):
    return [row["n"] for row in ask(wire, "SELECT n FROM kept ORDER BY n")]


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        *(("BIGINT", one) for one in (0, -1, 2**63 - 1, -(2**63), None)),
        *(("TEXT", one) for one in ("", "가상시 %s $1 'x' \\", None)),
        *(("BYTEA", one) for one in (b"", bytes(range(256)), b"\0" * 5_000, None)),
    ],
)
def test_a_value_comes_back_as_it_went(wire, kind, value):
    ask(wire, f"CREATE TABLE one (here {kind})")
    assert ask(wire, "INSERT INTO one VALUES (?)", value).rowcount == 1
    found = ask(wire, "SELECT here, 7 AS seven FROM one")
    assert found.rowcount == 1
    row = found.fetchone()
    assert (row[0], row["here"], row["seven"], row.keys()) == (value, value, 7, ["here", "seven"])
    assert found.fetchone() is None
    assert found.fetchall() == []


def test_a_value_that_is_none_of_ours_never_goes(wire):
    with pytest.raises(TypeError, match="float"):
        exchange(wire, ("SELECT 1", ()), ("SELECT ?", (1.5,)))
    assert ask(wire, "SELECT 1").fetchone()[0] == 1


def test_a_text_with_a_nul_is_refused_and_not_cut_off(wire):
    ask(wire, "CREATE TABLE one (here TEXT)")
    with pytest.raises(psycopg.DataError):
        ask(wire, "INSERT INTO one VALUES (?)", "admin\0 of nothing")
    assert ask(wire, "SELECT count(*) FROM one").fetchone()[0] == 0


def test_after_one_that_is_refused_nothing_is_done_and_the_next_may_ask(wire):
    ask(wire, "CREATE TABLE kept (n BIGINT PRIMARY KEY)")
    insert = "INSERT INTO kept VALUES (?)"
    for _ in range(2):  # the second time the server knows the statement
        with pytest.raises(psycopg.errors.UniqueViolation):
            exchange(wire, (insert, (1,)), (insert, (1,)), (insert, (2,)))
        with pytest.raises(psycopg.errors.UndefinedTable):
            exchange(wire, (insert, (3,)), ("INSERT INTO nowhere VALUES (?)", (1,)), (insert, (4,)))
        assert numbers(wire) == []
    assert [one.rowcount for one in exchange(wire, (insert, (5,)), (insert, (6,)))] == [1, 1]
    assert numbers(wire) == [5, 6]


def test_what_is_longer_than_every_buffer_goes_through(wire):
    long = secrets.token_bytes(300_000)
    found = exchange(wire, *[("SELECT ? AS here, length(?) AS size", (long, long))] * 40)
    assert all((one.fetchone()["here"] == long) for one in found)


def test_more_statements_than_a_server_is_to_remember(wire):
    for number in range(600):
        assert ask(wire, f"SELECT ? + {number} AS sum", 1).fetchone()["sum"] == number + 1
    assert ask(wire, "SELECT count(*) FROM pg_prepared_statements").fetchone()[0] == 512
    assert ask(wire, "SELECT ? + 3 AS sum", 1).fetchone()["sum"] == 4


def test_a_connection_that_the_server_closed_is_seen_before_it_is_used_and_when(address, wire):
    assert wire.usable
    pid = ask(wire, "SELECT pg_backend_pid()").fetchone()[0]
    with psycopg.connect(address, autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(%s, 10000)", (pid,))
    assert not wire.usable
    assert not wire.closed, "nobody asked yet"
    with pytest.raises(psycopg.OperationalError):
        ask(wire, "SELECT 1")
    assert wire.closed
    assert not wire.usable


def in_loop(work):
    """What ``work`` gives in a loop, and how often the loop went round meanwhile."""

    async def go():
        rounds, greenlets = 0, Greenlets(1)
        task = asyncio.create_task(greenlets.run(work))
        while not task.done():
            await asyncio.sleep(0.01)
            rounds += 1
        return await task, rounds

    return asyncio.run(go())


@pytest.mark.parametrize("patience", [0, 1])
def test_a_loop_goes_on_while_a_server_takes_its_time(wire, patience):
    def work():
        statements = [("SELECT pg_sleep(1)", ()), ("SELECT ? AS here", (secrets.token_bytes(200_000),))]
        return exchange(wire, *statements, waiting=WAITING.get(), patience=patience)[1].rowcount

    found, rounds = in_loop(work)
    assert found == 1
    assert rounds > 5
    assert ask(wire, "SELECT 1").rowcount == 1


def test_who_does_not_wait_for_the_end_leaves_nothing_half_said(wire):
    begun = asyncio.Event()

    def work():
        begun.set()
        exchange(wire, ("SELECT pg_sleep(30)", ()), waiting=WAITING.get())

    async def go():
        task = asyncio.create_task(Greenlets(1).run(work))
        await begun.wait()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(go())
    assert wire.closed


def test_no_plan_reads_a_whole_table_that_has_an_index(address):
    db = PostgresConnection(address.replace("postgresql://", "postgresql+psycopg://"))
    try:
        db.execute("CREATE TABLE kept (n BIGINT, ends BIGINT)")
        db.execute("CREATE INDEX kept_by_end ON kept (ends)")
        db.execute("VACUUM kept")
        for _ in range(10):  # the table is empty, and known to be: the plan that is kept would be to read all of it
            db.execute("DELETE FROM kept WHERE ends <= ?", (1,))
        db.execute("INSERT INTO kept SELECT one, one + 10 FROM generate_series(1, 20000) AS one")
        name = db.execute(
            "SELECT name FROM pg_prepared_statements WHERE statement LIKE ?", ("DELETE FROM kept%",)
        ).fetchone()["name"]
        plan = " ".join(row[0] for row in db.execute(f"EXPLAIN EXECUTE {name} (1)"))
        assert "kept_by_end" in plan, plan
        assert "Seq Scan" not in plan
    finally:
        db.close()


@pytest.mark.parametrize("change", ["ALTER TABLE kept ADD COLUMN more BIGINT DEFAULT 7", "DEALLOCATE ALL"])
def test_what_a_server_remembers_wrongly_is_asked_anew(address, change):
    db = PostgresConnection(address.replace("postgresql://", "postgresql+psycopg://"))
    try:
        db.execute("CREATE TABLE kept (n BIGINT)")
        db.execute("INSERT INTO kept VALUES (?)", (1,))
        assert tuple(db.execute("SELECT * FROM kept").fetchone()) == (1,)
        db.execute(change)
        assert db.execute("SELECT * FROM kept").fetchone()["n"] == 1
    finally:
        db.close()


def test_a_connection_that_ends_inside_a_transaction_loses_all_of_it(address):
    db = PostgresConnection(address.replace("postgresql://", "postgresql+psycopg://"))
    try:
        db.execute("CREATE TABLE kept (n BIGINT)")
        db.execute("BEGIN IMMEDIATE")
        db.execute("INSERT INTO kept VALUES (?)", (1,))
        pid = db.execute("SELECT pg_backend_pid()").fetchone()[0]
        with psycopg.connect(address, autocommit=True) as other:
            other.execute("SELECT pg_terminate_backend(%s, 10000)", (pid,))
        with pytest.raises(StoreError, match="refused"):
            db.execute("INSERT INTO kept VALUES (?)", (2,))
        with pytest.raises(StoreError, match="broke"):
            db.execute("COMMIT")
        assert not db.in_transaction
        assert db.execute("SELECT count(*) FROM kept").fetchone()[0] == 0
    finally:
        db.close()
