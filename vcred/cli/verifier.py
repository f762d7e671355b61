"""``vcred verifier``: a reader's identity, requests under policies, and the decision about answers.

A verifier folder holds ``reader.key`` and ``reader.pem``, the root above them (``reader-root.key`` and ``.pem``),
``reader.json`` for the maker of the trust bundle, ``requests.db`` (what makes a nonce count once), the bundle, and in
``evidence`` what was decided (``vcred.cli.evidence``).
"""

from __future__ import annotations

from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vcred.cli import _trust, _verifier_serve, _verify_many, evidence
from vcred.cli._command import Group, Run, option
from vcred.cli._files import make_folder, read, refuse_existing, write
from vcred.formats.known import FORMATS, LEGACY_FORMATS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console

    from vcred.catalog import Catalog
    from vcred.policy import VerificationPolicy
    from vcred.trust import TrustBundle
    from verifier import VerificationResult, Verifier

__all__ = ["command", "desk", "policy_named"]

KEY, CHAIN, REQUESTS = "reader.key", "reader.pem", "requests.db"
_ROOT_YEARS, _READER_DAYS = 10, 365
_STATES = {
    "PASSED": ("통과", "passed"),
    "FAILED": ("실패", "FAILED"),
    "UNDECIDED": ("판단 불가", "UNDECIDED"),
    "SKIPPED": ("안 함", "skipped"),
}
_COLOURS = {"PASSED": "green", "FAILED": "bold red", "UNDECIDED": "bold yellow", "SKIPPED": "dim"}
_SKEW = timedelta(hours=1)  # another machine's clock may be a little behind
_PATH = click.Path(path_type=Path)

command = Group("verifier")
command.add_command(_verify_many.command)
command.add_command(_verifier_serve.command)
command.add_command(evidence.command)
_home = option("--verifier", "home", default=".", envvar="VCRED_VERIFIER", type=_PATH)


@command.command("init", at=True, json=True)
@click.argument("folder", metavar="DIR", type=_PATH)
@option("--name-ko", required=True)
@option("--name-en", required=True)
@option("--identifier", required=True)
@option("--policies")
@option("--production", is_flag=True)
@option("--no-evidence", is_flag=True)
@option("--password-file", type=_PATH)
@_trust.trust_options
@click.pass_obj
def init(
    run: Run,
    *,
    folder: Path,
    name_ko: str,
    name_en: str,
    identifier: str,
    policies: str | None,
    production: bool,
    no_evidence: bool,
    password_file: Path | None,
    trust: Path | None,
    root: Path | None,
) -> None:
    """See ``texts.toml``."""
    from vcred.cli._describe import dump, fingerprint, pem
    from vcred.cli._secrets import new_password
    from vcred.keys import SoftwareSigner
    from vcred.trust import Names, ReaderEntry, build_reader, build_root
    from verifier.policy import preset_ids

    refuse_existing(folder / KEY, folder / CHAIN, *([] if no_evidence else [folder / evidence.EVIDENCE]))
    password = new_password(password_file)
    name, at = {"ko": name_ko, "en": name_en}, run.at
    root_key, key = SoftwareSigner.generate(), SoftwareSigner.generate()
    anchor = build_root(root_key, name=name, not_before=at - _SKEW, not_after=at + timedelta(days=365 * _ROOT_YEARS))
    leaf = build_reader(
        key.public_key,
        identifier=identifier,
        name=name,
        issuer=anchor,
        issuer_signer=root_key,
        not_before=at - _SKEW,
        not_after=at + timedelta(days=_READER_DAYS),
    )
    entry = ReaderEntry(
        names=Names(ko=name_ko, en=name_en),
        certificate=leaf,
        policies=frozenset(preset_ids() if policies is None else filter(None, policies.split(","))),
        test=not production,
        withdrawn_at=None,
    )
    make_folder(folder)
    write(folder / "reader-root.key", root_key.to_pem(password=password), private=True)
    write(folder / "reader-root.pem", pem(anchor))
    write(folder / KEY, key.to_pem(password=password), private=True)
    write(folder / "reader.json", dump(entry))
    if not no_evidence:
        evidence.make(folder, certificate=leaf, at=at, password=password, recipient=None)
    write(folder / CHAIN, pem(leaf))
    _trust.keep(trust, root, folder)
    facts = {"reader": str(folder / "reader.json"), "certificate": fingerprint(leaf)}
    run.report(
        facts,
        lambda console: console.print(
            f"{facts['reader']}\n{run.text('인증서 지문', 'certificate fingerprint')}: {facts['certificate']}"
        ),
    )


