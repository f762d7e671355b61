"""OpenID4VP 1.0, published examples of the online flow (vectors/openid4vp): handovers, requests, metadata, answers."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from vcred.dcql import DcqlQuery
from vcred.errors import MalformedError, RefusedError
from vcred.formats._jose import sign_jws
from vcred.formats._jwe import decrypt
from vcred.formats._kb_jwt import WrittenNonce, nonce_text
from vcred.formats._wire import b64u_decode, dump_json
from vcred.keys import PublicKey, SoftwareSigner
from vcred.oid4vp import (
    Online,
    RequestLink,
    RequestUriPost,
    ResponseKey,
    ResponseMode,
    WalletError,
    formats_supported,
    parse_page_request,
    parse_request,
    read_answer,
    read_page_answer,
)
from vcred.presentation import SELF_ISSUED
from vcred.reasons import ReasonCode

AT = datetime(2026, 9, 26, 3, 0, tzinfo=UTC)
X5C = ["AAAA"]
QUERY = {
    "credentials": [{"id": "my_credential", "format": "dc+sd-jwt", "meta": {"vct_values": ["urn:eudi:pid:1"]}}],
}


@pytest.fixture
def published(vectors):
    return lambda *parts: json.loads(vectors("openid4vp", *parts).read_text())


def test_both_handovers(published):
    found = published("handover.json")
    jwk = found["encryption_jwk_public"]
    key = ResponseKey.of_metadata({"jwks": {"keys": [jwk]}}, "metadata")
    assert key.thumbprint.hex() == found["jwk_thumbprint_hex"]
    redirect, page = found["redirect_flow"], found["dc_api"]
    common = {"state": None, "encryption": key, "nonce": redirect["nonce"]}
    posted = Online(mode=ResponseMode.DIRECT_POST_JWT, response_uri=redirect["response_uri"], origin=None, **common)
    assert posted.transcript(redirect["client_id"]).hex() == redirect["session_transcript_cbor_hex"]
    assert posted.audience(redirect["client_id"]) == redirect["client_id"]
    shown = Online(mode=ResponseMode.DC_API_JWT, response_uri=None, origin=page["origin"], **common)
    assert shown.transcript(redirect["client_id"]).hex() == page["session_transcript_cbor_hex"]
    assert shown.audience(redirect["client_id"]) == f"origin:{page['origin']}"


def test_of_the_keys_in_the_published_request_the_usable_one_is_taken(published):
    found = published("encrypted_response.json")
    data = {**found["request"], "response_mode": "dc_api.jwt"}
    request = parse_page_request(data, origin="https://verifier.example.com", received_at=AT)
    assert request.online.encryption.kid == "ac"
    assert request.online.encryption.encodings == ("A128GCM",)
    assert request.audience == "origin:https://verifier.example.com"
    with pytest.raises(RefusedError) as caught:
        request.verify_by(SoftwareSigner.generate().public_key)
    assert caught.value.code is ReasonCode.READER_UNTRUSTED


def test_the_published_answer_is_read_up_to_its_shortened_credential(published):
    found = published("encrypted_response.json")
    jwk = found["recipient_jwk_private"]
    public = PublicKey.from_jwk({name: jwk[name] for name in ("kty", "crv", "x", "y")}).crypto
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.EllipticCurvePrivateNumbers(
        int.from_bytes(b64u_decode(jwk["d"], "d"), "big"), public.public_numbers()
    ).private_key()
    assert decrypt(found["jwe_compact"], key, path="", max_plaintext=10_000).header["kid"] == "ac"
    request = parse_page_request(
        {**found["request"], "response_mode": "dc_api.jwt"}, origin="https://verifier.example.com", received_at=AT
    )
    with pytest.raises(MalformedError) as caught:
        read_answer(b"response=" + found["jwe_compact"].encode(), request=request, key=key)
    assert caught.value.path.startswith("vp_token.example_credential_id")


def test_the_published_error_is_read(published):
    data = {"response_type": "vp_token", "response_mode": "dc_api", "nonce": "n-0S6_WzA2Mj", "dcql_query": QUERY}
    request = parse_page_request(data, origin="https://verifier.example.com", received_at=AT)
    error = published("examples", "digital_credentials_api", "error_invalid_request.json")
    assert read_page_answer(error, request=request, key=None) == WalletError(error="invalid_request")


def test_requests_of_the_text_that_are_signed_and_posted(published):
    """The blocks are payloads; those that are not by client id prefixes of ours, or not posted, are refused."""
    signer, outcomes = SoftwareSigner.generate(), {}
    for number, block in enumerate(published("text_json_blocks.json")):
        payload = block["json"]
        if not isinstance(payload, dict) or "response_type" not in payload:
            continue
        header = {"typ": "oauth-authz-req+jwt", "x5c": X5C}
        token = sign_jws(header, dump_json(payload), signer)
        try:
            parse_request(token, client_id=None, received_at=AT)
        except RefusedError as error:
            outcomes[number] = (error.code.value, error.path)
        else:
            outcomes[number] = ("taken", "")
    assert outcomes
    assert all(code != "taken" for code, _ in outcomes.values()), outcomes


def request(**changed):
    payload = {
        "aud": SELF_ISSUED,
        "client_id": "x509_san_dns:client.example.org",
        "response_uri": "https://client.example.org/post",
        "response_type": "vp_token",
        "response_mode": "direct_post",
        "dcql_query": QUERY,
        "nonce": "n-0S6_WzA2Mj",
        "wallet_nonce": "qPmxiNFCR3QTm19POc8u",
        "state": "eyJhb-6-sVA",
    } | changed
    payload = {name: value for name, value in payload.items() if value is not None}
    return sign_jws({"typ": "oauth-authz-req+jwt", "x5c": X5C}, dump_json(payload), SoftwareSigner.generate())


def test_the_request_object_of_section_5_10(published):
    del published
    found = parse_request(
        request(), client_id="x509_san_dns:client.example.org", wallet_nonce="qPmxiNFCR3QTm19POc8u", received_at=AT
    )
    assert (found.online.nonce, found.online.state) == ("n-0S6_WzA2Mj", "eyJhb-6-sVA")
    assert found.issued_at == int(AT.timestamp())
    assert found.expires_at == found.issued_at + 120
    assert nonce_text(found.nonce) == "n-0S6_WzA2Mj"


@pytest.mark.parametrize("extra", [{"iss": "https://somebody.else"}, {"unknown": {"a": 1}}, {"state": "s" * 64}])
def test_unknown_parameters_and_iss_are_ignored(extra):
    found = parse_request(request(**extra), client_id=None, received_at=AT)
    assert found.client_id == "x509_san_dns:client.example.org"


def test_a_nonce_is_repeated_letter_for_letter():
    from vcred.formats._wire import b64u_encode

    for text in ("n-0S6_WzA2Mj", "exc7gBkxjx1rdc9udRrveKvSsJIq80avlXeLHhGwqtA", b64u_encode(b"visible.ascii.16")):
        assert nonce_text(WrittenNonce.of(text)) == text


def test_the_examples_of_client_metadata_name_our_algorithms(published):
    ours = formats_supported(["dc+sd-jwt", "mso_mdoc"])
    theirs = published("examples", "client_metadata", "sd_jwt_vc_verifier_metadata.json")["vp_formats_supported"]
    assert ours["dc+sd-jwt"] == theirs["dc+sd-jwt"]
    theirs = published("examples", "client_metadata", "mso_mdoc_verifier_metadata.json")["vp_formats_supported"]
    assert ours["mso_mdoc"].keys() == theirs["mso_mdoc"].keys()
    assert {-7, -9} <= set(ours["mso_mdoc"]["issuerauth_alg_values"])


def test_the_links_of_sections_5_7_and_8_2():
    link = RequestLink.parse(
        "openid4vp://?client_id=x509_san_dns%3Aclient.example.org"
        "&request_uri=https%3A%2F%2Fclient.example.org%2Frequest%2Fvapof4ql2i7m41m68uep&request_uri_method=post"
    )
    assert (link.client_id, link.post) == ("x509_san_dns:client.example.org", True)
    assert link.request_uri == "https://client.example.org/request/vapof4ql2i7m41m68uep"
    assert RequestLink.parse(link.to_uri()) == link
    assert RequestLink.parse(link.to_uri("https://wallet.example.com/authorize?x=1")) == link
    sent = RequestUriPost.parse(
        b"wallet_metadata=%7B%22vp_formats_supported%22%3A%7B%22dc%2Bsd-jwt%22%3A%7B%22sd-jwt_alg_values%22%3A%20%5B"
        b"%22ES256%22%5D%2C%22kb-jwt_alg_values%22%3A%20%5B%22ES256%22%5D%7D%7D%7D&wallet_nonce=qPmxiNFCR3QTm19POc8u"
    )
    assert sent.wallet_nonce == "qPmxiNFCR3QTm19POc8u"
    assert "dc+sd-jwt" in sent.wallet_metadata["vp_formats_supported"]
    assert RequestUriPost.parse(sent.to_form()) == sent


def test_every_published_query_can_be_asked_online(published, vectors):
    for path in sorted(vectors("openid4vp", "examples", "query_lang").glob("*.json")):
        query = published("examples", "query_lang", path.name)
        found = parse_request(request(dcql_query=query), client_id=None, received_at=AT)
        assert found.query == DcqlQuery.parse(query)
