"""What a holder is told when a server refuses: each code of the standards, where it can come from, as a sentence."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from tests.services.test_wallet_cli import CODE, POLICY, Shell, take_bundle
from tests.services.test_wallet_present import ask, query_of
from tests.services.test_wallet_receive import consent_to
from tests.services.test_wallet_strangers import JSON, PLACES, fresh
from tests.services.town import Town
from tests.services.verifier_peer import VerifierPeer
from tests.services.wallet_kit import AT, Attester, Clock
from vcred.cli._wallet_failures import consent_failure, explained, line_of, told
from vcred.errors import ConsentError, RefusedError, TransportError, VcredError
from vcred.reasons import ReasonCode
from vcred.testing import World
from wallet.client import Online, ServerError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# Where each standard says that a code may come from.
AUTHORIZE = (
    *("invalid_request", "unauthorized_client", "access_denied", "unsupported_response_type", "invalid_scope"),
    *("server_error", "temporarily_unavailable", "invalid_target", "invalid_authorization_details"),
    *("request_not_supported", "request_uri_not_supported", "invalid_request_uri", "invalid_request_object"),
)
CLIENT = (
    *("invalid_client", "invalid_client_attestation", "use_fresh_attestation", "use_attestation_challenge"),
    *("invalid_dpop_proof", "use_dpop_nonce", "slow_down"),
)
TOKEN = (
    *("invalid_request", "invalid_grant", "unauthorized_client", "unsupported_grant_type", "invalid_scope"),
    *("authorization_pending", "expired_token", *CLIENT),
)
RESOURCE = ("invalid_request", "invalid_token", "insufficient_scope", "invalid_dpop_proof", "use_dpop_nonce")
CREDENTIAL = (
    *("invalid_credential_request", "unknown_credential_configuration", "unknown_credential_identifier"),
    *("invalid_proof", "invalid_nonce", "invalid_encryption_parameters", "credential_request_denied", *RESOURCE),
)
ANSWER = ("invalid_request", "access_denied", "invalid_client", "server_error", "temporarily_unavailable")
VP = ("vp_formats_not_supported", "invalid_request_uri_method", "invalid_transaction_data", "wallet_unavailable")
BY_PLACE = {
    "par": ("login", (*AUTHORIZE, *CLIENT)),
    "token": ("token", TOKEN),
    "credential": ("credential", CREDENTIAL),
    "deferred": ("deferred", (*CREDENTIAL, "invalid_transaction_id", "issuance_pending")),
}
CASES = [(place, code) for place, (_, codes) in BY_PLACE.items() for code in codes]
AHEAD = [timedelta(0)]
"""How far the town's clock is before ours, for what takes time."""


@pytest.fixture(scope="module")
def world() -> World:
    made = World(at=AT, formats=("dc+sd-jwt", "mso_mdoc"))
    made.issue(CODE)
    return made


@pytest.fixture(scope="module")
def attester() -> Attester:
    return Attester()


def sentences(error: VcredError, doing: str) -> list[str]:
    """The line in both languages, each of which is a sentence, where it came from, and what to do."""
    lines = []
    for lang in ("ko", "en"):
        facts = explained(error, lang, doing)
        for part in (facts["message"], facts["action"]):
            assert len(part) > 6, part
            assert part.endswith("."), part
        assert bool(re.search("[가-힣]", facts["message"] + facts["action"])) is (lang == "ko")
        lines.append(line_of(facts))
        assert told(error, lang, doing).exit_code in (1, 3, 4)
    return lines


def general(error: ServerError) -> str:
    """What would be said if the code were not known."""
    return ServerError(error.host, error.status, "never_heard_of", step=error.step).message("en")


