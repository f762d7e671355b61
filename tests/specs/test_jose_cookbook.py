"""RFC 7520 and Curve25519 examples: the one of ours verifies, every other feature is refused by name."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from vcred.errors import MalformedError, RefusedError
from vcred.formats import _jwe
from vcred.formats._jose import ALGORITHMS, _parse, verify_jws
from vcred.formats._wire import inflate_raw
from vcred.keys import PublicKey
from vcred.reasons import ReasonCode as Code

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SKIPPED: dict[str, str] = {
    "3_1": "P-521 keys",
    "3_2": "P-521 keys",
    "4_3": "ES512 (P-521)",
    "4_4": "HS256: no symmetric signatures",
    "4_5": "detached content: a credential is inside its signature",
    "4_8": "several signatures in JSON, by RS256, ES512 and HS256: a key set of none of ours",
    "5_4": "ECDH-ES with a key wrap: an answer has one receiver",
    "5_5": "A128CBC-HS256: A128GCM and A256GCM are the ones of OpenID4VP's profile",
    "5_6": "a symmetric key agreed on before",
    "5_9": "a wrapped key; its zip is read",
    "ecdh-es": "X25519: ECDH-ES on P-256 only",
}
"""By section of RFC 7520, or by file: refused here, each by the rule that its feature breaks."""


def _load(vectors: Callable[..., Path], *parts: str) -> dict[str, Any]:
    return json.loads(vectors("jose_cookbook", *parts).read_text())


def test_ed25519_signature(vectors: Callable[..., Path]) -> None:
    example = _load(vectors, "curve25519", "jws.json")
    key = PublicKey.from_jwk({name: value for name, value in example["input"]["key"].items() if name != "d"})
    jws = _parse(example["output"]["compact"], "t", None, 65536, ALGORITHMS, with_key=False)
    verify_jws(jws, key)
    assert jws.payload == example["input"]["payload"].encode()
    with pytest.raises(MalformedError):
        PublicKey.from_jwk(example["input"]["key"])


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("4_3.ecdsa_signature", Code.ALG),
        ("4_4.hmac-sha2_integrity_protection", Code.ALG),
        ("4_5.signature_with_detached_content", Code.FORMAT),
    ],
)
def test_jws_of_features_we_refuse(vectors: Callable[..., Path], name: str, code: Code) -> None:
    with pytest.raises(MalformedError) as caught:
        _parse(_load(vectors, "jws", f"{name}.json")["output"]["compact"], "t", None, 65536, ALGORITHMS, with_key=False)
    assert caught.value.code is code


@pytest.mark.parametrize("name", ["3_1.ec_public_key", "3_2.ec_private_key"])
def test_p521_keys_are_refused(vectors: Callable[..., Path], name: str) -> None:
    with pytest.raises(MalformedError) as caught:
        PublicKey.from_jwk(_load(vectors, "jwk", f"{name}.json"))
    assert caught.value.code is Code.KEY


@pytest.mark.parametrize("part", [part for part in SKIPPED if part.startswith("5")])
def test_jwe_of_features_we_refuse(vectors: Callable[..., Path], part: str) -> None:
    (path,) = vectors("jose_cookbook", "jwe").glob(f"{part}.*.json")
    token = json.loads(path.read_text())["output"]["compact"]
    with pytest.raises(RefusedError) as caught:
        _jwe.decrypt(token, ec.generate_private_key(ec.SECP256R1()), path="jwe", max_plaintext=10_000)
    assert caught.value.code in (Code.ALG, Code.FORMAT)


def test_x25519_is_refused(vectors: Callable[..., Path]) -> None:
    example = _load(vectors, "curve25519", "ecdh-es.json")
    with pytest.raises(MalformedError) as caught:
        _jwe.decrypt(
            example["output"]["compact"], ec.generate_private_key(ec.SECP256R1()), path="jwe", max_plaintext=10_000
        )
    assert caught.value.code is Code.KEY


def test_zip_def_is_raw_deflate(vectors: Callable[..., Path]) -> None:
    example = _load(vectors, "jwe", "5_9.compressed_content.json")
    packed = _jwe.b64u_decode(example["generated"]["plaintext_c"], "p")
    assert inflate_raw(packed, 1000, "p").decode() == example["input"]["plaintext"]


def test_every_part_is_accounted_for(vectors: Callable[..., Path]) -> None:
    kinds = ("jwk", "jws", "jwe", "curve25519")
    found = {path.name.split(".")[0] for kind in kinds for path in vectors("jose_cookbook", kind).iterdir()}
    assert found - {"jws"} == SKIPPED.keys()
