"""Base45 (RFC 9285): two bytes in three characters of the QR alphanumeric alphabet.

The first two characters of a triple are looked up as a pair, which halves the work in Python.
"""

from __future__ import annotations

import struct
from itertools import product

from vcred.errors import MalformedError
from vcred.reasons import ReasonCode

__all__ = ["ALPHABET", "base45_decode", "base45_encode"]

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"
"""The 45 characters of QR alphanumeric mode, in the order of their values."""

_BASE = len(ALPHABET)
_SQUARE = _BASE**2
# The least significant digit stands first (RFC 9285 section 4): index = c + 45 d for the pair "cd".
_PAIRS = tuple(low + high for high, low in product(ALPHABET, repeat=2))
_PAIR_VALUES = {pair: value for value, pair in enumerate(_PAIRS)}
_THIRD_VALUES = {char: value * _SQUARE for value, char in enumerate(ALPHABET)}


def base45_encode(data: bytes) -> str:
    """``data`` in Base45."""
    pairs = struct.unpack_from(f">{len(data) // 2}H", data)
    text = "".join([_PAIRS[number % _SQUARE] + ALPHABET[number // _SQUARE] for number in pairs])
    return text + _PAIRS[data[-1]] if len(data) % 2 else text


def base45_decode(text: str, path: str) -> bytes:
    """The bytes of a Base45 text, which is read as it stands: no case folding, no white space removed.

    Raises ``MalformedError`` with ``encoding`` for a length of 1 modulo 3, another character, or a group whose
    value does not fit its bytes (RFC 9285 section 4.2).
    """
    whole = len(text) // 3 * 3
    if len(text) - whole == 1:
        raise MalformedError(ReasonCode.ENCODING, path, "Base45 of an impossible length")
    try:
        numbers = [_PAIR_VALUES[text[at : at + 2]] + _THIRD_VALUES[text[at + 2]] for at in range(0, whole, 3)]
        tail = bytes((_PAIR_VALUES[text[whole:]],)) if whole < len(text) else b""
        return struct.pack(f">{len(numbers)}H", *numbers) + tail
    except KeyError:
        raise MalformedError(ReasonCode.ENCODING, path, "not Base45") from None
    except (ValueError, struct.error):
        raise MalformedError(ReasonCode.ENCODING, path, "a Base45 group beyond its bytes") from None
