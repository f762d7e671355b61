"""Authorization server metadata, settings, and the frame of the service."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pydantic import ValidationError

from issuer.server.settings import IssuerServerSettings
from tests.services.issuer_kit import BASE, CALLBACK, SCOPE, Wallet, parameters
from vcred.oauth import AuthorizationServer, well_known
from vcred.serving import load_settings


@pytest.fixture
def target(tmp_path):
    """Which database it is makes no difference here."""
    return str(tmp_path / "issuer.db")


def test_the_metadata_is_where_the_path_is_inserted_and_reads_as_a_wallet_reads_it(service):
    place = well_known(BASE, "oauth-authorization-server")
    assert place == "https://issuer.example/.well-known/oauth-authorization-server/garam"
    answer = service.send("GET", place)
    assert answer.headers["content-type"] == "application/json"
    body = answer.json()
    found = AuthorizationServer.parse(body, issuer=BASE)
    assert found.par_endpoint == f"{BASE}/par"
    assert found.par_required
    assert found.iss_in_response
    assert found.challenge_endpoint == f"{BASE}/challenge"
    assert found.code_challenge_methods == {"S256"}
    assert found.auth_methods == {"attest_jwt_client_auth", "attest_jwt_client_auth_dpop"}
    assert not found.anonymous_pre_authorized
    assert SCOPE in body["scopes_supported"]
    assert body["client_attestation_signing_alg_values_supported"] == ["ES256", "ES384", "EdDSA"]


def test_the_metadata_says_what_the_settings_allow(serve):
    client = {"id": "demo", "authentication": "none", "redirect_uris": [CALLBACK]}
    service = serve(wallet_attesters=[], clients=[client], anonymous_pre_authorized=True, require_par=False)
    found = AuthorizationServer.parse(
        service.send("GET", "/.well-known/oauth-authorization-server/garam").json(), issuer=BASE
    )
    assert found.auth_methods == {"none"}
    assert found.anonymous_pre_authorized
    assert not found.par_required
    assert found.challenge_endpoint is None


def test_an_issuer_without_a_path_has_its_documents_at_the_root(serve):
    service = serve(base_url="https://issuer.example")
    body = service.send("GET", "/.well-known/oauth-authorization-server").json()
    assert body["token_endpoint"] == "https://issuer.example/token"
    assert service.send("POST", "/nonce").status_code == 200


def test_the_service_is_described_healthy_and_limited(service):
    document = service.send("GET", "/garam/openapi.json").json()
    assert "/garam/token" in document["paths"]
    body = document["paths"]["/garam/token"]["post"]["requestBody"]["content"]
    assert "pre-authorized_code" in body["application/x-www-form-urlencoded"]["schema"]["properties"]
    assert service.send("GET", "/readyz").json() == {"status": "ok", "missing": {}}
    answer = service.send("POST", "/garam/token", content=b"a" * 300_000)
    assert answer.status_code == 413


@pytest.mark.parametrize(
    "wrong",
    [
        {"base_url": "http://issuer.example"},
        {"base_url": "https://issuer.example/"},
        {"base_url": "https://issuer.example/a/"},
        {"base_url": "https://issuer.example?x"},
        {"base_url": "https://user@issuer.example"},
        {"base_url": "https://issuer.example/a b"},
        {"auto_approve": "registry-key-17"},
        {"wallet_attesters": [{}]},
        {"clients": [{"id": "a", "authentication": "private_key_jwt"}]},
        {"clients": [{"id": "a", "authentication": "none"}] * 2},
        {"clients": [{"id": "a", "authentication": "none", "jwks": __file__}]},
        {"lifetimes": {"code": 0}},
        {"encryption": {"requests": "off"}},
        {"unknown": 1},
    ],
)
def test_settings_that_are_wrong_are_refused(wrong):
    with pytest.raises(ValidationError):
        IssuerServerSettings.model_validate({"base_url": BASE} | wrong)


def test_the_settings_in_the_documentation_are_settings(tmp_path, monkeypatch):
    page = (Path(__file__).parents[3] / "docs" / "issuer-service.md").read_text(encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    for name in ("server.pem", "server.key", "wallet-makers.pem"):
        Path(name).touch()
    blocks = re.findall(r"^```toml\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    file = tmp_path / "service.toml"
    file.write_text("\n".join(blocks), encoding="utf-8")
    environ = {"VCRED_ISSUER__LIFETIMES__CODE": "30", "OTHER": "1"}
    found = load_settings(IssuerServerSettings, file=file, prefix="VCRED_ISSUER", environ=environ)
    assert (found.path, found.lifetimes.code, found.lifetimes.access_token) == ("/garam", 30, 600)
    documented = set(re.findall(r"`\[?([a-z_]+)", page))
    assert {*IssuerServerSettings.model_fields} - documented <= set(), "every member is in the documentation"


def test_auto_approval_needs_development_and_goes_to_the_wallet_at_once(serve):
    service = serve(development=True, auto_approve="registry-key-17")
    if service.parts.applications is None:
        pytest.skip("nobody takes applications yet")
    wallet = Wallet(service)
    answer = wallet.authorize(wallet.par().json()["request_uri"])
    assert answer.status_code == 303
    assert "set-cookie" not in answer.headers
    code = parameters(answer.headers["location"])["code"]
    assert wallet.token(code=code).status_code == 200
