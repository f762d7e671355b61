"""A wallet answers a verifier that is not ours (``verifier_peer``): what it shows, sends, and refuses to."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

import jwt
import pytest
from cryptography import x509

from tests.services.verifier_peer import BASE, HOST, OBJECT, VerifierPeer, hashed, read_mdoc, read_sd_jwt
from tests.services.wallet_kit import AT, Clock
from tests.wallet_kit import stranger
from vcred.errors import ConsentError, MalformedError, RefusedError
from vcred.keys import SoftwareSigner
from vcred.oid4vp.transaction import BINDING_FORMATS
from vcred.reasons import ReasonCode
from vcred.testing import World
from wallet.client import Asked, Online, ServerError
from wallet.consent import CARRIERS

CODE = "resident.personal"
NOW = int(AT.timestamp())
STATEMENT = "urn:vcred:transaction:statement:1"


@pytest.fixture(scope="module")
def world() -> World:
    made = World(at=AT, formats=("dc+sd-jwt", "mso_mdoc"))
    made.issue(CODE)
    return made


def query_of(world: World, form: str = "dc+sd-jwt", claims: list[list[Any]] | None = None) -> dict[str, Any]:
    kind = world.catalog[CODE]
    meta = {"doctype_value": kind.doctype} if form == "mso_mdoc" else {"vct_values": [kind.vct]}
    paths = [["name"]] if claims is None else claims
    if form == "mso_mdoc":
        paths = [[kind.doctype, *path] for path in paths]
    one = {"id": "one", "format": form, "meta": meta, "claims": [{"path": path} for path in paths]}
    return {"credentials": [one]}


@pytest.fixture
def peer(world: World) -> VerifierPeer:
    return VerifierPeer(world.identity, NOW, query_of(world))


def online_of(world: World, peer: VerifierPeer) -> Online:
    return Online(world.wallet, http=peer, clock=Clock())


@pytest.fixture
def online(world: World, peer: VerifierPeer) -> Online:
    return online_of(world, peer)


def ask(online: Online, link: str) -> Asked:
    return online.fetch_request(online.look_request(link))


def refused(code: ReasonCode) -> Any:
    return pytest.raises(RefusedError, match=f"^{code.value}")


@pytest.mark.parametrize("mode", ["direct_post", "direct_post.jwt"])
@pytest.mark.parametrize("scheme", ["openid4vp://", "haip-vp://", "https://wallet.example/authorize"])
def test_an_sd_jwt_answers_with_what_was_asked_and_nothing_else(world: World, mode: str, scheme: str) -> None:
    peer = VerifierPeer(world.identity, NOW, query_of(world), mode=mode)
    asked = ask(online_of(world, peer), peer.link(scheme=scheme))
    assert asked.consent.verifier.registered
    assert asked.consent.verifier.name == "가람은행 (가상)"
    assert asked.host == HOST
    asked.answer(asked.consent.approve(reuse=True))
    ((name, tokens),) = peer.answer().items()
    assert (name, len(tokens)) == ("one", 1)
    payload, disclosures, claims = read_sd_jwt(tokens[0], audience=peer.client_id, nonce=peer.nonce)
    assert payload["vct"] == world.catalog[CODE].vct
    assert [one[1] for one in disclosures] == ["name"]
    assert set(claims) == {"iat", "aud", "nonce", "sd_hash"}


@pytest.mark.parametrize("mode", ["direct_post", "direct_post.jwt"])
def test_an_mdoc_answers_with_the_handover_of_openid4vp(world: World, mode: str) -> None:
    peer = VerifierPeer(world.identity, NOW, query_of(world, "mso_mdoc"), mode=mode)
    asked = ask(online_of(world, peer), peer.link())
    asked.answer(asked.consent.approve(reuse=True))
    thumbprint = peer.thumbprint if mode == "direct_post.jwt" else None
    handover = hashed("OpenID4VPHandover", [peer.client_id, peer.nonce, thumbprint, f"{BASE}/response/1"])
    (elements,) = read_mdoc(peer.answer()["one"][0], handover=handover).values()
    assert elements["name"] == world.catalog[CODE].sample["name"]
    assert "currentAddress" not in json.dumps(sorted(elements))


def test_no_claims_are_asked_for_and_none_are_shown(world: World, peer: VerifierPeer, online: Online) -> None:
    del peer.query["credentials"][0]["claims"]
    asked = ask(online, peer.link())
    assert asked.consent.required == ()
    asked.answer(asked.consent.approve(reuse=True))
    _, disclosures, _ = read_sd_jwt(peer.answer()["one"][0], audience=peer.client_id, nonce=peer.nonce)
    assert disclosures == []


def test_an_optional_credential_that_is_not_there_is_left_out(world: World, peer: VerifierPeer, online: Online) -> None:
    other = {"id": "two", "format": "dc+sd-jwt", "meta": {"vct_values": ["urn:eudi:pid:1"]}}
    peer.query["credentials"].append(other)
    peer.query["credential_sets"] = [{"options": [["one"]]}, {"options": [["two"]], "required": False}]
    asked = ask(online, peer.link())
    asked.answer(asked.consent.approve(reuse=True))
    assert set(peer.answer()) == {"one"}


def test_a_required_credential_that_is_not_there_answers_nothing(peer: VerifierPeer, online: Online) -> None:
    peer.query["credentials"].append({"id": "two", "format": "dc+sd-jwt", "meta": {"vct_values": ["urn:eudi:pid:1"]}})
    asked = ask(online, peer.link())
    assert [one.query for one in asked.consent.missing] == ["two"]
    with pytest.raises(ConsentError):
        asked.consent.approve()
    asked.decline()
    assert peer.form == {"error": "access_denied", "state": peer.state}


def test_the_holder_declines_and_the_verifier_is_told(peer: VerifierPeer, online: Online, world: World) -> None:
    before = len(world.wallet.history())
    asked = ask(online, peer.link())
    found = asked.decline()
    assert peer.form == {"error": "access_denied", "state": peer.state}
    assert found.redirect == peer.redirect
    assert len(world.wallet.history()) == before


def test_the_holder_declines_and_nobody_is_told(peer: VerifierPeer, online: Online) -> None:
    ask(online, peer.link())
    assert [path for _, path in peer.log] == [f"{BASE}/request/1"]


@pytest.mark.parametrize("form", ["dc+sd-jwt", "mso_mdoc"])
def test_only_certificates_below_a_named_authority_answer(world: World, form: str) -> None:
    peer = VerifierPeer(world.identity, NOW, query_of(world, form))
    leaf = x509.load_der_x509_certificate(world.document_signer_certificate)
    named = leaf.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier
    right = base64.urlsafe_b64encode(named).rstrip(b"=").decode()
    for values, missing in (([right], []), (["AAAA", right], []), (["AAAA"], ["one"])):
        peer.query["credentials"][0]["trusted_authorities"] = [{"type": "aki", "values": values}]
        asked = ask(online_of(world, peer), peer.link())
        assert [one.query for one in asked.consent.missing] == missing


def test_what_was_shown_is_in_the_history(peer: VerifierPeer, online: Online, world: World) -> None:
    asked = ask(online, peer.link())
    asked.answer(asked.consent.approve(reuse=True))
    entry = world.wallet.history()[-1]
    assert (entry.client_id, [one["path"] for one in entry.shown if one["path"] == "name"]) == (
        peer.client_id,
        ["name"],
    )


def test_wf_10_nothing_is_fetched_before_the_holder_said_yes(peer: VerifierPeer, online: Online) -> None:
    preview = online.look_request(peer.link())
    assert (preview.host, preview.client_id, peer.log) == (HOST, peer.client_id, [])


def test_a_request_by_value_needs_no_fetch(peer: VerifierPeer, online: Online) -> None:
    preview = online.look_request(f"openid4vp://?client_id={peer.client_id}&request={peer.request().decode()}")
    assert preview.host is None
    asked = online.fetch_request(preview)
    assert peer.log == []
    asked.answer(asked.consent.approve(reuse=True))
    assert set(peer.answer()) == {"one"}


def test_a_request_uri_by_post_says_what_the_wallet_can_do(peer: VerifierPeer, online: Online) -> None:
    asked = ask(online, peer.link(post=True))
    (form,) = peer.fetched
    metadata = json.loads(form["wallet_metadata"])
    assert set(metadata["vp_formats_supported"]) >= {"dc+sd-jwt", "mso_mdoc"}
    assert len(form["wallet_nonce"]) >= 22
    asked.answer(asked.consent.approve(reuse=True))
    assert set(peer.answer()) == {"one"}


def test_wf_09_a_request_with_another_wallet_nonce_is_refused(peer: VerifierPeer, online: Online) -> None:
    for nonce in ("another", "", None):
        changed = {} if nonce is None else {"wallet_nonce": nonce}
        peer.instead["/request/1"] = (200, {"content-type": OBJECT}, peer.request(**changed))
        with refused(ReasonCode.NONCE):
            ask(online, peer.link(post=True))


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_wf_05_a_redirect_of_the_request_is_not_followed(status: int, peer: VerifierPeer, online: Online) -> None:
    peer.instead["/request/1"] = (status, {"location": "https://169.254.169.254/"}, b"")
    with pytest.raises(ServerError):
        ask(online, peer.link())
    assert len(peer.log) == 1


@pytest.mark.parametrize("type_", ["application/jwt", "text/html", "application/json", ""])
def test_wf_08_a_request_of_another_content_type_is_refused(type_: str, peer: VerifierPeer, online: Online) -> None:
    peer.instead["/request/1"] = (200, {"content-type": type_}, peer.request())
    with refused(ReasonCode.FORMAT):
        ask(online, peer.link())


def test_wf_15_a_link_of_a_megabyte_is_refused(peer: VerifierPeer, online: Online) -> None:
    with refused(ReasonCode.LIMIT):
        online.look_request(peer.link(x="a" * 1_000_000))


@pytest.mark.parametrize(
    "place",
    ["https://user@bank.example/r", "https://bank.example\\@evil.example/r", "https://evil.example/#@bank.example"],
)
def test_wf_06_addresses_that_two_readers_read_differently_are_refused(
    place: str, peer: VerifierPeer, online: Online
) -> None:
    with pytest.raises(MalformedError):
        online.look_request(peer.link(request_uri=place))
    peer.changes["response_uri"] = place
    with pytest.raises(MalformedError):
        ask(online, peer.link())


@pytest.mark.parametrize(
    "redirect",
    [
        "http://bank.example/",
        "javascript:alert(1)",
        "intent://x",
        "https://user@bank.example/",
        "https://a\\b/",
        "https://[a/",
        "https://bank.example/#\x1b]0;title\x07",
        "https://bank.example/#a\nsent to bank.example",
        "https://bank.example/#\u202e",
        "https://bank.example/#a\\b",
        7,
        "",
    ],
)
def test_wf_16_a_redirect_to_anything_but_a_plain_https_address_is_refused(
    redirect: Any, peer: VerifierPeer, online: Online
) -> None:
    peer.redirect = redirect
    asked = ask(online, peer.link())
    with pytest.raises(MalformedError):
        asked.answer(asked.consent.approve(reuse=True))


def test_wf_16_where_the_verifier_wants_the_browser_to_go_is_shown_and_not_followed(
    peer: VerifierPeer, online: Online
) -> None:
    asked = ask(online, peer.link())
    found = asked.answer(asked.consent.approve(reuse=True))
    assert (found.redirect, found.redirect_host) == (peer.redirect, HOST)
    assert [method for method, _ in peer.log] == ["GET", "POST"]


def test_an_answer_of_the_verifier_that_redirects_is_an_error(peer: VerifierPeer, online: Online) -> None:
    peer.instead["/response/1"] = (302, {"location": "https://evil.example/"}, b"")
    asked = ask(online, peer.link())
    with pytest.raises(ServerError):
        asked.answer(asked.consent.approve(reuse=True))
    assert len(peer.log) == 2


def test_a_verifier_that_refuses_says_so(peer: VerifierPeer, online: Online) -> None:
    body = b'{"error":"invalid_request"}'
    peer.instead["/response/1"] = (400, {"content-type": "application/json"}, body)
    asked = ask(online, peer.link())
    with pytest.raises(ServerError, match="invalid_request"):
        asked.answer(asked.consent.approve(reuse=True))


def test_vp_01_a_request_that_nobody_signed_or_somebody_else_did(peer: VerifierPeer, online: Online) -> None:
    with refused(ReasonCode.READER_UNTRUSTED):
        online.look_request(f"openid4vp://?client_id={peer.client_id}&nonce=abcdefgh&response_type=vp_token")
    good = peer.request()
    header, payload, signature = good.split(b".")
    none = base64.urlsafe_b64encode(b'{"alg":"none","typ":"oauth-authz-req+jwt"}').rstrip(b"=")
    for raw in (none + b"." + payload + b".", header + b"." + payload + b".", payload):
        peer.instead["/request/1"] = (200, {"content-type": OBJECT}, raw)
        with pytest.raises(RefusedError):
            ask(online, peer.link())
    peer.instead["/request/1"] = (200, {"content-type": OBJECT}, header + b"." + payload + b"." + b"A" * len(signature))
    with refused(ReasonCode.SIGNATURE):
        ask(online, peer.link())
    del peer.instead["/request/1"]
    peer.signer = SoftwareSigner.generate()
    with refused(ReasonCode.SIGNATURE):
        ask(online, peer.link())


@pytest.mark.parametrize("typ", ["JWT", "oauth-authz-req", None])
def test_vp_01_a_request_of_another_type(typ: str | None, peer: VerifierPeer, online: Online) -> None:
    peer.header["typ"] = typ
    with refused(ReasonCode.TYP):
        ask(online, peer.link())


def test_vp_02_client_ids_that_differ_or_name_another_certificate(
    world: World, peer: VerifierPeer, online: Online
) -> None:
    with refused(ReasonCode.READER_UNTRUSTED):
        ask(online, peer.link(client_id="x509_hash:AAAA"))
    other = stranger("가짜")
    peer.client_id = other.client_id
    with refused(ReasonCode.READER_UNTRUSTED):
        ask(online, peer.link())


@pytest.mark.parametrize(
    "client_id",
    [
        "x509_san_dns:evil.example",
        "origin:https://bank.example",
        "redirect_uri:https://bank.example/response/1",
        "decentralized_identifier:did:web:bank.example",
        "verifier_attestation:bank.example",
        "openid_federation:https://bank.example",
        "unheard_of:bank.example",
        "bank.example",
    ],
)
def test_vp_02_client_ids_that_this_wallet_cannot_check(client_id: str, peer: VerifierPeer, online: Online) -> None:
    peer.client_id = client_id
    with refused(ReasonCode.READER_UNTRUSTED):
        ask(online, peer.link())


def test_a_client_id_that_is_a_name_in_the_certificate(world: World, peer: VerifierPeer, online: Online) -> None:
    peer.client_id = f"x509_san_dns:{HOST}"
    asked = ask(online, peer.link())
    assert asked.consent.verifier.registered
    asked.answer(asked.consent.approve(reuse=True))
    read_sd_jwt(peer.answer()["one"][0], audience=f"x509_san_dns:{HOST}", nonce=peer.nonce)


@pytest.mark.parametrize("nonce", [None, "", "a", 7, "with blank here", "ünsafe-nonce-letters"])
def test_vp_03_a_nonce_that_is_missing_or_none(nonce: Any, peer: VerifierPeer, online: Online) -> None:
    peer.changes["nonce"] = nonce
    with refused(ReasonCode.NONCE):
        ask(online, peer.link())


def test_vp_04_a_response_address_of_another_host(peer: VerifierPeer, online: Online) -> None:
    peer.client_id = f"x509_san_dns:{HOST}"
    peer.changes["response_uri"] = "https://evil.example/response/1"
    with refused(ReasonCode.READER_UNTRUSTED):
        ask(online, peer.link())


def test_vp_11_a_request_that_is_older_than_two_minutes(peer: VerifierPeer, online: Online) -> None:
    peer.changes |= {"iat": NOW - 121, "exp": NOW + 600}
    with refused(ReasonCode.REQUEST_EXPIRED):
        ask(online, peer.link())
    peer.changes |= {"iat": NOW - 60, "exp": NOW - 1}
    with refused(ReasonCode.REQUEST_EXPIRED):
        ask(online, peer.link())


def test_vp_11_a_request_that_expires_while_the_holder_reads_it(world: World, peer: VerifierPeer) -> None:
    online = online_of(world, peer)
    asked = ask(online, peer.link())
    consent = asked.consent.approve(reuse=True)
    online.clock.forward(seconds=130)
    with refused(ReasonCode.REQUEST_EXPIRED):
        asked.answer(consent)
    assert peer.form is None


def test_vp_12_a_stranger_is_shown_as_unregistered_whatever_it_calls_itself(world: World) -> None:
    peer = VerifierPeer(stranger("국민은행"), NOW, query_of(world))
    asked = ask(online_of(world, peer), peer.link())
    assert not asked.consent.verifier.registered
    assert asked.consent.verifier.names.ko == "등록되지 않은 요청자"
    assert "국민은행" not in json.dumps([asked.consent.verifier.names.ko, asked.consent.verifier.names.en])


def test_vp_14_queries_without_end(world: World, peer: VerifierPeer, online: Online) -> None:
    one = query_of(world)["credentials"][0]
    for query in (
        {"credentials": [one | {"id": f"c{number}"} for number in range(10_000)]},
        {"credentials": [one | {"claims": [{"path": ["a"]}] * 100_000}]},
    ):
        peer.changes["dcql_query"] = query
        with pytest.raises(RefusedError) as told:
            ask(online, peer.link())
        assert told.value.code in (ReasonCode.LIMIT, ReasonCode.SIZE)


def test_vp_17_a_redirect_uri_beside_a_response_uri(peer: VerifierPeer, online: Online) -> None:
    peer.changes["redirect_uri"] = f"{BASE}/back"
    with pytest.raises(MalformedError):
        ask(online, peer.link())


def test_keys_that_cannot_be_used_are_passed_over(peer: VerifierPeer, online: Online) -> None:
    usable = peer.key.as_dict(private=False)
    odd = [
        {"kty": "RSA", "n": "AQAB", "e": "AQAB", "kid": "r", "alg": "RSA-OAEP-256", "use": "enc"},
        {"kty": "OKP", "crv": "X25519", "x": "A" * 43, "kid": "x", "alg": "ECDH-ES"},
        {"kty": "XXX", "kid": "u", "alg": "ECDH-ES"},
        usable | {"kid": "sig", "use": "sig"},
    ]
    metadata = peer.payload()["client_metadata"]
    peer.changes["client_metadata"] = metadata | {"jwks": {"keys": [*odd, usable]}}
    asked = ask(online, peer.link())
    asked.answer(asked.consent.approve(reuse=True))
    assert set(peer.answer()) == {"one"}
    peer.changes["client_metadata"] = metadata | {"jwks": {"keys": odd}}
    with refused(ReasonCode.KEY):
        ask(online, peer.link())


def test_asking_for_a_number_without_a_law_is_blocked(world: World, peer: VerifierPeer, online: Online) -> None:
    peer.query = query_of(world, claims=[["rrn", "serial"]])
    asked = ask(online, peer.link())
    assert {one.code for one in asked.consent.blocked} == {ReasonCode.OVER_ASKING}
    with pytest.raises(ConsentError):
        asked.consent.approve()
    assert peer.form is None


def statement(**changed: Any) -> str:
    value = {"type": STATEMENT, "credential_ids": ["one"], "statement": "이체에 동의합니다"} | changed
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def test_transaction_data_is_shown_and_signed(world: World, peer: VerifierPeer, online: Online) -> None:
    raw = statement(transaction_data_hashes_alg=["sha-256"])
    peer.changes["transaction_data"] = [raw]
    asked = ask(online, peer.link())
    assert [dict(one) for one in asked.consent.statements] == [{"statement": "이체에 동의합니다"}]
    asked.answer(asked.consent.approve(reuse=True))
    _, _, claims = read_sd_jwt(peer.answer()["one"][0], audience=peer.client_id, nonce=peer.nonce)
    digest = hashlib.sha256(raw.encode()).digest()
    assert claims["transaction_data_hashes"] == [base64.urlsafe_b64encode(digest).rstrip(b"=").decode()]
    assert claims["transaction_data_hashes_alg"] == "sha-256"


@pytest.mark.parametrize(
    "changed", [{"type": "unheard of"}, {"more": 1}, {"credential_ids": ["two"]}, {"credential_ids": []}]
)
def test_transaction_data_that_is_not_understood_is_refused(
    changed: dict[str, Any], peer: VerifierPeer, online: Online
) -> None:
    peer.changes["transaction_data"] = [statement(**changed)]
    with refused(ReasonCode.TRANSACTION_DATA):
        ask(online, peer.link())


@pytest.mark.parametrize("form", ["mso_mdoc", "sd-cwt", "vc+jwt", "ldp_vc"])
def test_transaction_data_is_refused_for_a_format_that_cannot_carry_it(form: str, world: World) -> None:
    query = query_of(world, "mso_mdoc" if form == "mso_mdoc" else "dc+sd-jwt")
    query["credentials"][0]["format"] = form
    if form in ("vc+jwt", "ldp_vc"):
        query["credentials"][0]["meta"] = {"type_values": [["IDCredential"]]}
    peer = VerifierPeer(world.identity, NOW, query)
    peer.changes["transaction_data"] = [statement()]
    with refused(ReasonCode.TRANSACTION_DATA):
        ask(online_of(world, peer), peer.link())
    assert peer.form is None


def test_the_wallet_signs_transaction_data_in_the_formats_that_requests_may_name() -> None:
    assert CARRIERS == BINDING_FORMATS


ORIGIN = "https://shop.bank.example"


@pytest.mark.parametrize("mode", ["dc_api", "dc_api.jwt"])
@pytest.mark.parametrize("signed", [True, False], ids=["signed", "unsigned"])
@pytest.mark.parametrize("form", ["dc+sd-jwt", "mso_mdoc"])
def test_a_page_asks_through_the_browser(world: World, mode: str, signed: bool, form: str) -> None:
    peer = VerifierPeer(world.identity, NOW, query_of(world, form), mode=mode)
    peer.changes |= {"response_uri": None, "state": None, "expected_origins": [ORIGIN] if signed else None}
    online = online_of(world, peer)
    if signed:
        asked = online.page_request("openid4vp-v1-signed", {"request": peer.request().decode()}, origin=ORIGIN)
    else:
        peer.changes |= {"client_id": None, "iat": None, "exp": None}
        asked = online.page_request("openid4vp-v1-unsigned", peer.payload(), origin=ORIGIN)
    assert asked.consent.verifier.registered is signed
    if not signed:
        assert asked.consent.verifier.names.ko == ORIGIN
    data = asked.answer(asked.consent.approve(reuse=True))
    token = peer.opened(data["response"], state=False) if mode == "dc_api.jwt" else data["vp_token"]
    assert peer.log == []
    if form == "mso_mdoc":
        thumbprint = peer.thumbprint if mode == "dc_api.jwt" else None
        handover = hashed("OpenID4VPDCAPIHandover", [ORIGIN, peer.nonce, thumbprint])
        assert read_mdoc(token["one"][0], handover=handover)
    else:
        read_sd_jwt(token["one"][0], audience=f"origin:{ORIGIN}", nonce=peer.nonce)


def test_a_page_of_another_origin_than_expected_is_refused(world: World) -> None:
    peer = VerifierPeer(world.identity, NOW, query_of(world), mode="dc_api.jwt")
    peer.changes |= {"response_uri": None, "expected_origins": ["https://other.example"]}
    online = online_of(world, peer)
    with refused(ReasonCode.READER_UNTRUSTED):
        online.page_request("openid4vp-v1-signed", {"request": peer.request().decode()}, origin=ORIGIN)
    for protocol in ("openid4vp", "openid4vp-v1-multi", "org-iso-mdoc"):
        with pytest.raises(MalformedError):
            online.page_request(protocol, {}, origin=ORIGIN)


def test_a_request_to_be_posted_is_not_taken_from_a_page(world: World, peer: VerifierPeer, online: Online) -> None:
    with refused(ReasonCode.READER_UNTRUSTED):
        online.page_request("openid4vp-v1-unsigned", peer.payload(), origin=ORIGIN)
    with refused(ReasonCode.READER_UNTRUSTED):
        online.page_request("openid4vp-v1-signed", {"request": peer.request().decode()}, origin=ORIGIN)


def test_a_request_for_a_page_is_not_taken_from_a_link(world: World) -> None:
    peer = VerifierPeer(world.identity, NOW, query_of(world), mode="dc_api.jwt")
    peer.changes |= {"response_uri": None, "expected_origins": [ORIGIN]}
    with refused(ReasonCode.FORMAT):
        ask(online_of(world, peer), peer.link())


def test_several_certificates_answer_a_query_that_takes_several() -> None:
    world = World(at=AT)
    for _ in range(3):
        world.issue(CODE)
    query = query_of(world)
    peer = VerifierPeer(world.identity, NOW, query)
    online = online_of(world, peer)
    ids = [one.id for one in world.wallet.certificates()]
    asked = ask(online, peer.link())
    with pytest.raises(ConsentError, match="one certificate"):
        asked.consent.approve(choose={"one": ids[:2]})
    query["credentials"][0]["multiple"] = True
    asked = ask(online, peer.link())
    asked.answer(asked.consent.approve(choose={"one": ids[1:]}))
    ((name, tokens),) = peer.answer().items()
    assert (name, len(tokens)) == ("one", 2)
    read = [read_sd_jwt(token, audience=peer.client_id, nonce=peer.nonce) for token in tokens]
    assert len({json.dumps(payload["cnf"]) for payload, _, _ in read}) == 2, "each by its own key"
    assert [[row[1] for row in disclosed] for _, disclosed, _ in read] == [["name"], ["name"]]


def test_of_several_certificates_one_signs_what_is_agreed_to() -> None:
    world = World(at=AT)
    for _ in range(2):
        world.issue(CODE)
    query = query_of(world)
    query["credentials"][0]["multiple"] = True
    peer = VerifierPeer(world.identity, NOW, query)
    peer.changes["transaction_data"] = [statement()]
    asked = ask(online_of(world, peer), peer.link())
    asked.answer(asked.consent.approve(choose={"one": [one.id for one in world.wallet.certificates()]}))
    read = [read_sd_jwt(one, audience=peer.client_id, nonce=peer.nonce) for one in peer.answer()["one"]]
    assert ["transaction_data_hashes" in claims for _, _, claims in read] == [True, False]


def multisigned(peer: VerifierPeer, *names: tuple[dict[str, Any], SoftwareSigner], **changed: Any) -> dict[str, Any]:
    """A request object in JSON serialization, with a signature for each protected header."""
    claims = {name: value for name, value in peer.payload().items() if name not in ("client_id", *changed)}
    signatures, text = [], ""
    for header, signer in names:
        token = jwt.api_jws.encode(
            json.dumps(claims | changed).encode(),
            signer.crypto,
            "ES256",
            headers={"typ": "oauth-authz-req+jwt", **header},
        )
        protected, text, signature = token.split(".")
        signatures.append({"protected": protected, "signature": signature})
    return {"request": {"payload": text, "signatures": signatures}}


@pytest.fixture
def page(world: World) -> VerifierPeer:
    """A verifier whose page asks through the browser."""
    peer = VerifierPeer(world.identity, NOW, query_of(world), mode="dc_api.jwt")
    peer.changes |= {"response_uri": None, "state": None, "expected_origins": [ORIGIN]}
    return peer


def named(world: World, **more: Any) -> tuple[dict[str, Any], SoftwareSigner]:
    """The town's bank, as one of those who sign."""
    chain = [base64.b64encode(der).decode() for der in world.identity.chain]
    return {"x5c": chain, "client_id": world.identity.client_id, **more}, world.identity.signer


