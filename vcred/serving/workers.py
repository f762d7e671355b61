"""Several processes that serve one address, and the one that starts them, replaces what dies and ends them.

Each worker is a fork made before anything was opened, so that nothing is shared but what the parent had in its memory:
settings, and keys that a password opened, which so come to a worker by no argument, variable or file. Every worker has
a listening socket of its own that the parent made (``SO_REUSEPORT``: the kernel spreads connections evenly), and keeps:
whoever connects to a worker that was killed waits for the one that takes its place. What workers count is added up.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
import time
from typing import TYPE_CHECKING, Final

from vcred.errors import SettingsError, VcredError
from vcred.serving.shared_metrics import SharedMetrics

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["run_workers"]

_LOG: Final = logging.getLogger("vcred.serving")
_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)
_BACKLOG: Final = 2048
_QUICK: Final = 5.0
"""Seconds: a worker that dies sooner failed at its start."""

_TRIES: Final = 5
"""Failures at the start, one after the other, until nobody tries any more."""

_END: Final = 15.0
"""Seconds for the workers to end in good order."""


def run_workers(work: Callable[[socket.socket], object], *, workers: int, host: str, port: int) -> None:
    """Run ``work``, with a socket that listens, in each of ``workers`` processes, until this one is told to end.

    Call it before any thread, connection or device session is there. Raises ``SettingsError`` where there is no
    ``fork`` or workers do not start (the log says why), ``OSError`` when the address is taken.
    """
    if not hasattr(os, "fork") or not hasattr(socket, "SO_REUSEPORT"):
        raise SettingsError("workers: this system has one process for a service")
    with SharedMetrics() as figures:
        _run(_Crew(work, _places(host, port, workers), figures))


def _run(crew: _Crew) -> None:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {*_SIGNALS, signal.SIGCHLD})
    old = signal.signal(signal.SIGCHLD, lambda *_: None)
    try:
        crew.run()
    finally:
        signal.signal(signal.SIGCHLD, old)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class _Crew:
    """The parent's side. Signals are blocked here, and waited for."""

    def __init__(
        self, work: Callable[[socket.socket], object], places: Sequence[socket.socket], figures: SharedMetrics
    ) -> None:
        self._work = work
        self._figures = figures
        self._places = places
        self._alive, self._held = os.pipe()  # nobody writes: it ends with the parent
        self._running: dict[int, tuple[int, float]] = {}
        self._failed = 0

    def run(self) -> None:
        try:
            for number in range(len(self._places)):
                self._start(number)
            while True:
                if signal.sigwait({*_SIGNALS, signal.SIGCHLD}) in _SIGNALS:
                    return
                for number in self._dead():
                    self._start(number)
        finally:
            self._end()

    def _start(self, number: int) -> None:
        pid = os.fork()
        if pid == 0:
            _worker(self._beginning(number), self._places[number], self._alive, self._held)
        self._running[pid] = (number, time.monotonic())

    def _beginning(self, number: int) -> Callable[[socket.socket], object]:
        def begin(place: socket.socket) -> None:
            self._figures.join(number)
            self._work(place)

        return begin

    def _dead(self) -> list[int]:
        """The places of those that died. Raises ``SettingsError`` when it is of no use to go on."""
        found = []
        for pid, (number, began) in list(self._running.items()):
            ended, status = os.waitpid(pid, os.WNOHANG)
            if not ended:
                continue
            del self._running[pid]
            found.append(number)
            _LOG.error("worker %d died: %s", number, os.waitstatus_to_exitcode(status))
            self._failed = self._failed + 1 if time.monotonic() - began < _QUICK else 0
            if self._failed >= _TRIES:
                raise SettingsError("workers: they do not start, or die at once")
        return found

    def _end(self) -> None:
        for pid in self._running:  # not waited for yet: the number is nobody else's
            os.kill(pid, signal.SIGTERM)
        until = time.monotonic() + _END
        while self._running and time.monotonic() < until:
            for pid in list(self._running):
                if os.waitpid(pid, os.WNOHANG)[0]:
                    del self._running[pid]
            time.sleep(0.02)
        for pid in self._running:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        os.close(self._held)
        os.close(self._alive)
        for place in self._places:
            place.close()


def _worker(work: Callable[[socket.socket], object], place: socket.socket, alive: int, held: int) -> None:
    """The child's side; does not return."""
    code = 1
    try:
        os.close(held)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {*_SIGNALS, signal.SIGCHLD})
        threading.Thread(target=_end_with_parent, args=(alive,), daemon=True).start()
        work(place)
        code = 0
    except VcredError as error:
        _LOG.error("a worker cannot start: %s: %s", type(error).__name__, error)
    except BaseException as error:  # noqa: BLE001 - nothing of a child may run on into the parent's code
        _LOG.error("a worker ended: %s", type(error).__name__)
    finally:
        os._exit(code)


def _end_with_parent(alive: int) -> None:
    os.read(alive, 1)
    os.kill(os.getpid(), signal.SIGTERM)


def _places(host: str, port: int, number: int) -> list[socket.socket]:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:  # another service at this address would share it unnoticed
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((host, port))
    places = []
    for _ in range(number):
        # Named, so that asyncio knows it and sends at once: an answer in two parts would wait for the client's word.
        place = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        places.append(place)
        place.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        place.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        place.bind((host, port))
    for place in places:
        place.listen(_BACKLOG)
    return places
