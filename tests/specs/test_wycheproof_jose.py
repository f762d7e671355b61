"""Wycheproof's JOSE files, where the feature is one of ours. Everything else is refused, never silently accepted.

``typ`` is ours to demand and absent in these vectors, so the parser is entered below that one rule.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from vcred.errors import RefusedError
from vcred.formats import _jwe
from vcred.formats._jose import ALGORITHMS, _parse, verify_jws
from vcred.keys import PublicKey
from vcred.keys.public import raw_to_der

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SKIPPED: dict[str, str] = {
    "HS256": "no symmetric signatures",
    "HS384": "no symmetric signatures",
    "HS512": "no symmetric signatures",
    "RS256": "no RSA",
    "RS384": "no RSA",
    "RS512": "no RSA",
    "PS256": "no RSA",
    "PS384": "no RSA",
    "PS512": "no RSA",
    "ES521": "no P-521",
}
"""By ``alg``: a valid vector of one of these is refused, which is right for us."""
# The JWK with id 19 and 20 of json_web_key says another alg than its curve's; refusing it is the expected result.


def _load(vectors: Callable[..., Path], name: str) -> list[dict[str, Any]]:
    return json.loads(vectors("wycheproof", f"{name}_test.json").read_text())["testGroups"]


def _verify(token: Any, jwk: Any) -> None:
    if not isinstance(token, str):
        token = json.dumps(token)
    jws = _parse(token, "t", None, 65536, ALGORITHMS, with_key=False)
    verify_jws(jws, PublicKey.from_jwk(jwk))


@pytest.mark.parametrize("name", ["json_web_signature", "json_web_key", "json_web_crypto"])
def test_signatures(name: str, vectors: Callable[..., Path], subtests: Any) -> None:
    ran = skipped = 0
    for group in _load(vectors, name):
        keys = group.get("public") or group.get("private")
        for case in group["tests"]:
            if "jws" not in case:
                continue
            jwk = keys["keys"][0] if "keys" in keys and len(keys["keys"]) == 1 else keys
            ours = jwk.get("kty") == "EC" and jwk.get("crv") == "P-256"
            with subtests.test(tcId=case["tcId"], comment=case["comment"]):
                if case["result"] == "valid" and ours:
                    _verify(case["jws"], jwk)
                    ran += 1
                else:
                    with pytest.raises(RefusedError):
                        _verify(case["jws"], jwk)
                    if case["result"] == "valid":
                        assert jwk.get("alg") in SKIPPED or "keys" in jwk, "a key set is no feature of ours"
                        skipped += 1
    assert ran + skipped > 0


def test_encryption(vectors: Callable[..., Path], subtests: Any) -> None:
    opened = 0
    for group in _load(vectors, "json_web_encryption"):
        private = group["private"]
        if private.get("crv") != "P-256":
            continue
        key = _private(private)
        for case in group["tests"]:
            header_alg = private.get("alg")
            ours = (
                header_alg == "ECDH-ES" and case.get("enc") in ("A128GCM", "A256GCM") and isinstance(case["jwe"], str)
            )
            with subtests.test(tcId=case["tcId"], comment=case["comment"]):
                if case["result"] == "valid" and ours:
                    found = _jwe.decrypt(case["jwe"], key, path="jwe", max_plaintext=10_000)
                    assert found.plaintext.hex() == case["pt"]
                    opened += 1
                else:  # ECDH-ES with a key wrap, CBC, JSON: not ours, and not opened
                    token = case["jwe"] if isinstance(case["jwe"], str) else json.dumps(case["jwe"])
                    with pytest.raises(RefusedError):
                        _jwe.decrypt(token, key, path="jwe", max_plaintext=10_000)
    assert opened >= 2


def _private(jwk: dict[str, Any]) -> ec.EllipticCurvePrivateKey:
    public = PublicKey.from_jwk({name: jwk[name] for name in ("kty", "crv", "x", "y")}).crypto
    raw = int.from_bytes(_jwe.b64u_decode(jwk["d"], "d"), "big")
    assert isinstance(public, ec.EllipticCurvePublicKey)
    return ec.EllipticCurvePrivateNumbers(raw, public.public_numbers()).private_key()


def test_raw_ecdsa_signatures(vectors: Callable[..., Path], subtests: Any) -> None:
    for group in _load(vectors, "ecdsa_secp256r1_sha256_p1363"):
        point = bytes.fromhex(group["publicKey"]["uncompressed"])
        key = PublicKey(ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point))
        for case in group["tests"]:
            with subtests.test(tcId=case["tcId"], comment=case["comment"]):
                message, signature = bytes.fromhex(case["msg"]), bytes.fromhex(case["sig"])
                if case["result"] == "valid":
                    key.verify(signature, message)
                else:
                    with pytest.raises(RefusedError):
                        key.verify(signature, message)
    assert raw_to_der(bytes(64), 32)


def test_ed25519_signatures(vectors: Callable[..., Path], subtests: Any) -> None:
    for group in _load(vectors, "ed25519"):
        key = PublicKey.from_spki(bytes.fromhex(group["publicKeyDer"]))
        for case in group["tests"]:
            with subtests.test(tcId=case["tcId"], comment=case["comment"]):
                message, signature = bytes.fromhex(case["msg"]), bytes.fromhex(case["sig"])
                if case["result"] == "valid":
                    key.verify(signature, message)
                else:
                    with pytest.raises(RefusedError):
                        key.verify(signature, message)
