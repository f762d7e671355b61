"""``vcred verifier evidence``: what a desk wrote down about its verdicts: list, seal, audit, destroy.

``verifier init`` makes the archive (the folder ``evidence``), and ``verifier verify`` then records every verdict before
it tells it. Answers are encrypted to ``evidence.key``, which belongs with the auditor and not at the desk.
"""

from __future__ import annotations

from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vcred.cli import _trust
from vcred.cli._clock import MomentType
from vcred.cli._command import Group, Run, option
from vcred.cli._errors import Rejected, Undecided
from vcred.cli._files import read, refuse_existing, write
from vcred.errors import BundleExpired, PolicyError, SigningError, TrustError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from rich.console import Console

    from vcred.keys import PublicKey
    from vcred.trust import TrustBundle
    from verifier import AuditReport, EvidenceArchive
    from verifier.evidence import Entry
    from verifier.judge import Judgement

__all__ = ["EVIDENCE", "Noted", "command", "found", "make"]

EVIDENCE, EVIDENCE_KEY = "evidence", "evidence.key"
"""Names in a verifier's folder."""

_KEY, _CHAIN = "reader.key", "reader.pem"
_PATH = click.Path(path_type=Path)
_KINDS = {
    "archive": ("보관 시작", "archive begins"),
    "verdict": ("판정", "verdict"),
    "destroyed": ("파기", "destroyed"),
}
_SEVERITIES = {
    "fault": ("오류", "FAULT", "bold red"),
    "warning": ("주의", "WARNING", "bold yellow"),
    "note": ("참고", "note", "dim"),
}

command = Group("evidence", parent="verifier")
_home = option("--verifier", "home", default=".", envvar="VCRED_VERIFIER", type=_PATH)


class Noted:
    """The archive of a desk as ``Verifier`` takes it; ``entry`` is what was written last."""

    def __init__(self, archive: EvidenceArchive) -> None:
        self._archive = archive
        self.entry: Entry | None = None

    def record(self, judgement: Judgement) -> Entry:
        """See ``EvidenceArchive.record``."""
        self.entry = self._archive.record(judgement)
        return self.entry


def make(
    home: Path, *, certificate: bytes, at: datetime, password: bytes | None, recipient: Path | None
) -> dict[str, str]:
    """Make the archive of the desk with this ``certificate``, for the holder of ``recipient``, or of a key made here.

    Raises ``StoreError`` when there is one already, ``SigningError`` for a file that is no public key.
    """
    from vcred.keys import SoftwareSigner
    from vcred.trust.x509 import x509_hash
    from verifier import EvidenceArchive

    written = {"evidence": str(home / EVIDENCE)}
    if recipient is None:
        refuse_existing(home / EVIDENCE_KEY)
        key = SoftwareSigner.generate()
        write(home / EVIDENCE_KEY, key.to_pem(password=password), private=True)
        written["evidence_key"] = str(home / EVIDENCE_KEY)
        public = key.public_key
    else:
        public = _public_key(recipient)
    reader = f"x509_hash:{x509_hash(certificate)}"
    EvidenceArchive.create(home / EVIDENCE, reader=reader, recipient=public, at=at).close()
    return written


@contextmanager
def found(home: Path, bundle: TrustBundle, *, trust: Path | None, root: Path | None) -> Iterator[Noted | None]:
    """The archive of the desk in ``home``, ready for verdicts under ``bundle``; ``None`` when it has none."""
    from verifier import EvidenceArchive

    if not (home / EVIDENCE).exists():
        yield None
        return
    pack = read(trust or home / _trust.BUNDLE)
    if sha256(pack).hexdigest() != bundle.pack:
        raise TrustError("the trust bundle was replaced meanwhile: try again")
    with EvidenceArchive(home / EVIDENCE) as archive:
        archive.keep_trust(pack, read(root or home / _trust.ROOT))
        yield Noted(archive)


@command.command("init", at=True, json=True)
@option("--recipient", type=_PATH)
@option("--password-file", type=_PATH)
@_home
@click.pass_obj
def init(run: Run, *, recipient: Path | None, password_file: Path | None, home: Path) -> None:
    """See ``texts.toml``."""
    from vcred.cli._describe import pem_chain
    from vcred.cli._secrets import new_password

    refuse_existing(home / EVIDENCE)
    certificate = pem_chain(home / _CHAIN)[0]
    password = None if recipient is not None else new_password(password_file)
    written = make(home, certificate=certificate, at=run.at, password=password, recipient=recipient)
    run.report(written, lambda console: console.print("\n".join(written.values())))


@command.command("list", json=True)
@_home
@click.pass_obj
def list_entries(run: Run, *, home: Path) -> None:
    """See ``texts.toml``."""
    with _archive(home) as archive:
        facts = _entries(archive)
    run.report(facts, lambda console: _print_entries(console, facts, run.lang))


