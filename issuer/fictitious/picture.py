"""A drawn portrait that shows nobody, as a JPEG: identity cards carry that kind of picture (ISO/IEC 18013-5).

The picture has one grey for each block of 8x8 pixels, so that of JPEG only the mean of a block is written, and a
portrait takes some 250 bytes.
"""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha256
from struct import pack
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["portrait"]

_WIDE, _HIGH = 12, 16
_LIGHT, _MIDDLE, _DARK = 12, 4, -8
"""Greys, in steps of 8 around the middle one."""

_STEP: Final = 64
"""A mean that is one step higher adds 8 to every pixel of a block."""

_DC_CODES: Final = {0: "0", 4: "10", 5: "110", 3: "1110"}
"""Codes for how many bits the difference of two neighbours takes; no others occur here."""

_END_OF_BLOCK: Final = "0"


def portrait(seed: str) -> str:
    """A ``data:`` URI of a head and shoulders before a pattern that is another for each ``seed``."""
    pattern = sha256(seed.encode()).digest()
    greys = [_grey(x, y, pattern) for y in range(_HIGH) for x in range(_WIDE)]
    return "data:image/jpeg;base64," + b64encode(_jpeg(greys)).decode()


def _grey(x: int, y: int, pattern: bytes) -> int:
    head = (x - 5.5) ** 2 + ((y - 5.5) * 0.8) ** 2 < 8
    shoulders = y > 9 and ((x - 5.5) * 0.9) ** 2 + (y - 16) ** 2 < 30
    if head or shoulders:
        return _DARK
    return _MIDDLE if y < 2 and pattern[y * 2 + x // 8] >> x % 8 & 1 else _LIGHT


def _jpeg(greys: Sequence[int]) -> bytes:
    lengths = bytes((1, 1, 1, 1, *[0] * 12))
    parts = (
        _segment(0xE0, b"JFIF\x00\x01\x01\x00" + pack(">HHBB", 1, 1, 0, 0)),
        _segment(0xDB, b"\x00" + bytes((_STEP,)) * 64),
        _segment(0xC0, pack(">BHHB", 8, 8 * _HIGH, 8 * _WIDE, 1) + b"\x01\x11\x00"),
        _segment(0xC4, b"\x00" + lengths + bytes(_DC_CODES)),
        _segment(0xC4, b"\x10" + bytes((1, *[0] * 15)) + b"\x00"),
        _segment(0xDA, b"\x01\x01\x00\x00\x3f\x00"),
    )
    return b"\xff\xd8" + b"".join(parts) + _scan(greys) + b"\xff\xd9"


def _segment(marker: int, body: bytes) -> bytes:
    return b"\xff" + bytes((marker,)) + pack(">H", len(body) + 2) + body


def _scan(greys: Sequence[int]) -> bytes:
    bits, before = "", 0
    for grey in greys:
        difference = grey - before
        size = abs(difference).bit_length()
        value = difference if difference >= 0 else difference + (1 << size) - 1
        bits += _DC_CODES[size] + (f"{value:0{size}b}" if size else "") + _END_OF_BLOCK
        before = grey
    bits += "1" * (-len(bits) % 8)
    return int(bits, 2).to_bytes(len(bits) // 8).replace(b"\xff", b"\xff\x00")
