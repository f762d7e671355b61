"""Hostile inputs KB, QR-08, QR-09, SC-11, SC-14, SC-17: holder binding, seen from the verifier."""

import dataclasses
import hashlib
import json
import secrets

import cbor2
import pytest

from tests.desk import AT, DAY, FORMATS, NOW, Desk, asked, codes, raw_jws, seconds
from vcred.catalog import Catalog
from vcred.errors import PolicyError
from vcred.formats._cbor import decode, encode
from vcred.formats._cose import assemble
from vcred.formats._wire import b64u_encode
from vcred.formats.base import IssuerKey
from vcred.formats.paper import issue_paper
from vcred.keys import SoftwareSigner
from vcred.policy import lint
from vcred.presentation import Challenge, Presentation, Presented
from vcred.reasons import Outcome
from verifier import Assurance, CheckStatus, MaxAge, VerificationPolicy

CODE = "resident.personal"
WINDOW = MaxAge(seconds(30))


@pytest.fixture(scope="module")
def desk():
    return Desk()


@pytest.fixture(scope="module", params=FORMATS)
def form(request):
    return request.param


@pytest.fixture
def verifier(desk):
    return desk.verifier()


def honest(desk, form, request, **more):
    return desk.present(request, {"residence-1": (form, desk.certificate(CODE, form))}, **more)


def with_token(raw, form):
    return Presentation(tokens={"residence-1": (Presented(format=form, raw=raw),)})


def token_of(answer):
    return answer.tokens["residence-1"][0].raw


def with_kb(desk, request, *, signer=None, header=(), drop=(), **claims):
    """An honest SD-JWT presentation with another KB-JWT, signed by the holder unless said otherwise."""
    body = token_of(honest(desk, "dc+sd-jwt", request)).rpartition(b"~")[0] + b"~"
    payload = {
        "iat": NOW,
        "aud": request.client_id,
        "nonce": b64u_encode(request.nonce),
        "sd_hash": b64u_encode(hashlib.sha256(body).digest()),
    } | claims
    for name in drop:
        del payload[name]
    signer = signer or desk.holder
    fields = {"alg": signer.public_key.alg, "typ": "kb+jwt"} | dict(header)
    fields = {name: value for name, value in fields.items() if value is not None}
    return with_token(body + raw_jws(fields, json.dumps(payload).encode(), signer), "dc+sd-jwt")


def verdict(verifier, answer, request, at=AT):
    result = verifier.verify(answer, request=request, at=at)
    assert not result
    assert result.outcome is Outcome.REJECTED
    return codes(result)


def test_kb_01_a_presentation_without_key_binding(desk, form, verifier):
    request = asked(verifier, form)
    stolen = with_token(desk.certificate(CODE, form), form)
    assert "kb_missing" in verdict(verifier, stolen, request)
    if form == "dc+sd-jwt":
        raw = token_of(honest(desk, form, request)).rpartition(b"~")[0] + b"~"
        assert "kb_missing" in verdict(verifier, with_token(raw, form), request)


def test_kb_02_nothing_is_accepted_without_a_request(desk, form, verifier):
    request = asked(verifier, form)
    answer = honest(desk, form, request)
    with pytest.raises(TypeError):
        verifier.verify(answer, at=AT)
    with pytest.raises(TypeError):
        verifier.verify(answer, request=None, at=AT)
    with pytest.raises(TypeError):
        verifier.verify(answer, request=request)
    with pytest.raises(ValueError, match="another verifier"):
        verifier.verify(answer, request=dataclasses.replace(request, client_id="x509_hash:other"), at=AT)
    with pytest.raises(ValueError, match=r"zone|aware"):
        verifier.verify(answer, request=request, at=AT.replace(tzinfo=None))


@pytest.mark.parametrize(
    "change",
    [lambda one: "x509_hash:other", lambda one: one[:-1], lambda one: one + "/", lambda one: one.upper(), lambda one: one.partition(":")[2]],
    ids=["KB-03 other", "KB-03 prefix", "KB-03 trailing slash", "KB-03 case", "KB-03 without its scheme"],
)  # fmt: skip
def test_kb_03_another_audience(change, desk, form, verifier):
    request = asked(verifier, form)
    assert verdict(verifier, honest(desk, form, request, audience=change(request.client_id)), request) == {"aud"}


