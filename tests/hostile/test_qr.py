"""threats.md, QR: what strangers show to a camera. QR-08 and QR-09 belong to the verifier."""

from __future__ import annotations

import contextlib
import hashlib
import io
import random
import struct
import tracemalloc
import zlib
from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from PIL import Image

from vcred import qr
from vcred.errors import MalformedError, RefusedError
from vcred.formats._cbor import encode as cbor
from vcred.qr.base45 import base45_decode, base45_encode
from vcred.qr.digits import digits_decode, digits_encode
from vcred.qr.fountain import Frame, Source, parse_frame
from vcred.reasons import ReasonCode

NOISE = b"".join(hashlib.sha256(bytes((n,))).digest() for n in range(256))
MESSAGE = qr.Message(qr.MessageKind.RESPONSE, {1: NOISE})
OTHER = qr.Message(qr.MessageKind.RESPONSE, {1: NOISE[::-1]})


def texts(message: qr.Message) -> list[str]:
    return [code.text for code in qr.encode(message)]


def text_of(frame: Frame) -> str:
    return "VF1:" + base45_encode(frame.to_bytes())


def feed(reader: qr.Reader, frames: list[Frame]) -> None:
    for frame in frames:
        reader.add(text_of(frame))


def refusal(reader: qr.Reader, text: str) -> ReasonCode:
    with pytest.raises(MalformedError) as refused:
        reader.add(text)
    return refused.value.code


def test_qr_01_frames_out_of_order_repeated_and_thirty_per_cent_lost_are_accepted() -> None:
    shown = [text for text in texts(MESSAGE) for _ in range(2)]
    chance = random.Random(1)
    chance.shuffle(shown)
    assert qr.decode(text for text in shown if chance.random() >= 0.3) == MESSAGE


def test_qr_01_too_few_frames_ask_for_more() -> None:
    with pytest.raises(RefusedError) as refused:
        qr.decode(texts(MESSAGE)[:12])
    assert refused.value.code is ReasonCode.INCOMPLETE
    assert refused.value.code.outcome == "INDETERMINATE"


@pytest.mark.parametrize("seed", range(5))
def test_qr_02_frames_of_two_messages_are_never_mixed(seed: int) -> None:
    shown = texts(MESSAGE) + texts(OTHER)
    random.Random(seed).shuffle(shown)
    assert qr.decode(shown) in (MESSAGE, OTHER)


def test_qr_02_frames_that_agree_in_the_id_but_not_in_the_length_are_kept_apart() -> None:
    source = Source(qr.encode_message(MESSAGE), 635)
    reader = qr.Reader()
    forged = replace(source.frame(3), length=source.length - 1)
    assert reader.add(text_of(forged)).received == 1
    for index in range(source.count):
        progress = reader.add(text_of(source.frame(index)))
    assert progress.done
    assert reader.message() == MESSAGE


@pytest.mark.parametrize(("count", "length"), [(255, 65_535), (129, 1), (1, 65_535), (52, 65_535)])
def test_qr_03_a_header_beyond_the_limits_is_refused_before_anything_is_allocated(count: int, length: int) -> None:
    text = "VF1:" + base45_encode(struct.pack(">4sBHH", b"\0\0\0\0", count, length, 65_535) + bytes(20))
    reader = qr.Reader()
    tracemalloc.start()
    try:
        assert refusal(reader, text) is ReasonCode.LIMIT
        assert tracemalloc.get_traced_memory()[1] < 20_000
    finally:
        tracemalloc.stop()


def test_qr_03_a_flood_of_message_ids_keeps_four() -> None:
    reader = qr.Reader()
    frame = Source(qr.encode_message(MESSAGE), 635).frame(0)
    for number in range(500):
        reader.add(text_of(replace(frame, message_id=number.to_bytes(4, "big"))))
    assert len(reader._assemblies) == 4


def test_qr_04_frames_that_are_right_and_a_message_that_is_not_are_refused() -> None:
    source = Source(qr.encode_message(MESSAGE), 635)
    reader = qr.Reader()
    for index in range(source.count - 1):
        reader.add(text_of(replace(source.frame(index), message_id=b"evil")))
    last = replace(source.frame(source.count - 1), message_id=b"evil")
    assert refusal(reader, text_of(last)) is ReasonCode.FRAME
    with pytest.raises(RefusedError) as refused:
        reader.message()
    assert refused.value.code is ReasonCode.INCOMPLETE


