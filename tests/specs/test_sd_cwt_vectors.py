"""The examples of draft-ietf-spice-sd-cwt (vectors/sd_cwt): 6 tokens, 41 disclosures, encrypted disclosure, thumbprints.

They are no certificates of ours (no ``vct``, claims at the top), so the engine and the codecs are what is tried.
"""

from __future__ import annotations

import base64
import hashlib
import json

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from vcred.errors import MalformedError, RefusedError
from vcred.formats._cbor import REDACTED_KEYS, decode, encode
from vcred.formats._cose import parse_sign1, read_sign1, verify_sign1
from vcred.formats._kb_cwt import carried, read_key_binding
from vcred.formats._sd_cwt_engine import digest_of, reveal
from vcred.formats.sd_cwt import SD_CWT_DRAFT, SdCwt
from vcred.keys import PublicKey
from vcred.reasons import ReasonCode as Code

TOKENS = ["issuer_cwt", "kbt", "decoy", "nested_issuer_cwt", "nested_cwt", "nested_kbt"]
SIGN1 = frozenset({18})


@pytest.fixture(scope="module")
def expected(vectors):
    return json.loads(vectors("sd_cwt", "expected.json").read_text())


@pytest.fixture(scope="module")
def keys(vectors):
    return {
        name: PublicKey(load_pem_private_key(vectors("sd_cwt", name).read_bytes(), None).public_key())
        for name in ("issuer_privkey.pem", "holder_privkey.pem")
    }


@pytest.fixture(params=TOKENS)
def case(request, expected, vectors):
    found = next(token for token in expected["tokens"] if token["file"] == f"{request.param}.cbor")
    return found, vectors("sd_cwt", found["file"]).read_bytes()


def issued(case):
    told, raw = case
    token = parse_sign1(raw, path="token", header_tags=SIGN1)
    return read_sign1(carried(token), path="kcwt", header_tags=SIGN1) if told["kind"] == "sd_kbt" else token


def payload_of(sign1):
    return decode(sign1.payload, "payload", max_bytes=4096, tags=frozenset({60}))


def test_there_are_41_disclosures(expected):
    assert sum(len(token["disclosures"]) for token in expected["tokens"]) == 41


def test_the_issuer_signature_and_header(case, keys):
    told, _ = case
    sign1 = issued(case)
    assert sign1.alg == "ES384"
    assert sign1.kid == told["kid_utf8"].encode()
    assert sign1.protected[16] == told["typ"] == 293
    assert sign1.protected[170] == told["sd_alg"]
    assert sign1.payload.hex() == told["payload_hex"]
    verify_sign1(sign1, keys[told["signed_by"]])
    with pytest.raises(RefusedError) as caught:
        verify_sign1(sign1, keys["holder_privkey.pem"])
    assert caught.value.code is Code.ALG


@pytest.mark.parametrize("case", ["kbt", "nested_kbt"], indirect=True)
def test_the_key_binding(case, keys):
    told, raw = case
    token = parse_sign1(raw, path="token", header_tags=SIGN1)
    binding = read_key_binding(token)
    assert token.protected[16] == told["kbt"]["typ"] == 294
    assert binding.audience == told["kbt"]["payload"]["3"]
    assert binding.issued_at == told["kbt"]["payload"]["6"]
    assert f"h:{binding.nonce.hex()}" == told["kbt"]["payload"]["39"]
    verify_sign1(token, keys[told["kbt"]["signed_by"]])
    assert PublicKey.from_cose(payload_of(issued(case))[8][1]) == keys["holder_privkey.pem"]


def test_every_disclosure_has_its_digest(case):
    told, _ = case
    contents = issued(case).unprotected[17]
    assert [content.hex() for content in contents] == [one["bstr_content_hex"] for one in told["disclosures"]]
    assert [digest_of(content).hex() for content in contents] == [one["digest_hex"] for one in told["disclosures"]]


