"""The process that didkit runs in. Started by ``vcred.formats._didkit_process``, never imported by it.

didkit resolves DIDs over the network when it meets one, leaves threads that crash the interpreter at its exit, and
takes as long as its input makes it take. So it lives alone: once it is warm, the process gives up the right to open
any file or socket, where the platform has such limits, and it leaves without the interpreter's exit. It reads requests
from its input and writes answers to its output, each a few byte strings with their lengths. It parses nothing: didkit
takes and gives JSON as text.
"""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import suppress
from typing import Any, BinaryIO

_CALLS = frozenset({"issue_credential", "issue_presentation", "verify_credential", "verify_presentation"})
_MEMORY = 4 << 30
_PIECE = 4


def main() -> None:
    """Answer requests until there are no more."""
    source, sink = sys.stdin.buffer, sys.stdout.buffer
    try:
        import didkit  # noqa: PLC0415 - its absence is an answer
    except ImportError:
        _write(sink, b"!", b"")
        return
    loop = asyncio.new_event_loop()
    # Everything that needs a descriptor (event loop, thread pool) has it before there are no more.
    loop.run_until_complete(_warm(didkit))
    _write(sink, b"*", b"limited" if _limit() else b"")
    while (request := _read(source)) is not None:
        name = request[0].decode("ascii", "replace")
        try:
            if name not in _CALLS:
                raise ValueError("no such call")
            answer = loop.run_until_complete(_call(getattr(didkit, name), request[1:]))
            _write(sink, b"+", answer.encode())
        except BaseException:  # noqa: BLE001 - a panic of the library is no Exception, and its text may hold claims
            _write(sink, b"-", b"")


async def _warm(didkit: Any) -> None:
    await didkit.key_to_verification_method("key", didkit.generate_ed25519_key())


async def _call(function: Any, arguments: list[bytes]) -> str:
    return str(await function(*(argument.decode("utf-8") for argument in arguments)))


def _limit() -> bool:
    """Open nothing from now on, and leave no image of the memory behind."""
    try:
        import resource  # noqa: PLC0415 - not on every platform
    except ImportError:
        return False
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, 0))
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    return True


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
    try:
        main()
    finally:
        # Not sys.exit: didkit's threads are still there, and the interpreter's exit would meet them.
        os._exit(0)
