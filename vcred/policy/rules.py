"""The closed vocabulary of rules, as frozen objects. ``evaluate`` says what each means for certificates.

What every certificate must be like (type, variant, options, dates, issuer, claims, resident number)
stands in the slot itself; a rule says more about one slot, or connects slots. ``Ref`` is
``slot.name``: a person or an address that the slot's alternatives define. A rule with a ``code`` is
about that one alternative of its slot.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from vcred.claims import ClaimPath
    from vcred.policy.model import Text

__all__ = [
    "Absence",
    "By",
    "Complete",
    "Count",
    "Manual",
    "Operator",
    "Predicate",
    "Quantifier",
    "Ref",
    "Relation",
    "Rule",
    "SameAddress",
    "SamePerson",
    "SlotRule",
    "SubjectIs",
    "ValidNow",
    "Where",
]

Scalar = str | int | bool
Where = tuple[tuple["ClaimPath", tuple[Scalar, ...]], ...]
"""A filter on list elements: every path (below the element) holds one of its values."""

Operator = Literal[">=", "<=", "==", "in", "range", "age>=", "year_age>=", "days_ago>="]
Quantifier = Literal["all", "any", "sum"]
By = Literal["rrn", "name+birth", "name"]


@dataclass(frozen=True, slots=True)
class Ref:
    """``slot.name``."""

    slot: str
    name: str

    def __str__(self) -> str:
        return f"{self.slot}.{self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotRule:
    """What every rule about one slot has."""

    id: str
    slot: str
    code: str | None = None

    @property
    def slots(self) -> tuple[str, ...]:
        """The slots that must be filled for the rule to apply."""
        return (self.slot,)

    def applies_to(self, code: str) -> bool:
        """Whether the rule is about certificates of this type."""
        return self.code in (None, code)

    @property
    def step(self) -> int:
        """The verifier's step."""
        return 9


@dataclass(frozen=True, slots=True, kw_only=True)
class Predicate(SlotRule):
    """A comparison with one value, a list (``in``) or two bounds (``range``).

    ``age>=`` is a person's full years, ``year_age>=`` counts from 1 January of the year (Youth Protection
    Act article 2), ``days_ago>=`` is about a date.
    """

    path: ClaimPath
    op: Operator
    value: tuple[Scalar, ...]
    over: Quantifier = "all"


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidNow(SlotRule):
    """A date printed in the certificate (end of stay, renewal) is today or later."""

    path: ClaimPath


@dataclass(frozen=True, slots=True, kw_only=True)
class Absence(SlotRule):
    """A list is complete and has no element that fits ``where`` (none at all when ``where`` is empty)."""

    list: ClaimPath
    where: Where = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Complete(SlotRule):
    """No element of a list is hidden."""

    list: ClaimPath


@dataclass(frozen=True, slots=True, kw_only=True)
class Count(SlotRule):
    """A complete list has between ``least`` and ``most`` elements that fit ``where``."""

    list: ClaimPath
    least: int
    most: int | None
    where: Where = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SubjectIs(SlotRule):
    """The certificate is about a dead person (``path`` is true or a date) or a minor (``path`` is a birth date)."""

    path: ClaimPath
    state: Literal["deceased", "minor"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Manual(SlotRule):
    """A person has to look: always, or if the list has more than ``more_than`` elements that fit ``where``."""

    reason: Text
    list: ClaimPath | None = None
    more_than: int = 0
    where: Where = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _CrossRule:
    id: str

    @property
    def step(self) -> int:
        """The verifier's step."""
        return 10


@dataclass(frozen=True, slots=True, kw_only=True)
class SamePerson(_CrossRule):
    """All of ``between`` are one person; one that is a list must contain the person."""

    between: tuple[Ref, ...]
    by: By

    @property
    def slots(self) -> tuple[str, ...]:
        """The slots that must be filled for the rule to apply."""
        return tuple(dict.fromkeys(ref.slot for ref in self.between))


@dataclass(frozen=True, slots=True, kw_only=True)
class Relation(_CrossRule):
    """``of`` (a list of persons with a relation) contains ``to``, and as one of ``roles``.

    ``or_empty``: a complete empty list is as good (no entry about custody: both parents have it).
    """

    of: Ref
    to: Ref
    roles: tuple[str, ...]
    by: By
    or_empty: bool = False

    @property
    def slots(self) -> tuple[str, ...]:
        """The slots that must be filled for the rule to apply."""
        return tuple(dict.fromkeys((self.of.slot, self.to.slot)))


@dataclass(frozen=True, slots=True, kw_only=True)
class SameAddress(_CrossRule):
    """All of ``between`` are the same address, written in road-name or lot-number form."""

    between: tuple[Ref, ...] = field(default=())

    @property
    def slots(self) -> tuple[str, ...]:
        """The slots that must be filled for the rule to apply."""
        return tuple(dict.fromkeys(ref.slot for ref in self.between))


Rule = Predicate | ValidNow | Absence | Complete | Count | SubjectIs | Manual | SamePerson | Relation | SameAddress
