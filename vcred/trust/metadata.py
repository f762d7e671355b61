"""The TUF metadata of a bundle, verified with python-tuf from a pinned root to the last file.

The order is TUF's: the pinned root, every later root in unbroken order, timestamp, snapshot, targets, the status role,
files. python-tuf reads the clock by itself when it starts; its reference time is pinned here, in this one place, to a
time at which nothing has expired. Expiry is not forgotten: ``expires_at`` is the earliest of all, and the bundle
compares it with ``at`` whenever it is used. Metadata must name a length or hash for everything below it, and a file
that nobody signed is refused like one that was changed.

Targets delegates once: the files below ``status/``, to a role ``status`` with the online keys of the root. What that
role signs elsewhere is refused, whatever its version.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast

from vcred.errors import BundleSignature
from vcred.trust.content import STATUS_FOLDER, status_file
from vcred.trust.roles import ONLINE, SIGNED_AT, STATUS
from vcred.trust.seen import ROLES, RoleSeen

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["TARGETS_FOLDER", "VerifiedMetadata", "pin_time", "verify_metadata"]

TARGETS_FOLDER = "targets/"
"""Where target files stand in a pack; metadata stands at the top."""

_PINNED = datetime(1, 1, 1, tzinfo=UTC)
_MAX_METADATA_BYTES = 2 * 1024 * 1024
_MAX_ROOTS = 256
_MAX_TIME = 253402300799
_ROOT_NAME = re.compile(r"([1-9][0-9]{0,9})\.root\.json")


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedMetadata:
    """What the pinned root vouches for.

    ``version`` is that of the timestamp, ``signed_at`` when it was signed. ``targets`` are the files of the trust list
    by name, ``status`` Status List Tokens by the URI they are published under.
    """

    version: int
    signed_at: int
    expires_at: datetime
    roles: Mapping[str, RoleSeen]
    targets: Mapping[str, bytes] = field(repr=False)
    status: Mapping[str, bytes] = field(repr=False)


def verify_metadata(files: Mapping[str, bytes], *, root: bytes) -> VerifiedMetadata:
    """Verify the files of a pack under the pinned ``root``.

    Raises ``BundleSignature`` when a signature, threshold, version, length or hash is wrong, something is missing, or
    something is there that nothing signed. Expiry is the caller's to compare.
    """
    from tuf.api.serialization.json import CanonicalJSONSerializer  # noqa: PLC0415 - one of the slow imports

    roots = _roots(files)
    for role in ROLES[1:]:
        if f"{role}.json" not in files:
            raise BundleSignature(f"{role}.json is missing")
        if len(files[f"{role}.json"]) > _MAX_METADATA_BYTES:
            raise BundleSignature(f"{role}.json is too large")
    try:
        trusted = _trusted_set(files, roots, root)
        targets, status = _targets(files, trusted.targets, trusted[STATUS])
    except BundleSignature:
        raise
    # python-tuf lets out several families of exceptions for hostile bytes, and means the same by each.
    except Exception as error:
        raise BundleSignature(f"the metadata does not verify: {type(error).__name__}") from error
    serializer = CanonicalJSONSerializer()  # what was signed; blanks and further signatures make no other content
    keys = {role: trusted.root.roles[role if role != STATUS else ONLINE].keyids for role in ROLES}
    return VerifiedMetadata(
        version=trusted.timestamp.version,
        signed_at=_signed_at(trusted.timestamp),
        expires_at=min(_aware(trusted[role].expires) for role in ROLES),
        roles={
            role: RoleSeen(
                version=trusted[role].version,
                sha256=hashlib.sha256(serializer.serialize(cast("Any", trusted[role]))).hexdigest(),
                keys=tuple(sorted(keys[role])),
            )
            for role in ROLES
        },
        targets=targets,
        status=status,
    )


def pin_time(trusted: Any, at: datetime) -> None:
    """Have python-tuf's set of metadata judge expiry at ``at`` in place of the clock it has just read."""
    trusted.reference_time = at


