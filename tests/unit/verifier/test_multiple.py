"""Several certificates for one query (``multiple``, OpenID4VP 1.0 section 6.1): the holder's choice, and a list of claims."""

from __future__ import annotations

import pytest

from tests.services.bank_kit import AT, world
from vcred.errors import ConsentError
from vcred.oid4vp import ResponseMode, build_answer
from vcred.policy import VerificationPolicy, compile_policy
from vcred.presentation import Challenge, Presentation
from vcred.reasons import ReasonCode
from vcred.trust import Names
from verifier import MemoryRequestStore, Verifier
from verifier.server.pages.views import verdict_view
from wallet.asking import over_asking
from wallet.consent import Asker

CODE = "work.career"
TEXT = """
id = "employer.careers"
name = { ko = "경력", en = "Careers" }
purpose = { ko = "경력 확인", en = "Checking careers" }
asks = { ko = "경력증명서 전부", en = "All career certificates" }
holder_binding = "required"
freshness = { challenge = true, max_age_seconds = 30 }
trust = { max_age_hours = 720 }
status = { required = false, max_age_hours = 168 }
rrn = { level = "none" }
retention = { days = 1, text = { ko = "파기", en = "Destroyed" } }

[[certificates]]
slot = "career"
name = { ko = "경력증명서", en = "Career certificate" }
required = true
multiple = MULTIPLE

[[certificates.any_of]]
code = "work.career"
claims = ["name", "employer.name"]
optional = ["birthDate"]
"""


def policy(multiple: bool = True) -> VerificationPolicy:
    return VerificationPolicy.load(TEXT.replace("MULTIPLE", str(multiple).lower()))


@pytest.fixture(scope="module")
def town():
    made = world(formats=("dc+sd-jwt", "mso_mdoc", "sd-cwt"))
    sample = made.catalog[CODE].sample
    for number in range(3):
        made.issue(CODE, record={**sample, "employer": {**sample["employer"], "name": f"가람{number}(가상)"}})
    return made


@pytest.fixture
def verifier(town):
    return Verifier(town.trust, town.identity, MemoryRequestStore())


def asked(verifier, town, form, *, multiple=True):
    request = verifier.online_request(
        policy(multiple), mode=ResponseMode.DIRECT_POST, at=AT, response_uri="https://bank.example/a", formats=[form]
    )
    return request, town.wallet.match(request, at=AT)


@pytest.mark.parametrize("form", ["dc+sd-jwt", "mso_mdoc", "sd-cwt"])
def test_the_holder_shows_as_many_as_he_likes(verifier, town, form):
    ids = [one.id for one in town.wallet.certificates()]
    assert len(ids) == 3
    for chosen in (ids[:1], ids[:2], ids):
        request, consent = asked(verifier, town, form)
        assert request.query.credentials[0].multiple
        ticket = consent.approve(choose={"career": chosen}, reuse=True)
        assert {one.certificate for one in ticket.disclosures} == set(chosen)
        presentation = town.wallet.present(ticket, at=AT)
        assert [len(many) for many in presentation.tokens.values()] == [len(chosen)]
        read = verifier.read(build_answer(presentation, request), request=request, at=AT)
        result = verifier.verify(read, request=request, at=AT)
        assert result, result.reasons
        names = ["career", CODE] if len(chosen) == 1 else [f"career[{index}]" for index in range(len(chosen))]
        assert set(result.claims) == set(names)
        assert all(result.claims[name]["employer"]["name"] for name in names)
        view = verdict_view(result.to_json(), town.catalog, "en")
        assert [bool(one["claims"]) for one in view["certificates"]] == [True] * len(chosen)


def test_by_default_one_is_shown(verifier, town):
    _, consent = asked(verifier, town, "dc+sd-jwt")
    ticket = consent.approve(reuse=True, also=["birthDate"])
    assert len({one.certificate for one in ticket.disclosures}) == 1


def test_what_is_optional_goes_with_the_first_only(verifier, town):
    ids = [one.id for one in town.wallet.certificates()]
    _, consent = asked(verifier, town, "dc+sd-jwt")
    ticket = consent.approve(choose={"career": ids[:2]}, also=["birthDate"], reuse=True)
    with_more = {one.certificate for one in ticket.disclosures if str(one.path) == "birthDate"}
    assert with_more == {ids[0]}


def test_several_where_one_is_asked_for(verifier, town):
    ids = [one.id for one in town.wallet.certificates()]
    _, consent = asked(verifier, town, "dc+sd-jwt", multiple=False)
    for wrong in (ids[:2], [ids[0], ids[0]]):
        with pytest.raises(ConsentError, match="one certificate is asked for"):
            consent.approve(choose={"career": wrong}, reuse=True)
    _, several = asked(verifier, town, "dc+sd-jwt")
    with pytest.raises(ConsentError, match="one certificate is asked for"):
        several.approve(choose={"career": [ids[0], ids[0]]}, reuse=True)
    with pytest.raises(ConsentError, match="does not answer this"):
        several.approve(choose={"career": [ids[0], "another"]}, reuse=True)


def test_an_answer_with_several_to_a_request_for_one_is_refused(verifier, town):
    ids = [one.id for one in town.wallet.certificates()]
    _, several = asked(verifier, town, "dc+sd-jwt")
    presentation = town.wallet.present(several.approve(choose={"career": ids[:2]}, reuse=True), at=AT)
    request, _ = asked(verifier, town, "dc+sd-jwt", multiple=False)
    result = verifier.verify(presentation, request=request, at=AT)
    assert ReasonCode.DCQL in [one.code for one in result.reasons]


@pytest.mark.parametrize("form", ["dc+sd-jwt", "mso_mdoc", "sd-cwt"])
def test_two_copies_of_one_certificate_do_not_count_as_two(verifier, town, form):
    first = town.wallet.certificates()[0].id
    request, consent = asked(verifier, town, form)
    shown = [
        town.wallet.present(again.approve(choose={"career": first}, reuse=True), at=AT).tokens["career"]
        for again in (consent, town.wallet.match(request, at=AT))
    ]
    result = verifier.verify(Presentation(tokens={"career": shown[0] + shown[1]}), request=request, at=AT)
    assert not result
    assert [one.code for one in result.reasons] == [ReasonCode.MANUAL]


@pytest.mark.parametrize("several", [False, True])
def test_asking_for_several_where_the_named_policy_is_for_one_is_over_asking(town, several):
    named = policy(several)
    query = compile_policy(policy(), town.catalog, ["dc+sd-jwt"])
    asker = Asker(client_id="x509_hash:x", registered=True, names=Names(ko="은행", en="Bank"))
    found = over_asking(query, policy=named, asker=asker, registered_for=[named.id], catalog=town.catalog)
    assert [(one.code, one.path) for one in found] == ([] if several else [(ReasonCode.OVER_ASKING, "career")])


def test_certificates_for_two_alternatives_are_not_chosen_at_once(verifier, town):
    ids = [one.id for one in town.wallet.certificates()]
    request = verifier.request(policy(), freshness=Challenge(), at=AT, formats=["dc+sd-jwt", "mso_mdoc"])
    consent = town.wallet.match(request, at=AT)
    assert consent.approve(choose={"career-2": ids[:2]}, reuse=True)
    with pytest.raises(ConsentError, match="alternatives"):
        consent.approve(choose={"career-1": ids[:2], "career-2": [ids[2]]}, reuse=True)