@pytest.mark.parametrize(("place", "code"), CASES, ids=[f"{place}-{code}" for place, code in CASES])
def test_each_code_of_the_standards_is_a_sentence(place: str, code: str, world: World, attester: Attester) -> None:
    peer, online, clock = fresh(world, attester)
    body = json.dumps({"error": code, "error_description": "<b>a stranger's words</b>"}).encode()
    peer.odd["instead"] = {PLACES[place]: (401 if code in ("invalid_token", "invalid_client") else 400, JSON, body)}
    peer.odd["token"] = {"refresh_token": None}
    peer.deferrals = int(place == "deferred")
    consent = consent_to(online, peer.login_offer() if place == "par" else peer.offer())
    if place == "deferred":
        assert consent.approve().waiting
        clock.forward(seconds=61)
        (error,) = online.collect().problems
    else:
        with pytest.raises(ServerError) as caught:
            consent.approve()
        error = caught.value
    assert isinstance(error, ServerError)
    assert (error.step, error.error) == (BY_PLACE[place][0], code)
    assert error.message("en") != general(error)
    for line in sentences(error, "receive"):
        assert f"peer.example: {code}]" in line
        assert "stranger" not in line
    facts = explained(error, "en", "receive")
    assert (facts["kind"], facts["code"], facts["step"], facts["host"]) == ("server", code, error.step, error.host)


@pytest.mark.parametrize("code", [*AUTHORIZE, "<b>", "x" * 500])
def test_what_the_browser_brings_back_is_a_sentence_too(code: str, world: World, attester: Attester) -> None:
    peer, online, _ = fresh(world, attester)
    peer.odd["redirect"] = {"error": code, "code": None}
    with pytest.raises(ServerError) as caught:
        consent_to(online, peer.login_offer()).approve()
    known = code in AUTHORIZE
    assert caught.value.error == (code if known else "")
    assert caught.value.step == "login"
    assert all("<b>" not in line for line in sentences(caught.value, "receive"))


@pytest.mark.parametrize("code", [*ANSWER, *VP])
def test_a_verifier_that_refuses_is_a_sentence(code: str, world: World) -> None:
    peer = VerifierPeer(world.identity, int(AT.timestamp()), query_of(world))
    online = Online(world.wallet, http=peer, clock=Clock())
    asked = ask(online, peer.link())
    peer.instead["/response/1"] = (400, JSON, json.dumps({"error": code}).encode())
    with pytest.raises(ServerError) as caught:
        asked.answer(asked.consent.approve(reuse=True))
    assert caught.value.step == "answer"
    assert caught.value.message("en") != general(caught.value)
    sentences(caught.value, "present")


@pytest.mark.parametrize("status", [302, 404, 410, 429, 500, 503])
@pytest.mark.parametrize("path", ["/request/1", "/response/1"])
def test_a_bare_status_is_a_sentence(path: str, status: int, world: World) -> None:
    peer = VerifierPeer(world.identity, int(AT.timestamp()), query_of(world))
    online = Online(world.wallet, http=peer, clock=Clock())
    if path == "/request/1":
        peer.instead[path] = (status, {}, b"")
        with pytest.raises(ServerError) as caught:
            ask(online, peer.link())
    else:
        asked = ask(online, peer.link())
        peer.instead[path] = (status, {}, b"")
        with pytest.raises(ServerError) as caught:
            asked.answer(asked.consent.approve(reuse=True))
    assert caught.value.step == {"/request/1": "request", "/response/1": "answer"}[path]
    assert str(status) in sentences(caught.value, "present")[0]


@pytest.mark.parametrize("code", list(ReasonCode))
def test_each_reason_of_a_verifier_is_a_sentence_and_something_to_do(code: ReasonCode) -> None:
    error = ServerError("bank.example", 400, "access_denied", step="answer", reasons=[code])
    ko, en = sentences(error, "present")
    assert "did not accept the answer" in en
    assert "받아들이지 않았습니다" in ko
    assert f"access_denied, {code.value}]" in en
    assert "Show a fresh QR" not in error.action("en"), "this wallet shows none"


