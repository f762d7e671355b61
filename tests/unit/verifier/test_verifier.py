"""The verifier: requests, the numbered checks, and what follows from them."""

import dataclasses
import json
import subprocess
import sys
from datetime import date, timedelta

import pytest

from tests.desk import AT, DAY, FORMATS, Desk, asked, codes, seconds
from vcred.dcql import DcqlQuery
from vcred.errors import NotAcceptedError, PolicyError
from vcred.presentation import Presentation, PresentationRequest, Presented
from vcred.qr import encode_message
from vcred.reasons import Outcome, Reason, ReasonCode
from vcred.receipt import Receipt
from verifier import (
    Assurance,
    Challenge,
    Check,
    CheckStatus,
    MaxAge,
    SqliteRequestStore,
    VerificationPolicy,
    VerificationResult,
)


@pytest.fixture(scope="module")
def desk():
    return Desk()


@pytest.fixture(scope="module", params=FORMATS)
def form(request):
    return request.param


def answered(desk, form, *, verifier=None, policy="bank.address-change", at=AT, **more):
    verifier = verifier or desk.verifier()
    request = asked(verifier, form, policy=policy)
    answer = desk.present(request, {"residence-1": (form, desk.certificate("resident.personal", form))}, **more)
    return verifier, request, answer


def test_an_honest_answer_is_accepted_and_gives_its_claims(desk, form):
    verifier, request, answer = answered(desk, form)
    result = verifier.verify(answer, request=request, at=AT + seconds(5))
    assert result.reasons == ()
    assert result
    assert result.outcome is Outcome.ACCEPTED
    assert result.assurance is Assurance.CHALLENGED
    assert not result.unchallenged
    claims = result.claims["resident.personal"]
    assert claims == result.claims["residence"]
    assert claims["name"] == "김가람"
    assert claims["rrn"] == {"birthDate": "1980-05-15"}
    assert "military" not in claims
    (certificate,) = result.certificates
    assert certificate.issuer_name["ko"] == "가람시 (가상)"
    assert certificate.status_age == timedelta(hours=1, seconds=5)
    assert result.trust_age == DAY + seconds(5)
    assert [check.step for check in result.checks] == sorted(check.step for check in result.checks)
    assert all(check.clause for check in result.checks)


def test_through_the_message_bytes(desk, form):
    verifier = desk.verifier()
    request = asked(verifier, form)
    received = PresentationRequest.parse(request.to_uri())
    assert received.raw == request.raw
    answer = desk.present(received, {"residence-1": (form, desk.certificate("resident.personal", form))})
    raw = encode_message(answer.to_message())
    assert verifier.verify(raw, request=received, at=AT)


def test_two_certificates_across_rules(desk, form):
    verifier = desk.verifier()
    request = asked(verifier, form, policy="bank.credit-loan")
    certificates = {
        "work-1": (form, desk.certificate("work.employment", form)),
        "income": (form, desk.certificate("tax.income", form)),
    }
    result = verifier.verify(desk.present(request, certificates), request=request, at=AT)
    assert result.reasons == ()
    assert result.check("same-applicant", "work+income").step == 10
    certificates["income"] = (form, desk.certificate("tax.income", form, change={"name": "이나래"}))
    request = asked(verifier, form, policy="bank.credit-loan")
    result = verifier.verify(desk.present(request, certificates), request=request, at=AT)
    assert codes(result) == {"different_person"}


def test_what_is_not_accepted_has_no_claims(desk, form):
    verifier, request, answer = answered(desk, form, signer=desk.stranger)
    result = verifier.verify(answer, request=request, at=AT)
    assert not result
    with pytest.raises(NotAcceptedError) as caught:
        _ = result.claims
    assert caught.value.result is result
    assert result.disclosed == {}
    assert "claims" not in result.to_json()
    assert "김가람" not in json.dumps(result.to_json(), ensure_ascii=False)
    assert "김가람" not in repr(result)


def test_json_of_an_accepted_result(desk, form):
    verifier, request, answer = answered(desk, form)
    out = verifier.verify(answer, request=request, at=AT).to_json()
    assert out["outcome"] == "ACCEPTED"
    assert out["claims"]["residence"]["name"] == "김가람"
    assert json.loads(json.dumps(out)) == out
    assert {one["name"] for one in out["checks"]} >= {"signature", "status", "audience", "freshness", "replay", "query"}


