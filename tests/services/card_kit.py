"""A city's issuer service that takes identity cards from wallets, over ASGI, with a town whose wallets have some."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

from tests.services.browser_kit import Browser
from tests.services.issuer_kit import AT, Clock, Service
from vcred.claims import ClaimPath
from vcred.formats.known import Formats
from vcred.keys import SoftwareSigner
from vcred.oid4vp import build_answer, parse_request
from vcred.presentation import Presentation, Presented
from vcred.testing import World
from verifier.guest import GuestVerifier
from verifier.policy import VerificationPolicy
from wallet._records import CertificateRecord, copies_of, load_all

if TYPE_CHECKING:
    from pathlib import Path

    from httpx import Response

    from vcred.presentation import PresentationRequest

CARD, SUBJECT = "id.resident_mobile", "800515-1990120"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
POLICY = "city.login"


def town(*codes: str, formats: tuple[str, ...] = ("dc+sd-jwt", "mso_mdoc")) -> World:
    """A town whose wallet holds a certificate of each of ``codes``."""
    made = World(at=AT, formats=formats)
    for code in codes:
        made.issue(code)
    return made


class Hall:
    """The service, at a clock that is the town's. ``again`` is another process on the same database."""

    def __init__(self, target: str, folder: Path, world: World, **more: Any) -> None:
        self.world, self.clock = world, Clock(world.at)
        policy = VerificationPolicy.preset(POLICY)
        self.reader = GuestVerifier(
            lambda: self.world.trust, world.identity, policy, production=more.pop("production", False)
        )
        id_login = {"verifier": folder, "subject": "rrn"} | more.pop("id_login", {})
        self._more = {"development": True, **more, "id_login": id_login}
        self.service = Service(target, folder, self.clock, card_reader=self.reader, **self._more)
        self._opened = [self.service]

    def again(self) -> Service:
        self._opened.append(self.service.again())
        return self._opened[-1]

    def close(self) -> None:
        for one in self._opened:
            one.store.close()

    def forward(self, **delta: float) -> None:
        """Time passes, for the wallet as well."""
        self.clock.forward(**delta)
        self.world.at = self.clock.now

    def begin(self, browser: Browser | None = None, query: str = "") -> Waiting:
        """Somebody begins a login by card."""
        visitor = Browser(self.service) if browser is None else browser
        visitor.send("GET", f"/garam/apply/login/id{query}")
        assert visitor.answer.status_code == 303
        return Waiting(self, visitor, visitor.answer.headers["location"])

    def fetch(self, link: str, *, wallet_nonce: str | None = None) -> PresentationRequest:
        """What a wallet reads behind a link."""
        found = dict(parse_qsl(urlsplit(link).query))
        assert found["request_uri_method"] == "post"
        data = {} if wallet_nonce is None else {"wallet_nonce": wallet_nonce}
        method = "GET" if wallet_nonce is None else "POST"
        answer = self.service.send(method, found["request_uri"], **({"data": data} if data else {}))
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"] == "application/oauth-authz-req+jwt"
        return parse_request(answer.content, client_id=found["client_id"], wallet_nonce=wallet_nonce)

    def present(self, request: PresentationRequest) -> Presentation:
        """What the town's wallet presents once its holder agreed."""
        wallet, at = self.world.wallet, self.world.at
        return wallet.present(wallet.match(request, at=at).approve(reuse=True), at=at)

    def post(self, request: PresentationRequest, body: bytes) -> Response:
        """Post an answer to where the request says."""
        return self.service.send("POST", request.online.response_uri, content=body, headers=FORM)

    def show(self, link: str) -> Response:
        """Fetch, present and post."""
        request = self.fetch(link)
        return self.post(request, build_answer(self.present(request), request))

    def carried(self, answer: Response) -> str:
        """The short code on the page that the wallet's device opens."""
        page = self.service.send("GET", answer.json()["redirect_uri"])
        assert page.status_code == 200
        return re.search(r'id="code">(\d{6})<', page.text)[1]


class Waiting:
    """A login under way, in one browser."""

    def __init__(self, hall: Hall, browser: Browser, place: str) -> None:
        self.hall, self.browser, self.place = hall, browser, place

    def look(self) -> Response:
        return self.browser.send("GET", self.place)

    def links(self) -> tuple[str, str]:
        """The link in the QR code, and the one for this device."""
        showings = self.hall.service.app.state.site.showings
        state, browser = self.place.rpartition("/")[2], self.browser.cookies["vcred_login"]
        stand = showings.look(state, browser, at=self.hall.clock())
        return stand.links["cross"], stand.links["same"]

    def bring(self, code: str, browser: Browser | None = None) -> Response:
        """Type the short code in."""
        return (browser or self.browser).send("POST", self.place, data={"code": code})

    @property
    def who(self) -> str | None:
        """Who is logged in in this browser, as the registry knows them."""
        secret = self.browser.cookies.get("vcred_session", "")
        row = self.hall.service.store.session(secret, at=int(self.hall.clock().timestamp()))
        return None if row is None else row.subject


def sign(
    world: World,
    request: PresentationRequest,
    *,
    code: str = CARD,
    paths: tuple[str, ...] = ("rrn", "cardState"),
    bound: bool = True,
    by: SoftwareSigner | None = None,
    **changed: Any,
) -> Presentation:
    """An answer signed by hand (``by`` another key than the holder's, or not at all unless ``bound``), with what
    ``world``'s wallet holds of type ``code``, whatever was asked for.
    """
    form = Formats(world.catalog)["dc+sd-jwt"]
    signer, raw = held(world, code)
    if bound:
        given = {
            "audience": request.audience,
            "nonce": request.nonce,
            "issued_at": int(world.at.timestamp()),
            **changed,
        }
        made = form.prepare_presentation(form.open(raw), [ClaimPath.parse(one) for one in paths], **given)
        raw = made.complete((by or signer).sign(made.signing_input))
    wanted = next(one for one in request.query.credentials if one.format == "dc+sd-jwt")
    return Presentation(tokens={wanted.id: (Presented(format="dc+sd-jwt", raw=raw),)})


def held(world: World, code: str) -> tuple[SoftwareSigner, bytes]:
    """A certificate of that type in the town's wallet, with the holder's key."""
    store, form = world.wallet._store, Formats(world.catalog)["dc+sd-jwt"]
    for certificate in load_all(store, CertificateRecord):
        for copy in copies_of(store, certificate).values():
            raw = copy.credentials.get("dc+sd-jwt")
            if raw is not None and copy.key is not None and form.open(raw).vct == world.catalog[code].vct:
                return SoftwareSigner.from_der(copy.key), raw
    raise AssertionError("nothing of that kind is held")
