"""From a registry's record to the claims an issuer signs: options and variant applied, ``SD`` marks set."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import TYPE_CHECKING, Any

from vcred.catalog.effects import Newer, Plan
from vcred.catalog.values import read_record
from vcred.claims import SD

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vcred.catalog.effects import Effect
    from vcred.catalog.types import CertificateType, ClaimSpec, IssueOption, OptionValue

__all__ = ["chosen_options", "issue", "lenient_plan", "plan"]


def issue(
    kind: CertificateType,
    record: Mapping[str, Any],
    *,
    variant: str | None,
    options: Mapping[str, Any],
    issued_on: date,
) -> dict[str, Any]:
    """See ``CertificateType.issue``."""
    if type(issued_on) is not date:
        raise TypeError("issued_on is a date: the day of issue in Korea")
    chosen = chosen_options(kind, variant, options)
    values = read_record(kind, record, issued_on)
    tree: dict[str, Any] = {"issuedOn": issued_on.isoformat()}
    if kind.variants:
        tree["variant"] = variant
    if kind.options:
        tree["options"] = {name: list(value) if isinstance(value, tuple) else value for name, value in chosen.items()}
    building = _Building(values, Plan(_effects(kind, variant, chosen)), issued_on)
    return tree | building.members(kind.claims, values, None)


class _Building:
    def __init__(self, record: Mapping[str, Any], plan: Plan, day: date) -> None:
        self._record = record
        self._plan = plan
        self._day = day

    def members(
        self, specs: tuple[ClaimSpec, ...], node: Mapping[str, Any], row: Mapping[str, Any] | None
    ) -> dict[str, Any]:
        out: dict[str, Any] = {}
        for spec in specs:
            if self._plan.drops(spec.path, row):
                continue
            value = self._claim(spec, node, row)
            out[spec.key] = SD(value) if spec.selective else value
        return out

    def _claim(self, spec: ClaimSpec, node: Mapping[str, Any], row: Mapping[str, Any] | None) -> Any:
        if spec.derive is not None:
            return spec.derive.compute(self._record, self._day)
        value = node[spec.key]
        if not spec.many:
            return self._one(spec, value, row)
        if spec.type == "object":
            rows = [self.members(spec.children, item, item) for item in value if self._keeps(spec, item)]
        else:
            rows = [self._one(spec, item, row) for item in value]
        return [SD(item) for item in rows] if spec.elements == "selective" else rows

    def _keeps(self, spec: ClaimSpec, row: Mapping[str, Any]) -> bool:
        return self._plan.keeps(spec.path, row, self._day)

    def _one(self, spec: ClaimSpec, value: Any, row: Mapping[str, Any] | None) -> Any:
        if value is None:
            return None
        if spec.children:
            return self.members(spec.children, value, row)
        return self._plan.coarsen(spec.path, value)


def plan(kind: CertificateType, variant: str | None, options: Mapping[str, Any]) -> Plan:
    """The effects of these choices. Raises ``ValueError`` for a choice the type does not have."""
    return Plan(_effects(kind, variant, chosen_options(kind, variant, options)))


def lenient_plan(kind: CertificateType, variant: Any, options: Any) -> Plan:
    """The effects of what a credential says was chosen; a choice this catalogue does not know has none."""
    known = variant if isinstance(variant, str) and any(variant == one.id for one in kind.variants) else None
    chosen = {}
    for option in kind.options:
        if isinstance(options, Mapping) and option.id in options and _applies(option, known):
            try:
                chosen[option.id] = _read(option, options[option.id])
            except ValueError:
                continue
    return Plan(_effects(kind, known, chosen))


def chosen_options(kind: CertificateType, variant: str | None, options: Mapping[str, Any]) -> dict[str, Any]:
    """Every option that applies, with its value or its default, in the order of the file.

    Raises ``ValueError`` naming what the type does have.
    """
    variants = [one.id for one in kind.variants]
    if variant not in variants and (variants or variant is not None):
        raise ValueError(
            f"{kind.code}: variant is one of {', '.join(variants)}" if variants else f"{kind.code} has no variants"
        )
    applicable = {option.id: option for option in kind.options if _applies(option, variant)}
    if unknown := [name for name in options if name not in applicable]:
        raise ValueError(f"{kind.code}: no option {unknown[0]!r} here; it has {', '.join(applicable) or 'none'}")
    chosen = {}
    for name, option in applicable.items():
        try:
            chosen[name] = _read(option, options.get(name, option.default))
        except ValueError as problem:
            raise ValueError(f"{kind.code}: option {name}: {problem}") from None
    return chosen


def _applies(option: IssueOption, variant: str | None) -> bool:
    return not option.variants or variant in option.variants


def _read(option: IssueOption, value: Any) -> Any:
    if option.kind == "yes_no":
        if not isinstance(value, bool):
            raise ValueError("is true or false")
        return value
    ids = [choice.id for choice in option.values]
    if option.kind == "set":
        if not isinstance(value, (list, tuple, set, frozenset)) or not value or not all(item in ids for item in value):
            raise ValueError(f"is some of {', '.join(ids)}, at least one")
        return tuple(item for item in ids if item in value)
    if not isinstance(value, str) or _choice(option, value) is None:
        raise ValueError(f"is one of {', '.join(ids)}")
    return value


def _choice(option: IssueOption, value: str) -> tuple[OptionValue, int] | None:
    for choice in option.values:
        if not choice.id.endswith(":N"):
            if choice.id == value:
                return choice, 0
        elif value.startswith(choice.id[:-1]):
            digits = value[len(choice.id) - 1 :]
            if (
                digits.isascii()
                and digits.isdigit()
                and digits[0] != "0"
                and len(digits) <= 4
                and choice.low <= int(digits) <= choice.high
            ):
                return choice, int(digits)
    return None


def _effects(kind: CertificateType, variant: str | None, chosen: Mapping[str, Any]) -> Iterator[Effect]:
    for one in kind.variants:
        if one.id == variant:
            yield from one.effects
    for option in kind.options:
        if option.id in chosen:
            yield from _option_effects(option, chosen[option.id])


def _option_effects(option: IssueOption, value: Any) -> Iterator[Effect]:
    if option.kind == "yes_no":
        yield from () if value else option.when_false
    elif option.kind == "set":
        for choice in option.values:
            yield from choice.effects if choice.id in value else choice.without
    elif found := _choice(option, value):
        choice, number = found
        for effect in choice.effects:
            if isinstance(effect, Newer) and effect.years is None:
                yield Newer(claim=effect.claim, by=effect.by, years=number)
            else:
                yield effect
