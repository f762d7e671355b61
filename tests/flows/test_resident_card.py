"""The 주민등록증 from the town's register to a shop's verdict, and to readers who know only ISO's names."""

from __future__ import annotations

from base64 import b64decode
from datetime import UTC, datetime, timedelta
from io import BytesIO

import pytest

from issuer.fictitious import TownRecords, generate
from tests.hostile.test_resident_card import DOCTYPE, ISO, ask
from vcred import Outcome, Presentation, qr
from vcred.catalog.age import kst_date
from vcred.errors import RecordError
from vcred.formats._mdoc_request import make_device_request, parse_device_request
from vcred.formats.known import Formats
from vcred.formats.mdoc import Session, qr_transcript
from vcred.keys import SoftwareSigner
from vcred.reasons import ReasonCode
from vcred.testing import World
from vcred.testing.world import ISSUER_ID

AT = datetime(2026, 9, 26, 3, 0, tzinfo=UTC)
CARD = "id.resident_mobile"


@pytest.fixture(scope="module")
def register(tmp_path_factory):
    path = tmp_path_factory.mktemp("town") / "town.db"
    town = generate(path, seed=26, households=40, today=kst_date(AT))
    return TownRecords(path), town


def record_of(register, wanted):
    """The card of the first resident whose record ``wanted`` likes."""
    records, _ = register
    for person in records.find():
        try:
            record = records.fetch(CARD, person.subject, at=AT)
        except RecordError:
            continue
        if wanted(record):
            return record
    raise AssertionError("the town has nobody like that")


def born_before(year: int):
    return lambda record: record["rrn"][7] in "12" and int(record["rrn"][:2]) + 1900 < year


def through_pictures(answer):
    codes = qr.encode(answer)
    return Presentation.parse(qr.decode(text for code in codes for text in qr.read_image(code.png()))), len(codes)


def test_the_towns_card_has_what_a_photo_id_must_have(register):
    from PIL import Image

    record = record_of(register, born_before(2000))
    world = World(at=AT, formats=("mso_mdoc",))
    world.issue(CARD, record=record)
    (held,) = world.wallet.certificates()
    claims = world.wallet.claims(held.id)
    assert claims["name"] == claims["familyName"] + claims["givenName"]
    assert claims["document"]["issuingAuthority"].endswith("(가상)")
    assert claims["document"]["cardIssuedOn"] == "2026-09-26"
    picture = b64decode(claims["photo"].split(",")[1])
    assert len(picture) < 400
    with Image.open(BytesIO(picture)) as image:
        image.load()
        assert (image.format, image.size) == ("JPEG", (96, 128))


@pytest.mark.parametrize(("form", "single"), [("sd-cwt", True), ("mso_mdoc", False), ("dc+sd-jwt", False)])
def test_a_shop_learns_that_somebody_is_of_age_and_nothing_else(register, form, single):
    world = World(at=AT, formats=(form,))
    world.issue(CARD, record=record_of(register, born_before(2000)))
    request = world.request("shop.of-age", formats=(form,))
    answer, codes = through_pictures(world.present(request))
    assert (codes == 1) is single
    result = world.verify(answer, request)
    assert result.outcome is Outcome.ACCEPTED, result.reasons
    assert result.claims[CARD] == {"issuedOn": "2026-09-26", "ageOver19": True, "cardState": "valid"}


def test_the_year_rule_and_the_birthday_rule_are_two_answers():
    """Born on 1 December 2007: may buy beer since 1 January 2026 (청소년보호법), of age on 1 December (민법 제4조)."""
    world = World(at=AT, formats=("sd-cwt", "mso_mdoc"))
    kind = world.catalog[CARD]
    world.issue(CARD, record=dict(kind.sample) | {"rrn": "071201-3990121"})
    assert world.ask("shop.adult").outcome is Outcome.ACCEPTED
    for form in ("sd-cwt", "mso_mdoc"):
        result = world.ask("shop.of-age", formats=(form,))
        assert result.outcome is Outcome.REJECTED
        assert ReasonCode.PREDICATE in {one.code for one in result.reasons}


def test_the_policy_asks_for_the_smallest_format_first():
    world = World(at=AT, formats=("mso_mdoc", "sd-cwt", "dc+sd-jwt"))
    world.issue(CARD)
    answer = world.present(world.request("shop.of-age"))
    assert [one.format for shown in answer.tokens.values() for one in shown] == ["sd-cwt"]


def test_a_foreign_reader_asks_in_isos_words_and_is_answered():
    world = World(at=AT, formats=("mso_mdoc",))
    world.issue(CARD)
    request = ask(world, (ISO, "age_over_19"), (ISO, "issuing_country"))
    found = world.wallet.match(request, at=AT)
    assert [one.en for one in found.required] == ["Aged 19 or over", "Document · Issuing country"]
    answer = world.wallet.present(found.approve(), at=AT)
    ((shown,),) = answer.tokens.values()
    form = Formats(world.catalog)["mso_mdoc"]
    opened = form.open(shown.raw)
    form.verify_signature(opened, world.document_signer.public_key)
    form.verify_key_binding(opened)
    assert opened.doctype == DOCTYPE
    assert opened.claims == {"issuedOn": "2026-09-26", "ageOver19": True, "document": {"issuingCountry": "KOR"}}


def test_a_device_request_is_answered_with_the_card():
    world, holder = World(at=AT, formats=("mso_mdoc",)), SoftwareSigner.generate()
    form, kind = Formats(world.catalog)["mso_mdoc"], world.catalog[CARD]
    raw = world_card(world, form, kind, holder)
    transcript = qr_transcript(audience="reader", nonce=bytes(16), issued_at=1, items=[])
    sent = make_device_request(
        {DOCTYPE: {ISO: {"age_over_19": False, "age_over_21": False, "portrait": True}}},
        transcript=transcript,
        signer=None,
    )
    (asked,) = parse_device_request(sent)
    opened = form.open(raw)
    assert asked.doctype == opened.doctype
    paths = form.answering(opened, asked.elements)
    assert {str(path) for path in paths} == {"ageOver19", "photo"}
    prepared = form.prepare_response(opened, paths, transcript=transcript)
    response = prepared.complete(holder.sign(prepared.signing_input))
    session = Session(transcript=transcript, audience="reader", nonce=bytes(16), received_at=1)
    (document,) = form.open_response(response, session)
    form.verify_key_binding(document)
    assert set(document.claims) == {"issuedOn", "ageOver19", "photo"}


def world_card(world, form, kind, holder) -> bytes:
    from vcred.credential import Content
    from vcred.formats.base import IssuerKey

    content = Content(
        vct=kind.vct,
        issuer=ISSUER_ID,
        claims=kind.issue(kind.sample, variant=None, options={}, issued_on=kst_date(AT)),
        issued_at=int(AT.timestamp()),
        expires_at=int((AT + timedelta(days=30)).timestamp()),
        holder_key=holder.public_key,
    )
    key = IssuerKey(public_key=world.document_signer.public_key, chain=(world.document_signer_certificate,))
    return form.issue(content, key, world.document_signer)
