"""What a life leaves in registers: addresses, work, insurance, income, school, military service."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING

from issuer.fictitious.names import CITY, DISTRICT, EMPLOYERS, SCHOOLS

if TYPE_CHECKING:
    from issuer.fictitious.names import Address
    from issuer.fictitious.world import Being, Home, Member, World

__all__ = ["Cover", "Income", "Residence", "covers", "enrolment", "incomes", "military", "residences"]

ROAD_ADDRESSES_FROM = date(2011, 7, 29)
ROAD_ADDRESSES_ONLY = date(2014, 1, 1)
RENAMED_ROADS_ON = date(2013, 7, 1)
SPOUSE_AND_CHILD_FROM = date(2016, 8, 1)
_OLD = {"child": "offspring", "spouses_child": "cohabitant"}


@dataclass(slots=True, kw_only=True)
class Residence:
    """One line of somebody's address history."""

    road: str
    detail: str | None
    moved_in: date
    changed: date
    reported: date | None
    reason: str
    householder: str
    relation: str
    state: str = "resident"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cover:
    """One period of health insurance."""

    kind: str
    workplace: str | None
    number: str | None
    acquired: date
    lost: date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Income:
    """One year's income of one kind."""

    year: int
    kind: str
    payer: str | None
    number: str | None
    amount: int
    tax: int


def _relation_on(relation: str, day: date, sex: str) -> str:
    if day >= SPOUSE_AND_CHILD_FROM:
        return relation
    if relation == "spouse":
        return "wife" if sex == "female" else "husband"
    return _OLD.get(relation, relation)


def residences(world: World, home: Home, member: Member) -> list[Residence]:
    """The address history of ``member``, oldest first; the last line is the present one."""
    being, rows = member.being, list[Residence]()
    stays = [move for move in home.moves if move.on > member.joined]
    first = [move for move in home.moves if move.on <= member.joined][-1]
    starts = [(member.joined, first.address, member.reason), *((move.on, move.address, "move_in") for move in stays)]
    if member.before:
        address, on, holder, relation = member.before
        reason = "birth" if on == being.birth else "move_in"
        rows += _stay(address, on, starts[0][0], reason=reason, holder=holder, relation=relation)
    ends = [*(start for start, _, _ in starts[1:]), world.today]
    former = _former_head(home)
    for (on, address, reason), end in zip(starts, ends, strict=True):
        head = former.being if former and (home.head_since is None or on < home.head_since) else home.head
        relation = "spouse" if former and member is home.members[0] else member.relation
        rows += _stay(
            address, on, end, reason=reason, holder=head.name_on(on), relation=_relation_on(relation, on, being.sex)
        )
    _last_change(home, member, rows)
    for row in rows:
        if row.reported is not None:
            row.reported = min(row.reported, world.today)
    return rows


def _former_head(home: Home) -> Member | None:
    return next((member for member in home.members[1:] if member.relation == "head"), None)


def _stay(address: Address, on: date, end: date, *, reason: str, holder: str, relation: str) -> list[Residence]:
    def row(road: str, start: date, why: str, reported: date | None) -> Residence:
        return Residence(
            road=road,
            detail=address.detail,
            moved_in=start,
            changed=start,
            reported=reported,
            reason=why,
            householder=holder,
            relation=relation,
        )

    if on >= ROAD_ADDRESSES_FROM:
        return [row(address.road, on, reason, on + timedelta(days=2))]
    rows = [row(address.lot, on, reason, on + timedelta(days=2))]
    if end > ROAD_ADDRESSES_ONLY:
        rows.append(row(address.road, RENAMED_ROADS_ON, "road_address", None))
    return rows


def _last_change(home: Home, member: Member, rows: list[Residence]) -> None:
    being, last = member.being, rows[-1]
    last.relation = member.relation
    last.householder = (_former_head(home) or member).being.name if being.died_on else home.head.name
    if home.head_since and member is home.members[0]:
        last.changed, last.reason = home.head_since, "head_change"
        last.reported = home.head_since
    if being.state == "resident":
        return
    assert being.state_since is not None
    reasons = {"residence_unknown": "residence_unknown", "overseas": "emigration"}
    reason = "deletion" if being.died_on else reasons.get(being.state, "emigration")
    if being.state == "residence_unknown":
        office = f"{CITY} {DISTRICT} 솔바람로 1, 솔내동행정복지센터"
        rows.append(
            Residence(
                road=office,
                detail="(솔내동)",
                moved_in=being.state_since,
                changed=being.state_since,
                reported=being.state_since,
                reason=reason,
                householder=home.head.name,
                relation=member.relation,
                state=being.state,
            )
        )
        return
    last.changed, last.reported, last.reason, last.state = being.state_since, being.state_since, reason, being.state


def _occupation(world: World, home: Home, being: Being, *, certain: bool) -> str | None:
    age, draw = being.age(world.today), world.rng.random()
    if being.state in {"deleted", "residence_unknown"} or being.nationality or not 24 <= age <= 75:
        return None
    if certain:
        return "employee"
    if age > 64:
        return "self" if draw < 0.1 else None
    share = 0.78 if being is home.head else 0.5
    return "employee" if draw < share else "self" if draw < share + 0.14 else None


