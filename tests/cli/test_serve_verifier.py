"""``vcred verifier serve`` as a process: on a folder that ``verifier init`` made, asked over a socket, and stopped."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime
from http.client import HTTPConnection
from urllib.parse import parse_qsl, urlsplit

import pytest

from tests.cli.conftest import PASSWORD
from tests.services.kit import TestAuthority
from vcred.outgoing import Outgoing, Reach

pytestmark = pytest.mark.loopback
NAMES = ("--name-ko", "다솜은행 (가상)", "--name-en", "Dasom Bank (fictitious)")


@pytest.fixture
def bank(shell):
    """A bank's folder with a trust bundle that names it; ``shell.publish()`` signs the next one."""
    at = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    secret = ("--password-file", "password")
    shell("verifier init bank --identifier desk.dasom.example --policies bank.address-change", *NAMES, *secret, "--at", at)  # fmt: skip
    shell("trust init trust", "--name-ko", "시험 목록", "--name-en", "Test list", *secret, "--at", at)
    shell("trust add-reader trust bank/reader.json --policies bank.address-change")

    def publish(name):
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        shell(f"trust publish trust --out {name}", *secret, "--at", now)
        shell(f"verifier trust --verifier bank --trust {name} --root trust/published/root.json", "--at", now)

    shell.publish = publish
    publish("one.trust")
    return shell


class Service:
    """The command, running; ``out`` is what it said so far."""

    def __init__(self, folder, *options, env=None):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        command = (sys.executable, "-m", "vcred", "verifier", "serve", "--verifier", "bank", "--password-file", "password", "--port", str(self.port))  # fmt: skip
        environ = {**os.environ, "LANG": "en_US.UTF-8", "LC_ALL": "", "COLUMNS": "200", **(env or {})}
        self.process = subprocess.Popen(
            (*command, *options), cwd=folder, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        self.out = ""
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self):
        for line in self.process.stdout:
            self.out += line

    def __enter__(self):
        until = time.monotonic() + 30
        while self.process.poll() is None and time.monotonic() < until:
            try:
                with socket.create_connection(("127.0.0.1", self.port), timeout=1):
                    return self
            except OSError:
                time.sleep(0.05)
        raise AssertionError(f"it does not start: {self.out}")

    def __exit__(self, *error):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(10)
        self._thread.join(5)
        self.process.stdout.close()

    def stop(self, number=signal.SIGTERM):
        """Told to end; the exit code."""
        self.process.send_signal(number)
        code = self.process.wait(20)
        self._thread.join(5)
        return code


def ask(url, *, key=None, body=None, ca=None):
    http = Outgoing(Reach.development(ca_file=ca))
    headers = {} if key is None else {"Authorization": f"Bearer {key}"}
    if body is not None:
        headers["Content-Type"] = "application/json"
    raw = None if body is None else json.dumps(body).encode()
    return http.send("GET" if body is None else "POST", url, headers=headers, body=raw)


def _listen(url, key):
    """Somebody who waits for the answer; returns when the first event is there."""
    parts, first = urlsplit(url), threading.Event()

    def listen():
        connection = HTTPConnection(parts.hostname, parts.port, timeout=20)
        connection.request("GET", parts.path, headers={"Authorization": f"Bearer {key}"})
        answer = connection.getresponse()
        answer.readline()
        first.set()
        answer.read()
        connection.close()

    thread = threading.Thread(target=listen, daemon=True)
    thread.start()
    assert first.wait(10)
    return thread


def test_one_command_serves_a_folder_and_stops_in_good_order(bank):
    with Service(bank.folder, "--development") as service:
        base = f"http://localhost:{service.port}"
        assert ask(f"{base}/readyz").status == 200
        until = time.monotonic() + 10
        while "shown this once" not in service.out and time.monotonic() < until:
            time.sleep(0.05)
        assert f"{base}/desk" in service.out
        key = re.search(r"shown this once: (\S+)", service.out).group(1)
        made = ask(f"{base}/api/requests", key=key, body={"policy": "bank.address-change", "device": "cross_device"})
        assert made.status == 201, made.body
        page = ask(f"{base}/desk/login").body.decode()
        assert "Dasom Bank (fictitious)" in page or "다솜은행 (가상)" in page
        listener = _listen(f"{base}/api/requests/{json.loads(made.body)['id']}/events", key)
        assert service.stop() == 0  # although somebody listens to events without an end
        listener.join(10)
    assert "stopped" in service.out
    assert "Traceback" not in service.out
    for name in ("storage.key", "desk.sha256"):
        assert stat.S_IMODE((bank.folder / "bank" / name).stat().st_mode) == 0o600
    kept = b"".join(one.read_bytes() for one in (bank.folder / "bank").iterdir() if one.is_file())
    assert key.encode() not in kept
    assert PASSWORD.encode() not in kept

    with Service(bank.folder, "--development") as again:
        made = ask(f"http://localhost:{again.port}/api/requests", key=key, body={"policy": "bank.address-change", "device": "cross_device"})  # fmt: skip
        assert made.status == 201
        assert again.stop(signal.SIGINT) == 0
    assert "shown this once" not in again.out


