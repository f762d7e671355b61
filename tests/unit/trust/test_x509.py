"""The profile: what the builders make is what the verifier takes."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.trust_town import AT, CITY, CITY_NAME, DAY, Town
from vcred.errors import MalformedError, RefusedError
from vcred.keys import SoftwareSigner
from vcred.trust import (
    Purpose,
    build_intermediate,
    build_reader,
    build_root,
    build_signer,
    read_certificate,
    verify_chain,
    x509_hash,
)

SPAN = {"not_before": AT - DAY, "not_after": AT + DAY}


@pytest.fixture(scope="module")
def town() -> Town:
    return Town()


def p384() -> SoftwareSigner:
    return SoftwareSigner(ec.generate_private_key(ec.SECP384R1()))


def test_a_signer_certificate(town):
    verified = verify_chain([town.city.signer], [town.city.root], purpose=Purpose.ISSUER, at=AT)
    assert verified.leaf.key == town.city.key.public_key
    assert verified.leaf.uris == (CITY,)
    assert verified.leaf.organisations == (CITY_NAME["ko"], CITY_NAME["en"])
    assert verified.anchor == town.city.root
    assert verified.kids == (town.city.key.public_key.kid, town.city.root_key.public_key.kid)
    assert verified.not_before == int((AT - 300 * DAY).timestamp())
    assert verified.not_after == int((AT + 300 * DAY).timestamp())
    assert len(town.city.signer) < 700


@pytest.mark.parametrize("root_key", [SoftwareSigner.generate(), p384()], ids=["P-256", "P-384"])
@pytest.mark.parametrize("leaf_key", [SoftwareSigner.generate(), p384()], ids=["P-256", "P-384"])
def test_both_curves_and_an_intermediate(root_key, leaf_key):
    middle_key = SoftwareSigner.generate()
    root = build_root(root_key, name=CITY_NAME, **SPAN)
    middle = build_intermediate(middle_key.public_key, name=CITY_NAME, issuer=root, issuer_signer=root_key, **SPAN)
    leaf = build_signer(
        leaf_key.public_key,
        purpose=Purpose.STATUS,
        id=CITY,
        name=CITY_NAME,
        issuer=middle,
        issuer_signer=middle_key,
        **SPAN,
    )
    verified = verify_chain((leaf, middle), (root,), purpose=Purpose.STATUS, at=AT)
    assert verified.leaf.key == leaf_key.public_key
    assert len(verified.kids) == 3


def test_a_reader_has_a_host_name_or_a_uri(town):
    for identifier, uris, names in (
        ("desk.dasom.example", (), ("desk.dasom.example",)),
        ("https://dasom.example/desk", ("https://dasom.example/desk",), ()),
    ):
        der = build_reader(
            town.bank_key.public_key,
            identifier=identifier,
            name=CITY_NAME,
            issuer=town.reader_root,
            issuer_signer=town.reader_root_key,
            **SPAN,
        )
        leaf = verify_chain([der], [town.reader_root], purpose=Purpose.READER, at=AT).leaf
        assert (leaf.uris, leaf.dns_names) == (uris, names)


def test_builders_refuse_what_a_verifier_would(town):
    key = SoftwareSigner.generate()
    usual = {
        "purpose": Purpose.ISSUER,
        "id": CITY,
        "name": CITY_NAME,
        "issuer": town.city.root,
        "issuer_signer": town.city.root_key,
    }
    wrong = [
        usual | SPAN | {"purpose": Purpose.READER},
        usual | SPAN | {"issuer_signer": key},
        usual | SPAN | {"name": {"ko": "가람시"}},
        usual | SPAN | {"name": {"ko": "", "en": "x"}},
        usual | {"not_before": AT, "not_after": AT},
        usual | {"not_before": AT - 500 * DAY, "not_after": AT},
    ]
    for each in wrong:
        with pytest.raises(ValueError, match=r"."):
            build_signer(key.public_key, **each)
    edwards = SoftwareSigner(ed25519.Ed25519PrivateKey.generate())
    with pytest.raises(ValueError, match="P-256"):
        build_signer(edwards.public_key, **usual, **SPAN)
    with pytest.raises(ValueError, match="P-256"):
        build_root(edwards, name=CITY_NAME, **SPAN)


@settings(max_examples=400)
@given(position=st.integers(0, 10_000), flip=st.integers(1, 255))
def test_every_byte_of_a_certificate_counts(position, flip):
    der = GARAM.city.signer
    at = position % len(der)
    changed = der[:at] + bytes([der[at] ^ flip]) + der[at + 1 :]
    with pytest.raises(RefusedError) as caught:
        verify_chain([changed], [GARAM.city.root], purpose=Purpose.ISSUER, at=AT)
    assert caught.value.code.value in ("chain", "untrusted", "limit")


GARAM = Town()


@pytest.mark.parametrize("junk", [b"", b"\x30", b"\x30\x00", b"-----BEGIN CERTIFICATE-----", b"\xff" * 500])
def test_junk_is_malformed(junk):
    with pytest.raises(MalformedError, match="here"):
        read_certificate(junk, "here")


def test_x509_hash_is_unpadded_base64url_of_sha_256():
    assert x509_hash(b"") == "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU"
