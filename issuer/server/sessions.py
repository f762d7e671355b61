"""The browser between the authorization request and the login pages: a cookie with a secret.

The secret names the authorization and has a MAC, so that nothing is kept about a browser before it decides. The cookie
is HttpOnly and SameSite=Lax; every form has the token of the person's own session besides (``visits``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from starlette.responses import Response

    from issuer.server.settings import IssuerServerSettings

__all__ = ["COOKIE", "set_session"]

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
