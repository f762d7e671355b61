"""``vcred issuer``: an authority at its counter. The folder is described in ``vcred.cli._issuer_home``."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal

import click

from vcred.cli import _issuer_home as home
from vcred.cli._command import Run, option
from vcred.cli._files import read, refuse_existing
from vcred.cli._issuer_group import PATH, STATES, command, forced, in_folder, with_password, with_records
from vcred.errors import RecordError
from vcred.formats.known import FORMATS

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

__all__ = ["command"]


@command.command("init", at=True, json=True)
@click.argument("folder", metavar="DIR", type=PATH)
@option("--id", "issuer_id", required=True)
@option("--name-ko", required=True)
@option("--name-en", required=True)
@option("--types", required=True)
@option("--copies", default=5, type=click.IntRange(1, 30))
@option("--format", "formats", multiple=True, type=click.Choice(FORMATS), default=home.DEFAULT_FORMATS)
@option("--w3c-status", type=click.Choice(["token", "bitstring"]), default="token")
@option("--algorithm", default="es256", type=click.Choice(home.ALGORITHMS))
@option("--production", is_flag=True)
@with_password
@click.pass_obj
def init(
    run: Run,
    *,
    folder: Path,
    issuer_id: str,
    name_ko: str,
    name_en: str,
    types: str,
    copies: int,
    formats: tuple[str, ...],
    w3c_status: Literal["token", "bitstring"],
    algorithm: str,
    production: bool,
    password_file: Path | None,
) -> None:
    """See ``texts.toml``."""
    from vcred.cli._describe import fingerprint
    from vcred.cli._secrets import new_password

    if w3c_status == "bitstring" and not {"vc+jwt", "vc+sd-jwt"} & set(formats):
        raise click.UsageError(
            "--w3c-status bitstring needs --format vc+jwt or vc+sd-jwt: other formats have no such status"
        )
    root = home.make(
        folder,
        id=issuer_id,
        name={"ko": name_ko, "en": name_en},
        types=[one.strip() for one in types.split(",") if one.strip()],
        copies=copies,
        formats=tuple(dict.fromkeys(formats)),
        w3c_status=w3c_status,
        algorithm=algorithm,
        production=production,
        password=new_password(password_file),
        at=run.at,
    )
    root_print = fingerprint(root)
    facts = {"authority": str(folder / home.AUTHORITY), "root": root_print}
    run.report(
        facts,
        lambda console: console.print(
            run.text(
                f"{facts['authority']}\n루트 지문: {root_print}",
                f"{facts['authority']}\nroot fingerprint: {root_print}",
            )
        ),
    )


@command.command("town", at=True, json=True)
@click.argument("file", type=PATH)
@option("--households", default=20, type=click.IntRange(1, 100_000))
@option("--seed", default=26, type=int)
@forced
@click.pass_obj
def town(run: Run, *, file: Path, households: int, seed: int, force: bool) -> None:
    """See ``texts.toml``."""
    from issuer.fictitious import generate
    from vcred.cli._show import working

    if not force:
        refuse_existing(file)
    with working(run.text("마을을 만드는 중", "Making the town"), quiet=run.json):
        made = generate(file, seed=seed, households=households, today=_korean_day(run.at))
    facts = {"file": str(file), "households": made.households, "people": made.people}
    line = run.text(
        f"{file}: {made.households}세대 {made.people}명", f"{file}: {made.households} households, {made.people} people"
    )
    run.report(facts, lambda console: console.print(line))


@command.command("subjects", json=True)
@click.argument("file", type=PATH)
@option("--kind")
@option("--minimum", default=1, type=click.IntRange(1, 20))
@option("--limit", default=20, type=click.IntRange(1, 1_000_000))
@click.pass_obj
def subjects(run: Run, *, file: Path, kind: str | None, minimum: int, limit: int) -> None:
    """See ``texts.toml``."""
    from issuer.fictitious import TownRecords
    from vcred.cli._show import table

    found = TownRecords(file).find(kind=kind, minimum=minimum)[:limit]
    facts = [
        {
            "subject": one.subject,
            "name": one.name,
            "household": one.household_kind,
            "size": one.household_size,
            "head": one.head,
        }
        for one in found
    ]
    head = (
        ["대상 키", "이름", "세대", "인원", "세대주"]
        if run.lang == "ko"
        else ["subject", "name", "household", "size", "head"]
    )
    rows = ((*list(one.values())[:4], run.text("예", "yes") if one["head"] else "") for one in facts)
    run.report(facts, lambda console: console.print(table(head, rows)))


@command.command("offer", at=True, json=True)
@click.argument("code")
@option("--subject", required=True)
@option("--variant")
@option("--option", "options", multiple=True, metavar="NAME=VALUE")
@option("--out", required=True, type=PATH)
@in_folder
@with_records
@forced
@click.pass_obj
def offer(
    run: Run,
    *,
    code: str,
    subject: str,
    variant: str | None,
    options: tuple[str, ...],
    out: Path,
    folder: Path,
    records: Path,
    force: bool,
) -> None:
    """See ``texts.toml``."""
    from vcred.cli._messages import put_offer, refuse_taken

    refuse_taken(out, force=force)
    with home.opened(folder, records=records) as agency:
        chosen = _options(code, options)
        made = agency.offer(code, subject=subject, variant=variant, options=chosen, at=run.at)
    written = put_offer(made, out, force=force)
    facts = {"code": code, "expires_at": made.expires_at, "uri": made.to_uri(), "files": written}
    run.report(facts, lambda console: console.print("\n".join(written)))


@command.command("batch", at=True, json=True)
@click.argument("code")
@click.argument("subjects", type=PATH)
@option("--variant")
@option("--option", "options", multiple=True, metavar="NAME=VALUE")
@option("--out", required=True, type=PATH)
@in_folder
@with_records
@forced
@click.pass_obj
def batch(
    run: Run,
    *,
    code: str,
    subjects: Path,
    variant: str | None,
    options: tuple[str, ...],
    out: Path,
    folder: Path,
    records: Path,
    force: bool,
) -> None:
    """See ``texts.toml``."""
    from vcred.cli._messages import put_offer
    from vcred.cli._show import progress

    people = [line.strip() for line in read(subjects).decode("utf-8").splitlines() if line.strip()]
    written: list[str] = []
    refused: list[int] = []
    with home.opened(folder, records=records) as agency, progress(quiet=run.json) as bar:
        chosen = _options(code, options)
        for number, subject in enumerate(bar.track(people, description=code), 1):
            try:
                made = agency.offer(code, subject=subject, variant=variant, options=chosen, at=run.at)
            except RecordError:
                refused.append(number)
                continue
            written += put_offer(made, out / f"offer-{number:05}.png", force=force)
    facts = {"offers": len(written), "refused_lines": refused, "folder": str(out)}
    lines = ", ".join(map(str, refused)) or run.text("없음", "none")
    line = run.text(f"제안 {len(written)}개, 거절된 줄: {lines}", f"{len(written)} offers, lines refused: {lines}")
    run.report(facts, lambda console: console.print(line))


@command.command("issue", at=True, json=True)
@click.argument("proof", nargs=-1, required=True)
@option("--out", required=True, type=PATH)
@in_folder
@with_records
@with_password
@forced
@click.pass_obj
def issue(
    run: Run,
    *,
    proof: tuple[str, ...],
    out: Path,
    folder: Path,
    records: Path,
    password_file: Path | None,
    force: bool,
) -> None:
    """See ``texts.toml``."""
    from vcred.cli._messages import put_bytes, refuse_taken, take_bytes
    from vcred.issuance import IssuanceRequest

    request = IssuanceRequest.parse(take_bytes(proof, quiet=run.json))
    refuse_taken(out, force=force)
    with home.opened(folder, records=records, signs="certificates", password_file=password_file) as agency:
        delivery = agency.issue(request, at=run.at)
    written = [str(path) for path in put_bytes(delivery, out, force=force)]
    facts = {
        "credential_id": delivery.credential_id,
        "code": delivery.code,
        "copies": len(delivery.credentials),
        "files": written,
    }
    run.report(
        facts,
        lambda console: console.print(
            "\n".join([run.text("발급 번호: ", "credential: ") + delivery.credential_id, *written])
        ),
    )


@command.command("list", json=True)
@option("--limit", default=100, type=click.IntRange(1, 1_000_000))
@in_folder
@click.pass_obj
def list_issued(run: Run, *, limit: int, folder: Path) -> None:
    """See ``texts.toml``."""
    from vcred.cli._show import moment_text, table

    with home.store_of(folder) as store:
        found = store.issued(limit)
    facts = [{"id": one.id, "code": one.code, "issued_at": one.made_at, "state": STATES[one.state][1]} for one in found]
    head = ["식별자", "종류", "발급", "상태"] if run.lang == "ko" else ["id", "type", "issued", "state"]
    rows = ((one.id, one.code, moment_text(one.made_at), run.text(*STATES[one.state])) for one in found)
    run.report(facts, lambda console: console.print(table(head, rows)))


for _each in ("_issuer_status", "_issuer_line", "_issuer_rotate", "_issuer_serve"):
    import_module(f"vcred.cli.{_each}")  # each adds its commands to the group


def _options(code: str, given: tuple[str, ...]) -> dict[str, Any]:
    """``name=value`` texts as the type's option values. ``UsageError`` for an option the type does not have."""
    from vcred.catalog import Catalog

    kind = Catalog.builtin()[code]
    chosen: dict[str, Any] = {}
    for one in given:
        name, equals, value = one.partition("=")
        option_type = kind.option(name)
        if not equals or option_type is None:
            known = ", ".join(each.id for each in kind.options)
            raise click.UsageError(f"--option {name}: {kind.code} has the options {known}")
        if option_type.kind == "yes_no":
            if value not in ("true", "false"):
                raise click.UsageError(f"--option {name}: true or false")
            chosen[name] = value == "true"
        elif option_type.kind == "set":
            chosen[name] = [part for part in value.split(",") if part]
        else:
            chosen[name] = value
    return chosen


def _korean_day(at: datetime) -> Any:
    from datetime import timedelta, timezone

    return at.astimezone(timezone(timedelta(hours=9))).date()
