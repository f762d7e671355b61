"""An issuer's operation under stress: keys that end or lie, switches thrown mid-run, millions revoked, logs cut."""

from __future__ import annotations

import itertools
import secrets
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import timedelta
from threading import Event, Lock

import pytest

from issuer import IssuerStore, Selection
from tests.unit.issuer.conftest import AT, CATALOG, CODE, SIGNER, Agency, leaf
from vcred.errors import RecordError, RefusedError, SigningError, StoreError
from vcred.issuance import Delivery, build_request
from vcred.keys import SoftwareSigner
from vcred.reasons import ReasonCode
from vcred.status import parse_status_token, verify_status_token

KID = SIGNER.public_key.kid


class Device:
    """A real key that counts its signatures, takes a moment for each, and lies from the ``lies_from``-th on."""

    public_key = SIGNER.public_key

    def __init__(self, *, lies_from=10**9, moment=0.0, call_at=0):
        self.count, self.lies_from, self.moment, self.call_at = 0, lies_from, moment, call_at
        self.called, self.lock = Event(), Lock()

    def sign(self, message):
        with self.lock:
            self.count += 1
            number = self.count
            if number == self.call_at:
                self.called.set()
        time.sleep(self.moment)
        raw = SIGNER.sign(message)
        return raw if number < self.lies_from else bytes([raw[0] ^ 1]) + raw[1:]


def attempt(agency, request, at=AT):
    try:
        return agency.issuer.issue(request, at=at)
    except SigningError as error:
        return error


def test_op_03_a_certificate_that_ends_in_the_middle_of_a_run_ends_the_run():
    last = AT + timedelta(days=120)
    device = Device()
    with IssuerStore() as store:
        agency = Agency(store, signer=device, chain=(leaf(end=last),), copies=1)
        results = []
        for day in range(0, 130, 5):
            at = AT + timedelta(days=day)
            try:
                request = agency.request(agency.offer(at=at), keys=2, at=at)
            except SigningError as error:
                results.append(error)
                continue
            results.append(attempt(agency, request, at))
        signed = [isinstance(one, Delivery) for one in results]
        assert signed == sorted(signed, reverse=True), "once it stops, it stays stopped"
        assert 0 < sum(signed) < len(signed)
        assert device.count == 2 * sum(signed)
        # A credential may not outlive its signer, so the run ends ninety days before the certificate does.
        assert AT + timedelta(days=5 * sum(signed) + 89) <= last < AT + timedelta(days=5 * sum(signed) + 91)
        with pytest.raises(SigningError, match="not valid now"):
            agency.issuer.status_tokens(at=last + timedelta(seconds=1))


def test_op_08_after_the_switch_is_thrown_nothing_is_delivered_and_the_keys_fall_silent(tmp_path):
    device, hands = Device(moment=0.002, call_at=60), 4
    with IssuerStore(tmp_path / "issuer.db") as one, IssuerStore(tmp_path / "issuer.db") as other:
        line, operator = Agency(one, signer=device), Agency(other)
        requests = [line.request(keys=2) for _ in range(300)]
        with ThreadPoolExecutor(hands) as pool:
            queue = [pool.submit(attempt, line, request) for request in requests]
            assert device.called.wait(60)
            operator.issuer.stop(reason="key ceremony", at=AT)
            at_the_stop = device.count
            results = [one.result(60) for one in queue]
        delivered = [one for one in results if isinstance(one, Delivery)]
        assert 0 < len(delivered) < 300
        assert all("key ceremony" in str(one) for one in results if not isinstance(one, Delivery))
        assert device.count - at_the_stop <= hands, "at most what was on its way to the device"
        events = [line["event"] for line in other.audit()][300:]
        assert events == ["issued"] * len(delivered) + ["stopped"], "no line follows the stop"
        assert len(other.entries()) == 2 * len(delivered), "nor does a reservation stay"

        silent = device.count
        refused = [request for request, one in zip(requests, results, strict=True) if not isinstance(one, Delivery)]
        assert not [one for one in (attempt(line, request) for request in refused) if isinstance(one, Delivery)]
        assert device.count == silent
        assert operator.issuer.status_tokens(at=AT), "status lists go on"
        operator.issuer.start(at=AT)
        assert isinstance(attempt(line, refused[0]), Delivery), "the same request, once it runs again"