@pytest.mark.parametrize("doing", ["receive", "present"])
@pytest.mark.parametrize("code", list(ReasonCode))
def test_what_does_not_check_out_here_is_a_sentence(code: ReasonCode, doing: str) -> None:
    for line in sentences(RefusedError(code, "a.path", "a detail"), doing):
        assert f"[{code.value}: a.path: a detail]" in line


def test_reasons_that_nobody_knows_are_left_out(world: World) -> None:
    peer = VerifierPeer(world.identity, int(AT.timestamp()), query_of(world))
    asked = ask(Online(world.wallet, http=peer, clock=Clock()), peer.link())
    body = {"error": "access_denied", "reasons": ["revoked", "<b>", 7, None, ["x"], *["stale"] * 30]}
    peer.instead["/response/1"] = (400, JSON, json.dumps(body).encode())
    with pytest.raises(ServerError) as caught:
        asked.answer(asked.consent.approve(reuse=True))
    assert set(caught.value.reasons) == {ReasonCode.REVOKED, ReasonCode.STALE}
    assert len(caught.value.reasons) < 20


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    folder = tmp_path_factory.mktemp("town")
    now = lambda: datetime.now(UTC) + AHEAD[0]  # noqa: E731 - a clock
    with Town(
        folder, clock=now, database=lambda name: f"sqlite:///{folder / name}.db", deferred=["edu.graduation"]
    ) as t:
        yield t


@pytest.fixture
def shell(tmp_path: Path, town: Town) -> Shell:
    return Shell(tmp_path, town)


def failed(shell: Shell, *arguments: Any, code: int = 1, **how: Any) -> dict[str, Any]:
    """What ``--json`` prints of a failure; its message is what a person reads."""
    result = shell.online(*arguments, "--json", "--yes", code=code, **how)
    found: dict[str, Any] = json.loads(result.stdout)["error"]
    assert found["message"] in result.stderr
    return found


@pytest.mark.loopback
def test_a_wrong_transaction_code_and_a_used_offer_are_explained(shell: Shell) -> None:
    made = shell.town.offer(CODE, "dc+sd-jwt")
    attester = ("--attester", shell.folder / "attester.pem", "--client-id", "https://maker.example/wallet")
    wrong = f"{(int(made['tx_code']) + 1) % 10**6:06d}"
    found = failed(shell, "receive", made["uri"], *attester, "--tx-code", wrong)
    assert (found["code"], found["step"], found["status"]) == ("invalid_grant", "token", 400)
    assert "transaction code" in found["message"]
    shell.receive(made, "--yes", "--tx-code", made["tx_code"])
    found = failed(shell, "receive", made["uri"], *attester, "--tx-code", made["tx_code"])
    assert found["code"] == "invalid_grant"
    assert "used already" in found["message"]
    korean = shell.receive(made, "--yes", "--tx-code", made["tx_code"], "--lang", "ko", code=1)
    assert "이미 쓰였거나 만료" in korean.output


@pytest.mark.loopback
def test_a_wallet_that_nobody_vouches_for_is_told_so(shell: Shell) -> None:
    made = shell.town.offer(CODE, "dc+sd-jwt")
    found = failed(shell, "receive", made["uri"], "--tx-code", made["tx_code"])
    assert (found["code"], found["step"]) == ("invalid_client", "token")
    assert "--attester" in found["action"]


@pytest.mark.loopback
def test_status_lists_that_are_not_published_are_named_as_the_cause(shell: Shell) -> None:
    made = shell.town.offer(CODE, "dc+sd-jwt")
    shell.receive(made, "--yes", "--tx-code", made["tx_code"])
    asked = shell.town.ask_for(POLICY)
    found = failed(shell, "present", asked["link"])
    assert (found["code"], found["step"]) == ("access_denied", "answer")
    assert found["reasons"] == ["status_unknown"]
    assert "status list" in found["message"]
    assert "try again later" in found["action"]
    take_bundle(shell)
    shell.online("present", shell.town.ask_for(POLICY)["link"], "--yes", "--reuse")


