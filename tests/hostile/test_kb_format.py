"""KB: the holder-binding cases that a format decides by itself; audience, nonce and time belong to the verifier."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from hashlib import sha256, sha384
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from vcred.claims import SD, ClaimPath
from vcred.credential import Content, Opened
from vcred.errors import MalformedError, RefusedError
from vcred.formats._kb_jwt import nonce_bytes, nonce_text
from vcred.formats.base import IssuerKey
from vcred.formats.sd_jwt_vc import SdJwtVc
from vcred.keys import PublicKey, SoftwareSigner
from vcred.reasons import ReasonCode as Code

ISSUER, HOLDER = SoftwareSigner.generate(), SoftwareSigner.generate()
FORMAT = SdJwtVc()
NONCE = bytes(range(100, 116))


def b64(raw: bytes | str) -> bytes:
    return urlsafe_b64encode(raw.encode() if isinstance(raw, str) else raw).rstrip(b"=")


def issued(holder: PublicKey | None = HOLDER.public_key) -> bytes:
    content = Content(
        vct="urn:vcred:kr:test:1",
        issuer="https://city.example",
        claims={"name": SD("가상"), "town": SD("가람시")},
        issued_at=1_700_000_000,
        expires_at=1_900_000_000,
        holder_key=holder,
    )
    return FORMAT.issue(content, IssuerKey(public_key=ISSUER.public_key), ISSUER)


def with_cnf(cnf: Any) -> bytes:
    payload = {"iss": "https://city.example", "vct": "urn:x", "exp": 1_900_000_000, "cnf": cnf}
    return jws({"alg": "ES256", "typ": "dc+sd-jwt"}, payload, ISSUER) + b"~"


def jws(header: Any, payload: Any, signer: SoftwareSigner) -> bytes:
    signing_input = b64(json.dumps(header)) + b"." + b64(json.dumps(payload))
    return signing_input + b"." + b64(signer.sign(signing_input))


def kb(bound: bytes, *, signer: SoftwareSigner = HOLDER, header: Any = None, **changes: Any) -> bytes:
    payload = {
        "iat": 1_700_000_100,
        "aud": "https://bank.example",
        "nonce": b64(NONCE).decode(),
        "sd_hash": b64(sha256(bound).digest()).decode(),
        **changes,
    }
    payload = {name: value for name, value in payload.items() if value is not ...}
    return jws(header or {"alg": signer.public_key.alg, "typ": "kb+jwt"}, payload, signer)


def refused(raw: bytes) -> Code:
    with pytest.raises(MalformedError) as caught:
        FORMAT.open(raw)
    return caught.value.code


def binding_refused(raw: bytes) -> Code:
    opened = FORMAT.open(raw)
    FORMAT.verify_signature(opened, ISSUER.public_key)
    with pytest.raises(RefusedError) as caught:
        FORMAT.verify_key_binding(opened)
    return caught.value.code


RAW = issued()


def test_the_good_presentation_verifies() -> None:
    opened = FORMAT.open(RAW + kb(RAW))
    FORMAT.verify_key_binding(opened)
    assert opened.key_binding is not None
    assert (opened.key_binding.audience, opened.key_binding.nonce) == ("https://bank.example", NONCE)


def test_kb_01_missing() -> None:
    assert binding_refused(RAW) is Code.KB_MISSING


@pytest.mark.parametrize("audience", [["https://bank.example"], None, 5, "", {}, ...])
def test_kb_03_aud_is_one_text(audience: object) -> None:
    assert refused(RAW + kb(RAW, aud=audience)) is Code.AUD


@pytest.mark.parametrize("nonce", [None, 5, "", ["n"], "한", "a b", "n" * 257, ...])
def test_kb_04_nonce_is_visible_text(nonce: object) -> None:
    assert refused(RAW + kb(RAW, nonce=nonce)) is Code.NONCE


@pytest.mark.parametrize("value", [..., None, 5, ["x"]])
def test_kb_05_sd_hash_missing(value: object) -> None:
    assert refused(RAW + kb(RAW, sd_hash=value)) is Code.SD_HASH


def test_kb_05_sd_hash_for_something_else() -> None:
    jwt, first, second, _ = RAW.split(b"~")
    fewer = b"~".join((jwt, first, b""))
    swapped = b"~".join((jwt, second, first, b""))
    cases = {
        "another disclosure set": fewer + kb(RAW),
        "another order": swapped + kb(RAW),
        "without the final tilde": RAW + kb(RAW[:-1]),
        "another hash": RAW + kb(RAW, sd_hash=b64(sha384(RAW).digest()).decode()),
        "empty": RAW + kb(RAW, sd_hash=""),
        "padded": RAW + kb(RAW, sd_hash=b64(sha256(RAW).digest()).decode() + "="),
        "not ASCII": RAW + kb(RAW, sd_hash="한"),
    }
    assert {name: binding_refused(raw) for name, raw in cases.items()} == dict.fromkeys(cases, Code.SD_HASH)


@pytest.mark.parametrize("typ", ["JWT", ..., "dc+sd-jwt", "KB+JWT", "application/kb+jwt"])
def test_kb_06_typ(typ: object) -> None:
    header = {"alg": "ES256"} if typ is ... else {"alg": "ES256", "typ": typ}
    assert refused(RAW + kb(RAW, header=header)) is Code.TYP


def test_kb_07_signed_by_another_key() -> None:
    assert binding_refused(RAW + kb(RAW, signer=ISSUER)) is Code.KB_KEY
    assert binding_refused(RAW + kb(RAW, signer=SoftwareSigner.generate())) is Code.KB_KEY
    p384 = SoftwareSigner(ec.generate_private_key(ec.SECP384R1()))
    assert binding_refused(RAW + kb(RAW, signer=p384)) is Code.KB_KEY


def test_kb_07_cnf_missing() -> None:
    bearer = issued(None)
    assert FORMAT.open(bearer).holder_key is None
    assert binding_refused(bearer + kb(bearer)) is Code.KB_KEY


def test_kb_07_key_in_the_key_binding_itself() -> None:
    attacker = SoftwareSigner.generate()
    header = {"alg": "ES256", "typ": "kb+jwt", "jwk": attacker.public_key.to_jwk()}
    assert refused(RAW + kb(RAW, signer=attacker, header=header)) is Code.UNTRUSTED


def _cnf_cases() -> dict[str, Any]:
    jwk = HOLDER.public_key.to_jwk()
    return {
        "KB-08 oct": {"jwk": {"kty": "oct", "k": "AAAA"}},
        "KB-09 off curve": {"jwk": {**jwk, "y": jwk["x"]}},
        "KB-09 with d": {"jwk": {**jwk, "d": jwk["x"]}},
        "KB-09 RSA": {"jwk": {"kty": "RSA", "n": "AQAB", "e": "AQAB"}},
        "KB-09 use enc": {"jwk": {**jwk, "use": "enc"}},
        "KB-09 jwk and kid": {"jwk": jwk, "kid": "k"},
        "KB-09 empty": {},
        "KB-09 null": None,
        "KB-09 text": "k",
        "KB-09 list": [{"jwk": jwk}],
        "KB-15 only kid": {"kid": "k"},
        "KB-15 jku": {"jku": "https://127.0.0.1:9/"},
    }


@pytest.mark.parametrize("cnf", _cnf_cases().values(), ids=_cnf_cases())
def test_kb_08_09_15_cnf(cnf: Any) -> None:
    assert refused(with_cnf(cnf)) is Code.CNF


def test_kb_08_hs256_with_the_oct_key() -> None:
    raw = with_cnf({"jwk": {"kty": "oct", "k": "AAAA"}})
    assert refused(raw + kb(raw, header={"alg": "HS256", "typ": "kb+jwt"})) is Code.CNF


@pytest.mark.parametrize("issued_at", [..., "1700000000", None, 1.5, True, -1, 1e9, 253402300800])
def test_kb_10_iat_is_whole_seconds(issued_at: object) -> None:
    # 1970 and tomorrow are whole seconds too: those two are for the verifier, who has a clock.
    assert refused(RAW + kb(RAW, iat=issued_at)) is Code.IAT


def test_kb_13_more_than_one_or_in_the_wrong_place() -> None:
    binding = kb(RAW)
    jwt, first, second, _ = RAW.split(b"~")
    assert refused(RAW + binding + b"~" + binding) is Code.FORMAT
    assert refused(b"~".join((jwt, binding, first, second, b""))) is Code.FORMAT
    assert refused(RAW + binding + b"~") is Code.FORMAT
    assert refused(RAW + binding + b"~~") is Code.FORMAT


def test_a_presentation_is_not_presented_again() -> None:
    opened = FORMAT.open(RAW + kb(RAW))
    with pytest.raises(ValueError, match="as issued"):
        FORMAT.prepare_presentation(opened, [], audience="a", nonce=NONCE, issued_at=1)


def test_a_key_binding_needs_a_nonce_and_the_holder_key() -> None:
    opened = FORMAT.open(RAW)
    with pytest.raises(ValueError, match="nonce"):
        FORMAT.prepare_presentation(opened, [], audience="a", nonce=None, issued_at=1)
    with pytest.raises(ValueError, match="audience"):
        FORMAT.prepare_presentation(opened, [], audience="", nonce=NONCE, issued_at=1)
    with pytest.raises(ValueError, match="holder key"):
        FORMAT.present(opened, [], ISSUER, audience="a", nonce=NONCE, issued_at=1)
    with pytest.raises(ValueError, match="nothing to disclose"):
        FORMAT.prepare_presentation(opened, [ClaimPath(("nope",))], audience="a", nonce=NONCE, issued_at=1)


def test_what_another_parser_opened_is_misuse_and_no_verdict() -> None:
    opened = FORMAT.open(RAW + kb(RAW))
    foreign = Opened(**{name: getattr(opened, name) for name in Opened.__slots__})
    with pytest.raises(TypeError):
        FORMAT.verify_key_binding(foreign)
    with pytest.raises(TypeError):
        FORMAT.prepare_presentation(foreign, [], audience="a", nonce=NONCE, issued_at=1)


@pytest.mark.parametrize(
    "text", ["1234567890", "n-0S6_WzA2Mj", "a" * 17, "x.y~z" * 5, "6c5c0a49-b589-431d-bae7-219122a9ec2c", "A" * 22]
)
def test_a_strangers_nonce_is_echoed_letter_for_letter(text: str) -> None:
    assert nonce_text(nonce_bytes(text)) == text


@pytest.mark.parametrize("nonce", [NONCE, bytes(16), b"\xff" * 64, b"0123456789abcdef"])
def test_our_nonces_survive(nonce: bytes) -> None:
    assert nonce_bytes(nonce_text(nonce)) == nonce


@pytest.mark.parametrize("nonce", [b"", b"\xff" * 15, b"\xff" * 65, b"x" * 300])
def test_a_nonce_no_text_stands_for(nonce: bytes) -> None:
    with pytest.raises(ValueError, match="nonce"):
        nonce_text(nonce)


@pytest.mark.parametrize("payload", [[], "text", 5, None])
def test_the_key_binding_payload_is_an_object(payload: Any) -> None:
    assert refused(RAW + jws({"alg": "ES256", "typ": "kb+jwt"}, payload, HOLDER)) is Code.FORMAT
