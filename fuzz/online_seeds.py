"""Seeds of the online protocols, for ``seeds.py``, made of fictitious names and a key that means nothing."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote, urlencode

from fuzz.online import AT, ISSUER, METADATA, PAGE, SERVER, SIGNER, page_request, posted
from vcred.formats._wire import b64u_encode, dump_json, epoch
from vcred.oid4vci import CredentialOffer, PreAuthorizedGrant, TxCode, offer_place
from vcred.oid4vp import STATEMENT, RequestLink, ResponseMode, build_transaction_data

__all__ = ["online_seeds"]

_NOW = epoch(AT)
_JWK = SIGNER.public_key.to_jwk()
_ENCRYPTION = _JWK | {"use": "enc", "alg": "ECDH-ES", "kid": "k"}
_SD_JWT = (
    f"{b64u_encode(dump_json({'alg': 'ES256', 'typ': 'dc+sd-jwt'}))}.{b64u_encode(b'{}')}.{b64u_encode(bytes(64))}~"
)
"""Enough of one to be told from the other formats."""

_TYPE = "nhis.eligibility_history/dc+sd-jwt"
_COVER = {
    "data": {
        "person": {"name": "김가람", "rrn": "8005151990120"},
        "no": 9900,
        "periods": [
            {"kind": "employee", "workplace": {"name": "별빛상사 (가상)"}, "from": "20190101", "to": None},
            {"kind": "regional_head", "from": "2012-03-02", "to": "2018-12-31"},
        ],
    }
}


def online_seeds() -> dict[str, list[bytes]]:
    """Samples that the parser reads, by target."""
    return _oauth() | _issuing() | _issued() | _presenting()


def _token(typ: str, claims: dict[str, Any], **header: Any) -> bytes:
    return dump_json({"typ": typ, "alg": "ES256", **header}) + b"\n" + dump_json(claims)


def _oauth() -> dict[str, list[bytes]]:
    dpop = {"htm": "POST", "htu": SERVER, "jti": "j-1", "iat": _NOW}
    bound = dpop | {"nonce": "n-1", "ath": "47UMn2eXxXkYf36BqYDB_lsfoA8wWFULxMzBW8JhvR4"}
    attested = {"iss": "https://wallet.example", "sub": "wallet", "iat": _NOW, "exp": _NOW + 60, "cnf": {"jwk": _JWK}}
    pop = {"aud": ISSUER, "jti": "j-1", "iat": _NOW, "challenge": "c-1"}
    server = METADATA | {
        "pushed_authorization_request_endpoint": f"{ISSUER}/par", "require_pushed_authorization_requests": True,
        "challenge_endpoint": f"{ISSUER}/challenge", "grant_types_supported": ["authorization_code"],
        "token_endpoint_auth_methods_supported": ["attest_jwt_client_auth"],
        "dpop_signing_alg_values_supported": ["ES256"], "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": True,
    }  # fmt: skip
    details = [{"type": "openid_credential", "credential_configuration_id": "a/dc+sd-jwt", "locations": [ISSUER]}]
    asked = {
        "response_type": "code", "client_id": "wallet", "redirect_uri": "https://wallet.example/back", "state": "s",
        "code_challenge": "c" * 43, "code_challenge_method": "S256",
        "authorization_details": dump_json(details).decode(),
    }  # fmt: skip
    redeemed = {
        "grant_type": "urn:ietf:params:oauth:grant-type:pre-authorized_code",
        "pre-authorized_code": "p",
        "tx_code": "1",
    }
    details[0] = {"type": "openid_credential", "credential_configuration_id": "a", "credential_identifiers": ["a-1"]}
    tokens = {
        "access_token": "t", "token_type": "Bearer", "expires_in": 300, "refresh_token": "r",
        "authorization_details": details,
    }  # fmt: skip
    provider = METADATA | {"jwks_uri": f"{ISSUER}/jwks"}
    claims = {
        "iss": ISSUER,
        "aud": "issuer",
        "sub": "17",
        "nonce": "n-1",
        "iat": _NOW,
        "exp": _NOW + 60,
        "name": "김가람",
    }
    login = (
        dump_json(provider),
        dump_json({"keys": [_JWK | {"kid": "ec", "use": "sig"}]}),
        _token("JWT", claims, kid="ec"),
    )
    return {
        "oauth_dpop": [_token("dpop+jwt", one, jwk=_JWK) for one in (dpop, bound)],
        "oauth_attestation": [_token("oauth-client-attestation+jwt", attested, kid="k-1")],
        "oauth_attestation_pop": [_token("oauth-client-attestation-pop+jwt", pop)],
        "oauth_metadata": [dump_json(METADATA), dump_json(server)],
        "oauth_forms": [urlencode(asked).encode(), urlencode(redeemed).encode()],
        "oauth_token_response": [dump_json(tokens)],
        "oauth_error": [b'{"error":"use_dpop_nonce"}', b'DPoP error="invalid_token", algs="ES256"'],
        "oauth_returned": [f"http://127.0.0.1:1234/back?code=c&state=s-1&iss={quote(ISSUER, safe='')}".encode()],
        "oidc_login": [b"\n".join(login)],
    }


def _issuing() -> dict[str, list[bytes]]:
    offer = CredentialOffer(
        issuer=ISSUER, configuration_ids=(_TYPE,),
        pre_authorized=PreAuthorizedGrant(code="p", tx_code=TxCode(length=6, description="on paper")),
    )  # fmt: skip
    configuration = {
        "format": "dc+sd-jwt", "vct": "urn:card", "scope": "card", "cryptographic_binding_methods_supported": ["jwk"],
        "proof_types_supported": {"jwt": {"proof_signing_alg_values_supported": ["ES256"]}},
        "credential_metadata": {"display": [{"name": "Card", "locale": "en"}]},
    }  # fmt: skip
    metadata = {
        "credential_issuer": ISSUER, "credential_endpoint": f"{ISSUER}/credential", "nonce_endpoint": f"{ISSUER}/nonce",
        "authorization_servers": [ISSUER], "batch_credential_issuance": {"batch_size": 10},
        "credential_request_encryption": {
            "jwks": {"keys": [_ENCRYPTION]}, "enc_values_supported": ["A256GCM"], "encryption_required": True,
        },
        "credential_response_encryption": {
            "alg_values_supported": ["ECDH-ES"], "enc_values_supported": ["A128GCM"], "encryption_required": False,
        },
        "display": [{"name": "가람시청", "locale": "ko"}],
        "credential_configurations_supported": {_TYPE: configuration},
    }  # fmt: skip
    signed = metadata | {"sub": ISSUER, "iat": _NOW, "exp": _NOW + 60}
    return {
        "vci_offer": [dump_json(offer.to_json())],
        "vci_offer_link": [offer.to_uri().encode(), offer_place(f"{ISSUER}/offers/1").encode()],
        "vci_metadata": [dump_json(metadata)],
        "vci_metadata_signed": [_token("openidvci-issuer-metadata+jwt", signed, x5c=["AAAA"])],
    }


def _issued() -> dict[str, list[bytes]]:
    encryption = {"jwk": _ENCRYPTION, "enc": "A256GCM", "zip": "DEF"}
    request = {
        "credential_configuration_id": _TYPE,
        "proofs": {"jwt": ["a.b.c"]},
        "credential_response_encryption": encryption,
    }
    proof = {"aud": ISSUER, "iat": _NOW, "nonce": "n-1"}
    attested = {
        "iat": _NOW, "exp": _NOW + 60, "attested_keys": [_JWK], "key_storage": ["iso_18045_high"],
        "user_authentication": ["iso_18045_high"], "nonce": "n-1",
    }  # fmt: skip
    attestation = _token("key-attestation+jwt", attested, kid="k-1")
    return {
        "vci_request": [dump_json(request), dump_json({"credential_identifier": "a-1"})],
        "vci_request_kid": [
            b64u_encode(dump_json({"alg": "ECDH-ES", "enc": "A256GCM", "kid": "k"})).encode() + b"...."
        ],
        "vci_deferred": [dump_json({"transaction_id": "t-1", "credential_response_encryption": encryption})],
        "vci_response": [
            dump_json({"credentials": [{"credential": "a~b"}, {"credential": {"a": 1}}], "notification_id": "n"}),
            dump_json({"transaction_id": "t-1", "interval": 60}),
        ],
        "vci_credential": [b64u_encode(b"\xa2" * 20).encode()],
        "vci_proofs": [_token("openid4vci-proof+jwt", proof, jwk=_JWK), attestation],
        "vci_key_attestation": [attestation],
    }


def _presenting() -> dict[str, list[bytes]]:
    link = RequestLink(client_id="x509_san_dns:bank.example", request_uri=f"{PAGE}/request/1", post=True)
    by_value = RequestLink(client_id="x509_san_dns:bank.example", request=b"a.b.c")
    agreed = build_transaction_data(STATEMENT, {"statement": "loan", "reference": "7"}, credential_ids=["a"])
    requests = []
    for mode in ResponseMode:
        header, payload = (posted(mode).jws.header, posted(mode).jws.payload)
        requests.append(dump_json(dict(header)) + b"\n" + payload)
    vp_token = dump_json({"a": [_SD_JWT]}).decode()
    return {
        "vp_link": [link.to_uri().encode(), by_value.to_uri().encode()],
        "vp_post": [urlencode({"wallet_nonce": "w-1", "wallet_metadata": '{"a":{"b":[1]}}'}).encode()],
        "vp_request": requests,
        "vp_page_request": [dump_json(page_request() | {"transaction_data": [agreed]}), dump_json(page_request())],
        "vp_transaction_data": [dump_json([agreed])],
        "vp_answer": [
            urlencode({"vp_token": vp_token, "state": "state-1"}).encode(),
            urlencode({"error": "access_denied", "error_description": "no", "state": "state-1"}).encode(),
        ],
        "vp_answer_sealed": [dump_json({"vp_token": {"a": [_SD_JWT]}, "state": "state-1"})],
        "vp_answer_page": [dump_json({"vp_token": {"a": [_SD_JWT]}}), b'{"error":"access_denied"}'],
        "accept": [b"application/jwt;q=0.9, */*;q=0.1", b"application/json"],
        "url": [f"{PAGE}:8443/a/b?c=d".encode(), b"http://[2001:db8::1]/", b"https://127.0.0.1"],
        "record": [dump_json(_COVER)],
    }
