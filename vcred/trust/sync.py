"""Bring a terminal's bundle up to date from a server, a folder, or a single file, and keep the old one if that fails.

A server and a folder hold a TUF repository with consistent snapshots: ``metadata/`` and ``targets/``. python-tuf walks
it from the pinned root, with its time pinned to ``at``, in a folder of its own beside the bundle; trust lists and files
that the present bundle has already are not fetched again. What it found becomes a pack, and ``vcred.trust.install``
decides about a pack, whichever way it came.

Trust lists and status lists arrive together. Between two syncs ``vcred.trust.status_sync`` gets newer status lists.
"""

from __future__ import annotations

import hashlib
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vcred._files import read_limited
from vcred.errors import (
    BundleExpired,
    BundleSignature,
    MalformedError,
    RefusedError,
    StoreError,
    TooLarge,
    TransportError,
    TrustError,
    VcredError,
)
from vcred.formats._wire import epoch
from vcred.reasons import ReasonCode
from vcred.trust.content import STATUS_FOLDER, status_file
from vcred.trust.fetch import FolderSource, HttpSource, Network, Source, kind_of, tuf_fetcher
from vcred.trust.install import MAX_ROOT_BYTES, check_pin, install, present_bundle
from vcred.trust.metadata import TARGETS_FOLDER, pin_time
from vcred.trust.overlay import carry_status, overlay_folder, prune_status
from vcred.trust.pack import MAX_ARCHIVE_BYTES, MAX_FILES, MAX_TOTAL_BYTES, is_pack_name, read_pack, write_pack
from vcred.trust.scratch import scratch_folder
from vcred.trust.seen import read_seen

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from datetime import datetime

    from vcred.trust.bundle import TrustBundle
    from vcred.trust.install import Installed

__all__ = ["SyncReport", "sync"]

