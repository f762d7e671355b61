"""An issuer whose key has no certificate: what it has to know of it, and when it may sign."""

from __future__ import annotations

from datetime import timedelta

import pytest

from issuer import Issuer, IssuerProfile
from tests.unit.issuer.conftest import AT, CATALOG, CODE, ID, LEAF, SIGNER, leaf
from vcred.errors import SigningError
from vcred.issuance import build_request
from vcred.keys import SoftwareSigner
from vcred.testing import SampleRecords
from vcred.trust import Purpose
from vcred.trust.bare import BareKey

KEY, LISTS = SoftwareSigner.generate("ML-DSA-44-ES256"), SoftwareSigner.generate()
STATUS_CHAIN = (leaf(key=LISTS, purpose=Purpose.STATUS),)


def entry(**changes):
    usual = {
        "key": KEY.public_key,
        "did_url": None,
        "valid_from": int(AT.timestamp()) - 86400,
        "valid_until": int(AT.timestamp()) + 86400 * 365,
    }
    return BareKey(**usual | changes)


def profile(**changes):
    usual = {"id": ID, "signer": KEY, "bare": entry(), "status_signer": LISTS, "status_chain": STATUS_CHAIN}
    return IssuerProfile(**usual | changes)


def issuer(**changes):
    return Issuer(profile(**changes), records=SampleRecords(CATALOG), catalog=CATALOG)


def test_certificates_by_the_bare_key_and_lists_by_the_certified_one():
    made = issuer(formats=("mso_mdoc", "vc+jwt"))
    assert made.chain == ()
    offer = made.offer(CODE, subject="sample", at=AT)
    keys = [SoftwareSigner.generate() for _ in range(2)]
    delivery = made.issue(build_request(offer, keys, formats=["mso_mdoc", "vc+jwt"], at=AT), at=AT)
    assert [name for name, _ in delivery.credentials] == ["mso_mdoc", "vc+jwt"]
    assert len(made.status_tokens(at=AT)) == 1
    assert made.lint(at=AT)  # the key ends before the longest types do


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"status_signer": None, "status_chain": ()}, "signs no status lists"),
        ({"chain": (LEAF,)}, "or, without one, its entry"),
    ],
)
def test_profiles_that_make_no_sense(changes, message):
    with pytest.raises(ValueError, match=message):
        profile(**changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"bare": None}, "chain in PEM or DER"),
        ({"signer": SoftwareSigner.generate("ML-DSA-44-ES256")}, "not the one in"),
        ({"bare": entry(did_url="did:web:city.example#1")}, "if the issuer is a DID|if, and only if"),
        ({"bare": entry(), "id": "did:web:city.example"}, "only if"),
        ({"bare": entry(did_url="did:web:other.example#1"), "id": "did:web:city.example"}, "only if"),
    ],
)
def test_keys_that_do_not_belong_to_the_entry(changes, message):
    with pytest.raises(SigningError, match=message):
        issuer(**changes)


def test_a_classical_key_without_a_certificate_writes_no_mdoc():
    bare = entry(key=SIGNER.public_key)
    issuer(signer=SIGNER, bare=bare)
    with pytest.raises(ValueError, match="certificate of its signer"):
        issuer(signer=SIGNER, bare=bare, formats=("mso_mdoc",))


def test_the_entry_says_when_the_key_may_sign():
    made = issuer(bare=entry(valid_until=int((AT + timedelta(days=200)).timestamp())))
    made.offer(CODE, subject="sample", at=AT)
    with pytest.raises(SigningError, match="ends before the credential would"):
        made.offer(CODE, subject="sample", at=AT + timedelta(days=199))
    for at in (AT - timedelta(days=2), AT + timedelta(days=201)):
        with pytest.raises(SigningError, match="not valid now"):
            made.offer(CODE, subject="sample", at=at)