def elsewhere() -> tuple[dict[str, Any], SoftwareSigner]:
    """A name of a framework that is not known here."""
    return {"kid": "1", "client_id": "openid_federation:https://bank.example"}, SoftwareSigner.generate()


def unknown() -> tuple[dict[str, Any], SoftwareSigner]:
    """A name of the right kind that the trust list does not have."""
    who = stranger("Somebody")
    return {"x5c": [base64.b64encode(der).decode() for der in who.chain], "client_id": who.client_id}, who.signer


@pytest.mark.parametrize("first", [True, False], ids=["first", "last"])
def test_of_several_signatures_the_wallet_takes_one_that_it_trusts(
    world: World, page: VerifierPeer, first: bool
) -> None:
    names = [named(world), elsewhere(), unknown()] if first else [elsewhere(), unknown(), named(world)]
    asked = online_of(world, page).page_request("openid4vp-v1-multisigned", multisigned(page, *names), origin=ORIGIN)
    assert asked.consent.verifier.registered
    given = asked.answer(asked.consent.approve(reuse=True))
    (token,) = page.opened(given["response"], state=False)["one"]
    _, disclosed, _ = read_sd_jwt(token, audience=f"origin:{ORIGIN}", nonce=page.nonce)
    assert [one[1] for one in disclosed] == ["name"]


