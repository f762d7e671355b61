"""Strict reading of type files: every mistake is found, with its file and path."""

import pytest

from vcred.catalog import Catalog
from vcred.catalog.loader import MAX_FILE, read_codes, read_type
from vcred.errors import CatalogError

FILE = "club/member.toml"
GOOD = """
code = "club.member"
vct = "urn:vcred:kr:club.member:1"
doctype = "kr.vcred.club.member.1"
depth = "basic"
name = { ko = "회원증", en = "Membership" }
description = { ko = "회원임을 증명합니다.", en = "Is a member." }
authority = { ko = "모임", en = "The club" }
legal_basis = "회칙 제1조"
formats = ["dc+sd-jwt", "sd-cwt"]
lifetime_days = 365
freshness_days = 90
holder_binding = "required"
status = { suspendable = true, max_age_hours = 168 }
retired_labels = ["#9", "rows#7", "options#5"]
sample_date = 2026-08-20
claims = [
  { path = "name", type = "string", label = 3, ko = "성명", en = "Name" },
  { path = "rrn", type = "rrn", cardinality = "0..1", sensitivity = "identifier", label = 4, ko = "번호", en = "Number" },
  { path = "rows", type = "object", cardinality = "0..n", label = 5, ko = "줄", en = "Rows" },
  { path = "rows[].own", type = "boolean", disclosure = "always", label = 0, ko = "본인", en = "Own" },
  { path = "rows[].rank", type = "code", codes = "rank", label = 1, ko = "등급", en = "Rank" },
  { path = "rows[].on", type = "date", cardinality = "0..1", label = 2, ko = "날짜", en = "Date" },
]
facts = [{ path = "rows[].note", type = "string" }]

[codes.rank]
values = [{ id = "gold", ko = "금", en = "gold" }, { id = "silver", ko = "은", en = "silver", valid_to = 2026-12-31 }]

[[options]]
id = "rank"
label = 0
name = { ko = "등급", en = "Rank" }
default = "all"
values = [
  { id = "all", ko = "모두", en = "All" },
  { id = "own", ko = "본인", en = "Own", effects = [{ do = "drop", claim = "rows[].rank", where = { own = false } }] },
  { id = "years:N", ko = "N년", en = "N years", min = 1, max = 9, effects = [{ do = "newer", claim = "rows", by = "on", years = "N" }] },
]

[sample]
name = "김가람"
rows = [{ own = true, rank = "gold", on = 2026-01-01 }]
"""
SHARED = {}


def mistakes(text):
    kind, errors = read_type(text, FILE, SHARED)
    assert (kind is None) is bool(errors)
    return errors


def swap(old, new):
    assert old in GOOD
    return GOOD.replace(old, new, 1)


def test_a_good_file_is_read():
    assert mistakes(GOOD) == []


