"""Wycheproof's files on primitives, each through the function of ours that uses the primitive. JOSE is in the other file.

What is "valid" and ours has to be accepted; whatever is "invalid" or "acceptable" has to be refused. A valid vector that
we refuse, or that cannot be put to us, is of a feature in ``SKIPPED``, whose numbers are exact: ``docs`` lists them.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from tests.specs.test_wycheproof_jose import SKIPPED as NOT_OURS
from vcred.errors import RefusedError
from vcred.formats import _jwe
from vcred.formats._mdoc_device import check_mac, shared_secret
from vcred.keys import PublicKey
from vcred.keys.public import der_to_raw
from vcred.trust.roles import _tuf_key
from wallet._crypto import Secret, derive, unseal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

SKIPPED: dict[str, dict[str, tuple[int, str]]] = {
    "aes_gcm": {
        "iv of another length than 96 bits": (113, "JOSE, ISO mdoc and our stores use 96-bit IVs only"),
        "AES-128 and AES-192": (77, "the function under test has 256-bit keys; A128GCM is tested as a JWE"),
    },
    "ecdh_secp256r1": {"a shared secret of zero": (1, "it is no secret, and is refused")},
    "ecdsa_secp256r1_sha256": {},
    "ecdsa_secp256r1_sha256_p1363": {},
    "ed25519": {},
    "hkdf_sha256": {},
    "hmac_sha256": {"a tag cut to 128 bits": (33, "HMAC 256/256 only: a shorter tag is refused")},
    "json_web_crypto": {
        "a set of keys": (1, "a verifier looks keys up by itself and is never given a set"),
        "symmetric signatures": (1, "HS256 is refused"),
        "RSA signatures": (1, "RS256 is refused"),
        "encryption with a symmetric key": (2, "ECDH-ES only"),
    },
    "json_web_encryption": {
        "RSA key encryption": (22, "ECDH-ES only"),
        "symmetric key encryption": (18, "ECDH-ES only"),
        "ECDH-ES with a key wrap": (18, "ECDH-ES without one only"),
        "AES-CBC or AES-192 content encryption": (5, "A128GCM and A256GCM only"),
    },
    "json_web_key": {
        "a set of keys": (5, "a verifier looks keys up by itself and is never given a set"),
    },
    "json_web_signature": {
        "symmetric signatures": (10, "HS256, HS384 and HS512 are refused"),
        "RSA signatures": (32, "RS* and PS* are refused"),
        "P-521": (2, "P-256, P-384 and Ed25519 only"),
    },
}
"""Valid vectors that are refused, by file and feature: how many, and why."""

Group = dict[str, Any]
Case = dict[str, Any]


def _cases(vectors: Callable[..., Path], name: str) -> Iterator[tuple[Group, Case]]:
    for group in json.loads(vectors("wycheproof", f"{name}_test.json").read_text())["testGroups"]:
        for case in group["tests"]:
            yield group, case


def _hex(case: Case, *names: str) -> tuple[bytes, ...]:
    return tuple(bytes.fromhex(case[name]) for name in names)


def _judge(case: Case, act: Callable[[], object]) -> int:
    """Valid is accepted, all else is refused. 1 for what was accepted."""
    if case["result"] == "valid":
        act()
        return 1
    with pytest.raises(RefusedError):
        act()
    return 0


def _p256(group: Group) -> PublicKey:
    point = bytes.fromhex(group["publicKey"]["uncompressed"])
    key = PublicKey(ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point))
    assert PublicKey.from_spki(bytes.fromhex(group["publicKeyDer"])) == key
    return key


def _tuf_verify(key: PublicKey, signature: bytes, message: bytes) -> None:
    """As a trust list's signature is checked. Raises ``RefusedError``."""
    from securesystemslib.exceptions import UnverifiedSignatureError
    from securesystemslib.signer import Signature

    from vcred.reasons import ReasonCode

    key_id, checked = _tuf_key(key)
    try:
        checked.verify_signature(Signature(key_id, signature.hex()), message)
    except UnverifiedSignatureError:
        raise RefusedError(ReasonCode.SIGNATURE) from None


