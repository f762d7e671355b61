"""``vcred issuer serve`` and ``check-records``: the service on the network, and a dry run of its registry."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

import click

from vcred.cli import _issuer_home as home
from vcred.cli._clock import now
from vcred.cli._command import option
from vcred.cli._errors import Failure
from vcred.cli._files import read, write
from vcred.cli._issuer_cards import card_reader, known_people, reader_identity
from vcred.cli._issuer_group import PATH, command, with_password
from vcred.cli._texts import detail_text
from vcred.errors import MissingExtraError, RecordError, SettingsError, StoreError, TransportError

if TYPE_CHECKING:
    import socket
    from collections.abc import Sequence
    from pathlib import Path

    from issuer import RecordSource
    from issuer.server.settings import IssuerServerSettings
    from vcred.catalog import CertificateType
    from vcred.cli._command import Run

__all__: list[str] = []

_PREFIX: Final = "VCRED_ISSUER"
_HOME: Final = "development-issuer"
_PASSWORD: Final = b"development"
_MARK: Final = "development"
_TOKEN_FILE: Final = "operator-token"  # noqa: S105 - the name of a file
_NOT_HERE: Final = "this registry has no records of that kind"
_TYPES: Final = (
    "resident.household resident.personal family.relations family.basic family.marriage id.resident_mobile "
    "id.e_citizen tax.clearance tax.income nhis.eligibility_history edu.enrolment seal.signature"
)
"""What the town has records of."""


@command.command("serve")
@option("--config", type=PATH)
@option("--issuer", "folder", type=PATH)
@option("--db", "database")
@option("--records")
@option("--host")
@option("--port", type=click.IntRange(1, 65535))
@option("--base-url")
@option("--tls-cert", type=PATH)
@option("--tls-key", type=PATH)
@option("--workers", type=click.IntRange(1, 64))
@option("--development", is_flag=True)
@with_password
@click.pass_obj
def serve(
    run: Run,
    *,
    config: Path | None,
    folder: Path | None,
    database: str | None,
    records: str | None,
    host: str | None,
    port: int | None,
    base_url: str | None,
    tls_cert: Path | None,
    tls_key: Path | None,
    workers: int | None,
    development: bool,
    password_file: Path | None,
) -> None:
    """See ``texts.toml``."""
    try:
        from vcred.serving import load_settings
    except ModuleNotFoundError as error:
        raise MissingExtraError("server") from error
    from issuer.server.settings import IssuerServerSettings

    given: dict[str, Any] = {
        "home": None if folder is None else str(folder),
        "database": database,
        "records": records,
        "base_url": base_url,
        "workers": workers,
        "development": True if development else None,
    }
    if (tls_cert is None) != (tls_key is None):
        raise click.UsageError("--tls-cert and --tls-key go together")
    if tls_cert is not None:
        given["tls"] = {"certificate": str(tls_cert), "key": str(tls_key)}
    given = {name: value for name, value in given.items() if value is not None}
    settings = load_settings(
        IssuerServerSettings,
        file=config,
        prefix=_PREFIX,
        environ=os.environ,
        given=_placed(given, config, host, port),
    )
    _serve(run, settings, password_file)


def _placed(given: dict[str, Any], config: Path | None, host: str | None, port: int | None) -> dict[str, Any]:
    """Where to listen; in development everything that is not said has a value that works on this machine."""
    if host is not None or port is not None:
        given["listen"] = f"{host or '127.0.0.1'}:{port or 8443}"
    if given.get("development") and config is None:
        given.setdefault("listen", "127.0.0.1:8443")
        scheme = "https" if "tls" in given else "http"
        given.setdefault("base_url", f"{scheme}://localhost:{given['listen'].rpartition(':')[2]}")
        given.setdefault("home", _HOME)
        given.setdefault("anonymous_pre_authorized", True)
        given.setdefault("require_dpop", False)
    return given


def _serve(run: Run, settings: IssuerServerSettings, password_file: Path | None) -> None:
    from issuer import Issuer
    from issuer.server.app import create_app
    from issuer.server.store import ServiceStore
    from vcred.catalog import Catalog
    from vcred.cli._records import opened, source_of
    from vcred.outgoing import Outgoing
    from vcred.serving import run_workers
    from vcred.serving import serve as run_server
    from vcred.serving.settings import listen_at

    if settings.home is None:
        raise SettingsError("home: is missing: the folder that vcred issuer init makes")
    folder = settings.home
    host, port = listen_at(settings.listen)
    records = settings.records
    password: bytes | None = None
    if settings.development:
        password, town = _prepare(run, settings)
        records = records or str(town)
        settings = _with_operator(settings)
    if records is None:
        raise SettingsError("records: is missing: the registry to certify from")
    if not settings.names:
        settings = settings.model_copy(update={"names": dict(home.settings(folder).name)})
    target = str(folder / home.STORE) if settings.database is None else settings.database.get_secret_value()
    http = Outgoing(_reach(settings))
    source_of(records, http=http)  # what is wrong with it is said before a password is asked for
    profile = home.profile_of(folder, password_file=password_file, password=password)
    identity = None if settings.id_login is None else reader_identity(settings.id_login)

    def work(place: socket.socket | None) -> None:
        reader = None
        if settings.id_login is not None and identity is not None:
            reader = card_reader(settings.id_login, identity, development=settings.development)
        with ServiceStore(target) as store, opened(records, http=http) as source:
            app = create_app(
                settings,
                issuer=Issuer(profile, records=source, catalog=Catalog.builtin(), store=store),
                store=store,
                http=http,
                clock=now,
                sources=known_people(source),
                card_reader=reader,
            )
            if place is None:
                _announce(run, settings, profile.types or frozenset(), records)
            # uvicorn ends in good order, then gives the signal to whoever had it before: that is us, and it is obeyed.
            signal.signal(signal.SIGTERM, lambda *_: None)
            with suppress(KeyboardInterrupt):
                run_server(app, host=host, port=port, tls=settings.tls, proxies=settings.proxies, place=place)

    try:
        if settings.workers == 1:
            work(None)
        else:
            home.check_alone(folder)
            ServiceStore(target).close()  # the tables are made once
            _announce(run, settings, profile.types or frozenset(), records)
            run_workers(work, workers=settings.workers, host=host, port=port)
    except (SystemExit, OSError):
        raise Failure(
            run.text(f"{host}:{port}에서 들을 수 없습니다", f"cannot listen on {host}:{port}"), kind="settings"
        ) from None
    run.say("멈추었습니다", "stopped")


def _reach(settings: IssuerServerSettings) -> Any:
    """Where the service may go: the agency's networks besides public addresses."""
    from ipaddress import ip_network

    from vcred.outgoing import Reach

    try:
        networks = tuple(ip_network(one) for one in settings.registry_networks)
    except ValueError:
        raise SettingsError("registry_networks: a network is written as 10.1.0.0/16") from None
    if settings.development:
        own = Reach.development()
        return Reach(networks=(*own.networks, *networks), plain_http=True)
    return Reach(networks=networks)


