"""``Repository``: where a trust operator keeps a trust list, collects signatures for it, and publishes it.

A folder::

    repository.json          name, whether for real use, lifetimes
    staged/root.json         a root that waits for signatures (``vcred.trust.ceremony``)
    staged/targets.json      a trust list that waits, its files beside it in staged/files/
    published/metadata/      what TUF clients fetch: N.root.json, N.targets.json, N.status.json, N.snapshot.json,
    published/targets/       timestamp.json, and the files, each with its hash in its name
    published/bundle.trust   the same in a single file
    published/root.json      the first root: what terminals pin

Publishing writes everything that has a number or a hash in its name first and ``timestamp.json`` last, so a client
sees the old state or the new one, and a crash leaves the old one. A number is never given to two contents.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from vcred._files import alone, write_whole
from vcred.errors import MalformedError, TrustError
from vcred.formats._wire import dump_json, parse_json
from vcred.trust.bundle import TYPES_FOLDER, TrustBundle
from vcred.trust.ceremony import Staged, attach, detached, fits, read_detached, signable, staged_list, staged_root
from vcred.trust.content import (
    AUTHORITIES_FILE,
    META_FILE,
    Names,
    parse_authorities,
    parse_meta,
    status_file,
)
from vcred.trust.lint import lint_authorities
from vcred.trust.merge import merge_status
from vcred.trust.publish import assemble, check_pack
from vcred.trust.roles import (
    ONLINE,
    ROOT_ROLES,
    STATUS,
    RoleKeys,
    public_keys,
    read_metadata,
    sign_role,
    snapshot_metadata,
    status_metadata,
    targets_metadata,
    timestamp_metadata,
    unsigned_root,
)
from vcred.trust.shelf import Shelf, version_of

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

    from vcred.keys import Signer
    from vcred.trust.merge import LeftOut
    from vcred.trust.publish import PackBuilder

__all__ = ["Lifetimes", "Published", "Repository"]

_SETTINGS = "repository.json"
_RENEW = timedelta(days=60)
"""A trust list is staged anew when it ends this soon."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lifetimes:
    """How many days what is signed is good for. ``online`` bounds how long a terminal works without any news."""

    root: int = 1095
    targets: int = 365
    online: int = 35


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """What a publication did."""

    version: int
    root_version: int
    list_version: int
    status_lists: int
    left_out: tuple[LeftOut, ...]
    waiting: tuple[Staged, ...]
    """What was not published, because signatures are missing."""
    bundle: TrustBundle


