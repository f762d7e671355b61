"""``vcred verifier verify-many``: a pile of answers, or of paper documents, in one go.

A name on the command line is a file, or a folder of files; a folder in it is one document in several files. Answers to
one standing request come with ``--request``; else each is in a folder of its own, beside its request (``request*``).
"""

from __future__ import annotations

import errno
import os
from collections import Counter
from contextlib import closing
from datetime import date
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vcred.cli import _trust, evidence
from vcred.cli._command import Command, Run, option
from vcred.cli._files import MAX_FILE, read
from vcred.errors import MalformedError, TrustError
from vcred.reasons import Outcome, Reason, ReasonCode

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.console import Console

    from vcred.policy import VerificationPolicy
    from vcred.presentation import PresentationRequest
    from vcred.trust import TrustBundle
    from verifier import Checked, Scan, Sheet, Submission

__all__ = ["command"]

_ALONE = 24
"""Documents that one process has done before others have started (bench/batch.py)."""

_PATH = click.Path(path_type=Path)


@click.command("verify-many", cls=Command, at=True, json=True)
@click.argument("sources", metavar="FOLDER|FILE...", nargs=-1, required=True, type=_PATH)
@option("--request", "asked", multiple=True)
@option("--paper")
@option("--reference-date")
@option("--workers", type=click.IntRange(1, 256))
@option("--password-file", type=_PATH)
@option("--verifier", "home", default=".", envvar="VCRED_VERIFIER", type=_PATH)
@_trust.trust_options
@click.pass_context
def command(
    ctx: click.Context,
    *,
    sources: tuple[Path, ...],
    asked: tuple[str, ...],
    paper: str | None,
    reference_date: str | None,
    workers: int | None,
    password_file: Path | None,
    home: Path,
    trust: Path | None,
    root: Path | None,
) -> None:
    """See ``texts.toml``."""
    from vcred import PresentationRequest
    from vcred.cli._messages import take
    from vcred.cli._show import progress
    from vcred.cli.verifier import desk, policy_named
    from verifier import verify_many

    run: Run = ctx.obj
    if paper is not None and asked:
        raise click.UsageError("--paper and --request exclude each other: paper answers nothing")
    names = _documents(sources)
    bundle = _trust.load(trust, root, home)
    told = _Told(run)
    items: Iterator[Submission | Sheet]
    if paper is not None:
        day = None if reference_date is None else date.fromisoformat(reference_date)
        items = _sheets(names, policy_named(paper, bundle), day, told)
    else:
        items = _answers(names, PresentationRequest.parse(take(asked)) if asked else None, told)
    with (
        evidence.found(home, bundle, trust=trust, root=root) as noted,
        desk(home, bundle, password_file, noted) as verifier,
        closing(
            verify_many(
                items,
                verifier=verifier,
                pack=_pack(trust or home / _trust.BUNDLE, bundle),
                root=read(root or home / _trust.ROOT),
                at=run.at,
                workers=workers or (1 if len(names) <= _ALONE else None),
            )
        ) as checked,
        progress(quiet=run.json) as bar,
    ):
        task = bar.add_task(run.text("검증", "verifying"), total=len(names))
        for one in checked:
            told.tell(one)
            bar.update(task, completed=told.count)
    told.close()
    ctx.exit(told.exit_code())


