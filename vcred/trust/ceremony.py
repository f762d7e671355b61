"""What waits for signatures: root and trust list, each one file of metadata that keyholders sign one after another.

A keyholder's key never has to be where the repository is: the file to sign travels to the key, a detached signature
travels back. It names role, version and the SHA-256 of the bytes that are signed, so that a signature for another
file is noticed before it is taken.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vcred.errors import MalformedError, TrustError
from vcred.formats._wire import dump_json, parse_json
from vcred.trust.roles import (
    ONLINE,
    STATUS,
    add_signature,
    add_signatures,
    key_id,
    public_keys,
    read_metadata,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import datetime

    from vcred.keys import PublicKey, Signer

__all__ = ["Demand", "Staged", "attach", "detached", "fits", "read_detached", "signable", "staged_list", "staged_root"]

_FORMAT = "vcred-signature-1"
_MAX_BYTES = 65536


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """``threshold`` of ``keys`` have to sign, because ``by`` says so; ``signed`` of them have."""

    by: str
    threshold: int
    keys: tuple[PublicKey, ...]
    signed: tuple[PublicKey, ...]

    @property
    def met(self) -> bool:
        """Whether enough have signed."""
        return len(self.signed) >= self.threshold


@dataclass(frozen=True, slots=True, kw_only=True)
class Staged:
    """One file of metadata with the signatures it has so far, every one of them checked."""

    role: str
    metadata: Any
    demands: tuple[Demand, ...]

    @property
    def version(self) -> int:
        """The version it will have."""
        return int(self.metadata.signed.version)

    @property
    def expires_at(self) -> datetime:
        """When it will end."""
        found: datetime = self.metadata.signed.expires
        return found

    @property
    def complete(self) -> bool:
        """Whether it may be published."""
        return all(demand.met for demand in self.demands)

    @property
    def digest(self) -> str:
        """SHA-256 of the signed bytes, in hexadecimal: what keyholders read to each other."""
        return hashlib.sha256(self.metadata.signed_bytes).hexdigest()

    def may_sign(self, key: PublicKey) -> bool:
        """Whether a signature by ``key`` counts."""
        return any(key in demand.keys for demand in self.demands)

    def to_bytes(self) -> bytes:
        """The file with its signatures."""
        return bytes(self.metadata.to_bytes())


def staged_root(raw: bytes, before: bytes | None) -> Staged:
    """A root that waits, and the one it replaces: both sets of keys have to agree (TUF specification 5.3.4)."""
    metadata = read_metadata(raw)
    demands = [_demand("root", f"root {metadata.signed.version}", metadata.signed, metadata)]
    if before is not None:
        old = read_metadata(before).signed
        demands.append(_demand("root", f"root {old.version}", old, metadata))
    return Staged(role="root", metadata=metadata, demands=tuple(demands))


def staged_list(raw: bytes, root: bytes) -> Staged:
    """A trust list that waits, under ``root``."""
    metadata, by = read_metadata(raw), read_metadata(root).signed
    demand = _demand("targets", f"root {by.version}", by, metadata)
    return Staged(role="targets", metadata=metadata, demands=(demand,))


def signable(staged: Sequence[Staged], key: PublicKey, *, shown: Collection[str] | None) -> list[Staged]:
    """What of ``staged`` the key may sign. Raises ``TrustError`` when any of it is not in ``shown`` (digests)."""
    mine = [each for each in staged if each.may_sign(key)]
    if shown is not None and any(each.digest not in shown for each in mine):
        raise TrustError("what is staged has changed since it was shown: look at it again")
    return mine


def fits(targets: bytes, root: bytes) -> bool:
    """Whether a trust list delegates status to the online keys of ``root``."""
    by, role = read_metadata(root).signed, read_metadata(targets).signed.delegations.roles[STATUS]
    return set(role.keyids) == set(by.roles[ONLINE].keyids) and role.threshold == by.roles[ONLINE].threshold


def detached(staged: Staged, signer: Signer) -> bytes:
    """Sign ``staged``. Returns the signature as a file of its own. Raises ``TrustError`` when it would not count."""
    if not staged.may_sign(signer.public_key):
        raise TrustError(f"this key is not one that signs {staged.role}")
    add_signatures(staged.metadata, [signer])
    id_ = key_id(signer.public_key)
    return dump_json(
        {
            "format": _FORMAT,
            "role": staged.role,
            "version": staged.version,
            "sha256": staged.digest,
            "keyid": id_,
            "signature": staged.metadata.signatures[id_].signature,
        }
    )


def attach(staged: Staged, raw: bytes) -> None:
    """Take a detached signature into ``staged``. Raises ``TrustError`` unless it is valid and counts."""
    body = read_detached(raw)
    if (body["role"], body["version"], body["sha256"]) != (staged.role, staged.version, staged.digest):
        raise TrustError(f"the signature is for {body['role']} {body['version']}, not for what is staged")
    keys = {key_id(key): key for demand in staged.demands for key in demand.keys}
    if body["keyid"] not in keys:
        raise TrustError(f"the signature is by a key that does not sign {staged.role}")
    add_signature(staged.metadata, keys[body["keyid"]], body["signature"])


def read_detached(raw: bytes) -> dict[str, Any]:
    """The members of a detached signature. Raises ``TrustError``."""
    try:
        body = parse_json(raw, "signature", max_bytes=_MAX_BYTES, max_depth=2)
    except MalformedError as error:
        raise TrustError(f"not a detached signature: {error}") from error
    members = {"format": str, "role": str, "version": int, "sha256": str, "keyid": str, "signature": str}
    if not isinstance(body, dict) or set(body) != set(members) or body["format"] != _FORMAT:
        raise TrustError("not a detached signature")
    if any(type(body[name]) is not kind for name, kind in members.items()):
        raise TrustError("not a detached signature")
    return body


def _demand(role: str, by: str, delegator: Any, metadata: Any) -> Demand:
    """What ``delegator`` asks for, and which of the signatures under ``metadata`` are good."""
    found = delegator.get_verification_result(role, metadata.signed_bytes, metadata.signatures)
    held = public_keys(delegator, role)
    return Demand(
        by=by,
        threshold=delegator.roles[role].threshold,
        keys=tuple(held.values()),
        signed=tuple(key for id_, key in held.items() if id_ in found.signed),
    )
