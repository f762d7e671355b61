"""Claims as people read them: what the catalogue calls each one, its value in words, and its path for developers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from vcred.claims import ClaimPath

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vcred.catalog.types import CertificateType

__all__ = ["claim_rows"]

_Parts = tuple[str | int, ...]

_WORDS: dict[str | _Parts, tuple[str, str]] = {
    ("issuedOn",): ("발급일", "date of issue"),
    ("variant",): ("구분(일반·상세·특정)", "variant"),
    ("options",): ("신청 항목", "applied for"),
    "birthDate": ("생년월일", "birth date"),
    "sexDigit": ("뒷자리 첫 숫자", "first digit of the back part"),
    "serial": ("나머지 뒷자리", "rest of the back part"),
}
"""Names of what every type has, and of the parts of a registration number."""


def claim_rows(kind: CertificateType | None, claims: Mapping[str, Any], lang: str) -> list[tuple[str, str, str]]:
    """Name, value and path of every claim, in the order of the type; without a type, names are those in the path."""
    order = {} if kind is None else {spec.path: number for number, spec in enumerate(kind.walk())}
    return [
        (_name(kind, parts, lang), _words(kind, parts, value, lang), _path(parts))
        for parts, value in _leaves(claims, (), order)
    ]


def _leaves(value: Any, parts: _Parts, order: Mapping[ClaimPath, int]) -> Iterator[tuple[_Parts, Any]]:
    chosen = parts[:1] == ("options",) and len(parts) > 1  # a set of values is one line
    if isinstance(value, Mapping) and value:
        for key in sorted(value, key=lambda one: order.get(_pattern((*parts, one)), -1)):
            yield from _leaves(value[key], (*parts, key), order)
    elif isinstance(value, (list, tuple)) and value and not chosen:
        for index, child in enumerate(value):
            yield from _leaves(child, (*parts, index), order)
    else:
        yield parts, value


def _pattern(parts: _Parts) -> ClaimPath:
    return ClaimPath(tuple(None if isinstance(part, int) else part for part in parts))


def _path(parts: _Parts) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in parts).removeprefix(".")


def _name(kind: CertificateType | None, parts: _Parts, lang: str) -> str:
    names: list[str] = []
    for end, part in enumerate(parts, 1):
        if isinstance(part, int):
            names[-1] += f" {part + 1}"
            continue
        spec = None if kind is None else kind.spec(_pattern(parts[:end]))
        option = kind.option(part) if kind is not None and end == 2 and parts[0] == "options" else None
        known = _WORDS.get(parts[:end]) or (_WORDS.get(part) if end > 1 else None)
        if spec is not None or option is not None:
            names.append((spec or option).name(lang))  # type: ignore[union-attr]  # one of them is there
        else:
            names.append(part if known is None else known[0 if lang == "ko" else 1])
    return " · ".join(names)


def _words(kind: CertificateType | None, parts: _Parts, value: Any, lang: str) -> str:
    korean = lang == "ko"
    if value is None or (isinstance(value, (Mapping, list, tuple)) and not value):
        return "없음" if korean else "none"
    if isinstance(value, bool):
        return ("예" if value else "아니요") if korean else ("yes" if value else "no")
    return str(value) if kind is None else _in_catalog(kind, parts, value, lang)


def _in_catalog(kind: CertificateType, parts: _Parts, value: Any, lang: str) -> str:
    """The catalogue's words for the values of options, variants and codes."""
    if parts[0] == "options" and len(parts) == 2:
        many = value if isinstance(value, (list, tuple)) else [value]
        return ", ".join(_chosen(kind, str(parts[1]), str(one), lang) for one in many)
    if parts == ("variant",):
        return next((one.name(lang) for one in kind.variants if one.id == value), str(value))
    spec = kind.spec(_pattern(parts))
    if spec is not None and spec.type == "image":
        return f"(그림, {len(value)}자)" if lang == "ko" else f"(a picture, {len(value)} characters)"
    known = spec is not None and spec.codes is not None and isinstance(value, str)
    return spec.codes.name(value, lang) if known else str(value)  # type: ignore[union-attr]  # known says so


def _chosen(kind: CertificateType, option_id: str, value: str, lang: str) -> str:
    """What the option's value is called; ``years:5`` is the value ``years:N`` with its number."""
    option = kind.option(option_id)
    stem, colon, number = value.partition(":")
    for one in () if option is None else option.values:
        if one.id == value:
            return one.names[lang]
        if colon and one.id == f"{stem}:N":
            return one.names[lang].replace("N", number)
    return value
