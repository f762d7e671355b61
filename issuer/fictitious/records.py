"""The town as a registry: records of the twelve full kinds, by subject."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from issuer.fictitious import family_records, other_records, resident_records
from issuer.fictitious.households import KINDS
from issuer.fictitious.people import Person, Subject
from issuer.fictitious.register import Register, Row
from issuer.records import claim_text
from vcred.catalog.age import kst_date
from vcred.claims import ClaimPath
from vcred.errors import RecordError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import date, datetime
    from os import PathLike

__all__ = ["CODES", "TownRecords"]

_RECORDS: dict[str, Callable[[Register, Row, date], Row]] = {
    "resident.household": resident_records.household,
    "resident.personal": resident_records.personal,
    "family.relations": family_records.relations,
    "family.basic": family_records.basic,
    "family.marriage": family_records.marriage,
    "id.resident_mobile": other_records.resident_mobile,
    "id.e_citizen": other_records.e_citizen,
    "tax.clearance": other_records.clearance,
    "tax.income": other_records.income,
    "nhis.eligibility_history": other_records.eligibility,
    "edu.enrolment": other_records.enrolment,
    "seal.signature": other_records.seal,
}
CODES = tuple(_RECORDS)

_FIND = """
SELECT person.*, household.kind, member.seq, member.relation,
  (SELECT count(*) FROM member other JOIN person p ON p.id = other.person
    WHERE other.household = member.household AND p.died_on IS NULL) AS size,
  EXISTS (SELECT 1 FROM income WHERE income.person = person.id) AS earns,
  EXISTS (SELECT 1 FROM cover WHERE cover.person = person.id AND cover.kind = 'employee' AND lost IS NULL) AS employed,
  EXISTS (SELECT 1 FROM enrolment WHERE enrolment.person = person.id) AS studies
FROM person JOIN member ON member.person = person.id JOIN household ON household.id = member.household
"""


class TownRecords:
    """A ``RecordSource`` over a file that ``generate`` wrote. ``RecordError`` when there is no such file."""

    def __init__(self, path: str | PathLike[str]) -> None:
        self._path = Path(path)
        if not self._path.is_file():
            raise RecordError("there is no such town")

    def fetch(self, code: str, subject: str, *, at: datetime) -> Mapping[str, Any]:
        """The record of ``subject`` for ``code`` on the day of ``at`` in Korea.

        Raises ``RecordError``, without personal data, for an unknown code or subject and for a paper that does not
        apply to this person. ``ValueError`` when ``at`` has no time zone.
        """
        day, record = kst_date(at), _RECORDS.get(code)
        if record is None:
            raise RecordError("this registry has no records of that kind")
        with Register(self._path) as register:
            person = register.person(subject) if subject.startswith("p-") else None
            if person is None:
                raise RecordError("nothing of this kind can be certified")
            return record(register, person, day)

    def identify(self, code: str, claims: Mapping[str, Any]) -> str | None:  # noqa: ARG002 - every card has the number
        """The key of whoever has the resident number that a card shows; ``None`` for nobody of the town."""
        number = claim_text(claims, ClaimPath(("rrn",)))
        if number is None:
            return None
        with Register(self._path) as register:
            row = register.row("SELECT id FROM person WHERE rrn = ? AND died_on IS NULL", number)
        return None if row is None else str(row["id"])

    def find(self, kind: str | None = None, minimum: int = 1) -> list[Subject]:
        """Everybody in households of ``kind`` (any without) with at least ``minimum`` members.

        Heads come first, adults before children, and those with a job, an income and a course before others, so
        that the first can show the most kinds of paper. ``ValueError`` for a kind that does not exist.
        """
        if kind is not None and kind not in KINDS:
            raise ValueError("no such kind of household")
        with Register(self._path) as register:
            town = register.row("SELECT today FROM town")
            assert town is not None
            rows = register.rows(_FIND)
        wanted = [row for row in rows if (kind is None or row["kind"] == kind) and row["size"] >= minimum]
        grown = town["today"].replace(year=town["today"].year - 19, day=min(town["today"].day, 28))
        wanted.sort(key=lambda row: _rank(row, grown))
        return [
            Person(
                subject=row["id"],
                name=row["name"],
                household_kind=row["kind"],
                household_size=row["size"],
                head=row["seq"] == 1,
                birth=row["birth"],
                sex=row["sex"],
            )
            for row in wanted
        ]


def _rank(row: Row, grown: date) -> tuple[Any, ...]:
    papers = row["earns"] + row["employed"] + row["studies"]
    living = row["died_on"] is None and row["state"] == "resident" and row["rrn"] is not None
    return row["seq"] != 1, row["birth"] > grown, not living, -papers, row["id"]
