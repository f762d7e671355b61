"""A certificate type: one TOML file, read once into frozen objects. There is no code per kind.

Two choices are kept apart. What options and variant leave out at issue is not in the credential at all; what
they call for is always issued, as null or ``[]`` when there is nothing, so that presence says nothing. What a
holder hides at presentation was issued and is hidden. ``CertificateType.state`` tells these apart.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from vcred.catalog import issue, metadata, state, values
from vcred.catalog.state import ClaimState
from vcred.claims import ClaimPath
from vcred.formats.base import LabelMap

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import date, timedelta

    from vcred.catalog.codes import CodeList
    from vcred.catalog.derive import Derivation
    from vcred.catalog.effects import Effect
    from vcred.catalog.element import MdocElement

__all__ = ["CertificateType", "ClaimSpec", "ClaimState", "IssueOption", "OptionValue", "TypeStatus", "Variant"]

ISSUED_ON, VARIANT, OPTIONS = "issuedOn", "variant", "options"
PLAIN_LABELS = {ISSUED_ON: 0, VARIANT: 1, OPTIONS: 2}
"""The claims every type has, always disclosed, and their integer labels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimSpec:
    """One claim of a type.

    ``path`` has ``None`` for the elements of an array. ``disclosure`` is relative to the parent: "always"
    goes wherever its parent goes, "selective" is hidden until the holder chooses it; so is, for
    ``elements``, each element of an array. ``sensitivity`` is "document" (says nothing about a person),
    "personal", "sensitive" (개인정보보호법 제23조 and the like) or "identifier" (제24조). ``codes_at``
    names the sibling whose date decides which codes may be used; ``None`` means the day of issue. ``mdoc`` is what
    another standard calls the claim in an mdoc.

    What these say, worked out once because every issue asks: ``key`` is the claim's own name, the last of its path,
    ``many`` whether it is an array, ``required`` whether a record must have it, ``selective`` whether a holder may hide
    it although its parent is disclosed.
    """

    path: ClaimPath
    names: Mapping[str, str]
    type: str
    cardinality: str
    sensitivity: str
    disclosure: str
    label: int
    elements: str = "selective"
    children: tuple[ClaimSpec, ...] = ()
    codes: CodeList | None = None
    codes_at: str | None = None
    derive: Derivation | None = None
    mdoc: MdocElement | None = None
    key: str = field(init=False, repr=False, compare=False)
    many: bool = field(init=False, repr=False, compare=False)
    required: bool = field(init=False, repr=False, compare=False)
    selective: bool = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "key", self.path.parts[-1])  # a name: ``check`` sees to it
        object.__setattr__(self, "many", self.cardinality.endswith("n"))
        object.__setattr__(self, "required", self.cardinality.startswith("1"))
        object.__setattr__(self, "selective", self.disclosure == "selective")

    def name(self, lang: str) -> str:
        """The claim's name for people, in ``ko`` or ``en``."""
        return self.names[lang]

    def walk(self) -> Iterator[ClaimSpec]:
        """This claim and every claim below it, parents first."""
        yield self
        for child in self.children:
            yield from child.walk()


@dataclass(frozen=True, slots=True, kw_only=True)
class OptionValue:
    """One value of an option. ``id`` ends in ``:N`` where a number from ``low`` to ``high`` is to be given.

    ``effects`` apply when the value is chosen; ``without``, for a "set" option, when it is not.
    """

    id: str
    names: Mapping[str, str]
    effects: tuple[Effect, ...] = ()
    without: tuple[Effect, ...] = ()
    low: int = 0
    high: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class IssueOption:
    """A choice the applicant makes before a certificate is issued.

    ``kind`` is "yes_no" (a boolean; ``when_false`` applies to false), "choice" (one of ``values``) or "set"
    (some of ``values``). With ``variants``, the option exists only in these.
    """

    id: str
    label: int
    names: Mapping[str, str]
    kind: str
    default: bool | str | tuple[str, ...]
    values: tuple[OptionValue, ...] = ()
    when_false: tuple[Effect, ...] = ()
    variants: tuple[str, ...] = ()

    def name(self, lang: str) -> str:
        """The option's name for people, in ``ko`` or ``en``."""
        return self.names[lang]


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """일반, 상세 or 특정 of the same certificate."""

    id: str
    names: Mapping[str, str]
    effects: tuple[Effect, ...] = ()

    def name(self, lang: str) -> str:
        """The variant's name for people, in ``ko`` or ``en``."""
        return self.names[lang]


