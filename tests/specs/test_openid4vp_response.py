"""OpenID4VP 1.0 section 8.3: the published encrypted response, and the keys of its request (vectors/openid4vp)."""

from __future__ import annotations

import json

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from vcred.errors import MalformedError, RefusedError
from vcred.formats import _jwe
from vcred.keys import PublicKey
from vcred.reasons import ReasonCode

SKIPPED: dict[str, str] = {
    "session_info_1_1_draft.json": "HPKE session info of the 1.1 draft, no part of 1.0",
    "text_json_blocks.json": "its requests are unsigned, or by prefixes that are refused: ``test_openid4vp.py`` says so",
    "examples/client_metadata": "those of W3C formats name other algorithms; the other two are in ``test_openid4vp.py``",
    "examples/digital_credentials_api": "shortened, so no JSON; the error is in ``test_openid4vp.py``",
    "examples/sd_jwt_vcld": "SD-JWT VCLD is no format of ours",
    "examples/request": "a request by did, shortened: only x509_hash and x509_san_dns mean something here",
    "examples/response": "answers as members of a form, with shortened tokens",
    "examples/credentials": "of the algorithms and types of others; some are shortened",
}


@pytest.fixture
def published(vectors):
    return json.loads(vectors("openid4vp", "encrypted_response.json").read_text())


def private(jwk):
    public = PublicKey.from_jwk({name: jwk[name] for name in ("kty", "crv", "x", "y")}).crypto
    raw = int.from_bytes(_jwe.b64u_decode(jwk["d"], "d"), "big")
    return ec.EllipticCurvePrivateNumbers(raw, public.public_numbers()).private_key()


def test_the_published_response_is_opened(published):
    found = _jwe.decrypt(
        published["jwe_compact"], private(published["recipient_jwk_private"]), path="jwe", max_plaintext=10_000
    )
    assert found.plaintext.decode() == published["payload_bytes_utf8"]
    assert json.loads(found.plaintext) == published["payload"]
    assert dict(found.header) == published["decoded_header"]


def test_it_is_for_one_key_and_unchanged(published):
    other, token = ec.generate_private_key(ec.SECP256R1()), published["jwe_compact"]
    with pytest.raises(RefusedError) as caught:
        _jwe.decrypt(token, other, path="jwe", max_plaintext=10_000)
    assert caught.value.code is ReasonCode.INTEGRITY


def test_of_the_keys_in_the_request_the_one_of_ours_is_taken_and_each_other_refused(published):
    keys = published["request"]["client_metadata"]["jwks"]["keys"]
    refused = {}
    for jwk in keys:
        try:
            _jwe.encryption_key({name: value for name, value in jwk.items() if name != "kid"})
        except MalformedError as error:
            refused[jwk["kid"]] = error.code
    assert refused == dict.fromkeys(("jc", "lc", "bc"), ReasonCode.KEY)
    assert [jwk["kid"] for jwk in keys if jwk["kid"] not in refused] == ["ac"]
