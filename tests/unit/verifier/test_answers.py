"""A verifier takes whatever comes: bare presentations in every format, other people's included."""

from __future__ import annotations

import json
from hashlib import sha256

import pytest

from tests.desk import AT, NOW, codes, raw_jws
from tests.formats_kit import CODE, DID_LIST, EVERY, World
from vcred.credential import StatusReference
from vcred.errors import MalformedError
from vcred.formats import _cbor, _didkit_process
from vcred.formats._kb_jwt import nonce_text
from vcred.formats._wire import b64u_encode
from vcred.formats.known import LEGACY_FORMATS
from vcred.formats.mdoc import Session, openid4vp_transcript
from vcred.presentation import Presentation
from vcred.reasons import Outcome
from verifier import Assurance, Challenge, VerificationPolicy

pytest.importorskip("didkit")

WEB = "did:web:haneul.example"
OPEN = ("vc+jwt", *LEGACY_FORMATS)
"""Formats that show everything, so that no policy takes them that forbids something."""

TEXT = VerificationPolicy.preset("bank.address-change").source
SHOWS_ALL = TEXT.replace('[rrn]\nlevel = "none"', '[rrn]\nlevel = "full"\nlegal_basis = { ko = "시험", en = "Test" }')
SHOWS_ALL = SHOWS_ALL.replace('[forbid]\nclaims = ["rrn.serial", "rrn.sexDigit"]\n', "")


@pytest.fixture(scope="module")
def world():
    return World()


@pytest.fixture(scope="module")
def bundles(world):
    return {form: world.bundle(with_city=form in LEGACY_FORMATS) for form in EVERY}


@pytest.fixture
def desk_for(world, bundles):
    """A verifier and its request for a format; ``ask`` may change both."""

    def made(form, *, bundle=None, text=None):
        verifier = world.verifier(bundle or bundles[form])
        policy = VerificationPolicy.load(text or (SHOWS_ALL if form in OPEN else TEXT))
        return verifier, verifier.request(policy, freshness=Challenge(), at=AT, formats=(form,))

    return made


def answer(world, form, request, credential=None, **more):
    raw = world.credential(form) if credential is None else credential
    opened = world.ldp.open(raw) if form == "ldp_vc" else None
    paths = ()
    if form in ("dc+sd-jwt", "sd-cwt", "mso_mdoc", "vc+sd-jwt"):
        query = next(one for one in request.query.credentials if one.types and CODE in str(one.types))
        paths = [claim.path for claim in query.claims]
    assert opened is None or opened.key_binding is None
    sent = {"audience": request.client_id, "nonce": request.nonce, "issued_at": NOW} | more
    return world.shown(form, raw, paths=paths, **sent)


@pytest.mark.parametrize("form", EVERY)
def test_a_bare_presentation_is_accepted_for_what_it_is(world, desk_for, form):
    verifier, request = desk_for(form)
    shown = answer(world, form, request)
    result = verifier.verify(shown, request=request, at=AT)
    assert (result.outcome, codes(result)) == (Outcome.ACCEPTED, set())
    assert [one.format for one in result.certificates] == [form]
    assert result.claims[CODE]["name"]
    assert codes(verifier.verify([shown], request=request, at=AT)) == {"replay"}


@pytest.mark.parametrize("form", EVERY)
def test_a_vp_token_without_formats_is_an_answer(world, desk_for, form):
    verifier, request = desk_for(form)
    shown = answer(world, form, request)
    query = next(one.id for one in request.query.credentials if CODE in str(one.types))
    text = b64u_encode(shown) if form in ("sd-cwt", "mso_mdoc") else shown.decode()
    token = json.loads(text) if form == "ldp_vc" else text
    made = Presentation.of({query: [token]})
    result = verifier.verify(made, request=request, at=AT)
    assert (result.outcome, codes(result)) == (Outcome.ACCEPTED, set())
    # Over QR it is the same answer.
    again = Presentation.parse(made.to_message())
    assert again == made


