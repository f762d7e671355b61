"""A bank asks, a wallet answers: every way of asking, on both databases, over ASGI."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import signal
from contextlib import ExitStack
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.killed import in_child
from tests.services.bank_kit import HOOK, KEY, OTHER_KEY, POLICY, REDIRECT, SECRET, Bank, sign_by_hand, world
from vcred.formats._wire import parse_json
from vcred.oid4vp import build_answer, build_error, transaction_claims
from verifier.auditor import audit
from verifier.server.app import housekeeping

pytestmark = pytest.mark.loopback
STATEMENT = {"type": "urn:vcred:transaction:statement:1", "statement": "대출 신청서 3쪽의 내용에 동의합니다."}


@pytest.fixture(scope="module")
def town():
    return world("resident.personal")


@pytest.fixture
def open_bank(tmp_path, town):
    with ExitStack() as opened:

        def make(url, **more):
            bank = Bank(tmp_path, url, world=town, **more)
            opened.callback(bank.close)
            return bank

        yield make


@pytest.fixture
def bank(open_bank, database):
    return open_bank(database("bank"))


@pytest.mark.parametrize("mode", ["direct_post", "direct_post.jwt"])
def test_another_device_carries_a_code(bank, mode):
    made = bank.ask(mode=mode)
    assert made["link"].startswith("openid4vp://?client_id=x509_hash%3A")
    assert made["links"][1].startswith("haip-vp://?")
    assert made["qr"].startswith("<svg")
    waiting = bank.call("GET", f"/{made['id']}").json()
    assert (waiting["state"], waiting["fetched"], waiting["result"]) == ("open", False, None)

    posted = bank.answer(made)
    assert posted.status_code == 200
    assert posted.headers["content-type"] == "application/json"
    assert posted.headers["cache-control"] == "no-store"
    code = bank.code(posted.json()["redirect_uri"])
    assert len(code) == 6

    found = bank.call("GET", f"/{made['id']}", params={"code": code}).json()
    assert (found["state"], found["outcome"], found["submission"]) == ("answered", "ACCEPTED", "submitted")
    assert found["result"]["claims"]["resident.personal"]["name"]


def test_the_same_device_goes_on_with_a_response_code(bank):
    made = bank.ask(device="same_device", redirect=REDIRECT)
    posted = bank.answer(made)
    onward = urlsplit(posted.json()["redirect_uri"])
    assert f"{onward.scheme}://{onward.netloc}{onward.path}" == REDIRECT
    (secret,) = parse_qs(onward.query)["response_code"]
    found = bank.call("GET", f"/{made['id']}", params={"response_code": secret}).json()
    assert found["result"]["outcome"] == "ACCEPTED"


@pytest.mark.parametrize("mode", ["dc_api", "dc_api.jwt"])
def test_a_page_asks_through_its_browser(bank, mode):
    made = bank.ask(mode=mode, device=None, origin="https://www.bank.example")
    assert made["link"] is None
    answered = bank.page_answer(made)
    assert answered.status_code == 200, answered.text
    assert answered.json()["result"]["outcome"] == "ACCEPTED"


@pytest.mark.parametrize("mode", ["direct_post", "direct_post.jwt"])
def test_an_mdoc_answers_in_the_session_of_the_request(bank, mode):
    made = bank.ask(mode=mode, formats=["mso_mdoc"])
    request = bank.fetch(made)
    claims = parse_json(request.jws.payload, "", max_bytes=65_536)["dcql_query"]["credentials"][0]["claims"]
    assert all("intent_to_retain" in one for one in claims)
    answer = sign_by_hand(bank.world, request, format="mso_mdoc")
    assert bank.post(request, build_answer(answer, request)).status_code == 200


def test_x509_san_dns_names_the_host(open_bank, database):
    bank = open_bank(database("bank"), client_id_prefix="x509_san_dns")
    made = bank.ask()
    request = bank.fetch(made)
    assert request.client_id == "x509_san_dns:bank.example"
    answer = sign_by_hand(bank.world, request)
    assert bank.post(request, build_answer(answer, request)).status_code == 200


def test_a_wallet_says_its_nonce_and_gets_it_back(bank):
    made = bank.ask()
    first = bank.fetch(made)
    again = bank.fetch(made, wallet_nonce="kxbJ//QQ/qheqcBnVzjZPg==")
    assert again.online.wallet_nonce == "kxbJ//QQ/qheqcBnVzjZPg=="
    assert (again.nonce, again.online.state) == (first.nonce, first.online.state)
    assert bank.post(again, build_answer(bank.present(again), again)).status_code == 200


def test_what_the_holder_agrees_to_is_signed(bank):
    made = bank.ask(transaction_data=[STATEMENT])
    request = bank.fetch(made)
    (data,) = request.online.transaction_data
    assert data.body["statement"] == STATEMENT["statement"]
    silent = bank.post(request, build_answer(sign_by_hand(bank.world, request), request))
    assert silent.status_code == 400
    assert "transaction_data" in silent.json()["reasons"]

    made = bank.ask(transaction_data=[STATEMENT])
    request = bank.fetch(made)
    answer = sign_by_hand(bank.world, request, also=transaction_claims(request.online.transaction_data))
    assert bank.post(request, build_answer(answer, request)).status_code == 200


def test_a_wallet_may_decline(bank):
    made = bank.ask(webhook=HOOK)
    request = bank.fetch(made)
    assert bank.post(request, build_error(request, "access_denied")).status_code == 200
    found = bank.call("GET", f"/{made['id']}").json()
    assert (found["state"], found["error"]) == ("declined", "access_denied")
    assert bank.post(request, build_answer(bank.present(request), request)).status_code == 400


def test_another_process_answers_for_this_one(bank):
    made = bank.ask()
    request = bank.fetch(made)
    body = build_answer(bank.present(request), request)
    bank.client = bank.process()
    assert bank.fetch(made).raw == request.raw
    assert bank.post(request, body).status_code == 200


def test_keys_see_their_own_requests_only(bank):
    made = bank.ask()
    assert bank.call("GET", f"/{made['id']}", key=OTHER_KEY).status_code == 404
    assert bank.call("GET", f"/{made['id']}", key=None).status_code == 401
    assert bank.call("GET", f"/{made['id']}", key=KEY + "x").status_code == 401
    assert bank.call("DELETE", f"/{made['id']}", key=OTHER_KEY).status_code == 404


@pytest.mark.parametrize(
    ("wish", "member"),
    [
        ({"policy": "no.such"}, "policy"),
        ({"redirect": "https://www.bank.example/go-on/"}, "redirect"),
        ({"webhook": "https://www.bank.example/hook?"}, "webhook"),
        ({"device": None}, "device"),
        ({"device": "same_device"}, "redirect"),
        ({"mode": "dc_api", "device": None}, "origin"),
        ({"mode": "dc_api", "device": None, "origin": "https://bank.example.evil.example"}, "origin"),
        ({"reference_date": "2026-01-01"}, "policy"),
        ({"formats": ["no-such"]}, "policy"),
        ({"transaction_data": [{"type": "no-such"}]}, "transaction_data"),
        ({"transaction_data": [STATEMENT], "formats": ["mso_mdoc"]}, "policy"),
    ],
)
def test_a_wish_that_cannot_be_made(bank, wish, member):
    wish = {"policy": POLICY, "device": "cross_device"} | wish
    answer = bank.call("POST", "", json={name: value for name, value in wish.items() if value is not None})
    assert answer.status_code == 422
    assert answer.json()["path"] == member


def test_the_life_of_a_submission(bank):
    made = bank.ask(webhook=HOOK)
    bank.answer(made)
    place = f"/{made['id']}/submission"
    assert bank.call("POST", place, json={"state": "returned"}).status_code == 422
    moved = bank.call("POST", place, json={"state": "received"}).json()
    assert moved["submission"] == "received"
    assert bank.call("POST", place, json={"state": "withdrawn"}).status_code == 409
    moved = bank.call("POST", place, json={"state": "returned", "reason": "3개월이 지났습니다."}).json()
    assert [(one["state"], one["reason"]) for one in moved["steps"]] == [
        ("submitted", None),
        ("received", None),
        ("returned", "3개월이 지났습니다."),
    ]
    assert bank.call("DELETE", f"/{made['id']}").status_code == 204
    gone = bank.call("GET", f"/{made['id']}").json()
    assert (gone["submission"], gone["result"], gone["steps"][-1]["state"]) == ("deleted", None, "deleted")

    housekeeping(bank.parts, at=bank.at)
    told = [json.loads(body) for _, _, body in bank.http.sent]
    assert sorted(one["submission"] for one in told) == ["deleted", "received", "returned", "submitted"]
    assert not any("claims" in one or "name" in one for one in told)


def test_a_request_can_be_cancelled(bank):
    made = bank.ask()
    request = bank.fetch(made)
    assert bank.call("DELETE", f"/{made['id']}").status_code == 204
    assert bank.call("GET", f"/{made['id']}").json()["state"] == "cancelled"
    assert bank.post(request, build_answer(bank.present(request), request)).status_code == 400


def test_a_webhook_is_signed_and_tried_again_until_it_arrives(bank):
    bank.http.statuses = [503, 0, 200]
    bank.ask(webhook=HOOK)
    made = bank.ask(webhook=HOOK)
    bank.answer(made)
    start = bank.at
    for seconds, sent in ((0, 1), (4, 1), (6, 2), (8, 2), (30, 3), (90, 3), (4000, 3)):
        bank.at = start + timedelta(seconds=seconds)
        housekeeping(bank.parts, at=bank.at)
        assert len(bank.http.sent) == sent, seconds
    url, headers, body = bank.http.sent[-1]
    stamp, signature = (part.partition("=")[2] for part in headers["Vcred-Signature"].split(","))
    assert url == HOOK
    assert signature == hmac.new(SECRET.encode(), f"{stamp}.".encode() + body, hashlib.sha256).hexdigest()
    assert json.loads(body)["outcome"] == "ACCEPTED"


class Deadly:
    """An ``Http`` that is the last thing its process does."""

    def send(self, *_, **__):
        os.kill(os.getpid(), signal.SIGKILL)


def test_op_06_a_message_that_a_killed_process_was_sending_arrives_within_a_minute(bank):
    bank.answer(bank.ask(webhook=HOOK))
    working, bank.http = bank.http, Deadly()

    def die():
        bank.process()  # with connections of its own
        housekeeping(bank.parts, at=bank.at)

    assert in_child(die) == -signal.SIGKILL
    bank.http = working
    start = bank.at
    for seconds in range(0, 60, 2):  # as a service does it
        bank.at = start + timedelta(seconds=seconds)
        housekeeping(bank.parts, at=bank.at)
    (sent,) = bank.http.sent
    assert sent[0] == HOOK


def test_what_was_presented_is_erased_in_time_and_never_readable_in_the_database(open_bank, tmp_path, town):
    bank = open_bank(f"sqlite:///{tmp_path}/bank.db", lifetimes={"kept": 3600})
    made = bank.ask()
    bank.answer(made)
    name = str(town.catalog["resident.personal"].sample["name"])
    raw = b"".join(path.read_bytes() for path in tmp_path.glob("bank.db*"))
    assert name.encode() not in raw
    assert json.dumps(name).encode() not in raw
    bank.at += timedelta(seconds=3601)
    housekeeping(bank.parts, at=bank.at)
    assert bank.call("GET", f"/{made['id']}").json()["result"] is None


def test_events_end_with_the_answer(bank):
    made = bank.ask()
    bank.answer(made)
    stream = bank.call("GET", f"/{made['id']}/events")
    assert stream.headers["content-type"].startswith("text/event-stream")
    lines = [line for line in stream.text.splitlines() if line.startswith("data: ")]
    assert [json.loads(line.removeprefix("data: "))["state"] for line in lines] == ["answered"]
    assert "claims" not in "".join(lines)


def test_every_verdict_is_evidence_and_an_auditor_judges_it_again(open_bank, tmp_path, town):
    bank = open_bank(f"sqlite:///{tmp_path}/bank.db", evidence=True)
    accepted = bank.ask()
    bank.answer(accepted)
    refused = bank.ask(mode="direct_post", formats=["mso_mdoc"])
    request = bank.fetch(refused)
    forged = sign_by_hand(bank.world, request, format="mso_mdoc", transcript=b"\x83\xf6\xf6\xf6")
    assert bank.post(request, build_answer(forged, request)).status_code == 400
    page = bank.ask(mode="dc_api.jwt", device=None, origin="https://www.bank.example")
    assert bank.page_answer(page).json()["outcome"] == "ACCEPTED"
    found = audit(bank.archive, roots=[town.root_file], bundle=None, key=bank.archive_key.crypto, at=bank.at)
    assert [one for one in found.findings if one.code.value != "unsealed"] == []
    assert len(list(bank.archive.entries())) == 4
