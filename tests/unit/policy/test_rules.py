"""The rules one by one, at their edges."""

from datetime import UTC, date, datetime

import pytest

from vcred.claims import ClaimPath
from vcred.policy import VerificationPolicy, check_rules, evaluate
from vcred.policy.model import Address
from vcred.policy.presented import PresentedCertificate, same_place

HEAD = """
id = "test.one"
name = { ko = "시험", en = "Test" }
purpose = { ko = "시험", en = "Test" }
asks = { ko = "이름", en = "Name" }
holder_binding = "required"
freshness = { challenge = true }
trust = { max_age_hours = 168 }
status = { required = true, max_age_hours = 24 }
rrn = { level = "full", legal_basis = { ko = "법", en = "Act" } }
retention = { days = 0, text = { ko = "없음", en = "None" } }
"""


def slot(name, code, *, required=True, extra="", claims='["name"]'):
    return f"""
[[certificates]]
slot = "{name}"
name = {{ ko = "증명서", en = "Certificate" }}
required = {str(required).lower()}
[[certificates.any_of]]
code = "{code}"
claims = {claims}
{extra}
"""


def policy(*parts, rule=""):
    rules = f'\n[[rules]]\nid = "r"\n{rule}\n' if rule else ""
    return VerificationPolicy.load(HEAD + "".join(parts) + rules)


def codes(found):
    return [one.code.value for one in found]


PERSONAL = slot("one", "resident.personal", claims='["name"]')


def test_issued_within_days_counts_korean_days(make, at):
    wanted = policy(slot("one", "resident.personal", extra="issued_within_days = 12"))
    assert evaluate(wanted, {"one": [make("resident.personal", ["name"])]}, at=at) == []
    one_day_less = policy(slot("one", "resident.personal", extra="issued_within_days = 11"))
    assert codes(evaluate(one_day_less, {"one": [make("resident.personal", ["name"])]}, at=at)) == ["too_old"]
    night = datetime(2026, 8, 31, 15, 0, tzinfo=UTC)
    assert codes(evaluate(one_day_less, {"one": [make("resident.personal", ["name"])]}, at=night)) == ["too_old"]
    before_midnight = datetime(2026, 8, 31, 14, 59, tzinfo=UTC)
    assert evaluate(one_day_less, {"one": [make("resident.personal", ["name"])]}, at=before_midnight) == []


def test_issued_on_or_after_a_reference_date(make, at):
    wanted = policy(slot("one", "resident.personal", extra='issued_on_or_after = "reference"'))
    cert = {"one": [make("resident.personal", ["name"])]}
    assert evaluate(wanted, cert, at=at, reference_date=date(2026, 8, 20)) == []
    assert codes(evaluate(wanted, cert, at=at, reference_date=date(2026, 8, 21))) == ["before_reference"]
    with pytest.raises(ValueError, match="reference date"):
        evaluate(wanted, cert, at=at)
    fixed = policy(slot("one", "resident.personal", extra="issued_on_or_after = 2026-08-21"))
    assert codes(evaluate(fixed, cert, at=at)) == ["before_reference"]


def test_an_issuer_that_is_not_named_is_not_accepted(make, at):
    wanted = policy(slot("one", "resident.personal", extra='issuers = ["https://b.example"]'))
    assert codes(evaluate(wanted, {"one": [make("resident.personal", ["name"])]}, at=at)) == ["issuer_not_accepted"]


def test_another_type_is_not_an_answer(make, at):
    assert codes(evaluate(policy(PERSONAL), {"one": [make("tax.income", ["name"])]}, at=at)) == ["dcql"]


def test_an_unknown_slot_and_a_naive_time_are_mistakes_of_the_caller(make):
    with pytest.raises(ValueError, match="slot"):
        evaluate(policy(PERSONAL), {"two": []}, at=datetime(2026, 9, 1, tzinfo=UTC))
    with pytest.raises(ValueError, match="aware"):
        evaluate(policy(PERSONAL), {}, at=datetime(2026, 9, 1))


