"""The pages of the service: applicants log in, choose and get a certificate; operators look after what was issued.

Plain forms and links, Korean and English; everything works without a script. The routes turn a request into a
``Visit`` and an exception into a page that says what to do next; what happens is in ``apply_pages`` and
``operator_pages``.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, cast

from fastapi import FastAPI, Request  # noqa: TC002 - FastAPI reads it
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response  # noqa: TC002 - FastAPI reads it
from starlette.staticfiles import StaticFiles

from issuer.database import StateError
from issuer.server.development import DevelopmentProvider
from issuer.server.forms import read_form
from issuer.server.identity import ElsewhereError, IdentityProvider, LoginError, TooManyLoginsError, UnknownPersonError
from issuer.server.sessions import COOKIE
from issuer.server.showings import Showings
from issuer.server.visits import FORM_TOKEN, ForgedError, Sessions, Visit, go
from vcred.catalog.age import KST
from vcred.errors import CatalogError, NotFound, RecordError, SigningError, StoreError, TransportError, VcredError
from vcred.serving import Pages, ProtocolError, language_of, route_of
from vcred.serving import pages as _kit

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from issuer.server.identity import Provider
    from issuer.server.parts import Parts
    from vcred.catalog import CertificateType

    _Page = tuple[Literal["GET", "POST"], str, Callable[["Site", Visit], Response]]

__all__ = ["Site", "add", "site_of"]

_LOG: Final = logging.getLogger("vcred.issuer.pages")
_FOLDER: Final = Path(__file__).parent

_SAID: Final[tuple[tuple[type[Exception], int, str], ...]] = (
    # The first that fits: its status, and the texts error_<name> and error_<name>_next.
    (ForgedError, 403, "forged"),
    (ElsewhereError, 403, "elsewhere"),
    (UnknownPersonError, 403, "unknown"),
    (TooManyLoginsError, 429, "often"),
    (LoginError, 403, "login"),
    (NotFound, 404, "missing"),
    (CatalogError, 404, "missing"),
    (RecordError, 409, "record"),
    (SigningError, 503, "signing"),
    (TransportError, 502, "transport"),
    (StateError, 409, "state"),
    (StoreError, 503, "store"),
    (ProtocolError, 400, "request"),
    (ValueError, 400, "request"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """What all pages share."""

    app: FastAPI
    parts: Parts
    pages: Pages
    sessions: Sessions
    kinds: dict[str, CertificateType]
    provider: Provider | None
    development: DevelopmentProvider | None
    showings: Showings | None = None

    def at(self, place: str) -> str:
        """A place of ours as links have it."""
        return f"{self.parts.settings.path}{place}"

    def render(self, visit: Visit, template: str, *, status: int = 200, **values: object) -> Response:
        """A page, with who is logged in and the token for its forms."""
        session = visit.who
        return self.pages.render(
            visit.request,
            template,
            status=status,
            who=session,
            form_token=None if session is None else session.form_token,
            wallet=visit.authorization,
            **values,
        )

    def page(
        self,
        method: Literal["GET", "POST"],
        place: str,
        work: Callable[[Visit], Response],
        *,
        of: Literal["applicant", "operator"],
        needs_login: bool = True,
    ) -> None:
        """A route. ``work`` runs in the thread pool; without a login where one is needed, the visitor is sent to it."""

        async def answer(request: Request) -> Response:
            sent: dict[str, str] = {}
            try:
                if method == "POST":
                    sent = await read_form(request)
            except ProtocolError as error:
                return await run_in_threadpool(self._failed, request, of, error)
            return await run_in_threadpool(self._answered, request, sent, work, of, needs_login=needs_login)

        self.app.add_api_route(self.at(place), answer, methods=[method], include_in_schema=False)

    def routes(self, table: Sequence[_Page], *, of: Literal["applicant", "operator"]) -> None:
        """Routes for those who are logged in. The work of each takes this site first."""
        for method, place, work in table:
            self.page(method, place, partial(work, self), of=of)

    def refused(self, request: Request, error: ProtocolError | VcredError) -> Response:
        """The page for a wallet's request that leads nowhere: with it goes the address that an answer could have been
        sent to (RFC 6749 section 4.1.2.1). Everything that is not wrong with the request itself is as on any page;
        raises ``error`` itself where there is no page for it.
        """
        if not isinstance(error, ProtocolError):
            if not isinstance(error, tuple(kind for kind, _, _ in _SAID)):
                raise error
            return self._failed(request, "applicant", error)
        problem = "wallet_over" if error.error == "invalid_request_uri" else "wallet"
        detail = f"{error.error}: {error.description}"
        return self._error(request, "applicant", problem, status=error.status, detail=detail)

    def _answered(
        self,
        request: Request,
        sent: dict[str, str],
        work: Callable[[Visit], Response],
        of: Literal["applicant", "operator"],
        *,
        needs_login: bool,
    ) -> Response:
        try:
            visit = self._visit(request, sent, of)
            if request.method == "POST":
                self.sessions.check_site(request)
                if visit.who is not None:
                    self.sessions.check_form(visit.who, sent)
            if visit.who is None and needs_login:
                return go(self.at("/apply" if of == "applicant" else "/operator"))
            return work(visit)
        except tuple(kind for kind, _, _ in _SAID) as error:
            return self._failed(request, of, error)

    def _visit(self, request: Request, sent: dict[str, str], of: Literal["applicant", "operator"]) -> Visit:
        at = self.parts.clock()
        authorization = None
        if of == "applicant":
            authorization = self.parts.grants.of_session(request.cookies.get(COOKIE), at=at)
        return Visit(
            request=request,
            lang=language_of(request),
            at=at,
            who=self.sessions.of(request, of, at=at),
            authorization=authorization,
            sent={name: value for name, value in sent.items() if name != FORM_TOKEN},
        )

    def _failed(self, request: Request, of: Literal["applicant", "operator"], error: Exception) -> Response:
        status, name = next((status, name) for kind, status, name in _SAID if isinstance(error, kind))
        level = logging.ERROR if status >= 500 else logging.INFO
        # What we raise ourselves names no person; what Python raises might.
        text = str(error) if isinstance(error, VcredError) else ""
        _LOG.log(level, "page %s: %s: %s", route_of(request), type(error).__name__, text)
        return self._error(request, of, name, status=status)

    def _error(
        self, request: Request, of: Literal["applicant", "operator"], problem: str, *, status: int, detail: str = ""
    ) -> Response:
        """``detail`` is for whoever made the wallet."""
        at = self.parts.clock()
        return self.render(
            Visit(request=request, lang=language_of(request), at=at, who=self.sessions.of(request, of, at=at)),
            "error.html",
            status=status,
            problem=problem,
            detail=detail,
            home=self.at("/apply" if of == "applicant" else "/operator"),
        )


def add(app: FastAPI, parts: Parts) -> None:
    """Put the pages into ``app``. Raises ``SettingsError``."""
    from issuer.server import apply_pages, id_pages, login_pages, operator_pages  # noqa: PLC0415 - each needs Site

    settings = parts.settings
    names = {lang: settings.names.get(lang) or parts.issuer.id for lang in ("ko", "en")}
    pages = Pages(
        _FOLDER,
        base=settings.path,
        service_name=names,
        development=settings.development,
        moment=_moment,
        form_token_name=FORM_TOKEN,
    )
    development, provider = _provider(parts)
    site = Site(
        app=app,
        parts=parts,
        pages=pages,
        sessions=Sessions(parts),
        kinds={code: parts.issuer.type_of(code) for code in parts.issuer.kinds()},
        provider=provider,
        development=development,
        showings=None if parts.card_reader is None else Showings(parts, parts.card_reader),
    )
    app.state.site = site
    app.mount(f"{settings.path}/static/issuer", StaticFiles(directory=_FOLDER / "static"))
    app.mount(f"{settings.path}/static", StaticFiles(directory=Path(_kit.__file__).parent / "static"))
    site.page("GET", "/", lambda _: go(site.at("/apply")), of="applicant", needs_login=False)
    login_pages.add(site)
    id_pages.add(site)
    apply_pages.add(site)
    operator_pages.add(site)


def site_of(request: Request) -> Site:
    """That of the service that answers ``request``."""
    return cast("Site", request.app.state.site)


def _provider(parts: Parts) -> tuple[DevelopmentProvider | None, Provider | None]:
    settings, callback = parts.settings, parts.url("/apply/callback")
    if settings.identity_provider is not None:
        return None, IdentityProvider(
            settings.identity_provider, http=parts.http, redirect_uri=callback, plain_http=settings.development
        )
    if not settings.development:
        return None, None
    made = DevelopmentProvider(
        parts.url("/development"),
        mac=lambda value: parts.store.keyed_hash("development login", value),
        people=lambda: parts.sources["people"]() if "people" in parts.sources else [],
        clock=parts.clock,
    )
    return made, IdentityProvider(made.settings(), http=made, redirect_uri=callback, plain_http=True)


def _moment(seconds: int) -> str:
    """A time as pages show it: in Korea, to the minute."""
    return datetime.fromtimestamp(seconds, UTC).astimezone(KST).strftime("%Y-%m-%d %H:%M")
