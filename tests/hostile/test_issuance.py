"""Messages of issuance against hostile bytes: only ``MalformedError`` comes out, and nothing else gets in."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vcred.errors import MalformedError
from vcred.issuance import Delivery, IssuanceRequest, Offer, build_request
from vcred.keys import SoftwareSigner
from vcred.qr import Message, MessageKind, encode_message

AT = datetime(2026, 9, 26, 3, tzinfo=UTC)
OFFER = Offer(
    issuer="https://city.example/issuer",
    code="resident.personal",
    nonce=bytes(16),
    expires_at=int(AT.timestamp()) + 600,
    copies=2,
    formats=("sd-cwt",),
)
REQUEST = build_request(OFFER, [SoftwareSigner.generate()], at=AT)
DELIVERY = Delivery(code="resident.personal", credential_id="c-1", credentials=(("sd-cwt", b"\xd2\x84"),))
PARSERS = (Offer.parse, IssuanceRequest.parse, Delivery.parse)
KINDS = (MessageKind.OFFER, MessageKind.PROOF, MessageKind.DELIVERY)

leaves = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=20) | st.binary(max_size=20)
values = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
)
json_leaves = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20)
json_values = st.recursive(
    json_leaves, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
)


def only_malformed(parse, source):
    try:
        parse(source)
    except MalformedError:
        return


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes(raw):
    for parse in PARSERS:
        only_malformed(parse, raw)
        only_malformed(parse, b"V" + raw)


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=200))
def test_any_text_as_an_offer(text):
    only_malformed(Offer.parse, text)
    only_malformed(Offer.parse, f"openid-credential-offer://?credential_offer={text}")
    only_malformed(Offer.parse, f"openid-credential-offer://?credential_offer={quote(text)}")


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(st.integers(1, 9), values, max_size=8))
def test_any_message_body(body):
    for parse, kind in zip(PARSERS, KINDS, strict=True):
        only_malformed(parse, Message(kind, body))


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_any_value_in_any_place(data):
    for parse, good in ((IssuanceRequest.parse, REQUEST), (Delivery.parse, DELIVERY)):
        value = json.loads(good.to_bytes())
        name = data.draw(st.sampled_from(sorted(value)))
        value[name] = data.draw(json_values)
        only_malformed(parse, json.dumps(value).encode())
    for parse, good in zip(PARSERS, (OFFER, REQUEST, DELIVERY), strict=True):
        body = dict(good.to_message().body)
        body[data.draw(st.sampled_from(sorted(body)))] = data.draw(values)
        only_malformed(parse, Message(good.to_message().kind, body))


@pytest.mark.parametrize("good", [OFFER, REQUEST, DELIVERY], ids=["offer", "request", "delivery"])
def test_every_truncation_and_every_flipped_byte(good):
    raw = encode_message(good.to_message(), dictionary=None)
    for index in range(len(raw)):
        with pytest.raises(MalformedError):
            type(good).parse(raw[:index])
        only_malformed(type(good).parse, raw[:index] + bytes([raw[index] ^ 0x55]) + raw[index + 1 :])


def test_ci_14_a_large_or_deep_body_is_refused_before_it_is_read():
    for parse in (IssuanceRequest.parse, Delivery.parse):
        with pytest.raises(MalformedError) as refused:
            parse(b" " * (33 * 1024 * 1024))
        assert refused.value.code.value == "size"
        with pytest.raises(MalformedError) as refused:
            parse(b"[" * 100_000 + b"]" * 100_000)
        assert refused.value.code.value == "depth"
