"""Round trips of the QR layer on generated input."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vcred import qr
from vcred.errors import MalformedError
from vcred.formats._wire import b64u_encode
from vcred.qr.base45 import base45_decode, base45_encode
from vcred.qr.digits import digits_decode, digits_encode
from vcred.qr.fountain import Assembly, Source, parse_frame

pytestmark = pytest.mark.property

SCALARS = st.none() | st.booleans() | st.integers(-(2**64), 2**64 - 1) | st.text(max_size=30) | st.binary(max_size=60)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.integers(0, 50) | st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)
BODIES = st.dictionaries(st.integers(-100, 100) | st.text(max_size=10), VALUES, max_size=5)
PARTS = st.binary(min_size=1, max_size=40)
JWS = st.tuples(PARTS, st.binary(max_size=40), PARTS).map(lambda parts: ".".join(map(b64u_encode, parts)))


@given(st.binary(max_size=300))
def test_bytes_survive_base45_and_digits(data: bytes) -> None:
    assert base45_decode(base45_encode(data), "qr") == data
    assert digits_decode(digits_encode(data), "qr") == data


@given(st.sampled_from(qr.MessageKind), BODIES, st.sampled_from([None, 1]))
def test_messages_survive_their_envelope(
    kind: qr.MessageKind, body: dict[str | int, object], dictionary: int | None
) -> None:
    message = qr.Message(kind, body)
    assert qr.decode_message(qr.encode_message(message, dictionary=dictionary)) == message


@given(JWS, st.lists(PARTS, max_size=5), st.none() | JWS | st.just(""))
def test_tokens_survive_packing(jws: str, disclosures: list[bytes], binding: str | None) -> None:
    token = jws if binding is None else "~".join((jws, *map(b64u_encode, disclosures), binding))
    assert qr.unpack_jws(qr.pack_jws(token)) == token.encode()


@given(
    st.binary(min_size=1, max_size=3_000), st.integers(24, 800), st.randoms(use_true_random=False), st.floats(0, 0.6)
)
@settings(deadline=None)
def test_any_order_any_loss_and_any_repetition_end_in_the_message(
    message: bytes, size: int, chance: object, loss: float
) -> None:
    source = Source(message, max(size, -(-len(message) // 128)))
    assembly = Assembly(source.frame(0))
    indexes = [*range(source.count), *range(source.count, 3 * source.count + 40)] * 2
    chance.shuffle(indexes)  # type: ignore[attr-defined]
    for index in indexes:
        if chance.random() < loss:  # type: ignore[attr-defined]
            continue
        before = assembly.rank
        assembly.add(parse_frame(source.frame(index).to_bytes()))
        assert assembly.rank in (before, before + 1)
        if assembly.rank == source.count:
            break
    assert assembly.rank == source.count
    assert assembly.message() == message


@given(st.data())
def test_a_changed_message_never_comes_out(data: st.DataObject) -> None:
    message = data.draw(st.binary(min_size=2, max_size=400))
    source = Source(message, 40)
    frames = [source.frame(index) for index in range(source.count)]
    at = data.draw(st.integers(0, source.count - 1))
    raw = bytearray(frames[at].to_bytes())
    raw[data.draw(st.integers(9, len(raw) - 1))] ^= data.draw(st.integers(1, 255))
    frames[at] = parse_frame(bytes(raw))
    assembly = Assembly(frames[0])
    for frame in frames:
        assembly.add(frame)
    with pytest.raises(MalformedError):
        assembly.message()