@dataclass(frozen=True, slots=True, kw_only=True)
class TypeStatus:
    """How the status of a type's credentials is kept.

    ``suspendable``: whether they can be suspended and reinstated; otherwise they are valid or revoked for ever, and
    one bit says it. ``max_age``: how old a status list a receiver should still go by, at most.
    """

    suspendable: bool
    max_age: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateType:
    """A certificate kind. ``file`` is where it was read; ``facts`` are record fields that are never issued.

    ``sample`` is the record of a fictitious person and ``sample_date`` a day on which it can be issued.
    ``options`` is a claim too, which is why every option has a label. ``formats`` are those it may be in. In an mdoc
    of document type ``doctype`` its claims are in ``namespace``, but those that another standard names (``mdoc``).
    A ``foreign`` type is another issuer's altogether: names are its standard's, and it is verified here, never issued.
    ``layout`` is how a record of it is read.
    """

    code: str
    vct: str
    doctype: str
    namespace: str
    depth: str
    names: Mapping[str, str]
    descriptions: Mapping[str, str]
    authorities: Mapping[str, str]
    legal_basis: str
    formats: tuple[str, ...]
    lifetime_days: int
    freshness_days: int
    holder_binding: str
    status: TypeStatus
    claims: tuple[ClaimSpec, ...]
    facts: tuple[ClaimSpec, ...]
    options: tuple[IssueOption, ...]
    variants: tuple[Variant, ...]
    retired_labels: tuple[str, ...]
    sample: Mapping[str, Any] = field(repr=False)
    sample_date: date
    file: str
    foreign: bool = False
    labels: LabelMap = field(init=False, repr=False, compare=False)
    layout: tuple[values.Member, ...] = field(init=False, repr=False, compare=False)
    _index: Mapping[ClaimPath, ClaimSpec] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        index = {spec.path: spec for top in self.claims for spec in top.walk()}
        object.__setattr__(self, "_index", index)
        object.__setattr__(self, "layout", values.layout_of(self.claims, self.facts))
        object.__setattr__(self, "labels", _labels(self))

    @property
    def family(self) -> str:
        """The part of the code before the dot."""
        return self.code.split(".", 1)[0]

    @property
    def on_paper(self) -> bool:
        """Whether it exists as a document that anybody can carry: then a policy may take one that is bound to nobody.

        An identity card does not: it says who stands there, and that only its holder can prove.
        """
        return self.holder_binding == "bearer_ok"

    def name(self, lang: str) -> str:
        """The certificate's name in ``ko`` or ``en``."""
        return self.names[lang]

    def description(self, lang: str) -> str:
        """What the certificate proves, in one sentence, in ``ko`` or ``en``."""
        return self.descriptions[lang]

    def authority(self, lang: str) -> str:
        """Who issues it, in ``ko`` or ``en``."""
        return self.authorities[lang]

    def walk(self) -> Iterator[ClaimSpec]:
        """Every claim, parents first, in the order of the file."""
        yield from self._index.values()

    def spec(self, path: ClaimPath) -> ClaimSpec | None:
        """The claim at ``path``; the path of an element gives its array. ``None`` if the type has no such claim."""
        parts = tuple(None if isinstance(part, int) else part for part in path.parts)
        while parts and parts[-1] is None:
            parts = parts[:-1]
        return self._index.get(ClaimPath(parts)) if parts else None

    def option(self, option_id: str) -> IssueOption | None:
        """The option with this id."""
        return next((option for option in self.options if option.id == option_id), None)

    def issue(
        self, record: Mapping[str, Any], *, variant: str | None, options: Mapping[str, Any], issued_on: date
    ) -> dict[str, Any]:
        """The claims to sign for ``record``: a tree in which ``SD`` marks what a holder may hide.

        Options that are not given take their default. ``issued_on`` is the day in Korea. Raises
        ``RecordError`` for a record that cannot be certified and ``ValueError`` for a variant, an option or
        a value this type does not have.
        """
        return issue.issue(self, record, variant=variant, options=options, issued_on=issued_on)

    def is_issued(self, path: ClaimPath, *, variant: str | None, options: Mapping[str, Any]) -> bool:
        """Whether a credential with these choices has the claim (for at least some rows)."""
        return self.spec(path) is not None and not state.dropped(issue.plan(self, variant, options), path)

    def is_complete(self, path: ClaimPath, *, variant: str | None, options: Mapping[str, Any]) -> bool:
        """Whether the array at ``path`` holds every row the registry has, so that an empty one proves absence.

        ``variant`` and ``options`` are what a credential says. No default is assumed: with an option missing
        the answer is no. Raises ``ValueError`` for a choice the type does not have.
        """
        chosen = issue.chosen_options(self, variant, options)
        plan = issue.plan(self, variant, options)
        parts = tuple(None if isinstance(part, int) else part for part in path.parts)
        prefixes = [ClaimPath(parts[:end]) for end in range(1, len(parts) + 1)]
        return (
            set(options) == set(chosen)
            and self.spec(path) is not None
            and not state.dropped(plan, path)
            and not any(map(plan.filters, prefixes))
        )

    def state(self, path: ClaimPath, claims: Mapping[str, Any], hidden_elements: Mapping[ClaimPath, int]) -> ClaimState:
        """Why ``path`` is or is not in a presentation (the ``claims`` and ``hidden_elements`` of ``Opened``).

        Of several rows the least favourable answer counts: HIDDEN, then NOT_ISSUED, PRESENT, EMPTY.
        Raises ``ValueError`` for a path this type does not have.
        """
        return state.state(self, path, claims, hidden_elements)

    def options_form(self) -> list[dict[str, Any]]:
        """The options as plain JSON for a form: id, kind, names, default, values and the variants that have it."""
        return metadata.options_form(self)

    def type_metadata(self) -> dict[str, Any]:
        """The type's SD-JWT VC Type Metadata document."""
        return metadata.type_metadata(self)

    def json_schema(self) -> dict[str, Any]:
        """A JSON Schema (2020-12) of the certificate's own claims, fully disclosed."""
        return metadata.json_schema(self)


def _labels(kind: CertificateType) -> LabelMap:
    options = LabelMap(labels={option.id: (option.label, None) for option in kind.options})
    plain: dict[str, tuple[int, LabelMap | None]] = {
        name: (label, options if name == OPTIONS else None) for name, label in PLAIN_LABELS.items()
    }
    return LabelMap(labels=plain | _claim_labels(kind.claims))


def _claim_labels(specs: tuple[ClaimSpec, ...]) -> dict[str, tuple[int, LabelMap | None]]:
    return {
        spec.key: (spec.label, LabelMap(labels=_claim_labels(spec.children)) if spec.children else None)
        for spec in specs
    }
