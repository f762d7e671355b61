"""Hostile cases WS: what happens to a wallet's store (threats.md)."""

import io
import logging
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import textwrap
import traceback
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from vcred.errors import ConsentError, Locked, NotFound, StoreError
from vcred.formats import _cbor
from vcred.keys import SoftwareSigner
from vcred.reasons import ReasonCode
from vcred.testing import World
from wallet import CertificateState, MemoryStore, Wallet, forbid_core_dumps, new_recovery_key, restore
from wallet._crypto import Argon2Cost, recovery_secret
from wallet._disk import SCHEMA_VERSION
from wallet._records import CopyRecord, load_all
from wallet.backup import _opened
from wallet.file_store import FileStore
from wallet.store import DamagedRecord, Delete, Put

CHEAP = Argon2Cost(memory_kib=8, passes=1, lanes=1)
PIN, WRONG, NEXT = "314159", "271828", "161803"
TEXT = b"CLAIM-TEXT-" * 40
AT = datetime(2026, 11, 20, 3, 0, tzinfo=UTC)


def opened(path, pin=PIN, **more):
    return FileStore(path, pin=pin, cost=CHEAP, **more)


@contextmanager
def database(path):
    """The file as a thief sees it."""
    db = sqlite3.connect(path)
    try:
        yield db
        db.commit()
    finally:
        db.close()


@pytest.fixture
def path(tmp_path):
    place = tmp_path / "wallet.db"
    with opened(place) as store:
        store.write(
            [Put(table=table, record=f"{table}{n}", value=TEXT) for table in ("keys", "copies") for n in (1, 2)]
        )
    return place


def every_file(path):
    return {one.name: one.read_bytes() for one in path.parent.iterdir() if one.name.startswith(path.name)}


# WS-01


def test_ws_01_ten_wrong_pins_with_restarts_and_clock_changes_lock_for_good(path):
    clocks = [AT, AT - timedelta(days=400), AT + timedelta(days=400), AT, None]
    for n in range(10):
        at = None if n >= 5 else clocks[n]
        with pytest.raises(Locked, match="wrong PIN"):
            opened(path, WRONG, at=at)
    for at in clocks:
        with pytest.raises(Locked, match="recovery key"):
            opened(path, at=at)


def test_ws_01_a_right_pin_starts_the_count_over(path):
    for _ in range(3):
        for _ in range(9):
            with pytest.raises(Locked):
                opened(path, WRONG)
        opened(path).close()


def test_ws_01_the_pin_is_not_even_asked_for_when_locked(path):
    for _ in range(10):
        with pytest.raises(Locked):
            opened(path, WRONG)

    def ask():
        raise AssertionError("asked")

    with pytest.raises(Locked):
        opened(path, ask)


def test_ws_01_an_attempt_counts_although_the_process_dies_before_the_answer(path):
    script = f"""
    import os, signal
    from wallet import _vault
    from wallet.file_store import FileStore
    _vault.wrapping_key = lambda *a, **k: os.kill(os.getpid(), signal.SIGKILL)
    FileStore({str(path)!r}, pin={WRONG!r})
    """
    for _ in range(10):
        assert run(script) == -signal.SIGKILL
    with pytest.raises(Locked, match="recovery key"):
        opened(path)


def test_ws_01_attempts_after_the_fifth_wait_and_a_changed_clock_gains_none(path):
    for _ in range(5):
        with pytest.raises(Locked, match="wrong PIN"):
            opened(path, WRONG, at=AT)
    for early in (AT, AT + timedelta(seconds=59), AT - timedelta(days=1)):
        with pytest.raises(Locked, match="wait"):
            opened(path, at=early)
    with pytest.raises(Locked, match="4 attempts left"):
        opened(path, WRONG, at=AT + timedelta(days=400))
    with pytest.raises(Locked, match="wait"):
        opened(path, at=AT + timedelta(days=1))
    opened(path, at=AT + timedelta(days=400, seconds=300)).close()


