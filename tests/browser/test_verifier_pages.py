"""A clerk at the desk, in a real browser, with the town's wallet on the other side of the QR code."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest

from tests.browser.conftest import follow
from tests.browser.verifier_kit import HOUSEHOLD, KEY, OTHER_KEY, POLICY, Counter, picture
from vcred.presentation import PresentationRequest
from vcred.qr import encode
from vcred.reasons import Outcome
from vcred.receipt import Receipt
from wallet.client import ServerError

pytestmark = pytest.mark.loopback


@pytest.fixture(scope="module")
def counter(tmp_path_factory):
    with Counter(tmp_path_factory.mktemp("verifier")) as opened:
        yield opened


@pytest.fixture
def own(tmp_path):
    """A service of its own, for tests that change the world."""
    with Counter(tmp_path, path="") as opened:
        yield opened


@pytest.fixture
def browse(chromium):
    """``browse(lang=, javascript=, width=)`` is a page in a browser of its own; what its console says is ``said``."""
    contexts, said = [], []

    def visit(*, lang="ko-KR", javascript=True, width=1280):
        context = chromium.new_context(
            locale=lang,
            ignore_https_errors=True,
            java_script_enabled=javascript,
            viewport={"width": width, "height": 900},
        )
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(15_000)
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        return page

    visit.said = said
    yield visit
    for context in contexts:
        context.close()
    assert not [
        one for one in said if "Content Security Policy" in one or ("Error" in one and "status of 4" not in one)
    ]


def signed_in(page, counter, key=KEY):
    page.goto(f"{counter.url}/desk")
    page.fill("#key", key)
    page.press("#key", "Enter")
    page.wait_for_selector(".choice")
    return page


def asked(page, counter, flow="cross_device", policy=POLICY):
    """A request, waiting."""
    page.goto(f"{counter.url}/desk/new?policy={policy}")
    page.check(f"input[value={flow}]")
    page.click("main form.card button")
    page.wait_for_selector("[role=status]")
    return page


def answered(page, counter, browse):
    """The wallet answers; the code that the holder then reads on the phone."""
    done = counter.answer(counter.scan(page))
    phone = browse(width=390)
    phone.goto(done.redirect)
    return phone.inner_text("p.code")


def test_the_page_turns_green_by_itself(counter, browse):
    page = asked(signed_in(browse(), counter), counter)
    assert page.inner_text("[role=status]") == "답을 기다리고 있습니다"
    page.locator("[data-left-label]").wait_for()  # the script of the page has begun to count
    assert re.search(r"남은 시간 (10:00|9:5\d)", page.inner_text(".left"))
    code = answered(page, counter, browse)
    page.wait_for_selector("#code")  # nobody reloaded
    assert "김가람" not in page.content()
    page.fill("#code", f"{code[:3]} {code[3:]}")
    page.press("#code", "Enter")
    page.wait_for_selector(".verdict.ACCEPTED")
    assert page.title() == "승인 · 은행 주소 변경"
    assert page.evaluate("document.activeElement.id") == "outcome"
    assert "주민등록표 등본" in page.inner_text(".data h3")
    assert "김가람" in page.inner_text(".data")
    assert "-1" not in re.sub(r"\d{4}-\d\d-\d\d", "", page.inner_text(".data"))  # no resident number was asked for
    assert page.locator(".checks tbody tr").count() > 20

    with page.expect_download() as got:
        page.click("a[download]")
    receipt = Receipt.parse(got.value.path().read_bytes())
    receipt.verify_by(counter.world.identity.signer.public_key)
    assert (receipt.outcome, receipt.types) == (Outcome.ACCEPTED, (HOUSEHOLD,))


def test_a_revoked_one_turns_red(own, browse):
    page = asked(signed_in(browse(lang="en-US"), own), own)
    own.revoke()
    with pytest.raises(ServerError):
        own.answer(own.scan(page))
    page.wait_for_selector(".verdict.REJECTED")  # nobody reloaded
    assert "revoked" in page.inner_text(".verdict")
    assert "has been revoked" in page.inner_text(".verdict") or "revoked" in page.inner_text(".reasons b").lower()
    assert "김가람" not in page.content()
    assert page.inner_text("#state .badge") == "returned"


def test_vp_10_without_the_code_there_is_no_result(counter, browse):
    page = asked(signed_in(browse(), counter), counter)
    code = answered(page, counter, browse)
    wrong = "000000" if code != "000000" else "111111"
    for left in (4, 3, 2, 1):
        page.wait_for_selector("#code")
        page.fill("#code", wrong)
        page.press("#code", "Enter")
        page.wait_for_selector(f"text={left}번 더")
    page.fill("#code", wrong)
    page.press("#code", "Enter")
    page.wait_for_selector("text=확인번호가 여러 번 틀렸습니다")
    page.goto(page.url)  # and the right one comes too late
    assert "김가람" not in page.content()
    assert page.locator("#code").count() == 0
    for path in ("/receipt", "?print=1"):
        shown = page.request.get(page.url.partition("?")[0] + path)
        assert "김가람" not in shown.text()
    assert page.request.get(page.url.partition("?")[0] + "/receipt").status == 404


def test_vp_09_on_the_same_device_the_page_that_the_wallet_opens_has_the_result(counter, browse):
    page = asked(signed_in(browse(), counter), counter, flow="same_device")
    assert page.locator(".qr").count() == 0
    done = counter.answer(page.get_attribute("a.big", "href"))
    page.wait_for_selector("text=지갑이 연 화면에서 계속하세요")
    here = page.url
    stranger = browse()
    stranger.goto(done.redirect)  # the address alone tells nobody what was submitted
    assert "증명서가 확인되었습니다" in stranger.inner_text("main")
    assert "김가람" not in stranger.content()
    assert stranger.request.get(f"{counter.url}/verification-evidence").status == 404
    assert stranger.request.get(f"{counter.url}/verification-evidence?response_code=wrong").status == 404
    back = page.context.new_page()  # the one that waits may just be loading itself anew
    back.goto(done.redirect)
    back.wait_for_selector(".verdict.ACCEPTED")
    assert back.url == here


def test_what_becomes_of_a_submission(counter, browse):
    page = asked(signed_in(browse(), counter), counter)
    code = answered(page, counter, browse)
    page.wait_for_selector("#code")
    page.fill("#code", code)
    page.press("#code", "Enter")
    page.wait_for_selector(".verdict.ACCEPTED")
    assert page.inner_text("#state .badge") == "제출"
    page.click("button:text-is('수취확인')")
    page.wait_for_selector("#state .badge:text-is('수취확인')")
    page.click("summary:text-is('반려')")
    page.fill("#reason", "<b>2쪽</b>이 없습니다")
    page.click("button:text-is('반려')")
    page.wait_for_selector("#state .badge:text-is('반려')")
    assert "<b>2쪽</b>이 없습니다" in page.inner_text("main")
    number = page.url.rpartition("/")[2]
    page.click("summary:text-is('삭제')")
    page.click("button:text-is('삭제')")
    page.wait_for_selector("#state .badge:text-is('삭제')")
    assert "김가람" not in page.content()
    assert "제출된 내용은 지워졌습니다" in page.inner_text("main")

    page.click("text=제출 목록")
    page.select_option("#state", "deleted")
    page.click("text=보기")
    page.wait_for_selector(f"a[href$='{number}']")
    page.select_option("#state", "received")
    page.click("text=보기")
    page.wait_for_selector("text=해당하는 제출이 없습니다")
    other = signed_in(browse(), counter, OTHER_KEY)
    other.goto(f"{counter.url}/desk/submissions")
    assert "해당하는 제출이 없습니다" in other.inner_text("main")
    assert other.request.get(f"{counter.url}/desk/requests/{number}").status == 404


def test_without_scripts_everything_works(counter, browse):
    page = asked(signed_in(browse(javascript=False), counter), counter)
    code = answered(page, counter, browse)
    page.wait_for_selector("#code")  # the page loads itself anew
    page.fill("#code", code)
    page.press("#code", "Enter")
    page.wait_for_selector(".verdict.ACCEPTED")
    page.click("text=인쇄용으로 보기")
    page.wait_for_selector(".checks tbody tr >> visible=true")
    assert page.locator(".actions").count() == 0


def test_with_the_keyboard_alone(counter, browse):
    page = browse()
    page.goto(f"{counter.url}/desk")
    page.wait_for_selector("#key:focus")
    page.keyboard.type(KEY)
    page.keyboard.press("Enter")
    page.wait_for_selector(".choice")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    _tab_to(page, "은행 주소 변경")
    page.keyboard.press("Enter")
    page.wait_for_selector("input[value=same_device]")
    _tab_to(page, "요청 만들기")
    page.keyboard.press("Enter")
    page.wait_for_selector(".qr")
    code = answered(page, counter, browse)
    page.wait_for_selector("#code:focus")
    page.keyboard.type(code)
    page.keyboard.press("Enter")
    page.wait_for_selector(".verdict.ACCEPTED")
    _tab_to(page, "수취확인")
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"
    page.keyboard.press("Enter")
    page.wait_for_selector("#state .badge:text-is('수취확인')")


def _tab_to(page, text):
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.textContent").strip() == text:
            return
    raise AssertionError(f"{text} is not reached by the keyboard")


def test_a_wallet_without_a_network_answers_in_a_picture(counter, browse):
    page = asked(signed_in(browse(), counter), counter, flow="offline")
    request = _read(page)
    page.set_input_files("#answer", {"name": "cat.png", "mimeType": "image/png", "buffer": b"\x89PNG no"})
    follow(page, "button:text-is('검증')")
    assert page.locator("p.problem[role=alert]").first.is_visible()

    world = counter.world
    world.at = datetime.now(UTC)
    answer = world.wallet.present(world.wallet.match(request, at=world.at).approve(reuse=True), at=world.at)
    page.set_input_files("#answer", {"name": "a.png", "mimeType": "image/png", "buffer": picture(encode(answer))})
    follow(page, "button:text-is('검증')")
    assert page.query_selector(".verdict"), page.inner_text("body")
    assert "ACCEPTED" in page.get_attribute(".verdict", "class"), page.inner_text("main")


def _read(page):
    from vcred.qr import decode, read_image

    codes = page.locator(".qr")
    return PresentationRequest.parse(
        decode(text for number in range(codes.count()) for text in read_image(codes.nth(number).screenshot()))
    )


def test_paper_is_accepted_only_where_paper_is_taken(counter, browse):
    page = signed_in(browse(), counter)
    page.click("text=종이 증명서")
    page.set_input_files("#sheet", {"name": "a.pdf", "mimeType": "application/pdf", "buffer": b"%PDF-1.4 nothing"})
    page.click("main form.card button")
    page.wait_for_selector("[role=alert]")
    assert page.locator(".verdict").count() == 0


HOSTILE = "<script>fetch('https://evil.example')</script><img src=x onerror=alert(1)>"


def test_wf_11_14_names_of_strangers_are_text_in_their_own_place_and_fetch_nothing(own, browse):
    record = dict(own.world.catalog[HOUSEHOLD].sample)
    member = dict(record["members"][0]) | {"name": HOSTILE}
    address = dict(record["currentAddress"]) | {"road": "확인됨 ✔ 정부 발급 url(https://evil.example)"}
    changed = record | {"members": [member], "currentAddress": address}
    own.world.wallet = type(own.world.wallet)(store=_memory(), trust=own.world.trust)
    own.world.issue(HOUSEHOLD, record=changed, options={"names": True})
    page = asked(signed_in(browse(), own), own)
    asked_for = []
    page.on("request", lambda one: asked_for.append(one.url))
    code = answered(page, own, browse)
    page.wait_for_selector("#code")
    page.fill("#code", code)
    page.press("#code", "Enter")
    page.wait_for_selector(".verdict.ACCEPTED")
    data = page.inner_text(".data")
    assert "<script>fetch(" in data
    assert "onerror=alert(1)" in data
    assert "확인됨 ✔ 정부 발급 url(" in data  # WF-14: in the marked area
    assert "확인됨 ✔" not in page.inner_text(".verdict")
    assert page.evaluate("getComputedStyle(document.querySelector('.data')).borderLeftStyle") == "solid"
    assert not [url for url in asked_for if not url.startswith(own.url)]
    assert page.locator("main img, main script").count() == 0


def _memory():
    from wallet import MemoryStore

    return MemoryStore()


def test_forms_and_addresses_of_others_are_refused(counter, browse):
    page = signed_in(browse(), counter)
    asked(page, counter)
    here = page.url
    for path in ("/desk/new", "/desk/logout"):
        assert page.request.post(counter.url + path, form={"policy": POLICY, "flow": "cross_device"}).status == 403
    assert page.request.post(here + "/cancel", form={"csrf": "0" * 64}).status == 403
    assert page.request.post(here + "/browser", data={}).status == 403
    cookies = {one["name"]: one for one in page.context.cookies()}
    desk = cookies["vcred_desk"]
    assert (desk["httpOnly"], desk["secure"], desk["sameSite"]) == (True, True, "Lax")

    stranger = browse()
    stranger.goto(here)
    assert "/desk/login" in stranger.url
    assert stranger.request.get(here + "/events", headers={"Accept": "text/event-stream"}).status == 401
    stranger.goto(f"{counter.url}/desk/login?next=//evil.example")
    stranger.fill("#key", KEY)
    stranger.press("#key", "Enter")
    stranger.wait_for_selector(".choice")
    assert stranger.url == f"{counter.url}/desk"  # WF-16

    page.click("text=로그아웃")
    page.wait_for_selector("#key")
    page.goto(here)
    assert "/desk/login" in page.url


def test_wrong_keys_are_counted(own, browse):
    page = browse()
    for _ in range(10):
        page.goto(f"{own.url}/desk/login")
        page.fill("#key", "wrong")
        page.press("#key", "Enter")
        page.wait_for_selector("[role=alert]")
    page.fill("#key", KEY)
    with page.expect_navigation():
        page.press("#key", "Enter")
    assert page.url == f"{own.url}/desk/login?wrong=wait"


@pytest.mark.parametrize("width", [320, 390, 1280])
def test_no_page_is_wider_than_the_screen(counter, browse, width):
    page = signed_in(browse(lang="en-US", width=width), counter)
    for path in ("/desk", "/desk/submissions", "/desk/paper", f"/desk/new?policy={POLICY}", "/desk/new?policy=none"):
        page.goto(counter.url + path)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path
        assert page.get_attribute("html", "lang") == "en"
    asked(page, counter)
    assert page.evaluate("document.documentElement.scrollWidth") <= width


FAKE = """
window.DigitalCredential = class {};
navigator.credentials.get = async ({ digital }) => {
  const [{ protocol, data }] = digital.requests;
  return { protocol, data: JSON.parse(await window.walletAnswers(protocol, JSON.stringify(data))) };
};
"""


def test_a_browser_that_knows_digital_credentials_calls_the_wallet(counter, browse):
    import json

    from wallet.client import Online

    page = browse()
    page.add_init_script(FAKE)
    world = counter.world

    def answers(protocol, data):
        online = Online(world.wallet, http=counter.tls.http(), clock=lambda: datetime.now(UTC), development=True)
        found = online.page_request(protocol, json.loads(data), origin=counter.settings.origin)
        return json.dumps(found.answer(found.consent.approve(reuse=True)))

    page.expose_function("walletAnswers", answers)
    signed_in(page, counter)
    asked(page, counter)
    page.click("[data-browser] button")
    page.wait_for_selector(".verdict.ACCEPTED")
