"""The COSE working group's examples (vectors/cose) and MOSIP's signed codes (vectors/claim169): COSE_Sign1 only.

What is skipped is skipped by feature: other message types, external data, algorithms this SDK does not take.
"""

from __future__ import annotations

import base64
import json
import zlib

import pytest

from vcred.errors import MalformedError, RefusedError
from vcred.formats._cose import parse_sign1, verify_sign1
from vcred.keys import PublicKey
from vcred.reasons import ReasonCode as Code

SKIPPED: dict[str, str] = {
    "ecdsa-examples/ecdsa-sig-03.json": "P-521 (alg -36)",
    "ecdsa-examples/ecdsa-sig-04.json": "SHA-512 with P-256 (alg -36)",
    "sign1-tests/sign-pass-01.json": "alg in the unprotected header only",
    "sign1-tests/sign-pass-02.json": "external data",
}
ACCEPTED = [
    "CWT/A_3.json",
    "ecdsa-examples/ecdsa-sig-01.json",
    "ecdsa-examples/ecdsa-sig-02.json",
    "sign1-tests/sign-pass-03.json",
]
CODES = {
    "sign1-tests/sign-fail-01.json": Code.TAG,  # tag 998
    "sign1-tests/sign-fail-02.json": Code.SIGNATURE,
    "sign1-tests/sign-fail-03.json": Code.ALG,  # -999
    "sign1-tests/sign-fail-04.json": Code.ALG,  # "unknown"
    "sign1-tests/sign-fail-06.json": Code.SIGNATURE,  # a protected header was added
    "sign1-tests/sign-fail-07.json": Code.SIGNATURE,  # a protected header was taken away
}
BASE45 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"


@pytest.fixture(scope="module")
def cases(vectors):
    told = json.loads(vectors("cose", "expected.json").read_text())["cases"]
    return {case["file"]: case for case in told}


def key_of(case: dict) -> PublicKey:
    def coordinate(name: str) -> str:
        if f"{name}_hex" in key:
            return base64.urlsafe_b64encode(bytes.fromhex(key[f"{name}_hex"])).rstrip(b"=").decode()
        return key[name]

    key = case["input"]["sign0"]["key"]
    return PublicKey.from_jwk({"kty": "EC", "crv": key["crv"], "x": coordinate("x"), "y": coordinate("y")})


def load(vectors, file: str) -> tuple[dict, bytes]:
    case = json.loads(vectors("cose", *file.split("/")).read_text())
    return case, bytes.fromhex(case["output"]["cbor"])


def test_every_sign1_case_is_here(cases):
    sign1 = {file for file, case in cases.items() if case["message"] == "COSE_Sign1"}
    assert sign1 == SKIPPED.keys() | CODES.keys() | set(ACCEPTED)


@pytest.mark.parametrize("file", ACCEPTED)
def test_accepted(file, cases, vectors):
    case, raw = load(vectors, file)
    assert cases[file]["expected"] == "accept"
    sign1 = parse_sign1(raw, path="it")
    assert sign1.signing_input.hex().upper() == case["intermediates"]["ToBeSign_hex"].upper()
    verify_sign1(sign1, key_of(case))


@pytest.mark.parametrize("file", CODES)
def test_rejected(file, cases, vectors):
    case, raw = load(vectors, file)
    assert cases[file]["expected"] == "reject"
    with pytest.raises(RefusedError) as caught:
        verify_sign1(parse_sign1(raw, path="it"), key_of(case))
    assert caught.value.code is CODES[file]


@pytest.mark.parametrize("file", SKIPPED)
def test_accepted_elsewhere_and_refused_here(file, vectors):
    _, raw = load(vectors, file)
    if file.endswith("pass-02.json"):
        # The bytes do not say that something external was signed, so only the signature tells.
        case, _ = load(vectors, file)
        with pytest.raises(RefusedError) as caught:
            verify_sign1(parse_sign1(raw, path="it"), key_of(case))
        assert caught.value.code is Code.SIGNATURE
    else:
        with pytest.raises(MalformedError) as caught:
            parse_sign1(raw, path="it")
        assert caught.value.code is Code.ALG


def test_other_messages_are_no_sign1(cases, vectors):
    others = [file for file, case in cases.items() if case["message"] != "COSE_Sign1"]
    assert len(others) == 47 - 14
    for file in others:
        _, raw = load(vectors, file)
        with pytest.raises(MalformedError):
            parse_sign1(raw, path="it")


def unbase45(text: str) -> bytes:
    out = bytearray()
    for start in range(0, len(text), 3):
        digits = [BASE45.index(letter) for letter in text[start : start + 3]]
        value = sum(digit * 45**power for power, digit in enumerate(digits))
        out += value.to_bytes(len(digits) - 1, "big")
    return bytes(out)


@pytest.mark.parametrize(
    ("name", "signed"),
    [("ecdsa-p256-signed", True), ("ed25519-signed", True), ("minimal", False), ("with-face", False)],
)
def test_claim_169(name, signed, vectors):
    case = json.loads(vectors("claim169", "valid", f"{name}.json").read_text())
    sign1 = parse_sign1(zlib.decompress(unbase45(case["qr_data"])), path="it")
    if not signed:
        assert sign1.signature == b""  # these test decoding only
        return
    raw = bytes.fromhex(case["signing_key"]["public_key_hex"])
    cose = {1: 1, -1: 6, -2: raw} if len(raw) == 32 else {1: 2, -1: 1, -2: raw[1:33], -3: raw[33:]}
    verify_sign1(sign1, PublicKey.from_cose(cose))
