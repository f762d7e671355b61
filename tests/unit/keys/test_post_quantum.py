"""Post-quantum keys: their encodings, their files, and that nobody gets one who did not ask for it."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, mldsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from vcred.errors import MalformedError, SigningError
from vcred.keys import PublicKey, SoftwareSigner, load_signer
from vcred.keys import post_quantum as pq
from vcred.keys.post_quantum import POST_QUANTUM

SIGNERS = {alg: SoftwareSigner.generate(alg) for alg in POST_QUANTUM}
PUBLIC_BYTES = {"ML-DSA-44": 1312, "ML-DSA-65": 1952, "ML-DSA-44-ES256": 1377, "ML-DSA-65-ES256": 2017}


@pytest.mark.parametrize("alg", list(POST_QUANTUM))
def test_every_encoding_is_read_back(alg):
    key = SIGNERS[alg].public_key
    assert (key.alg, key.is_post_quantum, len(pq.public_bytes(key.crypto))) == (alg, True, PUBLIC_BYTES[alg])
    jwk, cose = key.to_jwk(), key.to_cose()
    assert jwk.keys() == {"alg", "kty", "pub"}
    assert (jwk["kty"], jwk["alg"], cose[1], cose[3]) == ("AKP", alg, 7, POST_QUANTUM[alg])
    for same in (
        PublicKey.from_jwk(jwk, post_quantum=True),
        PublicKey.from_cose(cose, post_quantum=True),
        PublicKey.from_spki(key.spki, post_quantum=True),
    ):
        assert (same, same.kid, same.thumbprint, hash(same)) == (key, key.kid, key.thumbprint, hash(key))
        same.verify(SIGNERS[alg].sign(b"message"), b"message")
    assert repr(key) == f"PublicKey({alg}, kid={key.kid.hex()})"


def test_a_classical_key_is_read_by_those_who_take_both():
    key = SoftwareSigner.generate().public_key
    for same in (
        PublicKey.from_jwk(key.to_jwk(), post_quantum=True),
        PublicKey.from_cose(key.to_cose(), post_quantum=True),
        PublicKey.from_spki(key.spki, post_quantum=True),
    ):
        assert same == key
    assert (key.is_post_quantum, key.halves) == (False, ())


def test_the_kinds_of_keys_are_all_different():
    keys = [signer.public_key for signer in SIGNERS.values()]
    keys += [half for key in keys for half in key.halves]
    assert len({key.kid for key in keys}) == len({key.thumbprint for key in keys}) == len(keys) == 8
    assert [half.alg for half in SIGNERS["ML-DSA-65-ES256"].public_key.halves] == ["ML-DSA-65", "ES256"]


@pytest.mark.parametrize("alg", list(POST_QUANTUM))
@pytest.mark.parametrize("password", [None, b"correct horse"])
def test_a_key_in_a_file(alg, password, tmp_path):
    pem = SIGNERS[alg].to_pem(password=password)
    assert pem.count(b"-----BEGIN") == (2 if alg.endswith("-ES256") else 1)
    file = tmp_path / "signer.key"
    file.write_bytes(pem)
    secret = None if password is None else lambda _: password.decode()
    loaded = load_signer(f"file:{file}", secret=secret, post_quantum=True)
    assert loaded.public_key == SIGNERS[alg].public_key
    SIGNERS[alg].public_key.verify(loaded.sign(b"m"), b"m")
    with pytest.raises(SigningError):
        load_signer(f"file:{file}", secret=secret)
    if password is not None:
        with pytest.raises(SigningError, match="wrong password"):
            SoftwareSigner.from_pem(pem, password=b"another", post_quantum=True)


def test_half_of_a_file_is_no_hybrid_key():
    pem = SIGNERS["ML-DSA-44-ES256"].to_pem(password=None)
    first, second = (part for part in pem.split(b"-----END PRIVATE KEY-----\n") if part)
    end = b"-----END PRIVATE KEY-----\n"
    assert SoftwareSigner.from_pem(first + end, password=None, post_quantum=True).public_key.alg == "ML-DSA-44"
    for wrong in (second + end + first + end, first + end + first + end, second + end + second + end):
        with pytest.raises(SigningError, match="then"):
            SoftwareSigner.from_pem(wrong, password=None, post_quantum=True)
    with pytest.raises(ValueError, match="no DER form"):
        SIGNERS["ML-DSA-44-ES256"].to_der()


def test_only_the_two_hybrids_are_put_together():
    p256, p384 = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP384R1())
    for one, other in (
        (mldsa.MLDSA44PrivateKey.generate(), p384),
        (mldsa.MLDSA87PrivateKey.generate(), p256),
        (p256, p256),
        (p256, mldsa.MLDSA44PrivateKey.generate()),
    ):
        with pytest.raises(SigningError):
            pq.hybrid_of(one, other)


def test_nobody_gets_such_a_key_unasked():
    for alg, signer in SIGNERS.items():
        with pytest.raises(MalformedError):
            PublicKey(signer.public_key.crypto)
        if not alg.endswith("-ES256"):
            with pytest.raises(SigningError, match="not P-256"):
                SoftwareSigner.from_der(signer.to_der())
    large = mldsa.MLDSA87PrivateKey.generate()
    with pytest.raises(MalformedError):
        PublicKey(large.public_key(), post_quantum=True)
    pem = large.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    with pytest.raises(SigningError):
        SoftwareSigner.from_pem(pem, password=None, post_quantum=True)
    with pytest.raises(ValueError, match="no such"):
        SoftwareSigner.generate("ML-DSA-87")


def test_secrets_are_not_shown():
    for signer in SIGNERS.values():
        assert repr(signer) == f"SoftwareSigner({signer.public_key!r})"
    hybrid = SIGNERS["ML-DSA-44-ES256"].crypto
    assert repr(hybrid) == "HybridPrivateKey(alg='ML-DSA-44-ES256')"
    assert repr(hybrid.public_key()) == "HybridPublicKey(alg='ML-DSA-44-ES256')"


def test_an_old_cryptography_package_refuses_instead_of_failing(monkeypatch):
    """The package had no ML-DSA for years; then a bundle that names such a key is refused, with a reason."""
    import sys

    jwk = SIGNERS["ML-DSA-44-ES256"].public_key.to_jwk()
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives.asymmetric.mldsa", None)
    monkeypatch.delattr("cryptography.hazmat.primitives.asymmetric.mldsa", raising=False)
    with pytest.raises(MalformedError, match="no ML-DSA"):
        PublicKey.from_jwk(jwk, post_quantum=True)
    with pytest.raises(SigningError, match="no ML-DSA"):
        SoftwareSigner.generate("ML-DSA-44")
