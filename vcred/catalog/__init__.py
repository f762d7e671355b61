"""Certificate types as data: one TOML file per Korean certificate kind, no code per kind.

``Catalog.builtin()["resident.household"]`` is a ``CertificateType``: its claims, options, variants, code
lists, and ``issue()``, which turns a registry's record into the claims an issuer signs. Names are loaded on
first use, so importing this package costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vcred.catalog.codes import CodeList, CodeValue
    from vcred.catalog.collection import Catalog
    from vcred.catalog.linter import lint
    from vcred.catalog.state import ClaimState
    from vcred.catalog.types import CertificateType, ClaimSpec, IssueOption, OptionValue, TypeStatus, Variant

__all__ = [
    "Catalog",
    "CertificateType",
    "ClaimSpec",
    "ClaimState",
    "CodeList",
    "CodeValue",
    "IssueOption",
    "OptionValue",
    "TypeStatus",
    "Variant",
    "lint",
]

_HOMES = {
    "Catalog": "collection",
    "CertificateType": "types",
    "ClaimSpec": "types",
    "ClaimState": "state",
    "CodeList": "codes",
    "CodeValue": "codes",
    "IssueOption": "types",
    "OptionValue": "types",
    "TypeStatus": "types",
    "Variant": "types",
    "lint": "linter",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value
