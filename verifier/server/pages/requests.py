"""One request: waiting for its answer, the person's code, the verdict, and what the clerk makes of it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping  # noqa: TC003 - FastAPI reads it
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Path
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData
from starlette.exceptions import HTTPException
from starlette.requests import Request  # noqa: TC002 - as above
from starlette.responses import JSONResponse, Response, StreamingResponse

from vcred.errors import MalformedError
from vcred.formats._wire import parse_json
from vcred.policy import VerificationPolicy
from vcred.presentation import PresentationRequest
from vcred.qr.codes import encode, text_code
from vcred.reasons import Reason, ReasonCode
from vcred.serving import language_of
from verifier.server.errors import AnswerRefusedError, CodeNeededError, StateError, WishError
from verifier.server.models import Submission, Wish
from verifier.server.pages.asking import SignedIn  # noqa: TC001 - FastAPI reads it
from verifier.server.pages.room import COOKIE, PageRoute, Room, room_of, signed_form
from verifier.server.pages.sessions import Clerk, form_token, same
from verifier.server.pages.views import moment, policy_view, verdict_view
from verifier.server.store import Transaction  # noqa: TC001 - FastAPI reads it
from verifier.server.transactions import NEXT

__all__ = ["OFFLINE", "live_state", "router"]

router = APIRouter(route_class=PageRoute, include_in_schema=False)

OFFLINE: Final = "qr"
"""The mode of a request over QR codes, to a wallet without a network."""

_DIGITS: Final = 6
_POLL: Final = 0.5
_MAX_BODY: Final = 1024 * 1024
_ENDED: Final = frozenset({"expired", "declined", "cancelled", "closed"})
_WAITING: Final = {"open": "wait_status", "fetched": "wait_fetched", "code": "wait_answered", "same": "wait_same"}
_WRONG: Final = ("do_wrong", "do_reason_missing", "upload_wrong", "code")

Id = Annotated[str, Path(pattern=r"^[A-Za-z0-9_-]{16,64}$")]
Form = Annotated[FormData, Depends(signed_form)]


@router.get("/desk/requests/{id}")
def show(request: Request, clerk: SignedIn, id: Id, wrong: str = "", why: str = "") -> Response:  # noqa: A002
    """The request as it stands: waiting, code, verdict, or how it ended."""
    room = room_of(request)
    found = _look(room, id, clerk)
    live = live_state(room, found)
    if live in ("open", "fetched", "code", "same"):
        return _waiting(request, clerk, found, live, _wrong(request, room, found, wrong, why))
    if live in _ENDED or live == "locked":
        policy = _policy(room, found, request)
        return room.render(request, "ended.html", clerk=clerk, kind=live, policy=policy, one={"id": found.id})
    return _verdict(request, clerk, found, _wrong(request, room, found, wrong, why))


@router.get("/desk/requests/{id}/events")
async def events(request: Request, clerk: SignedIn, id: Id) -> Response:  # noqa: A002 - the path's name
    """Server-sent events: what the page shows, whenever that changes."""
    room = room_of(request)

    def live() -> str:
        return live_state(room, _look(room, id, clerk))

    await run_in_threadpool(live)  # 404 before the stream begins
    stopping = getattr(request.app.state, "stopping", lambda: False)

    async def stream() -> AsyncIterator[str]:
        before = None
        while True:
            state = await run_in_threadpool(live)
            yield f"event: state\ndata: {state}\n\n" if state != before else ": waiting\n\n"
            if state not in ("open", "fetched", "same") or stopping():
                return
            before = state
            await asyncio.sleep(_POLL)

    return StreamingResponse(stream(), media_type="text/event-stream", headers={"Cache-Control": "no-store"})


@router.post("/desk/requests/{id}/code")
def bring_code(request: Request, clerk: SignedIn, id: Id, form: Form) -> Response:  # noqa: A002 - the path's name
    """The short code that the person carried over (threats VP-10)."""
    room = room_of(request)
    found = _look(room, id, clerk)
    code = "".join(str(form.get("code", "")).split())
    try:
        room.parts.transactions.result(found, response_code=None, code=code)
    except CodeNeededError:
        return room.go(f"/desk/requests/{id}?wrong=code")
    except StateError:
        return room.go(f"/desk/requests/{id}")
    room.opened.add(found.id, at=room.now)
    return room.go(f"/desk/requests/{id}")


@router.post("/desk/requests/{id}/cancel")
def cancel(request: Request, clerk: SignedIn, id: Id, form: Form) -> Response:  # noqa: A002 - the path's name
    """Close a request that waits."""
    del form
    room = room_of(request)
    if _look(room, id, clerk).state == "open":
        room.parts.transactions.cancel(id, owner=clerk.name, at=room.parts.clock())
    return room.go(f"/desk/requests/{id}")


@router.post("/desk/requests/{id}/state")
def move(request: Request, clerk: SignedIn, id: Id, form: Form) -> Response:  # noqa: A002 - the path's name
    """What becomes of a submission. Nobody decides about what he was not allowed to see."""
    room = room_of(request)
    found = _look(room, id, clerk)
    wished, reason = form.get("state"), str(form.get("reason", "")).strip()[:500]
    if wished not in list(Submission) or live_state(room, found) != "verdict":
        return room.go(f"/desk/requests/{id}?wrong=do_wrong")
    try:
        room.parts.transactions.move(id, Submission(wished), reason or None, owner=clerk.name, at=room.parts.clock())
    except WishError:
        return room.go(f"/desk/requests/{id}?wrong=do_reason_missing")
    except StateError:
        return room.go(f"/desk/requests/{id}?wrong=do_wrong")
    return room.go(f"/desk/requests/{id}")


@router.get("/desk/requests/{id}/receipt")
def receipt(request: Request, clerk: SignedIn, id: Id) -> Response:  # noqa: A002 - the path's name
    """The signed receipt for the holder, as a compact JWS."""
    room = room_of(request)
    found = _look(room, id, clerk)
    if found.result is None or live_state(room, found) != "verdict":
        raise HTTPException(404)
    token = json.loads(found.result)["receipt"]
    headers = {"Content-Disposition": 'attachment; filename="receipt.jwt"', "Cache-Control": "no-store"}
    return Response(token, media_type="application/jwt", headers=headers)


@router.post("/desk/requests/{id}/browser")
async def browser(request: Request, clerk: SignedIn, id: Id) -> Response:  # noqa: A002 - the path's name
    """The same question through the browser's Digital Credentials API: make it, or take what the browser got."""
    room = room_of(request)
    if not same(request.headers.get("x-csrf"), form_token(request.cookies.get(COOKIE, ""))):
        raise HTTPException(403)
    try:
        sent = parse_json(await request.body(), "body", max_bytes=_MAX_BODY)
    except MalformedError:
        raise HTTPException(400) from None
    if not isinstance(sent, dict):
        raise HTTPException(400)
    return await run_in_threadpool(_browser, room, clerk, id, sent)


