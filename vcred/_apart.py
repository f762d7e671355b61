"""Native code at arm's length: a process of its own that answers within a time limit, or is ended.

Whatever happens in there (a crash, a panic, an endless loop) is seen here as one thing: no answer. That is not a "no":
nobody knows what the answer would have been.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import weakref
from contextlib import suppress
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path
    from typing import IO

__all__ = ["ApartProcess", "NoAnswerError", "NotThereError"]

_INHERITED: Final = ("PATH", "HOME", "SYSTEMROOT", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
_HEAD: Final = 5
_MAX_ANSWER: Final = 1 << 20


class NoAnswerError(Exception):
    """The process was lost, or took too long."""


class NotThereError(Exception):
    """What the process is for is not installed."""


class ApartProcess:
    """Calls of one worker, one at a time. The process is started by the first, and again after it was lost.

    ``sealed`` says, once it runs, whether it has given up the right to open files and sockets.
    """

    def __init__(self, *, seconds: float) -> None:
        self._seconds = seconds
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._owner = 0
        self._end: weakref.finalize[..., ApartProcess] | None = None
        self._killed = False
        self.sealed = False

    def worker(self) -> Path:
        """The file that the process runs."""
        raise NotImplementedError

    def ask(self, *pieces: bytes) -> bytes | None:
        """What the worker answers to ``pieces``; ``None`` when it says that it cannot.

        Raises ``NoAnswerError`` when it crashed or took too long, ``NotThereError`` where it lacks what it is for.
        """
        with self._lock:
            lost = False
            late = threading.Timer(self._seconds, self._kill)
            late.daemon = True
            late.start()
            try:
                return self._answer(*pieces)
            except (OSError, ValueError):
                lost = True
                raise NoAnswerError("it crashed or took too long") from None
            finally:
                late.cancel()
                late.join()
                if lost or self._killed:
                    self._stop()

    def close(self) -> None:
        """End the process, if there is one."""
        with self._lock:
            self._stop()

    def _answer(self, *pieces: bytes) -> bytes | None:
        process = self._running()
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(len(pieces).to_bytes(4, "big"))
        for piece in pieces:
            process.stdin.write(len(piece).to_bytes(4, "big") + piece)
        process.stdin.flush()
        kind, body = _read(process.stdout)
        return body if kind == b"+" else None

    def _running(self) -> subprocess.Popen[bytes]:
        """The process, started if need be. A fork of ours has a process of its own."""
        if self._process is not None and self._owner == os.getpid() and self._process.poll() is None:
            return self._process
        if self._owner == os.getpid():
            self._stop()
        process = subprocess.Popen(  # noqa: S603 - our own interpreter and our own file
            # Isolated from PYTHON* variables and from the folder of the file, which has modules of other names' own.
            [sys.executable, "-E", "-P", str(self.worker())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={name: os.environ[name] for name in _INHERITED if name in os.environ},
            start_new_session=True,  # so that what it starts ends with it, and Ctrl-C is ours to hear
        )
        self._process, self._owner = process, os.getpid()
        self._end = weakref.finalize(self, _end, process, self._owner)
        if self._killed:
            raise ValueError("the time was over before there was anything to end")
        assert process.stdout is not None
        kind, body = _read(process.stdout)
        if kind == b"!":
            self._stop()
            raise NotThereError
        self.sealed = body == b"limited"
        return process

    def _kill(self) -> None:
        self._killed = True  # first, for a process that is being started now
        process = self._process
        if process is not None:
            _kill(process)

    def _stop(self) -> None:
        if self._end is not None and self._owner == os.getpid():
            self._end()
        self._process, self._end, self._killed = None, None, False


def _read(source: IO[bytes]) -> tuple[bytes, bytes]:
    """One answer. Raises ``ValueError`` when the process has nothing more to say."""
    head = source.read(_HEAD)
    length = int.from_bytes(head[1:], "big")
    if len(head) < _HEAD or length > _MAX_ANSWER:
        raise ValueError("no answer")
    body = source.read(length)
    if len(body) < length:
        raise ValueError("no answer")
    return head[:1], body


def _kill(process: subprocess.Popen[bytes]) -> None:
    """The process and what it has started."""
    if process.poll() is not None:
        return
    if hasattr(os, "killpg"):
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    process.kill()


def _end(process: subprocess.Popen[bytes], owner: int) -> None:
    if owner != os.getpid():
        return
    _kill(process)
    process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with suppress(OSError):
                pipe.close()