@pytest.mark.parametrize(
    ("tokens", "code"),
    [
        ({}, "format"),
        ([], "format"),
        ({"a": []}, "format"),
        ({"a": "eyJ"}, "format"),
        ({5: ["eyJ"]}, "format"),
        ({"a": [5]}, "format"),
        ({"a": [None]}, "format"),
        ({"a": ["e.e.e"]}, "encoding"),
        ({"a": ["eyJhbGciOiJub25lIn0.e30."]}, "alg"),
    ],
)
def test_what_is_no_vp_token_is_malformed(tokens, code):
    with pytest.raises(MalformedError) as caught:
        Presentation.of(tokens)
    assert caught.value.code.value == code
    assert caught.value.path.startswith("vp_token")


def test_more_presentations_than_anybody_asks_for_are_refused(world):
    raw = world.samples["sd-cwt"][1]
    with pytest.raises(MalformedError) as caught:
        Presentation.of({"a": [raw] * 33})
    assert caught.value.code.value == "limit"


def test_a_bare_presentation_goes_to_the_query_for_its_type(world, desk_for):
    """The preset asks for one of two kinds; neither has to be named."""
    verifier, request = desk_for("sd-cwt")
    kinds = {min(next(iter(one.types))): one.id for one in request.query.credentials}
    for code in ("resident.personal", "resident.household"):
        raw = world.certificate(code, "sd-cwt")
        shown = world.shown("sd-cwt", raw, audience=request.client_id, nonce=request.nonce)
        result = verifier.verify(shown, request=request, at=AT)
        assert [one.query_id for one in result.certificates] == [kinds[world.catalog[code].vct]]


def test_a_format_that_nobody_asked_for_is_refused(world, desk_for):
    verifier, request = desk_for("sd-cwt")
    result = verifier.verify(answer(world, "vc+jwt", request), request=request, at=AT)
    assert result.outcome is Outcome.REJECTED
    assert codes(result)


@pytest.mark.parametrize("form", LEGACY_FORMATS)
class TestLegacy:
    """VCDM 1.1, signed by a DID that the bundle names, held by a key that is the subject."""

    def refused(self, world, desk_for, form, *, credential=None, bundle=None, **sent):
        verifier, request = desk_for(form, bundle=bundle)
        shown = answer(world, form, request, credential, **sent)
        result = verifier.verify(shown, request=request, at=AT)
        assert result.outcome is Outcome.REJECTED
        return codes(result)

    def test_a_did_that_the_bundle_does_not_name_signs_nothing(self, world, desk_for, bundles, form):
        assert "untrusted" in self.refused(world, desk_for, form, bundle=bundles["sd-cwt"])

    def test_a_revoked_one_is_refused(self, world, desk_for, form):
        assert self.refused(world, desk_for, form, bundle=world.bundle(revoked=[7])) == {"revoked"}

    def test_an_expired_one_is_refused(self, world, desk_for, form):
        old = world.credential(form, issued_at=NOW - 200 * 86_400)
        assert "expired" in self.refused(world, desk_for, form, credential=old)

    def test_another_nonce_audience_or_time_is_refused(self, world, desk_for, form):
        assert self.refused(world, desk_for, form, nonce=bytes(16)) == {"nonce"}
        assert self.refused(world, desk_for, form, audience="x509_hash:somebody-else") == {"aud"}
        assert self.refused(world, desk_for, form, issued_at=NOW + 3600) == {"iat"}

    def test_a_credential_that_nobody_presents_is_refused(self, world, desk_for, form):
        verifier, request = desk_for(form)
        result = verifier.verify(world.credential(form), request=request, at=AT)
        assert "kb_missing" in codes(result)
        assert not result

    def test_without_a_holder_only_a_policy_for_bearer_documents_takes_it(self, world, desk_for, form):
        raw = world.credential(form, holder_key=None)
        verifier, request = desk_for(form)
        result = verifier.verify(raw, request=request, at=AT)
        assert "holder_binding" in codes(result)
        assert not result
        text = SHOWS_ALL.replace('holder_binding = "required"', 'holder_binding = "bearer_ok"')
        assert text != SHOWS_ALL
        verifier, request = desk_for(form, text=text)
        result = verifier.verify(raw, request=request, at=AT)
        assert (result.outcome, result.assurance) == (Outcome.ACCEPTED, Assurance.BEARER)

    def test_a_changed_claim_is_refused(self, world, desk_for, form):
        raw = world.credential(form)
        if form == "ldp_vc":
            body = json.loads(raw)
            body["credentialSubject"]["claims"]["name"] = "박다른"
            changed = json.dumps(body).encode()
            verifier, request = desk_for(form)
            # The holder cannot present what it did not get, so it is shown as it is.
            assert "signature" in codes(verifier.verify(changed, request=request, at=AT))
            return
        content = world.content(CODE, issuer=world.did, status=StatusReference(uri=DID_LIST, index=7))
        forged = world.jwt_vc(content, signer=world.stranger)
        assert self.refused(world, desk_for, form, credential=forged) == {"signature"}


