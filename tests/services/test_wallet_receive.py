"""A wallet receives from an issuer that is not ours (``wallet_peer``), by every way that OpenID4VCI 1.0 has."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import pytest

from tests.services.wallet_kit import AT, CLIENT, Attester, Clock
from tests.services.wallet_peer import AS, CALLBACK, ISSUER, Peer, public
from vcred.errors import ConsentError, MalformedError, Offline, RefusedError, TransportError
from vcred.reasons import ReasonCode
from vcred.testing import World
from wallet import MemoryStore, Wallet
from wallet.client import IssuanceConsent, OfferPreview, Online, ServerError

CONFIGURATION = "resident.personal-sdjwt"


@pytest.fixture(scope="module")
def world() -> World:
    return World(at=AT)


@pytest.fixture(scope="module")
def attester() -> Attester:
    return Attester()


@pytest.fixture
def peer(world: World, attester: Attester) -> Peer:
    made = Peer(world)
    made.attester = public(attester.key)
    return made


@pytest.fixture
def clock() -> Clock:
    return Clock()


def make_online(peer: Peer, attester: Attester, clock: Clock, **more: Any) -> Online:
    wallet = Wallet(store=more.pop("store", None) or MemoryStore(), trust=peer.world.trust)
    if more.pop("anonymous", False):
        more["attester"] = None
    given = {"attester": attester.local, "redirect_uri": CALLBACK, "open_browser": peer.browser} | more
    return Online(wallet, http=peer, clock=clock, **given)


@pytest.fixture
def online(peer: Peer, attester: Attester, clock: Clock) -> Online:
    return make_online(peer, attester, clock)


def link(offer: dict[str, Any]) -> str:
    return f"openid-credential-offer://?credential_offer={quote(json.dumps(offer))}"


def consent_to(online: Online, offer: dict[str, Any]) -> IssuanceConsent:
    found = online.fetch(online.look(link(offer)))
    assert isinstance(found, IssuanceConsent)
    return found


def refused(code: ReasonCode) -> Any:
    return pytest.raises(RefusedError, match=f"^{code.value}")


def test_an_offer_by_value_becomes_a_certificate_with_a_batch_of_copies(online: Online, peer: Peer) -> None:
    asked = consent_to(online, peer.offer())
    assert [(one.code, one.problem) for one in asked.credentials] == [("resident.personal", None)]
    received = asked.approve()
    (one,) = received.certificates
    assert (one.code, one.unused, one.batch, received.waiting) == ("resident.personal", 3, True, ())
    assert online.wallet.certificates() == [one]
    assert peer.notified == [{"notification_id": "n-1", "event": "credential_accepted"}]
    assert peer.paths().count("token") == 2, "once without the server's DPoP nonce, once with it"
    request = peer.seen[-1]["credential"]
    assert request["credential_configuration_id"] == CONFIGURATION
    assert len(request["proofs"]["jwt"]) == 3


def test_what_is_shown_before_consent(online: Online, peer: Peer, world: World) -> None:
    asked = consent_to(online, peer.offer())
    assert asked.host == "peer.example"
    assert asked.hosts == ("peer.example", "login.peer.example")
    assert (asked.trusted, asked.test, asked.authority, asked.signed) == (False, False, None, False)
    assert asked.issuer_name["en"] == "Peer <script>alert(1)</script>", "text, for whoever shows it to escape"
    assert (asked.tx_code, asked.login) == (None, False)


def test_an_offer_that_the_wallet_cannot_take_says_why(online: Online, peer: Peer) -> None:
    peer.configurations["foreign"] = {"format": "dc+sd-jwt", "vct": "urn:example:unheard-of"}
    peer.configurations["odd"] = {"format": "ac_vc", "vct": peer.world.catalog["resident.personal"].vct}
    offer = peer.offer()
    offer["credential_configuration_ids"].append("nowhere")
    asked = consent_to(online, offer)
    assert {one.configuration: one.problem for one in asked.credentials} == {
        CONFIGURATION: None,
        "foreign": "type",
        "odd": "format",
        "nowhere": "unknown",
    }
    with pytest.raises(ConsentError):
        asked.approve(configurations=["foreign"])
    assert len(asked.approve().certificates) == 1


def test_wf_10_nothing_is_fetched_before_the_holder_said_yes_to_the_host(online: Online, peer: Peer) -> None:
    preview = online.look(f"haip-vci://?credential_offer_uri={quote('https://peer.example/offers/1')}")
    assert (preview.host, preview.offer, peer.log) == ("peer.example", None, [])
    assert online.look(link(peer.offer())).host == "peer.example"
    assert peer.log == []
    asked = online.fetch(preview)
    assert isinstance(asked, IssuanceConsent)
    assert peer.paths() == ["1", "tenant"]


def test_wf_10_an_offer_elsewhere_that_names_another_issuer_is_asked_about_again(online: Online, peer: Peer) -> None:
    offer = peer.offer()
    peer.odd["instead"] = {"elsewhere.example/o": peer.json(offer)}
    second = online.fetch(online.look("openid-credential-offer://?credential_offer_uri=https://elsewhere.example/o"))
    assert isinstance(second, OfferPreview)
    assert second.host == "peer.example"
    assert peer.log == [("GET", "https://elsewhere.example/o")], "nothing went to the issuer yet"
    assert isinstance(online.fetch(second), IssuanceConsent)


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_wf_05_a_redirect_is_not_followed(status: int, online: Online, peer: Peer) -> None:
    place = "peer.example/.well-known/openid-credential-issuer/tenant"
    peer.odd["instead"] = {place: (status, {"location": "https://10.0.0.1/"}, b"")}
    with pytest.raises(ServerError):
        online.fetch(online.look(link(peer.offer())))
    assert len(peer.log) == 1


@pytest.mark.parametrize(
    "place",
    [
        "https://bank.example@peer.example/o",
        "https://peer.example\\@bank.example/o",
        "https://bank.example%23@peer.example/o",
        "https://peer.example/#@bank.example",
        "https://peer exa.mple/o",
        "ftp://peer.example/o",
        "http://peer.example/o",
        "https:///o",
    ],
)
def test_wf_06_addresses_that_two_readers_read_differently_are_refused(place: str, online: Online, peer: Peer) -> None:
    with pytest.raises(MalformedError):
        online.look(f"openid-credential-offer://?credential_offer_uri={quote(place, safe='')}")
    with pytest.raises(MalformedError):
        online.look(link(peer.offer(credential_issuer=place)))
    assert peer.log == []


@pytest.mark.parametrize("type_", ["text/html", "application/octet-stream", "", "application/jwt-ish"])
def test_wf_08_an_answer_of_another_content_type_is_refused(type_: str, online: Online, peer: Peer) -> None:
    place = "peer.example/.well-known/openid-credential-issuer/tenant"
    peer.odd["instead"] = {place: (200, {"content-type": type_}, json.dumps(peer.issuer_metadata()).encode())}
    with refused(ReasonCode.FORMAT):
        online.fetch(online.look(link(peer.offer())))


def test_wf_07_an_answer_that_is_too_large_stops_it(online: Online, peer: Peer) -> None:
    place = "peer.example/.well-known/openid-credential-issuer/tenant"
    body = b'{"a":"' + b"x" * (5 * 1024 * 1024) + b'"}'
    peer.odd["instead"] = {place: (200, {"content-type": "application/json"}, body)}
    with refused(ReasonCode.SIZE):
        online.fetch(online.look(link(peer.offer())))


def test_wf_15_a_link_of_a_megabyte_is_refused(online: Online) -> None:
    with refused(ReasonCode.LIMIT):
        online.look("openid-credential-offer://?credential_offer=" + "a" * 1_000_000)


@pytest.mark.parametrize("name", ["credential_issuer"])
def test_metadata_that_names_another_issuer_is_not_used(name: str, online: Online, peer: Peer) -> None:
    peer.odd["issuer_metadata"] = {name: "https://peer.example/other"}
    with refused(ReasonCode.ISSUER):
        online.fetch(online.look(link(peer.offer())))


def test_a_server_that_names_another_issuer_is_not_used(online: Online, peer: Peer) -> None:
    peer.odd["server_metadata"] = {"issuer": "https://login.peer.example/other"}
    with refused(ReasonCode.ISSUER):
        consent_to(online, peer.offer()).approve()
    assert "token" not in peer.paths()


def test_a_server_that_is_not_the_issuers_is_not_used(online: Online, peer: Peer) -> None:
    offer = peer.offer()
    next(iter(offer["grants"].values()))["authorization_server"] = "https://elsewhere.example"
    with refused(ReasonCode.ISSUER):
        consent_to(online, offer).approve()


def test_wf_06_a_server_whose_address_is_none_is_not_asked(online: Online, peer: Peer) -> None:
    peer.odd["issuer_metadata"] = {"authorization_servers": ["https://[peer.example"]}
    with refused(ReasonCode.SCHEME):
        consent_to(online, peer.offer()).approve()


def test_a_transaction_code_is_asked_for_and_sent_as_text(online: Online, peer: Peer) -> None:
    peer.tx_code = "012345"
    asked = consent_to(online, peer.offer())
    assert asked.tx_code is not None
    assert asked.tx_code.length == 6
    with pytest.raises(ConsentError):
        asked.approve()
    assert "token" not in peer.paths()
    with pytest.raises(ServerError, match="invalid_grant"):
        asked.approve(tx_code="999999")
    assert asked.approve(tx_code="012345").certificates
    assert peer.seen[-2]["token"]["tx_code"] == "012345"


def test_no_transaction_code_is_sent_where_none_is_wanted(online: Online, peer: Peer) -> None:
    with pytest.raises(ConsentError):
        consent_to(online, peer.offer()).approve(tx_code="1")


def test_the_holder_logs_in_in_a_browser(online: Online, peer: Peer) -> None:
    asked = consent_to(online, peer.login_offer())
    assert asked.login
    assert len(asked.approve().certificates) == 1
    form = next(row["token"] for row in reversed(peer.seen) if "token" in row)
    assert form["grant_type"] == "authorization_code"
    assert form["client_id"] == CLIENT


def test_an_app_that_is_ended_while_the_holder_logs_in_goes_on(
    peer: Peer, attester: Attester, clock: Clock, online: Online
) -> None:
    first = make_online(peer, attester, clock, open_browser=None)
    login = consent_to(first, peer.login_offer()).approve().login
    assert login is not None
    back = peer.browser(login)
    second = make_online(peer, attester, clock, open_browser=None, store=first.wallet.store)
    assert len(second.returned(back).certificates) == 1
    with refused(ReasonCode.REPLAY):
        second.returned(back)


@pytest.mark.parametrize(
    ("redirect", "code"),
    [
        ({"iss": "https://login.peer.example/other"}, ReasonCode.ISSUER),
        ({"iss": None}, ReasonCode.ISSUER),
        ({"state": "another"}, ReasonCode.REPLAY),
        ({"state": None}, ReasonCode.REPLAY),
        ({"code": None}, ReasonCode.FORMAT),
        ({"iss": None, "error": "access_denied"}, ReasonCode.ISSUER),
    ],
    ids=["iss of another", "iss missing", "state of another", "state missing", "no code", "error of nobody"],
)
def test_what_the_browser_brings_back_has_to_be_for_this_request(
    redirect: dict[str, Any], code: ReasonCode, online: Online, peer: Peer
) -> None:
    peer.odd["redirect"] = redirect
    with refused(code):
        consent_to(online, peer.login_offer()).approve()
    assert "token" not in peer.paths(), "no code goes anywhere"
    assert online.wallet.store.ids("sessions") == ()


def test_a_browser_that_comes_back_elsewhere_is_not_believed(online: Online, peer: Peer) -> None:
    peer.odd["callback"] = "https://wallet.example/callback.evil.example"
    with refused(ReasonCode.SCHEME):
        consent_to(online, peer.login_offer()).approve()


def test_a_login_that_is_refused_is_told_with_its_code(online: Online, peer: Peer) -> None:
    peer.odd["redirect"] = {"code": None, "error": "access_denied"}
    with pytest.raises(ServerError) as told:
        consent_to(online, peer.login_offer()).approve()
    assert told.value.error == "access_denied"


def test_pkce_is_s256_or_nothing(online: Online, peer: Peer) -> None:
    peer.odd["server_metadata"] = {"code_challenge_methods_supported": ["plain"]}
    with refused(ReasonCode.ALG):
        consent_to(online, peer.login_offer()).approve()
    assert "par" not in peer.paths()


def test_without_expires_in_and_with_any_spelling_of_the_token_type(online: Online, peer: Peer) -> None:
    peer.odd["token"] = {"expires_in": None, "token_type": "dPOP"}
    assert consent_to(online, peer.offer()).approve().certificates


def test_a_token_that_is_not_bound_to_the_key_is_not_used(online: Online, peer: Peer) -> None:
    peer.odd["token"] = {"token_type": "Bearer"}
    with refused(ReasonCode.FORMAT):
        consent_to(online, peer.offer()).approve()
    assert "credential" not in peer.paths()


def test_a_server_without_dpop_gets_none(online: Online, peer: Peer) -> None:
    peer.odd["server_metadata"] = {"dpop_signing_alg_values_supported": ["RS256"]}
    assert consent_to(online, peer.offer()).approve().certificates


def test_credential_identifiers_are_used_where_the_token_names_them(online: Online, peer: Peer) -> None:
    details = {
        "type": "openid_credential",
        "credential_configuration_id": CONFIGURATION,
        "credential_identifiers": [f"{CONFIGURATION}:1", f"{CONFIGURATION}:2"],
    }
    peer.odd["token"] = {"authorization_details": [details]}
    received = consent_to(online, peer.offer()).approve()
    assert len(received.certificates) == 2
    asked = [row["credential"] for row in peer.seen if "credential" in row]
    assert [one["credential_identifier"] for one in asked] == details["credential_identifiers"]
    assert not any("credential_configuration_id" in one for one in asked)


def test_a_challenge_of_the_server_goes_into_the_next_proof(online: Online, peer: Peer) -> None:
    peer.challenge = "challenge-1"
    assert consent_to(online, peer.offer()).approve().certificates
    assert peer.paths().count("token") == 3, "without anything, with the challenge, with the DPoP nonce as well"


def test_a_challenge_endpoint_is_asked_first(online: Online, peer: Peer) -> None:
    peer.challenge, peer.dpop_nonce = "challenge-2", None
    peer.odd["server_metadata"] = {"challenge_endpoint": f"{AS}/challenge"}
    peer.odd["instead"] = {"login.peer.example/as/challenge": peer.json({"attestation_challenge": "challenge-2"})}
    assert consent_to(online, peer.offer()).approve().certificates
    assert peer.paths().count("token") == 1


def test_a_server_that_never_takes_its_own_nonce_is_asked_twice(online: Online, peer: Peer) -> None:
    def never(*_: object) -> bool:
        from tests.services.wallet_peer import Refuse

        raise Refuse("use_dpop_nonce", headers={"dpop-nonce": "another"})

    peer.check_dpop = never
    with pytest.raises(ServerError, match="use_dpop_nonce"):
        consent_to(online, peer.offer()).approve()
    assert peer.paths().count("token") == 2


def test_a_nonce_that_has_ended_is_fetched_once_more(online: Online, peer: Peer) -> None:
    peer.odd["nonce"] = "an-old-one"
    assert consent_to(online, peer.offer()).approve().certificates
    assert peer.paths().count("nonce") == 2
    assert peer.paths().count("credential") == 3, "once for the DPoP nonce of that server"


def test_a_key_attestation_goes_with_the_proof_where_it_is_required(online: Online, peer: Peer) -> None:
    peer.configurations[CONFIGURATION]["proof_types_supported"] = {
        "jwt": {"proof_signing_alg_values_supported": ["ES256"], "key_attestations_required": {}}
    }
    (one,) = consent_to(online, peer.offer()).approve().certificates
    assert one.total == 3
    assert len(peer.seen[-1]["credential"]["proofs"]["jwt"]) == 1


def test_an_attestation_alone_is_a_proof_where_nothing_else_is_taken(online: Online, peer: Peer) -> None:
    peer.configurations[CONFIGURATION]["proof_types_supported"] = {
        "attestation": {"proof_signing_alg_values_supported": ["ES256"], "key_attestations_required": {}}
    }
    assert consent_to(online, peer.offer()).approve().certificates
    assert list(peer.seen[-1]["credential"]["proofs"]) == ["attestation"]


def test_without_an_attester_an_issuer_that_wants_attested_keys_is_no_good(
    peer: Peer, attester: Attester, clock: Clock
) -> None:
    peer.configurations[CONFIGURATION]["proof_types_supported"] = {
        "jwt": {"proof_signing_alg_values_supported": ["ES256"], "key_attestations_required": {}}
    }
    online = make_online(peer, attester, clock, anonymous=True)
    asked = consent_to(online, peer.offer())
    assert [one.problem for one in asked.credentials] == ["proof"]


def test_a_wallet_that_is_nobody_in_particular(peer: Peer, attester: Attester, clock: Clock) -> None:
    peer.attester = None
    online = make_online(peer, attester, clock, anonymous=True)
    assert consent_to(online, peer.offer()).approve().certificates
    assert "client_id" not in peer.seen[0]["token"]


def test_request_and_answer_are_encrypted_where_the_issuer_wants_it(online: Online, peer: Peer) -> None:
    peer.encrypts()
    assert consent_to(online, peer.offer()).approve().certificates
    assert "credential_response_encryption" in peer.seen[-1]["credential"]


def test_an_answer_in_the_clear_is_refused_where_an_encrypted_one_was_asked_for(online: Online, peer: Peer) -> None:
    peer.encrypts()
    peer.closed = lambda request, value, status=200: peer.json(value, status)
    with refused(ReasonCode.FORMAT):
        consent_to(online, peer.offer()).approve()
    assert online.wallet.certificates() == []


def test_a_key_for_answers_never_goes_out_in_the_clear(online: Online, peer: Peer) -> None:
    peer.encrypts()
    del peer.odd["issuer_metadata"]["credential_request_encryption"]
    with refused(ReasonCode.ALG):
        consent_to(online, peer.offer()).approve()
    assert "credential" not in peer.paths()


def test_what_takes_time_is_collected_later(online: Online, peer: Peer, clock: Clock) -> None:
    peer.deferrals = 2
    received = consent_to(online, peer.offer()).approve()
    assert received.certificates == ()
    assert [one.code for one in received.waiting] == ["resident.personal"]
    assert online.collect().certificates == ()
    assert "deferred" not in peer.paths(), "not before the issuer said"
    clock.forward(seconds=60)
    assert [one.ready_at for one in online.collect().waiting] == [int(clock().timestamp()) + 60]
    clock.forward(seconds=60)
    (one,) = online.collect().certificates
    assert (one.code, one.total) == ("resident.personal", 3)
    assert online.waiting() == ()
    assert peer.notified[-1]["event"] == "credential_accepted"


def test_what_takes_time_is_encrypted_too(online: Online, peer: Peer, clock: Clock) -> None:
    peer.encrypts()
    peer.deferrals = 1
    consent_to(online, peer.offer()).approve()
    clock.forward(seconds=61)
    assert len(online.collect().certificates) == 1


def test_an_issuer_that_has_forgotten_ends_the_waiting(online: Online, peer: Peer, clock: Clock) -> None:
    peer.deferrals = 5
    peer.odd["token"] = {"refresh_token": None}
    consent_to(online, peer.offer()).approve()
    peer.transactions.clear()
    clock.forward(seconds=61)
    received = online.collect()
    assert [getattr(one, "error", "") for one in received.problems] == ["invalid_transaction_id"]
    assert online.waiting() == ()
    assert online.wallet.store.ids("sessions") == ()


def test_what_is_waited_for_can_be_given_up(online: Online, peer: Peer) -> None:
    peer.deferrals = 5
    (one,) = consent_to(online, peer.offer()).approve().waiting
    online.forget(one.session)
    assert online.waiting() == ()


def test_a_lost_answer_is_asked_for_by_the_same_request(online: Online, peer: Peer) -> None:
    asked = consent_to(online, peer.offer())
    peer.dpop_nonce = None
    peer.odd["lose"] = "credential"
    with pytest.raises(Offline):
        asked.approve()
    assert online.wallet.certificates() == []
    assert len(online.collect().certificates) == 1
    first, second = (row["credential"] for row in peer.seen if "credential" in row)
    assert first == second


def test_a_certificate_is_kept_though_the_issuer_does_not_hear_of_it_at_once(online: Online, peer: Peer) -> None:
    asked = consent_to(online, peer.offer())
    peer.odd["lose"] = "notification"
    assert len(asked.approve().certificates) == 1
    assert len(online.wallet.certificates()) == 1
    assert online.collect().problems == ()
    assert [one["event"] for one in peer.notified] == ["credential_accepted"] * 2
    assert peer.notified[0] == peer.notified[1], "told twice is told once"


def test_keys_are_kept_before_anything_is_asked_for(online: Online, peer: Peer) -> None:
    asked = consent_to(online, peer.offer())
    store = online.wallet.store
    kept: list[int] = []
    real = peer.send

    def send(*arguments: Any, **options: Any) -> Any:
        kept.append(len(store.ids("sessions")))
        return real(*arguments, **options)

    online.http = type("Watched", (), {"send": staticmethod(send)})()
    asked.approve()
    assert set(kept) == {1}


def test_a_credential_for_somebody_elses_key_is_not_kept(online: Online, peer: Peer, attester: Attester) -> None:
    peer.odd["keys"] = [attester.key.public_key]
    with refused(ReasonCode.CNF):
        consent_to(online, peer.offer()).approve()
    assert online.wallet.certificates() == []
    assert peer.notified == [{"notification_id": "n-1", "event": "credential_failure"}]


def test_another_certificate_than_was_offered_is_not_kept(online: Online, peer: Peer) -> None:
    peer.odd["code"] = "resident.household"
    with refused(ReasonCode.VCT):
        consent_to(online, peer.offer()).approve()
    assert online.wallet.certificates() == []


def test_a_certificate_of_an_unknown_issuer_is_not_kept(peer: Peer, attester: Attester, clock: Clock) -> None:
    online = make_online(peer, attester, clock)
    online.wallet.trust = World(at=AT).trust
    with pytest.raises(RefusedError) as told:
        consent_to(online, peer.offer()).approve()
    assert told.value.code in (ReasonCode.UNTRUSTED, ReasonCode.CHAIN)
    assert online.wallet.certificates() == []


def test_an_issuer_that_refuses_for_good_leaves_nothing_behind(online: Online, peer: Peer) -> None:
    peer.odd["refuse"] = "credential_request_denied"
    with pytest.raises(ServerError, match="credential_request_denied"):
        consent_to(online, peer.offer()).approve()
    assert online.wallet.store.ids("sessions") == ()


def test_two_formats_of_one_certificate_are_one_certificate(online: Online, peer: Peer) -> None:
    peer.configurations["resident.personal-sdcwt"] = {
        "format": "sd-cwt",
        "vct": peer.world.catalog["resident.personal"].vct,
    }
    (one,) = consent_to(online, peer.offer()).approve().certificates
    assert (one.formats, one.total) == (("dc+sd-jwt", "sd-cwt"), 6)


def test_fresh_copies_take_the_place_of_a_certificate_that_is_about_to_end(
    online: Online, peer: Peer, clock: Clock
) -> None:
    (old,) = consent_to(online, peer.offer()).approve().certificates
    assert online.refresh(within=timedelta(days=1)).certificates == (), "not yet"
    (fresh,) = online.refresh(within=timedelta(days=3650)).certificates
    assert fresh.id != old.id
    assert [one.id for one in online.wallet.certificates()] == [fresh.id]
    (newest,) = online.refresh(within=timedelta(days=3650)).certificates
    assert [one.id for one in online.wallet.certificates()] == [newest.id]


def test_a_refresh_that_was_cut_off_is_gone_on_with(online: Online, peer: Peer) -> None:
    (old,) = consent_to(online, peer.offer()).approve().certificates
    for _ in range(2):
        peer.odd["lose"] = "tenant"
        received = online.refresh(within=timedelta(days=3650))
        assert (received.certificates, [type(one) for one in received.problems]) == ((), [Offline])
    (fresh,) = online.refresh(within=timedelta(days=3650)).certificates
    assert [one.id for one in online.wallet.certificates()] == [fresh.id]
    assert fresh.id != old.id


def test_a_token_that_has_ended_is_renewed(online: Online, peer: Peer, clock: Clock) -> None:
    peer.deferrals = 1
    consent_to(online, peer.offer()).approve()
    clock.forward(seconds=700)
    assert len(online.collect().certificates) == 1
    assert [row["token"]["grant_type"] for row in peer.seen if "token" in row][-1] == "refresh_token"


def test_a_token_that_is_refused_is_renewed_once(online: Online, peer: Peer, clock: Clock) -> None:
    peer.deferrals = 1
    peer.odd["token"] = {"expires_in": None, "access_token": "at-1"}
    consent_to(online, peer.offer()).approve()
    peer.odd["token"] = {"access_token": "at-2"}
    peer.odd["ended"] = {"at-1"}
    clock.forward(seconds=61)
    assert len(online.collect().certificates) == 1


def test_a_server_that_cannot_be_reached_leaves_the_offer_open(online: Online, peer: Peer) -> None:
    asked = consent_to(online, peer.offer())
    peer.odd["lose"] = "as"
    with pytest.raises(TransportError):
        asked.approve()
    assert len(online.collect().certificates) == 1


def test_an_offer_that_was_agreed_to_twice_asks_with_the_same_keys(online: Online, peer: Peer) -> None:
    peer.dpop_nonce = None
    asked = consent_to(online, peer.offer())
    peer.odd["lose"] = "credential"
    with pytest.raises(Offline):
        asked.approve()
    assert len(consent_to(online, peer.offer()).approve().certificates) == 1
    first, second = (row["credential"] for row in peer.seen if "credential" in row)
    assert first["proofs"] == second["proofs"]


def test_a_holder_can_begin_without_an_offer(online: Online, peer: Peer) -> None:
    preview = online.look_issuer(ISSUER, [CONFIGURATION])
    assert (preview.host, peer.log) == ("peer.example", [])
    asked = online.fetch(preview)
    assert isinstance(asked, IssuanceConsent)
    assert asked.login
    assert len(asked.approve().certificates) == 1


def test_a_login_that_nobody_came_back_from_is_forgotten(peer: Peer, attester: Attester, clock: Clock) -> None:
    online = make_online(peer, attester, clock, open_browser=None)
    login = consent_to(online, peer.login_offer()).approve().login
    assert login is not None
    clock.forward(hours=1)
    online.collect()
    assert len(online.wallet.store.ids("sessions")) == 1
    clock.forward(hours=24)
    online.collect()
    assert online.wallet.store.ids("sessions") == ()
    with refused(ReasonCode.REPLAY):
        online.returned(peer.browser(login))


def test_the_right_to_refresh_goes_with_the_certificate(online: Online, peer: Peer) -> None:
    (one,) = consent_to(online, peer.offer()).approve().certificates
    assert len(online.wallet.store.ids("sessions")) == 1
    online.wallet.delete(one.id)
    assert online.refresh(within=timedelta(days=3650)).certificates == ()
    assert online.wallet.store.ids("sessions") == ()
    assert online.wallet.damaged() == ()
