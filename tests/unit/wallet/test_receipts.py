"""Receipts in the history: verified when they come, and again years later, whatever became of the reader."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.wallet_kit import AT
from vcred.errors import NotFound, RefusedError
from vcred.formats import _cbor
from vcred.keys import SoftwareSigner
from vcred.presentation import MaxAge
from vcred.reasons import Outcome, ReasonCode
from vcred.receipt import Receipt, sign_receipt
from vcred.testing import World
from verifier import ReaderIdentity, Verifier
from wallet import FileStore, MemoryStore, ReceiptBasis, Wallet, new_recovery_key, restore
from wallet._records import HISTORY, HistoryRecord, load_all, save

ADDRESS = "bank.address-change"
YEARS = timedelta(days=365 * 4)
BANK = {"ko": "가람은행 (가상)", "en": "Garam Bank (fictitious)"}


@pytest.fixture
def world():
    world = World(at=AT)
    world.issue("resident.personal")
    return world


def checked(world, *, verifier=None, **more):
    """One presentation with its receipt in the history."""
    verifier = verifier or world.verifier
    request = verifier.request(world.policy(ADDRESS), freshness=world.request(ADDRESS).freshness, at=world.at)
    answer = world.present(request)
    receipt = verifier.receipt(verifier.verify(answer, request=request, at=world.at), at=world.at, **more)
    world.wallet.accept_receipt(receipt.to_message(), at=world.at)
    return world.wallet.history()[-1]


def rotate(world):
    """The bank gets another certificate, and today's trust list has only that one."""
    world.identity = world._reader()
    world.refresh_trust()


def test_a_receipt_says_who_checked_what_for_what_and_how_long_it_is_kept(world):
    entry = checked(world, reference="2026-0001")
    proof = world.wallet.check_receipt(entry)
    assert proof.verifier == BANK
    assert proof.basis is ReceiptBasis.TRUST_LIST
    assert proof.as_asked is True
    receipt = proof.receipt
    assert (receipt.outcome, receipt.types, receipt.reference) == (
        Outcome.ACCEPTED,
        ("resident.personal",),
        "2026-0001",
    )
    assert (receipt.purpose, receipt.retention) == (entry.purpose, entry.retention)
    assert receipt.presentation in entry.answers


def test_years_later_it_is_verified_as_of_the_day_it_was_given(world):
    entry = checked(world)
    world.advance(days=365 * 4)
    world.refresh_trust()
    assert world.wallet.check_receipt(entry).basis is ReceiptBasis.TRUST_LIST


def test_after_the_reader_got_another_certificate_the_one_that_was_kept_proves_it(world):
    entry = checked(world)
    rotate(world)
    proof = world.wallet.check_receipt(entry)
    assert proof.basis is ReceiptBasis.KEPT
    assert proof.verifier == BANK
    with pytest.raises(RefusedError) as error:
        world.wallet.check_receipt(replace(entry, reader=[]))
    assert error.value.code is ReasonCode.READER_UNTRUSTED


def test_the_kept_certificate_is_the_one_that_the_receipt_names(world):
    entry = checked(world)
    rotate(world)
    for reader in ([world.identity.chain[0]], [world.document_signer_certificate]):
        with pytest.raises(RefusedError) as error:
            world.wallet.check_receipt(replace(entry, reader=reader))
        assert error.value.code is ReasonCode.READER_UNTRUSTED


def test_a_receipt_that_was_changed_in_the_history_proves_nothing(world):
    entry = checked(world)
    changed = bytearray(entry.receipt)
    changed[-10] ^= 1
    with pytest.raises(RefusedError):
        world.wallet.check_receipt(replace(entry, receipt=bytes(changed)))
    rotate(world)
    with pytest.raises(RefusedError):
        world.wallet.check_receipt(replace(entry, receipt=bytes(changed)))


def test_what_came_without_a_receipt_has_none(world):
    world.present(world.request(ADDRESS))
    with pytest.raises(NotFound):
        world.wallet.check_receipt(world.wallet.history()[-1])


