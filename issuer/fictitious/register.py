"""Reading the town's file: rows by name, dates as dates, relatives as people."""

from __future__ import annotations

import sqlite3
from datetime import date, datetime, time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from issuer.fictitious.numbers import digits_of

if TYPE_CHECKING:
    from os import PathLike
    from types import TracebackType

from vcred.catalog.age import KST

__all__ = ["Register", "Row", "bare"]

Row = dict[str, Any]
_DATES = frozenset(
    (
        "birth",
        "died_on",
        "formed_on",
        "moved_in",
        "changed",
        "reported",
        "reported_on",
        "ended_on",
        "permitted_on",
        "since",
        "acquired",
        "lost",
        "admitted_on",
        "enlisted_on",
        "discharged_on",
        "today",
    )
)


def bare(row: Row) -> Row:
    """``row`` without what is empty."""
    return {name: value for name, value in row.items() if value is not None}


class Register:
    """One open, read-only town. Use it in a ``with`` block."""

    def __init__(self, path: str | PathLike[str]) -> None:
        self._db = sqlite3.connect(f"{Path(path).absolute().as_uri()}?mode=ro", uri=True)
        self._db.row_factory = sqlite3.Row

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._db.close()

    def rows(self, sql: str, *values: Any) -> list[Row]:
        """The rows of a query."""
        return [
            {name: date.fromisoformat(row[name]) if name in _DATES and row[name] else row[name] for name in row.keys()}  # noqa: SIM118 - a sqlite3.Row iterates over values
            for row in self._db.execute(sql, values)
        ]

    def row(self, sql: str, *values: Any) -> Row | None:
        """The first row of a query, if any."""
        found = self.rows(sql, *values)
        return found[0] if found else None

    def person(self, key: str) -> Row | None:
        """Somebody by key."""
        return self.row("SELECT * FROM person WHERE id = ?", key)

    def residences(self, key: str) -> list[Row]:
        """The address history, oldest first."""
        return self.rows("SELECT * FROM residence WHERE person = ? ORDER BY seq", key)

    def marriages(self, key: str) -> list[Row]:
        """Marriages, oldest first, with the key of the other in ``with``."""
        found = self.rows("SELECT * FROM marriage WHERE ? IN (one, other) ORDER BY reported_on", key)
        return [row | {"with": row["other"] if row["one"] == key else row["one"]} for row in found]

    def spouse(self, key: str) -> Row | None:
        """The spouse of the marriage that no divorce has ended."""
        return next((self.person(row["with"]) for row in self.marriages(key) if row["ended_on"] is None), None)

    @staticmethod
    def document(code: str, person: Row, day: date) -> Row:
        """What every paper says about itself: made of the type, the person and the day alone."""
        number = digits_of(code, person["id"], day.isoformat(), length=12)
        return {"docVerificationNo": f"9900-{number[:4]}-{number[4:8]}-{number[8:]}"}

    @staticmethod
    def issue_no(code: str, person: Row, day: date) -> str:
        """The 발급번호 of a paper."""
        return f"{day.year}-99-{digits_of('issue', code, person['id'], day.isoformat(), length=8)}"

    @staticmethod
    def opening(day: date) -> str:
        """Nine in the morning of ``day`` in Korea, so that a record is the same all day."""
        return datetime.combine(day, time(9), KST).isoformat()