def test_ecdsa_der(vectors: Callable[..., Path], subtests: Any) -> None:
    """DER is what trust lists are signed with; what it says is accepted as R || S too, and DER itself is not."""
    accepted = 0
    for group, case in _cases(vectors, "ecdsa_secp256r1_sha256"):
        key = _p256(group)
        message, signature = _hex(case, "msg", "sig")
        with subtests.test(tcId=case["tcId"], comment=case["comment"]):
            accepted += _judge(case, lambda key=key, sig=signature, msg=message: _tuf_verify(key, sig, msg))
            with pytest.raises(RefusedError):
                key.verify(signature, message)
            if case["result"] == "valid":
                key.verify(der_to_raw(signature, 32), message)
    assert accepted == 174


def test_ecdsa_p1363(vectors: Callable[..., Path], subtests: Any) -> None:
    """R || S is what JWS and COSE are signed with."""
    accepted = 0
    for group, case in _cases(vectors, "ecdsa_secp256r1_sha256_p1363"):
        key = _p256(group)
        message, signature = _hex(case, "msg", "sig")
        with subtests.test(tcId=case["tcId"], comment=case["comment"]):
            accepted += _judge(case, lambda key=key, sig=signature, msg=message: key.verify(sig, msg))
    assert accepted == 173


def test_ed25519(vectors: Callable[..., Path], subtests: Any) -> None:
    """The key in each of its spellings, and as the key of a trust list."""
    accepted = 0
    for group, case in _cases(vectors, "ed25519"):
        key = PublicKey.from_spki(bytes.fromhex(group["publicKeyDer"]))
        assert PublicKey.from_jwk({**group["publicKeyJwk"]}) == key
        message, signature = _hex(case, "msg", "sig")
        with subtests.test(tcId=case["tcId"], comment=case["comment"]):
            accepted += _judge(case, lambda key=key, sig=signature, msg=message: key.verify(sig, msg))
            _judge(case, lambda key=key, sig=signature, msg=message: _tuf_verify(key, sig, msg))
    assert accepted == 88


def test_ecdh(vectors: Callable[..., Path], subtests: Any) -> None:
    """A key that is on another curve, on none, or oddly encoded agrees on nothing."""
    agreed, skipped = 0, Counter[str]()
    for _, case in _cases(vectors, "ecdh_secp256r1"):
        private = ec.derive_private_key(int(case["private"], 16), ec.SECP256R1())
        public, shared = _hex(case, "public", "shared")
        with subtests.test(tcId=case["tcId"], comment=case["comment"]):
            if case["result"] == "valid" and any(shared):
                assert shared_secret(private, PublicKey.from_spki(public)) == shared
                agreed += 1
            else:
                with pytest.raises(RefusedError):
                    shared_secret(private, PublicKey.from_spki(public))
                skipped["a shared secret of zero"] += case["result"] == "valid"
    assert agreed == 329
    _check_skipped("ecdh_secp256r1", skipped)


def test_aes_gcm(vectors: Callable[..., Path], subtests: Any) -> None:
    """As the wallet opens its records."""
    opened, skipped = 0, Counter[str]()
    for group, case in _cases(vectors, "aes_gcm"):
        key, iv, aad, plain, sealed, tag = _hex(case, "key", "iv", "aad", "msg", "ct", "tag")
        feature = ""
        if group["ivSize"] != 96:
            feature = "iv of another length than 96 bits"
        elif group["keySize"] != 256:
            feature = "AES-128 and AES-192"
        with subtests.test(tcId=case["tcId"], comment=case["comment"]):
            if feature == "iv of another length than 96 bits":
                assert unseal(Secret(key), aad, iv + sealed + tag) is None
                skipped[feature] += case["result"] == "valid"
            elif case["result"] == "valid":
                assert unseal(Secret(key), aad, iv + sealed + tag) == plain
                skipped[feature] += bool(feature)
                opened += not feature
            else:
                assert unseal(Secret(key), aad, iv + sealed + tag) is None
    assert opened == 39
    _check_skipped("aes_gcm", skipped)


