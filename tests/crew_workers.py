"""Worker processes for tests of ``verifier._crew``: they do as they are told, and some die of what they are given."""

from __future__ import annotations

import os
import signal
import time

from verifier import _worker
from verifier._crew import READY, dumps, loads

POISON = b"poison"
TRAP = b"trap"
SLOW = b"slow"


def echo(pipe, setup):
    """Give back what comes, with the setup; die by SIGKILL of ``POISON``, hang over ``TRAP``, take time for ``SLOW``."""
    pipe.send_bytes(READY)
    try:
        while True:
            items = loads(pipe.recv_bytes())
            if POISON in items:
                os.kill(os.getpid(), signal.SIGKILL)
            if TRAP in items:
                signal.pause()
            time.sleep(0.5 * items.count(SLOW))
            pipe.send_bytes(dumps([(setup, item) for item in items]))
    except (EOFError, OSError):
        return


def stillborn(pipe, setup):
    """Say what is wrong instead of ``READY``."""
    pipe.send_bytes(b"no bundle")


def doomed(pipe, setup):
    """Be killed before it can begin."""
    os.kill(os.getpid(), signal.SIGKILL)


def mumbling(pipe, setup):
    """Answer with something that is not on the list of what may be said."""
    pipe.send_bytes(READY)
    pipe.recv_bytes()
    pipe.send_bytes(b"cposix\nsystem\n(Vtrue\ntR.")


def serve_or_die(pipe, setup):
    """The verifier's worker, but for the answer ``POISON``."""
    real = _worker._Bench.do

    def do(bench, job):
        if job.answer == POISON:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(bench, job)

    _worker._Bench.do = do
    _worker.serve(pipe, setup)


def serve_or_hang(pipe, setup):
    """The verifier's worker, but for the answer ``TRAP``."""
    real = _worker._Bench.do

    def do(bench, job):
        if job.answer == TRAP:
            signal.pause()
        return real(bench, job)

    _worker._Bench.do = do
    _worker.serve(pipe, setup)
