"""``vcred trust``: what an operator needs to make a trust bundle, and what is in one.

A trust folder holds the signing key (``root.key``), the root file that terminals pin (``kr-root.json``), the
descriptions that were taken in (``authorities/``, ``readers/``) and ``state.json`` with the last version given out.
"""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vcred.cli._command import Group, Run, option
from vcred.cli._files import locked, make_folder, read, read_object, refuse_existing, write
from vcred.cli._trust import naming
from vcred.errors import TrustError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.console import Console

    from vcred.trust.content import Authority, ReaderEntry
    from vcred.trust.publish import PackBuilder

__all__ = ["command"]

KEY, ROOT_FILE, STATE = "root.key", "kr-root.json", "state.json"
_ROOT_YEARS = 5
_PATH = click.Path(path_type=Path)

command = Group("trust")


@command.command("init", at=True, json=True)
@click.argument("folder", metavar="DIR", type=_PATH)
@option("--name-ko", required=True)
@option("--name-en", required=True)
@option("--production", is_flag=True)
@option("--password-file", type=_PATH)
@click.pass_obj
def init(
    run: Run,
    *,
    folder: Path,
    name_ko: str,
    name_en: str,
    production: bool,
    password_file: Path | None,
) -> None:
    """See ``texts.toml``."""
    from vcred.cli._secrets import new_password
    from vcred.formats._wire import dump_json
    from vcred.keys import SoftwareSigner
    from vcred.trust.publish import new_root, single_key

    refuse_existing(folder / KEY, folder / ROOT_FILE)
    password = new_password(password_file)
    make_folder(folder)
    signer = SoftwareSigner.generate()
    expires = run.at + timedelta(days=365 * _ROOT_YEARS)
    root = new_root(version=1, roles=single_key(signer.public_key), signers=[signer], expires=expires)
    state = {"format": 1, "name": {"ko": name_ko, "en": name_en}, "production": production, "version": 0}
    write(folder / KEY, signer.to_pem(password=password), private=True)
    write(folder / STATE, dump_json(state), private=True)
    write(folder / ROOT_FILE, root)
    facts = {"root": str(folder / ROOT_FILE), "sha256": hashlib.sha256(root).hexdigest(), "production": production}
    run.report(facts, lambda console: console.print(f"{facts['root']}\nSHA-256 {facts['sha256']}"))


@command.command("authority", json=True)
@click.argument("folder", metavar="DIR", type=_PATH)
@click.argument("files", nargs=-1, type=_PATH)
@option("--force", is_flag=True)
@click.pass_obj
def authority(run: Run, *, folder: Path, files: tuple[Path, ...], force: bool) -> None:
    """See ``texts.toml``."""
    from vcred.cli._describe import authority_file, dump, fingerprint

    with locked(folder):
        for file in files:
            entry = authority_file(file)
            _check_signers(entry, file)
            write(folder / "authorities" / f"{_short(entry.id.encode())}.json", dump(entry), force=force)
    facts = [
        {
            "id": entry.id,
            "name": {"ko": entry.names.ko, "en": entry.names.en},
            "types": sorted(entry.types),
            "test": entry.test,
            "anchors": [fingerprint(der) for der in entry.anchors],
        }
        for entry in _authorities(folder)
    ]
    head = (
        ["식별자", "이름", "종류 수", "시험용", "루트 지문"]
        if run.lang == "ko"
        else ["id", "name", "types", "test", "root fingerprint"]
    )
    _report(
        run,
        facts,
        head,
        lambda one: [one["id"], one["name"][run.lang], len(one["types"]), _yes(one["test"], run), *one["anchors"]],
    )


