"""A bank's verifier service over ASGI, at a clock that stands still, with a town's wallet to answer it."""

from __future__ import annotations

import asyncio
import hashlib
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

import httpx

from vcred.claims import ClaimPath
from vcred.formats.known import Formats
from vcred.formats.mdoc import Mdoc
from vcred.keys import SoftwareSigner
from vcred.oid4vp import build_answer, build_page_answer, parse_request
from vcred.outgoing import Answer
from vcred.presentation import Presentation, Presented
from vcred.testing import World
from verifier import Verifier
from verifier.archive import EvidenceArchive
from verifier.server.app import create_app
from verifier.server.parts import Recorder
from verifier.server.settings import VerifierServerSettings
from verifier.server.store import VerifierStore

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from fastapi import FastAPI
    from httpx import Response

    from vcred.presentation import PresentationRequest

AT = datetime(2026, 9, 26, 3, 0, tzinfo=UTC)
BASE = "https://bank.example/vp"
POLICY = "bank.address-change"
KEY = "test-key-of-the-bank"
OTHER_KEY = "test-key-of-another"
REDIRECT = "https://www.bank.example/go-on"
HOOK = "https://www.bank.example/hook"
SECRET = "0123456789abcdef0123456789abcdef"
ORIGIN = "https://www.bank.example"


@dataclass
class Posted:
    """An ``Http`` that goes nowhere: what was sent, and the statuses it answers with."""

    statuses: list[int] = field(default_factory=list)
    sent: list[tuple[str, Mapping[str, str], bytes]] = field(default_factory=list)

    def send(self, method: str, url: str, *, headers: Any = None, body: bytes | None = None, limit: int = 0) -> Answer:
        assert method == "POST"
        assert limit
        self.sent.append((url, headers or {}, body or b""))
        return Answer(status=self.statuses.pop(0) if self.statuses else 200, headers={}, body=b"")


class Client:
    """Calls of an application without a socket."""

    def __init__(self, app: FastAPI) -> None:
        self._app = app

    def request(self, method: str, path: str, **more: Any) -> Response:
        async def go() -> Response:
            async with httpx.AsyncClient(
                transport=httpx.ASGITransport(self._app), base_url="https://bank.example"
            ) as c:
                return await c.request(method, path, **more)

        return asyncio.run(go())

    def get(self, path: str, **more: Any) -> Response:
        return self.request("GET", path, **more)

    def post(self, path: str, **more: Any) -> Response:
        return self.request("POST", path, **more)


class Bank:
    """The service, its wallet and its clock."""

    def __init__(self, folder: Path, url: str, *, world: World, evidence: bool = False, **settings: Any) -> None:
        self.world = world
        self.at = world.at
        key_file = folder / "storage.key"
        key_file.write_text("ab" * 32)
        self.settings = VerifierServerSettings.model_validate(
            {
                "base_url": BASE,
                "database": url,
                "storage_key": key_file,
                "api_keys": [{"name": "desk", "sha256": _sha256(KEY)}, {"name": "other", "sha256": _sha256(OTHER_KEY)}],
                "redirect_uris": [REDIRECT],
                "webhooks": [{"url": HOOK, "secret": SECRET}],
                "origins": [ORIGIN],
                **settings,
            }
        )
        self.http = Posted()
        self.url = url
        self.recorder = None
        self.archive_key = SoftwareSigner.generate()
        if evidence:
            EvidenceArchive.create(
                folder / "evidence",
                reader=world.identity.client_id,
                recipient=self.archive_key.public_key,
                at=self.at,
            ).close()
            self.archive = EvidenceArchive(folder / "evidence")
            self.recorder = Recorder(self.archive)
            self.recorder.keep_trust(world.bundle_file, world.root_file)
        self._opened: list[Any] = []
        self.store = self._open()
        self.client = self.process()

    def process(self) -> Client:
        """One more process of the service, over the same database."""
        store = self._open()
        self.verifier = Verifier(self.world.trust, self.world.identity, store, evidence=self.recorder)
        policies = {POLICY: self.world.policy(POLICY), "shop.of-age": self.world.policy("shop.of-age")}
        self.app = create_app(
            self.settings,
            verifier=self.verifier,
            policies=policies,
            store=store,
            http=self.http,
            clock=lambda: self.at,
            recorder=self.recorder,
        )
        return Client(self.app)

    def close(self) -> None:
        """Let go of databases and files."""
        for one in self._opened:
            one.close()
        if self.recorder is not None:
            self.archive.close()

    def _open(self) -> VerifierStore:
        self._opened.append(VerifierStore(self.url, key=bytes.fromhex("ab" * 32)))
        return self._opened[-1]

    @property
    def parts(self) -> Any:
        return self.app.state.parts

    def call(self, method: str, path: str, *, key: str | None = KEY, **more: Any) -> Response:
        """One call of the API."""
        headers = {} if key is None else {"Authorization": f"Bearer {key}"}
        return self.client.request(method, f"/vp/api/requests{path}", headers=headers, **more)

    def ask(self, **wish: Any) -> dict[str, Any]:
        """A request that waits for a wallet."""
        wish = {"policy": POLICY, "device": "cross_device"} | wish
        answer = self.call("POST", "", json={name: value for name, value in wish.items() if value is not None})
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

    def fetch(self, made: Mapping[str, Any], *, wallet_nonce: str | None = None) -> PresentationRequest:
        """What a wallet reads behind the link."""
        link = dict(parse_qsl(urlsplit(made["link"]).query))
        place = urlsplit(link["request_uri"]).path
        if wallet_nonce is None:
            answer = self.client.get(place)
        else:
            answer = self.client.post(place, data={"wallet_nonce": wallet_nonce})
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"] == "application/oauth-authz-req+jwt"
        return parse_request(answer.content, client_id=link["client_id"], wallet_nonce=wallet_nonce)

    def present(self, request: PresentationRequest) -> Presentation:
        """What the town's wallet presents, once its holder agreed."""
        return self.world.wallet.present(self.world.wallet.match(request, at=self.at).approve(reuse=True), at=self.at)

    def post(self, request: PresentationRequest, body: bytes) -> Response:
        """Post an answer to where the request says."""
        assert request.online is not None
        assert request.online.response_uri is not None
        place = urlsplit(request.online.response_uri).path
        return self.client.post(place, content=body, headers={"content-type": "application/x-www-form-urlencoded"})

    def code(self, onward: str) -> str:
        """The short code that the person reads on the wallet's device."""
        found = self.client.get(urlsplit(onward).path, headers={"accept": "application/json"})
        assert found.status_code == 200
        return str(found.json()["code"])

    def answer(self, made: Mapping[str, Any]) -> Response:
        """Fetch, present and post."""
        request = self.fetch(made)
        return self.post(request, build_answer(self.present(request), request))

    def page_answer(self, made: Mapping[str, Any], *, origin: str = ORIGIN) -> Response:
        """The same through a browser."""
        given = self.call("GET", f"/{made['id']}/dc").json()
        request = parse_request(given["data"]["request"], client_id=None, origin=origin)
        data = build_page_answer(self.present_to(request), request)
        return self.call("POST", f"/{made['id']}/dc", json={"protocol": given["protocol"], "data": data})

    def present_to(self, request: PresentationRequest, **changed: Any) -> Presentation:
        """An answer signed by hand, with the held copy of each query: for whatever a wallet of ours would not send."""
        return sign_by_hand(self.world, request, **changed)


