"""Every preset: a set of certificates it accepts, and its main refusals."""

from datetime import date

import pytest

from vcred.policy import compile_policy, evaluate, lint
from vcred.reasons import ReasonCode
from verifier.policy import VerificationPolicy, lint_presets, preset_ids

CHILD_BASIC = {"variant": "specific", "options": {"rrnBack": "own"}}


def codes(found):
    return {one.code.value for one in found}


def test_every_preset_is_clean_against_the_catalogue(catalog):
    assert lint_presets(catalog) == []
    assert set(preset_ids()) >= {
        "bank.address-change",
        "bank.credit-loan",
        "bank.id-check",
        "bank.inheritance",
        "bank.minor-account",
        "city.benefit",
        "employer.prehire",
        "office.welfare",
        "school.transfer",
        "shop.adult",
    }


@pytest.mark.parametrize("policy_id", preset_ids())
def test_every_preset_becomes_a_query_for_both_formats(policy_id, catalog):
    policy = VerificationPolicy.preset(policy_id)
    for formats in (("sd-cwt",), ("dc+sd-jwt", "sd-cwt")):
        query = compile_policy(policy, catalog, formats)
        assert {one.format for one in query.credentials} == set(formats)
        assert type(query).parse(query.to_json()) == query


@pytest.mark.parametrize("policy_id", preset_ids())
def test_every_preset_speaks_both_languages_and_misses_what_is_missing(policy_id, at):
    policy = VerificationPolicy.preset(policy_id)
    for text in (policy.name, policy.purpose, policy.asks, policy.retention.text, *(one.name for one in policy.slots)):
        assert text("ko")
        assert text("en").isascii() or "초본" in text("en")
    assert "missing_certificate" in codes(evaluate(policy, {}, at=at))


def test_id_check(answer, preset, at, catalog):
    policy = preset("bank.id-check")
    for code in ("id.resident_mobile", "id.driver_mobile", "id.foreigner_mobile"):
        change = {"photo": catalog["id.resident_mobile"].sample["photo"]}
        card = answer(policy, "identity", code, change=change)
        assert evaluate(policy, {"identity": [card]}, at=at) == []
    lost = answer(policy, "identity", "id.resident_mobile", change={"cardState": "lost"})
    assert codes(evaluate(policy, {"identity": [lost]}, at=at)) == {"predicate"}
    hidden = answer(policy, "identity", "id.resident_mobile", without=["rrn"])
    assert codes(evaluate(policy, {"identity": [hidden]}, at=at)) == {"rrn_hidden"}
    over = {"photo": catalog["id.resident_mobile"].sample["photo"], "stayUntil": date(2026, 8, 31)}
    stay = answer(policy, "identity", "id.foreigner_mobile", change=over)
    assert codes(evaluate(policy, {"identity": [stay]}, at=at)) == {"expired"}


def test_address_change(answer, preset, at, days):
    policy = preset("bank.address-change")
    for code in ("resident.personal", "resident.household"):
        assert evaluate(policy, {"residence": [answer(policy, "residence", code)]}, at=at) == []
    old = answer(policy, "residence", "resident.personal", issued_on=days(31))
    assert codes(evaluate(policy, {"residence": [old]}, at=at)) == {"too_old"}
    hidden = answer(policy, "residence", "resident.personal", without=["currentAddress.road"])
    assert "claim_hidden" not in codes(evaluate(policy, {"residence": [hidden]}, at=at)), (
        "the road goes with its parent"
    )
    hidden = answer(policy, "residence", "resident.personal", without=["currentAddress.movedInOn"])
    assert codes(evaluate(policy, {"residence": [hidden]}, at=at)) == {"claim_hidden"}
    number = answer(
        policy, "residence", "resident.personal", also=["rrn.serial", "rrn.sexDigit"], options={"rrnBack": True}
    )
    assert codes(evaluate(policy, {"residence": [number]}, at=at)) == {"forbidden_claim"}
    unnamed = answer(policy, "residence", "resident.household", options={"names": False})
    assert {"option", "claim_not_issued"} <= codes(evaluate(policy, {"residence": [unnamed]}, at=at))
    gone = answer(policy, "residence", "resident.household", change={"household.registerState": "deleted"})
    assert codes(evaluate(policy, {"residence": [gone]}, at=at)) == {"predicate"}


