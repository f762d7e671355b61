"""An identity card in our wallet opens the way to the next certificate: over real sockets with TLS, both ways to begin."""

from __future__ import annotations

import html
import re
import ssl
from contextlib import closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.services.town import CALLBACK, CLIENT, Town
from vcred.errors import ConsentError, VcredError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wallet.client import Online

pytestmark = pytest.mark.loopback
CARD, CODE = "id.resident_mobile", "resident.household"
SUBJECT = "800515-1990120"


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    folder = tmp_path_factory.mktemp("city")
    now = lambda: datetime.now(UTC)  # noqa: E731 - a clock
    with Town(folder, clock=now, database=lambda name: f"sqlite:///{folder / name}.db", id_login=True) as made:
        yield made


class Browser:
    """A browser that a person logs in with, as far as the pages of the city need one."""

    def __init__(self, city: Town) -> None:
        context = ssl.create_default_context(cafile=str(city.tls.file))
        self._client = httpx.Client(verify=context, headers={"Accept": "text/html", "Accept-Language": "en"})
        self.page = ""
        self.url = ""

    def close(self) -> None:
        self._client.close()

    def go(self, url: str, form: dict[str, str] | None = None) -> None:
        """Follow redirects, but not to the wallet."""
        method = "GET" if form is None else "POST"
        answer = self._client.request(method, url, data=form)
        self.url = url
        while answer.is_redirect:
            self.url = str(answer.url.join(answer.headers["location"]))
            if self.url.startswith(CALLBACK):
                return
            answer = self._client.get(self.url)
        assert answer.status_code == 200, (self.url, answer.text)
        self.page = answer.text

    def submit(self, city: Town, action: str, **more: str) -> None:
        found = re.search(
            rf'<form method="post" action="[^"]*({re.escape(action)})">(.*?)</form>', self.page, re.DOTALL
        )
        assert found, self.page
        pairs = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', found[2])
        self.go(city.issuer_url + action, {html.unescape(n): html.unescape(v) for n, v in pairs} | more)

    def link(self) -> str:
        """The one for a wallet on this device."""
        found = re.search(r'id="deep-link" href="([^"]+)"', self.page)
        assert found, self.page
        return html.unescape(found[1])

    def log_in(self, city: Town, online: Online) -> None:
        """By card: the wallet on this device answers, and says where the browser goes on."""
        self.go(f"{city.issuer_url}/apply/login/id")
        asked = online.fetch_request(online.look_request(self.link()))
        assert asked.consent.verifier.registered
        answered = asked.answer(asked.consent.approve(reuse=True))
        self.go(answered.redirect)

    def apply(self, city: Town) -> None:
        self.go(f"{city.issuer_url}/apply/types/{CODE}/check?chosen=1")
        self.submit(city, f"/apply/types/{CODE}", purpose="own")


@pytest.fixture
def browser(city: Town) -> Iterator[Browser]:
    with closing(Browser(city)) as made:
        yield made


def with_card(city: Town, **more: object) -> Online:
    """A wallet that has an identity card, from a counter where an officer looked at its owner."""
    online = city.online(**more)
    city.receive(online, city.offer(CARD, "dc+sd-jwt"))
    city.publish()
    return online


def test_a_card_in_the_wallet_leads_to_a_certificate(city: Town, browser: Browser) -> None:
    online = with_card(city)
    browser.log_in(city, online)
    browser.apply(city)
    tx_code = re.search(r'id="tx-code">(\d+)<', browser.page)
    received = city.receive(online, {"uri": browser.link(), "tx_code": tx_code[1]})
    assert {one.code for one in received.certificates} == {CODE}


def test_a_wallet_that_begins_is_let_in_by_its_own_card(city: Town, browser: Browser) -> None:
    """Pushed request, authorization, login by card, decision, code, certificate."""
    steps: list[str] = []

    def person(url: str) -> str:
        browser.go(url)
        assert CLIENT in browser.page
        browser.log_in(city, online)
        steps.append(browser.url)
        browser.apply(city)
        return browser.url

    online = with_card(city, open_browser=person)
    consent = online.fetch(online.look_issuer(city.issuer_url, [f"{CODE}/dc+sd-jwt"]))
    received = consent.approve(tx_code=None)
    assert {one.code for one in received.certificates} == {CODE}
    assert steps == [f"{city.issuer_url}/apply/types/{CODE}"], "straight to what the wallet asked for"
    line = [one for one in city.store.audit() if one["event"] == "logged in by card"][-1]
    assert line["subject_hash"] == city.store.subject_hash(SUBJECT)


def test_whoever_has_no_card_is_not_let_in(city: Town, browser: Browser) -> None:
    online = city.online()
    browser.go(f"{city.issuer_url}/apply/login/id")
    asked = online.fetch_request(online.look_request(browser.link()))
    with pytest.raises(ConsentError):
        asked.consent.approve()
    asked.decline()
    browser.go(browser.url)
    assert "not to show it" in browser.page


def test_a_revoked_card_is_refused_and_the_wallet_hears_why(city: Town, browser: Browser) -> None:
    online = with_card(city)
    browser.go(f"{city.issuer_url}/apply/login/id")
    asked = online.fetch_request(online.look_request(browser.link()))
    credential = city.store.credentials(code=CARD, state=None, id_begins="", before=2**60, limit=1)[0].id
    city.issuer.revoke(credential, reason="reissued", at=city.clock())
    consent = asked.consent.approve()
    city.publish()
    with pytest.raises(VcredError):
        asked.answer(consent)
    browser.go(browser.url)
    assert "Nobody can log in" in browser.page
