"""Pushed authorization requests and the browser's way to the login pages (RFC 9126, 9207, 7636)."""

from __future__ import annotations

import pytest

from tests.services.issuer_kit import BASE, CALLBACK, CONFIGURATION, OTHER, SCOPE, Wallet, details, parameters
from vcred.errors import NotFound

pytestmark = pytest.mark.loopback


def opened(wallet, **changed):
    """The authorization of a browser that followed the wallet's link."""
    answer = wallet.authorize(wallet.par(**changed).json()["request_uri"])
    assert answer.status_code == 303
    assert answer.headers["location"] == f"{BASE}/apply"
    session = answer.cookies["vcred_authorization"]
    return wallet.service.parts.grants.of_session(session, at=wallet.service.clock())


def test_a_pushed_request_is_opened_granted_and_answered(wallet):
    answer = wallet.par(issuer_state="offer-1")
    assert answer.status_code == 201
    assert answer.headers["cache-control"] == "no-store"
    body = answer.json()
    assert body["request_uri"].startswith("urn:ietf:params:oauth:request_uri:")
    assert body["expires_in"] == 90
    answer = wallet.authorize(body["request_uri"])
    cookie = answer.headers["set-cookie"].lower()
    assert all(part in cookie for part in ("httponly", "samesite=lax", "secure", "path=/garam"))
    grants, at = wallet.service.parts.grants, wallet.service.clock()
    found = grants.of_session(answer.cookies["vcred_authorization"], at=at)
    assert (found.configurations, found.issuer_state) == ((CONFIGURATION,), "offer-1")
    url = grants.grant(found.id, "a-1", at=at)
    assert url.startswith(f"{CALLBACK}?")
    assert parameters(url).keys() == {"code", "state", "iss"}
    assert parameters(url)["iss"] == BASE
    with pytest.raises(NotFound):
        grants.grant(found.id, "a-1", at=at)
    assert grants.of_session(answer.cookies["vcred_authorization"], at=at) is None


def test_a_refusal_goes_back_to_the_wallet(wallet):
    found = opened(wallet, redirect_uri=f"{CALLBACK}?tenant=1")
    url = wallet.service.parts.grants.deny(found.id, at=wallet.service.clock())
    assert parameters(url) == {"tenant": "1", "error": "access_denied", "state": "st-1", "iss": BASE}
    with pytest.raises(NotFound):
        wallet.service.parts.grants.grant(found.id, "a-1", at=wallet.service.clock())


WRONG = [
    ({"code_challenge": None}, "invalid_request"),
    ({"code_challenge_method": None}, "invalid_request"),
    ({"code_challenge_method": "plain"}, "invalid_request"),
    ({"code_challenge": "short"}, "invalid_request"),
    ({"redirect_uri": None}, "invalid_request"),
    ({"redirect_uri": "javascript:alert(1)"}, "invalid_request"),
    ({"redirect_uri": "http://wallet.example/callback"}, "invalid_request"),
    ({"redirect_uri": "https://wallet.example\\@bad.example/"}, "invalid_request"),
    ({"redirect_uri": "https://wallet.example/callback#x"}, "invalid_request"),
    ({"response_type": "token"}, "unsupported_response_type"),
    ({"response_mode": "fragment"}, "invalid_request"),
    ({"scope": None}, "invalid_scope"),
    ({"scope": "openid unknown"}, "invalid_scope"),
    ({"request": "e30.e30."}, "request_not_supported"),
    ({"request_uri": "urn:x"}, "invalid_request"),
    ({"authorization_details": "{}"}, "invalid_authorization_details"),
    ({"authorization_details": details("unknown/dc+sd-jwt")}, "invalid_authorization_details"),
    ({"authorization_details": details(OTHER, locations=["https://b.example"])}, "invalid_authorization_details"),
    ({"authorization_details": '[{"type":"payment"}]'}, "invalid_authorization_details"),
    ({"dpop_jkt": "A" * 43}, "invalid_dpop_proof"),
]


def test_ci_11_a_request_without_pkce_or_with_something_wrong_is_refused(wallet):
    for changed, error in WRONG:
        answer = wallet.par(**changed)
        assert (answer.status_code, answer.json()["error"]) == (400, error), changed


def test_ci_11_a_registered_wallet_is_answered_where_it_is_registered_and_nowhere_else(serve):
    client = {"id": "https://wallet.example", "authentication": "attestation", "redirect_uris": [CALLBACK]}
    wallet = Wallet(serve(clients=[client]))
    assert wallet.par().status_code == 201
    for other in (
        f"{CALLBACK}/",
        f"{CALLBACK}?a=b",
        "https://wallet.example/CALLBACK",
        "https://wallet.example:443/callback",
    ):
        assert wallet.par(redirect_uri=other).json()["error"] == "invalid_request"


def test_only_registered_wallets_where_settings_say_so(serve):
    wallet = Wallet(serve(unregistered_wallets=False))
    answer = wallet.par()
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


def test_scopes_and_details_are_both_heard_and_unknown_scopes_are_not(wallet):
    found = opened(wallet, scope=f"openid {SCOPE} later", authorization_details=details(OTHER, CONFIGURATION))
    assert found.configurations == (OTHER, CONFIGURATION)


def test_a_parameter_that_appears_twice_and_a_body_that_is_no_form_are_refused(wallet):
    service = wallet.service
    form = "application/x-www-form-urlencoded"
    for content, kind in ((b"client_id=a&client_id=b", form), (b"\xff=1", form), (b"{}", "application/json")):
        headers = wallet.headers("/par") | {"Content-Type": kind}
        answer = service.send("POST", "/garam/par", content=content, headers=headers)
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


