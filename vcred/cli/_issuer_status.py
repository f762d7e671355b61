"""``vcred issuer revoke``, ``suspend``, ``reinstate``, ``revoke-all``, ``status``, ``publish``: the state of things."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from vcred.cli import _issuer_home as home
from vcred.cli._clock import MomentType
from vcred.cli._command import Run, option
from vcred.cli._errors import Rejected
from vcred.cli._files import write
from vcred.cli._issuer_group import PATH, STATES, command, in_folder, with_password

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from pathlib import Path

    from issuer import SignedList
    from issuer.status import Form

__all__: list[str] = []

AGGREGATION = "aggregation.json"
BITSTRING = ".vc.jwt"


def _change(name: str) -> None:
    @command.command(name, at=True, json=True)
    @click.argument("credential_id")
    @option("--reason", required=True)
    @in_folder
    @click.pass_obj
    def change(run: Run, *, credential_id: str, reason: str, folder: Path) -> None:
        """See ``texts.toml``."""
        with home.opened(folder) as agency:
            getattr(agency, name)(credential_id, reason=reason, at=run.at)
        with home.store_of(folder) as store:
            ko, en = STATES[store.state(credential_id)]
        facts = {"id": credential_id, "state": en}
        run.report(facts, lambda console: console.print(f"{credential_id}: {run.text(ko, en)}"))


for _each in ("revoke", "suspend", "reinstate"):
    _change(_each)


@command.command("revoke-all", at=True, json=True)
@option("--type", "code")
@option("--signer")
@option("--from", "since", type=MomentType(), metavar="ISO-TIME")
@option("--until", type=MomentType(), metavar="ISO-TIME")
@option("--reason", required=True)
@option("--dry-run", is_flag=True)
@option("--yes", is_flag=True)
@in_folder
@click.pass_obj
def revoke_all(
    run: Run,
    *,
    code: str | None,
    signer: str | None,
    since: datetime | None,
    until: datetime | None,
    reason: str,
    dry_run: bool,
    yes: bool,
    folder: Path,
) -> None:
    """See ``texts.toml``."""
    from issuer import Selection
    from vcred.catalog import Catalog
    from vcred.cli._show import working

    which = Selection(code=code, signer=_kid(signer), issued_from=since, issued_until=until)
    if code is not None and code not in home.settings(folder).types and code not in Catalog.builtin():
        raise click.UsageError(f"--type: there is no type {code}")  # a slip of the pen must not look like "all done"
    with home.opened(folder) as agency:
        credentials, copies = agency.count_all(which)
        if not dry_run:
            question = run.text(
                f"증명서 {credentials:,}개(사본 {copies:,}개)를 폐기할까요? 되돌릴 수 없습니다",
                f"Revoke {credentials:,} certificates ({copies:,} copies), for good?",
            )
            if not yes and not click.confirm(question, err=True):
                raise Rejected(run.text("폐기하지 않았습니다", "nothing was revoked"), kind="declined")
            with working(run.text("폐기하는 중", "Revoking"), quiet=run.json):
                credentials, copies = agency.revoke_all(which, reason=reason, at=run.at)
    facts = {"credentials": credentials, "copies": copies, "revoked": not dry_run}
    told = run.text(f"증명서 {credentials:,}개, 사본 {copies:,}개", f"{credentials:,} certificates, {copies:,} copies")
    done = run.text("폐기할 것: ", "to revoke: ") if dry_run else run.text("폐기함: ", "revoked: ")
    run.report(facts, lambda console: console.print(done + told))


@command.command("status", at=True, json=True)
@option("--out", required=True, type=PATH)
@in_folder
@with_password
@click.pass_obj
def status(run: Run, *, out: Path, folder: Path, password_file: Path | None) -> None:
    """See ``texts.toml``."""
    _report(run, _write_lists(run, out, folder, password_file, forms=("cwt",)))


@command.command("publish", at=True, json=True)
@option("--out", required=True, type=PATH)
@in_folder
@with_password
@click.pass_obj
def publish(run: Run, *, out: Path, folder: Path, password_file: Path | None) -> None:
    """See ``texts.toml``."""
    from vcred.status.aggregation import build_aggregation

    written = _write_lists(run, out, folder, password_file, forms=("cwt", "jwt"))
    # Last, so that no list is named before it is there.
    named: dict[bool, dict[str, None]] = {False: {}, True: {}}
    for one in written:
        named[one["file"].endswith(BITSTRING)][one["uri"]] = None
    write(out / AGGREGATION, build_aggregation(named[False], bitstrings=named[True]), force=True)
    _report(run, written)


def _write_lists(
    run: Run, out: Path, folder: Path, password_file: Path | None, *, forms: Sequence[Form]
) -> list[dict[str, Any]]:
    """Sign every list into ``out``, each file in one step; what was written."""
    from vcred.cli._show import progress

    written = []
    with home.opened(folder, signs="lists", password_file=password_file) as agency, progress(quiet=run.json) as bar:
        signed = agency.signed_lists(at=run.at, forms=forms)
        title = run.text("상태 목록", "status lists")
        for one in bar.track(signed, total=agency.list_count, description=title):
            written += [_put(out / f"{one.number}.{form}", one.uri, one.tokens[form], one) for form in forms]
            for uri, token in one.bitstrings.items():
                purpose = uri.rpartition("-")[2]
                written.append(_put(out / f"{one.number}-{purpose}{BITSTRING}", uri, token, one))
    return written


def _put(file: Path, uri: str, token: bytes, one: SignedList) -> dict[str, Any]:
    path = write(file, token, force=True)
    return {"uri": uri, "file": str(path), "bytes": len(token), "version": one.version}


def _report(run: Run, written: list[dict[str, Any]]) -> None:
    from vcred.cli._show import table

    head = ["목록", "파일", "바이트", "판"] if run.lang == "ko" else ["list", "file", "bytes", "version"]
    run.report(written, lambda console: console.print(table(head, (one.values() for one in written))))


def _kid(text: str | None) -> bytes | None:
    if text is None:
        return None
    try:
        kid = bytes.fromhex(text)
    except ValueError:
        kid = b""
    if len(kid) != 8:
        raise click.UsageError("--signer: 16 hexadecimal digits, as issuer rotate says them")
    return kid
