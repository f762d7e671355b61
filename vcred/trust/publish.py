"""Make a trust bundle: collect what it says, sign it as a TUF repository, pack it into one file.

Every pack is read back by the code that verifiers run before it is handed out, and every listed signer's path and
every status list is verified: a bundle that some terminal would stumble over is not published.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from vcred.errors import VcredError
from vcred.formats._wire import epoch
from vcred.keys.public import raw_to_der
from vcred.status import parse_status_token
from vcred.trust.bundle import POLICIES_FOLDER, STATUS_FOLDER, TYPES_FOLDER, TrustBundle
from vcred.trust.content import (
    AUTHORITIES_FILE,
    META_FILE,
    Authority,
    Meta,
    Names,
    ReaderEntry,
    dump_authorities,
    dump_meta,
)
from vcred.trust.metadata import TARGETS_FOLDER
from vcred.trust.pack import write_pack
from vcred.trust.seen import ROLES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from vcred.keys import PublicKey, Signer
    from vcred.trust.content import Withdrawal
    from vcred.trust.profile import Purpose

__all__ = ["PackBuilder", "RoleKeys", "new_root", "sign_pack", "single_key"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleKeys:
    """Who signs a TUF role: ``threshold`` of ``keys`` have to."""

    keys: tuple[PublicKey, ...]
    threshold: int


def single_key(key: PublicKey) -> dict[str, RoleKeys]:
    """One key for all four roles: enough for a demo or a small office, and easy to replace with a newer root."""
    return {role: RoleKeys(keys=(key,), threshold=1) for role in ROLES}


def new_root(*, version: int, roles: Mapping[str, RoleKeys], signers: Sequence[Signer], expires: datetime) -> bytes:
    """A root file: what a terminal pins (version 1), or what replaces it.

    A root that replaces another is signed by enough keys of both. Raises ``ValueError`` when ``signers`` are not
    enough for the root's own threshold.
    """
    tuf = _tuf()
    if set(roles) != set(ROLES):
        raise ValueError("a root names keys for root, timestamp, snapshot and targets")
    keys = {id_: key for role in roles.values() for id_, key in map(_tuf_key, role.keys)}
    root = tuf.Root(
        version=version,
        expires=_whole(expires),
        keys=keys,
        roles={name: tuf.Role([_tuf_key(key)[0] for key in role.keys], role.threshold) for name, role in roles.items()},
        consistent_snapshot=True,
    )
    signed = tuf.Metadata(root)
    for signer in signers:
        signed.sign(_adapter(signer), append=True)
    _require(root, "root", signed)
    return bytes(signed.to_bytes())


def sign_pack(
    targets: Mapping[str, bytes], *, version: int, roots: Sequence[bytes], signers: Sequence[Signer], expires: datetime
) -> bytes:
    """A pack of ``targets`` as they are, under the last of ``roots``. ``PackBuilder.build`` is this, checked.

    ``signers`` sign the roles their keys hold. Raises ``ValueError`` when they are too few.
    """
    tuf = _tuf()
    chain = {tuf.Metadata.from_bytes(raw).signed.version: raw for raw in roots}
    root = tuf.Metadata.from_bytes(chain[max(chain)]).signed
    end = _whole(expires)
    listed = {name: tuf.TargetFile.from_data(name, raw, ["sha256"]) for name, raw in targets.items()}
    signed = _signed(root, "targets", tuf.Targets(version, expires=end, targets=listed), signers)
    below = tuf.MetaFile.from_data(version, signed, ["sha256"])
    snapshot = _signed(root, "snapshot", tuf.Snapshot(version, expires=end, meta={"targets.json": below}), signers)
    meta = tuf.MetaFile.from_data(version, snapshot, ["sha256"])
    timestamp = _signed(root, "timestamp", tuf.Timestamp(version, expires=end, snapshot_meta=meta), signers)
    files = {f"{number}.root.json": raw for number, raw in chain.items()}
    files |= {"timestamp.json": timestamp, "snapshot.json": snapshot, "targets.json": signed}
    return write_pack(files | {TARGETS_FOLDER + name: raw for name, raw in targets.items()})


class PackBuilder:
    """Collects the content of a bundle; ``build`` signs it. Nothing has a default that would widen trust."""

    def __init__(self, *, production: bool, name: Mapping[str, str]) -> None:
        """``production`` bundles take no test authority. ``name`` has ``ko`` and ``en``."""
        self._production = production
        self._names = _names(name)
        self._authorities: list[Authority] = []
        self._readers: list[ReaderEntry] = []
        self._files: dict[str, bytes] = {}
        self._status: dict[str, tuple[int, bytes]] = {}

    def add_authority(
        self,
        *,
        id: str,  # noqa: A002 - the issuer's id, as everywhere
        name: Mapping[str, str],
        purpose: Purpose,
        anchors: Sequence[bytes],
        signers: Sequence[Sequence[bytes]],
        types: Iterable[str],
        status_uris: Sequence[str],
        valid_from: datetime,
        valid_until: datetime,
        test: bool,
        withdrawn: Sequence[Withdrawal] = (),
    ) -> None:
        """An authority: ``anchors`` are its roots (DER), ``signers`` chains, leaf first and without the root.

        ``types`` are the certificate types it may sign (none unless it is an issuer), ``status_uris`` the lists it
        answers for (a URI, or a prefix ending in ``/``).
        """
        from vcred.trust.x509 import read_certificate  # noqa: PLC0415 - one of the slow imports

        self._authorities.append(
            Authority(
                id=id,
                names=_names(name),
                purpose=purpose,
                anchors=tuple(anchors),
                signers=tuple(tuple(chain) for chain in signers),
                kids=tuple(read_certificate(chain[0], "signer").key.kid for chain in signers),
                types=frozenset(types),
                status_uris=tuple(status_uris),
                valid_from=epoch(valid_from),
                valid_until=epoch(valid_until),
                test=test,
                withdrawn=tuple(withdrawn),
            )
        )

    def add_reader(
        self,
        *,
        certificate: bytes,
        name: Mapping[str, str],
        policies: Iterable[str],
        test: bool,
        withdrawn_at: datetime | None = None,
    ) -> None:
        """A registered reader, shown by ``name``."""
        self._readers.append(
            ReaderEntry(
                names=_names(name),
                certificate=certificate,
                policies=frozenset(policies),
                test=test,
                withdrawn_at=None if withdrawn_at is None else epoch(withdrawn_at),
            )
        )

    def add_types(self, texts: Mapping[str, str]) -> None:
        """Certificate types: file name (``resident/household.toml``) -> TOML text."""
        self._files |= {TYPES_FOLDER + name: text.encode() for name, text in texts.items()}

    def add_policy(self, policy_id: str, text: str) -> None:
        """A verification policy."""
        self._files[f"{POLICIES_FOLDER}{policy_id}.toml"] = text.encode()

    def add_status(self, token: bytes) -> None:
        """A Status List Token as its issuer signed it. Of two for one list the later one stays.

        Raises ``MalformedError`` when it cannot be read.
        """
        parsed = parse_status_token(token)
        kept = self._status.get(parsed.uri)
        if kept is None or parsed.issued_at > kept[0]:
            self._status[parsed.uri] = (parsed.issued_at, token)

    def targets(self, *, at: datetime) -> dict[str, bytes]:
        """The files that are to be signed, by name."""
        index = {uri: f"{STATUS_FOLDER}{number}.cwt" for number, uri in enumerate(sorted(self._status))}
        meta = Meta(names=self._names, production=self._production, signed_at=epoch(at), status=index)
        return {
            AUTHORITIES_FILE: dump_authorities(self._authorities, self._readers),
            META_FILE: dump_meta(meta),
            **self._files,
            **{name: self._status[uri][1] for uri, name in index.items()},
        }

    def build(
        self, *, version: int, roots: Sequence[bytes], signers: Sequence[Signer], at: datetime, expires: datetime
    ) -> bytes:
        """The bundle file, signed at ``at``. ``roots`` are all root files, the one that terminals pin first.

        Raises ``ValueError`` when ``signers`` are too few, or when the bundle would not be accepted as it is.
        """
        raw = sign_pack(self.targets(at=at), version=version, roots=roots, signers=signers, expires=expires)
        try:
            bundle = TrustBundle.loads(raw, root=roots[0], seen=None)
            bundle.check_time(at)
            bundle.verify_signers()
            for uri in self._status:
                problem = bundle.status_problem(uri)
                if problem is not None:
                    raise ValueError(f"status list {uri}: {problem.code.value}: {problem.detail}")
        except VcredError as error:
            raise ValueError(f"the bundle would not be accepted: {error}") from error
        return raw


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


def _adapter(signer: Signer) -> Any:
    return _TufSigner(signer)


def _tuf_key(key: PublicKey) -> tuple[str, Any]:
    from securesystemslib import signer  # noqa: PLC0415 - one of the slow imports

    found = cast("Any", signer).SSlibKey.from_crypto(key.crypto)
    return str(found.keyid), found


def _signed(root: Any, role: str, content: Any, signers: Sequence[Signer]) -> bytes:
    signed = _tuf().Metadata(content)
    for adapter in map(_adapter, signers):
        if adapter.key_id in root.roles[role].keyids:
            signed.sign(adapter, append=True)
    _require(root, role, signed)
    return bytes(signed.to_bytes())


def _require(root: Any, role: str, signed: Any) -> None:
    if not root.get_verification_result(role, signed.signed_bytes, signed.signatures):
        raise ValueError(f"the signers are too few for the role {role}")


def _whole(at: datetime) -> datetime:
    epoch(at)  # refuses a time without zone
    return at.replace(microsecond=0)


def _names(name: Mapping[str, str]) -> Names:
    return Names(ko=name["ko"], en=name["en"])
