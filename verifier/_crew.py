"""Worker processes for one piece of work that comes in chunks: answers in the order of the chunks, deaths made good.

Rules: a chunk is read from its source only when there is somebody to do it, so an endless source is no trouble; a
worker has one chunk at a time, so when it dies everybody knows whose; each item of that chunk is then tried once more,
alone, in a fresh worker, and an item whose worker dies again has no answer (``None``). A worker that has had a chunk
for longer than one item may take is ended, so that what hangs is found, and slow items get their time alone. Workers
are started by spawn, know what they are given and nothing else, and end when their pipe does: also when this process
is killed.

What goes through the pipes is pickled, and read with a list of the classes that may be in it.
"""

from __future__ import annotations

import io
import multiprocessing
import pickle
import signal
import threading
from contextlib import contextmanager, suppress
from multiprocessing.connection import wait
from typing import TYPE_CHECKING, Any, Final, Self

from vcred.errors import WorkerError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from multiprocessing.connection import Connection

__all__ = ["READY", "Crew", "dumps", "loads"]

READY: Final = b"ready"
"""What a worker says when it can begin."""

_AHEAD: Final = 4
"""Chunks for each worker that may be done before their turn has come."""

_PATIENCE: Final = 5.0
"""Seconds a worker has to end by itself, before it is ended."""

_START: Final = 60.0
"""Seconds more for a worker that has yet to read its trust bundle."""

_CLASSES: Final = {
    "datetime": {"date", "datetime", "timedelta", "timezone"},
    "vcred.credential": {"BitstringReference", "StatusReference"},
    "vcred.freshness": {"Freshness", "FreshnessState", "Limit", "LimitRule", "Subject"},
    "vcred.presentation": {"Presentation", "Presented"},
    "vcred.qr.message": {"Message", "MessageKind"},
    "vcred.qr.scan": {"Scan"},
    "vcred.reasons": {"Reason", "ReasonCode"},
    "verifier._worker": {"AnswerJob", "Failed", "Judged", "Refused", "SheetJob", "Use"},
    "verifier.judge": {"SignedBy"},
    "verifier.requests": {"OpenRequest"},
    "verifier.result": {"Assurance", "CertificateResult", "Check", "CheckStatus"},
}
"""Frozen values of ours, and nothing that does anything when it is made."""


def dumps(value: object) -> bytes:
    """Values of ours as bytes."""
    return pickle.dumps(value, protocol=5)


def loads(raw: bytes) -> Any:
    """What ``dumps`` made. Raises ``pickle.UnpicklingError`` for a class that is not on the list."""
    return _Reader(io.BytesIO(raw)).load()


