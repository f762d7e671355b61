"""Where a sync reads from: a server that lies, stalls and redirects, and a folder with traps in it."""

from __future__ import annotations

import gzip
import os
import socket
import ssl
import threading
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

import pytest

from tests.sync_source import reply, serving
from vcred.errors import Offline, Timeout, TooLarge, TransportError
from vcred.trust.fetch import FolderSource, HttpSource, Missing, Network, checked_url, fetch, kind_of

QUICK = Network(seconds=20, silence=10)

pytestmark = pytest.mark.loopback


def read(source, name="a"):
    return b"".join(source.chunks(name))


def get(server, name="a", network=QUICK):
    with HttpSource(server.url, network=network) as source:
        return read(source, name)


def get_limited(server, limit, network=QUICK):
    return fetch(server.url + "a", network=network, until=network.until(), limit=limit, accept="x/y")


@pytest.fixture
def server(tmp_path):
    (tmp_path / "a").write_bytes(b"content" * 30_000)
    with serving(tmp_path) as found:
        yield found


def test_a_file_of_a_server(server):
    assert get(server) == b"content" * 30_000
    assert get_limited(server, 210_000) == b"content" * 30_000
    name, headers = server.asked[0]
    assert name == "a"
    assert headers["User-Agent"] == "vcred"
    assert headers["Accept-Encoding"] == "identity"
    assert not {"Cookie", "Authorization", "Referer"} & set(headers)


def test_one_connection_for_many_files(server):
    ports = set()
    server.answers["a"] = lambda handler: (ports.add(handler.client_address[1]), reply(handler, b"x"))
    with HttpSource(server.url, network=QUICK) as source:
        assert [read(source) for _ in range(5)] == [b"x"] * 5
    assert len(ports) == 1


def test_missing_and_broken(server):
    with pytest.raises(Missing):
        get(server, "nothing")
    server.answers["a"] = lambda handler: reply(handler, b"sorry", status=500)
    with pytest.raises(TransportError, match="answers 500"):
        get(server)
    server.answers["a"] = lambda handler: reply(handler, b"part", status=206)
    with pytest.raises(TransportError, match="answers 206"):
        get(server)


def test_the_environment_names_no_proxy(server, monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9/")
    assert get(server).startswith(b"content")


def test_a_proxy_that_is_asked_for(server):
    network = Network(proxy=server.url, seconds=20, allow_http=True)
    server.answers["http://garam.example/a"] = lambda handler: reply(handler, b"through the proxy")
    with HttpSource("http://garam.example/", network=network) as source:
        assert read(source) == b"through the proxy"


def test_nobody_there():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(Offline), HttpSource(f"http://127.0.0.1:{port}/", network=QUICK) as source:
        read(source)


def to(location, status=302):
    return lambda handler: reply(handler, b"", status=status, Location=location)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_on_the_same_server(server, status):
    server.answers["b"] = to("/a", status)
    assert get(server, "b").startswith(b"content")


@pytest.mark.parametrize(
    "location",
    [
        "http://localhost:{port}/a",
        "http://127.0.0.1:1/a",
        "//127.0.0.2:{port}/a",
        "https://127.0.0.1:{port}/a",
        "http://user@127.0.0.1:{port}/a",
        "http://127.0.0.1:{port}\\@garam.example/a",
        "file:///etc/hostname",
        "ftp://127.0.0.1:{port}/a",
        "http://[::1",
        "",
    ],
)
def test_wf_05_a_redirect_to_anywhere_else(server, location):
    server.answers["a"] = to(location.format(port=server.url.rsplit(":", 1)[1].rstrip("/")))
    with pytest.raises(TransportError):
        get(server)
    assert len(server.asked) <= QUICK.redirects + 1


def test_wf_05_ten_redirects(server):
    for step in range(10):
        server.answers[f"r{step}"] = to(f"/r{step + 1}")
    server.answers["r10"] = to("/a")
    with pytest.raises(TransportError, match="without end"):
        get(server, "r0")
    assert server.names == ["r0", "r1", "r2", "r3"]


def test_wf_07_a_gzip_bomb_is_not_unpacked(server):
    bomb = gzip.compress(bytes(50_000_000))
    server.answers["a"] = lambda handler: reply(handler, bomb, Content_Encoding="gzip")
    with pytest.raises(TransportError, match="compresses"):
        get(server)
    server.answers["a"] = lambda handler: reply(handler, bomb)
    assert get(server) == bomb


def endless(handler):
    handler.send_response(200)
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()
    while True:
        handler.wfile.write(b"8000\r\n" + bytes(0x8000) + b"\r\n")


def test_wf_07_an_endless_answer(server):
    server.answers["a"] = endless
    with pytest.raises(TooLarge):
        get_limited(server, 1_000_000)


def test_wf_07_a_gigabyte_that_is_announced(server):
    def huge(handler):
        handler.send_response(200)
        handler.send_header("Content-Length", str(1 << 30))
        handler.end_headers()
        while True:
            handler.wfile.write(bytes(0x8000))

    server.answers["a"] = huge
    with pytest.raises(TooLarge):
        get_limited(server, 1_000_000)


def drip(before):
    def answer(handler):
        handler.wfile.write(before)
        while True:
            handler.wfile.write(b"x")
            handler.wfile.flush()
            time.sleep(0.05)

    return answer


@pytest.mark.parametrize(
    "before",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nX-A: ",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4000\r\n",
    ],
    ids=["status line", "headers", "length", "until closed", "chunked"],
)
def test_wf_07_a_byte_at_a_time(server, before):
    server.answers["a"] = drip(before)
    with pytest.raises(Timeout):
        get(server, network=Network(seconds=0.3, silence=5))