@pytest.mark.loopback
def test_a_request_that_is_over_a_missing_certificate_and_an_address_with_nobody(shell: Shell) -> None:
    asked = shell.town.ask_for(POLICY)
    found = failed(shell, "present", asked["link"])
    assert (found["kind"], found["code"]) == ("missing", "missing_certificate")
    assert [one["why"] for one in found["missing"]] == [[]]
    assert "주민등록표" in failed(shell, "present", asked["link"], "--lang", "ko")["message"]
    assert "missing: " in shell.online("present", asked["link"], code=1, typed="y\n").output
    gone = asked["link"].replace("%2Fr%2F", "%2Fr%2Fx")
    found = failed(shell, "present", gone)
    assert (found["status"], found["step"], found["code"]) == (404, "request", "invalid_request")
    nobody = re.sub(r"(localhost%3A)\d+", r"\g<1>1", asked["link"])
    found = failed(shell, "present", nobody, code=4)
    assert (found["kind"], found["code"]) == ("Offline", "offline")
    assert "localhost: cannot be reached" in found["message"]
    assert "carry the message" not in found["message"]


@pytest.mark.loopback
def test_an_application_that_was_turned_down_is_explained_by_collect(shell: Shell) -> None:
    attester = ("--attester", shell.folder / "attester.pem", "--client-id", "https://maker.example/wallet")
    made = shell.town.offer("edu.graduation", "dc+sd-jwt")
    shell.receive(made, "--yes", "--tx-code", made["tx_code"])
    rows = shell.town.call("GET", f"{shell.town.issuer_url}/admin/applications?state=open")
    (application,) = [one for one in rows if one["code"] == "edu.graduation"]
    place = f"{shell.town.issuer_url}/admin/applications/{application['id']}/deny"
    assert shell.town.ask("POST", place, {"reason": "no such student"}).status == 204
    AHEAD[0] = timedelta(minutes=6)
    try:
        later = (datetime.now(UTC) + AHEAD[0]).isoformat()
        result = shell.online("collect", *attester, "--json", "--at", later, code=1)
    finally:
        AHEAD[0] = timedelta(0)
    (problem,) = json.loads(result.stdout)["problems"]
    assert (problem["code"], problem["step"]) == ("credential_request_denied", "deferred")
    assert "decided not to issue" in problem["message"]


def test_a_decline_says_as_much_as_follows_from_the_request(world: World) -> None:
    peer = VerifierPeer(world.identity, int(AT.timestamp()), query_of(world))
    online = Online(world.wallet, http=peer, clock=Clock())
    assert ask(online, peer.link()).refusal == "access_denied"
    peer.query["credentials"][0] |= {"format": "ldp_vc", "meta": {"type_values": [["X"]]}, "claims": [{"path": ["a"]}]}
    asked = ask(online, peer.link())
    asked.decline()
    assert peer.form == {"error": "vp_formats_not_supported", "state": peer.state}


@pytest.mark.loopback
def test_what_stands_in_the_way_of_a_yes_is_explained_in_both_languages(shell: Shell) -> None:
    made = shell.town.offer(CODE, "dc+sd-jwt")
    shell.receive(made, "--yes", "--tx-code", made["tx_code"])
    take_bundle(shell)
    asked = shell.town.ask_for(POLICY)
    for arguments, words in (
        (("--also", "nothing.such"), "--also"),
        (("--choose", "residence=nothing"), "답할 수 없습니다"),
    ):
        found = failed(shell, "present", asked["link"], *arguments)
        assert (found["kind"], found["code"]) == ("ConsentError", "no_consent")
        assert "It cannot be done like this: " in found["message"]
        assert words in failed(shell, "present", asked["link"], *arguments, "--lang", "ko")["message"]


