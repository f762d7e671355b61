"""Readers: who is shown by name, who is a stranger, who is refused."""

from __future__ import annotations

import pytest

from tests.trust_town import AT, BANK_NAME, DAY, Town, refusal
from vcred.errors import TrustError
from vcred.keys import SoftwareSigner
from vcred.trust import Purpose, Withdrawal, WithdrawalReason, x509_hash

NOW = int(AT.timestamp())


@pytest.fixture(scope="module")
def town() -> Town:
    return Town()


def client(der: bytes) -> str:
    return "x509_hash:" + x509_hash(der)


def find(bundle, der, *, x5c=(), at=AT):
    return bundle.resolve_reader(client_id=client(der), x5c=x5c, at=at)


def with_reader_ca(town, **changes):
    builder = town.builder(production=changes.pop("production", True))
    entry = town.city.entry(
        id="https://readers.example",
        purpose=Purpose.READER,
        anchors=[town.reader_root],
        signers=[],
        types=[],
        status_uris=[],
    )
    builder.add_authority(**entry | changes)
    return town.bundle(builder)


def test_a_registered_reader_needs_no_certificate_in_the_request(town):
    for x5c in ((), (town.bank,)):
        found = find(town.bundle(), town.bank, x5c=x5c)
        assert found.registered
        assert (found.name("ko"), found.name("en")) == (BANK_NAME["ko"], BANK_NAME["en"])
        assert found.key == town.bank_key.public_key
        assert found.policies == {"bank.address-change"}
        assert found.client_id == client(town.bank)


def test_an_unknown_reader_without_a_certificate_is_refused(town):
    stranger = town.reader(SoftwareSigner.generate())
    assert refusal(lambda: find(town.bundle(), stranger)) == "reader_untrusted"
    for client_id in ("", "x509_hash:", "x509_san_dns:desk.dasom.example", x509_hash(town.bank)):
        call = lambda client_id=client_id: town.bundle().resolve_reader(client_id=client_id, x5c=(), at=AT)  # noqa: E731
        assert refusal(call) == "reader_untrusted"


def test_a_stranger_has_no_name_of_its_own_however_much_it_looks_like_a_bank(town):
    key = SoftwareSigner.generate()
    stranger = town.reader(key)
    found = find(town.bundle(), stranger, x5c=(stranger,))
    assert not found.registered
    assert found.key == key.public_key
    assert found.policies == frozenset()
    assert BANK_NAME["ko"] not in found.name("ko")
    assert found.name("en") == "Unregistered requester"


def test_client_id_of_another_certificate(town):
    stranger = town.reader(SoftwareSigner.generate())
    assert refusal(lambda: find(town.bundle(), town.bank, x5c=(stranger,))) == "reader_untrusted"


def test_a_reader_certified_by_a_reader_authority_is_named_by_its_certificate(town):
    reader = town.reader(SoftwareSigner.generate())
    found = find(with_reader_ca(town), reader, x5c=(reader,))
    assert found.registered
    assert (found.name("ko"), found.name("en")) == (BANK_NAME["ko"], BANK_NAME["en"])


def test_a_reader_authority_that_is_withdrawn_expired_or_for_tests(town):
    reader = town.reader(SoftwareSigner.generate())
    gone = [Withdrawal(kid=None, at=NOW, reason=WithdrawalReason.SUPERSEDED)]
    for changes, code in (
        ({"withdrawn": gone}, "key_withdrawn"),
        ({"test": True}, "test_key"),
        ({"valid_until": AT - DAY}, "chain"),
    ):
        bundle = with_reader_ca(town, **changes)
        assert refusal(lambda bundle=bundle: find(bundle, reader, x5c=(reader,))) == code
    assert find(with_reader_ca(town, test=True, production=False), reader, x5c=(reader,)).registered


def test_an_issuer_certificate_is_no_reader(town):
    for der in (town.city.signer, town.city.root, b"junk"):
        assert refusal(lambda der=der: find(town.bundle(), der, x5c=(der,))) == "chain"


def test_dates_of_readers(town):
    bundle = town.bundle()
    for at in (AT - 31 * DAY, AT + 301 * DAY):
        assert refusal(lambda at=at: find(bundle, town.bank, at=at)) == "chain"
    old = town.reader(SoftwareSigner.generate(), end=AT - DAY)
    assert refusal(lambda: find(bundle, old, x5c=(old,))) == "chain"


@pytest.mark.parametrize(("changes", "code"), [({"withdrawn_at": AT}, "key_withdrawn"), ({"test": True}, "test_key")])
def test_registered_readers_that_are_refused(town, changes, code):
    other = town.reader(SoftwareSigner.generate())
    builder = town.builder()
    builder.add_reader(**{"certificate": other, "name": BANK_NAME, "policies": [], "test": False} | changes)
    assert refusal(lambda: find(town.bundle(builder), other)) == code


def test_a_bundle_that_lists_another_certificate_as_a_reader_is_refused(town):
    builder = town.builder()
    builder.add_reader(certificate=town.city.signer, name=BANK_NAME, policies=[], test=False)
    with pytest.raises(TrustError, match="extended key usage"):
        town.bundle(builder)
