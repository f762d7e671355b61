"""Connections for ``vcred.outgoing``: to an address that was checked, until a deadline, with one bounded head."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import httpcore

from vcred.errors import TransportError

if TYPE_CHECKING:
    from vcred.outgoing import Line

__all__ = ["pool"]

_MAX_HEAD: Final = 32 * 1024


def pool(tls: Any, line: Line) -> httpcore.ConnectionPool:
    """A pool for one request."""
    return httpcore.ConnectionPool(ssl_context=tls, network_backend=_Backend(line), max_connections=1)


class _Stream(httpcore.NetworkStream):
    """A stream that ends at the deadline. Timeouts that httpcore passes are shorter promises: ours is for the whole."""

    def __init__(self, inner: httpcore.NetworkStream, line: Line) -> None:
        self._inner = inner
        self._line = line
        self._head: bytearray | None = bytearray()

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        del timeout
        piece = self._inner.read(max_bytes, self._line.left())
        if self._head is not None:
            self._head += piece
            self._check_head(bytes(self._head))
        return piece

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        del timeout
        self._inner.write(buffer, self._line.left())

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self, ssl_context: Any, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        del timeout
        return _Stream(self._inner.start_tls(ssl_context, server_hostname, self._line.left()), self._line)

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)

    def _check_head(self, received: bytes) -> None:
        """One length only (threats WF-08): the parser above takes two that agree."""
        head, end, _ = received.partition(b"\r\n\r\n")
        if len(head) > _MAX_HEAD:
            raise TransportError("an answer whose head does not end")
        if end:
            self._head = None
            if head.lower().count(b"\ncontent-length:") > 1:
                raise TransportError("an answer with two lengths")


class _Backend(httpcore.NetworkBackend):
    def __init__(self, line: Line) -> None:
        self._line = line

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Any = None,
    ) -> httpcore.NetworkStream:
        del timeout
        address = self._line.address(host, port)
        inner = httpcore.SyncBackend().connect_tcp(address, port, self._line.left(), local_address, socket_options)
        return _Stream(inner, self._line)
