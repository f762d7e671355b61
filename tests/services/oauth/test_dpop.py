"""DPoP at the authorization server and at protected routes (RFC 9449), and access tokens in general."""

from __future__ import annotations

import pytest
from fastapi import Depends

from issuer.server.access import Access, access_of
from tests.services.issuer_kit import BASE, CONFIGURATION, OTHER, PRE_AUTHORIZED, Wallet, details
from vcred.keys import SoftwareSigner
from vcred.oauth import build_dpop

pytestmark = pytest.mark.loopback


@pytest.fixture
def guarded(serve):
    """A service with one more protected route, that says what a token allows."""

    def start(**settings):
        service = serve(**settings)

        @service.app.post("/garam/mine")
        def mine(access: Access = Depends(access_of)) -> dict:  # noqa: B008 - FastAPI's way
            return {
                "application": access.application_id,
                "client": access.client_id,
                "configurations": access.configurations,
                "identifiers": access.identifiers,
                "nonce": access.headers.get("DPoP-Nonce"),
            }

        return service

    return start


def proof(wallet, path="/mine", *, key=None, **changed):
    claims = {"method": "POST", "url": BASE + path, "at": wallet.service.clock(), "nonce": wallet.service.nonce()}
    return build_dpop(key or wallet.dpop, **(claims | changed))


def mine(wallet, authorization, *proofs, path="/garam/mine"):
    headers = [("DPoP", one) for one in proofs] + ([("Authorization", authorization)] if authorization else [])
    return wallet.service.send("POST", path, headers=headers)


def test_a_token_request_needs_a_proof_with_our_nonce_and_is_given_one(wallet):
    form = wallet.exchange(wallet.code())
    for nonce in (None, "theirs", wallet.service.send("POST", "/garam/nonce").json()["c_nonce"]):
        headers = wallet.headers("/token") | {"DPoP": proof(wallet, "/token", nonce=nonce)}
        answer = wallet.token(form=form, headers=headers)
        assert (answer.status_code, answer.json()["error"]) == (400, "use_dpop_nonce")
    headers = wallet.headers("/token") | {"DPoP": proof(wallet, "/token", nonce=answer.headers["dpop-nonce"])}
    answer = wallet.token(form=form, headers=headers)
    assert answer.status_code == 200
    assert answer.headers["dpop-nonce"]


def test_a_proof_for_something_else_or_twice_or_two_of_them_are_refused(wallet, clock):
    form = wallet.exchange(wallet.code())
    wrong = [
        proof(wallet, "/par"),
        proof(wallet, "/token", method="GET"),
        proof(wallet, "/token", url="https://issuer.example/token"),
        "e30.e30.e30",
    ]
    for one in wrong:
        answer = wallet.token(form=form, headers=wallet.headers("/token") | {"DPoP": one})
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_dpop_proof")
    headers = wallet.headers("/token")
    assert wallet.token(form=form, headers=headers).status_code == 200
    fresh = wallet.headers("/token") | {"DPoP": headers["DPoP"]}
    answer = wallet.token(form=form, headers=fresh)
    assert (answer.json()["error"], answer.json()["error_description"]) == ("invalid_dpop_proof", "the proof was used")
    two = [*wallet.headers("/token").items(), ("DPoP", proof(wallet, "/token"))]
    answer = wallet.service.send("POST", "/garam/token", data=form, headers=two)
    assert answer.json()["error"] == "invalid_dpop_proof"


def test_a_request_that_is_refused_has_used_its_proofs(wallet):
    good = wallet.exchange(wallet.code())
    for wrong in (good | {"code": "nobody's"}, good | {"code_verifier": "x" * 43}, wallet.exchange("none", x="y")):
        headers = wallet.headers("/token")
        assert wallet.token(form=wrong, headers=headers).json()["error"] == "invalid_grant"
        again = wallet.token(form=good, headers=wallet.headers("/token") | {"DPoP": headers["DPoP"]})
        assert again.json() == {"error": "invalid_dpop_proof", "error_description": "the proof was used"}
    pre = {"grant_type": PRE_AUTHORIZED, "pre-authorized_code": "nobody's"}  # refused inside the transaction
    headers = wallet.headers("/token")
    assert wallet.token(form=pre, headers=headers).json()["error"] == "invalid_grant"
    again = wallet.token(form=good, headers=wallet.headers("/token") | {"DPoP": headers["DPoP"]})
    assert again.json()["error"] == "invalid_dpop_proof"
    assert wallet.token(form=good).status_code == 200, "none of it took the code"


