"""Certificates of others: what can be read, and whose list signature counts."""

from __future__ import annotations

from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from tests.trust_town import AT, DAY, refusal
from tests.x509_kit import key_usage
from vcred.errors import MalformedError
from vcred.keys import PublicKey
from vcred.trust.foreign import MAX_FOREIGN_BYTES, key_identifier, read_foreign, signer_key, subject_values

ROOT_KEY, MIDDLE_KEY, LEAF_KEY = (ec.generate_private_key(ec.SECP256R1()) for _ in range(3))


def name(text):
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])


def usage(*, certify):
    return key_usage("key_cert_sign" if certify else "digital_signature")


def certificate(key, subject, issuer, issuer_key, *, ca=False, key_usage=None, digest=None, end=AT + DAY) -> bytes:
    builder = (
        x509.CertificateBuilder()
        .subject_name(name(subject))
        .issuer_name(name(issuer))
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(AT - DAY)
        .not_valid_after(end)
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
    )
    if key_usage is not None:
        builder = builder.add_extension(key_usage, critical=True)
    return builder.sign(issuer_key, digest or hashes.SHA256()).public_bytes(Encoding.DER)


ROOT = certificate(ROOT_KEY, "root", "root", ROOT_KEY, ca=True, key_usage=usage(certify=True))
MIDDLE = certificate(MIDDLE_KEY, "middle", "root", ROOT_KEY, ca=True, key_usage=usage(certify=True))
LEAF = certificate(LEAF_KEY, "leaf", "middle", MIDDLE_KEY)


def trusted(*chain, keys=(), anchors=(ROOT,), at=AT):
    return signer_key(chain, keys=keys, anchors=anchors, at=at, path="it")


def test_a_path_may_carry_its_root_or_not():
    own = PublicKey(LEAF_KEY.public_key())
    assert trusted(LEAF, MIDDLE) == trusted(LEAF, MIDDLE, ROOT) == (own, False)
    assert trusted(LEAF, MIDDLE, ROOT, anchors=(MIDDLE,)) == (own, False)
    assert trusted(LEAF, keys=[own], anchors=()) == (own, True)
    assert trusted(LEAF, anchors=(LEAF,)) == (own, False)


def test_a_time_has_a_zone():
    with pytest.raises(ValueError, match="aware"):
        trusted(LEAF, MIDDLE, at=AT.replace(tzinfo=None))


@pytest.mark.parametrize("at", [AT - 2 * DAY, AT + DAY + timedelta(seconds=1)])
def test_everything_on_the_path_is_valid_at_the_time(at):
    assert refusal(lambda: trusted(LEAF, MIDDLE, at=at)) == "untrusted"
    assert refusal(lambda: trusted(LEAF, anchors=(LEAF,), at=at)) == "untrusted"


def test_a_path_with_a_gap_or_to_somebody_else():
    other = ec.generate_private_key(ec.SECP256R1())
    forged = certificate(other, "root", "root", other, ca=True, key_usage=usage(certify=True))
    for chain, anchors in (((LEAF,), (ROOT,)), ((LEAF, MIDDLE), (forged,)), ((LEAF, MIDDLE, ROOT), ())):
        assert refusal(lambda chain=chain, anchors=anchors: trusted(*chain, anchors=anchors)) == "untrusted"


@pytest.mark.parametrize("above", [{"ca": False}, {"ca": True, "key_usage": usage(certify=False)}])
def test_who_certifies_is_a_ca_that_may(above):
    middle = certificate(MIDDLE_KEY, "middle", "root", ROOT_KEY, **above)
    assert refusal(lambda: trusted(LEAF, middle)) == "untrusted"
    assert refusal(lambda: trusted(LEAF, middle, anchors=(middle,))) == "untrusted"


def test_a_ca_signs_no_list_but_when_it_is_pinned_itself():
    assert refusal(lambda: trusted(MIDDLE)) == "chain"
    assert trusted(MIDDLE, anchors=(MIDDLE,))[0] == PublicKey(MIDDLE_KEY.public_key())


@pytest.mark.parametrize(
    "key", [rsa.generate_private_key(65537, 2048), ec.generate_private_key(ec.SECP521R1())], ids=["RSA", "P-521"]
)
def test_a_signer_with_another_kind_of_key(key):
    leaf = certificate(key, "leaf", "middle", MIDDLE_KEY)
    assert refusal(lambda: trusted(leaf, MIDDLE)) == "key"


def test_a_root_with_another_kind_of_key_is_a_root():
    key = rsa.generate_private_key(65537, 2048)
    root = certificate(key, "root", "root", key, ca=True)
    assert trusted(certificate(LEAF_KEY, "leaf", "root", key), anchors=(root,))[1] is False


@pytest.mark.parametrize(
    ("der", "code"), [(b"", "chain"), (b"\x30\x00", "chain"), (LEAF + b"\0", "chain"), (LEAF[:-1], "chain")]
)
def test_what_is_no_certificate(der, code):
    with pytest.raises(MalformedError) as caught:
        read_foreign(der, "it")
    assert caught.value.code.value == code


def test_a_certificate_that_is_too_large_is_not_parsed():
    assert refusal(lambda: read_foreign(b"\x30" * (MAX_FOREIGN_BYTES + 1), "it")) == "limit"


def test_what_a_certificate_says_of_its_subject():
    leaf = read_foreign(LEAF, "it")
    assert subject_values(leaf, "2.5.4.3") == ("leaf",)
    assert subject_values(leaf, "2.5.4.10") == ()
    assert key_identifier(leaf) is None
