"""The TUF metadata of a bundle, verified with python-tuf from a pinned root to the last file.

The order is TUF's: the pinned root, every later root in unbroken order, timestamp, snapshot, targets, files. python-tuf
reads the clock by itself when it starts; its reference time is pinned here, in this one place, to a time at which
nothing has expired. Expiry is not forgotten: ``expires_at`` is the earliest of the four, and the bundle compares it
with ``at`` whenever it is used. Metadata must name a length or hash for everything below it, and a file that nobody
signed is refused like one that was changed.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from vcred.errors import BundleSignature
from vcred.trust.seen import ROLES, RoleSeen

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["TARGETS_FOLDER", "VerifiedMetadata", "verify_metadata"]

TARGETS_FOLDER = "targets/"
"""Where target files stand in a pack; metadata stands at the top."""

_PINNED = datetime(1, 1, 1, tzinfo=UTC)
_MAX_METADATA_BYTES = 2 * 1024 * 1024
_MAX_ROOTS = 256
_ROOT_NAME = re.compile(r"([1-9][0-9]{0,9})\.root\.json")


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedMetadata:
    """What the pinned root vouches for. ``version`` is that of the targets role."""

    version: int
    expires_at: datetime
    roles: Mapping[str, RoleSeen]
    targets: Mapping[str, bytes] = field(repr=False)


def verify_metadata(files: Mapping[str, bytes], *, root: bytes) -> VerifiedMetadata:
    """Verify the files of a pack under the pinned ``root``.

    Raises ``BundleSignature`` when a signature, threshold, version, length or hash is wrong, something is missing, or
    something is there that nothing signed. Expiry is the caller's to compare.
    """
    roots = _roots(files)
    for name in ("timestamp.json", "snapshot.json", "targets.json"):
        if name not in files:
            raise BundleSignature(f"{name} is missing")
        if len(files[name]) > _MAX_METADATA_BYTES:
            raise BundleSignature(f"{name} is too large")
    try:
        trusted, last_root = _trusted_set(files, roots, root)
        targets = _targets(files, trusted.targets)
    except BundleSignature:
        raise
    # python-tuf lets out several families of exceptions for hostile bytes, and means the same by each.
    except Exception as error:
        raise BundleSignature(f"the metadata does not verify: {type(error).__name__}") from error
    signed = {"root": trusted.root, "timestamp": trusted.timestamp, "snapshot": trusted.snapshot}
    signed["targets"] = trusted.targets
    raw = {"root": last_root, **{role: files[f"{role}.json"] for role in ROLES[1:]}}
    return VerifiedMetadata(
        version=trusted.targets.version,
        expires_at=min(_aware(each.expires) for each in signed.values()),
        roles={
            role: RoleSeen(
                version=signed[role].version,
                sha256=hashlib.sha256(raw[role]).hexdigest(),
                keys=tuple(sorted(trusted.root.roles[role].keyids)),
            )
            for role in ROLES
        },
        targets=targets,
    )


def _roots(files: Mapping[str, bytes]) -> dict[int, bytes]:
    roots: dict[int, bytes] = {}
    for name, raw in files.items():
        if name.startswith(TARGETS_FOLDER) or name in ("timestamp.json", "snapshot.json", "targets.json"):
            continue
        found = _ROOT_NAME.fullmatch(name)
        if found is None or len(raw) > _MAX_METADATA_BYTES:
            raise BundleSignature("the bundle has a file that belongs to nothing")
        roots[int(found[1])] = raw
    if len(roots) > _MAX_ROOTS:
        raise BundleSignature("too many roots")
    return roots


def _trusted_set(files: Mapping[str, bytes], roots: Mapping[int, bytes], pinned: bytes) -> tuple[Any, bytes]:
    from tuf.ngclient._internal.trusted_metadata_set import (  # noqa: PLC0415 - one of the slow imports
        TrustedMetadataSet,
    )
    from tuf.ngclient.config import EnvelopeType  # noqa: PLC0415 - as above

    trusted = TrustedMetadataSet(pinned, EnvelopeType.METADATA)
    trusted.reference_time = _PINNED
    if roots.get(trusted.root.version, pinned) != pinned:
        raise BundleSignature(f"root {trusted.root.version} is not the pinned one")
    last = pinned
    while trusted.root.version + 1 in roots:
        last = roots[trusted.root.version + 1]
        trusted.update_root(last)
    if any(version > trusted.root.version for version in roots):
        raise BundleSignature(f"root {trusted.root.version + 1} is missing")
    trusted.update_timestamp(files["timestamp.json"])
    _require_hash(trusted.timestamp.snapshot_meta)
    trusted.update_snapshot(files["snapshot.json"])
    if set(trusted.snapshot.meta) != {"targets.json"}:
        raise BundleSignature("the snapshot names other files than targets.json")
    _require_hash(trusted.snapshot.meta["targets.json"])
    trusted.update_targets(files["targets.json"])
    if trusted.targets.delegations is not None:
        raise BundleSignature("targets are delegated")
    return trusted, last


def _require_hash(meta: Any) -> None:
    if not meta.hashes or "sha256" not in meta.hashes:
        raise BundleSignature("metadata without a SHA-256 hash")


def _targets(files: Mapping[str, bytes], signed: Any) -> dict[str, bytes]:
    present = {name.removeprefix(TARGETS_FOLDER) for name in files if name.startswith(TARGETS_FOLDER)}
    if present != set(signed.targets):
        raise BundleSignature("files are missing, or nothing signed them")
    for name, target in signed.targets.items():
        _require_hash(target)
        target.verify_length_and_hashes(files[TARGETS_FOLDER + name])
    return {name: files[TARGETS_FOLDER + name] for name in signed.targets}


def _aware(expires: datetime) -> datetime:
    return expires if expires.tzinfo is not None else expires.replace(tzinfo=UTC)
