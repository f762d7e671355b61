"""The process that reads strangers' pictures. Started by ``vcred.qr.apart``, never imported by it.

Decoders of pictures, PDF pages and codes are native code, and what they are given is hostile. So each document is read
in a fork of this process that has read nothing else: it may use so much time and memory, open no file and no socket,
and start no process, and whatever happens to it happens to this document alone. This process itself looks at nothing:
it carries bytes from its input to the fork, and the fork's answer to its output.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, Final

_MEMORY: Final = 1536 << 20
"""Bytes of address space: an animation of large frames and the libraries have room in it."""

_PIECE: Final = 4
_MAX_ANSWER: Final = 1 << 20


def main() -> None:
    """Answer requests until there are no more: what it is, seconds, and the file."""
    source, sink = sys.stdin.buffer, sys.stdout.buffer
    sys.path.append(str(Path(__file__).parents[2]))  # where this package is, if it was found by a variable
    _warm()
    _write(sink, b"*", b"limited" if hasattr(os, "fork") else b"")
    while (request := _read(source)) is not None:
        kind, seconds, raw = request
        answer = _apart(kind, int.from_bytes(seconds, "big"), raw) if hasattr(os, "fork") else _work(kind, raw)
        _write(sink, b"-" if answer is None else b"+", answer or b"")


def _warm() -> None:
    """Load whatever reading needs, as long as files may be opened."""
    from PIL import Image, ImageDraw  # noqa: F401, PLC0415 - slow, and only wanted in this process

    Image.init()
    import zxingcpp  # noqa: F401, PLC0415 - as above

    from vcred.qr import read  # noqa: F401, PLC0415 - as above

    with suppress(ImportError):
        import pypdfium2  # noqa: F401, PLC0415 - an extra


def _apart(kind: bytes, seconds: int, raw: bytes) -> bytes | None:
    """The answer of a fork; ``None`` when it came to nothing."""
    outcome, answer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            for pipe in (outcome, sys.stdin.fileno(), sys.stdout.fileno()):
                os.close(pipe)  # or it could answer, and read, in the place of the forks after it
            _limit(seconds)
            found = _work(kind, raw)
            with os.fdopen(answer, "wb") as told:
                told.write(found)
        finally:
            os._exit(0)
    os.close(answer)
    with os.fdopen(outcome, "rb") as said:
        found = said.read(_MAX_ANSWER + 1)
    _, status = os.waitpid(child, 0)
    return found if status == 0 and 0 < len(found) <= _MAX_ANSWER else None


def _limit(seconds: int) -> None:
    import resource  # noqa: PLC0415 - where there are forks there are limits

    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(seconds)  # the clock; what follows is the processor's time
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    for none in (resource.RLIMIT_NOFILE, resource.RLIMIT_FSIZE, resource.RLIMIT_CORE):
        resource.setrlimit(none, (0, 0))
    for name, most in (("RLIMIT_AS", _MEMORY), ("RLIMIT_NPROC", 0)):
        with suppress(OSError, ValueError):  # not every system has them, or keeps to them
            resource.setrlimit(getattr(resource, name, -1), (most, most))


def _work(kind: bytes, raw: bytes) -> bytes:
    """The texts that were found, or why there are none, as JSON."""
    from vcred.errors import MalformedError, MissingExtraError  # noqa: PLC0415 - loaded by ``_warm``
    from vcred.qr.read import read_image, read_pdf  # noqa: PLC0415 - as above

    found: object
    try:
        found = [text for page in read_pdf(raw) for text in page] if kind == b"pdf" else read_image(raw)
    except MalformedError as error:
        found = {"code": error.code.value, "path": error.path, "detail": error.detail}
    except MissingExtraError:
        found = {"extra": "pdf"}
    return json.dumps(found).encode()


def _read(source: BinaryIO) -> list[bytes] | None:
    """The byte strings of one request; ``None`` at the end."""
    count = source.read(_PIECE)
    if len(count) < _PIECE:
        return None
    return [source.read(int.from_bytes(source.read(_PIECE), "big")) for _ in range(int.from_bytes(count, "big"))]


def _write(sink: BinaryIO, kind: bytes, body: bytes) -> None:
    sink.write(kind + len(body).to_bytes(_PIECE, "big") + body)
    sink.flush()


if __name__ == "__main__":
    main()