def _prepare(run: Run, settings: IssuerServerSettings) -> tuple[bytes | None, Path]:
    """In development: an issuer's folder and a town, made where there are none. The password of a folder made here."""
    assert settings.home is not None
    folder = settings.home
    town, mark = folder / "town.db", folder / _MARK
    if not (folder / home.SETTINGS).exists():
        home.make(
            folder,
            id=settings.base_url,
            name={"ko": "가람특별시 (가상)", "en": "Garam City (fictitious)"},
            types=_TYPES.split(),
            copies=5,
            formats=home.DEFAULT_FORMATS,
            w3c_status="token",
            production=False,
            password=_PASSWORD,
            at=run.at,
        )
        mark.touch(mode=0o600)
    made_for = home.settings(folder).id
    if mark.exists() and made_for != settings.base_url:
        raise SettingsError(f"{folder} was made for {made_for}: serve it there, or name another folder with --issuer")
    if settings.records is None and not town.exists():
        from issuer.fictitious import generate
        from vcred.catalog.age import kst_date

        generate(town, seed=26, households=20, today=kst_date(run.at))
    return (_PASSWORD if mark.exists() else None), town


def _with_operator(settings: IssuerServerSettings) -> IssuerServerSettings:
    """In development without operators: one whose token is in a file of the folder."""
    import secrets

    from pydantic import SecretStr

    assert settings.home is not None
    file = settings.home / _TOKEN_FILE
    if settings.admin_tokens or not (settings.home / _MARK).exists():
        return settings
    if not file.exists():
        write(file, f"{secrets.token_urlsafe(32)}\n".encode(), private=True)
    token = SecretStr(read(file, 256).decode("ascii").strip())
    return settings.model_copy(update={"admin_tokens": {"developer": token}})


