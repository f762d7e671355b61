"""Step 10: rules across certificates. Too little to compare is ``person_unlinked``, never "the same"."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vcred.policy._finding import Finding
from vcred.policy.presented import compare, same_place
from vcred.policy.rules import Relation, SameAddress, SamePerson
from vcred.reasons import ReasonCode

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from vcred.policy.model import Acceptable, Person, VerificationPolicy
    from vcred.policy.presented import Identity, PresentedCertificate
    from vcred.policy.rules import By, Ref

__all__ = ["findings"]


def findings(
    policy: VerificationPolicy,
    rule: SamePerson | Relation | SameAddress,
    present: Mapping[str, Sequence[PresentedCertificate]],
) -> Iterator[Finding]:
    """What is wrong under a rule whose slots are all filled."""
    if isinstance(rule, SamePerson):
        yield from _same_person(policy, rule, present)
    elif isinstance(rule, Relation):
        yield from _relation(policy, rule, present)
    else:
        yield from _same_address(policy, rule, present)


def _alternatives(
    policy: VerificationPolicy, ref: Ref, present: Mapping[str, Sequence[PresentedCertificate]]
) -> Iterator[tuple[PresentedCertificate, Acceptable]]:
    for cert in present[ref.slot]:
        wanted = policy.slot(ref.slot).acceptable(cert.code)
        if wanted is not None:
            yield cert, wanted


def _people(
    policy: VerificationPolicy, ref: Ref, present: Mapping[str, Sequence[PresentedCertificate]]
) -> Iterator[tuple[PresentedCertificate, Person, list[Identity], int]]:
    for cert, wanted in _alternatives(policy, ref, present):
        person = wanted.persons[ref.name]
        yield cert, person, *cert.identities(person)


def _same_person(
    policy: VerificationPolicy, rule: SamePerson, present: Mapping[str, Sequence[PresentedCertificate]]
) -> Iterator[Finding]:
    singles, lists = [], []
    for ref in rule.between:
        for _, person, people, hidden in _people(policy, ref, present):
            if person.list is None:
                singles.append((ref, people[0]))
            else:
                lists.append((ref, people, hidden))
    if not singles:
        yield _say(rule.id, ReasonCode.PERSON_UNLINKED, rule.between[0])
        return
    anchor = singles[0][1]
    for ref, one in singles[1:]:
        yield from _unless(compare(anchor, one, rule.by), rule.id, ref, ReasonCode.DIFFERENT_PERSON)
    for ref, people, hidden in lists:
        yield from _unless(_any(anchor, people, hidden, rule.by), rule.id, ref, ReasonCode.DIFFERENT_PERSON)


def _any(one: Identity, people: Sequence[Identity], hidden: int, by: By) -> bool | None:
    """Whether one of ``people`` is ``one``; ``None`` when somebody hidden or half hidden might be."""
    results = [compare(one, other, by) for other in people]
    if any(results):
        return True
    return None if hidden or None in results else False


def _relation(
    policy: VerificationPolicy, rule: Relation, present: Mapping[str, Sequence[PresentedCertificate]]
) -> Iterator[Finding]:
    others = [one for _, _, people, _ in _people(policy, rule.to, present) for one in people]
    if not others:
        yield _say(rule.id, ReasonCode.PERSON_UNLINKED, rule.to)
    for cert, person, people, hidden in _people(policy, rule.of, present):
        assert person.list is not None  # the loader saw to it
        if rule.or_empty and not people and not hidden and [] in cert.values(person.list):
            continue
        able = [one for one in people if one.relation in rule.roles]
        half_hidden = hidden or any(one.relation is None for one in people)
        for other in others:
            result = _any(other, able, half_hidden, rule.by)
            yield from _unless(result, rule.id, rule.of, ReasonCode.RELATION)


def _same_address(
    policy: VerificationPolicy, rule: SameAddress, present: Mapping[str, Sequence[PresentedCertificate]]
) -> Iterator[Finding]:
    # Of several certificates in a slot each is a side of its own: one that fits must not cover for one that does not.
    sides = [
        [(ref, cert.places(wanted.addresses[ref.name])) for cert, wanted in _alternatives(policy, ref, present)]
        for ref in rule.between
    ]
    for _, first in sides[0]:
        for ref, places in (one for side in sides[1:] for one in side):
            results = [same_place(one, other) for one in first for other in places]
            if any(results):
                continue
            code = ReasonCode.MANUAL if not results or None in results else ReasonCode.DIFFERENT_ADDRESS
            yield _say(rule.id, code, ref)


def _unless(
    result: bool | None,  # noqa: FBT001 - the three answers of a comparison
    rule: str,
    ref: Ref,
    code: ReasonCode,
) -> Iterator[Finding]:
    if not result:
        yield _say(rule, ReasonCode.PERSON_UNLINKED if result is None else code, ref)


def _say(rule: str, code: ReasonCode, ref: Ref) -> Finding:
    return Finding(rule=rule, code=code, certificate=ref.slot, path=ref.name)