def test_all_checks_whose_needs_are_met_are_made(desk, form):
    bundle = desk.bundle(status={7: 1})
    verifier = desk.verifier(bundle)
    request = asked(verifier, form)
    raw = desk.certificate("resident.personal", form, expires_at=int(AT.timestamp()) - 3600)
    answer = desk.present(
        request, {"residence-1": (form, raw)}, at=AT - 2 * timedelta(hours=1), audience="x509_hash:other"
    )
    result = verifier.verify(answer, request=request, at=AT)
    assert codes(result) == {"expired", "revoked", "aud", "iat"}
    assert result.check("policy").status is CheckStatus.SKIPPED
    assert result.check("policy").blocked_by == "residence-1.validity"
    assert result.check("replay").blocked_by == "residence-1.audience"


def test_without_a_signature_what_follows_is_skipped(desk, form):
    verifier = desk.verifier()
    request = asked(verifier, form)
    forged = desk.certificate("resident.personal", form, signer=desk.stranger, chain=())
    result = verifier.verify(desk.present(request, {"residence-1": (form, forged)}), request=request, at=AT)
    assert result.outcome is Outcome.REJECTED
    assert codes(result) <= {"untrusted", "key"}
    assert result.check("signature", "residence-1").status is CheckStatus.SKIPPED
    assert result.check("status", "residence-1").blocked_by == "residence-1.signature"


def test_status_and_bundle_that_are_not_current_leave_it_open(desk, form):
    for bundle, code in (
        (desk.bundle(with_status=False), "status_unknown"),
        (desk.bundle(status_at=AT - 9 * DAY, at=AT - timedelta(hours=2)), "stale"),
        (desk.bundle(expires=AT - timedelta(minutes=1)), "bundle_expired"),
    ):
        verifier, request, answer = answered(desk, form, verifier=desk.verifier(bundle))
        result = verifier.verify(answer, request=request, at=AT)
        assert codes(result) == {code}
        assert result.outcome is Outcome.INDETERMINATE
    suspended = desk.verifier(desk.bundle(status={7: 2}))
    verifier, request, answer = answered(desk, form, verifier=suspended)
    assert codes(verifier.verify(answer, request=request, at=AT)) == {"suspended"}


def test_tf_09_a_clock_that_went_back_decides_nothing_about_time(desk, form):
    verifier, request, answer = answered(desk, form)
    assert verifier.verify(answer, request=request, at=AT)
    request = asked(verifier, form)
    answer = desk.present(request, {"residence-1": (form, desk.certificate("resident.personal", form))})
    result = verifier.verify(answer, request=request, at=AT - 400 * DAY)
    assert result.outcome is Outcome.INDETERMINATE
    assert codes(result) == {"clock"}


def test_st_01_a_certificate_without_status_is_refused_where_one_is_required(desk, form):
    verifier = desk.verifier()
    request = asked(verifier, form)
    bare = desk.certificate("resident.personal", form, status=None)
    result = verifier.verify(desk.present(request, {"residence-1": (form, bare)}), request=request, at=AT)
    assert codes(result) == {"status_missing"}


def test_vp_08_an_answer_to_another_query_is_refused(desk, form):
    verifier = desk.verifier()
    request = asked(verifier, form)
    raw = (form, desk.certificate("resident.personal", form))
    extra = desk.present(request, {"residence-1": raw, "residence-2": raw})
    assert "dcql" in codes(verifier.verify(extra, request=request, at=AT))
    request = asked(verifier, form)
    unknown = desk.present(request, {"something": raw})
    assert "dcql" in codes(verifier.verify(unknown, request=request, at=AT))
    request = asked(verifier, form)
    twice = desk.present(request, {"residence-1": raw})
    twice = dataclasses.replace(twice, tokens={"residence-1": twice.tokens["residence-1"] * 2})
    assert "dcql" in codes(verifier.verify(twice, request=request, at=AT))
    request = asked(verifier, form)
    assert codes(verifier.verify(Presentation(tokens={}), request=request, at=AT)) == {"dcql", "missing_certificate"}


def test_vp_08_an_id_that_imitates_another_presentation_changes_nothing(desk, form):
    verifier = desk.verifier()
    request = asked(verifier, form)
    good = desk.present(request, {"residence-1": (form, desk.certificate("resident.personal", form))})
    token = good.tokens["residence-1"][0]
    bad = Presented(format=form, raw=token.raw[:-1])
    tokens = {"residence-1[0]": (token,), "residence-1": (bad, bad)}
    result = verifier.verify(Presentation(tokens=tokens), request=request, at=AT)
    assert result.outcome is Outcome.REJECTED
    assert "dcql" in codes(result)
    only = verifier.verify(Presentation(tokens={"residence-1[0]": (token,)}), request=request, at=AT)
    assert "dcql" in codes(only)


