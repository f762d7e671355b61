"""Which formats a certificate may be in: the type says it, issuer, policy and verifier keep to it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from tests import wallet_kit
from vcred import Catalog, Outcome
from vcred.errors import PolicyError, RefusedError, SigningError
from vcred.issuance import build_request
from vcred.keys import SoftwareSigner
from vcred.policy import compile_policy, lint
from vcred.reasons import ReasonCode
from vcred.testing import World
from verifier import VerificationPolicy, Verifier
from verifier.judge import request_key
from verifier.requests import MemoryRequestStore, OpenRequest

AT = datetime(2026, 9, 26, 3, 0, tzinfo=UTC)
CODE = "tax.income"


def only(*formats: str) -> Catalog:
    """The built-in types, of which one may be in ``formats`` only."""
    texts = Catalog.builtin().texts()
    name = "tax/income.toml"
    line = next(line for line in texts[name].splitlines() if line.startswith("formats"))
    wanted = ", ".join(f'"{one}"' for one in formats)
    return Catalog.from_texts(texts | {name: texts[name].replace(line, f"formats = [{wanted}]")})


def policy(formats: str = "") -> VerificationPolicy:
    text = wallet_kit.policy("test.one-claim", ("one", CODE, ["name"], (), True), rrn="full")
    return VerificationPolicy.load(text.replace("\n[freshness]", f"\n{formats}\n[freshness]", 1))


def test_an_issuer_offers_what_the_type_may_be_in():
    world = World(at=AT, catalog=only("sd-cwt"), formats=("dc+sd-jwt", "sd-cwt"))
    offer = world.issuer.offer(CODE, subject="sample", at=AT)
    assert offer.formats == ("sd-cwt",)
    request = build_request(offer, [SoftwareSigner.generate()], formats=["sd-cwt"], at=AT)
    assert {name for name, _ in world.issuer.issue(request, at=AT).credentials} == {"sd-cwt"}
    assert world.issuer.offer("edu.graduation", subject="sample", at=AT).formats == ("dc+sd-jwt", "sd-cwt")


def test_a_wallet_that_wants_another_format_is_refused():
    world = World(at=AT, catalog=only("sd-cwt"), formats=("dc+sd-jwt", "sd-cwt"))
    offer = world.issuer.offer(CODE, subject="sample", at=AT)
    wider = replace(offer, formats=("dc+sd-jwt", "sd-cwt"))
    asked = build_request(wider, [SoftwareSigner.generate()], formats=["dc+sd-jwt"], at=AT)
    with pytest.raises(RefusedError) as caught:
        world.issuer.issue(asked, at=AT)
    assert caught.value.code is ReasonCode.FORMAT_NOT_ACCEPTED


def test_an_issuer_that_writes_none_of_them_refuses_and_lint_says_it_before():
    world = World(at=AT, catalog=only("mso_mdoc"), formats=("dc+sd-jwt", "sd-cwt"))
    with pytest.raises(
        SigningError, match=r"tax\.income is issued as mso_mdoc, and this issuer writes dc\+sd-jwt, sd-cwt"
    ):
        world.issuer.offer(CODE, subject="sample", at=AT)
    found = [line for line in world.issuer.lint(at=AT) if line.startswith(CODE)]
    assert found == ["tax.income is not issued as dc+sd-jwt, sd-cwt: its type is not in that format"]


def test_a_verifier_refuses_a_certificate_in_a_format_its_type_is_not_in():
    """The type was narrowed between the request and the answer, and the verifier has the newer bundle."""
    world = World(at=AT, formats=("sd-cwt",))
    world.issue(CODE)
    request = world.request(policy())
    answer = world.present(request)
    world.catalog = only("mso_mdoc")
    world.refresh_trust()
    result = world.verify(answer, request)
    assert result.outcome is Outcome.REJECTED
    failed = [one for one in result.checks if one.name == "type"]
    assert [(one.code, one.detail) for one in failed[0].reasons] == [
        (ReasonCode.FORMAT_NOT_ACCEPTED, "tax.income is not issued in this format")
    ]
    world.catalog = only("mso_mdoc", "sd-cwt")
    world.refresh_trust()
    request = world.request(policy())
    assert world.verify(world.present(request), request).outcome is Outcome.ACCEPTED


def test_a_request_asks_only_for_what_may_be():
    catalog = only("sd-cwt")
    query = compile_policy(policy(), catalog, ("mso_mdoc", "sd-cwt"))
    assert [one.format for one in query.credentials] == ["sd-cwt"]
    with pytest.raises(PolicyError, match="no type in it may be in mso_mdoc"):
        compile_policy(policy(), catalog, ("mso_mdoc",))


def test_a_policy_says_which_formats_it_takes():
    asked = policy('formats = ["mso_mdoc", "sd-cwt"]')
    world = World(at=AT, formats=("sd-cwt", "mso_mdoc", "dc+sd-jwt"), policies=[asked.source])
    world.issue(CODE)
    assert [one.format for one in world.request(asked).query.credentials] == ["mso_mdoc", "sd-cwt"]
    assert [one.format for one in world.request(asked, formats=("sd-cwt",)).query.credentials] == ["sd-cwt"]
    assert [one.format for one in world.request(policy()).query.credentials] == ["sd-cwt"]
    for wider in (("dc+sd-jwt",), ("sd-cwt", "dc+sd-jwt")):
        with pytest.raises(ValueError, match=r"policy test.one-claim takes mso_mdoc, sd-cwt"):
            world.request(asked, formats=wider)
    assert world.ask(asked).outcome is Outcome.ACCEPTED
    assert world.ask(asked, formats=("mso_mdoc",)).outcome is Outcome.ACCEPTED


def test_an_answer_in_a_format_that_the_policy_does_not_take_is_refused():
    """A request that was made before the policy was narrowed is still open."""
    world = World(at=AT, formats=("dc+sd-jwt",))
    world.issue(CODE)
    request = world.request(policy(), formats=("dc+sd-jwt",))
    answer = world.present(request)
    requests = MemoryRequestStore()
    narrowed = OpenRequest(
        key=request_key(request),
        policy=policy('formats = ["sd-cwt"]').source,
        reference_date=None,
        expires_at=request.expires_at,
    )
    requests.put(narrowed, now=int(AT.timestamp()))
    desk = Verifier(world.trust, world.identity, requests)
    result = desk.verify(answer, request=request, at=AT)
    assert result.outcome is Outcome.REJECTED
    assert (ReasonCode.FORMAT_NOT_ACCEPTED, "policy test.one-claim does not take this format") in {
        (one.code, one.detail) for one in result.reasons
    }


@pytest.mark.parametrize("wrong", ["[]", '["mdoc"]', '["sd-cwt", "sd-cwt"]', '"sd-cwt"'])
def test_a_policy_names_formats_that_exist_each_once(wrong):
    with pytest.raises(PolicyError) as caught:
        policy(f"formats = {wrong}")
    assert caught.value.path.startswith("formats")


def test_lint_says_when_a_type_can_never_be_in_a_policys_formats():
    asked = policy('formats = ["jwt_vc_json"]')
    assert [(one.path, one.detail) for one in lint(asked, Catalog.builtin())] == [
        ("certificates[0].any_of[0].code", "tax.income may be in none of the policy's formats")
    ]
    assert lint(policy('formats = ["jwt_vc_json", "sd-cwt"]'), Catalog.builtin()) == []
