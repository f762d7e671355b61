"""Where an issuer gets what it certifies: one method, to be implemented over an agency's registry."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from vcred.claims import ClaimPath

__all__ = ["Identifies", "RecordSource", "claim_text"]

_NUMBER: Final = ("birthDate", "sexDigit", "serial")


@runtime_checkable
class RecordSource(Protocol):
    """A registry. Users pass one to ``Issuer``; ``vcred.testing.contracts`` tests an implementation.

    A service fetches in a thread, because a registry may take its time. One whose attribute ``in_memory`` is true has
    its records at hand, and is asked at once.
    """

    def fetch(self, code: str, subject: str, *, at: datetime) -> Mapping[str, Any]:
        """The record of ``subject`` for certificates of type ``code``, in the catalogue's claim names.

        ``subject`` is the registry's own key, never shown to a wallet. The record holds everything, with whole
        resident numbers; variant and options of the application decide later what is issued. It depends on the
        registry and on the day of ``at`` in Korea only: an unchanged registry gives an equal record all day, which
        is how an issuer notices a change between application and signing. Raises ``RecordError``, without personal
        data in its text, when there is no such subject or nothing that may be certified; the two look alike.
        """


@runtime_checkable
class Identifies(Protocol):
    """What a registry can do besides: find people by the card that they log in with."""

    def identify(self, code: str, claims: Mapping[str, Any]) -> str | None:
        """The key of whoever has the card of type ``code`` with ``claims``, which was verified; ``None`` for nobody."""


def claim_text(claims: Mapping[str, Any], path: ClaimPath) -> str | None:
    """The text at ``path``; a resident or foreigner number, which is shown in three parts, as ``YYMMDD-SNNNNNN``."""
    value: Any = claims
    for part in path.parts:
        value = value.get(part) if isinstance(part, str) and hasattr(value, "get") else None
    if isinstance(value, str):
        return value
    parts = [value.get(name) for name in _NUMBER] if hasattr(value, "get") else []
    if not parts or not all(isinstance(one, str) and one for one in parts):
        return None
    birth, sex, serial = parts
    return f"{birth.replace('-', '')[2:]}-{sex}{serial}"
