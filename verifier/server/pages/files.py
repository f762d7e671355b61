"""The pages' style sheets and scripts: a fixed list."""

from __future__ import annotations

from importlib.resources import files
from typing import Final

from fastapi import APIRouter
from starlette.exceptions import HTTPException
from starlette.responses import Response

__all__ = ["router"]

router = APIRouter(include_in_schema=False)
_TYPES: Final = {"css": "text/css; charset=utf-8", "js": "text/javascript; charset=utf-8"}
_FILES: Final = {
    **dict.fromkeys(("style.css", "live.js"), ("vcred.serving", "static")),
    **dict.fromkeys(("verifier.css", "browser.js", "print.js", "scan.js"), ("verifier.server.pages", "static")),
}


@router.get("/static/{name}")
def static_file(name: str) -> Response:
    """One of them."""
    if name not in _FILES:
        raise HTTPException(404, "no such file")
    package, folder = _FILES[name]
    body = files(package).joinpath(folder, name).read_bytes()
    kind = _TYPES[name.rpartition(".")[2]]
    return Response(body, media_type=kind, headers={"Cache-Control": "public, max-age=3600"})
