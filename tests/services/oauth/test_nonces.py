"""Nonces: made by any process, for one purpose, in time; those for credentials once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from vcred.errors import RefusedError
from vcred.reasons import ReasonCode

pytestmark = pytest.mark.loopback


def c_nonce(service):
    return service.send("POST", "/garam/nonce").json()["c_nonce"]


def use(service, *nonces):
    at = service.clock()
    service.store.transact(lambda: service.parts.nonces.use(nonces, at=at))


def unusable(service, nonce):
    for way in (lambda: use(service, nonce), lambda: service.parts.nonces.check([nonce], at=service.clock())):
        with pytest.raises(RefusedError) as refused:
            way()
        assert refused.value.code is ReasonCode.NONCE
    return True


def test_the_nonce_endpoint_answers_as_the_standard_says(service):
    answer = service.send("POST", "/garam/nonce")
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["dpop-nonce"]
    assert answer.json().keys() == {"c_nonce"}
    assert service.send("GET", "/garam/nonce").status_code == 405


def test_ci_01_a_nonce_is_ours_in_time_for_its_purpose_and_once(service, clock, serve):
    nonce = c_nonce(service)
    service.parts.nonces.check([nonce], at=clock())
    use(service, nonce)
    assert unusable(service, nonce)
    assert unusable(service, service.nonce())
    for guess in ("", "x", nonce[:-1], nonce + "AAAA", "A" * len(nonce), "한" * 20):
        assert unusable(service, guess)
    late = c_nonce(service)
    clock.forward(seconds=300)
    assert unusable(service, late)


def test_ci_01_another_issuers_nonce_is_not_ours(service, tmp_path_factory, clock):
    from tests.services.issuer_kit import Service

    folder = tmp_path_factory.mktemp("other")
    other = Service(str(folder / "issuer.db"), folder, clock)
    try:
        assert unusable(service, c_nonce(other))
    finally:
        other.close()


def test_ci_01_a_nonce_is_used_once_by_many_in_two_processes(service):
    nonce = c_nonce(service)
    other = service.again()
    try:
        with ThreadPoolExecutor(8) as pool:
            jobs = [pool.submit(use, one, nonce) for one in (service, other) * 8]
        assert sum(job.exception() is None for job in jobs) == 1
    finally:
        other.close()


def test_a_transaction_that_fails_uses_no_nonce(service):
    nonce = c_nonce(service)

    def work():
        service.parts.nonces.use([nonce], at=service.clock())
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        service.store.transact(work)
    use(service, nonce)


def test_asking_for_nonces_writes_nothing(service):
    before = service.store._db.total_changes if hasattr(service.store._db, "total_changes") else None
    for _ in range(5):
        service.send("POST", "/garam/nonce")
        service.send("POST", "/garam/challenge")
    assert service.store._one("SELECT count(*) FROM spent")[0] == 0
    if before is not None:
        assert service.store._db.total_changes == before
