"""``vcred issuer stop``, ``start``, ``lint``: whether certificates are signed, and what to put right."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from vcred.cli import _issuer_home as home
from vcred.cli._command import option
from vcred.cli._errors import Failure
from vcred.cli._issuer_group import command, in_folder

if TYPE_CHECKING:
    from pathlib import Path

    from vcred.cli._command import Run

__all__: list[str] = []


@command.command("stop", at=True, json=True)
@option("--reason", required=True)
@in_folder
@click.pass_obj
def stop(run: Run, *, reason: str, folder: Path) -> None:
    """See ``texts.toml``."""
    from issuer.database import audit_reason
    from vcred.formats._wire import epoch

    # The store alone: a certificate that cannot be read must not stand in the way.
    with home.store_of(folder) as store:
        store.set_stopped(audit_reason(reason), at=epoch(run.at))
    told = run.text("발급을 멈추었습니다", "issuance is stopped")
    run.report({"stopped": reason}, lambda console: console.print(told))


@command.command("start", at=True, json=True)
@in_folder
@click.pass_obj
def start(run: Run, *, folder: Path) -> None:
    """See ``texts.toml``."""
    with home.opened(folder) as agency:
        agency.start(at=run.at)
        kid = home.certificate_key(folder, home.settings(folder).signer).kid
    with home.store_of(folder) as store:
        given_up = store.hindrance(kid)
    if given_up is not None:
        raise Failure(
            run.text(
                f"멈춤은 풀었지만 지금 키로는 서명하지 않습니다: {given_up}. issuer rotate --activate로 키를 바꾸세요",
                f"the stop is lifted, but the key at work signs nothing: {given_up}. Next: issuer rotate --activate",
            ),
            kind="given up",
        )
    told = run.text("다시 발급합니다", "issuance goes on")
    run.report({"stopped": None}, lambda console: console.print(told))


@command.command("lint", at=True, json=True)
@in_folder
@click.pass_obj
def lint(run: Run, *, folder: Path) -> None:
    """See ``texts.toml``."""
    from vcred.cli._show import working

    with home.opened(folder) as agency, working(run.text("살펴보는 중", "Looking"), quiet=run.json):
        found = agency.lint(at=run.at)
    if found:
        for one in found:
            click.echo(one, err=True)
        raise Failure(run.text(f"고칠 것 {len(found)}개", f"to put right: {len(found)}"), kind="lint", found=found)
    run.report([], lambda console: console.print(run.text("문제 없음", "nothing wrong"), style="green"))
