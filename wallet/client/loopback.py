"""Waiting on this machine for a browser to come back (RFC 8252 section 7.3): one request, and nothing else is told."""

from __future__ import annotations

import socket
from html import escape
from typing import Final
from urllib.parse import urlsplit

from vcred.errors import Timeout

__all__ = ["wait_for"]

_LONGEST: Final = 600.0
_MAX: Final = 16_384


def wait_for(redirect_uri: str, *, done: str, seconds: float = _LONGEST) -> str:
    """The address that a browser opens which begins with ``redirect_uri``, an ``http`` address of this machine.

    ``done`` is shown to the person. Other paths are answered with 404, and waiting goes on. Raises ``Timeout``,
    ``OSError`` when nobody can listen there.
    """
    parts = urlsplit(redirect_uri)
    host, port, path = parts.hostname or "127.0.0.1", parts.port or 80, parts.path or "/"
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, port), family=family) as server:
        server.settimeout(seconds)
        while True:
            try:
                line, _ = server.accept()
            except TimeoutError:
                raise Timeout("nobody came back from the browser") from None
            with line:
                line.settimeout(5.0)
                target = _target(line)
                if target is not None and target.partition("?")[0] == path:
                    _answer(line, "200 OK", f"<!doctype html><meta charset=utf-8><title>vcred</title>{escape(done)}")
                    return redirect_uri + target[len(path) :]
                _answer(line, "404 Not Found", "")


def _target(line: socket.socket) -> str | None:
    """The target of a GET request."""
    found = b""
    try:
        while b"\r\n\r\n" not in found and len(found) < _MAX:
            piece = line.recv(4096)
            if not piece:
                break
            found += piece
    except OSError:
        return None
    words = found.split(b"\r\n", 1)[0].split(b" ")
    if len(words) != 3 or words[0] != b"GET":
        return None
    return words[1].decode("ascii", "replace")


def _answer(line: socket.socket, status: str, body: str) -> None:
    raw = body.encode()
    head = f"HTTP/1.1 {status}\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: {len(raw)}\r\n"
    try:
        line.sendall(head.encode("ascii") + b"Cache-Control: no-store\r\nConnection: close\r\n\r\n" + raw)
    except OSError:
        return
