"""The desk's camera: the page sends what it sees, a few pictures a second, and hears how far the message has come.

Nothing is kept here between two pictures: the page sends back the texts that it was told, so that any process answers.
When the message is complete the page uploads its texts as a file, as if somebody had, and only then anything is judged.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final

from fastapi import APIRouter, Depends
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request  # noqa: TC002 - FastAPI reads it
from starlette.responses import JSONResponse, Response

from vcred.errors import MalformedError, RefusedError
from vcred.qr.reader import MAX_DIGITS, Progress, Reader, parse_text
from vcred.reasons import ReasonCode
from verifier.server.pages.asking import SignedIn  # noqa: TC001 - FastAPI reads it
from verifier.server.pages.room import PageRoute, room_of, signed_form

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["read_frame", "router"]

router = APIRouter(route_class=PageRoute, include_in_schema=False)

_CAMERA: Final = (b"\xff\xd8\xff", b"\x89PNG")
_MAX_PICTURE: Final = 1024 * 1024
_MAX_TEXTS: Final = 400
"""Texts of one message that the page may send back: an answer of 64 kB is in about a hundred frames."""

Form = Annotated[FormData, Depends(signed_form)]


@router.post("/desk/scan")
def scan(request: Request, clerk: SignedIn, form: Form) -> Response:
    """One picture of the camera, and the texts so far."""
    del clerk
    picture, sent = _bytes(form, "picture"), _bytes(form, "texts")
    before = sent.decode("utf-8", "replace").splitlines()
    if not picture.startswith(_CAMERA) or len(picture) > _MAX_PICTURE or len(before) > _MAX_TEXTS:
        raise HTTPException(400)
    seen: Sequence[str] = ()
    try:
        seen = room_of(request).parts.pictures.texts_of(picture, "picture")
    except RefusedError as error:
        if error.code not in (ReasonCode.FORMAT, ReasonCode.UNCHECKED):
            raise
    return JSONResponse(read_frame(before, seen), headers={"Cache-Control": "no-store"})


def read_frame(before: Sequence[str], seen: Sequence[str]) -> dict[str, Any]:
    """How far the message has come with the texts that are ``seen`` now.

    ``texts`` are to be sent back with the next picture; when it is ``done``, those of the one message. ``foreign`` says
    that there is a code that is none of ours.
    """
    reader, progress = Reader(), Progress(received=0, needed=1, done=False)
    kept: dict[str, None] = {}
    foreign = False
    for number, text in enumerate([*before, *seen]):
        if text in kept or len(text) > MAX_DIGITS + 2:
            continue
        try:
            progress = reader.add(text)
        except MalformedError as error:
            foreign |= number >= len(before) and error.code is ReasonCode.SCHEME
            continue
        kept[text] = None
        if progress.done:
            break
    texts = list(kept)
    if progress.done:
        last = _message(texts[-1])
        texts = [one for one in texts if _message(one) == last]
    return {
        "texts": texts,
        "received": progress.received,
        "needed": progress.needed,
        "done": progress.done,
        "foreign": foreign,
    }


def _message(text: str) -> object:
    """Which message a text is of."""
    part = parse_text(text)
    return part if isinstance(part, bytes) else part.message


def _bytes(form: FormData, name: str) -> bytes:
    found = form.get(name)
    if not isinstance(found, UploadFile):
        raise HTTPException(400)
    return found.file.read(_MAX_PICTURE + 1)