class _Reader(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if name not in _CLASSES.get(module, ()):
            raise pickle.UnpicklingError(f"{module}.{name} is not expected here")
        return super().find_class(module, name)


class _Worker:
    """One process, and the chunk it has: its number and its items."""

    def __init__(
        self, start: Callable[[Connection, bytes], None], setup: bytes, seconds: float, *, first: bool = False
    ) -> None:
        """``first``: that it is killed while it starts is forgiven, once."""
        context = multiprocessing.get_context("spawn")
        self.pipe, other = context.Pipe()
        self.process = context.Process(target=start, args=(other, setup), daemon=True)
        with _no_interrupt():
            self.process.start()
        other.close()
        self.ready = False
        self.chunk: tuple[int, Sequence[object]] | None = None
        self._seconds, self._first = seconds, first
        self._late = self._timer(seconds + _START)

    def hear(self) -> bytes | None:
        """What it says next; ``None`` when it is dead. Raises ``WorkerError`` when it never came to work."""
        try:
            heard = self.pipe.recv_bytes()
            self._late.cancel()
        except (EOFError, OSError):
            if not self.ready:
                self.end()
                if self._first and (self.process.exitcode or 0) < 0:
                    return None
                raise WorkerError(
                    f"a worker process ended while it started (exit code {self.process.exitcode}); "
                    "a script that starts workers needs: if __name__ == '__main__'"
                ) from None
            return None
        if not self.ready:
            if heard != READY:
                self.end()
                raise WorkerError(f"a worker process could not start: {heard.decode('utf-8', 'replace')}")
            self.ready = True
            if self.chunk is not None:  # it lay there, and is begun now
                self._late = self._timer(self._seconds)
        return heard

    def tell(self, number: int, items: Sequence[object]) -> None:
        """Give it a chunk. Whether it lives to do it, ``hear`` says."""
        self.chunk = (number, items)
        if self.ready:
            self._late = self._timer(self._seconds)
        with suppress(OSError):
            self.pipe.send_bytes(dumps(items))

    def end(self) -> None:
        """End it: it notices that its pipe is closed, or is made to."""
        self._late.cancel()
        self.pipe.close()
        self.process.join(_PATIENCE)
        if self.process.exitcode is None:
            self.process.kill()
            self.process.join()

    def _timer(self, seconds: float) -> threading.Timer:
        """End it in so many seconds, unless it has said something that nobody has listened to yet."""

        def end() -> None:
            with suppress(OSError, ValueError):
                if not self.pipe.poll():
                    self.process.kill()

        timer = threading.Timer(seconds, end)
        timer.daemon = True
        timer.start()
        return timer


class Crew:
    """``count`` workers that run ``start(pipe, setup)``. Close it, or use it in ``with``."""

    def __init__(self, count: int, start: Callable[[Connection, bytes], None], setup: bytes, *, seconds: float) -> None:
        """Start them; each may take ``seconds`` for an item. Raises ``WorkerError``, here or later, when they cannot
        work.
        """
        self._start, self._setup, self._seconds = start, setup, seconds
        self._chunks: Iterator[Sequence[object]] | None = None
        self._next, self._turn = 0, 0
        self._done: dict[int, list[Any]] = {}
        self._workers: list[_Worker] = []
        try:
            for _ in range(count):
                self._workers.append(_Worker(start, setup, seconds, first=True))
        except BaseException:
            self.close()
            raise

    @property
    def pids(self) -> list[int]:
        """The ids of the processes."""
        return [one.process.pid for one in self._workers if one.process.pid is not None]

    def run(self, chunks: Iterator[Sequence[object]]) -> Iterator[list[Any]]:
        """Give ``chunks`` to the workers: the answers to each chunk, in order, ``None`` for an item without one."""
        self._chunks = chunks
        while True:
            self.tend()
            while self._turn not in self._done and any(one.chunk for one in self._workers):
                self._collect(None)
                self._feed()
            if self._turn not in self._done:
                return
            self._turn += 1
            yield self._done.pop(self._turn - 1)

    def tend(self) -> None:
        """Take what is done and hand out what can be, without waiting: for callers that are long between chunks."""
        self._collect(0)
        self._feed()

    def close(self) -> None:
        """End all of them."""
        for one in self._workers:
            one.pipe.close()
        for one in self._workers:
            one.end()
        self._workers.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _feed(self) -> None:
        for one in self._workers:
            if one.chunk is not None or self._chunks is None or self._next - self._turn >= _AHEAD * len(self._workers):
                continue
            items = next(self._chunks, None)
            if items is None:
                self._chunks = None
                return
            one.tell(self._next, items)
            self._next += 1

    def _collect(self, timeout: float | None) -> None:
        """Take what workers say; without a ``timeout`` wait until one says something."""
        said = wait([one.pipe for one in self._workers if one.chunk or not one.ready], timeout)
        for place, one in enumerate(self._workers):
            if one.pipe not in said:
                continue
            started = one.ready
            heard = one.hear()
            if heard is not None and not started:
                continue
            if one.chunk is None:
                if not started:
                    self._workers[place] = _Worker(self._start, self._setup, self._seconds)
                continue
            number, items = one.chunk
            if heard is None:
                self._done[number] = self._again(place, items)
            else:
                one.chunk = None
                self._done[number] = _read(heard, items)

    def _again(self, place: int, items: Sequence[object]) -> list[Any]:
        """Each of ``items`` once more, alone, now that their worker is dead."""
        answers: list[Any] = []
        for item in items:
            fresh = self._replaced(place)
            fresh.tell(-1, [item])
            heard = fresh.hear()
            answers += [None] if heard is None else _read(heard, [item])
            if heard is not None:
                fresh.chunk = None
        self._replaced(place)
        return answers

    def _replaced(self, place: int) -> _Worker:
        """The worker at ``place`` if it is free, else a new one in the place of the dead one."""
        one = self._workers[place]
        if one.chunk is not None:
            one.end()
            one = self._workers[place] = _Worker(self._start, self._setup, self._seconds)
            one.hear()
        return one


def _read(heard: bytes, items: Sequence[object]) -> list[Any]:
    """The answers in ``heard``. Raises ``WorkerError`` for anything but one for each item."""
    try:
        answers = loads(heard)
    except Exception as error:
        raise WorkerError(f"what a worker said cannot be read: {error}") from error
    if not isinstance(answers, list) or len(answers) != len(items):
        raise WorkerError("a worker did not answer every item")
    return answers


@contextmanager
def _no_interrupt() -> Iterator[None]:
    """What is started in here never hears of Ctrl-C: ending it is our business."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
