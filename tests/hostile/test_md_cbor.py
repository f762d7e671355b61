"""MD-01 to MD-07: hostile CBOR, wherever it stands."""

from __future__ import annotations

import tracemalloc
from io import BytesIO

import cbor2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vcred.errors import MalformedError
from vcred.formats._cbor import TAGS, decode
from vcred.reasons import ReasonCode as Code


def refused(data: bytes, **options) -> Code:
    with pytest.raises(MalformedError) as caught:
        decode(data, "it", **{"max_bytes": 1 << 21, **options})
    return caught.value.code


@pytest.mark.parametrize(
    "hexed",
    [
        "a201020103",
        "a2616101616102",
        "81a201020103",
        "a101a201020103",
        "a20102180103",  # the same key, longer than it need be
        "a2616101780161 02".replace(" ", ""),
        "a2f83b80f83b80",
        "d281a201020103",
    ],
)
def test_md_01_duplicate_keys(hexed):
    assert refused(bytes.fromhex(hexed)) is Code.CBOR


@pytest.mark.parametrize(
    ("hexed", "value"),
    [
        ("1801", 1),
        ("190001", 1),
        ("1a00000001", 1),
        ("1b0000000000000001", 1),
        ("580141", b"A"),
        ("980101", [1]),
        ("b8010102", {1: 2}),
        ("780161", "a"),
        ("3800", -1),
    ],
)
def test_md_02_longer_than_need_be_is_accepted(hexed, value):
    assert decode(bytes.fromhex(hexed), "it", max_bytes=64) == value


@pytest.mark.parametrize(
    "hexed", ["9f01ff", "bf0102ff", "5f4101ff", "7f6161ff", "819f01ff", "a1019f01ff", "5fff", "9fff"]
)
def test_md_03_indefinite_lengths(hexed):
    assert refused(bytes.fromhex(hexed)) is Code.CBOR


@pytest.mark.parametrize("tail", ["00", "f6", "ff", "80", "1b0000000000000000", "4100"])
def test_md_04_trailing_bytes(tail):
    assert refused(b"\xa0" + bytes.fromhex(tail)) is Code.CBOR


@pytest.mark.parametrize("level", [b"\x81", b"\xa1\x01", b"\xd2", b"\xd8\x3c", b"\xc6", b"\xd8\x1c", b"\x82\x01"])
def test_md_05_depth_100_000(level):
    assert refused(level * 100_000 + b"\x01") is Code.DEPTH


def test_md_05_a_chain_of_tag_24_is_one_level():
    chain = b"\x01"
    for _ in range(1000):
        chain = cbor2.dumps(cbor2.CBORTag(24, chain))
    assert decode(chain, "it", max_bytes=1 << 21).raw


@pytest.mark.parametrize(
    "head",
    [
        "9b0000010000000000",
        "bb0000010000000000",
        "5b0000010000000000",
        "7b0000010000000000",
        "9bffffffffffffffff",
        "5bffffffffffffffff",
        "7a7fffffff",
        "ba7fffffff",
        "9a10000000",
    ],
)
def test_md_05_a_declared_length_costs_nothing(head):
    tracemalloc.start()
    try:
        assert refused(bytes.fromhex(head)) is Code.CBOR
        assert tracemalloc.get_traced_memory()[1] < 200_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("tag", "content"),
    [
        (4, "820102"),
        (5, "820102"),
        (28, "80"),
        (29, "00"),
        (30, "820102"),
        (35, "6161"),
        (36, "6161"),
        (258, "820102"),
        (2, "4101"),
        (3, "4101"),
        (0, "6161"),
        (1, "00"),
        (25, "00"),
        (256, "80"),
        (37, "50" + "00" * 16),
        (43000, "820102"),
        (55799, "00"),
    ],
)
def test_md_06_tags(tag, content):
    data = cbor2.dumps(cbor2.CBORTag(tag, 0))[:-1] + bytes.fromhex(content)
    assert refused(data) is Code.TAG
    assert refused(b"\x81" + data) is Code.TAG


def test_md_06_a_bignum_of_a_megabyte():
    assert refused(b"\xc2\x5a\x00\x0f\xff\xff" + b"\x01" * 0x0FFFFF) is Code.TAG
    assert refused(b"\xc2\x5a\x00\x0f\xff\xff" + b"\x01" * 0x0FFFFF, max_bytes=65536) is Code.SIZE


def test_md_06_no_tag_is_interpreted_behind_our_back():
    # A tag that cbor2 learns to interpret never reaches the hook: every one of two bytes is tried.
    def verdict(tag: int) -> Code | None:
        try:
            decode(b"\xd9" + tag.to_bytes(2, "big") + b"\x40", "it", max_bytes=8)
        except MalformedError as error:
            return error.code
        return None

    verdicts = {tag: verdict(tag) for tag in range(0x10000)}
    assert {tag for tag, code in verdicts.items() if code is None} == {18, 24, 60} == TAGS
    assert set(verdicts.values()) == {None, Code.TAG}


@pytest.mark.parametrize(
    "hexed",
    [
        "f97e00",
        "fa7fc00000",
        "fb7ff8000000000000",
        "f97c00",
        "fbfff0000000000000",
        "f7",
        "f8ff",
        "f820",
        "e0",
        "f0",
        "f3",
        "f83b",
        "f818",
        "f800",
    ],
)
@pytest.mark.parametrize("around", ["", "81", "a101", "d281"])
def test_md_07_nan_undefined_and_simple_values(hexed, around):
    assert refused(bytes.fromhex(around + hexed)) is Code.CBOR


@pytest.mark.parametrize(
    "hexed", ["a1f601", "a1f501", "a1f93c0001", "a1410101", "a18001", "a1a001", "a1f701", "a1f83a01", "a1d83c410101"]
)
def test_map_keys_are_integers_or_text(hexed):
    assert refused(bytes.fromhex(hexed)) is Code.CBOR


def strict(data: bytes):
    """The same verdict from ``cbor2`` with a position: what ``decode`` accepts, this accepts, and they agree."""
    stream = BytesIO(data)
    decoder = cbor2.CBORDecoder(stream, allow_indefinite=False, allow_duplicate_keys=False, max_depth=32)
    value = decoder.decode()
    with pytest.raises(cbor2.CBORDecodeEOF):
        decoder.read(1)
    return value


@pytest.mark.property
@settings(max_examples=400, deadline=None)
@given(st.binary(max_size=40))
def test_any_bytes_end_in_a_value_or_malformed(data):
    try:
        value = decode(data, "it", max_bytes=4096, tags=frozenset())
    except MalformedError:
        return
    assert value == strict(data)
