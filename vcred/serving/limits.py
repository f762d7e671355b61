"""How much of a request is read, for how long, and what every answer carries (threats CI-14, WF-11).

A plain ASGI middleware: it sees the request before anything parses it. Bodies beyond the limit end in 413, bodies that
trickle in 408; either way the worker is free again.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, MutableMapping

    Message = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[Message]]
    Send = Callable[[Message], Awaitable[None]]
    App = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

__all__ = ["Limits", "LimitsMiddleware"]

_HEADERS: Final = (
    (
        b"content-security-policy",
        (
            b"default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; "
            b"font-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
        ),
    ),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(self), geolocation=(), microphone=()"),
)
_RETRY: Final = {429: b"60", 503: b"10"}
"""``Retry-After`` in seconds where an answer says that it may be better later, and not when."""

_HSTS: Final = (b"strict-transport-security", b"max-age=31536000")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """``body`` bytes and ``seconds`` for reading a request; ``bodies`` by path where another size is right."""

    body: int = 256 * 1024
    seconds: float = 10.0
    bodies: Mapping[str, int] = field(default_factory=dict)

    def of(self, path: str) -> int:
        """The limit of a path."""
        return self.bodies.get(path, self.body)


class LimitsMiddleware:
    """See the module."""

    def __init__(self, app: App, *, limits: Limits) -> None:
        self._app = app
        self._limits = limits

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        reader = _Reader(receive, self._limits.of(scope["path"]), self._limits.seconds)
        started = False

        async def answer(message: Message) -> None:
            nonlocal started
            if reader.stopped and not started:
                return  # whatever the application made of a body that broke off
            if message["type"] == "http.response.start":
                started = True
                message["headers"] = [*message.get("headers", ()), *_missing(message, scope)]
            await send(message)

        try:
            for name, value in scope["headers"]:
                if name == b"content-length" and (not value.isdigit() or int(value) > reader.limit):
                    raise _StopError(413)
            await self._app(scope, reader.receive, answer)
        except _StopError as stop:
            reader.stopped = stop.status
        if reader.stopped and not started:
            status, reader.stopped = reader.stopped, 0
            await _refuse(answer, status)


class _StopError(Exception):
    def __init__(self, status: int) -> None:
        self.status = status


class _Reader:
    """``receive`` that counts bytes and time. After a whole body it only waits for the client to go away."""

    def __init__(self, receive: Receive, limit: int, seconds: float) -> None:
        self.limit = limit
        self.stopped = 0
        self._receive = receive
        self._until = asyncio.get_running_loop().time() + seconds
        self._read = 0
        self._done = False

    async def receive(self) -> Message:
        if self._done:
            return await self._receive()
        try:
            async with asyncio.timeout_at(self._until):
                message = await self._receive()
        except TimeoutError:
            self.stopped = 408
            raise _StopError(408) from None
        if message["type"] == "http.request":
            self._read += len(message.get("body", b""))
            self._done = not message.get("more_body", False)
            if self._read > self.limit:
                self.stopped = 413
                raise _StopError(413)
        return message


def _missing(message: Message, scope: MutableMapping[str, Any]) -> list[tuple[bytes, bytes]]:
    """The security headers that the answer does not set itself, and when to come again."""
    present = {bytes(name).lower() for name, _ in message.get("headers", ())}
    added = [one for one in _HEADERS if one[0] not in present]
    later = _RETRY.get(message["status"])
    if later is not None and b"retry-after" not in present:
        added.append((b"retry-after", later))
    return [*added, _HSTS] if scope.get("scheme") == "https" else added


async def _refuse(send: Send, status: int) -> None:
    title = {408: "the request came too slowly", 413: "the request is too large"}[status]
    body = f'{{"type":"about:blank","title":"{title}","status":{status}}}'.encode()
    headers = [(b"content-type", b"application/problem+json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": [*headers, (b"connection", b"close")]})
    await send({"type": "http.response.body", "body": body})
