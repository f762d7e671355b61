"""Work that waits, for many requests in one thread: the loop's own.

Threads that share an interpreter wake each other up with every statement that a database is given, and that costs more
than the statement. Here a piece of work runs in the loop's thread until it has to wait for others (a commit that many
share, ``vcred._waiting.elsewhere``); then the loop goes on with something else, and comes back.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import partial
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, cast

from greenlet import getcurrent, greenlet

from vcred._waiting import WAITING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

__all__ = ["Greenlets"]

_P = ParamSpec("_P")
_T = TypeVar("_T")


class Greenlets:
    """Runs such work. ``threads`` is how many things are done ``elsewhere`` at one time."""

    def __init__(self, threads: int) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="elsewhere")

    async def run(self, work: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """What ``work`` returns or raises. It may wait, but must not hold up the loop for long."""
        one = greenlet(partial(work, *args, **kwargs))
        one.gr_context = copy_context()
        one.gr_context.run(WAITING.set, _Waiting(getcurrent(), self._pool))
        found: Any = one.switch()
        while not one.dead:
            try:
                told = await found
            except BaseException as error:  # noqa: BLE001 - it is the work's, as if it had waited itself
                found = one.throw(error)
            else:
                found = one.switch(told)
        return cast("_T", found)


class _Waiting:
    def __init__(self, loop: greenlet, pool: ThreadPoolExecutor) -> None:
        self._loop = loop
        self._pool = pool

    def wait(self, awaitable: Awaitable[_T]) -> _T:
        return cast("_T", self._loop.switch(awaitable))

    def elsewhere(self, work: Callable[[], _T]) -> _T:
        context = copy_context()
        context.run(WAITING.set, None)
        return self.wait(asyncio.get_running_loop().run_in_executor(self._pool, context.run, work))

    def heard(self, socket: int, *, writing: bool) -> None:
        self.wait(_heard(socket, writing=writing))


async def _heard(socket: int, *, writing: bool) -> None:
    loop = asyncio.get_running_loop()
    heard = loop.create_future()

    def hear() -> None:
        if not heard.done():
            heard.set_result(None)

    loop.add_reader(socket, hear)
    if writing:
        loop.add_writer(socket, hear)
    try:
        await heard
    finally:
        loop.remove_reader(socket)
        if writing:
            loop.remove_writer(socket)
