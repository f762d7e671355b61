"""The browser between the authorization request and the login pages: a cookie with a secret.

The secret names the authorization and has a MAC, so that nothing is kept about a browser before it decides. The cookie
is HttpOnly and SameSite=Lax; every form about the authorization has ``Authorization.form_token`` besides.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from starlette.requests import Request  # noqa: TC002 - FastAPI reads it

from issuer.server.grants import Authorization  # noqa: TC001 - as above
from issuer.server.parts import parts_of
from vcred.serving import ProtocolError

if TYPE_CHECKING:
    from starlette.responses import Response

    from issuer.server.settings import IssuerServerSettings

__all__ = ["COOKIE", "authorization_of", "set_session"]

COOKIE: Final = "vcred_authorization"


def set_session(answer: Response, session: str, settings: IssuerServerSettings) -> None:
    """Let the browser come back with ``session``."""
    answer.set_cookie(
        COOKIE,
        session,
        max_age=settings.lifetimes.login,
        path=settings.path or "/",
        secure=settings.base_url.startswith("https://"),
        httponly=True,
        samesite="lax",
    )


def authorization_of(request: Request) -> Authorization:
    """The authorization that this browser is at: a dependency of the login pages. Raises ``ProtocolError``."""
    parts = parts_of(request)
    found = parts.grants.of_session(request.cookies.get(COOKIE), at=parts.clock())
    if found is None:
        raise ProtocolError("invalid_request", "there is no request of a wallet here, or it has expired")
    return found