def _announce(run: Run, settings: IssuerServerSettings, types: frozenset[str], records: str) -> None:
    """Where everything is."""
    from vcred.cli._show import console, table

    base = settings.base_url
    database = "sqlite" if settings.database is None else settings.database.get_secret_value().partition(":")[0]
    rows = [
        (run.text("신청 화면", "Pages"), f"{base}/apply"),
        (run.text("운영 화면", "Operators"), f"{base}/operator"),
        (run.text("발급자 메타데이터", "Issuer metadata"), _metadata(base)),
        (run.text("API 문서", "OpenAPI"), f"{base}/openapi.json"),
        (run.text("듣는 곳", "Listening on"), settings.listen + (" (TLS)" if settings.tls else "")),
        (run.text("데이터베이스", "Database"), database),
        (run.text("등록부", "Registry"), records),
        (run.text("종류", "Types"), str(len(types)) if types else run.text("전부", "all")),
    ]
    shown = console()
    shown.print(table(["", run.text("발급 서비스", "Issuer service")], rows))
    if settings.development:
        shown.print(
            run.text("개발용입니다. 실제로 쓰지 마세요.", "For development: never in production."), style="yellow"
        )
        if settings.home is not None and (settings.home / _TOKEN_FILE).exists():
            shown.print(f"{run.text('운영자 토큰', 'Operator token')}: {settings.home / _TOKEN_FILE}")
        if settings.home is not None and (settings.home / _MARK).exists():
            # Who tries the rest of the commands on this folder is asked for it.
            password = _PASSWORD.decode()
            shown.print(run.text(f"{settings.home}의 암호: {password}", f"Password of {settings.home}: {password}"))
    if not settings.admin_tokens:
        shown.print(
            run.text("admin_tokens가 없어 운영 화면을 닫아 둡니다", "no admin_tokens: the operators' pages are shut")
        )
    shown.print(run.text("멈추려면 Ctrl+C", "Ctrl+C stops it"))


def _metadata(base: str) -> str:
    from vcred.oauth import well_known

    return well_known(base, "openid-credential-issuer")


@command.command("check-records", at=True, json=True)
@click.argument("records")
@option("--subject")
@option("--type", "codes", multiple=True)
@option("--show", is_flag=True)
@click.pass_obj
def check_records(run: Run, *, records: str, subject: str | None, codes: tuple[str, ...], show: bool) -> None:
    """See ``texts.toml``."""
    from pathlib import Path

    from issuer.sources import lint_mapping
    from vcred.catalog import Catalog
    from vcred.cli._records import opened
    from vcred.outgoing import Outgoing, Reach

    catalog = Catalog.builtin()
    if records.endswith(".toml") and (wrong := lint_mapping(Path(records), catalog)):
        for one in wrong:
            click.echo(one, err=True)
        raise Failure(run.text(f"고칠 것 {len(wrong)}개", f"to put right: {len(wrong)}"), kind="lint", found=wrong)
    with opened(records, http=Outgoing(Reach.development())) as source:
        check = getattr(source, "check", None)
        if check is not None:
            check()
        if subject is None:
            fine = run.text("문제 없음", "nothing wrong")
            run.report({"found": []}, lambda console: console.print(fine, style="green"))
            return
        facts = [_tried(run, source, catalog[code], subject, show=show) for code in (codes or catalog)]
    if not codes:
        facts = [one for one in facts if one["problem"] != _NOT_HERE]
    _report(run, facts, asked=bool(codes))


def _tried(run: Run, opened: RecordSource, kind: CertificateType, subject: str, *, show: bool) -> dict[str, Any]:
    """Certify on trial: what would be issued, in every variant, and what stands in the way."""
    from vcred.catalog.age import kst_date

    found: dict[str, Any] = {"type": kind.code, "certifies": False, "problem": None}
    try:
        record = opened.fetch(kind.code, subject, at=run.at)
        variants: list[str | None] = [one.id for one in kind.variants]
        for variant in variants or [None]:
            kind.issue(record, variant=variant, options={}, issued_on=kst_date(run.at))
    except (RecordError, StoreError, TransportError) as error:
        return found | {"problem": str(error)}
    found |= {"certifies": True, "has": _names(record), "empty": _empty(kind, record)}
    return found | ({"record": _plain(record)} if show else {})


def _names(record: Any) -> list[str]:
    """What the record has, as names; arrays with how many rows."""
    return [f"{name}[{len(value)}]" if isinstance(value, (list, tuple)) else name for name, value in record.items()]


def _empty(kind: CertificateType, record: Any) -> list[str]:
    """What would be certified as "there is nothing"."""
    wanted = [spec.key for spec in kind.claims if spec.derive is None]
    return [name for name in wanted if record.get(name) in (None, [], ())]


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    return value if isinstance(value, (str, int, bool, type(None))) else str(value)


def _report(run: Run, facts: Sequence[dict[str, Any]], *, asked: bool) -> None:
    from vcred.cli._show import table

    good = [one for one in facts if one["certifies"]]
    head = (
        ["종류", "결과", "있는 것", "비어 있는 것"]
        if run.lang == "ko"
        else ["type", "result", "has", "certified as empty"]
    )
    rows = [
        (
            one["type"],
            run.text("발급 가능", "certifies") if one["certifies"] else detail_text(one["problem"], run.lang),
            " ".join(one.get("has", ())),
            " ".join(one.get("empty", ())),
        )
        for one in facts
    ]

    def shown(console: Any) -> None:
        console.print(table(head, rows))
        for one in facts:
            if "record" in one:
                console.print_json(data={one["type"]: one["record"]})

    run.report(facts, shown)
    if not good or (asked and len(good) < len(facts)):
        raise Failure(run.text("발급할 수 없는 종류가 있습니다", "a type cannot be certified"), kind="record")
