"""What must hold between the papers of one town (korea.md 4.5), checked on the records themselves."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from issuer.fictitious.numbers import RANDOM_TAILS_FROM, check_digit
from issuer.fictitious.records import CODES, TownRecords
from issuer.fictitious.register import Register
from vcred.catalog import Catalog
from vcred.claims import SD
from vcred.errors import RecordError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from os import PathLike

    from vcred.catalog import CertificateType

    Papers = dict[str, Mapping[str, Any]]

__all__ = ["check_invariants", "contradictions"]

_CENTURY = {"1": 1900, "2": 1900, "3": 2000, "4": 2000, "5": 1900, "6": 1900, "7": 2000, "8": 2000}


def check_invariants(path: str | PathLike[str]) -> list[str]:
    """What is wrong in the town at ``path``, one line each with the subject's key; empty when everything agrees."""
    with Register(path) as register:
        town = register.row("SELECT today FROM town")
    assert town is not None
    # Noon UTC is the same day in Korea.
    at = datetime.combine(town["today"], time(12), UTC)
    records = TownRecords(path)
    every: dict[str, Papers] = {}
    for person in records.find():
        papers = every.setdefault(person.subject, {})
        for code in CODES:
            try:
                papers[code] = records.fetch(code, person.subject, at=at)
            except RecordError:
                continue
    return contradictions(every, town["today"])


def contradictions(every: Mapping[str, Papers], today: date) -> list[str]:
    """The same for papers that were fetched already: subject -> code -> record, all as of ``today``."""
    by_rrn = {papers["resident.personal"]["rrn"]: papers for papers in every.values() if "resident.personal" in papers}
    found = []
    kind = Catalog.builtin()["family.relations"]
    for subject in sorted(every):
        papers = every[subject]
        for text in [*_one_person(papers, by_rrn, today), *_variants(papers, kind)]:
            found.append(f"{subject}: {text}")  # noqa: PERF401 - two loops read better
    return found


def _one_person(papers: Papers, by_rrn: Mapping[str, Papers], today: date) -> Iterator[str]:
    yield from _numbers(papers)
    if "resident.household" in papers:
        yield from _household(papers["resident.household"], by_rrn, today)
    if "resident.personal" in papers:
        yield from _history(papers["resident.personal"], today)
    if "family.relations" in papers:
        yield from _family(papers, by_rrn)
        yield from _custody(papers, by_rrn)
    if "tax.income" in papers:
        yield from _work(papers)


def _numbers(papers: Papers) -> Iterator[str]:
    seen = set()
    for record in papers.values():
        subject = record.get("subject") or record.get("taxpayer") or record
        if subject.get("rrn"):
            seen.add((subject["name"], subject["rrn"]))
    if len(seen) > 1:
        yield "papers name different people"
    for code in ("family.relations", "family.marriage"):
        record = papers.get(code, {})
        people = [record.get("subject"), record.get("spouse"), *record.get("relatives", ())]
        for one in filter(None, people):
            yield from _number(one)


def _number(one: Mapping[str, Any]) -> Iterator[str]:
    number = one.get("rrn") or one.get("foreignerRegNo")
    if number is None:
        yield "somebody has no number"
        return
    year = _CENTURY[number[7]] + int(number[:2])
    if f"{year}-{number[2:4]}-{number[4:6]}" != one["birthDate"]:
        yield "a number and a birth date differ"
    if (int(number[7]) % 2 == 1) != (one["sex"] == "male"):
        yield "a number and a sex differ"
    if one.get("rrn") is None and not one.get("nationality"):
        yield "a foreigner has no nationality"
    if date.fromisoformat(one["birthDate"]) < RANDOM_TAILS_FROM:
        digits = number.replace("-", "")
        if digits[7:9] != "99" or check_digit(digits[:12]) == int(digits[12]):
            yield "a number might belong to somebody"


def _household(record: Mapping[str, Any], by_rrn: Mapping[str, Papers], today: date) -> Iterator[str]:
    members = record["members"]
    heads = [one for one in members if one["relation"] == "head"]
    if len(heads) != 1 or heads[0] is not members[0] or heads[0]["name"] != record["householder"]["name"]:
        yield "the head is not in the 등본 exactly once, first"
        return
    if sum(one["self"] for one in members) != 1:
        yield "the 등본 is not for exactly one member"
    if record["household"]["formationDate"] > min(one["movedInOn"] for one in members):
        yield "the household was formed after somebody came"
    if any(not one["movedInOn"] <= one["changedOn"] <= today for one in members):
        yield "a change of a member is out of order"
    family = by_rrn[heads[0]["rrn"]]["family.relations"]["relatives"]
    listed = {row.get("rrn") for row in family if row["role"] == "child"}
    yield from _members(members, listed, by_rrn)
    yield from _beside(record, family)
    yield from _ordered(record, today)


def _members(members: list[Mapping[str, Any]], listed: set[str | None], by_rrn: Mapping[str, Papers]) -> Iterator[str]:
    for one in members:
        if one["relation"] == "child" and one["rrn"] not in listed:
            yield "a 자녀 of the 등본 is not in the head's family.relations"
        if one["relation"] == "spouses_child" and one["rrn"] in listed:
            yield "a 배우자의 자녀 is the head's own child"
        theirs = by_rrn.get(one["rrn"], {})
        if "family.relations" not in theirs or theirs["family.relations"]["subject"].get("deceased"):
            yield "somebody in the 등본 is dead or unknown"
        elif theirs["resident.personal"]["currentAddress"]["relation"] != one["relation"]:
            yield "등본 and 초본 differ about a relation"


