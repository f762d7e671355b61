"""Offer, request and delivery: what goes out comes back the same, and nothing else gets in."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from vcred.errors import MalformedError
from vcred.formats._jose import parse_proof, verify_jws
from vcred.issuance import PROOF_TYP, Delivery, IssuanceRequest, Offer, build_request
from vcred.keys import SoftwareSigner
from vcred.qr import Message, MessageKind, decode_message, encode_message
from vcred.reasons import ReasonCode

AT = datetime(2026, 9, 26, 3, 17, 5, tzinfo=UTC)
OFFER = Offer(
    issuer="https://city.example/issuer",
    code="family.relations",
    nonce=bytes(range(16)),
    expires_at=int(AT.timestamp()) + 600,
    copies=3,
    formats=("dc+sd-jwt", "sd-cwt"),
    variant="specific",
    options={"rrnBack": "own", "relatives": ("father", "mother"), "dates": True},
)
KEYS = [SoftwareSigner.generate() for _ in range(6)]
DELIVERY = Delivery(
    code="family.relations",
    credential_id="c-0011",
    credentials=(("dc+sd-jwt", b"eyJhIjoxfQ.e30.AAAA~WyJhIl0~"), ("sd-cwt", b"\xd2\x84\x00\xff")),
)


def as_json(offer=OFFER):
    return json.loads(parse_qs(urlsplit(offer.to_uri()).query)["credential_offer"][0])


def uri(value):
    text = value if isinstance(value, str) else json.dumps(value)
    return f"openid-credential-offer://?credential_offer={quote(text)}"


def refusal(parse, source):
    with pytest.raises(MalformedError) as refused:
        parse(source)
    return refused.value.code


def test_an_offer_is_the_same_after_uri_message_and_bytes():
    for source in (OFFER.to_uri(), OFFER.to_uri().encode(), OFFER.to_message(), encode_message(OFFER.to_message())):
        assert Offer.parse(source) == OFFER
    bare = Offer(
        **{name: getattr(OFFER, name) for name in ("issuer", "code", "nonce", "expires_at", "copies", "formats")}
    )
    assert Offer.parse(bare.to_uri()) == Offer.parse(bare.to_message()) == bare
    assert hash(bare)


def test_an_offer_is_one_of_openid4vci():
    offer = as_json()
    assert offer["credential_issuer"] == OFFER.issuer
    assert offer["credential_configuration_ids"] == ["family.relations/dc+sd-jwt", "family.relations/sd-cwt"]
    (grant,) = offer["grants"].items()
    assert grant == (
        "urn:ietf:params:oauth:grant-type:pre-authorized_code",
        {"pre-authorized_code": "AAECAwQFBgcICQoLDA0ODw"},
    )


def test_members_of_a_later_openid4vci_are_read_over_and_ours_are_not():
    assert Offer.parse(uri(as_json() | {"new_member": 1})) == OFFER
    later = as_json()
    later["vcred"]["price"] = 400
    assert refusal(Offer.parse, uri(later)) is ReasonCode.FORMAT


@pytest.mark.parametrize(
    ("source", "code"),
    [
        ("https://city.example/offer", ReasonCode.SCHEME),
        ("openid-credential-offer://?credential_offer_uri=https%3A%2F%2Fcity.example%2F1", ReasonCode.SCHEME),
        (f"{OFFER.to_uri()}&credential_offer=%7B%7D", ReasonCode.SCHEME),
        (f"{OFFER.to_uri()}&x=1", ReasonCode.SCHEME),
        (f"{OFFER.to_uri()}#f", ReasonCode.SCHEME),
        (OFFER.to_uri().replace("://?", "://city.example/?"), ReasonCode.SCHEME),
        ("openid-credential-offer://", ReasonCode.SCHEME),
        ("", ReasonCode.SCHEME),
        (b"\xff\xfe", ReasonCode.SCHEME),
        ("openid-credential-offer://?credential_offer=%ff", ReasonCode.SCHEME),
        (uri("[]"), ReasonCode.FORMAT),
        (uri("{}"), ReasonCode.FORMAT),
        (uri('{"a":1,"a":2}'), ReasonCode.DUPLICATE_KEY),
        (uri("[" * 40), ReasonCode.DEPTH),
        (uri("x"), ReasonCode.JSON),
        ("openid-credential-offer://?credential_offer=" + "a" * 9000, ReasonCode.SIZE),
    ],
)
def test_what_is_no_offer_uri_is_refused(source, code):
    assert refusal(Offer.parse, source) is code


@pytest.mark.parametrize(
    ("path", "value", "code"),
    [
        (("credential_issuer",), "http://city.example", ReasonCode.SCHEME),
        (("credential_issuer",), "https://city.example/?a=1", ReasonCode.SCHEME),
        (("credential_issuer",), "https://city.example/#a", ReasonCode.SCHEME),
        (("credential_issuer",), "https://user@city.example", ReasonCode.SCHEME),
        (("credential_issuer",), 5, ReasonCode.SCHEME),
        (("credential_configuration_ids",), [], ReasonCode.FORMAT),
        (("credential_configuration_ids",), ["family.relations"], ReasonCode.FORMAT),
        (("credential_configuration_ids",), ["a/sd-cwt", "b/sd-cwt"], ReasonCode.FORMAT),
        (("credential_configuration_ids",), ["a/sd-cwt", "a/sd-cwt"], ReasonCode.FORMAT),
        (("credential_configuration_ids",), ["../x/sd-cwt"], ReasonCode.FORMAT),
        (("credential_configuration_ids",), ["a b/sd-cwt"], ReasonCode.CLAIM_TYPE),
        (("credential_configuration_ids",), ["a/sd-cwt"] * 9, ReasonCode.LIMIT),
        (("grants",), {}, ReasonCode.FORMAT),
        (("vcred", "copies"), 0, ReasonCode.CLAIM_TYPE),
        (("vcred", "copies"), 1e3, ReasonCode.CLAIM_TYPE),
        (("vcred", "copies"), True, ReasonCode.CLAIM_TYPE),
        (("vcred", "copies"), 10**9, ReasonCode.CLAIM_TYPE),
        (("vcred", "expires_at"), "soon", ReasonCode.CLAIM_TYPE),
        (("vcred", "expires_at"), -1, ReasonCode.CLAIM_TYPE),
        (("vcred", "variant"), "<b>", ReasonCode.CLAIM_TYPE),
        (("vcred", "options"), [], ReasonCode.FORMAT),
        (("vcred", "options"), {"a": 1}, ReasonCode.CLAIM_TYPE),
        (("vcred", "options"), {"a": {}}, ReasonCode.CLAIM_TYPE),
        (("vcred", "options"), {"a": []}, ReasonCode.FORMAT),
        (("vcred", "options"), {f"o{n}": True for n in range(40)}, ReasonCode.LIMIT),
    ],
)
def test_an_offer_with_a_wrong_member_is_refused(path, value, code):
    offer = as_json()
    place = offer
    for name in path[:-1]:
        place = place[name]
    place[path[-1]] = value
    assert refusal(Offer.parse, uri(offer)) is code


@pytest.mark.parametrize("code", ["AAECAwQFBgcICQoLDA0OD", "AAECAwQFBgcICQoLDA0ODw==", "AAEC", 7, None])
def test_the_pre_authorized_code_is_sixteen_bytes(code):
    offer = as_json()
    (grant,) = offer["grants"].values()
    grant["pre-authorized_code"] = code
    assert refusal(Offer.parse, uri(offer)) in (ReasonCode.ENCODING, ReasonCode.CLAIM_TYPE)


def test_a_transaction_code_even_an_empty_one_is_not_part_of_this_profile():
    offer = as_json()
    (grant,) = offer["grants"].values()
    grant["tx_code"] = {}
    assert refusal(Offer.parse, uri(offer)) is ReasonCode.FORMAT


def test_a_request_is_the_same_after_json_and_message():
    request = build_request(OFFER, KEYS, at=AT)
    for source in (request.to_bytes(), request.to_message(), encode_message(request.to_message())):
        assert IssuanceRequest.parse(source) == request


def test_keys_are_shared_out_in_order_and_each_proves_itself():
    request = build_request(OFFER, KEYS, at=AT)
    assert [one for one, _ in request.keys] == ["dc+sd-jwt"] * 3 + ["sd-cwt"] * 3
    for signer, (_, proof) in zip(KEYS, request.keys, strict=True):
        jws, key = parse_proof(proof, path="proof", typ=PROOF_TYP)
        verify_jws(jws, key)
        assert key == signer.public_key
        assert json.loads(jws.payload) == {
            "aud": OFFER.issuer,
            "iat": int(AT.timestamp()),
            "nonce": "AAECAwQFBgcICQoLDA0ODw",
        }
    one = build_request(OFFER, KEYS[:2], formats=["sd-cwt"], at=AT)
    assert [name for name, _ in one.keys] == ["sd-cwt"] * 2


@pytest.mark.parametrize(
    ("keys", "formats"),
    [
        ([], None),
        (KEYS[:3], None),
        ([*KEYS, *[SoftwareSigner.generate() for _ in range(2)]], None),
        ([KEYS[0], KEYS[0]], None),
        (KEYS[:2], ["mso_mdoc"]),
        (KEYS[:2], []),
        (KEYS[:2], ["sd-cwt", "sd-cwt"]),
        ([SoftwareSigner(ec.generate_private_key(ec.SECP384R1()))], ["sd-cwt"]),
    ],
    ids=["none", "uneven", "too many", "twice", "not offered", "no format", "one format twice", "P-384"],
)
def test_keys_that_cannot_be_used_are_misuse(keys, formats):
    with pytest.raises(ValueError):
        build_request(OFFER, keys, formats=formats, at=AT)


def test_a_delivery_is_the_same_after_json_and_message():
    for source in (DELIVERY.to_bytes(), DELIVERY.to_message(), encode_message(DELIVERY.to_message())):
        assert Delivery.parse(source) == DELIVERY


@pytest.mark.parametrize(
    ("parse", "good"),
    [
        (IssuanceRequest.parse, build_request(OFFER, KEYS[:2], at=AT)),
        (Delivery.parse, DELIVERY),
    ],
    ids=["request", "delivery"],
)
def test_json_with_members_missing_or_added_is_refused(parse, good):
    value = json.loads(good.to_bytes())
    for name in value:
        assert refusal(parse, json.dumps({key: one for key, one in value.items() if key != name}).encode())
    assert refusal(parse, json.dumps(value | {"more": 1}).encode()) is ReasonCode.FORMAT
    rows = next(name for name, one in value.items() if isinstance(one, list))
    for row in ([], [{}], [1], [value[rows][0] | {"more": 1}], [value[rows][0] | {"format": "../"}], "x", None):
        assert refusal(parse, json.dumps(value | {rows: row}).encode())
    assert refusal(parse, json.dumps(value | {rows: value[rows] * 300}).encode()) is ReasonCode.LIMIT


def test_a_message_of_another_kind_or_with_other_members_is_refused():
    message = OFFER.to_message()
    assert refusal(IssuanceRequest.parse, message) is ReasonCode.FORMAT
    assert refusal(Delivery.parse, message) is ReasonCode.FORMAT
    assert refusal(Offer.parse, Message(MessageKind.OFFER, dict(message.body) | {9: 1})) is ReasonCode.FORMAT
    for name in (1, 2, 3, 4, 5, 6):
        body = {key: value for key, value in message.body.items() if key != name}
        assert refusal(Offer.parse, Message(MessageKind.OFFER, body)) is ReasonCode.FORMAT
    assert refusal(Delivery.parse, Message(MessageKind.DELIVERY, {1: "a", 2: "b", 3: [["sd-cwt", "text"]]}))
    assert refusal(Delivery.parse, Message(MessageKind.DELIVERY, {1: "a", 2: "b", 3: [["dc+sd-jwt", b"bytes"]]}))


def test_the_code_of_an_offer_and_what_is_delivered_stay_out_of_reprs():
    request = build_request(OFFER, KEYS[:2], at=AT)
    assert "nonce" not in repr(OFFER)
    assert "eyJ" not in repr(request) + repr(DELIVERY) + repr(Delivery.parse(DELIVERY.to_bytes()))
    assert decode_message(encode_message(OFFER.to_message())).kind is MessageKind.OFFER
