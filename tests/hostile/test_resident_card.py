"""Hostile 주민등록증: mdocs whose issuer signed them so, and readers that ask for too much in ISO's words."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from tests.unit.formats.test_mdoc import CONTENT, ISSUER, KEY
from vcred.catalog import Catalog
from vcred.catalog.age import kst_date
from vcred.dcql import DcqlQuery
from vcred.errors import MalformedError
from vcred.formats._cbor import Tagged
from vcred.formats._cose import prepare_sign1
from vcred.formats._mdoc_chain import issuer_headers
from vcred.formats._mdoc_items import make_items
from vcred.formats._mdoc_mso import write_mso
from vcred.formats._mdoc_response import write_issuer_signed
from vcred.formats.mdoc import CatalogDoctypes, Mdoc
from vcred.presentation import Challenge, PresentationRequest, sign_request
from vcred.reasons import ReasonCode as Code
from vcred.testing import World

KIND = Catalog.builtin()["id.resident_mobile"]
FORMAT = Mdoc(CatalogDoctypes(Catalog.builtin()))
DOCTYPE, ISO, OWN = "org.iso.23220.photoid.1", "org.iso.23220.1", "kr.vcred.id.resident_mobile.1"
AT = datetime(2026, 9, 26, 3, 0, tzinfo=UTC)
CONTENT = replace(CONTENT, vct=KIND.vct)
ROOT = {"~": {"issuedOn": "2026-09-26"}}


def signed(spaces, *, doctype=DOCTYPE) -> bytes:
    """A document with these elements, whatever they are, and a good signature."""
    made = {namespace: make_items(elements, decoys=0) for namespace, elements in spaces.items()}
    mso = write_mso(CONTENT, doctype, {namespace: digests for namespace, (_, digests) in made.items()})
    auth = prepare_sign1(*issuer_headers(CONTENT, KEY), mso, tagged=False)
    items = {namespace: listed for namespace, (listed, _) in made.items()}
    return write_issuer_signed(items, auth.complete(ISSUER.sign(auth.signing_input)))


def refused(spaces, **more) -> Code:
    with pytest.raises(MalformedError) as caught:
        FORMAT.open(signed(spaces, **more))
    return caught.value.code


def test_the_makings_are_good():
    opened = FORMAT.open(signed({OWN: ROOT, ISO: {"age_over_19": True}}))
    assert (opened.vct, opened.claims) == (KIND.vct, {"issuedOn": "2026-09-26", "ageOver19": True})


def test_md_11_a_photo_id_of_somebody_else_is_not_our_card():
    opened = FORMAT.open(signed({ISO: {"age_over_19": True}}))
    assert (opened.vct, opened.claims) == (DOCTYPE, {ISO: {"age_over_19": True}})


@pytest.mark.parametrize("doctype", ["org.iso.18013.5.1.mDL", OWN, "kr.vcred.id.driver_mobile.1", KIND.vct])
def test_md_11_our_namespace_in_another_document_type(doctype):
    assert refused({OWN: ROOT, ISO: {"age_over_19": True}}, doctype=doctype) in (Code.VCT, Code.FORMAT)


def test_md_09_an_age_in_two_namespaces_is_no_age():
    assert refused({OWN: ROOT | {"ageOver19": True}, ISO: {"age_over_19": False}}) is Code.COLLISION


@pytest.mark.parametrize(
    ("spaces", "code"),
    [
        ({OWN: ROOT, "org.iso.18013.5.1": {"age_over_19": True}}, Code.FORMAT),
        ({OWN: ROOT, "kr.vcred.id.driver_mobile.1": {"ageOver19": True}}, Code.VCT),
        ({OWN: ROOT, ISO: {"age_over_21": True}}, Code.FORMAT),
        ({OWN: ROOT, ISO: {"age_over_19": 1}}, Code.CLAIM_TYPE),
        ({OWN: ROOT, ISO: {"age_over_19": "true"}}, Code.CLAIM_TYPE),
        ({OWN: ROOT, ISO: {"birth_date": "1980-05-15"}}, Code.CLAIM_TYPE),
        ({OWN: ROOT, ISO: {"issue_date": Tagged(1004, "2026-08-20")}}, Code.DISCLOSURE),
        ({OWN: {"cardState": "valid"}, ISO: {"age_over_19": True}}, Code.DISCLOSURE),
        ({OWN: ROOT, ISO: {"portrait": b"\x89PNG"}}, Code.CLAIM_TYPE),
    ],
    ids=[
        "MD-07 of the mDL",
        "MD-07 of another certificate",
        "MD-07 an age it has not",
        "MD-07 a number for a truth",
        "MD-07 a text for a truth",
        "MD-07 a date as text",
        "MD-07 a child without its parent",
        "MD-07 without what is never hidden",
        "MD-07 a picture that is none",
    ],
)
def test_md_07_elements_that_the_card_has_not(spaces, code):
    assert refused(spaces) is code


@pytest.mark.parametrize(
    ("born", "at", "over"),
    [
        ("070820-3990120", datetime(2026, 8, 19, 14, 59, 59, tzinfo=UTC), False),
        ("070820-3990120", datetime(2026, 8, 19, 15, 0, tzinfo=UTC), True),
        ("080229-3990120", datetime(2027, 2, 28, 3, 0, tzinfo=UTC), False),
        ("080229-3990120", datetime(2027, 2, 28, 15, 0, tzinfo=UTC), True),
    ],
    ids=["KR-06 a second before", "KR-06 midnight in Korea", "KR-06 28 February", "KR-06 1 March"],
)
def test_kr_06_age_over_19_of_the_mdoc_is_that_of_the_day_of_issue_in_korea(born, at, over):
    record = dict(KIND.sample) | {"rrn": born}
    claims = KIND.issue(record, variant=None, options={}, issued_on=kst_date(at))
    opened = FORMAT.open(FORMAT.issue(replace(CONTENT, claims=claims), KEY, ISSUER))
    assert opened.claims["ageOver19"] is over
    assert opened.claims["yearAgeOver19"] is True  # another rule: from 1 January of that year (청소년보호법)


def ask(world: World, *paths: tuple[str, str], doctype=DOCTYPE, policy: str | None = None) -> PresentationRequest:
    """A request of a reader that names elements of an mdoc, as the wallet gets it."""
    claims = [{"path": list(path)} for path in paths]
    query = {"id": "card", "format": "mso_mdoc", "meta": {"doctype_value": doctype}, "claims": claims}
    request = sign_request(
        DcqlQuery.parse({"credentials": [query]}),
        client_id=world.identity.client_id,
        freshness=Challenge(),
        nonce=bytes(16),
        purpose="시험",
        policy=policy,
        retention=None,
        at=AT,
        lifetime=timedelta(minutes=1),
        signer=world.identity.signer,
        x5c=world.identity.chain,
    )
    return PresentationRequest.parse(request.to_message())


@pytest.fixture(scope="module")
def world():
    made = World(at=AT, formats=("mso_mdoc",))
    made.issue("id.resident_mobile")
    return made


@pytest.mark.parametrize(
    ("policy", "path"),
    [
        (None, (OWN, "rrn")),
        (None, (OWN, "rrn/serial")),
        ("shop.of-age", (ISO, "birth_date")),
        ("shop.of-age", (ISO, "family_name")),
        ("shop.of-age", (OWN, "yearAgeOver19")),
        ("shop.of-age", (ISO, "nationality")),
        ("bank.inheritance", (ISO, "age_over_19")),
    ],
)
def test_vp_over_asking_in_the_words_of_iso_is_over_asking(world, policy, path):
    """The names of ISO hide nothing: what a request asks is judged as the claim it means."""
    found = world.wallet.match(ask(world, path, policy=policy), at=AT)
    assert Code.OVER_ASKING in {one.code for one in found.blocked}


def test_what_is_not_too_much_is_answered(world):
    found = world.wallet.match(ask(world, (ISO, "age_over_19")), at=AT)
    assert not found.blocked
    assert [(one.ko, str(one.path)) for one in found.required] == [("만 19세 이상", "ageOver19")]


def test_vp_over_asking_in_an_mdoc_of_ours_is_over_asking(world):
    doctype = "kr.vcred.resident.personal.1"
    found = world.wallet.match(ask(world, (doctype, "rrn"), doctype=doctype), at=AT)
    assert Code.OVER_ASKING in {one.code for one in found.blocked}
    assert found.missing[0].ko == "주민등록표 초본"
