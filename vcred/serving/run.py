"""Start a service with uvicorn, with TLS as HAIP and BCP 195 want it."""

from __future__ import annotations

import gc
import ssl
from typing import TYPE_CHECKING, Final

from pydantic import FilePath

from vcred.serving.settings import Settings

if TYPE_CHECKING:
    import socket
    from collections.abc import Sequence

    from fastapi import FastAPI

__all__ = ["Tls", "serve", "server_config"]

_CIPHERS: Final = ":".join(
    f"ECDHE-{key}-{cipher}" for cipher in ("AES128-GCM-SHA256", "AES256-GCM-SHA384") for key in ("ECDSA", "RSA")
)
"""What RFC 9325 section 4.2 recommends for TLS 1.2; those of TLS 1.3 are OpenSSL's."""

_STOP: Final = 5
"""Seconds that an answer may take to its end when the service stops."""


class Tls(Settings):
    """Files in PEM: the certificate with its chain, and its key."""

    certificate: FilePath
    key: FilePath


def server_config(
    app: FastAPI, *, host: str, port: int, tls: Tls | None, proxies: Sequence[str] = (), log_level: str = "warning"
) -> object:
    """A ``uvicorn.Config``. ``proxies`` are addresses whose forwarding headers are believed; by default nobody's."""
    import uvicorn  # noqa: PLC0415 - only who serves loads it

    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        ssl_certfile=None if tls is None else str(tls.certificate),
        ssl_keyfile=None if tls is None else str(tls.key),
        ssl_ciphers=_CIPHERS,
        proxy_headers=bool(proxies),
        forwarded_allow_ips=list(proxies),
        server_header=False,
        access_log=False,
        log_level=log_level,
        timeout_keep_alive=5,
        timeout_graceful_shutdown=_STOP,  # pages that listen to events would keep it for ever
        h11_max_incomplete_event_size=32 * 1024,
        lifespan="on",
    )
    config.load()
    if config.ssl is not None:
        config.ssl.minimum_version = ssl.TLSVersion.TLSv1_2
    return config


def serve(
    app: FastAPI,
    *,
    host: str,
    port: int,
    tls: Tls | None,
    proxies: Sequence[str] = (),
    log_level: str = "warning",
    place: socket.socket | None = None,
) -> None:
    """Serve ``app`` until the process is told to end. ``app.state.stopping()`` says so to answers without an end.

    ``place`` is a socket that listens there already.
    """
    import uvicorn  # noqa: PLC0415 - only who serves loads it

    config = server_config(app, host=host, port=port, tls=tls, proxies=proxies, log_level=log_level)
    assert isinstance(config, uvicorn.Config)
    server = uvicorn.Server(config)
    app.state.stopping = lambda: server.should_exit
    gc.collect()
    gc.freeze()  # what is there from the start stays: it need not be looked through again and again
    server.run(None if place is None else [place])
