"""JW: hostile JOSE. Each case is named after its line in the list of hostile inputs, and ends in that line's code."""

from __future__ import annotations

import hmac
import json
import tracemalloc
from base64 import urlsafe_b64decode, urlsafe_b64encode
from contextlib import suppress
from hashlib import sha256

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from vcred.errors import MalformedError, RefusedError
from vcred.formats import _jwe
from vcred.formats._jose import parse_jws, parse_proof, prepare_jws, sign_jws, verify_jws
from vcred.formats._wire import parse_json
from vcred.formats.sd_jwt_json import parse_json_sd_jwt, verify_every
from vcred.keys import PublicKey, SoftwareSigner
from vcred.keys.public import raw_to_der
from vcred.reasons import ReasonCode as Code

SIGNER = SoftwareSigner.generate()
TYP = "example+jwt"
ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


def b64(raw: bytes | str) -> bytes:
    return urlsafe_b64encode(raw.encode() if isinstance(raw, str) else raw).rstrip(b"=")


def forge(header: object, payload: bytes = b'{"a":1}', signer: SoftwareSigner = SIGNER) -> bytes:
    """A token with a valid signature over whatever header it is given."""
    text = header if isinstance(header, (str, bytes)) else json.dumps(header)
    signing_input = b64(text) + b"." + b64(payload)
    return signing_input + b"." + b64(signer.sign(signing_input))


def head(**more: object) -> dict[str, object]:
    return {"alg": "ES256", "typ": TYP, **more}


def refused(token: bytes | str) -> Code:
    with pytest.raises(MalformedError) as caught:
        parse_jws(token, path="t", typ=TYP)
    return caught.value.code


GOOD = forge(head())


def test_the_good_token_that_all_others_are_made_from_verifies() -> None:
    verify_jws(parse_jws(GOOD, path="t", typ=TYP), SIGNER.public_key)


def test_jw_01_alg_none_with_empty_signature() -> None:
    assert refused(b64('{"alg":"none","typ":"example+jwt"}') + b"." + b64("{}") + b".") is Code.ALG


@pytest.mark.parametrize("alg", ["None", "nOnE", "", ["ES256"], None, "es256", "ES256K", "RS256", 5, {}])
def test_jw_02_alg_is_not_exactly_an_allowed_name(alg: object) -> None:
    assert refused(forge(head(alg=alg))) is Code.ALG


def test_jw_02_alg_missing() -> None:
    assert refused(forge({"typ": TYP})) is Code.ALG


@pytest.mark.parametrize("form", ["pem", "der", "jwk"])
def test_jw_03_hs256_keyed_with_the_issuer_public_key(form: str) -> None:
    public = SIGNER.public_key
    secret = {
        "pem": public.crypto.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        "der": public.spki,
        "jwk": json.dumps(public.to_jwk()).encode(),
    }[form]
    signing_input = b64(json.dumps(head(alg="HS256"))) + b"." + b64("{}")
    assert refused(signing_input + b"." + b64(hmac.digest(secret, signing_input, sha256))) is Code.ALG


def test_jw_04_es256_with_a_p384_key() -> None:
    other = PublicKey(ec.generate_private_key(ec.SECP384R1()).public_key())
    with pytest.raises(RefusedError) as caught:
        verify_jws(parse_jws(GOOD, path="t", typ=TYP), other)
    assert caught.value.code is Code.KEY


def test_jw_04_a_secp256k1_key_is_no_key_at_all() -> None:
    with pytest.raises(MalformedError) as caught:
        PublicKey(ec.generate_private_key(ec.SECP256K1()).public_key())
    assert caught.value.code is Code.KEY


def _signature_cases() -> dict[str, bytes]:
    good = parse_jws(GOOD, path="t", typ=TYP).signature
    r, s = good[:32], good[32:]
    n = ORDER.to_bytes(32, "big")
    plus = (int.from_bytes(r, "big") + ORDER).to_bytes(33, "big")
    return {
        "JW-05 all zero": bytes(64),
        "JW-05 r=0": bytes(32) + s,
        "JW-05 s=0": r + bytes(32),
        "JW-05 r=n": n + s,
        "JW-05 s=n": r + n,
        "JW-05 r+n": plus + s,
        "JW-06 DER": raw_to_der(good, 32),
        "JW-06 63 bytes": good[:63],
        "JW-06 65 bytes": good + b"\0",
        "JW-06 empty": b"",
    }


@pytest.mark.parametrize(("case", "signature"), _signature_cases().items(), ids=_signature_cases())
def test_jw_05_06_signature(case: str, signature: bytes) -> None:
    token = GOOD.rpartition(b".")[0] + b"." + b64(signature)
    with pytest.raises(RefusedError) as caught:
        verify_jws(parse_jws(token, path="t", typ=TYP), SIGNER.public_key)
    assert caught.value.code is Code.SIGNATURE


