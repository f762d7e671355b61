"""A small service with everything of the kit in it, over ASGI."""

from __future__ import annotations

import asyncio
import logging
import socket
import warnings
from typing import TYPE_CHECKING

import httpx
import pytest
import uvicorn
from fastapi import APIRouter, FastAPI, Request
from pydantic import BaseModel
from starlette.responses import StreamingResponse

from vcred.errors import MalformedError, NotFound, SigningError, StoreError
from vcred.reasons import ReasonCode
from vcred.serving import (
    Limits,
    LimitsMiddleware,
    Metrics,
    ProtocolError,
    add_health,
    add_metrics,
    add_problems,
    build_app,
    language_of,
)
from vcred.serving.pages import shown

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class Body(BaseModel):
    name: str
    number: int


def service() -> FastAPI:
    app = FastAPI()
    add_problems(app)
    add_metrics(app, Metrics("vcred_example"))
    ready = {"store": lambda: None, "keys": lambda: app.state.lacking}
    app.state.lacking = None
    add_health(app, ready)

    errors = {
        "refused": MalformedError(ReasonCode.NONCE, "proof.nonce", "not ours"),
        "size": MalformedError(ReasonCode.SIZE, "body", "too large"),
        "missing": NotFound("c-1 of 홍길동"),
        "signing": SigningError("token removed"),
        "store": StoreError("disk full"),
        "bug": ZeroDivisionError("901010-1991234"),
        "protocol": ProtocolError("invalid_grant", "no such code", headers={"DPoP-Nonce": "n"}),
        "many": ProtocolError("slow_down", "too many", status=429),
        "many-for-long": ProtocolError("slow_down", "too many", status=429, headers={"Retry-After": "7200"}),
    }

    @app.get("/fail/{name}")
    async def fail(name: str) -> None:
        raise errors[name]

    @app.get("/breaks")
    async def breaks() -> StreamingResponse:
        async def parts() -> AsyncIterator[bytes]:
            yield b"a"
            raise errors["bug"]

        return StreamingResponse(parts())

    @app.post("/body")
    async def body(given: Body) -> int:
        return given.number

    @app.post("/raw")
    async def raw(request: Request) -> int:
        return len(await request.body())

    @app.get("/lang")
    async def lang(request: Request) -> str:
        return language_of(request)

    app.add_middleware(LimitsMiddleware, limits=Limits(body=1000, seconds=0.2, bodies={"/raw": 5000}))
    return app


def ask(method: str, path: str, app: FastAPI | None = None, **more) -> httpx.Response:
    async def one() -> httpx.Response:
        transport = httpx.ASGITransport(app=app or service(), raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="https://service.example") as client:
            return await client.request(method, path, **more)

    return asyncio.run(one())


@pytest.mark.parametrize(
    ("name", "status", "code"),
    [
        ("refused", 400, "nonce"),
        ("size", 413, "size"),
        ("missing", 404, "NotFound"),
        ("signing", 503, "SigningError"),
        ("store", 503, "StoreError"),
    ],
)
def test_errors_are_problem_details(name: str, status: int, code: str) -> None:
    answer = ask("GET", f"/fail/{name}")
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["cache-control"] == "no-store"
    assert "홍길동" not in answer.text


@pytest.mark.parametrize(
    ("path", "status", "seconds"),
    [
        ("/fail/signing", 503, "10"),
        ("/fail/store", 503, "10"),
        ("/fail/many", 429, "60"),
        ("/fail/many-for-long", 429, "7200"),
        ("/readyz", 503, "10"),
        ("/fail/missing", 404, None),
        ("/healthz", 200, None),
    ],
)
def test_a_busy_service_says_when_to_come_again(path: str, status: int, seconds: str | None) -> None:
    app = service()
    app.state.lacking = "no keys"
    answer = ask("GET", path, app)
    assert (answer.status_code, answer.headers.get("retry-after")) == (status, seconds)
    assert len(answer.headers.get_list("retry-after")) == (seconds is not None)


def test_a_refusal_speaks_the_clients_language() -> None:
    korean, english = (ask("GET", f"/fail/refused?lang={lang}").json()["title"] for lang in ("ko", "en"))
    assert korean != english
    assert any("가" <= character <= "힣" for character in korean)


@pytest.mark.loopback
@pytest.mark.parametrize("path", ["/fail/bug", "/breaks"])
def test_what_nobody_foresaw_is_no_text_for_the_servers_log_either(path: str, caplog: pytest.LogCaptureFixture) -> None:
    """uvicorn logs what an application raises, with its text and those of what it came from."""
    config = uvicorn.Config(service(), log_config=None, lifespan="off", access_log=False)
    config.load()
    server = uvicorn.Server(config)
    with socket.socket() as place:
        place.bind(("127.0.0.1", 0))
        place.listen()
        with caplog.at_level(logging.ERROR):
            asyncio.run(_served(server, place, path))
    assert "ZeroDivisionError" in caplog.text
    assert "901010-1991234" not in caplog.text


async def _served(server: uvicorn.Server, place: socket.socket, path: str) -> None:
    serving = asyncio.create_task(server.serve(sockets=[place]))
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{place.getsockname()[1]}", timeout=10) as client:
            if path == "/breaks":
                with pytest.raises(httpx.RemoteProtocolError):
                    await client.get(path)
            else:
                answer = await client.get(path)
                assert (answer.status_code, answer.headers["x-content-type-options"]) == (500, "nosniff")
    finally:
        server.should_exit = True
        await serving


