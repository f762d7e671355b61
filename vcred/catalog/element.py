"""What a claim is called in an mdoc by a standard that other people's readers know.

A type with such names has a document type of that standard, and its own claims in a namespace of their own beside it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from vcred.catalog.types import ClaimSpec

__all__ = ["OURS", "MdocElement", "element_mistakes"]

OURS = "kr.vcred."
"""How document types begin whose only namespace is the type's own."""

_ISO = "org.iso."
"""How the namespaces of ISO begin. What is in a type's own namespace is taken for a certificate of that type."""

SPELLED = frozenset({"string", "address", "date", "birthdate", "boolean", "code", "country", "image"})
"""Claim types that have a form in ISO/IEC 18013-5 and 23220-2."""

_AGE_OVER = re.compile(r"age_over_([0-9]{2})")


@dataclass(frozen=True, slots=True, kw_only=True)
class MdocElement:
    """A data element of another standard; ``values`` are its words for ours, where they are not the same."""

    namespace: str
    name: str
    values: Mapping[str, str | int] = field(default_factory=dict)


def element_mistakes(
    claims: Sequence[ClaimSpec], *, doctype: str, namespace: str, foreign: bool
) -> list[tuple[str, str]]:
    """Where a type's elements could not be written, or would say what their standard does not mean: path and detail."""
    found = []
    named = [spec for spec in claims if spec.mdoc is not None]
    if foreign:
        return [(f"claims.{spec.path}.mdoc", "of a foreign type is the claim's own name") for spec in named]
    if namespace != doctype and doctype.startswith(OURS):
        found.append(("namespace", f"is for a document type of another standard; {doctype} is its own namespace"))
    if namespace.startswith(_ISO):
        found.append(("namespace", "is a standard's, and in documents that are not of this type; take one of your own"))
    if named and namespace == doctype:
        found.append(("namespace", "is missing: claims that another standard names need one beside it"))
    taken: set[tuple[str, str]] = set()
    for spec in named:
        assert spec.mdoc is not None
        key = (spec.mdoc.namespace, spec.mdoc.name)
        if key in taken:
            found.append((f"claims.{spec.path}.mdoc", f"{spec.mdoc.name} is another claim already"))
        taken.add(key)
        found += [(f"claims.{spec.path}.mdoc", detail) for detail in _of_one(spec, spec.mdoc, claims, namespace)]
    return found


def _of_one(spec: ClaimSpec, element: MdocElement, claims: Sequence[ClaimSpec], namespace: str) -> list[str]:
    found = []
    if element.namespace == namespace:
        found.append("is in the type's own namespace, where claims have our names")
    above = {one.path.parts for one in claims if one.many}
    in_rows = any(spec.path.parts[:end] in above for end in range(1, len(spec.path.parts) + 1))
    if spec.type not in SPELLED or in_rows or not spec.selective:
        found.append("names a claim that is no single value a holder may hide, of " + ", ".join(sorted(SPELLED)))
    if spec.codes is not None and {one.id for one in spec.codes.values} != set(element.values):
        found.append("needs values for each code of the list")
    if len({(type(one), one) for one in element.values.values()}) != len(element.values):
        found.append("has one value for two codes")
    if (age := _AGE_OVER.fullmatch(element.name)) and not _is_age(spec, int(age[1])):
        found.append(f"{element.name} is full age on the day of issue: derive it with age_over:{int(age[1])}")
    return found


def _is_age(spec: ClaimSpec, years: int) -> bool:
    return spec.derive is not None and (spec.derive.kind, spec.derive.number) == ("age_over", years)