@pytest.mark.parametrize(
    "edit", ["UPDATE attempts SET failed = 0", "DELETE FROM attempts", "UPDATE attempts SET seen = 9"]
)
def test_ws_01_an_edited_count_is_noticed(path, edit):
    with pytest.raises(Locked):
        opened(path, WRONG)
    with database(path) as db:
        db.execute(edit)
    with pytest.raises(DamagedRecord, match="attempts/1"):
        opened(path)


def test_ws_01_a_locked_store_opens_with_its_recovery_key_and_a_new_pin(path):
    with opened(path) as store:
        recovery = store.add_recovery_key()
    for _ in range(10):
        with pytest.raises(Locked):
            opened(path, WRONG)
    with pytest.raises(Locked, match="wrong recovery key"):
        FileStore.reset(path, recovery_key="AAAA-" * 7 + "AAAA", pin=NEXT)
    with FileStore.reset(path, recovery_key=recovery.lower(), pin=NEXT) as store:
        assert store.read("keys", "keys1") == TEXT
    with pytest.raises(Locked, match="9 attempts left"):
        opened(path)
    opened(path, NEXT).close()


def test_ws_01_without_a_recovery_key_there_is_no_reset(path):
    with pytest.raises(Locked, match="restore a backup"):
        FileStore.reset(path, recovery_key="AAAA-" * 7 + "AAAA", pin=NEXT)


# WS-02


def test_ws_02_a_stolen_store_does_not_open_without_the_device_key(path, tmp_path):
    stolen = tmp_path / "elsewhere" / "wallet.db"
    stolen.parent.mkdir()
    shutil.copy(path, stolen)
    with pytest.raises(Locked, match="device"):
        opened(stolen)
    assert not stolen.with_name("wallet.db.device").exists(), "no new device key for an old store"
    with pytest.raises(Locked, match="device"):
        opened(stolen, device_key=bytes(32))
    with opened(stolen, device_key=path.with_name("wallet.db.device").read_bytes()) as store:
        assert store.read("keys", "keys1") == TEXT


def test_ws_02_a_device_key_of_the_phone_is_never_written(tmp_path):
    key = bytes(range(32))
    opened(tmp_path / "w.db", device_key=key).close()
    assert not (tmp_path / "w.db.device").exists()
    assert not [name for name, raw in every_file(tmp_path / "w.db").items() if key in raw]


def test_ws_02_files_are_for_their_owner_only(path):
    with opened(path):
        assert {one.stat().st_mode & 0o777 for one in path.parent.iterdir()} == {0o600}


# WS-03 and WS-04


def test_ws_03_swapped_records_are_refused_and_the_others_stay_usable(path):
    with database(path) as db:
        one, two = (
            db.execute("SELECT body FROM records WHERE id = ?", (name,)).fetchone()[0] for name in ("keys1", "copies1")
        )
        db.execute("UPDATE records SET body = ? WHERE id = 'keys1'", (two,))
        db.execute("UPDATE records SET body = ? WHERE id = 'copies1'", (one,))
    with opened(path) as store:
        for table in ("keys", "copies"):
            with pytest.raises(DamagedRecord) as error:
                store.read(table, f"{table}1")
            assert (error.value.code, error.value.path) == (ReasonCode.INTEGRITY, f"{table}/{table}1")
            assert store.read(table, f"{table}2") == TEXT


def test_ws_03_a_record_moved_to_another_table_or_id_or_version_is_refused(path):
    with database(path) as db:
        db.execute("UPDATE records SET tab = 'copies' WHERE id = 'keys1'")
        db.execute("UPDATE records SET id = 'keys3' WHERE id = 'keys2'")
        db.execute("UPDATE records SET version = 2 WHERE id = 'copies1'")
    with opened(path) as store:
        for table, record in (("copies", "keys1"), ("keys", "keys3"), ("copies", "copies1")):
            with pytest.raises(DamagedRecord, match=f"{table}/{record}"):
                store.read(table, record)
        assert store.read("copies", "copies2") == TEXT


