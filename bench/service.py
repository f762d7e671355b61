"""The issuer's service under load: a section of the page that ``run.py`` writes, and its picture.

python bench/service.py [--quick] [--json] [--out FOLDER]

``service_desk.py`` is the service, ``service_load.py`` the crowd of wallets, each in a process of its own. An issuance
is token, nonce and credential; it is durable: its nonce, index and certificate are on the disk before the answer.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from measure import Effort
from section import Section

from issuer.server.store import ServiceStore
from tests.postgres import programs, server

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["Row", "picture", "section", "table"]

PICTURE = "results-service.png"
METHOD = (
    "A whole issuance over loopback HTTP: a pre-authorized code for a token, a nonce, and a certificate "
    "(`resident.personal` as `dc+sd-jwt`) for a fresh key, each request by a wallet in another process that keeps its "
    "connection. *attested* is as HAIP wants it: wallet attestation, its proof, and DPoP on both requests; the wallets "
    "have prepared what does not depend on an answer. "
    "The service has two workers (`--workers 2`); it and the wallets share the machine's "
    "cores. "
    "*commits* is how many transactions of one row each the same database makes durable in the same run, one after "
    "another: an issuance makes at least three (token, reservation, delivery), and the service puts those that wait "
    "into one commit."
)
TARGET, SLOWEST = 400, 250
_WORKERS = 2
_MET, _MISSED, _LINE, _SECOND = "#2f7d4f", "#b3541e", "#444444", "#8a939c"
_HERE = Path(__file__).resolve().parent


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One run: issuances a second, milliseconds of the middle one and of the slowest of a hundred."""

    database: str
    attested: bool
    wallets: int
    rate: float
    p50: float
    p99: float
    number: int
    commits: float

    @property
    def met(self) -> bool | None:
        """Whether the target is met; it is one for SQLite."""
        return (self.rate >= TARGET and self.p99 <= SLOWEST) if self.database == "SQLite" else None


def section(effort: Effort, *, out: Path, say: Callable[[object], None]) -> Section:
    """Measure, draw into ``out``, and tell."""
    quick = effort.rounds <= 3
    seconds, warm, codes = (1.0, 20, 400) if quick else (12.0, 300, 12_000)
    rows: list[Row] = []
    missing = "" if programs() else "PostgreSQL is left out of this run: it is not installed."
    with ExitStack() as opened:
        home = Path(opened.enter_context(tempfile.TemporaryDirectory(prefix="vcred-bench-")))
        postgres = None if missing else opened.enter_context(server(durable=True))
        for database in ("SQLite", "PostgreSQL") if postgres else ("SQLite",):
            for attested in (False, True):
                name = f"{database}_{attested}".lower()

                def address(use: str, database: str = database, name: str = name) -> str:
                    if database == "SQLite":
                        return f"sqlite:///{home / name}-{use}.db"
                    assert postgres is not None
                    return postgres.database(f"{name}_{use}")

                row = _measured(
                    home, address, database=database, attested=attested, seconds=seconds, warm=warm, codes=codes
                )
                rows.append(row)
                say(f"        {row.rate:9.0f}  p99 {row.p99:6.0f} ms   issuances a second        {_title(row)}")
    picture(rows, out / PICTURE)
    lines = ["## Issuing as a service", "", METHOD, "", table(rows)]
    lines += [missing, ""] if missing else []
    lines += [_verdict(rows), "", f"![Issuances a second, and how long they take]({PICTURE})", ""]
    return Section(id="service", text="\n".join(lines), figures=[asdict(row) | {"met": row.met} for row in rows])


def table(rows: Sequence[Row]) -> str:
    """A row for each run."""
    lines = [
        "| database | wallets | at a time | issuances a second | median, ms | p99, ms | commits a second | met |",
        "|---|---|--:|--:|--:|--:|--:|---|",
    ]
    for row in rows:
        met = {True: "yes", False: "**no**", None: ""}[row.met]
        kind = "attested" if row.attested else "anonymous"
        lines.append(
            f"| {row.database} | {kind} | {row.wallets} | {row.rate:,.0f} | {row.p50:,.0f} | {row.p99:,.0f} "
            f"| {row.commits:,.0f} | {met} |"
        )
    return "\n".join(lines) + "\n"


