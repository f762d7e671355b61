"""Our wallet receives from somebody else's issuer and answers somebody else's verifier (@openid4vc/*), over TLS."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta

import pytest

from tests.interop.kit import frame, plain, private_jwk
from tests.services.issuer_kit import Authority
from tests.services.town import Town
from vcred.claims import SD
from vcred.errors import ConsentError
from vcred.keys import SoftwareSigner

pytestmark = [pytest.mark.loopback, pytest.mark.slow]

CODE, CARD = "resident.personal", "id.resident_mobile"
CODE_GRANT = "authorization_code"
JWT_PROOF = {"jwt": {"proof_signing_alg_values_supported": ["ES256"]}}


@pytest.fixture(scope="module")
def town(tmp_path_factory):
    folder = tmp_path_factory.mktemp("town")
    now = lambda: datetime.now(UTC)  # noqa: E731 - a clock
    with Town(folder, clock=now, database=lambda name: f"sqlite:///{folder / name}.db") as opened:
        yield opened


@pytest.fixture
def there(node, town):
    """Where their services are."""
    tls = town.tls.server()
    yield node.call("theirs.listen", key=tls.key.read_text(), certificate=tls.certificate.read_text())
    node.call("theirs.close")


@pytest.fixture
def theirs(town, there):
    """Their signing keys, which our trust bundle knows."""
    town.others[there] = Authority("하늘시", id=there)
    town.publish()
    yield town.others[there]
    del town.others[there]


def b64(*certificates):
    return [base64.b64encode(one).decode() for one in certificates]


def certificate(town, url):
    """What they certify as an SD-JWT VC: our type, by their library."""
    kind, now = town.catalog[CODE], datetime.now(UTC)
    tree = kind.issue(kind.sample, variant=None, options={}, issued_on=now.date())
    span = {"iat": int(now.timestamp()), "exp": int((now + timedelta(days=80)).timestamp())}
    claims = plain(tree) | {"iss": url, "vct": kind.vct} | span
    metadata = {
        "format": "dc+sd-jwt",
        "vct": kind.vct,
        "scope": CODE,
        "cryptographic_binding_methods_supported": ["jwk"],
        "credential_signing_alg_values_supported": ["ES256"],
        "proof_types_supported": JWT_PROOF,
    }
    return {"metadata": metadata, "claims": claims, "frame": frame(SD(tree))}


def offered(node, town, url, authority, **more):
    return node.call(
        "theirs.offer",
        url=url,
        signingKey=private_jwk(authority.key),
        chain=b64(authority.leaf),
        tokenKey=private_jwk(SoftwareSigner.generate()),
        credentials={CODE: certificate(town, url)},
        **more,
    )


def test_our_wallet_redeems_their_offer(node, town, there, theirs):
    online = town.online(attester=None)
    offer = offered(node, town, there, theirs, txCode="4711")
    consent = online.fetch(online.look(offer))
    assert consent.trusted
    assert consent.tx_code.length == 4
    with pytest.raises(ConsentError):
        consent.approve()
    (held,) = consent.approve(tx_code="4711").certificates
    assert (held.code, held.issuer, held.total) == (CODE, there, 3)
    seen = node.call("theirs.seen")
    assert (seen["copies"], seen["dpop"], seen["events"]) == (3, True, ["credential_accepted"])


def test_our_wallet_is_authorized_by_their_server(node, town, there, theirs):
    online = town.online(attester=None, client_id="our-wallet")
    consent = online.fetch(online.look(offered(node, town, there, theirs, grant=CODE_GRANT)))
    assert consent.login
    (held,) = consent.approve().certificates
    assert held.issuer == there
    seen = node.call("theirs.seen")
    assert (seen["grant"], seen["state"], seen["dpop"]) == (CODE_GRANT, True, True)
    assert seen["request"]["code_challenge_method"] == "S256"


@pytest.mark.parametrize("method", ["get", "post"])
def test_our_wallet_answers_their_verifier(node, town, there, theirs, method):
    online = town.online(attester=None)
    online.fetch(online.look(offered(node, town, there, theirs))).approve()
    query = {
        "credentials": [
            {
                "id": "who",
                "format": "dc+sd-jwt",
                "meta": {"vct_values": [town.catalog[CODE].vct]},
                "claims": [{"path": ["name"]}, {"path": ["currentAddress", "movedInOn"]}],
            }
        ]
    }
    go_on = "https://shop.example/thanks"
    link = node.call(
        "theirs.ask",
        url=there,
        readerKey=private_jwk(town.reader.signer),
        chain=b64(*town.reader.chain),
        clientId=town.reader.client_id,
        query=query,
        issuerKey=theirs.key.public_key.to_jwk(),
        trusted=[],
        method=method,
        redirectUri=go_on,
    )
    asked = online.fetch_request(online.look_request(link))
    answer = asked.answer(asked.consent.approve())
    assert (answer.redirect, answer.redirect_host) == (go_on, "shop.example")
    told = node.call("theirs.verdict")
    assert told["state"]
    assert told["mode"] == "Encrypted"
    (shown,) = told["presentations"]["who"]
    assert shown["name"] == town.catalog[CODE].sample["name"]
    assert "nameHanja" not in json.dumps(shown)