def bomb(plain: int) -> bytes:
    deflater = zlib.compressobj(9, zlib.DEFLATED, -15)
    return b"\x56\x01\x01" + deflater.compress(bytes(plain)) + deflater.flush()


def test_qr_05_a_deflate_bomb_stops_at_the_cap() -> None:
    envelope = bomb(3_000_000)
    assert len(envelope) <= 2_953
    tracemalloc.start()
    try:
        with pytest.raises(MalformedError) as refused:
            qr.decode_message(envelope)
        assert tracemalloc.get_traced_memory()[1] < 300_000
    finally:
        tracemalloc.stop()
    assert refused.value.code is ReasonCode.SIZE


def test_qr_05_a_bomb_in_one_code_is_refused() -> None:
    envelope = bomb(1_000_000)
    assert len(envelope) <= 1_258
    assert refusal(qr.Reader(), digits_encode(envelope)) is ReasonCode.SIZE


def test_qr_06_compressed_data_in_compressed_data_is_refused() -> None:
    plain = cbor([2, {1: NOISE}])
    for inner in (zlib.compress(plain, 9), qr.encode_message(MESSAGE), b"\x1f\x8b\x08" + bytes(30)):
        deflater = zlib.compressobj(9, zlib.DEFLATED, -15)
        envelope = b"\x56\x01\x01" + deflater.compress(inner) + deflater.flush()
        with pytest.raises(MalformedError) as refused:
            qr.decode_message(envelope)
        assert refused.value.code in (ReasonCode.CBOR, ReasonCode.FORMAT)


@pytest.mark.parametrize(
    "text", ["VF1::::", "VF1:GGW", "VF1::::::", "VF1:bb8", "VF1:BB8A", "VF1:BB8=", "VF1:BB8\u200b"]
)
def test_qr_07_invalid_base45_is_refused(text: str) -> None:
    assert refusal(qr.Reader(), text) is ReasonCode.ENCODING


@pytest.mark.parametrize(
    "text",
    [
        "https://garam.example/pay",
        "HTTPS://GARAM.EXAMPLE/PAY",
        "javascript:alert(1)",
        "tel:010-0000-0000",
        "intent://scan/#Intent;scheme=x;end",
        "openid4vp://?client_id=x",
        "mdoc:owBjMS4w",
        "HC1:6BF",
        "VC1-R",
        "file:///etc/hosts",
        "WIFI:T:WPA;S:x;P:y;;",
        "\ufeffVF1:000",
        "\u202eVF1:000",
    ],
)
def test_qr_10_another_scheme_is_refused_and_nothing_is_opened(text: str) -> None:
    assert refusal(qr.Reader(), text) is ReasonCode.SCHEME


@pytest.mark.parametrize(
    "name", ["김가람\u202e람가김", "김\u200b가람", "\u2067새솔\u2069", "가람\u3164", "\x1b]0;x\x07"]
)
def test_qr_12_names_that_hide_something_are_shown_escaped_and_flagged(name: str) -> None:
    shown = qr.safe_text(name)
    assert shown.flagged
    assert shown.isprintable()
    assert "\\u{" in shown


@pytest.mark.parametrize("index", [0, 5, 40])
def test_qr_13_one_index_with_two_contents_is_refused_and_neither_wins(index: int) -> None:
    source = Source(qr.encode_message(MESSAGE), 635)
    good = source.frame(index)
    poisoned = replace(good, part=bytes(len(good.part)))
    for first, second in ((good, poisoned), (poisoned, good)):
        reader = qr.Reader()
        reader.add(text_of(first))
        assert refusal(reader, text_of(second)) is ReasonCode.FRAME
        for number in range(source.count):
            progress = reader.add(text_of(source.frame(number)))
        assert progress.done
        assert reader.message() == MESSAGE


