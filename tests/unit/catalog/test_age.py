from datetime import UTC, date, datetime

import pytest

from vcred.catalog.age import age_on, age_over, kst_date, read_birth_date, year_age_over


def test_the_day_is_the_korean_one_even_when_utc_is_a_day_behind():
    assert kst_date(datetime(2026, 5, 14, 14, 59, 59, tzinfo=UTC)) == date(2026, 5, 14)
    assert kst_date(datetime(2026, 5, 14, 15, 0, 0, tzinfo=UTC)) == date(2026, 5, 15)


def test_a_time_without_zone_is_misuse():
    with pytest.raises(ValueError, match="zone"):
        kst_date(datetime(2026, 5, 14))


@pytest.mark.parametrize(
    ("birth", "day", "age"),
    [
        ("2007-05-15", date(2026, 5, 14), 18),
        ("2007-05-15", date(2026, 5, 15), 19),
        ("2008-02-29", date(2027, 2, 28), 18),
        ("2008-02-29", date(2027, 3, 1), 19),
        ("2008-02-29", date(2028, 2, 28), 19),
        ("2008-02-29", date(2028, 2, 29), 20),
        ("2026-05-15", date(2026, 5, 15), 0),
        ("2026-05-16", date(2026, 5, 15), None),
        ("1940-00-00", date(2026, 5, 15), None),
        ("1940-05-00", date(2026, 5, 15), None),
    ],
)
def test_full_age(birth, day, age):
    assert age_on(birth, day) == age


def test_age_over_is_unknown_when_the_age_is():
    assert age_over(19, "1940-00-00", date(2026, 1, 1)) is None
    assert age_over(19, "2007-05-15", date(2026, 5, 15)) is True
    assert age_over(19, "2007-05-15", date(2026, 5, 14)) is False


def test_year_age_counts_from_the_first_of_january():
    assert year_age_over(19, "2007-12-31", date(2026, 1, 1))
    assert not year_age_over(19, "2007-12-31", date(2025, 12, 31))
    assert year_age_over(19, "1940-00-00", date(2026, 1, 1))


@pytest.mark.parametrize("text", ["1990-02-30", "1990-13-01", "1990-00-05", "0000-01-01", "90-01-01", "1990-1-1", ""])
def test_an_impossible_birth_date_is_refused(text):
    with pytest.raises(ValueError):
        read_birth_date(text)


def test_unknown_parts_are_none():
    assert read_birth_date("1940-00-00") == (1940, None, None)
    assert read_birth_date("1940-07-00") == (1940, 7, None)
