"""A clerk's camera: codes are held before it, and the verdict is on the screen."""

from __future__ import annotations

from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.browser.conftest import CHROMIUM
from tests.browser.test_verifier_pages import _read, signed_in
from tests.browser.verifier_kit import Counter, film
from vcred.credential import Content, StatusReference
from vcred.formats.base import IssuerKey
from vcred.formats.paper import issue_paper
from vcred.qr import Message, MessageKind, encode
from vcred.qr.codes import text_code
from verifier import VerificationPolicy

pytestmark = pytest.mark.loopback

PAPER = VerificationPolicy.preset("bank.address-change").source.replace(
    'holder_binding = "required"', 'holder_binding = "bearer_ok"'
).replace('id = "bank.address-change"', 'id = "office.paper"').replace(
    '[forbid]\nclaims = ["rrn.serial", "rrn.sexDigit"]\n', ""
).replace('level = "none"', 'level = "full"\nlegal_basis = { ko = "시험", en = "test" }').replace(
    "은행 주소 변경", "종이 받는 창구"
)  # fmt: skip


@pytest.fixture(scope="module")
def counter(tmp_path_factory):
    folder = tmp_path_factory.mktemp("verifier")
    (folder / "paper.toml").write_text(PAPER)
    with Counter(folder, policies=[folder / "paper.toml"]) as opened:
        yield opened


@pytest.fixture
def filmed(tmp_path):
    """``filmed(lang=, width=)`` is a page whose browser has a camera: it shows what ``show`` was given."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if not Path(CHROMIUM).exists():
        pytest.skip("Chromium is not installed (Debian: apt-get install chromium)")
    camera, said = tmp_path / "camera.y4m", []
    film(camera, [])
    with ExitStack() as opened:
        started = opened.enter_context(sync_api.sync_playwright())

        def visit(*, lang="ko-KR", width=1280, allowed=True):
            args = ["--no-sandbox", "--use-fake-device-for-media-stream", f"--use-file-for-fake-video-capture={camera}"]
            args += ["--use-fake-ui-for-media-stream"] if allowed else []
            browser = started.chromium.launch(executable_path=CHROMIUM, args=args)
            opened.callback(browser.close)
            context = browser.new_context(
                locale=lang, ignore_https_errors=True, viewport={"width": width, "height": 900}
            )
            page = context.new_page()
            page.set_default_timeout(30_000)
            page.on("console", lambda message: said.append(message.text))
            page.on("pageerror", lambda error: said.append(str(error)))
            return page

        visit.show = lambda codes, **more: film(camera, codes, **more)
        yield visit
    assert not [one for one in said if "Content Security Policy" in one or "Error" in one]


def answer_of(counter, page, form):
    """What the wallet shows to the request on the page."""
    world = counter.world
    world.at = datetime.now(UTC)
    request = _read(page)
    assert {one.format for one in request.query.credentials} == {form}
    return encode(world.wallet.present(world.wallet.match(request, at=world.at).approve(reuse=True), at=world.at))


def offline(page, counter, form):
    page.goto(f"{counter.url}/desk/new?policy=bank.address-change")
    page.check("input[value=offline]")
    page.locator("details summary").first.click()
    page.check(f"input[name=format][value='{form}']")
    with page.expect_navigation():
        page.click("main form.card button")
    return page


def reads(page):
    """How far the bar went while it was read, until the page has gone on to a verdict."""
    steps = []
    page.expose_function("noted", lambda value: steps.append(value))  # noqa: PLW0108 - playwright marks what it is given
    page.evaluate(
        "const bar = document.querySelector('[data-scan-bar]');"
        "new MutationObserver(() => noted(bar.value)).observe(bar, { attributes: true })"
    )
    page.click("[data-scan-start]")
    page.wait_for_selector(".verdict", timeout=60_000)
    return steps


def sheet(counter, code):
    """A certificate of the town as it is printed."""
    world = counter.world
    kind, now = world.catalog[code], int(world.at.timestamp())
    content = Content(
        vct=kind.vct,
        issuer=world.issuer.id,
        claims=kind.issue(kind.sample, variant=None, options={}, issued_on=world.at.date()),
        issued_at=now - 60,
        expires_at=now + 86_400,
        holder_key=None,
        status=StatusReference(uri=world.trust.status_uris[0], index=1),
    )
    key = IssuerKey(public_key=world.document_signer.public_key, chain=(world.document_signer_certificate,))
    raw = issue_paper(content, key, world.document_signer, world.catalog.labels)
    return encode(Message(MessageKind.PAPER, {1: raw}))


@pytest.mark.parametrize("form", ["sd-cwt", "dc+sd-jwt"])
def test_an_answer_that_moves_is_read_frame_by_frame(counter, filmed, form):
    page = offline(signed_in(filmed(), counter), counter, form)
    codes = answer_of(counter, page, form)
    assert len(codes) > 4
    filmed.show(codes)
    steps = reads(page)
    assert page.locator(".verdict.ACCEPTED").count() == 1
    assert "김가람" in page.inner_text(".data")
    assert steps == sorted(steps)
    assert any(0 < one < 1 for one in steps), "the bar went on while it was read"


def test_paper_is_read_by_the_camera_and_a_strangers_code_beside_it_is_said(counter, filmed, tmp_path):
    page = signed_in(filmed(lang="en-US", width=390), counter)
    page.goto(f"{counter.url}/desk/paper")
    page.select_option("#policy", "office.paper")
    filmed.show([text_code("https://elsewhere.example/ticket/1234")] * 8)
    page.click("text=Read with the camera")
    page.wait_for_selector("text=not one that is used here")
    assert page.locator("[data-scan-start]").is_hidden()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.click("text=Stop reading")
    page.wait_for_selector("[data-scan-view]", state="hidden")
    assert page.evaluate("document.activeElement.hasAttribute('data-scan-start')")
    filmed.show(sheet(counter, "resident.personal"))
    reads(page)
    assert page.locator(".verdict.ACCEPTED").count() == 1, page.inner_text("main")
    assert "Paper: check separately" in page.inner_text(".verdict")


def test_a_camera_that_is_not_allowed_leaves_the_upload(counter, filmed):
    page = signed_in(filmed(allowed=False), counter)
    page.goto(f"{counter.url}/desk/paper")
    page.context.clear_permissions()
    page.click("[data-scan-start]")
    page.wait_for_selector("[data-scan-problem]:not([hidden])")
    assert "아래에 파일을" in page.inner_text("[data-scan-problem]")
    assert page.locator("#sheet").is_enabled()


def test_without_a_camera_or_scripts_nothing_of_it_is_there(counter, chromium):
    context = chromium.new_context(java_script_enabled=False, ignore_https_errors=True)
    page = signed_in(context.new_page(), counter)
    page.goto(f"{counter.url}/desk/paper")
    assert page.locator("[data-scan-start]").is_hidden()
    assert page.locator("#sheet").is_visible()
    context.close()
