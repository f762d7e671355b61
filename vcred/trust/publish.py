"""Make a trust bundle: collect what it says, sign it as a TUF repository, pack it into one file.

Every pack is read back by the code that verifiers run before it is handed out, and every listed signer's path and
every status list is verified: a bundle that some terminal would stumble over is not published.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vcred.errors import VcredError
from vcred.formats._wire import epoch
from vcred.status import parse_status_token
from vcred.trust.bundle import POLICIES_FOLDER, TYPES_FOLDER, TrustBundle
from vcred.trust.content import (
    AUTHORITIES_FILE,
    META_FILE,
    Authority,
    Meta,
    Names,
    ReaderEntry,
    dump_authorities,
    dump_meta,
    status_file,
)
from vcred.trust.lint import lint_authorities
from vcred.trust.metadata import TARGETS_FOLDER
from vcred.trust.pack import write_pack
from vcred.trust.profile import CertificateProfile
from vcred.trust.roles import (
    RoleKeys,
    new_root,
    read_metadata,
    sign_role,
    single_key,
    snapshot_metadata,
    status_metadata,
    targets_metadata,
    timestamp_metadata,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from vcred.keys import Signer
    from vcred.trust.bare import BareKey
    from vcred.trust.content import Withdrawal
    from vcred.trust.profile import Purpose

__all__ = ["PackBuilder", "RoleKeys", "assemble", "check_pack", "new_root", "sign_pack", "single_key"]


def sign_pack(
    targets: Mapping[str, bytes],
    *,
    status: Mapping[str, bytes],
    version: int,
    roots: Sequence[bytes],
    signers: Sequence[Signer],
    at: datetime,
    expires: datetime,
) -> bytes:
    """A pack of ``targets`` and status lists (by URI) as they are, under the last of ``roots``.

    ``signers`` sign the roles their keys hold. ``PackBuilder.build`` is this, checked. Raises ``ValueError`` when they
    are too few.
    """
    chain = dict(map(_root, roots))
    root = read_metadata(chain[max(chain)]).signed
    times: dict[str, Any] = {"version": version, "expires": expires}
    unsigned = targets_metadata(targets, root=root, **times)
    signed = {"targets": sign_role(unsigned, "targets", delegator=root, signers=signers)}
    signed["status"] = sign_role(status_metadata(status, **times), "status", delegator=unsigned.signed, signers=signers)
    snapshot = snapshot_metadata(signed["targets"], signed["status"], **times)
    signed["snapshot"] = sign_role(snapshot, "snapshot", delegator=root, signers=signers)
    timestamp = timestamp_metadata(signed["snapshot"], at=at, **times)
    signed["timestamp"] = sign_role(timestamp, "timestamp", delegator=root, signers=signers)
    return assemble(chain, signed, targets, status)


def assemble(
    roots: Mapping[int, bytes], signed: Mapping[str, bytes], targets: Mapping[str, bytes], status: Mapping[str, bytes]
) -> bytes:
    """The single file of signed metadata (roots by version, the other roles by name) and of what it lists."""
    files = {f"{number}.root.json": raw for number, raw in roots.items()}
    files |= {f"{role}.json": raw for role, raw in signed.items()}
    files |= {TARGETS_FOLDER + name: raw for name, raw in targets.items()}
    return write_pack(files | {TARGETS_FOLDER + status_file(uri): raw for uri, raw in status.items()})


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
        keys: Sequence[BareKey] = (),
        did_document: bytes | None = None,
        profile: CertificateProfile = CertificateProfile.VCRED,
    ) -> None:
        """An authority: ``anchors`` are its roots (DER), ``signers`` chains, leaf first and without the root.

        ``keys`` are those it has without a certificate; a ``did:key`` or ``did:jwk`` has its key in its ``id``, and
        ``did_document`` is the document of a ``did:web``. ``types`` are the certificate types it may sign (none unless
        it is an issuer), ``status_uris`` the lists it answers for (a URI, or a prefix ending in ``/``).
        ``profile`` is how its certificates are read.
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
                keys=tuple(keys),
                did_document=did_document,
                profile=profile,
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

    def add_entry(self, entry: Authority | ReaderEntry) -> None:
        """An authority or a reader as a description file has it."""
        if isinstance(entry, ReaderEntry):
            self._readers.append(entry)
        else:
            self._authorities.append(entry)

    def add_types(self, texts: Mapping[str, str]) -> None:
        """Certificate types: file name (``resident/household.toml``) -> TOML text."""
        self._files |= {TYPES_FOLDER + name: text.encode() for name, text in texts.items()}

    def add_policy(self, policy_id: str, text: str) -> None:
        """A verification policy."""
        self._files[f"{POLICIES_FOLDER}{policy_id}.toml"] = text.encode()

    def add_status(self, token: bytes) -> None:
        """A Status List Token as its issuer signed it. Of two for one list the later one stays, else the last added.

        Raises ``MalformedError`` when it cannot be read.
        """
        parsed = parse_status_token(token)
        kept = self._status.get(parsed.uri)
        if kept is None or parsed.issued_at >= kept[0]:
            self._status[parsed.uri] = (parsed.issued_at, token)

    @property
    def status(self) -> dict[str, bytes]:
        """The Status List Tokens, by URI."""
        return {uri: token for uri, (_, token) in sorted(self._status.items())}

    def targets(self, *, at: datetime) -> dict[str, bytes]:
        """The files of the trust list that is made at ``at``, by name."""
        meta = Meta(names=self._names, production=self._production, listed_at=epoch(at))
        return {
            AUTHORITIES_FILE: dump_authorities(self._authorities, self._readers),
            META_FILE: dump_meta(meta),
            **self._files,
        }

    def build(
        self, *, version: int, roots: Sequence[bytes], signers: Sequence[Signer], at: datetime, expires: datetime
    ) -> bytes:
        """The bundle file, signed at ``at``. ``roots`` are all root files, the one that terminals pin first.

        Raises ``ValueError`` when ``signers`` are too few, or when the bundle would not be accepted as it is.
        """
        status = self.status
        raw = sign_pack(
            self.targets(at=at), status=status, version=version, roots=roots, signers=signers, at=at, expires=expires
        )
        check_pack(raw, root=roots[0], at=at)
        return raw


def check_pack(raw: bytes, *, root: bytes, at: datetime) -> TrustBundle:
    """The bundle in ``raw`` as a terminal will read it at ``at``. Raises ``ValueError`` when one would stumble."""
    try:
        bundle = TrustBundle.loads(raw, root=root, seen=None)
        bundle.check_time(at)
        bundle.verify_signers()
        for finding in lint_authorities(
            bundle.authorities, production=bundle.production, types=set(bundle.catalog) or None
        ):
            raise ValueError(f"the list of authorities is wrong: {finding}")
        for uri in bundle.status_uris:
            problem = bundle.status_problem(uri)
            if problem is not None:
                raise ValueError(f"status list {uri}: {problem.code.value}: {problem.detail}")
    except VcredError as error:
        raise ValueError(f"the bundle would not be accepted: {error}") from error
    return bundle


def _root(raw: bytes) -> tuple[int, bytes]:
    return int(read_metadata(raw).signed.version), raw


def _names(name: Mapping[str, str]) -> Names:
    return Names(ko=name["ko"], en=name["en"])
