"""DIDs: which are read, to which keys, and what a pinned document may say."""

from __future__ import annotations

import json

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from hypothesis import given
from hypothesis import strategies as st

from vcred.errors import MalformedError
from vcred.formats._wire import b64u_encode
from vcred.keys import PublicKey, SoftwareSigner
from vcred.reasons import ReasonCode
from vcred.trust.did import MAX_DOCUMENT, _base58, did_jwk, did_key, did_methods, is_method_of

WEB = "did:web:garam.example"
ALGS = ("ES256", "ES384", "EdDSA")
KEYS = {
    "ES256": SoftwareSigner.generate().public_key,
    "ES384": PublicKey(ec.generate_private_key(ec.SECP384R1()).public_key()),
    "EdDSA": PublicKey(ed25519.Ed25519PrivateKey.generate().public_key()),
}


def multikey(key):
    return did_key(key).removeprefix("did:key:")


def method(name="key-1", *, key=KEYS["ES256"], did=WEB, form="JsonWebKey", **changes):
    held = {"publicKeyMultibase": multikey(key)} if form == "Multikey" else {"publicKeyJwk": key.to_jwk()}
    return {"id": f"{did}#{name}", "type": form, "controller": did} | held | changes


def document(*methods, **changes):
    body = {
        "@context": ["https://www.w3.org/ns/did/v1", "https://w3id.org/security/jwk/v1"],
        "id": WEB,
        "verificationMethod": list(methods),
        "assertionMethod": [each["id"] for each in methods],
    }
    return json.dumps({name: value for name, value in (body | changes).items() if value is not None}).encode()


def read(raw, did=WEB):
    return did_methods(did, raw, path="did")


def refused(raw, did=WEB):
    with pytest.raises(MalformedError) as caught:
        read(raw, did)
    return caught.value.code


@pytest.mark.parametrize("alg", ALGS)
def test_did_key_and_did_jwk_name_the_key_they_are_made_of(alg):
    key = KEYS[alg]
    did = did_key(key)
    assert read(None, did) == ((f"{did}#{did[8:]}", key),)
    did = did_jwk(key)
    assert read(None, did) == ((f"{did}#0", key),)


@pytest.mark.parametrize("alg", ALGS)
@pytest.mark.parametrize("form", ["JsonWebKey", "JsonWebKey2020", "Multikey"])
def test_document_with_every_kind_of_key(alg, form):
    assert read(document(method(key=KEYS[alg], form=form))) == ((f"{WEB}#key-1", KEYS[alg]),)


def test_document_without_a_context_and_with_an_embedded_method():
    raw = document(
        **{"@context": None}, verificationMethod=None, assertionMethod=[method("a"), method("b", key=KEYS["EdDSA"])]
    )
    assert [url for url, _ in read(raw)] == [f"{WEB}#a", f"{WEB}#b"]


def test_only_methods_under_assertion_method_count():
    login, signs = method("login"), method("signs", key=KEYS["EdDSA"])
    raw = document(login, signs, authentication=[login["id"]], assertionMethod=[signs["id"]])
    assert read(raw) == ((f"{WEB}#signs", KEYS["EdDSA"]),)
    assert refused(document(login, authentication=[login["id"]], assertionMethod=[])) is ReasonCode.FORMAT


def test_methods_of_other_kinds_are_left_out():
    others = [
        method("koblitz", publicKeyJwk={"kty": "EC", "crv": "secp256k1", "x": "AA", "y": "AA"}),
        method("agree", publicKeyJwk={"kty": "OKP", "crv": "X25519", "x": "AA"}),
        method("bls", form="Multikey", publicKeyMultibase="zUC7"),
        method("ether", type="EcdsaSecp256k1RecoveryMethod2020"),
    ]
    assert read(document(*others, method())) == ((f"{WEB}#key-1", KEYS["ES256"]),)
    assert refused(document(*others)) is ReasonCode.FORMAT


WRONG_DIDS = {
    "empty": "",
    "no DID": "https://garam.example",
    "only a scheme": "did:",
    "capital scheme": "DID:key:" + multikey(KEYS["ES256"]),
    "capital method": "did:KEY:" + multikey(KEYS["ES256"]),
    "unknown method": "did:example:123",
    "did:key without a key": "did:key:",
    "did:key with a version": "did:key:1:" + multikey(KEYS["ES256"]),
    "did:key in base64url": "did:key:u" + b64u_encode(b"\xed\x01" + bytes(32)),
    "did:key with a letter base58 lacks": did_key(KEYS["ES256"])[:-1] + "0",
    "did:key with a leading zero byte": "did:key:z1" + multikey(KEYS["ES256"])[1:],
    "did:key too short": did_key(KEYS["ES256"])[:-1],
    "did:key too long": did_key(KEYS["ES384"]) + "2" * 20,
    "did:key with a fragment": did_key(KEYS["ES256"]) + "#x",
    "did:key with a space": did_key(KEYS["ES256"]) + " ",
    "did:key of no point": "did:key:z" + _base58(b"\x80\x24\x02" + b"\xff" * 32),
    "did:jwk without a key": "did:jwk:",
    "did:jwk with padding": "did:jwk:" + b64u_encode(b"{}") + "=",
    "did:jwk of a list": "did:jwk:" + b64u_encode(b"[]"),
    "did:jwk with a member twice": "did:jwk:" + b64u_encode(b'{"kty":"EC","kty":"EC"}'),
    "another script": "did:web:가람.example",
    "too long": "did:web:" + "a." * 300 + "example",
}


@pytest.mark.parametrize("did", WRONG_DIDS.values(), ids=WRONG_DIDS)
def test_identifier_that_is_not_read(did):
    for raw in (None, document()):
        refused(raw, did)


