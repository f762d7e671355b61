"""Ages, limits and their sentences."""

from __future__ import annotations

import json
import string
import tomllib
from datetime import UTC, datetime, timedelta
from importlib.resources import files

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vcred.credential import StatusReference
from vcred.errors import RefusedError
from vcred.freshness import (
    Freshness,
    FreshnessState,
    Limit,
    LimitRule,
    Subject,
    age_text,
    span_text,
    trust_freshness,
)
from vcred.keys import SoftwareSigner
from vcred.status import (
    StatusList,
    StatusSnapshot,
    build_status_token,
    check_status,
    parse_status_token,
    status_freshness,
)

AT = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
URI = "https://garam.example/status/1"
POLICY = Limit(age=72 * HOUR, rule=LimitRule.POLICY, source="bank.credit-loan")
TYPE = Limit(age=168 * HOUR, rule=LimitRule.TYPE, source="tax.income")
KEY = SoftwareSigner.generate()
LIST = StatusList.build(bits=1, size=64, values={})


def snapshot(age, *, lifetime=30 * DAY, ttl=None):
    token = parse_status_token(
        build_status_token(
            uri=URI,
            status_list=LIST,
            signer=KEY,
            issued_at=AT - age,
            expires_at=AT - age + lifetime,
            ttl=ttl,
            form="cwt",
        )
    )
    return StatusSnapshot(
        uri=URI,
        token=token,
        verified_by="x",
        issued_at=token.issued_at,
        expires_at=token.expires_at,
        ttl=token.ttl,
    )


def judged(age, limits=(POLICY, TYPE), **more):
    return status_freshness(snapshot(age, **more), limits=limits, certificate="income", at=AT)


def test_the_policy_binds_where_it_is_stricter():
    found = judged(3 * HOUR)
    assert (found.state, found.good, found.age, found.limit) == (FreshnessState.GOOD, True, 3 * HOUR, POLICY)
    assert found.text("ko") == "폐기 목록: 3시간 전에 서명됨. 72시간까지 인정(정책 bank.credit-loan)."
    assert found.text("en") == "Status list: signed 3 hours ago. Good for 72 hours (policy bank.credit-loan)."
    assert found.short("ko") == "3시간 전"


def test_the_type_binds_where_it_is_stricter():
    strict = Limit(age=24 * HOUR, rule=LimitRule.TYPE, source="id.resident_mobile")
    found = judged(30 * HOUR, limits=(POLICY, strict))
    assert (found.good, found.limit) == (False, strict)
    assert found.text("ko").startswith(
        "폐기 목록: 30시간 전에 서명됨. 24시간까지만 인정(증명서 종류 id.resident_mobile)."
    )
    assert "24 hours only (certificate type id.resident_mobile)" in found.text("en")


@pytest.mark.parametrize("more", [{"lifetime": 2 * HOUR}, {"ttl": 2 * HOUR}])
def test_the_lists_own_limit_binds_where_it_is_stricter(more):
    assert judged(HOUR, **more).limit == Limit(age=2 * HOUR, rule=LimitRule.LIST, source=URI)
    late = judged(3 * HOUR, **more)
    assert (late.good, late.limit.rule) == (False, LimitRule.LIST)
    assert "폐기 목록이 정한 기한" in late.text("ko")
    assert "the list's own limit" in late.text("en")


def test_a_list_from_the_future_has_no_age():
    found = judged(-5 * timedelta(minutes=1))
    assert (found.state, found.good, found.age, found.limit) == (FreshnessState.UNKNOWN, None, None, None)
    assert judged(-timedelta(seconds=30)).age == timedelta(0)


@given(
    age=st.integers(-120, 400),
    policy=st.integers(1, 300),
    kind=st.integers(1, 300),
    lifetime=st.integers(1, 300),
    ttl=st.none() | st.integers(1, 300),
)
def test_good_is_what_the_check_lets_pass(age, policy, kind, lifetime, ttl):
    limits = (
        Limit(age=timedelta(seconds=policy), rule=LimitRule.POLICY, source="p.q"),
        Limit(age=timedelta(seconds=kind), rule=LimitRule.TYPE, source="a.b"),
    )
    listed = HELD | {
        "issued_at": int(AT.timestamp()) - age,
        "expires_at": int(AT.timestamp()) - age + lifetime,
        "ttl": ttl,
    }
    found = StatusSnapshot(**listed)
    said = status_freshness(found, limits=limits, certificate="", at=AT)
    try:
        check_status(StatusReference(uri=URI, index=1), found, max_age=timedelta(seconds=min(policy, kind)), at=AT)
    except RefusedError:
        assert said.good is not True
    else:
        assert said.good is True
        assert said.age <= said.limit.age


HELD = {"uri": URI, "token": snapshot(HOUR).token, "verified_by": "x"}