def test_kb_03_an_audience_list(desk, verifier):
    request = asked(verifier, "dc+sd-jwt")
    assert verdict(verifier, with_kb(desk, request, aud=[request.client_id]), request) == {"aud"}


def test_kb_04_another_nonce(desk, form, verifier):
    earlier = asked(verifier, form)
    request = asked(verifier, form)
    for nonce in (secrets.token_bytes(16), earlier.nonce, request.nonce + b"\0", request.nonce * 2):
        assert verdict(verifier, honest(desk, form, request, nonce=nonce), request) == {"nonce"}
    assert verifier.verify(honest(desk, form, request), request=request, at=AT), "refused answers used nothing up"


def test_kb_04_the_nonce_in_another_case(desk, verifier):
    request = asked(verifier, "dc+sd-jwt")
    nonce = b64u_encode(request.nonce)
    assert verdict(verifier, with_kb(desk, request, nonce=nonce.swapcase()), request) == {"nonce"}
    assert verdict(verifier, with_kb(desk, request, nonce=nonce[:-1]), request) == {"nonce"}
    assert verdict(verifier, with_kb(desk, request, nonce=nonce + "="), request) == {"nonce"}
    assert verdict(verifier, with_kb(desk, request, drop=["nonce"]), request) <= {"nonce", "format", "claim_type"}


def test_kb_05_other_disclosures_than_the_holder_signed(desk, verifier):
    request = asked(verifier, "dc+sd-jwt")
    parts = token_of(honest(desk, "dc+sd-jwt", request)).split(b"~")
    fewer = b"~".join([parts[0], *parts[2:]])
    assert verdict(verifier, with_token(fewer, "dc+sd-jwt"), request) & {"sd_hash", "unused_disclosure"}
    without_tilde = b64u_encode(hashlib.sha256(b"~".join(parts[:-1])).digest())
    assert verdict(verifier, with_kb(desk, request, sd_hash=without_tilde), request) == {"sd_hash"}
    other_hash = b64u_encode(hashlib.sha512(b"~".join(parts[:-1]) + b"~").digest())
    assert verdict(verifier, with_kb(desk, request, sd_hash=other_hash), request) == {"sd_hash"}
    assert verdict(verifier, with_kb(desk, request, drop=["sd_hash"]), request) == {"sd_hash"}


@pytest.mark.parametrize("typ", ["JWT", None, "KB+JWT", "dc+sd-jwt"])
def test_kb_06_another_typ(typ, desk, verifier):
    request = asked(verifier, "dc+sd-jwt")
    assert verdict(verifier, with_kb(desk, request, header={"typ": typ}), request) == {"typ"}


def test_kb_07_signed_by_another_key(desk, form, verifier):
    request = asked(verifier, form)
    for signer in (desk.stranger, desk.key, SoftwareSigner.generate()):
        assert verdict(verifier, honest(desk, form, request, signer=signer), request) == {"kb_key"}


def test_kb_07_a_certificate_bound_to_nobody(desk, form, verifier):
    request = asked(verifier, form)
    if form == "sd-cwt":
        with pytest.raises(ValueError, match="holder"):
            desk.certificate(CODE, form, holder_key=None)
        return
    unbound = with_token(desk.certificate(CODE, form, holder_key=None), form)
    assert verdict(verifier, unbound, request) & {"holder_binding", "cnf"}


@pytest.mark.parametrize(
    ("shift", "ok"), [(-61, False), (-60, True), (0, True), (60, True), (61, False), (86_400, False), (-NOW, False)]
)
def test_kb_10_signed_at_another_time(shift, ok, desk, form, verifier):
    request = asked(verifier, form)
    result = verifier.verify(honest(desk, form, request, at=AT + seconds(shift)), request=request, at=AT)
    assert bool(result) is ok
    assert codes(result) == (set() if ok else {"iat"})


@pytest.mark.parametrize("iat", ["1788224400", None, 1788224400.5, True])
def test_kb_10_iat_of_another_kind(iat, desk, verifier):
    request = asked(verifier, "dc+sd-jwt")
    assert verdict(verifier, with_kb(desk, request, iat=iat), request) <= {"iat", "claim_type"}
    assert verdict(verifier, with_kb(desk, request, drop=["iat"]), request) <= {"iat", "claim_type"}


