"""``vcred verifier serve``: the verifier's service on the network, from the folder that ``verifier init`` made.

Beside what ``init`` made it keeps there ``service.db``, ``storage.key`` (what is personal in the database is encrypted
with it) and, where the settings name no API keys, ``desk.sha256``: the digest of a key that is shown once, when it is
made. Whoever has lost it deletes the file and starts again.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import signal
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from vcred.cli import _trust
from vcred.cli._clock import now
from vcred.cli._command import Command, option
from vcred.cli._errors import Failure
from vcred.cli._files import read, write
from vcred.errors import MissingExtraError, SettingsError

if TYPE_CHECKING:
    import socket

    from vcred.cli._command import Run
    from vcred.trust import TrustBundle
    from verifier.server.settings import VerifierServerSettings

__all__ = ["command"]

KEY, CHAIN, EVIDENCE = "reader.key", "reader.pem", "evidence"
DATABASE, STORAGE_KEY, DESK = "service.db", "storage.key", "desk.sha256"
"""Names in a verifier's folder."""

_PREFIX: Final = "VCRED_VERIFIER"
_PORT: Final = 8444
_PATH: Final = click.Path(path_type=Path)


@click.command("serve", cls=Command)
@option("--config", type=_PATH)
@option("--verifier", "home", default=".", envvar="VCRED_VERIFIER", type=_PATH)
@option("--db", "database")
@option("--host")
@option("--port", type=click.IntRange(1, 65535))
@option("--base-url")
@option("--tls-cert", type=_PATH)
@option("--tls-key", type=_PATH)
@option("--evidence", type=_PATH)
@option("--workers", type=click.IntRange(1, 64))
@option("--development", is_flag=True)
@option("--password-file", type=_PATH)
@_trust.trust_options
@click.pass_obj
def command(
    run: Run,
    *,
    config: Path | None,
    home: Path,
    database: str | None,
    host: str | None,
    port: int | None,
    base_url: str | None,
    tls_cert: Path | None,
    tls_key: Path | None,
    evidence: Path | None,
    workers: int | None,
    development: bool,
    password_file: Path | None,
    trust: Path | None,
    root: Path | None,
) -> None:
    """See ``texts.toml``."""
    try:
        from vcred.serving import load_settings
    except ModuleNotFoundError as error:
        raise MissingExtraError("server") from error
    from verifier.server.settings import VerifierServerSettings

    if not (home / KEY).exists():
        raise SettingsError(f"{home}: no verifier's folder: vcred verifier init makes one")
    if (tls_cert is None) != (tls_key is None):
        raise click.UsageError("--tls-cert and --tls-key go together")
    said: dict[str, Any] = {
        "database": database,
        "trust": trust,
        "root": root,
        "evidence": evidence,
        "workers": workers,
        "base_url": base_url,
        "development": True if development else None,
        "tls": None if tls_cert is None else {"certificate": tls_cert, "key": tls_key},
        "listen": None if host is None and port is None else f"{host or '127.0.0.1'}:{port or _PORT}",
    }
    given = {name: value for name, value in said.items() if value is not None}
    from vcred.serving.settings import settings_found

    found = settings_found(file=config, prefix=_PREFIX, environ=_environment(), given=given)
    made = _complete(found, home)
    settings = load_settings(VerifierServerSettings, file=None, prefix=_PREFIX, environ={}, given=found)
    _serve(run, settings, home, password_file, made)


def _environment() -> dict[str, str]:
    """Without the variable that says where the folder is: it has the same beginning as those of the settings."""
    return {name: value for name, value in os.environ.items() if name.startswith(f"{_PREFIX}__")}


def _complete(found: dict[str, Any], home: Path) -> str | None:
    """What is in the folder, for whatever nobody said. The API key, if one was made."""
    usual = {"trust": _trust.BUNDLE, "root": _trust.ROOT, "reader": CHAIN, "evidence": EVIDENCE}
    for name, file in usual.items():
        if name not in found and (home / file).exists():
            found[name] = str(home / file)
    if "trust" not in found or "root" not in found:
        raise SettingsError("no trust bundle: give --trust BUNDLE and --root ROOT, or vcred verifier trust")
    if "storage_key" not in found:
        found["storage_key"] = str(_storage_key(home))
    found.setdefault("database", f"sqlite:///{(home / DATABASE).absolute()}")
    found.setdefault("listen", f"127.0.0.1:{_PORT}")
    if found.get("development"):
        scheme = "https" if "tls" in found else "http"
        found.setdefault("base_url", f"{scheme}://localhost:{str(found['listen']).rpartition(':')[2]}")
    if "base_url" not in found:
        raise SettingsError("base_url: is missing: give --base-url, the address as wallets and clerks know it")
    if found.get("api_keys"):
        return None
    digest, made = _desk_key(home)
    found["api_keys"] = [{"name": "desk", "sha256": digest}]
    return made


