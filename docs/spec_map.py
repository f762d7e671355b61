"""The page ``spec-map.md``, made from ``spec-map.toml``: each clause, what does it, and which test says so."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path

SOURCE = Path(__file__).with_name("spec-map.toml")

_HEAD = """# Clauses

What of each standard is implemented, by which function, and which test says so. What is left out is here too, with the
reason. Made from `docs/spec-map.toml` by `docs/generate.py`; a test imports every function and finds every test.
Hostile cases carry their id in the name of the test ([threat model](threat-model.md)); what of the published vectors is
skipped is on [another page](vectors.md).
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One clause. ``not_done`` is why, where there is no ``code`` and no ``tests``."""

    clause: str
    what: str
    code: tuple[str, ...]
    tests: tuple[str, ...]
    not_done: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Standard:
    name: str
    title: str
    version: str
    rows: tuple[Row, ...]


def standards() -> tuple[Standard, ...]:
    """The data, read. Raises ``TypeError`` for a member that is missing or not known."""
    found = tomllib.loads(SOURCE.read_text("utf-8"))["standard"]
    return tuple(Standard(**one | {"rows": tuple(_row(**row) for row in one["rows"])}) for one in found)


def _row(*, clause: str, what: str, code: tuple[str, ...] = (), tests: tuple[str, ...] = (), not_done: str = "") -> Row:
    return Row(clause=clause, what=what, code=tuple(code), tests=tuple(tests), not_done=not_done)


def markdown() -> str:
    """The page."""
    known = standards()
    lines = [_HEAD, "| standard | version | clauses | not done |", "| --- | --- | ---: | ---: |"]
    for one in known:
        left = sum(bool(row.not_done) for row in one.rows)
        lines.append(f"| [{one.name}](#{_anchor(one.name)}) | {one.version} | {len(one.rows)} | {left or ''} |")
    rows = [row for one in known for row in one.rows]
    lines += [f"| all | | {len(rows)} | {sum(bool(row.not_done) for row in rows)} |", ""]
    for one in known:
        lines += [f"## {one.name}", "", f"{one.title}. Version: {one.version}.", ""]
        lines += ["| clause | what | function | test |", "| --- | --- | --- | --- |"]
        lines += [_line(row) for row in one.rows]
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def _line(row: Row) -> str:
    if row.not_done:
        return f"| {row.clause} | {row.what} | | **not done**: {row.not_done} |"
    code = "<br>".join(f"`{name}`" for name in row.code)
    tests = "<br>".join(f"`{name.removeprefix('tests/').replace('::test_', ' ')}`" for name in row.tests)
    return f"| {row.clause} | {row.what} | {code} | {tests} |"


def _anchor(name: str) -> str:
    """As the table of contents of mkdocs makes it."""
    kept = "".join(char for char in name.lower() if char.isalnum() or char in " -_")
    return "-".join(kept.split())