def sign_by_hand(
    world: World,
    request: PresentationRequest,
    *,
    audience: str | None = None,
    nonce: bytes | None = None,
    issued_at: int | None = None,
    transcript: bytes | None = None,
    also: Mapping[str, Any] | None = None,
    format: str = "dc+sd-jwt",  # noqa: A002 - as everywhere
    paths: list[list[Any]] | None = None,
) -> Presentation:
    """An answer to the first query in ``format``, from what the world's agency issues to a key of the test's own."""
    wanted = next(one for one in request.query.credentials if one.format == format)
    form = Formats(world.catalog)[format]
    signer, raw = held(world, wanted, format)
    opened = form.open(raw)
    names = [ClaimPath(tuple(one)) for one in paths] if paths is not None else [c.path for c in wanted.claims or ()]
    if isinstance(form, Mdoc):
        assert request.online is not None
        made = form.prepare_response(
            opened, names, transcript=transcript or request.online.transcript(request.client_id)
        )
    else:
        more = {} if also is None else {"also": also}
        made = form.prepare_presentation(
            opened,
            names,
            audience=audience or request.audience,
            nonce=nonce or request.nonce,
            issued_at=int(world.at.timestamp()) if issued_at is None else issued_at,
            **more,
        )
    presented = Presented(format=format, raw=made.complete(signer.sign(made.signing_input)))
    return Presentation(tokens={wanted.id: (presented,)})


def held(world: World, wanted: Any, format: str) -> tuple[SoftwareSigner, bytes]:  # noqa: A002 - as above
    """A certificate for a query, with the holder's key."""
    from wallet._records import CertificateRecord, copies_of, load_all

    store = world.wallet._store
    names = {name for one in wanted.types or () for name in one}
    form = Formats(world.catalog)[format]
    for certificate in load_all(store, CertificateRecord):
        for copy in copies_of(store, certificate).values():
            raw = copy.credentials.get(format)
            if raw is None or copy.key is None:
                continue
            vct = form.open(raw).vct
            kind = world.catalog.by_vct(vct)
            if names & {vct, kind.doctype if kind else ""}:
                return SoftwareSigner.from_der(copy.key), raw
    raise AssertionError("nothing of that kind is held")


def world(*codes: str, formats: tuple[str, ...] = ("dc+sd-jwt", "mso_mdoc")) -> World:
    """A town whose wallet holds a certificate of each of ``codes``."""
    made = World(at=AT, formats=formats)
    for code in codes:
        made.issue(code)
    return made


def reasons(answer: Response) -> list[str]:
    """What a wallet or a caller is told."""
    return list(json.loads(answer.content)["reasons"])


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
