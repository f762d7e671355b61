"""The admin interface and the status lists: what an agency does after it issued."""

from __future__ import annotations

from datetime import timedelta

import pytest

from issuer.server.accept import preferred
from tests.services.credential_kit import ADMIN, CLERK, Holder, apply, opened
from tests.services.issuer_kit import CITY, CODE, clock, serve, target  # noqa: F401 - fixtures
from vcred.errors import NotFound
from vcred.status import parse_status_token, verify_status_token

pytestmark = pytest.mark.loopback

JWT, CWT = "application/statuslist+jwt", "application/statuslist+cwt"
LIST = "/issuer/status/1"


@pytest.fixture
def service(serve):  # noqa: F811 - with admins
    return serve(admin_tokens=ADMIN)


@pytest.fixture
def holder(service):
    return Holder.of(service)


def admin(service, method, path, status=200, **what):
    answer = service.send(method, f"/garam/admin{path}", headers=CLERK, **what)
    assert answer.status_code == status, answer.text
    return answer.json() if answer.content else None


def value_of(service, found, accept=JWT):
    """What the status list says of a credential, as a verifier reads it."""
    answer = service.send("GET", found.status.uri.removeprefix("https://city.example"), headers={"Accept": accept})
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == accept
    token = parse_status_token(answer.content)
    assert token.uri == found.status.uri
    verify_status_token(token, CITY.key.public_key)
    return token.status_list.get(found.status.index)


@pytest.mark.parametrize("accept", [JWT, CWT])
def test_a_revocation_is_in_the_next_list_that_is_fetched(holder, service, accept):
    (found,) = holder.take()
    assert value_of(service, found, accept) == 0
    (row,) = admin(service, "GET", "/issued")
    assert (row["code"], row["state"]) == (CODE, "valid")
    admin(service, "POST", f"/credentials/{row['id']}/revoke", 204, json={"reason": "lost"})
    assert value_of(service, found, accept) == 1
    assert admin(service, "GET", "/issued")[0]["state"] == "revoked"
    admin(service, "POST", f"/credentials/{row['id']}/reinstate", 409, json={"reason": "undo"})
    line = admin(service, "GET", "/audit")[-1]
    assert (line["event"], line["credential"], line["note"]) == ("revoked", row["id"], "clerk. lost")


def test_a_revocation_in_another_process_is_seen_too(holder, service):
    (found,) = holder.take()
    assert value_of(service, found) == 0
    other = service.again()
    try:
        other.parts.issuer.revoke(service.store.issued(1)[0].id, reason="lost", at=service.clock())
        assert value_of(service, found) == 1
    finally:
        other.close()


def test_a_suspension_ends(service):
    code = next(one for one in service.parts.issuer.kinds() if service.parts.issuer.type_of(one).status.suspendable)
    configuration = f"{code}/sd-cwt"
    if configuration not in service.parts.configurations:
        configuration = f"{code}/dc+sd-jwt"
    holder = Holder.of(service, apply(service, code, configuration_ids=[configuration]))
    (found,) = holder.take(configuration=configuration)
    name = service.store.issued(1)[0].id
    admin(service, "POST", f"/credentials/{name}/suspend", 204, json={"reason": "check"})
    assert value_of(service, found) == 2
    admin(service, "POST", f"/credentials/{name}/reinstate", 204, json={"reason": "checked"})
    assert value_of(service, found) == 0


def test_a_list_is_kept_until_it_changes_or_half_its_time_is_over(holder, service, clock):  # noqa: F811 - fixture
    holder.take()
    first = service.send("GET", LIST)
    assert first.headers["cache-control"] == "max-age=3600"
    token = parse_status_token(first.content)
    assert (token.ttl, token.expires_at - token.issued_at) == (timedelta(hours=1).total_seconds(), 86_400)
    clock.forward(minutes=10)
    holder.refreshed().take()
    second = service.send("GET", LIST)
    assert second.content == first.content, "a list says nothing of what is issued"
    assert second.headers["cache-control"] == "max-age=3000"
    clock.forward(minutes=21)
    assert service.send("GET", LIST).content != first.content
    assert service.store.lists()[0].version == 2


@pytest.mark.parametrize("name", ["2", "01", "-1", "x", "1-revocation", "1e0", "9" * 60, "..%2f..%2fetc"])
def test_a_list_there_is_not(holder, service, name):
    holder.take()
    assert service.send("GET", f"/issuer/status/{name}").status_code == 404


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("", JWT),
        ("*/*", JWT),
        (CWT, CWT),
        (f"{JWT};q=0.5, {CWT}", CWT),
        (f"{CWT};q=0.1, */*", CWT),
        ("application/*;q=0.9", JWT),
        (f"{CWT};q=no", JWT),
        ("x" * 5000, JWT),
    ],
)
def test_the_form_is_the_one_that_is_accepted(accept, expected):
    assert preferred(accept, [JWT, CWT]) == expected


