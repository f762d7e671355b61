"""Which wallet asks: attestations and their proofs, assertions, names; and what is believed of whom."""

from __future__ import annotations

import base64
import json
from datetime import timedelta

import pytest
from joserfc import jwk, jwt

from tests.services.issuer_kit import ATTESTER, BASE, CALLBACK, CITY, CLIENT, Authority, Wallet
from vcred.errors import SettingsError
from vcred.keys import SoftwareSigner
from vcred.oauth import build_client_attestation


@pytest.fixture
def target(tmp_path):
    """Which database it is makes no difference here."""
    return str(tmp_path / "issuer.db")


def refused(answer, error="invalid_client", status=401):
    assert (answer.status_code, answer.json()["error"]) == (status, error), answer.text
    return True


def test_ci_17_an_attestation_that_does_not_hold_is_refused(wallet, clock):
    def par(**changed):
        return wallet.par(headers=wallet.headers("/par", **changed))

    assert par().status_code == 201
    assert refused(par(attestation=wallet.attestation(at=clock() - timedelta(hours=2))))
    assert refused(par(attestation=wallet.attestation(at=clock() + timedelta(hours=2))))
    assert refused(par(attestation=wallet.attestation(client_id="https://other.example")))
    assert refused(par(attestation=wallet.attestation(signer=SoftwareSigner.generate())))
    assert refused(par(attestation=wallet.attestation()[:-4] + "AAAA"))
    assert refused(par(attestation="nonsense"))
    assert refused(par(audience="https://other.example"))
    assert refused(par(audience="https://issuer.example"))
    assert refused(par(at=clock() - timedelta(minutes=6)))
    assert refused(par(at=clock() + timedelta(minutes=2)))
    assert refused(par(instance=SoftwareSigner.generate()))


def test_ci_17_the_same_at_the_token_endpoint(wallet, clock):
    form = wallet.exchange(wallet.code())

    def token(**changed):
        return wallet.token(form=form, headers=wallet.headers("/token", **changed))

    assert refused(token(attestation=wallet.attestation(at=clock() - timedelta(hours=2))))
    assert refused(token(attestation=wallet.attestation(client_id="https://other.example")))
    assert refused(token(audience="https://other.example"))
    assert refused(token(instance=SoftwareSigner.generate()))
    assert token().status_code == 200


def test_an_attester_nobody_trusts_is_not_believed(serve):
    wallet = Wallet(serve(), attester=Authority("모르는 곳"))
    assert refused(wallet.par())
    assert refused(Wallet(serve(wallet_attesters=[])).par())
    sneaky = Wallet(serve(), attester=CITY)
    assert refused(sneaky.par())


def test_an_attester_may_be_known_by_its_own_certificate_or_by_its_key(serve, tmp_path):
    leaf = base64.b64encode(ATTESTER.leaf).decode()
    pinned = tmp_path / "leaf.pem"
    pinned.write_text(f"-----BEGIN CERTIFICATE-----\n{leaf}\n-----END CERTIFICATE-----\n", encoding="ascii")
    assert Wallet(serve(wallet_attesters=[{"certificates": pinned}])).par().status_code == 201

    keys = tmp_path / "keys.json"
    keys.write_text(json.dumps({"keys": [ATTESTER.key.public_key.to_jwk()]}), encoding="utf-8")
    service = serve(wallet_attesters=[{"jwks": keys, "issuer": "https://maker.example"}])
    assert Wallet(service).par().status_code == 201
    assert refused(Wallet(serve(wallet_attesters=[{"jwks": keys, "issuer": "https://other.example"}])).par())
    keys.write_text(json.dumps({"keys": [{"kty": "EC", "d": "x"}]}), encoding="utf-8")
    with pytest.raises(SettingsError):
        serve(wallet_attesters=[{"jwks": keys}])


def test_a_proof_of_the_instance_key_needs_our_challenge_and_is_used_once(wallet):
    for challenge in ("", "theirs"):
        answer = wallet.par(headers=wallet.headers("/par", challenge=challenge))
        assert refused(answer, "use_attestation_challenge", 400)
    fresh = answer.headers["oauth-client-attestation-challenge"]
    headers = wallet.headers("/par", challenge=fresh)
    assert wallet.par(headers=headers).status_code == 201
    again = wallet.headers("/par") | {"OAuth-Client-Attestation-PoP": headers["OAuth-Client-Attestation-PoP"]}
    assert refused(wallet.par(headers=again))
    answer = wallet.service.send("POST", "/garam/challenge")
    assert answer.headers["cache-control"] == "no-store"
    challenge = answer.json()["attestation_challenge"]
    assert wallet.par(headers=wallet.headers("/par", challenge=challenge)).status_code == 201


