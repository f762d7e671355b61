"""``vcred wallet``: a person's wallet in a folder (or a file), opened by a PIN: receive, look, present."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from vcred.cli import _trust
from vcred.cli._command import Group, Run, option
from vcred.cli._errors import Rejected, exit_of
from vcred.cli._files import make_folder, refuse_existing
from vcred.cli._wallet_care import COMMANDS
from vcred.cli._wallet_home import PATH, Door, force_option, home_option, opening, pin_option, places
from vcred.cli._wallet_online import COMMANDS as ONLINE
from vcred.cli._wallet_online import Line, link_in, networking, present_online, receive_online
from vcred.errors import NotFound

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Console

    from wallet import Certificate, Wallet
    from wallet.consent import Consent, ConsentRequest

__all__ = ["command"]

command = Group("wallet")


@command.command("init", at=True, json=True)
@click.argument("home", metavar="DIR|FILE", type=PATH)
@pin_option
@_trust.trust_options
@click.pass_obj
def init(run: Run, *, home: Path, pin_file: Path | None, trust: Path | None, root: Path | None) -> None:
    """See ``texts.toml``."""
    from vcred.cli._secrets import new_pin
    from wallet import FileStore

    folder, file = places(home)
    refuse_existing(file)
    pin = new_pin(pin_file)
    if folder is not None:
        make_folder(folder)
        _trust.keep(trust, root, folder)
    FileStore(file, pin=pin, at=run.at).close()
    run.report({"wallet": str(file)}, lambda console: console.print(str(file)))


@command.command("trust", at=True, json=True)
@home_option
@_trust.trust_options
@click.pass_obj
def take_bundle(run: Run, *, home: Path, trust: Path | None, root: Path | None) -> None:
    """See ``texts.toml``."""
    folder, _ = places(home)
    if folder is None:
        raise click.UsageError("a wallet that is a file takes --trust with every command")
    _trust.report(run, _trust.update(trust, root, folder))


@command.command("accept", at=True, json=True)
@click.argument("offer", nargs=-1, required=True)
@option("--out", required=True, type=PATH)
@force_option
@opening
def accept(run: Run, door: Door, *, offer: tuple[str, ...], out: Path, force: bool) -> None:
    """See ``texts.toml``."""
    from vcred.cli._messages import put_bytes, refuse_taken, take_offer

    found = take_offer(offer, quiet=run.json)
    refuse_taken(out, force=force)
    with door.open(run) as wallet:
        proof = wallet.accept(found, at=run.at)
    written = [str(path) for path in put_bytes(proof, out, force=force)]
    facts = {"issuer": found.issuer, "code": found.code, "keys": len(proof.keys), "files": written}
    run.report(facts, lambda console: console.print("\n".join(written)))


@command.command("receive", at=True, json=True)
@click.argument("delivery", nargs=-1, required=True)
@option("--tx-code")
@option("--yes", is_flag=True)
@opening
@networking(login=True)
def receive(run: Run, door: Door, *, delivery: tuple[str, ...], line: Line, tx_code: str | None, yes: bool) -> None:
    """See ``texts.toml``."""
    link = link_in(delivery, of="offer")
    if link is not None:
        receive_online(run, door, line, link, yes=yes, tx_code=tx_code)
        return
    from vcred.cli._messages import take_bytes
    from vcred.cli._wallet_show import certificate_facts, certificate_table
    from vcred.issuance import Delivery

    parsed = Delivery.parse(take_bytes(delivery, quiet=run.json))
    with door.open(run) as wallet:
        stored = wallet.receive(parsed, at=run.at)
    facts = [certificate_facts(one) for one in stored]
    run.report(facts, lambda console: certificate_table(console, stored, run.lang))


@command.command("list", at=True, json=True)
@opening
def list_certificates(run: Run, door: Door) -> None:
    """See ``texts.toml``."""
    from vcred.cli._wallet_show import certificate_facts, certificate_table

    with door.open(run) as wallet:
        found = wallet.certificates()
    facts = [certificate_facts(one) for one in found]
    run.report(facts, lambda console: certificate_table(console, found, run.lang))


@command.command("show", at=True, json=True)
@click.argument("certificate")
@opening
def show(run: Run, door: Door, *, certificate: str) -> None:
    """See ``texts.toml``."""
    from vcred.cli._claims import print_claims
    from vcred.cli._wallet_show import certificate_facts, print_certificate

    with door.open(run) as wallet:
        found = _certificate(wallet, certificate)
        claims = wallet.claims(found.id)

    def show_all(console: Console) -> None:
        print_certificate(console, found, run.lang)
        print_claims(console, found.type, claims, run.lang)

    run.report(certificate_facts(found) | {"claims": claims}, show_all)


@command.command("match", at=True, json=True)
@click.argument("request", nargs=-1, required=True)
@opening
@click.pass_context
def match(ctx: click.Context, run: Run, door: Door, *, request: tuple[str, ...]) -> None:
    """See ``texts.toml``."""
    from vcred.cli._wallet_show import ask_facts, print_asked

    with door.open(run) as wallet:
        asked = _asked(run, wallet, request)
        facts = ask_facts(asked, run.lang)
    run.report(facts, lambda console: print_asked(console, asked, run.lang))
    ctx.exit(_verdict(asked))


@command.command("present", at=True, json=True)
@click.argument("request", nargs=-1, required=True)
@option("--out", type=PATH)
@option("--also", multiple=True)
@option("--choose", multiple=True, metavar="QUERY=ID")
@option("--reuse", is_flag=True)
@option("--yes", is_flag=True)
@option("--tell", is_flag=True)
@force_option
@opening
@networking(login=False)
def present(
    run: Run,
    door: Door,
    *,
    request: tuple[str, ...],
    line: Line,
    out: Path | None,
    also: tuple[str, ...],
    choose: tuple[str, ...],
    reuse: bool,
    yes: bool,
    tell: bool,
    force: bool,
) -> None:
    """See ``texts.toml``."""
    from vcred.cli._messages import put, refuse_taken

    chosen: dict[str, list[str]] = {}
    for one in choose:
        query, certificate = _pair(one)
        chosen.setdefault(query, []).append(certificate)
    if out is None:
        link = link_in(request, of="request")
        if link is None:
            raise click.UsageError("--out: where to write the answer, for a request that is no link")
        present_online(run, door, line, link, also=also, choose=chosen, reuse=reuse, yes=yes, tell=tell)
        return
    refuse_taken(out, force=force)
    with door.open(run) as wallet:
        asked = _asked(run, wallet, request)
        consent = asked.approve(also=also, choose=chosen, reuse=reuse)
        if not yes:
            _ask_holder(run, asked, consent if also or choose else None)
        warnings = [reason.message(run.lang) for reason in asked.reasons]
        shown = [{"certificate": one.certificate, "path": str(one.path)} for one in consent.disclosures]
        answer = wallet.present(consent, at=run.at)
    written = [str(path) for path in put(answer, out, force=force)]
    if yes and not run.json:  # nobody was asked, so nobody has read it
        for warning in warnings:
            click.echo(warning, err=True)
    facts = {"shown": shown, "warnings": warnings, "files": written}
    run.report(facts, lambda console: console.print("\n".join(written)))


@command.command("history", at=True, json=True)
@opening
def history(run: Run, door: Door) -> None:
    """See ``texts.toml``."""
    from vcred.cli._wallet_show import history_facts, history_table

    with door.open(run) as wallet:
        facts = [history_facts(wallet, one) for one in wallet.history()]
    run.report(facts, lambda console: history_table(console, facts, run.lang))


@command.command("receipt", at=True, json=True)
@click.argument("receipt", nargs=-1, required=True)
@opening
def take_receipt(run: Run, door: Door, *, receipt: tuple[str, ...]) -> None:
    """See ``texts.toml``."""
    from vcred.cli._messages import take_bytes
    from vcred.cli._show import outcome_text, plain
    from vcred.cli._wallet_show import receipt_lines

    with door.open(run) as wallet:
        found = wallet.accept_receipt(take_bytes(receipt, quiet=run.json), at=run.at)
    facts = {
        "client_id": found.client_id,
        "outcome": found.outcome.value,
        "reasons": list(found.reasons),
        "purpose": found.purpose,
        "retention": found.retention,
        "reference": found.reference,
    }

    def show(console: Console) -> None:
        console.print(outcome_text(found.outcome, run.lang))
        for line in receipt_lines(found, run.lang):
            console.print(plain(line))

    run.report(facts, show)


@command.command("delete", at=True, json=True)
@click.argument("certificate")
@option("--yes", is_flag=True)
@opening
def delete(run: Run, door: Door, *, certificate: str, yes: bool) -> None:
    """See ``texts.toml``."""
    with door.open(run) as wallet:
        found = _certificate(wallet, certificate)
        question = run.text(f"{found.name('ko')}: 지울까요?", f"{found.name('en')}: delete it?")
        if not yes and not click.confirm(question, err=True):
            raise Rejected(run.text("지우지 않았습니다", "not deleted"), kind="declined")
        wallet.delete(found.id)
    run.report({"deleted": found.id}, lambda console: console.print(found.id))


for _each in (*COMMANDS, *ONLINE):
    command.add_command(_each)


def _certificate(wallet: Wallet, name: str) -> Certificate:
    """The certificate of that id, or of that beginning of one. Raises ``NotFound``."""
    found = [one for one in wallet.certificates() if one.id.startswith(name)]
    if len(found) != 1:
        raise NotFound(f"{name}: {len(found)} certificates of that id")
    return found[0]


def _pair(text: str) -> tuple[str, str]:
    query, equals, certificate = text.partition("=")
    if not equals:
        raise click.UsageError("--choose QUERY=ID")
    return query, certificate


def _ask_holder(run: Run, asked: ConsentRequest, consent: Consent | None) -> None:
    """Show who asks for what, and what the holder chose to show, and go on only with a yes."""
    from vcred.cli._show import console
    from vcred.cli._wallet_show import print_asked

    print_asked(console(errors=run.json), asked, run.lang, consent)
    if not click.confirm(run.text("보여 줄까요?", "Show this?"), err=True):
        raise Rejected(run.text("보여 주지 않았습니다", "nothing was shown"), kind="declined")


def _verdict(asked: ConsentRequest) -> int:
    """0 when the wallet can answer and nothing speaks against it; else the exit code of what does."""
    reasons = (*asked.blocked, *asked.reasons)
    if asked.missing:
        return Rejected.exit_code
    codes = {exit_of(reason.code.outcome) for reason in reasons}
    return Rejected.exit_code if Rejected.exit_code in codes else max(codes, default=0)


def _asked(run: Run, wallet: Wallet, sources: tuple[str, ...]) -> ConsentRequest:
    from vcred import PresentationRequest
    from vcred.cli._messages import take

    return wallet.match(PresentationRequest.parse(take(sources, quiet=run.json)), at=run.at)