def test_credit_loan(answer, preset, at, days):
    policy = preset("bank.credit-loan")
    work = answer(policy, "work", "work.employment")
    income = answer(policy, "income", "tax.income")
    assert evaluate(policy, {"work": [work], "income": [income]}, at=at) == []
    insured = answer(policy, "work", "nhis.eligibility_history", options={"history": "current"})
    assert evaluate(policy, {"work-2": [insured], "income": [income]}, at=at) == []
    recent = answer(policy, "work", "work.employment", change={"joinedOn": date(2026, 7, 1)})
    assert codes(evaluate(policy, {"work": [recent], "income": [income]}, at=at)) == {"predicate"}
    poor = answer(policy, "income", "tax.income", change={"incomes": [{"year": 2025, "kind": "wage", "amount": 1}]})
    assert codes(evaluate(policy, {"work": [work], "income": [poor]}, at=at)) == {"predicate"}
    other = answer(policy, "income", "tax.income", change={"name": "이나래"})
    assert codes(evaluate(policy, {"work": [work], "income": [other]}, at=at)) == {"different_person"}
    old = answer(policy, "income", "tax.income", issued_on=days(40))
    assert codes(evaluate(policy, {"work": [work], "income": [old]}, at=at)) == {"too_old"}


def minor(answer, policy, *, slot="relations_parent", parent=None, basic=None, relations=None, **more):
    variant = more.pop("variant", "general")
    sample = relations
    if slot == "relations_child" and relations is None:
        sample = {
            "subject": {"role": "self", "name": "김하늘별", "birthDate": "2011-03-04", "sex": "female"},
            "relatives": [
                {"role": "father", "name": "김가람", "birthDate": "1980-05-15", "sex": "male"},
                {"role": "mother", "name": "박새솔", "birthDate": "1982-09-21", "sex": "female"},
            ],
        }
    return {
        "parent": [answer(policy, "parent", "id.resident_mobile", change=parent)],
        "child_basic": [answer(policy, "child_basic", "family.basic", change=basic, **(CHILD_BASIC | more))],
        slot: [answer(policy, slot, "family.relations", change=sample, variant=variant)],
    }


def test_minor_account(answer, preset, at):
    policy = preset("bank.minor-account")
    assert evaluate(policy, minor(answer, policy), at=at) == []
    assert evaluate(policy, minor(answer, policy, slot="relations_child"), at=at) == []
    assert evaluate(policy, minor(answer, policy, basic={"custody": []}), at=at) == [], "no entry: both parents"
    other = [{"kind": "sole_custody", "holder": "박새솔"}]
    assert codes(evaluate(policy, minor(answer, policy, basic={"custody": other}), at=at)) == {"relation"}
    adult = {"subject.birthDate": "2000-03-04", "subject.rrn": "000304-4990340"}
    assert "predicate" in codes(evaluate(policy, minor(answer, policy, basic=adult), at=at))
    childless = {"relatives": []}
    found = evaluate(policy, minor(answer, policy, relations=childless), at=at)
    assert "relation" in codes(found)
    without = minor(answer, policy)
    del without["relations_parent"]
    assert codes(evaluate(policy, without, at=at)) == {"missing_certificate"}


def test_minor_account_reasons_a_counter_really_gives(answer, preset, at):
    policy = preset("bank.minor-account")
    general = minor(answer, policy)
    wanted = policy.slot("child_basic").acceptable("family.basic")
    general["child_basic"] = [
        answer(policy, "child_basic", "family.basic", variant="general", options={"rrnBack": "own"})
    ]
    found = codes(evaluate(policy, general, at=at))
    assert {"variant", "claim_not_issued"} <= found, wanted
    masked = minor(answer, policy, options={"rrnBack": "none"})
    assert {"option", "rrn_hidden"} <= codes(evaluate(policy, masked, at=at))
    parents_own = minor(answer, policy, parent={"name": "박새솔", "rrn": "820921-2990230"})
    assert "different_person" in codes(evaluate(policy, parents_own, at=at))


DEAD = {"role": "self", "name": "김한빛", "birthDate": "1950-02-03", "rrn": "500203-1990780", "sex": "male"}
DIED = {"at": "2026-07-01T03:00:00+09:00", "place": "가람특별시"}
HEIR = {"role": "child", "name": "김가람", "birthDate": "1980-05-15", "sex": "male"}
SISTER = {"role": "child", "name": "김노을", "birthDate": "1983-06-30", "sex": "female"}


