"""Names, places and employers of a town that does not exist.

Surnames and their origins are public vocabulary; given names are put together from syllables, never taken
from a list of persons. Places, roads, schools and employers are invented and say so.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from random import Random

__all__ = ["Address", "Name", "Place", "draw_address", "draw_base", "draw_name", "draw_surname"]

PROVINCE = "가람시"
COURT = "가람가정법원(가상)"
REGISTRY_OFFICE = "가람시 새솔구청(가상)"
PROVINCE_CODE = "99"


@dataclass(frozen=True, slots=True, kw_only=True)
class Name:
    """A person's name: in Hangul without a space, in Hanja if there is one, and romanised."""

    surname: str
    given: str
    hanja: str | None
    roman: str
    clan: str | None

    @property
    def full(self) -> str:
        """Surname and given name as every certificate prints them."""
        return self.surname + self.given


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A district with its legal neighbourhoods and its roads."""

    district: str
    code: str
    dongs: tuple[str, ...]
    roads: tuple[str, ...]
    estates: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """A road-name address and what Korean papers put in brackets behind it."""

    road: str
    detail: str
    province: str
    district: str
    postcode: str
    road_name: str
    building: str
    unit: str
    dong_code: str


SURNAMES: tuple[tuple[str, str, str, str], ...] = (
    ("김", "金", "Kim", "金海"),
    ("김", "金", "Kim", "慶州"),
    ("이", "李", "Lee", "全州"),
    ("이", "李", "Lee", "星州"),
    ("박", "朴", "Park", "密陽"),
    ("최", "崔", "Choi", "海州"),
    ("정", "鄭", "Jeong", "東萊"),
    ("강", "姜", "Kang", "晋州"),
    ("조", "趙", "Cho", "漢陽"),
    ("윤", "尹", "Yoon", "坡平"),
    ("장", "張", "Jang", "仁同"),
    ("임", "林", "Lim", "羅州"),
    ("한", "韓", "Han", "淸州"),
    ("오", "吳", "Oh", "海州"),
    ("서", "徐", "Seo", "達城"),
    ("신", "申", "Shin", "平山"),
    ("권", "權", "Kwon", "安東"),
    ("황", "黃", "Hwang", "長水"),
    ("송", "宋", "Song", "礪山"),
    ("류", "柳", "Ryu", "文化"),
    ("홍", "洪", "Hong", "南陽"),
    ("고", "高", "Ko", "濟州"),
    ("백", "白", "Baek", "水原"),
    ("남궁", "南宮", "Namgung", "咸悅"),
)

_SYLLABLES: tuple[tuple[str, str, str], ...] = (
    ("가", "佳", "ga"),
    ("결", "潔", "gyeol"),
    ("나", "娜", "na"),
    ("단", "丹", "dan"),
    ("도", "道", "do"),
    ("람", "嵐", "ram"),
    ("로", "露", "ro"),
    ("리", "利", "ri"),
    ("마", "馬", "ma"),
    ("별", "𪰺", "byeol"),
    ("비", "飛", "bi"),
    ("빈", "彬", "bin"),
    ("새", "璽", "sae"),
    ("설", "雪", "seol"),
    ("솔", "率", "sol"),
    ("아", "雅", "a"),
    ("여", "如", "yeo"),
    ("온", "溫", "on"),
    ("우", "宇", "u"),
    ("유", "裕", "yu"),
    ("윤", "潤", "yun"),
    ("율", "律", "yul"),
    ("찬", "燦", "chan"),
    ("태", "泰", "tae"),
    ("하", "夏", "ha"),
    ("해", "海", "hae"),
    ("호", "湖", "ho"),
    ("희", "熙", "hui"),
)

_NATIVE = (("가람", "Garam"), ("고운", "Goun"), ("다온", "Daon"), ("보라미", "Borami"), ("초롱", "Chorong"))

PLACES: tuple[Place, ...] = (
    Place(
        district="새솔구",
        code="99110",
        dongs=("별빛동", "물안동", "솔내동"),
        roads=("해오름로", "은하수길", "솔바람로", "물안개길"),
        estates=("새솔마을", "별빛하늘채", "솔내숲"),
    ),
    Place(
        district="너른구",
        code="99120",
        dongs=("들머리동", "돌담동"),
        roads=("너른들로", "돌담길", "종다리로"),
        estates=("너른마을", "돌담이음"),
    ),
    Place(
        district="늘봄군",
        code="99710",
        dongs=("꽃뫼읍", "여울면"),
        roads=("꽃뫼로", "여울목길"),
        estates=("꽃뫼빌라", "여울채"),
    ),
)

EMPLOYERS = (
    "해오름상사(가상)",
    "별빛소프트(가상)",
    "너른들식품(가상)",
    "솔바람물류(가상)",
    "가람정밀(가상)",
    "은하수의료재단(가상)",
    "돌담건설(가상)",
    "새솔유통(가상)",
)
SCHOOLS = {
    "elementary": ("별빛초등학교(가상)", "돌담초등학교(가상)"),
    "middle": ("새솔중학교(가상)", "너른중학교(가상)"),
    "high": ("솔내고등학교(가상)", "꽃뫼고등학교(가상)"),
    "university": ("가람대학교(가상)",),
}
MAJORS = ("컴퓨터공학과", "국어국문학과", "경영학과", "간호학과", "기계공학과")

FOREIGNERS: tuple[tuple[str, str, str], ...] = (
    ("VN", "NGUYEN THI SAO", "응우옌티사오"),
    ("PH", "DALISAY LUNA", "달리사이루나"),
    ("MN", "TSOLMON OYUN", "촐몽오윤"),
    ("US", "GREENFIELD ROBIN", "그린필드로빈"),
    ("UZ", "YULDUZOVA NILU", "율두조바닐루"),
)

LONG_GIVEN = "하늘별님구름햇님보다사랑스러우리"
"""Sixteen syllables: with a surname of one it is the longest Hangul name this town has."""


def draw_surname(rng: Random) -> tuple[str, str, str, str]:
    """Hangul, Hanja, Latin and the 본 that goes with it."""
    return rng.choice(SURNAMES)


def draw_name(rng: Random, surname: tuple[str, str, str, str]) -> Name:
    """A name under ``surname``: two Hanja syllables mostly, sometimes one, sometimes a native word without Hanja."""
    hangul, hanja, roman, clan = surname
    kind = rng.random()
    if kind < 0.10:
        given, latin = rng.choice(_NATIVE)
        return Name(surname=hangul, given=given, hanja=None, roman=f"{roman} {latin}", clan=clan)
    first = rng.choice(_SYLLABLES)
    if kind < 0.14:
        return Name(
            surname=hangul, given=first[0], hanja=hanja + first[1], roman=f"{roman} {first[2].title()}", clan=clan
        )
    second = rng.choice([syllable for syllable in _SYLLABLES if syllable != first])
    return Name(
        surname=hangul,
        given=first[0] + second[0],
        hanja=hanja + first[1] + second[1],
        roman=f"{roman} {(first[2] + second[2]).title()}",
        clan=clan,
    )


def draw_address(rng: Random) -> Address:
    """A home in one of the invented districts."""
    place = rng.choice(PLACES)
    road, dong, estate = rng.choice(place.roads), rng.choice(place.dongs), rng.choice(place.estates)
    building = str(rng.randint(1, 320))
    unit = f"{rng.randint(101, 118)}동 {rng.randint(1, 25)}{rng.randint(1, 4):02d}호"
    return Address(
        road=f"{PROVINCE} {place.district} {road} {building}, {unit}",
        detail=f"({dong}, {estate})",
        province=PROVINCE_CODE,
        district=place.code,
        postcode=f"00{rng.randint(0, 999):03d}",
        road_name=road,
        building=building,
        unit=unit,
        dong_code=f"{place.code}{101 + place.dongs.index(dong)}00",
    )


def draw_base(rng: Random) -> str:
    """A 등록기준지: a lot address, unrelated to where anybody lives."""
    place = rng.choice(PLACES)
    return f"{PROVINCE} {place.district} {rng.choice(place.dongs)} {rng.randint(1, 900)}-{rng.randint(1, 40)}"
