"""The two sides of the service over HTTP: wallets, who know a handle, and callers, who have a key."""

from __future__ import annotations

import asyncio
import datetime as dt
import hashlib
import hmac
import json
from collections.abc import AsyncIterator  # noqa: TC003 - FastAPI reads it
from typing import TYPE_CHECKING, Annotated, Any, Final

from fastapi import APIRouter, Depends, Path, Query
from fastapi.security import HTTPBearer
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request  # noqa: TC002 - FastAPI reads it
from starlette.responses import JSONResponse, Response, StreamingResponse

from vcred.errors import NotFound, RefusedError
from vcred.oid4vp import RequestUriPost
from vcred.outgoing import media_type
from vcred.qr.codes import text_code
from vcred.serving import ProtocolError
from verifier.server.errors import AnswerRefusedError, StateError
from verifier.server.models import (
    Carried,
    Created,
    Onward,
    PageAnswer,
    PageProtocol,
    PageRequest,
    Refusal,
    Step,
    Submission,
    SubmissionChange,
    View,
    Wish,
)
from verifier.server.pages.landing import carry_page

if TYPE_CHECKING:
    from verifier.server.parts import Parts
    from verifier.server.store import Transaction

__all__ = ["api", "wallets"]

_OBJECT: Final = "application/oauth-authz-req+jwt"
_FORM: Final = "application/x-www-form-urlencoded"
_NO_STORE: Final = {"Cache-Control": "no-store"}
_POLL: Final = 0.5
_OVER: Final = frozenset({"answered", "declined", "cancelled", "closed", "expired"})


def _form_of(*names: str) -> dict[str, Any]:
    """A form for the interface description; wallets may send more, which is ignored."""
    members = {name: {"type": "string"} for name in names}
    return {
        "requestBody": {"required": True, "content": {_FORM: {"schema": {"type": "object", "properties": members}}}}
    }


Id = Annotated[str, Path(pattern=r"^[A-Za-z0-9_-]{16,64}$")]
Code = Annotated[str | None, Query(max_length=128)]

wallets = APIRouter(tags=["wallets"])
api = APIRouter(prefix="/api/requests", tags=["requests"])


def _parts(request: Request) -> Parts:
    parts: Parts = request.app.state.parts
    return parts


def _owner(request: Request, _: Annotated[object, Depends(HTTPBearer(auto_error=False))]) -> str:
    """Whose key it is. Every key is compared, so that the time says nothing."""
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    given = hashlib.sha256(key.strip().encode("utf-8", "replace")).hexdigest()
    found = [one.name for one in _parts(request).settings.api_keys if hmac.compare_digest(one.sha256, given)]
    if scheme.lower() != "bearer" or not found:
        raise HTTPException(401, "an API key is needed", headers={"WWW-Authenticate": "Bearer"})
    return found[0]


Owner = Annotated[str, Depends(_owner)]


@wallets.get("/r/{handle}", responses={200: {"content": {_OBJECT: {}}}}, response_class=Response)
def get_request_object(request: Request, handle: Id) -> Response:
    """The signed request object (OpenID4VP 1.0 section 5; RFC 9101)."""
    return _object(request, handle, None)


@wallets.post(
    "/r/{handle}",
    responses={200: {"content": {_OBJECT: {}}}},
    response_class=Response,
    openapi_extra=_form_of("wallet_nonce", "wallet_metadata"),
)
async def post_request_object(request: Request, handle: Id) -> Response:
    """The same for a wallet that says what it can do, with its nonce in it (section 5.10)."""
    sent = RequestUriPost.parse(await _form(request))
    return await run_in_threadpool(_object, request, handle, sent.wallet_nonce)


@wallets.post(
    "/r/{handle}/answer",
    responses={200: {"model": Onward}, 400: {"model": Refusal}},
    openapi_extra=_form_of("response", "vp_token", "state", "error", "error_description"),
)
async def post_answer(request: Request, handle: Id) -> JSONResponse:
    """An answer by ``direct_post`` or ``direct_post.jwt`` (sections 8.2, 8.3), or why there is none."""
    body = await _form(request)
    parts = _parts(request)

    def take() -> str | None:
        try:
            return parts.transactions.answer(handle, body, at=parts.clock())
        except AnswerRefusedError as error:
            reasons = list(dict.fromkeys(reason.code.value for reason in error.result.reasons))
            raise ProtocolError("access_denied", "not accepted", more={"reasons": reasons}) from None
        except RefusedError as error:
            raise ProtocolError("invalid_request", error.detail, more={"reasons": [error.code.value]}) from None
        except (NotFound, StateError) as error:
            raise _over(error) from None

    onward = await run_in_threadpool(take)
    return JSONResponse({} if onward is None else {"redirect_uri": onward}, headers=_NO_STORE)


@wallets.get("/carry/{response_code}", responses={200: {"model": Carried}})
def carry(request: Request, response_code: Annotated[str, Path(max_length=128)]) -> Response:
    """The short code that a person reads on the wallet's device and types in where the request was shown."""
    parts = _parts(request)
    if "text/html" in request.headers.get("accept", ""):
        return carry_page(request, response_code)
    return JSONResponse({"code": parts.transactions.carried(response_code, at=parts.clock())}, headers=_NO_STORE)


