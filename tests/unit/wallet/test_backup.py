"""Backup and restore."""

import traceback

import pytest

from tests.wallet_kit import AT
from vcred import ReasonCode
from vcred.errors import RefusedError, StoreError
from vcred.testing import World
from wallet import CertificateState, FileStore, MemoryStore, Wallet, new_recovery_key, restore
from wallet._crypto import Argon2Cost

CODE = "resident.personal"
ADDRESS = "bank.address-change"
CHEAP = Argon2Cost(memory_kib=8, passes=1, lanes=1)
DEVICE = bytes(range(32))


@pytest.fixture
def world():
    made = World(at=AT)
    made.wallet = Wallet(store=MemoryStore(device_key=DEVICE), trust=made.trust)
    made.issue(CODE)
    made.ask(ADDRESS)
    return made


@pytest.fixture
def key():
    return new_recovery_key()


@pytest.fixture
def file(world, key, tmp_path):
    path = tmp_path / "wallet.backup"
    world.wallet.backup(path, recovery_key=key)
    return path


def restored(world, file, key, device):
    store = MemoryStore(device_key=device)
    restore(store, file, recovery_key=key)
    return Wallet(store=store, trust=world.trust)


def refused(world, file, key):
    with pytest.raises(RefusedError) as error:
        restored(world, file, key, DEVICE)
    assert error.value.code is ReasonCode.INTEGRITY


def test_on_the_same_device_everything_comes_back(world, file, key):
    wallet = restored(world, file, key, DEVICE)
    before, after = world.wallet.certificates(), wallet.certificates()
    assert [one.id for one in before] == [one.id for one in after]
    assert wallet.history() == world.wallet.history()
    assert wallet.claims(after[0].id) == world.wallet.claims(after[0].id)


def test_copies_that_may_have_been_shown_since_count_as_shown(world, file, key):
    world.wallet = restored(world, file, key, DEVICE)
    (held,) = world.wallet.certificates()
    assert (held.state, held.unused) == (CertificateState.USED_UP, 0)
    request = world.request(ADDRESS)
    answer = world.wallet.present(world.match(request).approve(reuse=True), at=world.at)
    assert world.verify(answer, request)


def test_ws_06_on_another_device_keys_do_not_come_back(world, file, key):
    world.wallet = restored(world, file, key, bytes(32))
    (held,) = world.wallet.certificates()
    assert (held.state, held.unused) == (CertificateState.REISSUE, 0)
    assert world.wallet.claims(held.id)["name"]
    asked = world.match(world.request(ADDRESS))
    assert [one.why for one in asked.missing] == [("reissue",)]
    world.issue(CODE)
    assert world.ask(ADDRESS), "issued again, it can be shown"


def test_the_same_into_a_file_and_with_the_wallets_own_method(world, key, tmp_path):
    world.wallet.backup(tmp_path / "b", recovery_key=key)
    with FileStore(tmp_path / "new.db", pin="314159", device_key=DEVICE, cost=CHEAP) as store:
        restore(store, tmp_path / "b", recovery_key=key.lower().replace("-", " "))
        assert len(Wallet(store=store, trust=world.trust).certificates()) == 1
    assert (tmp_path / "b").stat().st_mode & 0o777 == 0o600


def test_nothing_is_readable_in_a_backup(world, file):
    raw = file.read_bytes()
    for text in (CODE, "가람", world.catalog[CODE].sample["name"], "Garam"):
        assert text.encode() not in raw


@pytest.mark.parametrize("place", [0, 30, 60, -1])
def test_a_changed_byte_is_refused(world, file, key, place):
    raw = bytearray(file.read_bytes())
    raw[place] ^= 1
    file.write_bytes(raw)
    refused(world, file, key)


def test_a_cut_an_empty_and_a_foreign_file_are_refused(world, file, key):
    whole = file.read_bytes()
    for raw in (whole[:-1], whole[:40], b"", b"PK\3\4", whole + b"\0"):
        file.write_bytes(raw)
        refused(world, file, key)


def test_another_recovery_key_and_no_key_at_all(world, file):
    refused(world, file, new_recovery_key())
    with pytest.raises(ValueError, match="recovery key"):
        restored(world, file, "password1", DEVICE)
    with pytest.raises(ValueError, match="recovery key"):
        world.wallet.backup(file, recovery_key="")


def test_only_what_is_not_here_comes_back(world, file, key):
    (first,) = world.wallet.certificates()
    world.issue("edu.graduation")
    store = world.wallet._store
    assert restore(store, file, recovery_key=key) == 0
    assert first in world.wallet.certificates()
    world.wallet.delete(first.id)
    assert restore(store, file, recovery_key=key) == 1
    assert {one.code for one in world.wallet.certificates()} == {CODE, "edu.graduation"}
    assert len(world.wallet.history()) == 1


def test_ws_11_a_recovery_key_is_not_in_a_traceback_with_variables(file, tmp_path):
    key = new_recovery_key()
    for place in (file, tmp_path / "none"):
        with pytest.raises((RefusedError, StoreError)) as error:
            restore(MemoryStore(), place, recovery_key=key)
        ours = error.value.with_traceback(error.value.__traceback__.tb_next)
        text = "".join(traceback.TracebackException.from_exception(ours, capture_locals=True).format())
        assert "in restore" in text
        assert key not in text


def test_a_missing_file_is_told(world, key, tmp_path):
    with pytest.raises(StoreError, match="No such file"):
        restored(world, tmp_path / "none", key, DEVICE)
