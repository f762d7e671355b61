"""What a verifier demands for one purpose: ``VerificationPolicy``, frozen, read from TOML by ``loader``.

A policy asks for certificates in *slots* (``parent``, ``child_basic``). Each slot takes one certificate
out of alternatives; each alternative names a certificate type, the claims it needs and what it must be
like. Rules look at one slot (step 9 of the verifier) or across slots (step 10). Nothing
security-relevant has a default: an absent key is an error, an empty policy is an error. The one key that may be
absent is ``post_quantum``: without it such signatures are refused.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Literal, Self

from vcred.errors import RefusedError
from vcred.keys.post_quantum import POST_QUANTUM
from vcred.reasons import ReasonCode

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date, timedelta

    from vcred.claims import ClaimPath
    from vcred.policy.rules import Rule, Where

__all__ = [
    "Acceptable",
    "Address",
    "Forbidden",
    "HolderBinding",
    "Person",
    "PostQuantum",
    "Retention",
    "RrnLevel",
    "RrnRule",
    "Slot",
    "StatusRule",
    "Text",
    "TrustRule",
    "VerificationPolicy",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """A text in Korean and English."""

    ko: str
    en: str

    def __call__(self, lang: str) -> str:
        """The text in ``ko`` or ``en``."""
        if lang not in ("ko", "en"):
            raise ValueError("lang is 'ko' or 'en'")
        return self.ko if lang == "ko" else self.en


class HolderBinding(StrEnum):
    """Whether a document that anybody can carry (paper) is good enough."""

    REQUIRED = "required"
    BEARER_OK = "bearer_ok"


class PostQuantum(StrEnum):
    """Whether certificates may, or must, be signed with ML-DSA, alone or in a hybrid."""

    REFUSED = "refused"
    ACCEPTED = "accepted"
    REQUIRED = "required"


class RrnLevel(StrEnum):
    """How much of a resident or foreigner registration number a policy may see.

    ``none``: the birth date at most. ``front7``: birth date and sex digit. ``full``: all 13 digits.
    """

    NONE = "none"
    FRONT7 = "front7"
    FULL = "full"

    def covers(self, other: RrnLevel) -> bool:
        """Whether this level lets a verifier see what ``other`` shows."""
        order = list(RrnLevel)
        return order.index(self) >= order.index(other)


@dataclass(frozen=True, slots=True, kw_only=True)
class RrnRule:
    """The level, and the law that allows asking for the full number (Personal Information Protection Act 24-2)."""

    level: RrnLevel
    legal_basis: Text | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustRule:
    """``max_age``: how long ago the trust bundle may have been vouched for. It never outlasts the bundle's expiry."""

    max_age: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusRule:
    """``required``: a certificate without status is refused. ``max_age``: how old a status list may be.

    A certificate type has a limit of its own, and the smaller counts.
    """

    required: bool
    max_age: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """How long what was presented is kept (0 days: not at all), and why."""

    days: int
    text: Text