def test_op_08_a_key_that_hangs_does_not_keep_the_switch_from_being_thrown(tmp_path):
    device = Device(moment=1.0, call_at=1)
    with IssuerStore(tmp_path / "issuer.db") as one, IssuerStore(tmp_path / "issuer.db") as other:
        line, operator = Agency(one, signer=device), Agency(other)
        with ThreadPoolExecutor(1) as pool:
            hanging = pool.submit(attempt, line, line.request())
            assert device.called.wait(60)
            operator.issuer.stop(reason="key ceremony", at=AT)
            assert not hanging.done()
            assert isinstance(hanging.result(60), SigningError)
        assert device.count == 1, "three more copies were wanted"
        assert other.entries() == []


def test_op_08_a_key_that_leaked_signs_nothing_more_on_any_machine(tmp_path):
    with IssuerStore(tmp_path / "issuer.db") as one, IssuerStore(tmp_path / "issuer.db") as other:
        device = Device()
        line, operator = Agency(one, signer=device), Agency(other)
        request = line.request()
        operator.issuer.give_up_signer(KID, reason="key leaked", at=AT)
        operator.issuer.start(at=AT)
        assert isinstance(attempt(line, request), SigningError), "starting again does not bring it back"
        assert device.count == 0
        assert "signing is stopped: key leaked" in line.issuer.lint(at=AT)


def fill(store, credentials, copies):
    now = int(AT.timestamp())
    with store.writing():
        for number in range(credentials):
            name = f"c-{number}"
            store.add_credential(
                name, code=CODE, subject="key", signer=KID, made_at=now, issued_at=now, expires_at=now + 1
            )
            for _ in range(copies):
                store.add_copy(name, format="sd-cwt", key=None, bits=1)


def test_op_09_a_hundred_thousand_are_revoked_and_every_list_goes_up_by_one(tmp_path):
    with IssuerStore(tmp_path / "issuer.db", list_size=2**16) as store:
        agency = Agency(store)
        fill(store, 33_333, 3)
        kept = agency.issuer.issue(agency.request(), at=AT + timedelta(minutes=1))
        before = {one.uri: one.version for one in agency.issuer.signed_lists(at=AT, forms=("cwt",))}
        assert len(before) == 4
        assert set(before.values()) == {1}

        which = Selection(code=CODE, issued_until=AT + timedelta(seconds=1))
        assert agency.issuer.count_all(which) == (33_333, 99_999)
        assert agency.issuer.revoke_all(which, reason="key leaked", at=AT) == (33_333, 99_999)
        after = list(agency.issuer.signed_lists(at=AT + timedelta(minutes=2), forms=("cwt", "jwt")))
        assert {one.uri: one.version for one in after} == {uri: version + 1 for uri, version in before.items()}

        given = {(entry.list, entry.index): entry.value for entry in store.entries()}
        assert sum(given.values()) == 99_999
        for one in after:
            cwt, jwt = (parse_status_token(one.tokens[form]) for form in ("cwt", "jwt"))
            for token in (cwt, jwt):
                verify_status_token(token, SIGNER.public_key)
            values = [cwt.status_list.get(index) for index in range(2**16)]
            assert values == [given.get((one.number, index), 0) for index in range(2**16)]
            assert jwt.status_list.compress() == cwt.status_list.compress()
        assert store.state(kept.credential_id) == 0
        (line,) = [one for one in store.audit() if one["event"] == "revoked in bulk"]
        assert line["note"] == f"key leaked: 33333 credentials, 99999 copies, until {int(AT.timestamp()) + 1}"


def test_op_09_a_bulk_revocation_that_is_interrupted_revoked_nobody(tmp_path):
    with IssuerStore(tmp_path / "issuer.db") as store:
        fill(store, 2_000, 1)
        store._db.set_progress_handler(lambda: 1, 20_000)
        with pytest.raises(StoreError):
            store.revoke_all(Selection(signer=KID), reason="key leaked", at=0)
        store._db.set_progress_handler(None, 0)
        assert store.count_all(Selection(signer=KID)) == (2_000, 2_000)
        assert not [entry for entry in store.entries() if entry.value]
        assert store.audit() == []


def test_op_10_a_device_that_starts_to_lie_stops_the_line_and_lets_nothing_out(tmp_path):
    with IssuerStore(tmp_path / "issuer.db") as one, IssuerStore(tmp_path / "issuer.db") as other:
        line, honest = Agency(one, signer=Device(lies_from=7)), Agency(other)
        assert isinstance(attempt(line, line.request()), Delivery)
        request = line.request()
        assert "not issued" in str(attempt(line, request))
        assert len(other.entries()) == 4, "of the four copies of the second, two had been signed"
        assert "self-check failed" in str(attempt(honest, request)), "an honest machine stops as well"
        honest.issuer.start(at=AT)
        assert isinstance(attempt(honest, request), Delivery)


