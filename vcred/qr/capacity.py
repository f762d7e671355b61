"""How much text a QR code of each version holds (ISO/IEC 18004 tables 3 and 7), for levels M and L up to version 25.

Version 25 is the ceiling: beyond it, cameras stop reading what is on a screen or a sheet of paper.
"""

from __future__ import annotations

from typing import Final, Literal

from vcred.qr.base45 import ALPHABET

__all__ = ["MAX_VERSION", "Level", "Mode", "choose_version", "mode_of"]

Level = Literal["M", "L"]
Mode = Literal["numeric", "alphanumeric", "byte"]

MAX_VERSION: Final = 25
_MODE_BITS: Final = 4
_LONG_COUNT: Final = 10
"""The first version with the longer character count."""
_COUNT_BITS: Final = {"numeric": (10, 12), "alphanumeric": (9, 11), "byte": (8, 16)}
_DATA_CODEWORDS: Final[dict[str, tuple[int, ...]]] = {
    "M": (
        *(16, 28, 44, 64, 86, 108, 124, 154, 182, 216, 254, 290, 334),
        *(365, 415, 453, 507, 563, 627, 669, 714, 782, 860, 914, 1000),
    ),
    "L": (
        *(19, 34, 55, 80, 108, 136, 156, 194, 232, 274, 324, 370, 428),
        *(461, 523, 589, 647, 721, 795, 861, 932, 1006, 1094, 1174, 1276),
    ),
}
_CHARACTERS: Final = frozenset(ALPHABET)


def mode_of(text: str) -> Mode:
    """The densest mode that can say all of ``text``."""
    if text.isascii() and text.isdigit():
        return "numeric"
    return "alphanumeric" if _CHARACTERS.issuperset(text) else "byte"


def choose_version(text: str, level: Level, ceiling: int = MAX_VERSION) -> int | None:
    """The smallest version that holds ``text`` at ``level``; ``None`` when none up to ``ceiling`` does."""
    mode = mode_of(text)
    needed = _MODE_BITS + _payload_bits(text, mode)
    for version, codewords in enumerate(_DATA_CODEWORDS[level][:ceiling], start=1):
        if needed + _COUNT_BITS[mode][version >= _LONG_COUNT] <= 8 * codewords:
            return version
    return None


def _payload_bits(text: str, mode: Mode) -> int:
    size = len(text)
    if mode == "numeric":
        return size // 3 * 10 + (0, 4, 7)[size % 3]
    if mode == "alphanumeric":
        return size // 2 * 11 + size % 2 * 6
    return 8 * len(text.encode("utf-8"))
