"""Rules a type file must keep so that everything it describes can be issued and nothing leaks by design.

- Every claim hangs in an object that exists; names are camelCase and collide with no registered JWT claim.
- Integer labels are unique on their level and never reused once retired.
- What goes along with its parent ("always") is not more sensitive than the parent; on the top level only
  facts about the document go along always. A registration number is always selective.
- Effects name claims, fields and codes that exist; a conditional ``drop`` looks at fields that are
  disclosed with the row, so that a verifier can tell "not issued" from "hidden".
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from vcred.catalog.effects import Coarsen, Drop, Newer, Rows
from vcred.catalog.types import PLAIN_LABELS
from vcred.claims import ClaimPath
from vcred.errors import CatalogError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from vcred.catalog.effects import Condition, Effect
    from vcred.catalog.types import ClaimSpec, IssueOption, Variant

__all__ = ["RESERVED", "check"]

RESERVED = frozenset(
    (
        "iss",
        "sub",
        "aud",
        "exp",
        "nbf",
        "iat",
        "jti",
        "cnf",
        "vct",
        "vctm",
        "status",
        "aka_vcts",
        "sd_hash",
        "nonce",
        "vp",
        "vc",
        "type",
        "id",
        *PLAIN_LABELS,
    )
)
"""Top-level names of JWT, SD-JWT VC and W3C that a certificate's own claims must not have."""

_NAME = re.compile(r"[a-z][A-Za-z0-9]{0,39}")
_FOREIGN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_RANK = {"document": 0, "personal": 1, "sensitive": 2, "identifier": 3}
_NUMBERS = ("rrn", "frn")


def check(
    file: str,
    errors: list[CatalogError],
    *,
    claims: Sequence[ClaimSpec],
    facts: Sequence[ClaimSpec],
    options: Sequence[IssueOption],
    variants: Sequence[Variant],
    retired_labels: Sequence[str],
    foreign: bool = False,
) -> None:
    """Append a ``CatalogError`` to ``errors`` for every rule that is broken."""
    checking = _Checking(file, errors, claims, facts, _FOREIGN_NAME if foreign else _NAME)
    checking.claims(retired_labels)
    checking.facts()
    checking.choices(options, variants)
    errors.extend(
        CatalogError(file, f"options.{option.id}", "has a retired label; take one that was never used")
        for option in options
        if f"options#{option.label}" in retired_labels
    )


