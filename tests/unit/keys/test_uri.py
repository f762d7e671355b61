"""``load_signer``: a key by its URI, and what it says when there is none."""

from __future__ import annotations

import builtins
import sys

import pytest

from vcred.errors import MissingExtraError, SigningError
from vcred.keys import SoftwareSigner, load_signer


def test_a_key_in_a_file_with_and_without_a_password(tmp_path):
    key = SoftwareSigner.generate()
    (tmp_path / "plain.pem").write_bytes(key.to_pem(password=None))
    (tmp_path / "safe.pem").write_bytes(key.to_pem(password=b"correct horse"))
    assert load_signer(f"file:{tmp_path}/plain.pem", secret=None).public_key == key.public_key
    asked = []
    uri = f"file:{tmp_path}/safe.pem"
    loaded = load_signer(uri, secret=lambda name: asked.append(name) or "correct horse")
    assert (loaded.public_key, asked) == (key.public_key, [uri])
    for secret, message in [(None, "no secret"), (lambda _: "wrong", "wrong password")]:
        with pytest.raises(SigningError, match=message):
            load_signer(uri, secret=secret)


@pytest.mark.parametrize("uri", ["", "key.pem", "/key.pem", "file:", "pkcs11:", "hsm:1", "https://key.example/"])
def test_an_unknown_scheme_is_answered_with_the_known_ones(uri):
    with pytest.raises(SigningError, match=r"file:<path> or pkcs11:token="):
        load_signer(uri, secret=None)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(SigningError, match=r"none\.pem"):
        load_signer(f"file:{tmp_path}/none.pem", secret=None)


def test_a_token_needs_the_extra(monkeypatch):
    real = builtins.__import__

    def without(name, *rest):
        if name == "pkcs11":
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.delitem(sys.modules, "pkcs11", raising=False)
    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingExtraError, match=r"vcred\[hsm\]"):
        load_signer("pkcs11:token=a;object=b?module-path=/no/such.so", secret=lambda _: "1234")


def test_a_token_without_any_pin_is_not_tried():
    with pytest.raises(SigningError, match="pin-source"):
        load_signer("pkcs11:token=a;object=b?module-path=/no/such.so", secret=None)