def test_a_proof_without_attestation_and_an_attestation_without_proof_are_refused(wallet):
    headers = wallet.headers("/par")
    proof = headers.pop("OAuth-Client-Attestation-PoP")
    assert refused(wallet.par(headers=headers))
    headers = wallet.headers("/par", dpop=False)
    del headers["OAuth-Client-Attestation-PoP"]
    assert refused(wallet.par(headers=headers))
    assert refused(wallet.par(headers={"OAuth-Client-Attestation-PoP": proof}))
    two = [*wallet.headers("/par").items(), ("OAuth-Client-Attestation", wallet.attestation())]
    assert refused(wallet.service.send("POST", "/garam/par", data=wallet.request(), headers=two))


def test_a_dpop_proof_by_the_instance_key_may_prove_both(wallet):
    wallet.dpop = wallet.instance
    headers = wallet.headers("/par")
    del headers["OAuth-Client-Attestation-PoP"]
    assert wallet.par(headers=headers).status_code == 201


def test_the_client_id_may_be_left_to_the_attestation(wallet):
    assert wallet.par(client_id=None).status_code == 201


def test_a_client_that_has_to_authenticate_itself_is_not_believed_by_name(serve):
    wallet = Wallet(serve(), attester=None)
    assert refused(wallet.par())
    assert refused(wallet.par(client_id=None))
    registered = {"id": CLIENT, "authentication": "attestation", "redirect_uris": [CALLBACK]}
    assert refused(Wallet(serve(clients=[registered]), attester=None).par())


def test_a_public_client_is_answered_at_its_own_addresses(serve):
    client = {"id": "demo", "authentication": "none", "redirect_uris": [CALLBACK]}
    wallet = Wallet(serve(clients=[client]), client_id="demo", attester=None)
    assert wallet.token().status_code == 200
    assert wallet.par(redirect_uri="https://bad.example/").status_code == 400
    attested = Wallet(wallet.service, client_id="demo")
    assert refused(attested.par()), "an attester cannot speak for a client that is registered otherwise"


def test_a_client_may_sign_assertions_with_its_own_key(serve, tmp_path, clock):
    key = jwk.ECKey.generate_key("P-256", {"kid": "c-1"})
    keys = tmp_path / "client.json"
    keys.write_text(json.dumps({"keys": [key.as_dict(private=False)]}), encoding="utf-8")
    client = {"id": "bank", "authentication": "private_key_jwt", "redirect_uris": [CALLBACK], "jwks": keys}
    wallet = Wallet(serve(clients=[client]), client_id="bank", attester=None)
    number = iter(range(100))

    def assertion(signer=key, **changed):
        now = int(clock().timestamp())
        claims = {"iss": "bank", "sub": "bank", "aud": BASE, "exp": now + 60, "jti": f"j-{next(number)}"} | changed
        claims = {name: value for name, value in claims.items() if value is not None}
        return {
            "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            "client_assertion": jwt.encode({"alg": "ES256", "kid": "c-1"}, claims, signer),
        }

    good = assertion()
    assert wallet.par(**good).status_code == 201
    assert refused(wallet.par(**good)), "its jti was used"
    stranger = jwk.ECKey.generate_key("P-256")
    now = int(clock().timestamp())
    wrong = [
        assertion(iss="other"),
        assertion(sub="other"),
        assertion(aud="https://other.example"),
        assertion(exp=now - 120),
        assertion(exp=now + 86_400),
        assertion(exp=None),
        assertion(exp="soon"),
        assertion(jti=None),
        assertion(jti=7),
        assertion(signer=stranger),
        good | {"client_assertion": "e30.e30.e30"},
        good | {"client_assertion": "\ud55c"},
        good | {"client_assertion_type": "urn:other"},
    ]
    for one in wrong:
        assert refused(wallet.par(**one)), one
    assert refused(wallet.par(client_id="demo", **assertion()))
    keys.write_text("{}", encoding="utf-8")
    with pytest.raises(SettingsError):
        serve(clients=[client])


def test_an_attestation_of_a_key_that_is_no_signing_key_is_refused(wallet):
    ours = build_client_attestation(
        ATTESTER.key,
        wallet.instance.public_key,
        client_id=CLIENT,
        issuer="https://maker.example",
        at=wallet.service.clock(),
        lifetime=timedelta(hours=1),
    )
    assert refused(wallet.par(headers=wallet.headers("/par", attestation=ours))), "no chain, and no key is known"
