"""``vcred trust clock``: the latest time that a wallet or verifier has seen, and how to get out of a wrong one."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vcred.cli._command import Command, Run, option
from vcred.cli._trust import SEEN
from vcred.errors import StoreError

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["command"]

_REQUESTS = "requests.db"


@click.command("clock", cls=Command, at=True, json=True)
@option("--home", required=True, type=click.Path(path_type=Path))
@option("--reset", is_flag=True)
@option("--yes", is_flag=True)
@click.pass_obj
def command(run: Run, *, home: Path, reset: bool, yes: bool) -> None:
    """See ``texts.toml``."""
    from vcred.formats._wire import epoch
    from vcred.trust.seen import forget_time, read_seen

    if not (home / SEEN).exists():
        raise StoreError(f"{home}: no trust bundle was used here yet")
    found = [time for time in (read_seen(home / SEEN).last_seen, _desk_time(home)) if time is not None]
    seen, now = max(found, default=None), epoch(run.at)
    if reset:
        if not yes:
            _ask(run)
        forget_time(home / SEEN, at=run.at)
        _forget_desk_time(home, now)
    facts = {"now": now, "last_seen": seen, "ahead": max(0, (seen or now) - now), "reset": reset}
    run.report(facts, lambda console: _show(console, facts, run))


def _ask(run: Run) -> None:
    click.confirm(
        run.text(
            "지금 시각이 맞는지 다른 시계로 확인했나요? 마지막으로 본 시각을 지금으로 되돌립니다",
            "Did you compare the time with another clock? The last seen time is set back to now",
        ),
        abort=True,
        err=True,
    )


def _desk_time(home: Path) -> int | None:
    if not (home / _REQUESTS).exists():
        return None
    from verifier import SqliteRequestStore

    with SqliteRequestStore(home / _REQUESTS) as store:
        return store.last_seen()


def _forget_desk_time(home: Path, now: int) -> None:
    if (home / _REQUESTS).exists():
        from verifier import SqliteRequestStore

        with SqliteRequestStore(home / _REQUESTS) as store:
            store.forget_time(now)


def _show(console: Console, facts: dict[str, Any], run: Run) -> None:
    from vcred.cli._show import moment_text
    from vcred.freshness import span_text

    never = run.text("없음", "never")
    seen = never if facts["last_seen"] is None else moment_text(facts["last_seen"])
    console.print(run.text("지금 시각: ", "time now: ") + moment_text(facts["now"]))
    console.print(run.text("마지막으로 본 시각: ", "last seen time: ") + seen)
    if facts["reset"]:
        console.print(
            run.text("마지막으로 본 시각을 지금으로 되돌렸습니다", "the last seen time is now"), style="yellow"
        )
    elif facts["ahead"]:
        span = span_text(timedelta(seconds=facts["ahead"]), run.lang)
        text = run.text(
            f"시계가 마지막으로 본 시각보다 {span} 늦습니다. "
            "지금 시각이 틀렸으면 시계를 맞추고, 맞으면 --reset을 쓰세요",
            f"the clock is {span} behind the last seen time. "
            "If the time now is wrong, set the clock; if it is right, use --reset",
        )
        console.print(text, style="yellow")
