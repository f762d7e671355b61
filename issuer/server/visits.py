"""One visit of a browser to a page: who it is, what it sent, and that it was our own form it sent.

Sessions are in the database; the cookie is a random secret (HttpOnly, SameSite=Lax, Secure with https). A form has a
token that only the page with this session could hold, and a request that says it comes from another site is refused
whatever it holds.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal
from urllib.parse import urlsplit

from starlette.responses import RedirectResponse

from issuer.server._logins import SessionRow
from issuer.server.identity import Login, TooManyLoginsError
from vcred.errors import VcredError
from vcred.formats._wire import b64u_encode, epoch
from vcred.serving import counted_address

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from starlette.requests import Request
    from starlette.responses import Response

    from issuer.server.grants import Authorization
    from issuer.server.parts import Parts

__all__ = ["FORM_TOKEN", "ForgedError", "Session", "Sessions", "Visit", "go"]

Kind = Literal["applicant", "operator"]
FORM_TOKEN: Final = "form_token"  # noqa: S105 - the name of a field
_COOKIES: Final[dict[Kind, str]] = {"applicant": "vcred_session", "operator": "vcred_operator"}
_BROWSER: Final = "vcred_login"
_LONGEST: Final = 8 * 3600
_LOGIN: Final = 600
_BROWSER_LASTS: Final = 1200
"""As long as the longest login that this browser may have begun before, the one by card."""


class ForgedError(VcredError):
    """A form that is not one of ours, or comes from another site."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """Somebody who is logged in. ``subject`` is the registry's key, or an operator's name."""

    secret: str = field(repr=False)
    subject: str = field(repr=False)
    name: str | None = field(repr=False)
    form_token: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """One request of a browser. ``authorization``: the wallet's request that this person has to decide on, if any."""

    request: Request
    lang: str
    at: datetime
    who: Session | None
    authorization: Authorization | None = None
    sent: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def session(self) -> Session:
        """Who is logged in, on a page for which somebody must be."""
        assert self.who is not None
        return self.who


class Sessions:
    """Those of one service."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._path = parts.settings.path or "/"
        self._secure = parts.settings.base_url.startswith("https://")
        self._seconds = parts.settings.lifetimes.login

    def of(self, request: Request, kind: Kind, *, at: datetime) -> Session | None:
        """Who is logged in; a session that is used lives on, for eight hours at most."""
        secret = request.cookies.get(_COOKIES[kind])
        store, now = self._parts.store, epoch(at)
        row = None if secret is None else store.session(secret, at=now)
        if secret is None or row is None or row.kind != kind:
            return None
        until = min(now + self._seconds, row.began_at + _LONGEST)
        if until - row.expires_at > self._seconds // 4:
            store.transact(lambda: store.prolong_session(secret, until=until))
        return Session(secret=secret, subject=row.subject, name=row.name, form_token=self._form_token(secret))

    def begin(self, answer: Response, kind: Kind, *, subject: str, name: str | None, at: datetime) -> None:
        """Log somebody in, with a secret that no browser had before."""
        store, now, secret = self._parts.store, epoch(at), secrets.token_urlsafe(32)
        row = SessionRow(kind=kind, subject=subject, name=name, began_at=now, expires_at=now + self._seconds)
        store.transact(lambda: store.add_session(secret, row, at=now))
        self._set(answer, _COOKIES[kind], secret, seconds=_LONGEST)

    def end(self, answer: Response, kind: Kind, session: Session) -> None:
        """Log out."""
        store = self._parts.store
        store.transact(lambda: store.end_session(session.secret))
        answer.delete_cookie(_COOKIES[kind], path=self._path, secure=self._secure, httponly=True, samesite="lax")

    def begin_login(
        self,
        answer: Response,
        request: Request,
        browser: str,
        state: str,
        place: str,
        *,
        at: datetime,
        seconds: int = _LOGIN,
        within: Callable[[], object] | None = None,
    ) -> None:
        """Remember a login that this browser is sent away for. ``within`` is done in the same transaction.

        Nobody has to be anybody for it: raises ``TooManyLoginsError`` where one address begins too many.
        """
        store, now, most = self._parts.store, epoch(at), self._parts.settings.begun_logins
        who = f"begun login {counted_address(request)}"

        def work() -> None:
            # Counted in the transaction that writes, so that many at once are no more than the limit.
            if store.guesses(who, at=now) >= most:
                raise TooManyLoginsError
            store.add_guess(who, at=now)
            store.add_login(state, browser, place, expires_at=now + seconds, at=now)
            if within is not None:
                within()

        store.transact(work)
        self._set(answer, _BROWSER, browser, seconds=_BROWSER_LASTS)

    def end_login(self, request: Request, state: str, *, at: datetime) -> str | None:
        """Where a login goes on, once and in the browser that began it."""
        store, browser = self._parts.store, request.cookies.get(_BROWSER, "")
        return store.transact(lambda: store.use_login(state, browser, at=epoch(at)))

    def login(self, state: str, browser: str) -> Login:
        """The secrets of a login: made of its state, so that none has to be stored."""
        nonce, verifier = (
            b64u_encode(self._parts.store.keyed_hash(f"login {what}", f"{state} {browser}".encode()))
            for what in ("nonce", "verifier")
        )
        challenge = b64u_encode(hashlib.sha256(verifier.encode()).digest())
        return Login(state=state, nonce=nonce, verifier=verifier, challenge=challenge)

    @staticmethod
    def browser_of(request: Request) -> str | None:
        """The secret of a browser that was sent away to log in."""
        return request.cookies.get(_BROWSER)

    def check_site(self, request: Request) -> None:
        """Raises ``ForgedError`` for a form that another site had sent."""
        site = request.headers.get("sec-fetch-site")
        if site is not None and site not in ("same-origin", "none"):
            raise ForgedError("the form was sent by another site")
        origin = request.headers.get("origin", "null")
        ours = urlsplit(self._parts.settings.base_url)
        # Our own forms say "null": the pages keep their address to themselves (Referrer-Policy: no-referrer).
        if origin not in ("null", f"{ours.scheme}://{ours.netloc}"):
            raise ForgedError("the form was sent by another site")

    def check_form(self, session: Session, sent: Mapping[str, str]) -> None:
        """Raises ``ForgedError`` for a form that this session was not shown."""
        if not hmac.compare_digest(session.form_token.encode(), sent.get(FORM_TOKEN, "").encode("utf-8", "replace")):
            raise ForgedError("the form is not one that was shown here")

    def _form_token(self, secret: str) -> str:
        return b64u_encode(self._parts.store.keyed_hash("page form", secret.encode()))

    def _set(self, answer: Response, name: str, value: str, *, seconds: int) -> None:
        answer.set_cookie(
            name, value, max_age=seconds, path=self._path, secure=self._secure, httponly=True, samesite="lax"
        )


def go(place: str) -> RedirectResponse:
    """On to another page."""
    return RedirectResponse(place, status_code=303, headers={"Cache-Control": "no-store"})
