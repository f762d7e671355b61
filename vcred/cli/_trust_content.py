"""What a trust operator's folder says: authorities, readers, certificate types and policies, as files to look at.

``authorities/`` and ``readers/`` hold descriptions, ``types/`` and ``policies/`` TOML files of our own beside the
built-in ones. The next trust list is made of all of them.
"""

from __future__ import annotations

import hashlib
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from vcred._files import alone
from vcred.cli._files import read, write
from vcred.errors import TrustError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from vcred.cli._command import Run
    from vcred.trust.content import Authority, ReaderEntry, WithdrawalReason
    from vcred.trust.publish import PackBuilder

__all__ = [
    "authorities",
    "collected",
    "editing",
    "ending",
    "moment",
    "put_authority",
    "put_reader",
    "readers",
    "restore",
    "status_tokens",
    "withdraw",
]


def authorities(folder: Path) -> list[Authority]:
    """Those taken in."""
    from vcred.cli._describe import authority_file

    return [authority_file(path) for path in sorted((folder / "authorities").glob("*.json"))]


def readers(folder: Path) -> list[ReaderEntry]:
    """Those taken in."""
    from vcred.cli._describe import reader_file

    return [reader_file(path) for path in sorted((folder / "readers").glob("*.json"))]


def put_authority(folder: Path, file: Path, *, force: bool) -> None:
    """Take in a description. Withdrawals that were decided here stay. Raises ``TrustError``."""
    from dataclasses import replace

    from vcred.cli._describe import authority_file, dump

    entry = authority_file(file)
    _check_signers(entry, file)
    path = _path(folder, entry)
    if path.exists() and force:
        kept = authority_file(path).withdrawn
        entry = replace(entry, withdrawn=tuple(dict.fromkeys((*kept, *entry.withdrawn))))
    write(path, dump(entry), force=force)


def put_reader(folder: Path, file: Path, *, policies: str | None, force: bool) -> None:
    """Take in a description, registered for ``policies`` (separated by commas) if given. Raises ``TrustError``."""
    from dataclasses import replace

    from vcred.cli._describe import dump, reader_file

    entry = reader_file(file)
    if policies is not None:
        entry = replace(entry, policies=frozenset(filter(None, policies.split(","))))
    write(folder / "readers" / f"{_short(entry.certificate)}.json", dump(entry), force=force)


def withdraw(folder: Path, authority: str, kid: bytes | None, reason: WithdrawalReason, at: datetime) -> Authority:
    """Withdraw a key of an authority, or all of it (``kid`` is ``None``), from ``at``. Raises ``TrustError``."""
    from dataclasses import replace

    from vcred.cli._describe import dump
    from vcred.formats._wire import epoch
    from vcred.trust.content import Withdrawal
    from vcred.trust.x509 import read_certificate

    found = next((each for each in authorities(folder) if each.id == authority), None)
    if found is None:
        raise TrustError(f"no authority {authority} was taken in")
    if kid is not None and kid not in _kids(found):
        roots = {read_certificate(der, "anchor").key.kid for der in found.anchors}
        known = ", ".join(f"{each.hex()}{' (root)' if each in roots else ''}" for each in sorted(_kids(found)))
        raise TrustError(f"{authority} has no key {kid.hex()}: it has {known}")
    if any(each.kid == kid and each.reason is reason for each in found.withdrawn):
        raise TrustError(f"{authority}: this is withdrawn as {reason.value} already")
    gone = Withdrawal(kid=kid, at=epoch(at), reason=reason)
    entry = replace(found, withdrawn=(*found.withdrawn, gone))
    write(_path(folder, entry), dump(entry), force=True)
    return entry


def collected(folder: Path, *, names: Any, production: bool) -> PackBuilder:
    """The next trust list. Raises ``TrustError``, ``CatalogError``, ``PolicyError`` for what is wrong in the files."""
    from vcred.catalog import Catalog
    from vcred.cli.catalog import with_own
    from vcred.trust.publish import PackBuilder

    builder = PackBuilder(production=production, name={"ko": names.ko, "en": names.en})
    for entry in authorities(folder):
        builder.add_entry(entry)
    for one in readers(folder):
        builder.add_entry(one)
    catalog, own = Catalog.builtin(), sorted((folder / "types").rglob("*.toml"))
    if own:
        catalog = with_own(catalog, (folder / "types",))
    builder.add_types(catalog.texts())
    policies = _policies(sorted((folder / "policies").glob("*.toml")), catalog)
    for policy_id, text in policies.items():
        builder.add_policy(policy_id, text)
    for one in readers(folder):
        if unknown := sorted(one.policies - policies.keys()):
            raise TrustError(f"{one.names.en}: there is no policy {unknown[0]}: add it first (vcred trust add-policy)")
    return builder