def test_kb_11_the_same_presentation_twice(desk, form, verifier):
    request = asked(verifier, form)
    answer = honest(desk, form, request)
    assert verifier.verify(answer, request=request, at=AT)
    assert verdict(verifier, answer, request) == {"replay"}
    again = honest(desk, form, request)
    assert verdict(verifier, again, request) == {"replay"}, "a nonce counts once, whatever answers it"


def test_kb_11_the_same_one_way_answer_twice(desk, form, verifier):
    request = asked(verifier, form, freshness=WINDOW)
    answer = honest(desk, form, request, one_way=secrets.token_bytes(16))
    assert verifier.verify(answer, request=request, at=AT)
    assert verdict(verifier, answer, request) == {"replay"}
    relabelled = dataclasses.replace(answer, one_way_nonce=secrets.token_bytes(16))
    assert verdict(verifier, relabelled, request) <= {"replay", "nonce"}, "the envelope is not signed"
    other_phone = honest(desk, form, request, one_way=secrets.token_bytes(16), at=AT + seconds(1))
    assert verifier.verify(other_phone, request=request, at=AT + seconds(1))


def test_kb_12_a_second_desk_accepts_a_static_code_only_as_unchallenged(desk, form):
    first, second = desk.verifier(), desk.verifier()
    request = asked(first, form, freshness=WINDOW)
    answer = honest(desk, form, request, one_way=secrets.token_bytes(16))
    assert first.verify(answer, request=request, at=AT)
    elsewhere = asked(second, form, freshness=WINDOW)
    result = second.verify(answer, request=elsewhere, at=AT + seconds(5))
    assert result
    assert result.unchallenged
    assert result.assurance is Assurance.UNCHALLENGED
    assert result.to_json()["unchallenged"] is True


@pytest.mark.parametrize(
    ("age", "code"), [(0, None), (30, None), (31, None), (32, "expired"), (91, "expired"), (-1, None), (-2, "iat")]
)
def test_qr_08_a_screenshot_is_too_old(age, code, desk, form, verifier):
    request = asked(verifier, form, freshness=WINDOW)
    answer = honest(desk, form, request, one_way=secrets.token_bytes(16))
    result = verifier.verify(answer, request=request, at=AT + seconds(age))
    assert codes(result) == ({code} if code else set())
    assert bool(result) is (code is None)


def test_qr_09_a_relayed_one_way_answer_is_no_answer_to_a_challenge(desk, form, verifier):
    standing = asked(verifier, form, freshness=WINDOW)
    relayed = honest(desk, form, standing, one_way=secrets.token_bytes(16))
    assert verdict(verifier, relayed, asked(verifier, form)) == {"nonce"}
    challenged = asked(verifier, form)
    answer = honest(desk, form, challenged)
    assert verdict(verifier, answer, standing) == {"nonce"}


def test_sc_11_a_missing_cnonce(desk, verifier):
    request = asked(verifier, "sd-cwt")
    assert verdict(verifier, honest(desk, "sd-cwt", request, nonce=None), request) == {"nonce"}


def test_sc_11_an_unsigned_nonce_in_the_envelope_is_no_cnonce(desk, verifier):
    request = asked(verifier, "sd-cwt")
    answer = dataclasses.replace(honest(desk, "sd-cwt", request, nonce=None), one_way_nonce=request.nonce)
    assert verdict(verifier, answer, request) == {"nonce"}


def test_sc_14_signed_before_the_certificate_existed_or_after_its_end(desk, verifier):
    request = asked(verifier, "sd-cwt")
    for changes in ({"issued_at": NOW + 30}, {"expires_at": NOW - 30}):
        raw = desk.certificate(CODE, "sd-cwt", **changes)
        answer = desk.present(request, {"residence-1": ("sd-cwt", raw)})
        assert "iat" in verdict(verifier, answer, request)


def test_sc_14_the_holders_own_end_counts(desk, verifier):
    request = asked(verifier, "sd-cwt")
    (query, (one,)), *_ = honest(desk, "sd-cwt", request).tokens.items()
    protected, _, payload, _ = cbor2.loads(one.raw).value
    signed = assemble(protected, b"\xa0", cbor2.dumps(cbor2.loads(payload) | {4: NOW + 10}))
    raw = signed.complete(desk.holder.sign(signed.signing_input))
    answer = Presentation(tokens={query: (Presented(format="sd-cwt", raw=raw),)})
    assert verdict(verifier, answer, request, at=AT + seconds(71)) == {"expired"}


