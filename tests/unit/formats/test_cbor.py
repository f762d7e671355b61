"""The strict CBOR codec: what it reads, what it writes, and that errors say where and never what."""

from __future__ import annotations

import copy
import pickle

import pytest

from vcred.errors import MalformedError
from vcred.formats import _cbor
from vcred.formats._cbor import REDACTED_KEYS, Embedded, Redacted, Tagged, bstr, decode, decode_all, encode
from vcred.reasons import ReasonCode as Code


def read(hexed: str, **options):
    return decode(bytes.fromhex(hexed), "it", max_bytes=4096, **options)


def refused(hexed: str, **options) -> Code:
    with pytest.raises(MalformedError) as caught:
        read(hexed, **options)
    assert caught.value.path == "it"
    return caught.value.code


@pytest.mark.parametrize(
    ("hexed", "value"),
    [
        ("00", 0),
        ("1bffffffffffffffff", 2**64 - 1),
        ("3bffffffffffffffff", -(2**64)),
        ("f5", True),
        ("f6", None),
        ("f93c00", 1.0),
        ("4101", b"\x01"),
        ("63ea b080".replace(" ", ""), "가"),
        ("82 01 81 02".replace(" ", ""), [1, [2]]),
        ("a2 01 02 61 61 03".replace(" ", ""), {1: 2, "a": 3}),
        ("d83c4101", Redacted(b"\x01")),
        ("d81841ff", Embedded(b"\xff")),
        ("d28101", Tagged(18, [1])),
        ("a1f83b80", {REDACTED_KEYS: []}),
    ],
)
def test_reads_and_keeps_the_type(hexed, value):
    found = read(hexed)
    assert found == value
    assert type(found) is type(value)


def test_a_tag_is_interpreted_only_where_it_is_allowed():
    assert refused("d83c4101", tags=frozenset()) is Code.TAG
    assert refused("c000", tags=frozenset()) is Code.TAG
    assert read("c06161", tags=frozenset({0})) == Tagged(0, "a")
    assert read("d903ec6161", tags=frozenset({1004})) == Tagged(1004, "a")


def test_the_redacted_key_is_allowed_where_the_redacted_element_is():
    assert refused("a1f83b80", tags=frozenset({18})) is Code.CBOR


def test_the_redacted_key_is_not_the_integer_59():
    found = read("a1f83b80")
    assert 59 not in found
    assert read("a1183b80") == {59: []}
    with pytest.raises(ValueError, match="59"):
        encode({59: 1, REDACTED_KEYS: []})


def test_the_redacted_key_stays_itself_through_copies():
    assert copy.deepcopy(REDACTED_KEYS) is REDACTED_KEYS
    assert pickle.loads(pickle.dumps(REDACTED_KEYS)) is REDACTED_KEYS
    assert repr(REDACTED_KEYS) == "simple(59)"


@pytest.mark.parametrize("hexed", ["d83c01", "d81801", "d83c6161"])
def test_tags_24_and_60_are_over_byte_strings(hexed):
    assert refused(hexed) is Code.TAG


def test_the_size_is_refused_before_anything_is_read():
    with pytest.raises(MalformedError) as caught:
        decode(b"\xff" * 11, "it", max_bytes=10)
    assert caught.value.code is Code.SIZE


def test_depth_counts_arrays_maps_and_tags():
    assert read("81" * 32 + "01", max_depth=32)
    assert refused("81" * 33 + "01", max_depth=32) is Code.DEPTH
    assert refused("a101" * 33 + "01", max_depth=32) is Code.DEPTH
    assert refused("d2" * 33 + "00", max_depth=32) is Code.DEPTH


