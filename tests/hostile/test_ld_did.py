"""LD-04: did:web to where a verifier must never go, and DIDs of other methods (threats.md).

Nothing is ever fetched, so what is refused is the name itself, when the bundle is read; a stranger's DID is nobody.
"""

from __future__ import annotations

import json
import socket

import pytest

from tests.trust_town import AT, CITY_NAME, CITY_TYPE, DAY, Town, refusal, resolve
from vcred.errors import TrustError
from vcred.keys import SoftwareSigner
from vcred.trust import Purpose

KEY = SoftwareSigner.generate()

PLACES = {
    "LD-04 loopback": "did:web:127.0.0.1",
    "LD-04 private address": "did:web:10.0.0.1",
    "LD-04 cloud metadata": "did:web:169.254.169.254",
    "LD-04 public address": "did:web:192.0.2.7",
    "LD-04 address as one number": "did:web:2130706433",
    "LD-04 address in hexadecimal": "did:web:0x7f000001",
    "LD-04 address, short": "did:web:127.1",
    "LD-04 address, mixed": "did:web:0x7f.0x1",
    "LD-04 address of version 6": "did:web:[::1]",
    "LD-04 address of version 6, encoded": "did:web:%5B%3A%3A1%5D",
    "LD-04 localhost": "did:web:localhost",
    "LD-04 below localhost": "did:web:issuer.localhost",
    "LD-04 link-local name": "did:web:printer.local",
    "LD-04 internal name": "did:web:vault.internal",
    "LD-04 onion name": "did:web:expyuzz4wqqyqhjn.onion",
    "LD-04 port": "did:web:garam.example%3A8443",
    "LD-04 port, small letters": "did:web:garam.example%3a8443",
    "LD-04 port as a path": "did:web:garam.example:",
    "LD-04 parent folder": "did:web:garam.example:..:secret",
    "LD-04 this folder": "did:web:garam.example:.",
    "LD-04 hidden folder": "did:web:garam.example:.git",
    "LD-04 parent folder, encoded": "did:web:garam.example:%2e%2e",
    "LD-04 slash, encoded": "did:web:garam.example%2Fsecret",
    "LD-04 slash": "did:web:garam.example/secret",
    "LD-04 backslash": "did:web:garam.example\\secret",
    "LD-04 empty segment": "did:web:garam.example::a",
    "LD-04 user": "did:web:admin@garam.example",
    "LD-04 query": "did:web:garam.example?x=1",
    "LD-04 fragment": "did:web:garam.example#x",
    "LD-04 capitals": "did:web:GARAM.example",
    "LD-04 trailing dot": "did:web:garam.example.",
    "LD-04 leading dot": "did:web:.garam.example",
    "LD-04 two dots": "did:web:garam..example",
    "LD-04 leading hyphen": "did:web:-garam.example",
    "LD-04 underscore": "did:web:ga_ram.example",
    "LD-04 long label": "did:web:" + "a" * 64 + ".example",
    "LD-04 did:onion": "did:onion:expyuzz4wqqyqhjn",
    "LD-04 did:ethr": "did:ethr:0x89a932207c485f85226d86f7cd486a89a24fcc12",
    "LD-04 did:webs": "did:webs:garam.example",
}


def document(did):
    method = {"id": did + "#1", "type": "JsonWebKey", "controller": did, "publicKeyJwk": KEY.public_key.to_jwk()}
    return json.dumps({"id": did, "verificationMethod": [method], "assertionMethod": [did + "#1"]}).encode()


def entry(did):
    return {
        "id": did,
        "name": CITY_NAME,
        "purpose": Purpose.ISSUER,
        "anchors": [],
        "signers": [],
        "types": [CITY_TYPE],
        "status_uris": [],
        "valid_from": AT - 400 * DAY,
        "valid_until": AT + 3000 * DAY,
        "test": False,
        "did_document": document(did),
    }


@pytest.fixture(scope="module")
def town() -> Town:
    return Town()


@pytest.fixture
def no_network(monkeypatch):
    def refuse(*_args, **_kwargs):
        raise AssertionError("a connection was tried")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)


def test_the_same_document_under_an_ordinary_name_is_read(town, no_network):
    for did in ("did:web:garam.example", "did:web:garam.example:a:b-1.x", "did:web:xn--9n2bp8q.example"):
        builder = town.builder(city=entry(did))
        kid = (did + "#1").encode()
        assert resolve(town.bundle(builder), issuer=did, kid=kid).key == KEY.public_key


@pytest.mark.parametrize("did", PLACES.values(), ids=PLACES)
def test_ld_04_name_that_leads_elsewhere_is_no_bundle(town, no_network, did):
    with pytest.raises(TrustError, match="the bundle is wrong"):
        town.bundle(town.builder(city=entry(did)))


@pytest.mark.parametrize("did", ["did:web:saesol.example", *PLACES.values()])
def test_ld_04_did_that_the_bundle_does_not_name_is_nobody_offline(town, no_network, did):
    bundle = town.bundle(town.builder(city=entry("did:web:garam.example")))
    for kid in (did + "#1", "#1"):
        assert refusal(lambda kid=kid: resolve(bundle, issuer=did, kid=kid.encode())) == "untrusted"
