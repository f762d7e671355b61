"""Encrypted credential requests and responses (OpenID4VCI 1.0 section 10)."""

from __future__ import annotations

import json

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from tests.services.credential_kit import ADMIN, CLERK, Holder, opened
from tests.services.issuer_kit import BASE, clock, serve, target  # noqa: F401 - fixtures
from vcred.formats._jwe import decrypt
from vcred.keys import PublicKey
from vcred.oid4vci import IssuerMetadata

pytestmark = pytest.mark.loopback

JWT = {"Content-Type": "application/jwt"}


@pytest.fixture
def service(serve):  # noqa: F811 - with an admin
    return serve(admin_tokens=ADMIN)


@pytest.fixture
def holder(service):
    return Holder.of(service)


def encryption(service):
    answer = service.send("GET", "/.well-known/openid-credential-issuer/garam")
    return IssuerMetadata.parse(answer.json(), issuer=BASE).request_encryption


class Ephemeral:
    """The key of one request."""

    def __init__(self, *, enc="A128GCM", **more):
        self.key = ec.generate_private_key(ec.SECP256R1())
        jwk = PublicKey(self.key.public_key()).to_jwk() | {"alg": "ECDH-ES", "use": "enc", "kid": "w-1"}
        self.wanted = {"jwk": jwk, "enc": enc} | more

    def open(self, answer):
        assert answer.headers["content-type"] == "application/jwt"
        found = decrypt(answer.content, self.key, path="answer", max_plaintext=1 << 20)
        assert found.header["kid"] == "w-1"
        assert found.header["enc"] == self.wanted["enc"]
        return json.loads(found.plaintext), found.header


class Answer:
    def __init__(self, body):
        self.body = body

    def json(self):
        return self.body


def sealed(holder, wanted, *, path="/credential"):
    return holder.ask(encryption(holder.service).seal(json.dumps(wanted).encode()), path=path, **JWT)


@pytest.mark.parametrize(("enc", "more"), [("A128GCM", {}), ("A256GCM", {}), ("A128GCM", {"zip": "DEF"})])
def test_an_encrypted_request_is_answered_under_the_wallets_key(holder, service, enc, more):
    mine = Ephemeral(enc=enc, **more)
    answer = sealed(holder, holder.wanted(credential_response_encryption=mine.wanted))
    assert answer.status_code == 200, answer.text
    body, header = mine.open(answer)
    assert ("zip" in header) == ("zip" in more)
    (found,) = opened(service, Answer(body))
    assert found.holder_key == holder.keys[0].public_key


def test_an_encrypted_request_can_have_a_plain_answer(holder, service):
    assert len(opened(service, sealed(holder, holder.wanted()))) == 1


def test_ci_12_the_same_request_under_another_key_has_the_same_answer(holder, service):
    first, second = Ephemeral(), Ephemeral()
    wanted = holder.wanted()
    one, _ = first.open(sealed(holder, wanted | {"credential_response_encryption": first.wanted}))
    two, _ = second.open(sealed(holder, wanted | {"credential_response_encryption": second.wanted}))
    assert one == two
    assert len(service.store.entries()) == 1


P521 = PublicKey(ec.generate_private_key(ec.SECP256R1()).public_key()).to_jwk() | {"crv": "P-521", "alg": "ECDH-ES"}


@pytest.mark.parametrize(
    "wrong",
    [
        {"enc": "A128CBC-HS256"},
        {"enc": None},
        {"jwk": P521},
        {"jwk": {"kty": "RSA", "n": "AQAB", "e": "AQAB", "alg": "RSA-OAEP"}},
        {"jwk": None},
        {"zip": "BROTLI"},
        {"jwk": Ephemeral().wanted["jwk"] | {"alg": "ECDH-ES+A256KW"}},
        {"jwk": Ephemeral().wanted["jwk"] | {"d": "AA"}},
    ],
    ids=[
        "CI-18 enc",
        "CI-18 no enc",
        "CI-18 P-521",
        "CI-18 RSA",
        "CI-18 no key",
        "CI-18 zip",
        "CI-18 key wrapping",
        "CI-18 a private key",
    ],
)
def test_ci_18_encryption_that_is_not_supported(holder, service, wrong):
    wanted = {name: value for name, value in (Ephemeral().wanted | wrong).items() if value is not None}
    answer = sealed(holder, holder.wanted(credential_response_encryption=wanted))
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_encryption_parameters")
    assert answer.headers["content-type"] == "application/json"
    assert service.store.entries() == []


def test_who_wants_an_encrypted_answer_encrypts_the_request(holder):
    answer = holder.ask(holder.wanted(credential_response_encryption=Ephemeral().wanted))
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_encryption_parameters")


@pytest.mark.parametrize("body", [b"", b"a.b.c.d.e", b"e30....", b"\xff.a.b.c.d", b"eyJraWQiOiJ4In0.a.b.c.d", b"{}"])
def test_a_message_that_cannot_be_decrypted(holder, body):
    answer = holder.ask(body, **JWT) if body else holder.ask(b" ", **JWT)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_encryption_parameters")


def test_a_message_that_was_changed(holder):
    body = bytearray(encryption(holder.service).seal(json.dumps(holder.wanted()).encode()))
    body[-3] ^= 1
    assert holder.ask(bytes(body), **JWT).json()["error"] == "invalid_encryption_parameters"


def test_what_is_required_is_required(serve):  # noqa: F811 - fixture
    service = serve(encryption={"requests": "required", "responses": "required"})
    holder = Holder.of(service)
    assert holder.ask().json()["error"] == "invalid_encryption_parameters"
    assert sealed(holder, holder.wanted()).json()["error"] == "invalid_encryption_parameters"
    mine = Ephemeral()
    assert sealed(holder, holder.wanted(credential_response_encryption=mine.wanted)).status_code == 200


def test_what_is_off_is_off(serve):  # noqa: F811 - fixture
    service = serve(encryption={"requests": "off", "responses": "off"})
    holder = Holder.of(service)
    assert encryption(service) is None
    assert holder.ask(b"a.b.c.d.e", **JWT).json()["error"] == "invalid_encryption_parameters"
    wanted = holder.wanted(credential_response_encryption=Ephemeral().wanted)
    assert holder.ask(wanted).json()["error"] == "invalid_encryption_parameters"
    assert holder.ask().status_code == 200


def test_a_key_that_is_replaced_still_opens_what_is_under_way(holder, service):
    old = encryption(service)
    answer = service.send("POST", "/garam/admin/encryption/rotate", headers=CLERK)
    new = encryption(service)
    assert new.kid == answer.json()["kid"] != old.kid
    other = service.again()
    try:
        for key, where in ((old, service), (new, other), (new, service)):
            body = key.seal(json.dumps(holder.wanted()).encode())
            assert holder.ask(body, service=where, **JWT).status_code == 200
    finally:
        other.close()


def test_a_deferred_answer_uses_the_key_of_the_request_that_fetches_it(serve, clock):  # noqa: F811 - fixtures
    service = serve(deferred=["resident.personal"])
    holder = Holder.of(service)
    first, second = Ephemeral(), Ephemeral()
    waits = sealed(holder, holder.wanted(credential_response_encryption=first.wanted))
    assert waits.status_code == 202
    transaction = first.open(waits)[0]["transaction_id"]
    service.parts.applications.approve(holder.application.id, by="clerk", at=clock())
    wanted = {"transaction_id": transaction, "credential_response_encryption": second.wanted}
    answer = sealed(holder, wanted, path="/deferred")
    assert answer.status_code == 200
    assert len(opened(service, Answer(second.open(answer)[0]))) == 1
