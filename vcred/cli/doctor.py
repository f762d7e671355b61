"""``vcred doctor``: whether everything needed is here and works, said in one table."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import asdict, dataclass
from datetime import timedelta
from importlib.metadata import PackageNotFoundError, packages_distributions, version
from pathlib import Path
from typing import TYPE_CHECKING

import click

from vcred.cli._command import Command, Run
from vcred.cli._errors import OURS, Failure
from vcred.cli._texts import detail_text
from vcred.cli._trust import trust_options
from vcred.errors import VcredError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console

__all__ = ["command"]

BASE = ("cbor2", "click", "cryptography", "pillow", "pyjwt", "qrcode", "rich", "securesystemslib", "tuf", "zxing-cpp")
EXTRAS = {
    "didkit": ("openedx-didkit",),
    "fast": ("orjson", "pybase64"),
    "pdf": ("pypdfium2",),
    "server": ("fastapi", "uvicorn"),
}
_NAMES = {
    "clock": "시계",
    "network namespaces": "네트워크 차단(시연용)",
    "trust bundle": "신뢰 목록",
    "status list": "상태 목록",
}
NAMES = ("issuer", "verifier", "vcred", "wallet")
_UNSHARE = (
    "import ctypes; l = ctypes.CDLL(None); raise SystemExit(l.unshare(0x40000000) and l.unshare(0x50000000) and 1)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One line: ``state`` is "ok", "note" (can be lived with) or "broken" (something needed does not work)."""

    name: str
    state: str
    detail: str


@click.command("doctor", cls=Command, json=True, at=True)
@trust_options
@click.pass_obj
def command(run: Run, *, trust: Path | None, root: Path | None) -> None:
    """See ``texts.toml``."""
    findings = [*_packages(), *_owners(), _python(), _openssl(), _argon2(), _qr(), *_clock(run), _namespaces()]
    if trust is not None or root is not None:
        findings += _bundle(run, trust, root)
    broken = [one for one in findings if one.state == "broken"]
    facts = {"ok": not broken, "findings": [asdict(one) for one in findings]}
    run.report(facts, lambda console: _print(console, findings, run.lang))
    if broken:
        ko = ", ".join(_NAMES.get(one.name, one.name) for one in broken)
        failure = Failure(run.text(f"고쳐야 할 것: {ko}", "to repair: " + ", ".join(one.name for one in broken)))
        if run.json:  # the report is the one document
            click.echo(failure.message, err=True)
            raise SystemExit(OURS)
        raise failure


def _print(console: Console, findings: list[Finding], lang: str) -> None:
    from rich.text import Text

    from vcred.cli._show import table

    words = {"ok": ("정상", "ok", "green"), "note": ("참고", "note", "yellow"), "broken": ("고장", "broken", "red")}
    korean = lang == "ko"
    rows = (
        (
            _NAMES.get(one.name, one.name) if korean else one.name,
            Text(words[one.state][0 if korean else 1], style=words[one.state][2]),
            one.detail,
        )
        for one in findings
    )
    console.print(table(("항목", "상태", "내용") if korean else ("what", "state", "detail"), rows))
    if all(one.state != "broken" for one in findings):
        console.print(
            "필요한 것이 모두 있고 작동합니다." if korean else "Everything needed is here and works.", style="green"
        )
    if any(one.state == "note" for one in findings):
        console.print(
            "참고: 없어도 되는 것입니다. 내용은 설치 명령이거나 대신 쓰는 방법입니다."
            if korean
            else "A note is about something optional: how to install it, or what is done in its place."
        )


