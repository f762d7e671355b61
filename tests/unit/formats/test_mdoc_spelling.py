"""The 주민등록증 as an mdoc of ISO/IEC 23220: names and values as the standard's readers expect them, and back."""

from __future__ import annotations

from base64 import b64decode, b64encode
from dataclasses import replace
from datetime import date

import pytest

from tests.unit.formats.test_mdoc import AUDIENCE, CONTENT, HOLDER, ISSUED, ISSUER, KEY, NONCE, verified, without_marks
from vcred.catalog import Catalog
from vcred.claims import ClaimPath
from vcred.dcql import Candidate, DcqlQuery, match
from vcred.errors import MalformedError
from vcred.formats._cbor import Tagged, decode
from vcred.formats._mdoc_response import read_received
from vcred.formats._mdoc_spelling import Spelling
from vcred.formats.known import query_reader
from vcred.formats.mdoc import CatalogDoctypes, Mdoc, qr_transcript
from vcred.reasons import ReasonCode as Code

CATALOG = Catalog.builtin()
KIND = CATALOG["id.resident_mobile"]
FORMAT = Mdoc(CatalogDoctypes(CATALOG))
SPELLING = Spelling(KIND)
DAY = date(2026, 9, 26)
DOCTYPE, ISO, OWN = "org.iso.23220.photoid.1", "org.iso.23220.1", "kr.vcred.id.resident_mobile.1"
TAGS = frozenset({0, 24, 1004})


def claims(**changes):
    return KIND.issue(dict(KIND.sample) | changes, variant=None, options={}, issued_on=DAY)


def issued(**changes) -> bytes:
    content = replace(CONTENT, vct=KIND.vct, claims=claims(**changes))
    return FORMAT.issue(content, KEY, ISSUER)


def elements(raw: bytes) -> dict[str, dict[str, object]]:
    """What any reader of mdocs finds, without anything of ours but the codec."""
    (document,) = read_received(raw).documents
    found: dict[str, dict[str, object]] = {}
    for namespace, items in document.name_spaces.items():
        for item in items:
            one = decode(item.raw, "item", max_bytes=100_000, tags=TAGS)
            found.setdefault(namespace, {})[one["elementIdentifier"]] = one["elementValue"]
    return found


def asked(*paths: tuple[str, str], values=None):
    wanted = [{"path": list(path), **({} if values is None else {"values": values})} for path in paths]
    return DcqlQuery.parse(
        {"credentials": [{"id": "a", "format": "mso_mdoc", "meta": {"doctype_value": DOCTYPE}, "claims": wanted}]}
    )


def answers(query: DcqlQuery, **changes) -> tuple[ClaimPath, ...] | None:
    tree = without_marks(claims(**changes))
    one = Candidate(
        id="card",
        format="mso_mdoc",
        types=(DOCTYPE,),
        claims=tree,
        holder_bound=True,
        reads=query_reader("mso_mdoc", KIND, tree),
    )
    found = match(query, [one]).found["a"]
    return found[0].paths if found else None


def test_the_elements_are_those_of_the_standards():
    found = elements(issued())
    assert set(found) == {ISO, OWN}
    assert found[ISO] == {
        "family_name": "김",
        "given_name": "가람",
        "birth_date": Tagged(1004, "1980-05-15"),
        "sex": 1,
        "resident_address": "가람특별시 새솔구 별빛로 12, 101동 1203호 (새솔동)",
        "portrait": b64decode(KIND.sample["photo"].split(",")[1]),
        "age_over_14": True,
        "age_over_18": True,
        "age_over_19": True,
        "age_over_20": True,
        "age_over_60": False,
        "age_over_65": False,
        "issuing_authority_unicode": "가람특별시 새솔구청장 (가상)",
        "issuing_country": "KR",
        "issue_date": Tagged(1004, "2026-08-20"),
        "expiry_date": Tagged(1004, "2029-08-19"),
    }
    assert {"name", "nameHanja", "rrn", "rrn/serial", "yearAgeOver19", "cardState"} <= set(found[OWN])
    assert not {"birthDate", "photo", "ageOver19", "document/cardIssuedOn"} & set(found[OWN])