def test_what_nobody_foresaw_says_nothing_and_is_logged_without_its_text(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        answer = ask("GET", "/fail/bug")
    assert answer.status_code == 500
    assert answer.json()["incident"] in caplog.text
    assert "ZeroDivisionError" in caplog.text
    assert "901010" not in caplog.text + answer.text


@pytest.mark.parametrize("name", ["bug", "store"])
def test_the_log_says_which_route_and_not_which_path(name: str, caplog: pytest.LogCaptureFixture) -> None:
    """The path of some routes is a secret."""
    with caplog.at_level(logging.ERROR):
        ask("GET", f"/fail/{name}")
    assert "GET /fail/{name}: " in caplog.text
    assert f"/fail/{name}" not in caplog.text


def test_a_protocol_error_is_its_own_object() -> None:
    answer = ask("GET", "/fail/protocol")
    assert answer.json() == {"error": "invalid_grant", "error_description": "no such code"}
    assert (answer.status_code, answer.headers["dpop-nonce"]) == (400, "n")


def test_a_body_that_does_not_fit_names_where_and_not_what() -> None:
    answer = ask("POST", "/body", json={"name": "홍길동", "number": "서른"})
    assert answer.status_code == 422
    assert answer.json()["errors"] == [{"path": "body.number", "problem": "int_parsing"}]
    assert "서른" not in answer.text


def test_ci_14_a_large_body_is_not_read() -> None:
    assert ask("POST", "/body", content=b"x" * 1001).status_code == 413
    assert ask("POST", "/raw", content=b"x" * 4000).json() == 4000
    assert ask("POST", "/raw", content=b"x" * 5001).status_code == 413

    async def endless():
        for _ in range(100):
            yield b"x" * 1000

    assert ask("POST", "/raw", content=endless()).status_code == 413


def test_ci_14_a_slow_body_ends_in_time() -> None:
    async def dripping():
        for _ in range(50):
            await asyncio.sleep(0.05)
            yield b"x"

    assert ask("POST", "/raw", content=dripping()).status_code == 408


def test_wf_11_every_answer_forbids_what_pages_do_not_need() -> None:
    headers = ask("GET", "/lang").headers
    assert "default-src 'none'" in headers["content-security-policy"]
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["strict-transport-security"].startswith("max-age=")


@pytest.mark.parametrize(
    ("header", "found"),
    [
        ("en", "en"),
        ("en-US,en;q=0.9,ko;q=0.1", "en"),
        ("fr, ko;q=0.2, en;q=0.1", "ko"),
        ("../../etc", "ko"),
        ("en" * 5000, "ko"),
        ("en;q=abc", "ko"),
        ("", "ko"),
    ],
)
def test_ci_19_languages_come_from_a_short_list(header: str, found: str) -> None:
    assert ask("GET", "/lang", headers={"Accept-Language": header}).json() == found


def test_health_and_readiness() -> None:
    app = service()
    assert ask("GET", "/healthz", app).json() == {"status": "ok"}
    assert ask("GET", "/readyz", app).status_code == 200
    app.state.lacking = "the signer cannot be reached"
    answer = ask("GET", "/readyz", app)
    assert (answer.status_code, answer.json()["missing"]) == (503, {"keys": "the signer cannot be reached"})


def test_metrics_count_by_route_and_never_by_value() -> None:
    app = service()
    ask("GET", "/fail/missing", app)
    ask("GET", "/nowhere/901010-1991234", app)
    text = ask("GET", "/metrics", app).text
    assert 'vcred_example_requests_total{route="/fail/{name}",status="404"} 1.0' in text
    assert "901010" not in text


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a\u202eb\u2066c", "abc"),
        ("x" * 10_000, "x" * 119 + "…"),
        ("e" + "\u0301" * 500, "e" + "\u0301" * 4),
        ("one\ntwo\u2028three\x00", "one two three"),
        ("가람시 (가상)", "가람시 (가상)"),
    ],
)
def test_wf_12_a_strangers_text_is_one_short_line(text: str, found: str) -> None:
    assert shown(text) == found


def whole(**more) -> FastAPI:
    """A service whose routes are in routers: one is in no document, one is in another."""
    outer, inner, hidden = (APIRouter() for _ in range(3))

    @inner.post("/inner")
    async def number(given: Body) -> int:
        return given.number

    @hidden.get("/hidden", include_in_schema=False)
    async def seen() -> str:
        return "seen"

    outer.include_router(inner, prefix="/outer")

    def add_routes(app: FastAPI) -> None:
        for router in (outer, hidden):
            app.include_router(router, prefix="/at")

    given = {"database": lambda: None, "parts": object(), **more}
    metrics = Metrics("vcred_example")
    return build_app("example", path="/at", metrics=metrics, limits=Limits(), add_routes=add_routes, **given)


def test_a_service_is_whole_before_its_first_request(monkeypatch: pytest.MonkeyPatch) -> None:
    app = whole()

    def built_now(*_args: object, **_more: object) -> None:
        raise AssertionError("a request builds routes, with the warnings of the whole process switched off")

    monkeypatch.setattr(warnings, "catch_warnings", built_now)
    assert ask("GET", "/at/hidden", app).json() == "seen"
    assert ask("POST", "/at/outer/inner", app, json={"name": "a", "number": 3}).json() == 3
    assert ask("GET", "/healthz", app).json() == {"status": "ok"}
    assert ask("GET", "/at/missing", app).status_code == 404


def test_a_service_whose_database_does_not_answer_is_not_ready() -> None:
    def database() -> None:
        raise StoreError("disk full")

    answer = ask("GET", "/readyz", whole(database=database))
    assert answer.status_code == 503
    assert answer.json()["missing"] == {"database": "the database does not answer"}
    assert ask("GET", "/readyz", whole()).status_code == 200