def _roots(files: Mapping[str, bytes]) -> dict[int, bytes]:
    roots: dict[int, bytes] = {}
    for name, raw in files.items():
        if name.startswith(TARGETS_FOLDER) or name.removesuffix(".json") in ROLES[1:]:
            continue
        found = _ROOT_NAME.fullmatch(name)
        if found is None or len(raw) > _MAX_METADATA_BYTES:
            raise BundleSignature("the bundle has a file that belongs to nothing")
        roots[int(found[1])] = raw
    if len(roots) > _MAX_ROOTS:
        raise BundleSignature("too many roots")
    return roots


def _trusted_set(files: Mapping[str, bytes], roots: Mapping[int, bytes], pinned: bytes) -> Any:
    from tuf.ngclient._internal.trusted_metadata_set import (  # noqa: PLC0415 - one of the slow imports
        TrustedMetadataSet,
    )
    from tuf.ngclient.config import EnvelopeType  # noqa: PLC0415 - as above

    trusted = TrustedMetadataSet(pinned, EnvelopeType.METADATA)
    pin_time(trusted, _PINNED)
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
    if set(trusted.snapshot.meta) != {"targets.json", "status.json"}:
        raise BundleSignature("the snapshot names other files than targets.json and status.json")
    for meta in trusted.snapshot.meta.values():
        _require_hash(meta)
    trusted.update_targets(files["targets.json"])
    _check_delegation(trusted)
    trusted.update_delegated_targets(files["status.json"], STATUS, "targets")
    if cast("Any", trusted[STATUS]).delegations is not None:
        raise BundleSignature("the status role delegates")
    return trusted


def _check_delegation(trusted: Any) -> None:
    delegations = trusted.targets.delegations
    if delegations is None or delegations.roles is None or set(delegations.roles) != {STATUS}:
        raise BundleSignature("targets delegate other roles than status")
    role, online = delegations.roles[STATUS], trusted.root.roles[ONLINE]
    if role.paths != [f"{STATUS_FOLDER}*"] or not role.terminating:
        raise BundleSignature("the status role is for other files than status lists")
    if set(role.keyids) != set(online.keyids) or role.threshold != online.threshold:
        raise BundleSignature("the status role has other keys than the online ones of the root")


def _signed_at(timestamp: Any) -> int:
    found = timestamp.unrecognized_fields.get(SIGNED_AT)
    if type(found) is not int or not 0 <= found <= _MAX_TIME:
        raise BundleSignature("the timestamp does not say when it was signed")
    return found


def _require_hash(meta: Any) -> None:
    if not meta.hashes or "sha256" not in meta.hashes:
        raise BundleSignature("metadata without a SHA-256 hash")


def _targets(files: Mapping[str, bytes], listed: Any, status: Any) -> tuple[dict[str, bytes], dict[str, bytes]]:
    """The files of the trust list by name, and the status lists by URI."""
    if any(name.startswith(STATUS_FOLDER) for name in listed.targets):
        raise BundleSignature("the trust list names status lists itself")
    uris = {name: _uri(name, target) for name, target in status.targets.items()}
    signed = listed.targets | status.targets
    present = {name.removeprefix(TARGETS_FOLDER) for name in files if name.startswith(TARGETS_FOLDER)}
    if present != set(signed):
        raise BundleSignature("files are missing, or nothing signed them")
    for name, target in signed.items():
        _require_hash(target)
        target.verify_length_and_hashes(files[TARGETS_FOLDER + name])
    return (
        {name: files[TARGETS_FOLDER + name] for name in listed.targets},
        {uri: files[TARGETS_FOLDER + name] for name, uri in uris.items()},
    )


def _uri(name: str, target: Any) -> str:
    custom = target.unrecognized_fields.get("custom")
    uri = custom.get("uri") if isinstance(custom, dict) and set(custom) == {"uri"} else None
    if not isinstance(uri, str) or status_file(uri) != name:
        raise BundleSignature("the status role signed a file that is no status list")
    return uri


def _aware(expires: datetime) -> datetime:
    return expires if expires.tzinfo is not None else expires.replace(tzinfo=UTC)
