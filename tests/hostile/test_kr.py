"""KR: Korean data and text, at the issuing end (threats.md)."""

import copy
import unicodedata
from datetime import UTC, date, datetime

import pytest

from vcred.catalog import Catalog, ClaimState
from vcred.catalog.age import age_over, kst_date, year_age_over
from vcred.catalog.linter import disclosed
from vcred.claims import ClaimPath
from vcred.errors import RecordError

CATALOG = Catalog.builtin()
DAY = date(2026, 8, 20)


def issue(code, change, *, day=DAY, variant=None, **options):
    kind = CATALOG[code]
    record = copy.deepcopy(kind.sample)
    record.update(change)
    return disclosed(kind.issue(record, variant=variant, options=options, issued_on=day))


def card(change, *, day=DAY):
    return issue("id.resident_mobile", change, day=day)


# 9 and 0: 1800s; 1, 2, 5, 6: 1900s; 3, 4, 7, 8: 2000s. 5 to 8 are foreigners.
@pytest.mark.parametrize(
    ("number", "birth_date", "sex"),
    [
        ("900230", None, None),
        ("901301", None, None),
        ("900100", "ok", None),
        ("900001", None, None),
        ("010229", "century", None),
        ("040431", None, None),
    ],
    ids=lambda value: f"KR-01 {value}",
)
def test_kr_01_only_an_impossible_date_is_refused(number, birth_date, sex):
    if birth_date == "ok":
        assert card({"rrn": f"{number}-1990011"})["rrn"]["birthDate"] == "1990-01-00"
    else:
        with pytest.raises(
            RecordError, match=r"id/resident_mobile\.toml: rrn: has a birth date that does not exist"
        ) as caught:
            card({"rrn": f"{number}-1990011"})
        assert number not in str(caught.value)


@pytest.mark.parametrize("serial", range(10), ids=lambda digit: f"KR-01 check digit {digit}")
def test_kr_01_no_check_digit_is_a_reason_to_refuse(serial):
    claims = card({"rrn": f"800515-199012{serial}"})
    assert claims["rrn"] == {"birthDate": "1980-05-15", "sexDigit": "1", "serial": f"99012{serial}"}


@pytest.mark.parametrize(
    ("digit", "year", "sex"),
    [("9", 1804, "male"), ("0", 1804, "female"), ("1", 1904, "male"), ("2", 1904, "female"), ("3", 2004, "male"),
     ("4", 2004, "female"), ("5", 1904, "male"), ("6", 1904, "female"), ("7", 2004, "male"), ("8", 2004, "female")],
    ids=lambda value: f"KR-01 {value}",
)  # fmt: skip
def test_kr_01_the_sex_digit_gives_century_and_sex_foreigners_too(digit, year, sex):
    claims = card({"rrn": f"040301-{digit}990013"})
    assert (claims["birthDate"], claims["sex"]) == (f"{year}-03-01", sex)


def test_kr_01_29_february_depends_on_the_century():
    assert card({"rrn": "000229-3990013"})["birthDate"] == "2000-02-29"
    with pytest.raises(RecordError):
        card({"rrn": "000229-1990013"})


@pytest.mark.parametrize(
    "number",
    [
        "8005151990120",
        "800515-199012",
        "800515-19901200",
        "８００５１５-1990120",
        "800515-1990١20",
        "800515–1990120",
        "",
        " 800515-1990120",
        "800515-1990120\n",
        8005151990120,
        None,
    ],
    ids=lambda value: f"KR-01 {value!r}",
)
def test_kr_01_what_is_no_number_is_refused_without_showing_it(number):
    with pytest.raises(RecordError) as caught:
        card({"rrn": number})
    assert "1990120" not in str(caught.value)


NAMES = [
    "박하늘별님구름햇님보다사랑스러우리",
    "김",
    "김Maria Anna",
    "O’BRIEN-SMITH Jr.",
    "ᄒᆞᆫ글",
    "金\U00020628\U0002a6d6",
    "남궁 한",
]


@pytest.mark.parametrize("name", NAMES, ids=lambda name: f"KR-02 {len(name)}")
@pytest.mark.parametrize("format_id", ["dc+sd-jwt", "sd-cwt"])
def test_kr_02_names_come_back_code_point_for_code_point(name, format_id):
    from vcred.credential import Content
    from vcred.formats.base import IssuerKey
    from vcred.formats.sd_cwt import SdCwt
    from vcred.formats.sd_jwt_vc import SdJwtVc
    from vcred.keys import SoftwareSigner

    assert unicodedata.is_normalized("NFC", name)
    kind = CATALOG["id.resident_mobile"]
    tree = kind.issue({**kind.sample, "name": name}, variant=None, options={}, issued_on=DAY)
    signer = SoftwareSigner.generate()
    content = Content(
        vct=kind.vct,
        issuer="https://city.example/issuer",
        claims=tree,
        issued_at=1787000000,
        expires_at=1797000000,
        holder_key=SoftwareSigner.generate().public_key,
    )
    format_ = SdJwtVc() if format_id == "dc+sd-jwt" else SdCwt(CATALOG.labels)
    opened = format_.open(format_.issue(content, IssuerKey(public_key=signer.public_key), signer))
    assert opened.claims["name"] == name


