"""What the desk remembers of its clerks, on both databases, and its pages over ASGI."""

from __future__ import annotations

import re

import pytest
from sqlalchemy import select

from tests.services.bank_kit import BASE, KEY, OTHER_KEY, POLICY, Bank, world
from vcred.errors import StoreError
from verifier.server.pages.opened import Opened
from verifier.server.pages.sessions import LIFETIME, TRIES, Sessions, form_token, same
from verifier.server.tables import login_failures, sessions

pytestmark = pytest.mark.loopback
NOW = 1_790_000_000


@pytest.fixture(scope="module")
def town():
    return world("resident.personal")


@pytest.fixture
def bank(tmp_path, database, town):
    opened = Bank(tmp_path, database("bank"), world=town)
    yield opened
    opened.close()


@pytest.fixture
def clerks(bank):
    return Sessions(bank.store.engine)


def test_a_session_is_a_secret_of_the_browser(bank, clerks):
    secret = clerks.begin("desk", at=NOW)
    found = clerks.find(secret, {"desk"}, at=NOW)
    assert (found.name, found.csrf) == ("desk", form_token(secret))
    with bank.store.engine.begin() as db:
        (row,) = db.execute(select(sessions)).all()
    assert secret.encode() not in row.key
    for wrong in (None, "", "x", secret + "x", "x" * 5000):
        assert clerks.find(wrong, {"desk"}, at=NOW) is None


def test_a_session_ends(clerks):
    secret = clerks.begin("desk", at=NOW)
    assert clerks.find(secret, {"desk"}, at=NOW + LIFETIME - 1) is not None
    assert clerks.find(secret, {"desk"}, at=NOW + LIFETIME) is None
    assert clerks.find(secret, {"other"}, at=NOW) is None  # its API key is gone from the settings
    clerks.end(secret)
    assert clerks.find(secret, {"desk"}, at=NOW) is None


def test_wrong_keys_are_counted_by_address_until_a_minute_is_quiet(bank, clerks):
    for number in range(TRIES):
        assert not clerks.waits("192.0.2.1", at=NOW + 50 * number)  # whatever minutes of the clock begin meanwhile
        clerks.failed("192.0.2.1", at=NOW + 50 * number)
    last = NOW + 50 * (TRIES - 1)
    again = Sessions(bank.store.engine)  # another process
    assert again.waits("192.0.2.1", at=last + 59)
    assert not again.waits("192.0.2.2", at=last)
    assert not again.waits("192.0.2.1", at=last + 60)
    clerks.failed("192.0.2.1", at=last + 60)
    assert not again.waits("192.0.2.1", at=last + 60)  # counted anew
    clerks.failed("192.0.2.2", at=last + 200)
    with bank.store.engine.begin() as db:
        rows = db.execute(select(login_failures)).all()
    assert len(rows) == 1
    assert b"192.0.2" not in rows[0].key


def test_what_a_code_opened_stays_open(bank):
    made = bank.ask()
    first, second = Opened(bank.store.engine), Opened(bank.store.engine)
    assert made["id"] not in first
    first.add(made["id"], at=NOW)
    second.add(made["id"], at=NOW)
    assert made["id"] in second
    with pytest.raises(StoreError):
        Opened(_Broken()).add("x", at=NOW)


class _Broken:
    def begin(self):
        from sqlalchemy.exc import OperationalError

        raise OperationalError("x", {}, Exception("gone"))


def test_form_tokens():
    assert same(form_token("a"), form_token("a"))
    assert not same(form_token("a"), form_token("b"))
    assert not same(None, form_token("a"))


class Browser:
    """Cookies and redirects over ASGI."""

    def __init__(self, bank):
        self.bank, self.cookies = bank, {}

    def go(self, method, path, **more):
        headers = {"Accept": "text/html", "Cookie": "; ".join(f"{name}={one}" for name, one in self.cookies.items())}
        answer = self.bank.client.request(method, f"/vp{path}", headers=headers | more.pop("headers", {}), **more)
        for line in answer.headers.get_list("set-cookie"):
            name, value = line.partition(";")[0].split("=", 1)
            self.cookies[name] = value.strip('"')
            assert "HttpOnly" in line
            assert "Secure" in line
            assert "SameSite=lax" in line
        return answer

    def sign_in(self, key=KEY):
        token = re.search(r'name="csrf" value="(\w+)"', self.go("GET", "/desk/login").text)[1]
        answer = self.go("POST", "/desk/login", data={"csrf": token, "key": key, "next": "/desk"})
        assert answer.headers["location"] == "/vp/desk"
        return self

    def post(self, path, **data):
        return self.go("POST", path, data={"csrf": form_token(self.cookies["vcred_desk"]), **data})


