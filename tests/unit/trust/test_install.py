"""Installing a bundle: whole or not at all, whoever is killed when, and never an older one over a newer one."""

from __future__ import annotations

import contextlib
import errno
import os
import random
import resource
import stat
from datetime import timedelta

import pytest

from tests.killed import in_child, killed_at
from tests.trust_town import AT, DAY, Town, refusal
from vcred.errors import BundleExpired, BundleRollback, BundleSignature, StoreError, TrustError
from vcred.keys import SoftwareSigner
from vcred.trust import TrustBundle
from vcred.trust.install import install
from vcred.trust.publish import new_root, single_key
from vcred.trust.seen import read_seen


@pytest.fixture(scope="module")
def town() -> Town:
    return Town()


@pytest.fixture(scope="module")
def packs(town):
    return {version: town.pack(version=version) for version in range(1, 7)}


class Home:
    """A terminal's folder."""

    def __init__(self, folder, town):
        self.folder, self.town = folder, town
        self.bundle, self.seen, self.root = folder / "kr.trust", folder / "trust.seen", folder / "kr-root.json"

    def install(self, raw, **changes):
        usual = {"bundle": self.bundle, "root": self.town.root, "seen": self.seen, "pin": self.root, "at": AT}
        return install(raw, **usual | changes)

    def load(self):
        return TrustBundle.load(self.bundle, root=self.root, seen=self.seen)

    def names(self):
        return sorted(path.name for path in self.folder.iterdir())

    def state(self):
        return {path.name: path.read_bytes() for path in self.folder.iterdir()}


@pytest.fixture
def home(tmp_path, town):
    return Home(tmp_path, town)


ALL = ["kr-root.json", "kr.trust", "trust.seen"]


def test_first_newer_and_same(home, packs):
    first = home.install(packs[1])
    assert (first.before, first.after.version, first.replaced) == (None, 1, True)
    assert home.names() == ALL
    newer = home.install(packs[2])
    assert (newer.before.version, newer.after.version, newer.replaced) == (1, 2, True)
    before = home.bundle.stat().st_ino
    assert not home.install(packs[2]).replaced
    assert home.bundle.stat().st_ino == before
    assert home.load().version == 2


def test_the_time_of_a_good_install_is_remembered(home, packs):
    home.install(packs[1])
    assert read_seen(home.seen).last_seen == int(AT.timestamp())
    assert refusal(lambda: home.load().check_time(AT - timedelta(hours=1))) == "clock"


def test_a_clock_that_is_behind_is_not_remembered_and_the_bundle_is_taken(home, packs):
    assert home.install(packs[1], at=AT - 400 * DAY).after.version == 1
    assert read_seen(home.seen).last_seen is None


@pytest.mark.parametrize("wrong", ["older", "same version, other content", "tampered", "expired", "no bundle"])
def test_what_is_refused_changes_nothing(home, town, packs, wrong):
    home.install(packs[3])
    raw, error = {
        "older": (packs[2], BundleRollback),
        "same version, other content": (town.pack(version=3), BundleRollback),
        "tampered": (packs[4][:500] + bytes([packs[4][500] ^ 1]) + packs[4][501:], TrustError),
        "expired": (town.pack(version=4, expires=AT - timedelta(hours=1)), BundleExpired),
        "no bundle": (b"PK", TrustError),
    }[wrong]
    before = home.state()
    with pytest.raises(error):
        home.install(raw)
    assert home.state() == before


def test_a_stale_process_does_not_put_an_older_bundle_over_a_newer_one(home, packs):
    """Not even after a crash in which the memory did not learn of the newer one."""
    home.install(packs[1])
    old_memory = home.seen.read_bytes()
    home.install(packs[5])
    home.seen.write_bytes(old_memory)
    with pytest.raises(BundleRollback):
        home.install(packs[3])
    assert home.bundle.read_bytes() == packs[5]
    assert home.load().version == 5


def test_another_root_than_the_pinned_one(home, town, packs):
    home.install(packs[1])
    key = SoftwareSigner.generate()
    other = new_root(version=1, roles=single_key(key.public_key), signers=[key], expires=AT + 900 * DAY)
    before = home.state()
    with pytest.raises(TrustError, match="another root"):
        home.install(town.pack(version=2), root=other)
    with pytest.raises(BundleSignature):
        home.install(town.pack(version=2), root=other, pin=None)
    assert home.state() == before


def test_a_root_is_not_pinned_for_a_bundle_that_does_not_verify(home, packs):
    with pytest.raises(TrustError):
        home.install(packs[1][:-30])
    assert home.names() == []


def test_the_memory_may_be_in_another_folder(home, packs, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    home.install(packs[1], seen=tmp_path / "elsewhere" / "seen", pin=None)
    assert read_seen(tmp_path / "elsewhere" / "seen").roles["targets"].version == 1


def test_permissions(home, packs):
    old = os.umask(0o022)
    try:
        home.install(packs[1])
    finally:
        os.umask(old)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in home.folder.iterdir()}
    assert modes == {"kr-root.json": 0o644, "kr.trust": 0o644, "trust.seen": 0o600}