def _storage_key(home: Path) -> Path:
    key = home / STORAGE_KEY
    if not key.exists():
        if (home / DATABASE).exists():
            raise SettingsError(f"{key}: is missing, and what is in the database cannot be read without it")
        write(key, secrets.token_hex(32).encode(), private=True)
    return key


def _desk_key(home: Path) -> tuple[str, str | None]:
    """The digest of the desk's API key, and the key when it was made just now."""
    file = home / DESK
    if file.exists():
        return read(file, 256).decode("ascii", "replace").strip(), None
    key = secrets.token_urlsafe(24)
    digest = hashlib.sha256(key.encode()).hexdigest()
    write(file, digest.encode(), private=True)
    return digest, key


def _serve(
    run: Run, settings: VerifierServerSettings, home: Path, password_file: Path | None, made: str | None
) -> None:
    from vcred.cli._secrets import load_key
    from vcred.outgoing import Outgoing, Reach
    from vcred.serving import run_workers
    from vcred.serving import serve as run_server
    from vcred.serving.settings import listen_at
    from verifier.server.app import create_app
    from verifier.server.parts import load_policies, load_storage_key, load_verifier
    from verifier.server.store import VerifierStore

    host, port = listen_at(settings.listen)
    bundle = _trust.load(settings.trust, settings.root, home)  # refuses what is older than what was seen here
    signer = load_key(home / KEY, password_file)
    key = load_storage_key(settings.storage_key)

    def work(place: socket.socket | None) -> None:
        with ExitStack() as held:
            store = held.enter_context(VerifierStore(settings.database.get_secret_value(), key=key))
            verifier, trust, recorder = load_verifier(settings, store, signer)
            if recorder is not None:
                held.callback(recorder.close)
            app = create_app(
                settings,
                verifier=verifier,
                policies=load_policies(settings, trust.bundle),
                store=store,
                http=Outgoing(Reach.development() if settings.development else Reach()),
                clock=now,
                recorder=recorder,
                trust=trust,
            )
            if place is None:
                _announce(run, settings, trust.bundle, made)
            # uvicorn ends in good order, then gives the signal to whoever had it before: us.
            signal.signal(signal.SIGTERM, lambda *_: None)
            with suppress(KeyboardInterrupt):
                run_server(app, host=host, port=port, tls=settings.tls, proxies=settings.proxies, place=place)

    taken = Failure(run.text(f"{host}:{port}에서 들을 수 없습니다", f"cannot listen on {host}:{port}"), kind="settings")
    if settings.workers == 1:
        try:
            work(None)
        except SystemExit:
            raise taken from None
    else:
        VerifierStore(settings.database.get_secret_value(), key=key).close()  # the tables are made once
        _announce(run, settings, bundle, made)
        try:
            run_workers(work, workers=settings.workers, host=host, port=port)
        except OSError:
            raise taken from None
    run.say("멈추었습니다", "stopped")


def _announce(run: Run, settings: VerifierServerSettings, bundle: TrustBundle, made: str | None) -> None:
    """Where everything is."""
    from vcred.cli._show import console, table

    base = settings.base_url
    none = run.text("없음", "none")
    rows = [
        (run.text("업무 화면", "Desk"), f"{base}/desk"),
        ("API", f"{base}/api/requests"),
        (run.text("API 문서", "OpenAPI"), f"{base}/openapi.json"),
        (run.text("듣는 곳", "Listening on"), settings.listen + (" (TLS)" if settings.tls else "")),
        (run.text("데이터베이스", "Database"), settings.database.get_secret_value().partition(":")[0]),
        (run.text("신뢰 목록", "Trust list"), _trust.line(bundle, run)),
        (run.text("판정 기록", "Evidence"), none if settings.evidence is None else str(settings.evidence)),
        (run.text("API 키", "API keys"), ", ".join(one.name for one in settings.api_keys)),
    ]
    shown = console()
    shown.print(table(["", run.text("검증 서비스", "Verifier service")], rows))
    if made is not None:
        text = run.text(
            "업무 화면과 API의 키입니다. 지금만 보여 드립니다:", "The key of desk and API, shown this once:"
        )
        click.echo(f"{text} {made}")
    if settings.development:
        shown.print(
            run.text("개발용입니다. 실제로 쓰지 마세요.", "For development: never in production."), style="yellow"
        )
    shown.print(run.text("멈추려면 Ctrl+C", "Ctrl+C stops it"))