def test_qr_13_a_poisoned_frame_never_becomes_part_of_a_message() -> None:
    """One false mix among the plain parts but one: the last part contradicts it, or the message does not hash."""
    source = Source(qr.encode_message(MESSAGE), 635)
    for index in range(source.count, source.count + 20):
        reader = qr.Reader()
        reader.add(text_of(replace(source.frame(index), part=bytes(source.size))))
        with pytest.raises(MalformedError) as refused:
            feed(reader, [source.frame(number) for number in range(source.count)])
        assert refused.value.code is ReasonCode.FRAME
        with pytest.raises(RefusedError) as missing:
            reader.message()
        assert missing.value.code is ReasonCode.INCOMPLETE
        assert [reader.add(text_of(source.frame(n))) for n in range(source.count)][-1].done
        assert reader.message() == MESSAGE


def empty_png(width: int, height: int) -> bytes:
    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


@pytest.mark.parametrize("size", [(20_000, 20_000), (20_000, 1), (1, 10_001), (10_000, 5_001), (2**31 - 1, 2**31 - 1)])
def test_qr_14_a_huge_picture_is_refused_by_its_header(size: tuple[int, int]) -> None:
    with pytest.raises(MalformedError) as refused:
        qr.read_image(empty_png(*size))
    assert refused.value.code is ReasonCode.LIMIT


def test_qr_14_an_animation_without_end_is_refused() -> None:
    first, *others = [Image.new("1", (8, 8), number % 2) for number in range(302)]
    raw = io.BytesIO()
    first.save(raw, format="GIF", save_all=True, append_images=others)
    with pytest.raises(MalformedError) as refused:
        qr.read_image(raw.getvalue())
    assert refused.value.code is ReasonCode.LIMIT


def test_qr_14_a_file_beyond_the_limit_is_refused() -> None:
    with pytest.raises(MalformedError) as refused:
        qr.read_image(bytes(32 * 1024 * 1024 + 1))
    assert refused.value.code is ReasonCode.SIZE


def test_qr_14_a_pdf_of_200_pages_is_refused_before_any_is_drawn() -> None:
    pytest.importorskip("pypdfium2", reason="the extra pdf is not installed")
    first, *others = [Image.new("1", (8, 8)) for _ in range(200)]
    raw = io.BytesIO()
    first.save(raw, format="PDF", save_all=True, append_images=others)
    with pytest.raises(MalformedError) as refused:
        qr.read_pdf(raw.getvalue())
    assert refused.value.code is ReasonCode.LIMIT


def only_malformed(call: object, *arguments: object) -> None:
    with contextlib.suppress(MalformedError):
        call(*arguments)  # type: ignore[operator]


@given(st.text(max_size=80))
@example("VF1:")
@example("9" * 3_057)
def test_any_text_is_read_or_refused(text: str) -> None:
    only_malformed(qr.Reader().add, text)
    only_malformed(base45_decode, text, "qr")
    only_malformed(digits_decode, text, "qr")
    only_malformed(qr.pack_jws, text)
    assert qr.safe_text(text).replace(" ", "").isprintable()


@given(st.binary(max_size=120))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    only_malformed(qr.decode_message, data)
    for coding in (b"\0", b"\1", b"\2\1"):
        only_malformed(qr.decode_message, b"\x56\x01" + coding + data)
    only_malformed(parse_frame, data)
    only_malformed(qr.Reader().add, "VF1:" + base45_encode(data))
    only_malformed(qr.Reader().add, digits_encode(b"F" + data))
    only_malformed(qr.read_image, data)
    only_malformed(qr.unpack_jws, [data, data, data])


@given(st.binary(max_size=60), st.sampled_from([b"GIF89a", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0", b"RIFF", b"BM"]))
def test_any_broken_picture_is_read_or_refused(data: bytes, magic: bytes) -> None:
    only_malformed(qr.read_image, magic + data)


@given(st.integers(0, 2_000), st.integers(0, 255))
def test_any_flipped_byte_of_a_picture_is_read_or_refused(at: int, value: int) -> None:
    raw = bytearray(PICTURE)
    raw[at % len(raw)] = value
    only_malformed(qr.read_image, bytes(raw))


PICTURE = qr.text_code("VERIFY").png(scale=2)
