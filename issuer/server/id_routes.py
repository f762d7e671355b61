"""What wallets get and post for a login by card: the request object, and an answer (OpenID4VP 1.0 sections 5 and 8)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final

from fastapi import APIRouter, Path
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request  # noqa: TC002 - FastAPI reads it
from starlette.responses import JSONResponse, Response

from issuer.database import StateError
from issuer.server.pages import site_of
from issuer.server.parts import parts_of
from vcred.errors import NotFound, RefusedError
from vcred.oid4vp import RequestUriPost
from vcred.outgoing import media_type
from vcred.serving import ProtocolError

if TYPE_CHECKING:
    from fastapi import FastAPI

    from issuer.server.parts import Parts
    from issuer.server.showings import Showings

__all__ = ["add"]

_OBJECT: Final = "application/oauth-authz-req+jwt"
_FORM: Final = "application/x-www-form-urlencoded"
_NO_STORE: Final = {"Cache-Control": "no-store"}
Handle = Annotated[str, Path(pattern=r"^[A-Za-z0-9_-]{43}$")]


class Onward(BaseModel):
    """Where the wallet sends the person."""

    redirect_uri: str | None = None


class Refusal(BaseModel):
    """``reasons`` are reason codes."""

    error: str
    error_description: str | None = None
    reasons: list[str] | None = None


def _form_of(*names: str) -> dict[str, Any]:
    members = {name: {"type": "string"} for name in names}
    schema = {"type": "object", "properties": members}
    return {"requestBody": {"required": True, "content": {_FORM: {"schema": schema}}}}


router = APIRouter(tags=["login by card"])
_SIGNED: Final[dict[int | str, dict[str, Any]]] = {200: {"content": {_OBJECT: {}}}, 400: {"model": Refusal}}


@router.get("/id/{handle}", responses=_SIGNED, response_class=Response, operation_id="card_request")
def get_request_object(request: Request, handle: Handle) -> Response:
    """The signed request object."""
    return _object(request, handle, None)


@router.post(
    "/id/{handle}",
    responses=_SIGNED,
    response_class=Response,
    openapi_extra=_form_of("wallet_nonce", "wallet_metadata"),
    operation_id="card_request_with_nonce",
)
async def post_request_object(request: Request, handle: Handle) -> Response:
    """The same with the wallet's nonce in it."""
    try:
        sent = RequestUriPost.parse(await _form(request))
    except RefusedError as error:
        raise _wrong(error) from None
    return await run_in_threadpool(_object, request, handle, sent.wallet_nonce)


@router.post(
    "/id/{handle}/answer",
    responses={200: {"model": Onward}, 400: {"model": Refusal}},
    openapi_extra=_form_of("response", "state", "error", "error_description"),
    operation_id="card_answer",
)
async def post_answer(request: Request, handle: Handle) -> JSONResponse:
    """An answer by ``direct_post.jwt``, or why there is none. Where to go on is for the person's browser."""
    body = await _form(request)

    def take() -> str | None:
        try:
            onward, refused = _showings(request).answer(handle, body, at=parts_of(request).clock())
        except (NotFound, StateError) as error:
            raise _over(error) from None
        except RefusedError as error:
            raise _wrong(error) from None
        if refused:
            raise ProtocolError("access_denied", "not accepted", more={"reasons": list(refused)})
        return onward

    onward = await run_in_threadpool(take)
    return JSONResponse({} if onward is None else {"redirect_uri": onward}, headers=_NO_STORE)


def add(app: FastAPI, parts: Parts) -> None:
    """Put the routes into ``app``, where there is a card reader."""
    if parts.card_reader is not None:
        app.include_router(router, prefix=parts.settings.path)


def _object(request: Request, handle: str, wallet_nonce: str | None) -> Response:
    try:
        raw = _showings(request).request_object(handle, wallet_nonce=wallet_nonce, at=parts_of(request).clock())
    except (NotFound, StateError) as error:
        raise _over(error) from None
    except RefusedError as error:
        raise _wrong(error) from None
    return Response(raw, media_type=_OBJECT, headers=_NO_STORE)


def _showings(request: Request) -> Showings:
    found = site_of(request).showings
    assert found is not None
    return found


def _over(error: Exception) -> ProtocolError:
    if isinstance(error, StateError):
        return ProtocolError("invalid_request", "this request is over")
    return ProtocolError("invalid_request", "there is no such request", status=404)


def _wrong(error: RefusedError) -> ProtocolError:
    return ProtocolError("invalid_request", error.detail, more={"reasons": [error.code.value]})


async def _form(request: Request) -> bytes:
    if media_type(request.headers.get("content-type", "")) != _FORM:
        raise HTTPException(415, f"a form is needed: {_FORM}")
    return await request.body()
