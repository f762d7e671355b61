"""Reading a registry's record: every value checked for its type, once, before anything is signed.

Text becomes NFC; NUL, other control characters, lone surrogates and direction overrides are refused; an
address has its full-width ASCII made plain. A resident or foreigner number is refused only for an impossible
date: its last digits have been random since October 2020, so its check digit proves nothing. Errors name
the file of the type, the path in the record and the fix, and never the value.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from vcred.catalog.age import KST, read_birth_date
from vcred.errors import RecordError

if TYPE_CHECKING:
    from collections.abc import Callable

    from vcred.catalog.types import CertificateType, ClaimSpec

__all__ = ["TYPES", "Member", "layout_of", "read_record"]

MAX_TEXT = 4000
MAX_IMAGE = 65536
MAX_ROWS = 500

_FULL_WIDTH = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)} | {0x3000: 0x20}
_OVERRIDES = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff")
_NUMBER = re.compile(r"([0-9]{2})([0-9]{2})([0-9]{2})-([0-9])([0-9]{6})")
_CENTURY = {
    "9": 1800,
    "0": 1800,
    "1": 1900,
    "2": 1900,
    "5": 1900,
    "6": 1900,
    "3": 2000,
    "4": 2000,
    "7": 2000,
    "8": 2000,
}
_IMAGE = re.compile(r"data:image/(?:png|jpeg|webp);base64,[A-Za-z0-9+/]+={0,2}")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_DAY_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:Z|[+-][0-9]{2}:[0-9]{2})")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9]{0,63}")


def _text(value: Any, limit: int = MAX_TEXT) -> str:
    if not isinstance(value, str):
        raise ValueError("must be text")  # noqa: TRY004  # a reader has one kind of error
    if len(value) > limit:
        raise ValueError(f"must be at most {limit} characters")
    text = unicodedata.normalize("NFC", value)
    if not text.isprintable():  # what is has none of these, and a look at each character costs much more
        for character in text:
            if character in _OVERRIDES or unicodedata.category(character) in {"Cc", "Cs", "Zl", "Zp"}:
                raise ValueError("has a control character; remove it")
    if not text.strip():
        raise ValueError("is empty; leave it out or make it null")
    return text


def _address(value: Any) -> str:
    return _text(value.translate(_FULL_WIDTH) if isinstance(value, str) else value)


def _shape(pattern: str, wanted: str) -> Callable[[Any], str]:
    shape = re.compile(pattern)

    def read(value: Any) -> str:
        if not isinstance(value, str) or not shape.fullmatch(value):
            raise ValueError(f"must be {wanted}")
        return value

    return read


def _date(value: Any) -> str:
    if isinstance(value, date) and not isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, str) and _DAY.fullmatch(value):
        try:
            return date.fromisoformat(value).isoformat()
        except ValueError:
            pass
    raise ValueError("must be a date that exists, YYYY-MM-DD")


def _birth_date(value: Any) -> str:
    if isinstance(value, date) and not isinstance(value, datetime):
        return value.isoformat()
    try:
        read_birth_date(value)
    except (TypeError, ValueError):
        raise ValueError("must be a date that exists, YYYY-MM-DD; write 00 for an unknown month and day") from None
    return str(value)


def _datetime(value: Any) -> str:
    if isinstance(value, str) and _DAY_TIME.fullmatch(value):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            value = None
    if not isinstance(value, datetime) or value.tzinfo is None:
        raise ValueError("must be a time with its zone, YYYY-MM-DDThh:mm:ss+09:00")
    return value.astimezone(KST).isoformat(timespec="seconds")


def _integer(low: int, high: int) -> Callable[[Any], int]:
    def read(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise ValueError(f"must be a whole number from {low} to {high}")
        return value

    return read


def _boolean(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("must be true or false")  # noqa: TRY004  # as in _text
    return value


def _image(value: Any) -> str:
    if not isinstance(value, str) or len(value) > MAX_IMAGE or not _IMAGE.fullmatch(value):
        raise ValueError(f"must be a data: URI of a PNG, JPEG or WebP picture of at most {MAX_IMAGE} characters")
    return value


def _person_number(value: Any) -> dict[str, str]:
    found = _NUMBER.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise ValueError("must be a registration number, YYMMDD-SNNNNNN")
    year, month, day, sex_digit, serial = found.groups()
    birth_date = f"{_CENTURY[sex_digit] + int(year)}-{month}-{day}"
    try:
        read_birth_date(birth_date)
    except ValueError:
        raise ValueError("has a birth date that does not exist") from None
    return {"birthDate": birth_date, "sexDigit": sex_digit, "serial": serial}


_SAFE = 2**53 - 1

TYPES: Mapping[str, Callable[[Any], Any]] = {
    "string": _text,
    "address": _address,
    "code": _text,
    "date": _date,
    "birthdate": _birth_date,
    "datetime": _datetime,
    "yearmonth": _shape(r"[0-9]{4}-(?:0[1-9]|1[0-2])", "a month, YYYY-MM"),
    "year": _integer(1800, 9999),
    "integer": _integer(-_SAFE, _SAFE),
    "krw": _integer(-_SAFE, _SAFE),
    "decimal": _shape(r"-?(?:0|[1-9][0-9]{0,15})(?:\.[0-9]{1,9})?", "a decimal number as text"),
    "boolean": _boolean,
    "rrn": _person_number,
    "frn": _person_number,
    "bizno": _shape(r"[0-9]{3}-[0-9]{2}-[0-9]{5}", "a business number, NNN-NN-NNNNN"),
    "corpno": _shape(r"[0-9]{6}-[0-9]{7}", "a corporate number, NNNNNN-NNNNNNN"),
    "phone": _shape(r"\+?[0-9]{1,4}(?:-[0-9]{2,4}){1,3}", "a telephone number with hyphens"),
    "country": _shape(r"[A-Z]{3}", "three capitals of ISO 3166-1"),
    "image": _image,
}
"""Claim types but ``object``: each reads a record's value into what is signed, or raises ``ValueError``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One member of an object in a record. An object itself has ``members`` and no ``read``."""

    spec: ClaimSpec
    read: Callable[[Any], Any] | None
    members: tuple[Member, ...]


