"""Names, places, employers and schools of a town that does not exist.

Surnames and their origins are public vocabulary; given names are put together from syllables, never taken
from a list of persons. Everything else is invented and says so.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from random import Random

__all__ = ["Address", "Given", "Surname", "draw_address", "draw_base", "draw_given", "draw_surname"]

CITY = "가람특별시"
DISTRICT = "새솔구"
COURT = "가람가정법원 (가상)"
REGISTRAR = "전산운영책임관 한기록 (가상)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Surname:
    """A surname with its 본."""

    hangul: str
    hanja: str
    roman: str
    clan: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """A given name; ``hanja`` is the Hangul itself for a native word."""

    hangul: str
    hanja: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """One home: as a road address, as the older lot address, and the bracket behind it."""

    road: str
    lot: str
    detail: str


SURNAMES = tuple(
    Surname(hangul=hangul, hanja=hanja, roman=roman, clan=clan)
    for hangul, hanja, roman, clan in (
        ("김", "金", "Kim", "김해(金海)"),
        ("김", "金", "Kim", "경주(慶州)"),
        ("이", "李", "Lee", "전주(全州)"),
        ("이", "李", "Lee", "성주(星州)"),
        ("박", "朴", "Park", "밀양(密陽)"),
        ("최", "崔", "Choi", "해주(海州)"),
        ("정", "鄭", "Jeong", "동래(東萊)"),
        ("강", "姜", "Kang", "진주(晋州)"),
        ("조", "趙", "Cho", "한양(漢陽)"),
        ("윤", "尹", "Yoon", "파평(坡平)"),
        ("장", "張", "Jang", "인동(仁同)"),
        ("임", "林", "Lim", "나주(羅州)"),
        ("한", "韓", "Han", "청주(淸州)"),
        ("오", "吳", "Oh", "해주(海州)"),
        ("서", "徐", "Seo", "달성(達城)"),
        ("신", "申", "Shin", "평산(平山)"),
        ("권", "權", "Kwon", "안동(安東)"),
        ("황", "黃", "Hwang", "장수(長水)"),
        ("송", "宋", "Song", "여산(礪山)"),
        ("류", "柳", "Ryu", "문화(文化)"),
        ("홍", "洪", "Hong", "남양(南陽)"),
        ("고", "高", "Ko", "제주(濟州)"),
        ("백", "白", "Baek", "수원(水原)"),
        ("남궁", "南宮", "Namgung", "함열(咸悅)"),
    )
)

_SYLLABLES = (
    ("가", "佳"),
    ("결", "潔"),
    ("나", "娜"),
    ("단", "丹"),
    ("도", "道"),
    ("람", "嵐"),
    ("로", "露"),
    ("리", "利"),
    ("비", "飛"),
    ("빈", "彬"),
    ("설", "雪"),
    ("솔", "率"),
    ("아", "雅"),
    ("여", "如"),
    ("온", "溫"),
    ("우", "宇"),
    ("유", "裕"),
    ("윤", "潤"),
    ("율", "律"),
    ("찬", "燦"),
    ("태", "泰"),
    ("하", "夏"),
    ("해", "海"),
    ("호", "湖"),
    ("희", "熙"),
)
_NATIVE = ("가람", "고운", "다온", "보라미", "초롱", "하늘별", "새솔", "여울", "노을", "온새미")

_PLACES = (
    (f"{CITY} 새솔구", ("별빛동", "물안동", "솔내동"), ("별빛로", "은하수길", "솔바람로"), ("새솔마을", "별빛마을")),
    (f"{CITY} 은하구", ("미리내동", "돌담동"), ("미리내길", "돌담길", "종다리로"), ("미리내숲", "돌담이음")),
    ("누리도 한빛시", ("달맞이동", "꽃뫼동"), ("달맞이로", "꽃뫼로", "여울목길"), ("달맞이채", "여울마을")),
)

EMPLOYERS = tuple(
    (f"{name} (가상)", f"000-99-{number:05d}")
    for number, name in enumerate(
        (
            "주식회사 새솔전자",
            "별빛상사",
            "너른들식품",
            "솔바람물류",
            "가람정밀",
            "은하수의료재단",
            "돌담건설",
            "새솔유통",
        ),
        start=10,
    )
)
SCHOOLS = {
    "elementary": ("가람별빛초등학교", "돌담초등학교"),
    "middle": ("새솔중학교", "너른중학교"),
    "high": ("솔내고등학교", "꽃뫼고등학교"),
    "university": ("가람대학교", "누리대학교"),
    "online": ("가람사이버대학교",),
}
FOREIGNERS = (
    ("베트남", "NGUYEN THI SAO", "응우옌티사오"),
    ("필리핀", "DALISAY LUNA", "달리사이루나"),
    ("몽골", "TSOLMON OYUN", "촐몽오윤"),
    ("우즈베키스탄", "YULDUZOVA NILU", "율두조바닐루"),
    ("캄보디아", "SOK PHKAY", "속프카이"),
)


def draw_surname(rng: Random) -> Surname:
    """A surname and the 본 that goes with it."""
    return rng.choice(SURNAMES)


def draw_given(rng: Random) -> Given:
    """A given name of two Hanja syllables mostly, sometimes one, sometimes a native word."""
    kind = rng.random()
    if kind < 0.12:
        word = rng.choice(_NATIVE)
        return Given(hangul=word, hanja=word)
    picked = rng.sample(_SYLLABLES, 1 if kind < 0.15 else 2)
    return Given(hangul="".join(one[0] for one in picked), hanja="".join(one[1] for one in picked))


def draw_address(rng: Random, *, town: bool) -> Address:
    """A home: in the town itself, or (``town`` false) anywhere in the invented country."""
    district, dongs, roads, estates = _PLACES[0] if town else rng.choice(_PLACES)
    dong = rng.choice(dongs)
    unit = f"{rng.randint(101, 118)}동 {rng.randint(1, 25)}{rng.randint(1, 4):02d}호"
    return Address(
        road=f"{district} {rng.choice(roads)} {rng.randint(1, 320)}, {unit}",
        lot=f"{district} {dong} {rng.randint(1, 900)}번지 {unit}",
        detail=f"({dong}, {rng.choice(estates)})",
    )


def draw_base(rng: Random) -> str:
    """A 등록기준지: a lot address, unrelated to where anybody lives."""
    district, dongs, _, _ = rng.choice(_PLACES)
    return f"{district} {rng.choice(dongs)} {rng.randint(1, 900)}번지"
