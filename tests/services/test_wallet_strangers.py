"""What strangers' servers may say: whatever it is, the wallet refuses it in its own words, and keeps nothing of it."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from tests.services.test_wallet_present import ask, online_of, query_of
from tests.services.test_wallet_receive import CONFIGURATION, consent_to, link, make_online
from tests.services.verifier_peer import OBJECT, VerifierPeer
from tests.services.wallet_kit import AT, Attester, Clock
from tests.services.wallet_peer import ISSUER, Peer, public
from vcred.errors import ConsentError, RefusedError, TransportError
from vcred.oid4vci import sign_metadata
from vcred.reasons import ReasonCode
from vcred.testing import World
from wallet.client import IssuanceConsent

if TYPE_CHECKING:
    from vcred.keys import SoftwareSigner
    from wallet.client import Online

JSON = {"content-type": "application/json"}
WORDS: list[Any] = [None, True, 7, -1, 1e308, "", "x" * 70_000, [], {}, [[]], [None], {"": None}, ["a", 1]]
PLACES = {
    "issuer": "peer.example/.well-known/openid-credential-issuer/tenant",
    "server": "login.peer.example/.well-known/oauth-authorization-server/as",
    "token": "login.peer.example/as/token",
    "par": "login.peer.example/as/par",
    "nonce": "peer.example/tenant/nonce",
    "credential": "peer.example/tenant/credential",
    "deferred": "peer.example/tenant/deferred",
    "notification": "peer.example/tenant/notification",
}


@pytest.fixture(scope="module")
def world() -> World:
    return World(at=AT)


@pytest.fixture(scope="module")
def attester() -> Attester:
    return Attester()


def fresh(world: World, attester: Attester) -> tuple[Peer, Online, Clock]:
    peer, clock = Peer(world), Clock()
    peer.attester = public(attester.key)
    peer.dpop_nonce = None
    return peer, make_online(peer, attester, clock), clock


def members(peer: Peer) -> dict[str, dict[str, Any]]:
    """What each of the servers says when all is well."""
    return {
        "issuer": peer.issuer_metadata(),
        "server": peer.server_metadata(),
        "token": {"access_token": "a", "token_type": "DPoP", "authorization_details": []},
        "par": {"request_uri": "urn:x"},
        "nonce": {"c_nonce": "n"},
        "credential": {"credentials": [{"credential": "x"}], "notification_id": "n"},
        "deferred": {"transaction_id": "t", "interval": 5},
        "notification": {},
    }


@pytest.mark.parametrize("place", PLACES)
def test_whatever_a_server_says_is_refused_in_our_words(place: str, world: World, attester: Attester) -> None:
    good = members(Peer(world))[place]
    bodies = [b"", b"\xff\xfe", b"{", b"[" * 5000, *(json.dumps(word).encode() for word in WORDS)]
    bodies += [json.dumps(good | {name: word}).encode() for name in good for word in WORDS]
    bodies += [json.dumps({k: v for k, v in good.items() if k != name}).encode() for name in good]
    for body in bodies:
        peer, online, clock = fresh(world, attester)
        peer.odd["instead"] = {PLACES[place]: (200, JSON, body)}
        peer.deferrals = int(place == "deferred")
        offer = peer.login_offer() if place == "par" else peer.offer()
        try:
            asked = online.fetch(online.look(link(offer)))
            assert isinstance(asked, IssuanceConsent)
            asked.approve()
            clock.forward(seconds=61)
            assert all(isinstance(one, (RefusedError, TransportError)) for one in online.collect().problems)
        except (RefusedError, TransportError, ConsentError):
            pass
        assert all(one.code == "resident.personal" for one in online.wallet.certificates())
        assert online.wallet.damaged() == ()


@pytest.mark.parametrize("status", [199, 204, 300, 400, 401, 403, 404, 429, 500, 503])
@pytest.mark.parametrize("place", ["server", "token", "nonce", "credential", "notification"])
def test_whatever_status_a_server_answers_with(place: str, status: int, world: World, attester: Attester) -> None:
    peer, online, _ = fresh(world, attester)
    peer.odd["instead"] = {PLACES[place]: (status, JSON, b'{"error":"<b>\\u202e</b>"}')}
    asked = consent_to(online, peer.offer())
    told: list[str] = []
    try:
        asked.approve()
    except (RefusedError, TransportError) as error:
        told.append(str(error))
    assert "<b>" not in "".join(told)
    if place == "notification":
        assert len(online.wallet.certificates()) == 1
        return
    assert online.wallet.certificates() == []
    open_still = bool(online.wallet.store.ids("sessions"))
    if place in ("token", "credential"):
        passing = status in (408, 425, 429) or not (400 <= status < 500 or status == 204)
        assert open_still == passing, "what may pass is tried again"


@pytest.mark.parametrize("name", ["x" * 10_000, "a" + "\u0301" * 500, "\u202e안녕", "<script>alert(1)</script>"])
def test_wf_12_names_are_clipped_and_without_marks_or_directions(name: str, world: World, attester: Attester) -> None:
    peer, online, _ = fresh(world, attester)
    about = {"display": [{"name": name, "locale": "ko"}]}
    peer.configurations[CONFIGURATION]["credential_metadata"] = about
    peer.odd["issuer_metadata"] = about
    asked = consent_to(online, peer.offer())
    for text in (asked.issuer_name["ko"], asked.credentials[0].name["ko"]):
        assert len(text) <= 301
        assert text.count("\u0301") <= 2
        assert "\u202e" not in text


def signed_by(signer: SoftwareSigner, chain: bytes, claims: dict[str, Any]) -> bytes:
    return sign_metadata(claims, signer, x5c=[chain], at=AT, lifetime=timedelta(days=1))


def test_metadata_that_an_authority_signed_names_the_authority(world: World, attester: Attester) -> None:
    peer, online, _ = fresh(world, attester)
    leaf = world.document_signer_certificate
    peer.odd["signed"] = signed_by(world.document_signer, leaf, peer.issuer_metadata())
    asked = consent_to(online, peer.offer())
    assert (asked.signed, asked.trusted) == (True, True)
    assert asked.authority is not None
    assert asked.authority.en == "Garam City (fictitious)"
    assert asked.approve().certificates


def test_a_bundle_that_has_ended_vouches_for_nobody(world: World, attester: Attester) -> None:
    peer, online, clock = fresh(world, attester)
    leaf = world.document_signer_certificate
    clock.forward(days=60)
    claims = peer.issuer_metadata()
    peer.odd["signed"] = sign_metadata(
        claims, world.document_signer, x5c=[leaf], at=clock(), lifetime=timedelta(days=1)
    )
    asked = consent_to(online, peer.offer())
    assert (asked.signed, asked.trusted) == (False, False)


def test_metadata_that_a_stranger_signed_is_worth_no_more_than_unsigned(world: World, attester: Attester) -> None:
    peer, online, _ = fresh(world, attester)
    peer.odd["signed"] = signed_by(attester.key, attester.leaf, peer.issuer_metadata())
    asked = consent_to(online, peer.offer())
    assert (asked.signed, asked.trusted) == (False, False)
    assert peer.paths().count("tenant") == 2


def test_metadata_with_an_authoritys_certificate_and_somebody_elses_signature(world: World, attester: Attester) -> None:
    peer, online, _ = fresh(world, attester)
    leaf = world.document_signer_certificate
    peer.odd["signed"] = signed_by(attester.key, leaf, peer.issuer_metadata())
    with pytest.raises(RefusedError) as told:
        consent_to(online, peer.offer())
    assert told.value.code is ReasonCode.SIGNATURE


def test_signed_metadata_of_another_issuer_is_refused(world: World, attester: Attester) -> None:
    peer, online, _ = fresh(world, attester)
    leaf = world.document_signer_certificate
    claims = peer.issuer_metadata() | {"credential_issuer": f"{ISSUER}/other"}
    peer.odd["signed"] = signed_by(world.document_signer, leaf, claims)
    with pytest.raises(RefusedError) as told:
        consent_to(online, peer.offer())
    assert told.value.code is ReasonCode.ISSUER


@pytest.fixture(scope="module")
def held(world: World) -> World:
    world.issue("resident.personal")
    return world


def test_whatever_a_verifier_asks_is_refused_in_our_words_or_can_be_answered(held: World) -> None:
    peer = VerifierPeer(held.identity, int(AT.timestamp()), query_of(held))
    good = peer.payload()
    changes: list[dict[str, Any]] = [{name: word} for name in good for word in WORDS]
    metadata = good["client_metadata"]
    changes += [{"client_metadata": metadata | {name: word}} for name in metadata for word in WORDS]
    query = peer.query["credentials"][0]
    changes += [{"dcql_query": {"credentials": [query | {name: word}]}} for name in query for word in WORDS]
    changes += [{name: word} for name in ("transaction_data", "verifier_info", "expected_origins") for word in WORDS]
    answered = 0
    for change in changes:
        peer.changes, peer.form = change, None
        try:
            asked = ask(online_of(held, peer), peer.link())
            asked.answer(asked.consent.approve(reuse=True))
            answered += 1
        except (RefusedError, TransportError, ConsentError):
            assert peer.form is None, "nothing goes to whom it is refused"
    assert 0 < answered < len(changes)


@pytest.mark.parametrize("body", [b"", b"\xff", b"[]", b"null", b"[" * 5000, b'{"redirect_uri":{}}', b'{"a":1,"a":1}'])
def test_whatever_a_verifier_says_to_an_answer(body: bytes, held: World) -> None:
    peer = VerifierPeer(held.identity, int(AT.timestamp()), query_of(held))
    peer.instead["/response/1"] = (200, JSON, body)
    asked = ask(online_of(held, peer), peer.link())
    with pytest.raises(RefusedError):
        asked.answer(asked.consent.approve(reuse=True))
    peer.instead["/request/1"] = (200, {"content-type": OBJECT}, body)
    with pytest.raises(RefusedError):
        ask(online_of(held, peer), peer.link())