class _Told:
    """What was decided: a line of JSON for each as it comes, or tables at the end."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._outcomes: Counter[Outcome] = Counter()
        self._reasons: Counter[str] = Counter()
        self._refused: list[tuple[str, Outcome, tuple[Reason, ...]]] = []

    @property
    def count(self) -> int:
        """How many there were."""
        return self._outcomes.total()

    def tell(self, one: Checked) -> None:
        """The verdict on one."""
        facts = {} if one.result is None else one.result.to_json()
        self._add(one.item.name, one.outcome, one.reasons, facts)

    def refuse(self, name: str, error: MalformedError) -> None:
        """One whose request, or whose files, cannot be read."""
        self._add(name, error.code.outcome, (Reason(error.code, error.path, error.detail),), {})

    def close(self) -> None:
        """The summary."""
        facts = {
            "count": self.count,
            **{one.value: self._outcomes[one] for one in Outcome},
            "reasons": dict(self._reasons.most_common()),
        }
        if self._run.json:
            _line({"summary": facts})
            return
        from vcred.cli._show import console

        self._print(console())

    def exit_code(self) -> int:
        """0 if all were ACCEPTED, 1 if one was REJECTED, else 3."""
        from vcred.cli._errors import exit_of

        worst = (one for one in (Outcome.REJECTED, Outcome.INDETERMINATE) if self._outcomes[one])
        return exit_of(next(worst, Outcome.ACCEPTED))

    def _add(self, name: str, outcome: Outcome, reasons: tuple[Reason, ...], facts: dict[str, Any]) -> None:
        self._outcomes[outcome] += 1
        self._reasons.update({one.code.value for one in reasons})
        if self._run.json:
            short = [{"code": one.code.value, "path": one.path, "detail": one.detail} for one in reasons]
            _line({"name": name, "outcome": outcome.value, "reasons": short} | facts)
        elif outcome is not Outcome.ACCEPTED:
            self._refused.append((name, outcome, reasons))

    def _print(self, console: Console) -> None:
        from vcred.cli._show import outcome_text, table

        lang, text = self._run.lang, self._run.text
        rows: list[tuple[object, ...]] = [
            (name, outcome_text(outcome, lang), " ".join(dict.fromkeys(_sentence(one, lang) for one in reasons)))
            for name, outcome, reasons in self._refused
        ]
        if rows:
            console.print(table(["파일", "판정", "이유"] if lang == "ko" else ["file", "verdict", "reasons"], rows))
        rows = [(outcome_text(one, lang), self._outcomes[one]) for one in Outcome if self._outcomes[one]]
        console.print(table([text("판정", "verdict"), text("수", "count")], rows))
        rows = [(Reason(ReasonCode(code)).message(lang), code, n) for code, n in self._reasons.most_common()]
        if rows:
            console.print(table([text("이유", "reason"), text("코드", "code"), text("수", "count")], rows))


def _sentence(reason: Reason, lang: str) -> str:
    """What is wrong; of a request, which is ours, in detail."""
    more = f" ({reason.path}: {reason.detail})" if reason.path == "request" else ""
    return reason.message(lang) + more


def _line(facts: dict[str, Any]) -> None:
    import json

    click.echo(json.dumps(facts, ensure_ascii=False))


def _documents(sources: Sequence[Path]) -> list[Path]:
    """Every document by its file or folder, in order; what begins with a dot is nobody's."""
    found: list[Path] = []
    for source in sources:
        if not source.exists():  # a name that was mistyped is no document that somebody handed in
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(source))
        found += _visible(source) if source.is_dir() else [source]
    return found


def _sheets(names: Sequence[Path], policy: VerificationPolicy, day: date | None, told: _Told) -> Iterator[Sheet]:
    from verifier import Sheet

    for name in names:
        try:
            sheet = _scan(_files(name))
        except MalformedError as error:
            told.refuse(str(name), error)
            continue
        yield Sheet(sheet=sheet, policy=policy, reference_date=day, name=str(name))


def _answers(names: Sequence[Path], standing: PresentationRequest | None, told: _Told) -> Iterator[Submission]:
    """Each answer with its request; without a readable one it is told at once."""
    from verifier import Submission

    for name in names:
        files = _files(name)
        request = standing
        try:
            if request is None:
                request = _request_in(files)
                files = [one for one in files if not _is_request(one)]
            answer = _scan(files)
        except MalformedError as error:
            told.refuse(str(name), error)
            continue
        yield Submission(answer=answer, request=request, name=str(name))


def _scan(files: Sequence[Path]) -> Scan:
    """What is in ``files``. ``MalformedError`` for more than there can be in one: it must not end the others."""
    from verifier import Scan

    if sum(one.stat().st_size for one in files) > MAX_FILE:
        raise MalformedError(ReasonCode.SIZE, "file", f"more than {MAX_FILE} bytes")
    return Scan(files=tuple(map(read, files)))


def _request_in(files: Sequence[Path]) -> PresentationRequest:
    from vcred import PresentationRequest
    from vcred.cli._messages import take

    beside = [str(one) for one in files if _is_request(one)]
    if not beside:
        raise MalformedError(ReasonCode.FORMAT, "request", "there is none beside the answer")
    return PresentationRequest.parse(take(beside))


def _files(name: Path) -> list[Path]:
    return [one for one in _visible(name) if one.is_file()] if name.is_dir() else [name]


def _visible(folder: Path) -> list[Path]:
    return sorted(one for one in folder.iterdir() if not one.name.startswith("."))


def _is_request(path: Path) -> bool:
    return path.name.startswith("request")


def _pack(path: Path, bundle: TrustBundle) -> bytes:
    pack = read(path)
    if sha256(pack).hexdigest() != bundle.pack:
        raise TrustError("the trust bundle was replaced meanwhile: try again")
    return pack
