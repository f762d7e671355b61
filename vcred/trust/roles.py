"""The signed metadata of a bundle, made with python-tuf: who signs each role, and the five files themselves.

``root`` and ``targets`` (the trust list) are for keys that stay offline. The *online key* signs what has to be signed
often: ``timestamp``, ``snapshot``, and ``status``, a role to which targets delegates the files below ``status/`` and
nothing else. Whoever steals the online key can hold a terminal back at what it has, until that expires; he cannot
add, change or remove a line of the trust list.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from vcred.errors import TrustError
from vcred.formats._wire import epoch
from vcred.keys.public import raw_to_der
from vcred.trust.content import STATUS_FOLDER, status_file

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from vcred.keys import PublicKey, Signer

__all__ = [
    "ONLINE",
    "ROOT_ROLES",
    "SIGNED_AT",
    "STATUS",
    "RoleKeys",
    "add_signature",
    "add_signatures",
    "key_id",
    "new_root",
    "public_keys",
    "read_metadata",
    "sign_role",
    "single_key",
    "snapshot_metadata",
    "status_metadata",
    "targets_metadata",
    "timestamp_metadata",
    "unsigned_root",
]

STATUS = "status"
"""The role that targets delegates ``status/`` to."""

ROOT_ROLES = ("root", "timestamp", "snapshot", "targets")
"""The roles whose keys a root names."""

ONLINE = "timestamp"
"""The role whose keys are the online key: they sign snapshot and status as well."""

SIGNED_AT = "vcred_signed_at"
"""Member of the timestamp: when the online key vouched for everything below it, in seconds since 1970."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleKeys:
    """Who signs a TUF role: ``threshold`` of ``keys`` have to."""

    keys: tuple[PublicKey, ...]
    threshold: int


def single_key(key: PublicKey) -> dict[str, RoleKeys]:
    """One key for every role: enough for a demo or a small office, and easy to replace with a newer root."""
    return {role: RoleKeys(keys=(key,), threshold=1) for role in ROOT_ROLES}


def key_id(key: PublicKey) -> str:
    """The id of ``key`` in TUF metadata."""
    return _tuf_key(key)[0]


def public_keys(root: Any, role: str) -> dict[str, PublicKey]:
    """The keys that ``root`` (the signed part) names for ``role``, by their ids in TUF metadata."""
    from cryptography.hazmat.primitives.serialization import load_pem_public_key  # noqa: PLC0415 - for makers only

    from vcred.keys import PublicKey  # noqa: PLC0415 - as above

    pems = {id_: root.keys[id_].keyval["public"].encode() for id_ in root.roles[role].keyids}
    return {id_: PublicKey(cast("Any", load_pem_public_key(pem))) for id_, pem in pems.items()}


def add_signature(metadata: Any, key: PublicKey, signature: str) -> None:
    """Put a signature (hexadecimal) by ``key`` under ``metadata``. Raises ``TrustError`` unless it verifies."""
    from securesystemslib import exceptions, signer  # noqa: PLC0415 - one of the slow imports

    id_, checked = _tuf_key(key)
    try:
        made = cast("Any", signer).Signature(id_, signature)
        checked.verify_signature(made, metadata.signed_bytes)
    except cast("Any", exceptions).UnverifiedSignatureError as error:
        raise TrustError("the signature does not verify") from error
    metadata.signatures[id_] = made


def unsigned_root(*, version: int, roles: Mapping[str, RoleKeys], expires: datetime) -> Any:
    """Root metadata without signatures. Raises ``ValueError`` for wrong roles or thresholds."""
    tuf = _tuf()
    if set(roles) != set(ROOT_ROLES):
        raise ValueError("a root names keys for root, timestamp, snapshot and targets")
    for role, held in roles.items():
        if not 1 <= held.threshold <= len(set(held.keys)) or len(set(held.keys)) != len(held.keys):
            raise ValueError(f"{role}: {held.threshold} of {len(held.keys)} keys cannot sign")
    if roles[ONLINE].keys != roles["snapshot"].keys or roles[ONLINE].threshold != roles["snapshot"].threshold:
        raise ValueError("timestamp and snapshot are signed by the same online keys")
    keys = {id_: key for role in roles.values() for id_, key in map(_tuf_key, role.keys)}
    named = {name: tuf.Role([key_id(key) for key in role.keys], role.threshold) for name, role in roles.items()}
    root = tuf.Root(version=version, expires=_whole(expires), keys=keys, roles=named, consistent_snapshot=True)
    return tuf.Metadata(root)


def new_root(*, version: int, roles: Mapping[str, RoleKeys], signers: Sequence[Signer], expires: datetime) -> bytes:
    """A root file: what a terminal pins (version 1), or what replaces it.

    A root that replaces another is signed by enough keys of both. Raises ``ValueError`` when ``signers`` are not
    enough for the root's own threshold.
    """
    signed = unsigned_root(version=version, roles=roles, expires=expires)
    add_signatures(signed, signers)
    _require(signed.signed, "root", signed)
    return bytes(signed.to_bytes())


