"""The pages over ASGI: sessions, forms of other sites, a wallet's request decided on, what operators may do."""

from __future__ import annotations

import html
import re
from contextlib import closing
from urllib.parse import parse_qsl, urlsplit

import pytest

from issuer.fictitious.people import Subject
from tests.services.browser_kit import TOKEN, Browser, heading
from tests.services.issuer_kit import AT, BASE, CALLBACK, CODE, CONFIGURATION, Clock, Service, Wallet, parameters

PEOPLE = [
    Subject(subject=f"key-{number}", name=name, household_kind="single", household_size=1, head=True)
    for number, name in ((17, "김가람"), (18, "<script>alert(1)</script>" + "\u0301" * 50 + "\u202e가"))
]
HOSTILE = "javascript:alert(1)//https://wallet.example"


BOTH = pytest.mark.parametrize(
    "service", ["sqlite", pytest.param("postgresql", marks=pytest.mark.loopback)], indirect=True
)


@pytest.fixture
def service(request, tmp_path):
    if getattr(request, "param", "sqlite") == "sqlite":
        target = f"sqlite:///{tmp_path}/issuer.db"
    else:
        target = request.getfixturevalue("postgres").database(f"pages_{abs(hash(request.node.name)) % 10**8}")
    made = Service(
        target,
        tmp_path,
        Clock(),
        development=True,
        admin_tokens={"hong": TOKEN},
        deferred=["resident.household"],
        names={"ko": "가람시 (가상)", "en": "Garam City (fictitious)"},
    )
    yield made
    made.close()


@pytest.fixture
def browser(service):
    service.app.state.parts.sources["people"] = lambda: PEOPLE
    return Browser(service)


@BOTH
def test_from_login_to_an_offer_that_a_wallet_redeems(browser, service):
    assert heading(browser.login()) == "어떤 증명서가 필요하세요?"
    answer = browser.apply()
    assert heading(answer) == "지갑으로 받으세요"
    link = html.unescape(re.search(r'id="deep-link" href="([^"]+)"', answer.text)[1])
    tx_code = re.search(r'id="tx-code">(\d{6})<', answer.text)[1]
    place = dict(parse_qsl(urlsplit(link).query))["credential_offer_uri"]
    offer = service.send("GET", place).json()
    assert tx_code not in link
    assert tx_code not in str(offer)
    grant = offer["grants"]["urn:ietf:params:oauth:grant-type:pre-authorized_code"]
    wallet = Wallet(service)
    assert wallet.pre_authorized(grant["pre-authorized_code"], tx_code=tx_code).status_code == 200
    (line,) = [one for one in service.store.audit() if one["event"] == "purpose told"]
    assert line["note"] == "finance"
    (application,) = service.parts.applications.newest()
    assert application.purpose == "finance"
    assert "용도: 은행·금융" in browser.get(f"/apply/applications/{application.id}").text
    assert "key-17" not in str(service.store.audit())


def test_a_page_sent_twice_applies_once(browser, service):
    browser.login()
    browser.get(f"/apply/types/{CODE}/check?chosen=1")
    form = browser.form(f"/apply/types/{CODE}") | {"purpose": "own"}
    first = browser.send("POST", f"/garam/apply/types/{CODE}", data=form)
    again = browser.send("POST", f"/garam/apply/types/{CODE}", data=form)
    assert first.status_code == 200
    assert again.headers["location"] == "/garam/apply/applications"
    assert len(service.parts.applications.newest()) == 1


def test_another_code_ends_the_one_before(browser, service):
    browser.login()
    answer = browser.apply()
    before = _code(service, answer)
    (application,) = service.parts.applications.newest()
    again = browser.submit(f"/apply/applications/{application.id}/offer")
    assert _code(service, again) != before
    wallet = Wallet(service)
    assert wallet.pre_authorized(before, tx_code="000000").json()["error"] == "invalid_grant"


def _code(service, answer):
    link = html.unescape(re.search(r'id="deep-link" href="([^"]+)"', answer.text)[1])
    offer = service.send("GET", dict(parse_qsl(urlsplit(link).query))["credential_offer_uri"]).json()
    return offer["grants"]["urn:ietf:params:oauth:grant-type:pre-authorized_code"]["pre-authorized_code"]


