"""WF: addresses in offers and requests, and servers that lie, stall or send without end. Loopback only."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import contextmanager, suppress
from ipaddress import ip_network

import pytest

from vcred.errors import Offline, Timeout, TooLarge, TransportError
from vcred.outgoing import Outgoing, Reach, check_url

pytestmark = pytest.mark.loopback


@contextmanager
def server(*answers: bytes, pause: float = 0.0, endless: bytes = b""):
    """Answers each connection with the next of ``answers``; then ``endless`` again and again, ``pause`` between bytes."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(0.05)
    seen: list[bytes] = []
    over = threading.Event()

    def serve() -> None:
        waiting = list(answers)
        while not over.is_set():
            try:
                connection, _ = listener.accept()
            except TimeoutError:
                continue
            with connection, suppress(OSError):
                request = connection.recv(65536)
                if request.startswith(b"POST") and request.endswith(b"\r\n\r\n"):
                    request += connection.recv(65536)
                seen.append(request)
                answer = waiting.pop(0) if waiting else b""
                for piece in [answer[i : i + 1] for i in range(len(answer))] if pause else [answer]:
                    connection.sendall(piece)
                    over.wait(pause)
                while endless and not over.is_set():
                    connection.sendall(endless)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1], seen
    finally:
        over.set()
        thread.join(5)
        listener.close()


def reply(body: bytes = b"{}", *headers: str, status: str = "200 OK") -> bytes:
    return "\r\n".join([f"HTTP/1.1 {status}", *headers, "", ""]).encode() + body


JSON = ("Content-Type: application/json; charset=utf-8", "Content-Length: 2")


def development(seconds: float = 2.0) -> Outgoing:
    return Outgoing(Reach.development(seconds=seconds))


def test_an_answer_comes_back_whole() -> None:
    with server(reply(b"{}", *JSON)) as (port, seen):
        answer = development().send("POST", f"http://127.0.0.1:{port}/a?b=c", body=b"x=1", headers={"X-A": "1"})
    assert (answer.status, answer.type, answer.body) == (200, "application/json", b"{}")
    assert seen[0].startswith(b"POST /a?b=c HTTP/1.1\r\nHost: 127.0.0.1:")
    assert seen[0].endswith(b"x=1")


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "0", "[::1]"),  # WF-01
        *("[::ffff:127.0.0.1]", "169.254.169.254", "100.64.0.1", "localhost", "localhost."),  # WF-02
        *("10.0.0.1", "192.168.1.1", "[fe80::1]", "[fd00::1]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]", "224.0.0.1"),
        *("255.255.255.255", "[::]", "[::ffff:10.0.0.1]", "[2001:0:7f00:1::]"),
    ],
)
def test_wf_01_02_private_addresses_are_never_asked(host: str) -> None:
    with server(reply()) as (port, seen), pytest.raises(TransportError):
        Outgoing(Reach(seconds=2)).send("GET", f"https://{host}:{port}/")
    assert not seen


def test_wf_02_named_networks_are_the_only_exception() -> None:
    inside = Reach(networks=(ip_network("10.1.0.0/16"),))
    assert inside.admits("10.1.2.3")
    assert inside.admits("::ffff:10.1.2.3")
    assert not inside.admits("10.2.0.1")
    assert not inside.admits("127.0.0.1")
    assert Reach().admits("1.1.1.1")
    assert Reach().admits("2606:4700::1111")
    assert not Reach().admits("not an address")