def test_every_reason_of_the_network_has_korean_words() -> None:
    from vcred.outgoing import check_url

    for url in ("https://a b", "https://user@host.example", "http://host.example", "https://[::1", "x"):
        with pytest.raises(TransportError) as caught:
            check_url(url)
        where = explained(caught.value, "ko", "receive")["where"]
        assert re.search("[가-힣]", where), where


def test_a_transport_error_says_where_and_what_goes_on_later() -> None:
    for lang, words in (("ko", "collect"), ("en", "collect")):
        facts = explained(TransportError("issuer.example: its certificate is not valid for it"), lang, "receive")
        assert facts["code"] == "other"
        assert "issuer.example" in facts["where"]
        assert words not in facts["action"]


@pytest.mark.parametrize("place", ["server", "par", "token", "nonce", "credential", "deferred"])
def test_a_busy_issuer_is_waited_for_and_gets_a_fresh_proof(place: str, world: World, attester: Attester) -> None:
    peer, online, clock = fresh(world, attester)
    waited: list[float] = []
    proofs: list[str | None] = []
    real = peer.send

    def send(method: str, url: str, *, headers: Any = None, **more: Any) -> Any:
        if f"{urlsplit(url).netloc}{urlsplit(url).path}" == PLACES[place]:
            proofs.append((headers or {}).get("DPoP"))
        return real(method, url, headers=headers, **more)

    def pause(seconds: float) -> None:
        waited.append(seconds)
        del peer.odd["instead"]

    online.http, online.pause = type("Watched", (), {"send": staticmethod(send)})(), pause
    peer.deferrals = int(place == "deferred")
    consent = consent_to(online, peer.login_offer() if place == "par" else peer.offer())
    peer.odd["instead"] = {PLACES[place]: (503, {"retry-after": "4"}, b"")}
    got = consent.approve()
    if place == "deferred":
        clock.forward(seconds=61)
        got = online.collect()
    assert len(got.certificates) == 1
    assert waited == [4.0]
    assert proofs[0] is None or len(set(proofs)) == len(proofs) > 1


def test_a_busy_verifier_is_waited_for_and_one_that_is_busy_for_long_is_not(world: World) -> None:
    peer = VerifierPeer(world.identity, int(AT.timestamp()), query_of(world))
    waited: list[float] = []

    def pause(seconds: float) -> None:
        waited.append(seconds)
        peer.instead.clear()

    online = Online(world.wallet, http=peer, clock=Clock(), pause=pause)
    peer.instead["/request/1"] = (429, {"retry-after": "2"}, b"")
    asked = ask(online, peer.link())
    peer.instead["/response/1"] = (503, {"retry-after": "3"}, b"")
    asked.answer(asked.consent.approve(reuse=True))
    assert waited == [2.0, 3.0]
    peer.instead["/request/1"] = (503, {"retry-after": "3600"}, b"")
    with pytest.raises(ServerError) as caught:
        ask(online, peer.link())
    assert (waited, caught.value.retry_after) == ([2.0, 3.0], 3600)
    assert "Wait 3600 seconds" in caught.value.action("en")
    assert "3600초" in caught.value.action("ko")


def test_an_issuer_with_too_many_requests_keeps_the_offer_open(world: World, attester: Attester) -> None:
    peer, online, _ = fresh(world, attester)
    peer.odd["instead"] = {PLACES["token"]: (429, JSON | {"retry-after": "60"}, b'{"error":"slow_down"}')}
    with pytest.raises(ServerError) as caught:
        consent_to(online, peer.offer()).approve()
    assert (caught.value.final, caught.value.retry_after) == (False, 60)
    del peer.odd["instead"]
    assert len(online.collect().certificates) == 1


def test_nothing_controls_the_terminal_from_what_stands_in_the_way_of_a_yes() -> None:
    for lang in ("ko", "en"):
        line = consent_failure(ConsentError("this request asks for too much: a\x1b[31m\u202e"), lang).message
        assert line.isprintable(), line
