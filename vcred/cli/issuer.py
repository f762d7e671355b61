"""``vcred issuer``: an authority at its counter. The folder is described in ``vcred.cli._issuer_home``."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vcred.cli import _issuer_home as home
from vcred.cli._command import Group, Run, option
from vcred.cli._files import read, refuse_existing, write
from vcred.errors import RecordError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from issuer import Issuer
    from vcred.keys import Signer

__all__ = ["command"]

_PATH = click.Path(path_type=Path)
_STATES = {0: ("유효", "valid"), 1: ("폐기", "revoked"), 2: ("정지", "suspended")}

command = Group("issuer")
_home = option("--issuer", "folder", default=".", envvar="VCRED_ISSUER", type=_PATH)
_password = option("--password-file", type=_PATH)
_records = option("--records", required=True, type=_PATH)
_force = option("--force", is_flag=True)


@command.command("init", at=True, json=True)
@click.argument("folder", metavar="DIR", type=_PATH)
@option("--id", "issuer_id", required=True)
@option("--name-ko", required=True)
@option("--name-en", required=True)
@option("--types", required=True)
@option("--copies", default=5, type=click.IntRange(1, 30))
@option("--production", is_flag=True)
@_password
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
    production: bool,
    password_file: Path | None,
) -> None:
    """See ``texts.toml``."""
    from vcred.cli._describe import fingerprint
    from vcred.cli._secrets import new_password

    refuse_existing(folder / home.KEY, folder / home.SETTINGS)
    root = home.make(
        folder,
        id=issuer_id,
        name={"ko": name_ko, "en": name_en},
        types=[one.strip() for one in types.split(",") if one.strip()],
        copies=copies,
        production=production,
        password=new_password(password_file),
        at=run.at,
    )
    root_print = fingerprint(root)
    facts = {"authority": str(folder / "authority.json"), "root": root_print}
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
@click.argument("file", type=_PATH)
@option("--households", default=20, type=click.IntRange(1, 100_000))
@option("--seed", default=26, type=int)
@_force
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
@click.argument("file", type=_PATH)
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
@option("--out", required=True, type=_PATH)
@_home
@_records
@_force
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
    with _issuer(folder, records, home.Unopened(folder)) as agency:
        chosen = _options(code, options)
        made = agency.offer(code, subject=subject, variant=variant, options=chosen, at=run.at)
    written = put_offer(made, out, force=force)
    facts = {"code": code, "expires_at": made.expires_at, "uri": made.to_uri(), "files": written}
    run.report(facts, lambda console: console.print("\n".join(written)))


@command.command("batch", at=True, json=True)
@click.argument("code")
@click.argument("subjects", type=_PATH)
@option("--variant")
@option("--option", "options", multiple=True, metavar="NAME=VALUE")
@option("--out", required=True, type=_PATH)
@_home
@_records
@_force
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
    with _issuer(folder, records, home.Unopened(folder)) as agency, progress(quiet=run.json) as bar:
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
@option("--out", required=True, type=_PATH)
@_home
@_records
@_password
@_force
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
    with _issuer(folder, records, _signing(folder, password_file)) as agency:
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
@_home
@click.pass_obj
def list_issued(run: Run, *, folder: Path) -> None:
    """See ``texts.toml``."""
    from vcred.cli._show import moment_text, table

    with _store(folder) as store:
        facts = [
            {
                "id": line["credential"],
                "code": line["code"],
                "issued_at": line["at"],
                "state": _STATES[store.state(line["credential"])][1],
            }
            for line in store.audit()
            if line["event"] == "issued"
        ]
    korean = {en: ko for ko, en in _STATES.values()}
    head = ["식별자", "종류", "발급", "상태"] if run.lang == "ko" else ["id", "type", "issued", "state"]
    rows = (
        (
            one["id"],
            one["code"],
            moment_text(one["issued_at"]),
            korean[one["state"]] if run.lang == "ko" else one["state"],
        )
        for one in facts
    )
    run.report(facts, lambda console: console.print(table(head, rows)))


def _change(name: str, verb: str) -> None:
    @command.command(name, at=True, json=True)
    @click.argument("credential_id")
    @option("--reason", required=True)
    @_home
    @click.pass_obj
    def change(run: Run, *, credential_id: str, reason: str, folder: Path) -> None:
        """See ``texts.toml``."""
        with _issuer(folder, None, home.Unopened(folder)) as agency:
            getattr(agency, verb)(credential_id, reason=reason, at=run.at)
        with _store(folder) as store:
            ko, en = _STATES[store.state(credential_id)]
        facts = {"id": credential_id, "state": en}
        run.report(facts, lambda console: console.print(f"{credential_id}: {run.text(ko, en)}"))


_change("revoke", "revoke")
_change("suspend", "suspend")
_change("reinstate", "reinstate")


@command.command("status", at=True, json=True)
@option("--out", required=True, type=_PATH)
@_home
@_password
@click.pass_obj
def status(run: Run, *, out: Path, folder: Path, password_file: Path | None) -> None:
    """See ``texts.toml``."""
    from vcred.cli._show import table

    with _issuer(folder, None, _signing(folder, password_file)) as agency:
        tokens = agency.status_tokens(at=run.at)
    facts = [
        {"uri": uri, "file": str(write(out / f"{_name(uri)}.cwt", token, force=True)), "bytes": len(token)}
        for uri, token in tokens.items()
    ]
    head = ["목록", "파일", "바이트"] if run.lang == "ko" else ["list", "file", "bytes"]
    run.report(facts, lambda console: console.print(table(head, (one.values() for one in facts))))


@contextmanager
def _issuer(folder: Path, records: Path | None, signer: Signer) -> Iterator[Issuer]:
    from issuer import Issuer, IssuerProfile
    from vcred.catalog import Catalog
    from vcred.cli._describe import pem_chain
    from vcred.cli._records import source

    known = home.settings(folder)
    profile = IssuerProfile(
        id=known.id,
        signer=signer,
        chain=pem_chain(folder / home.CHAIN),
        status_uri=known.status_uri,
        copies=known.copies,
        types=frozenset(known.types),
    )
    with _store(folder) as store:
        yield Issuer(profile, records=source(records), catalog=Catalog.builtin(), store=store)


@contextmanager
def _store(folder: Path) -> Iterator[Any]:
    from issuer import IssuerStore

    with IssuerStore(folder / home.STORE) as store:
        yield store


def _signing(folder: Path, password_file: Path | None) -> Signer:
    """The document signer, its password asked for before the store is locked for the transaction."""
    from vcred.cli._secrets import load_key

    return load_key(folder / home.KEY, password_file)


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


def _name(uri: str) -> str:
    return uri.rstrip("/").rpartition("/")[2]


def _korean_day(at: datetime) -> Any:
    from datetime import timedelta, timezone

    return at.astimezone(timezone(timedelta(hours=9))).date()
