"""Published examples: RFC 9964 (ML-DSA) and draft-ietf-jose-pq-composite-sigs, from ``post_quantum.json`` beside this."""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path

import cbor2
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, mldsa

from vcred.errors import RefusedError
from vcred.formats._cose import parse_sign1, verify_sign1
from vcred.formats._jose import ISSUER_ALGORITHMS, read_segments, verify_jws
from vcred.keys import PublicKey
from vcred.keys import post_quantum as pq
from vcred.keys.public import raw_to_der

EXAMPLES = json.loads((Path(__file__).parent / "post_quantum.json").read_text())["examples"]
SEEDS = {"ML-DSA-44": mldsa.MLDSA44PrivateKey, "ML-DSA-65": mldsa.MLDSA65PrivateKey}
SIZES = {"ML-DSA-44": 2420, "ML-DSA-65": 3309}


def key_of(alg):
    """The key of the examples: ML-DSA of the zero seed, ECDSA's d = 1."""
    private = SEEDS[alg.removesuffix("-ES256")].from_seed_bytes(bytes(32))
    if alg.endswith("-ES256"):
        private = pq.hybrid_of(private, ec.derive_private_key(1, ec.SECP256R1()))
    return PublicKey(private.public_key(), post_quantum=True)


def as_now(example, signature):
    """The signature as the draft encodes it now."""
    if example.get("ecdsa") != "raw":
        return signature
    size = SIZES[example["alg"].removesuffix("-ES256")]
    return signature[:size] + raw_to_der(signature[size:], 32)


def b64u(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


@pytest.mark.parametrize("example", [one for one in EXAMPLES if "jws" in one], ids=lambda one: one["alg"])
def test_jws(example):
    key = key_of(example["alg"])
    protected, payload, signature = (part.encode() for part in example["jws"].split("."))
    signature = base64.urlsafe_b64encode(as_now(example, b64u(signature.decode()))).rstrip(b"=")
    jws = read_segments(protected, payload, signature, "jws", None, with_key=False, algorithms=ISSUER_ALGORITHMS)
    assert jws.header["alg"] == example["alg"] == key.alg
    verify_jws(jws, key)
    other = read_segments(
        protected, payload[:-2] + b"Ac", signature, "jws", None, with_key=False, algorithms=ISSUER_ALGORITHMS
    )
    with pytest.raises(RefusedError):
        verify_jws(other, key)
    if "thumbprint" in example:
        assert base64.urlsafe_b64encode(key.thumbprint).rstrip(b"=").decode() == example["thumbprint"]


@pytest.mark.parametrize("example", [one for one in EXAMPLES if "sign1" in one], ids=lambda one: one["alg"])
def test_sign1(example):
    key = key_of(example["alg"])
    tagged = cbor2.loads(base64.b64decode(example["sign1"]))
    protected, unprotected, payload, signature = tagged.value
    raw = cbor2.dumps(cbor2.CBORTag(18, [protected, unprotected, payload, as_now(example, signature)]))
    sign1 = parse_sign1(raw, path="sign1", post_quantum=True)
    assert (sign1.alg, payload) == (key.alg, b"hello post quantum signatures")
    verify_sign1(sign1, key)
    if "kid" in example:  # a COSE Key Thumbprint (RFC 9679) over kty, alg and pub
        cose = {name: key.to_cose()[name] for name in (1, 3, -1)}
        assert hashlib.sha256(cbor2.dumps(cose, canonical=True)).hexdigest() == example["kid"]


def test_what_both_halves_of_the_draft_05_example_sign():
    example = next(one for one in EXAMPLES if one.get("ecdsa") == "der")
    message = example["jws"].rpartition(".")[0].encode()
    assert pq._representative("ML-DSA-44-ES256", message).hex() == (
        "436f6d706f73697465416c676f726974686d5369676e61747572657332303235"
        "434f4d505349472d4d4c44534134342d45434453412d503235362d534841323536"
        "00ba9670882b8315b4c583eafaeb079e0488fc557aba239ba5f9f562fea63fee52"
    )


def test_a_signature_of_an_older_draft_is_refused():
    example = next(one for one in EXAMPLES if one.get("ecdsa") == "raw" and "jws" in one)
    message, _, signature = example["jws"].rpartition(".")
    with pytest.raises(RefusedError, match="signature"):
        key_of(example["alg"]).verify(b64u(signature), message.encode())
