"""A registry in SQL tables: the town by its mapping file, and what a mapping may not be."""

from __future__ import annotations

import sqlite3
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from issuer import RecordSource
from issuer.fictitious import TownRecords, generate
from issuer.sources import SqlRecords, lint_mapping, open_source, read_mapping
from vcred.catalog import Catalog
from vcred.errors import RecordError, SettingsError, StoreError
from vcred.testing.contracts import check_record_source

AT = datetime(2026, 9, 26, 3, tzinfo=UTC)
CATALOG = Catalog.builtin()
EXAMPLE = Path(__file__).parents[3] / "examples" / "town_mapping.toml"
MAPPED = ("resident.household", "nhis.eligibility_history", "tax.clearance", "edu.enrolment")


@pytest.fixture(scope="module")
def town(tmp_path_factory):
    path = tmp_path_factory.mktemp("town") / "town.db"
    generate(path, seed=3, households=30, today=date(2026, 9, 26))
    return path


@pytest.fixture(scope="module")
def records(town):
    source = SqlRecords(read_mapping(EXAMPLE, CATALOG), url=f"sqlite:///{town}")
    yield source
    source.close()


@pytest.mark.parametrize("code", MAPPED)
def test_the_mapped_town_keeps_the_contract_for_everybody_who_has_the_paper(records, town, code):
    assert isinstance(records, RecordSource)
    people, found = TownRecords(town).find(), 0
    for person in people:
        try:
            records.fetch(code, person.subject, at=AT)
        except RecordError:
            continue
        found += 1
        if found <= 3:
            check_record_source(records, code, person.subject, AT)
        else:
            kind = CATALOG[code]
            kind.issue(
                records.fetch(code, person.subject, at=AT), variant=None, options={}, issued_on=date(2026, 9, 26)
            )
    assert found > 3


def test_a_household_is_the_one_that_the_town_itself_tells_of(records, town):
    kind, compared = CATALOG["resident.household"], 0
    for person in TownRecords(town).find():
        try:
            own = TownRecords(town).fetch(kind.code, person.subject, at=AT)
        except RecordError:
            with pytest.raises(RecordError):
                records.fetch(kind.code, person.subject, at=AT)
            continue
        own["document"].pop("docVerificationNo")
        for foreign in own["foreignMembers"]:
            foreign.pop("nameHangul")
        everything = {"addressHistory": "all", "changeReasons": "all", "rrnBack": "all", "cohabitants": True}
        made = [
            kind.issue(record, variant=None, options=everything, issued_on=date(2026, 9, 26))
            for record in (own, records.fetch(kind.code, person.subject, at=AT))
        ]
        assert made[0] == made[1]
        compared += 1
    assert compared > 20


def test_nothing_can_be_written_through_it(town, tmp_path):
    text = EXAMPLE.read_text(encoding="utf-8").replace(
        "SELECT person.id, person.name, person.birth, member",
        "WITH x AS (SELECT 1) DELETE FROM person WHERE id = :subject --",
    )
    file = tmp_path / "m.toml"
    file.write_text(text, encoding="utf-8")
    source = SqlRecords(read_mapping(file, CATALOG), url=f"sqlite:///{town}")
    with pytest.raises(StoreError) as refused:
        source.fetch("resident.household", "p-00001", at=AT)
    source.close()
    assert "p-00001" not in str(refused.value)
    with sqlite3.connect(town) as db:
        assert db.execute("SELECT count(*) FROM person WHERE id = 'p-00001'").fetchone() == (1,)
    db.close()


@pytest.mark.parametrize("subject", ["' OR 1=1 --", "p-00001' --", "", "\0", "x" * 1000, "%", "p-0000_"])
def test_a_subject_is_a_value_and_never_a_part_of_a_statement(records, subject):
    with pytest.raises(RecordError) as refused:
        records.fetch("resident.household", subject, at=AT)
    assert str(refused.value) == "nothing of this kind can be certified"


def _table(file, text, rows):
    with sqlite3.connect(file) as db:
        db.execute(f"CREATE TABLE card ({text})")
        db.executemany(f"INSERT INTO card VALUES ({', '.join('?' * len(rows[0]))})", rows)
    db.close()


_SHORT = """
format = 1
source = "sql"
[database]
url = "sqlite:///{file}"
[codes.states]
"10" = "enrolled"
[types."edu.enrolment"]
table = "card"
key = "no"
empty = ["rrn", "purpose", "document.docVerificationNo"]
[types."edu.enrolment".claims]
school = {{ value = "가람대학교 (가상)" }}
name = "NAME"
birthDate = "born"
grade = {{ value = "2학년" }}
admittedOn = "entered"
state = {{ from = "state", codes = "states" }}
document.issueNo = {{ sql = "'99-' || no" }}
document.issuingAuthority = {{ value = "가람대학교총장 (가상)" }}
"""


def test_what_registries_write_their_own_way_is_put_right(tmp_path):
    db, file = tmp_path / "cards.db", tmp_path / "m.toml"
    _table(
        db,
        "no INTEGER, NAME TEXT, born TEXT, entered TEXT, state TEXT",
        [(7, "김가람   ", "20040302", "", "10"), (8, "박", "20040302", "20240302", "99")],
    )
    file.write_text(_SHORT.format(file=db), encoding="utf-8")
    source = open_source(str(file), catalog=CATALOG, http=None)
    source.check()
    record = source.fetch("edu.enrolment", "7", at=AT)
    assert record["name"] == "김가람"
    assert record["birthDate"] == "2004-03-02"
    assert record["state"] == "enrolled"
    assert record["document"]["issueNo"] == "99-7"
    assert record.get("admittedOn") is None
    check_record_source(source, "edu.enrolment", "7", AT)
    with pytest.raises(RecordError, match="state: the registry has a code that its mapping does not know") as refused:
        source.fetch("edu.enrolment", "8", at=AT)
    assert "99" not in str(refused.value)
    source.close()