@pytest.mark.parametrize("segment", [0, 1, 2])
@pytest.mark.parametrize("padding", [b"=", b"=="])
def test_jw_08_padding(segment: int, padding: bytes) -> None:
    parts = GOOD.split(b".")
    parts[segment] += padding
    assert refused(b".".join(parts)) is Code.ENCODING


@pytest.mark.parametrize("segment", [0, 1, 2])
def test_jw_09_spare_bits(segment: int) -> None:
    texts = [json.dumps(head(pad="x" * n)) for n in range(3)]
    header = next(text for text in texts if len(text) % 3)
    parts = forge(header, b'{"a":11}').split(b".")
    alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    assert len(parts[segment]) % 4
    last = alphabet.index(parts[segment][-1:])
    parts[segment] = parts[segment][:-1] + alphabet[last + 1 : last + 2]
    assert refused(b".".join(parts)) is Code.ENCODING


@pytest.mark.parametrize("segment", [0, 1, 2])
@pytest.mark.parametrize("bad", [b"+", b"/", b" ", b"\n", b"\0", b"\xff", "é".encode(), b"\r\n"])
def test_jw_10_characters_outside_the_alphabet(segment: int, bad: bytes) -> None:
    parts = GOOD.split(b".")
    parts[segment] = parts[segment][:4] + bad + parts[segment][4 + len(bad) :]
    assert refused(b".".join(parts)) is Code.ENCODING


@pytest.mark.parametrize(
    "token",
    [b"", b".", b"..", b"a.b", GOOD + b".", GOOD.rpartition(b".")[0], GOOD + b".YQ", b"." + GOOD],
    ids=["empty", "one dot", "two dots", "two", "four", "without signature", "four full", "empty header"],
)
def test_jw_11_segments(token: bytes) -> None:
    assert refused(token) is Code.FORMAT


def test_jw_11_empty_payload() -> None:
    assert refused(forge(head(), b"")) is Code.FORMAT


@pytest.mark.parametrize("crit", [["x"], [], "b64", ["exp", "exp"], ["alg"], None])
def test_jw_12_crit(crit: object) -> None:
    assert refused(forge(head(crit=crit))) is Code.CRIT


@pytest.mark.parametrize("more", [{"b64": False}, {"b64": False, "crit": ["b64"]}, {"b64": True}])
def test_jw_13_b64(more: dict[str, object]) -> None:
    assert refused(forge(head(**more))) is Code.CRIT


def test_jw_14_embedded_attacker_key() -> None:
    attacker = SoftwareSigner.generate()
    assert refused(forge(head(jwk=attacker.public_key.to_jwk()), signer=attacker)) is Code.UNTRUSTED


@pytest.mark.parametrize("name", ["jku", "x5u"])
def test_jw_15_remote_keys_are_refused_before_any_signature_is_looked_at(name: str) -> None:
    assert refused(forge(head(**{name: "https://127.0.0.1:9/keys"}))) is Code.UNTRUSTED


@pytest.mark.parametrize(
    "kid", ["../../x", "x'", 'x"', "x`", "x\\", "k" * 10_000, 42, ["k"], None, "", "한", "a\nb", "a/b", "a\0"]
)
def test_jw_16_kid(kid: object) -> None:
    assert refused(forge(head(kid=kid))) is Code.KID


@pytest.mark.parametrize("kid", ["did:jwk:abc#0", "doc-signer-05-25-2022", "k" * 256, "AbC_-9"])
def test_jw_16_a_harmless_kid_is_kept(kid: str) -> None:
    assert parse_jws(forge(head(kid=kid)), path="t", typ=TYP).header["kid"] == kid


def test_jw_17_duplicate_header_member() -> None:
    assert refused(forge('{"alg":"ES256","typ":"example+jwt","alg":"ES256"}')) is Code.DUPLICATE_KEY