def test_a_request_is_opened_in_time_by_its_own_client_until_somebody_decides(wallet, clock):
    request_uri = wallet.par().json()["request_uri"]
    assert Wallet(wallet.service, client_id="https://other.example").authorize(request_uri).status_code == 400
    assert wallet.authorize("urn:ietf:params:oauth:request_uri:guess").status_code == 400
    grants = wallet.service.parts.grants
    scanner, person = (wallet.authorize(request_uri).cookies["vcred_authorization"] for _ in range(2))
    first, second = (grants.of_session(one, at=clock()) for one in (scanner, person))
    assert first.id == second.id
    clock.forward(seconds=90)
    assert wallet.authorize(request_uri).status_code == 400
    grants.grant(second.id, "a-1", at=clock())
    assert grants.of_session(scanner, at=clock()) is None
    decided = wallet.par().json()["request_uri"]
    grants.deny(grants.of_session(wallet.authorize(decided).cookies["vcred_authorization"], at=clock()).id, at=clock())
    assert wallet.authorize(decided).status_code == 400


BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
PAGES = [
    ({}, "request_uri=urn:ietf:params:oauth:request_uri:guess", "too old, or was answered", "invalid_request_uri"),
    ({}, "request_uri=x&request_uri=y", "cannot be answered", "a parameter appears twice"),
    ({}, "", "cannot be answered", "push the authorization request first"),
    ({"client_id": None}, "request_uri=urn:x", "cannot be answered", "client_id is missing"),
]


@pytest.mark.parametrize(("changed", "query", "heading", "detail"), PAGES, ids=[one[3] for one in PAGES])
def test_a_person_is_told_on_a_page_what_cannot_be_told_to_the_wallet(wallet, changed, query, heading, detail):
    named = {"client_id": wallet.client_id} | changed
    place = "/garam/authorize?" + "&".join(f"{k}={v}" for k, v in named.items() if v) + f"&{query}"
    for lang, words in (("en", heading), ("ko", "지갑의 요청")):
        page = wallet.service.send("GET", place, headers=BROWSER | {"Accept-Language": lang})
        assert page.status_code == 400
        assert page.headers["content-type"].startswith("text/html")
        assert page.headers["cache-control"] == "no-store"
        assert "location" not in page.headers
        assert words in page.text
        assert detail in page.text
    for accept in ("application/json", "*/*", "text/html;q=0", ""):
        answer = wallet.service.send("GET", place, headers={"Accept": accept})
        assert answer.status_code == 400
        assert answer.json()["error"] in ("invalid_request", "invalid_request_uri")


def test_ci_11_no_page_leads_to_an_address_that_nobody_registered(serve):
    client = {"id": "https://wallet.example", "authentication": "none", "redirect_uris": [CALLBACK]}
    service = serve(require_par=False, require_dpop=False, clients=[client])
    for given in ("https://evil.example/x", f"{CALLBACK}/", ""):
        place = f"/garam/authorize?client_id=https://wallet.example&redirect_uri={given}&response_type=code"
        page = service.send("GET", place, headers=BROWSER)
        assert (page.status_code, "location" in page.headers) == (400, False)
        assert "evil" not in page.text.replace("evil.example%2Fx", "")


def test_a_session_nobody_was_given_opens_nothing(wallet):
    grants, at = wallet.service.parts.grants, wallet.service.clock()
    good = wallet.authorize(wallet.par().json()["request_uri"]).cookies["vcred_authorization"]
    assert grants.of_session(good, at=at) is not None
    name, random, mac = good.split(".")
    for wrong in (
        None,
        "",
        ".",
        "..",
        name,
        f"{name}.{random}.",
        f"{name}.{random}x.{mac}",
        f"z-1.{random}.{mac}",
        "\ud55c.\ud55c",
    ):
        assert grants.of_session(wrong, at=at) is None


def test_a_login_ends_with_its_time(wallet, clock):
    found = opened(wallet)
    clock.forward(seconds=1800 + 90)
    with pytest.raises(NotFound):
        wallet.service.parts.grants.grant(found.id, "a-1", at=clock())


def test_nothing_is_authorized_that_was_not_pushed(wallet):
    answer = wallet.service.send("GET", "/garam/authorize", params=wallet.request())
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


def test_where_settings_allow_it_a_registered_client_may_ask_in_the_address(serve):
    client = {"id": "demo", "authentication": "none", "redirect_uris": [CALLBACK]}
    service = serve(require_par=False, clients=[client])
    wallet = Wallet(service, client_id="demo", attester=None)
    answer = service.send("GET", "/garam/authorize", params=wallet.request())
    assert answer.headers["location"] == f"{BASE}/apply"
    wrong = service.send("GET", "/garam/authorize", params=wallet.request(code_challenge_method="plain"))
    assert parameters(wrong.headers["location"])["error"] == "invalid_request"
    assert parameters(wrong.headers["location"])["state"] == "st-1"
    astray = service.send("GET", "/garam/authorize", params=wallet.request(redirect_uri="https://bad.example/"))
    assert astray.status_code == 400


def test_a_request_survives_the_process_that_took_it(wallet):
    request_uri = wallet.par().json()["request_uri"]
    other = wallet.service.again()
    try:
        assert Wallet(other).authorize(request_uri).status_code == 303
    finally:
        other.close()
