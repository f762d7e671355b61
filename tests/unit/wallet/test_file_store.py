"""The store in a file, beyond what the contract and WS say."""

from datetime import UTC, datetime

import pytest

from vcred.errors import Locked, StoreError
from wallet._crypto import Argon2Cost
from wallet.file_store import FileStore
from wallet.store import DamagedRecord, Delete, MemoryStore, Put

CHEAP = Argon2Cost(memory_kib=8, passes=1, lanes=1)
PIN, NEXT = "314159", "161803"


@pytest.fixture
def path(tmp_path):
    place = tmp_path / "wallet.db"
    with FileStore(place, pin=PIN, cost=CHEAP) as store:
        store.write([Put(table="t", record="r", value=b"value")])
    return place


def test_a_pin_has_six_characters_at_least(tmp_path, path):
    with pytest.raises(ValueError, match="at least 6"):
        FileStore(tmp_path / "new.db", pin="12345", cost=CHEAP)
    FileStore(tmp_path / "new.db", pin="123456", cost=CHEAP).close()
    with FileStore(path, pin=PIN) as store, pytest.raises(ValueError, match="at least 6"):
        store.change_pin(old=PIN, new="12345")


def test_the_default_cost_is_the_strong_one(tmp_path):
    with FileStore(tmp_path / "w.db", pin=PIN) as store:
        assert store._vault.cost("pin") == Argon2Cost(memory_kib=65536, passes=3, lanes=4)


def test_a_pin_is_asked_for_by_a_function(path):
    with FileStore(path, pin=lambda: PIN) as store:
        assert store.read("t", "r") == b"value"


def test_a_device_key_is_32_bytes_or_a_file(tmp_path):
    with pytest.raises(ValueError, match="32 bytes"):
        FileStore(tmp_path / "w.db", pin=PIN, device_key=b"short", cost=CHEAP)
    with FileStore(tmp_path / "w.db", pin=PIN, device_key=tmp_path / "key", cost=CHEAP) as store:
        assert store.ids("t") == ()
    assert len((tmp_path / "key").read_bytes()) == 32
    (tmp_path / "key").write_bytes(b"cut")
    with pytest.raises(Locked, match="damaged"):
        FileStore(tmp_path / "w.db", pin=PIN, device_key=tmp_path / "key")


def test_changing_the_pin_closes_the_old_way_in(path):
    with FileStore(path, pin=PIN) as store:
        store.change_pin(old=PIN, new=NEXT)
        assert store.read("t", "r") == b"value"
    with pytest.raises(Locked, match="wrong PIN"):
        FileStore(path, pin=PIN)
    with FileStore(path, pin=NEXT) as store:
        assert store.read("t", "r") == b"value"


def test_a_wrong_old_pin_counts_as_an_attempt(path):
    with FileStore(path, pin=PIN) as store:
        for left in range(9, 0, -1):
            with pytest.raises(Locked, match=f"{left} attempts left"):
                store.change_pin(old=NEXT, new=NEXT)
        with pytest.raises(Locked, match="is locked"):
            store.rekey(pin=NEXT)
    with pytest.raises(Locked, match="recovery key"):
        FileStore(path, pin=PIN)


def test_rekeying_changes_every_ciphertext_and_no_content(path):
    with FileStore(path, pin=PIN) as store:
        recovery = store.add_recovery_key()
        before = store._db.execute("SELECT body FROM records").fetchall()
        store.rekey(pin=PIN)
        assert store._db.execute("SELECT body FROM records").fetchall() != before
        assert store.read("t", "r") == b"value"
    with pytest.raises(Locked, match="no recovery key"):
        FileStore.reset(path, recovery_key=recovery, pin=NEXT)
    with FileStore(path, pin=PIN) as store:
        assert store.read("t", "r") == b"value"


def test_rekeying_stops_at_a_record_it_cannot_read(path):
    with FileStore(path, pin=PIN) as store:
        store._db.execute("UPDATE records SET version = 9")
        with pytest.raises(DamagedRecord, match="t/r"):
            store.rekey(pin=PIN)
        store.write([Delete(table="t", record="r")])
        store.rekey(pin=PIN)


def test_a_newer_recovery_key_replaces_the_older(path):
    with FileStore(path, pin=PIN) as store:
        first, second = store.add_recovery_key(), store.add_recovery_key()
    with pytest.raises(Locked, match="wrong recovery key"):
        FileStore.reset(path, recovery_key=first, pin=NEXT)
    FileStore.reset(path, recovery_key=second, pin=NEXT).close()
    with pytest.raises(ValueError):
        FileStore.reset(path, recovery_key=second, pin="1")


def test_a_damaged_record_can_be_replaced(path):
    with FileStore(path, pin=PIN) as store:
        store._db.execute("UPDATE records SET version = 'x'")
        with pytest.raises(DamagedRecord):
            store.read("t", "r")
        store.write([Put(table="t", record="r", value=b"again")])
        assert store.read("t", "r") == b"again"


def test_a_slot_that_asks_for_too_much_memory_is_damage(path):
    with FileStore(path, pin=PIN) as store:
        store._db.execute("UPDATE slots SET memory = 99999999")
    with pytest.raises(DamagedRecord, match="slots/pin"):
        FileStore(path, pin=PIN)


@pytest.mark.parametrize("name", ["", "a b", "a/b", "x" * 65, "가"])
def test_names_are_plain(name):
    for make in (lambda: Put(table=name, record="r", value=b""), lambda: Delete(table="t", record=name)):
        with pytest.raises(ValueError):
            make()


def test_values_are_not_in_the_repr_of_a_change():
    assert "secret" not in repr(Put(table="t", record="r", value=b"secret"))


def test_a_folder_that_is_not_there_is_told(tmp_path):
    with pytest.raises(StoreError, match="No such file"):
        FileStore(tmp_path / "none" / "w.db", pin=PIN)


def test_a_time_without_zone_is_refused(path):
    with pytest.raises(ValueError):
        FileStore(path, pin=PIN, at=datetime(2026, 1, 1))
    FileStore(path, pin=PIN, at=datetime(2026, 1, 1, tzinfo=UTC)).close()


def test_memory_stores_of_one_device_derive_the_same():
    one, two = (MemoryStore(device_key=bytes(32)) for _ in range(2))
    assert one.derive("x") == two.derive("x") != MemoryStore().derive("x")


def test_sqlite_is_set_to_be_durable_and_to_overwrite(path):
    """What VACUUM does as well when there is room for it must hold without."""
    with FileStore(path, pin=PIN) as store:
        values = {
            name: store._db.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("secure_delete", "synchronous", "journal_mode", "locking_mode")
        }
    assert values == {"secure_delete": 1, "synchronous": 2, "journal_mode": "wal", "locking_mode": "exclusive"}