def test_ws_03_a_record_of_another_wallet_is_refused(path, tmp_path):
    device = path.with_name("wallet.db.device").read_bytes()
    other = tmp_path / "other.db"
    with opened(other, device_key=device) as store:
        store.write([Put(table="keys", record="keys1", value=TEXT)])
    with database(other) as db:
        body = db.execute("SELECT body FROM records").fetchone()[0]
    with database(path) as db:
        db.execute("UPDATE records SET body = ? WHERE id = 'keys1'", (body,))
    with opened(path) as store, pytest.raises(DamagedRecord, match="keys/keys1"):
        store.read("keys", "keys1")


COLUMNS = {
    "header": ("wallet_id", "device", "digest"),
    "slots": ("salt", "wrapped", "mac"),
    "attempts": ("mac",),
    "records": ("body",),
}


@pytest.mark.parametrize(
    ("table", "column"), [(table, column) for table, columns in COLUMNS.items() for column in columns]
)
@pytest.mark.parametrize("place", [0, -1])
def test_ws_04_one_flipped_bit_is_refused_by_name(path, table, column, place):
    with database(path) as db:
        row, value = db.execute(f"SELECT rowid, {column} FROM {table}").fetchone()
        flipped = bytearray(value)
        flipped[place] ^= 1
        db.execute(f"UPDATE {table} SET {column} = ? WHERE rowid = ?", (bytes(flipped), row))
    name = {"header": "header/1", "slots": "slots/pin", "attempts": "attempts/1", "records": "keys/keys1"}[table]
    if table == "records":
        with opened(path) as store:
            assert store.read("keys", "keys2") == TEXT
            with pytest.raises(DamagedRecord, match=name):
                store.read("keys", "keys1")
    else:
        with pytest.raises(DamagedRecord, match=name):
            opened(path)