def test_vp_12_no_signature_that_is_trusted_is_no_request(world: World, page: VerifierPeer) -> None:
    online = online_of(world, page)

    def wrong(code: ReasonCode, *names: tuple[dict[str, Any], SoftwareSigner], **changed: Any) -> None:
        with refused(code):
            online.page_request("openid4vp-v1-multisigned", multisigned(page, *names, **changed), origin=ORIGIN)

    header, _ = named(world)
    wrong(ReasonCode.SIGNATURE, (header, SoftwareSigner.generate()))
    wrong(ReasonCode.READER_UNTRUSTED, elsewhere())
    wrong(ReasonCode.READER_UNTRUSTED, named(world), expected_origins=["https://evil.example"])
    wrong(ReasonCode.FORMAT, named(world), client_id=world.identity.client_id)
    wrong(ReasonCode.FORMAT, named(world), verifier_info=[])
    wrong(ReasonCode.TYP, named(world, typ="JWT"))
    wrong(ReasonCode.LIMIT, *[elsewhere()] * 9)


def test_a_signature_counts_for_the_payload_that_it_is_over(world: World, page: VerifierPeer) -> None:
    online = online_of(world, page)
    good, other = multisigned(page, named(world)), multisigned(page, named(world), nonce="another-nonce-1")
    mixed = {"request": good["request"] | {"payload": other["request"]["payload"]}}
    with refused(ReasonCode.SIGNATURE):
        online.page_request("openid4vp-v1-multisigned", mixed, origin=ORIGIN)
    (row,) = good["request"]["signatures"]
    for odd in (
        "text",
        [],
        {},
        good["request"] | {"signatures": [row | {"header": {"kid": "1"}}]},
        good["request"] | {"signatures": [{"signature": row["signature"]}]},
        good["request"] | {"signatures": []},
        good["request"] | {"payload": 7},
        good["request"] | {"payload": "\u202e"},
    ):
        with pytest.raises(MalformedError):
            online.page_request("openid4vp-v1-multisigned", {"request": odd}, origin=ORIGIN)
