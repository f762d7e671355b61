"""Somebody else's wallet (@openid4vc/*, @sd-jwt/*, @owf/mdoc) receives from our issuer and answers our verifier.

Everything goes over real sockets with TLS, at the real time: nobody can move the clock of a library.
"""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import cbor2
import pytest

from tests.interop.kit import private_jwk
from tests.services.issuer_kit import Authority
from tests.services.town import ADMIN, API_KEY, Town
from vcred.catalog import Catalog
from vcred.formats.known import Formats
from vcred.keys import SoftwareSigner
from vcred.oauth import build_client_attestation
from vcred.oid4vci import decode_credential

pytestmark = [pytest.mark.loopback, pytest.mark.slow]

CODE, CARD = "resident.personal", "id.resident_mobile"
CLIENT = "https://wallet.example"
CALLBACK = "https://wallet.example/callback"
PRE_AUTHORIZED = "urn:ietf:params:oauth:grant-type:pre-authorized_code"
FORMATS = ("dc+sd-jwt", "mso_mdoc")


class ForeignWallet:
    """The keys of an installation, as private JWKs for Node; a maker whom the issuer trusts has attested it."""

    def __init__(self, node, town, *, copies=1):
        self._node, self._town = node, town
        self.instance, self.dpop = SoftwareSigner.generate(), SoftwareSigner.generate()
        self.keys = [SoftwareSigner.generate() for _ in range(copies)]

    def receive(self, offer, **more):
        attestation = build_client_attestation(
            self._town.attester.key,
            self.instance.public_key,
            client_id=CLIENT,
            issuer="https://maker.example",
            at=datetime.now(UTC),
            lifetime=timedelta(hours=1),
            x5c=(self._town.attester.leaf,),
        )
        return self._node.call(
            "openid4vc.receive",
            offer=offer,
            authority=self._town.tls.file.read_text(),
            attestation=attestation,
            clientId=CLIENT,
            redirectUri=CALLBACK,
            instanceKey=private_jwk(self.instance),
            dpopKey=private_jwk(self.dpop),
            holderKeys=[private_jwk(key) for key in self.keys],
            **more,
        )


@pytest.fixture(scope="module")
def town(tmp_path_factory):
    folder = tmp_path_factory.mktemp("town")
    deferred = {"deferred": ["edu.graduation"], "deferred_interval": 1}
    now = lambda: datetime.now(UTC)  # noqa: E731 - a clock
    with Town(folder, clock=now, database=lambda name: f"sqlite:///{folder / name}.db", **deferred) as opened:
        yield opened


def offered(town, form, *, grant="pre-authorized", code=CODE, **more):
    order = {"code": code, "subject": "sample", "formats": [form], "grant": grant, **more}
    return town.call("POST", f"{town.issuer_url}/admin/offers", order)


def read(town, form, credential):
    """A credential as it came over the wire, opened."""
    return Formats(town.catalog)[form].open(decode_credential(form, credential, "credential"))


@pytest.mark.parametrize("form", FORMATS)
def test_a_foreign_wallet_redeems_a_pre_authorized_code(node, town, form):
    wallet = ForeignWallet(node, town, copies=3)
    made = offered(town, form)
    got = wallet.receive(made["uri"], txCode=made["tx_code"])
    assert got["format"] == form
    assert got["grants"] == [PRE_AUTHORIZED]
    assert got["tokenType"] == "DPoP"
    assert got["draft"] == "V1"
    assert got["notified"]
    assert len(set(got["credentials"])) == 3
    opened = [read(town, form, one) for one in got["credentials"]]
    assert {one.holder_key for one in opened} == {key.public_key for key in wallet.keys}


@pytest.mark.parametrize("form", FORMATS)
def test_a_foreign_wallet_is_authorized_with_par_pkce_and_dpop(node, town, form):
    wallet = ForeignWallet(node, town)
    made = offered(town, form, grant="authorization_code")
    got = wallet.receive(made["uri"], grant="authorization_code")
    assert got["grants"] == ["authorization_code"]
    assert got["tokenType"] == "DPoP"
    assert got["refreshToken"]
    (credential,) = got["credentials"]
    assert read(town, form, credential).holder_key == wallet.keys[0].public_key


def test_a_foreign_wallet_fetches_what_took_time(node, town):
    wallet = ForeignWallet(node, town)
    made = offered(town, "dc+sd-jwt", code="edu.graduation")
    place = f"{town.issuer_url}/admin/applications/{made['application_id']}/approve"
    ready = {"url": place, "headers": {"authorization": f"Bearer {ADMIN}"}, "body": ""}
    got = wallet.receive(made["uri"], txCode=made["tx_code"], ready=ready)
    assert got["deferred"]
    assert len(got["credentials"]) == 1


