"""Real sockets with TLS for tests: a certificate authority of the test's own, and applications behind uvicorn."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tests.x509_kit import key_usage
from vcred.outgoing import Outgoing, Reach
from vcred.serving import Tls
from vcred.serving.run import server_config

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from fastapi import FastAPI

HOST = "localhost"

_CRITICAL = x509.BasicConstraints | x509.KeyUsage


class TestAuthority:
    """A certificate authority for TLS between services of one test run: ``file`` is what clients trust."""

    __test__ = False

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "vcred test authority")])
        constraints = x509.BasicConstraints(ca=True, path_length=0)
        # CPython 3.13 checks strictly (RFC 5280 section 4.2.1.3): an authority says that it signs certificates.
        self._certificate = self._signed(self._name, self._key, (constraints, key_usage("key_cert_sign")))
        self.file = folder / "authority.pem"
        self.file.write_bytes(self._certificate.public_bytes(Encoding.PEM))

    def server(self, host: str = HOST) -> Tls:
        """Certificate and key of a server called ``host``, reachable at 127.0.0.1 as well."""
        key = ec.generate_private_key(ec.SECP256R1())
        names = x509.SubjectAlternativeName([x509.DNSName(host), x509.IPAddress(ip_address("127.0.0.1"))])
        usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
        constraints = x509.BasicConstraints(ca=False, path_length=None)
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
        certificate = self._signed(subject, key, (names, usage, constraints))
        place = self._folder / f"server-{certificate.serial_number}"
        chain, secret = place.with_suffix(".pem"), place.with_suffix(".key")
        chain.write_bytes(certificate.public_bytes(Encoding.PEM))
        secret.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        return Tls(certificate=chain, key=secret)

    def http(self, *, seconds: float = 20.0) -> Outgoing:
        """The guarded client, which trusts this authority and may reach this machine."""
        return Outgoing(Reach.development(ca_file=self.file, seconds=seconds))

    def _signed(self, subject: x509.Name, key: Any, extensions: Any) -> x509.Certificate:
        now = datetime.now(UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=30))
        )
        identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        for extension in (*extensions, identifier, x509.SubjectKeyIdentifier.from_public_key(key.public_key())):
            builder = builder.add_extension(extension, critical=isinstance(extension, _CRITICAL))
        return builder.sign(self._key, hashes.SHA256())


def listening() -> tuple[socket.socket, int]:
    """A socket that listens on loopback, and its port: an application has to know its address before it is made."""
    found = socket.create_server(("127.0.0.1", 0), backlog=256)
    return found, int(found.getsockname()[1])


@contextmanager
def served(app: FastAPI, *, at: socket.socket, tls: Tls | None) -> Iterator[None]:
    """``app`` behind uvicorn in a thread, with the product's own TLS settings, on a socket that listens already."""
    import uvicorn

    config = server_config(app, host="127.0.0.1", port=0, tls=tls)
    assert isinstance(config, uvicorn.Config)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [at]}, daemon=True)
    thread.start()
    until = time.monotonic() + 20
    while not server.started:
        if not thread.is_alive() or time.monotonic() > until:
            raise AssertionError("the service does not start")
        time.sleep(0.01)
    try:
        yield
    finally:
        server.should_exit = True
        thread.join(20)
        at.close()
        assert not thread.is_alive(), "the service does not end"
