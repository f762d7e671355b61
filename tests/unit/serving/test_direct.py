"""A route that is answered directly answers as FastAPI would have it answer."""

from __future__ import annotations

import asyncio

import httpx
import pytest
from fastapi import FastAPI, Request  # noqa: TC002 - FastAPI reads it
from starlette.responses import JSONResponse

from vcred.errors import NotFound
from vcred.serving import Limits, Metrics, ProtocolError, build_app

_ERRORS = {"protocol": ProtocolError("invalid_grant", "no"), "ours": NotFound("no"), "stranger": KeyError("secret")}


def service(*, direct: tuple[str, ...]) -> FastAPI:
    def add_routes(app: FastAPI) -> None:
        @app.post("/x/echo", operation_id="echo")
        async def echo(request: Request) -> JSONResponse:
            """Say it again."""
            body = (await request.body()).decode()
            if body in _ERRORS:
                raise _ERRORS[body]
            # FastAPI leaves its stacks in the scope of what it answers itself.
            return JSONResponse({"said": body, "direct": "fastapi_inner_astack" not in request.scope})

    return build_app(
        "test",
        path="/x",
        parts=None,
        metrics=Metrics("test"),
        limits=Limits(body=100),
        direct=direct,
        database=lambda: None,
        add_routes=add_routes,
    )


def test_what_nobody_foresaw_ends_here(caplog):
    """Raised again, it would be in the server's log with its text."""
    for direct in (("echo",), ()):

        async def sent(app: FastAPI) -> httpx.Response:
            async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
                return await client.post("/x/echo", content="stranger")

        assert asyncio.run(sent(service(direct=direct))).status_code == 500
    assert caplog.text.count("KeyError") == 2
    assert "'secret'" not in caplog.text


def send(app: FastAPI, method: str, path: str, body: str = "") -> httpx.Response:
    async def sent() -> httpx.Response:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return await client.request(method, path, content=body)

    return asyncio.run(sent())


def told(answer) -> tuple[object, ...]:
    body = answer.json()
    for name in ("incident", "direct"):
        body.pop(name, None)
    headers = {name: value for name, value in answer.headers.items() if name != "content-length"}
    return answer.status_code, body, headers


@pytest.mark.parametrize("body", ["hello", *_ERRORS, "x" * 101])
def test_the_answer_is_the_same(body):
    short, usual = service(direct=("echo",)), service(direct=())
    ours, theirs = (send(one, "POST", "/x/echo", body) for one in (short, usual))
    if body == "hello":
        assert (ours.json()["direct"], theirs.json()["direct"]) == (True, False)
    assert told(ours) == told(theirs)
    for one in () if ours.status_code == 413 else (short, usual):  # that is refused before anything is measured
        figures = send(one, "GET", "/metrics").text
        assert f'test_requests_total{{route="/x/echo",status="{ours.status_code}"}} 1.0' in figures


def test_what_does_not_fit_is_answered_as_ever():
    short, usual = service(direct=("echo",)), service(direct=())
    for method, path in (("GET", "/x/echo"), ("POST", "/x/echo/"), ("POST", "/x/nothing")):
        assert told(send(short, method, path)) == told(send(usual, method, path))
    documents = [send(one, "GET", "/x/openapi.json") for one in (short, usual)]
    assert documents[0].json() == documents[1].json()
    assert "/x/echo" in documents[0].json()["paths"]
