"""COSE_Sign1: reading, signing, verifying."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from vcred.errors import MalformedError, RefusedError
from vcred.formats._cbor import Tagged, decode, encode
from vcred.formats._cose import chain_of, parse_sign1, prepare_sign1, sig_structure, sign_sign1, verify_sign1
from vcred.keys import SoftwareSigner
from vcred.reasons import ReasonCode as Code

SIGNERS = [
    SoftwareSigner.generate(),
    SoftwareSigner(ec.generate_private_key(ec.SECP384R1())),
    SoftwareSigner(ed25519.Ed25519PrivateKey.generate()),
]
SIGNER = SIGNERS[0]


def refused(value) -> Code:
    with pytest.raises(MalformedError) as caught:
        parse_sign1(value if isinstance(value, bytes) else encode(value), path="it")
    return caught.value.code


@pytest.mark.parametrize("signer", SIGNERS, ids=lambda signer: signer.public_key.alg)
@pytest.mark.parametrize("tagged", [True, False])
def test_what_was_signed_verifies(signer, tagged):
    raw = sign_sign1({4: b"kid", 16: 7}, {33: b"der"}, b"payload", signer, tagged=tagged)
    sign1 = parse_sign1(raw, path="it")
    assert (sign1.alg, sign1.kid, sign1.payload) == (signer.public_key.alg, b"kid", b"payload")
    assert sign1.protected[16] == 7
    assert chain_of(sign1, "it") == (b"der",)
    assert (raw[:1] == b"\xd2") is tagged
    verify_sign1(sign1, signer.public_key)


@pytest.mark.parametrize("other", SIGNERS[1:], ids=lambda signer: signer.public_key.alg)
def test_the_algorithm_is_the_key_s_own(other):
    sign1 = parse_sign1(sign_sign1({}, {}, b"payload", SIGNER), path="it")
    with pytest.raises(RefusedError) as caught:
        verify_sign1(sign1, other.public_key)
    assert caught.value.code is Code.ALG


def test_a_signature_made_elsewhere_completes_the_same_message():
    prepared = prepare_sign1({1: -7}, {}, b"payload")
    raw = prepared.complete(SIGNER.sign(prepared.signing_input))
    assert prepared.signing_input == sig_structure(encode({1: -7}), b"payload")
    verify_sign1(parse_sign1(raw, path="it"), SIGNER.public_key)


def test_the_signature_covers_the_header_as_received():
    # The same map with a key that is longer than it need be, and in no particular order.
    header = bytes.fromhex("a2 10 07 1801 26")
    value = [header, {}, b"payload", SIGNER.sign(sig_structure(header, b"payload"))]
    verify_sign1(parse_sign1(encode(value), path="it"), SIGNER.public_key)


def test_a_changed_payload_does_not_verify():
    value = decode(sign_sign1({}, {}, b"payload", SIGNER), "it", max_bytes=999).value
    value[2] = b"Payload"
    with pytest.raises(RefusedError) as caught:
        verify_sign1(parse_sign1(encode(value), path="it"), SIGNER.public_key)
    assert caught.value.code is Code.SIGNATURE


HEADER = encode({1: -7})


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (b"", Code.CBOR),
        ([], Code.FORMAT),
        ([HEADER, {}, b"", b"", b""], Code.FORMAT),
        ([HEADER, {}, None, b""], Code.FORMAT),
        ([HEADER, [], b"", b""], Code.FORMAT),
        ([{1: -7}, {}, b"", b""], Code.FORMAT),
        ([HEADER, {}, b"", [b""]], Code.FORMAT),
        ([b"\x80", {}, b"", b""], Code.FORMAT),
        ([b"\x01\x02", {}, b"", b""], Code.CBOR),
        ([b"", {}, b"", b""], Code.ALG),
        ([b"\xa0", {}, b"", b""], Code.ALG),
        ([b"\xa0", {1: -7}, b"", b""], Code.ALG),
        ([HEADER, {1: -7}, b"", b""], Code.ALG),
        ([encode({1: 5}), {}, b"", b""], Code.ALG),
        ([encode({1: -7, 2: [1]}), {}, b"", b""], Code.CRIT),
        ([HEADER, {2: []}, b"", b""], Code.CRIT),
        ([encode({1: -7, 33: b"x"}), {33: b"x"}, b"", b""], Code.FORMAT),
        ([HEADER, {4: "text"}, b"", b""], Code.KID),
        ([encode({1: -7, 9: Tagged(18, 1)}), {}, b"", b""], Code.TAG),
        (Tagged(18, Tagged(18, [HEADER, {}, b"", b""])), Code.FORMAT),
        (Tagged(61, [HEADER, {}, b"", b""]), Code.TAG),
        (Tagged(98, [HEADER, {}, b"", b""]), Code.TAG),
    ],
)
def test_what_is_refused(value, code):
    assert refused(value) is code


def test_the_size_has_a_limit():
    with pytest.raises(MalformedError) as caught:
        parse_sign1(bytes(11), path="it", max_bytes=10)
    assert caught.value.code is Code.SIZE


def test_the_error_says_which_header():
    with pytest.raises(MalformedError) as caught:
        parse_sign1(encode([b"\xff", {}, b"", b""]), path="it")
    assert caught.value.path == "it.protected"


def test_signing_with_an_alg_that_is_not_the_signer_s():
    with pytest.raises(ValueError, match="alg"):
        sign_sign1({1: -35}, {}, b"", SIGNER)
    with pytest.raises(ValueError, match="alg"):
        prepare_sign1({}, {}, b"")


def test_nothing_secret_in_the_repr():
    assert "payload-value" not in repr(parse_sign1(sign_sign1({}, {}, b"payload-value", SIGNER), path="it"))