def test_a_newer_trust_bundle_is_taken_up_while_it_runs(bank):
    with Service(bank.folder, "--development") as service:
        place = f"http://localhost:{service.port}/desk/login?lang=en"
        assert "Trust list v1" in ask(place).body.decode()
        bank.publish("two.trust")
        until = time.monotonic() + 15
        while "Trust list v2" not in (page := ask(place).body.decode()) and time.monotonic() < until:
            time.sleep(0.1)
        assert "Trust list v2 · signed just now" in page

        bundle = bank.folder / "bank/kr.trust"
        good = bundle.read_bytes()
        bundle.write_bytes(b"not a bundle")
        until = time.monotonic() + 15
        while "not taken" not in service.out and time.monotonic() < until:
            time.sleep(0.1)
        assert "Trust list v2" in ask(place).body.decode()
        bundle.write_bytes(good)


def test_several_workers_take_a_newer_bundle_and_count_together(bank):
    with Service(bank.folder, "--development", "--workers", "2") as service:
        base = f"http://localhost:{service.port}"

        def figures():
            lines = [one.rpartition(" ") for one in ask(f"{base}/metrics").body.decode().splitlines() if one[:1] != "#"]
            return {name: float(value) for name, _, value in lines}

        def wait_for(version):
            until = time.monotonic() + 20
            while figures().get("vcred_verifier_trust_version") != version and time.monotonic() < until:
                time.sleep(0.1)
            return figures()["vcred_verifier_trust_version"] == version

        key = re.search(r"shown this once: (\S+)", service.out).group(1)
        wish = {"policy": "bank.address-change", "device": "cross_device"}
        made = [ask(f"{base}/api/requests", key=key, body=wish) for _ in range(8)]
        assert {one.status for one in made} == {201}
        for one in made:  # whoever made it, any of them answers for it
            place = dict(parse_qsl(urlsplit(json.loads(one.body)["link"]).query))["request_uri"]
            assert ask(place).status == 200
        assert wait_for(1)
        bank.publish("two.trust")
        assert wait_for(2), "the version is the lowest of all workers"
        assert figures()['vcred_verifier_requests_total{route="/api/requests",status="201"}'] == 8
        bundle = bank.folder / "bank/kr.trust"
        bundle.write_bytes((bank.folder / "one.trust").read_bytes())
        until = time.monotonic() + 20
        while not figures()["vcred_verifier_trust_refused"] and time.monotonic() < until:
            time.sleep(0.1)
        assert figures()["vcred_verifier_trust_refused"] == 1, "one worker that refuses it is enough"
        ready = json.loads(ask(f"{base}/readyz").body)
        while not ready["warnings"] and time.monotonic() < until:  # each worker speaks of what it found itself
            time.sleep(0.1)
            ready = json.loads(ask(f"{base}/readyz").body)
        assert (ready["status"], "BundleRollback" in ready["warnings"]["trust"]) == ("ok", True)
        assert wait_for(2)
        assert service.stop() == 0
    assert "stopped" in service.out
    assert "Traceback" not in service.out


def test_tls_and_the_policies_of_a_file_by_configuration(bank):
    authority = TestAuthority(bank.folder)
    tls = authority.server()
    (bank.folder / "bank.toml").write_text(
        'development = true\nbase_url = "https://localhost:1/vp"\n[[api_keys]]\nname = "loans"\n'
        f'sha256 = "{"0" * 64}"\n'
    )
    options = ("--config", "bank.toml", "--tls-cert", tls.certificate, "--tls-key", tls.key)
    with Service(bank.folder, *map(str, options)) as service:
        page = ask(f"https://localhost:{service.port}/vp/desk/login?lang=en", ca=authority.file)
        assert page.status == 200
        assert page.headers["strict-transport-security"]
        assert service.stop() == 0
    assert "shown this once" not in service.out
    assert "(TLS)" in service.out
    assert not (bank.folder / "bank/desk.sha256").exists()


@pytest.mark.parametrize(
    ("line", "code", "says"),
    [
        ("--verifier nowhere --development", 4, "vcred verifier init"),
        ("--verifier bank", 4, "--base-url"),
        ("--verifier bank --base-url http://bank.example", 4, "base_url is an https address"),
        ("--verifier bank --development --tls-cert bank/reader.pem", 2, "--tls-key"),
        ("--verifier bank --development --config none.toml", 4, "none.toml"),
        ("--verifier bank --development --db postgresql+psycopg://nobody@localhost:1/none", 4, "database"),
    ],
)
def test_what_is_wrong_is_said(bank, line, code, says):
    found = bank(f"verifier serve {line} --password-file password", code=code)
    assert says in found.stderr
    assert "Traceback" not in found.stderr


def test_a_lost_storage_key_is_not_replaced_by_another(bank):
    with Service(bank.folder, "--development") as service:
        assert service.stop() == 0
    (bank.folder / "bank/storage.key").unlink()
    found = bank("verifier serve --verifier bank --development --password-file password", code=4)
    assert "storage.key" in found.stderr
    assert not (bank.folder / "bank/storage.key").exists()


def test_a_port_that_is_taken(bank):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        found = bank(f"verifier serve --verifier bank --development --password-file password --port {port}", code=4)
    assert str(port) in found.stderr