def layout_of(specs: tuple[ClaimSpec, ...], facts: tuple[ClaimSpec, ...]) -> tuple[Member, ...]:
    """What a record has: the claims that are not derived, and the facts that stand beside them."""
    wanted = {spec.key: spec for spec in specs if spec.derive is None}
    parent = specs[0].path.parts[:-1] if specs else None
    wanted |= {fact.key: fact for fact in facts if fact.path.parts[:-1] == parent}
    return tuple(
        Member(spec=spec, read=None, members=layout_of(spec.children, facts))
        if spec.type == "object"
        else Member(spec=spec, read=TYPES[spec.type], members=())
        for spec in wanted.values()
    )


def read_record(kind: CertificateType, record: Mapping[str, Any], issued_on: date) -> dict[str, Any]:
    """``record`` with every value checked and normalised. Raises ``RecordError`` (file, path and fix)."""
    return _Record(kind.file, issued_on).members(kind.layout, record, "")


class _Record:
    def __init__(self, file: str, issued_on: date) -> None:
        self._file = file
        self._issued_on = issued_on

    def _refuse(self, path: str, detail: str) -> RecordError:
        return RecordError(f"{self._file}: {path or 'record'}: {detail}")

    def members(self, layout: tuple[Member, ...], record: Any, path: str) -> dict[str, Any]:
        if not isinstance(record, Mapping):
            raise self._refuse(path, "must be an object")
        wanted = {member.spec.key for member in layout}
        for name in record:
            if name not in wanted:
                shown = name if isinstance(name, str) and _NAME.fullmatch(name) else "a name"
                raise self._refuse(path, f"{shown} is not a claim of this type; remove it or add it to the file")
        out = {}
        for member in layout:
            name = member.spec.key
            out[name] = self._claim(member, record.get(name), f"{path}.{name}" if path else name)
        for member in layout:
            name = member.spec.key
            if member.spec.codes is not None and out[name] is not None:
                self._check_codes(member.spec, out, f"{path}.{name}" if path else name)
        return out

    def _claim(self, member: Member, value: Any, path: str) -> Any:
        spec = member.spec
        if not spec.many:
            if value is None:
                if spec.required:
                    raise self._refuse(path, "is missing; this type requires it")
                return None
            return self._one(member, value, path)
        rows = [] if value is None else value
        if not isinstance(rows, (list, tuple)):
            raise self._refuse(path, "must be an array")
        if len(rows) > MAX_ROWS:
            raise self._refuse(path, f"must have at most {MAX_ROWS} elements")
        if spec.required and not rows:
            raise self._refuse(path, "must have at least one element")
        return [self._one(member, row, f"{path}[{index}]") for index, row in enumerate(rows)]

    def _one(self, member: Member, value: Any, path: str) -> Any:
        if member.read is None:
            return self.members(member.members, value, path)
        try:
            return member.read(value)
        except ValueError as problem:
            raise self._refuse(path, str(problem)) from None

    def _check_codes(self, spec: ClaimSpec, row: Mapping[str, Any], path: str) -> None:
        assert spec.codes is not None
        found = row[spec.key]
        for value in found if isinstance(found, list) else [found]:
            if value not in spec.codes:
                raise self._refuse(path, f"is not in the code list {spec.codes.id}")
            day: date | None = self._issued_on
            if spec.codes_at is not None:
                dated = row.get(spec.codes_at)
                day = date.fromisoformat(dated) if dated else None
            if day is not None and not spec.codes.valid_on(value, day):
                raise self._refuse(path, f"is a word of the code list {spec.codes.id} that is not in use on that date")