def test_op_11_what_changed_after_the_consent_is_not_signed_and_is_asked_for_again():
    device = Device()
    with IssuerStore() as store:
        agency = Agency(store, signer=device)
        request = agency.request()
        agency.records.override(CODE, dict(CATALOG[CODE].sample) | {"name": "김바뀜"})
        with pytest.raises(RecordError, match="another offer"):
            agency.issuer.issue(request, at=AT)
        assert (device.count, store.entries()) == (0, [])
        assert isinstance(attempt(agency, agency.request()), Delivery)


@pytest.mark.parametrize(
    "damage",
    [
        "DELETE FROM audit WHERE event = 'revoked in bulk'",
        "UPDATE audit SET note = replace(note, '20 ', '2 ') WHERE event = 'revoked in bulk'",
        "UPDATE audit SET code = 'tax.income' WHERE event = 'revoked in bulk'",
        "UPDATE audit SET seq = -1 WHERE event = 'revoked in bulk'",
    ],
    ids=["OP-12 removed", "OP-12 fewer", "OP-12 others", "OP-12 moved"],
)
def test_op_12_a_bulk_revocation_cannot_be_hidden(tmp_path, damage):
    with IssuerStore(tmp_path / "issuer.db") as store:
        fill(store, 20, 1)
        agency = Agency(store)
        agency.issuer.revoke_all(Selection(code=CODE), reason="key leaked", at=AT)
        agency.issuer.stop(reason="key leaked", at=AT)
        with closing(sqlite3.connect(tmp_path / "issuer.db")) as db, db:
            db.execute(damage)
        with pytest.raises(StoreError, match="broken"):
            agency.issuer.lint(at=AT)


def test_st_16_indexes_given_in_sequence_fail_the_lint_even_if_it_was_long_ago():
    drawn = itertools.count(7)
    with IssuerStore(draw=lambda size: next(drawn)) as store:
        fill(store, 9_000, 1)
        assert Agency(store).issuer.lint(at=AT) == ["status list 1: indexes follow each other at one distance"]
        store._draw = secrets.randbelow
        with store.writing():
            for number in range(9_000):
                store.add_copy(f"c-{number}", format="sd-cwt", key=None, bits=1)
        assert len(store.sample(windows=16, length=1_024)) < len(store.entries()), "only a sample is read"
        assert Agency(store).issuer.lint(at=AT) == ["status list 1: indexes follow each other at one distance"]
    with IssuerStore() as store:
        fill(store, 9_000, 2)
        assert Agency(store).issuer.lint(at=AT) == []


def test_st_17_two_requests_that_race_for_the_last_places_share_none(tmp_path):
    """Lists of four places, two of them given: every request begins a list, and the races are over who."""
    with IssuerStore(tmp_path / "issuer.db", list_size=4) as one, IssuerStore(tmp_path / "issuer.db") as other:
        agencies = [Agency(one), Agency(other)]
        requests = [agencies[0].request(keys=2) for _ in range(20)]
        with ThreadPoolExecutor(4) as pool:
            found = list(pool.map(lambda each: attempt(agencies[each[0] % 2], each[1]), enumerate(requests)))
        assert all(isinstance(each, Delivery) for each in found)
        entries = one.entries()
        assert len({(entry.list, entry.index) for entry in entries}) == len(entries) == 40


def test_a_request_with_a_key_of_another_reservation_is_refused_while_that_one_is_signed(tmp_path):
    device = Device(moment=0.2, call_at=1)
    with IssuerStore(tmp_path / "issuer.db") as one, IssuerStore(tmp_path / "issuer.db") as other:
        line, second = Agency(one, signer=device), Agency(other)
        keys = [SoftwareSigner.generate() for _ in range(2)]
        with ThreadPoolExecutor(1) as pool:
            first = pool.submit(attempt, line, build_request(line.offer(), keys, at=AT))
            assert device.called.wait(60)
            with pytest.raises(RefusedError) as refused:
                second.issuer.issue(build_request(second.offer(), keys, at=AT), at=AT)
            assert refused.value.code is ReasonCode.KEY
            assert isinstance(first.result(60), Delivery)
