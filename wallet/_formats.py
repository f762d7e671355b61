"""The formats a wallet holds, each with the catalogue of the trust bundle."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vcred.formats.known import Formats

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from vcred.catalog import Catalog
    from vcred.formats.base import CredentialFormat

__all__ = ["built_in"]


def built_in(
    catalog: Catalog, more: Mapping[str, Callable[[], CredentialFormat]] | None = None
) -> Mapping[str, CredentialFormat]:
    """By format id, with ``more`` that the application names."""
    return Formats(catalog, more)
