"""What this installation has seen of a trust bundle: versions it must not fall below, and the latest time.

Rules:

1. A role's version never goes down, and one version has one content (``BundleRollback``).
2. When a newer root changes the keys of a role, that role's memory is dropped: a stolen key that pushed the version
   to the maximum is recovered from by rotating it (TUF specification 5.3.11). Rotating the snapshot's keys drops the
   memory of targets and status too, because the snapshot is what vouches for their versions.
3. The last seen time only moves forward.

A ``SeenState`` is a value. On disk it is a small JSON file beside the bundle, replaced atomically; a damaged file is
an error, never a fresh start.
"""

from __future__ import annotations

import os
import re
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from vcred._files import write_whole
from vcred.errors import BundleRollback, MalformedError, TrustError
from vcred.formats._wire import dump_json, epoch, parse_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime
    from pathlib import Path

__all__ = [
    "ROLES",
    "RoleSeen",
    "SeenMemory",
    "SeenState",
    "in_turn",
    "read_seen",
    "update_seen",
    "write_seen",
]

ROLES = ("root", "timestamp", "snapshot", "targets", "status")
"""The order in which TUF loads them; ``status`` is the role that targets delegates to."""

_HEX = re.compile(r"[0-9a-f]{64}")
_MAX_BYTES = 65536
_WRITE_EVERY = 60
"""Seconds of progress before the last seen time is written again: no disk write per verification."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleSeen:
    """The highest version of one role, the SHA-256 of its signed part, and the ids of the keys it was signed under."""

    version: int
    sha256: str
    keys: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenState:
    """The memory. ``SeenState()`` is that of an installation which has seen nothing yet."""

    roles: Mapping[str, RoleSeen] = field(default_factory=lambda: MappingProxyType({}))
    last_seen: int | None = None

    def accept(self, roles: Mapping[str, RoleSeen]) -> SeenState:
        """The memory after seeing ``roles``. Raises ``BundleRollback`` (rules 1 and 2)."""
        rotated = _rotated(self.roles, roles)
        for role in ROLES:
            known, offered = self.roles.get(role), roles[role]
            if known is None or role in rotated:
                continue
            if offered.version < known.version:
                raise BundleRollback(f"{role} version {offered.version}: version {known.version} has been seen")
            if offered.version == known.version and offered.sha256 != known.sha256:
                raise BundleRollback(f"{role} version {offered.version} has been seen with other content")
        return replace(self, roles=MappingProxyType(dict(roles)))

    def joined(self, other: SeenState) -> SeenState:
        """What this and ``other`` have seen together: never less than either (rules 1 to 3)."""
        times = [time for time in (self.last_seen, other.last_seen) if time is not None]
        return SeenState(roles=_later(self.roles, other.roles), last_seen=max(times, default=None))

    def observe(self, at: datetime) -> SeenState:
        """The memory after the time ``at`` (rule 3)."""
        now = epoch(at)
        return self if self.last_seen is not None and now <= self.last_seen else replace(self, last_seen=now)

    def to_json(self) -> bytes:
        """The memory as ``parse`` reads it."""
        return dump_json(
            {
                "format": 2,
                "last_seen": self.last_seen,
                "roles": {
                    name: {"version": role.version, "sha256": role.sha256, "keys": list(role.keys)}
                    for name, role in self.roles.items()
                },
            }
        )

    @classmethod
    def parse(cls, raw: bytes) -> SeenState:
        """Read what ``to_json`` wrote. Raises ``TrustError`` for anything else."""
        try:
            body = parse_json(raw, "", max_bytes=_MAX_BYTES, max_depth=6)
        except MalformedError as error:
            raise TrustError(f"the memory of seen bundles is damaged: {error.code.value}") from error
        if not isinstance(body, dict) or set(body) != {"format", "last_seen", "roles"} or body["format"] != 2:
            raise TrustError("the memory of seen bundles is damaged: not in our format")
        last_seen, roles = body["last_seen"], body["roles"]
        if not (last_seen is None or type(last_seen) is int) or not isinstance(roles, dict):
            raise TrustError("the memory of seen bundles is damaged: not in our format")
        if roles and set(roles) != set(ROLES):
            raise TrustError("the memory of seen bundles is damaged: roles")
        return cls(roles=MappingProxyType({name: _role(value) for name, value in roles.items()}), last_seen=last_seen)


class SeenMemory:
    """The one mutable thing: the present ``SeenState``, and the file it is kept in, if any."""

    def __init__(self, state: SeenState, *, path: Path | None) -> None:
        """``state`` is what has been written to ``path`` already."""
        self.state = state
        self._path = path
        self._written = state.last_seen

    def observe(self, at: datetime) -> None:
        """Remember that ``at`` has passed. Written at most once a minute. Raises ``TrustError``."""
        self.state = self.state.observe(at)
        last = self.state.last_seen
        if self._path is None or last is None:
            return
        if self._written is None or last >= self._written + _WRITE_EVERY:
            self.save()

    def save(self) -> None:
        """Write to the file, if there is one, what was seen here and what others wrote. Raises ``TrustError``."""
        if self._path is not None:
            # Another thread may have seen a later time meanwhile.
            self.state = update_seen(self._path, self.state).joined(self.state)
            self._written = self.state.last_seen


def read_seen(path: Path) -> SeenState:
    """The memory stored at ``path``; an empty one if there is no file. Raises ``TrustError``."""
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        return SeenState()
    except OSError as error:
        raise TrustError(f"{path}: {error.strerror}") from error
    try:
        return SeenState.parse(raw)
    except TrustError as error:
        # Starting without it in silence would be the way back to an older bundle: a person has to decide that.
        raise TrustError(f"{path}: {error}; put a copy of it back, or delete it and sync at once") from error


def update_seen(path: Path, state: SeenState) -> SeenState:
    """Write ``state`` joined with what another process wrote meanwhile; returns what was written.

    A process that still works with an older bundle must not make the memory fall back to it. Raises ``TrustError``.
    """
    with in_turn(path):
        joined = state.joined(read_seen(path))
        write_seen(path, joined)
    return joined


def forget_time(path: Path, *, at: datetime) -> SeenState:
    """Set the last seen time to ``at``, backwards as well: for a person who knows that a clock had been ahead.

    What is fresh is judged from ``at`` on, so whoever may do this can make old status lists look new. Versions that
    were seen stay. Raises ``TrustError``.
    """
    with in_turn(path):
        state = replace(read_seen(path), last_seen=epoch(at))
        write_seen(path, state)
    return state


def write_seen(path: Path, state: SeenState) -> None:
    """Replace the memory at ``path`` in one step: after a crash it is the old one or this one.

    Raises ``TrustError`` when it cannot be written: a bundle is not used without its memory.
    """
    try:
        write_whole(path, state.to_json(), private=True)
    except OSError as error:
        raise TrustError(f"{path}: the memory of seen bundles cannot be written: {error.strerror}") from error


@contextmanager
def in_turn(path: Path) -> Iterator[None]:
    """Wait for the lock of the folder of ``path`` and hold it: nobody writes between our reading and our writing."""
    if os.name != "posix":
        yield
        return
    import fcntl  # noqa: PLC0415 - not there on other systems

    try:
        handle = os.open(path.parent, os.O_RDONLY)
    except OSError as error:
        raise TrustError(f"{path}: {error.strerror}") from error
    try:
        # A file system without locks: joining alone still keeps what was written before.
        with suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _rotated(known: Mapping[str, RoleSeen], offered: Mapping[str, RoleSeen]) -> frozenset[str]:
    if "root" not in known or offered["root"].version <= known["root"].version:
        return frozenset()
    changed = {role for role in ROLES[1:] if known[role].keys != offered[role].keys}
    return frozenset(changed | {"targets", "status"} if "snapshot" in changed else changed)


def _later(one: Mapping[str, RoleSeen], other: Mapping[str, RoleSeen]) -> Mapping[str, RoleSeen]:
    """Of each role the higher version; for a role whose keys a newer root changed, what was seen under that root."""
    if not one or not other:
        return one or other
    older, newer = sorted((one, other), key=lambda roles: roles["root"].version)
    rotated = _rotated(older, newer)
    return MappingProxyType(
        {
            role: newer[role] if role in rotated else max(newer[role], older[role], key=lambda seen: seen.version)
            for role in ROLES
        }
    )


def _role(value: Any) -> RoleSeen:
    if not isinstance(value, dict) or set(value) != {"version", "sha256", "keys"}:
        raise TrustError("the memory of seen bundles is damaged: role")
    version, sha256, keys = value["version"], value["sha256"], value["keys"]
    if type(version) is not int or version < 1 or not isinstance(sha256, str) or not _HEX.fullmatch(sha256):
        raise TrustError("the memory of seen bundles is damaged: version")
    if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
        raise TrustError("the memory of seen bundles is damaged: keys")
    return RoleSeen(version=version, sha256=sha256, keys=tuple(keys))