@pytest.mark.parametrize(
    ("op", "value", "born", "now", "holds"),
    [
        ("age>=", 19, "2007-09-01", datetime(2026, 8, 31, 15, 0, tzinfo=UTC), True),
        ("age>=", 19, "2007-09-01", datetime(2026, 8, 31, 14, 59, tzinfo=UTC), False),
        ("age>=", 19, "2008-02-29", datetime(2027, 2, 28, 3, 0, tzinfo=UTC), False),
        ("age>=", 19, "2008-02-29", datetime(2027, 2, 28, 15, 0, tzinfo=UTC), True),
        ("year_age>=", 19, "2007-12-31", datetime(2025, 12, 31, 15, 0, tzinfo=UTC), True),
        ("year_age>=", 19, "2007-01-01", datetime(2025, 12, 31, 14, 59, tzinfo=UTC), False),
    ],
    ids=[
        "KR-06 midnight of the birthday in Korea",
        "KR-06 one minute before",
        "KR-06 born on 29 February, on the 28th",
        "KR-06 born on 29 February, on 1 March",
        "KR-06 year age from 1 January",
        "KR-06 year age a minute before",
    ],
)
def test_kr_06_ages_are_counted_by_the_korean_date(op, value, born, now, holds, make):
    wanted = policy(
        slot("one", "edu.enrolment", claims='["birthDate"]'),
        rule=f'rule = "predicate"\nslot = "one"\npath = "birthDate"\nop = "{op}"\nvalue = {value}',
    )
    cert = make("edu.enrolment", ["birthDate"], change={"birthDate": born})
    assert codes(evaluate(wanted, {"one": [cert]}, at=now)) == ([] if holds else ["predicate"])


def test_kr_05_an_unknown_birth_date_is_not_guessed(make, at):
    wanted = policy(
        slot("one", "edu.enrolment", claims='["birthDate"]'),
        rule='rule = "predicate"\nslot = "one"\npath = "birthDate"\nop = "age>="\nvalue = 19',
    )
    cert = make("edu.enrolment", ["birthDate"], change={"birthDate": "1940-00-00"})
    assert codes(evaluate(wanted, {"one": [cert]}, at=at)) == ["claim_type"]


INCOME = slot("one", "tax.income", claims='["incomes"]')


@pytest.mark.parametrize(
    ("op", "value", "over", "expected"),
    [
        (">=", "49500000", "all", []),
        (">=", "49500001", "all", ["predicate"]),
        (">=", "52000000", "any", []),
        (">=", "52000001", "any", ["predicate"]),
        ("<=", "132500000", "sum", []),
        ("<=", "132499999", "sum", ["predicate"]),
        ("range", "[31000000, 52000000]", "all", ["predicate"]),
        ("range", "[1, 52000000]", "all", []),
        ("==", "52000000", "any", []),
        ("in", "[1, 2]", "any", ["predicate"]),
        (">=", '"x"', "all", ["claim_type"]),
    ],
)
def test_predicates(op, value, over, expected, make, at):
    wanted = policy(
        INCOME,
        rule=f'rule = "predicate"\nslot = "one"\npath = "incomes[].amount"\nop = "{op}"\nvalue = {value}\nover = "{over}"',
    )
    low = 1 if "[1, 5" in value else 31_000_000 if over == "sum" else 49_500_000
    rows = [{"year": 2025, "kind": "wage", "amount": 52_000_000}, {"year": 2024, "kind": "wage", "amount": 49_500_000}]
    rows.append({"year": 2023, "kind": "wage", "amount": low if op != "range" or low == 1 else 30_999_999})
    cert = make("tax.income", ["incomes"], change={"incomes": rows}, options={"years": "all"})
    assert codes(evaluate(wanted, {"one": [cert]}, at=at)) == expected


def test_a_predicate_over_all_needs_all_of_them(make, at):
    rule = 'rule = "predicate"\nslot = "one"\npath = "incomes[].amount"\nop = "<="\nvalue = 60000000'
    wanted = policy(slot("one", "tax.income", claims='["incomes[].amount"]'), rule=rule)
    part = make("tax.income", ["incomes[0].amount"], options={"years": "all"})
    found = codes(evaluate(wanted, {"one": [part]}, at=at))
    assert "claim_hidden" in found or "hidden_elements" in found


