"""``make bench``: the budgets of the design, measured. Writes ``results.md`` and ``results.png``.

python bench/run.py [--quick] [--json] [--out FOLDER] [--at 2026-09-26]
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
from pathlib import Path
from typing import TYPE_CHECKING

from measure import Effort
from report import machine, markdown, picture
from rich.console import Console
from rows import Row, fountain, rows

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a short run, to see that everything runs")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON, too")
    parser.add_argument("--out", type=Path, default=Path(__file__).resolve().parent, help="where to write")
    parser.add_argument("--at", type=dt.date.fromisoformat, help="the date of the run; without it, today")
    chosen = parser.parse_args(arguments)
    at = dt.datetime.now(dt.UTC) if chosen.at is None else dt.datetime.combine(chosen.at, dt.time(), dt.UTC)
    console = Console(stderr=True, soft_wrap=True)
    found: list[Row] = []
    with console.status("preparing"):
        for row in rows(Effort.of(quick=chosen.quick)):
            found.append(row)
            console.print(_progress(row), highlight=False)
    losses = fountain(20 if chosen.quick else 400)
    chosen.out.mkdir(parents=True, exist_ok=True)
    (chosen.out / "results.md").write_text(markdown(found, losses, at=at, quick=chosen.quick), encoding="utf-8")
    picture(found, losses, chosen.out / "results.png")
    console.print(f"wrote {chosen.out / 'results.md'} and results.png")
    if chosen.json:
        print(json.dumps({"at": at.isoformat(), "machine": machine(), "rows": [row.to_json() for row in found]}))


def _progress(row: Row) -> str:
    mark = {True: "[green]met[/]   ", False: "[yellow]missed[/]", None: "      "}[row.met]
    budget = "" if row.budget is None else f" of {row.budget:g}"
    return f"{mark} {row.value:9.2f}{budget:>8} {row.unit:24} {row.what}"


if __name__ == "__main__":
    main()
