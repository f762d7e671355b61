"""What an attacker does to an answer, in every format: the attack is made, and the answer can still be read."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from vcred.testing import World
from vcred.testing.attacks import rewrite

AT = datetime(2026, 9, 26, 3, 0, tzinfo=UTC)
FORMATS = ("sd-cwt", "dc+sd-jwt", "mso_mdoc", "vc+sd-jwt", "vc+jwt")


@pytest.fixture(scope="module")
def world():
    made = World(at=AT, formats=FORMATS)
    made.issue("resident.personal")
    return made


def answered(world, form):
    request = world.request("bank.address-change", formats=(form,))
    return request, world.present(request)


@pytest.mark.parametrize("form", FORMATS[:-1])
def test_one_letter_of_a_claim_is_changed_and_the_answer_is_refused(world, form):
    request, honest = answered(world, form)
    claims = world.verify(honest, request).claims["resident.personal"]
    road = claims["currentAddress"]["road"]
    request, honest = answered(world, form)
    forged = rewrite(honest, road, road[:-1] + "집")
    assert forged.fingerprint != honest.fingerprint
    result = world.verify(forged, request)
    assert {reason.code.value for reason in result.reasons} <= {"unused_disclosure", "digest", "kb_sd_hash"}
    assert not result


@pytest.mark.parametrize("form", FORMATS)
def test_a_text_that_is_not_shown_cannot_be_changed(world, form):
    _, honest = answered(world, form)
    with pytest.raises(ValueError, match="not in the presentation"):
        rewrite(honest, "somewhere else", "somewhere elsa")
    with pytest.raises(ValueError, match="not as long"):
        rewrite(honest, "가람", "가람시")


def test_a_format_that_hides_nothing_has_no_disclosure_to_change(world):
    _, honest = answered(world, FORMATS[-1])
    with pytest.raises(ValueError, match="not in the presentation"):
        rewrite(honest, "가람", "나람")
