"""``make bench``: the budgets of the design and the same work by others. Writes ``results.md`` and its pictures.

python bench/run.py [--quick] [--json] [--out FOLDER] [--at 2026-09-26] [--without SECTION]

What stands beside the budgets is a section of its own (``section.Section``), made by a module that ``SECTIONS`` names.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from measure import Effort
from report import machine, markdown, picture
from rich.console import Console
from rows import Row, fountain, rows
from section import Section

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

SECTIONS = ("peers", "service")
"""In the order of the page. Each is a module with ``section(effort, *, out, say) -> Section``."""


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a short run, to see that everything runs")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON, too")
    parser.add_argument("--out", type=Path, default=Path(__file__).resolve().parent, help="where to write")
    parser.add_argument("--at", type=dt.date.fromisoformat, help="the date of the run; without it, today")
    parser.add_argument("--without", action="append", default=[], choices=SECTIONS, help="leave out a section")
    chosen = parser.parse_args(arguments)
    at = dt.datetime.now(dt.UTC) if chosen.at is None else dt.datetime.combine(chosen.at, dt.time(), dt.UTC)
    console = Console(stderr=True, soft_wrap=True)
    effort = Effort.of(quick=chosen.quick)
    found: list[Row] = []
    sections: list[Section] = []
    chosen.out.mkdir(parents=True, exist_ok=True)
    with console.status("measuring"):
        for row in rows(effort):
            found.append(row)
            console.print(_progress(row), highlight=False)
        for name in SECTIONS:
            if name not in chosen.without:
                say = partial(console.print, highlight=False, markup=False)
                sections.append(_section(name, effort, chosen.out, say))
    losses = fountain(20 if chosen.quick else 400)
    page = markdown(found, losses, [one.text for one in sections], at=at, quick=chosen.quick)
    (chosen.out / "results.md").write_text(page, encoding="utf-8")
    picture(found, losses, chosen.out / "results.png")
    console.print(f"wrote results.md and its pictures to {chosen.out}")
    if chosen.json:
        figures = {one.id: one.figures for one in sections}
        rows_ = [row.to_json() for row in found]
        print(json.dumps({"at": at.isoformat(), "machine": machine(), "rows": rows_, **figures}))


def _section(name: str, effort: Effort, out: Path, say: Callable[[object], None]) -> Section:
    """What a module of ``SECTIONS`` tells; where it lacks a package, the page says which."""
    try:
        return import_module(name).section(effort, out=out, say=say)  # type: ignore[no-any-return]
    except ModuleNotFoundError as error:
        text = f"## Left out: {name}\n\n`{error.name}` is not installed: `make bench` installs it.\n"
        return Section(id=name, text=text, figures=None)


def _progress(row: Row) -> str:
    mark = {True: "[green]met[/]   ", False: "[yellow]missed[/]", None: "      "}[row.met]
    budget = "" if row.budget is None else f" of {row.budget:g}"
    return f"{mark} {row.value:9.2f}{budget:>8} {row.unit:24} {row.what}"


if __name__ == "__main__":
    main()
