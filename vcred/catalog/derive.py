"""Claims computed at issue from another claim: the closed list of derivations a type file may name.

``age_over:N:source`` and ``year_age_over:N:source`` (see ``vcred.catalog.age``), ``birth_date:source``,
``sex:source`` and ``word:N:source`` (the N-th word of a text, for the province in front of an address).
The source of the first four is a birth date or a registration number. What cannot be known is null.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vcred.catalog.age import age_over, year_age_over

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

__all__ = ["Derivation"]

_WITH_NUMBER = {"age_over", "year_age_over", "word"}
_KINDS = {*_WITH_NUMBER, "birth_date", "sex"}
_TYPES = {
    "age_over": {"boolean"},
    "year_age_over": {"boolean"},
    "word": {"string", "address"},
    "birth_date": {"birthdate"},
    "sex": {"code"},
}
_NUMBERS = {"rrn", "frn"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Derivation:
    """How a claim is computed from the top-level claim ``source`` of the record."""

    kind: str
    number: int
    source: str

    @classmethod
    def parse(cls, text: str) -> Derivation:
        """Read ``kind:source`` or ``kind:N:source``. Raises ``ValueError``."""
        kind, *rest = text.split(":")
        if kind not in _KINDS or len(rest) != 1 + (kind in _WITH_NUMBER):
            raise ValueError(
                "a derivation is age_over:N:claim, year_age_over:N:claim, birth_date:claim, sex:claim or word:N:claim"
            )
        if kind in _WITH_NUMBER and not (rest[0].isascii() and rest[0].isdigit() and 1 <= int(rest[0]) <= 150):
            raise ValueError("the number of a derivation is 1 to 150")
        return cls(kind=kind, number=int(rest[0]) if kind in _WITH_NUMBER else 0, source=rest[-1])

    def fits(self, claim_type: str, source_type: str) -> bool:
        """Whether a claim of ``claim_type`` can be computed this way from one of ``source_type``."""
        if claim_type not in _TYPES[self.kind]:
            return False
        if self.kind == "word":
            return source_type in {"string", "address"}
        return source_type in _NUMBERS or (source_type == "birthdate" and self.kind != "sex")

    def compute(self, record: Mapping[str, Any], day: date) -> Any:
        """The value on ``day`` for a record read by ``vcred.catalog.values``; ``None`` if it cannot be known."""
        source = record.get(self.source)
        if source is None:
            return None
        if self.kind == "word":
            words = source.split()
            return words[self.number - 1] if len(words) >= self.number else None
        if self.kind == "sex":
            return "male" if int(source["sexDigit"]) % 2 else "female"
        birth_date = source["birthDate"] if isinstance(source, dict) else source
        if self.kind == "birth_date":
            return birth_date
        rule = age_over if self.kind == "age_over" else year_age_over
        return rule(self.number, birth_date, day)
