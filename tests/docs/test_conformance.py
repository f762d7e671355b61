"""The settings of docs/conformance load as printed, and both services start from them with the test query."""

from __future__ import annotations

import asyncio
import hashlib
import json
import tomllib
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from issuer import Issuer, IssuerProfile
from issuer.server.app import create_app as create_issuer
from issuer.server.settings import IssuerServerSettings
from issuer.server.store import ServiceStore
from tests.services.issuer_kit import Authority
from tests.services.kit import TestAuthority
from vcred.catalog import Catalog, lint
from vcred.outgoing import Outgoing
from vcred.policy import VerificationPolicy
from vcred.serving import load_settings
from vcred.testing import SampleRecords, World
from verifier import Verifier
from verifier.server.app import create_app as create_verifier
from verifier.server.parts import load_storage_key
from verifier.server.settings import VerifierServerSettings
from verifier.server.store import VerifierStore

FOLDER = Path(__file__).parents[2] / "docs" / "conformance"
PAGE = FOLDER.parent / "conformance.md"
SUITE = "https://suite.example/test/a/vcred/"
AT = datetime(2026, 9, 26, 3, 0, tzinfo=UTC)


@pytest.fixture
def here(tmp_path, monkeypatch):
    """The files that the settings name, as whoever runs the suite puts them beside the settings."""
    monkeypatch.chdir(tmp_path)
    made = TestAuthority(tmp_path).server("issuer.test.example")
    Path("server.pem").write_bytes(made.certificate.read_bytes())
    Path("server.key").write_bytes(made.key.read_bytes())
    Authority("시험 도구").pem(Path("suite-attester-ca.pem"))
    Path("storage.key").write_text("ab" * 32)
    for name in ("test.trust", "test-root.json", "reader.pem"):
        Path(name).write_bytes(b"-")
    for name in ("pid-policy.toml", "mdl-policy.toml"):
        Path(name).write_bytes((FOLDER / name).read_bytes())
    return tmp_path


def get(app, base_url, path, **headers):
    async def go():
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=base_url) as client:
            return await client.get(path, headers=headers)

    return asyncio.run(go())


def loaded(model, name):
    return load_settings(model, file=FOLDER / name, prefix="VCRED_NOT_SET", environ={})


def test_the_issuer_starts_from_its_settings(here):
    settings = loaded(IssuerServerSettings, "issuer.toml")
    assert {one.redirect_uris[0] for one in settings.clients} == {f"{SUITE}callback"}
    catalog = Catalog.builtin()
    city = Authority("가람시", id=settings.base_url)
    profile = IssuerProfile(id=settings.base_url, signer=city.key, chain=(city.leaf,))
    with ServiceStore(here / "issuer.db") as store:
        issuer = Issuer(profile, records=SampleRecords(catalog), catalog=catalog, store=store)
        app = create_issuer(settings, issuer=issuer, store=store, http=Outgoing(), clock=lambda: AT)
        base = "https://issuer.test.example"
        told = get(app, base, "/.well-known/openid-credential-issuer/garam").json()
        assert told["credential_issuer"] == settings.base_url
        assert told["batch_credential_issuance"] == {"batch_size": 5}
        assert all(one["scope"] for one in told["credential_configurations_supported"].values())
        server = get(app, base, "/.well-known/oauth-authorization-server/garam").json()
        assert server["require_pushed_authorization_requests"]
        assert "attest_jwt_client_auth" in server["token_endpoint_auth_methods_supported"]
        assert server["dpop_signing_alg_values_supported"]


def test_the_verifier_starts_from_its_settings_and_asks_for_the_test_credential(here):
    settings = loaded(VerifierServerSettings, "verifier.toml")
    assert settings.wallet_endpoints == (f"{SUITE}authorize",)
    assert settings.api_keys[0].sha256 == hashlib.sha256(b"conformance").hexdigest()
    texts = Catalog.builtin().texts() | {"pid.toml": (FOLDER / "pid.toml").read_text(encoding="utf-8")}
    world = World(at=AT, catalog=Catalog.from_texts(texts))
    policy = VerificationPolicy.load((FOLDER / "pid-policy.toml").read_text(encoding="utf-8"))
    database = f"sqlite:///{here / 'verifier.db'}"
    with VerifierStore(database, key=load_storage_key(settings.storage_key)) as store:
        app = create_verifier(
            settings,
            verifier=Verifier(world.trust, world.identity, store),
            policies={policy.id: policy},
            store=store,
            http=Outgoing(),
            clock=lambda: AT,
        )
        call = {"policy": policy.id, "device": "cross_device"}

        async def ask():
            async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=settings.base_url) as client:
                headers = {"Authorization": "Bearer conformance"}
                made = (await client.post("/api/requests", json=call, headers=headers)).json()
                return made, (await client.get(made["request_uri"])).text

        made, token = asyncio.run(ask())
    assert made["link"].startswith(f"{SUITE}authorize?")
    query = payload(token)["dcql_query"]
    assert [one["meta"] for one in query["credentials"]] == [{"vct_values": ["urn:eudi:pid:1"]}]
    assert [one["path"] for one in query["credentials"][0]["claims"]] == [["birthdate"], ["nationalities"]]


def payload(token):
    import base64

    part = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


def test_the_test_types_are_in_order():
    assert not lint([FOLDER / "pid.toml", FOLDER / "mdl.toml"])


def test_the_page_names_every_file_and_they_are_toml():
    text = PAGE.read_text(encoding="utf-8")
    for file in sorted(FOLDER.iterdir()):
        assert f"conformance/{file.name}" in text
        assert tomllib.loads(file.read_text(encoding="utf-8"))