class Repository:
    """A repository in ``folder``. One process at a time changes it; a second one gets ``Locked``."""

    def __init__(self, folder: Path) -> None:
        """Open what ``create`` made. Raises ``TrustError``."""
        self.folder = folder
        self._shelf = Shelf(folder)
        try:
            body = parse_json((folder / _SETTINGS).read_bytes(), _SETTINGS, max_bytes=65536, max_depth=4)
            if body["format"] != 1 or not isinstance(body["production"], bool):
                raise TrustError(f"{folder}: {_SETTINGS} is not in our format")
            self.names = Names(ko=str(body["name"]["ko"]), en=str(body["name"]["en"]))
            self.production: bool = body["production"]
            self.lifetimes = Lifetimes(**{name: int(days) for name, days in body["lifetimes"].items()})
        except (OSError, MalformedError, KeyError, TypeError, ValueError) as error:
            raise TrustError(f"{folder}: not a trust repository: {type(error).__name__}") from error

    @classmethod
    def create(
        cls,
        folder: Path,
        *,
        name: Mapping[str, str],
        production: bool,
        roles: Mapping[str, RoleKeys],
        lifetimes: Lifetimes,
        at: datetime,
    ) -> Repository:
        """A new repository with its first root staged. ``roles``: keys for ``root``, ``targets`` and ``online``.

        Raises ``ValueError`` for wrong roles, ``TrustError`` when there is a repository already.
        """
        if (folder / _SETTINGS).exists():
            raise TrustError(f"{folder}: there is a trust repository already")
        expires = at + timedelta(days=lifetimes.root)
        root = unsigned_root(version=1, roles=_root_roles(roles), expires=expires)
        shelf = Shelf(folder)
        shelf.make()
        shelf.stage("root", bytes(root.to_bytes()), {})
        body = {
            "format": 1,
            "name": {"ko": name["ko"], "en": name["en"]},
            "production": production,
            "lifetimes": {"root": lifetimes.root, "targets": lifetimes.targets, "online": lifetimes.online},
        }
        write_whole(folder / _SETTINGS, dump_json(body), private=False)
        return cls(folder)

    @property
    def first_root(self) -> Path:
        """The root that terminals pin, once something was published."""
        return self.folder / "published/root.json"

    @property
    def bundle_file(self) -> Path:
        """The single file that was published last."""
        return self.folder / "published/bundle.trust"

    def roles(self) -> dict[str, RoleKeys]:
        """Who signs ``root``, ``targets`` and ``online``, by the newest root, staged or published."""
        root = read_metadata(self._shelf.newest_root()).signed
        return {
            name: RoleKeys(keys=tuple(public_keys(root, role).values()), threshold=root.roles[role].threshold)
            for name, role in {"root": "root", "targets": "targets", "online": ONLINE}.items()
        }

    def staged(self) -> tuple[Staged, ...]:
        """What waits, root first, with the signatures each has."""
        root, listed = self._shelf.waiting("root"), self._shelf.waiting("targets")
        found = [] if root is None else [staged_root(root, self._shelf.root())]
        return (*found, *([] if listed is None else [staged_list(listed, self._shelf.newest_root())]))

    def staged_files(self) -> dict[str, bytes] | None:
        """The files of the trust list that waits; ``None`` when none does."""
        waiting = self._shelf.waiting("targets")
        return None if waiting is None else self._shelf.files_of(waiting)

    def published_files(self) -> dict[str, bytes] | None:
        """The files of the trust list that is published; ``None`` when none is.

        What officers sign next is compared with it, so it has to be what officers signed. Raises ``TrustError``.
        """
        listed, roots = self._shelf.published("targets"), self._shelf.roots()
        if listed is None:
            return None
        # A crash may have left a newer root out there beside the list of the one before.
        if not any(staged_list(listed, roots[version]).complete for version in sorted(roots)[-2:]):
            raise TrustError(f"{self.folder}: the published trust list is not what officers signed")
        return self._shelf.files_of(listed)

    def rotate(self, roles: Mapping[str, RoleKeys], *, at: datetime) -> None:
        """Stage a root with these keys, and the trust list anew, since its keys or the online ones may change.

        A root that waited and is not complete is replaced. Raises ``ValueError`` for wrong roles, ``TrustError`` before
        anything was published, or when a complete root waits.
        """
        with alone(self.folder):
            current = self._shelf.root()
            if current is None:
                raise TrustError("nothing was published yet: make the repository again with the right keys")
            if any(each.role == "root" and each.complete for each in self.staged()):
                raise TrustError("a root with all its signatures waits: publish it first")
            version = 1 + version_of(current)  # roots have no gaps; what waited and was not complete is replaced
            expires = at + timedelta(days=self.lifetimes.root)
            root = unsigned_root(version=version, roles=_root_roles(roles), expires=expires)
            files = self.staged_files() or self.published_files()
            self._shelf.stage("root", bytes(root.to_bytes()), {})
            if files is not None:
                self._stage(files, at)

    def stage(self, builder: PackBuilder, *, at: datetime) -> bool:
        """Stage what ``builder`` says as the next trust list. Returns whether there is a new one to sign.

        The same content is staged again only when the list ends within two months, or was made for other keys.
        Signatures for a list that was staged before are gone: they were for other content. Raises ``TrustError`` for a
        list that must not be published (``vcred.trust.lint``): officers are not asked to sign it.
        """
        files = builder.targets(at=at)
        mistakes = lint_authorities(
            parse_authorities(files[AUTHORITIES_FILE])[0], production=self.production, types=_codes(files)
        )
        if mistakes:
            raise TrustError("; ".join(mistakes))
        with alone(self.folder):
            kept = self.staged_files() or self.published_files()
            if kept is not None and _same(kept, files) and not self._due(at):
                return False
            self._stage(files, at)
        return True

    def unstage(self) -> list[str]:
        """Give up what waits. Returns the roles. The number of a list that was given up is not used again.

        Raises ``TrustError`` for a root that has all its signatures: somebody may have it already.
        """
        with alone(self.folder):
            staged = self.staged()
            if any(each.role == "root" and each.complete for each in staged):
                raise TrustError("the root that waits has all its signatures: publish it")
            for each in staged:
                self._shelf.unstage(each.role)
        return [each.role for each in staged]

    def sign(self, signer: Signer, *, shown: Collection[str] | None = None) -> list[str]:
        """Sign everything staged that ``signer`` may sign. Returns the roles. Raises ``SigningError``.

        ``shown`` are the digests of what its holder was shown: ``TrustError`` when other things are staged by now.
        """
        with alone(self.folder):
            mine = signable(self.staged(), signer.public_key, shown=shown)
            for staged in mine:
                detached(staged, signer)
                self._shelf.stage(staged.role, staged.to_bytes(), {})
        return [staged.role for staged in mine]

    def attach(self, signature: bytes) -> str:
        """Take a detached signature. Returns the role. Raises ``TrustError`` unless it is valid and counts."""
        role = str(read_detached(signature)["role"])
        with alone(self.folder):
            for staged in self.staged():
                if staged.role == role:
                    attach(staged, signature)
                    self._shelf.stage(role, staged.to_bytes(), {})
                    return role
        raise TrustError(f"nothing is staged that this signature is for: {role}")

    def publish(self, online: Sequence[Signer], *, status: Sequence[bytes], at: datetime) -> Published:
        """Publish what has its signatures, with ``status`` (Status List Tokens) merged into the lists kept.

        What still waits for signatures stays staged, and the published list stays as it was. Raises ``TrustError``
        when there is nothing complete to publish, ``online`` are too few, or a terminal would refuse the result,
        ``MalformedError`` for a token that cannot be read, ``SigningError``. Nothing is changed then.
        """
        try:
            return self._publish(online, status, at)
        except ValueError as error:
            raise TrustError(str(error)) from error

    def _publish(self, online: Sequence[Signer], status: Sequence[bytes], at: datetime) -> Published:
        with alone(self.folder):
            root, targets = self._choose()
            files = self._shelf.files_of(targets)
            lists, left_out = merge_status(
                self._shelf.kept_status(),
                status,
                authorities=parse_authorities(files[AUTHORITIES_FILE])[0],
                production=self.production,
                at=at,
            )
            signed = {"root": root, "targets": targets}
            version = self._sign_online(signed, lists, online, at)
            by = read_metadata(root).signed
            roots = self._shelf.roots() | {by.version: root}
            raw = assemble(roots, {role: signed[role] for role in signed if role != "root"}, files, lists)
            bundle = self._checked(raw, roots[1], at)
            named = {status_file(uri): token for uri, token in lists.items()}
            self._shelf.publish(signed, files | named, pack=raw, first=roots[1])
            return Published(
                version=version,
                root_version=by.version,
                list_version=version_of(targets),
                status_lists=len(lists),
                left_out=left_out,
                waiting=self.staged(),
                bundle=bundle,
            )

    def _sign_online(
        self, signed: dict[str, bytes], lists: Mapping[str, bytes], online: Sequence[Signer], at: datetime
    ) -> int:
        """Add status, snapshot and timestamp to ``signed``. Returns their version."""
        version = 1 + self._shelf.highest("snapshot", "status")
        times: dict[str, Any] = {"version": version, "expires": at + timedelta(days=self.lifetimes.online)}
        root, listed = read_metadata(signed["root"]).signed, read_metadata(signed["targets"]).signed
        signed["status"] = sign_role(status_metadata(lists, **times), STATUS, delegator=listed, signers=online)
        snapshot = snapshot_metadata(signed["targets"], signed["status"], **times)
        signed["snapshot"] = sign_role(snapshot, "snapshot", delegator=root, signers=online)
        timestamp = timestamp_metadata(signed["snapshot"], at=at, **times)
        signed["timestamp"] = sign_role(timestamp, "timestamp", delegator=root, signers=online)
        return version

    def _checked(self, raw: bytes, root: bytes, at: datetime) -> TrustBundle:
        """What a terminal makes of it, one that is new and one that has seen what was published before."""
        bundle = check_pack(raw, root=root, at=at)
        if self.bundle_file.exists():
            before = TrustBundle.loads(self.bundle_file.read_bytes(), root=root, seen=None)
            TrustBundle.loads(raw, root=root, seen=before.seen)
        return bundle

    def _choose(self) -> tuple[bytes, bytes]:
        """The newest root and trust list that have their signatures and belong together."""
        staged = self.staged()
        ready = {each.role: each.to_bytes() for each in staged if each.complete}
        roots = [each for each in (ready.get("root"), self._shelf.root()) if each is not None]
        lists = [self._shelf.waiting("targets"), self._shelf.published("targets")]
        for root in roots:
            for raw in lists:
                if raw is not None and staged_list(raw, root).complete and fits(raw, root):
                    return root, raw
        missing = ", ".join(
            f"{each.role} {each.version} has {len(demand.signed)} of {demand.threshold} by {demand.by}"
            for each in staged
            for demand in each.demands
            if not demand.met
        )
        raise TrustError(f"signatures are missing: {missing or 'no trust list is staged'}")

    def _stage(self, files: Mapping[str, bytes], at: datetime) -> None:
        version = 1 + self._shelf.highest("targets")
        root = read_metadata(self._shelf.newest_root()).signed
        expires = at + timedelta(days=self.lifetimes.targets)
        metadata = targets_metadata(files, version=version, root=root, expires=expires)
        self._shelf.stage("targets", bytes(metadata.to_bytes()), files)

    def _due(self, at: datetime) -> bool:
        """Whether the newest list has to be signed again although it says the same."""
        root, waiting = self._shelf.newest_root(), self._shelf.waiting("targets")
        raw = waiting or self._shelf.published("targets")
        if raw is None or not fits(raw, root):
            return True
        newest = staged_list(raw, root)
        return newest.expires_at - at < _RENEW or (waiting is None and not newest.complete)


def _root_roles(roles: Mapping[str, RoleKeys]) -> dict[str, RoleKeys]:
    if set(roles) != {"root", "targets", "online"}:
        raise ValueError("a repository has keys for root, targets and online")
    return {role: roles.get(role, roles["online"]) for role in ROOT_ROLES}


def _codes(files: Mapping[str, bytes]) -> set[str] | None:
    """The certificate types that a list carries; ``None`` when it carries none."""
    from vcred.catalog import Catalog  # noqa: PLC0415 - for makers only

    texts = {name: raw.decode() for name, raw in files.items() if name.startswith(TYPES_FOLDER)}
    return set(Catalog.from_texts({name.removeprefix(TYPES_FOLDER): text for name, text in texts.items()})) or None


def _same(one: Mapping[str, bytes], other: Mapping[str, bytes]) -> bool:
    """Whether two lists say the same, whenever they were made."""
    if set(one) != set(other) or any(one[name] != other[name] for name in one if name != META_FILE):
        return False
    first, second = parse_meta(one[META_FILE]), parse_meta(other[META_FILE])
    return replace(first, listed_at=second.listed_at) == second