def test_a_thief_presents_a_jwt_vc_with_a_key_of_his_own(world, desk_for):
    verifier, request = desk_for("jwt_vc_json")
    raw = world.credential("jwt_vc_json")
    sent = {"audience": request.client_id, "nonce": request.nonce, "issued_at": NOW}
    result = verifier.verify(world.jwt_vp(raw, signer=world.stranger, **sent), request=request, at=AT)
    assert codes(result) == {"kb_key"}


def test_the_keys_of_a_did_web_come_from_the_document_in_the_bundle(world, desk_for):
    method = f"{WEB}#key-1"
    key = {"id": method, "type": "JsonWebKey", "controller": WEB, "publicKeyJwk": world.city.public_key.to_jwk()}
    document = json.dumps({"id": WEB, "verificationMethod": [key], "assertionMethod": [method]}).encode()
    verifier, request = desk_for("jwt_vc_json", bundle=world.bundle(did=WEB, document=document))
    content = world.content(CODE, issuer=WEB, status=StatusReference(uri=DID_LIST, index=7))
    shown = answer(world, "jwt_vc_json", request, world.jwt_vc(content, kid=method))
    result = verifier.verify(shown, request=request, at=AT)
    assert (result.outcome, codes(result)) == (Outcome.ACCEPTED, set())


def test_a_worker_that_does_not_answer_leaves_it_undecided(world, desk_for, tmp_path, monkeypatch):
    verifier, request = desk_for("ldp_vc")
    shown = answer(world, "ldp_vc", request)
    crash = tmp_path / "crash.py"
    crash.write_text("import os\nos._exit(1)\n")
    monkeypatch.setattr(_didkit_process, "_WORKER", crash)
    result = verifier.verify(shown, request=request, at=AT)
    assert (result.outcome, codes(result)) == (Outcome.INDETERMINATE, {"unchecked"})
    # It was not used up: once the worker is back, the same answer counts.
    monkeypatch.undo()
    assert verifier.verify(shown, request=request, at=AT)


def test_without_didkit_the_verdict_says_what_to_install(world, desk_for, tmp_path, monkeypatch):
    verifier, request = desk_for("ldp_vc")
    shown = answer(world, "ldp_vc", request)
    missing = tmp_path / "missing.py"
    missing.write_text("import sys\nsys.stdout.buffer.write(b'!' + bytes(4))\nsys.stdout.buffer.flush()\n")
    monkeypatch.setattr(_didkit_process, "_WORKER", missing)
    result = verifier.verify(shown, request=request, at=AT)
    assert (result.outcome, codes(result)) == (Outcome.INDETERMINATE, {"unchecked"})
    assert any("vcred[didkit]" in reason.detail for reason in result.reasons)


