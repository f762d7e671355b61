"""Where a sync reads from: a server, or a folder (a USB stick). Nothing is trusted here; what is read is judged later.

A server is asked within limits, because it may lie, stall or send without end:

1. ``https``, with certificate and host name verified. Plain ``http`` only to this machine itself, or when it was asked
   for: what we fetch is signed, so nobody on the way forges it, but he sees it and can hold it back until it expires.
2. A redirect is followed within the same scheme, host and port, a few times; any other is refused.
3. No proxy unless one is named; no cookies, no credentials in the address, no compression, a name that says nothing.
4. All requests of one sync together end at one time, however slowly bytes trickle in. TUF says how long a file may be.

From a folder only regular files below it are read; a link anywhere on the way is refused.
"""

from __future__ import annotations

import os
import re
import socket
import stat
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, Self
from urllib.parse import SplitResult, urljoin, urlsplit

from vcred.errors import Offline, Timeout, TooLarge, TransportError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = [
    "FolderSource",
    "HttpSource",
    "Missing",
    "Network",
    "Source",
    "checked_url",
    "fetch",
    "kind_of",
    "origin",
    "tuf_fetcher",
]

_CHUNK = 64 * 1024
_LOOPBACK = {"127.0.0.1", "::1", "localhost"}
_PORTS = {"https": 443, "http": 80}
_MAX_URL = 2048
_URL = re.compile(r"[\x21-\x7e]+")
_PART = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,199}")
_REDIRECTS = {301, 302, 303, 307, 308}
_ABSENT = {403, 404, 410}


class Missing(TransportError):
    """The source does not have this file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """How a server may be asked. The defaults are the strict ones.

    ``ca_file`` replaces the system's certificate authorities. ``seconds`` is the time for everything together,
    ``silence`` how long a server may be silent.
    """

    ca_file: Path | None = None
    proxy: str | None = None
    allow_http: bool = False
    seconds: float = 600.0
    silence: float = 15.0
    redirects: int = 3

    def until(self) -> float:
        """When a sync that starts now has to end, on this machine's monotonic clock."""
        return time.monotonic() + self.seconds


class Source(Protocol):
    """Something with files in it."""

    def chunks(self, name: str) -> Iterator[bytes]:
        """The file ``name``, piece by piece. Raises ``Missing`` or another ``TransportError``, also on the way."""


def kind_of(source: str | Path) -> Literal["url", "folder", "archive"]:
    """What ``source`` is. Raises ``TransportError`` when there is no such file or folder."""
    if "://" in str(source):
        return "url"
    path = Path(source)
    if path.is_dir():
        return "folder"
    if path.is_file():
        return "archive"
    raise TransportError(f"{path}: neither an address, a folder nor a file")


