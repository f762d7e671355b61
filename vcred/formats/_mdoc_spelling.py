"""A certificate of ours as another standard spells it in an mdoc: names, and values as its readers expect them.

The document type is that of the standard. Claims that it names are in its namespaces by its names, the others in the
type's own namespace as ``_mdoc_tree`` says. Values (ISO/IEC 18013-5 clause 7.2.1, ISO/IEC 23220-2 clause 6.3.1):

- a date is a full-date (tag 1004); a birth date that is known in part is a map with its ``approximate_mask``;
- a picture is the bytes of a JPEG;
- a code is the standard's word for it (``values``); text and truth values are themselves.

What the standard cannot say (nothing at all, a picture of another kind) stays in our namespace under our name, so that
its readers never meet a value of another type, and ours read every certificate back as it was signed.
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from vcred.claims import ClaimPath, select
from vcred.errors import MalformedError
from vcred.formats._cbor import Tagged
from vcred.formats._mdoc_tree import identifier_of, path_of
from vcred.reasons import ReasonCode

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from vcred.catalog import CertificateType
    from vcred.catalog.types import ClaimSpec
    from vcred.dcql import ClaimQuery

__all__ = ["Spelling"]

_FULL_DATE: Final = 1004
_DATE: Final = re.compile(r"[0-9]{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])")
_MASKS: Final = {"00001111": "-00-00", "00000011": "-00"}
"""Of ``approximate_mask``, a 1 for each unknown digit of YYYYMMDD: how a birth date of ours ends then."""

_JPEG: Final = "data:image/jpeg;base64,"
_JPEG_START: Final = b"\xff\xd8\xff"
_UNSPELLED: Final = object()


class Spelling:
    """How the claims of one certificate type are spelled."""

    __slots__ = ("_by_element", "_by_path", "doctype", "namespace")

    def __init__(self, kind: CertificateType) -> None:
        self.doctype = kind.doctype
        self.namespace = kind.namespace
        named = [(spec, spec.mdoc) for spec in kind.walk() if spec.mdoc is not None]
        self._by_path: Mapping[ClaimPath, ClaimSpec] = {spec.path: spec for spec, _ in named}
        self._by_element = {(element.namespace, element.name): spec for spec, element in named}

    def place(self, identifier: str, value: Any) -> tuple[str, str, Any]:
        """Namespace, identifier and value of the element that is called ``identifier`` in our namespace."""
        spec = self._by_path.get(path_of(identifier)) if value is not None and identifier[0] != "~" else None
        written = _UNSPELLED if spec is None else _written(spec, value)
        if spec is None or spec.mdoc is None or written is _UNSPELLED:
            return self.namespace, identifier, value
        return spec.mdoc.namespace, spec.mdoc.name, written

    def read(self, namespace: str, identifier: str, value: Any) -> tuple[str, Any]:
        """Our identifier and value of an element.

        Raises ``MalformedError`` with ``format`` for one that the type does not have, ``claim_type`` for its value.
        """
        if namespace == self.namespace:
            return identifier, value
        spec = self._by_element.get((namespace, identifier))
        if spec is None:
            raise MalformedError(ReasonCode.FORMAT, "nameSpaces", "an element that is not the certificate's")
        found = _read(spec, value)
        if found is _UNSPELLED:
            raise MalformedError(ReasonCode.CLAIM_TYPE, f"nameSpaces.{identifier}", "not as its standard has it")
        return identifier_of(spec.path), found

    def wire(self, path: ClaimPath) -> ClaimPath:
        """The claims at ``path`` as a query for an mdoc has them: a namespace and an element."""
        spec = self._by_path.get(path)
        if spec is not None and spec.mdoc is not None:
            return ClaimPath((spec.mdoc.namespace, spec.mdoc.name))
        return ClaimPath((self.namespace, identifier_of(path)))

    def claim(self, path: ClaimPath) -> ClaimPath:
        """The claims that a query for an mdoc means by ``path``; ``path`` itself when they are none of the type's."""
        namespace, identifier = path.parts[0], path.parts[-1]
        if len(path.parts) != 2 or not isinstance(namespace, str) or not isinstance(identifier, str):
            return path
        if namespace != self.namespace:
            spec = self._by_element.get((namespace, identifier))
            return path if spec is None else spec.path
        try:
            return path_of(identifier)
        except MalformedError:
            return path

    def asks(self, claims: Mapping[str, Any]) -> Callable[[ClaimQuery], ClaimQuery]:
        """How a claim query for the mdoc with ``claims`` reads in our names and words.

        It is left as it is, and then selects nothing, where the mdoc has no such element.
        """

        def read(asked: ClaimQuery) -> ClaimQuery:
            path = self.claim(asked.path)
            spec = self._by_path.get(path)
            if spec is None:
                return replace(asked, path=path)
            there = any(_written(spec, value) is not _UNSPELLED for _, value in select(claims, path))
            if there is (asked.path.parts[0] == self.namespace):
                return asked
            return replace(asked, path=path, values=_our_words(spec, asked.values) if there else asked.values)

        return read