@pytest.mark.parametrize("hexed", ["41", "4841", "48", "581b", "58", "81", "8201", "a1", "a101", "1b", "61", "", "d2"])
def test_a_truncated_item_has_the_same_code_in_every_process(hexed, monkeypatch):
    # The mark that follows the input is part of what a truncated item swallows.
    for mark in (0xC500000000000001, 0xFFFFFFFFFFFFFFFF, 0x8100000000000001, 0xF700000000000001):
        monkeypatch.setattr(_cbor, "_MARK", mark)
        monkeypatch.setattr(_cbor, "_MARK_BYTES", b"\x1b" + mark.to_bytes(8, "big"))
        assert refused(hexed) is Code.CBOR


def test_the_mark_is_no_float_and_no_shorter_integer():
    assert _cbor._MARK >= 1 << 63
    assert float(_cbor._MARK) != _cbor._MARK


def test_trailing_bytes_are_refused_even_when_they_are_a_whole_item():
    assert refused("0102") is Code.CBOR
    assert refused("01f6") is Code.CBOR


def test_many_items_are_read_as_each_would_be():
    items = [encode(value) for value in (1, "a", [b"x"], {1: [Redacted(b"y")]}, None)]
    assert decode_all(items, "it", max_bytes=99) == [decode(item, "it", max_bytes=99) for item in items]
    assert decode_all([], "it", max_bytes=0) == []


@pytest.mark.parametrize(
    ("items", "path"),
    [
        ([b"\x01", b"\x01\x02"], "it[1]"),
        ([b"\x01\x02", b""], "it[0]"),
        ([b"\x82\x01", b"\x02"], "it[0]"),
        ([b"\x01", b"\x41", b"\x02"], "it[1]"),
        ([b"\x01", b"\x01", b"\xf7"], "it[2]"),
    ],
)
def test_many_items_that_only_add_up_are_refused_by_name(items, path):
    with pytest.raises(MalformedError) as caught:
        decode_all(items, "it", max_bytes=99)
    assert (caught.value.code, caught.value.path) == (Code.CBOR, path)


def test_many_items_have_limits():
    with pytest.raises(MalformedError) as caught:
        decode_all([b"\x01"] * 4097, "it", max_bytes=9999)
    assert caught.value.code is Code.LIMIT
    with pytest.raises(MalformedError) as caught:
        decode_all([b"\x01"] * 3, "it", max_bytes=2)
    assert caught.value.code is Code.SIZE


def test_errors_repeat_no_input():
    with pytest.raises(MalformedError) as caught:
        decode(bytes.fromhex("a2 6673656372657401 6673656372657402"), "it", max_bytes=99)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("value", "hexed"),
    [
        (
            {256: 1, -1: 2, 3: 3, "b": 4, "aa": 5, REDACTED_KEYS: []},
            "a60303190100012002616204626161 05f83b80".replace(" ", ""),
        ),
        ([Redacted(b"a"), Embedded(b"b"), Tagged(18, [1])], "83d83c4161d8184162d28101"),
        ((1, None, True, False), "8401f6f5f4"),
        ("가" * 100, "79012c" + "eab080" * 100),
        (b"x" * 70000, "5a00011170" + "78" * 70000),
        (2**64 - 1, "1bffffffffffffffff"),
        (-(2**64), "3bffffffffffffffff"),
        (65536, "1a00010000"),
    ],
)
def test_writes_deterministically(value, hexed):
    assert encode(value).hex() == hexed


@pytest.mark.parametrize("value", [1.0, object(), {1.0: 1}, {True: 1}, {b"a": 1}, {None: 1}, {1, 2}, [1.0]])
def test_what_is_not_written(value):
    with pytest.raises(TypeError):
        encode(value)


@pytest.mark.parametrize("value", [2**64, -(2**64) - 1, "\ud800"])
def test_values_without_an_encoding(value):
    with pytest.raises(ValueError):
        encode([value])


@pytest.mark.parametrize("size", [0, 23, 24, 255, 256, 65535, 65536])
def test_a_byte_string_has_the_shortest_header(size):
    assert bstr(bytes(size)) == encode(bytes(size))
    assert decode(bstr(bytes(size)), "it", max_bytes=99999) == bytes(size)