@api.post("", status_code=201)
def create(request: Request, owner: Owner, wish: Wish) -> Created:
    """Ask for something. The answer has the link, and the QR code of it, for a wallet."""
    parts = _parts(request)
    made = parts.transactions.create(wish, owner=owner, at=parts.clock())
    links: list[str] = []
    if made.device != "browser":
        links = [parts.transactions.link(made, one) for one in parts.settings.wallet_endpoints]
    return Created(
        id=made.id,
        state=made.state,
        expires_at=_time(made.expires_at),
        link=links[0] if links else None,
        links=links,
        qr=text_code(links[0]).svg() if links else None,
        request_uri=parts.transactions.request_uri(made) if links else None,
    )


@api.get("/{id}")
def look(request: Request, owner: Owner, id: Id, response_code: Code = None, code: Code = None) -> View:  # noqa: A002
    """How it stands, and the verdict. An accepted one needs the person's code: 403 says which."""
    parts = _parts(request)
    found = parts.transactions.look(id, owner=owner, at=parts.clock())
    return _view(parts, found, parts.transactions.result(found, response_code=response_code, code=code))


@api.get("/{id}/events", response_class=StreamingResponse, responses={200: {"content": {"text/event-stream": {}}}})
async def events(request: Request, owner: Owner, id: Id) -> StreamingResponse:  # noqa: A002 - the path's name
    """Server-sent events: one for each change of state, until the last."""
    parts = _parts(request)
    await run_in_threadpool(_state, parts, id, owner)  # 404 before the stream begins
    stopping = getattr(request.app.state, "stopping", lambda: False)

    async def stream() -> AsyncIterator[str]:
        before = None
        while True:
            state = await run_in_threadpool(_state, parts, id, owner)
            yield f"event: state\ndata: {json.dumps(state)}\n\n" if state != before else ": still waiting\n\n"
            if state["state"] in _OVER or stopping():
                return
            before = state
            await asyncio.sleep(_POLL)

    return StreamingResponse(stream(), media_type="text/event-stream", headers=_NO_STORE)


@api.delete("/{id}", status_code=204)
def end(request: Request, owner: Owner, id: Id) -> Response:  # noqa: A002 - the path's name
    """End an open request, or erase what was submitted; nothing more is kept than the evidence's own chain."""
    parts = _parts(request)
    parts.transactions.cancel(id, owner=owner, at=parts.clock())
    return Response(status_code=204)


@api.post("/{id}/submission")
def change(request: Request, owner: Owner, id: Id, wish: SubmissionChange) -> View:  # noqa: A002 - the path's name
    """What becomes of a submission: received, returned with a reason, withdrawn, deleted."""
    parts = _parts(request)
    found = parts.transactions.move(id, wish.state, wish.reason, owner=owner, at=parts.clock())
    return _view(parts, found, None)


@api.get("/{id}/dc")
def page_request(
    request: Request,
    owner: Owner,
    id: Id,  # noqa: A002 - the path's name
    protocol: PageProtocol = "openid4vp-v1-signed",
) -> PageRequest:
    """What the page gives to ``navigator.credentials.get`` (appendix A). With several signatures, each of the reader's
    names is there.
    """
    parts = _parts(request)
    used, data = parts.transactions.page_request(id, owner=owner, at=parts.clock(), protocol=protocol)
    return PageRequest(protocol=used, data=data)


@api.post("/{id}/dc")
def page_answer(request: Request, owner: Owner, id: Id, answer: PageAnswer) -> View:  # noqa: A002 - the path's name
    """What the page got back. The verdict is in the answer, accepted or not."""
    parts = _parts(request)
    try:
        parts.transactions.page_answer(id, answer.data, owner=owner, at=parts.clock())
    except AnswerRefusedError:
        found = parts.transactions.look(id, owner=owner, at=parts.clock())
        if found.state == "open":  # it proved nothing: 400 with the reasons, and the page may try again
            raise
    return look(request, owner, id)


def _object(request: Request, handle: str, wallet_nonce: str | None) -> Response:
    parts = _parts(request)
    try:
        raw = parts.transactions.request_object(handle, wallet_nonce=wallet_nonce, at=parts.clock())
    except (NotFound, StateError) as error:
        raise _over(error) from None
    return Response(raw, media_type=_OBJECT, headers=_NO_STORE)


def _over(error: Exception) -> ProtocolError:
    if isinstance(error, StateError):
        return ProtocolError("invalid_request", "this request is over", more={"state": error.state})
    return ProtocolError("invalid_request", "there is no such request", status=404)


async def _form(request: Request) -> bytes:
    if media_type(request.headers.get("content-type", "")) != _FORM:
        raise HTTPException(415, f"a form is needed: {_FORM}")
    return await request.body()


def _state(parts: Parts, name: str, owner: str) -> dict[str, Any]:
    found = parts.transactions.look(name, owner=owner, at=parts.clock())
    return {"state": found.state, "fetched": found.request is not None, "outcome": found.outcome}


def _view(parts: Parts, found: Transaction, result: dict[str, Any] | None) -> View:
    steps = parts.store.steps(found.id)
    return View(
        id=found.id,
        state=found.state,
        policy=Wish.model_validate_json(found.wish).policy,
        mode=found.mode,
        device=found.device,
        fetched=found.request is not None,
        created_at=_time(found.created_at),
        expires_at=_time(found.request_expires_at or found.expires_at),
        answered_at=None if found.answered_at is None else _time(found.answered_at),
        error=found.error,
        outcome=found.outcome,
        last_reasons=json.loads(found.last_reasons) if found.last_reasons is not None else [],
        submission=None if found.submission is None else Submission(found.submission),
        steps=[Step(at=_time(one.at), state=Submission(one.state), reason=one.reason) for one in steps],
        result=result,
    )


def _time(seconds: int) -> dt.datetime:
    return dt.datetime.fromtimestamp(seconds, dt.UTC)
