"""Published vectors of did:key (w3c-ccg), did:jwk (quartzjer) and did:web (w3c-ccg)."""

from __future__ import annotations

import json

import pytest

from vcred.errors import MalformedError
from vcred.keys import PublicKey
from vcred.trust.did import did_jwk, did_key, did_methods


@pytest.fixture(scope="module")
def published(vectors):
    def read(*parts):
        return json.loads(vectors("did", *parts).read_text())

    return read


def jwk_of(case):
    """The key of a case, where it is given as a JWK."""
    pair = case.get("verificationKeyPair") or case["verificationMethod"]
    return pair.get("publicKeyJwk") or case["didDocument"]["verificationMethod"][0].get("publicKeyJwk")


P521 = "did:key:z2J9g"
SKIPPED: dict[str, str] = {f"{P521}...": "P-521 keys: no algorithm of ours signs with one (ES256, ES384, EdDSA)"}
"""By the beginning of the DID."""


def supported(did):
    return not did.startswith(P521)


def test_did_key_ed25519(published):
    cases = published("did_key", "ed25519-x25519.json")
    assert len(cases) == 5
    for did, case in cases.items():
        ((url, key),) = did_methods(did, None, path="did")
        assert [url] == case["didDocument"]["assertionMethod"]
        assert did_key(key) == did
        jwk = jwk_of(case)
        if jwk is not None:
            assert key == PublicKey.from_jwk(jwk)


def test_did_key_nist_curves(published):
    cases = published("did_key", "nist-curves.json")
    assert len(cases) == 7
    with_jwk = 0
    for did, case in cases.items():
        if not supported(did):  # P-521
            with pytest.raises(MalformedError):
                did_methods(did, None, path="did")
            continue
        ((url, key),) = did_methods(did, None, path="did")
        assert [url] == case["didDocument"]["assertionMethod"]
        assert did_key(key) == did
        jwk = jwk_of(case)
        if jwk is not None:
            with_jwk += 1
            assert key == PublicKey.from_jwk(jwk)
    assert with_jwk == 4


def test_did_key_x25519_signs_nothing(published):
    cases = published("did_key", "x25519.json")["didDocument"]
    assert len(cases) == 4
    for did in cases:
        with pytest.raises(MalformedError, match="multicodec"):
            did_methods(did, None, path="did")


def test_did_jwk(published):
    signing, agreement = published("did_jwk.json")["valid"]
    ((url, key),) = did_methods(signing["did"], None, path="did")
    assert url == signing["did_url"]
    assert key == PublicKey.from_jwk(signing["jwk"])
    assert signing["document"]["assertionMethod"] == [url]
    # Ours has the same members in the same order, and so is the same text.
    assert did_jwk(key) == signing["did"]
    with pytest.raises(MalformedError, match="key"):
        did_methods(agreement["did"], None, path="did")


def test_did_web_names(published):
    named = [case["did"] for case in published("did_web.json")["url_mapping"]]
    assert len(named) == 3
    (example, _) = published("did_web.json")["example_documents"]
    for did in named:
        document = json.dumps(example).replace("did:web:example.com", did).encode()
        if "%3A" in did:  # a port: refused (LD-04)
            with pytest.raises(MalformedError, match="no port"):
                did_methods(did, document, path="did")
        else:
            assert len(did_methods(did, document, path="did")) == 2


def test_did_web_example_documents(published):
    jwks, ethereum = published("did_web.json")["example_documents"]
    methods = dict(did_methods("did:web:example.com", json.dumps(jwks).encode(), path="did"))
    held = {each["id"]: each["publicKeyJwk"] for each in jwks["verificationMethod"]}
    assert list(methods) == jwks["assertionMethod"]
    assert methods == {url: PublicKey.from_jwk(held[url]) for url in methods}
    with pytest.raises(MalformedError, match="no method under assertionMethod"):
        did_methods("did:web:example.com", json.dumps(ethereum).encode(), path="did")
