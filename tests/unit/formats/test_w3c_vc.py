from __future__ import annotations

import subprocess
import sys

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from vcred.claims import SD, ClaimPath
from vcred.credential import Content, StatusReference
from vcred.errors import RefusedError
from vcred.formats._jose import sign_jws
from vcred.formats._w3c_jwt import parse_presentation
from vcred.formats._wire import b64u_decode, dump_json, parse_json
from vcred.formats.base import CredentialFormat, IssuerKey
from vcred.formats.w3c_vc import JwtVcJson, W3cJwt, W3cSdJwt, prepare_credential, prepare_presentation
from vcred.keys import SoftwareSigner
from vcred.reasons import ReasonCode as Code
from vcred.status import BitstringReference
from vcred.trust.did import did_jwk, did_key

ISSUER, HOLDER = SoftwareSigner.generate(), SoftwareSigner.generate()
JWT: CredentialFormat = W3cJwt()
SD_JWT: CredentialFormat = W3cSdJwt()
NONCE = bytes(range(128, 144))
V1, V2 = "https://www.w3.org/2018/credentials/v1", "https://www.w3.org/ns/credentials/v2"
VCT = "urn:vcred:kr:resident.household:1"
CLAIMS = {
    "issuedOn": "2025-09-26",
    "head": {"name": SD("김가상"), "rrn": SD({"birthDate": SD("1990-01-01"), "serial": SD("990000")})},
    "members": [SD({"name": SD("이가상")}), SD({"name": SD("박가상")})],
    "history": SD([]),
    "spouse": SD(None),
}
PLAIN = {
    "issuedOn": "2025-09-26",
    "head": {"name": "김가상", "rrn": {"birthDate": "1990-01-01", "serial": "990000"}},
    "members": [{"name": "이가상"}, {"name": "박가상"}],
    "history": [],
    "spouse": None,
}
SENT = {"audience": "x509_hash:abc", "nonce": NONCE, "issued_at": 1_758_900_000}


def content(**changes: object) -> Content:
    return Content(
        **{  # type: ignore[arg-type]
            "vct": VCT,
            "issuer": "https://city.example/issuer",
            "claims": CLAIMS,
            "issued_at": 1_758_844_800,
            "not_before": 1_758_844_801,
            "expires_at": 1_766_000_000,
            "holder_key": HOLDER.public_key,
            "status": StatusReference(uri="https://city.example/status/1", index=4711),
            **changes,
        }
    )


def issue(form: CredentialFormat, signer: SoftwareSigner = ISSUER, chain: tuple[bytes, ...] = (), **changes) -> bytes:
    return form.issue(content(**changes), IssuerKey(public_key=signer.public_key, chain=chain), signer)


def present(form: CredentialFormat, raw: bytes, *paths: str, holder: SoftwareSigner = HOLDER) -> bytes:
    return form.present(form.open(raw), [ClaimPath.parse(path) for path in paths], holder, **SENT)


def payload(raw: bytes) -> dict:
    return parse_json(b64u_decode(raw.split(b"~")[0].split(b".")[1], ""), "", max_bytes=100_000)


def refusal(act) -> Code:
    with pytest.raises(RefusedError) as caught:
        act()
    return caught.value.code


@pytest.mark.parametrize("form", [JWT, SD_JWT], ids=lambda form: form.id)
def test_what_is_issued_is_what_is_opened(form):
    opened = form.open(issue(form, chain=(b"leaf", b"middle")))
    form.verify_signature(opened, ISSUER.public_key)
    assert (opened.format, opened.alg, opened.kid) == (form.id, "ES256", ISSUER.public_key.kid)
    assert opened.x5c == (b"leaf", b"middle")
    assert (opened.issuer, opened.vct) == ("https://city.example/issuer", VCT)
    assert (opened.issued_at, opened.not_before, opened.expires_at) == (1_758_844_800, 1_758_844_801, 1_766_000_000)
    assert opened.status == StatusReference(uri="https://city.example/status/1", index=4711)
    assert opened.holder_key == HOLDER.public_key
    assert opened.claims == PLAIN
    assert opened.key_binding is None


def test_the_wire_is_a_credential_of_vcdm_2_with_claims_of_jwt_beside_it():
    body = payload(issue(JWT))
    assert body == {
        "@context": [V2, {"@vocab": "urn:vcred:kr:claim:"}],
        "type": ["VerifiableCredential", VCT],
        "issuer": "https://city.example/issuer",
        "validFrom": "2025-09-26T00:00:01Z",
        "validUntil": "2025-12-17T19:33:20Z",
        "credentialSubject": PLAIN,
        "iat": 1_758_844_800,
        "exp": 1_766_000_000,
        "cnf": {"jwk": HOLDER.public_key.to_jwk()},
        "status": {"status_list": {"idx": 4711, "uri": "https://city.example/status/1"}},
    }
    header = parse_json(b64u_decode(issue(JWT).split(b".")[0], ""), "", max_bytes=10_000)
    assert (header["typ"], header["cty"]) == ("vc+jwt", "vc")