CASES = {
    "not TOML": ("code = ", "code == ", ""),
    "unknown key": ('depth = "basic"', 'depth = "basic"\ncolour = "red"', "colour"),
    "unknown key in a claim": ("label = 3, ko", "label = 3, color = 1, ko", "claims.name.color"),
    "unknown depth": ('depth = "basic"', 'depth = "deep"', "depth"),
    "missing English": ('name = { ko = "회원증", en = "Membership" }', 'name = { ko = "회원증" }', "name.en"),
    "missing Korean": ('ko = "성명", en = "Name" }', 'en = "Name" }', "claims.name.ko"),
    "bad code": ('code = "club.member"', 'code = "Club"', "code"),
    "bad vct": ('vct = "urn:vcred', 'vct = "http:vcred', "vct"),
    "bad doctype": ('doctype = "kr.vcred.club.member.1"', 'doctype = "club"', "doctype"),
    "unknown format": ('"sd-cwt"]', '"pdf"]', "formats"),
    "lifetime as text": ("lifetime_days = 365", 'lifetime_days = "365"', "lifetime_days"),
    "lifetime of nothing": ("lifetime_days = 365", "lifetime_days = 0", "lifetime_days"),
    "binding optional": ('holder_binding = "required"', 'holder_binding = "optional"', "holder_binding"),
    "no status": ("status = {", "state = {", "status.suspendable"),
    "suspendable unsaid": ("suspendable = true, ", "", "status.suspendable"),
    "suspendable as text": ("suspendable = true", 'suspendable = "yes"', "status.suspendable"),
    "status of no age": ("max_age_hours = 168", "max_age_hours = 0", "status.max_age_hours"),
    "unknown key of status": ("max_age_hours = 168", "max_age_hours = 168, bits = 2", "status.bits"),
    "no sample": ("[sample]", "[example]", "sample"),
    "no sample date": ("sample_date = 2026-08-20", "", "sample_date"),
    "sample date as text": ("sample_date = 2026-08-20", 'sample_date = "2026-08-20"', "sample_date"),
    "unknown type": ('type = "date"', 'type = "day"', "claims.rows[].on.type"),
    "unknown cardinality": ('cardinality = "0..n"', 'cardinality = "2"', "claims.rows.cardinality"),
    "unknown sensitivity": ('sensitivity = "identifier"', 'sensitivity = "secret"', "claims.rrn.sensitivity"),
    "negative label": ("label = 3", "label = -3", "claims.name.label"),
    "label twice": ("label = 4", "label = 3", "claims.rrn"),
    "label of issuedOn": ("label = 3", "label = 0", "claims.name"),
    "retired label": ("label = 3", "label = 9", "claims.name"),
    "retired label below": ("label = 2, ko", "label = 7, ko", "claims.rows[].on"),
    "retired label of an option": ('id = "rank"\nlabel = 0', 'id = "rank"\nlabel = 5', "options.rank"),
    "JWT name": ('path = "name"', 'path = "status"', "claims.status"),
    "name of every type": ('path = "name"', 'path = "options"', "claims.options"),
    "not camelCase": ('path = "name"', 'path = "Name"', "claims.Name"),
    "one element": ('path = "rows[].on"', 'path = "rows[0].on"', "claims[5].path"),
    "no path": ('path = "name", ', "", "claims[0].path"),
    "described twice": ('path = "rows[].on"', 'path = "rows[].own"', "claims.rows[].own"),
    "no object above": ('path = "rows[].on"', 'path = "lines[].on"', "claims.lines[].on"),
    "row without brackets": ('path = "rows[].on"', 'path = "rows.on"', "claims.rows.on"),
    "object without claims": ('path = "name", type = "string"', 'path = "name", type = "object"', "claims.name"),
    "code without list": ('codes = "rank", ', "", "claims.rows[].rank"),
    "unknown list": ('codes = "rank", ', 'codes = "ranks", ', "claims.rows[].rank.codes"),
    "plain number": ('sensitivity = "identifier"', 'sensitivity = "identifier", disclosure = "always"', "claims.rrn"),
    "number not an identifier": ('sensitivity = "identifier"', 'sensitivity = "personal"', "claims.rrn"),
    "array of numbers": ('type = "rrn", cardinality = "0..1"', 'type = "rrn", cardinality = "0..n"', "claims.rrn"),
    "personal and plain": ('path = "name", ', 'path = "name", disclosure = "always", ', "claims.name"),
    "sensitive along with a row": (
        '"boolean", disclosure = "always"',
        '"boolean", disclosure = "always", sensitivity = "sensitive"',
        "claims.rows[].own",
    ),
    "derived from nothing": (
        'path = "name", type = "string"',
        'path = "name", type = "boolean", cardinality = "0..1", derive = "age_over:19:birthDate"',
        "claims.name",
    ),
    "derivation unknown": (
        'path = "name", type = "string"',
        'path = "name", type = "boolean", derive = "age"',
        "claims.name.derive",
    ),
    "derived and required": (
        'path = "name", type = "string"',
        'path = "name", type = "boolean", derive = "age_over:19:rrn"',
        "claims.name",
    ),
    "codes_at no date": ('codes = "rank"', 'codes = "rank", codes_at = "own"', "claims.rows[].rank"),
    "fact nowhere": ('path = "rows[].note"', 'path = "lines[].note"', "facts.lines[].note"),
    "fact is a claim": ('path = "rows[].note"', 'path = "rows[].own"', "facts.rows[].own"),
    "code twice": ('id = "silver"', 'id = "gold"', "codes.rank.values"),
    "code with a space": ('id = "silver"', 'id = "sil ver"', "codes.rank.values[1].id"),
    "dates the wrong way": (
        "valid_to = 2026-12-31",
        "valid_to = 2026-12-31, valid_from = 2027-01-01",
        "codes.rank.values[1].valid_to",
    ),
    "unknown effect": ('do = "drop"', 'do = "hide"', "options[0].values[1].effects[0].do"),
    "effect on nothing": ('claim = "rows[].rank"', 'claim = "rows[].note"', "options.rank"),
    "condition on nothing": ("where = { own = false }", "where = { other = false }", "options.rank"),
    "condition a verifier cannot see": ("where = { own = false }", 'where = { on = "2020-01-01" }', "options.rank"),
    "condition on a fact": ("where = { own = false }", 'where = { note = "x" }', "options.rank"),
    "condition of a strange type": (
        "where = { own = false }",
        "where = { own = 1.5 }",
        "options[0].values[1].effects[0].where.own",
    ),
    "newer by no date": ('by = "on"', 'by = "own"', "options.rank"),
    "newer of no rows": ('do = "newer", claim = "rows"', 'do = "newer", claim = "name"', "options.rank"),
    "N without a number": ('id = "years:N"', 'id = "years"', "options[0].values[2].effects[0].years"),
    "min above max": ("min = 1, max = 9", "min = 9, max = 1", "options.rank"),
    "default unknown": ('default = "all"', 'default = "none"', "options.rank"),
    "default with N": ('default = "all"', 'default = "years:N"', "options.rank"),
    "option of no variant": ('default = "all"', 'default = "all"\nvariants = ["long"]', "options.rank"),
    "coarser than the list": (
        'do = "newer", claim = "rows", by = "on", years = "N"',
        'do = "coarsen", claim = "rows[].rank", keep = ["gold"], otherwise = "tin"',
        "options.rank",
    ),
    "rows without a condition": (
        'do = "newer", claim = "rows", by = "on", years = "N"',
        'do = "keep_rows", claim = "rows"',
        "options[0].values[2].effects[0].where",
    ),
    "compared with an unknown word": (
        'do = "newer", claim = "rows", by = "on", years = "N"',
        'do = "drop_rows", claim = "rows", where = { rank = "tin" }',
        "options.rank",
    ),
    "condition outside rows": ('claim = "rows[].rank", where', 'claim = "name", where', "options.rank"),
    "always on top": (
        'path = "rows", type = "object", cardinality = "0..n"',
        'path = "rows", type = "object", cardinality = "0..n", sensitivity = "document", disclosure = "always"',
        "claims.rows",
    ),
    "derivation with a wild number": (
        'path = "name", type = "string"',
        'path = "name", type = "boolean", derive = "age_over:999:rrn"',
        "claims.name.derive",
    ),
    "derived from the wrong kind": (
        'path = "name", type = "string"',
        'path = "name", type = "boolean", cardinality = "0..1", derive = "age_over:19:rows"',
        "claims.name",
    ),
    "derived into the wrong kind": (
        'path = "name", type = "string"',
        'path = "name", type = "string", cardinality = "0..1", derive = "age_over:19:rrn"',
        "claims.name",
    ),
    "texts twice": ('retired_labels = ["#9", ', 'retired_labels = ["#9", "#9", ', "retired_labels"),
    "texts that are numbers": ('retired_labels = ["#9", ', "retired_labels = [9, ", "retired_labels"),
    "values twice": ('id = "own", ko', 'id = "all", ko', "options.rank"),
}


