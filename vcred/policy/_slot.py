"""Step 9: what one certificate must be like, and the rules that look at one slot."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vcred.catalog.state import ClaimState
from vcred.claims import ClaimPath
from vcred.policy import rules as r
from vcred.policy._finding import Finding
from vcred.policy.model import RrnLevel
from vcred.policy.presented import dates, fits, same
from vcred.policy.rrn import NUMBERS, level_of
from vcred.reasons import ReasonCode

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from vcred.policy.model import Acceptable, Slot, VerificationPolicy
    from vcred.policy.presented import PresentedCertificate

__all__ = ["Asked", "checks", "findings"]

_MAJORITY = 19
_STATES = {
    ClaimState.NOT_ISSUED: ReasonCode.CLAIM_NOT_ISSUED,
    ClaimState.HIDDEN: ReasonCode.CLAIM_HIDDEN,
    ClaimState.EMPTY: ReasonCode.CLAIM_EMPTY,
}


@dataclass(frozen=True, slots=True)
class Asked:
    """A certificate in its slot, on a day."""

    policy: VerificationPolicy
    slot: Slot
    certificate: PresentedCertificate
    today: dt.date
    reference: dt.date | None

    def finding(self, rule: str, code: ReasonCode, path: str = "", detail: str = "") -> Finding:
        """A finding about this certificate."""
        return Finding(rule=rule, code=code, certificate=self.slot.id, path=path, detail=detail)


def checks(asked: Asked) -> Iterator[tuple[str, list[Finding]]]:
    """Each demand of the slot with what is wrong; a type that is not acceptable ends it."""
    wanted = asked.slot.acceptable(asked.certificate.code)
    if wanted is None:
        yield "type", [asked.finding("type", ReasonCode.DCQL, detail="this type of certificate was not asked for")]
        return
    yield "type", []
    if wanted.variants is not None:
        yield "variant", list(_variant(asked, wanted.variants))
    if wanted.options:
        yield "option", list(_options(asked, wanted))
    if wanted.issued_within_days is not None:
        yield "issuedWithin", list(_issued_within(asked, wanted.issued_within_days))
    if wanted.issued_on_or_after is not None:
        yield "issuedOnOrAfter", list(_issued_since(asked, wanted.issued_on_or_after))
    if wanted.issuers is not None:
        yield "issuerIn", list(_issuer(asked, wanted.issuers))
    yield "claims", list(_claims(asked, wanted))
    yield "rrnLevel", list(_rrn(asked))
    if asked.policy.forbidden.certificates or asked.policy.forbidden.claims:
        yield "forbid", list(_forbidden(asked))


def _variant(asked: Asked, accepted: Sequence[str]) -> Iterator[Finding]:
    if asked.certificate.claims.get("variant") not in accepted:
        yield asked.finding("variant", ReasonCode.VARIANT, "variant", "accepted: " + ", ".join(accepted))


def _options(asked: Asked, wanted: Acceptable) -> Iterator[Finding]:
    """One of the accepted values; of an option that is a set, all of them."""
    given = asked.certificate.claims.get("options")
    for name, accepted in wanted.options.items():
        value = given.get(name) if isinstance(given, dict) else None
        if isinstance(value, list):
            fitting = all(any(same(given_one, one) for given_one in value) for one in accepted)
        else:
            fitting = any(same(value, one) for one in accepted)
        if not fitting:
            detail = "accepted: " + ", ".join(str(one) for one in accepted)
            yield asked.finding("option", ReasonCode.OPTION, f"options.{name}", detail)


def _issued_within(asked: Asked, days: int) -> Iterator[Finding]:
    if asked.today - asked.certificate.issued_on > dt.timedelta(days=days):
        yield asked.finding("issuedWithin", ReasonCode.TOO_OLD, "issuedOn", f"more than {days} days ago")


def _issued_since(asked: Asked, since: dt.date | str) -> Iterator[Finding]:
    limit = since if isinstance(since, dt.date) else asked.reference
    if limit is None or asked.certificate.issued_on < limit:
        yield asked.finding("issuedOnOrAfter", ReasonCode.BEFORE_REFERENCE, "issuedOn")


def _issuer(asked: Asked, accepted: Sequence[str]) -> Iterator[Finding]:
    if asked.certificate.issuer not in accepted:
        yield asked.finding("issuerIn", ReasonCode.ISSUER_NOT_ACCEPTED, "issuer")


def _claims(asked: Asked, wanted: Acceptable) -> Iterator[Finding]:
    cert = asked.certificate
    for path in wanted.asked:
        spec = cert.type.spec(path)
        whole_number = spec is not None and spec.type in NUMBERS
        # A whole number without its last six digits is a masked one.
        looked_at = path.child("serial") if whole_number else path
        state = cert.type.state(looked_at, cert.claims, cert.hidden_elements)
        if state is ClaimState.PRESENT or (state is ClaimState.EMPTY and path in wanted.may_be_empty):
            continue
        code = _STATES[state]
        if state is not ClaimState.EMPTY and level_of(cert.type, path) is RrnLevel.FULL:
            code = ReasonCode.RRN_HIDDEN
        yield asked.finding("claims", code, str(path))


def _rrn(asked: Asked) -> Iterator[Finding]:
    cert = asked.certificate
    for path in _said(cert):
        if not asked.policy.rrn.level.covers(level_of(cert.type, path)):
            yield asked.finding("rrnLevel", ReasonCode.FORBIDDEN_CLAIM, str(path), "more of the number than allowed")


def _forbidden(asked: Asked) -> Iterator[Finding]:
    forbidden = asked.policy.forbidden
    if forbidden.forbids_type(asked.certificate.code):
        yield asked.finding("forbid", ReasonCode.FORBIDDEN_CLAIM, "", "this type must not be collected here")
    for path in _said(asked.certificate):
        if forbidden.forbids(path):
            yield asked.finding("forbid", ReasonCode.FORBIDDEN_CLAIM, str(path))


_PLAIN = ("issuedOn", "options", "variant")
"""What the catalogue itself puts into every certificate: about the document, not the person."""


def _said(cert: PresentedCertificate) -> Iterator[ClaimPath]:
    return _leaves({name: value for name, value in cert.claims.items() if name not in _PLAIN})


def _leaves(tree: Any, at: tuple[str | int, ...] = ()) -> Iterator[ClaimPath]:
    """Paths to every value that says something; null says that there is none."""
    if isinstance(tree, dict):
        for name, value in tree.items():
            yield from _leaves(value, (*at, name))
    elif isinstance(tree, (list, tuple)):
        for index, value in enumerate(tree):
            yield from _leaves(value, (*at, index))
    elif tree is not None:
        yield ClaimPath(at)


def findings(rule: r.Rule, cert: PresentedCertificate, today: dt.date) -> Iterator[Finding]:
    """What is wrong with ``cert`` under a rule about one slot."""
    if isinstance(rule, r.SlotRule) and not rule.applies_to(cert.code):
        return
    if isinstance(rule, r.Predicate):
        yield from _predicate(rule, cert, today)
    elif isinstance(rule, r.ValidNow):
        yield from _valid_now(rule, cert, today)
    elif isinstance(rule, r.SubjectIs):
        yield from _subject_is(rule, cert, today)
    elif isinstance(rule, r.Manual) and rule.list is None:
        yield Finding(rule=rule.id, code=ReasonCode.MANUAL, certificate=rule.slot, note=rule.reason)
    elif isinstance(rule, (r.Absence, r.Complete, r.Count, r.Manual)):
        yield from _list(rule, cert)


def _say(rule: r.SlotRule, code: ReasonCode, path: ClaimPath, detail: str = "") -> Finding:
    return Finding(rule=rule.id, code=code, certificate=rule.slot, path=str(path), detail=detail)


def _present(rule: r.SlotRule, cert: PresentedCertificate, path: ClaimPath) -> Finding | None:
    """A finding unless there is a value at ``path``."""
    state = cert.type.state(path, cert.claims, cert.hidden_elements)
    return None if state is ClaimState.PRESENT else _say(rule, _STATES[state], path)


def _predicate(rule: r.Predicate, cert: PresentedCertificate, today: dt.date) -> Iterator[Finding]:
    path = rule.path
    missing = _present(rule, cert, path)
    if missing is not None and not (rule.over == "sum" and missing.code is ReasonCode.CLAIM_EMPTY):
        yield missing
        return
    values = [value for value in cert.values(path) if value is not None]
    needs_all = rule.over == "all" or (rule.over == "sum" and rule.op != ">=")
    if needs_all and cert.hidden_in(path):
        yield _say(rule, ReasonCode.HIDDEN_ELEMENTS, path)
        return
    if rule.over == "sum":
        if any(type(value) is not int for value in values):
            yield _say(rule, ReasonCode.CLAIM_TYPE, path)
            return
        values = [sum(values)]
    results = [_holds(rule, value, today) for value in values]
    if not results or (any(results) if rule.over == "any" else all(results)):
        if not results:
            yield _say(rule, ReasonCode.CLAIM_EMPTY, path)
    elif None in results and not any(one is False for one in results):
        yield _say(rule, ReasonCode.CLAIM_TYPE, path)
    else:
        yield _say(rule, ReasonCode.PREDICATE, path)


def _holds(rule: r.Predicate, value: Any, today: dt.date) -> bool | None:
    """``None`` when the value cannot be compared: another kind, or no date."""
    if rule.op in ("age>=", "year_age>=", "days_ago>="):
        (day,) = dates([value])
        return None if day is None else _elapsed(rule.op, day, today) >= int(rule.value[0])
    if rule.op in ("==", "in"):
        return any(same(value, one) for one in rule.value)
    if type(value) is not type(rule.value[0]) or isinstance(value, bool):
        return None
    low: Any = rule.value[0]
    high: Any = rule.value[-1]
    return bool(value <= high) if rule.op == "<=" else bool(value >= low and (rule.op == ">=" or value <= high))


def _elapsed(op: str, day: dt.date, today: dt.date) -> int:
    return (today - day).days if op == "days_ago>=" else _age(day, today, by_year=op == "year_age>=")


def _age(born: dt.date, today: dt.date, *, by_year: bool) -> int:
    """Full years (Civil Act 158 to 160: born on 29 February, older from 1 March), or by calendar year."""
    years = today.year - born.year
    return years if by_year else years - ((today.month, today.day) < (born.month, born.day))


def _valid_now(rule: r.ValidNow, cert: PresentedCertificate, today: dt.date) -> Iterator[Finding]:
    missing = _present(rule, cert, rule.path)
    if missing is not None:
        yield missing
        return
    for day in dates(cert.values(rule.path)):
        if day is None:
            yield _say(rule, ReasonCode.CLAIM_TYPE, rule.path)
        elif day < today:
            yield _say(rule, ReasonCode.EXPIRED, rule.path)


def _subject_is(rule: r.SubjectIs, cert: PresentedCertificate, today: dt.date) -> Iterator[Finding]:
    missing = _present(rule, cert, rule.path)
    if missing is not None:
        # An empty death entry is a wrong person, not a lack of data.
        empty = missing.code is ReasonCode.CLAIM_EMPTY and rule.state == "deceased"
        yield _say(rule, ReasonCode.PREDICATE, rule.path) if empty else missing
        return
    value = cert.values(rule.path)[0]
    if rule.state == "deceased":
        fits: bool | None = value is True or (isinstance(value, (str, dict)) and bool(value))
    else:
        (born,) = dates([value])
        fits = None if born is None else _age(born, today, by_year=False) < _MAJORITY
    if not fits:
        yield _say(rule, ReasonCode.CLAIM_TYPE if fits is None else ReasonCode.PREDICATE, rule.path)


def _needs_all_rows(rule: r.Rule) -> bool:
    return not isinstance(rule, r.Count) or rule.most is not None


def _issued_whole(cert: PresentedCertificate, path: ClaimPath) -> bool:
    """Whether the options and the variant left no row out, so that what is not there does not exist."""
    variant, options = cert.claims.get("variant"), cert.claims.get("options")
    try:
        return cert.type.is_complete(path, variant=variant, options=options if isinstance(options, dict) else {})
    except ValueError:
        return False


def _list(rule: r.Absence | r.Complete | r.Count | r.Manual, cert: PresentedCertificate) -> Iterator[Finding]:
    path = rule.list
    assert path is not None  # a Manual without a list was handled
    state = cert.type.state(path, cert.claims, cert.hidden_elements)
    if state in (ClaimState.NOT_ISSUED, ClaimState.HIDDEN):
        yield _say(rule, _STATES[state], path)
    elif cert.hidden_in(path):
        yield _say(rule, ReasonCode.HIDDEN_ELEMENTS, path)
    elif _needs_all_rows(rule) and not _issued_whole(cert, path):
        yield _say(rule, ReasonCode.CLAIM_NOT_ISSUED, path, "issued with a part of the rows only")
    elif not isinstance(rule, r.Complete):
        yield from _counted(rule, cert, path)


def _counted(rule: r.Absence | r.Count | r.Manual, cert: PresentedCertificate, path: ClaimPath) -> Iterator[Finding]:
    elements = [one for value in cert.values(path) for one in (value if isinstance(value, list) else [value])]
    fitting = [fits(element, rule.where) for element in elements if element is not None]
    count = fitting.count(True)
    if None in fitting:
        yield _say(rule, ReasonCode.CLAIM_HIDDEN, path, "what the rule looks at is hidden in an element")
    elif isinstance(rule, r.Absence):
        if count:
            yield _say(rule, ReasonCode.ABSENCE, path)
    elif isinstance(rule, r.Count):
        if count < rule.least or (rule.most is not None and count > rule.most):
            yield _say(rule, ReasonCode.COUNT, path)
    elif count > rule.more_than:
        yield Finding(rule=rule.id, code=ReasonCode.MANUAL, certificate=rule.slot, path=str(path), note=rule.reason)
