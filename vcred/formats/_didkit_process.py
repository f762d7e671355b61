"""didkit at arm's length: a process of its own that answers within a time limit, or is ended (``vcred._apart``)."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from vcred._apart import ApartProcess, NoAnswerError, NotThereError
from vcred.errors import MissingExtraError

__all__ = ["TIME_LIMIT", "DidkitProcess", "NoAnswerError"]

TIME_LIMIT: Final = 10.0
"""Seconds for one call, with the start of the process if need be."""

_WORKER = Path(__file__).with_name("_didkit_worker.py")


class DidkitProcess(ApartProcess):
    """Calls of didkit, one at a time. See ``ApartProcess``."""

    def __init__(self, *, seconds: float = TIME_LIMIT) -> None:
        super().__init__(seconds=seconds)

    def worker(self) -> Path:
        """See ``ApartProcess``."""
        return _WORKER

    def call(self, name: str, *arguments: bytes) -> bytes | None:
        """What ``didkit.<name>(*arguments)`` returns; ``None`` when it raised.

        Raises ``NoAnswerError`` when it crashed or took too long, ``MissingExtraError`` where didkit is not installed.
        """
        try:
            return self.ask(name.encode("ascii"), *arguments)
        except NotThereError:
            raise MissingExtraError("didkit") from None
