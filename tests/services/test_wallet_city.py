"""Our wallet and our issuer's service, over ASGI: every grant, proof, format and detour between the two."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from tests.services.wallet_kit import City, city_in
from vcred.errors import ConsentError, Offline, RefusedError
from wallet.client import IssuanceConsent, Online, Received, ServerError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

FORMATS = ("dc+sd-jwt", "sd-cwt", "mso_mdoc", "vc+jwt", "vc+sd-jwt")


@pytest.fixture
def found_city(tmp_path: Path) -> Iterator[Callable[..., City]]:
    from contextlib import ExitStack

    with ExitStack() as opened:
        yield lambda **settings: opened.enter_context(city_in(tmp_path, **settings))


def take(online: Online, made: dict[str, Any]) -> Received:
    asked = online.fetch(online.look(made["uri"]))
    assert isinstance(asked, IssuanceConsent)
    assert asked.trusted
    return asked.approve(tx_code=made.get("tx_code"))


def test_every_format_comes_in_one_certificate_that_can_be_opened(found_city: Callable[..., City]) -> None:
    city = found_city(formats=FORMATS)
    online = city.online(copies=2)
    (one,) = take(online, city.offer(grant="pre-authorized")).certificates
    assert one.formats == tuple(sorted(FORMATS))
    assert (one.total, one.batch) == (10, True)
    assert online.wallet.claims(one.id)["issuedOn"]


def test_the_metadata_is_signed_by_the_authority_that_the_bundle_names(found_city: Callable[..., City]) -> None:
    city = found_city()
    online = city.online()
    asked = online.fetch(online.look(city.offer(grant="pre-authorized")["uri"]))
    assert isinstance(asked, IssuanceConsent)
    assert (asked.signed, asked.trusted, asked.test) == (True, True, True)
    assert asked.authority is not None
    assert asked.authority.ko == "가람특별시 (가상)"


def test_a_wrong_transaction_code_can_be_typed_again(found_city: Callable[..., City]) -> None:
    city = found_city()
    online, made = city.online(), city.offer(grant="pre-authorized", tx_code=True)
    asked = online.fetch(online.look(made["uri"]))
    assert isinstance(asked, IssuanceConsent)
    wrong = "000000" if made["tx_code"] != "000000" else "111111"
    with pytest.raises(ServerError, match="invalid_grant"):
        asked.approve(tx_code=wrong)
    with pytest.raises(ConsentError):
        asked.approve()
    assert asked.approve(tx_code=made["tx_code"]).certificates


def test_the_holder_logs_in(found_city: Callable[..., City]) -> None:
    city = found_city()
    online = city.online()
    (one,) = take(online, city.offer(grant="authorization_code")).certificates
    assert one.code == "resident.personal"
    assert {"par", "token", "credential", "notification"} <= set(city.http.paths())


def test_the_holder_begins_at_the_issuer(found_city: Callable[..., City]) -> None:
    city = found_city()
    online = city.online()
    preview = online.look_issuer(city.settings.base_url, ["resident.household/dc+sd-jwt"])
    assert city.http.log == []
    asked = online.fetch(preview)
    assert isinstance(asked, IssuanceConsent)
    assert [one.code for one in asked.approve().certificates] == ["resident.household"]


def test_everything_is_encrypted_where_the_issuer_requires_it(found_city: Callable[..., City]) -> None:
    city = found_city(encryption={"requests": "required", "responses": "required"})
    assert take(city.online(), city.offer(grant="pre-authorized")).certificates


def test_keys_are_attested_where_the_issuer_requires_it(found_city: Callable[..., City]) -> None:
    city = found_city(require_key_attestation=True)
    (one,) = take(city.online(copies=4), city.offer(grant="pre-authorized", formats=["dc+sd-jwt"])).certificates
    assert one.total == 4


def test_a_lost_answer_costs_nothing(found_city: Callable[..., City]) -> None:
    city = found_city()
    online, made = city.online(copies=2), city.offer(grant="pre-authorized", formats=["dc+sd-jwt"])
    city.http.lose.append("/credential")
    with pytest.raises(Offline):
        take(online, made)
    assert online.wallet.certificates() == []
    received = online.collect()
    (one,) = online.wallet.certificates()
    assert (one.total, received.problems) == (2, ())


def test_what_takes_time_comes_later_and_a_lost_answer_costs_nothing(found_city: Callable[..., City]) -> None:
    city = found_city(deferred=("resident.personal",))
    online = city.online(copies=2)
    until = city.clock() + timedelta(hours=1)
    made = city.offer(grant="pre-authorized", formats=["dc+sd-jwt"], deferred_until=until.isoformat())
    received = take(online, made)
    assert received.certificates == ()
    (waiting,) = received.waiting
    city.clock.forward(hours=2)
    city.http.lose.append("/deferred")
    assert [type(one) for one in online.collect().problems] == [Offline]
    assert waiting.code == "resident.personal"
    (one,) = online.collect().certificates
    assert (one.total, online.waiting()) == (2, ())


def test_a_certificate_is_refreshed_before_it_ends(found_city: Callable[..., City]) -> None:
    city = found_city()
    online = city.online(copies=2)
    (old,) = take(online, city.offer(grant="pre-authorized", tx_code=False)).certificates
    city.clock.forward(days=3)
    assert online.refresh(within=timedelta(days=1)).certificates == ()
    received = online.refresh(within=timedelta(days=365))
    (fresh,) = online.wallet.certificates()
    assert received.problems == ()
    assert fresh.id != old.id
    assert fresh.issued_at > old.issued_at
    assert fresh.formats == old.formats


def test_another_authoritys_certificate_than_the_one_that_was_agreed_to_is_not_kept(
    found_city: Callable[..., City],
) -> None:
    city = found_city()
    online = city.online(copies=1)
    asked = online.fetch(online.look(city.offer(grant="pre-authorized", tx_code=False)["uri"]))
    assert isinstance(asked, IssuanceConsent)
    assert asked.facts.authority is not None
    swapped = replace(asked.facts, authority=replace(asked.facts.authority, id="https://another.example"))
    with pytest.raises(RefusedError, match=r"^issuer"):
        replace(asked, facts=swapped).approve()
    assert online.wallet.certificates() == []
