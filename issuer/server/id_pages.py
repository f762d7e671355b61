"""The applicant's side of a login by card: the link and the code for a wallet, waiting, and the short code.

Everything works without a script: the page says when to look again. With one it is told at once, by an event stream of
few seconds that the browser opens anew; nobody is logged in yet, so that there are only so many of them at once.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator  # noqa: TC003 - FastAPI reads it
from typing import TYPE_CHECKING, Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request  # noqa: TC002 - FastAPI reads it
from starlette.responses import RedirectResponse, Response, StreamingResponse

from issuer.server.identity import LoginError
from issuer.server.login_pages import enter, place_of
from issuer.server.showings import LASTS, Showings
from vcred.formats._wire import epoch
from vcred.reasons import Reason, ReasonCode
from vcred.serving import counted_address, problem

if TYPE_CHECKING:
    from collections.abc import Callable

    from issuer.server.pages import Site
    from issuer.server.showings import Stand
    from issuer.server.visits import Visit

__all__ = ["add"]

_NO_STORE: Final = {"Cache-Control": "no-store"}
_WAITS: Final = ("open", "fetched", "same")
_POLL: Final = 1.0
_STREAM: Final = 30
"""Polls of one event stream; the browser then opens another."""
_MOST: Final = 200
"""Event streams at once, in one process. Beyond, pages are looked at again every few seconds."""


def add(site: Site) -> None:
    """Put the pages into the site, where there is a card reader."""
    if site.showings is None:
        return
    showings = site.showings
    state, carry = "/apply/login/id/{state}", "/id/carry/{secret}"
    site.page("GET", "/apply/login/id", lambda visit: _begin(site, showings, visit), of="applicant", needs_login=False)
    site.page("GET", "/apply/shown", lambda visit: _land(site, showings, visit), of="applicant", needs_login=False)
    site.page("GET", state, lambda visit: _wait(site, showings, visit), of="applicant", needs_login=False)
    site.page("POST", state, lambda visit: _bring(site, showings, visit), of="applicant", needs_login=False)
    site.page("GET", carry, lambda visit: _carry(site, showings, visit), of="applicant", needs_login=False)
    _add_events(site, showings)


def _begin(site: Site, showings: Showings, visit: Visit) -> Response:
    state = secrets.token_urlsafe(24)
    browser = site.sessions.browser_of(visit.request) or secrets.token_urlsafe(24)
    answer = RedirectResponse(site.at(f"/apply/login/id/{state}"), status_code=303, headers=_NO_STORE)
    site.sessions.begin_login(
        answer,
        visit.request,
        browser,
        state,
        place_of(site, visit),
        at=visit.at,
        seconds=LASTS,
        within=lambda: showings.begin(state, browser, lang=visit.lang, at=visit.at),
    )
    return answer


def _wait(site: Site, showings: Showings, visit: Visit, *, wrong: bool = False) -> Response:
    from vcred.qr import text_code  # noqa: PLC0415 - drawing loads with the first code

    state = visit.request.path_params["state"]
    stand = showings.look(state, site.sessions.browser_of(visit.request), at=visit.at)
    policy, cross = showings.reader.policy, stand.links.get("cross")
    return site.render(
        visit,
        "id_login.html",
        status=400 if wrong else 200,
        stand=stand,
        place=site.at(f"/apply/login/id/{state}"),
        live=stand.live in _WAITS,
        qr=None if cross is None else text_code(cross).svg(),
        link=stand.links.get("same"),
        wrong=wrong,
        told=_told(stand, visit.lang),
        policy=policy,
        cards=showings.reader.cards(visit.lang),
    )


def _bring(site: Site, showings: Showings, visit: Visit) -> Response:
    """The short code that the person carried over. Wrong ones count for the login, and for the address."""
    store, now = site.parts.store, epoch(visit.at)
    who = f"card code {counted_address(visit.request)}"
    if store.guesses(who, at=now) >= site.parts.settings.wrong_guesses:
        raise LoginError("too many wrong codes from one address")
    state, browser = visit.request.path_params["state"], site.sessions.browser_of(visit.request)
    found = showings.bring(state, browser, visit.sent.get("code", ""), at=visit.at)
    if found is None:
        store.transact(lambda: store.add_guess(who, at=now))
        return _wait(site, showings, visit, wrong=True)
    return enter(site, visit, found.place, subject=found.subject, name=found.name)


def _land(site: Site, showings: Showings, visit: Visit) -> Response:
    """The wallet on this device sent the person back, with a secret that it alone was given."""
    secret = visit.request.query_params.get("response_code", "")
    found = showings.land(secret, site.sessions.browser_of(visit.request), at=visit.at)
    return enter(site, visit, found.place, subject=found.subject, name=found.name)


def _carry(site: Site, showings: Showings, visit: Visit) -> Response:
    """The page on the wallet's device, with the code."""
    code = showings.carried(visit.request.path_params["secret"], at=visit.at)
    return site.render(visit, "id_carry.html", code=code)


def _add_events(site: Site, showings: Showings) -> None:
    """Server-sent events: one for each change, for the browser that began."""
    open_now: set[object] = set()

    async def events(request: Request) -> Response:
        state, browser = request.path_params["state"], site.sessions.browser_of(request)

        def live() -> str:
            return showings.look(state, browser, at=site.parts.clock()).live

        try:
            await run_in_threadpool(live)
        except LoginError:
            return problem(request, 404, "there is no such login in this browser")
        if len(open_now) >= _MOST:
            return problem(request, 503, "too many wait here", headers={"Retry-After": "5"})
        return StreamingResponse(stream(request, live), media_type="text/event-stream", headers=_NO_STORE)

    async def stream(request: Request, live: Callable[[], str]) -> AsyncIterator[str]:
        mine, before = object(), None
        stopping = getattr(request.app.state, "stopping", lambda: False)
        open_now.add(mine)
        try:
            for _ in range(_STREAM):
                try:
                    now = await run_in_threadpool(live)
                except LoginError:
                    now = "expired"
                yield f"event: state\ndata: {now}\n\n" if now != before else ": waiting\n\n"
                if now not in _WAITS or stopping():
                    return
                before = now
                await asyncio.sleep(_POLL)
        finally:
            open_now.discard(mine)

    place = site.at("/apply/login/id/{state}/events")
    site.app.add_api_route(place, events, methods=["GET"], include_in_schema=False)


def _told(stand: Stand, lang: str) -> list[str]:
    known = [one for one in stand.reasons if one in list(ReasonCode)]
    return [Reason(ReasonCode(one), "", "").message(lang) for one in known]
