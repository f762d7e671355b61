"""Age by Korean law, on Korean dates.

Two rules exist and are not each other. Full age (만 나이, 민법 제158조) is reached when the birthday begins in
Korea (UTC+9, no summer time). Who was born on 29 February reaches it on 1 March of a common year: a period
whose last day does not exist ends with the last day of that month (제160조 제3항). Year age (연 나이,
청소년보호법 제2조 제1호) is reached on 1 January of the year of the birthday.

A birth date may be known in part only (``1940-00-00``, ``1940-05-00``). Then full age is not guessed: it is
``None``. Year age needs the year alone.
"""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta, timezone

__all__ = ["KST", "age_on", "age_over", "kst_date", "read_birth_date", "year_age_over"]

KST = timezone(timedelta(hours=9), "KST")

_SHAPE = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})")


def kst_date(at: datetime) -> date:
    """The calendar day in Korea at ``at``. Raises ``ValueError`` for a naive time."""
    if at.tzinfo is None:
        raise ValueError("at must be aware (UTC): it has no time zone")
    return at.astimezone(KST).date()


def read_birth_date(text: str) -> tuple[int, int | None, int | None]:
    """Year, month and day; ``None`` for a part written ``00``. Raises ``ValueError`` for an impossible date.

    ``00`` stands for an unknown day, or an unknown month and day.
    """
    found = _SHAPE.fullmatch(text)
    if not found:
        raise ValueError("a birth date is YYYY-MM-DD")
    year, month, day = (int(part) for part in found.groups())
    if month == 0 and day != 0:
        raise ValueError("a day without its month")
    date(year, month or 1, day or 1)
    return year, month or None, day or None


def age_on(birth_date: str, day: date) -> int | None:
    """Full age (만 나이) on ``day``; ``None`` when the birth date is not fully known or lies ahead."""
    year, month, day_of_month = read_birth_date(birth_date)
    if month is None or day_of_month is None:
        return None
    age = day.year - year - ((day.month, day.day) < (month, day_of_month))
    return age if age >= 0 else None


def age_over(years: int, birth_date: str, day: date) -> bool | None:
    """Whether full age is at least ``years`` on ``day``; ``None`` when it cannot be known."""
    age = age_on(birth_date, day)
    return None if age is None else age >= years


def year_age_over(years: int, birth_date: str, day: date) -> bool:
    """Whether the birthday of ``years`` falls in the year of ``day`` or an earlier one (연 나이)."""
    return day.year - read_birth_date(birth_date)[0] >= years
