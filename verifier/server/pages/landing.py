"""Where the person lands after an answer: on the device that asked, or on the phone with the code to carry over."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import APIRouter
from starlette.requests import Request  # noqa: TC002 - FastAPI reads it
from starlette.responses import Response  # noqa: TC002 - as above

from vcred.errors import NotFound
from verifier.server.errors import CodeNeededError, StateError
from verifier.server.pages.room import PageRoute, room_of
from verifier.server.pages.views import moment

if TYPE_CHECKING:
    from verifier.server.store import Transaction

__all__ = ["carry_page", "router"]

router = APIRouter(route_class=PageRoute, include_in_schema=False)
_MAX_CODE = 128


@router.get("/verification-evidence")
def landing(request: Request, response_code: str = "") -> Response:
    """The end of a presentation on the same device.

    At a desk in the same browser the code opens the result (threats VP-09). Anybody else is told that it was accepted,
    and nothing about what was in it.
    """
    room = room_of(request)
    found = room.parts.transactions.of_code(response_code[:_MAX_CODE])
    if found is None or found.device != "same_device":
        return _page(request, status=404)
    clerk = room.clerk(request)
    if clerk is not None and clerk.name == found.owner and _opens(request, found, response_code):
        room.opened.add(found.id, at=room.now)
        return room.go(f"/desk/requests/{found.id}")
    return _page(request, outcome=found.outcome)


def carry_page(request: Request, response_code: str) -> Response:
    """The phone's page with the short code (threats VP-10)."""
    room = room_of(request)
    work = room.parts.transactions
    try:
        code = work.carried(response_code, at=room.parts.clock())
    except NotFound:
        return _page(request, status=404)
    found = work.of_code(response_code)
    if found is None or found.answered_at is None or found.id in room.opened:
        return _page(request, status=404)
    until = found.answered_at + room.parts.settings.lifetimes.code
    return _page(request, code=code, until=moment(until, clock=True))


def _opens(request: Request, found: Transaction, response_code: str) -> bool:
    try:
        room_of(request).parts.transactions.result(found, response_code=response_code, code=None)
    except (CodeNeededError, StateError, NotFound):
        return False
    return True


def _page(
    request: Request, *, status: int = 200, outcome: str | None = None, code: str = "", until: str = ""
) -> Response:
    return room_of(request).render(
        request,
        "done.html",
        clerk=None,
        status=status,
        found=status == 200,
        outcome=outcome,
        code=code,
        until=until,
    )
