"""The token endpoint: codes, pre-authorized codes with a transaction code, refresh tokens; each once, each for one wallet."""

from __future__ import annotations

import secrets
from datetime import timedelta

import pytest

from tests.services.issuer_kit import (
    BASE,
    CALLBACK,
    CLIENT,
    CONFIGURATION,
    OTHER,
    PRE_AUTHORIZED,
    SCOPE,
    Service,
    Wallet,
    details,
)
from vcred.keys import SoftwareSigner

pytestmark = pytest.mark.loopback


def error_of(answer):
    assert answer.headers["cache-control"] == "no-store"
    return answer.status_code, answer.json()["error"]


def row_of(service, token):
    return service.store.token("access", token)


def test_a_code_is_exchanged_for_tokens_bound_to_the_wallets_key(wallet):
    answer = wallet.token()
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    body = answer.json()
    assert body.keys() == {"access_token", "refresh_token", "token_type", "expires_in", "scope"}
    assert (body["token_type"], body["scope"], body["expires_in"]) == ("DPoP", SCOPE, 900)
    row = row_of(wallet.service, body["access_token"])
    assert (row.application, row.configurations, row.detailed) == ("a-1", (CONFIGURATION,), ())
    assert wallet.service.store.token("refresh", body["access_token"]) is None


def test_what_was_asked_for_in_detail_is_answered_in_detail(wallet):
    body = wallet.token(code=wallet.code(authorization_details=details(OTHER))).json()
    assert body["scope"] == SCOPE
    assert body["authorization_details"] == [
        {"type": "openid_credential", "credential_configuration_id": OTHER, "credential_identifiers": [f"{OTHER}#1"]}
    ]


WRONG = [
    ({"code": "guess"}, "invalid_grant"),
    ({"code_verifier": "v" * 43}, "invalid_grant"),
    ({"code_verifier": "short"}, "invalid_grant"),
    ({"code_verifier": None}, "invalid_request"),
    ({"redirect_uri": f"{CALLBACK}/"}, "invalid_grant"),
    ({"redirect_uri": None}, "invalid_request"),
    ({"grant_type": "password"}, "unsupported_grant_type"),
    ({"grant_type": None}, "invalid_request"),
    ({"grant_type": PRE_AUTHORIZED}, "invalid_request"),
    ({"grant_type": "refresh_token", "refresh_token": "guess"}, "invalid_grant"),
]


def test_ci_11_a_verifier_or_redirect_uri_that_does_not_fit_is_refused_and_spends_nothing(wallet):
    code = wallet.code()
    for changed, error in WRONG:
        form = {name: value for name, value in (wallet.exchange(code) | changed).items() if value is not None}
        assert error_of(wallet.token(form=form)) == (400, error), changed
    assert wallet.token(code=code).status_code == 200


def test_a_code_is_for_the_wallet_that_asked(wallet):
    code = wallet.code()
    thief = Wallet(wallet.service, client_id="https://thief.example")
    assert error_of(thief.token(form=wallet.exchange(code, client_id=None))) == (400, "invalid_grant")
    twin = Wallet(wallet.service)
    assert error_of(twin.token(form=wallet.exchange(code))) == (400, "invalid_grant")
    moved = wallet.dpop
    wallet.dpop = SoftwareSigner.generate()
    assert error_of(wallet.token(code=code)) == (400, "invalid_grant")
    wallet.dpop = moved
    assert wallet.token(code=code).status_code == 200


def test_a_code_ends_with_its_minute(wallet, clock):
    code = wallet.code()
    clock.forward(seconds=60)
    assert error_of(wallet.token(code=code)) == (400, "invalid_grant")


def test_a_code_that_comes_again_ends_the_tokens_of_the_first_time(wallet):
    code = wallet.code()
    token = wallet.token(code=code).json()
    assert error_of(wallet.token(code=code)) == (400, "invalid_grant")
    assert row_of(wallet.service, token["access_token"]) is None
    refresh = {"grant_type": "refresh_token", "refresh_token": token["refresh_token"]}
    assert error_of(wallet.token(form=refresh)) == (400, "invalid_grant")


def test_a_pre_authorized_code_is_redeemed_with_its_transaction_code(wallet):
    code = wallet.service.pre_authorize(tx_code="493536")
    assert error_of(wallet.pre_authorized(code)) == (400, "invalid_request")
    assert error_of(wallet.pre_authorized(code, tx_code="000000")) == (400, "invalid_grant")
    body = wallet.pre_authorized(code, tx_code="493536").json()
    assert body["scope"] == f"{SCOPE} resident.personal.sd-cwt"
    assert row_of(wallet.service, body["access_token"]).client_id == CLIENT