def test_a_nonce_of_proofs_ends_after_five_minutes(wallet, clock):
    nonce = wallet.service.nonce()
    clock.forward(seconds=300)
    answer = wallet.par(headers=wallet.headers("/par", nonce=nonce))
    assert answer.json()["error"] == "use_dpop_nonce"


def test_a_code_can_be_bound_by_a_thumbprint_alone(wallet):
    other = SoftwareSigner.generate()
    import base64

    jkt = base64.urlsafe_b64encode(other.public_key.thumbprint).rstrip(b"=").decode()
    answer = wallet.par(headers=wallet.headers("/par", dpop=False), dpop_jkt=jkt)
    session = wallet.authorize(answer.json()["request_uri"]).cookies["vcred_authorization"]
    grants, at = wallet.service.parts.grants, wallet.service.clock()
    url = grants.grant(grants.of_session(session, at=at).id, "a-1", at=at)
    code = url.partition("code=")[2].partition("&")[0]
    assert wallet.token(code=code).json()["error"] == "invalid_grant"
    wallet.dpop = other
    assert wallet.token(code=code).status_code == 200


def test_a_token_opens_protected_routes_with_a_proof_of_its_key(guarded):
    wallet = Wallet(guarded())
    token = wallet.token(code=wallet.code(authorization_details=details(OTHER))).json()["access_token"]
    for scheme in ("DPoP", "dpop", "DPOP"):
        answer = mine(wallet, f"{scheme} {token}", proof(wallet, access_token=token))
        assert answer.status_code == 200
        found = answer.json()
        nonce = found.pop("nonce")
        assert found == {
            "application": "a-1",
            "client": "https://wallet.example",
            "configurations": [CONFIGURATION],
            "identifiers": {f"{OTHER}#1": OTHER},
        }
    assert mine(wallet, f"DPoP {token}", proof(wallet, access_token=token, nonce=nonce)).status_code == 200


def test_ci_07_a_token_that_is_not_good_opens_nothing(guarded, clock):
    wallet = Wallet(guarded())
    body = wallet.token().json()
    token = body["access_token"]

    def error(authorization, *proofs, path="/garam/mine"):
        answer = mine(wallet, authorization, *proofs, path=path)
        assert answer.status_code == 401
        assert answer.headers["cache-control"] == "no-store"
        challenge = answer.headers["www-authenticate"]
        assert challenge.startswith('DPoP algs="ES256 ')
        assert ("error=" in challenge) == bool(authorization or path != "/garam/mine")
        return answer.json()["error"]

    good = f"DPoP {token}"
    assert error("") == "invalid_token"
    in_query = f"/garam/mine?access_token={token}"
    assert error("", path=in_query) == "invalid_request"
    assert error(good, proof(wallet, access_token=token), path=in_query) == "invalid_request"
    assert error(good) == "invalid_dpop_proof"
    assert error(f"Bearer {token}", proof(wallet, access_token=token)) == "invalid_token"
    assert error(f"DPoP {token}x", proof(wallet, access_token=f"{token}x")) == "invalid_token"
    assert error(f"DPoP {body['refresh_token']}", proof(wallet, access_token=body["refresh_token"])) == "invalid_token"
    other = SoftwareSigner.generate()
    assert error(good, proof(wallet, key=other, access_token=token)) == "invalid_dpop_proof"
    assert error(good, proof(wallet)) == "invalid_dpop_proof"
    assert error(good, proof(wallet, access_token=f"{token}x")) == "invalid_dpop_proof"
    assert error(good, proof(wallet, access_token=token, nonce=None)) == "use_dpop_nonce"
    used = proof(wallet, access_token=token)
    assert mine(wallet, good, used).status_code == 200
    assert error(good, used) == "invalid_dpop_proof"
    assert error(good, proof(wallet, access_token=token), proof(wallet, access_token=token)) == "invalid_dpop_proof"
    clock.forward(seconds=900)
    assert error(good, proof(wallet, access_token=token)) == "invalid_token"


def test_bearer_tokens_open_routes_without_a_proof_and_dpop_does_not_fit_them(guarded):
    service = guarded(require_dpop=False, proof_nonces=False)
    wallet = Wallet(service)
    form = {"grant_type": PRE_AUTHORIZED, "pre-authorized_code": service.pre_authorize()}
    token = wallet.token(form=form, headers=wallet.headers("/token", dpop=False, nonce="")).json()["access_token"]
    assert mine(wallet, f"bearer {token}").status_code == 200
    assert mine(wallet, f"DPoP {token}", proof(wallet, access_token=token, nonce=None)).status_code == 401