def test_sc_14_a_future_one_way_answer(desk, form, verifier):
    request = asked(verifier, form, freshness=WINDOW)
    answer = honest(desk, form, request, one_way=secrets.token_bytes(16), at=AT + DAY)
    assert verdict(verifier, answer, request) == {"iat"}


def paper(desk, **changes):
    changes = {"holder_key": None, "options": {"addressHistory": "none"}} | changes
    key = IssuerKey(public_key=desk.key.public_key, chain=(desk.signer,))
    return issue_paper(desk.content(CODE, **changes), key, desk.key, desk.catalog.labels)


BEARER = VerificationPolicy.preset("bank.address-change").source.replace(
    'holder_binding = "required"', 'holder_binding = "bearer_ok"'
).replace('[forbid]\nclaims = ["rrn.serial", "rrn.sexDigit"]\n', "").replace(
    'level = "none"', 'level = "full"\nlegal_basis = { ko = "시험", en = "test" }'
)  # fmt: skip


def test_sc_17_paper_where_a_holder_is_required(desk, verifier):
    required = VerificationPolicy.preset("bank.address-change")
    result = verifier.verify_paper(paper(desk), policy=required, at=AT)
    assert "holder_binding" in codes(result)
    assert result.outcome is Outcome.REJECTED
    request = asked(verifier, "sd-cwt")
    assert "format" in verdict(verifier, with_token(paper(desk), "sd-cwt"), request) | {"format"}
    assert not verifier.verify(with_token(paper(desk), "vcred-paper"), request=request, at=AT)


def test_paper_is_accepted_as_what_it_is_where_the_policy_takes_it(desk, verifier):
    policy = VerificationPolicy.load(BEARER)
    result = verifier.verify_paper(paper(desk), policy=policy, at=AT)
    assert result.reasons == ()
    assert result
    assert result.assurance is Assurance.BEARER
    assert result.unchallenged
    assert result.claims[CODE]["name"] == "김가람"
    revoked = desk.verifier(desk.bundle(status={7: 1})).verify_paper(paper(desk), policy=policy, at=AT)
    assert codes(revoked) == {"revoked"}
    sheet = paper(desk)
    changed = verifier.verify_paper(sheet[:-1] + bytes([sheet[-1] ^ 1]), policy=policy, at=AT)
    assert codes(changed) == {"signature"}


ANY = """
id = "office.any"
name = { ko = "시험", en = "Test" }
purpose = { ko = "시험", en = "Test" }
asks = { ko = "시험", en = "Test" }
holder_binding = "bearer_ok"
[freshness]
challenge = true
[trust]
max_age_hours = 720
[status]
required = true
max_age_hours = 168
[rrn]
level = "full"
legal_basis = { ko = "시험", en = "test" }
[retention]
days = 0
text = { ko = "보관하지 않음", en = "Not kept" }
"""
SLOT = """
[[certificates]]
slot = "{slot}"
name = {{ ko = "하나", en = "One" }}
required = true
[[certificates.any_of]]
code = "{code}"
claims = ["{claim}"]
"""
ON_PAPER = sorted(code for code in Catalog.builtin() if Catalog.builtin()[code].on_paper)
CARDS = sorted(set(Catalog.builtin()) - set(ON_PAPER))


def sheet_of(desk, code, **changes):
    key = IssuerKey(public_key=desk.key.public_key, chain=(desk.signer,))
    variant = next((one.id for one in desk.catalog[code].variants), None)
    content = desk.content(code, holder_key=None, variant=variant, **changes)
    return issue_paper(content, key, desk.key, desk.catalog.labels)


def takes(desk, *wanted):
    slots = "".join(
        SLOT.format(slot=code.replace(".", "_"), code=code, claim=desk.catalog[code].claims[0].key) for code in wanted
    )
    return VerificationPolicy.load(ANY + slots)


def test_what_exists_on_paper_is_every_certificate_and_no_identity_card():
    assert CARDS == ["id.driver_mobile", "id.e_citizen", "id.foreigner_mobile", "id.resident_mobile"]
    assert len(ON_PAPER) == 18


