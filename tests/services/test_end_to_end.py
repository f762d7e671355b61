"""Issued and presented between our own three services, over real sockets with TLS, on SQLite and on PostgreSQL."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.services.issuer_kit import Clock
from tests.services.town import API_KEY, FORMATS, Town
from vcred.catalog import Catalog
from vcred.errors import ConsentError
from vcred.keys import SoftwareSigner
from wallet.client import ServerError

pytestmark = [pytest.mark.loopback, pytest.mark.slow]

CODE, POLICY = "resident.personal", "bank.address-change"
CATALOG = Catalog.builtin()
SHOP = "https://shop.example/go-on"
PAGE = "https://shop.example"


def variant_of(code: str) -> str | None:
    """The fullest variant of a type, where it has any."""
    names = [one.id for one in CATALOG[code].variants]
    return "detailed" if "detailed" in names else next(iter(names), None)


def has_numbers(code: str) -> bool:
    """Whether a type has resident numbers."""
    return any(spec.type in ("rrn", "frn") for spec in CATALOG[code].walk())


def matrix(database: str) -> dict[str, list[str]]:
    """The types that are issued in each format: on SQLite all, on PostgreSQL each in two formats of its turn.

    The format that hides nothing is for types without resident numbers, which the wallet shows nobody unasked.
    """
    assert all(set(FORMATS) <= set(CATALOG[code].formats) for code in CATALOG)
    found = {}
    for turn, form in enumerate(FORMATS):
        places = enumerate(sorted(CATALOG))
        codes = [code for place, code in places if database == "sqlite" or (turn - place) % len(FORMATS) in (0, 2)]
        found[form] = [code for code in CATALOG if not has_numbers(code)] if form == "vc+jwt" else codes
    return found


def policy_text(name: str, codes: list[str]) -> str:
    """A policy that asks for one certificate of each type."""
    return f"""
id = "court.{name}"
name = {{ ko = "시험", en = "Test" }}
purpose = {{ ko = "시험", en = "Testing" }}
asks = {{ ko = "전부", en = "Everything" }}
holder_binding = "required"
freshness = {{ challenge = true, max_age_seconds = 30 }}
trust = {{ max_age_hours = 720 }}
status = {{ required = true, max_age_hours = 168 }}
retention = {{ days = 1, text = {{ ko = "시험 후 파기", en = "Destroyed after the test" }} }}

[rrn]
level = "full"
legal_basis = {{ ko = "시험법 제1조 (가상)", en = "Test Act, article 1 (fictitious)" }}
""" + "".join(map(slot_text, codes))


def slot_text(code: str) -> str:
    """The part that asks for everything simple of a type that its sample has something for."""
    kind = CATALOG[code]
    filled = [spec for spec in kind.claims if kind.sample.get(str(spec.path)) not in (None, [], {}, "")]
    asked = [spec.path for spec in filled if not spec.children]
    asked = asked or [spec.children[0].path for spec in filled if spec.children[0].path.parts[-1] != "birthDate"]
    names = ", ".join(f'"{path}"' for path in asked if kind.is_issued(path, variant=variant_of(code), options={}))
    return f"""
[[certificates]]
slot = "{slot_of(code)}"
name = {{ ko = "증명서", en = "Certificate" }}
required = true

[[certificates.any_of]]
code = "{code}"
claims = [{names}]
{f'variants = ["{variant_of(code)}"]' if variant_of(code) else ""}
"""


def slot_of(code: str) -> str:
    """A type's place in the policies."""
    return code.replace(".", "_")


def answered(online, made):
    """The wallet's side of a request: look, fetch, agree, answer."""
    asked = online.fetch_request(online.look_request(made["link"]))
    return asked.answer(asked.consent.approve())


def verdict(town, made, answer):
    """What the bank hears, with the code that the person carries over."""
    code = town.call("GET", answer.redirect, token=None)["code"]
    return town.call("GET", f"{town.verifier_url}/api/requests/{made['id']}?code={code}", token=API_KEY)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def whole(request, tmp_path_factory):
    """A town on either database, what its wallet was given (types by format), and that wallet."""
    folder = tmp_path_factory.mktemp("whole")
    held = matrix(request.param)
    files = []
    for turn, form in enumerate(FORMATS):
        files.append(folder / f"{turn}.toml")
        files[-1].write_text(policy_text(f"turn{turn}", held[form]), encoding="utf-8")
    server = request.getfixturevalue("postgres") if request.param == "postgresql" else None

    def database(name):
        return f"sqlite:///{folder / name}.db" if server is None else server.database(f"whole_{name}")

    with Town(folder, clock=lambda: datetime.now(UTC), database=database, verifier={"policies": files}) as town:
        online = town.online(copies=1)
        for code in sorted(CATALOG):
            forms = [form for form in FORMATS if code in held[form]]
            got = town.receive(online, town.offer(code, "", formats=forms, variant=variant_of(code)))
            assert [(one.code, set(one.formats)) for one in got.certificates] == [(code, set(forms))]
            assert not got.problems
        town.publish()
        yield town, held, online


