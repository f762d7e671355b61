"""``TrustBundle``: everything a wallet or a verifier believes, in one verified, versioned, expiring file.

The file is a zip pack (``vcred.trust.pack``) of TUF metadata (``vcred.trust.metadata``) and the files it signs: whom to
trust (``authorities.json``), certificate types, verification policies, and Status List Tokens as their issuers signed
them. It is verified as a whole when it is loaded, and never half-trusted. What is wrong with our own file is a
``TrustError``; what a bundle says about someone else's credential is a ``RefusedError``.
"""

from __future__ import annotations

import copy
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from vcred._files import read_limited
from vcred.errors import BundleExpired, MalformedError, RefusedError, TrustError
from vcred.formats._wire import epoch
from vcred.reasons import Reason, ReasonCode
from vcred.status import StatusSnapshot
from vcred.trust.bare import keys_of
from vcred.trust.content import AUTHORITIES_FILE, META_FILE, parse_authorities, parse_meta
from vcred.trust.metadata import VerifiedMetadata, verify_metadata
from vcred.trust.pack import MAX_ARCHIVE_BYTES, read_pack
from vcred.trust.profile import Purpose
from vcred.trust.readers import ReaderIndex, VerifiedReader
from vcred.trust.rules import VerifiedIssuer, admit_issuer, check_clock
from vcred.trust.seen import SeenMemory, SeenState, read_seen
from vcred.trust.signers import SignerIndex
from vcred.trust.snapshots import Snapshots

if TYPE_CHECKING:
    from collections.abc import Mapping

    from vcred.catalog import Catalog
    from vcred.trust.content import Authority, Names, ReaderEntry

__all__ = ["POLICIES_FOLDER", "TYPES_FOLDER", "TrustBundle"]

POLICIES_FOLDER, TYPES_FOLDER = "policies/", "types/"

_MAX_ROOT_BYTES = 1024 * 1024