@pytest.mark.parametrize("form", [JWT, SD_JWT], ids=lambda form: form.id)
@pytest.mark.parametrize(
    "key", [ec.generate_private_key(ec.SECP384R1()), ed25519.Ed25519PrivateKey.generate()], ids=["ES384", "EdDSA"]
)
def test_every_algorithm_signs_for_issuer_and_holder(form, key):
    signer = SoftwareSigner(key)
    raw = issue(form, signer, holder_key=signer.public_key)
    shown = form.open(present(form, raw, holder=signer))
    form.verify_signature(shown, signer.public_key)
    form.verify_key_binding(shown)
    assert refusal(lambda: form.verify_signature(shown, ISSUER.public_key)) is Code.KEY


@pytest.mark.parametrize("form", [JWT, SD_JWT], ids=lambda form: form.id)
def test_a_presentation_is_bound_to_holder_audience_and_nonce(form):
    shown = form.open(present(form, issue(form)))
    form.verify_signature(shown, ISSUER.public_key)
    form.verify_key_binding(shown)
    assert shown.key_binding is not None
    assert (shown.key_binding.audience, shown.key_binding.nonce) == ("x509_hash:abc", NONCE)
    assert shown.key_binding.issued_at == 1_758_900_000
    assert refusal(lambda: form.verify_key_binding(form.open(issue(form)))) is Code.KB_MISSING
    bearer = form.open(issue(form, holder_key=None))
    assert bearer.holder_key is None


def test_a_presentation_signed_by_somebody_else_is_refused():
    thief = SoftwareSigner.generate()
    token = issue(JWT)
    body = {
        "@context": [V2],
        "type": ["VerifiablePresentation"],
        "verifiableCredential": [
            {
                "@context": V2,
                "type": "EnvelopedVerifiableCredential",
                "id": "data:application/vc+jwt," + token.decode(),
            }
        ],
        "aud": "x509_hash:abc",
        "nonce": "a-nonce",
        "iat": 1_758_900_000,
    }
    stolen = JWT.open(sign_jws({"typ": "vp+jwt"}, dump_json(body), thief))
    JWT.verify_signature(stolen, ISSUER.public_key)
    assert refusal(lambda: JWT.verify_key_binding(stolen)) is Code.KB_KEY
    assert stolen.key_binding.nonce == b"a-nonce"


def test_a_format_that_hides_nothing_presents_all_or_refuses():
    raw = issue(JWT)
    opened = JWT.open(raw)
    assert not opened.disclosures
    with pytest.raises(ValueError, match="discloses everything"):
        present(JWT, raw, "head.name")
    with pytest.raises(ValueError, match="discloses everything"):
        present(JWT, raw, "issuedOn", "head", "members[0]", "history", "spouse")
    with pytest.raises(ValueError, match="nothing to disclose"):
        present(JWT, raw, "town")
    for paths in ((), ("issuedOn", "head", "members[].name", "history", "spouse")):
        assert JWT.open(present(JWT, raw, *paths)).claims == PLAIN


def test_the_other_format_shows_what_was_chosen_and_nothing_else():
    raw = issue(SD_JWT, decoys=2)
    assert SD_JWT.open(raw).claims == PLAIN
    assert SD_JWT.open(present(SD_JWT, raw)).claims == {"issuedOn": "2025-09-26", "head": {}, "members": []}
    shown = SD_JWT.open(present(SD_JWT, raw, "head.rrn.birthDate", "members[1].name"))
    SD_JWT.verify_key_binding(shown)
    assert shown.claims["head"] == {"rrn": {"birthDate": "1990-01-01"}}
    assert shown.claims["members"] == [{"name": "박가상"}]
    assert shown.hidden_elements[ClaimPath.parse("members")] == 3
    assert "김가상".encode() not in b64u_decode(raw.split(b".")[1], "")


