"""Consent: the only way to a presentation, exactly what was agreed to, once."""

import copy
import pickle

import pytest

from tests.wallet_kit import AT, policy
from vcred.errors import ConsentError
from vcred.testing import World
from wallet import Consent, MemoryStore, Wallet
from wallet.consent import shown

CODE = "resident.personal"
FEW = policy("t.few", ("one", CODE, ["name"], ["currentAddress.road", "rrn.birthDate"], True))
MANY = policy(
    "t.many",
    ("one", CODE, ["name"], ["currentAddress.road", "rrn.birthDate", "currentAddress.movedInOn", "document"], True),
)
EXTRA = policy("t.extra", ("one", CODE, ["name"], [], True), ("card", "edu.graduation", ["name"], [], False))


@pytest.fixture
def world():
    made = World(at=AT, policies=[FEW, MANY, EXTRA])
    made.issue(CODE)
    made.issue("edu.graduation")
    return made


def seen(world, answer):
    return {
        query: set(world.wallet._formats[one.format].open(one.raw).claims) for query, (one,) in answer.tokens.items()
    }


def present(world, policy_id, **approval):
    request = world.request(policy_id)
    answer = world.wallet.present(world.match(request).approve(**approval), at=world.at)
    assert world.verify(answer, request)
    return answer


def test_the_default_is_the_least_that_is_required(world):
    asked = world.match(world.request("t.few"))
    assert [str(one.path) for one in asked.required] == ["name"]
    assert {str(one.path) for one in asked.optional} == {"currentAddress.road", "rrn.birthDate"}
    answer = present(world, "t.few")
    assert seen(world, answer) == {"one": {"name", "issuedOn", "options"}}


@pytest.mark.parametrize("how", ["path", "query.path", "object"])
def test_more_is_shown_only_if_it_is_named(world, how):
    optional = world.match(world.request("t.few")).optional
    (road,) = [one for one in optional if str(one.path) == "currentAddress.road"]
    named = {"path": "currentAddress.road", "query.path": "one.currentAddress.road", "object": road}[how]
    answer = present(world, "t.few", also=[named])
    assert seen(world, answer)["one"] == {"name", "currentAddress", "issuedOn", "options"}


def test_what_can_be_shown_only_together_is_not_shown_in_part(world):
    asked = world.match(world.request("t.many"))
    with pytest.raises(ConsentError, match="together"):
        asked.approve(also=["rrn.birthDate"])
    answer = present(world, "t.many", also=asked.optional)
    assert {"name", "currentAddress", "rrn", "document"} <= seen(world, answer)["one"]


@pytest.mark.parametrize("also", [["addressHistory"], ["no.such"], ["two"]])
def test_what_was_not_asked_for_cannot_be_added(world, also):
    with pytest.raises(ConsentError, match="not optional"):
        world.match(world.request("t.few")).approve(also=also)
    with pytest.raises(TypeError):
        world.match(world.request("t.few")).approve(also="name")


@pytest.mark.parametrize("how", ["query", "object"])
def test_an_optional_certificate_goes_along_only_if_it_is_named(world, how):
    asked = world.match(world.request("t.extra"))
    assert {one.query for one in asked.required} == {"one"}
    (line,) = asked.optional
    assert (line.query, line.label("ko")) == ("card", "성명")
    assert set(present(world, "t.extra").tokens) == {"one"}
    assert set(present(world, "t.extra", also=["card" if how == "query" else line]).tokens) == {"one", "card"}


def test_another_certificate_can_be_chosen_and_another_alternative(world):
    world.issue("resident.household", options={"names": True})
    request = world.request("bank.address-change")
    asked = world.match(request)
    (household,) = asked.candidates["residence-2"]
    answer = world.wallet.present(asked.approve(choose={"residence-2": household.certificate.id}), at=world.at)
    assert set(answer.tokens) == {"residence-2"}
    assert world.verify(answer, request)
    with pytest.raises(ConsentError, match="does not answer"):
        asked.approve(choose={"residence-1": household.certificate.id})


def test_a_consent_is_used_once(world):
    consent = world.match(world.request("t.few")).approve()
    assert [str(one.path) for one in consent.disclosures] == ["issuedOn", "options", "name"]
    world.wallet.present(consent, at=world.at)
    assert consent.disclosures == ()
    with pytest.raises(ConsentError, match="has been used"):
        world.wallet.present(consent, at=world.at)


def test_a_consent_is_for_one_wallet(world):
    other = Wallet(store=MemoryStore(), trust=world.trust)
    consent = world.match(world.request("t.few")).approve()
    with pytest.raises(ConsentError, match="another wallet"):
        other.present(consent, at=world.at)
    world.wallet.present(consent, at=world.at)


def test_a_consent_cannot_be_made_copied_pickled_subclassed_or_changed(world):
    consent = world.match(world.request("t.few")).approve()
    with pytest.raises(ConsentError):
        Consent()
    with pytest.raises(ConsentError):
        copy.copy(consent)
    with pytest.raises(ConsentError):
        pickle.dumps(consent)
    with pytest.raises(ConsentError):
        type("Forged", (Consent,), {})
    with pytest.raises(AttributeError):
        consent.plan = None
    for forged in (object.__new__(Consent), object(), None, world.match(world.request("t.few"))):
        with pytest.raises(ConsentError):
            world.wallet.present(forged, at=world.at)


def test_a_request_that_cannot_be_answered_cannot_be_approved(world):
    asked = world.match(world.request("bank.credit-loan"))
    assert asked.missing
    assert all(one.label("ko") and one.label("en") for one in asked.missing)
    with pytest.raises(ConsentError, match="missing"):
        asked.approve()


def test_labels_are_in_two_languages(world):
    (line,) = world.match(world.request("t.few")).required
    assert (line.label("ko"), line.label("en")) == ("성명", "Name")
    with pytest.raises(ValueError):
        line.label("fr")


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("주소 변경", "주소 변경"),
        ("은행\u202egnaB", "은행\\u{202E}gnaB"),
        ("a\u200bb\n", "a\\u{200B}b\\u{A}"),
        ("e" + "\u0301" * 40, "é\u0301\u0301"),
        ("가" * 400, "가" * 300 + "…"),
    ],
)
def test_a_strangers_text_is_shown_harmless(text, safe):
    assert shown(text) == safe
