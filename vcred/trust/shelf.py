"""The files of a trust repository on disk, by role, version and hash (``vcred.trust.repository`` has the layout).

A file that metadata names is given out only if it is the one that was hashed: officers look at it before they sign.
"""

from __future__ import annotations

import hashlib
import re
import shutil
from typing import TYPE_CHECKING

from vcred._files import write_whole
from vcred.errors import TrustError
from vcred.trust.pack import is_pack_name
from vcred.trust.roles import read_metadata

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["Shelf", "version_of"]

_METADATA = re.compile(r"([1-9][0-9]{0,9})\.(root|targets|status|snapshot)\.json")
_HASH = re.compile(r"[0-9a-f]{64}")
_KEPT = 7
"""Publications whose status lists stay, for clients that began before the last one."""


class Shelf:
    """What is staged and what is published in ``folder``. Checks no signature: that is for those who use it.

    Raises ``OSError``, and ``TrustError`` when a file that another one names is missing or another one.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def make(self) -> None:
        """Make the folders."""
        for part in ("staged/files", "published/metadata", "published/targets"):
            (self.folder / part).mkdir(parents=True, exist_ok=True)

    def root(self) -> bytes | None:
        """The newest published root."""
        roots = self.roots()
        return roots[max(roots)] if roots else None

    def roots(self) -> dict[int, bytes]:
        """The roots that clients can fetch, by version."""
        folder = self.folder / "published/metadata"
        return {int(path.name.split(".", 1)[0]): path.read_bytes() for path in folder.glob("*.root.json")}

    def published(self, role: str) -> bytes | None:
        """The published file of a role that the snapshot names, by way of the timestamp."""
        timestamp = self.read("published/metadata/timestamp.json")
        if timestamp is None:
            return None
        number = read_metadata(timestamp).signed.snapshot_meta.version
        snapshot = self.read(f"published/metadata/{number}.snapshot.json")
        if snapshot is None:
            raise TrustError(f"{self.folder}: the published snapshot {number} is missing")
        meta = read_metadata(snapshot).signed.meta[f"{role}.json"]
        return self.read(f"published/metadata/{meta.version}.{role}.json")

    def newest_root(self) -> bytes:
        """The newest root, staged or published."""
        found = [each for each in (self.read("staged/root.json"), self.root()) if each is not None]
        if not found:
            raise TrustError(f"{self.folder}: there is no root, staged or published")
        return max(found, key=version_of)

    def waiting(self, role: str) -> bytes | None:
        """The staged file of ``root`` or ``targets``, unless it has been published."""
        raw = self.read(f"staged/{role}.json")
        done = self.root() if role == "root" else self.published(role)
        return raw if version_of(raw) > version_of(done) else None

    def kept_status(self) -> list[bytes]:
        """The Status List Tokens that were published last."""
        raw = self.published("status")
        if raw is None:
            return []
        named = read_metadata(raw).signed.targets.items()
        return [self.target(name, file.hashes["sha256"]) for name, file in named]

    def files_of(self, targets: bytes) -> dict[str, bytes]:
        """The files that a trust list names, by name."""
        listed = read_metadata(targets).signed.targets
        return {name: self.target(name, file.hashes["sha256"]) for name, file in listed.items()}

    def target(self, name: str, digest: str) -> bytes:
        """The file of that name and SHA-256, staged or published."""
        if not is_pack_name(name) or not _HASH.fullmatch(digest):
            raise TrustError(f"{self.folder}: a file name that is not plain and relative, or a hash that is none")
        there = [self.read(f"{folder}/{_beside(name, digest)}") for folder in ("staged/files", "published/targets")]
        for raw in there:
            if raw is not None and hashlib.sha256(raw).hexdigest() == digest:
                return raw
        absent = all(raw is None for raw in there)
        raise TrustError(f"{self.folder}: {name}: {'missing' if absent else 'not what was signed'}")

    def highest(self, *roles: str) -> int:
        """The highest number any file of ``roles`` has: published, staged, given up, or left behind by a crash."""
        names = [path.name for part in ("published/metadata", "staged/undone") for path in self._in(part)]
        found = [number for number in map(_METADATA.fullmatch, names) if number is not None and number[2] in roles]
        waiting = [version_of(self.read(f"staged/{role}.json")) for role in roles]
        return max([*(int(number[1]) for number in found), *waiting], default=0)

    def _in(self, part: str) -> list[Path]:
        return list((self.folder / part).iterdir()) if (self.folder / part).is_dir() else []

    def read(self, name: str) -> bytes | None:
        """A file below the folder; ``None`` when there is none."""
        try:
            return (self.folder / name).read_bytes()
        except FileNotFoundError:
            return None

    def stage(self, role: str, metadata: bytes, files: Mapping[str, bytes]) -> None:
        """Put ``metadata`` where it waits for signatures, after the files it names."""
        for name, raw in files.items():
            self._once(self.folder / "staged/files" / _consistent(name, raw), raw)
        write_whole(self.folder / f"staged/{role}.json", metadata, private=False)

    def unstage(self, role: str) -> None:
        """Take away what waits, and remember its number."""
        waiting = self.folder / f"staged/{role}.json"
        undone = self.folder / "staged/undone"
        undone.mkdir(exist_ok=True)
        waiting.replace(undone / f"{version_of(waiting.read_bytes())}.{role}.json")

    def publish(self, roles: Mapping[str, bytes], files: Mapping[str, bytes], *, pack: bytes, first: bytes) -> None:
        """Put out signed ``roles`` and ``files``: what has a number or hash first, then the timestamp.

        ``first`` is the root that terminals pin, ``pack`` the single file.
        """
        out = self.folder / "published"
        for name, raw in files.items():
            self._once(out / "targets" / _consistent(name, raw), raw)
        for role in ("root", "targets", "status", "snapshot"):
            path = out / "metadata" / f"{version_of(roles[role])}.{role}.json"
            # After a crash the same content may have got one more signature.
            if path.exists() and read_metadata(path.read_bytes()).signed != read_metadata(roles[role]).signed:
                raise TrustError(f"{path}: there is another one of this number")
            write_whole(path, roles[role], private=False)
        write_whole(out / "metadata/timestamp.json", roles["timestamp"], private=False)
        write_whole(out / "root.json", first, private=False)
        write_whole(out / "bundle.trust", pack, private=False)
        self._forget()

    def _once(self, path: Path, raw: bytes) -> None:
        """A file with its hash in its name: written once, and again if it was damaged."""
        if not path.exists() or path.read_bytes() != raw:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(path, raw, private=False)

    def _forget(self) -> None:
        """Remove staged files that are published now, and lists and metadata no client is still fetching."""
        if self.waiting("root") is None and self.waiting("targets") is None:
            shutil.rmtree(self.folder / "staged/files", ignore_errors=True)
        out = self.folder / "published"
        newest = self.highest("status")
        for path in (out / "metadata").iterdir():
            found = _METADATA.fullmatch(path.name)
            if found is not None and found[2] in ("status", "snapshot") and int(found[1]) <= newest - _KEPT:
                path.unlink()
        used = {
            _beside(name, file.hashes["sha256"])
            for path in (out / "metadata").glob("*.status.json")
            for name, file in read_metadata(path.read_bytes()).signed.targets.items()
        }
        for path in (out / "targets/status").glob("*.cwt"):
            if f"status/{path.name}" not in used:
                path.unlink()


def version_of(raw: bytes | None) -> int:
    """The version that a file of metadata says it has; 0 for none."""
    return 0 if raw is None else int(read_metadata(raw).signed.version)


def _consistent(name: str, raw: bytes) -> str:
    return _beside(name, hashlib.sha256(raw).hexdigest())


def _beside(name: str, digest: str) -> str:
    """Where a target lies: its hash in front of its name (TUF specification 6.2)."""
    folder, slash, base = name.rpartition("/")
    return f"{folder}{slash}{digest}.{base}"
