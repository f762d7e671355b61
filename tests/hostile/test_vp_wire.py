"""VP: what a wallet refuses in a request of OpenID4VP 1.0 before anybody is asked, and parsers against any bytes."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.specs.test_openid4vp import AT, QUERY, X5C, request
from vcred.errors import MalformedError, RefusedError
from vcred.formats._jose import sign_jws
from vcred.formats._wire import b64u_encode, dump_json
from vcred.keys import SoftwareSigner
from vcred.oid4vp import (
    STATEMENT,
    RequestLink,
    RequestUriPost,
    TransactionData,
    build_transaction_data,
    error_code,
    parse_page_request,
    parse_request,
    read_answer,
    read_page_answer,
    transaction_claims,
)
from vcred.reasons import ReasonCode
from vcred.testing import World

NAME = "x509_san_dns:client.example.org"
JWK = {
    "kty": "EC",
    "crv": "P-256",
    "kid": "1",
    "alg": "ECDH-ES",
    **{name: value for name, value in SoftwareSigner.generate().public_key.to_jwk().items() if name in ("x", "y")},
}


def refused(code, token, *, path=None, client_id=NAME, **more):
    with pytest.raises(RefusedError) as caught:
        parse_request(token, client_id=client_id, received_at=AT, **more)
    assert caught.value.code is code, caught.value
    assert path is None or caught.value.path == path
    return caught.value


def test_vp_01_what_nobody_signed():
    payload = b64u_encode(dump_json({"client_id": NAME}))
    none = b64u_encode(dump_json({"alg": "none", "typ": "oauth-authz-req+jwt"}))
    refused(ReasonCode.ALG, f"{none}.{payload}.")
    with pytest.raises(RefusedError) as caught:
        RequestLink.parse(f"openid4vp://?client_id={NAME}&response_type=vp_token&nonce=12345678&dcql_query=%7B%7D")
    assert caught.value.code is ReasonCode.READER_UNTRUSTED


@pytest.mark.parametrize("typ", [None, "JWT", "jwt", "oauth-authz-req+JWT", "kb+jwt"])
def test_vp_01_another_typ(typ):
    header = {"typ": typ or "x", "x5c": X5C}
    refused(ReasonCode.TYP, sign_jws(header, b"{}", SoftwareSigner.generate()))


def test_vp_01_no_chain():
    token = sign_jws(
        {"typ": "oauth-authz-req+jwt"},
        dump_json(
            {
                "client_id": NAME,
                "response_type": "vp_token",
                "response_mode": "direct_post",
            }
        ),
        SoftwareSigner.generate(),
    )
    refused(ReasonCode.CHAIN, token)


@pytest.mark.parametrize(
    "client_id",
    [
        "origin:https://bank.example",
        "redirect_uri:https://client.example.org/post",
        "decentralized_identifier:did:example:123",
        "verifier_attestation:verifier.example",
        "openid_federation:https://verifier.example",
        "pre-registered",
        "x509_hash:",
        "x509_hash",
        "X509_HASH:abc",
        "unknown:abc",
        "",
        7,
        None,
    ],
)
def test_vp_02_client_identifiers_that_mean_nothing_here(client_id):
    with pytest.raises(RefusedError):
        parse_request(request(client_id=client_id), client_id=None, received_at=AT)


def test_vp_02_another_client_id_inside_than_outside():
    refused(ReasonCode.READER_UNTRUSTED, request(), client_id="x509_san_dns:other.example.org")
    refused(ReasonCode.READER_UNTRUSTED, request(), client_id="client.example.org")


@pytest.fixture(scope="module")
def world():
    return World(at=datetime(2026, 9, 26, 3, 0, tzinfo=UTC))


def test_vp_02_a_name_that_the_certificate_does_not_have(world):
    find = world.trust.resolve_reader
    chain = world.identity.chain
    found = find(client_id="x509_san_dns:bank.example", x5c=chain, at=world.at)
    assert (found.registered, found.client_id) == (True, "x509_san_dns:bank.example")
    for name in ("other.example", "bank.example.evil.example", "BANK.EXAMPLE", "*.example", ""):
        with pytest.raises(RefusedError) as caught:
            find(client_id=f"x509_san_dns:{name}", x5c=chain, at=world.at)
        assert caught.value.code is ReasonCode.READER_UNTRUSTED
    with pytest.raises(RefusedError):
        find(client_id="x509_san_dns:bank.example", x5c=(), at=world.at)


@pytest.mark.parametrize(
    "nonce", [None, "", "1", "1234567", "with space 12345", "한글한글한글한글", "a" * 257, 12345678, ["n"]]
)
def test_vp_03_a_nonce_that_is_none(nonce):
    refused(ReasonCode.NONCE, request(nonce=nonce), path="request.nonce")


@pytest.mark.parametrize(
    "address",
    [
        "https://evil.example/post",
        "https://client.example.org.evil.example/post",
        "https://client.example.org@evil.example/post",
        "https://evil.example\\@client.example.org/post",
        "http://client.example.org/post",
        "https://client.example.org/post#x",
        "//client.example.org/post",
        "javascript:alert(1)",
        "https:///post",
        "https://[::1",
        None,
        "",
    ],
)
def test_vp_04_an_answer_would_go_elsewhere(address):
    with pytest.raises(RefusedError) as caught:
        parse_request(request(response_uri=address), client_id=NAME, received_at=AT)
    assert caught.value.path == "request.response_uri"


def test_vp_14_a_query_without_end():
    one = QUERY["credentials"][0]
    many = {"credentials": [{**one, "id": f"c{number}"} for number in range(10_000)]}
    refused(ReasonCode.SIZE, request(dcql_query=many))
    refused(ReasonCode.LIMIT, request(dcql_query={"credentials": many["credentials"][:100]}))
    paths = {"credentials": [{**one, "claims": [{"path": ["a"]}] * 2_000}]}
    refused(ReasonCode.LIMIT, request(dcql_query=paths))
    cyclic = {"credentials": [one], "credential_sets": [{"options": [["other"]]}]}
    refused(ReasonCode.DCQL, request(dcql_query=cyclic))


@pytest.mark.parametrize("mode", ["direct_post", "direct_post.jwt", "dc_api"])
def test_vp_17_redirect_uri_beside_another_way(mode):
    token = request(
        response_mode=mode,
        redirect_uri="https://client.example.org/cb",
        client_metadata={"jwks": {"keys": [JWK]}},
        expected_origins=["https://client.example.org"],
    )
    refused(ReasonCode.FORMAT, token, path="request.redirect_uri")


def test_wf_09_another_wallet_nonce_than_the_one_sent():
    for sent in ("another", "qPmxiNFCR3QTm19POc8v", "QPMXINFCR3QTM19POC8U"):
        refused(ReasonCode.NONCE, request(), path="request.wallet_nonce", wallet_nonce=sent)
    refused(ReasonCode.NONCE, request(wallet_nonce=None), wallet_nonce="qPmxiNFCR3QTm19POc8u")


def test_wf_15_a_link_of_a_megabyte():
    with pytest.raises(MalformedError) as caught:
        RequestLink.parse("openid4vp://?client_id=x&request=" + "a" * 1_000_000)
    assert caught.value.code is ReasonCode.LIMIT


@pytest.mark.parametrize(
    "link",
    [
        "openid4vp://?request_uri=https%3A%2F%2Fa.example",
        "openid4vp://?client_id=a&request_uri=https%3A%2F%2Fa.example&request=x",
        "openid4vp://?client_id=a&client_id=b&request=x",
        "openid4vp://?client_id=a&request_uri=http%3A%2F%2Fa.example",
        "openid4vp://?client_id=a&request_uri=https%3A%2F%2Fa.example&request_uri_method=POST",
        "openid4vp://?client_id=a&request=x&request_uri_method=post",
        "openid4vp://?client_id=a&request_uri=https%3A%2F%2Fa.example%23x",
        "openid4vp://?client_id=&request=x",
        "javascript://?client_id=a&request=x",
        "http://wallet.example/?client_id=a&request=x",
        "openid4vp://?client_id=a&request=x#fragment",
        "openid4vp://[?client_id=a&request=x",
    ],
)
def test_links_that_call_nobody(link):
    with pytest.raises(RefusedError):
        RequestLink.parse(link)


@pytest.mark.parametrize(
    ("changed", "path"),
    [
        ({"response_type": "code"}, "request.response_type"),
        ({"response_mode": "fragment"}, "request.response_mode"),
        ({"response_mode": "qr"}, "request.response_mode"),
        ({"response_mode": None}, "request.response_mode"),
        ({"aud": "https://wallet.example"}, "request.aud"),
        ({"aud": None}, "request.aud"),
        ({"scope": "x"}, "request.scope"),
        ({"request_uri": "https://a.example"}, "request.request_uri"),
        ({"presentation_definition": {}}, "request.presentation_definition"),
        ({"dcql_query": None}, "dcql_query"),
        ({"state": "with space"}, "request.state"),
        ({"client_metadata": []}, "request.client_metadata"),
        ({"response_mode": "direct_post.jwt"}, "request.client_metadata.jwks"),
        ({"response_mode": "direct_post.jwt", "client_metadata": {"jwks": {"keys": [{**JWK, "use": "sig"}]}}}, None),
        (
            {"response_mode": "direct_post.jwt", "client_metadata": {"jwks": {"keys": [{**JWK, "alg": "RSA-OAEP"}]}}},
            None,
        ),
        ({"response_mode": "direct_post.jwt", "client_metadata": {"jwks": {"keys": [JWK, JWK]}}}, None),
        (
            {
                "response_mode": "direct_post.jwt",
                "client_metadata": {
                    "jwks": {"keys": [JWK]},
                    "encrypted_response_enc_values_supported": ["A128CBC-HS256"],
                },
            },
            "request.client_metadata.jwks",
        ),
        ({"verifier_info": [{"format": "jwt", "data": "x", "credential_ids": ["another"]}]}, "request.verifier_info"),
        ({"verifier_info": []}, "request.verifier_info"),
        ({"verifier_info": [{"format": "jwt"}]}, "request.verifier_info"),
        ({"response_mode": "dc_api"}, "request.expected_origins"),
        ({"response_mode": "dc_api", "expected_origins": []}, "request.expected_origins"),
        ({"response_mode": "dc_api", "expected_origins": [7]}, "request.expected_origins"),
    ],
)
def test_requests_that_are_none(changed, path):
    with pytest.raises(RefusedError) as caught:
        parse_request(request(**changed), client_id=NAME, received_at=AT)
    assert path is None or caught.value.path == path
    assert error_code(caught.value) == "invalid_request"


def test_a_request_without_times_needs_to_have_been_fetched():
    with pytest.raises(MalformedError):
        parse_request(request(), client_id=NAME)


def test_a_page_that_is_not_expected():
    token = request(response_mode="dc_api", expected_origins=["https://a.example", "https://b.example"], aud=None)
    for origin in ("https://c.example", "https://A.example", "https://a.example/", None):
        refused(ReasonCode.READER_UNTRUSTED, token, origin=origin)
    assert parse_request(token, client_id=NAME, origin="https://b.example", received_at=AT).online.state is None


def test_a_page_s_unsigned_request_has_no_name_of_its_own():
    data = {
        "client_id": "x509_hash:AAAA",
        "expected_origins": ["https://elsewhere.example"],
        "response_type": "vp_token",
        "response_mode": "dc_api",
        "nonce": "n-0S6_WzA2Mj",
        "dcql_query": QUERY,
    }
    found = parse_page_request(data, origin="https://bank.example", received_at=AT)
    assert found.client_id == found.audience == "origin:https://bank.example"
    with pytest.raises(RefusedError):
        parse_page_request({**data, "response_mode": "direct_post"}, origin="https://bank.example", received_at=AT)


def transaction(**changed):
    body = {"type": STATEMENT, "credential_ids": ["my_credential"], "statement": "동의합니다."} | changed
    return b64u_encode(dump_json({name: value for name, value in body.items() if value is not None}))


@pytest.mark.parametrize(
    "data",
    [
        [],
        "x",
        [7],
        ["not base64url!"],
        [b64u_encode(b"[]")],
        [transaction(type="urn:unknown")],
        [transaction(type=None)],
        [transaction(statement=None)],
        [transaction(statement=7)],
        [transaction(statement="")],
        [transaction(more="x")],
        [transaction(credential_ids=["another"])],
        [transaction(credential_ids=[])],
        [transaction(credential_ids=None)],
        [transaction(transaction_data_hashes_alg=["md5"])],
        [transaction(), transaction(type="urn:unknown")],
        [transaction()] * 17,
    ],
)
def test_transaction_data_that_nobody_can_show(data):
    error = refused(ReasonCode.TRANSACTION_DATA, request(transaction_data=data))
    assert error_code(error) == "invalid_transaction_data"


def test_transaction_data_that_nobody_signs():
    free = {"credentials": [{**QUERY["credentials"][0], "require_cryptographic_holder_binding": False}]}
    refused(ReasonCode.TRANSACTION_DATA, request(transaction_data=[transaction()], dcql_query=free))
    refused(ReasonCode.NONCE, request(dcql_query=free, state=None), path="request.state")


def test_transaction_hashes_are_over_the_letters_that_were_sent():
    raw = build_transaction_data(STATEMENT, {"statement": "동의합니다."}, credential_ids=["my_credential"])
    (found,) = parse_request(request(transaction_data=[raw]), client_id=NAME, received_at=AT).online.transaction_data
    assert isinstance(found, TransactionData)
    from hashlib import sha256

    assert transaction_claims([found]) == {"transaction_data_hashes": [b64u_encode(sha256(raw.encode()).digest())]}


@given(st.binary(max_size=400) | st.text(max_size=200).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_no_bytes_break_a_parser(data):
    found = parse_request(request(), client_id=NAME, received_at=AT)
    for parse in (
        lambda: parse_request(data, client_id=None),
        lambda: RequestLink.parse("openid4vp://?" + data.decode("latin-1")),
        lambda: RequestUriPost.parse(data),
        lambda: read_answer(data, request=found, key=None),
    ):
        try:
            parse()
        except RefusedError:
            continue


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@given(
    st.dictionaries(
        st.sampled_from(
            [
                "response_type",
                "response_mode",
                "nonce",
                "dcql_query",
                "client_metadata",
                "transaction_data",
                "verifier_info",
                "state",
                "response_uri",
                "expected_origins",
                "client_id",
                "aud",
                "iat",
                "exp",
                "wallet_nonce",
                "vcred_purpose",
            ]
        ),
        _JSON,
        max_size=6,
    )
)
def test_no_members_break_the_request_parser(members):
    for mode in ("direct_post", "direct_post.jwt", "dc_api"):
        try:
            parse_request(request(**{"response_mode": mode, **members}), client_id=None, received_at=AT)
        except RefusedError:
            continue


@given(_JSON)
def test_no_object_breaks_the_answer_parser(value):
    found = parse_page_request(
        {"response_type": "vp_token", "response_mode": "dc_api", "nonce": "n-0S6_WzA2Mj", "dcql_query": QUERY},
        origin="https://bank.example",
        received_at=AT,
    )
    for data in (value, {"vp_token": value}, {"error": value}, {"vp_token": {"my_credential": value}}):
        try:
            read_page_answer(data, request=found, key=None)
        except RefusedError:
            continue
