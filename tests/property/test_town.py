"""The town: its papers agree, it comes out the same again, and everything it certifies can be issued."""

from __future__ import annotations

import copy
import sqlite3
from contextlib import closing
from datetime import UTC, date, datetime

import pytest

from issuer.fictitious import Person, Subject, TownRecords, check_invariants, generate
from issuer.fictitious.households import KINDS
from issuer.fictitious.invariants import contradictions
from issuer.fictitious.records import CODES
from vcred.catalog import Catalog
from vcred.errors import RecordError

pytestmark = pytest.mark.property

TODAY = date(2026, 11, 20)
AT = datetime(2026, 11, 20, 3, tzinfo=UTC)


def dump(path):
    with closing(sqlite3.connect(path)) as db:
        return list(db.iterdump())


@pytest.fixture(scope="module")
def town(tmp_path_factory):
    return generate(tmp_path_factory.mktemp("town") / "town.db", seed=7, households=120, today=TODAY)


@pytest.fixture(scope="module")
def papers(town):
    records, every = TownRecords(town.path), {}
    for person in records.find():
        own = every.setdefault(person.subject, {})
        for code in CODES:
            try:
                own[code] = records.fetch(code, person.subject, at=AT)
            except RecordError:
                continue
    return every


@pytest.mark.parametrize(("seed", "today"), [(1, TODAY), (2, date(2024, 2, 29)), (3, date(2027, 1, 1)), (4, TODAY)])
def test_papers_agree_for_any_seed(tmp_path, seed, today):
    generate(tmp_path / "t.db", seed=seed, households=36, today=today)
    assert check_invariants(tmp_path / "t.db") == []


def test_same_seed_gives_same_town_and_another_seed_another(tmp_path):
    for name, seed in (("a", 5), ("b", 5), ("c", 6)):
        generate(tmp_path / name, seed=seed, households=30, today=TODAY)
    assert dump(tmp_path / "a") == dump(tmp_path / "b")
    assert dump(tmp_path / "a") != dump(tmp_path / "c")
    generate(tmp_path / "c", seed=5, households=30, today=TODAY)
    assert dump(tmp_path / "a") == dump(tmp_path / "c")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b", "c"]


def test_hundreds_of_people_in_every_kind_of_household(town):
    assert town.households == 120
    assert town.people > 200
    people = TownRecords(town.path).find()
    assert len(people) == town.people
    assert {person.household_kind for person in people} == set(KINDS)
    assert len({person.subject for person in people}) == len(people)


def test_papers_agree_and_show_what_the_kinds_promise(papers):
    assert contradictions(papers, TODAY) == []
    homes = [own["resident.household"] for own in papers.values() if "resident.household" in own]
    relations = {one["relation"] for home in homes for one in home["members"]}
    assert relations >= {"head", "spouse", "child", "spouses_child", "mother"}
    assert relations & {"grandchild", "daughters_child"}
    assert any(home["cohabitants"] for home in homes)
    assert any(home["foreignMembers"] for home in homes)
    assert {home["household"]["registerState"] for home in homes} == {
        "resident", "residence_unknown", "deleted", "overseas",
    }  # fmt: skip
    roles = {row["role"] for own in papers.values() for row in own.get("family.relations", {}).get("relatives", ())}
    assert {"birth_mother", "spouse", "child"} <= roles
    assert any(own["family.basic"].get("death") for own in papers.values() if "family.basic" in own)
    assert any(own["family.basic"]["custody"] for own in papers.values() if "family.basic" in own)


def test_every_record_issues_in_every_variant(papers):
    catalog = {code: Catalog.builtin()[code] for code in CODES}
    issued = set()
    for own in papers.values():
        for code, record in own.items():
            for variant in [one.id for one in catalog[code].variants] or [None]:
                claims = catalog[code].issue(record, variant=variant, options={}, issued_on=TODAY)
                assert claims["issuedOn"] == TODAY.isoformat()
                issued.add((code, variant))
    assert {code for code, _ in issued} == set(CODES)


def test_every_record_issues_with_everything_the_options_can_add(papers):
    catalog = {code: Catalog.builtin()[code] for code in CODES}
    wide = {
        "addressHistory": "all",
        "rrnBack": "all",
        "changeReasons": "all",
        "cohabitants": True,
        "formationDate": True,
    }
    own = {"addressHistory": "all", "rrnBack": True, "changeReasons": True, "military": "all", "personalChanges": True,
           "historyHouseholder": True, "dates": True}  # fmt: skip
    for record in papers.values():
        if "resident.household" in record:
            catalog["resident.household"].issue(
                record["resident.household"], variant=None, options=wide, issued_on=TODAY
            )
        if "resident.personal" in record:
            catalog["resident.personal"].issue(record["resident.personal"], variant=None, options=own, issued_on=TODAY)