@dataclass(frozen=True, slots=True, kw_only=True)
class Forbidden:
    """What must not be received: types (a code, or a family as ``family.``) and claims by name (``rrn.serial``)."""

    certificates: tuple[str, ...] = ()
    claims: tuple[tuple[str, ...], ...] = ()

    def forbids_type(self, code: str) -> bool:
        """Whether certificates of this type must not be received."""
        return any(code == one or (one.endswith(".") and code.startswith(one)) for one in self.certificates)

    def forbids(self, path: ClaimPath) -> bool:
        """Whether a claim with these names in a row anywhere in its path must not be received."""
        names = tuple(part for part in path.parts if isinstance(part, str))
        return any(
            names[start : start + len(one)] == one for one in self.claims for start in range(len(names) - len(one) + 1)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Where a certificate says who somebody is. Paths are below each element of ``list`` where there is one.

    ``names`` are alternative spellings signed by the issuer (Hangul, Roman letters): one equal is enough.
    ``where`` picks elements of the list (the member whose copy it is).
    """

    names: tuple[ClaimPath, ...]
    birth_date: ClaimPath | None = None
    rrn: ClaimPath | None = None
    list: ClaimPath | None = None
    relation: ClaimPath | None = None
    where: Where = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where a certificate gives an address; ``pick`` says which of a list: the last, the first or any."""

    path: ClaimPath
    pick: Literal["only", "first", "last", "any"] = "only"


@dataclass(frozen=True, slots=True, kw_only=True)
class Acceptable:
    """One alternative of a slot: a certificate type and what it must be like.

    ``claims`` must be disclosed and not empty; ``may_be_empty`` must be disclosed; ``optional`` is asked
    for and may be left out. ``issued_on_or_after`` is a date or ``"reference"``: the date given with the
    request.
    """

    code: str
    claims: tuple[ClaimPath, ...]
    may_be_empty: tuple[ClaimPath, ...] = ()
    optional: tuple[ClaimPath, ...] = ()
    variants: tuple[str, ...] | None = None
    options: Mapping[str, tuple[str | int | bool, ...]] = field(default_factory=dict)
    issued_within_days: int | None = None
    issued_on_or_after: date | Literal["reference"] | None = None
    issuers: tuple[str, ...] | None = None
    persons: Mapping[str, Person] = field(default_factory=dict)
    addresses: Mapping[str, Address] = field(default_factory=dict)

    @property
    def asked(self) -> tuple[ClaimPath, ...]:
        """Every claim that must be there, empty or not."""
        return self.claims + self.may_be_empty


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """A place for one certificate, which may be of several types; with ``multiple`` for several certificates.

    What the policy demands then holds for each, and rules across slots hold for all of them.
    """

    id: str
    name: Text
    required: bool
    any_of: tuple[Acceptable, ...]
    multiple: bool = False

    def acceptable(self, code: str) -> Acceptable | None:
        """The alternative for this type, if it is one."""
        return next((one for one in self.any_of if one.code == code), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class VerificationPolicy:
    """What is asked for, of whom it is accepted and what must hold. Make one with ``load``.

    ``max_age`` is how old a one-way (unchallenged) answer may be; ``None`` where only an answer to a
    challenge will do. ``combinations`` are alternatives of slots (each of which is then not required by
    itself). ``formats`` are those it takes, the favourite first; empty where it leaves that to each request.
    ``source`` is the TOML it was read from.
    """

    id: str
    name: Text
    purpose: Text
    asks: Text
    holder_binding: HolderBinding
    challenge: bool
    max_age: timedelta | None
    trust: TrustRule
    status: StatusRule
    rrn: RrnRule
    retention: Retention
    slots: tuple[Slot, ...]
    combinations: tuple[tuple[tuple[str, ...], ...], ...]
    rules: tuple[Rule, ...]
    forbidden: Forbidden
    post_quantum: PostQuantum = PostQuantum.REFUSED
    formats: tuple[str, ...] = ()
    file: str = field(default="", compare=False)
    source: str = field(default="", compare=False, repr=False)

    @classmethod
    def load(cls, text: str, *, file: str = "<policy>") -> Self:
        """Read TOML. Raises ``PolicyError`` with ``file`` and the path in it."""
        from vcred.policy.loader import load_policy  # noqa: PLC0415 - the loader needs this class

        return load_policy(text, file, cls)

    def slot(self, slot_id: str) -> Slot:
        """The slot of that id. Raises ``KeyError``."""
        for one in self.slots:
            if one.id == slot_id:
                return one
        raise KeyError(slot_id)

    def formats_asked(self, formats: Sequence[str] | None) -> tuple[str, ...]:
        """The formats to ask for: ``formats``, else those of the policy, else SD-CWT, which is the smallest.

        Raises ``ValueError`` for one that the policy does not take.
        """
        asked = tuple(formats) if formats is not None else self.formats or ("sd-cwt",)
        if self.formats and not set(asked) <= set(self.formats):
            raise ValueError(f"policy {self.id} takes " + ", ".join(self.formats))
        return asked

    def check_algorithm(self, alg: str) -> None:
        """Whether a certificate may be signed with ``alg``. Raises ``RefusedError`` with ``alg``."""
        if alg in POST_QUANTUM and self.post_quantum is PostQuantum.REFUSED:
            raise RefusedError(ReasonCode.ALG, "", f"{alg}: the policy takes no post-quantum signatures")
        if alg not in POST_QUANTUM and self.post_quantum is PostQuantum.REQUIRED:
            raise RefusedError(ReasonCode.ALG, "", f"{alg}: the policy takes post-quantum signatures only")

    @property
    def needs_reference_date(self) -> bool:
        """Whether a request must come with a reference date (a public notice, a date of death)."""
        return any(one.issued_on_or_after == "reference" for slot in self.slots for one in slot.any_of)