def test_the_claims_that_were_disclosed(case):
    told, _ = case
    sign1 = issued(case)
    found = reveal(payload_of(sign1), sign1.unprotected[17])
    assert found.claims == decode(
        bytes.fromhex(told["verified_claims_cbor_hex"]), "claims", max_bytes=4096, tags=frozenset()
    )
    assert found.undisclosed == told["digests_left_redacted"]
    assert repr(REDACTED_KEYS) not in repr(found.claims)
    decoys = sum(one["kind"] == "decoy" for one in told["disclosures"])
    assert len(found.disclosed) == len(told["disclosures"]) - decoys


def test_a_token_is_written_as_it_was_read(case):
    _, raw = case
    outer = decode(raw, "token", max_bytes=4096)
    # The issuer's maps are not in deterministic order; the frame around them is the same.
    assert encode(outer)[:2] == raw[:2]
    assert len(encode(outer)) == len(raw)


def test_one_disclosure_left_out_is_one_claim_less(case):
    told, _ = case
    sign1 = issued(case)
    contents = sign1.unprotected[17]
    payload = payload_of(sign1)
    everything = reveal(payload, contents)
    for index in range(len(contents)):
        rest = contents[:index] + contents[index + 1 :]
        if index in parents(contents):
            with pytest.raises(MalformedError) as caught:
                reveal(payload, rest)
            assert caught.value.code is Code.UNUSED_DISCLOSURE
        else:
            decoy = told["disclosures"][index]["kind"] == "decoy"
            assert (reveal(payload, rest).claims == everything.claims) is decoy


def parents(contents: list[bytes]) -> set[int]:
    """Which of these disclosures hold the digest of another."""
    digests = [digest_of(content) for content in contents]
    return {index for index, content in enumerate(contents) if any(digest in content for digest in digests)}


def test_the_two_prose_files_disagree_with_the_tokens(expected, vectors):
    first = bytes.fromhex(expected["first_disclosure"]["content_hex"])
    assert vectors("sd_cwt", "first-blinded-hash.txt").read_text().strip() == hashlib.sha256(first).hexdigest()
    assert digest_of(first).hex() == expected["first_disclosure"]["sha256_of_bstr_encoding_hex"]
    assert digest_of(first) in payload_of(issued(token_of(expected, vectors, "issuer_cwt")))[REDACTED_KEYS]


def test_an_encrypted_disclosure_is_the_same_one_inside(expected):
    told = {name: bytes.fromhex(value) for name, value in expected["aead"].items() if name.endswith("_hex")}
    plain = AESGCM(told["key_hex"]).decrypt(told["nonce_hex"], told["ciphertext_hex"] + told["tag_hex"], None)
    assert plain == told["plaintext_hex"]
    content = decode(plain, "disclosure", max_bytes=99)
    assert digest_of(content).hex() == expected["first_disclosure"]["sha256_of_bstr_encoding_hex"]


def test_thumbprints(expected, keys):
    # RFC 9679: SHA-256 over the deterministic encoding of the required members.
    told = expected["thumbprints"]
    holder, issuer = keys["holder_privkey.pem"], keys["issuer_privkey.pem"]
    assert hashlib.sha256(encode(holder.to_cose())).hexdigest() == told["holder_cose_key_thumbprint_hex"]
    assert hashlib.sha256(encode(issuer.to_cose())).hexdigest() == told["issuer_cose_key_thumbprint_hex"]
    assert holder.thumbprint == b64u(told["holder_jwk_thumbprint"])


def test_the_format_refuses_them_because_they_name_no_type(case):
    # Everything before the certificate's own claims is accepted.
    with pytest.raises(MalformedError) as caught:
        SdCwt(lambda _: None).open(case[1])
    assert caught.value.code is Code.VCT
    assert SD_CWT_DRAFT == "draft-ietf-spice-sd-cwt-07"


def token_of(expected, vectors, name):
    told = next(token for token in expected["tokens"] if token["file"] == f"{name}.cbor")
    return told, vectors("sd_cwt", told["file"]).read_bytes()


def b64u(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
