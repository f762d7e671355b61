"""An issuer's service over ASGI, on both databases, with a clock that can be moved, and a wallet at HTTP level."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import secrets
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx
import pytest

from issuer import Issuer, IssuerProfile
from issuer.server.app import create_app
from issuer.server.settings import IssuerServerSettings
from issuer.server.store import ServiceStore
from vcred.catalog import Catalog
from vcred.keys import SoftwareSigner
from vcred.oauth import build_attestation_pop, build_client_attestation, build_dpop
from vcred.testing import SampleRecords
from vcred.trust import Purpose, build_root, build_signer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from issuer.server.parts import Parts
    from vcred.identification import CardReader

AT = datetime(2026, 9, 26, 3, 17, 5, tzinfo=UTC)
BASE = "https://issuer.example/garam"
ISSUER = "https://city.example/issuer"
CLIENT = "https://wallet.example"
CALLBACK = "https://wallet.example/callback"
CODE = "resident.personal"
CONFIGURATION = f"{CODE}/dc+sd-jwt"
OTHER = f"{CODE}/sd-cwt"
SCOPE = f"{CODE}.dc+sd-jwt"
PRE_AUTHORIZED = "urn:ietf:params:oauth:grant-type:pre-authorized_code"
NAME = {"ko": "가람시 (가상)", "en": "Garam City (fictitious)"}
CATALOG = Catalog.builtin()
START, END = AT - timedelta(days=30), AT + timedelta(days=7300)


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self, now: datetime = AT) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def forward(self, **delta: float) -> None:
        self.now += timedelta(**delta)


class Authority:
    """A root with a leaf below it: of an issuer, or of somebody who attests wallets."""

    def __init__(self, name: str, *, id: str = ISSUER, purpose: Purpose = Purpose.ISSUER) -> None:  # noqa: A002
        self.root_key, self.key = SoftwareSigner.generate(), SoftwareSigner.generate()
        names = {"ko": f"{name} (가상)", "en": f"{name} (fictitious)"}
        self.root = build_root(self.root_key, name=names, not_before=START, not_after=END)
        self.leaf = build_signer(
            self.key.public_key,
            purpose=purpose,
            id=id,
            name=names,
            issuer=self.root,
            issuer_signer=self.root_key,
            not_before=START,
            not_after=END,
        )

    def pem(self, path: Path) -> Path:
        """The root in a file."""
        text = base64.b64encode(self.root).decode()
        path.write_text(f"-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n", encoding="ascii")
        return path


CITY, ATTESTER = Authority("가람시"), Authority("새솔 지갑")


class NoNetwork:
    """``Http`` where nothing is to be fetched."""

    def send(self, *arguments: object, **options: object) -> Any:
        raise AssertionError("nothing is fetched here")


class Service:
    """The application with its parts. ``again`` is another process on the same database."""

    def __init__(
        self, target: str, folder: Path, clock: Clock, *, card_reader: CardReader | None = None, **settings: Any
    ) -> None:
        self.target, self.folder, self.clock = target, folder, clock
        self.address = "127.0.0.1"
        """Where requests seem to come from."""
        self.settings = IssuerServerSettings.model_validate(
            {
                "base_url": BASE,
                "wallet_attesters": [{"certificates": ATTESTER.pem(folder / "attester.pem")}],
                **settings,
            }
        )
        self._given = settings | {"card_reader": card_reader}
        self.store = ServiceStore(target)
        profile = IssuerProfile(id=ISSUER, signer=CITY.key, chain=(CITY.leaf,), copies=2)
        issuer = Issuer(profile, records=SampleRecords(CATALOG), catalog=CATALOG, store=self.store)
        try:
            self.app = create_app(
                self.settings, issuer=issuer, store=self.store, http=NoNetwork(), clock=clock, card_reader=card_reader
            )
        except BaseException:
            self.store.close()
            raise
        self.parts: Parts = self.app.state.parts

    def again(self, **settings: Any) -> Service:
        return Service(self.target, self.folder, self.clock, **(self._given | settings))

    def close(self) -> None:
        self.store.close()

    def send(self, method: str, path: str, **what: Any) -> httpx.Response:
        """One request. ``path`` is below the host, or a whole address."""
        return self.send_all([(method, path, what)])[0]

    def send_all(self, requests: Sequence[tuple[str, str, dict[str, Any]]]) -> list[httpx.Response]:
        """All of them at the same time."""

        async def go() -> list[httpx.Response]:
            transport = httpx.ASGITransport(self.app, client=(self.address, 40_000))
            async with httpx.AsyncClient(transport=transport, base_url=urlsplit(BASE)._replace(path="").geturl()) as c:
                return await asyncio.gather(*(c.request(method, path, **what) for method, path, what in requests))

        return asyncio.run(go())

    def nonce(self) -> str:
        """A nonce for proofs; empty where none is needed."""
        return self.send("POST", "/garam/nonce").headers.get("DPoP-Nonce", "")

    def pre_authorize(self, *, tx_code: str | None = None, application: str = "a-1", minutes: int = 10) -> str:
        return self.parts.grants.pre_authorize(
            application,
            configuration_ids=[CONFIGURATION, OTHER],
            tx_code=tx_code,
            expires_at=self.clock() + timedelta(minutes=minutes),
            at=self.clock(),
        )


class Wallet:
    """One installation: the key that its maker attests, a DPoP key, and forms as a wallet sends them."""

    def __init__(self, service: Service, *, client_id: str = CLIENT, attester: Authority | None = ATTESTER) -> None:
        self.service, self.client_id, self.attester = service, client_id, attester
        self.instance, self.dpop = SoftwareSigner.generate(), SoftwareSigner.generate()
        self.verifier = secrets.token_urlsafe(48)

    def headers(self, path: str, *, dpop: bool = True, nonce: str | None = None, **changed: Any) -> dict[str, str]:
        """Attestation, proof of its key and DPoP proof for a request to ``path``."""
        at = self.service.clock()
        nonce = self.service.nonce() if nonce is None else nonce
        found: dict[str, str] = {}
        if self.attester is not None:
            found["OAuth-Client-Attestation"] = changed.get("attestation") or self.attestation()
            found["OAuth-Client-Attestation-PoP"] = build_attestation_pop(
                changed.get("instance", self.instance),
                audience=changed.get("audience", BASE),
                at=changed.get("at", at),
                challenge=changed.get("challenge", nonce) or None,
            )
        if dpop:
            found["DPoP"] = build_dpop(self.dpop, method="POST", url=BASE + path, at=at, nonce=nonce or None)
        return found

    def attestation(self, *, lifetime: timedelta = timedelta(hours=1), **changed: Any) -> str:
        """What its maker says of this installation."""
        return build_client_attestation(
            changed.get("signer", self.attester.key),
            self.instance.public_key,
            client_id=changed.get("client_id", self.client_id),
            issuer="https://maker.example",
            at=changed.get("at", self.service.clock()),
            lifetime=lifetime,
            x5c=(self.attester.leaf,),
        )

    @property
    def challenge(self) -> str:
        digest = hashlib.sha256(self.verifier.encode()).digest()
        return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()

    def request(self, **changed: Any) -> dict[str, str]:
        """The parameters of an authorization request; ``None`` takes one away."""
        found = {
            "response_type": "code",
            "client_id": self.client_id,
            "redirect_uri": CALLBACK,
            "code_challenge": self.challenge,
            "code_challenge_method": "S256",
            "state": "st-1",
            "scope": SCOPE,
        }
        return _changed(found, changed)

    def par(self, *, headers: dict[str, str] | None = None, **changed: Any) -> httpx.Response:
        return self.service.send(
            "POST", "/garam/par", data=self.request(**changed), headers=headers or self.headers("/par")
        )

    def authorize(self, request_uri: str) -> httpx.Response:
        """What a browser gets that follows the wallet's link."""
        query = urlencode({"client_id": self.client_id, "request_uri": request_uri})
        return self.service.send("GET", f"/garam/authorize?{query}")

    def code(self, **changed: Any) -> str:
        """An authorization code: pushed, opened, and granted as the login pages do."""
        answer = self.par(**changed)
        assert answer.status_code == 201, answer.text
        session = self.authorize(answer.json()["request_uri"]).cookies["vcred_authorization"]
        grants, at = self.service.parts.grants, self.service.clock()
        found = grants.of_session(session, at=at)
        assert found is not None
        return parameters(grants.grant(found.id, "a-1", at=at))["code"]

    def token(
        self, *, headers: dict[str, str] | None = None, form: dict[str, Any] | None = None, **changed: Any
    ) -> httpx.Response:
        """A token request; ``form`` instead of the one for an authorization code."""
        found = form if form is not None else self.exchange(changed.pop("code", None) or self.code(), **changed)
        return self.service.send("POST", "/garam/token", data=found, headers=headers or self.headers("/token"))

    def exchange(self, code: str, **changed: Any) -> dict[str, str]:
        found = {
            "grant_type": "authorization_code",
            "code": code,
            "code_verifier": self.verifier,
            "redirect_uri": CALLBACK,
            "client_id": self.client_id,
        }
        return _changed(found, changed)

    def pre_authorized(self, code: str, **more: str) -> httpx.Response:
        form = {"grant_type": PRE_AUTHORIZED, "pre-authorized_code": code, **more}
        return self.token(form=form)


def parameters(url: str) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(url).query))


def details(*configurations: str, **more: Any) -> str:
    return json.dumps([{"type": "openid_credential", "credential_configuration_id": c, **more} for c in configurations])


def _changed(found: dict[str, str], changed: dict[str, Any]) -> dict[str, str]:
    return {name: value for name, value in (found | changed).items() if value is not None}


@pytest.fixture(params=["sqlite", "postgresql"])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return str(tmp_path / "issuer.db")
    return request.getfixturevalue("postgres").database(f"s{secrets.token_hex(6)}")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def serve(target: str, tmp_path: Path, clock: Clock) -> Iterator[Callable[..., Service]]:
    """``serve(**settings)`` is a service on ``target``."""
    running: list[Service] = []

    def start(**settings: Any) -> Service:
        running.append(Service(target, tmp_path, clock, **settings))
        return running[-1]

    yield start
    for one in running:
        one.close()


@pytest.fixture
def service(serve: Callable[..., Service]) -> Service:
    return serve()


@pytest.fixture
def wallet(service: Service) -> Wallet:
    return Wallet(service)