def test_kr_03_decomposed_text_of_a_mac_is_composed_before_signing():
    mac = unicodedata.normalize("NFD", "김가람")
    assert len(mac) > 3
    assert card({"name": mac})["name"] == "김가람"
    assert (
        issue(
            "family.relations", {"registrationBase": unicodedata.normalize("NFD", "누리도 한빛시")}, variant="general"
        )["registrationBase"]
        == "누리도 한빛시"
    )


def test_kr_04_full_width_characters_of_an_address_become_plain():
    claims = card({"address": "가람특별시\u3000새솔구 별빛로 １２－３，１０１동（새솔동）"})
    assert claims["address"] == "가람특별시 새솔구 별빛로 12-3,101동(새솔동)"
    assert claims["region"] == "가람특별시"


@pytest.mark.parametrize(
    "bad",
    ["\x00", "\x07", "\n", "\t", "\x1b[31m", "\x7f", "\x85", "\u2028", "\u202e", "\u2066", "\ufeff", "\ud800"],
    ids=lambda value: f"KR-04 {value!r}",
)
@pytest.mark.parametrize("claim", ["name", "address"])
def test_kr_04_nul_and_other_controls_are_refused(claim, bad):
    with pytest.raises(RecordError, match=f"{claim}: has a control character") as caught:
        card({claim: f"가람{bad}시"})
    assert "가람" not in str(caught.value)


@pytest.mark.parametrize("birth_date", ["1940-00-00", "1940-05-00"], ids=lambda value: f"KR-05 {value}")
def test_kr_05_an_unknown_birth_date_has_no_age_rather_than_a_guessed_one(birth_date):
    claims = issue("id.e_citizen", {"birthDate": birth_date})
    assert claims["birthDate"] == birth_date
    kind = CATALOG["id.e_citizen"]
    for name in ("ageOver14", "ageOver19", "ageOver65"):
        assert claims[name] is None
        assert kind.state(ClaimPath((name,)), claims, {}) is ClaimState.EMPTY
    assert claims["yearAgeOver19"] is True


def test_kr_05_a_resident_number_with_an_unknown_day_has_no_age_either():
    claims = card({"rrn": "400000-1990011"})
    assert claims["birthDate"] == "1940-00-00"
    assert claims["ageOver19"] is None
    assert issue("family.relations", {}, variant="detailed")["relatives"][0]["birthDate"] == "1950-00-00"


@pytest.mark.parametrize(
    "birth_date",
    ["1940-00-05", "1940-13-00", "1940-02-30", "40-00-00", "0000-00-00"],
    ids=lambda value: f"KR-05 {value}",
)
def test_kr_05_an_impossible_birth_date_is_not_an_unknown_one(birth_date):
    with pytest.raises(RecordError, match="birthDate"):
        issue("id.e_citizen", {"birthDate": birth_date})


@pytest.mark.parametrize(
    ("at", "adult"),
    [
        (datetime(2026, 8, 19, 14, 59, 59, tzinfo=UTC), False),
        (datetime(2026, 8, 19, 15, 0, 0, tzinfo=UTC), True),
        (datetime(2026, 8, 20, 0, 0, 0, tzinfo=UTC), True),
    ],
    ids=lambda value: f"KR-06 {value}",
)
def test_kr_06_nineteen_begins_at_midnight_in_korea_wherever_the_clock_is(at, adult):
    claims = card({"rrn": "070820-3990013"}, day=kst_date(at))
    assert claims["ageOver19"] is adult
    assert claims["yearAgeOver19"] is True


@pytest.mark.parametrize(
    ("day", "adult"),
    [(date(2027, 2, 28), False), (date(2027, 3, 1), True), (date(2028, 2, 28), True)],
    ids=lambda value: f"KR-06 {value}",
)
def test_kr_06_born_on_29_february(day, adult):
    assert card({"rrn": "080229-3990013"}, day=day)["ageOver19"] is adult
    assert age_over(19, "2008-02-29", day) is adult


def test_kr_06_the_year_rule_is_another_rule():
    new_year = date(2026, 1, 1)
    claims = card({"rrn": "071231-4990013"}, day=new_year)
    assert (claims["ageOver19"], claims["yearAgeOver19"]) == (False, True)
    assert not year_age_over(19, "2008-01-01", new_year)
