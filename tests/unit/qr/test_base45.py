"""Base45 as this profile uses it; the published vectors are in tests/specs/test_base45.py."""

from __future__ import annotations

import pytest

from vcred.errors import MalformedError
from vcred.qr.base45 import base45_decode, base45_encode
from vcred.reasons import ReasonCode


def test_every_pair_of_bytes_survives() -> None:
    data = b"".join(number.to_bytes(2, "big") for number in range(65_536))
    assert base45_decode(base45_encode(data), "qr") == data


def test_every_single_byte_survives() -> None:
    assert [base45_decode(base45_encode(bytes((n,))), "qr") for n in range(256)] == [bytes((n,)) for n in range(256)]


@pytest.mark.parametrize("text", ["A", "ABCD", "AB\n", "ab8", "BB8 ", "：：０", "B\ud800", ":::", "::", "::0::"])
def test_anything_else_is_refused_at_its_path(text: str) -> None:
    with pytest.raises(MalformedError) as refused:
        base45_decode(text, "qr")
    assert (refused.value.code, refused.value.path) == (ReasonCode.ENCODING, "qr")
