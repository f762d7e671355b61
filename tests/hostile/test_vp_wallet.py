"""Hostile requests as a wallet meets them: VP of threats.md, and asking for more than a purpose allows."""

from datetime import timedelta

import pytest

from tests.wallet_kit import AT, asking, policy, stranger
from vcred import PresentationRequest, ReasonCode
from vcred.errors import ConsentError, MalformedError, RefusedError
from vcred.formats._jose import sign_jws
from vcred.formats._wire import dump_json, parse_json
from vcred.keys import SoftwareSigner
from vcred.presentation import MaxAge
from vcred.testing import World

CODE = "resident.personal"
NUMBER = "id.resident_mobile"
LAW = policy("t.law", ("one", NUMBER, ["name", "rrn"], [], True), rrn="full")


@pytest.fixture(scope="module")
def world():
    made = World(at=AT, policies=[LAW])
    made.issue(CODE)
    made.issue(NUMBER)
    return made


def ask(world, claims, *, identity=None, code=NUMBER, at=AT, **more):
    identity = identity or world.identity
    request = asking(identity, claims, code=code, catalog=world.catalog, **more)
    return world.wallet.match(request.raw, at=at)


def refused(code, world, request, at=AT):
    with pytest.raises(RefusedError) as error:
        world.wallet.match(request, at=at)
    assert error.value.code is code


def resigned(request, signer, **changes):
    payload = parse_json(request.jws.payload, "", max_bytes=32768) | changes
    return sign_jws(dict(request.jws.header), dump_json({k: v for k, v in payload.items() if v is not None}), signer)


def test_vp_01_a_request_that_nobody_signed_or_somebody_else_did(world):
    request = world.request("bank.address-change")
    raw = request.raw.decode()
    header, payload, signature = raw.split(".")
    refused(ReasonCode.SIGNATURE, world, resigned(request, SoftwareSigner.generate()))
    refused(ReasonCode.SIGNATURE, world, f"{header}.{payload}.{'A' * len(signature)}")
    refused(ReasonCode.SIGNATURE, world, f"{header}.{payload}.")


def test_vp_02_client_ids_that_differ_or_name_another_certificate(world):
    request = world.request("bank.address-change")
    other = stranger("가짜")
    with pytest.raises(MalformedError):
        world.wallet.match(request.to_uri().replace(request.client_id.partition(":")[2], "AAAA"), at=AT)
    swapped = asking(world.identity, [["name"]], code=CODE, catalog=world.catalog, x5c=other.chain)
    refused(ReasonCode.READER_UNTRUSTED, world, swapped.raw)


@pytest.mark.parametrize("nonce", [None, "", "x", "AAAA"])
def test_vp_03_a_nonce_that_is_missing_or_too_short(world, nonce):
    request = world.request("bank.address-change")
    with pytest.raises(MalformedError):
        world.wallet.match(resigned(request, world.identity.signer, nonce=nonce), at=AT)


@pytest.mark.parametrize("seconds", [121, 3600, 86_400])
def test_vp_11_a_request_older_than_120_s_whatever_it_says_of_itself(world, seconds):
    request = asking(world.identity, [["name"]], code=CODE, catalog=world.catalog, lifetime=timedelta(days=30))
    assert world.wallet.match(request.raw, at=AT + timedelta(seconds=120)).required
    refused(ReasonCode.REQUEST_EXPIRED, world, request.raw, at=AT + timedelta(seconds=seconds))


def test_vp_11_a_request_from_the_future(world):
    request = world.request("bank.address-change")
    refused(ReasonCode.REQUEST_EXPIRED, world, request.raw, at=AT - timedelta(minutes=6))


def test_vp_11_a_consent_does_not_outlive_its_request(world):
    consent = world.match(world.request("bank.address-change")).approve()
    with pytest.raises(RefusedError) as error:
        world.wallet.present(consent, at=AT + timedelta(seconds=121))
    assert error.value.code is ReasonCode.REQUEST_EXPIRED


@pytest.mark.parametrize("name", ["국민은행", "국⺠은행", "국민은행\u200b", "가람은행 (가상)", "확인됨 ✔ 정부"])
def test_vp_12_an_unregistered_reader_has_no_name_of_its_own(world, name):
    bank = stranger(name)
    asked = ask(world, [["name"]], identity=bank, x5c=bank.chain, purpose=f"{name}\u202e 확인됨 ✔")
    assert not asked.verifier.trusted
    assert asked.verifier.name == "등록되지 않은 요청자"
    assert name not in repr(asked.verifier)
    assert "\u202e" not in asked.purpose
    assert "\\u{202E}" in asked.purpose


