"""A wallet online, over ASGI: the ``Http`` that carries its requests to applications, and a city that issues to it."""

from __future__ import annotations

import asyncio
import base64
from collections import deque
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import httpx

from issuer import Issuer, IssuerProfile
from issuer.server.app import create_app
from issuer.server.settings import IssuerServerSettings
from issuer.server.store import ServiceStore
from vcred.errors import Offline
from vcred.keys import SoftwareSigner
from vcred.outgoing import Answer, check_url
from vcred.testing import World
from vcred.testing.world import ISSUER_ID, STATUS_URI
from vcred.trust import Purpose, build_root, build_signer
from wallet import MemoryStore, Wallet
from wallet.client import LocalAttester, Online

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from fastapi import FastAPI

AT = datetime(2026, 9, 26, 3, 17, 5, tzinfo=UTC)
ADMIN = "a-token-that-only-an-operator-has"
CLIENT = "https://wallet.example"
CALLBACK = "https://wallet.example/callback"
NAMES = {"ko": "새솔 지갑 (가상)", "en": "Saesol Wallet (fictitious)"}


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self, now: datetime = AT) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def forward(self, **delta: float) -> None:
        self.now += timedelta(**delta)


class AsgiHttp:
    """``Http`` to applications by host. ``log`` is what was asked of whom; nothing else can be reached."""

    def __init__(self, **apps: FastAPI) -> None:
        self.apps: dict[str, Any] = dict(apps)
        self.log: list[tuple[str, str]] = []
        self.lose: deque[str] = deque()
        """Ends of paths whose next answer gets lost on the way back."""

    def send(
        self,
        method: str,
        url: str,
        *,
        headers: Any = None,
        body: bytes | None = None,
        limit: int = 4 * 1024 * 1024,
    ) -> Answer:
        check_url(url)
        parts = urlsplit(url)
        self.log.append((method, url))
        app = self.apps.get(str(parts.hostname))
        if app is None:
            raise Offline(f"{parts.hostname}: cannot be reached")

        async def go() -> httpx.Response:
            transport = httpx.ASGITransport(app)
            sent = {"Accept": "application/json", **(headers or {})}
            async with httpx.AsyncClient(transport=transport, headers={"Accept-Encoding": "identity"}) as client:
                return await client.request(method, url, headers=sent, content=body)

        found = asyncio.run(go())
        if self.lose and parts.path.endswith(self.lose[0]):
            self.lose.popleft()
            raise Offline(f"{parts.hostname}: the answer was lost")
        assert len(found.content) <= limit
        return Answer(status=found.status_code, headers=dict(found.headers), body=found.content)

    def paths(self) -> list[str]:
        """The last part of every path that was asked."""
        return [urlsplit(url).path.rpartition("/")[2] for _, url in self.log]


class Attester:
    """A wallet's provider: a root, a leaf, and the attester that signs with it."""

    def __init__(self) -> None:
        root_key, key = SoftwareSigner.generate(), SoftwareSigner.generate()
        start, end = AT - timedelta(days=30), AT + timedelta(days=3650)
        self.root = build_root(root_key, name=NAMES, not_before=start, not_after=end)
        leaf = build_signer(
            key.public_key,
            purpose=Purpose.ISSUER,
            id=CLIENT,
            name=NAMES,
            issuer=self.root,
            issuer_signer=root_key,
            not_before=start,
            not_after=end,
        )
        self.key, self.leaf = key, leaf
        self.local = LocalAttester(key, [leaf], client_id=CLIENT, issuer="https://maker.example")

    def pem(self, path: Path) -> Path:
        """The root in a file."""
        path.write_text(pem_of(self.root), encoding="ascii")
        return path

    def file(self, path: Path) -> Path:
        """Key and certificate in a file, as ``LocalAttester.load`` takes them."""
        path.write_bytes(self.key.to_pem(password=None) + pem_of(self.leaf).encode())
        return path


class City:
    """An agency's service at ``ISSUER_ID``, the trust bundle that names it, and wallets."""

    def __init__(self, folder: Path, *, formats: tuple[str, ...] = ("dc+sd-jwt", "sd-cwt"), **settings: Any) -> None:
        self.clock = Clock()
        self.world = World(at=AT, formats=formats)
        self.attester = Attester()
        self.store = ServiceStore(str(folder / "issuer.db"))
        profile = IssuerProfile(
            id=ISSUER_ID,
            signer=self.world.document_signer,
            chain=(self.world.document_signer_certificate,),
            formats=formats,
            status_uri=STATUS_URI,
            copies=5,
        )
        self.issuer = Issuer(profile, records=self.world.records, catalog=self.world.catalog, store=self.store)
        anchor = self.attester.pem(folder / "attester.pem")
        self.settings = IssuerServerSettings.model_validate(
            {
                "base_url": ISSUER_ID,
                "development": True,
                "auto_approve": "sample",
                "wallet_attesters": [{"certificates": anchor}],
                "key_attesters": [{"certificates": anchor}],
                "admin_tokens": {"city": ADMIN},
                **settings,
            }
        )
        self.http = AsgiHttp()
        app = create_app(self.settings, issuer=self.issuer, store=self.store, http=self.http, clock=self.clock)
        self.http.apps[str(urlsplit(ISSUER_ID).hostname)] = app

    def close(self) -> None:
        self.store.close()

    def online(self, *, wallet: Wallet | None = None, **more: Any) -> Online:
        """A wallet with this city's trust bundle."""
        wallet = Wallet(store=MemoryStore(), trust=self.world.trust) if wallet is None else wallet
        given = {"attester": self.attester.local, "redirect_uri": CALLBACK, "open_browser": self.browser()} | more
        return Online(wallet, http=self.http, clock=self.clock, **given)

    def browser(self) -> Callable[[str], str]:
        """A browser of somebody who says yes: it follows redirects until it is back at the wallet."""

        def go(url: str) -> str:
            cookies = httpx.Cookies()
            for _ in range(8):
                if url.startswith(CALLBACK):
                    return url
                url = self._followed(url, cookies)
            raise AssertionError("the browser never comes back")

        return go

    def _followed(self, url: str, cookies: httpx.Cookies) -> str:
        async def go() -> httpx.Response:
            transport = httpx.ASGITransport(self.http.apps[str(urlsplit(url).hostname)])
            async with httpx.AsyncClient(transport=transport, cookies=cookies) as client:
                found = await client.get(url)
                cookies.update(client.cookies)
                return found

        found = asyncio.run(go())
        assert found.is_redirect, found.text
        return str(httpx.URL(url).join(found.headers["location"]))

    def offer(self, code: str = "resident.personal", **more: Any) -> dict[str, Any]:
        """What the operator gets who makes an offer: ``uri`` and ``tx_code``."""
        import json

        body = {"code": code, "subject": "sample", **more}
        answer = self.http.send(
            "POST",
            f"{ISSUER_ID}/admin/offers",
            headers={"Authorization": f"Bearer {ADMIN}", "Content-Type": "application/json"},
            body=json.dumps(body).encode(),
        )
        assert answer.status in (200, 201), answer.body
        self.http.log.clear()
        return json.loads(answer.body)


@contextmanager
def city_in(folder: Path, **settings: Any) -> Iterator[City]:
    """A city that is closed at the end."""
    city = City(folder, **settings)
    try:
        yield city
    finally:
        city.close()


def pem_of(der: bytes) -> str:
    """A certificate in PEM."""
    return f"-----BEGIN CERTIFICATE-----\n{base64.b64encode(der).decode()}\n-----END CERTIFICATE-----\n"
