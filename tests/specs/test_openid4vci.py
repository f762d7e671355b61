"""The published examples of OpenID4VCI 1.0: offers, metadata, requests, responses, proofs, attestations."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from urllib.parse import quote

import pytest
from cryptography import x509

from vcred.errors import MalformedError, RefusedError
from vcred.formats._jose import verify_jws
from vcred.keys import PublicKey
from vcred.oauth import check_client_attestation, well_known
from vcred.oid4vci import (
    CredentialOffer,
    CredentialRequest,
    CredentialResponse,
    DeferredRequest,
    IssuerMetadata,
    check_proofs,
    check_signed_metadata,
    decode_credential,
    encode_credential,
)

ISSUER = "https://credential-issuer.example.com"


@pytest.fixture
def example(vectors):
    def read(name: str) -> str:
        text = vectors("openid4vci", name).read_text(encoding="utf-8")
        return text.split("\n\n", 1)[1] if text.startswith("HTTP/") else text

    return read


@pytest.fixture
def blocks(example):
    rows = json.loads(example("text_json_blocks.json"))
    return lambda section: [row["json"] for row in rows if row["section"] == section and "json" in row]


@pytest.fixture
def tokens(example):
    return json.loads(example("tokens.json"))


def key_of(token: dict) -> PublicKey:
    """The key that the example is signed with: in its own header."""
    header = token["header"]
    if "jwk" in header:
        return PublicKey.from_jwk(header["jwk"])
    return PublicKey(x509.load_der_x509_certificate(base64.b64decode(header["x5c"][0])).public_key())


def moment(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def test_offers_by_value_and_by_reference(example) -> None:
    offer = CredentialOffer.parse(example("credential_offer_multiple_credentials.json"))
    assert offer.configuration_ids == ("UniversityDegreeCredential", "org.iso.18013.5.1.mDL")
    assert offer.pre_authorized is not None
    assert offer.pre_authorized.tx_code is not None
    assert (offer.pre_authorized.tx_code.numeric, offer.pre_authorized.tx_code.length) == (True, 4)
    assert CredentialOffer.of_uri(offer.to_uri()) == offer
    place = "https://server.example.com/credential-offer/GkurKxf5T0Y-mnPFCHqWOMiZi4VS138cQO_V7PZHAdM"
    assert CredentialOffer.of_uri(f"openid-credential-offer://?credential_offer_uri={quote(place, safe='')}") == place


def test_an_empty_tx_code_still_means_that_one_is_required(example) -> None:
    offer = CredentialOffer.parse(example("credential_offer_by_reference.json"))
    assert offer.pre_authorized is not None
    assert offer.pre_authorized.tx_code is not None


def test_an_offer_that_starts_an_authorization_code_flow(example) -> None:
    offer = CredentialOffer.parse(example("credential_offer_authz_code.txt"))
    assert offer.pre_authorized is None
    assert offer.authorization_code is not None
    assert offer.authorization_code.issuer_state


def test_issuer_metadata(example) -> None:
    found = IssuerMetadata.parse(json.loads(example("credential_issuer_metadata_sd_jwt_long.json")), issuer=ISSUER)
    assert found.authorization_servers == ("https://server.example.com",)
    assert found.batch_size == 10
    assert found.request_encryption is not None
    assert (found.request_encryption.kid, found.request_encryption.required) == ("ac", True)
    assert (found.response_encryption, found.response_encryption_required) == (("A128GCM",), True)
    assert found.name("fr") == "Example Université"
    (only,) = found.configurations.values()
    assert only.format == "dc+sd-jwt"
    with pytest.raises(RefusedError, match="issuer"):
        IssuerMetadata.parse(json.loads(example("credential_issuer_metadata_sd_jwt_long.json")), issuer=ISSUER + "/")


def test_signed_metadata(tokens) -> None:
    token = tokens["signed_issuer_metadata"]
    key, claims = key_of(token), token["payload"]
    at = moment(claims["iat"] + 1)
    raw = token["compact"].encode()
    found = check_signed_metadata(raw, issuer=claims["sub"], resolve=lambda _: key, at=at)
    assert IssuerMetadata.parse(found, issuer=claims["sub"]).credential_endpoint
    with pytest.raises(RefusedError, match="issuer"):
        check_signed_metadata(raw, issuer="https://other.example", resolve=lambda _: key, at=at)


def test_a_wallet_attestation(tokens) -> None:
    token = tokens["wallet_attestation"]
    key, claims = key_of(token), token["payload"]
    found = check_client_attestation(token["compact"], resolve=lambda _: key, at=moment(claims["nbf"] + 1))
    assert found.client_id == claims["sub"]
    assert found.key == PublicKey.from_jwk(claims["cnf"]["jwk"])
    with pytest.raises(RefusedError, match="expired"):
        check_client_attestation(token["compact"], resolve=lambda _: key, at=moment(claims["exp"] + 3600))


def test_a_key_proof(tokens) -> None:
    token = tokens["key_proof_jwt"]
    claims = token["payload"]
    proven = check_proofs(
        ("jwt", (token["compact"],)),
        issuer=claims["aud"],
        client_id=None,
        most=1,
        attester=None,
        attested=False,
        at=moment(claims["iat"] + 1),
    )
    assert proven.keys == (key_of(token),)
    assert proven.nonces == {claims["nonce"]}


def test_requests(blocks, example) -> None:
    iso, identified, presentation = blocks("Credential Request")
    found = CredentialRequest.parse(json.dumps(iso).encode())
    assert (found.configuration_id, found.identifier) == ("org.iso.18013.5.1.mDL", None)
    assert CredentialRequest.parse(json.dumps(identified).encode()).identifier == "CivilEngineeringDegree-2023"
    with pytest.raises(MalformedError):  # a proof type that is not supported here
        CredentialRequest.parse(json.dumps(presentation).encode())
    with pytest.raises(MalformedError, match="earlier draft"):  # left over from a draft: see PROVENANCE.md
        CredentialRequest.parse(example("credential_request_iso_mdl.json").encode())
    (deferred,) = blocks("Deferred Credential Request")
    assert DeferredRequest.parse(json.dumps(deferred).encode()).transaction_id == "8xLOxBtZp8"


def test_responses(blocks) -> None:
    one, two, later = (CredentialResponse.parse(json.dumps(row).encode()) for row in blocks("Credential Response"))
    assert (len(one.credentials), len(two.credentials), two.notification_id) == (1, 2, "3fwe98js")
    assert (later.transaction_id, later.interval) == ("8xLOxBtZp8", 3600)
    for row in blocks("Credential Response") + blocks("Deferred Credential Response"):
        assert CredentialResponse.parse(json.dumps(row).encode()).to_json() == row


def test_well_known_places() -> None:
    name = "openid-credential-issuer"
    assert (
        well_known("https://issuer.example.com/tenant", name) == f"https://issuer.example.com/.well-known/{name}/tenant"
    )
    assert (
        well_known("https://tenant.issuer.example.com", name) == f"https://tenant.issuer.example.com/.well-known/{name}"
    )


def test_the_examples_signatures_are_really_checked(tokens) -> None:
    from vcred.formats._jose import parse_jws

    token = tokens["wallet_attestation"]
    jws = parse_jws(token["compact"], path="t", typ="oauth-client-attestation+jwt")
    verify_jws(jws, key_of(token))
    with pytest.raises(RefusedError):
        verify_jws(jws, key_of(tokens["key_proof_jwt"]))


def test_a_credential_with_linked_data_is_an_object_in_a_response() -> None:
    raw = b'{"@context": ["https://www.w3.org/2018/credentials/v1"], "type": ["VerifiableCredential"]}'
    written = encode_credential("ldp_vc", raw)
    assert isinstance(written, dict)
    assert json.loads(decode_credential("ldp_vc", written, "credential")) == json.loads(raw)
    with pytest.raises(MalformedError):
        decode_credential("dc+sd-jwt", written, "credential")