def test_wf_04_the_connection_goes_to_the_address_that_was_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    """A resolver that says something else the second time is not asked a second time."""
    asked: list[str] = []
    real = socket.getaddrinfo

    def resolver(host, port, *rest, **more):
        if host != "rebind.example":
            return real(host, port, *rest, **more)
        asked.append(host)
        return real("127.0.0.1" if len(asked) == 1 else "127.0.0.2", port, *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", resolver)
    with server(reply(b"{}", *JSON)) as (port, seen):
        assert development().send("GET", f"http://rebind.example:{port}/").status == 200
    assert len(asked) == 1
    assert b"Host: rebind.example:" in seen[0]


def test_wf_04_one_private_address_among_public_ones_refuses_the_name(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [(2, 1, 6, "", (address, 443)) for address in ("93.184.216.34", "10.0.0.1")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: rows)
    with pytest.raises(TransportError, match="not at a public address"):
        Outgoing(Reach(seconds=1)).send("GET", "https://mixed.example/")


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"])
def test_wf_05_a_redirect_is_followed_nowhere(status: str) -> None:
    with server(reply(b"", "Location: http://127.0.0.1:1/", "Content-Length: 0", status=status)) as (port, seen):
        answer = development().send("GET", f"http://127.0.0.1:{port}/")
    assert answer.status == int(status[:3])
    assert len(seen) == 1


@pytest.mark.parametrize(
    "url",
    [
        *("https://user@host.example/", "https://user:pw@host.example/", "https://host.example\\@evil.example/"),
        *("https://host.example#@evil.example/", "https://host.example/ a", "https://ho st.example/", "https:///x"),
        *("ftp://host.example/", "file:///etc/passwd", "http://host.example/", "https://host.example:0/", "//x/"),
        *("https://host.example:99999/", "https://[::1/", "https://호스트.example/", "https://a%2eb.example/"),
        pytest.param("https://" + "a" * 2048 + ".example/", id="long"),
        *("", "https://-a.example/", "https://host.example/\r\nX: 1"),
    ],
)
def test_wf_06_addresses_that_read_in_two_ways_are_refused(url: str) -> None:
    with pytest.raises(TransportError):
        check_url(url)


def test_wf_06_the_parts_are_those_of_one_parser() -> None:
    assert check_url("https://Host.Example:8443/a/b?c=d") == ("https", "host.example", 8443, "/a/b?c=d")
    assert check_url("https://host.example") == ("https", "host.example", 443, "/")


def test_wf_07_an_answer_without_end_is_cut_off() -> None:
    with (
        server(reply(b"", "Content-Type: application/json"), endless=b"x" * 65536) as (port, _),
        pytest.raises(TooLarge),
    ):
        development().send("GET", f"http://127.0.0.1:{port}/", limit=100_000)


def test_wf_07_endless_chunks_are_cut_off() -> None:
    chunk = b"10000\r\n" + b"x" * 65536 + b"\r\n"
    with server(reply(b"", "Transfer-Encoding: chunked"), endless=chunk) as (port, _), pytest.raises(TooLarge):
        development().send("GET", f"http://127.0.0.1:{port}/", limit=100_000)


@pytest.mark.parametrize("answer", [reply(b"x" * 50, "Content-Length: 50"), b"H" * 200], ids=["body", "head"])
def test_wf_07_a_byte_at_a_time_ends_at_the_deadline(answer: bytes) -> None:
    with server(answer, pause=0.05) as (port, _), pytest.raises(Timeout):
        development(seconds=0.4).send("GET", f"http://127.0.0.1:{port}/")


def test_wf_07_a_head_without_end_is_cut_off() -> None:
    endless = b"X-A: " + b"a" * 1000 + b"\r\n"
    with server(b"HTTP/1.1 200 OK\r\n", endless=endless) as (port, _), pytest.raises(TransportError):
        development().send("GET", f"http://127.0.0.1:{port}/")


def test_wf_07_nothing_is_decompressed() -> None:
    answer = reply(b"xx", "Content-Encoding: gzip", "Content-Length: 2")
    with server(answer) as (port, _), pytest.raises(TransportError, match="compresses"):
        development().send("GET", f"http://127.0.0.1:{port}/")


@pytest.mark.parametrize(
    "headers",
    [
        ("Content-Length: 2", "Content-Length: 2"),
        ("Content-Length: 2", "Content-Length: 3"),
        ("Content-Length: 2", "Content-Type: a/b", "Content-Type: c/d"),
    ],
    ids=["two equal lengths", "two lengths", "two types"],
)
def test_wf_08_one_length_and_one_type(headers: tuple[str, ...]) -> None:
    with server(reply(b"{}", *headers)) as (port, _), pytest.raises(TransportError):
        development().send("GET", f"http://127.0.0.1:{port}/")


def test_a_host_nobody_has_and_a_port_nobody_listens_at(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Offline):
        development().send("GET", "http://127.0.0.1:1/")

    def no(*_: object, **__: object) -> None:
        raise socket.gaierror(-2, "unknown")

    monkeypatch.setattr(socket, "getaddrinfo", no)
    with pytest.raises(Offline):
        development().send("GET", "http://nobody.invalid/")


def test_a_resolver_that_never_answers_ends_at_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: time.sleep(0.6) or [])
    with pytest.raises(Timeout):
        Outgoing(Reach(seconds=0.2)).send("GET", "https://slow.example/")


def test_a_file_that_holds_no_certificate_is_noticed_at_once(tmp_path) -> None:
    with pytest.raises(TransportError):
        Outgoing(Reach(ca_file=tmp_path / "none.pem"))