def _career(world: World, being: Being) -> list[Cover]:
    """An employed person's insurance, newest first: this job and perhaps one before."""
    grown = being.birth + timedelta(days=365 * 23)
    start = world.day(grown, max(grown, world.today - timedelta(days=365 * 3)))
    start = min(start, world.today - timedelta(days=300))
    now, past = world.rng.sample(EMPLOYERS, 2)
    rows = [Cover(kind="employee", workplace=now[0], number=now[1], acquired=start)]
    room = (start - grown).days
    if room > 800:
        left = start - timedelta(days=world.rng.randint(20, 300))
        began = world.day(grown, left - timedelta(days=200))
        rows.append(Cover(kind="regional_head", workplace=None, number=None, acquired=left, lost=start))
        rows.append(Cover(kind="employee", workplace=past[0], number=past[1], acquired=began, lost=left))
    return rows


def covers(world: World, home: Home, *, certain: bool) -> dict[str, list[Cover]]:
    """Health insurance of everybody in ``home`` by key, newest first; ``certain`` makes the head an employee."""
    found: dict[str, list[Cover]] = {}
    people = [member.being for member in home.members if member.being.rrn and member.being.state != "deleted"]
    for being in people:
        work = _occupation(world, home, being, certain=certain and being is home.head)
        if work == "employee":
            found[being.key] = _career(world, being)
        elif work == "self":
            since = world.day(being.birth + timedelta(days=365 * 24), world.today - timedelta(days=365 * 2))
            found[being.key] = [Cover(kind="regional_head", workplace=None, number="self", acquired=since)]
    jobs = {key: rows[0].acquired for key, rows in found.items() if rows[0].kind == "employee"}
    for being in people:
        if being.key not in found:
            kind = "dependent" if jobs else "regional_head" if being is home.head else "regional_member"
            joined = next(member.joined for member in home.members if member.being is being)
            start = max([joined, being.birth, *([min(jobs.values())] if jobs else [])])
            found[being.key] = [Cover(kind=kind, workplace=None, number=None, acquired=start)]
    return found


def incomes(world: World, rows: list[Cover]) -> list[Income]:
    """Up to six years of income of the insurance periods ``rows``, newest first."""
    found: list[Income] = []
    pay = world.rng.randrange(28, 82) * 1_000_000
    for year in range(world.today.year - 1, world.today.year - 7, -1):
        at = date(year, 12, 31)
        row = next((one for one in rows if one.acquired <= at and (one.lost is None or one.lost > at)), None)
        amount = int(pay * 0.96 ** (world.today.year - year)) // 1000 * 1000
        tax = max(amount - 22_000_000, 0) * 7 // 100 // 10 * 10
        if row and row.kind == "employee":
            kind, payer, number = "wage", row.workplace, row.number
        elif row and row.number == "self":
            kind, payer, number = "comprehensive", None, None
        else:
            continue
        found.append(Income(year=year, kind=kind, payer=payer, number=number, amount=amount, tax=tax))
    return found


def enrolment(world: World, being: Being, *, certain: bool) -> tuple[str, str, date, str] | None:
    """School, grade, day of admission and state of somebody who is at school; ``certain`` enrols an adult."""
    school_year = world.today.year - (world.today.month < 3)
    grade, draw = school_year - being.birth.year - 6, world.rng.random()
    levels = (("elementary", 1, 6), ("middle", 7, 9), ("high", 10, 12), ("university", 13, 16))
    for level, first, last in levels:
        if first <= grade <= last and (level != "university" or draw < 0.7):
            year = grade - first + 1
            school = f"{world.rng.choice(SCHOOLS[level])} (가상)"
            text = f"{year}학년" if level == "university" else f"{year}학년 {world.rng.randint(1, 6)}반"
            state = "leave" if level == "university" and draw < 0.08 else "enrolled"
            return school, text, date(school_year - year + 1, 3, 2), state
    if grade > 16 and (certain or draw < 0.08):
        return f"{SCHOOLS['online'][0]} (가상)", "2학년", date(school_year - 1, 3, 2), "enrolled"
    return None


def military(world: World, being: Being) -> tuple[str, date | None, date | None, str | None, str | None] | None:
    """Category, days of enlistment and discharge, branch and rank of a man over 23."""
    if being.sex != "male" or being.nationality or being.age(world.today) < 24:
        return None
    if world.rng.random() < 0.15:
        return "wartime_labour", None, None, None, None
    enlisted = being.birth + timedelta(days=int(20.2 * 365.25) + world.rng.randint(0, 500))
    discharged = enlisted + timedelta(days=548 if enlisted.year >= 2019 else 640)
    branch = world.rng.choice(("army", "army", "army", "navy", "air_force", "marines"))
    return "reserve", enlisted, discharged, branch, "병장"
