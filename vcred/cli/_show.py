"""Tables, colours and ages for people. Green is ACCEPTED, amber INDETERMINATE, red REJECTED, everywhere."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from vcred.qr import safe_text
from vcred.reasons import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import timedelta

    from rich.console import Console
    from rich.progress import Progress
    from rich.table import Table
    from rich.text import Text

    from vcred.freshness import Freshness
    from vcred.reasons import Reason

__all__ = [
    "COLOURS",
    "age_text",
    "console",
    "freshness_lines",
    "moment_text",
    "outcome_text",
    "plain",
    "progress",
    "reason_lines",
    "table",
    "working",
]

COLOURS = {Outcome.ACCEPTED: "bold green", Outcome.INDETERMINATE: "bold yellow", Outcome.REJECTED: "bold red"}
_WIDE = 160


def console(*, errors: bool = False) -> Console:
    """Where reports go: stdout, or stderr. Not cut to a width where nobody looks at a terminal."""
    from rich.console import Console

    file = sys.stderr if errors else sys.stdout
    return Console(file=file, highlight=False, markup=False, width=None if file.isatty() else _WIDE)


def plain(value: object) -> Text:
    """``value`` as safe text for rich, without markup."""
    from rich.text import Text

    return Text(safe_text(str(value)))


def table(head: Iterable[str], rows: Iterable[Iterable[object]], *, title: str = "") -> Table:
    """A table of safe texts; a cell that is a rich ``Text`` stays as it is."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    made = Table(title=title or None, title_justify="left", box=box.SIMPLE)
    for name in head:
        made.add_column(name, overflow="fold")
    for row in rows:
        made.add_row(*(cell if isinstance(cell, Text) else plain(cell) for cell in row))
    return made


def outcome_text(outcome: Outcome, lang: str) -> Text:
    """The outcome in its colour, with its word."""
    from rich.text import Text

    words = {
        Outcome.ACCEPTED: "승인",
        Outcome.REJECTED: "거절",
        Outcome.INDETERMINATE: "판단 불가",
    }[outcome]
    return Text(f"{outcome.value}: {words}" if lang == "ko" else outcome.value, style=COLOURS[outcome])


def reason_lines(reasons: Iterable[Reason], lang: str) -> list[Text]:
    """Each reason as a clerk reads it: the sentence, what to do, and the code for a developer."""
    from rich.text import Text

    lines = []
    for reason in reasons:
        where = f" ({reason.code.value}: {reason.path})" if reason.path else f" ({reason.code.value})"
        lines.append(
            Text.assemble(
                ("- " + reason.message(lang), COLOURS[reason.code.outcome]),
                " " + reason.action(lang),
                (safe_text(where), "dim"),
            )
        )
    return lines


def age_text(age: timedelta | None, lang: str) -> str:
    """An age as text: never a colour."""
    from vcred import freshness

    if age is None:
        return "모름" if lang == "ko" else "unknown"
    return freshness.age_text(age, lang)


def freshness_lines(found: Iterable[Freshness], lang: str) -> list[Text]:
    """How old trust and status are and why that is good or not, each sentence once."""
    return [plain(line) for line in dict.fromkeys(one.text(lang) for one in found)]


def moment_text(seconds: int) -> str:
    """A time for people, in the time zone of this machine."""
    from datetime import UTC, datetime

    return f"{datetime.fromtimestamp(seconds, UTC).astimezone():%Y-%m-%d %H:%M %Z}"


@contextmanager
def working(what: str, *, quiet: bool) -> Iterator[None]:
    """Something that moves on stderr while ``what`` takes its time, for a person at a terminal only."""
    from rich.console import Console

    stderr = Console(file=sys.stderr)
    if quiet or not stderr.is_terminal:
        yield
        return
    with stderr.status(what):
        yield


@contextmanager
def progress(*, quiet: bool) -> Iterator[Progress]:
    """A progress bar on stderr, drawn only for a person at a terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns: tuple[Any, ...] = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    stderr = Console(file=sys.stderr)
    with Progress(*columns, console=stderr, transient=True, disable=quiet or not stderr.is_terminal) as bar:
        yield bar
