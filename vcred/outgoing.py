"""The one way out to servers that strangers name: issuers, verifiers, registries, web hooks.

An address in an offer or a request was written by somebody we know nothing of, so before a byte leaves:

1. ``https``, a host and nothing beside it: no user name, backslash, fragment or blank. ``http`` only to networks that
   the settings name. The host that is shown, resolved and verified is the one that one parser found.
2. Every address that the host resolves to must be public, or in such a network, in whatever notation it was written.
   The connection goes to an address that was checked; the name is not resolved a second time (DNS rebinding).
3. TLS 1.2 or newer, certificate and host name verified. No proxy, cookies, redirects, compression or keep-alive.
4. One deadline for everything, name resolution included, and a cap on what is read. One length, one content type.

What comes back is bytes and a status. What they mean is the caller's to parse, strictly.
"""

from __future__ import annotations

import re
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TYPE_CHECKING, Any, Final, Protocol
from urllib.parse import urlsplit

from vcred.errors import MissingExtraError, Offline, Timeout, TooLarge, TransportError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

__all__ = ["LONGEST_WAIT", "Answer", "Http", "Line", "Outgoing", "Reach", "check_url", "media_type", "patiently"]

LONGEST_WAIT: Final = 20
"""Seconds that a busy server is waited for at a time."""

_MAX_URL: Final = 2048
_MAX_BODY: Final = 4 * 1024 * 1024
_URL: Final = re.compile(r"[\x21-\x7e]+")
_HOST: Final = re.compile(r"(?=.{1,253}\.?$)[a-z0-9_](?:[a-z0-9_.-]*[a-z0-9_])?\.?")
_PORTS: Final = {"https": 443, "http": 80}
_BUSY: Final = frozenset({429, 503})
_AGAIN: Final = 2
_DAY: Final = 86_400
_MAX_DIGITS: Final = 9
_SINGLE: Final = frozenset({"content-length", "content-type", "location", "transfer-encoding"})
_TRANSLATED: Final = (ip_network("64:ff9b::/96"), ip_network("2002::/16"), ip_network("2001::/32"))
"""IPv6 addresses that stand for an IPv4 address somewhere else: NAT64, 6to4, Teredo."""

