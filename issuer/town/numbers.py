"""Resident, foreigner and business numbers that cannot belong to anybody.

Numbers of people born before 2020-10-05 carry the never assigned region ``99`` and a wrong check digit. Later
births have random tails by law, so that some of them pass the old check and some fail it; a check digit is
never a reason to refuse (threats KR-01).
"""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from random import Random

__all__ = ["RANDOM_TAILS_FROM", "business_number", "check_digit", "document_number", "foreigner_number", "rrn"]

RANDOM_TAILS_FROM = date(2020, 10, 5)
_WEIGHTS = (2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5)


def check_digit(first_twelve: str) -> int:
    """The check digit that numbers assigned before 2020-10-05 have (korea.md 4.1)."""
    total = sum(int(digit) * weight for digit, weight in zip(first_twelve, _WEIGHTS, strict=True))
    return (11 - total % 11) % 10


def rrn(rng: Random, birth: date, sex: str) -> str:
    """A fictitious ``YYMMDD-SNNNNNN`` for somebody born on ``birth``; ``sex`` is ``M`` or ``F``."""
    century = {18: 9, 19: 1, 20: 3}[birth.year // 100]
    digit = century + (0 if sex == "M" else 1) if century != 9 else (9 if sex == "M" else 0)
    head = f"{birth:%y%m%d}{digit}"
    if birth >= RANDOM_TAILS_FROM:
        return f"{head[:6]}-{digit}{rng.randrange(10**6):06d}"
    return _never_assigned(rng, head)


def foreigner_number(rng: Random, birth: date, sex: str) -> str:
    """A fictitious 외국인등록번호: the same layout with 5 to 8 as the seventh digit."""
    digit = (5 if birth.year < 2000 else 7) + (0 if sex == "M" else 1)
    return _never_assigned(rng, f"{birth:%y%m%d}{digit}")


def _never_assigned(rng: Random, head: str) -> str:
    twelve = f"{head}99{rng.randrange(1000):03d}"
    wrong = (check_digit(twelve) + rng.randint(1, 9)) % 10
    return f"{twelve[:6]}-{twelve[6:]}{wrong}"


def business_number(serial: int) -> str:
    """A 사업자등록번호 under the invented prefix ``000``."""
    return f"000-00-{serial:05d}"


def document_number(digits: str, *groups: int) -> str:
    """``digits`` cut into ``groups`` joined by hyphens, the way each kind of paper prints its number."""
    parts, start = [], 0
    for size in groups:
        parts.append(digits[start : start + size])
        start += size
    return "-".join(parts)
