"""What wallets are told about the issuer, plain and signed, in Korean and English (section 12.2)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from issuer import Issuer
from tests.services.issuer_kit import (  # noqa: F401 - fixtures
    BASE,
    CATALOG,
    CITY,
    CONFIGURATION,
    OTHER,
    Service,
    clock,
    serve,
    target,
)
from vcred.errors import RefusedError, SettingsError
from vcred.keys import PublicKey
from vcred.oid4vci import IssuerMetadata, check_signed_metadata
from vcred.testing import SampleRecords
from vcred.trust.foreign import signer_key

PLACE = "/.well-known/openid-credential-issuer/garam"
NAMES = {"ko": "가람시 (가상)", "en": "Garam City (fictitious)"}


@pytest.fixture
def service(tmp_path, clock):  # noqa: F811 - fixture
    found = Service(str(tmp_path / "issuer.db"), tmp_path, clock, names=NAMES)
    yield found
    found.close()


def get(service, **headers):
    answer = service.send("GET", PLACE, headers=headers)
    assert answer.status_code == 200
    return answer


def test_a_wallet_reads_everything_it_needs(service):
    answer = get(service)
    assert answer.headers["content-type"] == "application/json"
    found = IssuerMetadata.parse(answer.json(), issuer=BASE)
    assert found.credential_endpoint == f"{BASE}/credential"
    assert found.nonce_endpoint == f"{BASE}/nonce"
    assert found.deferred_endpoint == f"{BASE}/deferred"
    assert found.notification_endpoint == f"{BASE}/notification"
    assert found.batch_size == 20
    assert found.request_encryption is not None
    assert found.response_encryption == ("A256GCM", "A128GCM")
    assert found.name("ko") == NAMES["ko"]
    assert found.name("en") == NAMES["en"]
    codes = {name.partition("/")[0] for name in found.configurations}
    assert codes == {code for code in CATALOG if {"dc+sd-jwt", "sd-cwt"} & set(CATALOG[code].formats)}
    scopes = [one.scope for one in found.configurations.values()]
    assert len(set(scopes)) == len(scopes)
    assert "authorization_servers" not in answer.json()
    assert service.send("GET", "/.well-known/openid-credential-issuer").status_code == 404


def test_each_configuration_says_what_it_is(service):
    found = get(service).json()["credential_configurations_supported"]
    kind = CATALOG["resident.personal"]
    jose, cose = found[CONFIGURATION], found[OTHER]
    assert (jose["format"], jose["vct"], jose["scope"]) == ("dc+sd-jwt", kind.vct, "resident.personal.dc+sd-jwt")
    assert jose["credential_signing_alg_values_supported"] == ["ES256"]
    assert cose["credential_signing_alg_values_supported"] == [-7, -9]
    assert jose["cryptographic_binding_methods_supported"] == ["jwk"]
    assert cose["cryptographic_binding_methods_supported"] == ["cose_key"]
    assert jose["proof_types_supported"] == {"jwt": {"proof_signing_alg_values_supported": ["ES256"]}}
    display = jose["credential_metadata"]["display"]
    assert [(one["locale"], one["name"]) for one in display] == [("ko-KR", kind.name("ko")), ("en-US", kind.name("en"))]
    claims = {tuple(one["path"]): one for one in jose["credential_metadata"]["claims"]}
    assert set(claims) == {spec.path.parts for spec in kind.walk()}
    assert claims["rrn", "birthDate"]["display"][0]["name"] == next(
        spec.name("ko") for spec in kind.walk() if spec.path.parts == ("rrn", "birthDate")
    )


def test_mdoc_and_w3c_configurations(tmp_path, clock):  # noqa: F811 - fixture
    from issuer.server.app import create_app
    from tests.services.issuer_kit import NoNetwork

    plain = Service(str(tmp_path / "i.db"), tmp_path, clock)
    profile = replace(
        plain.parts.issuer.profile, formats=("mso_mdoc", "vc+jwt"), types=frozenset({"id.resident_mobile"})
    )
    issuer = Issuer(profile, records=SampleRecords(CATALOG), catalog=CATALOG, store=plain.store)
    plain.app = create_app(plain.settings, issuer=issuer, store=plain.store, http=NoNetwork(), clock=clock)
    found = get(plain).json()["credential_configurations_supported"]
    plain.close()
    kind = CATALOG["id.resident_mobile"]
    mdoc, w3c = found["id.resident_mobile/mso_mdoc"], found.get("id.resident_card/vc+jwt")
    assert mdoc["doctype"] == kind.doctype
    assert mdoc["credential_signing_alg_values_supported"] == [-7, -9]
    assert mdoc["cryptographic_binding_methods_supported"] == ["cose_key"]
    paths = {tuple(one["path"]) for one in mdoc["credential_metadata"]["claims"]}
    assert all(len(path) == 2 for path in paths)
    assert {namespace for namespace, _ in paths} >= {spec.mdoc.namespace for spec in kind.walk() if spec.mdoc}
    if w3c is not None:
        assert w3c["credential_definition"] == {"type": ["VerifiableCredential", kind.vct]}
        assert all(one["path"][0] == "credentialSubject" for one in w3c["credential_metadata"]["claims"])


def test_the_signed_form_is_for_who_accepts_it(service, clock):  # noqa: F811 - fixture
    answer = get(service, Accept="application/jwt")
    assert answer.headers["content-type"] == "application/jwt"

    def resolve(x5c):
        assert x5c == (CITY.leaf,), "the chain is without the root"
        return signer_key(x5c, keys=(), anchors=(CITY.root,), at=clock(), path="x5c")[0]

    claims = check_signed_metadata(answer.content, issuer=BASE, resolve=resolve, at=clock())
    plain = get(service).json()
    assert {name: claims[name] for name in plain} == plain
    assert claims["sub"] == BASE
    with pytest.raises(RefusedError):
        check_signed_metadata(answer.content, issuer="https://other.example", resolve=resolve, at=clock())
    for accept in ("", "*/*", "application/json", "application/json, application/jwt;q=0.5", "text/html"):
        assert get(service, Accept=accept).headers["content-type"] == "application/json"
    both = get(service, Accept="application/jwt, application/json;q=0.9")
    assert both.headers["content-type"] == "application/jwt"


def test_the_signed_form_does_not_end_while_somebody_has_it(service, clock):  # noqa: F811 - fixture
    clock.forward(days=3)
    answer = get(service, Accept="application/jwt")
    key = PublicKey(CITY.key.public_key.crypto)
    assert check_signed_metadata(answer.content, issuer=BASE, resolve=lambda _: key, at=clock())


def locales(answer):
    display = answer.json()["credential_configurations_supported"][CONFIGURATION]["credential_metadata"]["display"]
    return [one["locale"] for one in display]


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("en", ["en-US"]),
        ("ko-KR, en;q=0.5", ["ko-KR"]),
        ("fr-ch, en;q=0.8", ["en-US"]),
        ("../../etc", ["ko-KR"]),
        ("a" * 8192, ["ko-KR"]),
        ("en;q=x", ["ko-KR"]),
        ("\x00", ["ko-KR"]),
    ],
    ids=["English", "Korean", "of several", "CI-19 a path", "CI-19 8 kB", "CI-19 a weight", "CI-19 a zero byte"],
)
def test_ci_19_names_are_in_the_language_that_is_accepted(service, header, expected):
    answer = get(service, **{"Accept-Language": header})
    assert locales(answer) == expected
    assert answer.headers["content-language"] == expected[0]
    assert "Accept-Language" in answer.headers["vary"]


def test_without_a_language_all_are_told(service):
    assert locales(service.send("GET", PLACE, headers={})) == ["ko-KR", "en-US"]


def test_what_the_settings_say_is_in_the_metadata(tmp_path, clock):  # noqa: F811 - fixture
    found = Service(
        str(tmp_path / "issuer.db"),
        tmp_path,
        clock,
        batch_size=1,
        encryption={"requests": "required", "responses": "required"},
        key_attesters=[{"certificates": str(CITY.pem(tmp_path / "keys.pem"))}],
        require_key_attestation=True,
    )
    body = get(found).json()
    found.close()
    assert "batch_credential_issuance" not in body
    assert body["credential_request_encryption"]["encryption_required"] is True
    assert body["credential_response_encryption"]["encryption_required"] is True
    (jwk,) = body["credential_request_encryption"]["jwks"]["keys"]
    assert jwk["alg"] == "ECDH-ES"
    assert jwk["kid"]
    assert "d" not in jwk
    types = body["credential_configurations_supported"][CONFIGURATION]["proof_types_supported"]
    assert types["jwt"]["key_attestations_required"] == {}
    assert set(types) == {"jwt", "attestation"}
    assert "display" not in body


def test_attestations_that_nobody_can_make_are_a_wrong_setting(tmp_path, clock):  # noqa: F811 - fixture
    with pytest.raises(SettingsError, match="key_attesters"):
        Service(str(tmp_path / "issuer.db"), tmp_path, clock, require_key_attestation=True)