def test_trust_is_good_until_the_bundle_expires_and_no_longer_than_the_policy_says():
    strict = Limit(age=168 * HOUR, rule=LimitRule.POLICY, source="bank.id-check")

    def trust(age, policy=strict, life=30 * DAY):
        return trust_freshness(version=7, signed_at=AT - age, expires_at=AT - age + life, policy=policy, at=AT)

    assert trust(3 * DAY).text("ko") == "신뢰 목록: 72시간 전에 확인됨. 7일까지 인정(정책 bank.id-check)."
    assert (
        trust(3 * DAY).text("en") == "Trust bundle: vouched for 72 hours ago. Good for 7 days (policy bank.id-check)."
    )
    assert (trust(8 * DAY).good, trust(8 * DAY).limit) == (False, strict)
    alone = trust(8 * DAY, policy=None)
    assert (alone.good, alone.limit.rule, alone.limit.source) == (True, LimitRule.BUNDLE, "7")
    assert alone.text("ko").endswith("30일까지 인정(신뢰 목록의 유효기간).")
    short = trust(6 * DAY, life=6 * DAY)
    assert (short.good, short.limit.rule) == (False, LimitRule.BUNDLE)
    assert short.text("en").endswith("Good for 6 days only (the bundle's own validity): too old to decide.")
    assert trust(-HOUR).state is FreshnessState.UNKNOWN
    assert trust(7 * DAY).good
    assert not trust(7 * DAY + timedelta(seconds=1)).good


def test_what_was_not_seen_has_a_sentence_and_no_age():
    found = {state: Freshness(subject=Subject.STATUS, state=state) for state in FreshnessState if state not in SEEN}
    assert len({one.text("ko") for one in found.values()}) == len(found)
    assert len({one.text("en") for one in found.values()}) == len(found)
    assert "확인하지 않았습니다" in found[FreshnessState.NONE].text("ko")
    assert "Revocation was not checked" in found[FreshnessState.NONE].text("en")
    assert {one.good for one in found.values()} == {None}
    assert found[FreshnessState.NONE].short("en") == "not checked"


SEEN = (FreshnessState.GOOD, FreshnessState.STALE)


@pytest.mark.parametrize("state", FreshnessState)
def test_an_age_belongs_to_what_was_seen(state):
    age = {} if state in SEEN else {"age": HOUR, "limit": POLICY}
    with pytest.raises(ValueError, match="seen"):
        Freshness(subject=Subject.STATUS, state=state, **age)


def test_json_says_the_same():
    out = json.loads(json.dumps(judged(80 * HOUR).to_json()))
    assert out.pop("text").keys() == {"ko", "en"}
    assert out == {
        "subject": "status",
        "certificate": "income",
        "state": "stale",
        "good": False,
        "age": 80 * 3600,
        "limit": 72 * 3600,
        "rule": "policy",
        "source": "bank.credit-loan",
    }
    none = Freshness(subject=Subject.STATUS, state=FreshnessState.NONE).to_json()
    assert (none["age"], none["limit"], none["rule"], none["source"], none["good"]) == (None,) * 5


@pytest.mark.parametrize(
    ("seconds", "ko", "en"),
    [
        (0, "0초", "0 seconds"),
        (59, "59초", "59 seconds"),
        (60, "1분", "1 minute"),
        (3599, "59분", "59 minutes"),
        (3600, "1시간", "1 hour"),
        (86400, "24시간", "24 hours"),
        (4 * 86400 - 1, "95시간", "95 hours"),
        (4 * 86400, "4일", "4 days"),
    ],
)
def test_lengths_of_time(seconds, ko, en):
    span = timedelta(seconds=seconds)
    assert (span_text(span, "ko"), span_text(span, "en")) == (ko, en)


def test_ages_in_words():
    assert (age_text(timedelta(seconds=5), "ko"), age_text(timedelta(seconds=5), "en")) == ("방금", "just now")
    assert (age_text(8 * DAY, "ko"), age_text(8 * DAY, "en")) == ("8일 전", "8 days ago")
    assert (age_text(-8 * DAY, "ko"), age_text(-8 * DAY, "en")) == ("8일 뒤", "8 days from now")
    just = judged(timedelta(seconds=5))
    assert just.text("ko").startswith("폐기 목록: 방금 서명됨.")
    for call in (lambda: age_text(HOUR, "fr"), lambda: span_text(HOUR, "fr"), lambda: just.text("fr")):
        with pytest.raises(ValueError, match="lang"):
            call()


def test_every_state_and_rule_has_its_words():
    words = tomllib.loads(files("vcred.i18n").joinpath("freshness.toml").read_text(encoding="utf-8"))
    assert set(words["rule"]) == set(LimitRule)
    assert set(words["status"]) == set(FreshnessState)
    assert set(words["trust"]) == {FreshnessState.GOOD, FreshnessState.STALE, FreshnessState.UNKNOWN}
    for table in words.values():
        for texts in table.values():
            fields = [
                {name for _, name, _, _ in string.Formatter().parse(texts[lang]) if name} for lang in ("ko", "en")
            ]
            assert fields[0] == fields[1]
