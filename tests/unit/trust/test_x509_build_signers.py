"""Certificates signed with a key that only signs: nothing of the builder's own stays in them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from vcred.errors import SigningError
from vcred.keys import SoftwareSigner
from vcred.trust import Purpose, build_intermediate, build_root, build_signer, verify_chain

AT = datetime(2026, 9, 26, 3, 0, tzinfo=UTC)
NAME = {"ko": "가람시 (가상)", "en": "Garam (fictitious)"}
LIFE = {"not_before": AT, "not_after": AT + timedelta(days=30)}


class Remote:
    """A key behind an interface: it has ``public_key`` and ``sign``, and no private key to hand over."""

    def __init__(self, curve):
        self._key = SoftwareSigner(ec.generate_private_key(curve))
        self.public_key = self._key.public_key
        self.signed = []

    def sign(self, message):
        self.signed.append(message)
        return self._key.sign(message)


class Faulty(Remote):
    def sign(self, message):
        return super().sign(message + b"x")


CURVES = [ec.SECP256R1(), ec.SECP384R1()]


@pytest.mark.parametrize("curve", CURVES, ids=lambda one: one.name)
@pytest.mark.parametrize("below", CURVES, ids=lambda one: one.name)
def test_names_keys_and_key_ids_are_those_of_the_real_keys(curve, below):
    root_key, ca_key, key = Remote(curve), Remote(below), SoftwareSigner.generate()
    root = build_root(root_key, name=NAME, **LIFE)
    ca = build_intermediate(ca_key.public_key, name=NAME, issuer=root, issuer_signer=root_key, **LIFE)
    leaf = build_signer(
        key.public_key,
        purpose=Purpose.ISSUER,
        id="https://city.example/issuer",
        name=NAME,
        issuer=ca,
        issuer_signer=ca_key,
        **LIFE,
    )
    parsed = [x509.load_der_x509_certificate(der) for der in (root, ca, leaf)]
    issuers = [(parsed[0], root_key), (parsed[0], root_key), (parsed[1], ca_key)]
    for one, (issuer, signer), held in zip(parsed, issuers, (root_key, ca_key, key), strict=True):
        one.verify_directly_issued_by(issuer)
        assert one.public_key() == held.public_key.crypto
        authority = one.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
        assert authority == x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key.crypto)
        subject = one.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
        assert subject == x509.SubjectKeyIdentifier.from_public_key(held.public_key.crypto)
        assert one.signature_hash_algorithm.name == ("sha384" if signer.public_key.alg == "ES384" else "sha256")
    assert root_key.signed == [one.tbs_certificate_bytes for one in parsed[:2]]
    assert ca_key.signed == [parsed[2].tbs_certificate_bytes]
    assert verify_chain([leaf, ca], [root], purpose=Purpose.ISSUER, at=AT + timedelta(days=1)).anchor == root


def test_short_and_long_signatures_all_become_certificates():
    root_key = Remote(ec.SECP256R1())
    sizes = set()
    for _ in range(40):
        made = x509.load_der_x509_certificate(build_root(root_key, name=NAME, **LIFE))
        made.verify_directly_issued_by(made)
        sizes.add(len(made.signature))
    assert len(sizes) > 1, "R and S have leading ones and zeros"


def test_a_key_that_signs_wrongly_makes_no_certificate():
    with pytest.raises(SigningError, match="rightly"):
        build_root(Faulty(ec.SECP256R1()), name=NAME, **LIFE)


def test_a_certificate_that_nobody_would_read_is_not_made():
    root_key = Remote(ec.SECP256R1())
    with pytest.raises(ValueError, match="large"):
        build_signer(
            SoftwareSigner.generate().public_key,
            purpose=Purpose.ISSUER,
            id="https://city.example/" + "x" * 9000,
            name=NAME,
            issuer=build_root(root_key, name=NAME, **LIFE),
            issuer_signer=root_key,
            **LIFE,
        )


def test_the_profile_has_no_ed25519():
    with pytest.raises(ValueError, match="P-256 and P-384"):
        build_root(SoftwareSigner(ed25519.Ed25519PrivateKey.generate()), name=NAME, **LIFE)
