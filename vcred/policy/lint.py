"""A policy against a catalogue: whatever would make it wrong, unlawful or unanswerable, before anybody is asked."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from vcred.claims import ClaimPath
from vcred.errors import PolicyError
from vcred.formats.known import may_be_in
from vcred.policy import rules as r
from vcred.policy.model import HolderBinding, RrnLevel
from vcred.policy.rrn import level_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vcred.catalog import Catalog, CertificateType
    from vcred.policy.model import Acceptable, Person, VerificationPolicy

__all__ = ["lint"]

_NUMBER = re.compile(r"\d{1,3}")


def lint(policy: VerificationPolicy, catalog: Catalog) -> list[PolicyError]:
    """Every mistake in ``policy``, each with the file, the path in it and what is wrong; empty when there is none.

    Refuses a policy that asks for a resident number without a legal basis or beyond its level, that asks
    for what it forbids, or that names a type, claim, variant or option ``catalog`` does not have, and one
    whose rules look at claims it does not ask for, whose formats an alternative can never be in, or that takes bearer
    documents although none of its types exists as one.
    """
    return [PolicyError(policy.file, path, detail) for path, detail in _problems(policy, catalog)]


def _problems(policy: VerificationPolicy, catalog: Catalog) -> Iterator[tuple[str, str]]:
    if policy.rrn.level is RrnLevel.FULL and policy.rrn.legal_basis is None:
        yield "rrn.legal_basis", "a full resident number needs the law that allows asking for it"
    kinds = [catalog[one.code] for slot in policy.slots for one in slot.any_of if one.code in catalog]
    if policy.holder_binding is HolderBinding.BEARER_OK and kinds and not any(kind.on_paper for kind in kinds):
        yield "holder_binding", "bearer_ok, but no type in it may be bound to nobody"
    for i, slot in enumerate(policy.slots):
        for j, wanted in enumerate(slot.any_of):
            where = f"certificates[{i}].any_of[{j}]"
            if wanted.code not in catalog:
                yield f"{where}.code", f"the catalogue has no type {wanted.code!r}"
                continue
            kind = catalog[wanted.code]
            if policy.formats and not any(may_be_in(kind, one) for one in policy.formats):
                yield f"{where}.code", f"{wanted.code} may be in none of the policy's formats"
            yield from _alternative(policy, wanted, kind, where)
    for i, rule in enumerate(policy.rules):
        yield from _rule(policy, rule, catalog, f"rules[{i}]")


def _alternative(
    policy: VerificationPolicy, wanted: Acceptable, kind: CertificateType, where: str
) -> Iterator[tuple[str, str]]:
    if policy.forbidden.forbids_type(wanted.code):
        yield f"{where}.code", "asks for a type that the policy forbids"
    for field, paths in (
        ("claims", wanted.claims),
        ("may_be_empty", wanted.may_be_empty),
        ("optional", wanted.optional),
    ):
        for number, path in enumerate(paths):
            yield from _asked(policy, kind, path, f"{where}.{field}[{number}]")
    yield from _variants(wanted, kind, where)
    yield from _options(wanted, kind, where)
    for name, person in wanted.persons.items():
        for path in _person_paths(person):
            yield from _readable(wanted, kind, path, f"{where}.persons.{name}")
    for name, address in wanted.addresses.items():
        yield from _readable(wanted, kind, address.path, f"{where}.addresses.{name}")


def _asked(policy: VerificationPolicy, kind: CertificateType, path: ClaimPath, where: str) -> Iterator[tuple[str, str]]:
    if kind.spec(path) is None:
        yield where, f"{kind.code} has no claim {path}"
        return
    level = level_of(kind, path)
    if not policy.rrn.level.covers(level):
        yield where, f"{path} shows a resident number ({level.value}), and rrn.level is {policy.rrn.level.value}"
    if policy.forbidden.forbids(path):
        yield where, f"asks for {path}, which the policy forbids"


def _variants(wanted: Acceptable, kind: CertificateType, where: str) -> Iterator[tuple[str, str]]:
    known = {one.id for one in kind.variants}
    if known and wanted.variants is None:
        yield f"{where}.variants", "missing: say which will do of " + ", ".join(sorted(known))
    for name in wanted.variants or ():
        if name not in known:
            yield f"{where}.variants", f"{kind.code} has no variant {name!r}"


def _options(wanted: Acceptable, kind: CertificateType, where: str) -> Iterator[tuple[str, str]]:
    known = {one.id: one for one in kind.options}
    for name, accepted in wanted.options.items():
        if name not in known:
            yield f"{where}.options.{name}", f"{kind.code} has no option {name!r}"
            continue
        ids = {value.id for value in known[name].values}
        for value in accepted:
            if _is_value(value, ids) if ids else isinstance(value, bool):
                continue
            yield f"{where}.options.{name}", f"the option has no value {value!r}"


def _is_value(value: object, ids: set[str]) -> bool:
    if not isinstance(value, str):
        return False
    head, colon, number = value.partition(":")
    return value in ids or (bool(colon) and f"{head}:N" in ids and _NUMBER.fullmatch(number) is not None)


def _person_paths(person: Person) -> Iterator[ClaimPath]:
    own = [*person.names, *(path for path in (person.birth_date, person.relation) if path is not None)]
    if person.rrn is not None:
        own += [person.rrn.child(part) for part in ("birthDate", "sexDigit", "serial")]
    own += [path for path, _ in person.where]
    for path in own:
        yield path if person.list is None else ClaimPath((*person.list.parts, None, *path.parts))


def _readable(wanted: Acceptable, kind: CertificateType, path: ClaimPath, where: str) -> Iterator[tuple[str, str]]:
    """A rule can read what is asked for, or what is always shown once something beside or below it is."""
    spec = kind.spec(path)
    if spec is None:
        yield where, f"{kind.code} has no claim {path}"
    elif not _covered(wanted, kind, path):
        yield where, f"a rule needs {path}, and it is not asked for"


def _covered(wanted: Acceptable, kind: CertificateType, path: ClaimPath) -> bool:
    if any(one.contains(path) for one in wanted.asked):
        return True
    spec = kind.spec(path)
    if spec is None or spec.disclosure != "always":
        return False
    parents = list(path.parts[:-1])
    while parents and parents[-1] is None:
        parents.pop()
    if not parents:
        return True
    parent = ClaimPath(tuple(parents))
    return any(parent.contains(one) for one in wanted.asked) or _covered(wanted, kind, parent)


def _rule(policy: VerificationPolicy, rule: r.Rule, catalog: Catalog, where: str) -> Iterator[tuple[str, str]]:
    if isinstance(rule, (r.SamePerson, r.Relation, r.SameAddress)):
        return
    for path in _rule_paths(rule):
        for wanted in policy.slot(rule.slot).any_of:
            if wanted.code in catalog and rule.applies_to(wanted.code) and not _counts(rule, path, wanted):
                yield from _readable(wanted, catalog[wanted.code], path, where)


def _counts(rule: r.Rule, path: ClaimPath, wanted: Acceptable) -> bool:
    """Whether the rule only counts the elements of a list, and something of every element is asked for."""
    counted = isinstance(rule, (r.Absence, r.Complete, r.Count, r.Manual)) and rule.list == path
    return counted and any(path.contains(one) for one in wanted.asked)


def _rule_paths(rule: r.Rule) -> Iterator[ClaimPath]:
    if isinstance(rule, (r.Predicate, r.ValidNow, r.SubjectIs)):
        yield rule.path
    elif isinstance(rule, r.Complete):
        yield rule.list
    elif isinstance(rule, (r.Absence, r.Count, r.Manual)) and rule.list is not None:
        if not rule.where:
            yield rule.list
        for path, _ in rule.where:
            yield ClaimPath((*rule.list.parts, None, *path.parts))