def inheritance(answer, policy, *, relatives=(HEIR,), death=DIED, subject=DEAD, more=()):
    own = {"variant": "detailed", "options": {"rrnBack": "own"}}
    detailed = {"variant": "detailed"}
    return {
        "heir": [answer(policy, "heir", "id.resident_mobile")],
        "consent": [answer(policy, "consent", "seal.signature")],
        "deceased_basic": [
            answer(policy, "deceased_basic", "family.basic", change={"subject": DEAD, "death": death}, **own)
        ],
        "deceased_relations": [
            answer(
                policy,
                "deceased_relations",
                "family.relations",
                change={"subject": subject, "relatives": list(relatives)},
                **detailed,
            )
        ],
        "deceased_marriage": [
            answer(policy, "deceased_marriage", "family.marriage", change={"subject": DEAD}, **detailed)
        ],
        **dict(more),
    }


def test_inheritance(answer, preset, at):
    policy = preset("bank.inheritance")
    assert evaluate(policy, inheritance(answer, policy), at=at) == []
    several = evaluate(policy, inheritance(answer, policy, relatives=[HEIR, SISTER]), at=at)
    assert codes(several) == {"manual"}
    assert "상속인" in several[0].note("ko")
    alive = evaluate(policy, inheritance(answer, policy, death=None), at=at)
    assert {"claim_empty", "predicate"} == codes(alive)
    assert "relation" in codes(evaluate(policy, inheritance(answer, policy, relatives=[SISTER]), at=at))
    other = evaluate(policy, inheritance(answer, policy, subject=DEAD | {"name": "김은하"}), at=at)
    assert codes(other) == {"different_person"}
    register = {"old_register": [answer(policy, "old_register", "family.jejeok")]}
    assert codes(evaluate(policy, inheritance(answer, policy, more=register), at=at)) == {"manual"}


def transfer(answer, policy, **change):
    pupil = {"name": "김바다", "birthDate": "2015-07-30"} | change.pop("pupil", {})
    return {
        "household": [answer(policy, "household", "resident.household", change=change.pop("household", None))],
        "pupil": [answer(policy, "pupil", "edu.enrolment", change=pupil)],
        "guardian": [answer(policy, "guardian", "id.resident_mobile", change=change.pop("guardian", None))],
    }


def test_school_transfer(answer, preset, at):
    policy = preset("school.transfer")
    assert evaluate(policy, transfer(answer, policy), at=at) == []
    stranger = transfer(answer, policy, pupil={"name": "이나래"})
    assert codes(evaluate(policy, stranger, at=at)) == {"different_person"}
    moved = transfer(answer, policy, guardian={"address": "가람특별시 은하구 미리내길 7, 101동 1203호"})
    assert codes(evaluate(policy, moved, at=at)) == {"different_address"}
    done = transfer(answer, policy, pupil={"state": "completed"})
    assert codes(evaluate(policy, done, at=at)) == {"predicate"}
    basic = {"subject.name": "김바다", "subject.birthDate": "2015-07-30", "subject.rrn": "150730-3990450"}
    custody = transfer(answer, policy)
    custody["custody"] = [answer(policy, "custody", "family.basic", change=basic, variant="detailed")]
    assert evaluate(policy, custody, at=at) == []
    basic["custody"] = [{"kind": "sole_custody", "holder": "박새솔"}]
    custody["custody"] = [answer(policy, "custody", "family.basic", change=basic, variant="detailed")]
    assert codes(evaluate(policy, custody, at=at)) == {"relation"}


def test_employer_prehire_forbids_what_must_not_be_asked(answer, preset, at, catalog):
    policy = preset("employer.prehire")
    education = answer(policy, "education", "edu.graduation")
    career = answer(policy, "career", "work.career")
    skill = answer(policy, "qualification", "qual.national_tech")
    assert evaluate(policy, {"education": [education]}, at=at) == []
    assert evaluate(policy, {"education": [education], "career": [career], "qualification": [skill]}, at=at) == []
    born = answer(policy, "education", "edu.graduation", also=["birthDate"])
    assert codes(evaluate(policy, {"education": [born]}, at=at)) == {"forbidden_claim"}
    number = answer(policy, "education", "edu.graduation", also=["rrn.birthDate"], options={"rrn": "full"})
    assert codes(evaluate(policy, {"education": [number]}, at=at)) == {"forbidden_claim"}
    other = answer(policy, "career", "work.career", change={"name": "이나래"})
    assert codes(evaluate(policy, {"education": [education], "career": [other]}, at=at)) == {"different_person"}
    asking = policy.source.replace('code = "work.career"', 'code = "family.relations"')
    found = lint(VerificationPolicy.load(asking), catalog)
    assert any("forbids" in str(one) for one in found)


