"""Whatever an answer waits for, the service goes on: registries, devices that sign, another process that writes."""

from __future__ import annotations

import asyncio
import json
import threading
from typing import TYPE_CHECKING

import httpx
import pytest

import issuer.answers
from issuer.status import StatusDesk
from tests.services.credential_kit import Holder, opened
from tests.services.issuer_kit import clock, serve, service, target  # noqa: F401 - fixtures
from vcred.keys import SoftwareSigner
from vcred.testing import SampleRecords

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.loopback


def meanwhile(service, holder, inside: threading.Event, held: threading.Event, *, begin=lambda: None) -> httpx.Response:  # noqa: F811
    """The answer to a credential request; before it comes, others are answered."""
    body, headers = json.dumps(holder.wanted()), holder.headers("/credential")
    begin()

    async def go() -> httpx.Response:
        transport = httpx.ASGITransport(service.app)
        async with httpx.AsyncClient(transport=transport, base_url="https://issuer.example") as client:
            asked = asyncio.create_task(client.post("/garam/credential", content=body, headers=headers))
            assert await asyncio.to_thread(inside.wait, 30)
            try:
                assert (await client.post("/garam/nonce")).status_code == 200
                assert (await client.get("/.well-known/openid-credential-issuer/garam")).status_code == 200
                assert not asked.done()
            finally:
                held.set()
            return await asked

    return asyncio.run(go())


def waiting(work: Callable, inside: threading.Event, held: threading.Event) -> Callable:
    def slow(*arguments, **options):
        inside.set()
        assert held.wait(30)
        return work(*arguments, **options)

    return slow


@pytest.mark.parametrize("what", ["registry", "device"])
def test_what_takes_long_holds_up_nobody_else(service, monkeypatch, what):  # noqa: F811
    holder = Holder.of(service)
    inside, held = threading.Event(), threading.Event()

    def begin() -> None:
        if what == "registry":
            monkeypatch.setattr(SampleRecords, "in_memory", False)
            monkeypatch.setattr(SampleRecords, "fetch", waiting(SampleRecords.fetch, inside, held))
        else:
            monkeypatch.setattr(issuer.answers, "SoftwareSigner", StatusDesk)  # which no signer is
            monkeypatch.setattr(SoftwareSigner, "sign", waiting(SoftwareSigner.sign, inside, held))

    answer = meanwhile(service, holder, inside, held, begin=begin)
    assert answer.status_code == 200, answer.text
    assert len(opened(service, answer)) == 1


def test_while_another_process_writes_others_are_answered(serve):  # noqa: F811
    here = serve()
    other = here.again()
    holder = Holder.of(here)
    inside, held = threading.Event(), threading.Event()
    slow = waiting(lambda: None, inside, held)

    def work() -> None:
        assert other.store.stopped is None  # with its first statement it takes the lock of all writers
        slow()

    writer = threading.Thread(target=other.store.transact, args=(work,))
    writer.start()
    try:
        assert inside.wait(30)
        answer = meanwhile(here, holder, inside, held)
    finally:
        held.set()
        writer.join(30)
        other.close()
    assert answer.status_code == 200, answer.text
