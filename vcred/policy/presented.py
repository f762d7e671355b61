"""A certificate as rules see it, and the people and addresses in it."""

from __future__ import annotations

import datetime as dt
import re
import unicodedata
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from vcred.claims import ClaimPath, select

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from vcred.catalog import CertificateType
    from vcred.policy.model import Address, Person
    from vcred.policy.rules import By, Where

__all__ = [
    "Identity",
    "Place",
    "PresentedCertificate",
    "alike",
    "compare",
    "dates",
    "fits",
    "same",
    "same_place",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class PresentedCertificate:
    """What is visible of one certificate. ``issued_on`` is the Korean date of issue, ``issuer`` its identifier."""

    code: str
    type: CertificateType
    claims: Mapping[str, Any] = field(repr=False)
    hidden_elements: Mapping[ClaimPath, int] = field(repr=False)
    issuer: str
    issued_on: dt.date
    format: str

    def hidden_in(self, path: ClaimPath) -> int:
        """How many elements of the list at ``path`` (or of a list on the way to it) are hidden."""
        return sum(
            count
            for where, count in self.hidden_elements.items()
            if len(where.parts) <= len(path.parts) and ClaimPath(path.parts[: len(where.parts)]).contains(where)
        )

    def values(self, path: ClaimPath) -> list[Any]:
        """Every visible value at ``path``."""
        return [value for _, value in select(self.claims, path)]

    def identities(self, person: Person) -> tuple[list[Identity], int]:
        """The people at ``person`` (one, or one per fitting element of its list), and how many may be hidden."""
        if person.list is None:
            return [_identity(self.claims, person)], 0
        elements = [element for one in self.values(person.list) if isinstance(one, list) for element in one]
        fitting = [fits(element, person.where) for element in elements]
        people = [_identity(element, person) for element, fit in zip(elements, fitting, strict=True) if fit]
        return people, self.hidden_in(person.list) + fitting.count(None)

    def places(self, address: Address) -> list[Place]:
        """The addresses at ``address``."""
        found = [_place(value) for value in self.values(address.path) if value]
        if address.pick == "first":
            return found[:1]
        return found[-1:] if address.pick == "last" else found


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """What is known of a person; ``None`` and empty are unknown. Never shown or logged."""

    names: frozenset[str] = field(repr=False)
    birth_date: str | None = field(repr=False)
    rrn: tuple[str, str, str] | None = field(repr=False)
    relation: str | None = field(repr=False)


def alike(one: PresentedCertificate, other: PresentedCertificate) -> bool:
    """Whether nothing that both show tells two certificates apart: they may be copies of one, in whatever formats."""
    if (one.code, one.issuer, one.issued_on) != (other.code, other.issuer, other.issued_on):
        return False
    return _agree(one.claims, other.claims, whole=not one.hidden_elements and not other.hidden_elements)


def _agree(one: Any, other: Any, *, whole: bool) -> bool:
    """``whole``: no element of a list is hidden, so that lists can be compared."""
    if isinstance(one, dict) and isinstance(other, dict):
        return all(_agree(one[name], other[name], whole=whole) for name in one.keys() & other.keys())
    if isinstance(one, list) and isinstance(other, list):
        if not whole:
            return True
        return len(one) == len(other) and all(_agree(a, b, whole=True) for a, b in zip(one, other, strict=True))
    return same(one, other)


def fits(element: Any, where: Where) -> bool | None:
    """Whether an element of a list passes a filter; ``None`` when a member that decides is hidden."""
    unknown = False
    for path, accepted in where:
        found = select(element, path)
        if not found:
            unknown = True
        elif not any(same(value, one) for _, value in found for one in accepted):
            return False
    return None if unknown else True


def same(value: Any, other: Any) -> bool:
    """Equal in kind and value: ``True`` is not 1."""
    return type(value) is type(other) and bool(value == other)


def _identity(tree: Any, person: Person) -> Identity:
    names = frozenset(
        unicodedata.normalize("NFC", value)
        for path in person.names
        for _, value in select(tree, path)
        if isinstance(value, str) and value
    )
    number = _first(tree, person.rrn)
    parts = [number.get(name) for name in ("birthDate", "sexDigit", "serial")] if isinstance(number, dict) else []
    birth = _first(tree, person.birth_date)
    if birth is None and parts:
        birth = parts[0]
    relation = _first(tree, person.relation)
    return Identity(
        names=names,
        birth_date=birth if isinstance(birth, str) and "-00" not in birth else None,
        rrn=(str(parts[0]), str(parts[1]), str(parts[2])) if parts and all(parts) else None,
        relation=relation if isinstance(relation, str) else None,
    )


def _first(tree: Any, path: ClaimPath | None) -> Any:
    found = [] if path is None else select(tree, path)
    return found[0][1] if found else None


def compare(one: Identity, other: Identity, by: By) -> bool | None:
    """Whether two are the same person; ``None`` when too little is visible to say."""
    if by == "rrn":
        return one.rrn == other.rrn if one.rrn and other.rrn else None
    same_name = bool(one.names & other.names) if one.names and other.names else None
    if by == "name" or same_name is False:
        return same_name
    same_birth = one.birth_date == other.birth_date if one.birth_date and other.birth_date else None
    if same_birth is False:
        return False
    return True if same_name and same_birth else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """An address in comparable form: road-name and lot-number spelling without the unit, the unit, and its floor."""

    road: str | None = field(repr=False)
    lot: str | None = field(repr=False)
    unit: tuple[str, ...] = field(repr=False)
    floor: str | None = field(repr=False)


_PARENTHESES = re.compile(r"\([^)]*\)")
_UNIT = re.compile(r"(?:(?:제)?(\w+)동)?(?:(?:제)?(\w+)층)?(?:제)?(\w+)호$|^(\d+)-(\d+)$")
_DROPPED = re.compile(r"[\s,.·]+")
_NUMBER = re.compile(r"\d+(?:-\d+)?(?:번지)?")
_LOT = re.compile(r"(?:동|리|가)\s*(?:산\s*)?\d+(?:-\d+)?(?:번지)?$")


def _place(value: Any) -> Place:
    """A text, or an object with ``road``, ``jibun`` (lot) and ``detail``."""
    if isinstance(value, dict):
        road, _, road_rest = _split(value.get("road"))
        lot, _, lot_rest = _split(value.get("jibun"))
        units = map(_unit, (value.get("detail"), road_rest, lot_rest))
        unit, floor = next((found for found in units if found[0]), ((), None))
        return Place(road=road, lot=lot, unit=unit, floor=floor)
    base, is_lot, rest = _split(value)
    unit, floor = _unit(rest)
    return Place(road=None if is_lot else base, lot=base if is_lot else None, unit=unit, floor=floor)


def _split(text: Any) -> tuple[str | None, bool, str]:
    """Base, whether it is a lot number, and the rest. What stands in parentheses only explains."""
    if not isinstance(text, str) or not text.strip():
        return None, False, ""
    plain = _PARENTHESES.sub(" ", unicodedata.normalize("NFKC", text)).strip()
    base, comma, rest = plain.partition(",")
    if not comma:
        numbers = list(_NUMBER.finditer(plain))
        cut = next((one.end() for one in numbers if one.start() > 0 and plain[one.start() - 1] == " "), len(plain))
        base, rest = plain[:cut], plain[cut:]
    lot = bool(_LOT.search(base.strip()))
    return _DROPPED.sub("", base).removesuffix("번지"), lot, rest


def _unit(text: Any) -> tuple[tuple[str, ...], str | None]:
    """Building and number, and the floor where it is written beside a number."""
    if not isinstance(text, str):
        return (), None
    plain = _DROPPED.sub("", _PARENTHESES.sub("", unicodedata.normalize("NFKC", text)))
    found = _UNIT.search(plain)
    if found is None:
        return ((plain,) if plain else ()), None
    building, floor, number, short_building, short_number = found.groups()
    return tuple(part.lstrip("0") for part in (building or short_building, number or short_number) if part), floor


def same_place(one: Place, other: Place) -> bool | None:
    """Whether two addresses are the same; ``None`` when they share no form or one lacks the unit."""
    pairs = [(a, b) for a, b in ((one.road, other.road), (one.lot, other.lot)) if a is not None and b is not None]
    if not pairs:
        return None
    if all(a != b for a, b in pairs):
        return False
    if one.unit == other.unit:
        # "301호" may be written with its floor or without; room 5 on two floors is two places.
        return not (one.floor and other.floor and one.floor != other.floor)
    return None if not one.unit or not other.unit else False


def dates(values: Iterable[Any]) -> list[dt.date | None]:
    """ISO dates, or ``None`` for what is none (an unknown or lunar date stays unknown)."""
    found: list[dt.date | None] = []
    for value in values:
        try:
            found.append(dt.date.fromisoformat(value[:10]) if isinstance(value, str) else None)
        except ValueError:
            found.append(None)
    return found