def _beside(record: Mapping[str, Any], family: list[Mapping[str, Any]]) -> Iterator[str]:
    spouses = {row.get("rrn") or row.get("foreignerRegNo") for row in family if row["role"] == "spouse"}
    beside = [one.get("rrn") for one in record["members"] if one["relation"] == "spouse"]
    beside += [one["foreignerRegNo"] for one in record["foreignMembers"] if one["relation"] == "spouse"]
    if not set(beside) <= spouses:
        yield "the spouse of the 등본 is not the head's spouse"


def _history(record: Mapping[str, Any], today: date) -> Iterator[str]:
    yield from _ordered(record, today)
    now = record["currentAddress"]
    if any(row["reportedOn"] < row["movedInOn"] for row in (*record["addressHistory"], now) if row.get("reportedOn")):
        yield "a move was reported before it happened"


def _ordered(record: Mapping[str, Any], today: date) -> Iterator[str]:
    rows = [*record["addressHistory"], record["currentAddress"]]
    if any(one["movedInOn"] >= two["movedInOn"] or one["changedOn"] > two["changedOn"] for one, two in pairwise(rows)):
        yield "the address history is not in order"
    if rows[-1]["changedOn"] > today or any(row["changedOn"] < row["movedInOn"] for row in rows):
        yield "a change of address is out of order"


def _family(papers: Papers, by_rrn: Mapping[str, Papers]) -> Iterator[str]:
    relations, basic, marriage = (papers[f"family.{name}"] for name in ("relations", "basic", "marriage"))
    spouses = [row for row in relations["relatives"] if row["role"] == "spouse"]
    if spouses != [one for one in [marriage.get("spouse")] if one]:
        yield "family.relations and family.marriage differ about the spouse"
    for spouse in spouses:
        theirs = by_rrn.get(spouse.get("rrn"))
        if theirs and theirs["family.marriage"].get("spouse", {}).get("rrn") != relations["subject"]["rrn"]:
            yield "a marriage has one side"
        if theirs and theirs["family.marriage"].get("marriage") != marriage.get("marriage"):
            yield "the two sides of a marriage differ"
    personal = papers["resident.personal"]
    renamed = {row["permittedOn"] for row in basic["nameChanges"]}
    if renamed != {row["changedOn"] for row in personal["personalChanges"]}:
        yield "기본 and 초본 differ about a change of name"
    dead = bool(basic.get("death"))
    if dead != bool(relations["subject"].get("deceased")) or (dead and "resident.household" in papers):
        yield "papers differ about a death"
    if dead and personal["currentAddress"]["state"] != "deleted":
        yield "a dead person is not struck off"
    roles = [row["role"] for row in relations["relatives"]]
    if any(roles.count(role) > 1 for role in ("father", "mother", "birth_father", "birth_mother", "spouse")):
        yield "somebody has a parent or spouse twice"
    if any(
        row["birthDate"] <= relations["subject"]["birthDate"]
        for row in relations["relatives"]
        if row["role"] == "child"
    ):
        yield "a child is older than the parent"


def _custody(papers: Papers, by_rrn: Mapping[str, Papers]) -> Iterator[str]:
    relatives, history = papers["family.relations"]["relatives"], papers["family.marriage"]["history"]
    for begun, ended in zip(history[::2], history[1::2], strict=True):
        for child in (by_rrn.get(row.get("rrn")) for row in relatives if row["role"] == "child"):
            if child is None:
                continue
            born = date.fromisoformat(child["family.relations"]["subject"]["birthDate"])
            minor = ended["reportedOn"].year - born.year < 19
            if begun["reportedOn"] < born < ended["reportedOn"] and minor and not child["family.basic"]["custody"]:
                yield "a divorce decided nothing about a child who was a minor"


def _plain(value: Any) -> Any:
    if isinstance(value, SD):
        return _plain(value.value)
    if isinstance(value, dict):
        return {name: _plain(part) for name, part in value.items()}
    return [_plain(part) for part in value] if isinstance(value, list) else value


def _variants(papers: Papers, kind: CertificateType) -> Iterator[str]:
    relations = papers.get("family.relations")
    if relations is None:
        return
    today = date.fromisoformat(relations["document"]["issuedAt"][:10])
    short, full = (
        kind.issue(relations, variant=variant, options={"rrnBack": "all"}, issued_on=today)
        for variant in ("general", "detailed")
    )
    rows = [repr(row) for row in _plain(full["relatives"])]
    if any(repr(row) not in rows for row in _plain(short["relatives"])):
        yield "the 일반 certificate says what the 상세 does not"


def _work(papers: Papers) -> Iterator[str]:
    periods = papers["nhis.eligibility_history"]["rows"]
    for one in papers["tax.income"]["incomes"]:
        day = date(one["year"], 12, 31)
        at_work = {
            row.get("workplace")
            for row in periods
            if row["acquiredOn"] <= day and (row.get("lostOn") is None or row["lostOn"] > day)
        }
        if one["kind"] == "wage" and one["payer"] not in at_work:
            yield "a wage has no workplace"
    if any(newer["acquiredOn"] < older["lostOn"] for newer, older in pairwise(periods)):
        yield "periods of insurance overlap"