@pytest.mark.parametrize("form", FORMATS)
def test_every_type_is_issued_and_presented_in(whole, form):
    """All types are shown in one answer: what one of them costs is mostly connections, and other tests are about those."""
    town, held, online = whole
    made = town.ask_for(f"court.turn{FORMATS.index(form)}", formats=[form])
    asked = online.fetch_request(online.look_request(made["link"]))
    seen = verdict(town, made, asked.answer(asked.consent.approve()))
    assert seen["outcome"] == "ACCEPTED", seen
    shown = {(one["code"], one["format"]) for one in seen["result"]["certificates"]}
    assert shown == {(code, form) for code in held[form]}
    assert set(seen["result"]["claims"]) >= {slot_of(code) for code in held[form]}


def test_whoever_chooses_it_issues_and_presents_linked_data(found_town, tmp_path):
    """``ldp_vc`` shows everything, so it is for types that say so; its issuer is a ``did:key``."""
    pytest.importorskip("didkit")
    from vcred.formats.didkit import LdpVc

    codes = [code for code in sorted(CATALOG) if "ldp_vc" in CATALOG[code].formats and not has_numbers(code)]
    place = tmp_path / "linked.toml"
    text = policy_text("linked", codes).replace("holder_binding", 'formats = ["ldp_vc"]\nholder_binding', 1)
    place.write_text(text, encoding="utf-8")
    town = found_town(
        formats=("ldp_vc",),
        bare=SoftwareSigner.generate(),
        more_formats={"ldp_vc": LdpVc},
        verifier={"policies": [place]},
    )
    online = town.online(copies=1)
    for code in codes:
        made = town.offer(code, "ldp_vc", variant=variant_of(code))
        (held,) = town.receive(online, made).certificates
        assert (held.code, held.formats) == (code, ("ldp_vc",))
    town.publish()
    made = town.ask_for("court.linked")
    asked = online.fetch_request(online.look_request(made["link"]))
    seen = verdict(town, made, asked.answer(asked.consent.approve()))
    assert seen["outcome"] == "ACCEPTED", seen
    assert {(one["code"], one["format"]) for one in seen["result"]["certificates"]} == {
        (one, "ldp_vc") for one in codes
    }


@pytest.fixture
def clock():
    return Clock(datetime.now(UTC).replace(microsecond=0))


@pytest.fixture
def town(found_town, clock):
    """A town on either database, whose clock can be moved, and which encrypts everything it can."""
    return found_town(
        clock=clock,
        deferred=["edu.graduation"],
        encryption={"requests": "required", "responses": "required"},
        verifier={"redirect_uris": [SHOP], "origins": [PAGE]},
    )


def only(received):
    """The one certificate of what was received."""
    assert not received.problems
    (certificate,) = received.certificates
    return certificate


def test_an_offer_with_a_transaction_code_is_redeemed_encrypted(town):
    online = town.online()
    made = town.offer(CODE, "dc+sd-jwt")
    assert made["tx_code"] not in made["uri"]
    assert made["offer"]["credential_issuer"] == town.issuer_url
    consent = online.fetch(online.look(made["uri"]))
    assert consent.trusted
    assert consent.signed
    with pytest.raises(ConsentError):
        consent.approve()
    assert only(consent.approve(tx_code=made["tx_code"])).total == 3


def test_a_person_is_authorized_in_a_browser(town):
    online = town.online()
    made = town.offer(CODE, "mso_mdoc", grant="authorization_code")
    consent = online.fetch(online.look(made["uri"]))
    assert consent.login
    assert only(consent.approve()).formats == ("mso_mdoc",)


def test_what_takes_time_is_fetched_later(town, clock):
    online = town.online()
    got = town.receive(online, town.offer("edu.graduation", "sd-cwt"))
    assert not got.certificates
    assert [one.code for one in got.waiting] == ["edu.graduation"]
    clock.forward(minutes=6)
    assert len(online.collect().waiting) == 1
    (application,) = town.call("GET", f"{town.issuer_url}/admin/applications")
    answer = town.ask("POST", f"{town.issuer_url}/admin/applications/{application['id']}/approve")
    assert answer.status == 204
    clock.forward(minutes=6)
    assert only(online.collect()).code == "edu.graduation"
    assert not online.waiting()


def test_fresh_copies_come_before_the_old_ones_end(town, clock):
    online = town.online()
    old = only(town.receive(online, town.offer(CODE, "dc+sd-jwt", grant="authorization_code")))
    assert not online.refresh(within=timedelta(days=10)).certificates
    clock.forward(days=85)
    town.publish()
    fresh = only(online.refresh(within=timedelta(days=10)))
    assert fresh.expires_at > old.expires_at
    assert fresh.unused == 3