def steps(home, action, check):
    """Kill ``action`` at its first step, its second, and so on, each time from the state it is called with."""
    start, step = home.state(), 0
    while True:
        step += 1
        for path in home.folder.iterdir():
            path.unlink()
        for name, raw in start.items():
            (home.folder / name).write_bytes(raw)
        if not killed_at(step, home.folder, action):
            return step - 1
        check()


def test_kill_9_at_every_step_of_an_update(home, packs):
    home.install(packs[1])
    found = set()

    def check():
        raw = home.bundle.read_bytes()
        assert raw in (packs[1], packs[2])
        loaded = home.load()
        found.add(loaded.version)
        loaded.check_time(AT)
        home.install(packs[2])
        assert home.names() == ALL
        assert home.load().version == 2
        assert read_seen(home.seen).roles["timestamp"].version == 2

    assert steps(home, lambda: home.install(packs[2]), check) > 15
    assert found == {1, 2}


def test_kill_9_at_every_step_of_a_first_install(home, packs):
    found = set()

    def check():
        found.add(tuple(name for name in home.names() if not name.startswith(".")))
        if home.bundle.exists():
            assert home.load().version == 1
        home.install(packs[1])
        assert home.names() == ALL
        assert home.load().version == 1

    assert steps(home, lambda: home.install(packs[1]), check) > 15
    assert found == {(), ("kr-root.json",), ("kr-root.json", "kr.trust"), tuple(ALL)}


def test_many_processes_at_once_leave_the_newest(home, packs):
    home.install(packs[1])

    def work(seed):
        dice = random.Random(seed)
        for _ in range(6):
            version = dice.randint(2, 5)
            with contextlib.suppress(BundleRollback):
                home.install(packs[version])
            assert home.load().version >= version
        home.install(packs[6])

    children = []
    for seed in range(4):
        child = os.fork()
        if child == 0:
            code = 1
            try:
                work(seed)
                code = 0
            finally:
                os._exit(code)
        children.append(child)
    assert [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children] == [0] * 4
    assert home.bundle.read_bytes() == packs[6]
    assert home.names() == ALL
    assert read_seen(home.seen).roles["timestamp"].version == 6


@pytest.mark.parametrize("part", [0.0, 0.01, 0.5, 0.999])
def test_a_full_disk_leaves_the_old_state(home, packs, part):
    home.install(packs[1])
    before = home.state()

    def limited():
        limit = int(len(packs[2]) * part)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        with pytest.raises(StoreError, match=os.strerror(errno.EFBIG)):
            home.install(packs[2])

    assert in_child(limited) == 0
    assert home.state() == before
    home.install(packs[2])
    assert home.load().version == 2


def test_a_disk_that_fails_at_any_step_leaves_a_state_that_works(home, packs, monkeypatch):
    real, left = os.fsync, 0

    def failing(handle):
        nonlocal left
        left -= 1
        if left == 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(handle)

    versions = []
    for step in range(1, 5):
        for path in home.folder.iterdir():
            path.unlink()
        home.install(packs[1])
        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", failing)
            left = step
            with pytest.raises(StoreError, match=os.strerror(errno.ENOSPC)):
                home.install(packs[2])
        assert home.names() == ALL
        versions.append(home.load().version)
    assert versions == [1, 1, 2, 2]


def test_tf_11_a_damaged_bundle_is_refused_by_load_and_replaced_by_install(home, packs):
    home.install(packs[2])
    good = home.bundle.read_bytes()
    for damaged in (b"", good[:-1], good[:700] + b"\0" + good[701:], packs[1]):
        home.bundle.write_bytes(damaged)
        with pytest.raises(TrustError):
            home.load()
        assert home.install(packs[2]).before is None
        assert home.bundle.read_bytes() == good
    home.bundle.unlink()
    with pytest.raises(TrustError):
        home.load()
    with pytest.raises(BundleRollback):
        home.install(packs[1])
    assert home.install(packs[2]).replaced


def test_tf_11_a_damaged_memory_is_refused_by_load_and_by_install(home, packs):
    home.install(packs[1])
    for damaged in (b"", b"{}", home.seen.read_bytes()[:-1]):
        home.seen.write_bytes(damaged)
        with pytest.raises(TrustError, match="damaged"):
            home.load()
        with pytest.raises(TrustError, match="damaged"):
            home.install(packs[2])
        assert home.bundle.read_bytes() == packs[1]


def test_a_folder_that_is_not_there(home, packs, tmp_path):
    with pytest.raises(TrustError):
        home.install(packs[1], bundle=tmp_path / "none" / "kr.trust", seen=tmp_path / "none" / "seen", pin=None)