def test_nothing_is_not_more_than_something(make, at):
    rule = 'rule = "predicate"\nslot = "one"\npath = "incomes[].amount"\nop = ">="\nvalue = 1'
    wanted = policy(INCOME.replace('claims = ["incomes"]', 'may_be_empty = ["incomes"]'), rule=rule)
    cert = make("tax.income", ["incomes"], change={"incomes": []})
    assert codes(evaluate(wanted, {"one": [cert]}, at=at)) == ["claim_empty"]


MARRIAGE = slot(
    "one",
    "family.marriage",
    extra='variants = ["detailed", "general"]\nmay_be_empty = ["history"]',
    claims='["subject.name"]',
)
NEVER_DIVORCED = 'rule = "absence"\nslot = "one"\nlist = "history"\nwhere = { kind = ["divorce", "annulment"] }'
NO_ENTRY = 'rule = "absence"\nslot = "one"\nlist = "history"'


def test_absence_is_proved_by_a_complete_list(make, at):
    shown = ["subject.name", "history"]
    clean = make("family.marriage", shown, change={"history": []}, variant="detailed")
    for rule in (NO_ENTRY, NEVER_DIVORCED):
        assert evaluate(policy(MARRIAGE, rule=rule), {"one": [clean]}, at=at) == []
    divorced = make("family.marriage", shown, variant="detailed")
    for rule in (NO_ENTRY, NEVER_DIVORCED):
        assert codes(evaluate(policy(MARRIAGE, rule=rule), {"one": [divorced]}, at=at)) == ["absence"]


def test_absence_is_not_proved_by_a_hidden_or_missing_list(make, at):
    hidden = make("family.marriage", ["subject.name", "history[0]"], variant="detailed")
    assert "hidden_elements" in codes(evaluate(policy(MARRIAGE, rule=NO_ENTRY), {"one": [hidden]}, at=at))
    withheld = make("family.marriage", ["subject.name"], variant="detailed")
    assert set(codes(evaluate(policy(MARRIAGE, rule=NO_ENTRY), {"one": [withheld]}, at=at))) == {"claim_hidden"}
    general = make("family.marriage", ["subject.name", "history"], variant="general")
    assert set(codes(evaluate(policy(MARRIAGE, rule=NO_ENTRY), {"one": [general]}, at=at))) == {"claim_not_issued"}
    kinds = make("family.marriage", ["subject.name", "history[].reportedOn"], variant="detailed")
    assert "claim_hidden" in codes(evaluate(policy(MARRIAGE, rule=NEVER_DIVORCED), {"one": [kinds]}, at=at))


def test_a_list_issued_in_part_proves_no_absence(make, at):
    wanted = policy(
        slot("one", "resident.personal", claims='["name"]', extra='may_be_empty = ["addressHistory"]'),
        rule='rule = "complete"\nslot = "one"\nlist = "addressHistory"',
    )
    whole = make("resident.personal", ["name", "addressHistory"], options={"addressHistory": "all"})
    assert evaluate(wanted, {"one": [whole]}, at=at) == []
    five_years = make("resident.personal", ["name", "addressHistory"], options={"addressHistory": "last5"})
    assert codes(evaluate(wanted, {"one": [five_years]}, at=at)) == ["claim_not_issued"]


def test_count(make, at):
    def counted(least, most):
        bounds = f"least = {least}" + (f"\nmost = {most}" if most is not None else "")
        rule = f'rule = "count"\nslot = "one"\nlist = "members"\nwhere = {{ relation = "child" }}\n{bounds}'
        wanted = policy(slot("one", "resident.household", claims='["members[].relation"]'), rule=rule)
        return codes(evaluate(wanted, {"one": [make("resident.household", ["members[].relation"])]}, at=at))

    assert counted(2, None) == []
    assert counted(2, 2) == []
    assert counted(3, None) == ["count"]
    assert counted(0, 1) == ["count"]


def two(rule, **claims):
    personal = claims.get("personal", '["name", "rrn"]')
    income = claims.get("income", '["name", "rrn"]')
    person = 'persons.me = { name = "name", rrn = "rrn" }'
    return policy(
        slot("one", "resident.personal", claims=personal, extra=person),
        slot("two", "tax.income", claims=income, extra=person),
        rule=rule,
    )