def test_a_holder_who_holds_nothing_cannot_present():
    opened = JWT.open(issue(JWT))
    with pytest.raises(ValueError, match="not the holder key"):
        JWT.present(opened, [], ISSUER, **SENT)
    with pytest.raises(ValueError, match="audience and a nonce"):
        JWT.present(opened, [], HOLDER, audience="x", nonce=None, issued_at=1)
    with pytest.raises(ValueError, match="as issued"):
        JWT.present(JWT.open(present(JWT, issue(JWT))), [], HOLDER, **SENT)
    with pytest.raises(ValueError, match="as issued"):
        JWT.prepare_presentation(JWT.open(issue(JWT, holder_key=None)), [], **SENT)
    with pytest.raises(TypeError):
        JWT.prepare_presentation(SD_JWT.open(issue(SD_JWT)), [], **SENT)


def test_what_cannot_be_read_back_is_not_issued():
    with pytest.raises(ValueError, match="JSON-LD"):
        issue(JWT, claims={"id": "x"})
    with pytest.raises(ValueError, match="JSON-LD"):
        issue(SD_JWT, claims={"@type": "x"})
    with pytest.raises(ValueError, match="hides nothing"):
        issue(JWT, decoys=1)
    with pytest.raises(ValueError, match="expires"):
        issue(JWT, expires_at=1)
    with pytest.raises(ValueError, match="issuer"):
        issue(JWT, issuer="the city")
    with pytest.raises(ValueError, match="not the one"):
        JWT.issue(content(), IssuerKey(public_key=HOLDER.public_key), ISSUER)
    key = IssuerKey(public_key=ISSUER.public_key)
    document = {"@context": [V2], "type": ["VerifiableCredential", "urn:a:b"], "issuer": "did:example:a"}
    with pytest.raises(ValueError, match="only claims"):
        prepare_credential(
            document | {"issuer": SD("did:example:a"), "credentialSubject": {"id": "did:example:b"}},
            key,
            contexts=(),
            hiding=True,
        )
    with pytest.raises(ValueError, match="hides nothing"):
        prepare_credential(document | {"credentialSubject": {"name": SD("x")}}, key, contexts=())
    with pytest.raises(ValueError, match="read again"):
        prepare_presentation({"@context": [V2], "type": ["VerifiablePresentation"]}, key, contexts=())


def test_a_bitstring_entry_takes_the_place_of_the_status_claim():
    reference = BitstringReference(uri="https://city.example/bits/1", index=7, purpose="revocation")
    opened = JWT.open(issue(JWT, status=reference))
    assert opened.status == reference
    assert payload(issue(JWT, status=reference))["credentialStatus"]["statusListIndex"] == "7"
    assert "status" not in payload(issue(JWT, status=reference))
    assert JWT.open(issue(JWT, status=None)).status is None


@pytest.mark.parametrize("form", [JWT, SD_JWT], ids=lambda form: form.id)
def test_several_entries_and_the_claim_are_written_and_read(form):
    bits = tuple(
        BitstringReference(uri=f"https://city.example/bits/{purpose}", index=7, purpose=purpose)
        for purpose in ("revocation", "suspension")
    )
    claim = StatusReference(uri="https://city.example/status/1", index=4711)
    for status in (bits, (claim, *bits), (claim, bits[0])):
        assert form.open(issue(form, status=status)).status == status
    assert len(payload(issue(form, status=bits))["credentialStatus"]) == 2
    for wrong in (
        (claim, claim),
        bits * 5,
        BitstringReference(uri="https://city.example/1", index=7, purpose="message"),
        BitstringReference(uri="https://city.example/1", index=-1, purpose="revocation"),
        BitstringReference(uri="", index=1, purpose="revocation"),
    ):
        with pytest.raises(ValueError, match=r"status|entry"):
            issue(form, status=wrong)


@pytest.mark.parametrize("form", [JWT, SD_JWT], ids=lambda form: form.id)
def test_nothing_is_issued_that_says_nothing(form):
    with pytest.raises(ValueError, match="says something"):
        issue(form, claims={})
    for claims in ({"name": SD(None)}, {"list": []}, {"head": SD({})}):
        assert form.open(issue(form, claims=claims)).claims.keys() == claims.keys()


def test_the_narrower_end_of_validity_counts():
    body = payload(issue(JWT))

    def opened(**changes):
        return JWT.open(sign_jws({"typ": "vc+jwt"}, dump_json(body | changes), ISSUER))

    assert opened(exp=1_760_000_000).expires_at == 1_760_000_000
    assert opened(exp=1_790_000_000).expires_at == 1_766_000_000
    assert opened(nbf=1_758_900_000).not_before == 1_758_900_000
    assert opened(validFrom="2025-09-26T09:00:05.5+09:00").not_before == 1_758_844_805
    without = {name: value for name, value in body.items() if name not in ("iat", "exp", "validUntil")}
    bare = JWT.open(sign_jws({"typ": "vc+jwt"}, dump_json(without), ISSUER))
    assert (bare.issued_at, bare.not_before, bare.expires_at) == (1_758_844_801, None, None)
    assert JWT.open(issue(JWT, not_before=None)).not_before is None


