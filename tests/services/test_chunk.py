"""A pile of requests that several workers have: done twice, or by one that is killed (threats OP-05, OP-06)."""

from __future__ import annotations

import json
import secrets
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from issuer import IssuerStore
from tests.services.kit import listening
from tests.unit.issuer.conftest import Agency

pytestmark = pytest.mark.loopback

ROOT = Path(__file__).parents[2]
REQUESTS, COPIES, MINUTE = 10, 4, 60
DO = """
import json, os, signal, sys
from pathlib import Path
from issuer import IssuerStore
from tests.unit.issuer.conftest import AT, SIGNER, Agency

folder, target, doing = Path(sys.argv[1]), sys.argv[2], ""

def do(signer):
    global doing
    found = {}
    with IssuerStore(target) as store:
        agency = Agency(store, signer=signer)
        for file in sorted(folder.glob("*.request")):
            doing = file.stem
            delivery = agency.issuer.issue(file.read_bytes(), at=AT)
            found[doing] = [delivery.credential_id, delivery.to_bytes().hex()]
    return found
"""
TWICE = f"""{DO}
print("ready", flush=True)
sys.stdin.readline()
print(json.dumps(do(SIGNER)), flush=True)
"""
KILLED = f"""{DO}
from vcred.serving import run_workers

class Fatal:
    public_key = SIGNER.public_key
    def sign(self, message):
        if doing == "02":
            try:
                (folder / "killed").touch(exist_ok=False)
            except FileExistsError:
                return SIGNER.sign(message)
            print("killed", flush=True)
            os.kill(os.getpid(), signal.SIGKILL)
        return SIGNER.sign(message)

def work(place):
    print(json.dumps(do(Fatal())), flush=True)
    signal.pause()

run_workers(work, workers=2, host="127.0.0.1", port=int(sys.argv[3]))
"""


@pytest.fixture(params=["sqlite", "postgresql"])
def target(request, tmp_path):
    if request.param == "sqlite":
        return str(tmp_path / "issuer.db")
    return request.getfixturevalue("postgres").database(f"chunk{secrets.token_hex(4)}")


@contextmanager
def running(script, *arguments):
    command = [sys.executable, "-c", script, *map(str, arguments)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def chunk_in(folder, target):
    """The requests of some wallets, as a worker finds them."""
    with IssuerStore(target) as store:
        agency = Agency(store)
        for number in range(REQUESTS):
            (folder / f"{number:02}.request").write_bytes(agency.request(keys=COPIES).to_bytes())


def check(target, answers):
    """One line for each request, an index for each copy, and what every worker answered."""
    first = answers[0]
    assert len(first) == REQUESTS
    assert all(one == first for one in answers)
    with IssuerStore(target) as store:
        issued = [line["credential"] for line in store.audit() if line["event"] == "issued"]
        assert sorted(issued) == sorted(name for name, _ in first.values())
        places = {(entry.list, entry.index) for entry in store.entries()}
        assert len(places) == len(store.entries()) == REQUESTS * COPIES
        assert store.check_audit()
        return places


def test_op_05_a_chunk_that_two_workers_have_is_issued_once(tmp_path, target):
    chunk_in(tmp_path, target)
    with running(TWICE, tmp_path, target) as one, running(TWICE, tmp_path, target) as other:
        for each in (one, other):
            assert each.stdout.readline() == "ready\n"
        for each in (one, other):
            each.stdin.write("go\n")
            each.stdin.flush()
        answers = [json.loads(each.stdout.readline()) for each in (one, other)]
    places = check(target, answers)
    with running(TWICE, tmp_path, target) as late:
        late.stdin.write("go\n")
        late.stdin.flush()
        assert late.stdout.readline() == "ready\n"
        again = json.loads(late.stdout.readline())
    assert check(target, [*answers, again]) == places, "nor is anything issued when it comes once more"


def test_op_06_what_a_killed_worker_had_is_done_by_another_within_a_minute(tmp_path, target):
    chunk_in(tmp_path, target)
    place, port = listening()
    place.close()
    with running(KILLED, tmp_path, target, port) as crew, ThreadPoolExecutor(1) as reader:
        assert crew.stdout.readline() == "killed\n"
        with IssuerStore(target) as store:
            done = sum(line["event"] == "issued" for line in store.audit())
            held = len(store.entries())
        lines = [reader.submit(crew.stdout.readline).result(MINUTE) for _ in range(2)]
        crew.send_signal(signal.SIGTERM)
        assert crew.wait(30) == 0
    assert (done, held) >= (2, 3 * COPIES), "it was killed in the middle of the third"
    check(target, [json.loads(line) for line in lines])