@command.command("reader", json=True)
@click.argument("folder", metavar="DIR", type=_PATH)
@click.argument("files", nargs=-1, type=_PATH)
@option("--policies")
@option("--force", is_flag=True)
@click.pass_obj
def reader(run: Run, *, folder: Path, files: tuple[Path, ...], policies: str | None, force: bool) -> None:
    """See ``texts.toml``."""
    from dataclasses import replace

    from vcred.cli._describe import dump, fingerprint, reader_file

    with locked(folder):
        for file in files:
            entry = reader_file(file)
            if policies is not None:
                entry = replace(entry, policies=frozenset(filter(None, policies.split(","))))
            write(folder / "readers" / f"{_short(entry.certificate)}.json", dump(entry), force=force)
    facts = [
        {
            "name": {"ko": entry.names.ko, "en": entry.names.en},
            "policies": sorted(entry.policies),
            "test": entry.test,
            "certificate": fingerprint(entry.certificate),
        }
        for entry in _readers(folder)
    ]
    head = (
        ["이름", "정책", "시험용", "인증서 지문"]
        if run.lang == "ko"
        else ["name", "policies", "test", "certificate fingerprint"]
    )
    _report(
        run,
        facts,
        head,
        lambda one: [one["name"][run.lang], ", ".join(one["policies"]), _yes(one["test"], run), one["certificate"]],
    )


@command.command("build", at=True, json=True)
@click.argument("folder", metavar="DIR", type=_PATH)
@option("--out", required=True, type=_PATH)
@option("--expires-days", default=90, type=click.IntRange(1, 1000))
@option("--types", multiple=True, type=_PATH)
@option("--policy", "policies", multiple=True, type=_PATH)
@option("--status", multiple=True, type=_PATH)
@option("--password-file", type=_PATH)
@option("--force", is_flag=True)
@click.pass_obj
def build(
    run: Run,
    *,
    folder: Path,
    out: Path,
    expires_days: int,
    types: tuple[Path, ...],
    policies: tuple[Path, ...],
    status: tuple[Path, ...],
    password_file: Path | None,
    force: bool,
) -> None:
    """See ``texts.toml``."""
    from vcred.cli._secrets import load_key
    from vcred.formats._wire import dump_json
    from vcred.trust import TrustBundle

    if not force:
        refuse_existing(out)
    signer = load_key(folder / KEY, password_file)
    with locked(folder):
        state = read_object(folder / STATE, "format", "name", "production", "version")
        builder = _collected(folder, state, types, policies)
        for file in _status_files(status):
            builder.add_status(read(file))
        root = read(folder / ROOT_FILE)
        # On disk before the bundle is: a version number is never given to two contents, whatever happens.
        version = int(state["version"]) + 1
        raw = builder.build(
            version=version,
            roots=[root],
            signers=[signer],
            at=run.at,
            expires=run.at + timedelta(days=expires_days),
        )
        write(folder / STATE, dump_json(state | {"version": version}), force=True, private=True)
        write(out, raw, force=force)
    facts = TrustBundle.loads(raw, root=root, seen=None).summary(at=run.at) | {"file": str(out)}
    run.report(facts, lambda console: _summary(console, facts, run.lang))


@command.command("show", at=True, json=True)
@click.argument("bundle", type=_PATH)
@option("--root", required=True, type=_PATH, envvar="VCRED_ROOT")
@click.pass_obj
def show(run: Run, *, bundle: Path, root: Path) -> None:
    """See ``texts.toml``."""
    from vcred.trust import TrustBundle

    with naming(bundle, root):
        loaded = TrustBundle.loads(read(bundle), root=read(root), seen=None)
    facts = loaded.summary(at=run.at)
    run.report(facts, lambda console: _summary(console, facts, run.lang))
    loaded.require_current(run.at)


def _collected(folder: Path, state: dict[str, Any], types: Sequence[Path], policies: Sequence[Path]) -> PackBuilder:
    from vcred.catalog import Catalog
    from vcred.cli.catalog import with_own
    from vcred.trust.publish import PackBuilder

    builder = PackBuilder(production=state["production"], name=state["name"])
    for entry in _authorities(folder):
        builder.add_authority(
            id=entry.id,
            name={"ko": entry.names.ko, "en": entry.names.en},
            purpose=entry.purpose,
            anchors=entry.anchors,
            signers=entry.signers,
            types=entry.types,
            status_uris=entry.status_uris,
            valid_from=_moment(entry.valid_from),
            valid_until=_moment(entry.valid_until),
            test=entry.test,
            withdrawn=entry.withdrawn,
        )
    for one in _readers(folder):
        builder.add_reader(
            certificate=one.certificate,
            name={"ko": one.names.ko, "en": one.names.en},
            policies=one.policies,
            test=one.test,
            withdrawn_at=None if one.withdrawn_at is None else _moment(one.withdrawn_at),
        )
    catalog = Catalog.builtin()
    if types:
        catalog = with_own(catalog, tuple(types))
    builder.add_types(catalog.texts())
    for policy_id, text in _policies(policies, catalog).items():
        builder.add_policy(policy_id, text)
    return builder


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


