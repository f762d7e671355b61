"""The codes in strangers' pictures and PDF files, read in processes of their own.

What decodes them is native code. A file that crashes it, hangs it or wants all the memory is refused (``unchecked``),
and nothing else is harmed: each file has a process that has read no other, with limits on time, memory, files and
processes. A few are read at once; who has to wait longer than a file may take is refused as well.
"""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from vcred._apart import ApartProcess, NoAnswerError
from vcred.errors import MalformedError, MissingExtraError, RefusedError
from vcred.qr.read import MAX_FILE
from vcred.qr.scan import PDF, PICTURES, texts_of
from vcred.reasons import ReasonCode

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["PictureReader"]

_SECONDS: Final = 10
_AT_ONCE: Final = 2
_START: Final = 10.0
"""Seconds more for a process that has to be started first, on a busy machine."""

_WORKER = Path(__file__).with_name("_picture_worker.py")


class PictureReader:
    """Reads files as ``texts_of`` does. Safe for several threads. Close it, or use it in ``with``."""

    def __init__(self, *, seconds: int = _SECONDS, at_once: int = _AT_ONCE) -> None:
        """``seconds`` are for one file, ``at_once`` how many are read at a time. A process starts when it is wanted."""
        self._seconds = seconds
        self._free = threading.BoundedSemaphore(at_once)
        self._mutex = threading.Lock()
        self._idle: list[_Process] = [_Process(seconds + _START) for _ in range(at_once)]
        self._all = tuple(self._idle)

    def texts_of(self, raw: bytes, path: str) -> Sequence[str]:
        """The texts of the codes in one file.

        Raises what ``vcred.qr.scan.texts_of`` raises, and ``RefusedError`` (``unchecked``) when reading it came to
        no end.
        """
        if not raw.startswith((*PICTURES, PDF)):
            return texts_of(raw, path)
        if len(raw) > MAX_FILE:
            raise MalformedError(ReasonCode.SIZE, path, f"more than {MAX_FILE} bytes")
        if not self._free.acquire(timeout=self._seconds + _START):
            raise RefusedError(ReasonCode.UNCHECKED, path, "too many files at once")
        try:
            with self._mutex:
                process = self._idle.pop()
            try:
                answer = self._ask(process, raw, path)
            finally:
                with self._mutex:
                    self._idle.append(process)
        finally:
            self._free.release()
        return _texts(answer, path)

    def close(self) -> None:
        """End the processes."""
        for one in self._all:
            one.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _ask(self, process: _Process, raw: bytes, path: str) -> bytes:
        kind = b"pdf" if raw.startswith(PDF) else b"picture"
        try:
            answer = process.ask(kind, self._seconds.to_bytes(4, "big"), raw)
        except NoAnswerError:
            answer = None
        if answer is None:
            detail = "reading it took too long or too much memory, or broke off"
            raise RefusedError(ReasonCode.UNCHECKED, path, detail)
        return answer


class _Process(ApartProcess):
    def __init__(self, seconds: float) -> None:
        super().__init__(seconds=seconds)

    def worker(self) -> Path:
        return _WORKER


def _texts(answer: bytes, path: str) -> list[str]:
    """The answer, which is believed no more than the file was. Raises what it says."""
    try:
        found: Any = json.loads(answer)
        if isinstance(found, dict):
            if "extra" in found:
                raise MissingExtraError("pdf")
            raise MalformedError(ReasonCode(found["code"]), path, str(found["detail"])[:200])
        if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
            raise TypeError("not a list of texts")
    except (ValueError, KeyError, TypeError, RecursionError):
        raise RefusedError(ReasonCode.UNCHECKED, path, "reading it gave nothing that can be used") from None
    if not found:
        raise MalformedError(ReasonCode.FORMAT, path, "there is no QR code in it")
    return found
