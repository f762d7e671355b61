"""Which codes a message becomes."""

from __future__ import annotations

import hashlib
from itertools import islice

import pytest
from qrcode.util import BIT_LIMIT_TABLE

from vcred import qr
from vcred.qr.capacity import _DATA_CODEWORDS, choose_version, mode_of

NOISE = b"".join(hashlib.sha256(n.to_bytes(2, "big")).digest() for n in range(2_100))


def message(envelope_size: int, kind: qr.MessageKind = qr.MessageKind.RESPONSE) -> qr.Message:
    """A message that does not compress, with an envelope of this size."""
    for size in range(envelope_size - 12, envelope_size):
        made = qr.Message(kind, {1: NOISE[:size]})
        if len(qr.encode_message(made)) == envelope_size:
            return made
    raise AssertionError(envelope_size)


class Answer:
    def to_message(self) -> qr.Message:
        return message(300)


@pytest.mark.parametrize(
    ("size", "version", "level"), [(50, 4, "M"), (300, 13, "M"), (986, 25, "M"), (987, 22, "L"), (1_258, 25, "L")]
)
def test_a_static_code_is_the_smallest_that_fits(size: int, version: int, level: str) -> None:
    (code,) = qr.encode(message(size))
    assert (code.version, code.level) == (version, level)
    assert code.text.isdigit()


def test_one_byte_more_is_animated() -> None:
    codes = qr.encode(message(1_259))
    assert [code.text[:4] for code in codes] == ["VF1:"] * 5
    assert {(code.version, code.level) for code in codes} == {(20, "M")}


def test_frames_are_the_parts_and_then_half_as_many_mixes_and_two() -> None:
    assert len(qr.encode(message(13 * 635))) == 13 + 7 + 2


def test_a_full_frame_is_what_version_20_holds() -> None:
    assert {len(code.text) for code in qr.encode(message(1_270))} == {970}


def test_a_short_message_may_be_animated_too() -> None:
    (code,) = qr.encode(message(100), animated=True)
    assert code.text.startswith("VF1:")
    assert qr.decode([code.text]) == message(100)


@pytest.mark.parametrize(("size", "count"), [(1_258, 1), (1_259, 2), (2_496, 2), (2_497, 3), (4_992, 4)])
def test_paper_takes_up_to_four_codes(size: int, count: int) -> None:
    codes = qr.encode(message(size, qr.MessageKind.PAPER))
    assert len(codes) == count
    assert all(code.text.isdigit() and code.version <= 25 for code in codes)


def test_a_fifth_code_is_refused() -> None:
    with pytest.raises(ValueError, match="5 static codes"):
        qr.encode(message(4_993), animated=False)


def test_anything_with_a_message_is_encoded() -> None:
    assert qr.encode(Answer()) == qr.encode(message(300))


def test_frames_go_on_with_other_mixes() -> None:
    shown = [code.text for code in islice(qr.frames(message(2_000)), 60)]
    assert len(set(shown)) == 60
    assert qr.decode(shown[40:]) == message(2_000)


def test_the_capacities_are_those_of_the_standard() -> None:
    for level, row in (("M", 0), ("L", 1)):
        bits = list(BIT_LIMIT_TABLE[row][1:26])
        assert [8 * words for words in _DATA_CODEWORDS[level]] == bits


def test_modes_are_told_by_the_text() -> None:
    modes = [mode_of(text) for text in ("0123", "VF1:A", "vf1:a", "１", "가")]
    assert modes == ["numeric", "alphanumeric", "byte", "byte", "byte"]


def test_a_digit_beyond_the_last_version_has_no_code() -> None:
    assert choose_version("0" * 3_057, "L") == 25
    assert choose_version("0" * 3_058, "L") is None


def test_a_uri_has_a_code_and_a_long_one_has_none() -> None:
    assert qr.text_code("openid-credential-offer://?credential_offer_uri=https%3A%2F%2Fgaram.example%2F1").level == "M"
    assert qr.text_code("a" * 1_273).level == "L"
    with pytest.raises(ValueError, match="version 25"):
        qr.text_code("a" * 1_274)


def test_its_repr_shows_no_text() -> None:
    assert repr(qr.text_code("openid4vp://")) == "Code(version=1, level='M')"
