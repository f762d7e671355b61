"""``vcred trust sync``: bring a wallet's or verifier's bundle up to date from a server, a folder or a file."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vcred.cli._command import Command, Run, option
from vcred.cli._errors import OURS
from vcred.cli._trust import BUNDLE, ROOT, SEEN, naming, pinned

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rich.console import Console

    from vcred.trust.fetch import Network
    from vcred.trust.status_sync import StatusReport
    from vcred.trust.sync import SyncReport

__all__ = ["command"]

_PATH = click.Path(path_type=Path)


@click.command("sync", cls=Command, at=True, json=True)
@click.argument("source", metavar="[URL|DIR|FILE]", required=False)
@option("--home", type=_PATH)
@option("--trust", type=_PATH)
@option("--root", type=_PATH)
@option("--status", "lists", is_flag=True)
@option("--ca", type=_PATH)
@option("--proxy")
@option("--allow-http", is_flag=True)
@click.pass_context
def command(
    ctx: click.Context,
    *,
    source: str | None,
    home: Path | None,
    trust: Path | None,
    root: Path | None,
    lists: bool,
    ca: Path | None,
    proxy: str | None,
    allow_http: bool,
) -> None:
    """See ``texts.toml``."""
    from vcred.trust.fetch import Network

    run: Run = ctx.obj
    if source is None and not lists:
        raise click.UsageError("SOURCE is an address, a folder or a file; without one, --status")
    place = _place(home, trust, root)
    network = Network(ca_file=ca, proxy=proxy, allow_http=allow_http)
    done = None if source is None else _sync(run, source, place, network)
    asked = _status(run, place, network) if lists else None
    facts: dict[str, Any] = {"bundle": str(place["bundle"])}
    facts |= {} if done is None else done.to_json()
    facts |= {} if asked is None else {"status": asked.to_json()}
    run.report(facts, lambda console: _show(console, run, place["bundle"], done, asked))
    if asked is not None and asked.failed and not (asked.updated or asked.unchanged):
        ctx.exit(OURS)  # nothing could be had: whoever runs this by night has to know


def _place(home: Path | None, trust: Path | None, root: Path | None) -> dict[str, Any]:
    """Where the bundle is, its root, its memory, and where the root is kept if this is the first time."""
    if home is not None and trust is None:
        return {"bundle": home / BUNDLE, "root": pinned(root, home), "seen": home / SEEN, "pin": home / ROOT}
    if home is None and trust is not None and root is not None:
        return {"bundle": trust, "root": root, "seen": trust.with_name(trust.name + ".seen"), "pin": None}
    raise click.UsageError("either --home, or --trust and --root")


def _sync(run: Run, source: str, place: dict[str, Any], network: Network) -> SyncReport:
    from vcred.trust.sync import sync

    with _bar(run, run.text("파일", "files")) as tell, naming(source):
        return sync(source, **place, at=run.at, network=network, progress=tell)


def _status(run: Run, place: dict[str, Any], network: Network) -> StatusReport:
    from vcred.trust.overlay import load_current, overlay_folder
    from vcred.trust.status_sync import sync_status

    bundle = load_current(place["bundle"], root=place["root"], seen=place["seen"])
    folder = overlay_folder(place["bundle"])
    with _bar(run, run.text("상태 목록", "status lists")) as tell:
        return sync_status(bundle, folder=folder, at=run.at, network=network, progress=tell)[1]


@contextmanager
def _bar(run: Run, what: str) -> Iterator[Callable[[int, int], None]]:
    from vcred.cli._show import progress

    with progress(quiet=run.json) as bar:
        task = bar.add_task(what, total=None)

        def tell(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total)

        yield tell


def _show(console: Console, run: Run, bundle: Path, done: SyncReport | None, asked: StatusReport | None) -> None:
    from vcred.cli._show import plain

    for line in [*_about_bundle(run, bundle, done), *_about_lists(run, asked)]:
        console.print(plain(line))


def _about_bundle(run: Run, bundle: Path, done: SyncReport | None) -> Iterator[str]:
    from vcred.cli._show import age_text, moment_text
    from vcred.freshness import span_text

    if done is None:
        return
    then = "" if done.from_version in (None, done.to_version) else f"v{done.from_version} → "
    same = "" if done.replaced else run.text(" · 바뀐 것 없음", " · nothing new")
    yield f"{bundle}: {then}v{done.to_version}{same}"
    yield f"{run.text('루트', 'root')} SHA-256 {done.root_sha256}"
    age = age_text(timedelta(seconds=int(run.at.timestamp()) - done.signed_at), run.lang)
    listed, until = moment_text(done.listed_at), moment_text(done.expires_at)
    yield run.text(
        f"서명 {age} · 목록 작성 {listed} · {until} 만료", f"signed {age} · listed {listed} · expires {until}"
    )
    changes = (
        ("추가된 기관", "authorities added", done.authorities_added),
        ("빠진 기관", "authorities removed", done.authorities_removed),
        ("키가 철회된 기관", "authorities with a key withdrawn", done.authorities_withdrawn),
        ("바뀐 상태 목록", "status lists that changed", done.status_updated),
    )
    for ko, en, found in changes:
        if found:
            yield f"{run.text(ko, en)}: {', '.join(found)}"
    read = f"{done.files} ({done.bytes:,} B), "
    yield run.text(f"받은 파일 {read}이미 있던 파일 {done.reused}", f"files read {read}files kept {done.reused}")
    if done.clock_behind is not None:
        late = span_text(timedelta(seconds=done.clock_behind), run.lang)
        yield run.text(
            f"이 기기의 시계가 적어도 {late} 늦습니다. 맞출 때까지 모든 검증이 판단 불가(clock)입니다.",
            f"the clock of this machine is at least {late} behind: "
            "until it is set right, every verdict is INDETERMINATE (clock).",
        )


def _about_lists(run: Run, asked: StatusReport | None) -> Iterator[str]:
    if asked is None:
        return
    counts = (len(asked.updated), len(asked.unchanged), len(asked.failed))
    text = run.text("상태 목록: 갱신 {} · 그대로 {} · 실패 {}", "status lists: {} newer · {} the same · {} failed")
    yield text.format(*counts)
    for uri, detail in asked.failed:
        yield detail if uri in detail else f"{uri}: {detail}"
