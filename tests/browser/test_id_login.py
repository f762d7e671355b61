"""A person with a wallet on the command line logs in at the city in a real browser by showing an identity card."""

from __future__ import annotations

import base64
import re
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime

import pytest
from click.testing import CliRunner

from tests.browser.test_apply import CHECKS
from tests.services.kit import listening
from tests.services.town import CLIENT, Town
from vcred.cli._root import root
from vcred.cli._trust import keep
from vcred.qr import read_image
from wallet import FileStore
from wallet._crypto import Argon2Cost

pytestmark = pytest.mark.loopback
CARD, CODE = "id.resident_mobile", "resident.household"
SUBJECT, PIN = "800515-1990120", "482917"
CHEAP = Argon2Cost(memory_kib=8, passes=1, lanes=1)
ADDRESS = re.compile(r"https://\S+/(?:id/carry|apply/shown)\S+")


@pytest.fixture(scope="module")
def city(tmp_path_factory):
    folder = tmp_path_factory.mktemp("city")
    now = lambda: datetime.now(UTC)  # noqa: E731 - a clock
    with Town(folder, clock=now, database=lambda name: f"sqlite:///{folder / name}.db", id_login=True) as made:
        yield made


class CommandLine:
    """``vcred wallet`` on a wallet of its own, which has an identity card."""

    def __init__(self, folder, city):
        self.folder, self.city = folder, city
        (folder / "pin").write_text(f"{PIN}\n")
        (folder / "kr.trust").write_bytes(city.bundle)
        (folder / "root.json").write_bytes(city.root_file)
        leaf = base64.b64encode(city.attester.leaf).decode()
        pem = f"-----BEGIN CERTIFICATE-----\n{leaf}\n-----END CERTIFICATE-----\n".encode()
        (folder / "attester.pem").write_bytes(city.attester.key.to_pem(password=None) + pem)
        (folder / "me").mkdir()
        keep(folder / "kr.trust", folder / "root.json", folder / "me")
        with closing(FileStore(folder / "me" / "wallet.db", pin=PIN, cost=CHEAP)):
            pass
        made = city.offer(CARD, "dc+sd-jwt")
        self("receive", made["uri"], "--yes", "--tx-code", made["tx_code"])
        city.publish()

    def line(self, *arguments):
        """The words of a command, and whose attested wallet it is where that is asked."""
        where = ["--wallet", self.folder / "me", "--pin-file", self.folder / "pin"]
        attester = ["--attester", self.folder / "attester.pem", "--client-id", CLIENT]
        more = [*where, "--development", "--ca-file", self.city.tls.file, *(attester if "receive" in arguments else ())]
        return [*map(str, ["wallet", *arguments, *more])]

    def __call__(self, *arguments):
        runner = CliRunner(env={"LC_ALL": "", "LC_MESSAGES": "", "LANG": "en_US.UTF-8", "COLUMNS": "200"})
        result = runner.invoke(root, self.line(*arguments))
        assert result.exit_code == 0, (result.output, result.exception)
        return result.output

    def show(self, link):
        """Present what a link or a picture asks for; where the person goes on."""
        return ADDRESS.search(self("present", link, "--yes", "--reuse"))[0]


@pytest.fixture
def wallet(tmp_path, city):
    return CommandLine(tmp_path, city)


@pytest.fixture
def visitor(chromium):
    contexts = []

    def visit(*, lang="ko-KR", width=1280, javascript=True):
        contexts.append(
            chromium.new_context(
                locale=lang,
                viewport={"width": width, "height": 900},
                java_script_enabled=javascript,
                ignore_https_errors=True,  # the certificate of the test's own authority
            )
        )
        return contexts[-1].new_page()

    yield visit
    for context in contexts:
        context.close()


def begin(page, city):
    page.goto(f"{city.issuer_url}/apply")
    with page.expect_navigation():
        page.click("#show-card")