def test_a_transaction_code_nobody_asked_for_is_refused(wallet):
    code = wallet.service.pre_authorize()
    assert error_of(wallet.pre_authorized(code, tx_code="1")) == (400, "invalid_request")
    assert error_of(wallet.pre_authorized(code, tx_code="")) == (400, "invalid_request")
    assert wallet.pre_authorized(code).status_code == 200


def test_a_wallet_may_ask_for_a_part_of_what_was_offered_and_not_for_more(wallet):
    code = wallet.service.pre_authorize()
    more = details("tax.income/dc+sd-jwt")
    assert error_of(wallet.pre_authorized(code, authorization_details=more)) == (400, "invalid_authorization_details")
    body = wallet.pre_authorized(code, authorization_details=details(OTHER)).json()
    assert "scope" not in body
    assert [one["credential_identifiers"] for one in body["authorization_details"]] == [[f"{OTHER}#1"]]


def test_a_pre_authorized_code_ends_and_is_no_authorization_code(wallet, clock):
    code = wallet.service.pre_authorize(minutes=5)
    assert error_of(wallet.token(form=wallet.exchange(code))) == (400, "invalid_grant")
    clock.forward(minutes=5)
    assert error_of(wallet.pre_authorized(code)) == (400, "invalid_grant")


def test_ci_08_a_pre_authorized_code_is_redeemed_once_by_fifty_at_the_same_time(service):
    code = service.pre_authorize(tx_code="493536")
    form = {"grant_type": PRE_AUTHORIZED, "pre-authorized_code": code, "tx_code": "493536"}
    wallets = [Wallet(service) for _ in range(50)]
    requests = [("POST", "/garam/token", {"data": form, "headers": one.headers("/token")}) for one in wallets]
    answers = service.send_all(requests)
    won = [answer for answer in answers if answer.status_code == 200]
    assert len(won) == 1
    assert {error_of(answer) for answer in answers if answer not in won} == {(400, "invalid_grant")}
    assert row_of(service, won[0].json()["access_token"]) is not None


def test_ci_08_two_processes_redeem_an_authorization_code_once(wallet):
    form = wallet.exchange(wallet.code())
    other = wallet.service.again()
    try:
        there = Wallet(other)
        there.instance, there.dpop = wallet.instance, wallet.dpop
        answers = [one.token(form=form).status_code for one in (there, wallet)]
        assert answers == [200, 400]
    finally:
        other.close()


def test_ci_09_a_code_is_locked_after_five_wrong_transaction_codes_also_after_a_restart(serve):
    service = serve()
    code = service.pre_authorize(tx_code="493536")
    wallet = Wallet(service)
    for number in range(3):
        assert error_of(wallet.pre_authorized(code, tx_code=f"00000{number}")) == (400, "invalid_grant")
    service.close()
    again = service.again()
    try:
        wallet = Wallet(again)
        for number in range(2):
            assert error_of(wallet.pre_authorized(code, tx_code=f"10000{number}")) == (400, "invalid_grant")
        assert error_of(wallet.pre_authorized(code, tx_code="493536")) == (400, "invalid_grant")
    finally:
        again.close()


def test_ci_09_of_many_guesses_at_the_same_time_five_are_compared(service):
    code = service.pre_authorize(tx_code="000030")
    wallet = Wallet(service)
    requests = []
    for number in range(31):
        form = {"grant_type": PRE_AUTHORIZED, "pre-authorized_code": code, "tx_code": f"{number:06}"}
        requests.append(("POST", "/garam/token", {"data": form, "headers": wallet.headers("/token")}))
    answers = service.send_all(requests)
    described = [answer.json().get("error_description") for answer in answers]
    wrong, locked = described.count("wrong tx_code"), described.count("the code was used, or is locked")
    won = sum(answer.status_code == 200 for answer in answers)
    assert wrong + won <= 6
    assert wrong <= 5
    assert wrong + won + locked == 31


def test_ci_09_who_guesses_too_much_has_to_wait_a_minute_in_every_process(serve, clock):
    service = serve(wrong_guesses=3)
    wallet = Wallet(service)
    for _ in range(3):
        assert error_of(wallet.pre_authorized("guess")) == (400, "invalid_grant")
    answer = wallet.pre_authorized(service.pre_authorize())
    assert error_of(answer) == (429, "slow_down")
    assert answer.headers["retry-after"] == "60"
    other = service.again()
    try:
        assert error_of(Wallet(other).par()) == (429, "slow_down")
    finally:
        other.close()
    clock.forward(seconds=60)
    assert wallet.pre_authorized(service.pre_authorize()).status_code == 200


