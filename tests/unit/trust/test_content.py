"""authorities.json and meta.json: what is read comes back as it was, and nothing else is read."""

from __future__ import annotations

import json

import pytest

from tests.trust_town import AT, CITY, Town
from vcred.errors import TrustError
from vcred.trust import Purpose, Withdrawal, WithdrawalReason
from vcred.trust.content import (
    Meta,
    Names,
    dump_authorities,
    dump_meta,
    parse_authorities,
    parse_meta,
)


@pytest.fixture(scope="module")
def raw() -> bytes:
    town = Town()
    gone = [
        Withdrawal(kid=None, at=5, reason=WithdrawalReason.SUPERSEDED),
        Withdrawal(kid=b"12345678", at=6, reason=WithdrawalReason.COMPROMISED),
    ]
    return town.builder(city={"withdrawn": gone}).targets(at=AT)["authorities.json"]


def test_round_trip(raw):
    authorities, readers = parse_authorities(raw)
    assert dump_authorities(authorities, readers) == raw
    assert authorities[0].id == CITY
    assert authorities[0].purpose is Purpose.ISSUER
    assert [each.kid for each in authorities[0].withdrawn] == [None, b"12345678"]
    meta = Meta(names=Names(ko="목록", en="List"), production=True, listed_at=7)
    assert parse_meta(dump_meta(meta)) == meta


def test_names_are_korean_or_english():
    names = Names(ko="목록", en="List")
    assert (names.text("ko"), names.text("en")) == ("목록", "List")
    with pytest.raises(ValueError, match="lang"):
        names.text("fr")


def test_answers_for_a_uri_or_what_is_below_a_prefix(raw):
    authority = parse_authorities(raw)[0][0]
    assert authority.answers_for("https://garam.example/status/1")
    for uri in (
        "https://garam.example/status",
        "https://garam.example/statuses/1",
        "https://other.example/status/1",
        "",
    ):
        assert not authority.answers_for(uri)


WRONG = {
    "another format": {"format": 2},
    "a member more": {"extra": 1},
    "authorities no list": {"authorities": {}},
    "readers no list": {"readers": None},
    "readers twice": {"readers": ["same", "same"]},
}


@pytest.mark.parametrize("change", WRONG.values(), ids=WRONG)
def test_wrong_outside(raw, change):
    body = json.loads(raw)
    if change.get("readers") == ["same", "same"]:
        change = {"readers": body["readers"] * 2}
    with pytest.raises(TrustError):
        parse_authorities(json.dumps(body | change).encode())


WRONG_AUTHORITY = {
    "id is no URI": {"id": "garam"},
    "id with a space": {"id": "https://garam.example/ x"},
    "id of another script": {"id": "https://가람.example"},
    "no English name": {"name": {"ko": "가람시"}},
    "empty name": {"name": {"ko": "", "en": "x"}},
    "name with a line break": {"name": {"ko": "a\nb", "en": "x"}},
    "name with a direction mark": {"name": {"ko": "a\u202eb", "en": "x"}},
    "unknown purpose": {"purpose": "everything"},
    "purpose of another type": {"purpose": ["issuer"]},
    "no anchors": {"anchors": []},
    "anchor is no base64url": {"anchors": ["***"]},
    "anchor is no text": {"anchors": [5]},
    "signer without a chain": {"signers": [{"kid": "00" * 8, "chain": []}]},
    "signer with a long chain": {"signers": [{"kid": "00" * 8, "chain": ["AA"] * 5}]},
    "kid in capitals": {"signers": [{"kid": "AB" * 8, "chain": ["AA"]}]},
    "kid too long": {"signers": [{"kid": "00" * 9, "chain": ["AA"]}]},
    "no types": {"types": []},
    "a type that means all": {"types": ["*"]},
    "types no list": {"types": "resident.household"},
    "status without types": {"purpose": "status"},
    "validity reversed": {"valid_from": 9, "valid_until": 8},
    "time as a fraction": {"valid_from": 1.0},
    "time as a boolean": {"valid_from": True},
    "time too far": {"valid_until": 10**12},
    "test as a number": {"test": 0},
    "unknown reason": {"withdrawn": [{"kid": None, "at": 1, "reason": "tired"}]},
    "withdrawal without a time": {"withdrawn": [{"kid": None, "reason": "superseded"}]},
    "a member more": {"more": 1},
}


@pytest.mark.parametrize("change", WRONG_AUTHORITY.values(), ids=WRONG_AUTHORITY)
def test_wrong_authority(raw, change):
    body = json.loads(raw)
    body["authorities"][0] |= change
    with pytest.raises(TrustError, match="the bundle is wrong"):
        parse_authorities(json.dumps(body).encode())


def test_two_authorities_with_one_id(raw):
    body = json.loads(raw)
    body["authorities"].append(body["authorities"][0])
    with pytest.raises(TrustError, match="twice"):
        parse_authorities(json.dumps(body).encode())


@pytest.mark.parametrize("junk", [b"", b"[]", b"null", b"\xff", b'{"format":1,"format":1}', b"[" * 100])
def test_junk(junk):
    for parse in (parse_authorities, parse_meta):
        with pytest.raises(TrustError):
            parse(junk)


@pytest.mark.parametrize(
    "change",
    [
        {"production": 1},
        {"listed_at": "1"},
        {"listed_at": -1},
        {"x": 1},
    ],
)
def test_wrong_meta(change):
    meta = Meta(names=Names(ko="목록", en="List"), production=True, listed_at=7)
    with pytest.raises(TrustError):
        parse_meta(json.dumps(json.loads(dump_meta(meta)) | change).encode())