def test_did_jwk_of_a_private_key_or_a_key_for_something_else():
    jwk = KEYS["ES256"].to_jwk()
    for more, code in (
        ({"d": "AA"}, ReasonCode.KEY),
        ({"use": "enc"}, ReasonCode.KEY_USE),
        ({"key_ops": ["deriveKey"]}, ReasonCode.KEY_USE),
        ({"crv": "secp256k1"}, ReasonCode.KEY),
    ):
        assert refused(None, "did:jwk:" + b64u_encode(json.dumps(jwk | more).encode())) is code
    did = "did:jwk:" + b64u_encode(json.dumps(jwk | {"use": "sig", "kid": "mine"}).encode())
    assert read(None, did) == ((f"{did}#0", KEYS["ES256"]),)


def test_a_document_belongs_to_did_web_and_to_nothing_else():
    assert refused(None, WEB) is ReasonCode.FORMAT
    for did in (did_key(KEYS["ES256"]), did_jwk(KEYS["ES256"])):
        assert refused(document(method()), did) is ReasonCode.FORMAT


WRONG_DOCUMENTS = {
    "no JSON": b"{",
    "a list": b"[]",
    "a member twice": b'{"id":"did:web:garam.example","id":"did:web:garam.example"}',
    "of another DID": document(method(), id="did:web:saesol.example"),
    "without an id": document(method(), id=None),
    "of a longer DID": document(method(), id=WEB + ":a"),
    "too deep": document(method(), service=[[[[[[[[[]]]]]]]]]),
    "too large": document(method(), service="x" * MAX_DOCUMENT),
    "context of another kind": document(method(), **{"@context": "https://schema.org"}),
    "context that defines terms": document(
        method(), **{"@context": ["https://www.w3.org/ns/did/v1", {"assertionMethod": "https://x.example"}]}
    ),
    "empty context": document(method(), **{"@context": []}),
    "methods no list": document(verificationMethod={}),
    "65 methods": document(*[method(f"k{n}") for n in range(65)]),
    "assertionMethod no list": document(method(), assertionMethod=f"{WEB}#key-1"),
    "assertionMethod missing": document(method(), assertionMethod=None),
    "method no object": document(verificationMethod=["x"]),
    "relative id": document(method(id="#key-1"), assertionMethod=["#key-1"]),
    "relative reference": document(method(), assertionMethod=["#key-1"]),
    "id of another DID": document(method(id="did:web:saesol.example#key-1")),
    "id without a fragment": document(method(id=WEB)),
    "id with an empty fragment": document(method(id=WEB + "#")),
    "id with two fragments": document(method(id=WEB + "#a#b")),
    "id with a query": document(method(id=WEB + "?a#b")),
    "two methods with one id": document(method(), method(key=KEYS["EdDSA"])),
    "one method twice": document(method(), assertionMethod=[f"{WEB}#key-1", f"{WEB}#key-1"]),
    "embedded under a known id": document(method(), assertionMethod=[method(key=KEYS["EdDSA"])]),
    "reference to nothing": document(method(), assertionMethod=[f"{WEB}#key-2"]),
    "reference of another type": document(method(), assertionMethod=[5]),
    "somebody else controls it": document(method(controller="did:web:saesol.example")),
    "no controller": document(method(controller=None)),
    "no type": document(method(type=5)),
    "no key": document(method(publicKeyJwk=None)),
    "two keys": document(method(publicKeyMultibase=multikey(KEYS["ES256"]))),
    "Multikey with a JWK": document(method(type="Multikey")),
    "Multikey with two keys": document(method(form="Multikey", publicKeyJwk=KEYS["ES256"].to_jwk())),
    "point not on the curve": document(method(publicKeyJwk=KEYS["ES256"].to_jwk() | {"y": "A" * 43})),
    "private JWK": document(method(publicKeyJwk=KEYS["ES256"].to_jwk() | {"d": "A" * 43})),
    "private JWK of another curve": document(method(publicKeyJwk={"kty": "EC", "crv": "secp256k1", "d": "AA"})),
    "private key beside it": document(method(privateKeyJwk={})),
    "secret key beside it": document(method("other", secretKeyMultibase="z3u2"), method()),
    "own end": document(method(expires="2030-01-01T00:00:00Z")),
    "revoked": document(method(revoked="2020-01-01T00:00:00Z")),
}


@pytest.mark.parametrize("raw", WRONG_DOCUMENTS.values(), ids=WRONG_DOCUMENTS)
def test_document_that_is_not_read(raw):
    refused(raw)


def test_is_method_of():
    assert is_method_of(WEB + "#key-1", WEB)
    for url in (WEB, WEB + "#", "#key-1", WEB + ":a#key-1", WEB + "#a b", WEB + "#a#b", WEB + "/p#a"):
        assert not is_method_of(url, WEB)


@given(st.one_of(st.text(max_size=100), st.from_regex(r"did:(key|jwk|web):[ -~]{0,80}", fullmatch=True)), st.binary())
def test_nothing_but_malformed_error_comes_out(did, raw):
    for held in (None, raw):
        try:
            assert did_methods(did, held, path="did")
        except MalformedError:
            continue


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda x: st.lists(x) | st.dictionaries(st.sampled_from(["id", "type", "controller", "publicKeyJwk"]), x),
        max_leaves=8,
    )
)
def test_nothing_but_malformed_error_comes_out_of_a_document(value):
    for member in ("@context", "verificationMethod", "assertionMethod"):
        try:
            assert read(document(method(), **{member: value}))
        except MalformedError:
            continue
