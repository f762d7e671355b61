"""Logging in and out: to the identity provider and back, and the choice of a person in development."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from starlette.responses import RedirectResponse

from issuer.server.development import CLIENT, chosen
from issuer.server.identity import ElsewhereError, LoginError
from issuer.server.visits import go
from vcred.errors import NotFound

if TYPE_CHECKING:
    from starlette.responses import Response

    from issuer.server.pages import Site
    from issuer.server.visits import Visit

__all__ = ["add", "enter", "place_of"]

_ASKED = ("redirect_uri", "state", "nonce", "code_challenge")


def add(site: Site) -> None:
    """Put the pages into the site."""
    site.page("GET", "/apply/login", lambda visit: _leave(site, visit), of="applicant", needs_login=False)
    site.page("GET", "/apply/callback", lambda visit: _return(site, visit), of="applicant", needs_login=False)
    site.page("POST", "/apply/logout", lambda visit: _logout(site, visit), of="applicant")
    if site.development is not None:
        place = "/development/authorize"
        site.page("GET", place, lambda visit: _people(site, visit), of="applicant", needs_login=False)
        site.page("POST", place, lambda visit: _choose(site, visit), of="applicant", needs_login=False)


def _leave(site: Site, visit: Visit) -> Response:
    """To the identity provider. ``type`` says which certificate the visitor was about to choose."""
    if site.provider is None:
        raise LoginError("no identity provider is set up")
    place, state = place_of(site, visit), secrets.token_urlsafe(24)
    browser = site.sessions.browser_of(visit.request) or secrets.token_urlsafe(24)
    there = site.provider.begin(site.sessions.login(state, browser), lang=visit.lang, at=visit.at)
    answer = RedirectResponse(there, status_code=303, headers={"Cache-Control": "no-store"})
    site.sessions.begin_login(answer, visit.request, browser, state, place, at=visit.at)
    return answer


def place_of(site: Site, visit: Visit) -> str:
    """The page that a login goes on with."""
    code = visit.request.query_params.get("type")
    return f"/apply/types/{code}" if code in site.kinds else "/apply"


def enter(site: Site, visit: Visit, place: str, *, subject: str, name: str | None) -> Response:
    """On to ``place`` with a new session, whatever session there was."""
    onward = go(site.at(place))
    if visit.who is not None:
        site.sessions.end(onward, "applicant", visit.who)
    site.sessions.begin(onward, "applicant", subject=subject, name=name, at=visit.at)
    return onward


def _return(site: Site, visit: Visit) -> Response:
    """Back from the identity provider."""
    answer = dict(visit.request.query_params)
    if site.provider is None or len(answer) != len(visit.request.query_params.multi_items()):
        raise LoginError("the provider's answer says something twice")
    state, browser = answer.get("state", ""), site.sessions.browser_of(visit.request)
    place = site.sessions.end_login(visit.request, state, at=visit.at)
    if place is None or browser is None:
        raise ElsewhereError
    who = site.provider.finish(site.sessions.login(state, browser), answer, at=visit.at)
    return enter(site, visit, place, subject=who.subject, name=who.name)


def _logout(site: Site, visit: Visit) -> Response:
    answer = go(site.at("/apply"))
    site.sessions.end(answer, "applicant", visit.session)
    return answer


def _people(site: Site, visit: Visit) -> Response:
    assert site.development is not None
    asked = {name: visit.request.query_params.get(name, "") for name in _ASKED}
    if visit.request.query_params.get("client_id") != CLIENT or asked["redirect_uri"] != _callback(site):
        raise NotFound("not a request of our pages")
    return site.render(visit, "development.html", people=site.development.people(), asked=asked)


def _choose(site: Site, visit: Visit) -> Response:
    assert site.development is not None
    sent = visit.sent
    if sent.get("redirect_uri") != _callback(site):
        raise NotFound("not a request of our pages")
    subject = sent.get("subject", "").strip()
    if not subject:
        asked = {name: sent.get(name, "") for name in _ASKED}
        query = {"client_id": CLIENT, **asked, "code_challenge": asked["code_challenge"]}
        return go(f"{site.at('/development/authorize')}?{urlencode(query)}")
    code = site.development.code(
        subject,
        nonce=sent.get("nonce", ""),
        challenge=sent.get("code_challenge", ""),
        redirect_uri=sent["redirect_uri"],
    )
    return go(chosen(sent, code))


def _callback(site: Site) -> str:
    return site.parts.url("/apply/callback")