@pytest.mark.parametrize("households", [30, 120])
def test_a_demo_person_can_get_every_kind(tmp_path, households):
    generate(tmp_path / "t.db", seed=20, households=households, today=TODAY)
    records = TownRecords(tmp_path / "t.db")
    first = records.find(kind="couple_children", minimum=3)[0]
    assert isinstance(first, Person)
    assert isinstance(first, Subject)
    assert first.head
    assert first.household_size >= 3
    assert first.name not in repr(first)
    assert all(records.fetch(code, first.subject, at=AT) for code in CODES)


def test_a_record_is_the_same_all_day_and_not_the_next(town):
    records = TownRecords(town.path)
    subject = records.find()[0].subject
    late, next_day = datetime(2026, 11, 20, 14, 59, tzinfo=UTC), datetime(2026, 11, 20, 15, tzinfo=UTC)
    record = records.fetch("family.relations", subject, at=AT)
    assert records.fetch("family.relations", subject, at=late) == record
    assert records.fetch("family.relations", subject, at=next_day) != record


def test_unknown_subjects_and_papers_that_do_not_apply_look_alike(town, papers):
    records = TownRecords(town.path)
    child = next(subject for subject, own in papers.items() if "tax.clearance" not in own)
    texts = set()
    for subject in ("p-99999", "k-00001", "", child):
        with pytest.raises(RecordError) as caught:
            records.fetch("tax.clearance", subject, at=AT)
        texts.add(str(caught.value))
    assert len(texts) == 1
    with pytest.raises(RecordError):
        records.fetch("work.career", child, at=AT)
    with pytest.raises(ValueError, match="time zone"):
        records.fetch("tax.clearance", child, at=AT.replace(tzinfo=None))
    with pytest.raises(ValueError, match="no such kind"):
        records.find(kind="castle")


def test_no_file_and_no_households_are_refused(tmp_path):
    with pytest.raises(RecordError):
        TownRecords(tmp_path / "none.db")
    with pytest.raises(ValueError, match="2020"):
        generate(tmp_path / "t.db", seed=1, households=1, today=date(2019, 12, 31))
    with pytest.raises(ValueError, match="at least one"):
        generate(tmp_path / "t.db", seed=1, households=0, today=TODAY)


def _head_twice(own):
    own["resident.household"]["members"][1]["relation"] = "head"


def _stranger(own):
    own["resident.household"]["members"][-1]["relation"] = "child"
    own["family.relations"]["relatives"] = [r for r in own["family.relations"]["relatives"] if r["role"] != "child"]


def _other_spouse(own):
    own["family.marriage"]["spouse"]["name"] += "별"


def _wrong_sex(own):
    subject = own["family.relations"]["subject"]
    subject["sex"] = "female" if subject["sex"] == "male" else "male"


def _late_move(own):
    own["resident.personal"]["currentAddress"]["movedInOn"] = date(1901, 1, 1)


def _renamed(own):
    own["family.basic"]["nameChanges"] = [{"permittedOn": TODAY, "court": "가상", "from": "가", "to": "나"}]


def test_a_forgotten_custody_is_found(town, papers):
    subject = next(
        one.subject
        for one in TownRecords(town.path).find(kind="single_parent")
        if papers[one.subject]["family.basic"]["custody"]
    )
    spoiled = dict(papers)
    spoiled[subject] = copy.deepcopy(papers[subject])
    spoiled[subject]["family.basic"]["custody"] = []
    assert any("divorce" in text for text in contradictions(spoiled, TODAY))


@pytest.mark.parametrize("spoil", [_head_twice, _stranger, _other_spouse, _wrong_sex, _late_move, _renamed])
def test_a_contradiction_is_found(town, papers, spoil):
    subject = TownRecords(town.path).find(kind="couple_children", minimum=3)[0].subject
    spoiled = dict(papers)
    spoiled[subject] = copy.deepcopy(papers[subject])
    spoil(spoiled[subject])
    assert any(text.startswith(subject) for text in contradictions(spoiled, TODAY))
