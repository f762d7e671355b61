"""The pre-flight: what the counter would say is said at home."""

from datetime import date, timedelta

from tests.wallet_kit import AT, asking, policy
from vcred import ReasonCode
from vcred.testing import World

CODE = "resident.personal"
ADDRESS = "bank.address-change"


def codes(asked):
    return {reason.code for reason in asked.reasons}


def test_general_where_detailed_is_asked_is_said_before_going():
    text = policy("t.variant", ("one", "family.basic", ["document"], [], True)) + 'variants = ["detailed"]\n'
    world = World(at=AT, policies=[text])
    world.issue("family.basic", variant="general")
    assert codes(world.match(world.request("t.variant"))) == {ReasonCode.VARIANT}
    world.issue("family.basic", variant="detailed")
    asked = world.match(world.request("t.variant"))
    assert codes(asked) == set(), "the one that fits is chosen by itself"
    assert world.ask("t.variant")


def test_a_certificate_that_is_too_old_is_said_to_be():
    world = World(at=AT)
    world.issue(CODE)
    world.advance(days=29)
    world.refresh_trust()
    assert not codes(world.match(world.request(ADDRESS)))
    world.advance(days=3)
    world.refresh_trust()
    assert codes(world.match(world.request(ADDRESS))) == {ReasonCode.TOO_OLD}


def test_a_revoked_certificate_is_said_to_be_and_another_one_is_taken():
    world = World(at=AT)
    world.issue(CODE)
    world.revoke(CODE)
    assert codes(world.match(world.request(ADDRESS))) == {ReasonCode.REVOKED}
    world.issue("resident.household", options={"names": True})
    asked = world.match(world.request(ADDRESS))
    assert set(asked.chosen) == {"residence-2"}
    assert not codes(asked)
    world.issue(CODE)
    assert world.ask(ADDRESS)


def test_an_expired_certificate_is_said_to_be():
    world = World(at=AT)
    world.issue(CODE)
    world.advance(days=95)
    world.refresh_trust()
    assert ReasonCode.EXPIRED in codes(world.match(world.request(ADDRESS)))


def test_a_missing_certificate_is_named_and_the_wrong_variant_explained():
    world = World(at=AT)
    world.issue("family.basic", variant="general")
    asked = world.match(world.request("bank.minor-account"))
    names = {one.label("ko") for one in asked.missing}
    assert any("기본증명서" in one for one in names)
    assert ReasonCode.VARIANT in codes(asked)
    assert asked.required == ()


def test_a_reference_date_is_asked_for_and_counts_when_given():
    text = policy("t.notice", ("one", CODE, ["name"], [], True)) + 'issued_on_or_after = "reference"\n'
    world = World(at=AT, policies=[text])
    world.issue(CODE)
    request = world.request("t.notice", reference_date=date(2026, 9, 30))
    assert codes(world.match(request)) == {ReasonCode.UNCHECKED}
    late = world.wallet.match(request, at=world.at, reference_date=date(2026, 9, 30))
    assert codes(late) == {ReasonCode.BEFORE_REFERENCE}
    early = world.wallet.match(request, at=world.at, reference_date=date(2026, 9, 1))
    assert codes(early) == set()


def test_two_people_in_one_answer_are_noticed():
    world = World(at=AT)
    world.issue("work.employment")
    world.issue("tax.income", record=dict(world.catalog["tax.income"].sample) | {"name": "박다솔"})
    asked = world.match(world.request("bank.credit-loan"))
    assert not asked.missing
    assert ReasonCode.DIFFERENT_PERSON in codes(asked)


def test_rows_are_counted_and_parts_of_a_number_are_named():
    world = World(at=AT)
    world.issue("resident.household", options={"names": True})
    asked = world.match(
        asking(
            world.identity,
            [["members", None, "name"], ["members", None, "rrn", "birthDate"]],
            code="resident.household",
            catalog=world.catalog,
        )
    )
    people = len(world.catalog["resident.household"].sample["members"])
    assert [(one.label("ko"), one.count) for one in asked.required] == [
        ("세대원 · 성명", people),
        ("세대원 · 주민등록번호 · 생년월일", people),
    ]
    assert asked.required[0].label("en") == "Household members · Name"


def test_what_goes_along_anyway_is_shown_too():
    world = World(at=AT)
    world.issue(CODE)
    (choice,) = world.match(world.request(ADDRESS)).candidates["residence-1"]
    assert [one.label("ko") for one in choice.always] == ["발급일", "발급 신청 항목"]


def test_the_newest_certificate_comes_first():
    world = World(at=AT)
    world.issue(CODE)
    world.advance(days=2)
    world.issue(CODE)
    asked = world.match(world.request(ADDRESS))
    (newest,) = [one for one in world.wallet.certificates() if one.received_at == int(world.at.timestamp())]
    assert asked.chosen["residence-1"].certificate.id == newest.id


def test_a_request_in_a_format_that_is_not_held_says_so():
    world = World(at=AT, formats=("dc+sd-jwt",))
    world.issue(CODE)
    asked = world.match(world.request(ADDRESS, formats=("sd-cwt",)))
    assert {why for one in asked.missing for why in one.why} == {"format"}
    assert world.match(world.request(ADDRESS, formats=("dc+sd-jwt",))).required


def test_a_type_the_bundle_no_longer_knows_is_listed_and_not_offered():
    world = World(at=AT)
    world.issue(CODE)
    smaller = World(
        at=AT + timedelta(seconds=1), catalog=world.catalog.__class__.from_texts(only(world, "edu.graduation"))
    )
    world.wallet.trust = smaller.trust
    (held,) = world.wallet.certificates()
    assert (held.type, held.name("ko")) == (None, CODE)


def only(world, code):
    texts = world.catalog.texts()
    return {name: text for name, text in texts.items() if f'code = "{code}"' in text or "codes" in name}
