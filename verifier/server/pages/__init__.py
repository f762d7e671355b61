"""The verifier's pages: the clerk's desk, and where people land after an answer. They work without scripts."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from fastapi import FastAPI

    from verifier.server.parts import Parts

__all__ = ["UPLOAD", "add", "upload_paths"]

UPLOAD: Final = 12 * 1024 * 1024
"""Bytes of an upload: a few photos."""

_ROUTERS: Final = ("files", "login", "desk", "requests", "uploads", "scanning", "landing")


def upload_paths(base: str) -> dict[str, int]:
    """How much may be sent to the pages that take files, for ``Limits``."""
    return {f"{base}/desk/answer": UPLOAD, f"{base}/desk/paper": UPLOAD}


def add(app: FastAPI, parts: Parts) -> None:
    """Put the pages into ``app``."""
    from verifier.server.pages.room import Room  # noqa: PLC0415 - templates are loaded with a service only

    app.state.room = Room(parts)
    for name in _ROUTERS:
        module = import_module(f"verifier.server.pages.{name}")
        app.include_router(module.router, prefix=parts.settings.path)
