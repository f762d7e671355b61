"""What takes time: a transaction, asked for again until it is decided (section 9)."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.services.credential_kit import ADMIN, CLERK, Holder, apply, opened
from tests.services.issuer_kit import CODE, clock, serve, target  # noqa: F401 - fixtures

pytestmark = pytest.mark.loopback


@pytest.fixture
def service(serve):  # noqa: F811 - with something that takes time
    return serve(admin_tokens=ADMIN, deferred=[CODE], deferred_interval=60)


@pytest.fixture
def holder(service):
    return Holder.of(service)


def waiting(holder, wanted=None):
    answer = holder.ask(wanted)
    assert answer.status_code == 202, answer.text
    assert set(answer.json()) == {"transaction_id", "interval"}
    return answer.json()["transaction_id"]


def again(holder, transaction, **more):
    return holder.ask({"transaction_id": transaction} | more, path="/deferred")


def decide(service, application, what):
    path = f"/garam/admin/applications/{application.id}/{what}"
    return service.send("POST", path, headers=CLERK)


def test_it_waits_until_it_is_decided_and_is_then_issued_once(holder, service, clock):  # noqa: F811 - fixture
    transaction = waiting(holder)
    assert "vcred_issuer_waiting_applications 1.0" in service.parts.metrics.text().decode()
    later = again(holder, transaction)
    assert later.status_code == 202
    assert later.json() == {"transaction_id": transaction, "interval": 60}
    assert service.store.entries() == []
    clock.forward(days=3)
    holder = Holder(service, holder.application, holder.wallet, holder.refreshed().tokens, holder.keys)
    assert decide(service, holder.application, "approve").status_code == 204
    answer = again(holder, transaction)
    assert answer.status_code == 200
    (found,) = opened(service, answer)
    assert found.holder_key == holder.keys[0].public_key
    assert answer.json()["notification_id"]
    assert len(service.store.entries()) == 1
    assert decide(service, holder.application, "approve").status_code == 409


def test_ci_12_a_lost_answer_is_fetched_again_and_then_the_transaction_is_over(holder, service, clock):  # noqa: F811
    transaction = waiting(holder)
    decide(service, holder.application, "approve")
    first = again(holder, transaction)
    assert again(holder, transaction).content == first.content
    clock.forward(seconds=121)
    over = again(holder, transaction)
    assert (over.status_code, over.json()["error"]) == (400, "invalid_transaction_id")
    assert len(service.store.entries()) == 1


def test_the_same_request_again_is_the_same_transaction(holder, service):
    wanted = holder.wanted()
    assert waiting(holder, wanted) == waiting(holder, wanted)
    used = holder.wanted(holder.proof(nonce=holder.c_nonce()))
    waiting(holder, used)
    nonce = holder.c_nonce()
    waiting(holder, holder.wanted(holder.proof(nonce=nonce)))
    spent = holder.ask(holder.wanted(holder.proof(nonce=nonce)))
    assert spent.json()["error"] == "invalid_nonce", "its nonce was used up by what waits"


def test_denied_means_denied(holder, service):
    transaction = waiting(holder)
    assert decide(service, holder.application, "deny").status_code == 204
    answer = again(holder, transaction)
    assert (answer.status_code, answer.json()["error"]) == (400, "credential_request_denied")
    assert decide(service, holder.application, "approve").status_code == 409
    assert service.store.entries() == []


def test_a_day_can_be_named_from_which_it_is_ready(service, clock):  # noqa: F811 - fixture
    application = apply(service, deferred_until=clock() + timedelta(seconds=45))
    holder = Holder.of(service, application)
    answer = holder.ask()
    assert answer.json()["interval"] == 45
    clock.forward(seconds=45)
    assert again(holder, answer.json()["transaction_id"]).status_code == 200


@pytest.mark.parametrize("transaction", ["none", "", 7, None, "a" * 4000], ids=str)
def test_a_transaction_nobody_has(holder, transaction):
    answer = again(holder, transaction)
    assert answer.status_code == 400
    expected = "invalid_transaction_id" if transaction == "none" else "invalid_credential_request"
    assert answer.json()["error"] == expected


def test_another_wallets_transaction_is_nobodys(holder, service):
    transaction = waiting(holder)
    decide(service, holder.application, "approve")
    answer = again(Holder.of(service), transaction)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_transaction_id")
    assert again(holder, transaction).status_code == 200


def test_op_11_what_changed_while_it_waited_is_not_signed(holder, service):
    from tests.services.issuer_kit import CATALOG

    transaction = waiting(holder)
    record = dict(CATALOG[CODE].sample) | {"name": "김가상"}
    service.parts.issuer._records.override(CODE, record)
    decide(service, holder.application, "approve")
    assert again(holder, transaction).json()["error"] == "credential_request_denied"
    assert service.store.entries() == []


def test_ci_12_the_first_request_again_after_the_decision_has_the_answer_of_its_transaction(holder, service, clock):  # noqa: F811
    wanted = holder.wanted()
    transaction = waiting(holder, wanted)
    clock.forward(seconds=30)
    decide(service, holder.application, "approve")
    first = holder.ask(wanted)
    assert first.status_code == 200, first.text
    assert again(holder, transaction).content == first.content
    assert len(service.store.entries()) == 1
