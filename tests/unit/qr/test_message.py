"""The envelope: codings, dictionaries, versions."""

from __future__ import annotations

import hashlib
import runpy
import zlib
from pathlib import Path

import pytest

from vcred.errors import MalformedError
from vcred.formats._cbor import encode
from vcred.qr import Message, MessageKind, decode_message, encode_message
from vcred.qr.dictionary import DICTIONARIES, load_dictionary
from vcred.qr.message import MAX_BODY, MAX_ENVELOPE
from vcred.reasons import ReasonCode

GENERATE = Path(__file__).parents[2] / "vectors/generate/qr_dictionary.py"
NOISE = b"".join(hashlib.sha256(n.to_bytes(2, "big")).digest() for n in range(2_100))


def refusal(data: bytes) -> ReasonCode:
    with pytest.raises(MalformedError) as refused:
        decode_message(data)
    assert refused.value.path.startswith("message")
    return refused.value.code


@pytest.mark.parametrize("kind", MessageKind)
@pytest.mark.parametrize("dictionary", [None, 1])
def test_every_kind_survives(kind: MessageKind, dictionary: int | None) -> None:
    message = Message(kind, {1: [b"\0\1", "가람시", -1, True, None], "text": {2: b""}})
    assert decode_message(encode_message(message, dictionary=dictionary)) == message


def test_what_does_not_shrink_is_stored() -> None:
    assert encode_message(Message(MessageKind.PAPER, {1: NOISE[:64]}))[:3] == b"\x56\x01\x00"


def test_what_repeats_is_deflated() -> None:
    assert encode_message(Message(MessageKind.PAPER, {1: b"\0" * 64}), dictionary=None)[:3] == b"\x56\x01\x01"


def test_what_the_dictionary_has_refers_to_it() -> None:
    message = Message(MessageKind.PAPER, {1: "urn:vcred:kr:resident.household:1"})
    envelope = encode_message(message)
    assert envelope[:4] == b"\x56\x01\x02\x01"
    assert len(envelope) < len(encode_message(message, dictionary=None))


def test_equal_messages_have_equal_envelopes_whatever_the_order_of_their_members() -> None:
    one, other = {1: 1, 2: 2, "a": 3}, {"a": 3, 2: 2, 1: 1}
    assert encode_message(Message(MessageKind.OFFER, one)) == encode_message(Message(MessageKind.OFFER, other))


def test_a_dictionary_is_what_its_hash_says_and_what_its_generator_makes() -> None:
    made: bytes = runpy.run_path(str(GENERATE))["dictionary"]()
    assert load_dictionary(1) == made
    assert hashlib.sha256(made).hexdigest() == DICTIONARIES[1]


def test_a_dictionary_that_does_not_exist_cannot_be_used() -> None:
    with pytest.raises(ValueError, match="no dictionary 2"):
        encode_message(Message(MessageKind.OFFER, {}), dictionary=2)


def test_an_unknown_dictionary_is_a_refusal() -> None:
    envelope = bytearray(encode_message(Message(MessageKind.PAPER, {1: "urn:vcred:kr:resident.household:1"})))
    envelope[3] = 9
    assert refusal(bytes(envelope)) is ReasonCode.FORMAT


def test_the_largest_body_inflates_and_one_byte_more_does_not() -> None:
    def deflated(size: int) -> bytes:
        # [1, {1: bytes}] takes 9 bytes around a byte string with a 32-bit length.
        body = encode([1, {1: bytes(size - 9)}]) if size - 9 > 0xFFFF else encode([1, {1: bytes(size - 7)}])
        assert len(body) == size
        compress = zlib.compressobj(9, zlib.DEFLATED, -15)
        return b"\x56\x01\x01" + compress.compress(body) + compress.flush()

    assert len(decode_message(deflated(MAX_BODY)).body[1]) > 65_000
    assert refusal(deflated(MAX_BODY + 10)) is ReasonCode.SIZE


def test_an_envelope_beyond_the_limit_is_not_looked_at() -> None:
    assert refusal(b"\x56\x01\x00" + bytes(MAX_ENVELOPE - 2)) is ReasonCode.SIZE


@pytest.mark.parametrize("size", [MAX_BODY, 65_528])
def test_a_message_beyond_the_limits_is_not_made(size: int) -> None:
    with pytest.raises(ValueError, match="at most"):
        encode_message(Message(MessageKind.OFFER, {1: NOISE[:size]}))


@pytest.mark.parametrize(("kind", "body"), [(1, {}), (MessageKind.OFFER, [1])])
def test_a_message_of_other_types_is_misuse(kind: object, body: object) -> None:
    with pytest.raises(TypeError):
        Message(kind, body)  # type: ignore[arg-type]


def test_its_repr_shows_no_body() -> None:
    assert repr(Message(MessageKind.OFFER, {1: "secret"})) == "Message(kind=<MessageKind.OFFER: 6>)"
