"""A serving process that is killed while it signs: the same request gets its certificate, once (OP-04)."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.services.credential_kit import Holder, apply, opened
from tests.services.issuer_kit import Clock, Service
from tests.services.kit import listening, served

pytestmark = pytest.mark.loopback

ROOT = Path(__file__).parents[2]
SERVER = """
import os, signal, socket, sys
from pathlib import Path
import issuer.answers
from issuer.answers import AnswerDesk
from tests.services.issuer_kit import Clock, Service
from tests.services.kit import served

def die(self, *arguments):
    os.kill(os.getpid(), signal.SIGKILL)

AnswerDesk._sign = die
if sys.argv[3] == "device":
    issuer.answers.SoftwareSigner = Clock  # which no signer is
folder = Path(sys.argv[1])
service = Service(str(folder / "issuer.db"), folder, Clock())
with served(service.app, at=socket.socket(fileno=int(sys.argv[2])), tls=None):
    print("ready", flush=True)
    sys.stdin.read()
"""


def send(port, headers, body):
    with httpx.Client(trust_env=False, timeout=30) as client:
        return client.post(f"http://127.0.0.1:{port}/garam/credential", content=body, headers=headers)


def entries(service, *, but=()):
    """The status entries that are given, in the order in which they were, but for those of before."""
    given = [(entry.list, entry.index) for entry in service.store.entries()]
    return [one for one in given if one not in but]


@pytest.mark.parametrize(("key", "places"), [("device", 2), ("memory", 0)])
def test_op_04_killed_between_reserve_and_deliver_the_same_request_gets_the_same_index(tmp_path, key, places):
    """With a key in a device the places were reserved before it signs; with one in memory nothing had begun."""
    service = Service(str(tmp_path / "issuer.db"), tmp_path, Clock())
    assert Holder.of(service, apply(service)).ask().status_code == 200  # the first of a list makes the list
    before = entries(service)
    holder = Holder.of(service, apply(service))
    body = json.dumps(holder.wanted(holder.proof(), holder.proof()))
    headers, again = holder.headers("/credential"), holder.headers("/credential")
    service.close()

    place, port = listening()
    with (
        place,
        subprocess.Popen(
            [sys.executable, "-c", SERVER, str(tmp_path), str(place.fileno()), key],
            cwd=ROOT,
            pass_fds=[place.fileno()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as worker,
    ):
        assert worker.stdout.readline() == "ready\n"
        with pytest.raises(httpx.TransportError):
            send(port, headers, body)
        assert worker.wait(30) == -9

    service = Service(str(tmp_path / "issuer.db"), tmp_path, Clock())
    try:
        held = entries(service, but=before)
        assert len(held) == places
        place, port = listening()
        with served(service.app, at=place, tls=None):
            first = send(port, again, body)
            assert first.status_code == 200, first.text
            repeated = send(
                port, Holder(service, holder.application, holder.wallet, holder.tokens).headers("/credential"), body
            )
            assert repeated.content == first.content
        found = opened(service, first)
        given = entries(service, but=before)
        assert [one.status.index for one in found] == [index for _, index in given]
        assert given == (held or given)
        assert len(given) == 2
        assert [one.holder_key for one in found] == [key.public_key for key in holder.keys]
        assert service.store.check_audit()
    finally:
        service.close()
