"""Work that waits in the loop: what it returns and raises, who goes on meanwhile, and where it is felt."""

from __future__ import annotations

import asyncio
import threading
from contextvars import ContextVar

import pytest

from vcred._waiting import WAITING, elsewhere
from vcred.serving import Greenlets

WHO: ContextVar[str] = ContextVar("who", default="nobody")


def run(*works, threads=4):
    """What each returns or raises, all at the same time."""
    greenlets = Greenlets(threads)

    async def all_of_them():
        return await asyncio.gather(*(greenlets.run(work) for work in works), return_exceptions=True)

    return asyncio.run(all_of_them())


def test_work_returns_what_it_returns_and_raises_what_it_raises():
    def fails():
        raise LookupError("nothing there")

    def fails_elsewhere():
        return elsewhere(fails)

    def mends():
        try:
            return elsewhere(fails)
        except LookupError:
            return elsewhere(lambda: "mended")

    told = run(lambda: 7, fails, lambda: elsewhere(lambda: 8), fails_elsewhere, mends)
    assert [told[0], told[2], told[4]] == [7, 8, "mended"]
    assert [type(told[1]), type(told[3])] == [LookupError, LookupError]


def test_while_one_waits_the_others_go_on():
    first, second = threading.Event(), threading.Event()

    def waits():
        assert elsewhere(lambda: first.wait(30))
        second.set()
        return threading.get_ident()

    def goes_on():
        first.set()
        assert elsewhere(lambda: second.wait(30))
        return threading.get_ident()

    assert run(waits, goes_on) == [threading.get_ident()] * 2, "and both in the loop's own thread"


def test_what_is_done_elsewhere_is_done_there_and_knows_the_context():
    def where():
        WHO.set("the work")
        thread, said, waiting = elsewhere(lambda: (threading.current_thread().name, WHO.get(), WAITING.get()))
        return thread.startswith("elsewhere"), said, waiting, WAITING.get() is not None

    assert run(where, where) == [(True, "the work", None, True)] * 2
    assert (WHO.get(), WAITING.get()) == ("nobody", None)


def test_outside_of_such_work_it_is_done_in_place():
    assert elsewhere(threading.get_ident) == threading.get_ident()


def test_who_is_told_to_stop_while_he_waits_can_clean_up():
    held, cleaned = threading.Event(), []

    def waits():
        try:
            elsewhere(lambda: held.wait(30))
        finally:
            cleaned.append(elsewhere(lambda: "cleaned"))

    async def stopped():
        task = asyncio.create_task(Greenlets(2).run(waits))
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(stopped())
    held.set()
    assert cleaned == ["cleaned"]
