"""Signing in with an API key of the service, and out again."""

from __future__ import annotations

import hashlib
import hmac
import re
from typing import TYPE_CHECKING, Annotated, Final

from fastapi import APIRouter, Depends
from starlette.datastructures import FormData  # noqa: TC002 - FastAPI reads it
from starlette.exceptions import HTTPException
from starlette.requests import Request  # noqa: TC002 - as above
from starlette.responses import Response  # noqa: TC002 - as above

from vcred.serving import counted_address
from verifier.server.pages.room import PageRoute, open_form, room_of, signed_form

if TYPE_CHECKING:
    from collections.abc import Sequence

    from verifier.server.settings import ApiKey

__all__ = ["router"]

router = APIRouter(route_class=PageRoute, include_in_schema=False)
_NEXT: Final = re.compile(r"/desk(?:/[A-Za-z0-9_-]{1,100}){0,3}")
_WRONG: Final = ("wrong", "wait")
_MAX_KEY: Final = 512


@router.get("/desk/login")
def login_page(request: Request) -> Response:
    """The form."""
    room = room_of(request)
    wrong = request.query_params.get("wrong", "")

    def page(token: str) -> Response:
        return room.render(
            request,
            "login.html",
            clerk=None,
            login_token=token,
            next=_next(request.query_params.get("next")),
            wrong=room.text(request, f"login_{wrong}") if wrong in _WRONG else "",
        )

    return room.login_token(request, page)


@router.post("/desk/login")
def login(request: Request, form: Annotated[FormData, Depends(open_form)]) -> Response:
    """Take a key."""
    room = room_of(request)
    if not room.is_login_form(request, form):
        raise HTTPException(403)
    address = counted_address(request)
    if room.sessions.waits(address, at=room.now):
        return room.go("/desk/login?wrong=wait")
    owner = _owner(form.get("key"), room.parts.settings.api_keys)
    following = _next(form.get("next"))
    if owner is None:
        room.sessions.failed(address, at=room.now)
        return room.go(f"/desk/login?wrong=wrong&next={following}")
    answer = room.go(following)
    room.sign_in(answer, owner)
    return answer


@router.post("/desk/logout", dependencies=[Depends(signed_form)])
def logout(request: Request) -> Response:
    """End the session."""
    room = room_of(request)
    answer = room.go("/desk/login")
    room.sign_out(request, answer)
    return answer


def _owner(key: object, known: Sequence[ApiKey]) -> str | None:
    if not isinstance(key, str) or not 0 < len(key) <= _MAX_KEY:
        return None
    digest = hashlib.sha256(key.strip().encode()).hexdigest()
    found = [one.name for one in known if hmac.compare_digest(one.sha256, digest)]
    return found[0] if found else None


def _next(path: object) -> str:
    """Where to go after login: one of our own pages and nothing else (threats WF-16)."""
    return path if isinstance(path, str) and _NEXT.fullmatch(path) else "/desk"
