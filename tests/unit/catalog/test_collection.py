"""Finding types, and that adding a kind is adding one file."""

import subprocess
import sys
from datetime import date

import pytest

from vcred.catalog import Catalog, lint
from vcred.errors import CatalogError
from vcred.formats.base import LabelMap

FULL = {
    "resident.household", "resident.personal", "family.relations", "family.basic", "family.marriage",
    "id.resident_mobile", "id.e_citizen", "tax.clearance", "tax.income", "nhis.eligibility_history",
    "edu.enrolment", "seal.signature",
}  # fmt: skip
BASIC = {
    "family.jejeok", "seal.personal", "edu.graduation", "qual.national_tech", "work.career", "work.employment",
    "housing.lease_fixed_date", "welfare.disability", "id.driver_mobile", "id.foreigner_mobile",
}  # fmt: skip

LIBRARY = """
code = "club.library"
vct = "urn:vcred:kr:club.library:1"
doctype = "kr.vcred.club.library.1"
depth = "basic"
name = { ko = "도서관 회원증", en = "Library card" }
description = { ko = "도서관 회원임을 증명합니다.", en = "Is a member of the library." }
authority = { ko = "가람도서관(가상)", en = "Garam Library (fictitious)" }
legal_basis = "도서관 이용 규칙"
formats = ["dc+sd-jwt", "sd-cwt"]
lifetime_days = 365
freshness_days = 365
holder_binding = "required"
status = { suspendable = true, max_age_hours = 168 }
retired_labels = []
sample_date = 2026-08-20
claims = [
  { path = "name", type = "string", label = 3, ko = "성명", en = "Name" },
  { path = "sex", type = "code", codes = "sex", cardinality = "0..1", label = 4, ko = "성별", en = "Sex" },
  { path = "loans", type = "object", cardinality = "0..n", sensitivity = "sensitive", label = 5, ko = "대출", en = "Loans" },
  { path = "loans[].title", type = "string", sensitivity = "sensitive", label = 0, ko = "제목", en = "Title" },
  { path = "loans[].on", type = "date", label = 1, ko = "대출일", en = "Lent on" },
]

[[options]]
id = "loans"
label = 0
name = { ko = "대출 내역", en = "Loans" }
default = false
when_false = [{ do = "drop", claim = "loans" }]

[sample]
name = "김가람"
loans = [{ title = "토지", on = 2026-07-01 }]
"""


def test_the_twelve_full_and_ten_basic_kinds_are_there():
    catalog = Catalog.builtin()
    assert set(catalog) == FULL | BASIC
    assert {kind.code for kind in catalog.types() if kind.depth == "full"} == FULL
    assert len(catalog) == 22


def test_built_in_names_follow_one_pattern():
    for kind in Catalog.builtin().types():
        assert kind.vct == f"urn:vcred:kr:{kind.code}:1"
        assert kind.namespace == f"kr.vcred.{kind.code}.1"
        assert kind.file == f"{kind.code.replace('.', '/')}.toml"


def test_an_unknown_code_is_a_catalogue_error():
    with pytest.raises(CatalogError, match="no such certificate type"):
        Catalog.builtin()["resident.nothing"]
    assert "resident.nothing" not in Catalog.builtin()


def test_types_are_found_by_vct():
    catalog = Catalog.builtin()
    assert catalog.by_vct("urn:vcred:kr:tax.income:1") is catalog["tax.income"]
    assert catalog.by_vct("urn:vcred:kr:tax.income:2") is None
    assert catalog.by_vct("urn:vcred:kr:../../x:1") is None
    assert catalog.by_vct("") is None
    assert catalog.labels("urn:vcred:kr:nothing:1") is None


def test_labels_are_nested_and_give_cheap_numbers():
    labels = Catalog.builtin().labels("urn:vcred:kr:resident.household:1")
    assert labels.labels["issuedOn"] == (0, None)
    number, members = labels.labels["members"]
    assert number < 24
    assert members.labels["rrn"][1].names[2] == ("serial", None)
    assert labels.labels["options"][1].labels["rrnBack"][0] < 24


def every_label(labels: LabelMap):
    for label, below in labels.labels.values():
        yield label
        if below:
            yield from every_label(below)


def test_every_label_costs_one_byte():
    for kind in Catalog.builtin().types():
        assert all(0 <= label < 24 for label in every_label(kind.labels))


def test_adding_a_kind_is_adding_one_file(tmp_path):
    (tmp_path / "library.toml").write_text(LIBRARY, "utf-8")
    assert lint([tmp_path]) == []
    catalog = Catalog.load(tmp_path) | Catalog.builtin()
    kind = catalog.by_vct("urn:vcred:kr:club.library:1")
    tree = kind.issue(
        {"name": "박새솔", "sex": "female"}, variant=None, options={"loans": True}, issued_on=date(2026, 9, 1)
    )
    assert tree["loans"].value == []
    assert tree["sex"].value == "female"
    assert kind.type_metadata()["vct"] == "urn:vcred:kr:club.library:1"
    assert len(catalog) == 23


def test_two_files_of_one_code_are_refused(tmp_path):
    (tmp_path / "a.toml").write_text(LIBRARY, "utf-8")
    (tmp_path / "b.toml").write_text(LIBRARY, "utf-8")
    with pytest.raises(CatalogError, match="already described"):
        Catalog.load(tmp_path)
    with pytest.raises(CatalogError, match="already described"):
        _ = Catalog.builtin() | Catalog.builtin()


def test_a_file_without_a_code_or_that_cannot_be_read_is_refused(tmp_path):
    (tmp_path / "a.toml").write_text("x = 1", "utf-8")
    with pytest.raises(CatalogError, match="code"):
        Catalog.load(tmp_path)
    with pytest.raises(CatalogError, match="cannot be read"):
        Catalog.load(tmp_path / "missing.toml")
    (tmp_path / "empty").mkdir()
    with pytest.raises(CatalogError, match="no type file"):
        Catalog.load(tmp_path / "empty")


def test_a_code_that_only_looks_like_the_first_is_refused():
    law = 'legal_basis = """\ncode = "club.other"\n"""\n'
    text = law + LIBRARY.replace('legal_basis = "도서관 이용 규칙"', "")
    catalog = Catalog.from_texts({"a.toml": text})
    with pytest.raises(CatalogError, match=r"code: must be club\.other"):
        catalog["club.other"]


def test_texts_carry_a_catalogue_elsewhere():
    built_in = Catalog.builtin()
    copied = Catalog.from_texts(built_in.texts())
    assert set(copied) == set(built_in)
    for code in copied:
        assert copied[code].type_metadata() == built_in[code].type_metadata()
        assert copied[code].claims == built_in[code].claims


def test_own_code_lists_travel_with_the_texts():
    codes = '[codes.sex]\nvalues = [{ id = "x", ko = "엑스", en = "x" }]\n'
    kind = Catalog.from_texts({"codes.toml": codes, "library.toml": LIBRARY})["club.library"]
    assert [value.id for value in kind.claims[1].codes.values] == ["x"]


def test_importing_and_listing_read_no_file():
    program = (
        "import sys, vcred.catalog\nassert 'vcred.catalog.types' not in sys.modules\n"
        "from vcred.catalog import Catalog\ncatalog = Catalog.builtin()\nassert len(list(catalog)) == 22\n"
        "assert 'tomllib' not in sys.modules and 'vcred.catalog.loader' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_the_public_names_are_there_and_no_other():
    import vcred.catalog

    for name in vcred.catalog.__all__:
        assert getattr(vcred.catalog, name) is not None
    with pytest.raises(AttributeError):
        _ = vcred.catalog.Nothing