def elements_in(credential):
    """Namespace -> element -> value, as any reader of an mdoc finds them."""
    signed = cbor2.loads(base64.urlsafe_b64decode(credential + "=" * (-len(credential) % 4)))
    found = {}
    for namespace, items in signed["nameSpaces"].items():
        for item in items:
            element = cbor2.loads(item.value)
            value = element["elementValue"]
            found.setdefault(namespace, {})[element["elementIdentifier"]] = (
                value if isinstance(value, str | bool) else True
            )
    return found


def holding(wallet, town, form, got):
    """What the foreign wallet knows of a credential that it received."""
    opened = read(town, form, got["credentials"][0])
    one = {"format": form, "credential": got["credentials"][0], "key": private_jwk(wallet.keys[0])}
    if form == "mso_mdoc":
        # It knows the elements, and nothing of what they are to each other.
        return one | {"doctype": opened.doctype, "claims": elements_in(got["credentials"][0])}
    return one | {"vct": town.catalog[CODE].vct, "claims": dict(opened.claims)}


@pytest.mark.parametrize("method", ["get", "post"])
@pytest.mark.parametrize(
    ("form", "code", "policy"),
    [
        ("dc+sd-jwt", CODE, "bank.address-change"),
        ("mso_mdoc", CODE, "bank.address-change"),
        ("mso_mdoc", CARD, "shop.of-age"),
        ("mso_mdoc", CARD, "bank.id-check"),
    ],
)
def test_a_foreign_wallet_answers_our_verifier(node, town, form, code, policy, method):
    wallet = ForeignWallet(node, town)
    made = offered(town, form, code=code)
    got = wallet.receive(made["uri"], txCode=made["tx_code"])
    town.publish()
    asked = town.ask_for(policy, formats=[form])
    link = asked["link"] if method == "post" else asked["link"].replace("&request_uri_method=post", "")
    answer = node.call(
        "openid4vc.answer",
        request=link,
        authority=town.tls.file.read_text(),
        roots=[base64.b64encode(town.reader_root).decode()],
        wallet=[holding(wallet, town, form, got)],
    )
    assert (answer["status"], answer["type"]) == (200, "application/json"), answer["body"]
    assert (answer["mode"], answer["prefix"]) == ("direct_post.jwt", "x509_hash")
    carry = json.loads(answer["body"])["redirect_uri"]
    brought = town.call("GET", carry, token=None)["code"]
    seen = town.call("GET", f"{town.verifier_url}/api/requests/{asked['id']}?code={brought}", token=API_KEY)
    assert seen["outcome"] == "ACCEPTED"
    assert seen["result"]["claims"]


def test_a_foreign_wallet_shows_our_verifier_the_test_credential_of_a_foreign_issuer(node, tmp_path):
    """The query, type and trust of docs/conformance, with a credential as the conformance suite makes one."""
    folder = Path(__file__).parents[2] / "docs" / "conformance"
    texts = Catalog.builtin().texts() | {"pid.toml": (folder / "pid.toml").read_text(encoding="utf-8")}
    now = lambda: datetime.now(UTC)  # noqa: E731 - a clock
    with Town(
        tmp_path,
        clock=now,
        database=lambda name: f"sqlite:///{tmp_path / name}.db",
        catalog=Catalog.from_texts(texts),
        verifier={"policies": [folder / "pid-policy.toml"]},
    ) as town:
        url = "https://suite.example/issuer"
        suite, holder = Authority("시험 도구", id=url), SoftwareSigner.generate()
        town.others[url] = suite
        town.publish()
        seconds = int(now().timestamp())
        hidden = {"given_name": "Jean", "family_name": "Dupont", "birthdate": "1980-05-23", "nationalities": ["BE"]}
        claims = {"iss": url, "vct": "urn:eudi:pid:1", "iat": seconds, "exp": seconds + 86_400, **hidden}
        credential = node.call(
            "sd_jwt.issue",
            claims=claims | {"cnf": {"jwk": holder.public_key.to_jwk()}},
            frame={"_sd": list(hidden)},
            key=private_jwk(suite.key),
            header={"typ": "dc+sd-jwt", "x5c": [base64.b64encode(suite.leaf).decode()]},
        )
        asked = town.ask_for("test.pid")
        held = {"format": "dc+sd-jwt", "vct": claims["vct"], "claims": hidden, "key": private_jwk(holder)}
        answer = node.call(
            "openid4vc.answer",
            request=asked["link"],
            authority=town.tls.file.read_text(),
            roots=[base64.b64encode(town.reader_root).decode()],
            wallet=[held | {"credential": credential}],
        )
        assert answer["status"] == 200, answer["body"]
        brought = town.call("GET", json.loads(answer["body"])["redirect_uri"], token=None)["code"]
        seen = town.call("GET", f"{town.verifier_url}/api/requests/{asked['id']}?code={brought}", token=API_KEY)
        assert seen["outcome"] == "ACCEPTED"
        shown = seen["result"]["claims"]["who"]
        assert (shown["birthdate"], shown["nationalities"]) == ("1980-05-23", ["BE"])
        assert "family_name" not in shown