def test_an_anonymous_wallet_redeems_a_code_only_where_settings_say_so(serve):
    strict = serve()
    nobody = Wallet(strict, attester=None)
    assert error_of(nobody.pre_authorized(strict.pre_authorize())) == (401, "invalid_client")
    open_to_all = serve(anonymous_pre_authorized=True)
    nobody = Wallet(open_to_all, attester=None)
    body = nobody.pre_authorized(open_to_all.pre_authorize(tx_code="12"), tx_code="12").json()
    assert row_of(open_to_all, body["access_token"]).client_id is None
    code = Wallet(open_to_all).code()
    form = Wallet(open_to_all).exchange(code, client_id=None)
    assert error_of(nobody.token(form=form)) == (401, "invalid_client")
    refresh = {"grant_type": "refresh_token", "refresh_token": body["refresh_token"]}
    assert nobody.token(form=refresh).status_code == 200
    stranger = Wallet(open_to_all, attester=None)
    assert error_of(stranger.token(form=refresh)) == (400, "invalid_grant")


def test_a_refresh_token_is_for_the_installation_that_got_it_and_stays(wallet, clock):
    body = wallet.token().json()
    form = {"grant_type": "refresh_token", "refresh_token": body["refresh_token"]}
    clock.forward(days=30)
    first, second = wallet.token(form=form), wallet.token(form=form)
    assert first.status_code == second.status_code == 200
    assert "refresh_token" not in first.json()
    assert first.json()["access_token"] != second.json()["access_token"]
    wallet.dpop = SoftwareSigner.generate()
    assert wallet.token(form=form).status_code == 200
    assert error_of(Wallet(wallet.service).token(form=form)) == (400, "invalid_grant")
    clock.forward(days=60)
    assert error_of(wallet.token(form=form)) == (400, "invalid_grant")


def test_refresh_tokens_can_be_switched_off_and_grants_ended(serve):
    service = serve(lifetimes={"refresh_token": 0})
    body = Wallet(service).token().json()
    assert "refresh_token" not in body
    assert row_of(service, body["access_token"]) is not None
    service.parts.grants.end("a-1")
    assert row_of(service, body["access_token"]) is None


def test_what_has_ended_is_forgotten(wallet, clock):
    wallet.token()
    wallet.par()
    clock.forward(days=91)
    wallet.code()
    store = wallet.service.store
    assert store._one("SELECT count(*) FROM grants")[0] == 1
    assert store._one("SELECT count(*) FROM tokens")[0] == 0
    assert store._one("SELECT count(*) FROM authorizations")[0] == 1
    assert store._one("SELECT count(*) FROM spent WHERE expires_at <= ?", int(clock().timestamp()))[0] == 0


def test_the_database_has_no_secret_in_it(wallet):
    code = wallet.code()
    tx = wallet.service.pre_authorize(tx_code="493536")
    body = wallet.token(code=code).json()
    tables = ("authorizations", "grants", "tokens", "spent", "guesses")
    rows = [tuple(row) for name in tables for row in wallet.service.store._all(f"SELECT * FROM {name}")]
    text = repr(rows)
    assert CALLBACK in text
    for secret in (code, tx, "493536", body["access_token"], body["refresh_token"], wallet.verifier):
        assert secret not in text


def test_op_04_a_code_outlives_a_restart_of_the_database(postgres, tmp_path, clock):
    service = Service(postgres.database(f"s{secrets.token_hex(6)}"), tmp_path, clock)
    try:
        wallet = Wallet(service)
        code = wallet.code()
        headers = wallet.headers("/token")
        postgres.kill()
        try:
            answer = wallet.token(code=code, headers=headers)
            assert (answer.status_code, answer.json()["code"]) == (503, "StoreError")
        finally:
            postgres.start()
        assert wallet.token(code=code).status_code == 200
        assert error_of(wallet.token(code=code)) == (400, "invalid_grant")
    finally:
        service.close()


def test_bearer_tokens_only_where_settings_say_so(serve):
    strict = serve()
    code = strict.pre_authorize()
    wallet = Wallet(strict)
    form = {"grant_type": PRE_AUTHORIZED, "pre-authorized_code": code}
    answer = wallet.token(form=form, headers=wallet.headers("/token", dpop=False))
    assert error_of(answer) == (400, "invalid_dpop_proof")
    lax = serve(require_dpop=False)
    wallet = Wallet(lax)
    answer = wallet.token(form=form, headers=wallet.headers("/token", dpop=False))
    assert answer.json()["token_type"] == "Bearer"
    assert "refresh_token" in answer.json()


def test_lifetimes_are_those_of_the_settings(serve, clock):
    service = serve(lifetimes={"access_token": 60, "code": 30})
    wallet = Wallet(service)
    token = wallet.token().json()
    assert token["expires_in"] == 60
    assert row_of(service, token["access_token"]).expires_at == int((clock() + timedelta(seconds=60)).timestamp())
    assert service.settings.base_url == BASE
