"""Who can be asked about: the subjects of the town, as ``TownRecords.find`` lists them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date  # noqa: TC003 - a field type, resolvable at run time
from pathlib import Path  # noqa: TC003 - a field type, resolvable at run time

__all__ = ["Person", "Subject", "Town"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """Somebody a registry keeps records of; ``subject`` is its key, ``name`` stays out of the repr."""

    subject: str
    name: str = field(repr=False)
    household_kind: str
    household_size: int
    head: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Person(Subject):
    """A subject of the town with birthday and sex (``male``, ``female``)."""

    birth: date = field(repr=False)
    sex: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Town:
    """A generated town: its file, how many households and people it has, and the seed that gives it again."""

    path: Path
    households: int
    people: int
    seed: int