def test_a_presentation_of_others_may_hold_several_credentials():
    key = IssuerKey(public_key=HOLDER.public_key)
    document = {
        "@context": [V2],
        "id": "urn:uuid:3978344f-8596-4c3a-a978-8fcaba3903c5",
        "type": "VerifiablePresentation",
        "holder": {"id": "did:example:holder"},
        "verifiableCredential": [
            {
                "@context": [V2],
                "type": ["EnvelopedVerifiableCredential"],
                "id": f"data:application/{kind},{raw.decode()}",
            }
            for kind, raw in (("vc+jwt", issue(JWT)), ("vc+sd-jwt", issue(SD_JWT)))
        ],
    }
    prepared = prepare_presentation(document, key, contexts=())
    raw = prepared.complete(HOLDER.sign(prepared.signing_input))
    found = parse_presentation(raw, contexts=())
    assert found.holder == "did:example:holder"
    assert [kind for kind, _ in found.credentials] == ["application/vc+jwt", "application/vc+sd-jwt"]
    assert SD_JWT.open(found.credentials[1][1]).claims == PLAIN
    # It names no request, so no verifier here takes it for an answer.
    assert refusal(lambda: JWT.open(raw)) is Code.AUD


def legacy(**changes: object) -> dict:
    return {
        "iss": "https://city.example/issuer",
        "sub": did_key(HOLDER.public_key),
        "jti": "urn:uuid:1",
        "nbf": 1_758_844_800,
        "exp": 1_766_000_000,
        "vc": {
            "@context": [V1, {"@vocab": "urn:vcred:kr:claim:"}],
            "type": ["VerifiableCredential", VCT],
            "issuer": {"id": "https://city.example/issuer"},
            "issuanceDate": "2025-09-26T00:00:00Z",
            "credentialSubject": {"id": did_key(HOLDER.public_key), "name": "김가상"},
        },
        **changes,
    }


def test_the_older_shape_is_read_and_never_made():
    form = JwtVcJson()
    raw = sign_jws({"typ": "JWT", "kid": "key-1"}, dump_json(legacy()), ISSUER)
    opened = form.open(raw)
    form.verify_signature(opened, ISSUER.public_key)
    assert (opened.issuer, opened.vct, opened.kid) == ("https://city.example/issuer", VCT, b"key-1")
    assert (opened.issued_at, opened.expires_at) == (1_758_844_800, 1_766_000_000)
    assert opened.holder_key == HOLDER.public_key
    assert opened.claims == {"name": "김가상"}
    vp = {
        "iss": did_key(HOLDER.public_key),
        "aud": "x509_hash:abc",
        "nonce": "a-nonce",
        "iat": 1_758_900_000,
        "vp": {"@context": [V1], "type": ["VerifiablePresentation"], "verifiableCredential": [raw.decode()]},
    }
    shown = form.open(sign_jws({"typ": "JWT"}, dump_json(vp), HOLDER))
    form.verify_signature(shown, ISSUER.public_key)
    form.verify_key_binding(shown)
    stolen = form.open(sign_jws({"typ": "JWT"}, dump_json(vp), ISSUER))
    assert refusal(lambda: form.verify_key_binding(stolen)) is Code.KB_KEY
    for act in (form.prepare, form.issue, form.prepare_presentation, form.present):
        with pytest.raises(ValueError, match="read only"):
            act()


def test_the_holder_of_the_older_shape_may_be_a_did_or_a_key():
    form = JwtVcJson()

    def holder(**changes):
        return form.open(sign_jws({"typ": "JWT"}, dump_json(legacy(**changes)), ISSUER)).holder_key

    subject = legacy()["vc"] | {"credentialSubject": {"name": "김가상"}}
    assert holder(sub=did_jwk(HOLDER.public_key), vc=subject) == HOLDER.public_key
    assert holder(sub="did:example:who", vc=subject, cnf={"jwk": ISSUER.public_key.to_jwk()}) == ISSUER.public_key
    assert holder(sub="did:example:who", vc=subject) is None
    assert refusal(lambda: holder(cnf={"jwk": ISSUER.public_key.to_jwk()})) is Code.CNF


def test_importing_the_format_loads_neither_jwt_nor_trust():
    code = "import sys, vcred.formats.w3c_vc; print('jwt' in sys.modules, 'vcred.trust' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["False", "False"]