@pytest.mark.parametrize(
    ("by", "change", "expected"),
    [
        ("rrn", {}, []),
        ("rrn", {"name": "다른이름"}, []),
        ("rrn", {"rrn": "800515-1990121"}, ["different_person"]),
        ("name+birth", {}, []),
        ("name+birth", {"rrn": "800515-1990121"}, []),
        ("name+birth", {"rrn": "800516-1990120"}, ["different_person"]),
        ("name+birth", {"name": "김 가람"}, ["different_person"]),
        ("name", {"rrn": "800516-1990120"}, []),
        ("name", {"name": "김가람가람"}, ["different_person"]),
    ],
)
def test_same_person(by, change, expected, make, at):
    wanted = two(f'rule = "samePerson"\nbetween = ["one.me", "two.me"]\nby = "{by}"')
    number = {"rrnBack": True}
    certs = {
        "one": [make("resident.personal", ["name", "rrn"], options=number)],
        "two": [make("tax.income", ["name", "rrn"], change=change, options=number)],
    }
    assert codes(evaluate(wanted, certs, at=at)) == expected


@pytest.mark.parametrize("by", ["rrn", "name+birth"])
def test_too_little_to_compare_is_not_the_same_person(by, make, at):
    wanted = two(
        f'rule = "samePerson"\nbetween = ["one.me", "two.me"]\nby = "{by}"', personal='["name"]', income='["name"]'
    )
    certs = {"one": [make("resident.personal", ["name"])], "two": [make("tax.income", ["name"])]}
    assert codes(evaluate(wanted, certs, at=at)) == ["person_unlinked"]


def test_kr_03_decomposed_names_compare_equal(make, at):
    wanted = two('rule = "samePerson"\nbetween = ["one.me", "two.me"]\nby = "name"')
    number = {"rrnBack": True}
    one = make("resident.personal", ["name", "rrn"], options=number)
    one.claims["name"] = "\u1100\u1175\u11b7\u1100\u1161\u1105\u1161\u11b7"
    certs = {"one": [one], "two": [make("tax.income", ["name", "rrn"], options=number)]}
    assert evaluate(wanted, certs, at=at) == []


def test_a_hidden_member_leaves_the_question_open(make, at):
    person = 'persons.all = { list = "members", name = "name", birth_date = "rrn.birthDate" }'
    me = 'persons.me = { name = "name", birth_date = "rrn.birthDate" }'
    wanted = policy(
        slot("one", "resident.household", claims='["members[].name"]', extra=person),
        slot("two", "tax.income", claims='["name"]', extra=me),
        rule='rule = "samePerson"\nbetween = ["two.me", "one.all"]\nby = "name"',
    )
    income = make("tax.income", ["name"])
    shown = make("resident.household", ["members[0].name"])
    assert "person_unlinked" not in codes(evaluate(wanted, {"one": [shown], "two": [income]}, at=at))
    hidden = make("resident.household", ["members[1].name"])
    assert "person_unlinked" in codes(evaluate(wanted, {"one": [hidden], "two": [income]}, at=at))
    everybody = make("resident.household", ["members[].name"])
    stranger = make("tax.income", ["name"], change={"name": "이나래"})
    assert codes(evaluate(wanted, {"one": [everybody], "two": [stranger]}, at=at)) == ["different_person"]


def test_a_rule_over_a_slot_nobody_had_to_fill_does_not_apply(make, at):
    rule = 'rule = "samePerson"\nbetween = ["one.me", "two.me"]\nby = "name"'
    person = 'persons.me = { name = "name" }'
    optional = policy(
        slot("one", "resident.personal", extra=person),
        slot("two", "tax.income", extra=person, required=False),
        rule=rule,
    )
    certs = {"one": [make("resident.personal", ["name"])]}
    assert [one for one in check_rules(optional, certs, at=at) if one.rule == "r"] == []
    required = policy(
        slot("one", "resident.personal", extra=person), slot("two", "tax.income", extra=person), rule=rule
    )
    (blocked,) = [one for one in check_rules(required, certs, at=at) if one.rule == "r"]
    assert blocked.blocked_by == "certificates"


def place(value):
    cert = PresentedCertificate(
        code="x",
        type=None,
        claims={"a": value},
        hidden_elements={},
        issuer="",
        issued_on=date(2026, 1, 1),
        format="sd-cwt",
    )
    return cert.places(Address(path=ClaimPath.parse("a")))[0]


