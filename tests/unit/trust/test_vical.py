"""VICALs: which roots ours lists, what it says of them, and what a reader refuses."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from cryptography import x509

from tests.list_town import OPERATOR, Lists
from tests.trust_town import AT, CITY_TYPE, COURT_TYPE, DAY, NOW, refusal
from vcred.errors import MalformedError, TrustError
from vcred.formats._cbor import Tagged, decode, encode
from vcred.formats._cose import KID, X5CHAIN, parse_sign1, sign_sign1
from vcred.keys import SoftwareSigner
from vcred.trust import Purpose, Withdrawal, WithdrawalReason, build_reader
from vcred.trust.bare import BareKey
from vcred.trust.vical import parse_vical, verify_vical

CITY_DOCTYPE, COURT_DOCTYPE = f"kr.vcred.{CITY_TYPE}.1", f"kr.vcred.{COURT_TYPE}.1"
TAGS = frozenset({0, 2})


@pytest.fixture(scope="module")
def lists() -> Lists:
    return Lists()


@pytest.fixture
def body(lists) -> dict:
    """What our list says; a test changes it and signs it again."""
    return decode(parse_sign1(lists.vical(), path="it").payload, "it", max_bytes=100_000, tags=TAGS)


def signed(lists, body, signer=None, unprotected=None) -> bytes:
    headers = {X5CHAIN: lists.certificate} if unprotected is None else unprotected
    return sign_sign1({}, headers, encode(body), signer or lists.key, tagged=False)


def pins(lists, **changes):
    usual = {"keys": [], "anchors": [lists.root], "stored_issue": None, "at": AT + timedelta(hours=1)}
    return usual | changes


def roots(lists, *authorities):
    return [entry.certificate for entry in parse_vical(lists.vical(authorities)).entries]


def withdrawn(kid, at, reason):
    return (Withdrawal(kid=kid, at=at, reason=reason),)


def test_our_own_list_reads_back(lists):
    raw = lists.vical()
    assert raw[0] == 0x84, "not tagged"
    verified = verify_vical(parse_vical(raw), **pins(lists))
    vical, city = verified.vical, lists.town.city
    assert (vical.provider, vical.issue_id) == (OPERATOR["en"], 7)
    assert (vical.issued_at, vical.next_update) == (NOW, NOW + 7 * 86400)
    assert verified.signer == lists.key.public_key
    assert verified.anchors(CITY_DOCTYPE) == (city.root,)
    assert verified.anchors(COURT_DOCTYPE) == (lists.town.court.root,)
    assert verified.anchors("org.iso.18013.5.1.mDL") == ()


def test_an_entry_says_what_the_certificate_says(lists, body):
    entry = parse_vical(lists.vical()).entries[0]
    root = x509.load_der_x509_certificate(lists.town.city.root)
    assert entry.serial == root.serial_number
    assert entry.ski == root.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    assert (entry.authority, entry.country, entry.state) == ("Garam City (fictitious)", "KR", None)
    assert (entry.not_before, entry.not_after) == (NOW - 400 * 86400, NOW + 3000 * 86400)
    assert type(body["certificateInfos"][0]["serialNumber"]) is Tagged


def test_roots_that_may_not_be_relied_on_are_left_out(lists):
    city, court = lists.town.city, lists.town.court
    kid = city.root_key.public_key.kid
    assert roots(lists, *lists.authorities) == [city.root, court.root]
    superseded, compromised = WithdrawalReason.SUPERSEDED, WithdrawalReason.COMPROMISED
    for changes in (
        {"test": True},
        {"purpose": Purpose.STATUS, "types": frozenset()},
        {"valid_from": NOW + 1},
        {"valid_until": NOW},
        {"withdrawn": withdrawn(kid, NOW - 60, superseded)},
        {"withdrawn": withdrawn(None, NOW, superseded)},
        {"withdrawn": withdrawn(kid, NOW + 60, compromised)},
    ):
        assert roots(lists, lists.city(**changes), lists.authorities[1]) == [court.root], changes
    assert roots(lists, lists.city(withdrawn=withdrawn(kid, NOW + 60, superseded))) == [city.root]


def test_a_root_that_another_authority_denies_is_left_out(lists):
    kid = lists.town.city.root_key.public_key.kid
    court = replace(lists.authorities[1], withdrawn=withdrawn(kid, NOW, WithdrawalReason.COMPROMISED))
    assert roots(lists, lists.city(), court) == [lists.town.court.root]


def test_a_shared_root_is_listed_once_for_the_types_of_both(lists):
    court = replace(lists.authorities[1], anchors=(lists.town.city.root,), signers=(), kids=())
    (entry,) = parse_vical(lists.vical([lists.city(), court])).entries
    assert entry.doctypes == tuple(sorted((CITY_DOCTYPE, COURT_DOCTYPE)))
    assert entry.authority == "Garam City (fictitious) / Saesol Court (fictitious)"
    (entry,) = parse_vical(lists.vical([lists.city(), replace(court, test=True)])).entries
    assert entry.doctypes == (CITY_DOCTYPE,)


def test_keys_without_a_certificate_have_no_place_in_it(lists):
    key = BareKey(key=SoftwareSigner.generate().public_key, did_url=None, valid_from=0, valid_until=NOW + 60)
    assert roots(lists, lists.city(anchors=(), signers=(), kids=(), keys=(key,))) == []


@pytest.mark.parametrize(
    "changes",
    [
        {"issue_id": -1},
        {"provider": ""},
        {"next_update": AT},
        {"chain": []},
        {"signer": SoftwareSigner.generate()},
        {"issued_at": AT.replace(tzinfo=None)},
    ],
)
def test_what_a_reader_would_refuse_is_not_made(lists, changes):
    with pytest.raises(ValueError, match=r".+"):
        lists.vical(**changes)


def test_an_authority_that_cannot_be_read_is_not_listed(lists):
    with pytest.raises(TrustError, match="cannot be exported"):
        lists.vical([lists.city(anchors=(b"0\x00",))])


WRONG = {
    "version": lambda body: body.update(version="2.0"),
    "no version": lambda body: body.pop("version"),
    "no provider": lambda body: body.pop("vicalProvider"),
    "no date": lambda body: body.pop("date"),
    "date as text": lambda body: body.update(date="2026-11-02T09:00:00Z"),
    "date with a fraction": lambda body: body.update(date=Tagged(0, "2026-11-02T09:00:00.5Z")),
    "no such day": lambda body: body.update(date=Tagged(0, "2026-02-30T09:00:00Z")),
    "issue number": lambda body: body.update(vicalIssueID=-1),
    "true is no number": lambda body: body.update(vicalIssueID=True),
    "no list": lambda body: body.pop("certificateInfos"),
    "an entry is text": lambda body: body.update(certificateInfos=["it"]),
    "a name is a number": lambda body: body.update({1: 1}),
    "a certificate twice": lambda body: body["certificateInfos"].append(body["certificateInfos"][0]),
    "no document type": lambda body: body["certificateInfos"][0].update(docType=[]),
    "no certificate": lambda body: body["certificateInfos"][0].pop("certificate"),
    "no key identifier": lambda body: body["certificateInfos"][0].pop("ski"),
    "no serial number": lambda body: body["certificateInfos"][0].pop("serialNumber"),
    "serial number as text": lambda body: body["certificateInfos"][0].update(serialNumber=Tagged(2, "1")),
    "empty country": lambda body: body["certificateInfos"][0].update(issuingCountry=""),
}


@pytest.mark.parametrize("change", WRONG.values(), ids=WRONG)
def test_a_member_that_is_not_as_annex_c_has_it(lists, body, change):
    change(body)
    with pytest.raises(MalformedError) as caught:
        parse_vical(signed(lists, body))
    assert caught.value.code.value == "format"


@pytest.mark.parametrize(
    ("member", "value", "code"),
    [
        ("serialNumber", Tagged(2, b"\1"), "chain"),
        ("serialNumber", 5, "chain"),
        ("serialNumber", Tagged(2, b"\1" * 33), "limit"),
        ("ski", b"\1" * 20, "chain"),
        ("subject", b"\x30\x00", "chain"),
        ("issuer", b"\x30\x00", "chain"),
        ("certificate", b"\x30\x00", "chain"),
        ("certificate", b"\x30" * 20_000, "limit"),
        ("extra", Tagged(1004, "2026-11-02"), "tag"),
    ],
)
def test_an_entry_that_describes_another_certificate(lists, body, member, value, code):
    body["certificateInfos"][0][member] = value
    with pytest.raises(MalformedError) as caught:
        parse_vical(signed(lists, body))
    assert caught.value.code.value == code


def test_a_key_identifier_may_be_wrapped_as_in_the_certificate(lists, body):
    info = body["certificateInfos"][0]
    own = info["ski"]
    for wrapped in (b"\4\x14" + own, b"\4\x16\4\x14" + own):
        info["ski"] = wrapped
        assert parse_vical(signed(lists, body)).entries[0].ski == own
    info["ski"] = b"\4\x18\4\x16\4\x14" + own
    assert refusal(lambda: parse_vical(signed(lists, body))) == "chain"


def test_dates_of_an_entry_and_unknown_members_are_let_be(lists, body):
    body["certificateInfos"][0] |= {"notAfter": Tagged(0, "2001-01-01T00:00:00Z"), "Extensions": {}}
    body["future"] = [1]
    assert parse_vical(signed(lists, body)).entries[0].not_after == NOW + 3000 * 86400


def test_more_entries_than_anyone_has(lists, body):
    body["certificateInfos"] = [{}] * 4097
    assert refusal(lambda: parse_vical(signed(lists, body))) == "limit"


def test_a_signer_has_a_path_to_a_pin_and_is_certified_for_it(lists, body):
    vical = parse_vical(lists.vical())
    for wrong in (
        {"anchors": []},
        {"anchors": [lists.town.city.root]},
        {"keys": [SoftwareSigner.generate().public_key]},
    ):
        assert refusal(lambda wrong=wrong: verify_vical(vical, **pins(lists, **{"anchors": []} | wrong))) == "untrusted"
    for right in ({"keys": [lists.key.public_key], "anchors": []}, {"anchors": [lists.certificate]}):
        assert verify_vical(vical, **pins(lists, **right)).signer == lists.key.public_key
    reader = SoftwareSigner.generate()
    certificate = build_reader(
        reader.public_key,
        identifier="desk.example",
        name=OPERATOR,
        issuer=lists.root,
        issuer_signer=lists.root_key,
        not_before=AT - DAY,
        not_after=AT + DAY,
    )
    by_reader = parse_vical(signed(lists, body, reader, {X5CHAIN: certificate}))
    assert refusal(lambda: verify_vical(by_reader, **pins(lists))) == "chain"


def test_a_header_without_a_chain_needs_a_pinned_key(lists, body):
    own, other = lists.key.public_key, SoftwareSigner.generate().public_key
    named = parse_vical(signed(lists, body, unprotected={KID: own.kid}))
    assert verify_vical(named, **pins(lists, keys=[other, own])).signer == own
    assert refusal(lambda: verify_vical(named, **pins(lists, keys=[other]))) == "untrusted"
    nameless = parse_vical(signed(lists, body, unprotected={}))
    assert refusal(lambda: verify_vical(nameless, **pins(lists))) == "untrusted"
    assert refusal(lambda: verify_vical(nameless, **pins(lists, keys=[other]))) == "signature"


def test_number_and_time(lists, body):
    vical = parse_vical(lists.vical())
    assert verify_vical(vical, **pins(lists, stored_issue=7)).vical is vical
    assert refusal(lambda: verify_vical(vical, **pins(lists, stored_issue=8))) == "rollback"
    assert refusal(lambda: verify_vical(vical, **pins(lists, at=AT + 7 * DAY))) == "stale"
    assert refusal(lambda: verify_vical(vical, **pins(lists, at=AT - DAY))) == "clock"
    del body["vicalIssueID"]
    numberless = parse_vical(signed(lists, body))
    assert verify_vical(numberless, **pins(lists)).vical.issue_id is None
    assert refusal(lambda: verify_vical(numberless, **pins(lists, stored_issue=0))) == "rollback"
    del body["nextUpdate"]
    assert refusal(lambda: verify_vical(parse_vical(signed(lists, body)), **pins(lists))) == "stale"


def test_a_root_that_has_expired_since_is_no_anchor(lists, body):
    body["nextUpdate"] = Tagged(0, "2040-01-01T00:00:00Z")
    vical = parse_vical(signed(lists, body))
    late = verify_vical(vical, keys=[lists.key.public_key], anchors=[], stored_issue=7, at=AT + 3001 * DAY)
    assert late.anchors(CITY_DOCTYPE) == ()
