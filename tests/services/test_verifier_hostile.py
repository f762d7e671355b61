"""VP of threats.md at the verifier's service, and WF-16: what must be refused, by id, on both databases."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import timedelta
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from tests.services.bank_kit import BASE, KEY, POLICY, REDIRECT, Bank, reasons, sign_by_hand, world
from vcred.errors import RefusedError
from vcred.formats._jose import sign_jws
from vcred.formats._jwe import encrypt
from vcred.formats._wire import b64u_decode, b64u_encode, dump_json, parse_json
from vcred.formats.mdoc import openid4vp_transcript
from vcred.keys import SoftwareSigner
from vcred.oid4vp import build_answer, build_error, parse_request, vp_token_of
from vcred.presentation import Presentation, Presented
from vcred.reasons import ReasonCode

pytestmark = pytest.mark.loopback
FORM = {"content-type": "application/x-www-form-urlencoded"}


@pytest.fixture(scope="module")
def town():
    return world("resident.personal", "resident.household")


@pytest.fixture
def bank(tmp_path, database, town):
    with closing(Bank(tmp_path, database("bank"), world=town)) as made:
        yield made


@pytest.fixture
def one_bank(tmp_path, town):
    with closing(Bank(tmp_path, f"sqlite:///{tmp_path}/bank.db", world=town)) as made:
        yield made


def place(request):
    return urlsplit(request.online.response_uri).path


def sealed(request, payload, *, key=None, **more):
    online = request.online
    made = encrypt(
        dump_json(payload),
        online.encryption.key if key is None else key,
        enc=more.pop("enc", "A256GCM"),
        kid=more.pop("kid", online.encryption.kid),
        **more,
    )
    return urlencode({"response": made.decode()}).encode()


def payload(request, answer):
    return {"vp_token": vp_token_of(answer), "state": request.online.state}


def state_of(bank, made):
    return bank.call("GET", f"/{made['id']}").json()["state"]


def test_vp_01_the_service_signs_every_request_with_its_chain(bank):
    request = bank.fetch(bank.ask())
    assert request.jws.header["typ"] == "oauth-authz-req+jwt"
    assert request.x5c == bank.world.identity.chain
    reader = bank.world.trust.resolve_reader(client_id=request.client_id, x5c=request.x5c, at=bank.at)
    request.verify_by(reader.key)


def test_vp_03_nonce_state_and_key_are_fresh_for_every_request(one_bank):
    requests = [one_bank.fetch(one_bank.ask()) for _ in range(20)]
    for values in (
        [one.online.nonce for one in requests],
        [one.online.state for one in requests],
        [one.online.encryption.thumbprint for one in requests],
        [one.online.encryption.kid for one in requests],
        [one.online.response_uri for one in requests],
    ):
        assert len(set(values)) == 20
    assert all(len(b64u_decode(one.online.nonce, "")) >= 16 for one in requests)
    metadata = parse_json(requests[0].jws.payload, "", max_bytes=65_536)["client_metadata"]
    assert sorted(metadata["encrypted_response_enc_values_supported"]) == ["A128GCM", "A256GCM"]
    (jwk,) = metadata["jwks"]["keys"]
    assert (jwk["kty"], jwk["crv"], jwk["alg"], jwk["use"], "d" in jwk) == ("EC", "P-256", "ECDH-ES", "enc", False)


def test_vp_05_the_same_object_twice_and_none_after_the_end(bank):
    made = bank.ask()
    where = urlsplit(made["request_uri"]).path
    first, second = bank.client.get(where), bank.client.get(where)
    assert first.content == second.content
    bank.at += timedelta(seconds=30)
    assert bank.client.get(where).content == first.content
    request = bank.fetch(made)
    bank.post(request, build_answer(bank.present(request), request))
    assert bank.client.get(where).status_code == 400
    assert bank.client.post(where, data={"wallet_nonce": "n" * 22}).status_code == 400
    assert bank.client.get("/vp/r/" + "A" * 22).status_code == 404


def test_vp_05_two_processes_sign_one_object(bank):
    made = bank.ask()
    others = [bank.process(), bank.process(), bank.process(), bank.process()]
    where = urlsplit(made["request_uri"]).path
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda one: one.get(where).content, others))
    assert len(set(found)) == 1


def test_vp_05_a_link_and_a_request_end(one_bank):
    made = one_bank.ask()
    where = urlsplit(made["request_uri"]).path
    one_bank.at += timedelta(seconds=599)
    request = one_bank.fetch(made)
    assert request.issued_at == int(one_bank.at.timestamp())
    one_bank.at += timedelta(seconds=121)
    assert one_bank.client.get(where).status_code == 400
    assert state_of(one_bank, made) == "expired"
    one_bank.at = one_bank.world.at
    made = one_bank.ask()
    one_bank.at += timedelta(seconds=601)
    assert one_bank.client.get(urlsplit(made["request_uri"]).path).status_code == 400
    one_bank.at = one_bank.world.at


@pytest.mark.parametrize("mode", ["direct_post", "direct_post.jwt"])
@pytest.mark.parametrize("state", [None, "", "another", "x" * 43])
def test_vp_06_a_response_for_another_state_or_without_one(one_bank, mode, state):
    made = one_bank.ask(mode=mode)
    request = one_bank.fetch(made)
    token = vp_token_of(one_bank.present_to(request))
    more = {} if state is None else {"state": state}
    if mode == "direct_post":
        body = urlencode({"vp_token": json.dumps(token), **more}).encode()
    else:
        body = sealed(request, {"vp_token": token, **more})
    answer = one_bank.post(request, body)
    assert answer.status_code == 400
    assert reasons(answer) == ["nonce"]
    assert state_of(one_bank, made) == "open"


def test_vp_07_the_first_of_two_answers_wins(bank):
    made = bank.ask()
    request = bank.fetch(made)
    first, second = (build_answer(bank.present_to(request), request) for _ in range(2))
    assert bank.post(request, first).status_code == 200
    again, other = bank.post(request, first), bank.post(request, second)
    assert (again.status_code, other.status_code) == (400, 400)
    assert again.json()["state"] == "answered"


def test_vp_07_of_answers_at_once_one_wins(bank):
    made = bank.ask()
    request = bank.fetch(made)
    bodies = [build_answer(bank.present_to(request), request) for _ in range(6)]
    others = [bank.process() for _ in bodies]
    with ThreadPoolExecutor(6) as pool:
        codes = list(
            pool.map(
                lambda pair: pair[0].post(place(request), content=pair[1], headers=FORM),
                zip(others, bodies, strict=True),
            )
        )
    assert sorted(one.status_code for one in codes) == [200, 400, 400, 400, 400, 400]


def test_vp_07_a_stranger_who_saw_the_link_cannot_use_it_up(one_bank):
    made = one_bank.ask()
    request = one_bank.fetch(made)
    forged = one_bank.world.swap_holder(one_bank.present_to(request))
    assert one_bank.post(request, build_answer(forged, request)).status_code == 400
    assert state_of(one_bank, made) == "open"
    assert one_bank.post(request, build_answer(one_bank.present_to(request), request)).status_code == 200


def test_vp_07_but_not_without_end(one_bank):
    made = one_bank.ask()
    request = one_bank.fetch(made)
    for _ in range(10):
        assert one_bank.post(request, b"vp_token=x").status_code == 400
    assert state_of(one_bank, made) == "closed"
    assert one_bank.post(request, build_answer(one_bank.present_to(request), request)).status_code == 400


def with_extra(bank, request):
    answer = bank.present_to(request)
    (token,) = answer.tokens.values()
    return Presentation(tokens={**answer.tokens, "another": token})


def with_none(bank, request):
    answer = bank.present_to(request)
    return Presentation(tokens={"another": next(iter(answer.tokens.values()))})


def with_two(bank, request):
    ((name, token),) = bank.present_to(request).tokens.items()
    return Presentation(tokens={name: token * 2})


def with_another_claim(bank, request):
    wanted = [list(claim.path.parts) for claim in request.query.credentials[0].claims]
    return bank.present_to(request, paths=[*wanted, ["rrn"]])


def with_a_claim_less(bank, request):
    wanted = [list(claim.path.parts) for claim in request.query.credentials[0].claims]
    return bank.present_to(request, paths=wanted[1:])


def in_another_format(bank, request):
    name = request.query.credentials[0].id
    form = sign_by_hand_mdoc(bank, request)
    return Presentation(tokens={name: (Presented(format="mso_mdoc", raw=form),)})


def sign_by_hand_mdoc(bank, request):
    from vcred.dcql import DcqlQuery

    asked = bank.verifier.online_request(
        bank.world.policy(POLICY),
        mode=request.online.mode,
        response_uri=request.online.response_uri,
        formats=["mso_mdoc"],
        at=bank.at,
    )
    assert isinstance(asked.query, DcqlQuery)
    made = sign_by_hand(bank.world, asked, format="mso_mdoc", transcript=request.online.transcript(request.client_id))
    return next(iter(made.tokens.values()))[0].raw


@pytest.mark.parametrize(
    "make", [with_extra, with_none, with_two, with_another_claim, with_a_claim_less, in_another_format]
)
def test_vp_08_what_was_not_asked_for(one_bank, make):
    made = one_bank.ask()
    request = one_bank.fetch(made)
    answer = one_bank.post(request, build_answer(make(one_bank, request), request))
    assert answer.status_code == 400
    assert {"dcql", "claim_hidden", "format_not_accepted"} & set(reasons(answer))
    found = one_bank.call("GET", f"/{made['id']}").json()
    assert found["outcome"] != "ACCEPTED"


def test_vp_09_on_the_same_device_the_result_needs_the_response_code(bank):
    made = bank.ask(device="same_device", redirect=REDIRECT)
    onward = bank.answer(made).json()["redirect_uri"]
    (secret,) = parse_qs(urlsplit(onward).query)["response_code"]
    for more in ({}, {"response_code": "A" * 43}, {"code": "000000"}):
        refused = bank.call("GET", f"/{made['id']}", params=more)
        assert refused.status_code == 403
        assert refused.json()["needs"] == "response_code"
        assert "result" not in refused.json()
    assert bank.call("GET", f"/{made['id']}", params={"response_code": secret}).status_code == 200
    assert len(b64u_decode(secret, "")) >= 16


def test_vp_09_wrong_response_codes_lock_the_result(one_bank):
    made = one_bank.ask(device="same_device", redirect=REDIRECT)
    onward = one_bank.answer(made).json()["redirect_uri"]
    (secret,) = parse_qs(urlsplit(onward).query)["response_code"]
    for _ in range(5):
        assert one_bank.call("GET", f"/{made['id']}", params={"response_code": "wrong"}).status_code == 403
    assert one_bank.call("GET", f"/{made['id']}", params={"response_code": secret}).status_code == 409


def test_vp_10_whoever_forwarded_the_code_has_no_session(bank):
    made = bank.ask()
    onward = bank.answer(made).json()["redirect_uri"]  # on the victim's phone
    assert onward.startswith(f"{BASE}/carry/")
    for code in (None, "000000x", ""):
        refused = bank.call("GET", f"/{made['id']}", params={} if code is None else {"code": code})
        assert refused.status_code == 403
        assert refused.json()["needs"] == "code"
    stream = bank.call("GET", f"/{made['id']}/events")
    assert '"answered"' in stream.text
    code = bank.code(onward)
    assert code not in stream.text
    for _ in range(7):
        assert bank.call("GET", f"/{made['id']}", params={"code": code}).status_code == 200


def test_vp_10_the_short_code_cannot_be_guessed(one_bank):
    made = one_bank.ask()
    onward = one_bank.answer(made).json()["redirect_uri"]
    code = one_bank.code(onward)
    wrong = [f"{number:06d}" for number in range(6) if f"{number:06d}" != code][:5]
    assert [one_bank.call("GET", f"/{made['id']}", params={"code": one}).status_code for one in wrong] == [403] * 5
    one_bank.client = one_bank.process()
    assert one_bank.call("GET", f"/{made['id']}", params={"code": code}).status_code == 409
    assert one_bank.client.get("/vp/carry/" + "A" * 43).status_code == 404


def test_vp_10_many_guesses_at_once_are_no_more_guesses(bank):
    made = bank.ask()
    code = bank.code(bank.answer(made).json()["redirect_uri"])
    others = [bank.process() for _ in range(3)]
    wrong = [f"{number:06d}" for number in range(30) if f"{number:06d}" != code][:24]
    headers = {"Authorization": f"Bearer {KEY}"}

    def guess(number):
        place = f"/vp/api/requests/{made['id']}"
        return others[number % 3].get(place, params={"code": wrong[number]}, headers=headers).status_code

    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(guess, range(24)))
    assert (found.count(403), found.count(409)) == (5, 19)
    assert bank.call("GET", f"/{made['id']}", params={"code": code}).status_code == 409


def test_vp_10_the_short_code_is_shown_for_a_while(one_bank):
    made = one_bank.ask()
    onward = one_bank.answer(made).json()["redirect_uri"]
    one_bank.at += timedelta(seconds=601)
    for accept in ("application/json", "text/html"):
        shown = one_bank.client.get(urlsplit(onward).path, headers={"accept": accept})
        assert shown.status_code == 404
    one_bank.at = one_bank.world.at


def test_vp_11_an_answer_to_a_request_older_than_two_minutes(one_bank):
    made = one_bank.ask()
    request = one_bank.fetch(made)
    body = build_answer(one_bank.present_to(request), request)
    one_bank.at += timedelta(seconds=121)
    assert one_bank.post(request, body).status_code == 400
    with pytest.raises(RefusedError) as caught:
        one_bank.verifier.read(body, request=request, at=one_bank.at)
    assert caught.value.code is ReasonCode.REQUEST_EXPIRED
    one_bank.at = one_bank.world.at


def test_vp_15_an_encrypted_answer_that_was_changed_or_is_for_another_key(one_bank):
    made = one_bank.ask()
    request = one_bank.fetch(made)
    plain = payload(request, one_bank.present_to(request))
    own = ec.generate_private_key(ec.SECP256R1())
    good = parse_qs(sealed(request, plain, apu=b"u", apv=b"v"))[b"response"][0]

    def changed(**header):
        parts = good.split(b".")
        found = json.loads(b64u_decode(parts[0], "")) | header
        parts[0] = b64u_encode(dump_json(found)).encode()
        return urlencode({"response": b".".join(parts).decode()}).encode()

    for body, reason in (
        (changed(apu=b64u_encode(b"w")), "integrity"),
        (changed(apv=b64u_encode(b"w")), "integrity"),
        (changed(kid="another"), "integrity"),
        (changed(enc="A128GCM"), "integrity"),
        (changed(crit=["exp"]), "crit"),
        (sealed(request, plain, kid="another"), "kid"),
        (sealed(request, plain, kid=None), "kid"),
        (sealed(request, plain, key=own.public_key()), "integrity"),
    ):
        answer = one_bank.post(request, body)
        assert (answer.status_code, reasons(answer)) == (400, [reason])
    assert state_of(one_bank, made) == "open"


def test_vp_15_an_ephemeral_key_counts_once(bank):
    made = bank.ask()
    request = bank.fetch(made)
    forged = bank.world.forge(bank.present_to(request))
    body = sealed(request, payload(request, forged))
    assert reasons(bank.post(request, body)) != ["replay"]
    bank.client = bank.process()
    assert reasons(bank.post(request, body)) == ["replay"]


def test_vp_16_an_answer_whose_inner_state_is_another_session_s(one_bank):
    first, second = (one_bank.fetch(one_bank.ask()) for _ in range(2))
    stolen = payload(first, one_bank.present_to(first))
    answer = one_bank.post(second, sealed(second, stolen))
    assert (answer.status_code, reasons(answer)) == (400, ["nonce"])
    relabelled = stolen | {"state": second.online.state}
    answer = one_bank.post(second, sealed(second, relabelled))
    assert (answer.status_code, reasons(answer)) == (400, ["nonce"])
    outside = parse_qsl(sealed(second, relabelled).decode())
    body = urlencode([*outside, ("state", first.online.state)]).encode()
    assert one_bank.post(second, body).status_code == 400


@pytest.mark.parametrize("mode", ["direct_post", "direct_post.jwt"])
def test_vp_17_no_request_has_a_redirect_uri_beside_its_response_uri(one_bank, mode):
    made = one_bank.ask(mode=mode, device="same_device", redirect=REDIRECT)
    request = one_bank.fetch(made)
    found = parse_json(request.jws.payload, "", max_bytes=65_536)
    assert "redirect_uri" not in found
    forged = sign_jws(
        dict(request.jws.header), dump_json(found | {"redirect_uri": REDIRECT}), SoftwareSigner.generate()
    )
    with pytest.raises(RefusedError):
        parse_request(forged, client_id=request.client_id)


def test_wf_16_the_way_on_is_one_that_the_settings_name_letter_for_letter(one_bank):
    for tried in (
        REDIRECT + "/",
        REDIRECT + "?next=https://evil.example",
        REDIRECT.upper(),
        "https://www.bank.example@evil.example/go-on",
        "https://evil.example/go-on",
        "javascript:alert(1)",
        "//evil.example",
    ):
        wish = {"policy": POLICY, "device": "same_device", "redirect": tried}
        assert one_bank.call("POST", "", json=wish).status_code == 422


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"audience": "x509_hash:another"}, "aud"),
        ({"audience": "bank.example"}, "aud"),
        ({"nonce": b"0123456789abcdef"}, "nonce"),
        ({"issued_at": 1_700_000_000}, "iat"),
        ({"issued_at": 1_900_000_000}, "iat"),
    ],
)
def test_a_key_binding_for_somebody_else_or_another_time(one_bank, changed, reason):
    request = one_bank.fetch(one_bank.ask())
    answer = one_bank.post(request, build_answer(one_bank.present_to(request, **changed), request))
    assert answer.status_code == 400
    assert reason in reasons(answer)


def test_an_mdoc_of_another_session(one_bank):
    for change in ("client_id", "nonce", "response_uri", "encryption_key"):
        made = one_bank.ask(formats=["mso_mdoc"])
        request = one_bank.fetch(made)
        online = request.online
        right = {
            "client_id": request.client_id,
            "nonce": online.nonce,
            "response_uri": online.response_uri,
            "encryption_key": online.encryption.thumbprint,
        }
        wrong = right | {change: None if change == "encryption_key" else right[change] + "x"}
        answer = sign_by_hand(one_bank.world, request, format="mso_mdoc", transcript=openid4vp_transcript(**wrong))
        found = one_bank.post(request, build_answer(answer, request))
        assert (found.status_code, reasons(found)) == (400, ["device_auth"]), change


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"vp_token",
        b"response=a.b.c.d.e",
        b"response=x&response=y",
        b"error=UPPER%20CASE&state=x",
        b"\xff\xfe=1",
        b"a=1&" * 40,
        b"vp_token=%7B%7D&response=x",
    ],
)
def test_bodies_that_are_no_answer(one_bank, body):
    request = one_bank.fetch(one_bank.ask())
    assert one_bank.post(request, body).status_code == 400
    assert one_bank.client.post(place(request), content=body).status_code == 415


def test_an_answer_before_the_request_was_fetched_and_to_nothing(one_bank):
    made = one_bank.ask()
    where = urlsplit(made["request_uri"]).path + "/answer"
    assert one_bank.client.post(where, content=b"error=x", headers=FORM).status_code == 400
    assert one_bank.client.post("/vp/r/" + "A" * 22 + "/answer", content=b"error=x", headers=FORM).status_code == 404
    assert one_bank.client.post(where, content=b"x" * 3_000_000, headers=FORM).status_code == 413


def test_a_page_s_answer_is_of_its_origin_and_no_other_way_in(one_bank):
    made = one_bank.ask(mode="dc_api.jwt", device=None, origin="https://www.bank.example")
    given = one_bank.call("GET", f"/{made['id']}/dc").json()
    request = parse_request(given["data"]["request"], client_id=None, origin="https://www.bank.example")
    with pytest.raises(RefusedError) as caught:
        parse_request(given["data"]["request"], client_id=None, origin="https://evil.example")
    assert caught.value.code is ReasonCode.READER_UNTRUSTED
    with_client_id = one_bank.present_to(request, audience=request.client_id)
    data = {"response": parse_qs(build_answer(with_client_id, request).decode())["response"][0]}
    answer = one_bank.call("POST", f"/{made['id']}/dc", json={"protocol": given["protocol"], "data": data})
    assert (answer.status_code, answer.json()["reasons"]) == (400, ["aud"])
    handle = one_bank.store.by_id(made["id"], "desk").handle
    assert one_bank.client.get(f"/vp/r/{handle}").status_code == 404
    assert one_bank.client.post(f"/vp/r/{handle}/answer", content=b"error=x", headers=FORM).status_code == 404
    plain = one_bank.ask()
    assert one_bank.call("GET", f"/{plain['id']}/dc").status_code == 409


def test_a_wallet_s_error_needs_the_state_of_the_request(one_bank):
    first, second = one_bank.ask(), one_bank.ask()
    request, other = one_bank.fetch(first), one_bank.fetch(second)
    assert one_bank.post(request, build_error(other, "access_denied")).status_code == 400
    assert state_of(one_bank, first) == "open"