def test_ws_04_any_flipped_bit_of_the_file_loses_at_most_what_it_hit(path):
    """Every answer is the written bytes or an error of ours, wherever the bit is."""
    whole = path.read_bytes()
    chosen = random.Random(4).sample(range(len(whole) * 8), 60)
    for bit in chosen:
        raw = bytearray(whole)
        raw[bit // 8] ^= 1 << bit % 8
        path.write_bytes(raw)
        try:
            with opened(path) as store:
                for table in ("keys", "copies"):
                    for record in store.ids(table):
                        try:
                            assert store.read(table, record) == TEXT
                        except StoreError:
                            continue
        except StoreError:
            continue
        finally:
            path.with_name("wallet.db-wal").unlink(missing_ok=True)


# WS-07

STEPS = """
    import os, signal, sys
    from wallet._crypto import Argon2Cost
    from wallet.file_store import FileStore
    from wallet.store import Delete, Put
    store = FileStore({path!r}, pin={pin!r})
    left = [{step}]
    def die(statement):
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)
    store._db.set_trace_callback(die)
    {action}
    store._db.set_trace_callback(None)
    os._exit(7)
"""
SAVE = (
    "store.write([Put(table='keys', record='keys1', value=b'new'), Put(table='copies', record='fresh', value=b'new')])"
)
DELETE = "store.write([Delete(table='keys', record='keys1'), Delete(table='copies', record='copies1')])"


def run(script, *more):
    code = textwrap.dedent(script)
    return subprocess.run([sys.executable, "-c", code, *more], check=False, cwd=Path(__file__).parents[2]).returncode


def killed_at_each_step(path, action, look):
    """Run ``action`` in a process that is killed before its n-th statement, for every n; ``look`` at what is left."""
    kept = every_file(path)
    steps = 0
    while True:
        for one in every_file(path):
            (path.parent / one).unlink()
        for name, raw in kept.items():
            (path.parent / name).write_bytes(raw)
        steps += 1
        code = run(STEPS.format(path=str(path), pin=PIN, step=steps, action=action))
        if code == 7:
            break
        assert code == -signal.SIGKILL
        look(steps)
    return steps


def contents(store):
    return {(table, record): store.read(table, record) for table in ("keys", "copies") for record in store.ids(table)}


OLD = {(table, f"{table}{n}"): TEXT for table in ("keys", "copies") for n in (1, 2)}
SAVED = OLD | {("keys", "keys1"): b"new", ("copies", "fresh"): b"new"}
DELETED = {key: TEXT for key in OLD if key[1] not in ("keys1", "copies1")}


@pytest.mark.slow
@pytest.mark.parametrize(("action", "new"), [(SAVE, SAVED), (DELETE, DELETED)], ids=["save", "delete"])
def test_ws_07_killed_at_any_step_of_a_write_leaves_old_or_new(path, action, new):
    seen = []

    def look(step):
        with opened(path) as store:
            seen.append(contents(store))

    assert killed_at_each_step(path, action, look) > 4
    assert all(one in (OLD, new) for one in seen)
    assert seen[0] == OLD
    with opened(path) as store:
        assert contents(store) == new


@pytest.mark.slow
@pytest.mark.parametrize(
    ("action", "new_pin"),
    [(f"store.change_pin(old={PIN!r}, new={NEXT!r})", NEXT), (f"store.rekey(pin={PIN!r})", PIN)],
    ids=["PIN change", "rekey"],
)
def test_ws_07_killed_at_any_step_of_changing_keys_leaves_old_or_new(path, action, new_pin):
    def look(step):
        for pin in (PIN, new_pin):
            try:
                store = opened(path, pin)
            except Locked:
                continue
            with store:
                assert contents(store) == OLD
                return
        raise AssertionError(f"step {step}: neither PIN opens the store")

    assert killed_at_each_step(path, action, look) > 6
    with opened(path, new_pin) as store:
        assert contents(store) == OLD


@pytest.mark.slow
def test_ws_07_killed_at_any_step_of_making_the_store_leaves_none_or_one(tmp_path):
    script = """
    import os, signal, sqlite3
    from wallet import _disk, file_store
    from wallet._crypto import Argon2Cost
    real = _disk.connect
    left = [{step}]
    def connect(path):
        db = real(path)
        def die(statement):
            left[0] -= 1
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)
        db.set_trace_callback(die)
        return db
    file_store.connect = connect
    file_store.FileStore({path!r}, pin={pin!r}, cost=Argon2Cost(memory_kib=8, passes=1, lanes=1))
    os._exit(7)
    """
    for step in range(1, 30):
        place = tmp_path / f"{step}.db"
        code = run(script.format(step=step, path=str(place), pin=PIN))
        with opened(place) as store:
            assert contents(store) == {}
        if code == 7:
            return
    raise AssertionError("it never finished")


# WS-08


@pytest.fixture
def small_disk(tmp_path):
    """A real file system with room for little more than a store."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(place)], check=False, capture_output=True
    )
    if mounted.returncode:
        pytest.skip("a small file system cannot be mounted here (needs root)")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def fill(place):
    with (place / "other-app").open("wb", buffering=0) as file:
        block = 4096
        try:
            while True:
                file.write(bytes(block))
        except OSError:
            return


def test_ws_08_on_a_full_disk_saving_is_refused_and_deleting_works(small_disk):
    path = small_disk / "wallet.db"
    with opened(path) as store:
        store.write([Put(table="keys", record=f"k{n}", value=os.urandom(4096)) for n in range(20)])
        fill(small_disk)
        before = contents(store)
        with pytest.raises(StoreError, match="disk is full"):
            store.write([Put(table="keys", record="big", value=os.urandom(100_000))])
        assert contents(store) == before
        for n in range(10):
            store.write([Delete(table="keys", record=f"k{n}")])
        assert len(store.ids("keys")) == 10
    with opened(path) as store:
        assert store.ids("keys") == tuple(f"k{n}" for n in range(10, 20))


def test_ws_08_a_store_on_a_full_disk_still_opens_counts_and_deletes(small_disk):
    path = small_disk / "wallet.db"
    with opened(path) as store:
        store.write([Put(table="keys", record=f"k{n}", value=os.urandom(4096)) for n in range(20)])
    fill(small_disk)
    for _ in range(2):
        with pytest.raises(Locked, match="attempts left"):
            opened(path, WRONG)
    with opened(path) as store:
        store.write([Delete(table="keys", record="k0")])
        assert len(store.ids("keys")) == 19


# WS-09


def test_ws_09_a_second_process_is_told_and_the_first_goes_on(path):
    script = f"""
    import sys
    from vcred.errors import Locked
    from wallet.file_store import FileStore
    try:
        FileStore({str(path)!r}, pin={PIN!r})
    except Locked as error:
        sys.exit(9 if "open elsewhere" in str(error) else 1)
    """
    with opened(path) as store:
        assert run(script) == 9
        with pytest.raises(Locked, match="open elsewhere"):
            opened(path)
        assert store.read("keys", "keys1") == TEXT
    assert run(script) == 0


# WS-11


def test_ws_11_no_pin_key_or_claim_in_repr_log_or_traceback_with_variables(path, caplog):
    caplog.set_level(logging.DEBUG)
    shown = io.StringIO()

    def note(error):
        ours = error.with_traceback(error.__traceback__.tb_next)  # without this test's own variables
        shown.write("".join(traceback.TracebackException.from_exception(ours, capture_locals=True).format()))

    for pin in (WRONG, "12"):
        for place in (path, path.with_name("none.db")):
            try:
                with FileStore(place, pin=pin, cost=CHEAP) as store:
                    shown.write(repr(store))
            except (Locked, ValueError) as error:
                note(error)
    with opened(path) as store:
        shown.write(repr(store) + repr(vars(store)) + repr(vars(store._vault)))
        try:
            store.write([Put(table="keys", record="keys1", value=TEXT, new=True)])
        except StoreError as error:
            note(error)
        key = store._data_key.expose()
        device = store._device.expose()
    text = shown.getvalue() + caplog.text
    assert "in __init__" in text
    assert "in _apply" in text
    for secret in (PIN, WRONG, TEXT.decode(), repr(key)[2:-1], repr(device)[2:-1], key.hex(), device.hex()):
        assert secret not in text


@pytest.mark.slow
def test_ws_11_a_process_that_asks_for_it_leaves_no_core_file(tmp_path):
    code = "import os, resource, wallet; wallet.forbid_core_dumps(); assert resource.getrlimit(resource.RLIMIT_CORE) == (0, 0); os.abort()"
    child = subprocess.Popen(
        [sys.executable, "-c", code], cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    )
    _, status = os.waitpid(child.pid, 0)
    child.returncode = 0
    assert os.WTERMSIG(status) == signal.SIGABRT
    assert not os.WCOREDUMP(status)
    assert not list(tmp_path.iterdir())
    assert callable(forbid_core_dumps)


# WS-12


def test_ws_12_after_deletion_no_file_holds_the_ciphertext(path):
    bodies = {}
    with opened(path) as store:
        store.write(
            [
                Put(table="keys", record=f"m{n}", value=os.urandom(random.Random(n).randrange(50, 9000)))
                for n in range(60)
            ]
        )
        bodies = dict(store._db.execute("SELECT id, body FROM records"))
        gone = [f"m{n}" for n in range(0, 60, 2)]
        for name in gone:
            store.write([Delete(table="keys", record=name)])
        for moment in ("open", "closed"):
            if moment == "closed":
                store.close()
            files = every_file(path)
            for name in gone:
                pieces = [bodies[name][start : start + 24] for start in range(0, len(bodies[name]) - 24, 500)]
                assert not [file for file, raw in files.items() for piece in pieces if piece in raw]
            assert any(bodies["m1"][:24] in raw for raw in files.values()), "the scan can find what is there"


def test_ws_12_a_replaced_record_and_the_old_key_slot_are_gone_too(path):
    with opened(path) as store:
        old_body, old_slot = (
            store._db.execute(f"SELECT {c} FROM {t}").fetchone()[0]
            for c, t in (("body", "records"), ("wrapped", "slots"))
        )
        store.write([Put(table="keys", record="keys1", value=b"short")])
        store.rekey(pin=PIN)
        files = every_file(path)
        assert not [name for name, raw in files.items() if old_body[:24] in raw or old_slot[:24] in raw]
    with opened(path) as store, pytest.raises(NotFound):
        store.read("keys", "none")


# WS-13


def test_ws_13_a_newer_schema_is_refused_and_nothing_is_written(path):
    with database(path) as db:
        db.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    path.with_name("wallet.db.lock").unlink()
    before = every_file(path)
    with pytest.raises(StoreError, match="newer version"):
        opened(path)
    assert every_file(path) == before


def test_ws_13_a_file_that_is_no_wallet_is_left_alone(tmp_path):
    for name, raw in (("text", b"dear diary, " * 20), ("short", b"x")):
        (tmp_path / name).write_bytes(raw)
        with pytest.raises(StoreError, match="not a wallet"):
            opened(tmp_path / name)
        assert every_file(tmp_path / name) == {name: raw}
    with database(tmp_path / "theirs") as db:
        db.execute("PRAGMA application_id = 99")
    with pytest.raises(StoreError, match="not a wallet"):
        opened(tmp_path / "theirs")


# WS-06


def backed_up(tmp_path, device_key):
    """A wallet with one certificate, and its backup with the recovery key."""
    world = World(at=AT)
    world.wallet = Wallet(store=MemoryStore(device_key=device_key), trust=world.trust)
    world.issue("resident.personal")
    key = new_recovery_key()
    world.wallet.backup(tmp_path / "wallet.backup", recovery_key=key)
    return world, tmp_path / "wallet.backup", key


def test_ws_06_on_another_device_a_backup_shows_nothing_to_anybody(tmp_path):
    world, file, key = backed_up(tmp_path, bytes(32))
    store = MemoryStore(device_key=b"\1" * 32)
    assert restore(store, file, recovery_key=key) == 1
    world.wallet = Wallet(store=store, trust=world.trust)
    (held,) = world.wallet.certificates()
    assert (held.state, held.unused) == (CertificateState.REISSUE, 0)
    asked = world.match(world.request("bank.address-change"))
    assert [one.why for one in asked.missing] == [("reissue",)]
    for reuse in (False, True):
        with pytest.raises(ConsentError):
            asked.approve(reuse=reuse)
    world.issue("resident.personal")
    assert world.ask("bank.address-change"), "issued again, for keys of this device, it can be shown"


def test_ws_06_who_has_backup_and_recovery_key_has_no_holder_key(tmp_path):
    world, file, key = backed_up(tmp_path, bytes(32))
    copies = load_all(world.wallet._store, CopyRecord)
    keys = [one.key for one in copies.values()]
    opened_body = _cbor.encode(_opened(file.read_bytes(), recovery_secret(key)))
    assert all(one is not None for one in keys)
    # The private scalar: it would be there in any encoding of the key.
    scalars = [SoftwareSigner.from_der(one)._key.private_numbers().private_value.to_bytes(32, "big") for one in keys]
    assert not [one for one in (*keys, *scalars) if one in opened_body]
    other = MemoryStore(device_key=b"\1" * 32)
    restore(other, file, recovery_key=key)
    assert {one.key for one in load_all(other, CopyRecord).values()} == {None}
