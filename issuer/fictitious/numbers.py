"""Resident and foreigner numbers that cannot belong to anybody, document numbers and a placeholder signature.

Numbers of people born before 2020-10-05 carry the never assigned region ``99`` and a wrong check digit. Later
births have random tails by law, so that some of them pass the old check and some fail it; a check digit is
never a reason to refuse (threats KR-01).
"""

from __future__ import annotations

from base64 import b64encode
from datetime import date
from hashlib import sha256
from struct import pack
from typing import TYPE_CHECKING
from zlib import compress, crc32

if TYPE_CHECKING:
    from random import Random

__all__ = ["RANDOM_TAILS_FROM", "check_digit", "digits_of", "draw_frn", "draw_rrn", "signature"]

RANDOM_TAILS_FROM = date(2020, 10, 5)
_WEIGHTS = (2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5)


def check_digit(first_twelve: str) -> int:
    """The check digit that numbers assigned before 2020-10-05 have (korea.md 4.1)."""
    total = sum(int(digit) * weight for digit, weight in zip(first_twelve, _WEIGHTS, strict=True))
    return (11 - total % 11) % 10


def draw_rrn(rng: Random, birth: date, sex: str) -> str:
    """A fictitious ``YYMMDD-SNNNNNN`` for somebody born on ``birth`` in or after 1900."""
    digit = (1 if birth.year < 2000 else 3) + (sex == "female")
    if birth >= RANDOM_TAILS_FROM:
        return f"{birth:%y%m%d}-{digit}{rng.randrange(10**6):06d}"
    return _never_assigned(rng, f"{birth:%y%m%d}{digit}")


def draw_frn(rng: Random, birth: date, sex: str) -> str:
    """A fictitious 외국인등록번호: the same layout with 5 to 8 as the seventh digit."""
    return _never_assigned(rng, f"{birth:%y%m%d}{(5 if birth.year < 2000 else 7) + (sex == 'female')}")


def _never_assigned(rng: Random, head: str) -> str:
    twelve = f"{head}99{rng.randrange(1000):03d}"
    wrong = (check_digit(twelve) + rng.randint(1, 9)) % 10
    return f"{twelve[:6]}-{twelve[6:]}{wrong}"


def digits_of(*parts: str, length: int) -> str:
    """``length`` decimal digits that depend on ``parts`` alone."""
    number = int.from_bytes(sha256("\x1f".join(parts).encode()).digest())
    return str(number).zfill(length)[-length:]


def signature(seed: str) -> str:
    """A ``data:`` URI of a 32x8 stroke that stands for a handwritten signature."""
    heights = [byte % 8 for byte in sha256(seed.encode()).digest()]
    return _png(32, [[heights[x] != y for x in range(32)] for y in range(8)])


def _png(width: int, rows: list[list[bool]]) -> str:
    raw = b"".join(b"\x00" + int("".join("1" if bit else "0" for bit in row), 2).to_bytes(width // 8) for row in rows)

    def chunk(kind: bytes, body: bytes) -> bytes:
        return pack(">I", len(body)) + kind + body + pack(">I", crc32(kind + body))

    header = pack(">IIBBBBB", width, len(rows), 1, 0, 0, 0, 0)
    image = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", compress(raw, 9)) + chunk(b"IEND", b"")
    return "data:image/png;base64," + b64encode(image).decode()