def _check_signers(entry: Authority, file: Path) -> None:
    """Every listed signer must lead to the authority's own root; when it was made is judged by the bundle."""
    from vcred.errors import RefusedError
    from vcred.trust import Purpose
    from vcred.trust.x509 import read_certificate, verify_chain

    for chain in entry.signers:
        try:
            leaf = read_certificate(chain[0], "signer")
            purpose = Purpose.STATUS if leaf.usages == (Purpose.STATUS.eku,) else entry.purpose
            verify_chain(chain, entry.anchors, purpose=purpose, at=_moment(leaf.not_before))
        except RefusedError as error:
            raise TrustError(f"{file}: {error}") from error


def _authorities(folder: Path) -> list[Authority]:
    from vcred.cli._describe import authority_file

    return [authority_file(path) for path in sorted((folder / "authorities").glob("*.json"))]


def _readers(folder: Path) -> list[ReaderEntry]:
    from vcred.cli._describe import reader_file

    return [reader_file(path) for path in sorted((folder / "readers").glob("*.json"))]


def _status_files(sources: Sequence[Path]) -> Iterator[Path]:
    for source in sources:
        yield from sorted(source.glob("*.cwt")) if source.is_dir() else [source]


def _short(value: bytes) -> str:
    return hashlib.sha256(value).hexdigest()[:16]


def _moment(seconds: int) -> datetime:
    from datetime import UTC

    return datetime.fromtimestamp(seconds, UTC)


def _yes(value: bool, run: Run) -> str:  # noqa: FBT001 - a value to show
    return (run.text("예", "yes")) if value else ""


def _report(run: Run, facts: list[dict[str, Any]], head: list[str], row: Any) -> None:
    from vcred.cli._show import table

    run.report(facts, lambda console: console.print(table(head, map(row, facts))))


def _purpose(purpose: str, lang: str) -> str:
    return {"issuer": "발급", "reader": "요청", "status": "상태"}.get(purpose, purpose) if lang == "ko" else purpose


def _summary(console: Console, facts: dict[str, Any], lang: str) -> None:
    from vcred.cli._show import age_text, moment_text, plain, table

    korean = lang == "ko"
    kind = ("운영" if korean else "production") if facts["production"] else ("시험용" if korean else "TEST")
    console.print(plain(f"{facts['name'][lang]} · {kind} · v{facts['version']}"), style="bold")
    age = age_text(timedelta(seconds=facts["age"]), lang)
    when = "서명 {} ({}) · 만료 {}" if korean else "signed {} ({}) · expires {}"
    signed, expires = (
        moment_text(int(datetime.fromisoformat(facts[one]).timestamp())) for one in ("signed_at", "expires_at")
    )
    console.print(when.format(signed, age, expires))
    head = (
        ["기관", "이름", "용도", "종류", "서명자"] if korean else ["authority", "name", "purpose", "types", "signers"]
    )
    rows = (
        (one["id"], one["name"][lang], _purpose(one["purpose"], lang), one["types"], one["signers"])
        for one in facts["authorities"]
    )
    console.print(table(head, rows))
    counts = (facts["types"], len(facts["policies"]), facts["readers"])
    console.print(
        ("종류 {} · 정책 {} · 요청자 {}" if korean else "types {} · policies {} · readers {}").format(*counts)
    )
    for status in facts["status_lists"]:
        age = status["problem"] or age_text(None if status["age"] is None else timedelta(seconds=status["age"]), lang)
        console.print(plain(f"{status['uri']}: {age}"))