@command.command("trust", at=True, json=True)
@_home
@_trust.trust_options
@click.pass_obj
def take_bundle(run: Run, *, home: Path, trust: Path | None, root: Path | None) -> None:
    """See ``texts.toml``."""
    bundle = _trust.update(trust, root, home)
    _trust.report(run, bundle)


@command.command("presets", json=True)
@click.argument("words", metavar="[show ID]", nargs=-1)
@click.pass_obj
def presets(run: Run, *, words: tuple[str, ...]) -> None:
    """See ``texts.toml``."""
    from vcred.cli._show import table
    from verifier.policy import VerificationPolicy, preset_ids

    if words and (len(words) != 2 or words[0] != "show"):
        raise click.UsageError("verifier presets, or verifier presets show ID")
    if words:
        policy = VerificationPolicy.preset(words[1])
        run.report({**_policy_facts(policy), "toml": policy.source}, lambda _: click.echo(policy.source.strip()))
        return
    found = [VerificationPolicy.preset(one) for one in preset_ids()]
    head = ["정책", "이름", "무엇을 보여 달라고 하나"] if run.lang == "ko" else ["policy", "name", "what it asks for"]
    rows = ((one.id, one.name(run.lang), one.asks(run.lang)) for one in found)
    run.report([_policy_facts(one) for one in found], lambda console: console.print(table(head, rows)))


@command.command("request", at=True, json=True)
@click.argument("policy", metavar="PRESET|FILE")
@option("--out", required=True, type=_PATH)
@option("--max-age", type=click.IntRange(1, 86400))
@option("--reference-date")
@option("--format", "formats", multiple=True, type=click.Choice((*FORMATS, *LEGACY_FORMATS)))
@option("--password-file", type=_PATH)
@option("--force", is_flag=True)
@_home
@_trust.trust_options
@click.pass_obj
def request(
    run: Run,
    *,
    policy: str,
    out: Path,
    max_age: int | None,
    reference_date: str | None,
    formats: tuple[str, ...],
    password_file: Path | None,
    force: bool,
    home: Path,
    trust: Path | None,
    root: Path | None,
) -> None:
    """See ``texts.toml``."""
    from vcred.cli._messages import put_request, refuse_taken
    from verifier import Challenge, MaxAge

    refuse_taken(out, force=force)
    bundle = _trust.load(trust, root, home)
    wanted = policy_named(policy, bundle)
    with desk(home, bundle, password_file) as verifier:
        made = verifier.request(
            wanted,
            freshness=Challenge() if max_age is None else MaxAge(timedelta(seconds=max_age)),
            at=run.at,
            reference_date=None if reference_date is None else date.fromisoformat(reference_date),
            formats=formats or None,
            lang=run.lang,
        )
    written = put_request(made, out, force=force)
    names = [str(path) for path in written]
    facts = {
        "policy": wanted.id,
        "purpose": made.purpose,
        "expires_at": made.expires_at,
        "files": names,
        "warning": _hopeless(bundle, run),
    }
    run.report(facts, lambda console: console.print("\n".join(names)))


def _hopeless(bundle: TrustBundle, run: Run) -> str | None:
    """The code of what will keep any answer undecided, said on stderr before a holder spends a copy on it."""
    from vcred.cli._errors import failure_of
    from vcred.errors import RefusedError

    try:
        bundle.check_time(run.at)
    except RefusedError as error:
        click.echo(failure_of(error).message, err=True)
        return error.code.value
    return None


@command.command("verify", at=True, json=True)
@click.argument("answer", nargs=-1, required=True)
@option("--request", "asked", multiple=True, required=True)
@option("--receipt", type=_PATH)
@option("--reference")
@option("--password-file", type=_PATH)
@option("--force", is_flag=True)
@_home
@_trust.trust_options
@click.pass_context
def verify(
    ctx: click.Context,
    *,
    answer: tuple[str, ...],
    asked: tuple[str, ...],
    receipt: Path | None,
    reference: str | None,
    password_file: Path | None,
    force: bool,
    home: Path,
    trust: Path | None,
    root: Path | None,
) -> None:
    """See ``texts.toml``."""
    from vcred import PresentationRequest
    from vcred.cli._errors import exit_of
    from vcred.cli._messages import put, refuse_taken, take, take_answer

    run: Run = ctx.obj
    if receipt is not None:
        refuse_taken(receipt, force=force)
    question = PresentationRequest.parse(take(asked))
    shown = take_answer(answer, quiet=run.json)
    bundle = _trust.load(trust, root, home)
    with (
        evidence.found(home, bundle, trust=trust, root=root) as noted,
        desk(home, bundle, password_file, noted) as verifier,
    ):
        result = verifier.verify(shown, request=question, at=run.at)
        facts = result.to_json()
        facts["evidence"] = None if noted is None or noted.entry is None else noted.entry.sequence
        if receipt is not None and result.presentation is not None:
            signed = verifier.receipt(result, at=run.at, reference=reference)
            facts["receipt"] = [str(path) for path in put(signed, receipt, force=force)]
    run.report(facts, lambda console: _print_result(console, result, bundle.catalog, run.lang))
    ctx.exit(exit_of(result.outcome))


