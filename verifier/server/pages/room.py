"""What all pages of the desk share: the templates, who is signed in, forms that are ours, and failures as pages."""

from __future__ import annotations

import logging
import secrets
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, cast
from urllib.parse import urlsplit

from fastapi import Depends
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from markupsafe import Markup
from starlette.datastructures import FormData  # noqa: TC002 - FastAPI reads it
from starlette.exceptions import HTTPException
from starlette.requests import Request  # noqa: TC002 - FastAPI reads it
from starlette.responses import RedirectResponse

from vcred.errors import NotFound, RefusedError, VcredError
from vcred.formats._wire import epoch
from vcred.freshness import age_text
from vcred.serving import Pages, language_of, problem, route_of
from verifier.server.errors import StateError, WishError
from verifier.server.pages.opened import Opened
from verifier.server.pages.sessions import LIFETIME, Clerk, Sessions, form_token, same

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

    from starlette.responses import Response

    from verifier.server.parts import Parts

__all__ = ["LoginNeededError", "PageRoute", "Room", "clerk_of", "open_form", "room_of", "signed_form"]

COOKIE: Final = "vcred_desk"
LOGIN_COOKIE: Final = "vcred_desk_login"
_FILES: Final = 16
_FIELDS: Final = 32
_PART: Final = 64 * 1024
_STATUS: Final = (400, 401, 403, 404, 409, 413, 500)
_KINDS: Final = (((RequestValidationError, RefusedError, WishError), 400), (NotFound, 404), (StateError, 409))
_LOG: Final = logging.getLogger("vcred.verifier.pages")


class LoginNeededError(Exception):
    """Nobody is signed in; the browser is sent to the login page."""


class Room:
    """Everything a page needs. Made once, kept as ``app.state.room``."""

    def __init__(self, parts: Parts) -> None:
        settings = parts.settings
        self.parts = parts
        self.sessions = Sessions(parts.store.engine)
        self.opened = Opened(parts.store.engine)
        self.base = settings.path
        self.secure = urlsplit(settings.base_url).scheme == "https"
        self._pages = Pages(
            Path(__file__).parent,
            base=self.base,
            development=settings.development,
        )

    @property
    def now(self) -> int:
        """Seconds since 1970."""
        return epoch(self.parts.clock())

    def text(self, request: Request, name: str, **values: object) -> str:
        """One text in the language of ``request``."""
        return self._pages.text(name, language_of(request)).format(**values)

    def render(
        self, request: Request, template: str, *, clerk: Clerk | None, status: int = 200, **values: Any
    ) -> Response:
        """A page. ``values`` are the template's own."""
        lang = language_of(request)
        trust, at = self.parts.verifier.trust, self.parts.clock()
        return self._pages.render(
            request,
            template,
            status=status,
            clerk=clerk,
            place=request.url.path.removeprefix(self.base),
            token=_token(clerk),
            service_name=self.names,
            trust={
                "version": trust.version,
                "age": age_text(trust.age(at), lang),
                "expired": at >= trust.expires_at,
            },
            **values,
        )

    @property
    def names(self) -> Mapping[str, str]:
        """What the trust bundle calls this verifier, in both languages."""
        verifier, at = self.parts.verifier, self.parts.clock()
        with suppress(RefusedError):
            found = verifier.trust.resolve_reader(client_id=verifier.client_id, x5c=(), at=at)
            if found.registered:
                return {lang: found.name(lang) for lang in ("ko", "en")}
        host = urlsplit(self.parts.settings.base_url).hostname or ""
        return {"ko": host, "en": host}

    def go(self, path: str) -> Response:
        """Send the browser to a page of ours, with GET."""
        return RedirectResponse(f"{self.base}{path}", status_code=303, headers={"Cache-Control": "no-store"})

    def clerk(self, request: Request) -> Clerk | None:
        """Who is signed in."""
        owners = {one.name for one in self.parts.settings.api_keys}
        return self.sessions.find(request.cookies.get(COOKIE), owners, at=self.now)

    def sign_in(self, answer: Response, owner: str) -> None:
        """Begin a session; an older one of this browser is of no more use to it."""
        secret = self.sessions.begin(owner, at=self.now)
        answer.delete_cookie(LOGIN_COOKIE, path=self._path, secure=self.secure, httponly=True, samesite="lax")
        self._set(answer, COOKIE, secret, LIFETIME)

    def sign_out(self, request: Request, answer: Response) -> None:
        """End the session."""
        self.sessions.end(request.cookies.get(COOKIE, ""))
        answer.delete_cookie(COOKIE, path=self._path, secure=self.secure, httponly=True, samesite="lax")

    def login_token(self, request: Request, answer: Callable[[str], Response]) -> Response:
        """The page that ``answer`` makes for a token, which goes with a cookie of its own."""
        secret = request.cookies.get(LOGIN_COOKIE) or secrets.token_urlsafe(32)
        page = answer(form_token(secret))
        self._set(page, LOGIN_COOKIE, secret, 3600)
        return page

    def is_login_form(self, request: Request, form: FormData) -> bool:
        """Whether the form came from our login page in this browser."""
        secret = request.cookies.get(LOGIN_COOKIE)
        return bool(secret) and same(form.get("csrf"), form_token(cast("str", secret)))

    @property
    def _path(self) -> str:
        return self.base or "/"

    def _set(self, answer: Response, name: str, value: str, seconds: int) -> None:
        answer.set_cookie(
            name, value, max_age=seconds, path=self._path, secure=self.secure, httponly=True, samesite="lax"
        )