def read_metadata(raw: bytes) -> Any:
    """Metadata as python-tuf reads it, not verified. Raises what python-tuf raises."""
    return _tuf().Metadata.from_bytes(raw)


def targets_metadata(files: Mapping[str, bytes], *, version: int, root: Any, expires: datetime) -> Any:
    """The trust list without signatures: ``files`` by name, and the delegation of ``status/`` to the online keys of
    ``root`` (the signed part of root metadata).
    """
    tuf = _tuf()
    if any(name.startswith(STATUS_FOLDER) for name in files):
        raise ValueError("status lists belong to the status role")
    online = root.roles[ONLINE]
    role = tuf.DelegatedRole(STATUS, list(online.keyids), online.threshold, terminating=True, paths=[f"{STATUS}/*"])
    delegations = tuf.Delegations({id_: root.keys[id_] for id_ in online.keyids}, {STATUS: role})
    listed = {name: tuf.TargetFile.from_data(name, raw, ["sha256"]) for name, raw in files.items()}
    return tuf.Metadata(tuf.Targets(version, expires=_whole(expires), targets=listed, delegations=delegations))


def status_metadata(lists: Mapping[str, bytes], *, version: int, expires: datetime) -> Any:
    """The status role without signatures. ``lists`` are Status List Tokens by URI."""
    tuf = _tuf()
    listed = {}
    for uri, raw in lists.items():
        file = tuf.TargetFile.from_data(status_file(uri), raw, ["sha256"])
        file.unrecognized_fields = {"custom": {"uri": uri}}
        listed[status_file(uri)] = file
    return tuf.Metadata(tuf.Targets(version, expires=_whole(expires), targets=listed))


def snapshot_metadata(targets: bytes, status: bytes, *, version: int, expires: datetime) -> Any:
    """The snapshot of two signed files, without signatures."""
    tuf = _tuf()
    meta = {"targets.json": _meta(targets), "status.json": _meta(status)}
    return tuf.Metadata(tuf.Snapshot(version, expires=_whole(expires), meta=meta))


def timestamp_metadata(snapshot: bytes, *, version: int, at: datetime, expires: datetime) -> Any:
    """The timestamp of a signed snapshot, without signatures: the online key vouches for it at ``at``."""
    tuf = _tuf()
    signed = tuf.Timestamp(
        version,
        expires=_whole(expires),
        snapshot_meta=_meta(snapshot),
        unrecognized_fields={SIGNED_AT: epoch(at)},
    )
    return tuf.Metadata(signed)


def add_signatures(metadata: Any, signers: Sequence[Signer]) -> None:
    """Sign with every one of ``signers``."""
    for signer in signers:
        metadata.sign(_TufSigner(signer), append=True)


def sign_role(metadata: Any, role: str, *, delegator: Any, signers: Sequence[Signer]) -> bytes:
    """``metadata`` signed by those of ``signers`` that hold ``role``. Raises ``ValueError`` when they are too few."""
    held = delegator.get_delegated_role(role).keyids
    add_signatures(metadata, [signer for signer in signers if key_id(signer.public_key) in held])
    _require(delegator, role, metadata)
    return bytes(metadata.to_bytes())


class _TufSigner:
    """A ``Signer`` of ours as python-tuf calls one. Its ECDSA signatures are DER."""

    def __init__(self, signer: Signer) -> None:
        self._signer = signer
        self.key_id, self.public_key = _tuf_key(signer.public_key)

    def sign(self, payload: bytes) -> Any:
        from securesystemslib import signer  # noqa: PLC0415 - one of the slow imports

        raw, alg = self._signer.sign(payload), self._signer.public_key.alg
        signature = raw if alg == "EdDSA" else raw_to_der(raw, {"ES256": 32, "ES384": 48}[alg])
        return cast("Any", signer).Signature(self.key_id, signature.hex())


def _tuf() -> Any:
    # Any, because python-tuf does not tell type checkers that these names are its public ones.
    from tuf.api import metadata  # noqa: PLC0415 - one of the slow imports

    return metadata


def _tuf_key(key: PublicKey) -> tuple[str, Any]:
    from securesystemslib import signer  # noqa: PLC0415 - one of the slow imports

    found = cast("Any", signer).SSlibKey.from_crypto(key.crypto)
    return str(found.keyid), found


def _meta(raw: bytes) -> Any:
    return _tuf().MetaFile.from_data(read_metadata(raw).signed.version, raw, ["sha256"])


def _require(delegator: Any, role: str, signed: Any) -> None:
    if not delegator.get_verification_result(role, signed.signed_bytes, signed.signatures):
        wanted = ", ".join(id_[:16] for id_ in delegator.get_delegated_role(role).keyids)
        raise ValueError(f"the signers are too few for the role {role}, which these keys sign: {wanted}")


def _whole(at: datetime) -> datetime:
    epoch(at)  # refuses a time without zone
    return at.replace(microsecond=0)
