"""An issuer killed with SIGKILL at any moment leaves the state before or after an issue, never one between (OP-01, OP-04)."""

from __future__ import annotations

import random
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from issuer import IssuerStore
from tests.unit.issuer.conftest import AT, Agency
from vcred.errors import RefusedError
from vcred.issuance import IssuanceRequest
from vcred.reasons import ReasonCode

ROOT = Path(__file__).parents[3]
COPIES = 4
WORKER = """
import sys
from pathlib import Path
from issuer import IssuerStore
from tests.unit.issuer.conftest import AT, Agency
folder = Path(sys.argv[1])
agency = Agency(IssuerStore(folder / "issuer.db"))
print("ready", flush=True)
while True:
    request = agency.request()
    (folder / "sent.part").write_bytes(request.to_bytes())
    (folder / "sent.part").replace(folder / "sent")
    delivery = agency.issuer.issue(request, at=AT)
    with (folder / "done").open("a") as done:
        print(delivery.credential_id, file=done)
"""
FATAL = """
import os, signal, sys
from pathlib import Path
from issuer import IssuerStore
from tests.unit.issuer.conftest import AT, SIGNER, Agency
class Fatal:
    public_key = SIGNER.public_key
    left = 3
    def sign(self, message):
        if not self.left:
            os.kill(os.getpid(), signal.SIGKILL)
        self.left -= 1
        return SIGNER.sign(message)
folder = Path(sys.argv[1])
agency = Agency(IssuerStore(folder / "issuer.db"), signer=Fatal())
request = agency.request()
(folder / "sent").write_bytes(request.to_bytes())
agency.issuer.issue(request, at=AT)
"""


def kill_at_work(folder, seconds):
    with subprocess.Popen(
        [sys.executable, "-c", WORKER, str(folder)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as worker:
        assert worker.stdout.readline() == "ready\n"
        until = time.monotonic() + 30
        while not (folder / "sent").exists() and time.monotonic() < until:
            time.sleep(0.01)  # a busy machine may take its time to the first request
        time.sleep(seconds)
        worker.kill()
        assert worker.wait() == -9


@pytest.mark.slow
def test_op_04_killed_at_random_moments_no_index_is_lost_or_doubled_and_a_retry_gets_the_answer(tmp_path):
    moments = random.Random(20260926)
    for _ in range(5):
        kill_at_work(tmp_path, moments.uniform(0.05, 0.4))
        with IssuerStore(tmp_path / "issuer.db") as store:
            events = Counter(line["event"] for line in store.audit())
            done = (tmp_path / "done").read_text().split() if (tmp_path / "done").exists() else []
            assert all(store.state(one) == 0 for one in done)
            assert events["issued"] - len(done) in (0, 1), "one at most was issued and not yet noted"
            held = len(store.entries()) - COPIES * events["issued"]
            assert held in (0, COPIES), "killed between its two transactions, a request keeps its places"
            request = IssuanceRequest.parse((tmp_path / "sent").read_bytes())
            answered = store.offer(request.nonce).delivery is not None
            assert not (answered and held)
            agency = Agency(store)
            delivery = agency.issuer.issue(request, at=AT)
            assert agency.issuer.issue(request, at=AT) == delivery
            assert len(store.entries()) == COPIES * (events["issued"] + (not answered))
            with (tmp_path / "done").open("a") as file:
                if delivery.credential_id not in done:
                    print(delivery.credential_id, file=file)
    with closing(sqlite3.connect(tmp_path / "issuer.db")) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert db.execute("PRAGMA foreign_key_check").fetchall() == []
        per_credential = db.execute("SELECT DISTINCT count(*) FROM copies GROUP BY credential").fetchall()
        assert per_credential == [(COPIES,)]
        assert db.execute("SELECT count(*) FROM offers WHERE delivery IS NULL").fetchone()[0] <= 5


def test_op_01_killed_by_its_key_a_request_that_comes_again_finds_the_places_it_had(tmp_path):
    done = subprocess.run([sys.executable, "-c", FATAL, str(tmp_path)], cwd=ROOT, check=False)
    assert done.returncode == -9
    request = IssuanceRequest.parse((tmp_path / "sent").read_bytes())
    with IssuerStore(tmp_path / "issuer.db") as store:
        agency = Agency(store)
        places = [(entry.list, entry.index) for entry in store.entries()]
        assert len(places) == COPIES
        with pytest.raises(RefusedError) as refused:
            agency.issuer.issue(IssuanceRequest(nonce=request.nonce, keys=request.keys[:2]), at=AT)
        assert refused.value.code is ReasonCode.REPLAY
        delivery = agency.issuer.issue(request, at=AT + timedelta(minutes=5))
        assert len(delivery.credentials) == COPIES
        assert [(entry.list, entry.index) for entry in store.entries()] == places
        (issued,) = store.issued(9)
        assert (issued.id, issued.made_at) == (delivery.credential_id, int(AT.timestamp()) + 300)


def test_op_01_killed_by_its_key_and_never_asked_again_the_places_are_free_when_the_offer_ends(tmp_path):
    subprocess.run([sys.executable, "-c", FATAL, str(tmp_path)], cwd=ROOT, check=False)
    with IssuerStore(tmp_path / "issuer.db") as store:
        Agency(store).offer(at=AT + timedelta(minutes=11))
        assert store.entries() == []
        assert [row.used for row in store.lists()] == [0]