def test_vp_12_an_unknown_reader_without_a_certificate_is_refused(world):
    request = asking(stranger("가짜"), [["name"]], code=CODE, catalog=world.catalog)
    refused(ReasonCode.READER_UNTRUSTED, world, request.raw)


@pytest.mark.parametrize(
    "claims",
    [[["rrn", "serial"]], [["rrn", "sexDigit"]], [["rrn"]], [["name"], ["rrn"]]],
    ids=["last digits", "sex digit", "number", "number among others"],
)
def test_a_registration_number_without_a_policy_is_over_asking(world, claims):
    asked = ask(world, claims)
    assert {reason.code for reason in asked.blocked} == {ReasonCode.OVER_ASKING}
    with pytest.raises(ConsentError, match="too much"):
        asked.approve()


def test_a_number_inside_a_whole_row_is_noticed(world):
    asked = ask(world, [["members"]], code="resident.household")
    assert {reason.code for reason in asked.blocked} == {ReasonCode.OVER_ASKING}
    assert not ask(world, [["members", None, "name"]], code="resident.household").blocked


def test_a_policy_whose_law_allows_the_number_may_ask_for_it(world):
    request = world.request("t.law")
    asked = world.match(request)
    assert not asked.blocked
    assert [one.sensitivity for one in asked.required] == ["personal", "identifier"]


def test_a_stranger_cannot_borrow_a_law_by_naming_a_policy(world):
    bank = stranger("가짜")
    asked = ask(world, [["name"], ["rrn"]], identity=bank, x5c=bank.chain, policy="t.law")
    assert {reason.code for reason in asked.blocked} == {ReasonCode.OVER_ASKING}
    assert not ask(world, [["name"]], identity=bank, x5c=bank.chain, policy="t.law").blocked


@pytest.mark.parametrize(
    ("claims", "code", "policy_id"),
    [
        ([["address"]], NUMBER, "t.law"),
        ([["name"]], CODE, "t.law"),
        ([["name"], ["addressHistory"]], CODE, "bank.address-change"),
    ],
    ids=["another claim", "another certificate", "another slot"],
)
def test_what_the_named_policy_does_not_ask_is_over_asking(world, claims, code, policy_id):
    asked = ask(world, claims, code=code, policy=policy_id)
    assert {reason.code for reason in asked.blocked} == {ReasonCode.OVER_ASKING}


def test_a_policy_that_is_not_in_the_bundle_lends_nothing(world):
    assert ask(world, [["rrn"]], policy="made.up").blocked
    assert not ask(world, [["name"]], policy="made.up").blocked


def test_a_bundle_out_of_date_lends_no_law():
    world = World(at=AT, policies=[LAW])
    world.issue(NUMBER)
    late = AT + timedelta(days=31)
    asked = world.wallet.match(
        asking(world.identity, [["name"], ["rrn"]], code=NUMBER, catalog=world.catalog, policy="t.law", at=late),
        at=late,
    )
    assert asked.blocked
    assert ReasonCode.BUNDLE_EXPIRED in {reason.code for reason in asked.reasons}


def test_a_clock_that_went_back_is_said():
    world = World(at=AT)
    world.issue(CODE)
    early = AT - timedelta(hours=3)
    request = asking(world.identity, [["name"]], code=CODE, catalog=world.catalog, at=early)
    asked = world.wallet.match(request, at=early)
    assert ReasonCode.CLOCK in {reason.code for reason in asked.reasons}
    assert not asked.verifier.trusted


def test_vp_08_the_answer_has_what_was_asked_and_nothing_else(world):
    request = PresentationRequest.parse(world.request("bank.address-change").to_message())
    answer = world.wallet.present(world.wallet.match(request, at=AT).approve(), at=AT)
    result = world.verifier.verify(answer, request=request, at=AT)
    assert result
    assert set(result.claims[CODE]) == {"name", "rrn", "currentAddress", "issuedOn", "options"}
    assert set(result.claims[CODE]["rrn"]) == {"birthDate"}


def test_a_standing_request_may_hang_at_a_door_all_day(world):
    request = asking(
        world.identity,
        [["name"]],
        code=CODE,
        catalog=world.catalog,
        freshness=MaxAge(timedelta(seconds=30)),
        nonce=None,
        lifetime=timedelta(hours=24),
    )
    asked = world.wallet.match(request.raw, at=AT + timedelta(hours=20))
    assert asked.one_way
    refused(ReasonCode.REQUEST_EXPIRED, world, request.raw, at=AT + timedelta(hours=25))