def ending(folder: Path, *, at: datetime) -> list[str]:
    """The keys that end within 60 days."""
    from datetime import timedelta

    from vcred.trust.lint import expiring_keys

    return expiring_keys(authorities(folder), at=at, within=timedelta(days=60))


def restore(folder: Path, published: Mapping[str, bytes]) -> None:
    """Put the descriptions of authorities and readers back as they are published."""
    from vcred.cli._describe import dump
    from vcred.trust.content import parse_authorities

    entries, registered = parse_authorities(published["authorities.json"])
    wanted = {_path(folder, entry): dump(entry) for entry in entries}
    wanted |= {folder / "readers" / f"{_short(one.certificate)}.json": dump(one) for one in registered}
    for path in _described(folder):
        if path.parent.name in ("authorities", "readers") and path not in wanted:
            path.unlink()
    for path, content in wanted.items():
        write(path, content, force=True)


class _Edit:
    """Whether an edit changed what the trust list says."""

    content = True


@contextmanager
def editing(folder: Path, run: Run) -> Iterator[_Edit]:
    """Edit the descriptions alone, then stage what follows from them; what cannot be staged was never taken in."""
    from vcred.trust.repository import Repository

    repository, edit = Repository(folder), _Edit()
    with alone(folder / "staged"), _undone(folder):
        yield edit
        if edit.content:
            builder = collected(folder, names=repository.names, production=repository.production)
            repository.stage(builder, at=run.at)


@contextmanager
def _undone(folder: Path) -> Iterator[None]:
    """Put the descriptions back as they were when something goes wrong."""
    before = {path: read(path) for path in _described(folder)}
    try:
        yield
    except BaseException:
        for path in _described(folder):
            if path not in before:
                path.unlink()
        for path, content in before.items():
            write(path, content, force=True)
        raise


def _described(folder: Path) -> list[Path]:
    found = (path for kind in ("authorities", "readers", "types", "policies") for path in (folder / kind).rglob("*"))
    return [path for path in found if path.is_file()]


def status_tokens(sources: Sequence[Path]) -> tuple[list[bytes], dict[str, str]]:
    """The Status List Tokens of these files and folders, and the files that are none, with the reason.

    Raises ``TrustError`` for a folder without any.
    """
    from vcred.errors import MalformedError
    from vcred.status import parse_status_token

    tokens: list[bytes] = []
    wrong: dict[str, str] = {}
    for source in sources:
        found = sorted((*source.glob("*.cwt"), *source.glob("*.vc.jwt"))) if source.is_dir() else [source]
        if not found:
            raise TrustError(f"{source}: no status list (*.cwt, *.vc.jwt) is in this folder")
        for file in found:
            raw = read(file)
            try:
                parse_status_token(raw)
            except MalformedError as error:
                wrong[str(file)] = f"not a status list: {error}"
            else:
                tokens.append(raw)
    return tokens, wrong


def moment(seconds: int) -> datetime:
    """Seconds since 1970 as a time."""
    return datetime.fromtimestamp(seconds, UTC)


def _policies(extra: Sequence[Path], catalog: Any) -> dict[str, str]:
    """The presets, and policies of our own, each checked against the catalogue it travels with."""
    from vcred.policy import lint
    from verifier.policy import VerificationPolicy, preset_ids

    found = [VerificationPolicy.preset(policy_id) for policy_id in preset_ids()]
    found += [VerificationPolicy.load(read(file).decode("utf-8", "replace"), file=file.name) for file in extra]
    texts = {}
    for policy in found:
        for mistake in lint(policy, catalog):
            raise mistake
        texts[policy.id] = policy.source
    return texts


def _kids(entry: Authority) -> set[bytes]:
    """Ids of every key of an authority: roots, certificates on the way, signers, keys without certificate."""
    from vcred.trust.bare import keys_of
    from vcred.trust.x509 import read_certificate

    on_paths = {read_certificate(der, "signer").key.kid for chain in entry.signers for der in chain}
    roots = {read_certificate(der, "anchor").key.kid for der in entry.anchors}
    return on_paths | roots | {each.key.kid for each in keys_of(entry)}


def _check_signers(entry: Authority, file: Path) -> None:
    """Every listed signer must lead to the authority's own root; when it was made is judged by the bundle."""
    from vcred.errors import RefusedError
    from vcred.trust.signers import signer_purpose
    from vcred.trust.x509 import read_certificate, verify_chain

    for chain in entry.signers:
        try:
            leaf = read_certificate(chain[0], "signer")
            purpose, at = signer_purpose(entry, leaf), moment(leaf.not_before)
            verify_chain(chain, entry.anchors, purpose=purpose, at=at, profile=entry.profile)
        except RefusedError as error:
            raise TrustError(f"{file}: {error}") from error


def _path(folder: Path, entry: Authority) -> Path:
    return folder / "authorities" / f"{_short(entry.id.encode())}.json"


def _short(value: bytes) -> str:
    return hashlib.sha256(value).hexdigest()[:16]
