"""Names of another standard in a type file: what is read, and what could not be written or would be untrue."""

import pytest

from vcred.catalog import Catalog, lint
from vcred.catalog.loader import read_type

KIND = """
code = "club.card"
vct = "urn:vcred:kr:club.card:1"
doctype = "org.example.card.1"
namespace = "kr.vcred.club.card.1"
depth = "basic"
name = { ko = "회원증", en = "Membership" }
description = { ko = "회원임을 증명합니다.", en = "Is a member." }
authority = { ko = "모임", en = "The club" }
legal_basis = "회칙 제1조"
formats = ["mso_mdoc"]
lifetime_days = 365
freshness_days = 90
holder_binding = "required"
status = { suspendable = true, max_age_hours = 168 }
sample_date = 2026-08-20
claims = [
  { path = "name", type = "string", label = 3, mdoc = { namespace = "org.example.1", element = "family_name" }, ko = "성명", en = "Name" },
  { path = "birthDate", type = "birthdate", label = 4, ko = "생년월일", en = "Birth date" },
  { path = "ageOver19", type = "boolean", derive = "age_over:19:birthDate", cardinality = "0..1", label = 5, mdoc = { namespace = "org.example.1", element = "age_over_19" }, ko = "만 19세 이상", en = "19 or over" },
  { path = "rank", type = "code", codes = "rank", label = 6, mdoc = { namespace = "org.example.1", element = "rank", values = { gold = 1, silver = "S" } }, ko = "등급", en = "Rank" },
  { path = "rows", type = "object", cardinality = "0..n", label = 7, ko = "줄", en = "Rows" },
  { path = "rows[].on", type = "date", label = 0, ko = "날짜", en = "Date" },
]
[codes.rank]
values = [{ id = "gold", ko = "금", en = "gold" }, { id = "silver", ko = "은", en = "silver" }]
[sample]
name = "김가람"
birthDate = "1980-05-15"
rank = "gold"
rows = []
"""
NAMED = 'mdoc = { namespace = "org.example.1", element = "%s" }'


def read(text):
    return read_type(text, "club/card.toml", {})


def test_names_are_read():
    kind, errors = read(KIND)
    assert not errors
    assert (kind.doctype, kind.namespace) == ("org.example.card.1", "kr.vcred.club.card.1")
    rank = next(spec for spec in kind.claims if spec.key == "rank")
    assert (rank.mdoc.namespace, rank.mdoc.name, rank.mdoc.values) == (
        "org.example.1",
        "rank",
        {"gold": 1, "silver": "S"},
    )
    assert kind.claims[1].mdoc is None


def test_without_a_namespace_the_document_type_is_it():
    kind = Catalog.builtin()["tax.income"]
    assert kind.namespace == kind.doctype == "kr.vcred.tax.income.1"


@pytest.mark.parametrize(
    ("old", "new", "path", "says"),
    [
        ('namespace = "kr.vcred.club.card.1"\n', "", "namespace", "need one beside it"),
        ('doctype = "org.example.card.1"', 'doctype = "kr.vcred.club.1"', "namespace", "is its own namespace"),
        ('namespace = "kr.vcred.club.card.1"', 'namespace = "org.iso.23220.1"', "namespace", "take one of your own"),
        ('element = "age_over_19"', 'element = "family_name"', "claims.ageOver19.mdoc", "another claim already"),
        ('"org.example.1", element = "rank"', '"kr.vcred.club.card.1", element = "rank"', "claims.rank.mdoc", "own"),
        ('element = "age_over_19"', 'element = "age_over_18"', "claims.ageOver19.mdoc", "age_over:18"),
        ("age_over:19:birthDate", "year_age_over:19:birthDate", "claims.ageOver19.mdoc", "age_over:19"),
        ('element = "rank"', 'element = "age_over_19"', "claims.rank.mdoc", "full age"),
        (', silver = "S"', "", "claims.rank.mdoc", "each code"),
        ('silver = "S"', "silver = 1", "claims.rank.mdoc", "two codes"),
        ('silver = "S"', "silver = true", "claims.rank.mdoc.values.silver", "text or a whole number"),
        ('silver = "S"', 'silver = ""', "claims.rank.mdoc.values.silver", "text or a whole number"),
        ('element = "rank"', 'element = "Rank"', "claims.rank.mdoc.element", "small letters"),
        ('element = "rank"', 'element = "rank", extra = 1', "claims.rank.mdoc.extra", "not known"),
        ('"org.example.1", element = "rank"', '"example", element = "rank"', "claims.rank.mdoc.namespace", "dotted"),
        ('type = "date", label = 0', 'type = "date", label = 0, ' + NAMED % "on", "claims.rows[].on.mdoc", "single value"),
        ('type = "object"', 'type = "object", ' .replace("\n", "") + NAMED % "r" , "claims.rows.mdoc", "single value"),
        ('codes = "rank", label = 6', 'codes = "rank", cardinality = "0..n", label = 6', "claims.rank.mdoc", "single value"),
    ],
)  # fmt: skip
def test_what_could_not_be_written_is_a_mistake(old, new, path, says):
    assert old in KIND
    kind, errors = read(KIND.replace(old, new, 1))
    assert kind is None
    assert any(error.path == path and says in error.detail for error in errors), errors


def test_two_types_may_share_a_document_type_and_no_namespace(tmp_path):
    other = KIND.replace("club.card", "club.other")
    (tmp_path / "a.toml").write_text(KIND, encoding="utf-8")
    (tmp_path / "b.toml").write_text(other, encoding="utf-8")
    assert lint([tmp_path]) == []
    assert [kind.code for kind in Catalog.load(tmp_path).called("org.example.card.1")] == ["club.card", "club.other"]
    (tmp_path / "b.toml").write_text(other.replace("kr.vcred.club.other.1", "kr.vcred.club.card.1"), encoding="utf-8")
    assert [error.path for error in lint([tmp_path])] == ["namespace"]


def test_a_type_says_what_formats_it_may_be_in():
    kind, errors = read(KIND.replace('["mso_mdoc"]', '["mso_mdoc", "ldp_vc", "jwt_vc_json"]'))
    assert not errors
    assert kind.formats == ("mso_mdoc", "ldp_vc", "jwt_vc_json")
    for wrong in ("[]", '["mdoc"]', '["mso_mdoc", "mso_mdoc"]', '"mso_mdoc"'):
        kind, errors = read(KIND.replace('["mso_mdoc"]', wrong))
        assert kind is None
        assert "formats" in {error.path for error in errors}


def test_few_built_in_types_are_in_the_formats_of_vcdm_1_1():
    legacy = {"edu.enrolment", "edu.graduation", "qual.national_tech", "work.career", "work.employment"}
    for kind in Catalog.builtin().types():
        assert set(kind.formats) >= {"dc+sd-jwt", "sd-cwt", "mso_mdoc", "vc+jwt", "vc+sd-jwt"}
        assert ({"jwt_vc_json", "ldp_vc"} <= set(kind.formats)) is (kind.code in legacy)
        assert bool({"jwt_vc_json", "ldp_vc"} & set(kind.formats)) is (kind.code in legacy)
