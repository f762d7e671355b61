"""Compact tokens as byte strings, reversible exactly."""

from __future__ import annotations

import pytest

from vcred.errors import MalformedError
from vcred.formats._wire import b64u_encode
from vcred.qr import pack_jws, unpack_jws
from vcred.reasons import ReasonCode

JWS = "eyJhbGciOiJFUzI1NiJ9.e30.AAEC"
ONE = b64u_encode(b'["salt","a",1]')
TOKENS = [JWS, f"{JWS}~", f"{JWS}~{ONE}~", f"{JWS}~{ONE}~{ONE}~", f"{JWS}~{JWS}", f"{JWS}~{ONE}~{ONE}~{ONE}~{JWS}"]
DETACHED = "eyJhbGciOiJFUzI1NiJ9..AAEC"


@pytest.mark.parametrize("token", [*TOKENS, DETACHED, f"{DETACHED}~{ONE}~{DETACHED}"])
def test_a_token_comes_back_to_the_letter(token: str) -> None:
    assert unpack_jws(pack_jws(token)) == token.encode()
    assert pack_jws(token.encode()) == pack_jws(token)


def test_no_two_tokens_pack_to_the_same_list() -> None:
    assert len({tuple(pack_jws(token)) for token in TOKENS}) == len(TOKENS)


@pytest.mark.parametrize(
    "token",
    ["", "~", "a.b", "a.b.c.d", ".e30.AAEC", "eyJh.e30.", f"{JWS}~~", f"{JWS}~{ONE}~~", f"{JWS}~{ONE}", "{}"],
)
def test_what_is_neither_jws_nor_sd_jwt_is_refused(token: str) -> None:
    with pytest.raises(MalformedError):
        pack_jws(token)


@pytest.mark.parametrize("token", ["eyJh.e30.AAE=", "eyJh.e30.AAF", "eyJh.e 30.AAEC", "eyJh.e30.AA+C", f"{JWS}~AAF~"])
def test_base64url_that_would_not_come_back_is_refused(token: str) -> None:
    with pytest.raises(MalformedError) as refused:
        pack_jws(token)
    assert refused.value.code is ReasonCode.ENCODING


@pytest.mark.parametrize(
    "packed",
    [
        None,
        "a.b.c",
        {},
        [],
        [b"a"],
        [b"a", b"b"],
        [b"", b"b", b"c"],
        [b"a", b"b", b""],
        [b"a", b"b", b"c", b"d"],
        [b"a", b"b", b"c", b"d", b"e"],
        [b"a", b"b", b"c", b"", b""],
        [b"a", b"b", b"c", b"", b"e", b"f"],
        [b"a", b"b", b"c", b"", b"e", b"f", b"g"],
        [b"a", b"b", "c"],
        [b"a", b"b", bytearray(b"c")],
        [[b"a", b"b", b"c"]],
    ],
)
def test_what_pack_never_returns_is_refused(packed: object) -> None:
    with pytest.raises(MalformedError) as refused:
        unpack_jws(packed, "message[1]")
    assert refused.value.code is ReasonCode.FORMAT
    assert refused.value.path == "message[1]"


def test_the_limits_hold_both_ways() -> None:
    many = "~".join((JWS, *[ONE] * 1_100, ""))
    for call, argument, code in (
        (pack_jws, many, ReasonCode.LIMIT),
        (pack_jws, "a" * 131_073, ReasonCode.SIZE),
        (unpack_jws, [b"a"] * 1_025, ReasonCode.LIMIT),
        (unpack_jws, [b"a", bytes(98_305), b"a"], ReasonCode.SIZE),
    ):
        with pytest.raises(MalformedError) as refused:
            call(argument)
        assert refused.value.code is code


def test_the_longest_token_that_packs_also_unpacks() -> None:
    token = "~".join((JWS, *[ONE] * 1_017, ""))
    assert unpack_jws(pack_jws(token)) == token.encode()