_METADATA = "metadata"


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncReport:
    """What a sync did. Times are seconds since 1970.

    ``bytes`` were read in all, also of metadata; ``files`` of the bundle were among them, ``reused`` ones were here.
    ``clock_behind`` is how many seconds the clock is behind a time that is known to have passed, if it is: until it is
    set right, no verdict is possible.
    """

    kind: str
    from_version: int | None
    to_version: int
    replaced: bool
    root_sha256: str
    listed_at: int
    signed_at: int
    expires_at: int
    files: int
    bytes: int
    reused: int
    status_updated: tuple[str, ...]
    authorities_added: tuple[str, ...]
    authorities_removed: tuple[str, ...]
    authorities_withdrawn: tuple[str, ...]
    clock_behind: int | None

    def to_json(self) -> dict[str, Any]:
        """The same as JSON-able values."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}


def sync(
    source: str | Path,
    *,
    bundle: Path,
    root: Path,
    seen: Path | None = None,
    at: datetime,
    network: Network | None = None,
    pin: Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> SyncReport:
    """Take what ``source`` has into ``bundle``, under the pinned root file ``root``.

    ``source`` is an address, a folder or a pack; ``network`` says how a server may be asked. ``seen`` is the memory
    (default: beside the bundle). With ``pin`` the root is kept there. ``progress`` is told (files done, files).

    Raises ``BundleExpired``, ``BundleRollback``, ``BundleSignature`` or another ``TrustError`` for what the source has,
    ``TransportError`` when it cannot be read, ``StoreError`` when our side cannot be written. Then nothing has changed.
    """
    epoch(at)  # refuses a time without zone
    memory = bundle.with_name(bundle.name + ".seen") if seen is None else seen
    pinned = read_limited(root, MAX_ROOT_BYTES, StoreError)
    if pin is not None:
        check_pin(pin, pinned)
    kind = kind_of(source)
    tally = _Tally()
    old = _present_files(bundle, pinned, memory)
    if kind == "archive":
        raw = _archive(Path(source))
        tally.files, tally.bytes = 1, len(raw)
    else:
        with scratch_folder(bundle) as folder, _opened(source, kind, network or Network()) as opened:
            walk = _Walk(source=opened, folder=folder, root=pinned, old=old, at=at, tally=tally, progress=progress)
            raw = walk.pack()
    done = install(raw, bundle=bundle, root=pinned, seen=memory, at=at, pin=pin)
    carry_status(done.before, done.after, overlay_folder(bundle), at=at)
    prune_status(done.after, overlay_folder(bundle))
    return _report(kind, done, tally, root=pinned, old=old, new=read_pack(raw), at=at)


def _archive(path: Path) -> bytes:
    try:
        return read_limited(path, MAX_ARCHIVE_BYTES, StoreError)
    except StoreError as error:  # a file of the source's, not of ours
        raise TransportError(str(error)) from error


class _Tally:
    """What was read so far."""

    def __init__(self) -> None:
        self.files = self.bytes = self.reused = 0

    def count(self, size: int) -> None:
        self.bytes += size
        if self.bytes > MAX_TOTAL_BYTES:
            raise TooLarge(f"the source has more than {MAX_TOTAL_BYTES} bytes")


def _present_files(bundle: Path, root: bytes, memory: Path) -> Mapping[str, bytes]:
    """The files of the present bundle, if it is good: nothing is taken over from one that is not."""
    if present_bundle(bundle, root=root, seen=read_seen(memory)) is None:
        return {}
    # Another process may have replaced it just now. Whatever is taken over is verified again.
    with suppress(MalformedError):
        return read_pack(read_limited(bundle, MAX_ARCHIVE_BYTES, StoreError))
    return {}


@contextmanager
def _opened(source: str | Path, kind: str, network: Network) -> Iterator[Source]:
    if kind == "folder":
        yield FolderSource(Path(source))
        return
    with HttpSource(str(source), network=network) as opened:
        yield opened


@dataclass(frozen=True, slots=True, kw_only=True)
class _Walk:
    """One walk through a repository: where from, into which folder, with what at hand."""

    source: Source
    folder: Path
    root: bytes
    old: Mapping[str, bytes]
    at: datetime
    tally: _Tally
    progress: Callable[[int, int], None] | None

    def pack(self) -> bytes:
        """What the source has, as a pack. python-tuf has verified it; ``install`` does so again."""
        from tuf.api import exceptions  # noqa: PLC0415 - one of the slow imports

        try:
            return write_pack(self._files())
        except (VcredError, OSError):
            raise
        except exceptions.ExpiredMetadataError as error:
            raise BundleExpired(f"what the source has is expired: {error}") from error
        except exceptions.DownloadLengthMismatchError as error:
            raise BundleSignature(f"a file is longer than it may be: {error}") from error
        except exceptions.DownloadError as error:
            raise TransportError(f"the source is no complete repository: {error}") from error
        # python-tuf lets out several families of exceptions for hostile bytes, and means the same by each.
        except Exception as error:
            raise BundleSignature(f"the metadata does not verify: {type(error).__name__}") from error

    def _files(self) -> dict[str, bytes]:
        metadata, present = self.folder / _METADATA, _by_hash(self.old)
        self._seed(metadata)
        updater = self._updater(metadata)
        updater.refresh()
        names = _listed(updater, metadata)
        files = {file.name: file.read_bytes() for file in (metadata / "root_history").iterdir()}
        files |= {file.name: file.read_bytes() for file in metadata.glob("*.json")}
        for done, name in enumerate(names):
            self._tell(done, len(names))
            files[TARGETS_FOLDER + name] = self._target(updater, name, present)
        self._tell(len(names), len(names))
        return files

    def _updater(self, metadata: Path) -> Any:
        from tuf.ngclient.config import UpdaterConfig  # noqa: PLC0415 - one of the slow imports
        from tuf.ngclient.updater import Updater  # noqa: PLC0415 - as above

        class WithoutLinks(Updater):
            def _update_root_symlink(self) -> None:
                """A link that we do not need, and that a USB stick's file system does not have."""

        made = WithoutLinks(
            str(metadata),
            _METADATA,
            target_base_url=TARGETS_FOLDER,
            fetcher=tuf_fetcher(self.source, count=self.tally.count),
            config=UpdaterConfig(
                max_root_rotations=255,
                root_max_length=512_000,
                timestamp_max_length=16_384,
                snapshot_max_length=65_536,
                targets_max_length=2 * 1024 * 1024,
            ),
            bootstrap=self.root,
        )
        pin_time(made._trusted_set, self.at)  # noqa: SLF001 - python-tuf has no other way to say what time it is
        return made

    def _seed(self, metadata: Path) -> None:
        """What python-tuf need not fetch if the source has the same: newer roots, targets and status.

        Not the timestamp and the snapshot: what is older than what was seen is for ``install`` to say, with its rules.
        """
        (metadata / "root_history").mkdir(parents=True)
        for name, raw in self.old.items():
            if name.endswith(".root.json"):
                (metadata / "root_history" / name).write_bytes(raw)
            elif name in ("targets.json", "status.json"):
                (metadata / name).write_bytes(raw)

    def _target(self, updater: Any, name: str, present: Mapping[str, bytes]) -> bytes:
        info = updater.get_targetinfo(name)
        if info is None:
            raise BundleSignature("a role names a file that is not its own")
        digest = info.hashes.get("sha256")
        if digest in present and len(present[digest]) == info.length:
            self.tally.reused += 1
            return present[digest]
        place = self.folder / "target"
        updater.download_target(info, filepath=str(place))
        self.tally.files += 1
        return place.read_bytes()

    def _tell(self, done: int, names: int) -> None:
        if self.progress is not None:
            self.progress(done, names)


