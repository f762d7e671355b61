"""The town while it is being made: people, what ties them, and the homes they live in."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import TYPE_CHECKING

from issuer.fictitious.names import FOREIGNERS, Surname, draw_base, draw_given, draw_surname
from issuer.fictitious.numbers import draw_frn, draw_rrn

if TYPE_CHECKING:
    from random import Random

    from issuer.fictitious.names import Address

__all__ = ["Being", "Home", "Marriage", "Member", "Move", "World"]


@dataclass(eq=False, slots=True, kw_only=True)
class Being:
    """One person: registered in the town (key ``p-``) or only known as somebody's relative (key ``k-``)."""

    key: str
    name: str
    hanja: str | None
    birth: date
    sex: str
    rrn: str | None
    base: str
    surname: Surname | None
    clan: str | None
    nationality: str | None = None
    frn: str | None = None
    roman: str | None = None
    died_on: date | None = None
    state: str = "resident"
    state_since: date | None = None
    home: Home | None = None
    parents: dict[str, Being] = field(default_factory=dict)
    renamed: tuple[date, str, str] | None = None
    custody: list[tuple[str, Being, str, date]] = field(default_factory=list)

    def age(self, day: date) -> int:
        """Full years on ``day``."""
        return day.year - self.birth.year - ((day.month, day.day) < (self.birth.month, self.birth.day))

    def name_on(self, day: date) -> str:
        """The name borne on ``day``."""
        return self.renamed[2] if self.renamed and day < self.renamed[0] else self.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Marriage:
    """A marriage; ``ended`` is the day a divorce was reported."""

    one: Being
    other: Being
    on: date
    ended: date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """The household came to ``address``."""

    on: date
    address: Address


@dataclass(slots=True, kw_only=True)
class Member:
    """One line of the household register."""

    being: Being
    relation: str
    joined: date
    reason: str
    before: tuple[Address, date, str, str] | None = None


@dataclass(eq=False, slots=True, kw_only=True)
class Home:
    """A household: its register lines in the order of the paper, and its moves."""

    kind: str
    moves: list[Move] = field(default_factory=list)
    members: list[Member] = field(default_factory=list)
    formed_by: str = "move_in"
    state: str = "resident"
    head_since: date | None = None

    @property
    def head(self) -> Being:
        """The householder."""
        return self.members[0].being

    @property
    def here_since(self) -> date:
        """The day the household came to its present address."""
        return self.moves[-1].on


class World:
    """Everything drawn so far. The order of drawing is the only source of what is in it."""

    def __init__(self, rng: Random, today: date) -> None:
        self.rng = rng
        self.today = today
        self.people: list[Being] = []
        self.homes: list[Home] = []
        self.marriages: list[Marriage] = []
        self._numbers: set[str] = set()
        self._count = {"p": 0, "k": 0}

    def day(self, first: date, last: date) -> date:
        """A day from ``first`` to ``last``, never after the day before today."""
        last = min(last, self.today - timedelta(days=1))
        return first + timedelta(days=self.rng.randint(0, max((last - first).days, 0)))

    def born(self, age: int) -> date:
        """The birthday of somebody who is ``age`` today."""
        return self.today - timedelta(days=int(age * 365.25) + self.rng.randint(10, 350))

    def person(
        self, *, birth: date, sex: str, surname: Surname | None = None, base: str | None = None, kin: bool = False
    ) -> Being:
        """A new person of this surname, or of a drawn one."""
        surname, given = surname or draw_surname(self.rng), draw_given(self.rng)
        being = Being(
            key=self._key("k" if kin else "p"),
            name=surname.hangul + given.hangul,
            hanja=surname.hanja + given.hanja,
            birth=birth,
            sex=sex,
            rrn=self._number(draw_rrn(self.rng, birth, sex), birth, sex),
            base=base or draw_base(self.rng),
            surname=surname,
            clan=surname.clan,
        )
        self.people.append(being)
        return being

    def foreigner(self, *, birth: date, sex: str) -> Being:
        """A new person of another nationality, with a foreigner registration number."""
        nationality, roman, hangul = self.rng.choice(FOREIGNERS)
        being = Being(
            key=self._key("p"),
            name=hangul,
            hanja=None,
            birth=birth,
            sex=sex,
            rrn=None,
            base="",
            surname=None,
            clan=None,
            nationality=nationality,
            roman=roman,
            frn=draw_frn(self.rng, birth, sex),
        )
        self.people.append(being)
        return being

    def with_parents(self, being: Being) -> Being:
        """Give ``being`` a father and a mother who live, or lived, elsewhere."""
        father = self.kin(being.birth, "male", being.surname, being.base)
        mother = self.kin(being.birth, "female", None, None)
        for parent in (father, mother):
            chance = (parent.age(self.today) - 60) / 40
            if self.rng.random() < chance or parent.age(self.today) > 98:
                parent.died_on = self.day(being.birth + timedelta(days=400), self.today)
        being.parents.update(father=father, mother=mother)
        return being

    def kin(self, child_birth: date, sex: str, surname: Surname | None, base: str | None) -> Being:
        """Somebody of the age to be a parent of a child born on ``child_birth``, not registered in the town."""
        birth = child_birth - timedelta(days=int(self.rng.uniform(22, 34) * 365.25))
        return self.person(birth=birth, sex=sex, surname=surname, base=base, kin=True)

    def child(self, father: Being, mother: Being, *, birth: date, kin: bool = False) -> Being:
        """A child of both, under the Korean parent's surname and 본."""
        source = father if father.surname else mother
        being = self.person(
            birth=birth,
            sex=self.rng.choice(("male", "female")),
            surname=source.surname,
            base=source.base,
            kin=kin,
        )
        being.parents.update(father=father, mother=mother)
        return being

    def marry(self, one: Being, other: Being, *, on: date, ended: date | None = None) -> None:
        """Record the marriage."""
        self.marriages.append(Marriage(one=one, other=other, on=on, ended=ended))

    def _key(self, prefix: str) -> str:
        self._count[prefix] += 1
        return f"{prefix}-{self._count[prefix]:05d}"

    def _number(self, number: str, birth: date, sex: str) -> str:
        while number in self._numbers:
            number = draw_rrn(self.rng, birth, sex)
        self._numbers.add(number)
        return number