PAYLOADS = {
    "duplicate iss": (b'{"iss":"a","iss":"b"}', Code.DUPLICATE_KEY),
    "duplicate cnf below": (b'{"cnf":{"jwk":1,"jwk":2}}', Code.DUPLICATE_KEY),
    "byte order mark": (b'\xef\xbb\xbf{"a":1}', Code.JSON),
    "UTF-16": ('{"a":1}'.encode("utf-16"), Code.JSON),
    "lone surrogate": (b'{"a":"\\ud800"}', Code.JSON),
    "lone surrogate as name": (b'{"\\udfff":1}', Code.JSON),
    "encoded surrogate": (b'{"a":"\xed\xa0\x80"}', Code.JSON),
    "NaN": (b'{"a":NaN}', Code.JSON),
    "Infinity": (b'{"a":Infinity}', Code.JSON),
    "-Infinity": (b'{"a":-Infinity}', Code.JSON),
    "1e400": (b'{"a":1e400}', Code.JSON),
    "5,000 digits": (b'{"a":' + b"1" * 5000 + b"}", Code.JSON),
    "5,000 decimals": (b'{"a":0.' + b"1" * 5000 + b"}", Code.JSON),
    "trailing": (b'{"a":1}x', Code.JSON),
    "two values": (b"{} {}", Code.JSON),
    "control character": (b'{"a":"\x01"}', Code.JSON),
    "single quotes": (b"{'a':1}", Code.JSON),
    "empty": (b"", Code.JSON),
    "depth 33": (b"[" * 33 + b"]" * 33, Code.DEPTH),
    "depth 33 with decoy quotes": (b'["\\"[", ' + b"[" * 32 + b"]" * 32 + b"]", Code.DEPTH),
    "depth 100,000": (b"[" * 100_000 + b"]" * 100_000, Code.DEPTH),
    "depth 100,000 of objects": (b'{"a":' * 100_000, Code.DEPTH),
}


@pytest.mark.parametrize(("text", "code"), PAYLOADS.values(), ids=[f"JW-17..19 {name}" for name in PAYLOADS])
def test_jw_17_18_19_json(text: bytes, code: Code) -> None:
    with pytest.raises(MalformedError) as caught:
        parse_json(text, "payload", max_bytes=2_000_000)
    assert caught.value.code is code


def test_jw_19_depth_32_is_still_read_and_brackets_in_text_do_not_count() -> None:
    assert parse_json(b"[" * 32 + b"]" * 32, "p", max_bytes=100)
    assert parse_json(json.dumps(["[{" * 50, "\\", '"[[' * 20]), "p", max_bytes=1000)


def test_jw_20_json_serialization_is_no_compact_token() -> None:
    protected, payload, signature = (part.decode() for part in GOOD.split(b"."))
    flat = json.dumps({"payload": payload, "protected": protected, "signature": signature})
    assert refused(flat) is Code.FORMAT


def test_jw_20_where_enabled_every_signature_must_hold() -> None:
    other = SoftwareSigner.generate()
    first, second = GOOD.split(b"."), forge(head(), signer=other).split(b".")
    entries = [{"protected": p[0].decode(), "signature": p[2].decode()} for p in (first, second)]
    token = parse_json_sd_jwt(
        json.dumps({"payload": first[1].decode(), "signatures": entries}).encode(), path="t", typ=TYP
    )
    verify_every(token, [SIGNER.public_key, other.public_key])
    with pytest.raises(RefusedError) as caught:
        verify_every(token, [SIGNER.public_key, SIGNER.public_key])
    assert caught.value.code is Code.SIGNATURE
    with pytest.raises(ValueError, match="shorter"):
        verify_every(token, [SIGNER.public_key])


OURS = ec.generate_private_key(ec.SECP256R1())


def jwe_refused(token: bytes) -> Code:
    with pytest.raises(RefusedError) as caught:
        _jwe.decrypt(token, OURS, path="jwe", max_plaintext=1_000_000)
    return caught.value.code


def with_header(token: bytes, **changes: object) -> bytes:
    protected, _, rest = token.partition(b".")
    header = json.loads(urlsafe_b64decode(protected + b"=="))
    header |= changes
    return b64(json.dumps({k: v for k, v in header.items() if v is not ...})) + b"." + rest


def test_jw_21_zip_bomb() -> None:
    bomb = _jwe.encrypt(bytes(256_000_000), OURS.public_key(), enc="A128GCM", kid=None, deflate=True)
    assert len(bomb) < 400_000
    tracemalloc.start()
    assert jwe_refused(bomb) is Code.SIZE
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 32 * 1024 * 1024


def _points() -> dict[str, object]:
    jwk = PublicKey(ec.generate_private_key(ec.SECP256R1()).public_key()).to_jwk()
    zero = b64(bytes(32)).decode()
    p521 = {"kty": "EC", "crv": "P-521", "x": b64(bytes(66)).decode(), "y": b64(bytes(66)).decode()}
    return {
        "off curve": {**jwk, "y": jwk["x"]},
        "infinity": {**jwk, "x": zero, "y": zero},
        "our own": PublicKey(OURS.public_key()).to_jwk(),
        "P-384": PublicKey(ec.generate_private_key(ec.SECP384R1()).public_key()).to_jwk(),
        "P-521": p521,
        "with d": {**jwk, "d": zero},
        "missing": ...,
        "text": "epk",
    }


