"""How old trust and status are, under which rule that is still good, and the words for it.

Every verdict carries one ``Freshness`` for the trust bundle and one for each certificate. Of several limits the
smallest counts, and it is named: a policy's, a certificate type's, or what the bundle or the list says of itself.
Nothing is good by absence: what was not seen, or not looked for, has a state of its own and a sentence that says so.

The sentences are in ``vcred/i18n/freshness.toml``, in Korean and English; results, the command line and documents take
them from here. An age is a text, never a colour.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from vcred.formats._wire import epoch

if TYPE_CHECKING:
    from datetime import datetime

__all__ = [
    "Freshness",
    "FreshnessState",
    "Limit",
    "LimitRule",
    "Subject",
    "age_text",
    "span_text",
    "trust_freshness",
]

_LEEWAY = timedelta(seconds=60)
_UNITS: tuple[tuple[int, int, str, str], ...] = (
    (4 * 86_400, 86_400, "일", "days"),
    (3_600, 3_600, "시간", "hours"),
    (60, 60, "분", "minutes"),
    (0, 1, "초", "seconds"),
)


class Subject(StrEnum):
    """What is of some age: the trust bundle, or the status list of one certificate."""

    TRUST = "trust"
    STATUS = "status"


class LimitRule(StrEnum):
    """Whose limit it is: the policy's, the certificate type's, the bundle's own, or the status list's own."""

    POLICY = "policy"
    TYPE = "type"
    BUNDLE = "bundle"
    LIST = "list"


class FreshnessState(StrEnum):
    """What is known.

    ``good``: seen, and young enough. ``stale``: seen, and too old to decide. ``unseen``: there is no usable list here.
    ``none``: the certificate names no list. ``unknown``: it was not got to, or a clock is wrong.
    """

    GOOD = "good"
    STALE = "stale"
    UNSEEN = "unseen"
    NONE = "none"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """What may be this old and no older, by whose rule.

    ``source`` is the policy's id, the type's code, the list's URI or the bundle's version.
    """

    age: timedelta
    rule: LimitRule
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Freshness:
    """How old the trust bundle, or the status list of ``certificate`` (a query id), was when the verdict was made.

    ``age`` and ``limit`` are there in the states ``good`` and ``stale`` only.
    """

    subject: Subject
    state: FreshnessState
    certificate: str = ""
    age: timedelta | None = None
    limit: Limit | None = None

    def __post_init__(self) -> None:
        seen = self.state in (FreshnessState.GOOD, FreshnessState.STALE)
        if seen != (self.age is not None) or seen != (self.limit is not None):
            raise ValueError("an age and its limit belong to what was seen")

    @property
    def good(self) -> bool | None:
        """Whether it was young enough; ``None`` when nothing was seen that has an age."""
        return {FreshnessState.GOOD: True, FreshnessState.STALE: False}.get(self.state)

    def text(self, lang: str) -> str:
        """The sentence for people, in ``ko`` or ``en``."""
        if self.age is None or self.limit is None:
            return _words(self.subject.value, self.state.value, lang)
        when, rule = age_text(self.age, lang), _words("rule", self.limit.rule.value, lang)
        if lang == "ko" and when.endswith("전"):
            when += "에"
        return _words(self.subject.value, self.state.value, lang).format(
            when=when, limit=span_text(self.limit.age, lang), rule=rule.format(source=self.limit.source)
        )

    def short(self, lang: str) -> str:
        """The age alone, or what there is instead, for a cell of a table."""
        return _words("short", self.state.value, lang) if self.age is None else age_text(self.age, lang)

    def to_json(self) -> dict[str, Any]:
        """As JSON-able values with the sentence in both languages; age and limit in seconds."""
        return {
            "subject": self.subject.value,
            "certificate": self.certificate,
            "state": self.state.value,
            "good": self.good,
            "age": None if self.age is None else int(self.age.total_seconds()),
            "limit": None if self.limit is None else int(self.limit.age.total_seconds()),
            "rule": None if self.limit is None else self.limit.rule.value,
            "source": None if self.limit is None else self.limit.source,
            "text": {lang: self.text(lang) for lang in ("ko", "en")},
        }


def trust_freshness(
    *, version: int, signed_at: datetime, expires_at: datetime, policy: Limit | None, at: datetime
) -> Freshness:
    """How old a trust bundle is ``at``: since its online key last vouched for it.

    It is good until it expires, and no longer than ``policy`` says. Raises ``ValueError`` for a time without zone.
    """
    now, signed, end = epoch(at), epoch(signed_at), epoch(expires_at)
    age = timedelta(seconds=now - signed)
    if age < -_LEEWAY:
        return Freshness(subject=Subject.TRUST, state=FreshnessState.UNKNOWN)
    own = Limit(age=timedelta(seconds=end - signed), rule=LimitRule.BUNDLE, source=str(version))
    limit = own if policy is None or own.age <= policy.age else policy
    late = now >= end or (policy is not None and age > policy.age)
    state = FreshnessState.STALE if late else FreshnessState.GOOD
    return Freshness(subject=Subject.TRUST, state=state, age=max(age, timedelta(0)), limit=limit)


def age_text(age: timedelta, lang: str) -> str:
    """How long ago, for people: ``3시간 전``, ``3 hours ago``. Under a minute it is just now.

    What is dated later than an honest clock could be told is not "just now": ``3시간 뒤``, ``3 hours from now``.
    """
    if age < -_LEEWAY:
        return span_text(-age, lang) + (" 뒤" if lang == "ko" else " from now")
    if age < timedelta(minutes=1):
        return "방금" if _known(lang) == "ko" else "just now"
    return span_text(age, lang) + (" 전" if lang == "ko" else " ago")


def span_text(span: timedelta, lang: str) -> str:
    """A length of time in whole days, hours, minutes or seconds, never more than it is; in hours below four days."""
    seconds = max(int(span.total_seconds()), 0)
    _, size, ko, en = next(unit for unit in _UNITS if seconds >= unit[0])
    count = seconds // size
    return f"{count}{ko}" if _known(lang) == "ko" else f"{count} {en if count != 1 else en[:-1]}"


def _words(table: str, name: str, lang: str) -> str:
    words: str = _texts()[table][name][_known(lang)]
    return words


def _known(lang: str) -> str:
    if lang not in ("ko", "en"):
        raise ValueError("lang is 'ko' or 'en'")
    return lang


@cache
def _texts() -> dict[str, dict[str, dict[str, str]]]:
    return tomllib.loads(files("vcred.i18n").joinpath("freshness.toml").read_text(encoding="utf-8"))
