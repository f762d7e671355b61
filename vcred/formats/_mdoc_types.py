"""Which certificate types are which document types."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from vcred.catalog import Catalog
    from vcred.formats._mdoc_other import OtherNames
    from vcred.formats._mdoc_spelling import Spelling

__all__ = ["CatalogDoctypes", "DoctypeLookup", "by_namespace"]


class DoctypeLookup(Protocol):
    """Which ``vct`` is which document type, both ways; ``None`` for one that is not known."""

    def doctype(self, vct: str) -> str | None:
        """The document type of certificates with this ``vct``."""

    def vct(self, namespace: str) -> str | None:
        """The ``vct`` of certificates whose own namespace this is; it is their document type, if that is ours."""

    def spelling(self, vct: str) -> Spelling | OtherNames | None:
        """How another standard spells them, if their document type is not ours, or names documents of its own."""


class CatalogDoctypes:
    """The certificate types of a catalogue as a ``DoctypeLookup``."""

    __slots__ = ("_all", "_catalog", "_found", "_spellings")

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._found: dict[str, str] = {}
        self._all: Mapping[str, str] | None = None
        self._spellings: dict[str, Spelling | OtherNames | None] = {}

    def doctype(self, vct: str) -> str | None:
        """The document type of the certificate type with this ``vct``."""
        kind = self._catalog.by_vct(vct)
        return None if kind is None else kind.doctype

    def vct(self, namespace: str) -> str | None:
        """The ``vct`` of the certificate type with this namespace of its own."""
        if namespace in self._found:
            return self._found[namespace]
        # Ours are named by their code, so that no file is read that is not needed.
        code = ".".join(namespace.split(".")[2:-1])
        if code in self._catalog and self._catalog[code].namespace == namespace and not self._catalog[code].foreign:
            self._found[namespace] = self._catalog[code].vct
            return self._found[namespace]
        if self._all is None:
            # A foreign type is known by its document type: its namespace is a standard's, and in other documents too.
            self._all = {kind.doctype if kind.foreign else kind.namespace: kind.vct for kind in self._catalog.types()}
        return self._all.get(namespace)

    def spelling(self, vct: str) -> Spelling | OtherNames | None:
        """How another standard spells the certificate type with this ``vct``."""
        if vct not in self._spellings:
            kind = self._catalog.by_vct(vct)
            if kind is None:
                return None
            from vcred.formats.known import spelling_of  # noqa: PLC0415 - it loads this module

            self._spellings[vct] = spelling_of("mso_mdoc", kind)
        return self._spellings[vct]


def by_namespace(elements: Mapping[str, Any], doctype: str, spelling: Spelling | None) -> dict[str, dict[str, Any]]:
    """Elements of a certificate in the namespaces they go to, as they are spelled there."""
    if spelling is None:
        return {doctype: dict(elements)}
    spaces: dict[str, dict[str, Any]] = {}
    for identifier, value in elements.items():
        namespace, name, spelled = spelling.place(identifier, value)
        spaces.setdefault(namespace, {})[name] = spelled
    return spaces