def test_each_api_key_sees_its_own(bank):
    desk, other = Browser(bank).sign_in(), Browser(bank).sign_in(OTHER_KEY)
    made = desk.post("/desk/new", policy=POLICY, flow="cross_device", reference="2026-0042")
    place = made.headers["location"].removeprefix("/vp")
    page = desk.go("GET", place)
    assert page.status_code == 200
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert page.headers["cache-control"] == "no-store"
    assert not re.search(r"<script(?! src=)|<style| style=| on\w+=", page.text)
    assert "2026-0042" in desk.go("GET", "/desk/submissions?state=open").text
    assert "2026-0042" not in desk.go("GET", "/desk/submissions?state=expired").text
    for method, path in (("GET", ""), ("GET", "/events"), ("GET", "/receipt"), ("POST", "/cancel"), ("POST", "/code")):
        answer = other.go(method, place + path) if method == "GET" else other.post(place + path, code="1")
        assert answer.status_code == 404, path
        assert answer.headers["content-type"].startswith("text/html")
    bank.at = bank.at.replace(year=2027)
    assert "2026-0042" not in Browser(bank).sign_in().go("GET", "/desk/submissions?state=open").text
    assert "2026-0042" in Browser(bank).sign_in().go("GET", "/desk/submissions?state=expired").text


@pytest.mark.parametrize("body", [b"[" * 100_000, b"[]", b"\xff", b'{"a":1,"a":2}', b""])
def test_ci_14_what_a_page_sends_for_its_browser_is_read_strictly(bank, body):
    desk = Browser(bank).sign_in()
    place = desk.post("/desk/new", policy=POLICY, flow="cross_device").headers["location"].removeprefix("/vp")
    headers = {"X-CSRF": form_token(desk.cookies["vcred_desk"])}
    assert desk.go("POST", f"{place}/browser", content=body, headers=headers).status_code == 400


def test_the_receipt_has_the_case_number(bank):
    from vcred.receipt import Receipt

    made = bank.ask(reference="2026-0042")
    code = bank.client.get(bank.answer(made).json()["redirect_uri"].removeprefix("https://bank.example")).json()["code"]
    found = bank.call("GET", f"/{made['id']}", params={"code": code}).json()
    assert Receipt.parse(found["result"]["receipt"].encode()).reference == "2026-0042"


def test_a_language_stays_chosen_and_keeps_the_rest_of_the_address(bank):
    browser = Browser(bank).sign_in()
    page = browser.go("GET", "/desk/submissions?state=open&lang=en")
    assert browser.cookies["lang"] == "en"
    assert 'href="?state=open&amp;lang=ko"' in page.text
    assert "What do you need to check?" in browser.go("GET", "/desk").text


@pytest.mark.parametrize(
    ("policy", "more"),
    [
        ("none", {}),
        (POLICY, {"reference_date": "soon"}),
        (POLICY, {"format": "png"}),
        (POLICY, {"reference": "x" * 65}),
    ],
)
def test_what_cannot_be_asked_is_said_on_a_page(bank, policy, more):
    desk = Browser(bank).sign_in()
    answer = desk.post("/desk/new", policy=policy, flow="cross_device", **more)
    assert answer.status_code == 303
    page = desk.go("GET", answer.headers["location"].removeprefix("/vp"))
    assert page.status_code in (200, 404)
    assert 'role="alert"' in page.text


def test_our_landing_page_needs_no_entry(bank):
    made = bank.ask(device="same_device", redirect=f"{BASE}/verification-evidence")
    assert bank.answer(made).json()["redirect_uri"].startswith(f"{BASE}/verification-evidence?response_code=")
    refused = bank.call("POST", "", json={"policy": POLICY, "device": "same_device", "redirect": f"{BASE}/desk"})
    assert refused.status_code == 422  # WF-16


def test_the_phone_shows_the_code_for_a_while_and_not_again_once_it_was_brought(bank):
    made = bank.ask()
    place = bank.answer(made).json()["redirect_uri"].removeprefix("https://bank.example")
    phone = {"Accept": "text/html"}
    page = bank.client.get(place, headers=phone)
    (code,) = re.findall(r'<p class="code" role="status">(\d{6})</p>', page.text)
    start = bank.at
    bank.at = start.replace(hour=start.hour + 1)
    assert bank.client.get(place, headers=phone).status_code == 404
    bank.at = start
    desk = Browser(bank).sign_in()
    assert desk.post(f"/desk/requests/{made['id']}/code", code=code).status_code == 303
    assert "승인" in desk.go("GET", f"/desk/requests/{made['id']}").text
    gone = bank.client.get(place, headers=phone)
    assert gone.status_code == 404
    assert code not in gone.text
    assert bank.client.get("/vp/carry/wrong", headers=phone).status_code == 404
