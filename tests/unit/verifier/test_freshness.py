"""Every verdict says how old trust and status are, and under which rule that is good."""

from __future__ import annotations

import copy
import json
from datetime import timedelta

import pytest

from tests.desk import AT, DAY, FORMATS, LIST, Desk, asked, codes, seconds
from vcred.freshness import FreshnessState, LimitRule, Subject
from vcred.reasons import Outcome
from verifier import Challenge, CheckStatus, MemoryRequestStore, VerificationPolicy

HOUR = timedelta(hours=1)


@pytest.fixture(scope="module")
def desk():
    return Desk()


@pytest.fixture(scope="module", params=FORMATS)
def form(request):
    return request.param


def judged(desk, form="sd-cwt", *, bundle=None, at=AT, policy=None, change=None, **more):
    """The verdict at ``at`` about an abstract shown under bank.address-change."""
    verifier = desk.verifier(bundle)
    text = VerificationPolicy.preset("bank.address-change").source
    for old, new in (change or {}).items():
        assert old in text
        text = text.replace(old, new, 1)
    request = verifier.request(VerificationPolicy.load(text), freshness=Challenge(), at=at, formats=(form,))
    answer = desk.present(request, {"residence-1": (form, desk.certificate("resident.personal", form, **more))}, at=at)
    return verifier.verify(answer, request=request, at=at)


def test_an_accepted_verdict(desk, form):
    result = judged(desk, form)
    assert result
    trust, status = result.freshness
    assert (trust.subject, trust.age, trust.limit.rule) == (Subject.TRUST, DAY, LimitRule.POLICY)
    assert trust.limit.age == 720 * HOUR
    assert (status.subject, status.certificate, status.age) == (Subject.STATUS, "residence-1", HOUR)
    assert status.limit.source in ("bank.address-change", "resident.personal")
    assert (trust.good, status.good) == (True, True)
    assert (result.trust_age, result.certificates[0].status_age) == (trust.age, status.age)
    out = json.loads(json.dumps(result.to_json()))
    assert out["freshness"] == [one.to_json() for one in result.freshness]
    assert out["freshness"][1]["text"]["ko"].startswith("폐기 목록: 1시간 전에 서명됨.")


def test_the_stricter_of_policy_and_type_is_named(desk):
    of_type = desk.catalog["resident.personal"].status.max_age
    hours = int(of_type / HOUR)
    for wanted, rule, source in (
        (hours + 1, LimitRule.TYPE, "resident.personal"),
        (hours - 1, LimitRule.POLICY, "bank.address-change"),
    ):
        change = {"required = true\nmax_age_hours = 168": f"required = true\nmax_age_hours = {wanted}"}
        (_, status) = judged(desk, change=change).freshness
        assert (status.limit.rule, status.limit.source) == (rule, source)
        age = timedelta(hours=min(wanted, hours))
        bundle = desk.bundle(status_at=AT - age - seconds(1))
        late = judged(desk, bundle=bundle, change=change)
        assert late.outcome is Outcome.INDETERMINATE
        assert codes(late) == {"stale"}
        assert (late.freshness[1].good, late.freshness[1].limit.rule) == (False, rule)
        assert judged(desk, bundle=desk.bundle(status_at=AT - age), change=change)


def test_trust_older_than_the_policy_allows_decides_nothing(desk, form):
    change = {"[trust]\nmax_age_hours = 720": "[trust]\nmax_age_hours = 23"}
    result = judged(desk, form, change=change)
    assert result.outcome is Outcome.INDETERMINATE
    (reason,) = result.reasons
    assert (reason.code.value, reason.path) == ("stale", "trust")
    assert result.check("trust_age").status is CheckStatus.UNDECIDED
    assert (
        result.freshness[0]
        .text("en")
        .endswith("Good for 23 hours only (policy bank.address-change): too old to decide.")
    )
    assert result.freshness[1].good
    assert judged(desk, form, change={"[trust]\nmax_age_hours = 720": "[trust]\nmax_age_hours = 24"})


def test_a_bundle_past_its_expiry_says_so(desk):
    bundle = desk.bundle(expires=AT)
    result = judged(desk, bundle=bundle)
    assert codes(result) == {"bundle_expired"}
    trust = result.freshness[0]
    assert (trust.good, trust.age, trust.limit.rule, trust.limit.age) == (False, DAY, LimitRule.BUNDLE, DAY)


