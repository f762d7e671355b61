"""What an option or a variant does to a record before it is issued: a closed list of effects, all of them data.

``drop`` leaves a claim out (of rows that match ``where``, if given); ``drop_rows`` and ``keep_rows`` choose
elements of an array; ``newer`` keeps rows of the last N years and rows that have no date; ``coarsen``
replaces every code but a few by one word. What an effect removes is not in the credential at all.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from vcred.claims import ClaimPath

__all__ = ["Coarsen", "Condition", "Drop", "Effect", "Newer", "Plan", "Rows"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """A test on one row: every field of ``equals`` has one of its values, every field of ``absent`` is null."""

    equals: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    absent: tuple[str, ...] = ()

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields looked at."""
        return (*self.equals, *self.absent)

    def matches(self, row: Mapping[str, Any]) -> bool:
        """Whether ``row`` passes. A field that is null equals nothing."""
        return all(_one_of(row.get(name), values) for name, values in self.equals.items()) and all(
            row.get(name) is None for name in self.absent
        )


def _one_of(value: Any, values: tuple[Any, ...]) -> bool:
    return any(type(value) is type(choice) and value == choice for choice in values)


@dataclass(frozen=True, slots=True, kw_only=True)
class Drop:
    """Leave the claim out; with ``where``, only in rows that match."""

    claim: ClaimPath
    where: Condition | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """Of an array, keep the rows that match (``keep``) or those that do not."""

    claim: ClaimPath
    where: Condition
    keep: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Newer:
    """Of an array, keep rows whose ``by`` is null or in the last ``years``; ``None``: the N of the option's value."""

    claim: ClaimPath
    by: str
    years: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Coarsen:
    """Replace every code that is not in ``keep`` by ``otherwise``."""

    claim: ClaimPath
    keep: frozenset[str]
    otherwise: str


Effect = Drop | Rows | Newer | Coarsen


class Plan:
    """The effects of one variant and one set of options, ready to be asked per claim."""

    __slots__ = ("_coarse", "_drops", "_rows")

    def __init__(self, effects: Iterable[Effect]) -> None:
        self._drops: dict[ClaimPath, list[Condition | None]] = defaultdict(list)
        self._rows: dict[ClaimPath, list[Rows | Newer]] = defaultdict(list)
        self._coarse: dict[ClaimPath, list[Coarsen]] = defaultdict(list)
        for effect in effects:
            if isinstance(effect, Drop):
                self._drops[effect.claim].append(effect.where)
            elif isinstance(effect, Coarsen):
                self._coarse[effect.claim].append(effect)
            else:
                self._rows[effect.claim].append(effect)

    def drops(self, path: ClaimPath, row: Mapping[str, Any] | None) -> bool:
        """Whether the claim is left out of ``row``; without a row, whether it is left out everywhere."""
        conditions = self._drops.get(path)
        return conditions is not None and any(
            condition is None or (row is not None and condition.matches(row)) for condition in conditions
        )

    def filters(self, path: ClaimPath) -> bool:
        """Whether rows of this array may be missing because of an effect."""
        return path in self._rows

    def keeps(self, path: ClaimPath, row: Mapping[str, Any], day: date) -> bool:
        """Whether this row of the array is issued on ``day``."""
        return all(_keeps(effect, row, day) for effect in self._rows.get(path, ()))

    def coarsen(self, path: ClaimPath, value: Any) -> Any:
        """The code that is issued for ``value``."""
        for effect in self._coarse.get(path, ()):
            if value is not None and value not in effect.keep:
                value = effect.otherwise
        return value


def _keeps(effect: Rows | Newer, row: Mapping[str, Any], day: date) -> bool:
    if isinstance(effect, Rows):
        return effect.where.matches(row) is effect.keep
    value = row.get(effect.by)
    if value is None or effect.years is None:
        return value is None
    if isinstance(value, int):
        return value >= day.year - effect.years
    return bool(value >= _years_before(day, effect.years).isoformat())


def _years_before(day: date, years: int) -> date:
    year = max(day.year - years, 1)
    # 29 February of a year that has none: the day before, so that nothing of the period is lost.
    return day.replace(year=year) if (day.month, day.day) != (2, 29) or _leap(year) else date(year, 2, 28)


def _leap(year: int) -> bool:
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