def _listed(updater: Any, metadata: Path) -> list[str]:
    """Every file that the trust list and the status role name."""
    from tuf.api.metadata import Metadata  # noqa: PLC0415 - one of the slow imports

    # Looking for any file there makes python-tuf load and verify the role.
    updater.get_targetinfo(f"{STATUS_FOLDER}any")
    found: dict[str, int] = {}
    for role in ("targets", "status"):
        if (metadata / f"{role}.json").exists():
            signed: Any = Metadata.from_bytes((metadata / f"{role}.json").read_bytes()).signed
            found |= {name: target.length for name, target in signed.targets.items()}
    if not all(is_pack_name(TARGETS_FOLDER + name) for name in found):
        raise TrustError("the bundle is wrong: a file name that is not plain and relative")
    if len(found) > MAX_FILES or sum(found.values()) > MAX_TOTAL_BYTES:
        raise TrustError("the bundle is wrong: it is too large")
    return sorted(found)


def _by_hash(files: Mapping[str, bytes]) -> dict[str, bytes]:
    return {hashlib.sha256(raw).hexdigest(): raw for name, raw in files.items() if name.startswith(TARGETS_FOLDER)}


def _report(
    kind: str,
    done: Installed,
    tally: _Tally,
    *,
    root: bytes,
    old: Mapping[str, bytes],
    new: Mapping[str, bytes],
    at: datetime,
) -> SyncReport:
    before, after = done.before, done.after
    then = {} if before is None else {one.id: one for one in before.authorities}
    now = {one.id: one for one in after.authorities}
    known = max(epoch(after.signed_at), after.seen.last_seen or 0) - epoch(at)
    return SyncReport(
        kind=kind,
        from_version=None if before is None else before.version,
        to_version=after.version,
        replaced=done.replaced,
        root_sha256=hashlib.sha256(root).hexdigest(),
        listed_at=epoch(after.listed_at),
        signed_at=epoch(after.signed_at),
        expires_at=epoch(after.expires_at),
        files=tally.files,
        bytes=tally.bytes,
        reused=tally.reused,
        status_updated=tuple(uri for uri in after.status_uris if _changed(uri, old, new)),
        authorities_added=tuple(sorted(now.keys() - then.keys())),
        authorities_removed=tuple(sorted(then.keys() - now.keys())),
        authorities_withdrawn=tuple(
            sorted(id_ for id_ in now.keys() & then.keys() if set(now[id_].withdrawn) - set(then[id_].withdrawn))
        ),
        clock_behind=known if _is_behind(after, at) else None,
    )


def _is_behind(bundle: TrustBundle, at: datetime) -> bool:
    """Whether the clock that says ``at`` is behind what ``bundle`` and its memory know."""
    try:
        bundle.check_time(at)
    except RefusedError as error:
        return error.code is ReasonCode.CLOCK
    return False


def _changed(uri: str, old: Mapping[str, bytes], new: Mapping[str, bytes]) -> bool:
    name = TARGETS_FOLDER + status_file(uri)
    return old.get(name) != new.get(name)