def test_a_list_that_was_not_seen_is_never_good(desk, form):
    result = judged(desk, form, bundle=desk.bundle(with_status=False))
    assert codes(result) == {"status_unknown"}
    assert result.freshness[1].state is FreshnessState.UNSEEN
    assert result.certificates[0].status_age is None
    assert "알 수 없습니다" in result.freshness[1].text("ko")


def test_a_certificate_without_status_says_that_nothing_was_checked(desk, form):
    lenient = {"[status]\nrequired = true": "[status]\nrequired = false"}
    result = judged(desk, form, change=lenient, status=None)
    assert result
    assert result.freshness[1].state is FreshnessState.NONE
    assert result.freshness[1].good is None
    assert "Revocation was not checked" in result.to_json()["freshness"][1]["text"]["en"]
    refused = judged(desk, form, status=None)
    assert codes(refused) == {"status_missing"}
    assert refused.freshness[1].state is FreshnessState.NONE


def test_a_rejected_verdict_says_it_too(desk, form):
    revoked = judged(desk, form, bundle=desk.bundle(status={7: 1}))
    assert revoked.outcome is Outcome.REJECTED
    assert [one.good for one in revoked.freshness] == [True, True]
    forged = judged(desk, form, signer=desk.stranger)
    assert forged.outcome is Outcome.REJECTED
    assert forged.freshness[0].good
    assert forged.freshness[1].state is FreshnessState.UNKNOWN


def test_revoked_in_an_old_list_is_rejected_and_the_age_is_said(desk):
    result = judged(desk, bundle=desk.bundle(status={7: 1}, status_at=AT - 29 * DAY))
    assert codes(result) == {"revoked"}
    assert (result.freshness[1].good, result.freshness[1].age) == (False, 29 * DAY)


def test_by_a_wrong_clock_nothing_has_an_age(desk):
    requests = MemoryRequestStore()
    verifier = desk.verifier(requests=requests)
    request = asked(verifier)
    answer = desk.present(request, {"residence-1": ("sd-cwt", desk.certificate("resident.personal"))})
    requests.observe(int((AT + DAY).timestamp()))
    result = verifier.verify(answer, request=request, at=AT)
    assert "clock" in codes(result)
    assert {one.state for one in result.freshness} == {FreshnessState.UNKNOWN}
    assert result.trust_age is None


def test_without_a_readable_answer_the_age_of_trust_is_said(desk):
    verifier = desk.verifier()
    (trust,) = verifier.verify(b"nothing", request=asked(verifier), at=AT).freshness
    assert (trust.good, trust.limit.rule) == (True, LimitRule.POLICY)
    other = asked(verifier)
    forgotten = desk.verifier()
    answer = desk.present(other, {"residence-1": ("sd-cwt", desk.certificate("resident.personal"))})
    result = forgotten.verify(answer, request=other, at=AT)
    assert codes(result) == {"request_expired"}
    assert result.freshness[0].limit.rule is LimitRule.BUNDLE


def test_every_certificate_has_its_own(desk):
    verifier = desk.verifier()
    request = asked(verifier, policy="bank.credit-loan")
    shown = {
        "work-1": ("sd-cwt", desk.certificate("work.employment")),
        "income": ("sd-cwt", desk.certificate("tax.income", signer=desk.stranger)),
    }
    result = verifier.verify(desk.present(request, shown), request=request, at=AT)
    assert [(one.subject.value, one.certificate) for one in result.freshness] == [
        ("trust", ""),
        ("status", "work-1"),
        ("status", "income"),
    ]
    assert [one.good for one in result.freshness] == [True, True, None]


def test_an_unusable_list_is_not_seen(desk):
    from vcred.status import StatusList, build_status_token

    token = build_status_token(
        uri=LIST,
        status_list=StatusList.build(bits=1, size=64, values={}),
        signer=desk.stranger,
        issued_at=AT - HOUR,
        expires_at=AT + DAY,
        ttl=None,
        form="cwt",
    )
    bundle = copy.copy(desk.bundle(with_status=False))
    bundle._status = type(bundle._status)({LIST: token}, bundle._signers)
    result = judged(desk, bundle=bundle)
    assert codes(result) == {"status_signature"}
    assert result.freshness[1].state is FreshnessState.UNSEEN
