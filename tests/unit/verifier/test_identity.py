import base64

import pytest

from tests.desk import Desk
from vcred.errors import SigningError
from vcred.trust import x509_hash
from verifier import ReaderIdentity


@pytest.fixture(scope="module")
def desk():
    return Desk()


def pem(*certificates):
    return b"".join(
        b"-----BEGIN CERTIFICATE-----\n" + base64.encodebytes(der) + b"-----END CERTIFICATE-----\n"
        for der in certificates
    )


def test_an_identity_is_loaded_from_pem(desk, tmp_path):
    path = tmp_path / "reader.pem"
    path.write_bytes(b"subject=Dasom Bank\n" + pem(desk.bank))
    identity = ReaderIdentity.load(path, signer=desk.bank_key)
    assert identity.chain == (desk.bank,)
    assert identity.client_id == f"x509_hash:{x509_hash(desk.bank)}"
    assert identity == desk.identity()
    assert "BEGIN" not in repr(identity)


def test_a_signer_of_another_key_is_refused(desk):
    with pytest.raises(SigningError, match="not the one"):
        ReaderIdentity((desk.bank,), desk.stranger)


def test_a_certificate_for_something_else_is_refused(desk):
    with pytest.raises(SigningError, match="cannot be used"):
        ReaderIdentity((desk.signer,), desk.key)
    with pytest.raises(SigningError, match="at least one"):
        ReaderIdentity((), desk.bank_key)


@pytest.mark.parametrize("text", [b"", b"hello", b"-----BEGIN CERTIFICATE-----\nA\n-----END CERTIFICATE-----"])
def test_a_file_without_a_certificate_is_refused(text, desk, tmp_path):
    (tmp_path / "reader.pem").write_bytes(text)
    with pytest.raises(SigningError):
        ReaderIdentity.load(tmp_path / "reader.pem", signer=desk.bank_key)


def test_a_missing_or_huge_file_is_refused(desk, tmp_path):
    with pytest.raises(SigningError):
        ReaderIdentity.load(tmp_path / "none.pem", signer=desk.bank_key)
    (tmp_path / "huge.pem").write_bytes(b" " * 70_000)
    with pytest.raises(SigningError, match="too large"):
        ReaderIdentity.load(tmp_path / "huge.pem", signer=desk.bank_key)
