"""Where an issuer gets what it certifies: one method, to be implemented over an agency's registry."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

__all__ = ["RecordSource"]


@runtime_checkable
class RecordSource(Protocol):
    """A registry. Users pass one to ``Issuer``; ``vcred.testing.contracts`` tests an implementation."""

    def fetch(self, code: str, subject: str, *, at: datetime) -> Mapping[str, Any]:
        """The record of ``subject`` for certificates of type ``code``, in the catalogue's claim names.

        ``subject`` is the registry's own key, never shown to a wallet. The record holds everything, with whole
        resident numbers; variant and options of the application decide later what is issued. It depends on the
        registry and on the day of ``at`` in Korea only: an unchanged registry gives an equal record all day, which
        is how an issuer notices a change between application and signing. Raises ``RecordError``, without personal
        data in its text, when there is no such subject or nothing that may be certified; the two look alike.
        """
