"""Login by OpenID Connect: the provider's answer is believed when everything about it is right, and not otherwise."""

from __future__ import annotations

import json
import warnings
from dataclasses import replace
from datetime import timedelta
from urllib.parse import parse_qsl, urlsplit

import pytest
from joserfc import jwt
from joserfc.errors import SecurityWarning
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey

from issuer.server.identity import IdentityProvider, Login, LoginError
from issuer.server.login_settings import IdentityProviderSettings
from tests.services.issuer_kit import AT
from vcred.errors import SettingsError, TransportError
from vcred.outgoing import Answer

ISSUER = "https://login.example/realm"
CALLBACK = "https://issuer.example/garam/apply/callback"
LOGIN = Login(state="s-1", nonce="n-1", verifier="v" * 43, challenge="c-1")
KEYS = {
    "ES256": ECKey.generate_key("P-256", {"kid": "ec"}),
    "RS256": RSAKey.generate_key(2048, {"kid": "rsa"}),
    "PS256": RSAKey.generate_key(2048, {"kid": "ps"}),
    "EdDSA": OKPKey.generate_key("Ed25519", {"kid": "ed"}),
}
METADATA = {
    "issuer": ISSUER,
    "authorization_endpoint": f"{ISSUER}/auth?tenant=1",
    "token_endpoint": f"{ISSUER}/token",
    "jwks_uri": f"{ISSUER}/jwks",
}


class Agency:
    """An identity provider, as an ``Http``."""

    def __init__(self, *, algorithm="ES256", claims=None, header=None, key=None, metadata=None, published=None):
        self.algorithm, self.claims, self.header, self.key = algorithm, claims or {}, header or {}, key
        self.metadata = METADATA | (metadata or {})
        self.published = published if published is not None else [k.as_dict(private=False) for k in KEYS.values()]
        self.asked = []
        self.status, self.body = 200, None

    def send(self, method, url, *, headers=None, body=None, limit=0):
        self.asked.append((method, url, headers, body))
        if url.endswith("openid-configuration"):
            return _json(self.metadata)
        if url.endswith("/jwks"):
            return _json({"keys": self.published})
        return _json(self.body if self.body is not None else {"id_token": self.token()}, status=self.status)

    def token(self):
        now = int(AT.timestamp())
        claims = {
            "iss": ISSUER,
            "aud": "issuer",
            "sub": "key-17",
            "name": "김가람",
            "nonce": "n-1",
            "iat": now,
            "exp": now + 60,
        }
        claims = {name: value for name, value in (claims | self.claims).items() if value is not None}
        key = self.key or KEYS[self.algorithm]
        header = {"alg": self.algorithm, "kid": key.kid} | self.header
        if header["alg"] == "none":
            from vcred.formats._wire import b64u_encode

            return f"{b64u_encode(json.dumps(header).encode())}.{b64u_encode(json.dumps(claims).encode())}."
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # EdDSA by its old name
            return jwt.encode(header, claims, key, algorithms=[header["alg"]])


def _json(body, status=200):
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Answer(status=status, headers={"content-type": "application/json"}, body=raw)


def provider(agency, **changed):
    settings = IdentityProviderSettings.model_validate(
        {
            "issuer": ISSUER,
            "client_id": "issuer",
            "authentication": "client_secret_basic",
            "client_secret": "s e:cret",
            "algorithms": ["ES256", "RS256", "PS256", "EdDSA"],
        }
        | changed
    )
    return IdentityProvider(settings, http=agency, redirect_uri=CALLBACK)


def finish(agency, answer=None, **changed):
    return provider(agency, **changed).finish(LOGIN, answer or {"code": "c-1", "state": "s-1"}, at=AT)


@pytest.mark.parametrize("algorithm", ["ES256", "RS256", "PS256", "EdDSA"])
def test_whoever_the_provider_vouches_for_is_logged_in(algorithm):
    agency = Agency(algorithm=algorithm)
    who = finish(agency)
    assert (who.subject, who.name) == ("key-17", "김가람")
    assert "key-17" not in repr(who)
    _, url, headers, body = agency.asked[-1]
    assert url == f"{ISSUER}/token"
    assert headers["Authorization"] == "Basic aXNzdWVyOnMlMjBlJTNBY3JldA=="
    form = dict(parse_qsl(body.decode()))
    assert form == {"grant_type": "authorization_code", "code": "c-1", "redirect_uri": CALLBACK, "code_verifier": "v" * 43}  # fmt: skip


def test_the_browser_is_sent_with_state_nonce_and_pkce():
    there = provider(Agency(), acr=["urn:kr:loa3"]).begin(LOGIN, lang="ko", at=AT)
    parts = urlsplit(there)
    asked = dict(parse_qsl(parts.query))
    assert there.startswith(f"{ISSUER}/auth?tenant=1&")
    assert asked["state"] == "s-1"
    assert asked["nonce"] == "n-1"
    assert (asked["code_challenge"], asked["code_challenge_method"]) == ("c-1", "S256")
    assert asked["acr_values"] == "urn:kr:loa3"
    assert "v" * 43 not in there


@pytest.mark.parametrize(
    ("claims", "said"),
    [
        ({"iss": "https://other.example"}, "somebody else"),
        ({"aud": "another"}, "somebody else"),
        ({"aud": ["issuer", "another"]}, "another client"),
        ({"aud": ["issuer"], "azp": "another"}, "another client"),
        ({"nonce": "n-2"}, "another login"),
        ({"nonce": None}, "another login"),
        ({"exp": int(AT.timestamp()) - 61}, "expired"),
        ({"exp": None}, "no times"),
        ({"iat": int(AT.timestamp()) + 120}, "future"),
        ({"sub": None}, "knows? who|names nobody"),
        ({"sub": "x" * 300}, "know who"),
        ({"sub": 17}, "names nobody"),
    ],
)
def test_an_id_token_that_is_not_for_this_login_is_refused(claims, said):
    with pytest.raises(LoginError, match=said):
        finish(Agency(claims=claims))


