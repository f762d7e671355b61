"""A wallet from receiving to receipts, against the real issuer and verifier."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from tests.wallet_kit import AT, issue, policy
from vcred import Outcome, Presentation, ReasonCode
from vcred.errors import ConsentError, NotFound, Offline, PolicyError, RefusedError, StoreError
from vcred.presentation import MaxAge
from vcred.testing import World
from wallet import CertificateState, FileStore, MemoryStore, Wallet
from wallet._crypto import Argon2Cost
from wallet.store import Put

CHEAP = Argon2Cost(memory_kib=8, passes=1, lanes=1)
CODE = "resident.personal"
ADDRESS = "bank.address-change"


@pytest.fixture
def world():
    made = World(at=AT)
    made.issue(CODE)
    return made


def codes(result):
    return {reason.code for reason in result.reasons}


def test_what_is_received_is_listed_with_its_type_and_copies(world):
    (held,) = world.wallet.certificates()
    assert (held.code, held.name("ko"), held.unused, held.total) == (CODE, "주민등록표 초본", 10, 10)
    assert held.state is CertificateState.READY
    assert held.formats == ("dc+sd-jwt", "sd-cwt")
    assert world.wallet.claims(held.id)["name"] == world.catalog[CODE].sample["name"]
    assert not held.expired(AT)
    assert held.expired(AT + timedelta(days=100))


def test_claims_of_nothing_are_not_found(world):
    with pytest.raises(NotFound):
        world.wallet.claims("none")


def test_each_answer_takes_a_copy_and_shreds_it(world):
    shown = []
    for left in (4, 3, 2, 1):
        answer = world.present(world.request(ADDRESS))
        shown.append(answer.tokens["residence-1"][0].raw)
        (held,) = world.wallet.certificates()
        assert (held.unused, held.total) == (left + 5, left + 5)
    signatures = {raw[-64:] for raw in shown}
    keys = {world.wallet._formats["sd-cwt"].open(raw).holder_key for raw in shown}
    indexes = {world.wallet._formats["sd-cwt"].open(raw).status.index for raw in shown}
    assert len(signatures) == len(keys) == len(indexes) == 4


def test_when_every_copy_was_shown_the_holder_must_agree_to_reuse(world):
    for _ in range(5):
        assert world.ask(ADDRESS)
    asked = world.match(world.request(ADDRESS))
    assert asked.chosen["residence-1"].spent
    with pytest.raises(ConsentError, match="renew"):
        asked.approve()
    request = world.request(ADDRESS)
    answer = world.wallet.present(world.match(request).approve(reuse=True), at=world.at)
    assert world.verify(answer, request)
    assert world.ask(ADDRESS, formats=("dc+sd-jwt",)), "the other format has copies of its own"


def test_a_consent_from_before_the_last_copy_went_is_worth_nothing(world):
    early = world.match(world.request(ADDRESS)).approve()
    for _ in range(5):
        world.ask(ADDRESS)
    with pytest.raises(StoreError, match="renew"):
        world.wallet.present(early, at=world.at)


def test_a_single_copy_may_be_shown_again():
    world = World(at=AT)
    issue(world, CODE, copies=1)
    for _ in range(3):
        assert len(world.present(world.request(ADDRESS)).tokens) == 1
    (held,) = world.wallet.certificates()
    assert (held.batch, held.state, held.total) == (False, CertificateState.READY, 2)


@pytest.mark.parametrize("copies", [1, 2, 3])
def test_ws_09_two_wallets_over_one_store_never_show_the_same_copy(copies):
    """The second presents at the worst moment: after the first chose its copy, before that is written."""

    class Racing(MemoryStore):
        rival = None

        def write(self, changes):
            if self.rival is not None:
                rival, self.rival = self.rival, None
                rival()
            super().write(changes)

    world = World(at=AT)
    store = Racing()
    world.wallet = Wallet(store=store, trust=world.trust)
    issue(world, CODE, copies=copies)
    other = Wallet(store=store, trust=world.trust)
    mine = world.match(world.request(ADDRESS)).approve()
    theirs = other.match(world.request(ADDRESS), at=AT).approve()
    shown = []
    store.rival = lambda: shown.append(other.present(theirs, at=AT))
    with pytest.raises(NotFound):
        world.wallet.present(mine, at=AT)
    assert len(shown) == len(world.wallet.history()) == 1


def test_ws_09_many_threads_take_a_copy_each(world):
    consents = [world.match(world.request(ADDRESS)).approve() for _ in range(7)]

    def show(consent):
        try:
            return world.wallet.present(consent, at=AT).tokens["residence-1"][0].raw
        except StoreError:
            return None

    with ThreadPoolExecutor(7) as pool:
        raws = [raw for raw in pool.map(show, consents) if raw is not None]
    assert len({world.wallet._formats["sd-cwt"].open(raw).holder_key for raw in raws}) == len(raws) == 5


def test_what_was_shown_is_in_the_history_before_its_bytes_are_out(world):
    class Full(MemoryStore):
        broken = False

        def write(self, changes):
            if self.broken:
                raise StoreError("the disk is full")
            super().write(changes)

    store = Full()
    wallet = world.wallet = Wallet(store=store, trust=world.trust)
    world.issue(CODE)
    asked = world.match(world.request(ADDRESS))
    store.broken = True
    with pytest.raises(StoreError, match="full"):
        wallet.present(asked.approve(), at=world.at)
    store.broken = False
    assert wallet.history() == []
    assert wallet.certificates()[0].unused == 10


def test_the_history_says_who_what_when_and_why_and_keeps_the_receipt(world):
    request = world.request(ADDRESS)
    answer = world.present(request)
    (entry,) = world.wallet.history()
    assert entry.verifier == {"ko": "가람은행 (가상)", "en": "Garam Bank (fictitious)"}
    assert (entry.purpose, entry.policy, entry.registered) == ("고객 주소 변경", ADDRESS, True)
    assert entry.at == int(AT.timestamp())
    paths = [one["path"] for one in entry.shown]
    assert {"name", "rrn.birthDate", "currentAddress.road", "issuedOn"} <= set(paths)
    assert world.catalog[CODE].sample["name"] not in repr(entry)
    receipt = world.verifier.receipt(world.verify(answer, request), at=world.at)
    assert world.wallet.accept_receipt(receipt.to_message(), at=world.at).outcome is Outcome.ACCEPTED
    assert world.wallet.history()[0].receipt == receipt.raw


def test_a_receipt_about_somebody_elses_answer_is_refused(world):
    request = world.request(ADDRESS)
    result = world.verify(world.present(request), request)
    other = Wallet(store=MemoryStore(), trust=world.trust)
    with pytest.raises(RefusedError) as error:
        other.accept_receipt(world.verifier.receipt(result, at=world.at), at=world.at)
    assert error.value.code is ReasonCode.UNCHECKED


def test_a_deleted_certificate_is_gone_with_its_copies(world):
    (held,) = world.wallet.certificates()
    world.wallet.delete(held.id)
    assert world.wallet.certificates() == []
    assert world.wallet._store.ids("copies") == ()
    with pytest.raises(NotFound):
        world.wallet.delete(held.id)


def test_damaged_copies_are_named_left_out_and_deleted_with_the_rest(world):
    store = world.wallet._store
    broken = store.ids("copies")[0]
    store.write([Put(table="copies", record=broken, value=b"\xff")])
    assert world.wallet.damaged() == (f"copies/{broken}",)
    assert world.wallet.certificates()[0].total == 9
    assert world.ask(ADDRESS)
    world.wallet.delete(world.wallet.certificates()[0].id)
    assert store.ids("copies") == ()


def test_a_wallet_in_a_file_goes_on_after_a_restart(tmp_path):
    world = World(at=AT)
    path = tmp_path / "wallet.db"
    with FileStore(path, pin="314159", cost=CHEAP) as store:
        world.wallet = Wallet(store=store, trust=world.trust)
        world.issue(CODE)
        world.ask(ADDRESS)
    with FileStore(path, pin="314159") as store:
        world.wallet = Wallet(store=store, trust=world.trust)
        assert world.ask(ADDRESS)
        assert len(world.wallet.history()) == 2
        assert "name" not in repr(world.wallet)


def test_a_scanned_offer_needs_a_transport_and_can_be_carried_by_hand(world):
    offer = world.issuer.offer(CODE, subject="sample", at=world.at)
    with pytest.raises(Offline, match="carry the request"):
        world.wallet.receive(offer.to_uri(), at=world.at)
    request = world.wallet.accept(offer.to_uri(), at=world.at)
    assert request == world.wallet.accept(offer.to_message(), at=world.at), "the keys that wait are used again"
    delivery = world.issuer.issue(request, at=world.at)
    (held,) = world.wallet.receive(delivery.to_message(), at=world.at)
    assert held.total == 10
    assert world.wallet._store.ids("pending") == ()


@pytest.mark.parametrize("carry", ["to_bytes", "to_message"])
def test_a_delivery_is_taken_in_every_form(world, carry):
    request = world.wallet.accept(world.issuer.offer(CODE, subject="sample", at=world.at), at=world.at)
    delivery = world.issuer.issue(request, at=world.at)
    assert len(world.wallet.receive(getattr(delivery, carry)(), at=world.at)) == 1


def test_a_transport_reaches_the_issuer(world):
    class Wire:
        def issue(self, offer, request):
            assert offer.redeem is None
            return world.issuer.issue(request.to_bytes(), at=world.at)

    wallet = Wallet(store=MemoryStore(), trust=world.trust, transport=Wire())
    offer = world.issuer.offer(CODE, subject="sample", at=world.at)
    assert len(wallet.receive(offer.to_uri(), at=world.at)) == 1


def test_an_expired_offer_is_refused(world):
    offer = world.issuer.offer(CODE, subject="sample", at=world.at)
    with pytest.raises(RefusedError) as error:
        world.wallet.receive(offer, at=world.at + timedelta(days=30))
    assert error.value.code is ReasonCode.REQUEST_EXPIRED


@pytest.mark.parametrize("form", ["sd-cwt", "dc+sd-jwt"])
def test_a_one_way_answer_is_drawn_anew_and_uses_one_copy(world, form):
    request = world.request(ADDRESS, freshness=MaxAge(timedelta(seconds=30)), formats=(form,))
    before = world.wallet.certificates()[0].unused
    asked = world.wallet.one_way(ADDRESS, reader=world.verifier.client_id, at=world.at, formats=(form,))
    assert asked.one_way
    consent = asked.approve()
    answers = [world.wallet.present(consent, at=world.at + timedelta(seconds=30 * n)) for n in range(3)]
    assert len({answer.one_way_nonce for answer in answers}) == 3
    assert world.wallet.certificates()[0].unused == before - 1
    (entry,) = world.wallet.history()
    assert entry.answers == [answer.fingerprint for answer in answers]
    world.advance(seconds=65)
    scanned = Presentation.parse(answers[2].to_message())
    result = world.verify(scanned, request)
    assert (result.outcome, result.assurance.value) == (Outcome.ACCEPTED, "unchallenged")
    world.advance(minutes=2)
    assert not world.verify(Presentation.parse(answers[1].to_message()), request)
    with pytest.raises(RefusedError, match="request_expired"):
        world.wallet.present(consent, at=world.at + timedelta(minutes=20))


def test_a_one_way_answer_goes_to_registered_readers_under_policies_that_take_it(world):
    with pytest.raises(PolicyError):
        world.wallet.one_way("no.such", reader=world.verifier.client_id, at=world.at)
    with pytest.raises(PolicyError):
        world.wallet.one_way("bank.id-check", reader=world.verifier.client_id, at=world.at)
    with pytest.raises(RefusedError) as error:
        world.wallet.one_way(ADDRESS, reader="x509_hash:AAAA", at=world.at)
    assert error.value.code is ReasonCode.READER_UNTRUSTED


def test_two_answers_from_one_certificate_use_two_copies():
    text = policy("t.two", ("a", CODE, ["name"], [], True), ("b", CODE, ["name"], [], True))
    world = World(at=AT, policies=[text])
    world.issue(CODE)
    answer = world.present(world.request("t.two"))
    keys = {world.wallet._formats["sd-cwt"].open(one.raw).holder_key for many in answer.tokens.values() for one in many}
    assert len(keys) == 2
    assert world.wallet.certificates()[0].unused == 8


def test_a_bundle_out_of_date_vouches_for_nobody_and_receives_nothing(world):
    world.advance(days=31)
    asked = world.match(world.request(ADDRESS))
    assert not asked.verifier.trusted
    assert ReasonCode.BUNDLE_EXPIRED in codes(asked)
    with pytest.raises(RefusedError) as error:
        world.wallet.receive(world.issuer.offer(CODE, subject="sample", at=world.at), at=world.at)
    assert error.value.code is ReasonCode.BUNDLE_EXPIRED
