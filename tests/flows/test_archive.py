"""A submission from the counter to the auditor: shown as QR, judged, recorded, receipted, sealed, and audited years later."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from vcred import Presentation, Receipt, qr
from vcred.keys import SoftwareSigner
from vcred.testing import World
from verifier import EvidenceArchive, Verifier, audit
from verifier.auditor import Repeated
from wallet import ReceiptBasis

AT = datetime(2026, 9, 26, 3, 0, tzinfo=UTC)
ADDRESS = "bank.address-change"


class Counter:
    """The bank's counter in ``world``: it takes every bundle into its archive, and gives a receipt after every check."""

    def __init__(self, world, folder):
        self.world = world
        self.auditor = SoftwareSigner.generate()
        recipient = self.auditor.public_key
        self.archive = EvidenceArchive.create(folder, reader=world.identity.client_id, recipient=recipient, at=world.at)

    def serve(self, policy=ADDRESS, *, forged=False):
        """One customer; the verdict. The receipt is in the customer's wallet afterwards."""
        world = self.world
        world.refresh_trust()
        self.archive.keep_trust(world.bundle_file, world.root_file)
        desk = Verifier(world.trust, world.identity, evidence=self.archive)
        request = desk.request(world.policy(policy), freshness=world.request(policy).freshness, at=world.at)
        shown = world.present(request)
        answer = Presentation.parse(camera(shown))
        result = desk.verify(world.forge(answer) if forged else answer, request=request, at=world.at)
        if not forged:
            world.wallet.accept_receipt(camera(desk.receipt(result, at=world.at)), at=world.at)
        return result

    def audit(self, **more):
        return audit(
            self.archive,
            at=self.world.at,
            roots=[self.world.root_file],
            bundle=self.world.trust,
            key=self.auditor.crypto,
            **more,
        )


def camera(message):
    """A message as the other side's camera gets it."""
    return qr.decode(text for code in qr.encode(message) for text in qr.read_image(code.png()))


@pytest.fixture
def counter(tmp_path):
    world = World(at=AT)
    world.issue("resident.personal")
    counter = Counter(world, tmp_path / "evidence")
    yield counter
    counter.archive.close()


def test_from_the_counter_to_the_auditor(counter):
    world = counter.world
    assert counter.serve()
    world.advance(minutes=5)
    assert not counter.serve(forged=True)
    world.advance(minutes=5)
    world.revoke("resident.personal")
    assert not counter.serve()
    seal = counter.archive.seal(world.identity, at=world.at)

    world.advance(days=10)
    world.refresh_trust()
    report = counter.audit(seals=[seal.raw])
    assert report
    assert [one.repeated for one in report.entries[1:]] == [Repeated.SAME] * 3
    assert [one.outcome for one in report.entries[1:]] == ["ACCEPTED", "REJECTED", "REJECTED"]
    said = [{one.code.value for one in entry.findings} for entry in report.entries[1:]]
    assert said[0] == {"key_valid", "revoked_since"}
    assert said[2] == {"key_valid"}, "that it was revoked was known then"

    world.advance(days=21)
    assert counter.archive.purge(at=world.at) == [1, 2, 3]
    counter.archive.seal(world.identity, at=world.at)
    world.advance(days=365 * 4)
    world.refresh_trust()
    report = counter.audit()
    assert report
    assert {one.repeated for one in report.entries[1:4]} == {Repeated.NO}
    assert all("destroyed" in {one.code.value for one in entry.findings} for entry in report.entries[1:4])
    assert "key_valid" in {one.code.value for one in report.entries[1].findings}


def test_the_holder_finds_every_receipt_in_the_history_years_later(counter):
    world = counter.world
    counter.serve()
    world.advance(days=1)
    world.revoke("resident.personal")
    counter.serve()
    world.advance(days=365 * 3)
    world.identity = world._reader()  # the bank's reader has another certificate by now
    world.refresh_trust()
    accepted, refused = world.wallet.history()
    for entry, outcome in ((accepted, "ACCEPTED"), (refused, "REJECTED")):
        proof = world.wallet.check_receipt(entry)
        assert proof.receipt.outcome == outcome
        assert proof.verifier["ko"] == "가람은행 (가상)"
        assert proof.receipt.purpose == "고객 주소 변경"
        assert proof.receipt.retention == "변경 처리 후 30일 이내 파기"
        assert proof.basis is ReceiptBasis.KEPT
    # What the holder has and what the bank wrote down are about the same act.
    receipt = Receipt.parse(accepted.receipt)
    kept = counter.archive.shown(1, key=counter.auditor.crypto).read()
    assert receipt.presentation == kept.fingerprint


def test_a_year_of_days_is_audited_with_one_copy_of_every_bundle(counter):
    world = counter.world
    for _ in range(6):
        for held in world.wallet.certificates():
            world.wallet.delete(held.id)
        world.issue("resident.personal")
        counter.archive.keep_trust(world.bundle_file, world.root_file)
        desk = Verifier(world.trust, world.identity, evidence=counter.archive)
        for _ in range(3):
            request = desk.request(world.policy(ADDRESS), freshness=world.request(ADDRESS).freshness, at=world.at)
            assert desk.verify(world.present(request), request=request, at=world.at)
        counter.archive.seal(world.identity, at=world.at)
        world.advance(days=14)
    world.advance(days=280)
    world.refresh_trust()
    report = counter.audit()
    assert report
    assert [one.repeated for one in report.entries[1:]] == [Repeated.SAME] * 18
    files = list((counter.archive._files.folder / "trust").iterdir())
    assert len(files) == 6 + 1
    assert report.sealed == 19
    assert report.worst().value == "note"
    assert world.at - AT > timedelta(days=360)