@contextmanager
def desk(
    home: Path, bundle: TrustBundle, password_file: Path | None, noted: evidence.Noted | None = None
) -> Iterator[Verifier]:
    """The verifier in ``home``: its key, its open requests, and its archive as ``noted``."""
    from vcred.cli._secrets import load_key
    from verifier import ReaderIdentity, SqliteRequestStore, Verifier

    identity = ReaderIdentity.load(home / CHAIN, signer=load_key(home / KEY, password_file))
    with SqliteRequestStore(home / REQUESTS) as store:
        yield Verifier(trust=bundle, identity=identity, requests=store, evidence=noted)


def policy_named(name: str, bundle: TrustBundle) -> VerificationPolicy:
    """A policy file, or the policy of that id in the bundle, else the shipped preset."""
    from vcred.policy import VerificationPolicy
    from verifier import VerificationPolicy as Presets

    if name.endswith(".toml"):
        return VerificationPolicy.load(read(Path(name), 1024 * 1024).decode("utf-8", "replace"), file=name)
    if name in bundle.policies:
        return VerificationPolicy.load(bundle.policies[name], file=f"{name}.toml")
    return Presets.preset(name)


def _policy_facts(policy: VerificationPolicy) -> dict[str, Any]:
    return {
        "id": policy.id,
        **{name: {lang: getattr(policy, name)(lang) for lang in ("ko", "en")} for name in ("name", "purpose", "asks")},
        "challenge": policy.challenge,
        "max_age": None if policy.max_age is None else int(policy.max_age.total_seconds()),
        "certificates": {slot.id: [one.code for one in slot.any_of] for slot in policy.slots},
    }


def _print_result(console: Console, result: VerificationResult, catalog: Catalog, lang: str) -> None:
    from rich.text import Text

    from vcred.cli._claims import print_claims
    from vcred.cli._show import freshness_lines, outcome_text, reason_lines, table

    korean = lang == "ko"
    console.print(outcome_text(result.outcome, lang))
    for line in reason_lines(result.reasons, lang):
        console.print(line)
    if result.unchallenged and result:
        console.print(
            "사본일 수 있음: 도전값 없이 받은 답입니다" if korean else "This could be a copy: it answers no challenge"
        )
    head = (
        ["증명서", "발급자", "발급일", "상태 자료"] if korean else ["certificate", "issuer", "issued on", "status data"]
    )
    ages = {one.certificate: one.short(lang) for one in result.freshness if one.certificate}
    rows = (
        (
            _type_name(one.code, catalog, lang) or one.query_id,
            one.issuer_name.get(lang) or one.issuer or "",
            one.issued_on or "",
            ages[one.query_id],
        )
        for one in result.certificates
    )
    if result.certificates:
        console.print(table(head, rows))
    for line in freshness_lines(result.freshness, lang):
        console.print(line)
    if result:
        for one in result.certificates:
            console.print(_type_name(one.code, catalog, lang), style="bold")
            kind = catalog[one.code] if one.code is not None and one.code in catalog else None
            own = result.claims.get(one.slot) or result.claims.get(one.query_id, {})
            print_claims(console, kind, own, lang)
        return
    head = (
        ["단계", "증명서", "점검", "결과", "근거"] if korean else ["step", "certificate", "check", "result", "clause"]
    )
    checks = (
        (
            one.step,
            one.certificate,
            one.name,
            Text(_STATES[one.status][not korean], style=_COLOURS[one.status]),
            one.clause,
        )
        for one in result.checks
    )
    console.print(table(head, checks))


def _type_name(code: str | None, catalog: Catalog, lang: str) -> str:
    return catalog[code].name(lang) if code in catalog and code is not None else code or ""
