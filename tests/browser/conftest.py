"""The issuer's service with its pages on the loopback interface, for a real browser: the invented town, in development."""

from __future__ import annotations

import shutil
import socket
import threading
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from issuer import Issuer, IssuerProfile
from issuer.fictitious import TownRecords, generate
from issuer.server.app import create_app
from issuer.server.settings import IssuerServerSettings
from issuer.server.store import ServiceStore
from vcred.catalog import Catalog
from vcred.keys import SoftwareSigner
from vcred.outgoing import Outgoing, Reach
from vcred.trust import Purpose, build_root, build_signer

CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
TOKEN = "operator-token-of-this-test-0123456789"
ISSUER = "https://garam.example/issuer"
NAMES = {"ko": "가람특별시 (가상)", "en": "Garam City (fictitious)"}


class Running:
    """A service on a port of its own."""

    def __init__(self, folder: Path, **settings):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.base = f"http://localhost:{self.port}/garam"
        town = folder / "town.db"
        generate(town, seed=26, households=20, today=date(2026, 9, 26))
        self.town = TownRecords(town)
        self.store = ServiceStore(folder / "issuer.db")
        self.settings = IssuerServerSettings.model_validate(
            {
                "base_url": self.base,
                "development": True,
                "names": NAMES,
                "admin_tokens": {"hong": TOKEN},
                "deferred": ["tax.income"],
                "clients": [
                    {
                        "id": "https://wallet.example",
                        "authentication": "none",
                        "redirect_uris": [f"http://localhost:{self.port}/healthz"],
                    }
                ],
                "require_dpop": False,
                **settings,
            }
        )
        self.issuer = Issuer(_profile(), records=self.town, catalog=Catalog.builtin(), store=self.store)
        self.app = create_app(
            self.settings,
            issuer=self.issuer,
            store=self.store,
            http=Outgoing(Reach.development()),
            clock=lambda: datetime.now(UTC),
            sources={"people": self.town.find},
        )

    def start(self):
        import uvicorn

        from vcred.serving.run import server_config

        self.server = uvicorn.Server(server_config(self.app, host="127.0.0.1", port=self.port, tls=None))
        self.thread = threading.Thread(target=self.server.run, daemon=True)
        self.thread.start()
        until = time.monotonic() + 20
        while not self.server.started and time.monotonic() < until:
            time.sleep(0.02)
        assert self.server.started
        return self

    def stop(self):
        self.server.should_exit = True
        self.thread.join(10)
        self.store.close()


def _profile():
    now = datetime.now(UTC)
    start, end = now - timedelta(days=1), now + timedelta(days=4000)
    root_key, key = SoftwareSigner.generate(), SoftwareSigner.generate()
    root = build_root(root_key, name=NAMES, not_before=start, not_after=end)
    leaf = build_signer(key.public_key, purpose=Purpose.ISSUER, id=ISSUER, name=NAMES, issuer=root, issuer_signer=root_key, not_before=start, not_after=end)  # fmt: skip
    types = frozenset({"resident.household", "resident.personal", "family.relations", "tax.income", "tax.clearance", "edu.enrolment", "id.resident_mobile"})  # fmt: skip
    return IssuerProfile(id=ISSUER, signer=key, chain=(leaf,), types=types)


def follow(page, selector):
    """Click what leads to another page, and wait until that page is there: a click alone returns before."""
    with page.expect_navigation():
        page.click(selector)


@pytest.fixture(scope="session")
def service(tmp_path_factory):
    running = Running(tmp_path_factory.mktemp("issuer")).start()
    yield running
    running.stop()


@pytest.fixture(scope="module")
def chromium():
    """A browser, while a module's tests run: playwright has an event loop of its own, and others here start theirs."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if not Path(CHROMIUM).exists():
        pytest.skip("Chromium is not installed (Debian: apt-get install chromium)")
    with sync_api.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def visitor(chromium):
    """``visitor(lang=, width=, javascript=, dark=)`` is a page in a browser of its own."""
    contexts = []

    def visit(*, lang="ko-KR", width=1280, javascript=False, dark=False):
        context = chromium.new_context(
            locale=lang,
            viewport={"width": width, "height": 900},
            java_script_enabled=javascript,
            color_scheme="dark" if dark else "light",
        )
        contexts.append(context)
        return context.new_page()

    yield visit
    for context in contexts:
        context.close()