@pytest.mark.parametrize("epk", _points().values(), ids=[f"JW-23 {name}" for name in _points()])
def test_jw_23_ephemeral_key(epk: object) -> None:
    token = _jwe.encrypt(b"x", OURS.public_key(), enc="A128GCM", kid=None)
    assert jwe_refused(with_header(token, epk=epk)) is Code.KEY


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"alg": "ECDH-ES+A128KW"}, Code.ALG),
        ({"alg": "dir"}, Code.ALG),
        ({"enc": "A128CBC-HS256"}, Code.ALG),
        ({"enc": ["A128GCM"]}, Code.ALG),
        ({"zip": "GZ"}, Code.ALG),
        ({"crit": ["x"]}, Code.CRIT),
        ({"jku": "https://127.0.0.1:9/"}, Code.UNTRUSTED),
        ({"kid": "../x"}, Code.KID),
        ({"apu": 5}, Code.FORMAT),
        ({"apu": "a="}, Code.ENCODING),
        ({"apv": "AAAA"}, Code.INTEGRITY),
    ],
)
def test_jw_a_jwe_header_that_is_not_ours(change: dict[str, object], code: Code) -> None:
    token = _jwe.encrypt(b"x", OURS.public_key(), enc="A128GCM", kid="k", apv=b"nonce")
    assert jwe_refused(with_header(token, **change)) is code


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"use": "enc"}, Code.KEY_USE),
        ({"key_ops": ["sign"]}, Code.KEY_USE),
        ({"key_ops": []}, Code.KEY_USE),
        ({"key_ops": "verify"}, Code.KEY_USE),
        ({"alg": "ES384"}, Code.KEY),
    ],
)
def test_jw_24_jwk_for_another_use(more: dict[str, object], code: Code) -> None:
    with pytest.raises(MalformedError) as caught:
        PublicKey.from_jwk({**SIGNER.public_key.to_jwk(), **more})
    assert caught.value.code is code


def test_jw_25_size_before_decoding() -> None:
    assert refused(b"!" * 10_000_000) is Code.SIZE
    assert refused(b"." + b"!" * 9_900_000 + b".") is Code.SIZE
    with pytest.raises(MalformedError) as caught:
        parse_jws(b"!" * 50_000 + b".e30.AA", path="t", typ=TYP)
    assert caught.value.code is Code.SIZE


def test_jw_26_jwe_where_a_jws_is_expected_and_the_reverse() -> None:
    token = _jwe.encrypt(b"x", OURS.public_key(), enc="A256GCM", kid=None)
    assert refused(token) is Code.FORMAT
    assert jwe_refused(GOOD) is Code.FORMAT


@pytest.mark.parametrize("typ", ["JWT", "EXAMPLE+JWT", "application/example+jwt", ["example+jwt"], None, 5])
def test_vc_01_typ_is_letter_for_letter(typ: object) -> None:
    assert refused(forge(head(typ=typ))) is Code.TYP


@pytest.mark.parametrize(
    "x5c",
    [[], "MIIB", ["MIIB"] * 50, [5], [""], ["MI-_"], ["MIIB\n"], ["QR=="], ["MII"], None, {"0": "MIIB"}],
)
def test_vc_05_x5c_shape(x5c: object) -> None:
    assert refused(forge(head(x5c=x5c))) is Code.CHAIN


def test_ci_03_a_proof_names_one_key() -> None:
    jwk = SIGNER.public_key.to_jwk()
    jws, key = parse_proof(forge(head(jwk=jwk)), path="p", typ=TYP)
    verify_jws(jws, key)
    private = {**jwk, "d": jwk["x"]}
    for bad in (head(jwk=jwk, kid="k"), head(jwk=jwk, x5c=["MIIB"]), head(jwk=private), head()):
        with pytest.raises(MalformedError) as caught:
            parse_proof(forge(bad), path="p", typ=TYP)
        assert caught.value.code is Code.KEY


def test_a_header_we_write_names_typ_and_the_signer_alg() -> None:
    with pytest.raises(ValueError, match="typ"):
        prepare_jws({"alg": "ES256"}, b"{}")
    with pytest.raises(ValueError, match="another algorithm"):
        sign_jws({"alg": "ES384", "typ": TYP}, b"{}", SIGNER)


@given(
    st.binary(max_size=300)
    | st.binary(max_size=60).map(b64)
    | st.tuples(*[st.binary(max_size=40).map(b64)] * 3).map(b".".join)
)
@settings(max_examples=200, deadline=None)
def test_only_malformed_error_comes_out_whatever_goes_in(data: bytes) -> None:
    for parser in (
        lambda: parse_jws(data, path="t", typ=TYP),
        lambda: parse_json_sd_jwt(data, path="t", typ=TYP),
        lambda: _jwe.decrypt(data, OURS, path="jwe", max_plaintext=100),
    ):
        with pytest.raises(MalformedError):
            parser()
    with suppress(MalformedError):  # a few of these bytes are JSON
        parse_json(data, "p", max_bytes=1000)