def test_vp_08_claims_that_were_not_asked_for_are_refused(desk, form):
    from vcred.claims import ClaimPath

    verifier, request, answer = answered(desk, form, extra=[ClaimPath.parse("nameHanja")])
    result = verifier.verify(answer, request=request, at=AT)
    assert codes(result) == {"dcql"}
    assert [reason.path for reason in result.reasons] == ["residence-1.nameHanja"]


def test_vp_08_another_format_than_asked_for_is_refused(desk):
    verifier = desk.verifier()
    request = asked(verifier, "sd-cwt")
    other = ("dc+sd-jwt", desk.certificate("resident.personal", "dc+sd-jwt"))
    result = verifier.verify(desk.present(request, {"residence-1": other}), request=request, at=AT)
    assert "dcql" in codes(result)


def test_vp_11_a_request_ends_after_120_seconds(desk, form):
    verifier, request, answer = answered(desk, form)
    assert verifier.verify(answer, request=request, at=AT + seconds(120))
    verifier, request, answer = answered(desk, form)
    assert codes(verifier.verify(answer, request=request, at=AT + seconds(121))) == {"request_expired"}


def test_a_request_of_a_store_that_forgot_it_is_not_open(desk, form):
    _, request, answer = answered(desk, form)
    assert codes(desk.verifier().verify(answer, request=request, at=AT)) == {"request_expired"}


def test_a_desk_that_was_restarted_still_knows_its_requests(desk, form, tmp_path):
    with SqliteRequestStore(tmp_path / "requests.db") as store:
        verifier, request, answer = answered(desk, form, verifier=desk.verifier(requests=store))
    with SqliteRequestStore(tmp_path / "requests.db") as store:
        verifier = desk.verifier(requests=store)
        assert verifier.verify(answer, request=PresentationRequest.parse(request.raw), at=AT)
    with SqliteRequestStore(tmp_path / "requests.db") as store:
        assert codes(desk.verifier(requests=store).verify(answer, request=request, at=AT)) == {"replay"}


def test_unreadable_answers_become_results(desk):
    verifier = desk.verifier()
    request = asked(verifier)
    for raw in (b"", b"\x00" * 50, b"https://example.com/", request.to_message()):
        result = verifier.verify(raw, request=request, at=AT)
        assert result.outcome is Outcome.REJECTED
        assert result.check("answer").status is CheckStatus.FAILED


def test_requests_fit_their_policy(desk):
    verifier = desk.verifier()
    policy = VerificationPolicy.preset("bank.id-check")
    with pytest.raises(ValueError, match="one-way"):
        verifier.request(policy, freshness=MaxAge(seconds(30)), at=AT)
    with pytest.raises(ValueError, match="one-way"):
        verifier.request(VerificationPolicy.preset("shop.adult"), freshness=MaxAge(seconds(31)), at=AT)
    with pytest.raises(TypeError):
        verifier.request(policy, freshness=None, at=AT)
    with pytest.raises(ValueError, match="reference"):
        verifier.request(policy, freshness=Challenge(), at=AT, reference_date=date(2026, 1, 1))
    with pytest.raises(ValueError, match="formats"):
        verifier.request(policy, freshness=Challenge(), at=AT, formats=())
    lawless = VerificationPolicy.load(
        policy.source.replace(
            policy.source[policy.source.index("legal_basis") : policy.source.index("[retention]")], ""
        )
    )
    with pytest.raises(PolicyError, match="legal_basis"):
        verifier.request(lawless, freshness=Challenge(), at=AT)


def test_a_reference_date_is_kept_with_the_request(desk, form):
    text = VerificationPolicy.preset("bank.address-change").source.replace(
        "issued_within_days = 30", 'issued_on_or_after = "reference"'
    )
    verifier = desk.verifier()
    for day, expected in ((date(2026, 8, 29), set()), (date(2026, 8, 30), {"before_reference"})):
        request = verifier.request(
            VerificationPolicy.load(text), freshness=Challenge(), at=AT, reference_date=day, formats=(form,)
        )
        answer = desk.present(request, {"residence-1": (form, desk.certificate("resident.personal", form))})
        assert codes(verifier.verify(answer, request=request, at=AT)) == expected


