"""``/metrics`` of a service with several workers: every one of them shows what all have counted."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.killed import in_child
from tests.services.kit import listening
from vcred.serving.shared_metrics import SharedMetrics

pytestmark = pytest.mark.loopback

ROOT = Path(__file__).parents[2]
SERVER = """
import os, sys
from fastapi import FastAPI
from vcred.serving import Metrics, add_metrics, run_workers, serve

port = int(sys.argv[1])

def work(place):
    app, metrics = FastAPI(), Metrics("vcred_example")
    add_metrics(app, metrics)
    told = metrics.counter("told", "What was told", "what")
    oldest = metrics.gauge("oldest", "The worst of all", of_workers="max")
    metrics.asked("waiting", "The same for all", lambda: 7.0)

    @app.get("/told/{what}")
    def tell(what: str, old: float = 0.0) -> int:
        told.labels(what).inc()
        oldest.set(old)
        return os.getpid()

    os.write(1, b"%d\\n" % os.getpid())  # in one piece, whatever another worker writes
    serve(app, host="127.0.0.1", port=port, tls=None, place=place)

run_workers(work, workers=2, host="127.0.0.1", port=port)
"""


@pytest.fixture
def place(tmp_path, monkeypatch):
    """Where temporary files are, of this test alone."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return tmp_path


class Service:
    def __init__(self, process, port):
        self.process, self.port = process, port
        self.pids = [int(process.stdout.readline()) for _ in range(2)]

    def get(self, path):
        """Over a connection of its own: the kernel chooses the worker."""
        with httpx.Client(trust_env=False, timeout=30) as client:
            answer = client.get(f"http://127.0.0.1:{self.port}{path}")
        assert answer.status_code == 200
        return answer.text

    def figures(self):
        lines = [one.rpartition(" ") for one in self.get("/metrics").splitlines() if not one.startswith("#")]
        return {name: float(value) for name, _, value in lines}


@contextmanager
def running():
    held, port = listening()
    held.close()
    command = [sys.executable, "-c", SERVER, str(port)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Service(process, port)
        finally:
            process.kill()


def files(place):
    return sorted(one.name for one in place.glob("vcred-metrics-*/*.db"))


def test_every_worker_shows_what_all_of_them_counted_and_one_that_died_is_not_forgotten(place):
    with running() as service:
        asked, told = {}, 0
        while len(asked) < 2 or told < 20:
            pid = int(service.get(f"/told/a?old={told}"))
            asked[pid] = told
            told += 1
            assert told < 500, "one worker gets everything"
        assert set(asked) == set(service.pids)
        for _ in range(10):  # whoever answers
            found = service.figures()
            assert found['vcred_example_told_total{what="a"}'] == told
            assert found['vcred_example_requests_total{route="/told/{what}",status="200"}'] == told
            assert found['vcred_example_request_seconds_count{route="/told/{what}"}'] == told
            assert found["vcred_example_oldest"] == max(asked.values())
            assert found["vcred_example_waiting"] == 7
        before = files(place)
        for _ in range(3):
            os.kill(service.pids.pop(), signal.SIGKILL)
            service.pids.insert(0, int(service.process.stdout.readline()))
        service.get("/told/a")
        assert service.figures()['vcred_example_told_total{what="a"}'] == told + 1
        assert files(place) == before, "there are files for the places, however many workers had them"
        service.process.send_signal(signal.SIGTERM)
        assert service.process.wait(30) == 0
    assert list(place.iterdir()) == []


def test_what_a_service_that_was_killed_left_is_removed_by_the_next_and_nothing_else(place):
    with running() as service:
        service.get("/told/a")
        service.process.kill()
        service.process.wait(30)
        (left,) = place.iterdir()
        # Its workers notice that their parent is gone; as long as one lives the folder is in use.
        for line in service.process.stdout:
            assert not line
    other = SharedMetrics()
    with SharedMetrics() as mine:
        assert not left.exists()
        assert sorted(place.iterdir()) == sorted([other.folder, mine.folder])
        assert mine.folder.stat().st_mode & 0o077 == 0
    assert list(place.iterdir()) == [other.folder]
    other.close()


def test_what_others_put_in_the_place_of_what_was_left_is_not_touched(place, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (place / "vcred-metrics-link").symlink_to(elsewhere)
    folder = place / "vcred-metrics-folder"
    folder.mkdir()
    (folder / "lock").symlink_to(elsewhere / "made")
    (place / "vcred-metrics-file").write_text("of somebody")
    with SharedMetrics():
        assert list(elsewhere.iterdir()) == []
        assert folder.is_dir()
        assert (place / "vcred-metrics-file").read_text() == "of somebody"


def test_a_file_that_a_worker_left_broken_is_begun_anew(place):
    with SharedMetrics() as shared:

        def count():
            shared.join(0)
            from vcred.serving import Metrics

            metrics = Metrics("vcred_example")
            metrics.counter("told", "What was told").inc()
            assert b"vcred_example_told_total 1.0" in metrics.text()

        assert in_child(count) == 0
        (file,) = shared.folder.glob("counter_0.db")
        file.write_bytes(file.read_bytes()[:20])
        assert in_child(count) == 0
