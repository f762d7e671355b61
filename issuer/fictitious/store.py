"""The town as a SQLite file: its tables, and how a finished world is written to them, all or nothing."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import date
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING, Any

from issuer.fictitious.lives import covers, enrolment, incomes, military, residences

if TYPE_CHECKING:
    from collections.abc import Iterable

    from issuer.fictitious.world import Being, World

__all__ = ["write"]

_TABLES = {
    "town": "seed INTEGER, today TEXT, households INTEGER, people INTEGER",
    "person": (
        "id TEXT PRIMARY KEY, name TEXT, hanja TEXT, birth TEXT, sex TEXT, rrn TEXT UNIQUE, base TEXT, clan TEXT,"
        " nationality TEXT, frn TEXT, roman TEXT, died_on TEXT, state TEXT, phone TEXT"
    ),
    "household": "id INTEGER PRIMARY KEY, kind TEXT, state TEXT, formed_by TEXT, formed_on TEXT",
    "member": "household INTEGER, seq INTEGER, person TEXT PRIMARY KEY, relation TEXT",
    "residence": (
        "person TEXT, seq INTEGER, road TEXT, detail TEXT, moved_in TEXT, changed TEXT, reported TEXT, reason TEXT,"
        " householder TEXT, relation TEXT, state TEXT, PRIMARY KEY (person, seq)"
    ),
    "parent": "child TEXT, role TEXT, parent TEXT, PRIMARY KEY (child, role)",
    "marriage": "one TEXT, other TEXT, reported_on TEXT, ended_on TEXT",
    "name_change": "person TEXT PRIMARY KEY, permitted_on TEXT, old TEXT, new TEXT",
    "custody": "child TEXT, kind TEXT, holder TEXT, role TEXT, since TEXT",
    "cover": "person TEXT, seq INTEGER, kind TEXT, workplace TEXT, number TEXT, acquired TEXT, lost TEXT",
    "income": "person TEXT, year INTEGER, kind TEXT, payer TEXT, number TEXT, amount INTEGER, tax INTEGER",
    "enrolment": "person TEXT PRIMARY KEY, school TEXT, grade TEXT, admitted_on TEXT, state TEXT",
    "military": (
        "person TEXT PRIMARY KEY, category TEXT, enlisted_on TEXT, discharged_on TEXT, branch TEXT, rank TEXT,"
        " number TEXT"
    ),
    "e_citizen": "person TEXT PRIMARY KEY, card_no TEXT, kind TEXT",
}
_SURE = 20
"""The heads of this many first homes have a job and a course, so that every kind of paper can be shown."""


def write(world: World, path: Path, *, seed: int) -> int:
    """Write ``world`` to ``path``, replacing what is there in one step. Returns how many people are registered."""
    people = sum(being.key.startswith("p-") for being in world.people)
    target = Path(mkdtemp(prefix=f".{path.name}-", dir=path.parent)) / path.name
    try:
        with closing(sqlite3.connect(target)) as db, db:
            for name, columns in _TABLES.items():
                db.execute(f"CREATE TABLE {name} ({columns})")
            _insert(db, "town", [(seed, world.today, len(world.homes), people)])
            _write_people(db, world)
            _write_homes(db, world)
        target.replace(path)
    finally:
        target.unlink(missing_ok=True)
        target.parent.rmdir()
    return people


def _insert(db: sqlite3.Connection, table: str, rows: Iterable[tuple[Any, ...]]) -> None:
    for row in rows:
        values = [value.isoformat() if isinstance(value, date) else value for value in row]
        # The table is one of the names above and the values are bound.
        db.execute(f"INSERT INTO {table} VALUES ({', '.join('?' * len(values))})", values)  # noqa: S608


def _write_people(db: sqlite3.Connection, world: World) -> None:
    for number, one in enumerate(world.people):
        phone = f"010-0000-{number % 10000:04d}"
        _insert(db, "person", [_person(one, phone)])
        _insert(db, "parent", [(one.key, role, parent.key) for role, parent in one.parents.items()])
        _insert(db, "custody", [(one.key, kind, holder.key, role, on) for kind, holder, role, on in one.custody])
        if one.renamed:
            _insert(db, "name_change", [(one.key, *one.renamed)])
    _insert(db, "marriage", [(one.one.key, one.other.key, one.on, one.ended) for one in world.marriages])


def _person(one: Being, phone: str) -> tuple[Any, ...]:
    facts = (one.key, one.name, one.hanja, one.birth, one.sex, one.rrn, one.base, one.clan)
    return (*facts, one.nationality, one.frn, one.roman, one.died_on, one.state, phone)


def _write_homes(db: sqlite3.Connection, world: World) -> None:
    for number, home in enumerate(world.homes, start=1):
        _insert(db, "household", [(number, home.kind, home.state, home.formed_by, home.here_since)])
        insured = covers(world, home, certain=number <= _SURE)
        for seq, member in enumerate(home.members, start=1):
            one = member.being
            _insert(db, "member", [(number, seq, one.key, member.relation)])
            if one.rrn:
                rows = [
                    (
                        row.road,
                        row.detail,
                        row.moved_in,
                        row.changed,
                        row.reported,
                        row.reason,
                        row.householder,
                        row.relation,
                        row.state,
                    )
                    for row in residences(world, home, member)
                ]
                _insert(db, "residence", [(one.key, at, *row) for at, row in enumerate(rows, start=1)])
                _write_life(db, world, one, insured.get(one.key, []), certain=number <= _SURE and seq == 1)
            if one.state == "resident" and one.age(world.today) >= 14:
                kind = "worker" if one.nationality else "resident"
                _insert(db, "e_citizen", [(one.key, f"99-0000-{one.key[-4:]}", kind)])


def _write_life(db: sqlite3.Connection, world: World, one: Being, insured: list[Any], *, certain: bool) -> None:
    rows = [(row.kind, row.workplace, row.number, row.acquired, row.lost) for row in insured]
    _insert(db, "cover", [(one.key, at, *row) for at, row in enumerate(rows, start=1)])
    earned = incomes(world, insured)
    _insert(db, "income", [(one.key, row.year, row.kind, row.payer, row.number, row.amount, row.tax) for row in earned])
    if one.state == "resident":
        school = enrolment(world, one, certain=certain)
        _insert(db, "enrolment", [(one.key, *school)] if school else [])
    service = military(world, one)
    if service:
        number = f"{service[1]:%y}-99{one.key[-5:].zfill(6)}" if service[1] else None
        _insert(db, "military", [(one.key, *service, number)])