def test_wf_07_a_server_that_is_silent(server):
    held = threading.Event()
    server.answers["a"] = lambda _handler: held.wait(5)
    with pytest.raises(Timeout):
        get(server, network=Network(seconds=20, silence=0.2))
    held.set()


def test_wf_07_the_time_is_for_all_files_together(server):
    with HttpSource(server.url, network=QUICK, until=QUICK.until() - 30) as source, pytest.raises(Timeout):
        read(source)


def test_an_answer_that_breaks_off(server):
    def short(handler):
        reply(handler, b"only this", Content_Length=50)
        handler.close_connection = True

    server.answers["a"] = short
    with pytest.raises(TransportError, match="broke"):
        get(server)


@pytest.mark.parametrize(
    "lines",
    [b"Content-Length: 3\r\nContent-Length: 5\r\n", b"Content-Length: -1\r\n", b"Content-Length: x\r\n"],
)
def test_wf_08_lengths_that_cannot_be(server, lines):
    def answer(handler):
        handler.wfile.write(b"HTTP/1.1 200 OK\r\n" + lines + b"\r\nabcde")
        handler.close_connection = True

    server.answers["a"] = answer
    with suppress(TransportError):
        assert get(server) == b"abcde"  # read to the end of the connection, as the length means nothing


@pytest.mark.parametrize(
    "url",
    [
        "http://garam.example/",
        "http://127.1/",
        "http://2130706433/",
        "http://localhost./",
        "ftp://garam.example/",
        "https:///a",
        "https://user@garam.example/",
        "https://user:pw@garam.example/",
        "https://garam.example\\@evil.example/",
        "https://garam.example/#a",
        "https://garam.example:0/",
        "https://garam.example:99999/",
        "https://garam.example/ a",
        "https://가람.example/",
        "https://[::1/",
        "https://garam.example/" + "a" * 2048,
        "garam.example",
        "",
    ],
)
def test_wf_06_addresses_that_are_not_asked(url):
    with pytest.raises(TransportError):
        checked_url(url, allow_http=False)


@pytest.mark.parametrize(
    "url", ["https://garam.example/a", "http://127.0.0.1:8080/", "http://[::1]/", "http://localhost/"]
)
def test_addresses_that_are_asked(url):
    assert checked_url(url, allow_http=False).geturl() == url


def test_http_when_it_is_asked_for():
    assert checked_url("http://garam.example/", allow_http=True).hostname == "garam.example"


def test_no_query_in_the_address_of_a_source():
    with pytest.raises(TransportError):
        HttpSource("https://garam.example/?a=", network=QUICK)


