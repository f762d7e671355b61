"""The formats a wallet holds, each with the catalogue of the trust bundle."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vcred.formats.sd_cwt import SdCwt
from vcred.formats.sd_jwt_vc import SdJwtVc

if TYPE_CHECKING:
    from vcred.catalog import Catalog
    from vcred.formats.base import CredentialFormat

__all__ = ["built_in"]


def built_in(catalog: Catalog) -> dict[str, CredentialFormat]:
    """By format id."""
    formats: tuple[CredentialFormat, ...] = (SdJwtVc(), SdCwt(catalog.labels))
    return {one.id: one for one in formats}
