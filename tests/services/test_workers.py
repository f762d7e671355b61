"""Two workers on one address and one database: no index twice, and one that is killed is missed by nobody (OP-04)."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import httpx
import pytest

from tests.services.credential_kit import Holder, apply
from tests.services.issuer_kit import Clock, Service
from tests.services.kit import listening
from vcred.errors import SettingsError
from vcred.formats._wire import b64u_decode
from vcred.serving import run_workers

pytestmark = pytest.mark.loopback

ROOT = Path(__file__).parents[2]
SERVER = """
import os, sys
from pathlib import Path
from tests.services.issuer_kit import Clock, Service
from vcred.serving import run_workers, serve

folder, port = Path(sys.argv[1]), int(sys.argv[2])

def work(place):
    service = Service(str(folder / "issuer.db"), folder, Clock())
    os.write(1, b"%d\\n" % os.getpid())  # in one piece, whatever another worker writes
    serve(service.app, host="127.0.0.1", port=port, tls=None, place=place)
    service.close()

run_workers(work, workers=2, host="127.0.0.1", port=port)
"""
PEOPLE, TRIES = 16, 4


def free_port():
    place, port = listening()
    place.close()
    return port


def indexes(answer):
    """Of each copy; each process of this test has another signer."""
    payloads = [one["credential"].split(".")[1] for one in answer.json()["credentials"]]
    return [json.loads(b64u_decode(one, "payload"))["status"]["status_list"]["idx"] for one in payloads]


def test_op_04_two_workers_give_no_index_twice_and_a_killed_one_is_replaced(tmp_path):
    service = Service(str(tmp_path / "issuer.db"), tmp_path, Clock())
    people = [Holder.of(service, apply(service)) for _ in range(PEOPLE)]
    bodies = [json.dumps(one.wanted(one.proof(), one.proof())) for one in people]
    # A wallet that lost the answer signs another DPoP proof: the first may have been used.
    headers = [[one.headers("/credential") for _ in range(TRIES)] for one in people]
    service.close()
    port, killed = free_port(), Event()

    def ask(number):
        if number >= PEOPLE // 2:
            assert killed.wait(60)
        for tried in headers[number]:
            try:
                with httpx.Client(trust_env=False, timeout=60) as client:
                    return client.post(f"http://127.0.0.1:{port}/garam/credential", content=bodies[number], headers=tried)  # fmt: skip
            except httpx.TransportError:
                continue
        raise AssertionError("nobody answers")

    with subprocess.Popen(
        [sys.executable, "-c", SERVER, str(tmp_path), str(port)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as crew:
        try:
            pids = [int(crew.stdout.readline()) for _ in range(2)]
            with ThreadPoolExecutor(PEOPLE) as wallets:
                asked = [wallets.submit(ask, number) for number in range(PEOPLE)]
                asked[0].result(60)
                os.kill(pids[0], signal.SIGKILL)
                killed.set()
                answers = [one.result(120) for one in asked]
            assert int(crew.stdout.readline()) not in pids, "another took its place"
            crew.send_signal(signal.SIGTERM)
            assert crew.wait(30) == 0
        finally:
            crew.kill()
    service = Service(str(tmp_path / "issuer.db"), tmp_path, Clock())
    try:
        assert [answer.status_code for answer in answers] == [200] * PEOPLE
        given = [index for answer in answers for index in indexes(answer)]
        assert len(set(given)) == len(given) == 2 * PEOPLE
        assert sorted(given) == sorted(entry.index for entry in service.store.entries())
        assert service.store.check_audit()
    finally:
        service.close()


def test_workers_that_cannot_start_are_not_started_for_ever(caplog):
    def work(place):
        raise SettingsError("the folder is not there")

    with pytest.raises(SettingsError, match="they do not start"):
        run_workers(work, workers=2, host="127.0.0.1", port=free_port())
    assert caplog.text.count("died: 1") == 5


def test_an_address_that_somebody_has_is_not_shared():
    place, port = listening()
    with place, pytest.raises(OSError, match="in use"):
        run_workers(lambda _: None, workers=2, host="127.0.0.1", port=port)


def test_workers_send_at_once_what_they_answer():
    from vcred.serving.workers import _places

    (place,) = _places("127.0.0.1", free_port(), 1)
    with place:
        place.listen()

        async def answer() -> int:
            done = asyncio.get_running_loop().create_future()

            def met(_, writer):
                done.set_result(writer.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
                writer.close()

            async with await asyncio.start_server(met, sock=place):
                _, writer = await asyncio.open_connection(*place.getsockname())
                writer.close()
                return await asyncio.wait_for(done, 30)

        assert asyncio.run(answer())
