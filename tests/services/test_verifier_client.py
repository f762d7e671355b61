"""The client for the verifier's API against the service, over TLS: both devices, a page, the life of a submission."""

from __future__ import annotations

import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.services.town import API_KEY, Town
from vcred.errors import MalformedError, NotAcceptedError, RefusedError
from vcred.outgoing import Answer
from vcred.reasons import Outcome, ReasonCode
from verifier.client import ServiceError, VerifierClient, check_notice

pytestmark = [pytest.mark.loopback, pytest.mark.slow]

CODE, POLICY = "resident.personal", "bank.address-change"
SHOP, PAGE = "https://shop.example/go-on", "https://shop.example"
AT = datetime(2026, 9, 26, 3, 0, tzinfo=UTC)
SECRET = "0123456789abcdef0123456789abcdef"


@pytest.fixture(scope="module")
def town(tmp_path_factory):
    folder = tmp_path_factory.mktemp("town")
    now = lambda: datetime.now(UTC)  # noqa: E731 - a clock
    places = {"redirect_uris": [SHOP], "origins": [PAGE]}
    with Town(folder, clock=now, database=lambda name: f"sqlite:///{folder / name}.db", verifier=places) as opened:
        yield opened


@pytest.fixture(scope="module")
def online(town):
    found = town.online()
    town.receive(found, town.offer(CODE, "dc+sd-jwt"))
    town.publish()
    return found


@pytest.fixture
def client(town):
    return VerifierClient(town.verifier_url, key=API_KEY, http=town.http)


def answer(online, link):
    asked = online.fetch_request(online.look_request(link))
    return asked.answer(asked.consent.approve())


def test_a_person_brings_the_code_from_another_device(town, online, client):
    asked = client.ask(POLICY, device="cross_device", lang="en")
    assert asked.qr.startswith("<?xml") or "<svg" in asked.qr
    seen = client.look(asked.id)
    assert (seen.state, seen.over, bool(seen)) == ("open", False, False)
    with pytest.raises(NotAcceptedError):
        _ = seen.claims
    steps = iter([lambda: answer(online, asked.link)])
    carried = []
    assert client.wait(asked.id, pause=lambda: carried.append(next(steps)())) is None
    with pytest.raises(ServiceError) as refusal:
        client.look(asked.id, code="not-it")
    assert (refusal.value.status, refusal.value.needs) == (403, "code")
    code = town.call("GET", carried[0].redirect, token=None)["code"]
    seen = client.look(asked.id, code=code)
    assert seen.accepted
    assert seen.claims["residence"]["currentAddress"]["road"]
    assert client.receive(asked.id).submission == "received"
    assert client.send_back(asked.id, reason="The address is not in our area").submission == "returned"
    client.end(asked.id)


def test_a_browser_comes_back_on_the_same_device(online, client):
    asked = client.ask(POLICY, device="same_device", redirect=SHOP, formats=["dc+sd-jwt"])
    (brought,) = parse_qs(urlsplit(answer(online, asked.link).redirect).query)["response_code"]
    assert client.look(asked.id, response_code=brought).outcome is Outcome.ACCEPTED


def test_a_page_asks_through_its_browser(online, client):
    asked, page = client.ask_by_browser(POLICY, origin=PAGE)
    assert asked.link is None
    seen = online.page_request(page["protocol"], page["data"], origin=PAGE)
    given = seen.answer(seen.consent.approve())
    assert client.take_from_browser(asked, page["protocol"], given).accepted


def test_a_declined_request_is_over(online, client):
    asked = client.ask(POLICY, device="cross_device")
    seen = online.fetch_request(online.look_request(asked.link))
    seen.decline()
    told = client.wait(asked.id, pause=lambda: None)
    assert (told.state, told.over, told.accepted) == ("declined", True, False)


@pytest.mark.parametrize(
    ("call", "status"),
    [
        (lambda client: client.ask("no.such", device="cross_device"), 422),
        (lambda client: client.ask(POLICY, device="same_device", redirect="https://elsewhere.example"), 422),
        (lambda client: client.look("A" * 32), 404),
    ],
)
def test_what_the_service_refuses_is_an_error(client, call, status):
    with pytest.raises(ServiceError) as refusal:
        call(client)
    assert refusal.value.status == status


def test_another_key_sees_nothing(town, client):
    asked = client.ask(POLICY, device="cross_device")
    with pytest.raises(ServiceError) as refusal:
        VerifierClient(town.verifier_url, key="another", http=town.http).look(asked.id)
    assert refusal.value.status == 401


def signed(body, *, secret=SECRET, at=AT):
    seconds = int(at.timestamp())
    made = hmac.new(secret.encode(), f"{seconds}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={seconds},v1={made}"


def test_a_webhooks_message_is_checked():
    body = json.dumps({"delivery": "d", "id": "r-1", "state": "answered", "at": 1, "outcome": "ACCEPTED"}).encode()
    notice = check_notice(body, signed(body), secret=SECRET, at=AT)
    assert (notice.id, notice.state, notice.outcome) == ("r-1", "answered", Outcome.ACCEPTED)


@pytest.mark.parametrize(
    ("body", "signature", "code"),
    [
        (b"{}", signed(b"{ }"), ReasonCode.SIGNATURE),
        (b"{}", signed(b"{}", secret="another"), ReasonCode.SIGNATURE),
        (b"{}", "t=1,v1=zz", ReasonCode.SIGNATURE),
        (b"{}", signed(b"{}", at=AT - timedelta(minutes=6)), ReasonCode.IAT),
        (b"{}", signed(b"{}"), ReasonCode.FORMAT),
    ],
)
def test_a_message_of_somebody_else_is_refused(body, signature, code):
    with pytest.raises((RefusedError, MalformedError)) as refusal:
        check_notice(body, signature, secret=SECRET, at=AT)
    assert refusal.value.code is code


def test_a_busy_service_is_asked_again_when_it_says():
    class Busy:
        def __init__(self, *answers):
            self.answers = list(answers)

        def send(self, *arguments, **more):
            return self.answers.pop(0)

    def busy(seconds):
        return Answer(status=503, headers={"retry-after": seconds}, body=b"{}")

    waited = []
    found = b'{"id":"x","state":"open","fetched":false,"outcome":null,"submission":null,"last_reasons":[]}'
    good = Answer(status=200, headers={}, body=found)
    asking = VerifierClient("https://bank.example", key="k", http=Busy(busy("2"), good), pause=waited.append)
    assert asking.look("x").state == "open"
    refusing = VerifierClient("https://bank.example", key="k", http=Busy(busy("7200")), pause=waited.append)
    with pytest.raises(ServiceError) as caught:
        refusing.look("x")
    assert (waited, caught.value.retry_after) == ([2.0], 7200)