class TestOtherPeoplesWallets:
    """What the standards leave open, and what they do not."""

    @pytest.mark.parametrize("form", ["dc+sd-jwt", "vc+sd-jwt"])
    def test_disclosures_come_in_any_order(self, world, desk_for, form):
        verifier, request = desk_for(form)
        shown = answer(world, form, request)
        jwt, *disclosures, _ = shown.split(b"~")
        assert len(disclosures) > 2
        bound = b"~".join((jwt, *reversed(disclosures), b""))
        result = verifier.verify(bound + rebound(world, bound, request), request=request, at=AT)
        assert (result.outcome, codes(result)) == (Outcome.ACCEPTED, set())

    def test_parents_may_be_disclosed_without_what_is_below(self, world, desk_for):
        """Whoever shows the parent and no child has hidden the children; the policy then says what is missing."""
        verifier, request = desk_for("dc+sd-jwt")
        shown = answer(world, "dc+sd-jwt", request)
        jwt, *disclosures, _ = shown.split(b"~")
        opened = world.formats["dc+sd-jwt"].open(shown)
        child = next(raw for path, raw in opened.disclosures.items() if path.parts[:2] == ("rrn", "birthDate"))
        left = [one for one in disclosures if one not in (child, str(child).encode())]
        bound = b"~".join((jwt, *left, b""))
        result = verifier.verify(bound + rebound(world, bound, request), request=request, at=AT)
        assert len(left) == len(disclosures) - 1
        assert result.outcome is Outcome.REJECTED
        assert not codes(result) & {"digest", "disclosure", "unused_disclosure", "sd_hash"}

    def response(self, world, request, change=lambda body: body):
        form = world.formats["mso_mdoc"]
        opened = form.open(world.samples["mso_mdoc"][0])
        transcript = openid4vp_transcript(
            client_id=request.client_id, nonce="n", response_uri="https://a.example", encryption_key=None
        )
        prepared = form.prepare_response(opened, [], transcript=transcript)
        raw = prepared.complete(world.holder.sign(prepared.signing_input))
        body = _cbor.decode(raw, "", max_bytes=100_000, tags=frozenset({24}))
        session = Session(transcript=transcript, audience=request.client_id, nonce=None, received_at=NOW)
        return _cbor.encode(change(body)), session

    def reason(self, world, desk_for, change=lambda body: body):
        verifier, request = desk_for("mso_mdoc")
        raw, _ = self.response(world, request, change)
        result = verifier.verify(raw, request=request, at=AT)
        assert result.outcome is Outcome.REJECTED
        return next((one.code.value, one.path, one.detail) for one in result.reasons)

    def test_a_device_response_needs_its_session(self, world, desk_for):
        code, _, detail = self.reason(world, desk_for)
        assert (code, "session" in detail) == ("device_auth", True)
        _, request = desk_for("mso_mdoc")
        raw, session = self.response(world, request)
        (opened,) = world.formats["mso_mdoc"].open_response(raw, session)
        world.formats["mso_mdoc"].verify_key_binding(opened)

    def test_several_documents_in_one_response(self, world, desk_for):
        two = lambda body: body | {"documents": body["documents"] * 2}  # noqa: E731
        assert self.reason(world, desk_for, two) == ("format", "residence-1.mdoc.documents", "not one document")

    @pytest.mark.parametrize("status", [10, 11, 12, 20])
    def test_a_device_that_says_it_failed(self, world, desk_for, status):
        failed = self.reason(world, desk_for, lambda body: body | {"status": status})
        assert failed == ("format", "residence-1.mdoc.status", "the device says that it failed")
        only = self.reason(world, desk_for, lambda _: {"version": "1.0", "status": status})
        assert only == failed

    def test_elements_that_the_device_signs_itself(self, world, desk_for):
        def add(body):
            document = body["documents"][0]
            elements = _cbor.Embedded(_cbor.encode({"kr.vcred.extra": {"height": 180}}))
            signed = document["deviceSigned"] | {"nameSpaces": elements}
            return body | {"documents": [document | {"deviceSigned": signed}]}

        code, path, _ = self.reason(world, desk_for, add)
        assert (code, path) == ("device_auth", "residence-1.deviceSigned.nameSpaces")


def rebound(world, bound, request):
    """The key-binding JWT over ``bound``, as the holder's own software makes it."""
    claims = {
        "iat": NOW,
        "aud": request.client_id,
        "nonce": nonce_text(request.nonce),
        "sd_hash": b64u_encode(sha256(bound).digest()),
    }
    return raw_jws({"alg": "ES256", "typ": "kb+jwt"}, json.dumps(claims).encode(), world.holder)
