"""Seven bytes in seventeen digits."""

from __future__ import annotations

import pytest

from vcred.errors import MalformedError
from vcred.qr.digits import digits_decode, digits_encode, digits_length
from vcred.reasons import ReasonCode


def test_a_group_is_one_number_with_leading_zeros() -> None:
    assert digits_encode(b"\0\0\0\0\0\0\1") == "00000000000000001"
    assert digits_encode(b"\xff" * 7) == str(2**56 - 1)
    assert digits_encode(b"\xff" * 7 + b"\1\2") == str(2**56 - 1) + "00258"


@pytest.mark.parametrize("size", range(30))
def test_every_length_survives_and_is_foreseen(size: int) -> None:
    for data in (bytes(size), b"\xff" * size, bytes(range(size))):
        text = digits_encode(data)
        assert len(text) == digits_length(size)
        assert digits_decode(text, "qr") == data


def test_a_static_code_holds_what_the_design_says() -> None:
    assert digits_length(1_258) <= 3_057 < digits_length(1_259)
    assert digits_length(986) <= 2_395 < digits_length(987)


@pytest.mark.parametrize(
    "text",
    ["1", "12", "1234", "256", "99999", "9" * 17, "0" * 17 + "256", "12x", "+12", "1_2", " 12", "１２３", "²²²", "-01"],
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(MalformedError) as refused:
        digits_decode(text, "qr")
    assert refused.value.code is ReasonCode.ENCODING
