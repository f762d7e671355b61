"""Key proofs: what a wallet must prove before anything is bound to its keys (OpenID4VCI 1.0 appendix F.1)."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from issuer.proofs import check_proofs
from tests.unit.issuer.conftest import AT, ID, agency  # noqa: F401  # a fixture
from vcred.errors import RefusedError
from vcred.formats._wire import b64u_encode, dump_json
from vcred.issuance import PROOF_TYP, IssuanceRequest
from vcred.keys import SoftwareSigner
from vcred.reasons import ReasonCode

NONCE = bytes(range(16))
NOW = int(AT.timestamp())
KEY = SoftwareSigner.generate()
PAYLOAD = {"aud": ID, "iat": NOW, "nonce": b64u_encode(NONCE)}


def proof(*, signer=KEY, drop=(), payload=None, **header):
    head = {"alg": "ES256", "typ": PROOF_TYP, "jwk": signer.public_key.to_jwk()} | header
    head = {name: value for name, value in head.items() if name not in drop}
    body = dump_json(PAYLOAD | (payload or {})) if not isinstance(payload, bytes) else payload
    signed = f"{b64u_encode(dump_json(head))}.{b64u_encode(body)}".encode()
    return signed + b"." + b64u_encode(signer.sign(signed)).encode()


def check(*proofs, formats=("dc+sd-jwt",), copies=20):
    request = IssuanceRequest(nonce=NONCE, keys=tuple(("dc+sd-jwt", one) for one in proofs))
    return check_proofs(request, issuer=ID, formats=formats, copies=copies, at=AT)


def refused(*proofs, **limits):
    with pytest.raises(RefusedError) as caught:
        check(*proofs, **limits)
    return caught.value.code


def test_a_good_proof_proves_its_key():
    other = SoftwareSigner.generate()
    assert check(proof(), proof(signer=other)) == (
        ("dc+sd-jwt", KEY.public_key),
        ("dc+sd-jwt", other.public_key),
    )


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        ({"nonce": None}, ReasonCode.NONCE),
        ({"nonce": b64u_encode(bytes(16))}, ReasonCode.NONCE),
        ({"nonce": b64u_encode(NONCE) + "="}, ReasonCode.NONCE),
        ({"nonce": [b64u_encode(NONCE)]}, ReasonCode.NONCE),
        ({"aud": "https://other.example/issuer"}, ReasonCode.AUD),
        ({"aud": ID + "/"}, ReasonCode.AUD),
        ({"aud": [ID]}, ReasonCode.AUD),
        ({"aud": None}, ReasonCode.AUD),
        ({"iat": NOW + 600}, ReasonCode.IAT),
        ({"iat": NOW - 600}, ReasonCode.IAT),
        ({"iat": float(NOW)}, ReasonCode.IAT),
        ({"iat": True}, ReasonCode.IAT),
        ({"iat": str(NOW)}, ReasonCode.IAT),
        ({"iss": "wallet"}, ReasonCode.FORMAT),
        (b"[]", ReasonCode.FORMAT),
        (b"null", ReasonCode.FORMAT),
        (b'{"aud":1,"aud":2}', ReasonCode.DUPLICATE_KEY),
    ],
    ids=[
        "CI-01 no nonce",
        "CI-01 another nonce",
        "CI-01 padded nonce",
        "CI-01 nonce in a list",
        "CI-02 another issuer",
        "CI-02 a slash more",
        "CI-02 a list of issuers",
        "CI-02 no issuer",
        "CI-02 ten minutes ahead",
        "CI-02 ten minutes ago",
        "CI-02 a fraction",
        "CI-02 a boolean",
        "CI-02 a text",
        "an iss in an anonymous flow",
        "an array",
        "null",
        "CI-14 a member twice",
    ],
)
def test_ci_01_ci_02_a_proof_for_something_else_is_refused(payload, code):
    assert refused(proof(payload=payload)) is code


@pytest.mark.parametrize("seconds", [-300, 0, 300])
def test_a_clock_may_be_five_minutes_off(seconds):
    assert check(proof(payload={"iat": NOW + seconds}))


@pytest.mark.parametrize(
    ("header", "code"),
    [
        ({"typ": "JWT"}, ReasonCode.TYP),
        ({"typ": "kb+jwt"}, ReasonCode.TYP),
        ({"typ": PROOF_TYP.upper()}, ReasonCode.TYP),
        ({"drop": ("typ",)}, ReasonCode.TYP),
        ({"alg": "none"}, ReasonCode.ALG),
        ({"alg": "HS256"}, ReasonCode.ALG),
        ({"drop": ("alg",)}, ReasonCode.ALG),
        ({"drop": ("jwk",)}, ReasonCode.KEY),
        ({"kid": "did:jwk:abc#0"}, ReasonCode.KEY),
        ({"drop": ("jwk",), "kid": "key-1"}, ReasonCode.KEY),
        ({"x5c": ["MAA="]}, ReasonCode.KEY),
        ({"kid": "key-1", "x5c": ["MAA="]}, ReasonCode.KEY),
        ({"jwk": {"kty": "oct", "k": "AAAA"}}, ReasonCode.KEY),
        ({"jwk": KEY.public_key.to_jwk() | {"d": b64u_encode(bytes(32))}}, ReasonCode.KEY),
        ({"jwk": KEY.public_key.to_jwk() | {"y": b64u_encode(bytes(32))}}, ReasonCode.KEY),
        ({"jwk": KEY.public_key.to_jwk() | {"use": "enc"}}, ReasonCode.KEY_USE),
        ({"jwk": None}, ReasonCode.KEY),
        ({"crit": ["exp"]}, ReasonCode.CRIT),
        ({"jku": "https://evil.example/jwks"}, ReasonCode.UNTRUSTED),
    ],
    ids=[
        "CI-02 typ JWT",
        "CI-02 a key binding as proof",
        "CI-02 typ in capitals",
        "CI-02 no typ",
        "CI-02 alg none",
        "CI-02 alg HS256",
        "CI-02 no alg",
        "no key",
        "CI-03 jwk and kid",
        "CI-03 kid alone",
        "CI-03 jwk and x5c",
        "CI-03 all three",
        "CI-04 a symmetric key",
        "CI-04 a private key",
        "CI-04 off the curve",
        "an encryption key",
        "a null key",
        "crit",
        "jku",
    ],
)
def test_ci_02_to_ci_04_a_wrong_header_is_refused(header, code):
    assert refused(proof(**header)) is code


def test_a_key_of_another_curve_is_no_holder_key():
    other = SoftwareSigner(ec.generate_private_key(ec.SECP384R1()))
    assert refused(proof(signer=other, alg="ES384")) is ReasonCode.ALG


def test_the_signature_is_checked_with_the_very_key_of_the_header():
    stranger = SoftwareSigner.generate()
    assert refused(proof(signer=stranger, jwk=KEY.public_key.to_jwk())) is ReasonCode.SIGNATURE
    good = proof()
    assert refused(good[:-4] + (b"AAAA" if good[-4:] != b"AAAA" else b"BBBA")) in (
        ReasonCode.SIGNATURE,
        ReasonCode.ENCODING,
    )


def test_ci_05_two_proofs_with_one_key_are_refused():
    assert refused(proof(), proof(payload={"iat": NOW - 1})) is ReasonCode.KEY


def test_ci_05_more_proofs_than_copies_are_refused_before_any_signature_is_checked():
    assert refused(*[b"not even a proof"] * 21) is ReasonCode.LIMIT
    assert refused() is ReasonCode.LIMIT


def test_ci_06_a_format_that_was_not_offered_is_refused():
    assert refused(proof(), formats=("sd-cwt",)) is ReasonCode.FORMAT_NOT_ACCEPTED


def test_a_refused_proof_leaves_the_offer_open(agency):  # noqa: F811  # the fixture
    offer = agency.offer()
    good = agency.request(offer, keys=2)
    bad = IssuanceRequest(nonce=good.nonce, keys=(("dc+sd-jwt", proof()),))
    late = AT + timedelta(minutes=1)
    with pytest.raises(RefusedError):
        agency.issuer.issue(bad, at=late)
    assert agency.issuer.issue(good, at=late)


def test_no_proof_or_nonce_shows_in_a_repr_or_an_error():
    request = IssuanceRequest(nonce=NONCE, keys=(("dc+sd-jwt", proof()),))
    assert "eyJ" not in repr(request)
    assert b64u_encode(NONCE) not in repr(request)
    with pytest.raises(RefusedError) as caught:
        check(proof(payload={"aud": "https://someone-else.example"}))
    assert "someone-else" not in str(caught.value)
    assert json.loads(request.to_bytes())["keys"][0]["format"] == "dc+sd-jwt"