@BOTH
def test_a_wallets_request_is_answered_when_the_person_has_decided(browser, service):
    wallet = Wallet(service)
    request_uri = wallet.par().json()["request_uri"]
    browser.get(f"/authorize?client_id={wallet.client_id}&request_uri={request_uri}")
    assert wallet.client_id in browser.answer.text
    browser.login()
    assert urlsplit(str(browser.answer.url)).path == f"/garam/apply/types/{CODE}"
    answer = browser.get(f"/apply/types/{CODE}/check?chosen=1&o.rrnBack=yes")
    assert "form-action 'self' https://wallet.example" in answer.headers["content-security-policy"]
    back = browser.submit(f"/apply/types/{CODE}", purpose="own")
    assert back.status_code == 303
    assert back.headers["location"].startswith(f"{CALLBACK}?")
    found = parameters(back.headers["location"])
    assert (found["state"], found["iss"]) == ("st-1", BASE)
    assert wallet.token(code=found["code"]).status_code == 200
    (application,) = service.parts.applications.newest()
    assert application.configuration_ids == (CONFIGURATION,)
    assert application.options["rrnBack"] is True
    assert application.purpose == "own"


def test_a_wallets_request_can_be_turned_down(browser, service):
    wallet = Wallet(service)
    request_uri = wallet.par().json()["request_uri"]
    browser.get(f"/authorize?client_id={wallet.client_id}&request_uri={request_uri}")
    browser.login()
    back = browser.submit("/apply/deny", follow=False)
    assert parameters(back.headers["location"])["error"] == "access_denied"
    assert not service.parts.applications.newest()


def test_a_wallet_gets_only_what_it_asked_for(browser, service):
    wallet = Wallet(service)
    request_uri = wallet.par().json()["request_uri"]
    browser.get(f"/authorize?client_id={wallet.client_id}&request_uri={request_uri}")
    browser.login()
    assert browser.get("/apply/types/family.relations").status_code == 404


def test_an_offer_with_login_is_its_subjects_alone(browser, service):
    from issuer.server.credentials import desks_of

    made = desks_of(service.app).offers.make(
        code=CODE, subject="key-17", variant=None, options=None, formats=["dc+sd-jwt"], grant="authorization_code",
        tx_code=None, deferred_until=None, by_reference=False, scheme="openid-credential-offer", at=service.clock(),
    )  # fmt: skip
    state = made.offer.authorization_code.issuer_state
    for subject, status in (("key-18", 409), ("key-17", 200)):
        wallet, visitor = Wallet(service), Browser(service)
        request_uri = wallet.par(issuer_state=state).json()["request_uri"]
        page = visitor.get(f"/authorize?client_id={wallet.client_id}&request_uri={request_uri}")
        assert 'href="/garam/apply/login"' in page.text, "on to what was applied for, and not to a form for it"
        assert visitor.login(subject).status_code == status
    back = visitor.submit("/apply/continue", follow=False)
    code = parameters(back.headers["location"])["code"]
    assert wallet.token(code=code).status_code == 200
    assert [one.id for one in service.parts.applications.newest()] == [made.application_id]


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_wf_forms_of_another_site_are_refused(browser, service, site):
    browser.login()
    browser.get(f"/apply/types/{CODE}/check?chosen=1")
    form = browser.form(f"/apply/types/{CODE}") | {"purpose": "own"}
    for headers in ({"Sec-Fetch-Site": site}, {"Origin": "https://evil.example"}):
        assert browser.send("POST", f"/garam/apply/types/{CODE}", data=form, headers=headers).status_code == 403
    for token in ({}, {"form_token": "x"}, {"form_token": ""}, {"form_token": "\u2603"}):
        data = {name: value for name, value in form.items() if name != "form_token"} | token
        assert browser.send("POST", f"/garam/apply/types/{CODE}", data=data).status_code == 403
    assert not service.parts.applications.newest()
    other = Browser(service)
    other.login("key-18")
    stolen = {**form, "form_token": other.form("/apply/logout")["form_token"]}
    assert browser.send("POST", f"/garam/apply/types/{CODE}", data=stolen).status_code == 403


@BOTH
def test_a_session_ends_and_its_cookie_is_for_us_alone(browser, service):
    browser.login()
    lines = list(browser.service.send("GET", "/garam/apply/login").headers.get_list("set-cookie"))
    assert all(
        "HttpOnly" in one and "SameSite=lax" in one and "Path=/garam" in one and "Secure" in one for one in lines
    )
    kept = dict(browser.cookies)
    browser.submit("/apply/logout")
    browser.cookies = kept
    assert heading(browser.get("/apply")) == "증명서를 지갑으로 받기", "logged out on the server, too"
    browser.login()
    service.clock.forward(minutes=31)
    assert heading(browser.get("/apply")) == "증명서를 지갑으로 받기"
    browser.login()
    for _ in range(17):
        service.clock.forward(minutes=29)
        browser.get("/apply")
    assert heading(browser.answer) == "증명서를 지갑으로 받기", "eight hours at most, however busy"


