"""CI: proofs, attestations, DPoP proofs and encryption parameters that an issuer must refuse, before any store."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from vcred.errors import MalformedError, RefusedError
from vcred.formats._jose import sign_jws
from vcred.formats._jwe import decrypt
from vcred.formats._wire import dump_json
from vcred.keys import SoftwareSigner
from vcred.oauth import (
    AuthorizationServer,
    build_attestation_pop,
    build_client_attestation,
    build_dpop,
    check_attestation_pop,
    check_client_attestation,
    check_dpop,
)
from vcred.oid4vci import (
    CredentialOffer,
    CredentialRequest,
    CredentialResponse,
    IssuerMetadata,
    ResponseEncryption,
    build_key_attestation,
    build_proof,
    check_proofs,
)
from vcred.reasons import ReasonCode

AT = datetime(2026, 9, 26, 3, 0, tzinfo=UTC)
ISSUER = "https://city.example/issuer"
HOLDER, OTHER, ATTESTER = (SoftwareSigner.generate() for _ in range(3))
MINUTE = timedelta(minutes=1)


def check(*proofs: str, kind: str = "jwt", most: int = 20, attester=None, attested=False, client_id=None, at=AT):
    return check_proofs(
        (kind, proofs),
        issuer=ISSUER,
        client_id=client_id,
        most=most,
        attester=attester,
        attested=attested,
        at=at,
    )


def proof(signer=HOLDER, **change) -> str:
    given = {"audience": ISSUER, "nonce": "n-1", "at": AT} | change
    return build_proof(signer, **given)


def by_hand(header: dict, claims: dict, signer=HOLDER) -> str:
    return sign_jws({"typ": "openid4vci-proof+jwt", **header}, dump_json(claims), signer).decode()


GOOD = {"aud": ISSUER, "iat": int(AT.timestamp()), "nonce": "n-1"}
JWK = HOLDER.public_key.to_jwk()


def test_a_good_proof_gives_its_key_and_its_nonce() -> None:
    proven = check(proof(), proof(OTHER, nonce="n-2"))
    assert proven.keys == (HOLDER.public_key, OTHER.public_key)
    assert proven.nonces == {"n-1", "n-2"}


@pytest.mark.parametrize(
    ("token", "code"),
    [
        pytest.param(proof(nonce=None), ReasonCode.NONCE, id="CI-01 no nonce"),
        pytest.param(by_hand({"jwk": JWK}, GOOD | {"nonce": 1}), ReasonCode.NONCE, id="CI-01 a nonce that is no text"),
        pytest.param(proof(audience="https://other.example"), ReasonCode.AUD, id="CI-02 another issuer"),
        pytest.param(proof(audience=ISSUER + "/"), ReasonCode.AUD, id="CI-02 almost this issuer"),
        pytest.param(by_hand({"jwk": JWK, "typ": "JWT"}, GOOD), ReasonCode.TYP, id="CI-02 another typ"),
        pytest.param(proof(at=AT - 10 * MINUTE), ReasonCode.IAT, id="CI-02 ten minutes old"),
        pytest.param(proof(at=AT + 10 * MINUTE), ReasonCode.IAT, id="CI-02 ten minutes ahead"),
        pytest.param(by_hand({"jwk": JWK, "kid": "1"}, GOOD), ReasonCode.KEY, id="CI-03 jwk and kid"),
        pytest.param(by_hand({"kid": "1"}, GOOD), ReasonCode.KEY, id="CI-03 kid alone names no key"),
        pytest.param(by_hand({"jwk": JWK | {"d": "AA"}}, GOOD), ReasonCode.KEY, id="CI-04 a private key"),
        pytest.param(by_hand({"jwk": JWK | {"y": JWK["x"]}}, GOOD), ReasonCode.KEY, id="CI-04 off the curve"),
        pytest.param(by_hand({"jwk": {"kty": "oct", "k": "AA"}}, GOOD), ReasonCode.KEY, id="CI-04 oct"),
        pytest.param(by_hand({"jwk": OTHER.public_key.to_jwk()}, GOOD), ReasonCode.SIGNATURE, id="CI-04 another's key"),
        pytest.param(proof(client_id="somebody"), ReasonCode.FORMAT, id="CI-02 a client in an anonymous flow"),
    ],
)
def test_ci_01_to_04_proofs_are_refused(token: str, code: ReasonCode) -> None:
    with pytest.raises(RefusedError) as refused:
        check(token)
    assert refused.value.code is code


def test_ci_02_alg_none() -> None:
    header = base64.urlsafe_b64encode(json.dumps({"alg": "none", "typ": "openid4vci-proof+jwt", "jwk": JWK}).encode())
    body = base64.urlsafe_b64encode(json.dumps(GOOD).encode())
    with pytest.raises(MalformedError) as refused:
        check(b".".join((header.rstrip(b"="), body.rstrip(b"="), b"")).decode())
    assert refused.value.code is ReasonCode.ALG


def test_ci_03_x5c_beside_jwk() -> None:
    with pytest.raises(RefusedError):
        check(by_hand({"jwk": JWK, "x5c": [base64.b64encode(b"x").decode()]}, GOOD))


def test_ci_05_too_many_proofs_are_refused_before_any_is_read() -> None:
    with pytest.raises(MalformedError) as refused:
        check(*["not even a jwt"] * 200, most=20)
    assert refused.value.code is ReasonCode.LIMIT


def test_ci_05_two_proofs_with_one_key() -> None:
    with pytest.raises(RefusedError) as refused:
        check(proof(), proof(nonce="n-2"))
    assert refused.value.code is ReasonCode.KEY


def attestation(*keys, signer=ATTESTER, nonce="n-1", at=AT, **more) -> str:
    named = [key.public_key for key in keys]
    return build_key_attestation(signer, named, nonce=nonce, at=at, lifetime=5 * MINUTE, **more)


def trusted(_: object):
    return ATTESTER.public_key


def test_an_attestation_proves_all_its_keys_with_one_proof() -> None:
    token = attestation(HOLDER, OTHER, key_storage=["iso_18045_high"])
    proven = check(proof(key_attestation=token), attester=trusted, attested=True)
    assert proven.keys == (HOLDER.public_key, OTHER.public_key)
    assert proven.attestation is not None
    assert proven.attestation.key_storage == ("iso_18045_high",)
    assert check(token, kind="attestation", attester=trusted).keys == proven.keys


@pytest.mark.parametrize(
    ("token", "code"),
    [
        (lambda: proof(key_attestation=attestation(OTHER)), ReasonCode.KEY),
        (lambda: proof(key_attestation=attestation(HOLDER, signer=OTHER)), ReasonCode.SIGNATURE),
        (lambda: proof(key_attestation=attestation(HOLDER, at=AT - 60 * MINUTE)), ReasonCode.EXPIRED),
        (lambda: proof(key_attestation=attestation(HOLDER, nonce=None)), ReasonCode.NONCE),
        (lambda: proof(key_attestation=attestation(HOLDER, HOLDER)), ReasonCode.KEY),
        (lambda: proof(key_attestation=attestation(*[SoftwareSigner.generate() for _ in range(21)])), ReasonCode.LIMIT),
        (proof, ReasonCode.UNTRUSTED),
    ],
    ids=["not of this key", "forged", "expired", "no nonce", "a key twice", "too many", "none where one is required"],
)
def test_key_attestations_are_refused(token, code: ReasonCode) -> None:
    with pytest.raises(RefusedError) as refused:
        check(token(), attester=trusted, attested=True)
    assert refused.value.code is code


def test_an_attestation_nobody_trusts_proves_nothing() -> None:
    for token, kind in ((proof(key_attestation=attestation(HOLDER)), "jwt"), (attestation(HOLDER), "attestation")):
        with pytest.raises(RefusedError) as refused:
            check(token, kind=kind)
        assert refused.value.code is ReasonCode.UNTRUSTED


URL = "https://city.example/issuer/credential"


def test_ci_07_dpop_proofs() -> None:
    token = build_dpop(HOLDER, method="POST", url=URL + "?x=1", at=AT, nonce="d-1", access_token="at-1")
    found = check_dpop(
        token, method="POST", url="https://CITY.example:443/issuer/credential", at=AT, access_token="at-1"
    )
    assert (found.key, found.nonce) == (HOLDER.public_key, "d-1")
    wrong = [
        ({"method": "GET"}, ReasonCode.AUD),
        ({"url": URL + "/x"}, ReasonCode.AUD),
        ({"url": "https://other.example/issuer/credential"}, ReasonCode.AUD),
        ({"at": AT + 10 * MINUTE}, ReasonCode.IAT),
        ({"at": AT - 10 * MINUTE}, ReasonCode.IAT),
        ({"access_token": "at-2"}, ReasonCode.DIGEST),
    ]
    for change, code in wrong:
        with pytest.raises(RefusedError) as refused:
            check_dpop(token, **({"method": "POST", "url": URL, "at": AT, "access_token": "at-1"} | change))
        assert refused.value.code is code
    plain = build_dpop(HOLDER, method="POST", url=URL, at=AT)
    with pytest.raises(RefusedError):  # a proof without ath where a token is presented
        check_dpop(plain, method="POST", url=URL, at=AT, access_token="at-1")
    with pytest.raises(RefusedError):
        check_dpop(plain[:-4] + "AAAA", method="POST", url=URL, at=AT)


def test_ci_17_wallet_attestations() -> None:
    def made(**change) -> str:
        given = {"client_id": "wallet", "issuer": "https://maker.example", "at": AT, "lifetime": 60 * MINUTE} | change
        return build_client_attestation(ATTESTER, HOLDER.public_key, **given)

    found = check_client_attestation(made(), resolve=trusted, at=AT)
    assert (found.client_id, found.key) == ("wallet", HOLDER.public_key)
    for change, at, key in (
        ({}, AT + 120 * MINUTE, ATTESTER),
        ({}, AT - 120 * MINUTE, ATTESTER),
        ({}, AT, OTHER),
        ({"client_id": ""}, AT, ATTESTER),
    ):
        with pytest.raises(RefusedError):
            check_client_attestation(made(**change), resolve=lambda _, key=key: key.public_key, at=at)
    pop = build_attestation_pop(HOLDER, audience=ISSUER, at=AT, challenge="c-1")
    assert check_attestation_pop(pop, key=HOLDER.public_key, audience=ISSUER, at=AT).challenge == "c-1"
    for change in ({"key": OTHER.public_key}, {"audience": "https://other.example"}, {"at": AT + 10 * MINUTE}):
        with pytest.raises(RefusedError):
            check_attestation_pop(pop, **({"key": HOLDER.public_key, "audience": ISSUER, "at": AT} | change))


def enc_jwk(curve=None) -> dict:
    key = ec.generate_private_key(curve or ec.SECP256R1())
    numbers = key.public_key().public_numbers()
    size = (key.key_size + 7) // 8
    text = [base64.urlsafe_b64encode(n.to_bytes(size, "big")).rstrip(b"=").decode() for n in (numbers.x, numbers.y)]
    name = {256: "P-256", 384: "P-384", 521: "P-521"}[key.key_size]
    return {"kty": "EC", "crv": name, "x": text[0], "y": text[1], "alg": "ECDH-ES", "use": "enc", "kid": "k"}


@pytest.mark.parametrize(
    "change",
    [
        {"enc": "A128CBC-HS256"},
        {"enc": None},
        {"zip": "GZ"},
        {"jwk": enc_jwk(ec.SECP521R1())},
        {"jwk": enc_jwk(ec.SECP384R1())},
        {"jwk": enc_jwk() | {"alg": "RSA-OAEP"}},
        {"jwk": enc_jwk() | {"use": "sig"}},
        {"jwk": enc_jwk() | {"d": "AA"}},
        {"jwk": {name: value for name, value in enc_jwk().items() if name != "alg"}},
        {"jwk": "text"},
    ],
)
def test_ci_18_encryption_that_is_not_ours_is_refused(change: dict) -> None:
    with pytest.raises(MalformedError):
        ResponseEncryption.parse({"jwk": enc_jwk(), "enc": "A256GCM"} | change, "e")


def test_an_encrypted_answer_opens_with_the_wallets_key_only() -> None:
    private = ec.generate_private_key(ec.SECP256R1())
    from vcred.keys import PublicKey

    jwk = PublicKey(private.public_key()).to_jwk() | {"alg": "ECDH-ES", "kid": "k-1"}
    sealed = ResponseEncryption.parse({"jwk": jwk, "enc": "A128GCM", "zip": "DEF"}, "e").seal(b'{"credentials":[]}')
    opened = decrypt(sealed, private, path="r", max_plaintext=1000)
    assert (opened.plaintext, opened.header["kid"], opened.header["zip"]) == (b'{"credentials":[]}', "k-1", "DEF")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"credential_configuration_id": "a", "credential_identifier": "b"},
        {"credential_configuration_id": ""},
        {"credential_configuration_id": ["a"]},
        {"credential_configuration_id": "a", "proof": {"proof_type": "jwt", "jwt": "x"}},
        {"credential_configuration_id": "a", "format": "dc+sd-jwt"},
        {"credential_configuration_id": "a", "proofs": {}},
        {"credential_configuration_id": "a", "proofs": {"jwt": []}},
        {"credential_configuration_id": "a", "proofs": {"jwt": ["x"], "attestation": ["y"]}},
        {"credential_configuration_id": "a", "proofs": {"jwt": "x"}},
        [],
    ],
)
def test_ci_06_requests_that_are_none(body: object) -> None:
    with pytest.raises(MalformedError):
        CredentialRequest.parse(json.dumps(body).encode())


@pytest.mark.parametrize(
    "uri",
    [
        "openid-credential-offer://?credential_offer=%7B%7D&credential_offer_uri=https%3A%2F%2Fa.example",
        "openid-credential-offer://?credential_offer_uri=http%3A%2F%2Fa.example",
        "openid-credential-offer://?credential_offer_uri=file%3A%2F%2F%2Fetc%2Fpasswd",
        "openid-credential-offer://?",
        "javascript:alert(1)?credential_offer=%7B%7D",
        pytest.param("openid-credential-offer://?credential_offer=" + "a" * 1_000_000, id="a megabyte"),
        "openid-credential-offer://?credential_offer=%7B%7D",
    ],
)
def test_wf_15_offer_links_that_are_none(uri: str) -> None:
    with pytest.raises(MalformedError):
        CredentialOffer.of_uri(uri)


@pytest.mark.parametrize(
    "issuer",
    [
        "http://a.example",
        "https://u@a.example",
        "https://a.example?x",
        "https://a.example#x",
        "https://a\\b",
        "https://[a",
        "a",
        "",
    ],
)
def test_wf_06_an_offers_issuer_is_a_plain_address(issuer: str) -> None:
    with pytest.raises(MalformedError):
        CredentialOffer.parse(json.dumps({"credential_issuer": issuer, "credential_configuration_ids": ["a"]}))


@pytest.mark.parametrize(
    "place", ["https://[a/token", "https://", "https:///token", "http://a.example", "https://a#x", 7]
)
def test_wf_06_an_endpoint_is_an_address_with_a_host(place: object) -> None:
    with pytest.raises(MalformedError):
        AuthorizationServer.parse({"issuer": ISSUER, "token_endpoint": place}, issuer=ISSUER)


@given(
    st.one_of(
        st.binary(max_size=200),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text(max_size=20),
            lambda inner: (
                st.lists(inner, max_size=4)
                | st.dictionaries(
                    st.sampled_from(
                        [
                            "credential_issuer",
                            "credential_configuration_ids",
                            "grants",
                            "credentials",
                            "proofs",
                            "jwt",
                            "credential",
                        ]
                    )
                    | st.text(max_size=8),
                    inner,
                    max_size=4,
                )
            ),
            max_leaves=12,
        ).map(lambda value: json.dumps(value).encode()),
    )
)
def test_parsers_let_out_nothing_else(raw: bytes) -> None:
    for parse in (CredentialOffer.parse, CredentialRequest.parse, CredentialResponse.parse):
        try:
            parse(raw)
        except MalformedError:
            continue
    try:
        value = json.loads(raw)
    except ValueError:
        return
    try:
        IssuerMetadata.parse(value, issuer=ISSUER)
    except RefusedError:
        return