@pytest.mark.parametrize("code", CARDS)
def test_sc_17_paper_of_an_identity_card_is_refused_whatever_the_policy_takes(desk, verifier, code):
    for policy in (takes(desk, code), takes(desk, code, CODE), takes(desk, CODE, code)):
        result = verifier.verify_paper(sheet_of(desk, code), policy=policy, at=AT)
        assert result.outcome is Outcome.REJECTED
        assert "holder_binding" in codes(result)
        assert not result.disclosed


@pytest.mark.parametrize("code", CARDS)
def test_sc_17_an_identity_card_without_a_holder_is_refused_as_an_answer(desk, verifier, code):
    form = "dc+sd-jwt"
    request = verifier.request(takes(desk, CODE, code), freshness=Challenge(), at=AT, formats=(form,))
    bound = {one.id: one.holder_binding for one in request.query.credentials}
    name = code.replace(".", "_")
    assert bound == {CODE.replace(".", "_"): False, name: True}, "wallets are told that the card has to be bound"
    for raw, sent_as in ((sheet_of(desk, code), "vcred-paper"), (desk.certificate(code, form), form)):
        answer = Presentation(tokens={name: (Presented(format=sent_as, raw=raw),)})
        result = verifier.verify(answer, request=request, at=AT)
        assert not result
        assert codes(result) & {"holder_binding", "kb_missing"}
        assert name not in result.disclosed


@pytest.mark.parametrize("code", ON_PAPER)
def test_paper_of_every_certificate_that_exists_on_paper_is_read(desk, verifier, code):
    result = verifier.verify_paper(sheet_of(desk, code), policy=takes(desk, code), at=AT)
    assert "holder_binding" not in codes(result)
    assert result.check("holder_binding", "paper").status is CheckStatus.PASSED


def test_a_policy_for_bearers_of_cards_alone_is_a_mistake(desk, verifier):
    policy = takes(desk, "id.resident_mobile", "id.driver_mobile")
    (mistake,) = lint(policy, desk.catalog)
    assert mistake.path == "holder_binding"
    with pytest.raises(PolicyError):
        verifier.request(policy, freshness=Challenge(), at=AT)
    assert lint(takes(desk, "id.resident_mobile", CODE), desk.catalog) == []


def test_a_bound_certificate_needs_its_holder_even_where_bearers_do(desk, form, verifier):
    policy = VerificationPolicy.load(BEARER)
    from verifier import Challenge

    request = verifier.request(policy, freshness=Challenge(), at=AT, formats=(form,))
    result = verifier.verify(with_token(desk.certificate(CODE, form), form), request=request, at=AT)
    assert "kb_missing" in codes(result)
    assert result.check("key_binding", "residence-1").status is CheckStatus.FAILED


def test_kb_13_key_binding_in_the_wrong_place(desk, verifier):
    request = asked(verifier, "dc+sd-jwt")
    raw = token_of(honest(desk, "dc+sd-jwt", request))
    head, _, binding = raw.rpartition(b"~")
    for shape in (raw + b"~", raw + b"~" + binding, head + b"~" + binding + b"~" + binding):
        assert verdict(verifier, with_token(shape, "dc+sd-jwt"), request) & {"format", "disclosure", "encoding", "json"}


def test_one_flipped_byte_is_never_accepted(desk, form, verifier):
    request = asked(verifier, form)
    raw = token_of(honest(desk, form, request))
    for position in range(0, len(raw), 37):
        broken = bytearray(raw)
        broken[position] ^= 1
        assert not verifier.verify(with_token(bytes(broken), form), request=request, at=AT), position


def test_the_cbor_of_a_key_binding_token_is_what_it_looks_like(desk, verifier):
    """An unprotected header added on the way changes nothing that is signed, and is refused by the format or ignored."""
    request = asked(verifier, "sd-cwt", freshness=WINDOW)
    answer = honest(desk, "sd-cwt", request, one_way=secrets.token_bytes(16))
    assert verifier.verify(answer, request=request, at=AT)
    raw = token_of(answer)
    items = decode(raw[1:] if raw[0] == 0xD2 else raw, "token", max_bytes=65_536)
    items[1] = {**items[1], -70_000: b"padding"}
    padded = dataclasses.replace(
        answer, tokens={"residence-1": (Presented(format="sd-cwt", raw=raw[: raw[0] == 0xD2] + encode(items)),)}
    )
    assert not verifier.verify(padded, request=request, at=AT)
