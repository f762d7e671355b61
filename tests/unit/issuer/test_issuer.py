"""``Issuer``: what it signs, what it refuses to sign, and what it answers twice."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from threading import Event

import pytest

from issuer import Issuer, IssuerProfile, IssuerStore
from tests.unit.issuer.conftest import AT, CATALOG, CODE, ID, LEAF, PROFILE, SIGNER, Agency, leaf
from vcred.claims import ClaimPath
from vcred.errors import CatalogError, NotFound, RecordError, RefusedError, SigningError, StoreError
from vcred.formats.sd_cwt import SdCwt
from vcred.formats.sd_jwt_vc import SdJwtVc
from vcred.issuance import Delivery, IssuanceRequest, Offer, build_request
from vcred.keys import SoftwareSigner
from vcred.reasons import ReasonCode
from vcred.status import parse_status_token, verify_status_token
from vcred.trust import Purpose

STATUS_SIGNER = SoftwareSigner.generate()
FORMATS = {"dc+sd-jwt": SdJwtVc(), "sd-cwt": SdCwt(CATALOG.labels)}


def opened(delivery):
    return [FORMATS[one].open(raw) for one, raw in delivery.credentials]


class Broken:
    """A key in a failing device: now and then it returns a signature with a flipped bit."""

    def __init__(self, signer):
        self.signer, self.broken = signer, True
        self.public_key = signer.public_key

    def sign(self, message):
        raw = self.signer.sign(message)
        return bytes([raw[0] ^ 1]) + raw[1:] if self.broken else raw


class Slow:
    """A key in a device that takes its time."""

    def __init__(self, signer):
        self.signer = signer
        self.asked, self.go = Event(), Event()
        self.public_key = signer.public_key

    def sign(self, message):
        self.asked.set()
        assert self.go.wait(60)
        return self.signer.sign(message)


class Gone:
    """A key whose device is not there any more."""

    public_key = SIGNER.public_key

    def sign(self, message):
        raise SigningError("the token was removed")


def test_every_type_of_the_catalogue_is_issued_in_both_formats_and_verifies(agency):
    for code in CATALOG:
        variants = [one.id for one in CATALOG[code].variants] or [None]
        delivery = agency.issuer.issue(agency.request(agency.offer(code, variant=variants[0]), keys=2), at=AT)
        assert [one for one, _ in delivery.credentials] == ["dc+sd-jwt", "sd-cwt"]
        for one, credential in zip(opened(delivery), delivery.credentials, strict=True):
            FORMATS[credential[0]].verify_signature(one, SIGNER.public_key)
            assert (one.vct, one.issuer) == (CATALOG[code].vct, ID)


def test_an_offer_of_this_process_answers_itself_and_a_parsed_one_does_not(agency):
    offer = agency.offer()
    parsed = Offer.parse(offer.to_uri())
    assert parsed == offer
    assert parsed.redeem is None
    request = agency.request(offer)
    assert isinstance(offer.redeem(request, at=AT), Delivery)


def test_ar_05_copies_share_no_key_index_signature_digest_or_exact_time(agency):
    first = opened(agency.take(at=AT))
    second = opened(agency.take(at=AT + timedelta(minutes=20)))
    both = first + second
    assert len({one.status.index for one in both}) == len(both) == 8
    assert len({one.holder_key for one in both}) == 8
    assert len({one.signature for one in both}) == 8
    shown = [set(one.disclosures.values()) for one in both]
    assert not any(a & b for i, a in enumerate(shown) for b in shown[:i])
    assert {one.issued_at for one in both} == {int(AT.timestamp()) // 3600 * 3600}
    assert {one.expires_at for one in both} == {int((datetime(2026, 12, 25, 15, tzinfo=UTC)).timestamp()) - 1}, (
        "the last second in Korea of the ninetieth day after 2026-09-26"
    )


def test_variant_and_options_decide_what_is_issued(agency):
    plain = opened(agency.take(options={}))[0]
    full = opened(agency.take(options={"addressHistory": "all", "rrnBack": True}))[0]
    assert "serial" not in plain.claims["rrn"]
    assert full.claims["rrn"]["serial"]
    assert ClaimPath.parse("addressHistory[0]") in full.disclosures
    with pytest.raises(ValueError, match="rrnBack"):
        agency.offer(options={"rrnBack": "maybe"})
    with pytest.raises(ValueError, match="variant"):
        agency.offer("family.relations")


def test_unknown_types_and_types_out_of_scope_are_not_offered(agency):
    with pytest.raises(CatalogError):
        agency.offer("resident.nothing")
    narrow = Agency(types=frozenset({"tax.income"}))
    narrow.offer("tax.income")
    with pytest.raises(SigningError, match="does not issue"):
        narrow.offer(CODE)


def test_ci_12_a_repeated_request_gets_the_same_credentials_and_no_second_index(agency):
    request = agency.request()
    first = agency.issuer.issue(request, at=AT)
    used = len(agency.store.entries())
    assert agency.issuer.issue(request.to_bytes(), at=AT + timedelta(minutes=9)) == first
    assert agency.issuer.issue(request.to_message(), at=AT + timedelta(minutes=9)) == first
    assert len(agency.store.entries()) == used == 4


def test_ci_13_the_same_offer_with_other_keys_is_refused(agency):
    offer = agency.offer()
    agency.issuer.issue(agency.request(offer), at=AT)
    with pytest.raises(RefusedError) as refused:
        agency.issuer.issue(agency.request(offer), at=AT)
    assert refused.value.code is ReasonCode.REPLAY


def test_ci_08_fifty_parallel_requests_on_one_offer_have_one_success(tmp_path):
    with IssuerStore(tmp_path / "issuer.db") as store:
        agency = Agency(store)
        offer = agency.offer()
        requests = [agency.request(offer, keys=2) for _ in range(50)]

        def attempt(request):
            try:
                return agency.issuer.issue(request, at=AT)
            except RefusedError as error:
                return error.code

        with ThreadPoolExecutor(8) as pool:
            results = list(pool.map(attempt, requests))
        assert sum(isinstance(one, Delivery) for one in results) == 1
        assert results.count(ReasonCode.REPLAY) == 49
        assert len(store.entries()) == 2


@pytest.mark.parametrize(
    ("minutes", "code"), [(9, None), (10, ReasonCode.REQUEST_EXPIRED), (60, ReasonCode.REQUEST_EXPIRED)]
)
def test_an_offer_can_be_taken_for_ten_minutes(agency, minutes, code):
    later = AT + timedelta(minutes=minutes)
    request = build_request(agency.offer(), [SoftwareSigner.generate() for _ in range(2)], at=later)
    if code is None:
        agency.issuer.issue(request, at=later)
        return
    with pytest.raises(RefusedError) as refused:
        agency.issuer.issue(request, at=later)
    assert refused.value.code is code
    assert not agency.store.entries()


def test_what_an_offer_held_of_a_person_is_forgotten_when_it_ends(agency):
    request = agency.request()
    agency.issuer.issue(request, at=AT)
    agency.issuer.status_tokens(at=AT + timedelta(minutes=11))
    assert agency.store.offer(request.nonce) is None
    with pytest.raises(RefusedError) as refused:
        agency.issuer.issue(request, at=AT)
    assert refused.value.code is ReasonCode.NONCE


def test_a_key_binds_one_credential_ever(agency):
    keys = [SoftwareSigner.generate() for _ in range(2)]
    agency.issuer.issue(build_request(agency.offer(), keys, at=AT), at=AT)
    with pytest.raises(RefusedError) as refused:
        agency.issuer.issue(build_request(agency.offer(), [keys[1], SoftwareSigner.generate()], at=AT), at=AT)
    assert refused.value.code is ReasonCode.KEY
    assert len(agency.store.entries()) == 2, "nothing of the refused issue remains"


def test_op_11_a_record_that_changed_after_the_offer_is_not_signed(agency):
    request = agency.request()
    moved = dict(CATALOG[CODE].sample) | {"name": "김바뀜"}
    agency.records.override(CODE, moved)
    with pytest.raises(RecordError, match="another offer"):
        agency.issuer.issue(request, at=AT)
    assert not agency.store.entries()
    assert opened(agency.take())[0].claims["name"] == "김바뀜"


def test_an_offer_taken_after_midnight_in_korea_is_dated_with_the_day_of_issue(agency):
    before, after = datetime(2026, 9, 26, 14, 58, tzinfo=UTC), datetime(2026, 9, 26, 15, 2, tzinfo=UTC)
    request = build_request(agency.offer(at=before), [SoftwareSigner.generate() for _ in range(2)], at=after)
    assert opened(agency.issuer.issue(request, at=after))[0].claims["issuedOn"] == "2026-09-27"


def test_op_10_a_flipped_bit_stops_the_line():
    device = Broken(SIGNER)
    with IssuerStore() as store:
        agency = Agency(store, signer=device)
        request = agency.request()
        with pytest.raises(SigningError, match="not issued"):
            agency.issuer.issue(request, at=AT)
        assert not store.entries()
        device.broken = False
        with pytest.raises(SigningError, match="stopped"):
            agency.issuer.issue(request, at=AT)
        agency.issuer.start(at=AT)
        assert len(agency.issuer.issue(request, at=AT).credentials) == 4
        assert [line["event"] for line in store.audit()] == ["offered", "stopped", "started", "issued"]


def test_op_02_a_missing_key_has_no_substitute_and_leaves_nothing_behind():
    with IssuerStore() as store:
        agency = Agency(store, signer=Gone())
        request = agency.request()
        with pytest.raises(SigningError, match="removed"):
            agency.issuer.issue(request, at=AT)
        assert not store.entries()
        replaced = Issuer(PROFILE, records=agency.records, catalog=CATALOG, store=store)
        assert len(replaced.issue(request, at=AT).credentials) == 4, "the same request, once the device is back"


def test_op_08_a_stop_reaches_every_issuer_on_the_store_and_survives_it(tmp_path):
    with IssuerStore(tmp_path / "issuer.db") as one, IssuerStore(tmp_path / "issuer.db") as other:
        first, second = Agency(one), Agency(other)
        answered, request = second.request(), second.request()
        answer = second.issuer.issue(answered, at=AT)
        first.issuer.stop(reason="key ceremony", at=AT)
        for attempt in (lambda: second.issuer.issue(request, at=AT), lambda: second.issuer.issue(answered, at=AT)):
            with pytest.raises(SigningError, match="key ceremony"):
                attempt()
        with pytest.raises(SigningError, match="key ceremony"):
            second.offer()
        assert second.issuer.lint(at=AT) == ["signing is stopped: key ceremony"]
    with IssuerStore(tmp_path / "issuer.db") as again:
        assert again.stopped == "key ceremony"
        restarted = Agency(again)
        restarted.issuer.start(at=AT)
        assert again.stopped is None
        assert restarted.issuer.issue(answered, at=AT) == answer


@pytest.mark.parametrize(
    ("days", "message"),
    [(-1, "not valid now"), (89, "ends before"), (90, "ends before"), (93, None)],
    ids=["OP-03 ended", "VC-14 89 days", "VC-14 90 days", "VC-14 long enough"],
)
def test_a_signer_that_ends_first_does_not_sign(days, message):
    end = AT + timedelta(days=days)
    agency = Agency(chain=(leaf(start=AT - timedelta(days=30), end=end),))
    if message is None:
        agency.take()
        assert not [one for one in agency.issuer.lint(at=AT) if one.startswith(f"{CODE}:")]
        return
    with pytest.raises(SigningError, match=message):
        agency.offer()
    assert [one for one in agency.issuer.lint(at=AT) if one.startswith(f"{CODE}:")]


def test_op_03_a_signer_that_ends_between_offer_and_issue_does_not_sign():
    end = AT + timedelta(days=91, minutes=5)
    agency = Agency(chain=(leaf(end=end),))
    at = datetime(2026, 9, 26, 14, 59, tzinfo=UTC)
    request = build_request(agency.offer(at=at), [SoftwareSigner.generate() for _ in range(2)], at=at)
    with pytest.raises(SigningError, match="ends before"):
        agency.issuer.issue(request, at=at + timedelta(minutes=4))


@pytest.mark.parametrize(
    "changes",
    [
        {"chain": ()},
        {"chain": (b"not a certificate",)},
        {"chain": (leaf(name="https://other.example/issuer"),)},
        {"chain": (leaf(key=SoftwareSigner.generate()),)},
        {"chain": (leaf(purpose=Purpose.STATUS),)},
        {"chain": "there-is-no-such-file.pem"},
        {"status_signer": STATUS_SIGNER, "status_chain": (LEAF,)},
        {"status_signer": SIGNER, "status_chain": (leaf(purpose=Purpose.ISSUER),)},
        {"status_signer": STATUS_SIGNER, "status_chain": (leaf(key=STATUS_SIGNER),)},
    ],
    ids=[
        "none",
        "garbage",
        "another issuer",
        "another key",
        "another purpose",
        "no file",
        "status: another key",
        "status: the document signer's",
        "status: another purpose",
    ],
)
def test_a_chain_that_is_not_this_signers_makes_no_issuer(changes):
    with pytest.raises(SigningError):
        Agency(**changes)


def test_the_chain_is_read_from_a_pem_file(tmp_path):
    import base64

    text = base64.encodebytes(LEAF).decode()
    (tmp_path / "chain.pem").write_text(f"subject\n-----BEGIN CERTIFICATE-----\n{text}-----END CERTIFICATE-----\n")
    assert Agency(chain=tmp_path / "chain.pem").issuer.chain == (LEAF,)
    (tmp_path / "empty.pem").write_text("nothing here")
    with pytest.raises(SigningError, match="PEM"):
        Agency(chain=str(tmp_path / "empty.pem"))


@pytest.mark.parametrize(
    "changes",
    [
        {"formats": ()},
        {"formats": ("sd-cwt", "sd-cwt")},
        {"copies": 0},
        {"copies": 1000},
        {"types": frozenset()},
        {"status_signer": SIGNER},
        {"status_chain": (LEAF,)},
    ],
)
def test_a_profile_that_means_nothing_is_misuse(changes):
    with pytest.raises(ValueError):
        replace(PROFILE, **changes)
    with pytest.raises(ValueError, match="unknown format"):
        Agency(formats=("paper",))


def test_a_status_list_says_who_was_revoked_and_suspended(agency):
    card = "id.resident_mobile"
    kept, revoked, suspended = agency.take(card), agency.take(card), agency.take(card)
    agency.issuer.revoke(revoked.credential_id, reason="reissued", at=AT)
    agency.issuer.suspend(suspended.credential_id, reason="reported lost", at=AT)
    for form in ("cwt", "jwt"):
        ((uri, raw),) = agency.issuer.status_tokens(at=AT, form=form).items()
        token = parse_status_token(raw)
        verify_status_token(token, SIGNER.public_key)
        assert (token.form, token.uri, uri) == (form, uri, f"{ID}/status/1")
        for delivery, value in ((kept, 0), (revoked, 1), (suspended, 2)):
            assert {token.status_list.get(one.status.index) for one in opened(delivery)} == {value}
            assert {one.status.uri for one in opened(delivery)} == {uri}
    agency.issuer.reinstate(suspended.credential_id, reason="found", at=AT)
    (raw,) = agency.issuer.status_tokens(at=AT).values()
    assert parse_status_token(raw).status_list.get(opened(suspended)[0].status.index) == 0


def test_a_revocation_is_final_and_repeating_it_is_harmless(agency):
    delivery = agency.take("id.resident_mobile")
    agency.issuer.revoke(delivery.credential_id, reason="reissued", at=AT)
    agency.issuer.revoke(delivery.credential_id, reason="reissued", at=AT)
    for change in (agency.issuer.suspend, agency.issuer.reinstate):
        with pytest.raises(StoreError, match="stays revoked"):
            change(delivery.credential_id, reason="mistake", at=AT)
    with pytest.raises(NotFound):
        agency.issuer.revoke("c-0000", reason="reissued", at=AT)
    with pytest.raises(ValueError, match="audit"):
        agency.issuer.revoke(delivery.credential_id, reason="김가람 님이 분실", at=AT)


def test_what_its_type_does_not_allow_is_not_suspended(agency):
    paper, card = agency.take(), agency.take("id.resident_mobile")
    with pytest.raises(StoreError, match="never suspended"):
        agency.issuer.suspend(paper.credential_id, reason="reported lost", at=AT)
    with pytest.raises(NotFound):
        agency.issuer.suspend("c-0000", reason="reported lost", at=AT)
    agency.issuer.suspend(card.credential_id, reason="reported lost", at=AT)
    first, second = agency.issuer.signed_lists(at=AT, forms=("cwt",))
    widths = [parse_status_token(one.tokens["cwt"]).status_list.bits for one in (first, second)]
    assert widths == [1, 2], "a list has a bit for what can happen to its entries, and none more"
    assert {one.status.uri for one in opened(paper)} == {first.uri}
    assert {one.status.uri for one in opened(card)} == {second.uri}


def test_status_lists_may_have_a_signer_of_their_own():
    key, document_signer = STATUS_SIGNER, Gone()
    agency = Agency(
        IssuerStore(), signer=document_signer, status_signer=key, status_chain=(leaf(key=key, purpose=Purpose.STATUS),)
    )
    with pytest.raises(SigningError, match="removed"):
        agency.take()
    working = Agency(agency.store, status_signer=key, status_chain=(leaf(key=key, purpose=Purpose.STATUS),))
    delivery = working.take()
    agency.issuer.revoke(delivery.credential_id, reason="reissued", at=AT)
    (raw,) = agency.issuer.status_tokens(at=AT).values()
    token = parse_status_token(raw)
    verify_status_token(token, key.public_key)
    assert {token.status_list.get(one.status.index) for one in opened(delivery)} == {1}


def test_op_03_a_status_signer_that_has_ended_does_not_sign(agency):
    agency.take()
    chain = (leaf(key=STATUS_SIGNER, purpose=Purpose.STATUS, end=AT + timedelta(days=10)),)
    ending = Agency(agency.store, status_signer=STATUS_SIGNER, status_chain=chain)
    assert ending.issuer.lint(at=AT) == ["the signer of the status lists ends within 30 days"]
    assert ending.issuer.status_tokens(at=AT)
    before = agency.store.lists()
    with pytest.raises(SigningError, match="status signer's certificate is not valid now"):
        ending.issuer.status_tokens(at=AT + timedelta(days=11))
    assert agency.store.lists() == before


def test_lists_say_where_all_lists_are_when_the_profile_does(agency):
    agency.take()
    where = f"{ID}/status/aggregation"
    telling = Agency(agency.store, aggregation_uri=where)
    for form in ("cwt", "jwt"):
        (raw,) = telling.issuer.status_tokens(at=AT, form=form).values()
        assert parse_status_token(raw).aggregation_uri == where
        (raw,) = agency.issuer.status_tokens(at=AT, form=form).values()
        assert parse_status_token(raw).aggregation_uri is None


@pytest.mark.parametrize("what", ["place", "key", "list"])
def test_what_was_free_and_is_taken_before_the_answer_is_seen_and_drawn_anew(agency, monkeypatch, what):
    first = opened(agency.take())
    keys = [SoftwareSigner.generate() for _ in range(4)]
    request = build_request(agency.offer(), keys, at=AT)
    store = agency.store
    free = type(store).free_places

    def beaten(self, bits, copies):
        found = free(self, bits, copies)
        assert len(found) == copies
        if what == "place":
            return [(1, store.entries()[0].index), *found[1:]]
        if what == "list":
            store._db.execute("UPDATE lists SET used = size")
        else:
            with store.writing():
                store.add_copy(store.issued(1)[0].id, format="sd-cwt", key=keys[0].public_key.thumbprint, bits=bits)
        return found

    monkeypatch.setattr(type(store), "free_places", beaten)
    if what == "key":
        with pytest.raises(RefusedError) as caught:
            agency.issuer.issue(request, at=AT)
        assert caught.value.code is ReasonCode.KEY
        assert len(store.issued(9)) == 1
        return
    second = opened(agency.issuer.issue(request, at=AT))
    places = [one.status for one in first + second]
    assert len(set(places)) == len(places)
    assert len(store.lists()) == (2 if what == "list" else 1)
    assert [line["event"] for line in store.audit()] == ["offered", "issued"] * 2
    assert sum(row.used for row in store.lists()) >= len(places)


def test_a_list_that_is_half_full_is_followed_by_another(tmp_path):
    with IssuerStore(tmp_path / "issuer.db", list_size=16) as store:
        agency = Agency(store)
        places = [one.status for _ in range(6) for one in opened(agency.take())]
        assert len(set(places)) == len(places) == 24
        assert [row.used for row in store.lists()] == [8, 8, 8]


def test_a_list_that_was_never_kept_is_not_remembered(tmp_path):
    wide = next(code for code in CATALOG if CATALOG[code].status.suspendable and not CATALOG[code].foreign)
    variant = next((one.id for one in CATALOG[wide].variants), None)
    with IssuerStore(tmp_path / "issuer.db", list_size=16) as store:
        agency = Agency(store)
        keys = [SoftwareSigner.generate() for _ in range(4)]
        agency.issuer.issue(build_request(agency.offer(), keys, at=AT), at=AT)
        with pytest.raises(RefusedError):  # the keys are bound, which is seen when the list was made
            agency.issuer.issue(build_request(agency.offer(wide, variant=variant), keys, at=AT), at=AT)
        while len(store.lists()) < 2:
            agency.take()
        taken = agency.take(wide, variant=variant)
        (number,) = {place for place, _ in store.places(taken.credential_id)}
        assert {row.number: row.bits for row in store.lists()}[number] == 2
        agency.issuer.suspend(taken.credential_id, reason="asked", at=AT)


def test_an_application_that_has_ended_is_not_answered(agency):
    row = agency.issuer.consider(
        CODE, subject="registry-key-17", variant=None, options=None, at=AT, expires_at=int(AT.timestamp())
    )
    keys = [("sd-cwt", SoftwareSigner.generate().public_key)]
    with pytest.raises(RefusedError) as caught:
        agency.issuer.answer(b"n" * 16, keys, digest=b"d" * 32, at=AT, application=row)
    assert caught.value.code is ReasonCode.REQUEST_EXPIRED


def test_a_slow_key_holds_nobody_up(tmp_path):
    """While one request waits for its signature, others are answered, certificates revoked and lists signed."""
    slow = Slow(SIGNER)
    with IssuerStore(tmp_path / "issuer.db") as one, IssuerStore(tmp_path / "issuer.db") as other:
        waiting, working = Agency(one, signer=slow), Agency(other)
        with ThreadPoolExecutor(1) as pool:
            held_up = pool.submit(waiting.take)
            assert slow.asked.wait(30)
            delivery = working.take()
            working.issuer.revoke(delivery.credential_id, reason="reissued", at=AT)
            assert working.issuer.status_tokens(at=AT)
            assert len(other.entries()) == 8, "the places of the one that waits are taken already"
            slow.go.set()
            assert len(held_up.result(30).credentials) == 4
        assert len({(entry.list, entry.index) for entry in one.entries()}) == 8


def test_the_same_request_twice_at_once_has_one_answer(tmp_path):
    slow = Slow(SIGNER)
    with IssuerStore(tmp_path / "issuer.db") as one, IssuerStore(tmp_path / "issuer.db") as other:
        waiting, working = Agency(one, signer=slow), Agency(other)
        request = waiting.request()
        with ThreadPoolExecutor(1) as pool:
            first = pool.submit(waiting.issuer.issue, request, at=AT)
            assert slow.asked.wait(30)
            second = working.issuer.issue(request, at=AT)
            slow.go.set()
            assert first.result(30) == second, "what the slow one signed is thrown away"
        assert len(one.entries()) == 4
        assert [line["event"] for line in one.audit()] == ["offered", "issued"]


def test_ar_04_neither_audit_nor_database_nor_log_names_anybody(tmp_path, caplog):
    caplog.set_level(logging.DEBUG)
    path = tmp_path / "issuer.db"
    with IssuerStore(path) as store:
        agency = Agency(store)
        delivery = agency.take("resident.household", options={"rrnBack": "all"})
        agency.issuer.revoke(delivery.credential_id, reason="reissued", at=AT)
        lines = store.audit()
        assert [line["event"] for line in lines] == ["offered", "issued", "revoked"]
        assert "registry-key-17" not in str(lines)
        store.forget_expired(at=int(AT.timestamp()) + 3600)
        assert store.credentials_of("registry-key-17") == [delivery.credential_id]
        assert not store.credentials_of("registry-key-18")
    everything = b"".join(one.read_bytes() for one in tmp_path.iterdir())
    for secret in ("registry-key-17", "김가람", "990120"):
        assert secret.encode() not in everything
        assert secret not in caplog.text
    assert "김가람" not in repr(delivery)


def test_a_naive_time_is_misuse(agency):
    with pytest.raises(ValueError, match=r"aware|offset|zone"):
        agency.issuer.status_tokens(at=datetime(2026, 9, 26))


def test_requests_are_parsed_from_bytes_strictly(agency):
    with pytest.raises(RefusedError):
        agency.issuer.issue(b"{}", at=AT)
    request = agency.request()
    stranger = IssuanceRequest(nonce=bytes(16), keys=request.keys)
    with pytest.raises(RefusedError) as refused:
        agency.issuer.issue(stranger, at=AT)
    assert refused.value.code is ReasonCode.NONCE


def test_the_profile_shows_no_key():
    assert "SoftwareSigner" not in repr(PROFILE)
    assert isinstance(PROFILE, IssuerProfile)
