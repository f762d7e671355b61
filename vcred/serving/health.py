"""``/healthz``: the process runs. ``/readyz``: it can do its work, or what it lacks (503)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from fastapi import FastAPI

    Readiness = Mapping[str, Callable[[], str | None]]
else:
    Readiness = dict

__all__ = ["Readiness", "add_health"]


def add_health(app: FastAPI, checks: Readiness, *, warnings: Readiness | None = None) -> None:
    """``checks`` are by name: each says in a few English words what is missing, or ``None``.

    ``warnings`` are what an operator should look at while the service goes on: they are shown and change no status.
    """

    @app.get("/healthz", tags=["operation"])
    async def alive() -> dict[str, str]:
        """The process answers."""
        return {"status": "ok"}

    @app.get("/readyz", tags=["operation"], responses={503: {"description": "Something is missing."}})
    async def ready() -> JSONResponse:
        """Everything that is needed to answer is there."""
        found = {name: await run_in_threadpool(check) for name, check in checks.items()}
        missing = {name: text for name, text in found.items() if text is not None}
        status: dict[str, object] = {"status": "unavailable" if missing else "ok", "missing": missing}
        if warnings is not None:
            said = {name: check() for name, check in warnings.items()}
            status["warnings"] = {name: text for name, text in said.items() if text is not None}
        return JSONResponse(status, status_code=503 if missing else 200, headers={"Cache-Control": "no-store"})
