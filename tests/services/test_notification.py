"""What a wallet tells of its delivery (section 11)."""

from __future__ import annotations

import pytest

from tests.services.credential_kit import ADMIN, Holder
from tests.services.issuer_kit import clock, serve, target  # noqa: F401 - fixtures

pytestmark = pytest.mark.loopback


@pytest.fixture
def service(serve):  # noqa: F811 - with an admin
    return serve(admin_tokens=ADMIN)


@pytest.fixture
def holder(service):
    return Holder.of(service)


def delivered(holder):
    return holder.ask().json()["notification_id"]


def tell(holder, name, event="credential_accepted", **more):
    told = {"notification_id": name, "event": event} | more
    body = {key: value for key, value in told.items() if value is not None}
    return holder.ask(body, path="/notification")


def lines(service):
    return [line["event"] for line in service.store.audit()]


@pytest.mark.parametrize("event", ["credential_accepted", "credential_failure", "credential_deleted"])
def test_it_is_noted_once_however_often_it_is_told(holder, service, event):
    name = delivered(holder)
    for _ in range(2):
        answer = tell(holder, name, event, event_description="Out of storage", more=1)
        assert answer.status_code == 204
        assert answer.content == b""
        assert "dpop-nonce" in answer.headers
    assert lines(service).count(event.replace("_", " ")) == 1


def test_ci_15_a_notification_for_another_wallets_id_changes_nothing(holder, service):
    name = delivered(holder)
    before = lines(service)
    other = Holder.of(service)
    answer = tell(other, name)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_notification_id")
    assert tell(holder, "c-0000000000000000").json()["error"] == "invalid_notification_id"
    assert [one for one in lines(service) if one.startswith("credential")] == []
    assert lines(service)[: len(before)] == before
    assert tell(holder, name).status_code == 204


@pytest.mark.parametrize(
    "changed",
    [
        {"event": None},
        {"event": "credential_lost"},
        {"event": 1},
        {"name": None},
        {"name": 7},
        {"event_description": "한글"},
        {"event_description": 'a"b'},
        {"event_description": "a\\b"},
        {"event_description": "a" * 1025},
        {"event_description": ["a"]},
    ],
    ids=str,
)
def test_a_notification_that_cannot_be_read(holder, service, changed):
    name = delivered(holder)
    answer = tell(holder, **({"name": name} | changed))
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_notification_request")


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"event":"a","event":"b"}'])
def test_a_body_that_is_no_object(holder, body):
    answer = holder.ask(body, path="/notification")
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_notification_request")


def test_without_a_token_nothing_is_told(holder, service):
    name = delivered(holder)
    body = {"notification_id": name, "event": "credential_accepted"}
    assert service.send("POST", "/garam/notification", json=body).status_code == 401