def test_a_login_ends_in_the_browser_that_began_it(browser, service):
    browser.get("/apply/login")
    form = browser.form("/development/authorize") | {"subject": "key-17"}
    back = browser.send("POST", "/garam/development/authorize", data=form).headers["location"]
    thief = Browser(service)
    assert thief.get(back).status_code == 403
    assert heading(browser.get(back)) == "어떤 증명서가 필요하세요?"
    assert browser.get(back).status_code == 403, "once"


@pytest.mark.parametrize("place", ["//evil.example", "https://evil.example", "/../../x", "resident.household/../.."])
def test_wf_16_a_login_leads_to_our_own_pages_only(browser, place):
    browser.send("GET", f"/garam/apply/login?type={place}")
    form_page = browser.get(browser.answer.headers["location"])
    assert form_page.status_code == 200
    browser.submit("/development/authorize", follow=True, subject="key-17")
    assert urlsplit(str(browser.answer.url)).path == "/garam/apply"
    forged = browser.get(f"/development/authorize?client_id=issuer-pages&redirect_uri={place}")
    assert forged.status_code == 404


def test_wf_11_wf_12_a_strangers_text_is_text(browser):
    answer = browser.login("key-18")
    assert "<script" not in answer.text
    assert "&lt;script&gt;" in answer.text
    assert "\u202e" not in answer.text
    assert answer.text.count("\u0301") <= 8
    for query in ('"><img src=x onerror=alert(1)>', "{{7*7}}", "\u202egnp"):
        found = browser.get(f"/apply?q={query}")
        assert "<img" not in found.text
        assert "49" not in found.text
    assert "script-src 'self'" in found.headers["content-security-policy"]
    assert "style=" not in found.text
    assert "onclick" not in found.text


def test_somebody_elses_application_is_not_there(browser, service):
    browser.login("key-18")
    browser.apply()
    (application,) = service.parts.applications.newest()
    other = Browser(service)
    other.login("key-17")
    for method, place in (("GET", ""), ("POST", "/offer"), ("POST", "/withdraw")):
        data = None if method == "GET" else other.form("/apply/logout")
        assert other.send(method, f"/garam/apply/applications/{application.id}{place}", data=data).status_code == 404
        other.get("/apply")
    assert service.parts.applications.get(application.id).state == "open"


@pytest.mark.parametrize("query", ["o.nothing=yes", "o.rrnBack=maybe", "o.addressHistory=years:N&n.addressHistory=0", "o.addressHistory=never", "n.addressHistory=7"])  # fmt: skip
def test_a_choice_that_the_form_does_not_have_is_refused(browser, query):
    browser.login()
    assert browser.get(f"/apply/types/{CODE}/check?chosen=1&{query}").status_code == 400


@BOTH
def test_what_takes_time_is_reviewed_by_an_operator(browser, service):
    browser.login()
    answer = browser.apply("resident.household")
    assert "처리중" in answer.text
    (application,) = service.parts.applications.newest()
    operator = Browser(service)
    operator.operate()
    operator.get("/operator/applications")
    assert "key-17" not in operator.answer.text
    assert "<td>은행·금융</td>" in operator.answer.text
    operator.submit(f"/operator/applications/{application.id}/approve")
    assert "지금 지갑으로 받을 수 있습니다" in browser.get(f"/apply/applications/{application.id}").text
    assert [one["note"] for one in service.store.audit() if one["event"] == "approved"] == [f"{application.id} by hong"]


@BOTH
def test_operators_stop_issuing_and_start_it_again(browser, service):
    operator = Browser(service)
    assert "발급 멈추기" in operator.operate().text
    operator.submit("/operator/stop", reason="other")
    assert "발급이 멈춰 있습니다" in operator.answer.text
    assert "hong. other" in operator.answer.text
    browser.login()
    assert heading(browser.get(f"/apply/types/{CODE}/check?chosen=1")) == "지금은 발급하지 않습니다"
    operator.submit("/operator/start")
    assert browser.get(f"/apply/types/{CODE}/check?chosen=1").status_code == 200
    assert "손상 없음" in (operator.get("/operator/audit") and operator.submit("/operator/audit/check")).text