HOME = "가람특별시 새솔구 별빛로 12, 101동 1203호"


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (HOME, HOME + " (새솔동, 별빛마을아파트)", True),
        (HOME, "가람특별시  새솔구 별빛로 12 ,101동  1203호", True),
        (HOME, "가람특별시 새솔구 별빛로 12 101동 1203호", True),
        (HOME, "가람특별시 새솔구 별빛로 12, 101-1203", True),
        (HOME, "가람특별시 새솔구 별빛로 12, 제101동 제1203호", True),
        (HOME, "가람특별시 새솔구 별빛로 12, 102동 1203호", False),
        (HOME, "가람특별시 새솔구 별빛로 1, 101동 1203호", False),
        (HOME, "가람특별시 새솔구 별빛로 12-1, 101동 1203호", False),
        (HOME, "가람특별시 새솔구 별빛로 12", None),
        (HOME, "가람특별시 새솔구 새솔동 99-1, 101동 1203호", None),
        ("가람특별시 새솔구 새솔동 99-1", "가람특별시 새솔구 새솔동 99-1번지", True),
        (HOME, {"road": HOME, "jibun": "가람특별시 새솔구 새솔동 99-1"}, True),
        ("가람특별시 새솔구 새솔동 99-1, 101동 1203호", {"road": HOME, "jibun": "가람특별시 새솔구 새솔동 99-1"}, True),
        ("누리도 한빛시 달맞이로 30", "누리도 한빛시 달맞이로 30", True),
        ("누리도 한빛시 달맞이로 ３０", "누리도 한빛시 달맞이로 30", True),
    ],
)  # fmt: skip
def test_addresses_are_the_same_when_they_are_the_same_place(one, other, same):
    assert same_place(place(one), place(other)) is same
    assert same_place(place(other), place(one)) is same


def several(*, rule="", claims='["name", "currentAddress.road"]'):
    """A policy with two slots, of which the first takes several certificates."""
    home = 'addresses.home = { path = "currentAddress.road" }'
    one = slot("one", "resident.personal", claims=claims, extra=home)
    return policy(
        one.replace("required = true", "required = true\nmultiple = true"),
        slot("two", "resident.personal", claims='["name", "currentAddress.road"]', extra=home),
        rule=rule,
    )


@pytest.mark.parametrize("between", ['["one.home", "two.home"]', '["two.home", "one.home"]'])
@pytest.mark.parametrize("wrong", [None, 0, 1])
def test_of_several_certificates_in_a_slot_each_is_at_the_same_address(make, at, between, wrong):
    wanted = several(rule=f'rule = "sameAddress"\nbetween = {between}')
    paths = ["name", "currentAddress.road"]
    elsewhere = {"currentAddress.road": "새솔특별시 다른구 다른로 9"}
    shown = [
        make(
            "resident.personal",
            paths,
            issued_on=date(2026, 8, 18 + number),
            change=elsewhere if number == wrong else {},
        )
        for number in range(2)
    ]
    found = evaluate(wanted, {"one": shown, "two": [make("resident.personal", paths)]}, at=at)
    assert codes(found) == ([] if wrong is None else ["different_address"])


def test_one_certificate_does_not_count_as_two(make, at):
    wanted = several(claims='["name"]')
    two = {"two": [make("resident.personal", ["name", "currentAddress.road"])]}

    def found(*shown):
        return codes(evaluate(wanted, {"one-1": list(shown[:1]), "one-2": list(shown[1:]), **two}, at=at))

    one = make("resident.personal", ["name"])
    assert found(one) == []
    assert found(one, make("resident.personal", ["name"], issued_on=date(2026, 8, 19))) == []
    assert found(one, make("resident.personal", ["name"], change={"name": "김다른"})) == []
    assert found(one, make("resident.personal", ["name"], issuer="https://b.example")) == []
    assert found(one, one) == ["manual"]
    assert found(one, make("resident.personal", ["name"])) == ["manual"], "another copy of it"
    more = make("resident.personal", ["name", "currentAddress"])
    assert found(one, more) == ["manual"], "showing more of it makes no other of it"
    assert found(one, one, one) == ["manual"], "said once"