def _packages() -> Iterator[Finding]:
    for name in BASE:
        found = _version(name)
        yield Finding(name=name, state="ok" if found else "broken", detail=found or "pip install vcred")
    for extra, names in EXTRAS.items():
        for name in names:
            found = _version(name)
            yield Finding(name=name, state="ok" if found else "note", detail=found or f"pip install 'vcred[{extra}]'")


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _owners() -> Iterator[Finding]:
    """Whether another distribution brings a package with one of our import names, or a folder here hides it."""
    owners = packages_distributions()
    for name in NAMES:
        others = sorted(set(owners.get(name, ())) - {"vcred"})
        spot = Path(str(getattr(__import__(name), "__file__", None) or ""))
        ours = spot.parent.parent == Path(__file__).resolve().parents[2]
        if others:
            yield Finding(name=f"import {name}", state="note", detail=f"also brought by {', '.join(others)}")
        elif not ours:
            yield Finding(name=f"import {name}", state="broken", detail=f"hidden by {spot}")
        else:
            yield Finding(name=f"import {name}", state="ok", detail=str(spot.parent))


def _python() -> Finding:
    return Finding(name="Python", state="ok", detail=sys.version.split()[0])


def _openssl() -> Finding:
    from cryptography.hazmat.backends.openssl.backend import backend

    return Finding(name="OpenSSL", state="ok", detail=backend.openssl_version_text())


def _argon2() -> Finding:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

    try:
        Argon2id(salt=b"doctor--" * 2, length=32, iterations=1, lanes=1, memory_cost=8).derive(b"self-test")
    except UnsupportedAlgorithm:
        return Finding(name="Argon2id", state="broken", detail="this OpenSSL has none: wallets cannot be opened")
    return Finding(name="Argon2id", state="ok", detail="")


def _qr() -> Finding:
    from vcred.qr import Message, MessageKind, decode, encode, read_image

    sent = Message(kind=MessageKind.RECEIPT, body={1: bytes(range(64))})
    try:
        (code,) = encode(sent)
        arrived = decode(read_image(code.png()))
    except (VcredError, ImportError) as error:
        return Finding(name="QR", state="broken", detail=str(error))
    if arrived != sent:
        return Finding(name="QR", state="broken", detail="a code that was drawn reads as something else")
    return Finding(name="QR", state="ok", detail=f"{code.version}-{code.level}")


def _clock(run: Run) -> Iterator[Finding]:
    here = run.at.astimezone()
    yield Finding(name="clock", state="ok", detail=f"{here:%Y-%m-%d %H:%M:%S} {here.tzname()}")


def _namespaces() -> Finding:
    """Whether a process can be cut off the network by the kernel; tried in a process of its own."""
    name = "network namespaces"
    if not sys.platform.startswith("linux"):
        return Finding(name=name, state="note", detail="Linux only: the demo refuses sockets instead")
    tried = subprocess.run([sys.executable, "-c", _UNSHARE], capture_output=True, check=False)  # noqa: S603 - a constant
    if tried.returncode:
        return Finding(name=name, state="note", detail="not allowed here: the demo refuses sockets instead")
    return Finding(name=name, state="ok", detail="")


def _bundle(run: Run, trust: Path | None, root: Path | None) -> Iterator[Finding]:
    from vcred.cli._show import age_text
    from vcred.cli._trust import line, load
    from vcred.errors import RefusedError
    from vcred.reasons import Reason

    try:
        bundle = load(trust, root, None)
        detail = line(bundle, run)
        bundle.check_time(run.at)
    except RefusedError as error:
        yield Finding(
            name="trust bundle",
            state="broken",
            detail=f"{detail}: {Reason(error.code).message(run.lang)} {Reason(error.code).action(run.lang)}",
        )
        return
    except VcredError as error:
        yield Finding(name="trust bundle", state="broken", detail=detail_text(str(error), run.lang))
        return
    yield Finding(name="trust bundle", state="ok", detail=detail)
    for status in bundle.summary(at=run.at)["status_lists"]:
        state = "ok" if status["problem"] is None else "broken"
        age = None if status["age"] is None else timedelta(seconds=status["age"])
        said = age_text(age, run.lang) if status["problem"] is None else status["problem"]
        yield Finding(name="status list", state=state, detail=f"{status['uri']}: {said}")
