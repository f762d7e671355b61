"""A verifier inside another service: it asks, judges, and keeps nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from vcred.errors import PolicyError
from vcred.identification import CardReader, ReadingOutcome
from vcred.oid4vp import build_answer, build_error, parse_request
from vcred.testing import World
from verifier.guest import GuestVerifier
from verifier.policy import VerificationPolicy

AT = datetime(2026, 9, 26, 3, 0, tzinfo=UTC)
PLACE = "https://city.example/id/handle/answer"
CARD = "id.resident_mobile"


class Kept:
    """A host's memory of one question."""

    def __init__(self):
        self.used = False
        self.marks = set()
        self.last = None

    def use(self):
        first, self.used = not self.used, True
        return first

    def remember(self, marks, *, until, now):
        assert until > now
        if self.marks & set(marks):
            return False
        self.marks |= set(marks)
        return True

    def last_seen(self):
        return self.last

    def observe(self, now):
        self.last = now


@pytest.fixture(scope="module")
def world():
    made = World(at=AT)
    made.issue(CARD)
    return made


@pytest.fixture
def guest(world):
    return GuestVerifier(lambda: world.trust, world.identity, VerificationPolicy.preset("city.login"), production=False)


def answered(world, question, at=AT):
    request = parse_request(question.raw, client_id=world.identity.client_id)
    shown = world.wallet.present(world.wallet.match(request, at=at).approve(reuse=True), at=at)
    return build_answer(shown, request)


def test_what_a_card_says_is_there_when_it_was_accepted(world, guest):
    reader: CardReader = guest
    question, memory = reader.ask(response_uri=PLACE, lang="ko", at=AT), Kept()
    found = reader.read(question, answered(world, question), memory=memory, at=AT)
    assert (found.outcome, found.final, found.code, found.reasons) == (ReadingOutcome.ACCEPTED, True, CARD, ())
    assert found.claims["rrn"] == {"birthDate": "1980-05-15", "sexDigit": "1", "serial": "990120"}
    assert memory.used
    assert memory.last == int(AT.timestamp())
    assert "990120" not in repr(found)


def test_nothing_secret_is_in_what_is_printed(guest):
    question = guest.ask(response_uri=PLACE, lang="ko", at=AT)
    assert question.response_key.hex() not in repr(question)
    assert "response_key" not in repr(question)


def test_a_used_question_is_used_in_every_process(world, guest):
    question, memory = guest.ask(response_uri=PLACE, lang="ko", at=AT), Kept()
    memory.used = True
    found = guest.read(question, answered(world, question), memory=memory, at=AT)
    assert (found.outcome, found.final, found.reasons) == (ReadingOutcome.REFUSED, False, ("replay",))
    assert found.claims == {}


def test_another_guest_over_the_same_host_reads_the_answer(world, guest):
    question = guest.ask(response_uri=PLACE, lang="ko", at=AT)
    other = GuestVerifier(lambda: world.trust, world.identity, guest.policy, production=False)
    assert other.read(question, answered(world, question), memory=Kept(), at=AT).outcome is ReadingOutcome.ACCEPTED


def test_the_question_is_judged_under_the_policy_it_was_asked_with(world, guest):
    question = guest.ask(response_uri=PLACE, lang="ko", at=AT)
    stricter = VerificationPolicy.load(guest.policy.source.replace('"valid"', '"withdrawn"'))
    other = GuestVerifier(lambda: world.trust, world.identity, stricter, production=False)
    assert other.read(question, answered(world, question), memory=Kept(), at=AT).outcome is ReadingOutcome.ACCEPTED


def test_a_no_and_a_clock_that_went_back(world, guest):
    question = guest.ask(response_uri=PLACE, lang="ko", at=AT)
    request = parse_request(question.raw, client_id=world.identity.client_id)
    found = guest.read(question, build_error(request, "access_denied"), memory=Kept(), at=AT)
    assert (found.outcome, found.final) == (ReadingOutcome.DECLINED, True)
    memory = Kept()
    memory.last = int((AT + timedelta(days=2)).timestamp())
    found = guest.read(question, answered(world, question), memory=memory, at=AT)
    assert (found.outcome, found.final) == (ReadingOutcome.REFUSED, False)
    assert "clock" in found.reasons
    assert not memory.used


def test_the_purpose_is_in_the_language_of_the_visitor(world, guest):
    told = {
        lang: parse_request(
            guest.ask(response_uri=PLACE, lang=lang, at=AT).raw, client_id=world.identity.client_id
        ).purpose
        for lang in ("ko", "en")
    }
    assert told == {"ko": "증명서 신청인의 본인 확인", "en": "Confirming who applies for a certificate"}
    assert guest.cards("en") == ("Resident Registration Card (mobile)", "Driver's Licence (mobile)")


def test_a_login_with_several_cards_is_no_login(world, guest):
    one = "required = true\n\n[[certificates.any_of]]"
    several = guest.policy.source.replace(one, f"multiple = true\n{one}", 1)
    assert several != guest.policy.source
    with pytest.raises(PolicyError, match="one document"):
        GuestVerifier(lambda: world.trust, world.identity, VerificationPolicy.load(several), production=False)