def picture(rows: Sequence[Row], path: Path) -> None:
    """Bars of the rates beside the commit rates, and of the times."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, (rates, times) = plt.subplots(1, 2, figsize=(12, 1.4 + 0.7 * len(rows)), sharey=True, layout="constrained")
    places = range(len(rows))
    colours = [_MISSED if row.met is False else _MET for row in rows]
    rates.barh([at - 0.19 for at in places], [row.rate for row in rows], color=colours, height=0.36, label="issuances")
    rates.barh(
        [at + 0.19 for at in places], [row.commits for row in rows], color=_SECOND, height=0.36, label="single commits"
    )
    rates.axvline(TARGET, color=_LINE, linewidth=1.5)
    rates.set_yticks(list(places), [_title(row) for row in rows], fontsize=9)
    rates.invert_yaxis()
    rates.set_title(f"A second; the line is the target of {TARGET}", fontsize=10)
    rates.legend(frameon=False, loc="lower right", fontsize=8)
    times.barh([at - 0.19 for at in places], [row.p50 for row in rows], color=_SECOND, height=0.36, label="median")
    times.barh([at + 0.19 for at in places], [row.p99 for row in rows], color=colours, height=0.36, label="p99")
    times.axvline(SLOWEST, color=_LINE, linewidth=1.5)
    times.set_title(f"Milliseconds for one; the line is the target of {SLOWEST} for p99", fontsize=10)
    times.legend(frameon=False, loc="lower right", fontsize=8)
    for axes in (rates, times):
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=130)
    plt.close(figure)


def _measured(
    home: Path,
    address: Callable[[str], str],
    *,
    database: str,
    attested: bool,
    seconds: float,
    warm: int,
    codes: int,
) -> Row:
    wallets = 32
    work, told = home / "work.json", home / "told.json"
    work.unlink(missing_ok=True)
    port = _free_port()
    commits = _commits(address("commits"), seconds=min(seconds, 3.0))
    desk = [sys.executable, _HERE / "service_desk.py", "--database", address("desk"), "--work", work]
    desk += ["--port", str(port), "--codes", str(codes), "--workers", str(_WORKERS)]
    desk += ["--haip"] if attested else []
    path = os.pathsep.join(filter(None, [str(_HERE.parent), os.environ.get("PYTHONPATH")]))
    environment = os.environ | {"PYTHONPATH": path}
    running = subprocess.Popen(desk, env=environment)
    try:
        _wait(port, running)
        load = [sys.executable, _HERE / "service_load.py", "--work", work, "--out", told]
        load += ["--wallets", str(wallets), "--seconds", str(seconds), "--warm", str(warm)]
        subprocess.run(load, check=True, env=environment)
    finally:
        running.terminate()
        running.wait(30)
    found = json.loads(told.read_text(encoding="utf-8"))
    times = sorted(1000 * one for one in found["times"])
    return Row(
        database=database,
        attested=attested,
        wallets=wallets,
        rate=len(times) / found["seconds"],
        p50=median(times),
        p99=times[int(0.99 * (len(times) - 1))],
        number=len(times),
        commits=commits,
    )


def _commits(address: str, *, seconds: float) -> float:
    """Transactions of one row that one caller gets onto the disk in a second."""
    with ServiceStore(address) as store:
        until, number = time.perf_counter() + seconds, 0
        begun = time.perf_counter()
        while time.perf_counter() < until:
            value = f"{number}"
            store.transact(lambda value=value: store.spend("bench", value, expires_at=2, at=1))
            number += 1
        return number / (time.perf_counter() - begun)


def _wait(port: int, running: subprocess.Popen[Any]) -> None:
    until = time.monotonic() + 600
    while running.poll() is None and time.monotonic() < until:
        with socket.socket() as line:
            if line.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise RuntimeError("the service does not start")


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as line:
        return int(line.getsockname()[1])


def _title(row: Row) -> str:
    return f"{row.database}, {'attested' if row.attested else 'anonymous'} wallets"


def _verdict(rows: Sequence[Row]) -> str:
    missed = [_title(row) for row in rows if row.met is False]
    aim = f"{TARGET} a second with p99 at {SLOWEST} ms or below on SQLite, on a machine with two idle cores"
    return f"The target is {aim}: {'missed with ' + '; '.join(missed) if missed else 'met'}."


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a short run, to see that everything runs")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    parser.add_argument("--out", type=Path, default=_HERE, help="where to write the picture")
    chosen = parser.parse_args(arguments)
    found = section(Effort.of(quick=chosen.quick), out=chosen.out, say=partial(print, file=sys.stderr))
    print(json.dumps(found.figures) if chosen.json else found.text)


if __name__ == "__main__":
    main()
