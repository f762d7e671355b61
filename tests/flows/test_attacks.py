"""What goes wrong at a counter, from the wallet to the verdict, in every format that can withhold a claim."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from vcred import Outcome, ReasonCode
from vcred.testing import World

AT = datetime(2026, 9, 26, 3, 0, tzinfo=UTC)
CODE = "resident.personal"
POLICY = "bank.address-change"


@pytest.fixture(params=["sd-cwt", "dc+sd-jwt", "mso_mdoc", "vc+sd-jwt"])
def form(request):
    return request.param


@pytest.fixture
def world(form):
    made = World(at=AT, formats=(form,))
    made.issue(CODE)
    return made


def codes(result):
    return {reason.code for reason in result.reasons}


def test_an_honest_answer_is_accepted(world, form):
    assert world.ask(POLICY, formats=(form,)).outcome is Outcome.ACCEPTED


def test_somebody_elses_phone_is_refused(world, form):
    request = world.request(POLICY, formats=(form,))
    result = world.verify(world.swap_holder(world.present(request)), request)
    assert result.outcome is Outcome.REJECTED
    assert codes(result) == {ReasonCode.DEVICE_AUTH if form == "mso_mdoc" else ReasonCode.KB_KEY}


def test_a_changed_answer_is_refused(world, form):
    request = world.request(POLICY, formats=(form,))
    assert world.verify(world.forge(world.present(request)), request).outcome is Outcome.REJECTED


def test_the_same_answer_twice_is_refused(world, form):
    request = world.request(POLICY, formats=(form,))
    answer = world.present(request)
    assert world.verify(answer, request)
    assert codes(world.verify(answer, request)) == {ReasonCode.REPLAY}


def test_an_answer_to_another_request_is_refused(world, form):
    answer = world.present(world.request(POLICY, formats=(form,)))
    assert ReasonCode.NONCE in codes(world.verify(answer, world.request(POLICY, formats=(form,))))


def test_a_revoked_certificate_is_refused_once_the_list_arrives(world, form):
    world.revoke(CODE, refresh=False)
    assert world.ask(POLICY, formats=(form,))
    world.refresh_trust()
    assert codes(world.ask(POLICY, formats=(form,))) == {ReasonCode.REVOKED}


def test_an_old_status_list_decides_nothing(world, form):
    world.stale_status(days=8)
    result = world.ask(POLICY, formats=(form,))
    assert result.outcome is Outcome.INDETERMINATE
    assert codes(result) == {ReasonCode.STALE}


def test_an_expired_certificate_is_refused(world, form):
    world.advance(days=92)
    world.refresh_trust()
    result = world.ask(POLICY, formats=(form,))
    assert result.outcome is Outcome.REJECTED
    assert ReasonCode.EXPIRED in codes(result)


def test_an_expired_bundle_is_never_enough(world, form):
    world.stale_status(days=31)
    result = world.ask(POLICY, formats=(form,))
    assert result.outcome is not Outcome.ACCEPTED
    assert ReasonCode.BUNDLE_EXPIRED in codes(result)