def _token(clerk: Clerk | None) -> Callable[[], Markup]:
    """What a template puts into every form."""

    def field() -> Markup:
        assert clerk is not None
        return Markup('<input type="hidden" name="csrf" value="{}">').format(clerk.csrf)

    return field


def room_of(request: Request) -> Room:
    """That of the service that answers ``request``."""
    return cast("Room", request.app.state.room)


def clerk_of(request: Request) -> Clerk:
    """Who is signed in: a dependency. Raises ``LoginNeededError``."""
    found = room_of(request).clerk(request)
    if found is None:
        raise LoginNeededError
    return found


async def open_form(request: Request) -> AsyncIterator[FormData]:
    """The form that was sent, as long as the request lasts: a dependency. Raises ``HTTPException``."""
    async with request.form(max_files=_FILES, max_fields=_FIELDS, max_part_size=_PART) as form:
        yield form


async def signed_form(request: Request, form: Annotated[FormData, Depends(open_form)]) -> FormData:
    """The same, from a page of ours that was made for this session. Raises ``HTTPException``."""
    secret = request.cookies.get(COOKIE)
    if not secret or not same(form.get("csrf"), form_token(secret)):
        raise HTTPException(403)
    return form


class PageRoute(APIRoute):
    """A route whose failures are pages, and that sends whoever is not signed in to the login."""

    def get_route_handler(self) -> Callable[[Request], Awaitable[Response]]:  # type: ignore[override]
        """See FastAPI."""
        handler = super().get_route_handler()

        async def answer(request: Request) -> Response:
            try:
                return await handler(request)
            except LoginNeededError:
                return _login(request)
            except (HTTPException, RequestValidationError, VcredError) as error:
                return _failure(request, error)

        return answer


def _login(request: Request) -> Response:
    room = room_of(request)
    if "text/html" not in request.headers.get("accept", "text/html"):
        return problem(request, 401, "sign in first")
    path = request.url.path.removeprefix(room.base) if request.method == "GET" else "/desk"
    return room.go(f"/desk/login?next={path}")


def _failure(request: Request, error: Exception) -> Response:
    room = room_of(request)
    detail = f"{error.code.value}: {error.path}" if isinstance(error, RefusedError) else ""
    status = error.status_code if isinstance(error, HTTPException) else _status(error)
    status = status if status in _STATUS else 400 if status < 500 else 500
    if status == 500:
        _LOG.error("%s %s: %s: %s", request.method, route_of(request), type(error).__name__, error)
    text = room.text(request, f"error_{status}")
    return room.render(request, "failure.html", clerk=None, status=status, text=text, detail=detail)


def _status(error: Exception) -> int:
    for kinds, status in _KINDS:
        if isinstance(error, kinds):
            return status
    return 500