def test_jw_01_a_token_without_signature_or_by_a_shared_secret_is_refused():
    with pytest.raises(LoginError, match="algorithm"):
        finish(Agency(header={"alg": "none"}))
    secret = OctKey.import_key(json.dumps(KEYS["RS256"].as_dict(private=False)).encode(), {"kid": "rsa"})
    with pytest.raises(LoginError, match="algorithm"):
        finish(Agency(algorithm="HS256", key=secret))


def test_an_algorithm_that_the_settings_do_not_name_is_refused():
    with pytest.raises(LoginError, match="algorithm"):
        finish(Agency(algorithm="RS256"), algorithms=["ES256"])


@pytest.mark.parametrize("algorithm", ["ES256", "RS256"])
def test_a_key_that_the_provider_does_not_publish_is_refused(algorithm):
    strange = (
        ECKey.generate_key("P-256", {"kid": "ec"})
        if algorithm == "ES256"
        else RSAKey.generate_key(2048, {"kid": "rsa"})
    )
    with pytest.raises(LoginError, match="signature"):
        finish(Agency(algorithm=algorithm, key=strange))
    unknown = ECKey.generate_key("P-256", {"kid": "new"})
    with pytest.raises(LoginError, match="does not publish"):
        finish(Agency(key=unknown))


def test_a_short_rsa_key_and_one_for_encryption_are_refused():
    with pytest.warns(SecurityWarning):
        short = RSAKey.generate_key(1024, {"kid": "rsa"})
    with pytest.raises(LoginError, match="does not publish"):
        finish(Agency(algorithm="RS256", key=short, published=[short.as_dict(private=False)]))
    encrypting = KEYS["ES256"].as_dict(private=False) | {"use": "enc"}
    with pytest.raises(LoginError, match="does not publish"):
        finish(Agency(published=[encrypting]))


def test_a_key_that_is_new_is_looked_for_once_a_minute():
    agency = Agency()
    found = provider(agency)
    assert found.finish(LOGIN, {"code": "c"}, at=AT).subject == "key-17"
    agency.key = ECKey.generate_key("P-256", {"kid": "next"})
    with pytest.raises(LoginError):
        found.finish(LOGIN, {"code": "c"}, at=AT)
    agency.published = [agency.key.as_dict(private=False)]
    asked = len(agency.asked)
    with pytest.raises(LoginError):
        found.finish(LOGIN, {"code": "c"}, at=AT + timedelta(seconds=30))
    assert len(agency.asked) == asked + 1, "the token alone"
    agency.claims = {"iat": int(AT.timestamp()) + 61, "exp": int(AT.timestamp()) + 200}
    assert found.finish(LOGIN, {"code": "c"}, at=AT + timedelta(seconds=61)).subject == "key-17"


@pytest.mark.parametrize(
    "token", ["", "a.b", "a.b.c.d", "x" * 20_000, "é.é.é", "..", "eyJhbGciOiJFUzI1NiJ9.e30.AAAA", 17, None]
)
def test_what_is_no_id_token_is_refused(token):
    agency = Agency()
    agency.body = {"id_token": token}
    with pytest.raises(LoginError):
        finish(agency)


@pytest.mark.parametrize(
    ("metadata", "said"),
    [
        ({"issuer": "https://other.example"}, "another issuer"),
        ({"token_endpoint": "http://login.example/token"}, "https"),
        ({"authorization_endpoint": "javascript:alert(1)"}, "https"),
        ({"jwks_uri": None}, "https"),
    ],
)
def test_metadata_of_somebody_else_is_refused(metadata, said):
    with pytest.raises(TransportError, match=said):
        provider(Agency(metadata=metadata)).begin(LOGIN, lang="ko", at=AT)


def test_an_answer_of_another_provider_is_refused():
    with pytest.raises(LoginError, match="another provider"):
        finish(Agency(), {"code": "c", "iss": "https://other.example"})
    with pytest.raises(LoginError, match="another provider"):
        finish(Agency(metadata={"authorization_response_iss_parameter_supported": True}), {"code": "c"})
    with pytest.raises(LoginError, match="turned the login away"):
        finish(Agency(), {"error": "access_denied"})


def test_a_level_of_assurance_that_is_too_low_is_refused():
    with pytest.raises(LoginError, match="assurance"):
        finish(Agency(claims={"acr": "loa1"}), acr=["loa3"])
    assert finish(Agency(claims={"acr": "loa3"}), acr=["loa3"]).subject == "key-17"


def test_the_registrys_key_may_take_more_than_a_claim(tmp_path, monkeypatch):
    (tmp_path / "our_people.py").write_text(
        "def find(claims):\n    return {'CI-1': 'key-99'}.get(claims.get('ci'))\n", encoding="utf-8"
    )
    monkeypatch.syspath_prepend(tmp_path)
    lookup = "python:our_people:find"
    assert finish(Agency(claims={"ci": "CI-1"}), lookup=lookup).subject == "key-99"
    with pytest.raises(LoginError, match="does not know"):
        finish(Agency(claims={"ci": "CI-2"}), lookup=lookup)
    with pytest.raises(SettingsError):
        provider(Agency(), lookup="our_people:find")


def test_verifying_one_login_costs_little():
    agency = Agency()
    found = provider(agency)
    found.finish(LOGIN, {"code": "c"}, at=AT)
    asked = len(agency.asked)
    for _ in range(5):
        found.finish(replace(LOGIN), {"code": "c"}, at=AT)
    assert len(agency.asked) == asked + 5, "metadata and keys are kept"
