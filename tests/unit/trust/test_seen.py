"""The memory of seen bundles: what it refuses, what it keeps, how it is written."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from vcred.errors import BundleRollback, TrustError
from vcred.trust.seen import ROLES, RoleSeen, SeenMemory, SeenState, read_seen, write_seen

AT = datetime(2026, 11, 2, tzinfo=UTC)


def roles(version=1, *, root=1, keys=("a",), mark="0"):
    each = {role: RoleSeen(version=version, sha256=mark * 64, keys=tuple(keys)) for role in ROLES}
    return each | {"root": RoleSeen(version=root, sha256="f" * 64, keys=("r",))}


def test_the_same_again_and_newer_are_accepted():
    state = SeenState().accept(roles(3))
    assert state.accept(roles(3)) == state
    assert state.accept(roles(4)).roles["timestamp"].version == 4


@pytest.mark.parametrize("role", ROLES)
def test_a_lower_version_of_any_role_is_a_rollback(role):
    state = SeenState().accept(roles(3, root=3))
    lower = roles(3, root=3)
    lower[role] = replace(lower[role], version=2)
    with pytest.raises(BundleRollback, match=f"{role} version 2"):
        state.accept(lower)


@pytest.mark.parametrize("role", ROLES)
def test_the_same_version_with_other_content_is_a_rollback(role):
    state = SeenState().accept(roles(3))
    other = roles(3)
    other[role] = replace(other[role], sha256="e" * 64)
    with pytest.raises(BundleRollback, match="other content"):
        state.accept(other)


def test_other_keys_without_a_newer_root_do_not_erase_the_memory():
    state = SeenState().accept(roles(9))
    with pytest.raises(BundleRollback):
        state.accept(roles(3, keys=("b",)))


def test_keys_rotated_by_a_newer_root_do():
    state = SeenState().accept(roles(2**31 - 1))
    assert state.accept(roles(3, root=2, keys=("b",))).roles["targets"].version == 3


def test_rotating_the_snapshot_keys_drops_the_memory_of_targets():
    state = SeenState().accept(roles(9))
    offered = roles(9, root=2) | {
        "snapshot": RoleSeen(version=1, sha256="1" * 64, keys=("b",)),
        "targets": RoleSeen(version=1, sha256="1" * 64, keys=("a",)),
    }
    assert state.accept(offered).roles["targets"].version == 1
    with pytest.raises(BundleRollback):
        state.accept(offered | {"timestamp": RoleSeen(version=1, sha256="1" * 64, keys=("a",))})


def test_the_last_seen_time_only_moves_forward():
    state = SeenState().observe(AT)
    assert state.observe(AT - timedelta(days=1)) is state
    assert state.observe(AT + timedelta(seconds=1)).last_seen == int(AT.timestamp()) + 1
    with pytest.raises(ValueError, match="aware"):
        state.observe(AT.replace(tzinfo=None))


def test_round_trip_and_file(tmp_path):
    state = SeenState().accept(roles(3)).observe(AT)
    assert SeenState.parse(state.to_json()) == state
    path = tmp_path / "kr.trust.seen"
    assert read_seen(path) == SeenState()
    write_seen(path, state)
    write_seen(path, state.observe(AT + timedelta(days=1)))
    assert read_seen(path).last_seen == int(AT.timestamp()) + 86400
    assert [each.name for each in tmp_path.iterdir()] == ["kr.trust.seen"]


def test_a_memory_that_cannot_be_written_is_an_error(tmp_path):
    with pytest.raises(TrustError, match="cannot be written"):
        write_seen(tmp_path / "missing" / "seen", SeenState())
    (tmp_path / "folder").mkdir()
    with pytest.raises(TrustError):
        write_seen(tmp_path / "folder", SeenState())
    with pytest.raises(TrustError):
        read_seen(tmp_path / "folder")


def test_times_are_written_once_a_minute(tmp_path):
    path = tmp_path / "seen"
    memory = SeenMemory(SeenState(), path=path)
    memory.observe(AT)
    first = path.read_bytes()
    memory.observe(AT + timedelta(seconds=59))
    assert path.read_bytes() == first
    assert memory.state.last_seen == int(AT.timestamp()) + 59
    memory.observe(AT + timedelta(seconds=60))
    assert read_seen(path).last_seen == int(AT.timestamp()) + 60


GOOD = SeenState().accept(roles(3)).observe(AT).to_json()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"format":2', b'"format":1'),
        (b'"format":2', b'"format":2,"more":0'),
        (b'"root":', b'"other":'),
        (b'"version":3', b'"version":0'),
        (b'"version":3', b'"version":true'),
        (b'"version":3', b'"version":3.0'),
        (b'"sha256":"0', b'"sha256":"g'),
        (b'"keys":["a"]', b'"keys":"a"'),
        (b'"keys":["a"]', b'"keys":[1]'),
        (b'"last_seen":1', b'"last_seen":"1"'),
        (b"}}}", b"}}"),
    ],
)
def test_a_damaged_memory_is_an_error(old, new):
    damaged = GOOD.replace(old, new, 1)
    assert damaged != GOOD
    with pytest.raises(TrustError, match="damaged"):
        SeenState.parse(damaged)
