"""Code lists: the closed vocabularies of a claim, each value with the days on which an issuer may use it.

Ids are stable ASCII and travel in the credential; Korean and English words are for people. A value that
is no longer in use stays in its list, because certificates and history rows issued under it stay valid.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

__all__ = ["CodeList", "CodeValue"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeValue:
    """One value. ``valid_from`` and ``valid_to`` are inclusive; ``None`` means open."""

    id: str
    names: Mapping[str, str]
    valid_from: date | None = None
    valid_to: date | None = None

    def valid_on(self, day: date) -> bool:
        """Whether an issuer may use this value on ``day``."""
        return not ((self.valid_from and day < self.valid_from) or (self.valid_to and day > self.valid_to))


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeList:
    """A vocabulary, in the order of its file."""

    id: str
    values: tuple[CodeValue, ...]
    _by_id: Mapping[str, CodeValue] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_by_id", {value.id: value for value in self.values})

    def __contains__(self, value: object) -> bool:
        return value in self._by_id

    def get(self, value: str) -> CodeValue | None:
        """The value with this id, whatever its dates."""
        return self._by_id.get(value)

    def name(self, value: str, lang: str) -> str:
        """The word for ``value`` in ``lang`` (``ko`` or ``en``); the id itself if the list does not know it."""
        known = self._by_id.get(value)
        return known.names[lang] if known else value

    def valid_on(self, value: str, day: date) -> bool:
        """Whether ``value`` is in the list and may be used on ``day``."""
        known = self._by_id.get(value)
        return known is not None and known.valid_on(day)
