from __future__ import annotations

import zlib
from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vcred.errors import MalformedError
from vcred.formats._wire import (
    b64u_all,
    b64u_bytes,
    b64u_decode,
    b64u_encode,
    dump_json,
    epoch,
    inflate_raw,
    inflate_zlib,
    parse_json,
    parse_json_all,
)
from vcred.reasons import ReasonCode as Code

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8")),
    lambda below: st.lists(below, max_size=4) | st.dictionaries(st.text(max_size=4), below, max_size=4),
    max_leaves=10,
)


@given(st.binary(max_size=50))
def test_base64url_round_trip(raw: bytes) -> None:
    assert b64u_decode(b64u_encode(raw), "x") == b64u_decode(b64u_bytes(raw), "x") == raw


@given(st.integers(1, 65).flatmap(lambda size: st.lists(st.binary(min_size=size, max_size=size), max_size=5)))
def test_base64url_of_all_is_that_of_each(digests: list[bytes]) -> None:
    assert b64u_all(digests) == [b64u_encode(digest) for digest in digests]


@given(st.text("AZ-_+/=\n é", max_size=9))
def test_base64url_has_one_text_for_each_value(text: str) -> None:
    with suppress(MalformedError):
        assert b64u_encode(b64u_decode(text, "x")) == text


@given(VALUES)
def test_json_round_trip(value: object) -> None:
    assert parse_json(dump_json(value), "x", max_bytes=10_000) == value


@given(VALUES)
def test_json_is_compact_utf8(value: object) -> None:
    text = dump_json({"이름": value})
    assert text.startswith('{"이름":'.encode())


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {1, 2}, b"x", {"a": object()}])
def test_what_json_cannot_say(value: object) -> None:
    with pytest.raises((ValueError, TypeError)):
        dump_json(value)


def test_json_size_counts_bytes_also_for_text() -> None:
    assert parse_json('"가"', "x", max_bytes=5) == "가"
    with pytest.raises(MalformedError) as caught:
        parse_json('"가"', "x", max_bytes=4)
    assert caught.value.code is Code.SIZE
    with pytest.raises(MalformedError) as caught:
        parse_json('"\ud800"', "x", max_bytes=40)
    assert caught.value.code is Code.JSON


def test_json_surrogate_pair_is_one_character() -> None:
    assert parse_json(b'"\\ud83d\\ude00"', "x", max_bytes=40) == "😀"


def _raw(data: bytes) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return packer.compress(data) + packer.flush()


@pytest.mark.parametrize(("inflate", "deflate"), [(inflate_raw, _raw), (inflate_zlib, zlib.compress)])
def test_inflate(inflate: object, deflate: object) -> None:
    data = b"0123456789" * 50
    packed = deflate(data)  # type: ignore[operator]
    assert inflate(packed, len(data), "x") == data  # type: ignore[operator]
    for broken, limit, code in (
        (packed, len(data) - 1, Code.SIZE),
        (packed[:-1], 1000, Code.ENCODING),
        (packed + b"x", 1000, Code.ENCODING),
        (b"\xff" + packed, 1000, Code.ENCODING),
        (b"", 1000, Code.ENCODING),
    ):
        with pytest.raises(MalformedError) as caught:
            inflate(broken, limit, "x")  # type: ignore[operator]
        assert caught.value.code is code


def one_by_one(items: list[bytes], max_bytes: int) -> object:
    try:
        return [parse_json(item, f"x[{at}]", max_bytes=max_bytes, max_depth=4) for at, item in enumerate(items)]
    except MalformedError as error:
        return error.code, error.path


def all_at_once(items: list[bytes], max_bytes: int) -> object:
    try:
        return parse_json_all(items, "x", max_bytes=max_bytes, max_depth=4)
    except MalformedError as error:
        return error.code, error.path


# Pieces that are one text, none, two, or half of one that the next could complete.
PIECES = (
    *('["s","n",1]', "1", '""', "[]", "{}", "null", " [1] ", '["\\ud83d\\ude00"]', '"]"', '"["', "[[[[1]]]]"),
    *("", " ", "1,2", "1,", ",", "[", "]", "[1", "2]", '["a', 'b"]', '"', '\\"', "]]", "[[[[[1]]]]]", "{", '{"a":'),
    *('{"a":1,"a":2}', '"\\ud83d"', "NaN", "1" * 41, "\ufeff1", "0]", "[0", "é", '"é"', "/**/"),
)


@given(st.lists(st.sampled_from(PIECES), max_size=6), st.sampled_from((30, 10_000)))
def test_json_texts_are_read_together_as_each_alone(pieces: list[str], max_bytes: int) -> None:
    items = [piece.encode() for piece in pieces]
    assert all_at_once(items, max_bytes) == one_by_one(items, max_bytes)


@given(st.lists(VALUES.map(dump_json), max_size=5))
def test_json_values_survive_being_read_together(items: list[bytes]) -> None:
    assert all_at_once(items, 10_000) == one_by_one(items, 10_000)


@given(st.lists(st.binary(max_size=12), max_size=4))
def test_hostile_bytes_are_read_together_as_each_alone(items: list[bytes]) -> None:
    assert all_at_once(items, 100) == one_by_one(items, 100)


@pytest.mark.parametrize("items", [(b'["a', b'b"]'), (b"[1", b"2]"), (b'"', b'"'), (b"1,2", b""), (b"[", b"]", b"1,2")])
def test_jw_no_item_reaches_into_the_next(items: tuple[bytes, ...]) -> None:
    with pytest.raises(MalformedError) as caught:
        parse_json_all(items, "x", max_bytes=1000)
    assert (caught.value.code, caught.value.path) == (Code.JSON, "x[0]")


def test_zlib_checksum_must_hold() -> None:
    packed = bytearray(zlib.compress(b"hello"))
    packed[-1] ^= 1
    with pytest.raises(MalformedError) as caught:
        inflate_zlib(bytes(packed), 100, "x")
    assert caught.value.code is Code.ENCODING


def test_epoch() -> None:
    assert epoch(datetime(2025, 9, 26, 9, 0, 0, 999_999, tzinfo=timezone(timedelta(hours=9)))) == 1_758_844_800
    assert epoch(datetime(1969, 12, 31, 23, 59, 59, 500_000, tzinfo=UTC)) == -1
    with pytest.raises(ValueError, match="offset"):
        epoch(datetime(2025, 9, 26))
