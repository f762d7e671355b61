"""A wallet behind a web server that says yes to everything: for conformance runs and demonstrations, never for people.

A test that plays an issuer opens ``/offer`` with the parameters of an offer link, or ``/start``; one that plays a
verifier opens ``/authorize`` with those of a request link. What the holder would be asked is answered by yes. A login
goes through the browser that called, and comes back to ``/callback``. What went wrong is a page in HTML with the reason
code on it. What takes time is collected in the background.
"""

from __future__ import annotations

import threading
from html import escape
from typing import TYPE_CHECKING, Any, Final

from vcred.errors import MissingExtraError, RefusedError, StoreError, VcredError
from vcred.reasons import Reason
from wallet.client._refusal import ServerError
from wallet.client.offers import OfferPreview
from wallet.consent import shown

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from fastapi import FastAPI
    from starlette.requests import Request
    from starlette.responses import Response

    from wallet.client.offers import IssuanceConsent, Received
    from wallet.client.online import Online

__all__ = ["create_driver"]

_POLLS: Final = 20
_LONGEST_WAIT: Final = 60
_PAGE: Final = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title></head>
<body><h1>{title}</h1>{body}</body></html>
"""
_HEADERS: Final = {"Cache-Control": "no-store", "Content-Security-Policy": "default-src 'none'"}


def create_driver(online: Online, *, base_url: str, tx_code: str | None, decline: bool = False) -> FastAPI:
    """The application. ``online`` has ``{base_url}/callback`` as its ``redirect_uri``, and no browser of its own.

    ``tx_code`` is what is typed in where an offer wants one. With ``decline`` the holder says no to every request, and
    the verifier is told. Raises ``MissingExtraError`` without the extra ``server``.
    """
    try:
        from fastapi import FastAPI  # noqa: PLC0415 - the extra server

        from vcred.serving import Limits, LimitsMiddleware  # noqa: PLC0415 - as above
    except ModuleNotFoundError as error:
        raise MissingExtraError("server") from error
    if online.redirect_uri != f"{base_url}/callback":
        raise ValueError("the wallet's redirect_uri is base_url and /callback")
    driver = _Driver(online, base_url=base_url, tx_code=tx_code, decline=decline)
    app = FastAPI(title="vcred wallet driver", openapi_url=None, docs_url=None, redoc_url=None)
    app.add_middleware(LimitsMiddleware, limits=Limits())
    for path, page in (
        ("/", driver.start_page),
        ("/offer", driver.offer),
        ("/start", driver.start),
        ("/callback", driver.callback),
        ("/collect", driver.collect),
        ("/authorize", driver.authorize),
    ):
        app.add_route(path, _told(page), methods=["GET", "POST"] if path == "/collect" else ["GET"])
    return app


class _Driver:
    """One page a method. They block, and one after the other: there is one wallet."""

    def __init__(self, online: Online, *, base_url: str, tx_code: str | None, decline: bool) -> None:
        self._online = online
        self._base_url = base_url
        self._tx_code = tx_code
        self._decline = decline
        self._mutex = threading.Lock()

    def start_page(self, request: Request) -> Response:
        """What the wallet has."""
        del request
        held = self._online.wallet.certificates()
        waiting = self._online.waiting()
        return _page("wallet", [*(f"held: {one.code} {one.id}" for one in held), *_waiting(waiting)])

    def offer(self, request: Request) -> Response:
        """A credential offer, as an offer link has it."""
        with self._mutex:
            return self._receive(self._online.look(f"openid-credential-offer://?{request.url.query}"))

    def start(self, request: Request) -> Response:
        """The holder begins: ``issuer``, and ``configuration`` as often as there are some wanted."""
        wanted = request.query_params.getlist("configuration")
        with self._mutex:
            return self._receive(self._online.look_issuer(request.query_params.get("issuer", ""), wanted))

    def callback(self, request: Request) -> Response:
        """The browser is back from the issuer's login."""
        with self._mutex:
            return self._received(self._online.returned(f"{self._base_url}/callback?{request.url.query}"))

    def collect(self, request: Request) -> Response:
        """What has become ready."""
        del request
        with self._mutex:
            return self._received(self._online.collect())

    def authorize(self, request: Request) -> Response:
        """A presentation request, as a request link has it; the browser goes where the verifier wants it to."""
        from starlette.responses import RedirectResponse  # noqa: PLC0415 - the extra server

        with self._mutex:
            asked = self._online.fetch_request(self._online.look_request(f"openid4vp://?{request.url.query}"))
            if self._decline or asked.consent.missing or asked.consent.blocked:
                found = asked.decline()
            else:
                found = asked.answer(asked.consent.approve(reuse=True))
        if found.redirect is not None:
            return RedirectResponse(found.redirect, status_code=303, headers={"Cache-Control": "no-store"})
        return _page("answered", [f"verifier: {asked.consent.verifier.client_id}"])

    def _receive(self, step: OfferPreview | IssuanceConsent) -> Response:
        while isinstance(step, OfferPreview):
            step = self._online.fetch(step)
        return self._received(step.approve(tx_code=None if step.tx_code is None else self._tx_code))

    def _received(self, received: Received) -> Response:
        from starlette.responses import RedirectResponse  # noqa: PLC0415 - the extra server

        if received.login is not None:
            return RedirectResponse(received.login, status_code=303, headers={"Cache-Control": "no-store"})
        if received.problems and not received.certificates and not received.waiting:
            raise received.problems[0]
        if received.waiting:
            threading.Thread(target=self._poll, daemon=True).start()
        lines = [f"received: {one.code} {one.id}" for one in received.certificates]
        return _page("received", [*lines, *_waiting(received.waiting), *map(_line, received.problems)])

    def _poll(self) -> None:
        """Ask again for what takes time, for a while."""
        pause = threading.Event()
        for _ in range(_POLLS):
            with self._mutex:
                try:
                    waiting = self._online.waiting()
                    now = int(self._online.clock().timestamp())
                    if any(one.ready_at <= now for one in waiting):
                        waiting = self._online.collect().waiting
                except StoreError:
                    return  # the wallet was closed
            if not waiting:
                return
            pause.wait(min(max(1, min(one.ready_at for one in waiting) - now), _LONGEST_WAIT))


def _told(page: Callable[[Request], Response]) -> Callable[[Request], Response]:
    """``page``, with what goes wrong as a page of its own."""

    def wrapped(request: Request) -> Response:
        try:
            return page(request)
        except (VcredError, ValueError) as error:
            return _page("error", [_line(error)], status=502 if isinstance(error, ServerError) else 400)

    return wrapped


def _line(error: BaseException) -> str:
    if isinstance(error, RefusedError):
        reason = Reason(error.code, error.path, error.detail)
        return f"{error.code.value}: {reason.message('ko')} / {reason.message('en')} ({error.path}: {error.detail})"
    return f"{type(error).__name__}: {error}"


def _waiting(waiting: Sequence[Any]) -> list[str]:
    return [f"waiting: {one.code} from {one.issuer}" for one in waiting]


def _page(title: str, lines: Sequence[str], *, status: int = 200) -> Response:
    from starlette.responses import HTMLResponse  # noqa: PLC0415 - the extra server

    body = "".join(f"<p><bdi>{escape(shown(line))}</bdi></p>" for line in lines)
    return HTMLResponse(_PAGE.format(title=escape(title), body=body), status_code=status, headers=_HEADERS)