def checked_url(url: str, *, allow_http: bool) -> SplitResult:
    """The parts of an address that may be asked. Raises ``TransportError`` for any other."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise TransportError("an address that cannot be read") from None
    host = parts.hostname
    if len(url) > _MAX_URL or not _URL.fullmatch(url) or "\\" in url or parts.fragment or not host or port == 0:
        raise TransportError("an address that is not plain")
    if parts.username is not None or parts.password is not None:
        raise TransportError(f"{host}: an address with a user name in it")
    if parts.scheme not in _PORTS:
        raise TransportError(f"{host}: {parts.scheme} is neither https nor http")
    if parts.scheme == "http" and not (allow_http or host in _LOOPBACK):
        raise TransportError(
            f"{host}: http shows others what is fetched and lets them hold it back: use https (or allow http)"
        )
    return parts


def origin(parts: SplitResult) -> tuple[str, str, int]:
    """Scheme, host and port: what has to be the same for a redirect."""
    return parts.scheme, parts.hostname or "", parts.port or _PORTS[parts.scheme]


class FolderSource:
    """A folder."""

    def __init__(self, folder: Path) -> None:
        """The folder itself may be reached by a link; what is below it may not."""
        self._folder = folder

    def chunks(self, name: str) -> Iterator[bytes]:
        """See ``Source``."""
        path = self._folder
        try:
            for part in name.split("/"):
                if not _PART.fullmatch(part):
                    raise TransportError("a name that is not plain and relative")
                path /= part
                if stat.S_ISLNK(path.lstat().st_mode):
                    raise TransportError(f"{path}: a link")
            # A name that became a link or a pipe just now is neither followed nor waited for.
            flags = os.O_RDONLY | sum(getattr(os, name, 0) for name in ("O_NOFOLLOW", "O_NONBLOCK", "O_BINARY"))
            with open(os.open(path, flags), "rb") as file:  # noqa: PTH123 - a handle, not a path
                if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                    raise TransportError(f"{path}: not a regular file")
                while piece := file.read(_CHUNK):
                    yield piece
        except (FileNotFoundError, NotADirectoryError):
            raise Missing(f"{path}: not there") from None
        except OSError as error:
            raise TransportError(f"{path}: {error.strerror}") from error


class HttpSource:
    """A server, below the address ``base``. A context manager: leaving it closes every connection."""

    def __init__(self, base: str, *, network: Network, until: float | None = None) -> None:
        """``until`` is the end of a sync that this is a part of. Raises ``TransportError`` for a wrong address."""
        parts = checked_url(base, allow_http=network.allow_http)
        if parts.query:
            raise TransportError("an address with a query in it")
        self._base = base if base.endswith("/") else base + "/"
        self._network = network
        self._watch = _Watch(network.until() if until is None else until)

    def __enter__(self) -> Self:
        self._pools = _pools(self._network, self._watch)
        self._watch.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._watch.stop()
        self._pools.clear()

    def chunks(self, name: str) -> Iterator[bytes]:
        """See ``Source``."""
        yield from self.get(urljoin(self._base, name), accept="*/*")

    def get(self, url: str, *, accept: str) -> Iterator[bytes]:
        """What is at ``url``. Raises ``Missing``, ``Timeout``, ``Offline`` or another ``TransportError``."""
        with self._told(url):
            response = self._answer(url, accept)
            try:
                yield from response.stream(_CHUNK, decode_content=False)
                if self._watch.over:  # an answer without a length ends wherever it is cut off
                    raise Timeout(f"{url}: the server is too slow")
            finally:
                # Not drained: what is left may be without end.
                response.close()

    def _answer(self, url: str, accept: str) -> Any:
        first = origin(checked_url(url, allow_http=self._network.allow_http))
        for _ in range(self._network.redirects + 1):
            response = self._ask(url, accept)
            if response.status not in _REDIRECTS:
                _check_answer(response, url)
                return response
            response.close()
            target = self._redirected(url, response.headers.get("Location", ""))
            if target is None or origin(target) != first:
                raise TransportError(f"{url}: it redirects to another host or to http")
            url = target.geturl()
        raise TransportError(f"{url}: it redirects without end")

    def _redirected(self, url: str, location: str) -> SplitResult | None:
        with suppress(ValueError, TransportError):
            return checked_url(urljoin(url, location), allow_http=self._network.allow_http)
        return None

    def _ask(self, url: str, accept: str) -> Any:
        return self._pools.request(
            "GET",
            url,
            preload_content=False,
            decode_content=False,
            redirect=False,
            retries=False,
            timeout=self._network.silence,
            headers={"User-Agent": "vcred", "Accept": accept, "Accept-Encoding": "identity"},
        )

    @contextmanager
    def _told(self, url: str) -> Iterator[None]:
        """urllib3's errors as ours. What breaks after the end of our time is a timeout, whatever it looks like."""
        from urllib3 import exceptions  # noqa: PLC0415 - only who asks a server loads it

        try:
            yield
        except (exceptions.HTTPError, OSError) as error:
            if self._watch.over:
                raise Timeout(f"{url}: the server is too slow") from error
            # To urllib3 this one is a kind of timeout.
            if isinstance(error, (exceptions.NewConnectionError, exceptions.ProxyError)):
                raise Offline(f"{url}: cannot be reached") from error
            if isinstance(error, exceptions.TimeoutError):
                raise Timeout(f"{url}: the server is too slow") from error
            if isinstance(error, exceptions.SSLError):
                raise TransportError(f"{url}: its certificate is not valid for it") from error
            raise TransportError(f"{url}: the connection broke: {type(error).__name__}") from error