def test_a_receipt_of_somebody_unregistered_stays_one_of_somebody_unregistered(world):
    other = World(at=AT)  # whose reader this wallet's trust list has never heard of
    stranger = Verifier(world.trust, ReaderIdentity(other.identity.chain, other.identity.signer))
    entry = checked(world, verifier=stranger)
    assert not entry.registered
    assert world.wallet.check_receipt(entry).basis is ReceiptBasis.UNREGISTERED
    world.advance(days=700)
    world.refresh_trust()
    assert world.wallet.check_receipt(entry).basis is ReceiptBasis.UNREGISTERED


def test_a_refusal_is_a_receipt_too(world):
    world.revoke("resident.personal")
    entry = checked(world)
    receipt = world.wallet.check_receipt(entry).receipt
    assert receipt.outcome is Outcome.REJECTED
    assert receipt.reasons == ("revoked",)


def test_a_receipt_with_another_purpose_or_retention_than_was_asked_for_is_noticed(world):
    request = world.request(ADDRESS)
    answer = world.present(request)
    told = {"outcome": Outcome.ACCEPTED, "reasons": [], "types": ["resident.personal"], "reference": None, "at": AT}
    for changes in ({"purpose": "광고"}, {"retention": "영구 보관"}):
        receipt = sign_receipt(answer, replace(request, **changes), signer=world.identity.signer, **told)
        world.wallet.accept_receipt(receipt, at=AT)
        assert world.wallet.check_receipt(world.wallet.history()[-1]).as_asked is False


def test_one_way_answers_have_receipts_too(world):
    asked = world.wallet.one_way("shop.adult", reader=world.verifier.client_id, at=world.at)
    if asked.missing:
        world.issue("id.resident_mobile")
        asked = world.wallet.one_way("shop.adult", reader=world.verifier.client_id, at=world.at)
    request = world.request("shop.adult", freshness=MaxAge(timedelta(seconds=30)))
    answer = world.wallet.present(asked.approve(), at=world.at)
    world.wallet.accept_receipt(world.verifier.receipt(world.verify(answer, request), at=world.at), at=world.at)
    assert world.wallet.check_receipt(world.wallet.history()[-1]).as_asked is None


def test_a_receipt_signed_by_another_key_is_refused(world):
    request = world.request(ADDRESS)
    answer = world.present(request)
    told = {"outcome": Outcome.ACCEPTED, "reasons": [], "types": [], "reference": None, "at": AT}
    receipt = sign_receipt(answer, request, signer=SoftwareSigner.generate(), **told)
    with pytest.raises(RefusedError) as error:
        world.wallet.accept_receipt(receipt, at=AT)
    assert error.value.code is ReasonCode.SIGNATURE
    assert world.wallet.history()[-1].receipt is None


def test_an_entry_written_before_certificates_were_kept_is_read(world):
    checked(world)
    store = world.wallet._store
    (name, entry), *_ = load_all(store, HistoryRecord).items()
    put = save(HISTORY, name, entry)
    body = _cbor.decode(put.value, "x", max_bytes=1 << 20)
    assert body.pop("reader")
    store.write([replace(put, value=_cbor.encode(body))])
    (read,) = world.wallet.history()
    assert read.reader == []
    assert world.wallet.check_receipt(read).basis is ReceiptBasis.TRUST_LIST


def test_receipts_come_back_from_a_backup(world, tmp_path):
    entry = checked(world)
    secret = new_recovery_key()
    world.wallet.backup(tmp_path / "backup", recovery_key=secret)
    with FileStore(tmp_path / "new", pin="482917", at=AT) as store:
        restore(store, tmp_path / "backup", recovery_key=secret)
        wallet = Wallet(store=store, trust=world.trust)
        assert wallet.history() == [entry]
    rotate(world)
    assert Wallet(store=MemoryStore(), trust=world.trust).check_receipt(entry).basis is ReceiptBasis.KEPT
    assert Receipt.parse(entry.receipt).raw == entry.receipt