@command.command("seal", at=True, json=True)
@option("--out", type=_PATH)
@option("--password-file", type=_PATH)
@option("--force", is_flag=True)
@_home
@click.pass_obj
def seal(run: Run, *, out: Path | None, password_file: Path | None, force: bool, home: Path) -> None:
    """See ``texts.toml``."""
    from vcred.cli._secrets import load_key
    from verifier import ReaderIdentity

    if out is not None and not force:
        refuse_existing(out)
    identity = ReaderIdentity.load(home / _CHAIN, signer=load_key(home / _KEY, password_file))
    with _archive(home) as archive:
        made = archive.seal(identity, at=run.at)
    if out is not None:
        write(out, made.raw + b"\n", force=force)
    facts = {"records": made.records, "head": made.head, "archive": made.archive, "seal": made.raw.decode("ascii")}
    text = run.text(f"기록 {made.records}개를 봉인했습니다", f"{made.records} entries are sealed")
    run.report(facts, lambda console: console.print(text if out is not None else f"{text}\n{facts['seal']}"))


@command.command("audit", at=True, json=True)
@click.argument("seal", metavar="[SEAL]...", nargs=-1, type=_PATH)
@option("--key", type=_PATH)
@option("--no-answers", is_flag=True)
@option("--reader-root", "reader_roots", multiple=True, type=_PATH)
@option("--old-root", "old_roots", multiple=True, type=_PATH)
@option("--password-file", type=_PATH)
@_home
@_trust.trust_options
@click.pass_context
def audit_archive(
    ctx: click.Context,
    *,
    seal: tuple[Path, ...],
    key: Path | None,
    no_answers: bool,
    reader_roots: tuple[Path, ...],
    old_roots: tuple[Path, ...],
    password_file: Path | None,
    home: Path,
    trust: Path | None,
    root: Path | None,
) -> None:
    """See ``texts.toml``."""
    from vcred.cli._describe import pem_chain
    from vcred.cli._secrets import load_key
    from vcred.cli._show import working
    from verifier import audit

    run: Run = ctx.obj
    bundle = _today(run, trust, root, home)
    roots = [read(one) for one in (_trust.pinned(root, home), *old_roots)]
    anchors = [one for file in reader_roots for one in pem_chain(file)]
    file = key if key is not None else home / EVIDENCE_KEY
    private: Any = None
    if not no_answers and (key is not None or file.exists()):
        private = load_key(file, password_file).crypto
    with _archive(home) as archive, working(run.text("다시 판정하는 중", "judging again"), quiet=run.json):
        report = audit(
            archive,
            at=run.at,
            roots=roots,
            bundle=bundle,
            key=private,
            seals=[read(one, 65_536).strip() for one in seal],
            readers=anchors,
        )
    facts = report.to_json() | {"today": None if bundle is None else bundle.version}
    run.report(facts, lambda console: _print_report(console, report, run.lang))
    worst = report.worst()
    ctx.exit({"fault": Rejected.exit_code, "warning": Undecided.exit_code}.get("" if worst is None else worst.value, 0))


@command.command("retain", json=True)
@click.argument("record", type=int)
@option("--until", required=True, type=MomentType(), metavar="ISO-TIME")
@_home
@click.pass_obj
def retain(run: Run, *, record: int, until: datetime, home: Path) -> None:
    """See ``texts.toml``."""
    with _archive(home) as archive:
        archive.retain(record, until=until)
    facts = {"record": record, "keep_until": int(until.timestamp())}
    run.report(facts, lambda console: console.print(until.isoformat()))


@command.command("purge", at=True, json=True)
@option("--record", "records", multiple=True, type=int)
@option("--yes", is_flag=True)
@_home
@click.pass_obj
def purge(run: Run, *, records: tuple[int, ...], yes: bool, home: Path) -> None:
    """See ``texts.toml``."""
    with _archive(home) as archive:
        numbers = sorted(set(records)) or archive.due(at=run.at)
        if numbers and not yes:
            now = f"{run.at:%Y-%m-%d %H:%M} UTC"
            ko = f"답 {len(numbers)}개를 되돌릴 수 없게 파기합니다. 지금은 {now}입니다. 시각이 맞고, 파기할까요?"
            en = f"{len(numbers)} answers are destroyed for good. It is {now}. Is the time right, and shall they go?"
            click.confirm(run.text(ko, en), abort=True, err=True)
        if records:
            archive.destroy(numbers, at=run.at)
        else:
            numbers = archive.purge(at=run.at)
    text = run.text(f"답 {len(numbers)}개를 파기했습니다", f"{len(numbers)} answers are destroyed")
    run.report({"destroyed": numbers}, lambda console: console.print(text))


def _today(run: Run, trust: Path | None, root: Path | None, home: Path) -> TrustBundle | None:
    """Today's bundle. Without one, or with one that has expired, nothing is said about what happened since."""
    if trust is None and not (home / _trust.BUNDLE).exists():
        return None
    bundle = _trust.load(trust, root, home)
    try:
        bundle.require_current(run.at)
    except BundleExpired:
        run.say(
            "신뢰 목록이 만료되어, 그 뒤 키와 증명서가 어떻게 되었는지는 말하지 않습니다(--trust)",
            "The trust bundle has expired: what became of keys and certificates since is not said (--trust)",
        )
        return None
    return bundle