def test_a_registered_reader_sends_no_chain_and_a_stranger_does(desk):
    request = asked(desk.verifier())
    assert request.x5c == ()
    assert request.purpose == "고객 주소 변경"
    assert request.policy == "bank.address-change"
    desk_of_stranger = desk.verifier()
    from verifier import ReaderIdentity, Verifier

    chain = (desk.reader(desk.other_bank_key),)
    stranger = Verifier(desk_of_stranger.trust, ReaderIdentity(chain, desk.other_bank_key))
    assert asked(stranger).x5c == chain


def test_a_request_for_one_certificate_fits_one_code(desk):
    policy = VerificationPolicy.preset("shop.adult")
    request = desk.verifier().request(policy, freshness=Challenge(), at=AT)
    assert len(encode_message(request.to_message())) <= 1258


def test_receipts(desk, form):
    verifier, request, answer = answered(desk, form)
    result = verifier.verify(answer, request=request, at=AT)
    receipt = Receipt.parse(verifier.receipt(result, at=AT, reference="2026-0001").to_message())
    receipt.verify_by(desk.bank_key.public_key)
    assert receipt.outcome is Outcome.ACCEPTED
    assert receipt.types == ("resident.personal",)
    assert receipt.presentation == answer.fingerprint
    assert receipt.reference == "2026-0001"
    refused = verifier.verify(answer, request=request, at=AT)
    receipt = verifier.receipt(refused, at=AT)
    assert receipt.outcome is Outcome.REJECTED
    assert receipt.reasons == ("replay",)
    unreadable = verifier.verify(b"", request=request, at=AT)
    with pytest.raises(ValueError, match="receipt"):
        verifier.receipt(unreadable, at=AT)


PASSED = Check(step=1, name="parse", clause="x", status=CheckStatus.PASSED)


def result_of(*checks, required=(("", "parse"),)):
    return VerificationResult(
        checks=checks, required=frozenset(required), assurance=Assurance.CHALLENGED, disclosed={"a": {"b": 1}}
    )


def test_the_outcome_is_derived_from_checks_that_passed():
    assert result_of(PASSED)
    assert result_of(PASSED).claims == {"a": {"b": 1}}
    assert result_of().outcome is Outcome.INDETERMINATE
    assert result_of().reasons[0].code is ReasonCode.UNCHECKED
    assert result_of(PASSED, required=()).outcome is Outcome.INDETERMINATE
    assert result_of(PASSED, required=[("", "parse"), ("", "signature")]).outcome is Outcome.INDETERMINATE
    skipped = dataclasses.replace(PASSED, name="status", status=CheckStatus.SKIPPED, blocked_by="x")
    assert result_of(PASSED, skipped).outcome is Outcome.INDETERMINATE
    stale = dataclasses.replace(
        PASSED, name="status", status=CheckStatus.UNDECIDED, reasons=(Reason(ReasonCode.STALE),)
    )
    assert result_of(PASSED, stale).outcome is Outcome.INDETERMINATE
    revoked = dataclasses.replace(stale, status=CheckStatus.FAILED, reasons=(Reason(ReasonCode.REVOKED),))
    assert result_of(PASSED, stale, revoked).outcome is Outcome.REJECTED
    assert not result_of(PASSED, stale)
    with pytest.raises(KeyError):
        result_of(PASSED).check("status")


def test_importing_the_verifier_loads_nothing_slow():
    slow = ("jwt", "cryptography.x509", "tuf", "qrcode", "zxingcpp", "PIL", "pydantic", "fastapi", "cbor2", "sqlite3")
    code = f"import sys, verifier; print([one for one in {slow!r} if one in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_importing_the_names_of_the_quick_start_loads_nothing_slow():
    slow = ("jwt", "cryptography.x509", "tuf", "qrcode", "zxingcpp", "PIL", "pydantic", "fastapi")
    names = "Challenge, ReaderIdentity, VerificationPolicy, Verifier"
    code = f"import sys\nfrom verifier import {names}\nprint([one for one in {slow!r} if one in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_query_of_a_request_is_the_policys(desk):
    request = asked(desk.verifier())
    assert isinstance(request.query, DcqlQuery)
    assert [one.id for one in request.query.credentials] == ["residence-1", "residence-2"]