@BOTH
def test_operators_revoke_for_good_only_when_they_say_so(service):
    from vcred.formats._wire import epoch

    with service.store.writing():
        service.store.add_credential("c-1", code=CODE, subject="key-17", signer=b"k" * 8, made_at=epoch(AT), issued_at=epoch(AT), expires_at=epoch(AT) + 9)  # fmt: skip
        service.store.add_copy("c-1", format="dc+sd-jwt", key=b"t" * 32, bits=1)
    operator = Browser(service)
    operator.operate()
    assert "c-1" in operator.get("/operator/issued?state=valid").text
    assert "c-1" in operator.get(f"/operator/issued?code={CODE}&id=c-").text
    assert "c-1" not in operator.get("/operator/issued?state=revoked").text
    assert "c-1" not in operator.get("/operator/issued?id=%25").text
    operator.get("/operator/issued/c-1")
    assert operator.submit("/operator/issued/c-1/revoke", reason="reissued").status_code == 400
    operator.get("/operator/issued/c-1")
    operator.submit("/operator/issued/c-1/revoke", reason="reissued", sure="yes")
    assert service.store.state("c-1") == 1
    (line,) = [one for one in service.store.audit() if one["event"] == "revoked"]
    assert line["note"] == "hong. reissued"


def test_op_wrong_tokens_are_counted_and_survive_a_restart(service):
    operator = Browser(service)
    for _ in range(service.settings.wrong_guesses):
        operator.get("/operator")
        assert operator.send("POST", "/garam/operator/login", data={"token": "x" * 40}).status_code == 403
    with closing(service.again()) as other:
        again = Browser(other)
        assert again.send("POST", "/garam/operator/login", data={"token": TOKEN}).status_code == 403
        assert "vcred_operator" not in again.cookies
        service.clock.forward(minutes=2)
        assert again.send("POST", "/garam/operator/login", data={"token": TOKEN}).status_code == 303


def test_op_a_minute_of_wrong_tokens_begins_with_the_first_of_them(service):
    operator, wrong = Browser(service), {"token": "x" * 40}
    service.clock.forward(seconds=59 - service.clock().second)
    for number in range(service.settings.wrong_guesses):
        service.clock.forward(seconds=number == 1)  # into the next minute of the clock
        operator.send("POST", "/garam/operator/login", data=wrong)
    service.clock.forward(seconds=58)
    assert operator.send("POST", "/garam/operator/login", data={"token": TOKEN}).status_code == 403
    service.clock.forward(seconds=1)
    assert operator.send("POST", "/garam/operator/login", data={"token": TOKEN}).status_code == 303


def test_op_all_addresses_of_one_subscriber_are_one(service):
    operator = Browser(service)
    for number in range(service.settings.wrong_guesses):
        service.address = f"2001:db8:1:2::{number:x}"
        operator.send("POST", "/garam/operator/login", data={"token": "x" * 40})
    service.address = "2001:db8:1:2:ffff::1"
    assert operator.send("POST", "/garam/operator/login", data={"token": TOKEN}).status_code == 403
    service.address = "2001:db8:1:3::1"
    assert operator.send("POST", "/garam/operator/login", data={"token": TOKEN}).status_code == 303


def test_so_many_logins_at_the_provider_may_be_begun_from_one_address(service):
    visitor = Browser(service)
    for number in range(service.settings.begun_logins):
        service.address = f"2001:db8:1:2::{number:x}"
        assert visitor.send("GET", "/garam/apply/login").status_code == 303
    service.address = "2001:db8:1:2:ffff::1"
    refused = visitor.send("GET", "/garam/apply/login")
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "60")
    assert service.store._one("SELECT count(*) AS n FROM logins")["n"] == service.settings.begun_logins
    service.clock.forward(minutes=1)
    assert visitor.send("GET", "/garam/apply/login").status_code == 303


def test_an_applicant_is_no_operator(browser):
    browser.login()
    browser.cookies["vcred_operator"] = browser.cookies["vcred_session"]
    assert heading(browser.get("/operator/issued")) == "운영자 로그인"


def test_every_page_is_there_in_english(service):
    visitor = Browser(service, lang="en-GB,en;q=0.9,ko;q=0.5")
    assert heading(visitor.login()) == "Which certificate do you need?"
    assert heading(visitor.apply()) == "Take it into your wallet"
    assert re.search(r"[가-힣]", re.sub(r"<bdi>.*?</bdi>|한국어", "", visitor.get("/operator").text)) is None


def test_without_development_nobody_chooses_who_they_are(service, tmp_path):
    strict = Service(f"sqlite:///{tmp_path}/other.db", tmp_path, Clock())
    visitor = Browser(strict)
    assert "로그인이 아직 설정되지 않았습니다" in visitor.get("/apply").text
    assert visitor.get("/apply/login").status_code == 403
    assert visitor.send("GET", "/garam/development/authorize").status_code == 404
    assert HOSTILE not in visitor.answer.text
    strict.close()
