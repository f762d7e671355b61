"""Which certificate types are which document types."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from vcred.catalog import Catalog

__all__ = ["CatalogDoctypes", "DoctypeLookup"]


class DoctypeLookup(Protocol):
    """Which ``vct`` is which document type, both ways; ``None`` for one that is not known."""

    def doctype(self, vct: str) -> str | None:
        """The document type of certificates with this ``vct``."""

    def vct(self, doctype: str) -> str | None:
        """The ``vct`` of certificates of this document type."""


class CatalogDoctypes:
    """The certificate types of a catalogue as a ``DoctypeLookup``."""

    __slots__ = ("_catalog", "_found")

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._found: dict[str, str] = {}

    def doctype(self, vct: str) -> str | None:
        """The document type of the certificate type with this ``vct``."""
        kind = self._catalog.by_vct(vct)
        return None if kind is None else kind.doctype

    def vct(self, doctype: str) -> str | None:
        """The ``vct`` of the certificate type with this document type."""
        if doctype not in self._found:
            # Ours are named by their code, so that no file is read that is not needed.
            code = ".".join(doctype.split(".")[2:-1])
            likely = [self._catalog[code]] if code in self._catalog else []
            for kind in chain(likely, self._catalog.types()):
                if kind.doctype == doctype:
                    self._found[doctype] = kind.vct
                    break
        return self._found.get(doctype)