@pytest.mark.parametrize("case", CASES)
def test_a_mistake_is_reported_with_file_and_path(case):
    old, new, path = CASES[case]
    errors = mistakes(swap(old, new))
    assert errors, "the mistake was not found"
    assert all(error.file == FILE for error in errors)
    assert path in [error.path for error in errors]
    assert all(error.detail for error in errors)


def test_every_mistake_is_reported_not_the_first():
    text = swap('depth = "basic"', 'depth = "deep"').replace("lifetime_days = 365", "lifetime_days = -1")
    assert [error.path for error in mistakes(text)] == ["depth", "lifetime_days"]


def test_options_have_their_own_ids_and_labels():
    again = '[[options]]\nid = "rank"\nlabel = 0\nname = { ko = "또", en = "Again" }\ndefault = true\nwhen_false = []\n'
    assert [error.path for error in mistakes(GOOD.replace("[sample]", again + "\n[sample]"))] == ["options", "options"]


def test_one_variant_is_no_choice():
    text = GOOD.replace("[sample]", '[[variants]]\nid = "general"\nname = { ko = "일반", en = "General" }\n\n[sample]')
    assert [error.path for error in mistakes(text)] == ["variants"]


def test_a_huge_or_deep_file_is_refused():
    assert "larger" in mistakes(GOOD + "#" * MAX_FILE)[0].detail
    assert mistakes(f"a = {'[' * 5000}{']' * 5000}")


@pytest.mark.parametrize(
    "text",
    [
        "claims = 1",
        "claims = [1]",
        "options = {}",
        'name = "x"',
        "codes = 1",
        "[codes.x]\nvalues = 3",
        "[[options]]\nvalues = [4]",
        "[[variants]]\neffects = [1]",
    ],
)
def test_wrong_shapes_are_mistakes_not_crashes(text):
    assert mistakes(text)


def test_a_broken_code_list_file_is_refused():
    with pytest.raises(CatalogError, match=r"codes\.toml: codes\.x\.values"):
        read_codes("[codes.x]\nvalues = []", "codes.toml")


def test_the_catalogue_raises_what_the_loader_finds():
    catalog = Catalog.from_texts({FILE: swap('depth = "basic"', 'depth = "deep"')})
    with pytest.raises(CatalogError) as caught:
        catalog["club.member"]
    assert (caught.value.file, caught.value.path) == (FILE, "depth")