def live_state(room: Room, found: Transaction) -> str:
    """What the page of a request shows: ``open``, ``fetched``, ``code``, ``same``, ``verdict`` or how it ended."""
    if found.state == "open":
        return "fetched" if found.request is not None and found.mode != OFFLINE else "open"
    if found.state != "answered":
        return found.state
    if found.outcome != "ACCEPTED" or found.device == "browser" or found.result is None or found.id in room.opened:
        return "verdict"
    if found.tries >= room.parts.settings.tries:
        return "locked"
    return "same" if found.device == "same_device" else "code"


def _browser(room: Room, clerk: Clerk, name: str, sent: Mapping[str, Any]) -> Response:
    work, at = room.parts.transactions, room.parts.clock()
    found = _look(room, name, clerk)
    if "submit" not in sent:
        wish = Wish.model_validate_json(found.wish).model_copy(
            update={"mode": "dc_api.jwt", "device": None, "redirect": None, "origin": room.parts.settings.origin}
        )
        made = work.create(wish, owner=clerk.name, at=at)
        protocol, request = work.page_request(made.id, owner=clerk.name, at=at)
        asked = [{"protocol": protocol, "data": request}]
        return JSONResponse({"requests": asked, "submit": made.id}, headers={"Cache-Control": "no-store"})
    submit, data = sent["submit"], sent.get("data")
    if not isinstance(submit, str) or not isinstance(data, dict):
        raise HTTPException(400)
    try:
        work.page_answer(submit, data, owner=clerk.name, at=at)
    except AnswerRefusedError:
        if work.look(submit, owner=clerk.name, at=at).state == "open":
            raise HTTPException(400) from None
    if found.state == "open":
        work.cancel(found.id, owner=clerk.name, at=at)  # the QR code has done its duty
    return JSONResponse({"go": f"{room.base}/desk/requests/{submit}"}, headers={"Cache-Control": "no-store"})