def test_city_benefit(answer, preset, at):
    policy = preset("city.benefit")
    assert evaluate(policy, {"card-1": [answer(policy, "card", "id.e_citizen")]}, at=at) == []
    assert evaluate(policy, {"card-2": [answer(policy, "card", "welfare.disability")]}, at=at) == []
    none = answer(policy, "card", "id.e_citizen", change={"entitlements": []})
    assert "claim_empty" in codes(evaluate(policy, {"card-1": [none]}, at=at))
    over = answer(policy, "card", "id.e_citizen", change={"expiresOn": date(2026, 8, 31)})
    assert codes(evaluate(policy, {"card-1": [over]}, at=at)) == {"expired"}
    named = answer(policy, "card", "id.e_citizen", also=["name"])
    assert codes(evaluate(policy, {"card-1": [named]}, at=at)) == {"forbidden_claim"}
    residence = answer(policy, "card", "id.e_citizen", options={"contents": "residence"})
    assert {"option", "claim_not_issued"} <= codes(evaluate(policy, {"card-1": [residence]}, at=at))


def test_shop_adult(answer, preset, at):
    policy = preset("shop.adult")
    assert evaluate(policy, {"card-1": [answer(policy, "card", "id.resident_mobile")]}, at=at) == []
    young = answer(policy, "card", "id.resident_mobile", change={"rrn": "110304-4990340"})
    assert codes(evaluate(policy, {"card-1": [young]}, at=at)) == {"predicate"}
    lost = answer(policy, "card", "id.resident_mobile", change={"cardState": "lost"})
    assert codes(evaluate(policy, {"card-1": [lost]}, at=at)) == {"predicate"}
    chatty = answer(policy, "card", "id.resident_mobile", also=["birthDate"])
    assert codes(evaluate(policy, {"card-1": [chatty]}, at=at)) == {"forbidden_claim"}


def welfare(answer, policy, *, cohabitants=(), income=None, **more):
    options = {"rrnBack": "all", "cohabitants": True}
    return {
        "household": [
            answer(
                policy,
                "household",
                "resident.household",
                change={"cohabitants": list(cohabitants)},
                options=options | more.pop("options", {}),
            )
        ],
        "income": [answer(policy, "income", "tax.income", change=income, options={"rrnBack": True})],
        **more,
    }


def test_office_welfare(answer, preset, at):
    policy = preset("office.welfare")
    assert evaluate(policy, welfare(answer, policy), at=at) == []
    assert evaluate(policy, welfare(answer, policy, income={"incomes": []}), at=at) == [], "no income is an answer"
    rich = {"incomes": [{"year": 2025, "kind": "wage", "amount": 60_000_001}]}
    assert codes(evaluate(policy, welfare(answer, policy, income=rich), at=at)) == {"predicate"}
    other = welfare(answer, policy, income={"rrn": "820921-2990230"})
    assert codes(evaluate(policy, other, at=at)) == {"different_person"}
    guest = [{"name": "이나래", "rrn": "930212-2990560"}]
    assert codes(evaluate(policy, welfare(answer, policy, cohabitants=guest), at=at)) == {"manual"}
    masked = welfare(answer, policy, options={"rrnBack": "own"})
    assert {"option", "rrn_hidden"} <= codes(evaluate(policy, masked, at=at))
    lease = welfare(answer, policy, lease=[answer(policy, "lease", "housing.lease_fixed_date")])
    assert evaluate(policy, lease, at=at) == []
    elsewhere = answer(policy, "lease", "housing.lease_fixed_date", change={"location": "누리도 한빛시 달맞이로 30"})
    assert codes(evaluate(policy, welfare(answer, policy, lease=[elsewhere]), at=at)) == {"different_address"}
    member = {"name": "박새솔", "rrn": "820921-2990230"}
    options = {"severity": True, "rrnBack": True}
    disabled = answer(policy, "disability", "welfare.disability", change=member, options=options)
    assert evaluate(policy, welfare(answer, policy, disability=[disabled]), at=at) == []
    stranger = answer(policy, "disability", "welfare.disability", options=options)
    assert codes(evaluate(policy, welfare(answer, policy, disability=[stranger]), at=at)) == {"different_person"}


def test_reason_codes_of_findings_are_reason_codes(answer, preset, at):
    policy = preset("shop.adult")
    young = answer(policy, "card", "id.resident_mobile", change={"rrn": "110304-4990340"})
    (finding,) = evaluate(policy, {"card-1": [young]}, at=at)
    assert finding.reason.code is ReasonCode.PREDICATE
    assert finding.reason.path == "card.yearAgeOver19"
    assert "2011" not in str(finding)
