"""A reader and a device side by side: engagement, session, request with reader authentication, answer with a MAC."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from vcred.claims import SD, ClaimPath
from vcred.credential import Content
from vcred.errors import MalformedError, RefusedError
from vcred.formats._cbor import Embedded, decode, encode
from vcred.formats._mdoc_device import NO_ELEMENTS, device_authentication, mac_key, make_mac, shared_secret
from vcred.formats._mdoc_request import make_device_request, parse_device_request, reader_signature, verify_reader
from vcred.formats._mdoc_session import (
    END_OF_SESSION,
    SessionCipher,
    make_engagement,
    parse_engagement,
    parse_engagement_uri,
    parse_message,
    proximity_transcript,
    session_data,
    session_establishment,
)
from vcred.formats.base import IssuerKey
from vcred.formats.mdoc import Mdoc, Session
from vcred.keys import PublicKey, SoftwareSigner
from vcred.reasons import ReasonCode as Code
from vcred.trust.profile import Purpose
from vcred.trust.x509 import build_reader, build_root, build_signer

DOCTYPE, VCT = "kr.vcred.test.1", "urn:vcred:kr:test:1"
NAME = {"ko": "가람시 (가상)", "en": "Garam (fictitious)"}
SPAN = {"not_before": datetime(2026, 1, 1, tzinfo=UTC), "not_after": datetime(2031, 1, 1, tzinfo=UTC)}
NOW = int(datetime(2026, 3, 2, tzinfo=UTC).timestamp())
ROOT_KEY, ISSUER, HOLDER, READER = (SoftwareSigner.generate() for _ in range(4))
ANCHOR = build_root(ROOT_KEY, name=NAME, **SPAN)
SIGNER = build_signer(
    ISSUER.public_key, purpose=Purpose.ISSUER, id="https://garam.example", name=NAME, issuer=ANCHOR, issuer_signer=ROOT_KEY, **SPAN
)  # fmt: skip
BANK = build_reader(
    READER.public_key, identifier="bank.example", name=NAME, issuer=ANCHOR, issuer_signer=ROOT_KEY, **SPAN
)


class Types:
    def doctype(self, vct):
        return DOCTYPE

    def vct(self, namespace):
        return VCT

    def spelling(self, vct):
        return None


FORMAT = Mdoc(Types())
ASKED = {DOCTYPE: {DOCTYPE: {"name": False, "town": True}}}


def fresh() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def code(call, *args, **kwargs) -> Code:
    with pytest.raises(RefusedError) as caught:
        call(*args, **kwargs)
    return caught.value.code


def test_a_reader_and_a_device_side_by_side():
    # The device shows its engagement; the reader reads it and makes a key of its own.
    device_key, reader_key = fresh(), fresh()
    engagement = make_engagement(PublicKey(device_key.public_key()))
    seen = parse_engagement_uri(engagement.to_uri())
    assert seen == engagement
    sent_key = encode(PublicKey(reader_key.public_key()).to_cose())
    transcript = proximity_transcript(seen.raw, sent_key, b"\xf6")
    reader = SessionCipher(reader_key, seen.key, transcript=transcript, reader=True)
    request = make_device_request(ASKED, transcript=transcript, signer=READER, chain=(BANK,))
    first = session_establishment(sent_key, reader.encrypt(request))

    # The device derives the same session from the first message, and knows the reader.
    message = parse_message(first)
    theirs = proximity_transcript(engagement.raw, message.reader_key, b"\xf6")
    device = SessionCipher(device_key, message.public_key, transcript=theirs, reader=False)
    (asked,) = parse_device_request(device.decrypt(message.data))
    assert {asked.doctype: asked.elements} == ASKED
    _, chain = reader_signature(asked, theirs)
    assert chain == (BANK,)
    verify_reader(asked, transcript=theirs, key=READER.public_key)

    # It answers with a MAC, which the reader verifies with the key it made.
    content = Content(
        vct=VCT, issuer="https://garam.example", claims={"name": SD("가상"), "town": SD("가람시")}, issued_at=NOW,
        expires_at=NOW + 10, holder_key=HOLDER.public_key,
    )  # fmt: skip
    opened = FORMAT.open(FORMAT.issue(content, IssuerKey(public_key=ISSUER.public_key, chain=(SIGNER,)), ISSUER))
    prepared = FORMAT.prepare_response(opened, [ClaimPath.parse("town")], transcript=theirs)
    value = decode(prepared.complete(bytes(64)), "it", max_bytes=1 << 16)
    key = mac_key(shared_secret(HOLDER.crypto, message.public_key), theirs)
    mac = decode(make_mac(key, device_authentication(theirs, DOCTYPE, NO_ELEMENTS)), "it", max_bytes=512)
    value["documents"][0]["deviceSigned"] = mac
    later = parse_message(session_data(device.encrypt(encode(value))))
    session = Session(transcript=transcript, audience="bank.example", nonce=None, received_at=NOW)
    (shown,) = FORMAT.open_response(reader.decrypt(later.data), session)
    FORMAT.verify_signature(shown, ISSUER.public_key)
    FORMAT.verify_device_mac(shown, reader_key)
    assert shown.claims == {"town": "가람시"}
    assert parse_message(session_data(None, END_OF_SESSION)).status == END_OF_SESSION


def test_messages_are_read_once_in_order_and_one_way():
    one, other = fresh(), fresh()
    transcript = b"\x83\xf6\xf6\xf6"
    reader = SessionCipher(one, PublicKey(other.public_key()), transcript=transcript, reader=True)
    device = SessionCipher(other, PublicKey(one.public_key()), transcript=transcript, reader=False)
    first, second = reader.encrypt(b"1"), reader.encrypt(b"2")
    assert code(device.decrypt, second) is Code.INTEGRITY
    assert device.decrypt(first) == b"1"
    assert code(device.decrypt, first) is Code.INTEGRITY
    assert code(reader.decrypt, second) is Code.INTEGRITY
    for wrong in (b"", bytes(15), second[:-1] + bytes((second[-1] ^ 1,)), second + b"\0"):
        assert code(device.decrypt, wrong) is Code.INTEGRITY
    assert device.decrypt(second) == b"2"
    elsewhere = SessionCipher(other, PublicKey(one.public_key()), transcript=b"\x83\xf6\xf6\xf5", reader=False)
    assert code(elsewhere.decrypt, first) is Code.INTEGRITY


def test_a_session_without_numbers_left_ends():
    one, other = fresh(), fresh()
    cipher = SessionCipher(one, PublicKey(other.public_key()), transcript=b"\xf6", reader=True)
    cipher._writes = cipher._reads = 2**32 - 1
    with pytest.raises(ValueError, match="no numbers"):
        cipher.encrypt(b"")
    assert code(cipher.decrypt, bytes(32)) is Code.INTEGRITY


@pytest.mark.parametrize("other", [ec.generate_private_key(ec.SECP384R1()), ed25519.Ed25519PrivateKey.generate()])
def test_keys_of_another_curve(other):
    public = PublicKey(other.public_key())
    assert code(SessionCipher, fresh(), public, transcript=b"\xf6", reader=True) is Code.DEVICE_AUTH


KEY = encode(HOLDER.public_key.to_cose())


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ([], Code.FORMAT),
        ({1: [1, Embedded(KEY)]}, Code.FORMAT),
        ({0: "2.0", 1: [1, Embedded(KEY)]}, Code.FORMAT),
        ({0: "1.0"}, Code.FORMAT),
        ({0: "1.0", 1: [1, KEY]}, Code.FORMAT),
        ({0: "1.0", 1: [1, Embedded(KEY), 1]}, Code.FORMAT),
        ({0: "1.0", 1: [2, Embedded(KEY)]}, Code.ALG),
        ({0: "1.0", 1: [True, Embedded(KEY)]}, Code.ALG),
        ({0: "1.0", 1: [1, Embedded(b"\xa0")]}, Code.KEY),
        ({0: "1.0", 1: [1, Embedded(b"\xff")]}, Code.CBOR),
        ({0: "1.0", 1: [1, Embedded(KEY)], 2: {}}, Code.FORMAT),
        ({0: "1.0", 1: [1, Embedded(KEY)], 2: [bytes(9000)]}, Code.SIZE),
    ],
)
def test_engagements_that_are_none(value, expected):
    assert code(parse_engagement, encode(value)) is expected


def test_engagement_uris():
    uri = make_engagement(HOLDER.public_key).to_uri()
    assert parse_engagement_uri("MDOC:" + uri[5:]).key == HOLDER.public_key
    assert code(parse_engagement_uri, "mdl:" + uri[5:]) is Code.SCHEME
    assert code(parse_engagement_uri, uri + "=") is Code.ENCODING
    assert code(parse_engagement_uri, "mdoc:" + "A" * 20000) is Code.SIZE
    assert code(parse_engagement_uri, "mdoc:") is Code.CBOR


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ([], Code.FORMAT),
        ({}, Code.FORMAT),
        ({"data": "text"}, Code.FORMAT),
        ({"data": None}, Code.FORMAT),
        ({"status": -1}, Code.FORMAT),
        ({"status": True}, Code.FORMAT),
        ({"status": 20, "eReaderKey": KEY}, Code.FORMAT),
    ],
)
def test_messages_that_are_none(value, expected):
    assert code(parse_message, encode(value)) is expected


def test_messages_that_say_nothing_or_bring_no_key():
    with pytest.raises(ValueError, match="data or a status"):
        session_data(None)
    with pytest.raises(MalformedError) as caught:
        _ = parse_message(session_data(b"x")).public_key
    assert caught.value.code is Code.KEY
    with pytest.raises(MalformedError):
        _ = parse_message(session_establishment(b"\xa0", b"x")).public_key


def items(value) -> dict:
    return {"itemsRequest": Embedded(encode(value))}


GOOD = {"docType": DOCTYPE, "nameSpaces": {DOCTYPE: {"name": False}}}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ([], Code.FORMAT),
        ({"docRequests": [items(GOOD)]}, Code.FORMAT),
        ({"version": "2.0", "docRequests": [items(GOOD)]}, Code.FORMAT),
        ({"version": "1.0"}, Code.FORMAT),
        ({"version": "1.0", "docRequests": []}, Code.FORMAT),
        ({"version": "1.0", "docRequests": [items(GOOD)] * 17}, Code.LIMIT),
        ({"version": "1.0", "docRequests": [{}]}, Code.FORMAT),
        ({"version": "1.0", "docRequests": [[]]}, Code.FORMAT),
        ({"version": "1.0", "docRequests": [{"itemsRequest": encode(GOOD)}]}, Code.FORMAT),
        ({"version": "1.0", "docRequests": [items({**GOOD, "docType": 1})]}, Code.FORMAT),
        ({"version": "1.0", "docRequests": [items({**GOOD, "nameSpaces": {}})]}, Code.FORMAT),
        ({"version": "1.0", "docRequests": [items({**GOOD, "nameSpaces": {"a": {}}})]}, Code.FORMAT),
        ({"version": "1.0", "docRequests": [items({**GOOD, "nameSpaces": {"a": {"b": 1}}})]}, Code.FORMAT),
        ({"version": "1.0", "docRequests": [items({**GOOD, "nameSpaces": {1: {"b": True}}})]}, Code.FORMAT),
        (
            {
                "version": "1.0",
                "docRequests": [items({**GOOD, "nameSpaces": {"a": {str(n): True for n in range(2001)}}})],
            },
            Code.LIMIT,
        ),
    ],
)
def test_requests_that_are_none(value, expected):
    assert code(parse_device_request, encode(value)) is expected


def test_a_request_nobody_signed_is_nobodys():
    (asked,) = parse_device_request(make_device_request(ASKED, transcript=b"\xf6", signer=None))
    assert reader_signature(asked, b"\xf6") is None
    assert code(verify_reader, asked, transcript=b"\xf6", key=READER.public_key) is Code.READER_UNTRUSTED


def test_reader_authentication_is_for_one_session_and_by_one_key():
    raw = make_device_request(ASKED, transcript=b"\xf6", signer=READER, chain=(BANK, ANCHOR))
    (asked,) = parse_device_request(raw)
    verify_reader(asked, transcript=b"\xf6", key=READER.public_key)
    assert reader_signature(asked, b"\xf6")[1] == (BANK, ANCHOR)
    assert code(verify_reader, asked, transcript=b"\xf5", key=READER.public_key) is Code.SIGNATURE
    assert code(verify_reader, asked, transcript=b"\xf6", key=HOLDER.public_key) is Code.SIGNATURE
    value = decode(raw, "it", max_bytes=8192)
    value["docRequests"][0]["itemsRequest"] = items(GOOD)["itemsRequest"]
    (other,) = parse_device_request(encode(value))
    assert code(verify_reader, other, transcript=b"\xf6", key=READER.public_key) is Code.SIGNATURE


@pytest.mark.parametrize(
    ("auth", "expected"),
    [
        ("text", Code.FORMAT),
        ([b"", {}, None], Code.FORMAT),
        ([encode({1: -7}), {33: BANK}, b"attached", bytes(64)], Code.FORMAT),
        ([encode({1: -7}), {}, None, bytes(64)], Code.CHAIN),
        ([b"", {1: -7, 33: BANK}, None, bytes(64)], Code.ALG),
        ([encode({1: -7, 2: [1]}), {33: BANK}, None, bytes(64)], Code.CRIT),
    ],
)
def test_reader_authentication_that_is_none(auth, expected):
    value = {"version": "1.0", "docRequests": [{**items(GOOD), "readerAuth": auth}]}
    (asked,) = parse_device_request(encode(value))
    assert code(reader_signature, asked, b"\xf6") is expected


def test_requests_that_are_not_made():
    for asked in ({}, {DOCTYPE: {}}, {DOCTYPE: {DOCTYPE: {}}}):
        with pytest.raises(ValueError, match="asks for something"):
            make_device_request(asked, transcript=b"\xf6", signer=None)
    for more in ({"signer": READER}, {"signer": None, "chain": (BANK,)}):
        with pytest.raises(ValueError, match="certificates"):
            make_device_request(ASKED, transcript=b"\xf6", **more)
