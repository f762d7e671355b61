"""Claims as a table in a terminal, in the catalogue's words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vcred.catalog.words import claim_rows

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rich.console import Console

    from vcred.catalog import CertificateType

__all__ = ["claim_rows", "print_claims"]


def print_claims(console: Console, kind: CertificateType | None, claims: Mapping[str, Any], lang: str) -> None:
    """The claims as a table."""
    from vcred.cli._show import table

    head = ["항목", "값", "경로"] if lang == "ko" else ["claim", "value", "path"]
    console.print(table(head, claim_rows(kind, claims, lang)))
