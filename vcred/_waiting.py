"""What may take long inside work that waits in an event loop: it is done beside the loop, which goes on.

Work is written as if it blocked. Whoever runs it in a loop (``vcred.serving.Greenlets``) says so here, for that work
alone; anywhere else nothing of this is felt.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

__all__ = ["WAITING", "Waiting", "elsewhere"]

_T = TypeVar("_T")


class Waiting(Protocol):
    """How work waits in an event loop."""

    def wait(self, awaitable: Awaitable[_T]) -> _T:
        """What ``awaitable`` gives or raises; meanwhile the loop does other things."""

    def elsewhere(self, work: Callable[[], _T]) -> _T:
        """What ``work`` returns or raises, done in a thread of its own."""

    def heard(self, socket: int, *, writing: bool) -> None:
        """Wait until there is something to read from ``socket``, or, with ``writing``, room to write."""


WAITING: ContextVar[Waiting | None] = ContextVar("waiting", default=None)
"""Set inside work that waits in an event loop."""


def elsewhere(work: Callable[[], Any]) -> Any:
    """What ``work``, which may take long, returns or raises. Not for use inside a transaction: others would join it."""
    waiting = WAITING.get()
    return work() if waiting is None else waiting.elsewhere(work)
