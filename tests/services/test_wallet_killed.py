"""A wallet that is killed while it receives goes on where it was: before and after every write, request and answer."""

from __future__ import annotations

import base64
import http.client
import json
import os
import signal
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

from tests.services.wallet_kit import AT, Attester, Clock
from tests.services.wallet_peer import CALLBACK, Peer, public
from vcred.outgoing import Answer
from vcred.testing import World
from wallet import FileStore, Wallet
from wallet._crypto import Argon2Cost
from wallet.client import Online

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.loopback
CHEAP = Argon2Cost(memory_kib=8, passes=1, lanes=1)
PIN = "246813"


@pytest.fixture(scope="module")
def world() -> World:
    return World(at=AT)


@pytest.fixture(scope="module")
def attester() -> Attester:
    return Attester()


class Wire:
    """``Http`` to the peer of another process: the issuer's memory must outlive the wallet."""

    def __init__(self, port: int) -> None:
        self.port = port

    def send(self, method: str, url: str, *, headers: Any = None, body: bytes | None = None, limit: int = 0) -> Answer:
        line = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        wanted = {"method": method, "url": url, "headers": dict(headers or {})}
        wanted["body"] = None if body is None else base64.b64encode(body).decode()
        line.request("POST", "/", json.dumps(wanted))
        found = json.loads(line.getresponse().read())
        line.close()
        return Answer(status=found["status"], headers=found["headers"], body=base64.b64decode(found["body"]))


@contextmanager
def served(peer: Peer) -> Iterator[Wire]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            wanted = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            body = None if wanted["body"] is None else base64.b64decode(wanted["body"])
            if wanted["method"] == "BROWSER":
                answer = Answer(status=200, headers={}, body=peer.browser(wanted["url"]).encode())
            else:
                answer = peer.send(wanted["method"], wanted["url"], headers=wanted["headers"], body=body)
            found = {"status": answer.status, "headers": dict(answer.headers)}
            raw = json.dumps(found | {"body": base64.b64encode(answer.body).decode()}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=lambda: server.serve_forever(poll_interval=0.01), daemon=True)
    thread.start()
    try:
        yield Wire(server.server_address[1])
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class Doomed:
    """Counts writes and requests, each before and after, and kills this process at the ``left``-th."""

    def __init__(self, left: int) -> None:
        self.left = left

    def tick(self) -> None:
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def around(self, function: Any) -> Any:
        def wrapped(*arguments: Any, **options: Any) -> Any:
            self.tick()
            found = function(*arguments, **options)
            self.tick()
            return found

        return wrapped


def dies(step: int, action: Any) -> bool:
    """Whether ``action(doomed)`` in a process of its own was killed at that step."""
    child = os.fork()
    if child == 0:
        os._exit(ended(lambda: action(Doomed(step))))
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) == signal.SIGKILL
        return True
    assert os.waitstatus_to_exitcode(status) == 0
    return False


def ended(action: Any) -> int:
    try:
        action()
    except BaseException:  # noqa: BLE001 - a forked process must not go back to pytest
        import traceback

        traceback.print_exc()
        return 1
    return 0


def receive(folder: Path, wire: Wire, world: World, attester: Attester, offer: str, doomed: Doomed) -> None:
    with FileStore(folder / "wallet.db", pin=PIN, cost=CHEAP) as store:
        store.write = doomed.around(store.write)  # type: ignore[method-assign]
        wire.send = doomed.around(wire.send)  # type: ignore[method-assign]
        online = online_of(store, wire, world, attester)
        online.fetch(online.look(offer)).approve()


def online_of(store: FileStore, wire: Wire, world: World, attester: Attester) -> Online:
    def browser(url: str) -> str:
        return wire.send("BROWSER", url).body.decode()

    wallet = Wallet(store=store, trust=world.trust)
    return Online(
        wallet, http=wire, clock=Clock(), attester=attester.local, redirect_uri=CALLBACK, open_browser=browser
    )


@pytest.mark.parametrize("way", ["pre-authorized", "login"])
def test_a_wallet_that_is_killed_at_any_step_collects(
    way: str, tmp_path: Path, world: World, attester: Attester
) -> None:
    step, spent = 0, 0
    while True:
        step += 1
        peer = Peer(world, batch=2)
        peer.attester = public(attester.key)
        peer.dpop_nonce = None
        value = peer.offer() if way == "pre-authorized" else peer.login_offer()
        offer = f"openid-credential-offer://?credential_offer={quote(json.dumps(value))}"
        folder = tmp_path / str(step)
        folder.mkdir()
        with served(peer) as wire:
            killed = dies(step, lambda doomed, f=folder, w=wire, o=offer: receive(f, w, world, attester, o, doomed))
            with FileStore(folder / "wallet.db", pin=PIN, cost=CHEAP) as store:
                online = online_of(store, wire, world, attester)
                online.collect()
                if not online.wallet.certificates():
                    # It died before the holder's yes was on disk, in the browser, or with a code that was used up.
                    spent += "pre-code-1" not in peer.codes
                    peer.codes.add("pre-code-1")
                    online.fetch(online.look(offer)).approve()
                (one,) = online.wallet.certificates()
                assert (one.total, one.unused) == (2, 2)
                assert len(peer.answered) == 1, "one certificate was issued, whatever was asked how often"
                assert online.collect().problems == ()
                assert {row["event"] for row in peer.notified} == {"credential_accepted"}
                claims = online.wallet.claims(one.id)
                assert claims["issuedOn"]
        if not killed:
            break
    assert step > 15, "requests and writes were counted"
    # The one moment that cannot be bridged: the server has spent its code, and its answer is not on disk yet.
    assert spent <= 2


def test_a_wallet_that_is_killed_while_it_collects_collects_again(
    tmp_path: Path, world: World, attester: Attester
) -> None:
    for step in range(1, 40):
        peer = Peer(world, batch=2)
        peer.attester = public(attester.key)
        peer.deferrals = 1
        offer = f"openid-credential-offer://?credential_offer={quote(json.dumps(peer.offer()))}"
        folder = tmp_path / str(step)
        folder.mkdir()
        with served(peer) as wire:
            with FileStore(folder / "wallet.db", pin=PIN, cost=CHEAP) as store:
                online = online_of(store, wire, world, attester)
                assert online.fetch(online.look(offer)).approve().waiting
            killed = dies(step, lambda doomed, f=folder, w=wire: collect(f, w, world, attester, doomed))
            with FileStore(folder / "wallet.db", pin=PIN, cost=CHEAP) as store:
                online = online_of(store, wire, world, attester)
                online.clock.forward(seconds=61)
                online.collect()
                assert len(online.wallet.certificates()) == 1
                assert len(peer.answered) == 1
        if not killed:
            return
    raise AssertionError("it never came to its end")


def collect(folder: Path, wire: Wire, world: World, attester: Attester, doomed: Doomed) -> None:
    with FileStore(folder / "wallet.db", pin=PIN, cost=CHEAP) as store:
        store.write = doomed.around(store.write)  # type: ignore[method-assign]
        wire.send = doomed.around(wire.send)  # type: ignore[method-assign]
        online = online_of(store, wire, world, attester)
        online.clock.forward(seconds=61)
        online.collect()