def test_hkdf(vectors: Callable[..., Path], subtests: Any) -> None:
    """Ours gives 32 bytes, which are the first 32 of any longer output, and hold any shorter one."""
    right = 0
    for _, case in _cases(vectors, "hkdf_sha256"):
        ikm, salt, info, expected = _hex(case, "ikm", "salt", "info", "okm")
        with subtests.test(tcId=case["tcId"], comment=case["comment"]):
            found = derive(Secret(ikm), info, salt=salt).expose()
            assert len(found) == 32, "no input makes it longer"
            if case["result"] == "valid":
                length = min(32, case["size"])
                assert found[:length] == expected[:length]
                right += 1
            else:
                assert case["size"] > 255 * 32
    assert right == 83


def test_hmac(vectors: Callable[..., Path], subtests: Any) -> None:
    """As the MAC of an ISO mdoc device is checked."""
    accepted, skipped = 0, Counter[str]()
    for group, case in _cases(vectors, "hmac_sha256"):
        key, message, tag = _hex(case, "key", "msg", "tag")
        with subtests.test(tcId=case["tcId"], comment=case["comment"]):
            if group["tagSize"] == 256:
                accepted += _judge(case, lambda key=key, message=message, tag=tag: check_mac(key, message, tag))
            else:
                with pytest.raises(RefusedError):
                    check_mac(key, message, tag)
                skipped["a tag cut to 128 bits"] += case["result"] == "valid"
    assert accepted == 33
    _check_skipped("hmac_sha256", skipped)


def test_what_the_jose_files_have_that_is_not_ours(vectors: Callable[..., Path]) -> None:
    """The numbers of ``SKIPPED`` for the files of the other test, and that the rest is what that test accepts."""
    ours = {"json_web_crypto": 1, "json_web_encryption": 2, "json_web_key": 0, "json_web_signature": 2}
    for name, expected in ours.items():
        skipped = Counter[str]()
        accepted = 0
        for group, case in _cases(vectors, name):
            if case["result"] == "valid":
                feature = _feature(group, case)
                skipped[feature] += bool(feature)
                accepted += not feature
        assert accepted == expected, name
        _check_skipped(name, skipped)


def _feature(group: Group, case: Case) -> str:
    key = group["private"]
    if "keys" in key:
        return "a set of keys"
    alg, kty, enc = key.get("alg", ""), key["kty"], case.get("enc")
    if "jwe" in case and "enc" not in case:
        return "encryption with a symmetric key"
    if "jwe" in case:
        if kty != "EC":
            return {"RSA": "RSA key encryption", "oct": "symmetric key encryption"}[kty]
        if alg != "ECDH-ES":
            return "ECDH-ES with a key wrap"
        return "" if enc in ("A128GCM", "A256GCM") else "AES-CBC or AES-192 content encryption"
    if alg in NOT_OURS or kty == "oct":
        return {"oct": "symmetric signatures", "RSA": "RSA signatures", "EC": "P-521"}[kty]
    return ""


def test_encrypted_messages_of_the_crypto_file_are_not_opened(vectors: Callable[..., Path], subtests: Any) -> None:
    """They are for symmetric keys, which we have none of: whatever key of ours they are tried with, they stay shut."""
    key = ec.derive_private_key(7, ec.SECP256R1())
    tried = 0
    for _, case in _cases(vectors, "json_web_crypto"):
        if "jwe" in case:
            token = case["jwe"] if isinstance(case["jwe"], str) else json.dumps(case["jwe"])
            with subtests.test(tcId=case["tcId"], comment=case["comment"]), pytest.raises(RefusedError):
                _jwe.decrypt(token, key, path="jwe", max_plaintext=10_000)
            tried += 1
    assert tried > 30


def test_every_file_is_covered(vectors: Callable[..., Path]) -> None:
    files = vectors("wycheproof", "PROVENANCE.md").parent.glob("*_test.json")
    assert {path.name.removesuffix("_test.json") for path in files} == set(SKIPPED)


def _check_skipped(name: str, skipped: Counter[str]) -> None:
    assert {feature: count for feature, count in skipped.items() if count} == {
        feature: count for feature, (count, _) in SKIPPED[name].items()
    }
