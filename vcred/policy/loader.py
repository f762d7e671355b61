"""TOML to ``VerificationPolicy``, strictly; each error says the file, the path in it and what to write."""

from __future__ import annotations

import re
import tomllib
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar, get_args

from vcred.errors import PolicyError
from vcred.formats.known import FORMATS, LEGACY_FORMATS
from vcred.policy import rules as r
from vcred.policy._table import Table
from vcred.policy.model import (
    Acceptable,
    Address,
    Forbidden,
    HolderBinding,
    Person,
    PostQuantum,
    Retention,
    RrnLevel,
    RrnRule,
    Slot,
    StatusRule,
    TrustRule,
    VerificationPolicy,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["load_policy"]

_MAX_BYTES = 262_144
_ID = re.compile(r"[a-z][a-z0-9-]*(\.[a-z][a-z0-9-]*)+")
_SLOT = re.compile(r"[a-z][a-z0-9_]{0,31}")
_RULE_ID = re.compile(r"[a-z][a-z0-9-]{0,63}")


_P = TypeVar("_P", bound=VerificationPolicy)


def load_policy(text: str, file: str, cls: type[_P]) -> _P:
    """Read a policy into ``cls``. Raises ``PolicyError``."""
    if len(text) > _MAX_BYTES:
        raise PolicyError(file, "", "the file is too large")
    try:
        top = Table(tomllib.loads(text), file, "")
    except RecursionError:
        raise PolicyError(file, "", "nested too deeply") from None
    except ValueError as error:  # not TOML, or a number of 5,000 digits
        raise PolicyError(
            file, "", "not TOML: " + str(error).replace("Illegal character '\\n'", "the line ends too early")
        ) from None
    slots = _slots(top)
    by_id = {slot.id: slot for slot in slots}
    freshness = top.table("freshness")
    challenge = freshness.flag("challenge")
    seconds = freshness.number("max_age_seconds", None, least=1, most=86_400)
    freshness.done()
    if not challenge and seconds is None:
        raise freshness.error("", "neither a challenge nor a maximum age is accepted: nothing could be presented")
    policy = cls(
        id=_checked(top, "id", _ID, "like bank.id-check"),
        name=top.both("name"),
        purpose=top.both("purpose"),
        asks=top.both("asks"),
        holder_binding=HolderBinding(top.choice("holder_binding", [one.value for one in HolderBinding])),
        challenge=challenge,
        max_age=None if seconds is None else timedelta(seconds=seconds),
        trust=_trust(top.table("trust")),
        status=_status(top.table("status")),
        rrn=_rrn(top.table("rrn")),
        retention=_retention(top.table("retention")),
        slots=slots,
        combinations=_combinations(top, by_id),
        rules=_rules(top, by_id),
        forbidden=_forbidden(top.table("forbid", optional=True)),
        post_quantum=PostQuantum(top.choice("post_quantum", [one.value for one in PostQuantum], "refused")),
        formats=_formats(top),
        file=file,
        source=text,
    )
    top.done()
    if not any(slot.required for slot in slots) and not policy.combinations:
        raise top.error("certificates", "nothing is required: a policy that accepts an empty answer is no policy")
    return policy


def _checked(table: Table, key: str, pattern: re.Pattern[str], example: str) -> str:
    value = table.text(key)
    if not pattern.fullmatch(value):
        raise table.error(key, f"must be {example}")
    return value


def _formats(top: Table) -> tuple[str, ...]:
    formats = top.texts("formats", ())
    known = (*FORMATS, *LEGACY_FORMATS)
    if any(one not in known for one in formats) or len(set(formats)) != len(formats):
        raise top.error("formats", "must be some of " + ", ".join(known) + ", each once")
    return formats


def _trust(table: Table) -> TrustRule:
    rule = TrustRule(max_age=timedelta(hours=table.number("max_age_hours", least=1, most=8_784)))
    table.done()
    return rule


def _status(table: Table) -> StatusRule:
    rule = StatusRule(
        required=table.flag("required"), max_age=timedelta(hours=table.number("max_age_hours", least=1, most=8_784))
    )
    table.done()
    return rule


def _rrn(table: Table) -> RrnRule:
    level = RrnLevel(table.choice("level", [one.value for one in RrnLevel]))
    rule = RrnRule(level=level, legal_basis=table.both("legal_basis", None))
    table.done()
    return rule


def _retention(table: Table) -> Retention:
    retention = Retention(days=table.number("days", most=36_600), text=table.both("text"))
    table.done()
    return retention


def _forbidden(table: Table) -> Forbidden:
    forbidden = Forbidden(
        certificates=table.texts("certificates", ()),
        claims=tuple(tuple(one.split(".")) for one in table.texts("claims", ())),
    )
    table.done()
    return forbidden


def _slots(top: Table) -> tuple[Slot, ...]:
    slots: list[Slot] = []
    for table in top.tables("certificates"):
        slot = Slot(
            id=_checked(table, "slot", _SLOT, "a-z, 0-9 and _"),
            name=table.both("name"),
            required=table.flag("required"),
            any_of=tuple(_acceptable(one) for one in table.tables("any_of")),
            multiple=table.flag("multiple", default=False),
        )
        table.done()
        codes = [one.code for one in slot.any_of]
        if len(set(codes)) != len(codes):
            raise table.error("any_of", "a type is there twice")
        if any(slot.id == other.id for other in slots):
            raise table.error("slot", "this id is used twice")
        slots.append(slot)
    return tuple(slots)


def _acceptable(table: Table) -> Acceptable:
    options = table.table("options", optional=True)
    wanted = {key: options.scalars(key) for key in options.each()}
    persons, addresses = table.table("persons", optional=True), table.table("addresses", optional=True)
    since: Any = table.date_or("issued_on_or_after", "reference")
    found = Acceptable(
        code=table.text("code"),
        claims=table.paths("claims", ()),
        may_be_empty=table.paths("may_be_empty", ()),
        optional=table.paths("optional", ()),
        variants=table.texts("variants", None),
        options=wanted,
        issued_within_days=table.number("issued_within_days", None, most=36_600),
        issued_on_or_after=since,
        issuers=table.texts("issuers", None),
        persons={name: _person(persons.table(name)) for name in persons.each()},
        addresses={name: _address(addresses.table(name)) for name in addresses.each()},
    )
    table.done()
    if not found.asked:
        raise table.error("claims", "nothing is asked for: name at least one claim")
    if len(set(found.asked + found.optional)) != len(found.asked + found.optional):
        raise table.error("claims", "a claim is asked for twice")
    return found


def _person(table: Table) -> Person:
    person = Person(
        names=table.paths("name"),
        birth_date=table.path("birth_date", None),
        rrn=table.path("rrn", None),
        list=table.path("list", None),
        relation=table.path("relation", None),
        where=_where(table),
    )
    table.done()
    if person.list is None and (person.relation is not None or person.where):
        raise table.error("list", "missing: relation and where pick from a list of persons")
    return person


def _address(table: Table) -> Address:
    pick: Any = table.choice("pick", ["only", "first", "last", "any"], "only")
    address = Address(path=table.path("path"), pick=pick)
    table.done()
    return address


def _combinations(top: Table, slots: Mapping[str, Slot]) -> tuple[tuple[tuple[str, ...], ...], ...]:
    found = []
    for table in top.tables("combinations", optional=True):

        def option(value: Any, where: str, table: Table = table) -> tuple[str, ...]:
            if not isinstance(value, list) or not value or any(one not in slots for one in value):
                raise table.error(where, "must be an array of slots that the policy defines")
            if any(slots[one].required for one in value):
                raise table.error(where, "a slot of a combination has required = false")
            return tuple(value)

        found.append(table.array("any_of", option))
        table.done()
    return tuple(found)


def _rules(top: Table, slots: Mapping[str, Slot]) -> tuple[r.Rule, ...]:
    found: list[r.Rule] = []
    for table in top.tables("rules", optional=True):
        kind = table.choice("rule", sorted(_READERS))
        rule_id = _checked(table, "id", _RULE_ID, "a-z, 0-9 and -")
        if any(rule_id == one.id for one in found):
            raise table.error("id", "this id is used twice")
        rule = _READERS[kind](table, rule_id, slots)
        table.done()
        found.append(rule)
    return tuple(found)


def _slot_of(table: Table, slots: Mapping[str, Slot]) -> tuple[str, str | None]:
    slot = table.choice("slot", sorted(slots))
    return slot, table.choice("code", [one.code for one in slots[slot].any_of], None)


def _where(table: Table) -> r.Where:
    found = table.table("where", optional=True)
    return tuple((found._one_path(key, key), found.scalars(key)) for key in found.each())  # noqa: SLF001 - same package


def _predicate(table: Table, rule_id: str, slots: Mapping[str, Slot]) -> r.Rule:
    op: Any = table.choice("op", list(get_args(r.Operator)))
    value = table.scalars("value")
    bounds = 2 if op == "range" else 1
    if op != "in" and len(value) != bounds:
        raise table.error("value", f"{op} takes {bounds} value" + "s" * (bounds > 1))
    if op.endswith(("age>=", "ago>=")) and type(value[0]) is not int:
        raise table.error("value", "an age is a whole number")
    if len({type(one) for one in value}) != 1:
        raise table.error("value", "values of one kind")
    over: Any = table.choice("over", list(get_args(r.Quantifier)), "all")
    slot, code = _slot_of(table, slots)
    return r.Predicate(id=rule_id, slot=slot, code=code, path=table.path("path"), op=op, value=value, over=over)


def _valid_now(table: Table, rule_id: str, slots: Mapping[str, Slot]) -> r.Rule:
    slot, code = _slot_of(table, slots)
    return r.ValidNow(id=rule_id, slot=slot, code=code, path=table.path("path"))


def _absence(table: Table, rule_id: str, slots: Mapping[str, Slot]) -> r.Rule:
    slot, code = _slot_of(table, slots)
    return r.Absence(id=rule_id, slot=slot, code=code, list=table.path("list"), where=_where(table))


def _complete(table: Table, rule_id: str, slots: Mapping[str, Slot]) -> r.Rule:
    slot, code = _slot_of(table, slots)
    return r.Complete(id=rule_id, slot=slot, code=code, list=table.path("list"))


def _count(table: Table, rule_id: str, slots: Mapping[str, Slot]) -> r.Rule:
    slot, code = _slot_of(table, slots)
    least, most = table.number("least", 0), table.number("most", None)
    if (most is None and least == 0) or (most is not None and most < least):
        raise table.error("", "give least, most or both, in order")
    path, where = table.path("list"), _where(table)
    return r.Count(id=rule_id, slot=slot, code=code, list=path, least=least, most=most, where=where)


def _subject_is(table: Table, rule_id: str, slots: Mapping[str, Slot]) -> r.Rule:
    slot, code = _slot_of(table, slots)
    state: Any = table.choice("state", ["deceased", "minor"])
    return r.SubjectIs(id=rule_id, slot=slot, code=code, path=table.path("path"), state=state)


def _manual(table: Table, rule_id: str, slots: Mapping[str, Slot]) -> r.Rule:
    slot, code = _slot_of(table, slots)
    return r.Manual(
        id=rule_id,
        slot=slot,
        code=code,
        reason=table.both("reason"),
        list=table.path("list", None),
        more_than=table.number("more_than", 0),
        where=_where(table),
    )


def _ref(table: Table, value: Any, where: str, slots: Mapping[str, Slot], kind: str) -> r.Ref:
    slot, _, name = value.partition(".") if isinstance(value, str) else ("", "", "")
    if slot not in slots or not name:
        raise table.error(where, "must be <slot>.<name> with a slot that the policy defines")
    for one in slots[slot].any_of:
        if name not in (one.persons if kind == "persons" else one.addresses):
            raise table.error(where, f"{one.code} in slot {slot} defines no {kind}.{name}")
    return r.Ref(slot, name)


def _between(table: Table, slots: Mapping[str, Slot], kind: str) -> tuple[r.Ref, ...]:
    refs = table.array("between", lambda value, where: _ref(table, value, where, slots, kind))
    if len(refs) < 2:
        raise table.error("between", "needs two or more")
    return refs


def _same_person(table: Table, rule_id: str, slots: Mapping[str, Slot]) -> r.Rule:
    by: Any = table.choice("by", list(get_args(r.By)))
    between = _between(table, slots, "persons")
    if all(one.persons[ref.name].list is not None for ref in between for one in slots[ref.slot].any_of):
        raise table.error("between", "needs one that is a single person")
    return r.SamePerson(id=rule_id, between=between, by=by)


def _relation(table: Table, rule_id: str, slots: Mapping[str, Slot]) -> r.Rule:
    by: Any = table.choice("by", list(get_args(r.By)))
    of = _ref(table, table.text("of"), "of", slots, "persons")
    if any(one.persons[of.name].list is None or one.persons[of.name].relation is None for one in slots[of.slot].any_of):
        raise table.error("of", "must be a list of persons with a relation")
    return r.Relation(
        id=rule_id,
        of=of,
        to=_ref(table, table.text("to"), "to", slots, "persons"),
        roles=table.texts("roles"),
        by=by,
        or_empty=table.flag("or_empty", default=False),
    )


def _same_address(table: Table, rule_id: str, slots: Mapping[str, Slot]) -> r.Rule:
    return r.SameAddress(id=rule_id, between=_between(table, slots, "addresses"))


_READERS: dict[str, Callable[[Table, str, Mapping[str, Slot]], r.Rule]] = {
    "absence": _absence,
    "complete": _complete,
    "count": _count,
    "manual": _manual,
    "predicate": _predicate,
    "relation": _relation,
    "sameAddress": _same_address,
    "samePerson": _same_person,
    "subjectIs": _subject_is,
    "validNow": _valid_now,
}
