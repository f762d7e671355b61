"""Coverage-guided fuzzing of every parser below a signature: ``python fuzz/run.py --seconds 600``.

Each target gets its share of the time in a process of its own (atheris, which is libFuzzer for Python). What covers
something new is kept below ``build/fuzz`` and is where the next run begins; ``--keep`` adds the smallest of it to the
committed corpus. Prints a line per target and the reproducer of each finding; ``--report`` writes it down as a page.
Exit status 1 when there is a finding.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import json
import platform
import re
import subprocess
import sys
import time
from base64 import b64decode, b64encode
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from operator import attrgetter
from pathlib import Path

HOME = Path(__file__).resolve().parent
sys.path.insert(0, str(HOME.parent))

from fuzz import corpus_file  # noqa: E402 - the path is set above

WORK = HOME.parent / "build" / "fuzz"
MAX_RSS_MB = 1500
MAX_HANG = 20
MAX_KEPT = 1024
MAX_START = 180
"""Seconds a process may take to import and instrument everything, and to replay its corpus."""

START = 7
"""Seconds it usually takes; a share of the time includes them."""

_STATUS = re.compile(r"^#(\d+)\s+(\w+)\s+cov: (\d+) ft: (\d+) corp: (\d+)/", re.MULTILINE)
_ARTIFACT = re.compile(r"^(crash|timeout|oom|leak|slow-unit)-")
_ENDED = ("crash", "timeout", "oom")


@dataclass(kw_only=True)
class Report:
    """What came of one target."""

    name: str
    executions: int = 0
    before: int = 0
    after: int = 0
    corpus: int = 0
    findings: list[dict[str, str]] = field(default_factory=list)


def main(argv: list[str] | None = None) -> int:
    """Fuzz, print, and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=int, required=True, help="wall-clock seconds for all targets together")
    known = sorted(path.stem for path in corpus_file.CORPUS.glob("*.txt"))
    parser.add_argument(
        "--target", action="append", choices=known, metavar="NAME", help="only this target; may be repeated"
    )
    parser.add_argument("--jobs", type=int, default=2, help="processes beside each other")
    parser.add_argument(
        "--keep", type=int, default=0, metavar="N", help="add up to N new inputs per target to the corpus"
    )
    parser.add_argument("--report", type=Path, metavar="FILE", help="write what came of it, in Markdown")
    args = parser.parse_args(argv)
    names = args.target or known
    begun = time.time()
    share = max(2, args.seconds * args.jobs // len(names) - START)
    print(f"{len(names)} targets, {share} s each after their start, {args.jobs} at a time", flush=True)
    reports = []
    with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        for report in pool.map(lambda name: fuzz(name, share), names):
            reports.append(report)
            print(
                f"{report.name:<20} {report.executions:>9} executions  coverage {report.before} -> {report.after}"
                f"  {report.corpus} inputs  {len(report.findings)} findings",
                flush=True,
            )
            if args.keep:
                _keep(report.name, args.keep)
    if args.report:
        args.report.write_text(markdown(reports, begun=begun, ended=time.time(), jobs=args.jobs), "utf-8")
        print(f"wrote {args.report}")
    found = [each for report in reports for each in report.findings]
    executions, before, after = (
        sum(map(column, reports)) for column in map(attrgetter, ("executions", "before", "after"))
    )
    print(f"{executions} executions, coverage {before} -> {after}, {len(found)} findings")
    for each in found:
        print(f"\n{each['target']}: {each['where']}\n  {each['detail']}\n  base64: {each['input']}")
    return 1 if found else 0


def markdown(reports: list[Report], *, begun: float, ended: float, jobs: int) -> str:
    """What came of a run: when, how long, and for each target what was tried and found."""
    date = datetime.fromtimestamp(begun, UTC)
    findings = [each for report in reports for each in report.findings]
    tried = sum(report.executions for report in reports)
    about = (
        f"{date:%Y-%m-%d}, {ended - begun:,.0f} seconds, {jobs} targets at a time: {tried:,} executions of "
        f"{len(reports)} targets, coverage-guided (atheris {version('atheris')}, Python {platform.python_version()}). "
        f"**{len(findings)} findings**: exceptions that a parser does not document, crashes, hangs over {MAX_HANG} s, "
        f"or more than {MAX_RSS_MB} MB."
    )
    lines = ["# Fuzzing, last run", "", about, ""]
    lines += ["| target | executions | coverage before | after | inputs kept | findings |"]
    lines += ["| --- | ---: | ---: | ---: | ---: | ---: |"]
    for one in reports:
        counts = f"{one.executions:,} | {one.before} | {one.after} | {one.corpus} | {len(one.findings)}"
        lines.append(f"| `{one.name}` | {counts} |")
    for each in findings:
        lines += [
            "",
            f"## {each['target']}: {each['where']}",
            "",
            each["detail"],
            "",
            f"Input, base64: `{each['input']}`",
        ]
    return "\n".join(lines) + "\n"


def fuzz(name: str, seconds: int) -> Report:
    """One target for ``seconds``, from the committed corpus and what earlier runs found."""
    folder = WORK / name
    seeds, grown, faults = folder / "seeds", folder / "corpus", folder / "findings"
    for each in (grown, faults):
        each.mkdir(parents=True, exist_ok=True)
    for old in faults.iterdir():
        old.unlink()
    largest = corpus_file.unpack(name, seeds)
    command = [
        sys.executable, str(HOME / "one.py"), name, str(faults), f"-max_total_time={seconds}", f"-timeout={MAX_HANG}",
        f"-rss_limit_mb={MAX_RSS_MB}", f"-max_len={max(4096, 2 * largest)}", f"-artifact_prefix={faults}/",
        str(grown), str(seeds),
    ]  # fmt: skip
    report = Report(name=name)
    try:
        run = subprocess.run(command, capture_output=True, timeout=seconds + MAX_HANG + MAX_START, check=False)
        log, status = run.stderr.decode("utf-8", "replace"), run.returncode
    except subprocess.TimeoutExpired as error:
        log, status = (error.stderr or b"").decode("utf-8", "replace"), -1
    (folder / "log.txt").write_text(log)
    lines = _STATUS.findall(log)
    started = [line for line in lines if line[1] == "INITED"] or lines[:1]
    if lines:
        report.executions, report.after, report.corpus = int(lines[-1][0]), int(lines[-1][2]), int(lines[-1][4])
        report.before = int(started[0][2])
    report.findings = _findings(name, faults)
    if status and not report.findings:
        tail = " / ".join(log.strip().splitlines()[-3:])
        report.findings.append({"target": name, "where": f"ended with {status}", "detail": tail, "input": ""})
    return report


def _findings(name: str, faults: Path) -> list[dict[str, str]]:
    found = [json.loads(path.read_text()) for path in sorted(faults.glob("*.json"))]
    for path in sorted(faults.iterdir()):
        kind = _ARTIFACT.match(path.name)
        if kind and kind[1] in _ENDED:
            about = {"target": name, "where": kind[1], "detail": f"{path.stat().st_size} bytes"}
            found.append(about | {"input": b64encode(path.read_bytes()).decode()})
    return found


def _keep(name: str, count: int) -> None:
    """From the shortest to the longest that the committed corpus should have, evenly."""
    grown = sorted((path.read_bytes() for path in (WORK / name / "corpus").iterdir()), key=len)
    fit = [raw for raw in grown if 0 < len(raw) <= MAX_KEPT]
    chosen = fit[:: max(1, len(fit) // count)][-count:]
    corpus_file.add(name, chosen, remark="kept: each covered something new when it was found")


def replay(text: str, name: str) -> None:
    """Run a reproducer, ``text`` in base64. Raises ``Finding`` when it still is one."""
    from fuzz.targets import TARGETS  # noqa: PLC0415 - imports the whole SDK

    TARGETS[name](b64decode(text))


if __name__ == "__main__":
    raise SystemExit(main())