class _Checking:
    def __init__(
        self,
        file: str,
        errors: list[CatalogError],
        claims: Sequence[ClaimSpec],
        facts: Sequence[ClaimSpec],
        name: re.Pattern[str],
    ) -> None:
        self._name = name
        self._file = file
        self._errors = errors
        self._claims = claims
        self._facts = facts
        self._index = {spec.path: spec for claim in claims for spec in claim.walk()}
        self._fact_index = {fact.path: fact for fact in facts}

    def _error(self, path: str, detail: str) -> None:
        self._errors.append(CatalogError(self._file, path, detail))

    def claims(self, retired: Sequence[str]) -> None:
        paths = set()
        labels: dict[tuple[str, int], ClaimPath] = {
            ("", label): ClaimPath((name,)) for name, label in PLAIN_LABELS.items()
        }
        for spec in self._claims:
            at = f"claims.{spec.path}"
            if spec.path in paths:
                self._error(at, "is described twice")
            paths.add(spec.path)
            parent = self._parent(spec, at)
            self._check_shape(spec, at)
            self._check_disclosure(spec, parent, at)
            level = str(parent.path) if parent else ""
            if (level, spec.label) in labels:
                self._error(
                    at, f"label {spec.label} belongs to {labels[level, spec.label]}; take one that was never used"
                )
            labels[level, spec.label] = spec.path
            if f"{level}#{spec.label}" in retired:
                self._error(at, f"label {spec.label} is retired; take one that was never used")

    def _parent(self, spec: ClaimSpec, at: str) -> ClaimSpec | None:
        parts = spec.path.parts
        if not isinstance(parts[-1], str) or not all(
            self._name.fullmatch(part) for part in parts if isinstance(part, str)
        ):
            self._error(at, "must end in a camelCase name")
            return None
        if len(parts) == 1:
            if parts[0] in RESERVED:
                self._error(at, "is a name registered for JWT or used by every type; choose another")
            return None
        above = parts[:-1]
        inside_rows = above[-1] is None
        parent = self._index.get(ClaimPath(above[:-1] if inside_rows else above))
        if parent is None or parent.type != "object":
            self._error(at, "has no object above it; describe that first")
            return None
        if parent.many is not inside_rows:
            self._error(at, f"must be written with{'' if parent.many else 'out'} [] behind {parent.path}")
        return parent

    def _check_shape(self, spec: ClaimSpec, at: str) -> None:
        if spec.type == "object" and not any(
            other.path.parts[: len(spec.path.parts)] == spec.path.parts for other in self._claims if other is not spec
        ):
            self._error(at, "is an object without claims")
        if (spec.type == "code") is (spec.codes is None):
            self._error(at, "needs codes = a code list, as every code does and nothing else")
        if spec.many and spec.type in _NUMBERS:
            self._error(at, "must not be an array of numbers; put the number into an object")
        if spec.codes_at is not None:
            sibling = self._index.get(ClaimPath((*spec.path.parts[:-1], spec.codes_at)))
            if spec.codes is None or sibling is None or sibling.type != "date" or sibling.many:
                self._error(at, "codes_at must name a date beside it")
        if spec.derive is not None:
            source = self._index.get(ClaimPath((spec.derive.source,)))
            fits = source is not None and not source.many and spec.derive.fits(spec.type, source.type)
            if not fits or spec.cardinality != "0..1":
                self._error(at, "cannot be derived: source and type must fit, and cardinality is 0..1")

    def _check_disclosure(self, spec: ClaimSpec, parent: ClaimSpec | None, at: str) -> None:
        if spec.type in _NUMBERS and (not spec.selective or spec.sensitivity != "identifier"):
            self._error(at, 'must be selective, with sensitivity = "identifier"')
        if spec.selective:
            return
        ceiling = parent.sensitivity if parent else "document"
        if _RANK[spec.sensitivity] > _RANK[ceiling]:
            self._error(at, f'must not be disclosed "always": it is {spec.sensitivity}, what is around it {ceiling}')
        if parent is None and spec.type == "object":
            self._error(at, "must be selective: it holds what a holder may hide")

    def facts(self) -> None:
        for fact in self._facts:
            at = f"facts.{fact.path}"
            parent = fact.path.parts[:-1]
            if fact.path in self._index or not any(spec.path.parts[:-1] == parent for spec in self._index.values()):
                self._error(at, "must stand beside claims and not be one of them")

    def choices(self, options: Sequence[IssueOption], variants: Sequence[Variant]) -> None:
        known = {variant.id for variant in variants}
        if variants and len(known) < max(2, len(variants)):
            self._error("variants", "must be two or more with different ids")
        for variant in variants:
            self._check_effects(variant.effects, f"variants.{variant.id}")
        if len({option.id for option in options}) != len(options):
            self._error("options", "must have different ids")
        if len({option.label for option in options}) != len(options):
            self._error("options", "must have different labels")
        for option in options:
            at = f"options.{option.id}"
            if not set(option.variants) <= known:
                self._error(at, "names a variant that does not exist")
            self._check_option(option, at)
            for effects in (
                option.when_false,
                *(part for value in option.values for part in (value.effects, value.without)),
            ):
                self._check_effects(effects, at)

    def _check_option(self, option: IssueOption, at: str) -> None:
        ids = [value.id for value in option.values]
        if option.kind == "yes_no":
            good = isinstance(option.default, bool)
        elif option.kind == "set":
            good = isinstance(option.default, tuple) and bool(option.default) and set(option.default) <= set(ids)
        else:
            good = option.default in [value for value in ids if not value.endswith(":N")]
        if not good:
            self._error(at, "needs a default: true or false, one of its values, or, for a set, some of them")
        if len(set(ids)) != len(ids) or (option.kind != "yes_no" and len(ids) < 2):
            self._error(at, "must have two or more values with different ids")
        if any(value.low > value.high for value in option.values):
            self._error(at, "has a value whose min is above its max")

    def _check_effects(self, effects: Sequence[Effect], at: str) -> None:
        for effect in effects:
            spec = self._index.get(effect.claim)
            if spec is None:
                self._error(at, f"has an effect on {effect.claim}, which is no claim")
            elif isinstance(effect, Drop):
                if effect.where is not None:
                    self._check_condition(effect.where, self._row_of(effect.claim), at, disclosed=True)
            elif isinstance(effect, Coarsen):
                if spec.codes is None or not all(word in spec.codes for word in (*effect.keep, effect.otherwise)):
                    self._error(at, f"coarsens {effect.claim} to words that are not in its code list")
            else:
                self._check_rows(effect, spec, at)

    def _check_rows(self, effect: Rows | Newer, spec: ClaimSpec, at: str) -> None:
        if not (spec.many and spec.type == "object"):
            self._error(at, f"chooses rows of {spec.path}, which has none")
        elif isinstance(effect, Newer):
            dated = self._field(effect.claim, effect.by)
            if dated is None or dated.type not in ("date", "year"):
                self._error(at, f"compares {effect.by}, which is no date or year of {spec.path}")
        else:
            self._check_condition(effect.where, effect.claim, at, disclosed=False)

    def _check_condition(self, condition: Condition, rows: ClaimPath | None, at: str, *, disclosed: bool) -> None:
        for name in condition.fields:
            field = self._field(rows, name) if rows else None
            if field is None:
                self._error(at, f"looks at {name}, which is no field of the row")
            elif disclosed and (field.selective or field.path in self._fact_index):
                self._error(
                    at, f'drops depending on {name}; that must be disclosed "always", so that a verifier knows why'
                )
            elif field.codes is not None and not all(value in field.codes for value in condition.equals.get(name, ())):
                self._error(at, f"compares {name} with a word that is not in its code list")

    def _field(self, rows: ClaimPath, name: str) -> ClaimSpec | None:
        path = ClaimPath((*rows.parts, None, name))
        return self._index.get(path) or self._fact_index.get(path)

    @staticmethod
    def _row_of(claim: ClaimPath) -> ClaimPath | None:
        """The innermost array that ``claim`` lies in."""
        return next(_arrays(claim), None)


def _arrays(claim: ClaimPath) -> Iterator[ClaimPath]:
    for end in range(len(claim.parts) - 1, 0, -1):
        if claim.parts[end] is None:
            yield ClaimPath(claim.parts[:end])