class TrustBundle:
    """A verified bundle. Made by ``load`` or ``loads``; what it says never changes."""

    def __init__(self, metadata: VerifiedMetadata, *, seen: SeenState, seen_path: Path | None) -> None:
        """Read verified files; ``load`` and ``loads`` call this. Raises ``TrustError``."""
        targets = metadata.targets
        for name in (AUTHORITIES_FILE, META_FILE):
            if name not in targets:
                raise TrustError(f"the bundle is wrong: {name} is missing")
        for name in targets:
            if name not in (AUTHORITIES_FILE, META_FILE) and not name.startswith((POLICIES_FOLDER, TYPES_FOLDER)):
                raise TrustError(f"the bundle is wrong: {name} belongs to nothing")
        self._metadata = metadata
        self._meta = parse_meta(targets[META_FILE])
        self._authorities, self._readers = parse_authorities(targets[AUTHORITIES_FILE])
        self._policies = _texts(targets, POLICIES_FOLDER)
        self._types = _texts(targets, TYPES_FOLDER)
        self._reader_index = ReaderIndex(self._authorities, self._readers, production=self._meta.production)
        self._signers = SignerIndex(self._authorities, self._reader_index.kids, production=self._meta.production)
        self._status = Snapshots(metadata.status, self._signers)
        self._catalog: Catalog | None = None
        self._expires_at = epoch(metadata.expires_at)
        self._memory = SeenMemory(seen, path=seen_path)
        self._pack = ""
        self._packed_status = self._status

    @classmethod
    def load(cls, path: str | Path, *, root: str | Path, seen: Path | None = None) -> TrustBundle:
        """Load and verify the bundle file at ``path`` under the pinned root file ``root``.

        What was seen before is remembered in ``seen``, or beside the bundle in ``<path>.seen``. Raises
        ``BundleSignature``, ``BundleRollback``, or ``TrustError`` for a file that cannot be read or is no bundle.
        Expiry depends on the time: see ``check_time``.
        """
        path = Path(path)
        memory = seen if seen is not None else path.with_name(path.name + ".seen")
        known = read_seen(memory)
        bundle = cls._verified(
            read_limited(path, MAX_ARCHIVE_BYTES, TrustError),
            read_limited(Path(root), _MAX_ROOT_BYTES, TrustError),
            known,
            seen_path=memory,
        )
        if bundle.seen != known:
            bundle._memory.save()  # noqa: SLF001 - the other constructor of this class
        return bundle

    @classmethod
    def loads(cls, raw: bytes, *, root: bytes, seen: SeenState | None) -> TrustBundle:
        """The same from bytes. ``seen`` is what the caller remembered (``None``: nothing has been seen before).

        The caller keeps ``bundle.seen`` for the next time. Raises as ``load`` does.
        """
        return cls._verified(raw, root, SeenState() if seen is None else seen, seen_path=None)

    @classmethod
    def _verified(cls, raw: bytes, root: bytes, known: SeenState, *, seen_path: Path | None) -> TrustBundle:
        try:
            files = read_pack(raw)
        except MalformedError as error:
            raise TrustError(f"not a bundle: {error}") from error
        metadata = verify_metadata(files, root=root)
        bundle = cls(metadata, seen=known.accept(metadata.roles), seen_path=seen_path)
        bundle._pack = sha256(raw).hexdigest()
        return bundle

    @property
    def version(self) -> int:
        """The version; a later bundle has a higher one."""
        return self._metadata.version

    @property
    def signed_at(self) -> datetime:
        """When the online key last vouched for all of it: as of then it was the newest."""
        return datetime.fromtimestamp(self._metadata.signed_at, UTC)

    @property
    def listed_at(self) -> datetime:
        """When the trust list in it was made."""
        return datetime.fromtimestamp(self._meta.listed_at, UTC)

    @property
    def expires_at(self) -> datetime:
        """When the bundle is no longer to be used: the earliest expiry of its metadata."""
        return self._metadata.expires_at

    @property
    def names(self) -> Names:
        """The bundle's name."""
        return self._meta.names

    @property
    def production(self) -> bool:
        """Whether the bundle is for real use and takes no test authority."""
        return self._meta.production

    @property
    def authorities(self) -> tuple[Authority, ...]:
        """Who may sign what."""
        return self._authorities

    @property
    def readers(self) -> tuple[ReaderEntry, ...]:
        """The registered readers."""
        return self._readers

    @property
    def policies(self) -> Mapping[str, str]:
        """Verification policies: id -> TOML text."""
        return self._policies

    @property
    def catalog(self) -> Catalog:
        """The certificate types this bundle carries. Raises ``CatalogError`` the first time if one is wrong."""
        if self._catalog is None:
            from vcred.catalog import Catalog  # noqa: PLC0415 - the catalogue is read only if asked for

            self._catalog = Catalog.from_texts(self._types)
        return self._catalog

    @property
    def pack(self) -> str:
        """The SHA-256 of the file the bundle was made from: evidence of a verdict names it."""
        return self._pack

    @property
    def added_status(self) -> Mapping[str, bytes]:
        """The Status List Tokens that ``with_status`` added to the file's, by URI."""
        return MappingProxyType(self._status.added_to(self._packed_status))

    @property
    def seen(self) -> SeenState:
        """What this installation has seen, this bundle included."""
        return self._memory.state

    def age(self, at: datetime) -> timedelta:
        """How long ago the online key vouched for the bundle."""
        return timedelta(seconds=epoch(at) - self._metadata.signed_at)

    def check_time(self, at: datetime, *, last_seen: datetime | None = None) -> None:
        """Check that the bundle may be used at ``at``, by a clock that has not run backwards.

        ``last_seen`` is a time the caller knows to have passed; the bundle's own memory counts as well. Raises
        ``RefusedError`` with ``clock`` or ``bundle_expired``.
        """
        times = [
            time
            for time in (self._memory.state.last_seen, None if last_seen is None else epoch(last_seen))
            if time is not None
        ]
        check_clock(
            now=epoch(at),
            signed_at=self._metadata.signed_at,
            expires_at=self._expires_at,
            last_seen=max(times, default=None),
        )

    def require_current(self, at: datetime) -> None:
        """``check_time`` outside a verification. Raises ``BundleExpired``, or ``TrustError`` for the clock."""
        try:
            self.check_time(at)
        except RefusedError as error:
            kind = BundleExpired if error.code is ReasonCode.BUNDLE_EXPIRED else TrustError
            raise kind(str(error)) from error

    def observe(self, at: datetime) -> None:
        """Remember that ``at`` has passed, on disk too when the bundle came from a file (once a minute at most).

        Call it with times that are known to be right. Raises ``TrustError`` when the memory cannot be written.
        """
        self._memory.observe(at)

    def resolve_issuer(
        self, *, issuer: str, kid: bytes | None, x5c: tuple[bytes, ...], code: str, issued_at: int, at: datetime
    ) -> VerifiedIssuer:
        """Who signed a credential of type ``code``, by the rules of ``vcred.trust.rules``.

        Raises ``RefusedError``: ``key``, ``untrusted``, ``chain``, ``limit``, ``issuer``, ``key_withdrawn``,
        ``test_key`` or ``scope``.
        """
        record = self._signers.find(kid=kid, x5c=x5c, purpose=Purpose.ISSUER, issued_at=issued_at, issuer=issuer)
        return admit_issuer(
            record,
            issuer=issuer,
            code=code,
            issued_at=issued_at,
            now=epoch(at),
            production=self._meta.production,
        )

    def resolve_reader(self, *, client_id: str, x5c: tuple[bytes, ...], at: datetime) -> VerifiedReader:
        """Who asks. Raises ``RefusedError``: ``reader_untrusted``, ``chain``, ``limit``, ``test_key``,
        ``key_withdrawn``.
        """
        return self._reader_index.find(client_id=client_id, x5c=x5c, at=at)

    @property
    def status_uris(self) -> tuple[str, ...]:
        """The status lists that came with the bundle, or were added, usable or not."""
        return tuple(self._status)

    def status_list(self, uri: str) -> StatusSnapshot | None:
        """The verified status list at ``uri``; ``None`` when there is none or it is unusable (``status_problem``)."""
        found = self._status.get(uri)
        return found if isinstance(found, StatusSnapshot) else None

    def status_token(self, uri: str) -> bytes | None:
        """The Status List Token of ``uri`` as its issuer signed it, usable or not; ``None`` when there is none."""
        return self._status.token(uri)

    def status_problem(self, uri: str) -> Reason | None:
        """Why the status list at ``uri`` is unusable; ``None`` when it is usable, or simply not there."""
        return self._status.problem(uri)

    def with_status(self, token: bytes) -> TrustBundle:
        """This bundle with one Status List Token replaced, if ``token`` verifies and was signed later.

        An older token leaves the bundle as it is (logged). Raises ``RefusedError`` for one that does not verify.
        """
        status = self._status.replaced(token)
        if status is self._status:
            return self
        other = copy.copy(self)
        vars(other)["_status"] = status
        return other

    def summary(self, *, at: datetime) -> dict[str, Any]:
        """What is in the bundle, as JSON-able values for people and tools. Ages are in seconds."""
        return {
            "name": {"ko": self._meta.names.ko, "en": self._meta.names.en},
            "version": self.version,
            "production": self.production,
            "signed_at": self.signed_at.isoformat(),
            "listed_at": self.listed_at.isoformat(),
            "expires_at": self.expires_at.isoformat(),
            "age": int(self.age(at).total_seconds()),
            "authorities": [
                {
                    "id": authority.id,
                    "name": {"ko": authority.names.ko, "en": authority.names.en},
                    "purpose": authority.purpose.value,
                    "types": len(authority.types),
                    "signers": len(authority.signers) + len(keys_of(authority)),
                    "test": authority.test,
                }
                for authority in self._authorities
            ],
            "readers": len(self._readers),
            "types": sum(1 for name in self._types if name != "codes.toml"),
            "policies": sorted(self._policies),
            "status_lists": [self._status_summary(uri, at) for uri in self._status],
        }

    def verify_signers(self) -> None:
        """Verify the path of every listed signer now, instead of at its first use. Raises ``RefusedError``."""
        self._signers.verify_all()

    def _status_summary(self, uri: str, at: datetime) -> dict[str, Any]:
        snapshot, problem = self.status_list(uri), self.status_problem(uri)
        age = None if snapshot is None else int(snapshot.age(at).total_seconds())
        return {"uri": uri, "age": age, "problem": None if problem is None else problem.code.value}

    def __repr__(self) -> str:
        return f"TrustBundle(version={self.version}, expires_at={self.expires_at.isoformat()})"


def _texts(targets: Mapping[str, bytes], folder: str) -> Mapping[str, str]:
    """The text files of a folder: types by file name, policies by id."""
    texts: dict[str, str] = {}
    for name, raw in targets.items():
        if not name.startswith(folder):
            continue
        try:
            text = raw.decode("utf-8")
        except UnicodeDecodeError as error:
            raise TrustError(f"the bundle is wrong: {name}: not UTF-8") from error
        if not name.endswith(".toml"):
            raise TrustError(f"the bundle is wrong: {name}: not a TOML file")
        short = name.removeprefix(folder)
        texts[short.removesuffix(".toml") if folder == POLICIES_FOLDER else short] = text
    return MappingProxyType(texts)
