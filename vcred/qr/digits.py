"""Bytes as decimal digits: 7 bytes in 17 digits, the densest text for the numeric mode of a QR code.

Digits are the only text that passes unchanged through a scanner acting as a keyboard while a Korean input
method is on. The last group is shorter: its number of digits says how many bytes it has.
"""

from __future__ import annotations

from vcred.errors import MalformedError
from vcred.reasons import ReasonCode

__all__ = ["digits_decode", "digits_encode", "digits_length"]

_BYTES = 7
_DIGITS = 17
_WIDTH = (0, 3, 5, 8, 10, 13, 15, _DIGITS)
_SIZE = {width: size for size, width in enumerate(_WIDTH)}


def digits_length(size: int) -> int:
    """How many digits ``size`` bytes take."""
    return size // _BYTES * _DIGITS + _WIDTH[size % _BYTES]


def digits_encode(data: bytes) -> str:
    """``data`` as digits: each group of 7 bytes as one number, most significant byte first, with leading zeros."""
    groups = (data[at : at + _BYTES] for at in range(0, len(data), _BYTES))
    return "".join([f"{int.from_bytes(group, 'big'):0{_WIDTH[len(group)]}d}" for group in groups])


def digits_decode(text: str, path: str) -> bytes:
    """The bytes of a text of ASCII digits.

    Raises ``MalformedError`` with ``encoding`` for another character, an impossible length, or a group whose
    number does not fit its bytes.
    """
    tail = _SIZE.get(len(text) % _DIGITS)
    if tail is None or not (text.isascii() and (text.isdigit() or not text)):
        raise MalformedError(ReasonCode.ENCODING, path, "not digits in groups of 17")
    groups = [text[at : at + _DIGITS] for at in range(0, len(text), _DIGITS)]
    try:
        return b"".join([int(group).to_bytes(_SIZE[len(group)], "big") for group in groups])
    except OverflowError:
        raise MalformedError(ReasonCode.ENCODING, path, "a group of digits beyond its bytes") from None