_LOOPBACK: Final = (ip_network("127.0.0.0/8"), ip_network("::1/128"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """Where a client may go. The defaults are those of production.

    ``networks`` are reached besides public addresses, by ``http`` too where ``plain_http`` says so. ``ca_file``
    replaces the system's certificate authorities. ``seconds`` is the time for one whole request.
    """

    networks: tuple[IPv4Network | IPv6Network, ...] = ()
    plain_http: bool = False
    ca_file: Path | None = None
    seconds: float = 5.0

    @classmethod
    def development(cls, *, ca_file: Path | None = None, seconds: float = 5.0) -> Reach:
        """This machine itself as well, without TLS too."""
        return cls(networks=_LOOPBACK, plain_http=True, ca_file=ca_file, seconds=seconds)

    def admits(self, address: str) -> bool:
        """Whether a connection may be made to ``address``, an IP address."""
        try:
            found = ip_address(address.partition("%")[0])
        except ValueError:
            return False
        if isinstance(found, IPv6Address) and found.ipv4_mapped is not None:
            found = found.ipv4_mapped
        return self.named(found) or _is_public(found)

    def named(self, address: IPv4Address | IPv6Address) -> bool:
        """Whether the settings name a network of ``address``."""
        return any(address in network for network in self.networks if network.version == address.version)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a server said. ``headers`` have lower-case names, and those that must be single are."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)

    @property
    def type(self) -> str:
        """The media type, in lower case and without parameters; empty when there is none."""
        return media_type(self.headers.get("content-type", ""))

    @property
    def retry_after(self) -> int | None:
        """The seconds after which the server wants to be asked again (RFC 9110 section 10.2.3), if it says so.

        A moment is counted from the server's own ``Date``, so that no clock of ours is needed.
        """
        found = self.headers.get("retry-after", "").strip()
        if found.isascii() and found.isdigit():
            return min(int(found[:_MAX_DIGITS]), _DAY)
        try:
            until = parsedate_to_datetime(found) - parsedate_to_datetime(self.headers.get("date", ""))
        except (TypeError, ValueError, OverflowError):  # years and offsets may have any number of digits
            return None
        return min(max(0, int(until.total_seconds())), _DAY)


class Http(Protocol):
    """Something that carries one request. ``Outgoing`` is the one for production."""

    def send(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        limit: int = _MAX_BODY,
    ) -> Answer:
        """The answer to one request, at most ``limit`` bytes of it. Raises ``TransportError``."""


def patiently(send: Callable[[], Answer], pause: Callable[[float], None]) -> Answer:
    """What ``send`` brings; once or twice more where a server is busy (429, 503) and says when to come again.

    Nobody is waited for longer than ``LONGEST_WAIT`` seconds: then the answer is what it is.
    """
    for _ in range(_AGAIN):
        answer = send()
        wait = answer.retry_after if answer.status in _BUSY else None
        if wait is None or wait > LONGEST_WAIT:
            return answer
        pause(float(max(1, wait)))
    return send()


def media_type(header: str) -> str:
    """The media type of a ``Content-Type`` header, in lower case and without parameters."""
    return header.partition(";")[0].strip().lower()


def check_url(url: str, *, plain_http: bool = False) -> tuple[str, str, int, str]:
    """Scheme, host, port and target (path with query) of an address that may be asked.

    Raises ``TransportError`` for any other (threats WF-06).
    """
    if len(url) > _MAX_URL or not _URL.fullmatch(url) or "\\" in url or "#" in url:
        raise TransportError("an address that is not plain")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise TransportError("an address that cannot be read") from None
    if not host or port == 0 or "@" in parts.netloc or not (_HOST.fullmatch(host) or _is_ipv6(host)):
        raise TransportError("an address whose host is not plain")
    if parts.scheme not in _PORTS or (parts.scheme == "http" and not plain_http):
        raise TransportError(f"{host}: not https")
    target = parts.path or "/"
    return parts.scheme, host, port or _PORTS[parts.scheme], f"{target}?{parts.query}" if parts.query else target


class Outgoing:
    """A client for requests to servers that somebody else named. Safe to use from several threads."""

    def __init__(self, reach: Reach | None = None) -> None:
        """Raises ``TransportError`` for a file of certificate authorities that is none."""
        import ssl  # noqa: PLC0415 - only who goes out loads it

        self._reach = Reach() if reach is None else reach
        ca_file = self._reach.ca_file
        try:
            self._tls = ssl.create_default_context(cafile=None if ca_file is None else str(ca_file))
        except OSError as error:
            raise TransportError(f"{ca_file}: not a file of certificates") from error
        self._tls.minimum_version = ssl.TLSVersion.TLSv1_2

    def send(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        limit: int = _MAX_BODY,
    ) -> Answer:
        """See ``Http``. A redirect is an answer like any other: nothing follows it.

        Raises ``Offline`` for a host that cannot be reached, ``Timeout``, ``TooLarge``, and ``TransportError`` for an
        address that may not be asked and an answer that is not one.
        """
        try:
            import httpcore  # noqa: PLC0415 - only who goes out loads it

            from vcred._outgoing_stream import pool  # noqa: PLC0415 - as above
        except ModuleNotFoundError as error:
            raise MissingExtraError("online") from error
        scheme, host, port, target = check_url(url, plain_http=self._reach.plain_http)
        line = Line(self._reach, scheme, until=time.monotonic() + self._reach.seconds)
        sent = {
            "Host": _authority(scheme, host, port),
            "User-Agent": "vcred",
            "Accept": "application/json",
            "Accept-Encoding": "identity",
            "Connection": "close",
            **(headers or {}),
        }
        if body is not None:
            sent["Content-Length"] = str(len(body))
        with _told(host, line), pool(self._tls, line) as connections:
            address = httpcore.URL(scheme=scheme.encode(), host=host.encode(), port=port, target=target.encode())
            pairs = [(name.encode(), value.encode()) for name, value in sent.items()]
            with connections.stream(method, address, headers=pairs, content=body) as response:
                return _answer(response, host, line, limit)


class Line:
    """One connection's rules: where it may go, and when it ends."""

    def __init__(self, reach: Reach, scheme: str, *, until: float) -> None:
        self.reach = reach
        self.scheme = scheme
        self._until = until

    def left(self) -> float:
        """Seconds that are left. Raises ``Timeout`` when none are."""
        left = self._until - time.monotonic()
        if left <= 0:
            raise Timeout("the server is too slow")
        return left

    def address(self, host: str, port: int) -> str:
        """An address of ``host`` that may be asked. Raises ``TransportError``, also when only one of many may not."""
        found = _resolve(host, port, self.left())
        if not found or not all(map(self.reach.admits, found)):
            raise TransportError(f"{host}: not at a public address")
        if self.scheme == "http" and not all(self.reach.named(ip_address(one)) for one in found):
            raise TransportError(f"{host}: not https")
        return found[0]


def _answer(response: Any, host: str, line: Line, limit: int) -> Answer:
    headers: dict[str, str] = {}
    for raw_name, raw_value in response.headers:
        name = raw_name.decode("latin-1").lower()
        if name in headers and name in _SINGLE:
            raise TransportError(f"{host}: its answer has {name} twice")
        headers[name] = raw_value.decode("latin-1")
    if headers.get("content-encoding", "identity").lower() != "identity":
        raise TransportError(f"{host}: it compresses unasked")
    found = bytearray()
    for piece in response.iter_stream():
        line.left()
        found += piece
        if len(found) > limit:
            raise TooLarge(f"{host}: more than {limit} bytes")
    return Answer(status=response.status, headers=headers, body=bytes(found))


def _authority(scheme: str, host: str, port: int) -> str:
    name = f"[{host}]" if ":" in host else host
    return name if port == _PORTS[scheme] else f"{name}:{port}"


def _is_public(address: IPv4Address | IPv6Address) -> bool:
    if isinstance(address, IPv6Address) and any(address in network for network in _TRANSLATED):
        return False
    return address.is_global and not (address.is_multicast or address.is_reserved or address.is_unspecified)


def _is_ipv6(host: str) -> bool:
    try:
        return ip_address(host).version == 6
    except ValueError:
        return False


def _resolve(host: str, port: int, seconds: float) -> list[str]:
    """Every address of ``host``. The system's resolver knows no deadline, so it is left behind when ours has come."""
    import socket  # noqa: PLC0415 - only who goes out loads it

    found: list[str] = []

    def ask() -> None:
        try:
            rows = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError):
            return
        found.extend(str(row[4][0]) for row in rows)

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(seconds)
    if thread.is_alive():
        raise Timeout(f"{host}: its address is not found in time")
    if not found:
        raise Offline(f"{host}: has no address")
    return found


@contextmanager
def _told(host: str, line: Line) -> Iterator[None]:
    """The errors of httpcore as ours. What breaks after the deadline is a timeout, whatever it looks like."""
    import ssl  # noqa: PLC0415 - only who goes out loads it

    import httpcore  # noqa: PLC0415 - as above

    try:
        yield
    except Timeout:
        raise Timeout(f"{host}: the server is too slow") from None
    except httpcore.TimeoutException as error:
        raise Timeout(f"{host}: the server is too slow") from error
    except httpcore.ConnectError as error:
        if isinstance(error.__cause__, ssl.SSLError) or "SSL" in str(error):
            raise TransportError(f"{host}: its certificate is not valid for it") from error
        raise Offline(f"{host}: cannot be reached") from error
    except (httpcore.NetworkError, httpcore.ProtocolError, OSError) as error:
        line.left()
        raise TransportError(f"{host}: the connection broke: {type(error).__name__}") from error
