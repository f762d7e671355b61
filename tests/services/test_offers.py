"""Credential offers: made by the agency, by value and by reference, with and without a code (section 4.1)."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.services.credential_kit import ADMIN, CLERK, Holder, opened
from tests.services.issuer_kit import (  # noqa: F401 - fixtures
    BASE,
    CODE,
    CONFIGURATION,
    OTHER,
    Wallet,
    clock,
    parameters,
    serve,
    target,
)
from vcred.oid4vci import CredentialOffer
from vcred.qr import read_image, text_code

pytestmark = pytest.mark.loopback


@pytest.fixture
def service(serve):  # noqa: F811 - with an admin
    return serve(admin_tokens=ADMIN)


def order(service, status=201, **more):
    answer = service.send("POST", "/garam/admin/offers", headers=CLERK, json={"code": CODE, "subject": "key-17"} | more)
    assert answer.status_code == status, answer.text
    return answer.json()


def fetched(service, made):
    """The offer that a wallet gets with the link."""
    place = CredentialOffer.of_uri(made["uri"])
    assert isinstance(place, str)
    assert place.startswith(f"{BASE}/offers/")
    answer = service.send("GET", urlsplit(place).path)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"
    return CredentialOffer.parse(answer.content)


def test_an_offer_with_a_code_is_redeemed_with_the_code(service):
    made = order(service)
    offer = fetched(service, made)
    assert offer == CredentialOffer.parse(json.dumps(made["offer"]))
    assert offer.configuration_ids == (CONFIGURATION, OTHER)
    assert offer.pre_authorized.tx_code.length == len(made["tx_code"]) == 6
    assert made["tx_code"] not in made["uri"] + json.dumps(made["offer"]) + made["qr"]
    wallet = Wallet(service)
    assert wallet.pre_authorized(offer.pre_authorized.code).status_code == 400
    wrong = f"{(int(made['tx_code']) + 1) % 10**6:06}"
    assert wallet.pre_authorized(offer.pre_authorized.code, tx_code=wrong).json()["error"] == "invalid_grant"
    tokens = wallet.pre_authorized(offer.pre_authorized.code, tx_code=made["tx_code"])
    assert tokens.status_code == 200, tokens.text
    holder = Holder(service, service.parts.applications.get(made["application_id"]), wallet, tokens.json())
    (found,) = opened(service, holder.ask())
    assert found.holder_key == holder.keys[0].public_key


def test_the_qr_code_is_the_link(service, tmp_path):
    made = order(service)
    assert made["qr"] == text_code(made["uri"]).svg()
    (tmp_path / "offer.png").write_bytes(text_code(made["uri"]).png())
    assert read_image(tmp_path / "offer.png") == [made["uri"]]


def test_an_offer_by_value_and_without_a_code(service):
    made = order(service, by_reference=False, tx_code=False, formats=["sd-cwt"], scheme="haip-vci")
    assert made["uri"].startswith("haip-vci://?credential_offer=")
    offer = CredentialOffer.of_uri(made["uri"])
    assert offer.configuration_ids == (OTHER,)
    assert offer.pre_authorized.tx_code is None
    assert made["tx_code"] is None
    assert Wallet(service).pre_authorized(offer.pre_authorized.code).status_code == 200


def test_an_offer_to_log_in_stands_for_one_application(service, clock):  # noqa: F811 - fixture
    made = order(service, grant="authorization_code")
    assert made["tx_code"] is None
    offer = fetched(service, made)
    assert offer.pre_authorized is None
    applications = service.parts.applications
    found = applications.of_issuer_state(offer.authorization_code.issuer_state, at=clock())
    assert found.id == made["application_id"]
    assert found.subject == "key-17"
    assert applications.of_issuer_state("another", at=clock()) is None


def test_an_offer_ends_with_its_code(service, clock):  # noqa: F811 - fixture
    made = order(service, tx_code=False)
    offer = fetched(service, made)
    clock.forward(minutes=11)
    place = urlsplit(CredentialOffer.of_uri(made["uri"])).path
    assert service.send("GET", place).status_code == 404
    assert Wallet(service).pre_authorized(offer.pre_authorized.code).json()["error"] == "invalid_grant"
    assert service.send("GET", "/garam/offers/none").status_code == 404


def test_who_reads_the_database_finds_no_code_and_no_link(serve, tmp_path, clock):  # noqa: F811 - fixtures
    from tests.services.issuer_kit import Service

    service = Service(str(tmp_path / "read.db"), tmp_path, clock, admin_tokens=ADMIN)
    made = order(service)
    service.close()
    with closing(sqlite3.connect(tmp_path / "read.db")) as database:
        dump = "\n".join(database.iterdump()).encode()
    code = made["offer"]["grants"]["urn:ietf:params:oauth:grant-type:pre-authorized_code"]["pre-authorized_code"]
    name = parse_qs(urlsplit(made["uri"]).query)["credential_offer_uri"][0].rpartition("/")[2]
    for secret in (code, name, made["tx_code"]):
        assert secret.encode() not in dump
        assert secret.encode().hex() not in dump.decode().lower()


@pytest.mark.parametrize(
    ("more", "status"),
    [
        ({"code": "no.such"}, 422),
        ({"variant": "no-such"}, 422),
        ({"options": {"no": "such"}}, 422),
        ({"formats": ["mso_mdoc"]}, 422),
        ({"formats": []}, 422),
        ({"grant": "password"}, 422),
        ({"unknown": 1}, 422),
        ({"deferred_until": "2026-09-26T00:00:00"}, 422),
        ({"subject": ""}, 422),
    ],
    ids=str,
)
def test_an_order_that_is_wrong(service, more, status):
    body = order(service, status, **more)
    assert body["status"] == status
    assert service.parts.applications.newest() == []


def test_offers_are_for_the_agency_alone(service):
    for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": f"DPoP {ADMIN['clerk']}"}):
        answer = service.send("POST", "/garam/admin/offers", headers=headers, json={"code": CODE, "subject": "x"})
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"].startswith("Bearer")


def test_an_offer_to_log_in_is_followed_to_its_own_application(serve):  # noqa: F811 - fixture
    service = serve(admin_tokens=ADMIN, development=True, auto_approve="key-17")
    made = order(service, grant="authorization_code", formats=["dc+sd-jwt"])
    state = fetched(service, made).authorization_code.issuer_state
    wallet = Wallet(service)
    answer = wallet.authorize(wallet.par(issuer_state=state).json()["request_uri"])
    tokens = wallet.token(code=parameters(answer.headers["location"])["code"])
    assert tokens.status_code == 200, tokens.text
    application = service.parts.applications.get(made["application_id"])
    assert len(opened(service, Holder(service, application, wallet, tokens.json()).ask())) == 1
    assert service.parts.applications.get(made["application_id"]).state == "issued"
    assert len(service.parts.applications.newest()) == 1