def test_what_is_read_back_is_what_was_signed():
    opened = FORMAT.open(issued())
    assert opened.vct == KIND.vct
    assert opened.claims == without_marks(claims())


@pytest.mark.parametrize(
    ("rrn", "written", "read"),
    [
        ("400000-1990121", {"birth_date": Tagged(1004, "1940-01-01"), "approximate_mask": "00001111"}, "1940-00-00"),
        ("400500-1990121", {"birth_date": Tagged(1004, "1940-05-01"), "approximate_mask": "00000011"}, "1940-05-00"),
        ("400531-1990121", Tagged(1004, "1940-05-31"), "1940-05-31"),
    ],
)
def test_a_birth_date_that_is_known_in_part_says_which_part(rrn, written, read):
    raw = issued(rrn=rrn)
    assert elements(raw)[ISO]["birth_date"] == written
    assert FORMAT.open(raw).claims["birthDate"] == read


def test_what_the_standard_cannot_say_stays_in_our_namespace():
    picture = "data:image/png;base64,iVBORw0KGgo="
    raw = issued(rrn="400000-1990121", photo=picture, familyName=None)
    found = elements(raw)
    assert not [name for name in found[ISO] if name.startswith("age_over_")]
    assert {"portrait", "family_name"}.isdisjoint(found[ISO])
    assert (found[OWN]["ageOver19"], found[OWN]["photo"], found[OWN]["familyName"]) == (None, picture, None)
    assert FORMAT.open(raw).claims == without_marks(claims(rrn="400000-1990121", photo=picture, familyName=None))


def test_a_picture_whose_base64_is_not_the_shortest_form_stays_as_it_was_signed():
    loose = "data:image/jpeg;base64," + b64encode(b"\xff\xd8\xff\x00").decode().replace("AA==", "AB==")
    raw = issued(photo=loose)
    assert "portrait" not in elements(raw)[ISO]
    assert FORMAT.open(raw).claims["photo"] == loose


def test_a_presentation_shows_one_age_and_hides_the_rest():
    raw = FORMAT.present(
        FORMAT.open(issued()), [ClaimPath(("ageOver19",))], HOLDER, audience=AUDIENCE, nonce=NONCE, issued_at=ISSUED
    )
    assert elements(raw) == {ISO: {"age_over_19": True}, OWN: {"~": {"issuedOn": "2026-09-26"}}}
    assert verified(raw).claims == {"issuedOn": "2026-09-26", "ageOver19": True}


def test_a_query_of_another_reader_is_answered_in_our_names():
    query = asked((ISO, "age_over_19"), (ISO, "issue_date"), (OWN, "rrn/birthDate"))
    assert answers(query) == (
        ClaimPath(("ageOver19",)),
        ClaimPath(("document", "cardIssuedOn")),
        ClaimPath(("rrn", "birthDate")),
    )
    assert DcqlQuery.parse(query.to_json()) == query


@pytest.mark.parametrize(
    "path",
    [
        (ISO, "nationality"),
        (ISO, "ageOver19"),
        (ISO, "age_over_21"),
        (OWN, "ageOver19"),  # it is in the other namespace
        (OWN, "birthDate"),
        ("org.iso.18013.5.1", "age_over_19"),
        (DOCTYPE, "age_over_19"),
        ("ageOver19", "ageOver19"),
        (OWN, "~3"),
    ],
)
def test_what_the_document_does_not_have_by_that_name_is_not_answered(path):
    assert answers(asked(path)) is None


