"""A trust repository as it lies at a source, and a loopback server for it that lies on request.

``lay_out`` writes a pack as TUF clients find it: a folder, for ``FolderSource`` or behind ``Server``.
"""

from __future__ import annotations

import hashlib
import json
import threading
from contextlib import contextmanager
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import TYPE_CHECKING

from tuf.api.metadata import MetaFile

from tests.trust_town import AT, DAY
from vcred.trust import roles
from vcred.trust.content import status_file
from vcred.trust.fetch import Network
from vcred.trust.overlay import load_current, overlay_folder
from vcred.trust.pack import read_pack
from vcred.trust.status_sync import sync_status
from vcred.trust.sync import sync

if TYPE_CHECKING:
    from pathlib import Path

HOUR = timedelta(hours=1)


def signed_files(
    targets, *, roots, signers, version, status=None, listed=None, change=None, at=AT - DAY, expires=AT + 90 * DAY
) -> dict[str, bytes]:
    """The files of a repository by their names in a pack, unchecked.

    ``listed`` is a signed targets.json to use again. ``change(role, raw)`` alters what was signed for ``targets`` and
    ``status``; the roles above vouch for the result.
    """
    root, times = roles.read_metadata(roots[-1]).signed, {"version": version, "expires": expires}
    change = change or (lambda _role, raw: raw)
    unsigned = roles.targets_metadata(targets, root=root, **times)
    if listed is None:
        listed = roles.sign_role(unsigned, "targets", delegator=root, signers=signers)
    files = {"targets.json": change("targets", listed)}
    lists = roles.status_metadata(status or {}, **times)
    files["status.json"] = change(
        "status", roles.sign_role(lists, "status", delegator=unsigned.signed, signers=signers)
    )
    snapshot = roles.snapshot_metadata(listed, listed, **times)
    for name in ("targets.json", "status.json"):
        number = version if name == "status.json" else roles.read_metadata(listed).signed.version
        snapshot.signed.meta[name] = MetaFile.from_data(number, files[name], ["sha256"])
    files["snapshot.json"] = roles.sign_role(snapshot, "snapshot", delegator=root, signers=signers)
    timestamp = roles.timestamp_metadata(files["snapshot.json"], at=at, **times)
    files["timestamp.json"] = roles.sign_role(timestamp, "timestamp", delegator=root, signers=signers)
    files |= {f"{roles.read_metadata(raw).signed.version}.root.json": raw for raw in roots}
    files |= {f"targets/{name}": raw for name, raw in targets.items()}
    return files | {f"targets/{status_file(uri)}": raw for uri, raw in (status or {}).items()}


def lay_out(raw: bytes, folder: Path) -> Path:
    """Write the pack ``raw`` as a repository with consistent snapshots."""
    return lay_out_files(read_pack(raw), folder)


def lay_out_files(files: dict[str, bytes], folder: Path) -> Path:
    """The same for files that need not be a good pack."""
    (folder / "metadata").mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        if name.startswith("targets/"):
            path = folder / name
            path = path.with_name(f"{hashlib.sha256(content).hexdigest()}.{path.name}")
            path.parent.mkdir(parents=True, exist_ok=True)
        elif name in ("snapshot.json", "targets.json", "status.json"):
            path = folder / "metadata" / f"{json.loads(content)['signed']['version']}.{name}"
        else:
            path = folder / "metadata" / name
        path.write_bytes(content)
    return folder


class Server:
    """Serves ``folder``. ``answers[path]`` is called with the handler in place of an honest answer."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.answers, self.asked = folder, {}, []
        self.url = ""

    def __call__(self, handler: BaseHTTPRequestHandler) -> None:
        name = handler.path.lstrip("/")
        self.asked.append((name, dict(handler.headers)))
        if name in self.answers:
            self.answers[name](handler)
            return
        path = self.folder / name
        if not path.is_file():
            reply(handler, b"", status=404)
            return
        reply(handler, path.read_bytes())

    @property
    def names(self) -> list[str]:
        """What was asked for, in order."""
        return [name for name, _ in self.asked]


def reply(handler, body, *, status=200, **headers):
    """One whole answer; ``headers`` with ``_`` for ``-``."""
    handler.send_response(status)
    for name, value in ({"Content_Length": len(body)} | headers).items():
        handler.send_header(name.replace("_", "-"), str(value))
    handler.end_headers()
    handler.wfile.write(body)


@contextmanager
def serving(folder: Path, *, context=None):
    """A ``Server`` of ``folder`` on a loopback port, with TLS when there is an SSL ``context``."""
    server = Server(folder)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self):
            try:
                server(self)
            except (BrokenPipeError, ConnectionResetError):
                self.close_connection = True

        def log_message(self, *_):
            pass

    class Listening(ThreadingHTTPServer):
        daemon_threads = True

        def server_bind(self):  # without asking the name server what we are called
            TCPServer.server_bind(self)
            self.server_name, self.server_port = self.server_address

        def handle_error(self, request, client_address):
            """A client that hung up: it does so when an answer is too long or too slow."""

    listening = Listening(("127.0.0.1", 0), Handler)
    if context is not None:
        listening.socket = context.wrap_socket(listening.socket, server_side=True)
    thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    server.url = f"http{'s' if context else ''}://127.0.0.1:{listening.server_port}/"
    try:
        yield server
    finally:
        listening.shutdown()
        thread.join()
        listening.server_close()


class Terminal:
    """A terminal in ``folder / "home"``, and a source in ``folder / "source"``."""

    def __init__(self, folder, town):
        self.town, self.source, self.home = town, folder / "source", folder / "home"
        self.home.mkdir()
        self.bundle, self.root = self.home / "kr.trust", folder / "root.json"
        self.root.write_bytes(town.root)

    def publish(self, builder=None, **changes):
        raw = self.town.pack(builder, **changes)
        lay_out(raw, self.source)
        return raw

    def sync(self, source=None, **changes):
        usual = {"bundle": self.bundle, "root": self.root, "at": AT}
        return sync(self.source if source is None else source, **usual | changes)

    def load(self):
        return load_current(self.bundle, root=self.root)

    def names(self):
        return sorted(path.name for path in self.home.iterdir())


class Agencies(Terminal):
    """A terminal, and a server that has the city's status lists."""

    def __init__(self, folder, town, server):
        super().__init__(folder, town)
        self.server = server
        self.uri = server.url + "status/1"
        self.lists = overlay_folder(self.bundle)
        builder = town.builder(city={"status_uris": [server.url + "status/"]})
        builder.add_status(self.token(hours=30))
        self.raw = self.publish(builder)
        self.sync()

    def token(self, hours, values=None, **changes):
        return self.town.city.status(values, issued_at=AT - hours * HOUR, **{"uri": self.uri} | changes)

    def offer(self, raw, name="status/1"):
        self.server.answers[name] = lambda handler: reply(handler, raw)

    def ask(self, bundle=None, **changes):
        usual = {"folder": self.lists, "at": AT, "network": Network(seconds=20)}
        return sync_status(bundle or self.load(), **usual | changes)

    def age(self):
        return self.load().status_list(self.uri).age(AT)