def test_many_are_revoked_at_one_stroke_after_a_trial(service):
    found = [Holder.of(service).take()[0] for _ in range(3)]
    order = {"reason": "leak", "code": CODE}
    assert admin(service, "POST", "/revoke", json=order | {"trial": True}) == {"credentials": 3, "copies": 3}
    assert [value_of(service, one) for one in found] == [0, 0, 0]
    assert admin(service, "POST", "/revoke", json=order) == {"credentials": 3, "copies": 3}
    assert [value_of(service, one) for one in found] == [1, 1, 1]
    admin(service, "POST", "/revoke", 422, json={"reason": "everything"})


def test_op_08_stop_and_start(holder, service):
    admin(service, "POST", "/stop", 204, json={"reason": "drill"})
    assert holder.ask().status_code == 503
    assert admin(service, "GET", "/condition")["stopped"] == "clerk. drill"
    admin(service, "POST", "/start", 204)
    assert holder.ask().status_code == 200
    events = [line["event"] for line in admin(service, "GET", "/audit")]
    assert events.index("stopped") < events.index("started") < events.index("issued")


def test_a_signer_that_leaked_is_given_up_for_good(holder, service):
    signer = admin(service, "GET", "/condition")["signer"]
    admin(service, "POST", "/signer/give-up", 204, json={"why": {"reason": "leak"}, "signer": signer})
    admin(service, "POST", "/start", 204)
    assert holder.ask().status_code == 503


def test_applications_are_listed_without_whom_they_are_for(service):
    apply(service)
    Holder.of(service).take()
    rows = admin(service, "GET", "/applications")
    assert {row["state"] for row in rows} == {"open", "issued"}
    assert "registry-key-17" not in str(rows)
    (issued,) = admin(service, "GET", "/applications?state=issued")
    admin(service, "POST", f"/applications/{issued['id']}/withdraw", 204, json={"revoke": True})
    assert admin(service, "GET", "/issued")[-1]["state"] == "revoked"
    admin(service, "POST", f"/applications/{issued['id']}/withdraw", 409, json={"revoke": True})
    admin(service, "POST", "/applications/none/deny", 404)


def test_op_12_an_audit_log_that_was_tampered_with_is_not_shown(holder, service):
    holder.take()
    with service.store.writing():
        service.store._db.execute("UPDATE audit SET note = 'nothing happened' WHERE seq = 1")
    admin(service, "GET", "/audit", 503)


def test_no_line_names_a_subject(holder, service):
    holder.take()
    assert "registry-key-17" not in str(admin(service, "GET", "/audit"))


PATHS = [
    ("GET", "/issued"),
    ("GET", "/applications"),
    ("GET", "/condition"),
    ("GET", "/audit"),
    ("POST", "/offers"),
    ("POST", "/credentials/c-1/revoke"),
    ("POST", "/revoke"),
    ("POST", "/stop"),
    ("POST", "/start"),
    ("POST", "/signer/give-up"),
    ("POST", "/encryption/rotate"),
    ("POST", "/applications/a-1/approve"),
]


@pytest.mark.parametrize(("method", "path"), PATHS)
def test_nothing_is_done_without_an_admin_token(service, method, path):
    before = service.store.last_audit()
    clerk = ADMIN["clerk"]
    for given in (None, "", "Bearer", "Bearer ", f"Bearer {clerk}x", f"Bearer {clerk[:-1]}", f"Basic {clerk}"):
        headers = {} if given is None else {"Authorization": given}
        answer = service.send(method, f"/garam/admin{path}", headers=headers, json={})
        assert answer.status_code == 401
        assert answer.json()["error"] == "invalid_token"
    assert service.store.last_audit() == before


def test_without_tokens_in_the_settings_there_is_no_admin(serve):  # noqa: F811 - fixture
    assert serve().send("GET", "/garam/admin/issued", headers=CLERK).status_code == 401


@pytest.mark.parametrize("reason", ["", "한글", "a" * 41, "1st", "a\nb", 'a"b'])
def test_a_reason_is_a_few_plain_words(holder, service, reason):
    holder.take()
    name = service.store.issued(1)[0].id
    admin(service, "POST", f"/credentials/{name}/revoke", 422, json={"reason": reason})
    assert service.store.state(name) == 0


def test_what_is_issued_and_refused_is_counted(holder, service):
    holder.take()
    holder.ask(holder.wanted(configuration="no.such/sd-cwt"))
    figures = service.send("GET", "/metrics").text
    assert f'vcred_issuer_issued_total{{code="{CODE}",format="dc+sd-jwt"}} 1.0' in figures
    assert 'vcred_issuer_refused_total{error="unknown_credential_configuration"} 1.0' in figures
    assert "vcred_issuer_answer_seconds_count" in figures


def test_lists_are_for_numbers_that_exist(service):
    with pytest.raises(NotFound):
        service.parts.issuer.signed_list(
            7, at=service.clock(), forms=("jwt",), lifetime=timedelta(days=1), ttl=timedelta(hours=1)
        )


def test_a_batch_shares_nothing_that_links_it(holder, service):
    found = opened(service, holder.ask(holder.wanted(*(holder.proof() for _ in range(3)))))
    assert len({one.raw for one in found}) == 3
    assert len({(one.status.uri, one.status.index) for one in found}) == 3
