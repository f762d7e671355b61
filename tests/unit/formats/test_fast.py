"""The extra ``fast`` changes how long reading takes, and nothing that is read or refused.

The suites of the formats run with it where it is installed, and without it as
``pytest -p tests.without_fast tests/unit/formats tests/hostile tests/specs tests/property``.
"""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from vcred.errors import MalformedError
from vcred.formats import _fast
from vcred.formats._fast import LONG, UNREAD, read_base64, read_json
from vcred.formats._wire import b64u_decode, b64u_encode, dump_json, parse_json, parse_json_all

pytest.importorskip("orjson", reason="the extra fast is not installed")
pytest.importorskip("pybase64", reason="the extra fast is not installed")

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8")),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)
# Text that is JSON more often than not, and seldom as we write it.
PIECES = st.lists(
    st.sampled_from(
        ["{", "}", "[", "]", ",", ":", " ", '"a"', '"b"', "1", "-0", "1.0", "1e400", "null", "\\ud800", "é"]
    ),
    max_size=12,
).map("".join)


@pytest.fixture
def installed(monkeypatch):
    if vars(_fast)["_orjson"] is None:
        import orjson
        import pybase64

        monkeypatch.setattr(_fast, "_orjson", orjson)
        monkeypatch.setattr(_fast, "_pybase64", pybase64)


def verdict(read, *arguments, **limits):
    try:
        found = read(*arguments, "x", **limits)
    except MalformedError as error:
        return error.code, error.path
    # 1 == 1.0 == True, and -0.0 == 0.0: the texts tell them apart.
    return found if isinstance(found, bytes) else json.dumps(found)


def both_ways(read, *arguments, **limits):
    with pytest.MonkeyPatch.context() as patch:
        fast = verdict(read, *arguments, **limits)
        patch.setattr(_fast, "_orjson", None)
        patch.setattr(_fast, "_pybase64", None)
        slow = verdict(read, *arguments, **limits)
    assert fast == slow
    return fast


@pytest.mark.usefixtures("installed")
@given(
    VALUES.map(dump_json) | VALUES.map(lambda value: json.dumps(value).encode()) | PIECES.map(str.encode) | st.binary()
)
@example(b"9" * 41)
@example(b"18446744073709551616")
@example(b"1e16")
@example(b'"\xed\xa0\x80"')
def test_json_is_read_and_refused_alike(data):
    both_ways(parse_json, data, max_bytes=4096, max_depth=4)


@pytest.mark.usefixtures("installed")
@given(st.lists(VALUES.map(dump_json) | PIECES.map(str.encode), max_size=5))
def test_texts_together_are_read_and_refused_alike(items):
    both_ways(parse_json_all, items, max_bytes=4096, max_depth=4)


@pytest.mark.usefixtures("installed")
@given(st.binary(min_size=LONG, max_size=2 * LONG), st.integers(), st.sampled_from(b"+/=-_A \n\x00\xff"))
@example(bytes(300), -1, ord("="))
def test_base64url_is_read_and_refused_alike(raw, place, other):
    text = bytearray(b64u_encode(raw), "ascii")
    assert both_ways(b64u_decode, bytes(text)) == raw
    for _ in range(3):
        text[place % len(text)] = other
        both_ways(b64u_decode, bytes(text))
        place += 1


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize(
    "text",
    [
        pytest.param('{"a":1,"a":1}', id="a member twice"),
        pytest.param('[{"a":{"b":1,"b":2}}]', id="a member twice, below"),
        pytest.param('{"a":1,"\\u0061":2}', id="a member twice, once escaped"),
        pytest.param('{"a": 1}', id="blanks"),
        pytest.param("[1]\n", id="a line break"),
        pytest.param('"\\u00e9"', id="an escape that is not needed"),
        pytest.param('"\\ud800"', id="half a surrogate pair"),
        pytest.param("18446744073709551616", id="more than 64 bits"),
        pytest.param("-0", id="minus zero"),
        pytest.param("1e5", id="a number in another form"),
        pytest.param("NaN", id="no number"),
        pytest.param("\ufeff1", id="a byte order mark"),
        pytest.param("[1", id="cut short"),
        pytest.param("", id="nothing"),
    ],
)
def test_nothing_is_said_of_other_texts_than_ours(text):
    assert read_json(text.encode()) is UNREAD


@pytest.mark.usefixtures("installed")
def test_our_own_texts_are_answered():
    value = {"이름": ["a", 1, True, None, {"깊이": '\n\u2028"\\'}]}
    assert read_json(dump_json(value)) == value
    raw = bytes(range(256)) * 2
    assert read_base64(urlsafe_b64encode(raw).rstrip(b"="), b"=") == raw


def test_without_the_extra_nothing_is_answered(monkeypatch):
    monkeypatch.setattr(_fast, "_orjson", None)
    monkeypatch.setattr(_fast, "_pybase64", None)
    assert read_json(b"1") is UNREAD
    assert read_base64(b"AA", b"==") is None