def test_a_format_this_verifier_does_not_read_is_refused(desk):
    verifier = desk.verifier()
    request = asked(verifier)
    answer = Presentation(tokens={"residence-1": (Presented(format="vc+cose", raw=b"x"),)})
    result = verifier.verify(answer, request=request, at=AT)
    assert "format_not_accepted" in codes(result)


def test_a_status_that_is_not_required_may_be_absent_but_not_bad(desk, form):
    text = VerificationPolicy.preset("bank.address-change").source
    policy = VerificationPolicy.load(text.replace("[status]\nrequired = true", "[status]\nrequired = false"))
    verifier = desk.verifier()
    for more, expected in (({"status": None}, set()), ({}, set())):
        request = verifier.request(policy, freshness=Challenge(), at=AT, formats=(form,))
        answer = desk.present(request, {"residence-1": (form, desk.certificate("resident.personal", form, **more))})
        result = verifier.verify(answer, request=request, at=AT)
        assert codes(result) == expected
        assert (result.certificates[0].status_age is None) is bool(more)


def test_st_03_a_status_list_signed_by_a_stranger_is_not_believed(desk, form):
    from vcred.status import StatusList, build_status_token

    bundle = desk.bundle(with_status=False)
    token = build_status_token(
        uri="https://garam.example/status/1",
        status_list=StatusList.build(bits=2, size=4096, values={}),
        signer=desk.stranger,
        issued_at=AT - timedelta(hours=1),
        expires_at=AT + DAY,
        ttl=None,
        form="cwt",
    )
    bundle._status._tokens["https://garam.example/status/1"] = token
    verifier, request, answer = answered(desk, form, verifier=desk.verifier(bundle))
    assert codes(verifier.verify(answer, request=request, at=AT)) == {"status_signature"}


def test_a_day_of_issue_that_is_no_date_is_refused(desk, form):
    content = desk.content("resident.personal")
    content = dataclasses.replace(content, claims={**content.claims, "issuedOn": "yesterday"})
    from vcred.formats.base import IssuerKey

    key = IssuerKey(public_key=desk.key.public_key, chain=(desk.signer,))
    verifier = desk.verifier()
    for claims, expected in (
        (content.claims, {"claim_type"}),
        ({name: value for name, value in content.claims.items() if name != "issuedOn"}, set()),
    ):
        raw = desk.formats[form].issue(dataclasses.replace(content, claims=claims), key, desk.key)
        request = asked(verifier, form)
        answer = desk.present(request, {"residence-1": (form, raw)})
        assert codes(verifier.verify(answer, request=request, at=AT)) == expected


def test_a_newer_bundle_is_taken_at_once(desk, form):
    verifier, request, answer = answered(desk, form)
    verifier.trust = desk.bundle(status={7: 1})
    assert verifier.trust.version == 1
    assert codes(verifier.verify(answer, request=request, at=AT)) == {"revoked"}


def test_policies_and_reference_dates_that_do_not_fit_are_mistakes_of_the_caller(desk):
    policy = VerificationPolicy.preset("shop.adult")
    verifier = desk.verifier()
    with pytest.raises(ValueError, match="load"):
        verifier.request(dataclasses.replace(policy, source=""), freshness=Challenge(), at=AT)
    with pytest.raises(ValueError, match="reference date"):
        verifier.verify_paper(b"", policy=policy, at=AT, reference_date=date(2026, 1, 1))
    one_way = VerificationPolicy.load(policy.source.replace("challenge = true", "challenge = false"))
    with pytest.raises(ValueError, match="challenge"):
        verifier.request(one_way, freshness=Challenge(), at=AT)


def test_paper_of_a_type_nobody_asked_for_is_refused(desk):
    result = desk.verifier().verify_paper(b"\xd2\x84", policy=VerificationPolicy.preset("shop.adult"), at=AT)
    assert result.outcome is Outcome.REJECTED
    assert result.check("policy").status is CheckStatus.SKIPPED


def test_presets_by_name():
    with pytest.raises(PolicyError, match=r"bank\.id-check"):
        VerificationPolicy.preset("bank.nothing")
    with pytest.raises(PolicyError):
        VerificationPolicy.preset("../policies/bank.id-check")


def test_the_package_names_what_it_has():
    import verifier

    assert set(dir(verifier)) == set(verifier.__all__)
    for name in verifier.__all__:
        assert getattr(verifier, name) is not None
    with pytest.raises(AttributeError):
        _ = verifier.nothing
