from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from vcred.errors import MalformedError, RefusedError
from vcred.formats import _jwe
from vcred.keys import PublicKey
from vcred.reasons import ReasonCode as Code

KEY = ec.generate_private_key(ec.SECP256R1())


@pytest.mark.parametrize("enc", ["A128GCM", "A256GCM"])
@pytest.mark.parametrize("deflate", [False, True])
def test_round_trip(enc: str, deflate: bool) -> None:
    token = _jwe.encrypt(
        "가람시 ".encode() * 40, KEY.public_key(), enc=enc, kid="k", apu=b"u", apv=b"v", deflate=deflate
    )
    opened = _jwe.decrypt(token, KEY, path="jwe", max_plaintext=1000)
    assert opened.plaintext == "가람시 ".encode() * 40
    assert opened.header["kid"] == "k"
    assert "가람시" not in repr(opened)


def test_every_message_has_its_own_ephemeral_key() -> None:
    tokens = {_jwe.encrypt(b"x", KEY.public_key(), enc="A128GCM", kid=None).split(b".")[0] for _ in range(3)}
    assert len(tokens) == 3


def test_one_changed_byte_or_another_key_is_refused() -> None:
    token = _jwe.encrypt(b"hello", KEY.public_key(), enc="A128GCM", kid=None)
    head, _, iv, text, tag = token.split(b".")
    for changed in ((head, iv[::-1], text, tag), (head, iv, text[::-1], tag), (head, iv, text, tag[:-2] + b"Aw")):
        raw = b".".join((changed[0], b"", *changed[1:]))
        with pytest.raises(RefusedError) as caught:
            _jwe.decrypt(raw, KEY, path="jwe", max_plaintext=1000)
        assert caught.value.code in (Code.INTEGRITY, Code.ENCODING)
    with pytest.raises(RefusedError) as caught:
        _jwe.decrypt(token, ec.generate_private_key(ec.SECP256R1()), path="jwe", max_plaintext=1000)
    assert caught.value.code is Code.INTEGRITY


def test_plaintext_limit_holds_without_compression_too() -> None:
    token = _jwe.encrypt(b"x" * 11, KEY.public_key(), enc="A128GCM", kid=None)
    with pytest.raises(MalformedError) as caught:
        _jwe.decrypt(token, KEY, path="jwe", max_plaintext=10)
    assert caught.value.code is Code.SIZE


def test_encryption_key() -> None:
    jwk = PublicKey(KEY.public_key()).to_jwk()
    for more in ({}, {"use": "enc"}, {"alg": "ECDH-ES"}, {"kid": "k"}):
        assert _jwe.encryption_key({**jwk, **more}) == KEY.public_key()
    p384 = PublicKey(ec.generate_private_key(ec.SECP384R1()).public_key()).to_jwk()
    for bad, code in (
        ({**jwk, "use": "sig"}, Code.KEY_USE),
        ({**jwk, "key_ops": ["verify"]}, Code.KEY_USE),
        ({**jwk, "alg": "ECDH-ES+A128KW"}, Code.KEY),
        ({**jwk, "d": jwk["x"]}, Code.KEY),
        (p384, Code.KEY),
        ("jwk", Code.KEY),
    ):
        with pytest.raises(MalformedError) as caught:
            _jwe.encryption_key(bad)
        assert caught.value.code is code


def test_misuse_is_value_error() -> None:
    with pytest.raises(ValueError, match="P-256"):
        _jwe.encrypt(b"x", ec.generate_private_key(ec.SECP384R1()).public_key(), enc="A128GCM", kid=None)
    with pytest.raises(ValueError, match="A128GCM"):
        _jwe.encrypt(b"x", KEY.public_key(), enc="A128CBC-HS256", kid=None)
    with pytest.raises(ValueError, match="P-256"):
        _jwe.decrypt(b"x", ec.generate_private_key(ec.SECP384R1()), path="jwe", max_plaintext=1)
