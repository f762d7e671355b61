"""A person in a real browser: from the login to a QR code on the screen that our own reader reads."""

from __future__ import annotations

import json
import re
import urllib.request
from urllib.parse import parse_qs, parse_qsl, urlsplit

import pytest

from tests.browser.conftest import TOKEN, follow
from vcred.oid4vci import CredentialOffer
from vcred.qr import read_image

pytestmark = pytest.mark.loopback

CHECKS = """() => {
  const found = [], named = (e) => (e.getAttribute('aria-label') || e.innerText || e.value || '').trim();
  if (!document.documentElement.lang) found.push('no language');
  if (!document.title.trim()) found.push('no title');
  if (document.querySelectorAll('h1').length !== 1) found.push('not one h1');
  if (document.querySelectorAll('main').length !== 1) found.push('not one main');
  let level = 0;
  for (const h of document.querySelectorAll('h1, h2, h3, h4')) {
    const now = Number(h.tagName[1]);
    if (now > level + 1) found.push('a heading skips a level: ' + h.innerText);
    level = now;
  }
  for (const e of document.querySelectorAll('input:not([type=hidden], [hidden]), select, textarea'))
    if (!e.labels.length && !e.getAttribute('aria-label')) found.push('no label: ' + e.name);
  for (const e of document.querySelectorAll('a[href], button')) if (!named(e)) found.push('no name: ' + e.outerHTML);
  for (const e of document.querySelectorAll('img:not([alt]), svg')) if (!e.closest('[role=img][aria-label]')) found.push('a picture without a text');
  for (const e of document.querySelectorAll('fieldset')) if (e.firstElementChild?.tagName !== 'LEGEND') found.push('no legend');
  for (const e of document.querySelectorAll('table')) if (!e.caption || !e.querySelector('th[scope]')) found.push('a table without caption or heads');
  const ids = [...document.querySelectorAll('[id]')].map((e) => e.id);
  if (new Set(ids).size !== ids.length) found.push('an id twice');
  if (document.documentElement.scrollWidth > document.documentElement.clientWidth) found.push('wider than the screen');
  for (const e of document.querySelectorAll('a.button, button')) if (e.offsetHeight && e.offsetHeight < 36) found.push('too small to hit: ' + named(e));
  return found;
}"""


def login(page, service):
    page.goto(f"{service.base}/apply")
    follow(page, "main a.button")
    page.check("input[name=subject] >> nth=0")
    follow(page, "main form button:not(.link)")


def apply(page, service, code="resident.household"):
    page.goto(f"{service.base}/apply/types/{code}")
    follow(page, "form[action$=check] button")
    follow(page, f"form[action$='{code}'] button")


def test_a_household_certificate_from_login_to_a_code_that_is_read(service, visitor, tmp_path):
    page = visitor(width=390)
    login(page, service)
    page.fill("#q", "등본")
    with page.expect_navigation():
        page.press("#q", "Enter")
    follow(page, "main h3 a")
    page.check("input[value='years:N']")
    page.fill("input[name='n.addressHistory']", "7")
    follow(page, "form[action$=check] button")
    assert "과거주소" in page.inner_text(".parts")
    page.check("input[value=finance]")
    follow(page, "form[action$='resident.household'] button")
    picture = tmp_path / "code.png"
    page.locator(".qr").screenshot(path=str(picture))
    (text,) = read_image(picture)
    assert text == page.get_attribute("#deep-link", "href")
    assert not page.is_visible("#tx-code")
    page.click("summary")
    assert re.fullmatch(r"\d{6}", page.inner_text("#tx-code"))
    place = CredentialOffer.of_uri(text, plain_http=True)
    with urllib.request.urlopen(place) as answer:
        offer = CredentialOffer.parse(answer.read(), plain_http=True)
    assert offer.issuer == service.base
    assert {one.partition("/")[0] for one in offer.configuration_ids} == {"resident.household"}
    assert offer.pre_authorized.tx_code.length == 6


def test_a_wallet_that_began_gets_its_answer_from_the_browser(service, visitor):
    back = service.settings.clients[0].redirect_uris[0]
    form = {
        "response_type": "code", "client_id": "https://wallet.example", "redirect_uri": back, "state": "st-1",
        "code_challenge": "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM", "code_challenge_method": "S256",
        "scope": "resident.household.dc+sd-jwt",
    }  # fmt: skip
    from urllib.parse import urlencode

    with urllib.request.urlopen(f"{service.base}/par", data=urlencode(form).encode()) as answer:
        request_uri = json.load(answer)["request_uri"]
    page = visitor()
    query = urlencode({"client_id": "https://wallet.example", "request_uri": request_uri})
    page.goto(f"{service.base}/authorize?{query}")
    follow(page, "main a.button")
    page.check("input[name=subject] >> nth=0")
    follow(page, "main form button:not(.link, .second)")
    follow(page, "form[action$=check] button")
    follow(page, "form[action$='resident.household'] button")
    assert page.url.startswith(back)
    found = dict(parse_qsl(urlsplit(page.url).query))
    assert found["state"] == "st-1"
    assert found["iss"] == service.base
    assert found["code"]


@pytest.mark.parametrize("lang", ["ko-KR", "en-US"])
@pytest.mark.parametrize("width", [390, 1280])
def test_every_page_can_be_read_heard_and_hit(service, visitor, lang, width):
    page = visitor(lang=lang, width=width, javascript=True)
    told = []
    page.on("console", lambda message: told.append(message.text))
    seen = []

    def check(place=None):
        if place is not None:
            page.goto(f"{service.base}{place}")
        assert page.evaluate(CHECKS) == [], page.url
        assert page.get_attribute("html", "lang") == lang[:2]
        seen.append(page.title())

    check("/apply")
    follow(page, "main a.button")
    check()
    page.check("input[name=subject] >> nth=0")
    follow(page, "main form button:not(.link)")
    check()
    check("/apply/types/family.relations")
    check("/apply/types/family.relations?variant=specific")
    check("/apply/types/resident.household")
    follow(page, "form[action$=check] button")
    check()
    follow(page, "form[action$='resident.household'] button")
    check()
    check("/apply/applications")
    follow(page, "tbody a >> nth=0")
    check()
    check("/operator")
    page.fill("#token", TOKEN)
    follow(page, "main form button:not(.link)")
    for place in ("", "/issued", "/applications", "/audit"):
        check(f"/operator{place}")
    page.goto(f"{service.base}/apply/types/nothing")
    check()
    assert len(set(seen)) == len(seen) - 1, "a title for every page; a variant is chosen on one of two"
    assert not [one for one in told if "Content Security Policy" in one or "Refused" in one]


def test_it_can_be_done_with_the_keyboard_alone(service, visitor):
    page = visitor(javascript=True)
    page.goto(f"{service.base}/apply")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    for _ in range(8):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.matches('main a.button')"):
            break
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none"
    page.keyboard.press("Enter")
    page.wait_for_url("**/development/authorize**")
    page.focus("input[name=subject] >> nth=0")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.wait_for_url("**/apply")


def test_the_language_stays_and_keeps_what_was_chosen(service, visitor):
    page = visitor(lang="ko-KR")
    login(page, service)
    page.goto(f"{service.base}/apply/types/resident.household?chosen=1&o.cohabitants=yes")
    follow(page, "text=English")
    assert page.is_checked("input[name='o.cohabitants'][value=yes]")
    assert parse_qs(urlsplit(page.url).query)["lang"] == ["en"]
    page.goto(f"{service.base}/apply")
    assert page.inner_text("h1") == "Which certificate do you need?"
