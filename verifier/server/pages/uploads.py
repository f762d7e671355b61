"""What comes as files: answers of wallets without a network, and paper. The request of the former is a QR code too."""

from __future__ import annotations

import datetime as dt
import secrets
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Depends
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request  # noqa: TC002 - FastAPI reads it
from starlette.responses import Response  # noqa: TC002 - as above

from vcred.errors import PolicyError, RefusedError
from vcred.formats._wire import epoch
from vcred.presentation import Challenge
from vcred.reasons import Reason
from vcred.serving import language_of
from verifier.batch import Scan
from verifier.online import read_request
from verifier.server.errors import AnswerRefusedError, StateError, WishError
from verifier.server.pages.asking import SignedIn, shown_policies, wish_of
from verifier.server.pages.requests import OFFLINE
from verifier.server.pages.room import PageRoute, room_of, signed_form
from verifier.server.pages.views import verdict_view
from verifier.server.store import Transaction

if TYPE_CHECKING:
    from collections.abc import Sequence

    from verifier.server.pages.sessions import Clerk

__all__ = ["ask_offline", "router"]

router = APIRouter(route_class=PageRoute, include_in_schema=False)

Form = Annotated[FormData, Depends(signed_form)]


def ask_offline(request: Request, clerk: Clerk, form: FormData) -> Response:
    """Make a request that is a QR code itself, for a wallet without a network."""
    room, at = room_of(request), room_of(request).parts.clock()
    parts = room.parts
    lang = language_of(request)
    try:
        wish = wish_of(form, lang=lang)
        now = parts.standings.newest()
        policy = now.policies[wish.policy]
        made = now.verifier.request(
            policy,
            freshness=Challenge(),
            at=at,
            reference_date=wish.reference_date,
            formats=wish.formats or None,
            lang=lang,
        )
    except (WishError, KeyError, PolicyError, ValueError) as error:
        detail = {"policy": str(form.get("policy", "")), "wrong": str(error)}
        return room.go(f"/desk/new?{urlencode(detail)}")
    found = Transaction(
        id=secrets.token_urlsafe(24),
        handle=secrets.token_urlsafe(16),
        owner=clerk.name,
        state="open",
        device="browser",  # whoever takes the answer is who asked: no code is carried
        mode=OFFLINE,
        policy=policy.source,
        wish=wish.model_dump_json(),
        redirect=None,
        webhook=None,
        created_at=epoch(at),
        expires_at=made.expires_at,
        request=made.raw,
        request_expires_at=made.expires_at,
    )
    parts.store.add(found)
    return room.go(f"/desk/requests/{found.id}")


@router.post("/desk/answer")
def take_answer(request: Request, clerk: SignedIn, form: Form) -> Response:
    """The answer to such a request: pictures of codes, a PDF, or the file that the wallet made."""
    room, at = room_of(request), room_of(request).parts.clock()
    found = room.parts.transactions.look(str(form.get("id", ""))[:64], owner=clerk.name, at=at)
    if found.mode != OFFLINE or found.request is None or found.state != "open":
        raise StateError(found.state, "it takes no file")
    try:
        answer = Scan(files=_files(form, "answer")).answer(read=room.parts.pictures.texts_of)
    except RefusedError as error:
        return room.go(f"/desk/requests/{found.id}?{urlencode({'wrong': 'upload_wrong', 'why': error.code.value})}")
    verifier = room.parts.standings.newest().verifier
    result = verifier.verify(answer, request=read_request(found.request), at=at)
    with suppress(AnswerRefusedError):  # the page says so
        room.parts.transactions.judged(found, result, at)
    return room.go(f"/desk/requests/{found.id}")


@router.get("/desk/paper")
def paper(request: Request, clerk: SignedIn) -> Response:
    """The form for a paper document."""
    return _paper(request, clerk, "", None, "")


@router.post("/desk/paper")
def check_paper(request: Request, clerk: SignedIn, form: Form) -> Response:
    """The verdict about one. It is on this page only: paper is no submission of ours."""
    room = room_of(request)
    parts, lang = room.parts, language_of(request)
    chosen = str(form.get("policy", ""))
    now = parts.standings.newest()
    policy = now.policies.get(chosen)
    if policy is None:
        raise HTTPException(404)
    day = str(form.get("reference_date") or "")
    try:
        date = dt.date.fromisoformat(day) if policy.needs_reference_date else None
        sheet = Scan(files=_files(form, "sheet")).sheet(read=parts.pictures.texts_of)
    except RefusedError as error:
        why = Reason(error.code, "", "").message(lang)
        return _paper(request, clerk, chosen, None, room.text(request, "upload_wrong", detail=why))
    except ValueError:
        return _paper(request, clerk, chosen, None, room.text(request, "new_wrong", detail="reference_date"))
    result = now.verifier.verify_paper(sheet, policy=policy, at=parts.clock(), reference_date=date)
    return _paper(request, clerk, chosen, verdict_view(result.to_json(), now.trust.catalog, lang), "")


def _paper(request: Request, clerk: Clerk, chosen: str, verdict: dict[str, Any] | None, wrong: str) -> Response:
    room = room_of(request)
    policies = shown_policies(room.parts.standings.current, request)
    return room.render(
        request, "paper.html", clerk=clerk, policies=policies, chosen=chosen, verdict=verdict, wrong=wrong
    )


def _files(form: FormData, name: str) -> tuple[bytes, ...]:
    """What was uploaded under ``name``. Raises ``HTTPException`` when there is nothing."""
    found: Sequence[Any] = form.getlist(name)
    files = tuple(one.file.read() for one in found if isinstance(one, UploadFile) and one.size)
    if not files:
        raise HTTPException(400)
    return files