def test_a_person_carries_the_code_from_one_device_to_the_other(town):
    online = town.online()
    town.receive(online, town.offer(CODE, "dc+sd-jwt"))
    town.publish()
    made = town.ask_for(POLICY)
    answer = answered(online, made)
    place = f"{town.verifier_url}/api/requests/{made['id']}"
    assert town.ask("GET", place, token=API_KEY).status == 403
    assert town.ask("GET", f"{place}?code=000000x", token=API_KEY).status == 403
    seen = verdict(town, made, answer)
    assert seen["outcome"] == "ACCEPTED"
    assert seen["result"]["claims"]["residence"]["name"]
    moved = town.call("POST", f"{place}/submission", {"state": "received"}, token=API_KEY)
    assert [step["state"] for step in moved["steps"]] == ["submitted", "received"]


@pytest.mark.parametrize("form", ["dc+sd-jwt", "mso_mdoc"])
def test_on_one_device_the_browser_brings_the_code_back(town, form):
    online = town.online()
    town.receive(online, town.offer(CODE, form))
    town.publish()
    made = town.ask_for(POLICY, device="same_device", redirect=SHOP, formats=[form])
    answer = answered(online, made)
    assert answer.redirect_host == "shop.example"
    (brought,) = parse_qs(urlsplit(answer.redirect).query)["response_code"]
    place = f"{town.verifier_url}/api/requests/{made['id']}"
    assert town.ask("GET", place, token=API_KEY).status == 403
    assert town.call("GET", f"{place}?response_code={brought}", token=API_KEY)["outcome"] == "ACCEPTED"


@pytest.mark.parametrize("form", ["dc+sd-jwt", "vc+sd-jwt"])
def test_what_is_agreed_to_besides_is_shown_and_signed(town, form):
    online = town.online()
    town.receive(online, town.offer(CODE, form))
    town.publish()
    statement = {"type": "urn:vcred:transaction:statement:1", "statement": "새 주소로 우편물을 보내는 데 동의합니다."}
    made = town.ask_for(POLICY, formats=[form], transaction_data=[statement])
    asked = online.fetch_request(online.look_request(made["link"]))
    assert [one["statement"] for one in asked.consent.statements] == [statement["statement"]]
    seen = verdict(town, made, asked.answer(asked.consent.approve()))
    assert seen["outcome"] == "ACCEPTED"
    (agreed,) = [one for one in seen["result"]["checks"] if one["name"] == "transaction_data"]
    assert agreed["status"] == "PASSED"


@pytest.mark.parametrize("form", ["dc+sd-jwt", "mso_mdoc", "sd-cwt"])
def test_a_page_asks_through_the_digital_credentials_api(town, form):
    online = town.online()
    town.receive(online, town.offer(CODE, form))
    town.publish()
    made = town.ask_for(POLICY, mode="dc_api.jwt", device=None, origin=PAGE, formats=[form])
    place = f"{town.verifier_url}/api/requests/{made['id']}/dc"
    page = town.call("GET", place, token=API_KEY)
    asked = online.page_request(page["protocol"], page["data"], origin=PAGE)
    given = asked.answer(asked.consent.approve())
    seen = town.call("POST", place, {"protocol": page["protocol"], "data": given}, token=API_KEY)
    assert seen["outcome"] == "ACCEPTED"


def test_a_page_asks_under_each_name_of_the_bank(town):
    online = town.online()
    town.receive(online, town.offer(CODE, "dc+sd-jwt"))
    town.publish()
    made = town.ask_for(POLICY, mode="dc_api.jwt", device=None, origin=PAGE)
    place = f"{town.verifier_url}/api/requests/{made['id']}/dc"
    page = town.call("GET", f"{place}?protocol=openid4vp-v1-multisigned", token=API_KEY)
    assert page["protocol"] == "openid4vp-v1-multisigned"
    assert len(page["data"]["request"]["signatures"]) == 2
    asked = online.page_request(page["protocol"], page["data"], origin=PAGE)
    assert asked.consent.verifier.registered
    given = asked.answer(asked.consent.approve())
    seen = town.call("POST", place, {"protocol": page["protocol"], "data": given}, token=API_KEY)
    assert seen["outcome"] == "ACCEPTED"


def test_a_revoked_certificate_is_refused_once_the_list_is_published(town, clock):
    online = town.online()
    town.receive(online, town.offer(CODE, "dc+sd-jwt"))
    (issued,) = town.call("GET", f"{town.issuer_url}/admin/issued")
    place = f"{town.issuer_url}/admin/credentials/{issued['id']}/revoke"
    assert town.ask("POST", place, {"reason": "reissued"}).status == 204
    (uri,) = town.issuer.status_tokens(at=clock())
    listed = town.http.send("GET", uri, headers={"Accept": "application/statuslist+jwt"})
    assert (listed.status, listed.type) == (200, "application/statuslist+jwt")
    made = town.ask_for(POLICY)
    asked = online.fetch_request(online.look_request(made["link"]))
    consent = asked.consent.approve()
    town.publish()
    with pytest.raises(ServerError) as refusal:
        asked.answer(consent)
    assert refusal.value.status == 400
    seen = town.call("GET", f"{town.verifier_url}/api/requests/{made['id']}", token=API_KEY)
    assert seen["outcome"] == "REJECTED"
    assert [one["code"] for one in seen["result"]["reasons"]] == ["revoked"]
