"""ISO/IEC 18013-5 Annex D, real documents of other people, and the OpenID4VP 1.0 handovers."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from hashlib import sha256

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from vcred.claims import ClaimPath
from vcred.errors import MalformedError, RefusedError
from vcred.formats._cbor import Embedded, decode, encode
from vcred.formats._mdoc_device import mac_key, make_mac, shared_secret
from vcred.formats._mdoc_mso import embed
from vcred.formats._mdoc_request import parse_device_request, reader_signature, verify_reader
from vcred.formats._mdoc_response import read_received
from vcred.formats._mdoc_session import (
    END_OF_SESSION,
    SessionCipher,
    make_engagement,
    parse_engagement,
    parse_engagement_uri,
    parse_message,
    proximity_transcript,
    session_data,
    session_establishment,
)
from vcred.formats.mdoc import (
    Mdoc,
    Session,
    dc_api_transcript,
    openid4vp_transcript,
    verify_document_signer,
)
from vcred.keys import PublicKey, SoftwareSigner
from vcred.reasons import ReasonCode as Code


class NoTypes:
    def doctype(self, vct):
        return None

    def vct(self, namespace):
        return None

    def spelling(self, vct):
        return None


FORMAT = Mdoc(NoTypes())
MDL = "org.iso.18013.5.1"


def load(vectors, *parts):
    return json.loads(vectors(*parts).read_text(encoding="utf-8"))


def der(pem: str) -> bytes:
    return x509.load_pem_x509_certificate(pem.encode()).public_bytes(Encoding.DER)


def session(transcript: bytes) -> Session:
    return Session(transcript=transcript, audience="me", nonce=None, received_at=0)


def unwrapped(raw: bytes) -> bytes:
    wrapped = decode(raw, "it", max_bytes=1 << 16)
    assert type(wrapped) is Embedded
    return wrapped.raw


def private(constants, name: str) -> ec.EllipticCurvePrivateKey:
    return ec.derive_private_key(int(constants[f"{name}_d"], 16), ec.SECP256R1())


@pytest.fixture
def annex(vectors):
    return load(vectors, "mdoc", "iso18013_5_annex_d.json")


@pytest.fixture
def annex_opened(annex):
    transcript = unwrapped(bytes.fromhex(annex["hex"]["session_transcript_bytes"]))
    (opened,) = FORMAT.open_response(bytes.fromhex(annex["hex"]["device_response"]), session(transcript))
    return opened


def test_annex_d_response_says_what_it_should(annex, annex_opened):
    assert annex_opened.vct == annex["doc_type"]
    assert {MDL: sorted(annex["elements"][MDL])} == {name: sorted(found) for name, found in annex_opened.claims.items()}
    assert annex_opened.claims[MDL]["family_name"] == "Doe"
    assert annex_opened.claims[MDL]["issue_date"] == "2019-10-20"
    assert annex_opened.claims[MDL]["portrait"].hex() == annex["hex"]["device_response_portrait_data"].lower()
    times = annex["mso_validity"]
    assert annex_opened.issued_at == int(datetime.fromisoformat(times["signed"]).timestamp())
    assert annex_opened.expires_at == int(datetime.fromisoformat(times["validUntil"]).timestamp())
    assert annex_opened.status is None


def test_annex_d_issuer_is_trusted_when_its_signer_is_pinned(annex, annex_opened):
    at = datetime.fromisoformat(annex["validation_time_inside_validity"])
    signer = bytes.fromhex(annex["hex"]["ds_cert"])
    assert annex_opened.x5c == (signer,)
    key = verify_document_signer(annex_opened, authorities=(), pinned=(signer,), at=at)
    FORMAT.verify_signature(annex_opened, key)
    with pytest.raises(RefusedError) as caught:
        verify_document_signer(annex_opened, authorities=(), pinned=(), at=at)
    assert caught.value.code is Code.UNTRUSTED
    with pytest.raises(RefusedError) as caught:
        verify_document_signer(
            annex_opened, authorities=(), pinned=(signer,), at=datetime(2021, 10, 1, 0, 0, 1, tzinfo=UTC)
        )
    assert caught.value.code is Code.CHAIN


def test_annex_d_device_mac(annex, annex_opened):
    reader = private(annex["hex"], "ephemeral_reader_key")
    FORMAT.verify_device_mac(annex_opened, reader)
    for other in (private(annex["hex"], "ephemeral_device_key"), ec.generate_private_key(ec.SECP256R1())):
        with pytest.raises(RefusedError) as caught:
            FORMAT.verify_device_mac(annex_opened, other)
        assert caught.value.code is Code.DEVICE_AUTH
    with pytest.raises(RefusedError) as caught:
        FORMAT.verify_key_binding(annex_opened)
    assert caught.value.code is Code.DEVICE_AUTH


def test_annex_d_mac_is_the_one_we_make(annex, annex_opened):
    constants, transcript = annex["hex"], unwrapped(bytes.fromhex(annex["hex"]["session_transcript_bytes"]))
    assert sha256(embed(transcript)).hexdigest() == annex["derived"]["session_transcript_salt_sha256"]
    reader = PublicKey(private(constants, "ephemeral_reader_key").public_key())
    assert reader.to_cose()[-2].hex() == constants["ephemeral_reader_key_x"].lower()
    key = mac_key(shared_secret(private(constants, "static_device_key"), reader), transcript)
    assert key.hex() == annex["derived"]["e_mac_key"]
    binding = annex_opened.key_binding
    made = decode(make_mac(key, _payload_of(binding.signing_input)), "it", max_bytes=4096)
    assert made["deviceAuth"]["deviceMac"][3] == binding.signature


def _payload_of(mac_structure: bytes) -> bytes:
    return decode(mac_structure, "it", max_bytes=1 << 16)[3]


REAL = {
    "animo_paradym_openid4vp_1_0": "accepted",
    "bdr_issuer_signed": "accepted",
    "france_playground_draft18": "accepted",
    "auth0_full_disclosure": Code.DEVICE_AUTH,
    "auth0_tampered_item": Code.DIGEST,
    "auth0_pre_standard_encoding": Code.DEVICE_AUTH,
}


@pytest.mark.parametrize("name", sorted(REAL))
def test_real_documents(vectors, name):
    case = load(vectors, "mdoc", "real_world", f"{name}.json")
    raw = bytes.fromhex(case["data_hex"])
    if REAL[name] != "accepted":
        with pytest.raises(MalformedError) as caught:
            FORMAT.open(raw)
        assert caught.value.code is REAL[name]
        return
    if case["kind"] == "IssuerSigned":
        opened = FORMAT.open(raw)
    else:
        (opened,) = FORMAT.open_response(raw, session(bytes.fromhex(case["session_transcript_hex"])))
        FORMAT.verify_key_binding(opened)
        assert FORMAT.open(raw).claims == opened.claims
    assert opened.vct == case["doc_type"]
    assert {ns: set(found) for ns, found in opened.claims.items()} == {
        ns: set(found) for ns, found in case["elements"].items()
    }
    at = datetime.fromisoformat(case["validation_time"])
    certificates = {
        role.split(" ")[0]: der(pem)
        for pem, role in zip(case["certificates_pem"], case["certificate_roles"], strict=True)
    }
    assert opened.x5c == (certificates["document"],)
    key = verify_document_signer(opened, authorities=(), pinned=(certificates["document"],), at=at)
    FORMAT.verify_signature(opened, key)
    if "IACA" in certificates:
        assert verify_document_signer(opened, authorities=(certificates["IACA"],), pinned=(), at=at) == key
    assert opened.issued_at <= at.timestamp() <= opened.expires_at
    assert (opened.not_before or opened.issued_at) <= at.timestamp()


def detached(raw: bytes) -> bytes:
    """The auth0 documents with the payload of their device signature taken out, as ISO wants it."""
    value = decode(raw, "it", max_bytes=1 << 20, tags=frozenset({24}))
    signature = value["documents"][0]["deviceSigned"]["deviceAuth"]["deviceSignature"]
    assert type(signature[2]) is bytes
    signature[2] = None
    return encode(value)


def test_real_document_with_an_attached_payload_is_good_but_for_that(vectors):
    case = load(vectors, "mdoc", "real_world", "auth0_full_disclosure.json")
    (opened,) = FORMAT.open_response(
        detached(bytes.fromhex(case["data_hex"])), session(bytes.fromhex(case["session_transcript_hex"]))
    )
    FORMAT.verify_key_binding(opened)
    signer = der(case["certificates_pem"][0])
    FORMAT.verify_signature(opened, PublicKey(x509.load_der_x509_certificate(signer).public_key()))
    at = datetime.fromisoformat(case["validation_time"])
    with pytest.raises(RefusedError) as caught:
        verify_document_signer(opened, authorities=(signer,), pinned=(signer,), at=at)
    assert caught.value.code is Code.CHAIN


def test_real_document_with_a_changed_item(vectors):
    case = load(vectors, "mdoc", "real_world", "auth0_tampered_item.json")
    with pytest.raises(MalformedError) as caught:
        FORMAT.open(detached(bytes.fromhex(case["data_hex"])))
    assert (caught.value.code, caught.value.path) == (Code.DIGEST, "nameSpaces[0]")


def test_real_document_of_before_the_standard(vectors):
    case = load(vectors, "mdoc", "real_world", "auth0_pre_standard_encoding.json")
    value = decode(bytes.fromhex(case["data_hex"]), "it", max_bytes=1 << 20, tags=frozenset({24}))
    with pytest.raises(MalformedError) as caught:
        FORMAT.open(encode(value["documents"][0]["issuerSigned"]))
    assert caught.value.code is Code.CHAIN


def test_real_document_made_for_another_session(vectors):
    case = load(vectors, "mdoc", "real_world", "animo_paradym_openid4vp_1_0.json")
    inputs = case["handover_inputs"]
    raw, good = bytes.fromhex(case["data_hex"]), bytes.fromhex(case["session_transcript_hex"])
    names = {"client_id": inputs["client_id"], "nonce": inputs["nonce"], "response_uri": inputs["response_uri"]}
    thumbprint = bytes.fromhex(inputs["jwk_thumbprint_hex"])
    assert openid4vp_transcript(**names, encryption_key=thumbprint) == good
    wrong = [openid4vp_transcript(**{**names, name: names[name] + "x"}, encryption_key=thumbprint) for name in names]
    wrong += [openid4vp_transcript(**names, encryption_key=None), b""]
    for transcript in wrong:
        (opened,) = FORMAT.open_response(raw, session(transcript))
        with pytest.raises(RefusedError) as caught:
            FORMAT.verify_key_binding(opened)
        assert caught.value.code is Code.DEVICE_AUTH


def test_a_foreign_document_is_presented_with_its_items_as_they_are(annex):
    # The static device key of Annex D is public, so we can be its holder.
    response = read_received(bytes.fromhex(annex["hex"]["device_response"]))
    value = decode(bytes.fromhex(annex["hex"]["device_response"]), "it", max_bytes=1 << 16)
    opened = FORMAT.open(encode(value["documents"][0]["issuerSigned"]))
    assert response.documents[0].doctype == opened.vct
    holder = SoftwareSigner(private(annex["hex"], "static_device_key"))
    raw = FORMAT.present(
        opened, [ClaimPath((MDL, "family_name"))], holder, audience="me", nonce=b"n", issued_at=1_622_505_600
    )
    shown = FORMAT.open(raw)
    FORMAT.verify_key_binding(shown)
    assert shown.claims == {MDL: {"family_name": "Doe"}}
    assert shown.signature == opened.signature
    assert shown.disclosures[ClaimPath((MDL, "family_name"))] == opened.disclosures[ClaimPath((MDL, "family_name"))]


PAIRS = {
    "isomdl_iaca_signer.pem": None,
    "isomdl_incorrect_iaca_signer.pem": Code.CHAIN,
    "isomdl_iaca_intermediate.pem": Code.CHAIN,
    "isomdl_iaca_leaf_signer.pem": Code.CHAIN,
}


@pytest.mark.parametrize("name", sorted(PAIRS))
def test_certificate_pairs(vectors, annex_opened, name):
    root = der(vectors("mdoc", "certificates", "isomdl_iaca_root_cert.pem").read_text())
    signer = der(vectors("mdoc", "certificates", name).read_text())
    opened = _by(annex_opened, signer)
    at = datetime(2024, 1, 2, tzinfo=UTC)
    if PAIRS[name] is None:
        verify_document_signer(opened, authorities=(root,), pinned=(), at=at)
        return
    with pytest.raises(RefusedError) as caught:
        verify_document_signer(opened, authorities=(root,), pinned=(), at=at)
    assert caught.value.code is PAIRS[name]


def test_a_chain_by_an_intermediate_is_none_of_the_standard(vectors, annex_opened):
    folder = ("isomdl_iaca_leaf_signer.pem", "isomdl_iaca_intermediate.pem", "isomdl_iaca_root_cert.pem")
    leaf, middle, root = (der(vectors("mdoc", "certificates", name).read_text()) for name in folder)
    with pytest.raises(RefusedError) as caught:
        verify_document_signer(
            _by(annex_opened, leaf, middle), authorities=(root,), pinned=(), at=datetime(2024, 1, 2, tzinfo=UTC)
        )
    assert caught.value.code is Code.CHAIN


def test_a_certificate_that_did_not_sign_the_other(vectors, annex_opened):
    root = der(vectors("mdoc", "certificates", "isomdl_iaca_root_cert.pem").read_text())
    signer = der(vectors("mdoc", "certificates", "isomdl_iaca_signer.pem").read_text())
    with pytest.raises(RefusedError) as caught:
        verify_document_signer(
            _by(annex_opened, root), authorities=(signer,), pinned=(), at=datetime(2024, 1, 2, tzinfo=UTC)
        )
    assert caught.value.code in (Code.UNTRUSTED, Code.CHAIN)


def _by(opened, *chain):
    """The same document as if this chain had signed it, in 2024."""
    from dataclasses import replace

    claims = {MDL: {name: value for name, value in opened.claims[MDL].items() if name != "issuing_country"}}
    return replace(opened, x5c=chain, issued_at=1_704_067_200, claims=claims)


@pytest.mark.parametrize("flow", ["redirect_flow", "dc_api"])
def test_openid4vp_handovers(vectors, flow):
    given = load(vectors, "openid4vp", "handover.json")
    thumbprint = PublicKey.from_jwk(
        {name: value for name, value in given["encryption_jwk_public"].items() if name in ("kty", "crv", "x", "y")}
    ).thumbprint
    assert thumbprint.hex() == given["jwk_thumbprint_hex"]
    case = given[flow]
    if flow == "dc_api":
        made = dc_api_transcript(origin=case["origin"], nonce=case["nonce"], encryption_key=thumbprint)
    else:
        made = openid4vp_transcript(
            client_id=case["client_id"],
            nonce=case["nonce"],
            response_uri=case["response_uri"],
            encryption_key=thumbprint,
        )
    assert made.hex() == case["session_transcript_cbor_hex"]
    assert made == b"\x83\xf6\xf6" + bytes.fromhex(case["handover_cbor_hex"])


# Engagement, request and session of Annex D


def test_annex_d_device_engagement(annex):
    raw = bytes.fromhex(annex["hex"]["device_engagement"])
    engagement = parse_engagement(raw)
    x, y = (bytes.fromhex(annex["hex"][f"ephemeral_device_key_{name}"]) for name in "xy")
    assert engagement.key.to_cose() == {1: 2, -1: 1, -2: x, -3: y}
    assert engagement.methods[0][:2] == [2, 1]
    assert parse_engagement_uri(engagement.to_uri()) == engagement
    assert make_engagement(engagement.key, engagement.methods).raw == raw
    assert unwrapped(bytes.fromhex(annex["hex"]["e_device_key_bytes"])) == encode(engagement.key.to_cose())


def test_annex_d_device_request_and_reader_authentication(annex):
    constants = annex["hex"]
    transcript = unwrapped(bytes.fromhex(constants["session_transcript_bytes"]))
    raw = bytes.fromhex(constants["device_request"])
    (asked,) = parse_device_request(raw)
    assert asked.doctype == annex["doc_type"]
    assert asked.items_request.hex() == constants["items_request"].lower()
    assert asked.elements == {MDL: {name: name != "portrait" for name in annex["elements"][MDL]}}
    sign1, chain = reader_signature(asked, transcript)
    assert chain == (bytes.fromhex(constants["reader_cert"]),)
    assert encode(asked.reader_auth).hex() == constants["reader_auth"].lower()
    key = PublicKey(x509.load_der_x509_certificate(chain[0]).public_key())
    verify_reader(asked, transcript=transcript, key=key)
    assert sign1.alg == "ES256"
    with pytest.raises(RefusedError) as caught:
        verify_reader(asked, transcript=b"\x83\xf6\xf6\xf6", key=key)
    assert caught.value.code is Code.SIGNATURE


@pytest.mark.parametrize("reader", [True, False])
def test_annex_d_session(annex, reader):
    constants, derived = annex["hex"], annex["derived"]
    transcript = unwrapped(bytes.fromhex(constants["session_transcript_bytes"]))
    first = parse_message(bytes.fromhex(constants["session_establishment"]))
    later = parse_message(bytes.fromhex(constants["session_data"]))
    assert first.public_key == PublicKey(private(constants, "ephemeral_reader_key").public_key())
    assert later.reader_key is None
    keys = {name: private(constants, f"ephemeral_{name}_key") for name in ("reader", "device")}
    secret = shared_secret(keys["reader"], PublicKey(keys["device"].public_key()))
    assert secret.hex() == derived["ecdh_shared_secret_reader_device_ephemeral"]
    mine, theirs = ("reader", "device") if reader else ("device", "reader")
    cipher = SessionCipher(keys[mine], PublicKey(keys[theirs].public_key()), transcript=transcript, reader=reader)
    request, response = bytes.fromhex(constants["device_request"]), bytes.fromhex(constants["device_response"])
    if reader:
        assert cipher.encrypt(request) == first.data
        assert cipher.decrypt(later.data) == response
    else:
        assert cipher.decrypt(first.data) == request
        assert cipher.encrypt(response) == later.data
    with pytest.raises(RefusedError) as caught:
        cipher.decrypt(later.data if reader else first.data)
    assert caught.value.code is Code.INTEGRITY
    raw = session_establishment(first.reader_key, first.data)
    assert parse_message(raw) == first


def test_annex_d_session_transcript(annex):
    raw = unwrapped(bytes.fromhex(annex["hex"]["session_transcript_bytes"]))
    engagement, reader, handover = decode(raw, "it", max_bytes=4096)
    assert proximity_transcript(engagement.raw, reader.raw, encode(handover)) == raw


def test_annex_d_session_termination(annex):
    raw = bytes.fromhex(annex["hex"]["session_termination"])
    message = parse_message(raw)
    assert (message.data, message.status) == (None, END_OF_SESSION)
    assert session_data(None, END_OF_SESSION) == raw
