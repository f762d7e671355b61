"""Hostile inputs VC: issuer identity, validity and type, seen from the verifier. The parsers' own cases are with them."""

import json

import pytest

from tests.desk import AGENCY, AT, FORMATS, NOW, Desk, asked, codes, raw_jws
from vcred.formats._wire import b64u_decode
from vcred.keys import SoftwareSigner
from vcred.presentation import Presentation, Presented
from vcred.reasons import Outcome
from verifier import CheckStatus

CODE = "resident.personal"


@pytest.fixture(scope="module")
def desk():
    return Desk()


@pytest.fixture(scope="module", params=FORMATS)
def form(request):
    return request.param


@pytest.fixture
def verifier(desk):
    return desk.verifier()


def result_of(desk, verifier, form, raw):
    request = asked(verifier, form)
    return verifier.verify(desk.present(request, {"residence-1": (form, raw)}), request=request, at=AT)


def resigned(desk, *, header=(), drop=(), **claims):
    """An SD-JWT VC of the agency with other header members or claims, truly signed by it."""
    token, *rest = desk.certificate(CODE, "dc+sd-jwt").split(b"~")
    head, body, _ = (b64u_decode(part, "") for part in (*token.split(b".")[:2], b""))
    fields = json.loads(head) | dict(header)
    for name in drop:
        del fields[name]
    return b"~".join([raw_jws(fields, json.dumps(json.loads(body) | claims).encode(), desk.key), *rest])


def refused(desk, verifier, raw):
    """The codes for bytes that need not be presentable."""
    request = asked(verifier, "dc+sd-jwt")
    answer = Presentation(tokens={"residence-1": (Presented(format="dc+sd-jwt", raw=raw),)})
    result = verifier.verify(answer, request=request, at=AT)
    assert result.outcome is Outcome.REJECTED
    return codes(result)


@pytest.mark.parametrize("typ", ["JWT", None, "kb+jwt", "statuslist+jwt"])
def test_vc_01_another_typ(typ, desk, verifier):
    raw = resigned(desk, header={"typ": typ}) if typ else resigned(desk, drop=["typ"])
    assert "typ" in refused(desk, verifier, raw)


def test_vc_02_another_issuer_than_its_key_says(desk, form, verifier):
    raw = desk.certificate(CODE, form, issuer="https://elsewhere.example/issuer")
    assert codes(result_of(desk, verifier, form, raw)) == {"issuer"}


def test_vc_03_a_type_this_authority_may_not_sign(desk, form):
    verifier = desk.verifier(desk.bundle(types=["tax.income"]))
    assert codes(result_of(desk, verifier, form, desk.certificate(CODE, form))) == {"scope"}


def test_vc_04_the_right_key_for_another_issuer_after_a_good_one(desk, form, verifier):
    assert result_of(desk, verifier, form, desk.certificate(CODE, form))
    raw = desk.certificate(CODE, form, issuer=AGENCY + "/other")
    assert codes(result_of(desk, verifier, form, raw)) == {"issuer"}


def test_vc_07_a_key_that_is_not_in_the_chain(desk, form, verifier):
    raw = desk.certificate(CODE, form, signer=SoftwareSigner.generate())
    found = codes(result_of(desk, verifier, form, raw))
    assert found & {"key", "untrusted", "signature"}
    assert found <= {"key", "untrusted", "signature", "kid"}


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        pytest.param({"expires_at": NOW - 1}, None, id="VC-08 exp -1 s"),
        pytest.param({"expires_at": NOW - 59}, None, id="VC-08 exp -59 s"),
        pytest.param({"expires_at": NOW - 61}, "expired", id="VC-08 exp -61 s"),
        pytest.param({"not_before": NOW + 59}, None, id="VC-08 nbf +59 s"),
        pytest.param({"not_before": NOW + 61}, "not_yet_valid", id="VC-08 nbf +61 s"),
        pytest.param({"issued_at": NOW + 600}, "not_yet_valid", id="VC-08 iat +10 min"),
    ],
)
def test_vc_08_clocks_may_differ_by_a_minute(times, expected, desk, form, verifier):
    if form == "sd-cwt" and "not_before" in times:
        times = times | {"issued_at": times["not_before"]}  # a CWT is not valid before it was issued
    result = result_of(desk, verifier, form, desk.certificate(CODE, form, **times))
    validity = result.check("validity", "residence-1")
    assert validity.status is (CheckStatus.PASSED if expected is None else CheckStatus.FAILED)
    assert [reason.code.value for reason in validity.reasons] == ([] if expected is None else [expected])
    if form == "dc+sd-jwt" and expected is None:
        assert result


@pytest.mark.parametrize("exp", ["9999999999", True, 1.9e9 + 0.5, -1, None])
def test_vc_09_an_expiry_of_another_kind(exp, desk, verifier):
    assert refused(desk, verifier, resigned(desk, exp=exp)) & {"claim_type", "json"}


@pytest.mark.parametrize(
    "change", [lambda vct: "urn:vcred:kr:other:1", lambda vct: vct.upper(), lambda vct: vct + "/", lambda vct: [vct]],
    ids=["VC-10 other", "VC-10 case", "VC-10 trailing slash", "VC-10 list"],
)  # fmt: skip
def test_vc_10_another_type(change, desk, verifier):
    found = refused(desk, verifier, resigned(desk, vct=change(desk.catalog[CODE].vct)))
    assert found & {"vct", "claim_type"}


def test_vc_10_a_known_type_that_was_not_asked_for(desk, form, verifier):
    result = result_of(desk, verifier, form, desk.certificate("work.career", form))
    assert result.outcome is Outcome.REJECTED
    assert "dcql" in codes(result)


def test_vc_a_certificate_without_an_end_or_a_start(desk, verifier):
    token, *rest = desk.certificate(CODE, "dc+sd-jwt").split(b"~")
    head, body = (json.loads(b64u_decode(part, "")) for part in token.split(b".")[:2])
    for name in ("exp", "iat"):
        claims = {key: value for key, value in body.items() if key != name}
        raw = b"~".join([raw_jws(head, json.dumps(claims).encode(), desk.key), *rest])
        assert "claim_type" in refused(desk, verifier, raw)
