"""The desk: which business it is, the request for it, and the list of what was submitted."""

from __future__ import annotations

from typing import Annotated, Any, Final
from urllib.parse import urlencode

from fastapi import APIRouter, Depends
from sqlalchemy import func, select
from starlette.datastructures import FormData  # noqa: TC002 - FastAPI reads it
from starlette.requests import Request  # noqa: TC002 - as above
from starlette.responses import Response  # noqa: TC002 - as above

from vcred.serving import language_of
from verifier.server.errors import WishError
from verifier.server.models import Wish
from verifier.server.pages.asking import SignedIn, shown_policies, shown_policy, wish_of
from verifier.server.pages.opened import rows_of
from verifier.server.pages.room import PageRoute, Room, room_of, signed_form
from verifier.server.pages.uploads import ask_offline
from verifier.server.pages.views import moment
from verifier.server.tables import transactions

__all__ = ["router"]

router = APIRouter(route_class=PageRoute, include_in_schema=False)
STATES: Final = (
    "open",
    "submitted",
    "received",
    "returned",
    "withdrawn",
    "deleted",
    "declined",
    "cancelled",
    "closed",
    "expired",
)
_PAGE: Final = 50


@router.get("/")
def start(request: Request) -> Response:
    """The desk is where the service begins."""
    return room_of(request).go("/desk")


@router.get("/desk")
def desk(request: Request, clerk: SignedIn) -> Response:
    """The businesses."""
    room = room_of(request)
    policies = shown_policies(room.parts.standings.current, request)
    return room.render(request, "desk.html", clerk=clerk, policies=policies)


@router.get("/desk/new")
def new(request: Request, clerk: SignedIn, policy: str = "", wrong: str = "") -> Response:
    """One business: what is asked for, and how."""
    room = room_of(request)
    text = room.text(request, "new_wrong", detail=wrong[:200]) if wrong else ""
    shown = shown_policy(room.parts.standings.current, policy, request)
    return room.render(request, "new.html", clerk=clerk, policy=shown, wrong=text)


@router.post("/desk/new")
def create(request: Request, clerk: SignedIn, form: Annotated[FormData, Depends(signed_form)]) -> Response:
    """Make the request."""
    room = room_of(request)
    policy = str(form.get("policy", ""))
    same = form.get("flow") == "same_device"
    if form.get("flow") == "offline":
        return ask_offline(request, clerk, form)
    try:
        wish = wish_of(
            form,
            lang=language_of(request),
            device="same_device" if same else "cross_device",
            redirect=room.parts.settings.landing if same else None,
        )
        made = room.parts.transactions.create(wish, owner=clerk.name, at=room.parts.clock())
    except WishError as error:
        return room.go(f"/desk/new?{urlencode({'policy': policy, 'wrong': str(error)})}")
    return room.go(f"/desk/requests/{made.id}")


@router.get("/desk/submissions")
def submissions(request: Request, clerk: SignedIn, state: str = "", before: int = 2**53) -> Response:
    """What this API key asked for, the latest first."""
    room = room_of(request)
    rows = _rows(room, clerk.name, state if state in STATES else "", before)
    more = urlencode({"state": state, "before": rows[-1]["at"]}) if len(rows) == _PAGE else ""
    lang = language_of(request)
    for one in rows:
        policy = room.parts.policies.get(one["policy"])
        one["name"] = one["policy"] if policy is None else policy.name(lang)
    return room.render(request, "submissions.html", clerk=clerk, rows=rows, states=STATES, state=state, more=more)


def _rows(room: Room, owner: str, state: str, before: int) -> list[dict[str, Any]]:
    """The public columns only: a list decrypts nothing."""
    table = transactions.c
    columns = (table.id, table.wish, table.created_at, table.state, table.submission, table.outcome)
    chosen = select(*columns).where(table.owner == owner, table.created_at < before)
    over = func.coalesce(table.request_expires_at, table.expires_at) < room.now
    if state in ("open", "expired"):
        chosen = chosen.where(table.state == "open", over if state == "expired" else ~over)
    elif state in ("declined", "cancelled", "closed"):
        chosen = chosen.where(table.state == state)
    elif state:
        chosen = chosen.where(table.submission == state)
    chosen = chosen.add_columns(over.label("over")).order_by(table.created_at.desc()).limit(_PAGE)
    rows = []
    for row in rows_of(room.parts.store.engine, chosen):
        wish = Wish.model_validate_json(row.wish)
        rows.append(
            {
                "id": row.id,
                "at": row.created_at,
                "policy": wish.policy,
                "created": moment(row.created_at),
                "reference": wish.reference,
                "outcome": row.outcome,
                "state": row.submission or ("expired" if row.state == "open" and row.over else row.state),
            }
        )
    return rows