def _archive(home: Path) -> EvidenceArchive:
    from verifier import EvidenceArchive

    return EvidenceArchive(home / EVIDENCE)


def _public_key(file: Path) -> PublicKey:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

    from vcred.errors import MalformedError
    from vcred.keys import PublicKey

    try:
        loaded = load_pem_public_key(read(file, 65_536))
        return PublicKey.from_spki(loaded.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))
    except (ValueError, MalformedError) as error:
        raise SigningError(f"{file}: not a public key in PEM form") from error


def _entries(archive: EvidenceArchive) -> list[dict[str, Any]]:
    """What stands in the archive, entry by entry. Nothing is checked here; ``audit`` does that."""
    from vcred.errors import MalformedError
    from verifier.evidence import Entry, Kind
    from verifier.verdict import RecordedVerdict

    kept, names = archive.kept(), {}
    facts: list[dict[str, Any]] = []
    for number, raw in archive.entries():
        try:
            entry = Entry.parse(raw)
            verdict = RecordedVerdict.parse(entry.body) if entry.kind is Kind.VERDICT else None
        except MalformedError as error:
            facts.append({"sequence": number, "kind": None, "problem": str(error)})
            continue
        one: dict[str, Any] = {"sequence": number, "kind": entry.kind.value, "at": entry.at, "hash": entry.hash}
        if verdict is not None:
            policy = verdict.policy or ""
            if policy not in names:
                names[policy] = _policy_id(archive.text(policy))
            one |= {
                "outcome": verdict.outcome.value,
                "assurance": verdict.assurance.value,
                "policy": names[policy],
                "reasons": sorted({code for _, _, code in verdict.findings}),
                "certificates": [each.code for each in verdict.certificates],
                "trust_version": verdict.trust.version,
                "kept": verdict.kept.value,
                "keep_until": kept.get(number),
            }
        elif entry.kind is Kind.DESTROYED:
            one |= {"records": entry.body["records"], "reason": entry.body["reason"]}
        facts.append(one)
    return facts


def _policy_id(text: bytes | None) -> str | None:
    from vcred.policy import VerificationPolicy

    try:
        return None if text is None else VerificationPolicy.load(text.decode("utf-8", "replace")).id
    except PolicyError:
        return None


def _print_entries(console: Console, facts: list[dict[str, Any]], lang: str) -> None:
    from vcred.cli._show import moment_text, table

    korean = lang == "ko"
    head = (
        ["번호", "언제", "무엇", "결과", "정책", "이유", "답 보관"]
        if korean
        else ["number", "when", "what", "outcome", "policy", "reasons", "answer kept"]
    )
    none, gone = ("보관하지 않음", "파기함") if korean else ("not kept", "destroyed")

    def answer(one: dict[str, Any]) -> str:
        if "kept" not in one:
            return ", ".join(str(number) for number in one.get("records", ()))
        if one["keep_until"] is not None:
            return moment_text(one["keep_until"])
        return gone if one["kept"] == "yes" else none

    rows = (
        (
            one["sequence"],
            "" if one["kind"] is None else moment_text(one["at"]),
            one.get("problem") or _KINDS[one["kind"]][not korean],
            one.get("outcome", ""),
            one.get("policy") or "",
            ", ".join(one.get("reasons", ())),
            answer(one),
        )
        for one in facts
    )
    console.print(table(head, rows))


def _print_report(console: Console, report: AuditReport, lang: str) -> None:
    from rich.text import Text

    from vcred.cli._show import moment_text, table

    korean = lang == "ko"
    head = (
        ["번호", "언제", "결과", "다시 판정", "", "무엇을 알아냈나"]
        if korean
        else ["number", "when", "outcome", "judged again", "", "what was found"]
    )
    again = {"same": ("같음", "same"), "different": ("다름", "DIFFERENT"), "no": ("못 함", "no")}
    rows: list[tuple[object, ...]] = []
    for entry in report.entries:
        first = (
            entry.sequence,
            "" if entry.at is None else moment_text(entry.at),
            entry.outcome or "",
            "" if entry.repeated is None else again[entry.repeated.value][not korean],
        )
        lines = [_finding(one, lang) for one in entry.findings] or [(Text(""), "")]
        rows += [(first if not index else ("",) * 4) + line for index, line in enumerate(lines)]
    rows += [("", "", "", "", *_finding(one, lang)) for one in report.findings]
    console.print(table(head, rows))
    verdict = (
        ("보관 기록이 온전합니다" if korean else "The evidence is whole")
        if report
        else ("보관 기록에 오류가 있습니다" if korean else "There are faults in the evidence")
    )
    sealed = f"{report.sealed}/{len(report.entries)}"
    style = "bold green" if report else "bold red"
    console.print(Text(f"{verdict} · {'봉인' if korean else 'sealed'} {sealed}", style=style))


def _finding(one: Any, lang: str) -> tuple[Any, str]:
    from rich.text import Text

    ko, en, style = _SEVERITIES[one.code.severity.value]
    extra = " · ".join(part for part in (one.about, one.detail) if part)
    return Text(ko if lang == "ko" else en, style=style), one.message(lang) + (f" ({extra})" if extra else "")
