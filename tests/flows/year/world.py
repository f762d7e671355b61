"""Product and oracle side by side: every event goes to both, and every verdict is compared."""

from __future__ import annotations

import datetime as dt
import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.flows.year.branch import Forger, Terminal, present
from tests.flows.year.oracle import Branch, Certificate, Kind, Oracle
from tests.flows.year.town import (
    CARD,
    DAY,
    DEGREE,
    FORMATS,
    SKILL,
    START,
    STATUS_HOURS,
    Agency,
    Holder,
    Ministry,
    catalog,
    stamp,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.flows.year import liar
    from tests.flows.year.oracle import Publication
    from tests.sync_source import Server
    from vcred.trust import TrustBundle

HOUR, MINUTE = dt.timedelta(hours=1), dt.timedelta(minutes=1)


@dataclass(slots=True, kw_only=True)
class Person:
    """A holder, and what the oracle knows of the certificate; ``id`` is what the agency calls it."""

    certificate: Certificate
    agency: Agency
    holder: Holder | None = None
    forger: Forger | None = None
    id: str = ""
    offline: bool = False


@dataclass(slots=True)
class Mismatch:
    """A verdict that is not the oracle's."""

    day: int
    branch: str
    form: str
    person: Person = field(repr=False)
    expected: object
    found: object


class World:
    """Everything there is, and the two things that are always compared: a sync, and a presentation."""

    def __init__(self, folder: Path, server: Server, *, seed: int) -> None:
        self.random, self.day = random.Random(seed), -1
        self.oracle, self.mismatches = Oracle(), []
        self.kinds = catalog()
        self.folder, self.server = folder, server
        self.ministry = Ministry(folder / "ministry", self.kinds)
        codes = {"city": SKILL, "police": CARD, "college": DEGREE}
        self.agencies = {
            name: Agency(name, code, folder, self.kinds, site=server.url, own_status_key=name != "college")
            for name, code in codes.items()
        }
        self.listed, self.withdrawn = {"city", "police"}, {}
        self.kind = {
            code: Kind(code=code, lifetime_days=self.kinds[code].lifetime_days, status_age=hours * 3600)
            for code, hours in STATUS_HOURS.items()
        }
        identities = {name: self.ministry.register(f"branch-{name.lower()}") for name in "ABC"}
        self.terminals = {
            name: Terminal(folder / name, self.ministry.repository.first_root, identity, durable=name == "A")
            for name, identity in identities.items()
        }
        self.branches = {name: Branch(name=name) for name in "ABC"}
        self.people: list[Person] = []
        self.kept: list[liar.Files] = []
        self.trust: TrustBundle | None = None
        self.served: dict[str, int] = {}
        self.sticks: list[tuple[Path, Publication]] = []
        self.own: liar.Files | None = None

    def close(self) -> None:
        """Let go of the files."""
        for agency in self.agencies.values():
            agency.store.close()
        for terminal in self.terminals.values():
            terminal.close()

    @property
    def midnight(self) -> dt.datetime:
        return START + self.day * DAY

    def sync(self, name: str, source: str | Path, publication: Publication, at: dt.datetime) -> None:
        """Bring a branch up to date from a source that has ``publication``, whole."""
        terminal, branch = self.terminals[name], self.branches[name]
        before = branch.has
        taken = self.oracle.offered(branch, publication, now=stamp(terminal.clock(at)))
        report = terminal.sync(source, at=at)
        assert (report is not None) == taken, (self.day, name, report)
        if report is None:
            return
        assert report.to_version == publication.number
        assert report.replaced == (before is not publication)
        assert report.signed_at == publication.at
        self.oracle.seen[f"sync: {report.kind}"] += 1
        if report.clock_behind is not None:
            self.oracle.seen["sync: noticed that the clock is behind"] += 1

    def show(self, name: str, person: Person, at: dt.datetime) -> None:
        """One presentation, and its verdict against the oracle's."""
        terminal, branch = self.terminals[name], self.branches[name]
        clock, form = terminal.clock(at), self.random.choice(FORMATS)
        request = terminal.ask(person.agency.code, form, at=at)
        if person.forger is not None:
            answer = person.forger.show(request, clock=clock)
        else:
            answer = present(person.holder, request, clock=clock)
        result = terminal.judge(answer, request, at=at)
        expected = self.oracle.verdict(branch, person.certificate, form, now=stamp(clock))
        self.oracle.count(branch, person.certificate, form, expected, today=stamp(at))
        age = result.certificates[0].status_age if result.certificates else None
        found = (
            result.outcome.value,
            frozenset(one.code.value for one in result.reasons),
            None if age is None else int(age.total_seconds()),
        )
        if found != (expected.outcome, expected.codes, expected.status_age):
            self.mismatches.append(
                Mismatch(day=self.day, branch=name, form=form, person=person, expected=expected, found=found)
            )

    def latest(self, name: str) -> Person:
        """Who got something from that agency last."""
        return next(one for one in reversed(self.people) if one.agency.name == name and one.holder is not None)

    def somebody(self, fits: Callable[[Person], bool]) -> Person | None:
        found = [one for one in self.people[-60:] if one.holder is not None and fits(one)]
        return self.random.choice(found) if found else None
