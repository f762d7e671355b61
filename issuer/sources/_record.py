"""From a registry's rows to a record in the catalogue's names and types.

Registries write the same thing in many ways: padded texts, numbers without hyphens, 0 and 1, days as times. What means
one thing only is put right here; the catalogue checks the rest, and refuses it with the path.
"""

from __future__ import annotations

import base64
import re
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from issuer.sources.mapping import Leaf, Node
from vcred.errors import RecordError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from issuer.sources.mapping import TypeMap

__all__ = ["MAX_ROWS", "NOTHING", "Row", "record_of"]

Row = Any
"""Something that a source's own ``get`` reads a leaf from."""

MAX_ROWS: Final = 500
NOTHING: Final = "nothing of this kind can be certified"
_HYPHENS: Final = {"rrn": (6, 7), "frn": (6, 7), "bizno": (3, 2, 5), "corpno": (6, 7)}
_PICTURES: Final = {b"\x89PNG": "png", b"\xff\xd8\xff": "jpeg", b"RIFF": "webp"}
_BOOLEANS: Final = {"1": True, "Y": True, "T": True, "TRUE": True, "0": False, "N": False, "F": False, "FALSE": False}


def record_of(
    mapped: TypeMap,
    root: Row,
    parts: Mapping[str, Sequence[Row]],
    get: Callable[[Leaf, Row], Any],
    day: date,
) -> dict[str, Any]:
    """The record of one subject. Raises ``RecordError`` that names a claim and no value."""

    def one(what: Node | Leaf, row: Row) -> Any:
        if isinstance(what, Leaf):
            return _value(what, row, get, day)
        found = {name: one(member, row) for name, member in what.members.items()}
        optional = what.spec is not None and not what.spec.required and not what.spec.many
        return None if optional and all(value is None for value in found.values()) else found

    record = one(mapped.root.what, root)
    for name, rows in mapped.parts.items():
        found = parts[name]
        spec = next(claim for claim in (*mapped.kind.claims, *mapped.kind.facts) if claim.key == name)
        if spec.many:
            record[name] = [one(rows.what, row) for row in found]
        elif len(found) > 1:
            raise RecordError(f"{name}: the registry has several, and the type has one")
        else:
            record[name] = one(rows.what, found[0]) if found else None
    return {name: value for name, value in record.items() if value is not None}


def _value(leaf: Leaf, row: Row, get: Callable[[Leaf, Row], Any], day: date) -> Any:
    if leaf.day is not None:
        return (day + timedelta(days=leaf.day)).isoformat()
    value = get(leaf, row) if leaf.source is not None or leaf.sql is not None else leaf.value
    if isinstance(value, str):
        value = value.strip() or None
    if value is None:
        return None
    if leaf.codes is not None:
        word = leaf.codes.get(str(value))
        if word is None:
            raise RecordError(f"{leaf.path}: the registry has a code that its mapping does not know")
        return _BOOLEANS.get(word.upper(), word) if leaf.spec.type == "boolean" else word
    return _converted(leaf.spec.type, value)


def _converted(kind: str, value: Any) -> Any:
    if kind in _HYPHENS:
        return _hyphenated(str(value), _HYPHENS[kind])
    if kind == "image":
        return _picture(bytes(value)) if isinstance(value, (bytes, memoryview)) else value
    if kind == "boolean":
        return value if isinstance(value, bool) else _BOOLEANS.get(str(value).upper(), value)
    if kind in ("date", "birthdate"):
        return _day(value)
    return _number_or_text(kind, value)


def _day(value: Any) -> Any:
    if isinstance(value, datetime) and value.time() == time(0):
        return value.date()
    if isinstance(value, str) and re.fullmatch(r"[0-9]{8}", value):
        return f"{value[:4]}-{value[4:6]}-{value[6:]}"
    return value


def _number_or_text(kind: str, value: Any) -> Any:
    if isinstance(value, Decimal):
        whole = value == value.to_integral_value()
        value = int(value) if whole and kind != "decimal" else format(value.normalize(), "f")
    if kind in ("integer", "krw", "year") and isinstance(value, str) and re.fullmatch(r"-?[0-9]{1,15}", value):
        return int(value)
    if kind in ("string", "code", "decimal") and isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value


def _hyphenated(text: str, lengths: tuple[int, ...]) -> str:
    if len(text) != sum(lengths) or not (text.isascii() and text.isdigit()):
        return text
    parts, start = [], 0
    for length in lengths:
        parts.append(text[start : start + length])
        start += length
    return "-".join(parts)


def _picture(raw: bytes) -> str | None:
    kind = next((name for begin, name in _PICTURES.items() if raw.startswith(begin)), None)
    if kind is None:
        raise RecordError("a picture is neither PNG, JPEG nor WebP")
    return f"data:image/{kind};base64,{base64.b64encode(raw).decode()}"