@pytest.fixture(scope="module")
def tls(tmp_path_factory):
    """Certificates for 127.0.0.1 and for another host, signed by a root of our own."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    folder, now = tmp_path_factory.mktemp("tls"), datetime.now(UTC)
    root_key = ec.generate_private_key(ec.SECP256R1())
    root_name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Root for tests")])

    def make(name, subject, key, *extensions):
        builder = (
            x509.CertificateBuilder(root_name, subject, key.public_key(), x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + timedelta(days=2))
        )
        for extension, critical in extensions:
            builder = builder.add_extension(extension, critical=critical)
        made = builder.sign(root_key, hashes.SHA256())
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        (folder / name).write_bytes(private + made.public_bytes(serialization.Encoding.PEM))

    make(
        "root.pem",
        root_name,
        root_key,
        (x509.BasicConstraints(ca=True, path_length=0), True),
        (x509.SubjectKeyIdentifier.from_public_key(root_key.public_key()), False),
        (x509.KeyUsage(False, False, False, False, False, True, True, False, False), True),
    )
    for name, alternative in (
        ("here.pem", x509.IPAddress(ip_address("127.0.0.1"))),
        ("other.pem", x509.DNSName("garam.example")),
    ):
        key = ec.generate_private_key(ec.SECP256R1())
        make(
            name,
            x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)]),
            key,
            (x509.SubjectAlternativeName([alternative]), False),
            (x509.AuthorityKeyIdentifier.from_issuer_public_key(root_key.public_key()), False),
            (x509.ExtendedKeyUsage([x509.ExtendedKeyUsageOID.SERVER_AUTH]), False),
        )
    return folder


def secure(tls, name):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tls / name)
    return context


def test_tls(tls, tmp_path):
    (tmp_path / "a").write_bytes(b"x")
    with serving(tmp_path, context=secure(tls, "here.pem")) as server:
        assert get(server, network=Network(ca_file=tls / "root.pem", seconds=20)) == b"x"
        with pytest.raises(TransportError, match="certificate"):
            get(server)  # the system does not know this root


def test_tls_for_another_host(tls, tmp_path):
    with serving(tmp_path, context=secure(tls, "other.pem")) as server, pytest.raises(TransportError, match="certif"):
        get(server, network=Network(ca_file=tls / "root.pem", seconds=20))


def test_st_14_a_redirect_from_https_to_http(tls, tmp_path):
    (tmp_path / "a").write_bytes(b"x")
    with serving(tmp_path) as plain, serving(tmp_path, context=secure(tls, "here.pem")) as server:
        server.answers["a"] = to(plain.url + "a")
        with pytest.raises(TransportError, match="redirects to another host or to http"):
            get(server, network=Network(ca_file=tls / "root.pem", seconds=20))
        assert not plain.asked


def test_wf_07_a_handshake_that_does_not_end(tls):
    with socket.create_server(("127.0.0.1", 0)) as listening:
        url = f"https://127.0.0.1:{listening.getsockname()[1]}/"
        network = Network(ca_file=tls / "root.pem", seconds=0.3, silence=5)
        with pytest.raises(Timeout), HttpSource(url, network=network) as source:
            read(source)


def test_a_ca_file_that_is_none(tmp_path):
    (tmp_path / "ca").write_bytes(b"nothing")
    for name in ("ca", "absent"):
        network = Network(ca_file=tmp_path / name)
        with pytest.raises(TransportError, match="certificates"), HttpSource("https://garam.example/", network=network):
            pass


def test_a_file_of_a_folder(tmp_path):
    (tmp_path / "metadata").mkdir()
    (tmp_path / "metadata" / "1.root.json").write_bytes(b"x" * 200_000)
    assert read(FolderSource(tmp_path), "metadata/1.root.json") == b"x" * 200_000
    (tmp_path / "link").symlink_to(tmp_path / "metadata")
    assert read(FolderSource(tmp_path / "link"), "1.root.json") == b"x" * 200_000


@pytest.mark.parametrize("name", ["../secret", "a/../../secret", "/etc/hostname", "a//b", "", ".", "a/.hidden", "a\0b"])
def test_names_that_leave_a_folder(tmp_path, name):
    (tmp_path / "secret").write_bytes(b"x")
    (tmp_path / "stick" / "a").mkdir(parents=True)
    with pytest.raises(TransportError, match="plain"):
        read(FolderSource(tmp_path / "stick"), name)


def test_what_is_no_regular_file_in_a_folder(tmp_path):
    stick = tmp_path / "stick"
    (stick / "folder").mkdir(parents=True)
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "a").write_bytes(b"x")
    (stick / "link").symlink_to(tmp_path / "secret" / "a")
    (stick / "links").symlink_to(tmp_path / "secret")
    os.mkfifo(stick / "pipe")
    for name in ("link", "links/a", "pipe", "folder"):
        with pytest.raises(TransportError) as caught:
            read(FolderSource(stick), name)
        assert not isinstance(caught.value, Missing)
    for name in ("absent", "absent/a"):
        with pytest.raises(Missing):
            read(FolderSource(stick), name)


def test_kinds(tmp_path):
    (tmp_path / "kr.trust").write_bytes(b"x")
    assert kind_of("https://garam.example/") == "url"
    assert kind_of(tmp_path) == "folder"
    assert kind_of(str(tmp_path / "kr.trust")) == "archive"
    with pytest.raises(TransportError):
        kind_of(tmp_path / "absent")