def test_two_rows_for_one_subject_are_nobodys_record(tmp_path):
    db, file = tmp_path / "cards.db", tmp_path / "m.toml"
    _table(db, "no INTEGER, NAME TEXT, born TEXT, entered TEXT, state TEXT", [(7, "김", "20040302", "", "10")] * 2)
    file.write_text(_SHORT.format(file=db), encoding="utf-8")
    source = open_source(str(file), catalog=CATALOG, http=None)
    with pytest.raises(RecordError, match="several rows"):
        source.fetch("edu.enrolment", "7", at=AT)
    source.close()


def test_check_names_the_column_that_is_not_there(tmp_path, town):
    file = tmp_path / "m.toml"
    file.write_text(_SHORT.format(file=town), encoding="utf-8")
    source = open_source(str(file), catalog=CATALOG, http=None)
    with pytest.raises(StoreError, match=r"types\.edu\.enrolment: the registry cannot be read"):
        source.check()
    source.close()


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('name = "NAME"', 'nam = "NAME"', "types.edu.enrolment.claims.nam: is not a claim of edu.enrolment"),
        ('name = "NAME"', "", "types.edu.enrolment.claims.name: is missing; this type requires it"),
        ('admittedOn = "entered"', "", "add 'admittedOn' to empty"),
        ('"rrn", ', '"rrn", "name", ', "types.edu.enrolment.empty: name is required"),
        ('"rrn", ', '"rrn", "admittedOn", ', "types.edu.enrolment.claims.admittedOn: is mapped twice"),
        ('"rrn", ', '"rrn", "phone", ', "types.edu.enrolment.empty: phone is not a claim"),
        ('"10" = "enrolled"', '"10" = "studying"', "codes.states: studying is not in the code list enrolment_state"),
        ('codes = "states"', 'codes = "state"', "claims.state.codes: names no table of codes"),
        ('types."edu.enrolment"', 'types."edu.enrolled"', "types.edu.enrolled: there is no such certificate type"),
        ('key = "no"', "", "types.edu.enrolment.key: is missing"),
        ('key = "no"', 'key = "no"\nkye = "no"', "types.edu.enrolment.kye: is not known here"),
        ('key = "no"', 'key = "no"\nof = "x"', "types.edu.enrolment.of: is for rows"),
        ('table = "card"\nkey = "no"', 'query = "DELETE FROM card"', "query: begins with SELECT or WITH"),
        ('table = "card"\nkey = "no"', 'query = "SELECT * FROM card"', "query: never names :subject"),
        ('{{ value = "가람대학교 (가상)" }}', '{{ value = "x", from = "y" }}', "school: has exactly one of"),
        ('source = "sql"', 'source = "ldap"', "source: is one of http, sql"),
        ("format = 1", "format = 2", "format: must be 1"),
        ("url =", "uri =", "database.uri: is not known here"),
        ("[database]", "[database", "not TOML"),
    ],
)  # fmt: skip
def test_a_mapping_that_is_wrong_says_where(tmp_path, old, new, said):
    file = tmp_path / "m.toml"
    text = _SHORT.replace(old, new)
    assert text != _SHORT
    file.write_text(text.format(file="cards.db"), encoding="utf-8")
    assert any(said in one for one in lint_mapping(file, CATALOG)), lint_mapping(file, CATALOG)
    with pytest.raises(SettingsError):
        read_mapping(file, CATALOG)


def test_the_example_is_without_faults():
    assert lint_mapping(EXAMPLE, CATALOG) == []


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("sqlite:////nowhere/town.db", "does not exist"),
        ("nonsense", "not one that SQLAlchemy understands"),
        ("hamster://x", "not one that SQLAlchemy understands"),
    ],
)
def test_a_database_that_cannot_be_is_said_at_the_start(url, said):
    with pytest.raises(SettingsError, match=said):
        SqlRecords(read_mapping(EXAMPLE, CATALOG), url=url)


@pytest.mark.loopback
def test_a_number_as_the_key_works_on_postgresql_and_nothing_is_written_there(tmp_path, postgres):
    import psycopg

    url = postgres.database("cards")
    with psycopg.connect(url.replace("+psycopg", "")) as db:
        db.execute("CREATE TABLE card (no INTEGER, name TEXT, born DATE, entered TIMESTAMP, state CHAR(4))")
        db.execute("INSERT INTO card VALUES (7, '김가람', '2004-03-02', '2024-03-02', '10')")
    file = tmp_path / "m.toml"
    text = _SHORT.format(file="x").replace("sqlite:///x", url).replace('"NAME"', '"name"')
    file.write_text(text, encoding="utf-8")
    source = open_source(str(file), catalog=CATALOG, http=None)
    source.check()
    check_record_source(source, "edu.enrolment", "7", AT)
    source.close()
    writing = text.replace('table = "card"\nkey = "no"', 'query = "WITH gone AS (DELETE FROM card WHERE no = CAST(:subject AS integer) RETURNING *) SELECT * FROM gone"').replace('{ sql = "\'99-\' || no" }', '"no"')  # fmt: skip
    file.write_text(writing, encoding="utf-8")
    source = open_source(str(file), catalog=CATALOG, http=None)
    with pytest.raises(StoreError):
        source.fetch("edu.enrolment", "7", at=AT)
    source.close()
    with psycopg.connect(url.replace("+psycopg", "")) as db:
        assert db.execute("SELECT count(*) FROM card").fetchone() == (1,)