def _our_words(spec: ClaimSpec, values: tuple[Any, ...] | None) -> tuple[Any, ...] | None:
    words = spec.mdoc.values if spec.mdoc is not None else {}
    if values is None or not words:
        return values
    return tuple(ours for ours, theirs in words.items() for one in values if _same(one, theirs))


def _written(spec: ClaimSpec, value: Any) -> Any:
    assert spec.mdoc is not None
    if value is None:
        return _UNSPELLED
    if spec.mdoc.values:
        return spec.mdoc.values.get(value, _UNSPELLED)
    if spec.type in ("date", "birthdate"):
        return _written_date(value)
    if spec.type == "image":
        return _written_picture(value)
    return value if type(value) is (bool if spec.type == "boolean" else str) else _UNSPELLED


def _written_date(value: Any) -> Any:
    if type(value) is not str:
        return _UNSPELLED
    for mask, end in _MASKS.items():
        if value.endswith(end):
            known = value.removesuffix(end) + "-01" * end.count("-")
            return {"birth_date": Tagged(_FULL_DATE, known), "approximate_mask": mask}
    return Tagged(_FULL_DATE, value) if _DATE.fullmatch(value) else _UNSPELLED


def _written_picture(value: Any) -> Any:
    if type(value) is not str or not value.startswith(_JPEG):
        return _UNSPELLED
    try:
        raw = b64decode(value.removeprefix(_JPEG), validate=True)
    except ValueError:
        return _UNSPELLED
    # Otherwise it would not be read back as it was signed in other formats.
    return raw if _picture(raw) == value else _UNSPELLED


def _picture(raw: bytes) -> Any:
    return _JPEG + b64encode(raw).decode() if raw.startswith(_JPEG_START) else _UNSPELLED


def _read(spec: ClaimSpec, value: Any) -> Any:
    assert spec.mdoc is not None
    if spec.mdoc.values:
        return next((ours for ours, theirs in spec.mdoc.values.items() if _same(theirs, value)), _UNSPELLED)
    if spec.type in ("date", "birthdate"):
        return _read_date(value, in_part=spec.type == "birthdate")
    if spec.type == "image":
        return _picture(value) if type(value) is bytes else _UNSPELLED
    return value if type(value) is (bool if spec.type == "boolean" else str) else _UNSPELLED


def _read_date(value: Any, *, in_part: bool) -> Any:
    end = ""
    if in_part and type(value) is dict and value.keys() == {"birth_date", "approximate_mask"}:
        mask = value["approximate_mask"]
        end = _MASKS.get(mask, "") if type(mask) is str else ""
        value = value["birth_date"] if end else None
    if type(value) is not Tagged or value.tag != _FULL_DATE or type(value.value) is not str:
        return _UNSPELLED
    if not _DATE.fullmatch(value.value):
        return _UNSPELLED
    return value.value[: len(value.value) - len(end)] + end


def _same(one: Any, other: Any) -> bool:
    return type(one) is type(other) and bool(one == other)
