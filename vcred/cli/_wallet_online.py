"""``vcred wallet`` with a network: offers and requests that are links, what takes time, fresh copies, the driver."""

from __future__ import annotations

import signal
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from vcred.cli._command import Command, Run, option
from vcred.cli._errors import Failure, Rejected
from vcred.cli._wallet_home import PATH, Door, opening
from vcred.cli._wallet_shown import offer_problems, show_offer, show_request
from vcred.errors import ConsentError, MalformedError, RefusedError, StoreError, TransportError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from wallet.client import Asked, Online, Received
    from wallet.consent import Consent

__all__ = ["COMMANDS", "Line", "link_in", "networking", "present_online", "receive_online"]

_OFFERS: Final = ("openid-credential-offer://", "haip-vci://", "https://", "http://")
_REQUESTS: Final = ("openid4vp://", "haip-vp://", "https://", "http://")
_REDIRECT: Final = "http://127.0.0.1:8765/callback"
_CLIENT: Final = "vcred-wallet"
_REACH: Final = (
    option("--browser", is_flag=True),
    option("--development", is_flag=True),
    option("--ca-file", type=PATH),
)
_LOGIN: Final = (
    option("--redirect-uri", default=_REDIRECT),
    option("--client-id"),
    option("--attester", type=PATH),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """How a command goes out: whom it trusts on the way, what it calls itself, and whose browser logs in."""

    ca_file: Path | None
    development: bool
    browser: bool
    attester: Path | None = None
    client_id: str | None = None
    redirect_uri: str = _REDIRECT

    @contextmanager
    def online(self, run: Run, door: Door, *, doing: str = "receive", driven: bool = False) -> Iterator[Online]:
        """The wallet, online. ``driven``: by a server, which has the browser that calls it.

        What goes wrong is told as what it means for whom is ``doing`` this: ``receive`` or ``present``.
        """
        from vcred.cli._wallet_failures import consent_failure, told
        from vcred.outgoing import Outgoing, Reach
        from wallet.client import LocalAttester, Online

        reach = Reach.development(ca_file=self.ca_file) if self.development else Reach(ca_file=self.ca_file)
        client_id = self.client_id or (_CLIENT if self.attester is not None else None)
        attester = None
        if self.attester is not None:
            attester = LocalAttester.load(self.attester, client_id=str(client_id), issuer=str(client_id))
        with door.open(run) as wallet:
            online = Online(
                wallet,
                http=Outgoing(reach),
                clock=lambda: run.at,
                attester=attester,
                client_id=client_id,
                redirect_uri=self.redirect_uri,
                open_browser=None if driven else lambda url: _log_in(run, url, self),
                development=self.development,
            )
            try:
                yield online
            except StoreError:
                raise
            except (TransportError, RefusedError) as error:
                raise told(error, run.lang, doing) from error
            except ConsentError as error:
                raise consent_failure(error, run.lang) from error


def networking(*, login: bool) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """The options of a command that goes out, given to it as one ``Line``; with ``login``, to issuers."""

    def decorated(function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        def wrapped(run: Run, door: Door, **given: Any) -> Any:
            own = {name: given.pop(name) for name in Line.__dataclass_fields__ if name in given}
            return function(run, door, line=Line(**own), **given)

        made: Any = wrapped
        for each in (*(_LOGIN if login else ()), *_REACH):
            made = each(made)
        found: Callable[..., Any] = made
        return found

    return decorated


def link_in(sources: tuple[str, ...], *, of: str) -> str | None:
    """The link of an offer or a request (``of``) in what a command was given: itself, in a file, or in a picture."""
    schemes = _OFFERS if of == "offer" else _REQUESTS
    if len(sources) != 1:
        return None
    if sources[0].startswith(schemes):
        return sources[0]
    from vcred.cli._files import read
    from vcred.qr.scan import is_envelope, texts_of

    path = Path(sources[0])
    if not path.is_file():
        return None
    raw = read(path)
    if is_envelope(raw) or raw[:1] == b"{":
        return None
    try:
        texts = texts_of(raw, path.name)
    except MalformedError:
        return None
    return texts[0].strip() if len(texts) == 1 and texts[0].startswith(schemes) else None


def receive_online(run: Run, door: Door, line: Line, link: str, *, yes: bool, tx_code: str | None) -> None:
    """Look, ask, fetch, show, ask, receive."""
    from vcred.cli._wallet_failures import nothing_to_take
    from wallet.client import OfferPreview

    with line.online(run, door, driven=True) as online:
        step: Any = online.look(link)
        while isinstance(step, OfferPreview):
            _agree(run, f"{step.host}에 연결할까요?", f"Connect to {step.host}?", yes=yes)
            step = online.fetch(step)
        if not yes:
            show_offer(run, step)
        if (nothing := nothing_to_take(step, offer_problems(run), run.lang)) is not None:
            raise nothing
        _agree(run, "받을까요?", "Receive this?", yes=yes)
        if step.tx_code is not None and tx_code is None:
            from vcred.cli._secrets import ask

            tx_code = ask("거래 코드", "Transaction code")
        received = step.approve(tx_code=tx_code if step.tx_code is not None else None)
    if received.login is not None:
        # The wallet is shut while its holder logs in: the way in may be an identity card that is in it.
        back = _log_in(run, received.login, line)
        with line.online(run, door) as online:
            received = online.returned(back)
    _report(run, received)


def present_online(
    run: Run,
    door: Door,
    line: Line,
    link: str,
    *,
    also: tuple[str, ...],
    choose: Mapping[str, Sequence[str]],
    reuse: bool,
    yes: bool,
    tell: bool,
) -> None:
    """Look, ask, fetch, show, ask, answer."""
    from vcred.cli._show import plain

    with line.online(run, door, doing="present") as online:
        preview = online.look_request(link)
        if preview.host is not None:
            _agree(run, f"{preview.host}에 연결할까요?", f"Connect to {preview.host}?", yes=yes)
        asked = online.fetch_request(preview)
        try:
            consent = _agreed(run, asked, also=also, choose=choose, reuse=reuse, yes=yes)
        except (ConsentError, Rejected, click.Abort):
            if tell:
                asked.decline()
            raise
        warnings = [reason.message(run.lang) for reason in asked.consent.reasons]
        disclosed = [{"certificate": one.certificate, "path": str(one.path)} for one in consent.disclosures]
        found = asked.answer(consent)
    facts = {"shown": disclosed, "warnings": warnings, "host": asked.host, "redirect_uri": found.redirect}
    if yes and not run.json:
        for warning in warnings:
            click.echo(warning, err=True)

    def show(out: Any) -> None:
        out.print(plain(run.text(f"{asked.host}에 보냈습니다", f"sent to {asked.host}")))
        if found.redirect is not None:
            out.print(plain(run.text("이어서 열 곳: ", "go on at: ") + found.redirect))

    run.report(facts, show)
    if line.browser and found.redirect is not None:
        click.launch(found.redirect)


def _command(name: str) -> Callable[[Callable[..., Any]], click.Command]:
    return click.command(name, cls=Command, at=True, json=True)


@_command("collect")
@opening
@networking(login=True)
def collect(run: Run, door: Door, *, line: Line) -> None:
    """See ``texts.toml``."""
    with line.online(run, door) as online:
        received = online.collect()
    _report(run, received)


@_command("refresh")
@option("--days", default=14, type=click.IntRange(0, 3650))
@opening
@networking(login=True)
def refresh(run: Run, door: Door, *, line: Line, days: int) -> None:
    """See ``texts.toml``."""
    from datetime import timedelta

    with line.online(run, door) as online:
        received = online.refresh(within=timedelta(days=days))
    _report(run, received)


@click.command("serve", cls=Command, at=False, json=False)
@option("--host", default="127.0.0.1")
@option("--port", default=8444, type=click.IntRange(1, 65535))
@option("--base-url")
@option("--tls-cert", type=PATH)
@option("--tls-key", type=PATH)
@option("--tx-code")
@option("--decline", is_flag=True)
@opening
@networking(login=True)
def serve(
    run: Run,
    door: Door,
    *,
    line: Line,
    host: str,
    port: int,
    base_url: str | None,
    tls_cert: Path | None,
    tls_key: Path | None,
    tx_code: str | None,
    decline: bool,
) -> None:
    """See ``texts.toml``."""
    from dataclasses import replace

    if not line.development:
        raise click.UsageError("--development: this wallet says yes to everybody and is for tests only")
    if (tls_cert is None) != (tls_key is None):
        raise click.UsageError("--tls-cert and --tls-key go together")
    scheme = "http" if tls_cert is None else "https"
    place = (base_url or f"{scheme}://localhost:{port}").rstrip("/")
    from wallet.client.driver import create_driver

    with replace(line, redirect_uri=f"{place}/callback").online(run, door, driven=True) as online:
        app = create_driver(online, base_url=place, tx_code=tx_code, decline=decline)
        from vcred.serving import Tls
        from vcred.serving import serve as run_server

        tls = None if tls_cert is None or tls_key is None else Tls(certificate=tls_cert, key=tls_key)
        click.echo(run.text(f"{place} (시험용: 모든 것에 동의합니다)", f"{place} (for tests: it agrees to everything)"))
        # uvicorn ends in good order, then gives the signal to whoever had it before: that is us, and it was obeyed.
        signal.signal(signal.SIGTERM, lambda *_: None)
        try:
            with suppress(KeyboardInterrupt):
                run_server(app, host=host, port=port, tls=tls)
        except SystemExit:
            text = run.text(f"{host}:{port}에서 들을 수 없습니다", f"cannot listen on {host}:{port}")
            raise Failure(text, kind="settings") from None


COMMANDS = (collect, refresh, serve)
"""In the order in which help lists them."""


def _agree(run: Run, ko: str, en: str, *, yes: bool) -> None:
    if not yes and not click.confirm(run.text(ko, en), err=True):
        raise Rejected(run.text("하지 않았습니다", "nothing was done"), kind="declined")


def _agreed(
    run: Run, asked: Asked, *, also: tuple[str, ...], choose: Mapping[str, Sequence[str]], reuse: bool, yes: bool
) -> Consent:
    """What the holder agrees to; the request is shown first. Raises ``Rejected``, ``ConsentError``."""
    from vcred.cli._wallet_failures import refused_request

    refused = refused_request(asked.consent, run.lang)
    if refused is None:
        consent = asked.consent.approve(also=also, choose=choose, reuse=reuse)
    if not yes:
        show_request(run, asked, consent if refused is None and (also or choose) else None)
    if refused is not None:
        raise refused
    _agree(run, "보여 줄까요?", "Show this?", yes=yes)
    return consent


def _report(run: Run, received: Received) -> None:
    from vcred.cli._wallet_failures import explained, line_of
    from vcred.cli._wallet_show import certificate_facts, certificate_table

    problems = [explained(one, run.lang, "receive") for one in received.problems]
    facts = {
        "certificates": [certificate_facts(one) for one in received.certificates],
        "waiting": [
            {"id": one.session, "issuer": one.issuer, "code": one.code, "format": one.format, "ready_at": one.ready_at}
            for one in received.waiting
        ],
        "problems": problems,
    }

    def show(out: Any) -> None:
        from vcred.cli._show import moment_text, plain

        if received.certificates:
            certificate_table(out, received.certificates, run.lang)
        for one in received.waiting:
            when = moment_text(one.ready_at)
            ko = f"{one.code}: {when}부터 받을 수 있습니다 (vcred wallet collect)"
            out.print(plain(run.text(ko, f"{one.code}: to be had from {when} on (vcred wallet collect)")))
        for problem in problems:
            out.print(plain(line_of(problem)), style="yellow")
        if not received.certificates and not received.waiting and not received.problems:
            out.print(run.text("받을 것이 없습니다", "nothing to receive"))

    run.report(facts, show)
    if problems and not received.certificates:
        click.get_current_context().exit(Rejected.exit_code)


def _log_in(run: Run, url: str, line: Line) -> str:
    """Take the holder to ``url``, and wait for the browser to come back."""
    from wallet.client._authorize import redirect_is_loopback

    click.echo(run.text("브라우저에서 로그인하세요:", "Log in in a browser:"), err=True)
    click.echo(url, err=True)
    if line.browser:
        click.launch(url)
    if not redirect_is_loopback(line.redirect_uri):
        found: str = click.prompt(run.text("돌아온 주소", "The address it came back to"), err=True)
        return found.strip()
    from wallet.client.loopback import wait_for

    try:
        return wait_for(line.redirect_uri, done=run.text("지갑으로 돌아가세요.", "Go back to the wallet."))
    except OSError as error:
        text = run.text("브라우저를 기다릴 수 없습니다", "cannot wait for the browser")
        raise Failure(f"{text}: {error.strerror}", kind="browser") from error