def fetch(url: str, *, network: Network, until: float, limit: int, accept: str) -> bytes:
    """One file of at most ``limit`` bytes. Raises as ``HttpSource.get``, and ``TooLarge``."""
    parts = checked_url(url, allow_http=network.allow_http)
    found = bytearray()
    with HttpSource(f"{parts.scheme}://{parts.netloc}/", network=network, until=until) as source:
        for piece in source.get(url, accept=accept):
            found += piece
            if len(found) > limit:
                raise TooLarge(f"{url}: more than {limit} bytes")
    return bytes(found)


def tuf_fetcher(source: Source, *, count: Callable[[int], None]) -> Any:
    """``source`` as python-tuf's ``FetcherInterface``. ``count`` is told the size of every piece that is read.

    python-tuf counts bytes against the length it expects and stops a file that goes beyond.
    """
    from tuf.api.exceptions import DownloadHTTPError  # noqa: PLC0415 - one of the slow imports
    from tuf.ngclient.fetcher import FetcherInterface  # noqa: PLC0415 - as above

    class Fetcher(FetcherInterface):
        def _fetch(self, url: str) -> Iterator[bytes]:
            try:
                for piece in source.chunks(url):
                    count(len(piece))
                    yield piece
            except Missing as error:
                # The status by which python-tuf knows that there is no newer root.
                raise DownloadHTTPError(str(error), 404) from error

    return Fetcher()


def _check_answer(response: Any, url: str) -> None:
    if response.status == 200 and response.headers.get("Content-Encoding", "identity") == "identity":
        return
    response.close()
    if response.status in _ABSENT:
        raise Missing(f"{url}: not there")
    raise TransportError(f"{url}: the server answers {response.status}, or compresses unasked")


class _Watch:
    """Ends every connection at one time: a server that sends a byte a second never runs into a socket's own timeout."""

    def __init__(self, until: float) -> None:
        self.over = False
        self._until = until
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._timer: threading.Timer | None = None

    def start(self) -> None:
        """Count from now. At the end the connection is shut down, whoever waits for it."""
        self._timer = threading.Timer(max(self._until - time.monotonic(), 0), self._end)
        self._timer.daemon = True
        self._timer.start()

    def stop(self) -> None:
        """No longer watch."""
        if self._timer is not None:
            self._timer.cancel()
        self._keep(None)

    def watch(self, made: socket.socket) -> socket.socket:
        """Watch a new connection in place of the last one: there is one at a time."""
        # A duplicate, because TLS takes the socket away from the object that we are given.
        self._keep(made.dup())
        if self.over:
            made.close()
            raise TimeoutError
        return made

    def _keep(self, connection: socket.socket | None) -> None:
        with self._lock:
            if self._socket is not None:
                self._socket.close()
            self._socket = connection

    def _end(self) -> None:
        with self._lock:
            self.over = True
            if self._socket is not None:
                with suppress(OSError):
                    self._socket.shutdown(socket.SHUT_RDWR)


def _pools(network: Network, watch: _Watch) -> Any:
    import ssl  # noqa: PLC0415 - only who asks a server loads it

    import urllib3  # noqa: PLC0415 - as above
    from urllib3.connection import HTTPConnection, HTTPSConnection  # noqa: PLC0415 - as above
    from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool  # noqa: PLC0415 - as above

    class Plain(HTTPConnection):
        def _new_conn(self) -> socket.socket:
            return watch.watch(super()._new_conn())

    class Secure(HTTPSConnection):
        def _new_conn(self) -> socket.socket:
            return watch.watch(super()._new_conn())

    class PlainPool(HTTPConnectionPool):
        ConnectionCls = Plain

    class SecurePool(HTTPSConnectionPool):
        ConnectionCls = Secure

    try:
        context = ssl.create_default_context(cafile=None if network.ca_file is None else str(network.ca_file))
    except OSError as error:
        raise TransportError(f"{network.ca_file}: not a file of certificates") from error
    settings: dict[str, Any] = {"num_pools": 1, "maxsize": 1, "ssl_context": context}
    if network.proxy is None:
        pools = urllib3.PoolManager(**settings)
    else:
        pools = urllib3.ProxyManager(network.proxy, **settings)
    pools.pool_classes_by_scheme = {"http": PlainPool, "https": SecurePool}
    return pools