def test_what_stays_in_our_namespace_is_answered_by_our_name_only():
    assert answers(asked((ISO, "age_over_19")), rrn="400000-1990121") is None
    assert answers(asked((OWN, "ageOver19")), rrn="400000-1990121") == (ClaimPath(("ageOver19",)),)


@pytest.mark.parametrize(
    ("path", "values", "answered"),
    [
        ((ISO, "age_over_19"), [True], True),
        ((ISO, "age_over_19"), [False], False),
        ((ISO, "age_over_19"), [1], False),
        ((ISO, "sex"), [1], True),
        ((ISO, "sex"), [2], False),
        ((ISO, "sex"), [True], False),
        ((ISO, "sex"), ["male"], False),
        ((ISO, "issuing_country"), ["KR"], True),
        ((ISO, "issuing_country"), ["KOR"], False),
        ((ISO, "birth_date"), ["1980-05-15"], True),
    ],
)
def test_values_of_a_query_are_the_standards_words(path, values, answered):
    assert (answers(asked(path, values=values)) is not None) is answered


def test_a_device_request_gets_the_nearest_age_that_answers_it():
    opened = FORMAT.open(issued())

    def answer(*names):
        return [str(path) for path in FORMAT.answering(opened, {ISO: names})]

    assert answer("age_over_19", "nationality") == ["ageOver19"]
    assert answer("age_over_15") == ["ageOver18"]
    assert answer("age_over_62") == ["ageOver60"]
    assert answer("age_over_70") == ["ageOver65"]
    assert answer("age_over_40") == []
    assert answer("age_over_15", "age_over_18") == ["ageOver18"]
    assert FORMAT.answering(opened, {"org.iso.18013.5.1": ["age_over_15"]}) == ()
    transcript = qr_transcript(audience=AUDIENCE, nonce=NONCE, issued_at=ISSUED, items=[])
    prepared = FORMAT.prepare_response(opened, FORMAT.answering(opened, {ISO: ["age_over_15"]}), transcript=transcript)
    assert elements(prepared.complete(HOLDER.sign(prepared.signing_input)))[ISO] == {"age_over_18": True}


@pytest.mark.parametrize(
    ("namespace", "name", "value", "code"),
    [
        (ISO, "nationality", "KR", Code.FORMAT),
        ("org.iso.18013.5.1", "age_over_19", True, Code.FORMAT),
        (ISO, "age_over_19", 1, Code.CLAIM_TYPE),
        (ISO, "age_over_19", None, Code.CLAIM_TYPE),
        (ISO, "birth_date", "1980-05-15", Code.CLAIM_TYPE),
        (ISO, "birth_date", Tagged(0, "1980-05-15"), Code.CLAIM_TYPE),
        (ISO, "birth_date", Tagged(1004, "1980-13-15"), Code.CLAIM_TYPE),
        (ISO, "birth_date", Tagged(1004, 19800515), Code.CLAIM_TYPE),
        (ISO, "birth_date", {"birth_date": Tagged(1004, "1980-05-15")}, Code.CLAIM_TYPE),
        (ISO, "birth_date", {"birth_date": Tagged(1004, "1980-05-15"), "approximate_mask": "1"}, Code.CLAIM_TYPE),
        (
            ISO,
            "issue_date",
            {"birth_date": Tagged(1004, "1980-05-15"), "approximate_mask": "00000011"},
            Code.CLAIM_TYPE,
        ),
        (ISO, "portrait", b"\x89PNG", Code.CLAIM_TYPE),
        (ISO, "portrait", "x", Code.CLAIM_TYPE),
        (ISO, "sex", 3, Code.CLAIM_TYPE),
        (ISO, "sex", True, Code.CLAIM_TYPE),
        (ISO, "family_name", 1, Code.CLAIM_TYPE),
    ],
)
def test_an_element_that_is_not_as_its_standard_has_it_is_refused(namespace, name, value, code):
    with pytest.raises(MalformedError) as caught:
        SPELLING.read(namespace, name, value)
    assert caught.value.code is code
