"""The formats this verifier reads, each with the catalogue of the trust bundle."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

from vcred.formats.known import Formats
from vcred.formats.paper import PAPER_FORMAT, open_paper, verify_paper

if TYPE_CHECKING:
    from collections.abc import Mapping

    from vcred.catalog import Catalog
    from vcred.credential import Opened
    from vcred.formats.base import CredentialFormat, Labels
    from vcred.keys import PublicKey

__all__ = ["readers"]


def readers(catalog: Catalog) -> Mapping[str, CredentialFormat]:
    """By format id."""
    return Formats(catalog, {PAPER_FORMAT: lambda: _Paper(catalog.labels)})


class _Paper:
    """A sheet of paper as a format that can only be read."""

    id = PAPER_FORMAT

    def __init__(self, labels: Labels) -> None:
        self._labels = labels

    def open(self, raw: bytes) -> Opened:
        return open_paper(raw, self._labels)

    def verify_signature(self, opened: Opened, key: PublicKey) -> None:
        verify_paper(opened, key)

    def _no(self, *_: Any, **__: Any) -> NoReturn:
        raise ValueError("paper is issued and read, never presented by a wallet")

    verify_key_binding = prepare = issue = prepare_presentation = present = _no