def _look(room: Room, name: str, clerk: Clerk) -> Transaction:
    return room.parts.transactions.look(name, owner=clerk.name, at=room.parts.clock())


def _policy(room: Room, found: Transaction, request: Request) -> dict[str, Any]:
    policy = VerificationPolicy.load(found.policy)
    return policy_view(policy, room.parts.verifier.trust.catalog, language_of(request), ())


def _waiting(request: Request, clerk: Clerk, found: Transaction, live: str, wrong: str) -> Response:
    room = room_of(request)
    settings, work, lang = room.parts.settings, room.parts.transactions, language_of(request)
    until = found.request_expires_at or found.expires_at
    cross, offline = found.device != "same_device", found.mode == OFFLINE
    codes: list[str] = []
    link = ""
    if offline:
        assert found.request is not None
        codes = [one.svg() for one in encode(PresentationRequest.parse(found.request))]
    else:
        link = work.link(found, settings.wallet_endpoints[0])
        codes = [text_code(link).svg()] if cross else []
    one = {
        "id": found.id,
        "live": live,
        "cross": cross,
        "offline": offline,
        "link": link,
        "until": moment(until, clock=True),
        "seconds_left": max(0, until - room.now),
        "browser": not offline and live in ("open", "fetched"),
        "needs_code": found.device == "cross_device",
        "digits": _DIGITS,
        "reader": room.names[lang],
        "tried": _reasons(found.last_reasons, lang),
    }
    return room.render(
        request,
        "wait.html",
        clerk=clerk,
        policy=_policy(room, found, request),
        one=one,
        codes=codes,
        waiting=room.text(request, _WAITING[live]),
        wrong=wrong,
    )


def _verdict(request: Request, clerk: Clerk, found: Transaction, wrong: str) -> Response:
    room, lang = room_of(request), language_of(request)
    verdict = None
    if found.result is not None:
        verdict = verdict_view(json.loads(found.result), room.parts.verifier.trust.catalog, lang)
    wish = Wish.model_validate_json(found.wish)
    state = Submission(found.submission) if found.submission is not None else Submission.SUBMITTED
    reason = found.submission_reason
    if reason is not None and found.outcome == "REJECTED":
        reason = None  # those of the verdict, in words, are above
    one = {
        "id": found.id,
        "state": state.value,
        "reason": reason,
        "reference": wish.reference,
        "created": moment(found.created_at),
        "answered": moment(found.answered_at),
        "by": found.owner,
        "outcome": found.outcome,
    }
    return room.render(
        request,
        "verdict.html",
        clerk=clerk,
        policy=_policy(room, found, request),
        verdict=verdict,
        one=one,
        steps=[{"at": moment(step.at), "state": step.state} for step in room.parts.store.steps(found.id)],
        actions=[step.value for step in NEXT[state]],
        receipt=found.result is not None,
        printing=request.query_params.get("print") == "1",
        now=moment(room.now),
        wrong=wrong,
    )


def _wrong(request: Request, room: Room, found: Transaction, wrong: str, why: str) -> str:
    """What went wrong on the way here, in the words of the texts and reasons alone."""
    if wrong not in _WRONG:
        return ""
    if wrong == "code":
        return room.text(request, "wait_code_wrong", left=max(0, room.parts.settings.tries - found.tries))
    if wrong == "upload_wrong":
        known = why in list(ReasonCode)
        detail = Reason(ReasonCode(why), "", "").message(language_of(request)) if known else ""
        return room.text(request, wrong, detail=detail)
    return room.text(request, wrong)


def _reasons(codes: str | None, lang: str) -> list[str]:
    known = [] if codes is None else [one for one in json.loads(codes) if one in list(ReasonCode)]
    return [Reason(ReasonCode(one), "", "").message(lang) for one in known]