def test_from_a_qr_code_on_the_screen_to_a_certificate_in_the_wallet(city, wallet, visitor, tmp_path):
    page, phone = visitor(), visitor(width=320)
    begin(page, city)
    picture = tmp_path / "code.png"
    page.locator(".qr").screenshot(path=str(picture))
    assert read_image(picture)[0].startswith("openid4vp://?client_id=x509_hash")
    onward = wallet.show(picture)
    page.wait_for_selector("#code")  # the page looks again by itself
    assert page.evaluate(CHECKS) == []
    phone.goto(onward)
    assert phone.evaluate(CHECKS) == []
    code = phone.inner_text("#code")
    assert re.fullmatch(r"\d{6}", code)
    page.fill("#code", "000000" if code != "000000" else "111111")
    with page.expect_navigation():
        page.press("#code", "Enter")
    assert "남은 횟수: 4" in page.inner_text("[role=alert]")
    assert page.evaluate(CHECKS) == []
    page.fill("#code", code)
    with page.expect_navigation():
        page.press("#code", "Enter")
    assert page.inner_text("h1") == "어떤 증명서가 필요하세요?"
    page.goto(f"{city.issuer_url}/apply/types/{CODE}")
    with page.expect_navigation():
        page.click("form[action$=check] button")
    with page.expect_navigation():
        page.click(f"form[action$='{CODE}'] button")
    received = wallet(
        "receive", page.get_attribute("#deep-link", "href"), "--yes", "--tx-code", page.text_content("#tx-code")
    )
    assert "Certified Copy of Resident Registration (household)" in received


def test_on_the_same_device_without_a_script(city, wallet, visitor):
    page, other = visitor(javascript=False, width=320, lang="en-US"), visitor(lang="en-US")
    begin(page, city)
    assert page.query_selector("meta[http-equiv=refresh]")
    onward = wallet.show(page.get_attribute("#deep-link", "href"))
    page.reload()
    assert "Go on in the window that it opened" in page.inner_text("[role=status]")
    other.goto(onward)
    assert other.inner_text("h1") == "This login did not begin in this browser"
    page.goto(onward)
    assert page.inner_text("h1") == "Which certificate do you need?"


def test_a_wallet_that_waits_for_a_login_shows_the_card_for_it(city, wallet, visitor):
    """``wallet receive`` is at the login, and ``wallet present`` opens the same wallet meanwhile."""
    made = city.offer("resident.personal", "dc+sd-jwt", grant="authorization_code", subject=SUBJECT)
    sock, port = listening()
    sock.close()
    callback = f"http://127.0.0.1:{port}/callback"
    command = [*wallet.line("receive", made["uri"], "--yes"), "--redirect-uri", callback, "--lang", "en"]
    page = visitor()
    with subprocess.Popen(
        [sys.executable, "-m", "vcred", *command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as waiting:
        try:
            page.goto(next(one.strip() for one in waiting.stderr if one.startswith("https://")))
            with page.expect_navigation():
                page.click("#show-card")
            onward = wallet.show(page.get_attribute("#deep-link", "href"))
            page = page.context.new_page()  # as a wallet opens it: the page before goes on by itself, where it is
            page.goto(onward)
            assert page.inner_text("h1") == "신청한 증명서를 지갑으로 보냅니다"
            with page.expect_navigation(url=f"{callback}**"):
                page.click("form[action$=continue] button")
            received, problems = waiting.communicate(timeout=60)
        finally:
            waiting.kill()
    assert waiting.returncode == 0, problems
    assert "Abstract of Resident Registration" in received


@pytest.mark.parametrize("lang", ["ko-KR", "en-US"])
@pytest.mark.parametrize("width", [320, 1280])
def test_the_pages_can_be_read_heard_and_hit(city, visitor, lang, width):
    page, told = visitor(lang=lang, width=width), []
    page.on("console", lambda message: told.append(message.text))
    page.goto(f"{city.issuer_url}/apply")
    assert page.evaluate(CHECKS) == []
    with page.expect_navigation():
        page.click("#show-card")
    assert page.evaluate(CHECKS) == []
    assert page.get_attribute("html", "lang") == lang[:2]
    qr, link = page.locator(".qr").bounding_box(), page.locator("#deep-link").bounding_box()
    assert (link["y"] < qr["y"]) is (width == 320), "on a phone the wallet is likely there"
    assert not [one for one in told if "Content Security Policy" in one or "Refused" in one]


def test_a_wallets_request_that_is_over_is_a_page(city, visitor):
    page = visitor()
    page.goto(f"{city.issuer_url}/authorize?client_id=x&request_uri=urn:ietf:params:oauth:request_uri:old")
    assert page.evaluate(CHECKS) == []
    assert page.inner_text("h1") == "지갑의 요청이 만료되었거나 이미 처리되었습니다"
    with page.expect_navigation():
        page.click("text=English")
    assert page.inner_text("h1") == "The wallet's request is too old, or was answered"
