"""VP and WF of threats.md at the issuer's login by card: what logs nobody in, by id."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest

from issuer.server.showings import LASTS
from tests.services.browser_kit import TOKEN, Browser, heading
from tests.services.card_kit import CARD, FORM, SUBJECT, Hall, sign, town
from tests.services.issuer_kit import AT, BASE, CODE, target  # noqa: F401 - a fixture
from vcred.errors import PolicyError, RefusedError, SettingsError
from vcred.formats._jwe import encrypt
from vcred.formats._wire import dump_json
from vcred.keys import SoftwareSigner
from vcred.oid4vp import build_answer, build_error, vp_token_of
from verifier.guest import GuestVerifier
from verifier.policy import VerificationPolicy

pytestmark = pytest.mark.loopback


@pytest.fixture(scope="module")
def world():
    return town(CARD, CODE)


@pytest.fixture(scope="module")
def elsewhere():
    """A town of the same names whose agency nobody here knows."""
    return town(CARD)


@pytest.fixture
def hall(target, tmp_path, world):  # noqa: F811 - as above
    world.at = AT
    with closing(Hall(target, tmp_path, world)) as made:
        yield made


@pytest.fixture
def one(tmp_path, world):
    world.at = AT
    with closing(Hall(f"sqlite:///{tmp_path}/issuer.db", tmp_path, world)) as made:
        yield made


@pytest.fixture
def own(tmp_path):
    """A hall with a town of its own, whose clock may be moved and whose cards revoked."""
    with closing(Hall(f"sqlite:///{tmp_path}/issuer.db", tmp_path, town(CARD))) as made:
        yield made


def told(answer):
    return answer.status_code, answer.json()["error"], answer.json().get("reasons", [])


def sealed(request, presentation, **changed):
    """An answer under the request's key, with whatever else in it."""
    online = request.online
    payload = {"vp_token": vp_token_of(presentation), "state": online.state} | changed
    payload = {name: value for name, value in payload.items() if value is not None}
    made = encrypt(dump_json(payload), online.encryption.key, enc="A256GCM", kid=online.encryption.kid)
    return urlencode({"response": made.decode()}).encode()


def test_vp_09_the_way_back_of_the_same_device_is_for_the_browser_that_began(hall):
    """Whoever forwards the link gets the victim's answer into the victim's own browser, which began nothing."""
    attacker = hall.begin()
    onward = hall.show(attacker.links()[1]).json()["redirect_uri"]
    victim = Browser(hall.service)
    page = victim.send("GET", onward)
    assert (page.status_code, heading(page)) == (403, "이 브라우저에서 시작한 로그인이 아닙니다")
    busy = hall.begin()
    assert busy.browser.send("GET", onward).status_code == 403
    assert (busy.who, attacker.who) == (None, None)
    assert "vcred_session" not in victim.cookies
    guessed = f"{BASE}/apply/shown?response_code={'A' * 43}"
    for place in (guessed, f"{BASE}/apply/shown", f"{BASE}/apply/shown?response_code="):
        assert attacker.browser.send("GET", place).status_code == 403
    assert attacker.who is None


def test_vp_09_nobody_is_logged_in_as_who_sent_the_link(hall):
    """The other way round: an attacker's own answer does not log a victim in as the attacker."""
    attacker = hall.begin()
    onward = hall.show(attacker.links()[1]).json()["redirect_uri"]
    victim = hall.begin()
    assert victim.browser.send("GET", onward).status_code == 403
    attacker.browser.send("GET", onward)
    assert (attacker.who, victim.who) == (SUBJECT, None)


def test_vp_10_a_forwarded_qr_code_logs_nobody_in_without_the_code(hall):
    attacker = hall.begin()
    answer = hall.show(attacker.links()[0])
    assert attacker.who is None
    page = attacker.look()
    assert heading(page) == "신분증을 보여 주세요"
    code = hall.carried(answer)
    assert code not in page.text
    assert SUBJECT not in page.text
    assert "당신의 이름으로 로그인하려는 것입니다" in hall.service.send("GET", answer.json()["redirect_uri"]).text
    other = hall.begin()
    assert other.bring(code).status_code == 403, "no answer waits there"
    assert attacker.bring(code, browser=other.browser).status_code == 403, "another browser's cookie"
    assert (attacker.who, other.who) == (None, None)


def test_the_address_of_a_short_code_is_in_no_log(one, caplog):
    waiting = one.begin()
    onward = one.show(waiting.links()[0]).json()["redirect_uri"]
    one.clock.forward(minutes=20)
    with caplog.at_level("INFO", logger="vcred.issuer.pages"):
        assert one.service.send("GET", onward).status_code == 404
    assert "page /garam/id/carry/{secret}: NotFound" in caplog.text
    assert urlsplit(onward).path not in caplog.text


def test_vp_10_the_short_code_cannot_be_guessed(hall):
    waiting = hall.begin()
    code = hall.carried(hall.show(waiting.links()[0]))
    wrong = f"{(int(code) + 1) % 10**6:06d}"
    left = hall.service.settings.id_login.tries
    for number in range(left):
        answer = waiting.bring(wrong)
        assert answer.status_code == 400
        assert (f"남은 횟수: {left - number - 1}" in answer.text) is (number < left - 1)
    assert "여러 번 틀렸습니다" in waiting.look().text
    assert waiting.bring(code).status_code == 403
    assert waiting.who is None


def test_vp_10_many_guesses_at_once_are_no_more_guesses(hall):
    waiting = hall.begin()
    code = hall.carried(hall.show(waiting.links()[0]))
    codes = [f"{(int(code) + step) % 10**6:06d}" for step in range(1, 13)]
    cookie = {"Cookie": f"vcred_login={waiting.browser.cookies['vcred_login']}"}
    wishes = [("POST", waiting.place, {"data": {"code": one}, "headers": cookie}) for one in codes]
    statuses = [answer.status_code for answer in hall.service.send_all(wishes)]
    assert statuses.count(400) == hall.service.settings.id_login.tries
    assert statuses.count(403) == len(codes) - hall.service.settings.id_login.tries


def test_vp_10_wrong_codes_are_counted_for_the_address(one):
    limit, now, store = one.service.settings.wrong_guesses, int(one.clock().timestamp()), one.service.store
    for _ in range(limit - 1):
        store.transact(lambda: store.add_guess("card code 127.0.0.1", at=now))
    waiting = one.begin()
    code = one.carried(one.show(waiting.links()[0]))
    assert waiting.bring("000000" if code != "000000" else "000001").status_code == 400
    assert waiting.bring(code).status_code == 403, "the address has to wait"
    one.service.address = "192.0.2.9"
    assert waiting.bring(code).status_code == 303


def test_so_many_logins_may_be_begun_from_one_address(target, tmp_path, world):  # noqa: F811 - as above
    """Beginning one needs no login: what is remembered of them has a limit, in all processes together."""
    world.at = AT
    with closing(Hall(target, tmp_path, world, begun_logins=3)) as hall:
        first, other, place = hall.begin(), hall.again(), "/garam/apply/login/id"
        hall.clock.forward(seconds=59)
        assert other.send("GET", place).status_code == 303
        statuses = [answer.status_code for answer in other.send_all([("GET", place, {})] * 4)]
        assert sorted(statuses) == [303, 429, 429, 429]
        refused = hall.service.send("GET", place)
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "60")
        assert heading(refused) == "로그인을 너무 자주 시작했습니다"
        assert heading(hall.service.send("GET", f"{place}?lang=en")) == "Too many logins were begun"
        assert "set-cookie" not in refused.headers
        assert hall.service.send("GET", "/garam/apply/login").status_code == 429, "in whatever way"
        assert hall.service.store._one("SELECT count(*) AS n FROM showings")["n"] == 6
        assert first.look().status_code == 200, "what has begun goes on"
        hall.service.address = "192.0.2.9"
        assert hall.service.send("GET", place).status_code == 303
        hall.clock.forward(seconds=1)
        assert other.send("GET", place).status_code == 303, "a minute after the first"


def test_vp_07_the_first_answer_is_the_answer_and_a_replayed_one_is_none(hall):
    waiting = hall.begin()
    request = hall.fetch(waiting.links()[0])
    body = build_answer(hall.present(request), request)
    assert hall.post(request, body).status_code == 200
    assert told(hall.post(request, body))[:2] == (400, "invalid_request")
    again = build_answer(hall.present(request), request)
    assert told(hall.post(request, again))[:2] == (400, "invalid_request")


def test_vp_07_of_answers_at_once_one_wins(hall):
    request = hall.fetch(hall.begin().links()[0])
    bodies = [build_answer(hall.present(request), request) for _ in range(4)]
    other = hall.again()

    def post(numbered):
        number, body = numbered
        service = (hall.service, other)[number % 2]
        return service.send("POST", request.online.response_uri, content=body, headers=FORM).status_code

    with ThreadPoolExecutor(4) as pool:
        statuses = list(pool.map(post, enumerate(bodies)))
    assert sorted(statuses) == [200, 400, 400, 400]


def test_a_question_of_the_reader_before_is_answered_by_nobody(own):
    """The agency's reader certificate was replaced: what was asked under the other name is over."""
    waiting = own.begin()
    link = waiting.links()[0]
    request = own.fetch(link)
    body = build_answer(own.present(request), request)
    own.reader._identity = town(CARD).identity
    assert told(own.post(request, body)) == (400, "invalid_request", ["request_expired"])
    place = urlsplit(request.online.response_uri).path.removesuffix("/answer")
    again = own.service.send("POST", place, data={"wallet_nonce": "n-0123456789"})
    assert told(again) == (400, "invalid_request", ["request_expired"])
    assert waiting.who is None


def test_vp_06_vp_16_an_answer_to_another_login_is_none(one):
    mine, other = one.begin(), one.begin()
    request, foreign = one.fetch(mine.links()[0]), one.fetch(other.links()[0])
    shown = one.present(foreign)
    assert told(one.post(request, build_answer(shown, foreign)))[:2] == (400, "invalid_request")  # another key
    moved = sealed(request, shown)  # sealed for this one, but signed for the other
    assert told(one.post(request, moved))[:2] == (400, "access_denied")
    for state in (foreign.online.state, None, "x"):
        assert told(one.post(request, sealed(request, one.present(request), state=state)))[:2] == (
            400,
            "invalid_request",
        )
    assert "지갑에서 동의해 주세요" in mine.look().text, "what proves nothing leaves it open"
    assert one.post(request, build_answer(one.present(request), request)).status_code == 200


def test_vp_05_everybody_gets_the_same_object_and_nobody_after_the_end(hall):
    waiting = hall.begin()
    link = waiting.links()[0]
    first, other = hall.fetch(link), hall.again()
    place = urlsplit(first.online.response_uri).path.removesuffix("/answer")
    assert other.send("GET", place).content == first.raw
    assert hall.fetch(link, wallet_nonce="n-0123456789").online.nonce == first.online.nonce
    hall.post(first, build_answer(hall.present(first), first))
    assert told(hall.service.send("GET", place))[:2] == (400, "invalid_request")
    assert hall.service.send("GET", f"/garam/id/{'A' * 43}").status_code == 404


def test_vp_11_an_answer_after_two_minutes_is_none(own):
    waiting = own.begin()
    link = waiting.links()[0]
    request = own.fetch(link)
    assert request.expires_at - request.issued_at == 120
    body = build_answer(own.present(request), request)
    own.forward(seconds=121)
    assert told(own.post(request, body))[:2] == (400, "invalid_request")
    page = waiting.look()
    assert 'id="by-code"' not in page.text, "its code is over; the link has not been opened yet"
    assert 'id="deep-link"' in page.text
    own.forward(seconds=480)
    assert "시간이 지났습니다" in waiting.look().text
    own.forward(minutes=10)
    assert waiting.look().status_code == 403, "and then nothing is known of it"


def test_a_code_that_comes_too_late_is_none(own):
    waiting = own.begin()
    answer = own.show(waiting.links()[0])
    code = own.carried(answer)
    own.forward(minutes=20)
    assert waiting.bring(code).status_code == 403
    assert own.service.send("GET", answer.json()["redirect_uri"]).status_code == 404


WRONG = {
    "another type": ({"code": CODE, "paths": ("rrn",)}, ["dcql"]),
    "bearer: no holder binding": ({"bound": False}, ["kb_missing", "dcql"]),
    "somebody else's key": ({"by": SoftwareSigner.generate()}, ["kb_key"]),
    "signed for another reader": ({"audience": "x509_hash:another"}, ["aud"]),
    "signed for another nonce": ({"nonce": b"0123456789abcdef0123456789abcdef"}, ["nonce"]),
    "less than was asked": ({"paths": ("cardState",)}, ["dcql", "rrn_hidden"]),
    "more than was asked": ({"paths": ("rrn", "cardState", "address")}, ["dcql"]),
}


@pytest.mark.parametrize("name", WRONG)
def test_vp_08_what_was_not_asked_for_or_is_not_bound_logs_nobody_in(one, name):
    changed, reasons = WRONG[name]
    waiting = one.begin()
    request = one.fetch(waiting.links()[1])
    answer = one.post(request, build_answer(sign(one.world, request, **changed), request))
    assert told(answer) == (400, "access_denied", reasons)
    assert waiting.look().status_code == 200
    assert waiting.who is None


def test_a_foreign_issuers_card_logs_nobody_in(one, elsewhere):
    waiting = one.begin()
    request = one.fetch(waiting.links()[1])
    elsewhere.at = one.world.at
    answer = one.post(request, build_answer(sign(elsewhere, request), request))
    assert told(answer) == (400, "access_denied", ["untrusted"])
    assert waiting.who is None


def test_st_a_revoked_card_logs_nobody_in_and_ends_the_request(own):
    own.world.revoke(CARD)
    waiting = own.begin()
    request = own.fetch(waiting.links()[1])
    answer = own.post(request, build_answer(sign(own.world, request), request))
    assert told(answer) == (400, "access_denied", ["revoked"])
    page = waiting.look()
    assert "로그인할 수 없습니다" in page.text
    assert told(own.post(request, build_answer(sign(own.world, request), request)))[:2] == (400, "invalid_request")
    assert waiting.who is None


def test_st_a_status_that_is_too_old_logs_nobody_in(own):
    own.forward(hours=25)
    waiting = own.begin()
    request = own.fetch(waiting.links()[1])
    answer = own.post(request, build_answer(sign(own.world, request), request))
    assert told(answer) == (400, "access_denied", ["stale"])
    assert waiting.who is None


def test_operators_are_told_when_nobody_can_log_in_with_a_card(tmp_path):
    settings = {"admin_tokens": {"hong": TOKEN}}
    with closing(Hall(f"sqlite:///{tmp_path}/issuer.db", tmp_path, town(CARD), **settings)) as hall:
        assert "login by card" not in Browser(hall.service).operate().text
        hall.forward(days=8)
        assert "older than the 168 hours that city.login takes" in Browser(hall.service).operate().text
        waiting = hall.begin()
        request = hall.fetch(waiting.links()[1])
        answer = hall.post(request, build_answer(sign(hall.world, request), request))
        assert told(answer) == (400, "access_denied", ["stale"])
        hall.forward(days=30)
        assert "login by card: the trust list cannot be used" in Browser(hall.service).operate().text


def test_a_card_that_was_reported_lost_logs_nobody_in(tmp_path):
    world = town()
    world.issue(CARD, record={**world.catalog[CARD].sample, "cardState": "lost"})
    with closing(Hall(f"sqlite:///{tmp_path}/issuer.db", tmp_path, world)) as hall:
        waiting = hall.begin()
        request = hall.fetch(waiting.links()[1])
        answer = hall.post(request, build_answer(sign(world, request), request))
        assert told(answer) == (400, "access_denied", ["predicate"])
        assert waiting.who is None


def looked_up(folder, monkeypatch, module, found):
    """Settings with a function of the agency's own, which gives ``found``."""
    (folder / f"{module}.py").write_text(f"def find(code, claims):\n    return {found}\n", encoding="utf-8")
    monkeypatch.syspath_prepend(folder)
    return {"subject": None, "lookup": f"python:{module}:find"}


def test_somebody_whom_the_registry_does_not_know_is_told_so_alone(tmp_path, world, monkeypatch):
    settings = looked_up(tmp_path, monkeypatch, "nobody_here", "None")
    world.at = AT
    with closing(Hall(f"sqlite:///{tmp_path}/issuer.db", tmp_path, world, id_login=settings)) as hall:
        waiting = hall.begin()
        answer = hall.show(waiting.links()[0])
        assert answer.status_code == 200, "the wallet is not told who is in the registry"
        assert "확인번호" in waiting.look().text, "nor whoever only forwarded the code"
        refused = waiting.bring(hall.carried(answer))
        assert (refused.status_code, heading(refused)) == (403, "등록부에서 찾을 수 없습니다")
        assert waiting.who is None


def test_an_answer_over_which_the_agencys_own_function_breaks_ends_the_request(tmp_path, world, monkeypatch, caplog):
    settings = looked_up(tmp_path, monkeypatch, "broken_here", "{}[str(claims)]")
    world.at = AT
    with closing(Hall(f"sqlite:///{tmp_path}/issuer.db", tmp_path, world, id_login=settings)) as hall:
        waiting = hall.begin()
        answer = hall.show(waiting.links()[0])
        assert answer.status_code == 500
        assert "로그인할 수 없습니다" in waiting.look().text, "nobody waits for what cannot come"
        assert "KeyError" in caplog.text
        for text in (answer.text, caplog.text):
            assert SUBJECT[-7:] not in text


def test_vp_07_answers_that_prove_nothing_end_the_request_some_time(one):
    waiting = one.begin()
    request = one.fetch(waiting.links()[1])
    for _ in range(one.service.settings.id_login.wrong_answers):
        assert told(one.post(request, b"response=x"))[0] == 400
    assert told(one.post(request, build_answer(one.present(request), request)))[:2] == (400, "invalid_request")
    assert "로그인할 수 없습니다" in waiting.look().text


BODIES = [b"", b"\xff\xff", b"a=b", b"response=a&response=b", b"vp_token=%7B%7D", b"error=access_denied", b"response=" + b"A" * 200_000]  # fmt: skip


@pytest.mark.parametrize("body", BODIES, ids=range(len(BODIES)))
def test_bodies_that_are_no_answer(one, body):
    request = one.fetch(one.begin().links()[0])
    answer = one.post(request, body)
    assert answer.status_code in (400, 413)
    assert answer.json().get("error") in ("invalid_request", None)


def test_an_answer_to_what_nobody_fetched_and_of_another_content_type(one):
    waiting = one.begin()
    place = dict(parse_qsl(urlsplit(waiting.links()[0]).query))["request_uri"]
    answer = one.service.send("POST", f"{place}/answer", content=b"response=x", headers=FORM)
    assert told(answer)[:2] == (400, "invalid_request")
    answer = one.service.send("POST", f"{place}/answer", json={"response": "x"})
    assert answer.status_code == 415


def test_a_wallets_no_needs_the_state_of_the_request(one):
    waiting = one.begin()
    request, foreign = one.fetch(waiting.links()[0]), one.fetch(one.begin().links()[0])
    assert told(one.post(request, build_error(foreign, "access_denied")))[:2] == (400, "invalid_request")
    assert "지갑에서 동의해 주세요" in waiting.look().text


def test_vp_15_an_ephemeral_key_counts_once(one):
    waiting = one.begin()
    request = one.fetch(waiting.links()[0])
    body = build_answer(sign(one.world, request, by=SoftwareSigner.generate()), request)
    assert told(one.post(request, body)) == (400, "access_denied", ["kb_key"])
    assert "맞지 않는 답이 왔습니다" in waiting.look().text
    assert told(one.post(request, body)) == (400, "invalid_request", ["replay"])
    assert one.post(request, build_answer(one.present(request), request)).status_code == 200
    assert "맞지 않는 답이 왔습니다" not in waiting.look().text


def test_wf_forms_of_another_site_bring_no_code(one):
    waiting = one.begin()
    code = one.carried(one.show(waiting.links()[0]))
    for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}):
        answer = waiting.browser.send("POST", waiting.place, data={"code": code}, headers=headers)
        assert answer.status_code == 403
    assert waiting.who is None
    assert waiting.bring(code).status_code == 303


@pytest.mark.parametrize("place", ["//evil.example", "https://evil.example", "../../x"])
def test_wf_16_a_login_by_card_leads_to_our_own_pages_only(one, place):
    waiting = one.begin(query=f"?type={place}")
    landed = waiting.browser.send("GET", one.show(waiting.links()[1]).json()["redirect_uri"])
    assert landed.headers["location"] == "/garam/apply"


def test_another_login_does_not_end_the_one_by_card(one):
    waiting = one.begin()
    waiting.browser.send("GET", "/garam/apply/login")
    lasts = [line for line in waiting.browser.answer.headers.get_list("set-cookie") if line.startswith("vcred_login=")]
    assert [f"Max-Age={LASTS}" in line for line in lasts] == [True]
    waiting.browser.send("GET", one.show(waiting.links()[1]).json()["redirect_uri"])
    assert waiting.who == SUBJECT


def test_somebody_who_is_logged_in_may_log_in_as_somebody_else_by_card(hall):
    visitor = Browser(hall.service)
    visitor.login()
    waiting = hall.begin(visitor)
    code = hall.carried(hall.show(waiting.links()[0]))
    before, action = visitor.cookies["vcred_session"], waiting.place.removeprefix("/garam")
    assert waiting.bring(code).status_code == 403, "a form without the token of the session is none of ours"
    waiting.look()
    assert visitor.submit(action, follow=False, code=code).status_code == 303
    assert waiting.who == SUBJECT
    assert visitor.cookies["vcred_session"] != before
    assert hall.service.store.session(before, at=int(hall.clock().timestamp())) is None


def test_what_was_known_of_somebody_goes_with_the_login(hall):
    """Also where nobody else logs in: whatever is published next takes with it what has ended."""
    hall.show(hall.begin().links()[0])
    waiting = hall.begin()
    waiting.browser.send("GET", hall.show(waiting.links()[1]).json()["redirect_uri"])
    waiting.browser.apply()
    store, tables = hall.service.store, ("logins", "showings", "sessions", "applications")

    def left(**later):
        hall.clock.forward(**later)
        store.forget_expired(at=int(hall.clock().timestamp()))
        return [store._one(f"SELECT count(*) AS n FROM {table}")["n"] for table in tables]

    assert left(minutes=19) == [1, 2, 1, 1]
    assert left(minutes=12) == [0, 0, 0, 1]
    assert left(days=400) == [0, 0, 0, 0]


def test_a_login_that_was_used_is_used(one):
    waiting = one.begin()
    onward = one.show(waiting.links()[1]).json()["redirect_uri"]
    assert waiting.browser.send("GET", onward).status_code == 303
    assert waiting.browser.send("GET", onward).status_code == 403
    assert waiting.look().status_code == 403


def test_a_test_trust_list_logs_nobody_in_in_production(world):
    policy = VerificationPolicy.preset("city.login")
    with pytest.raises(RefusedError) as refused:
        GuestVerifier(lambda: world.trust, world.identity, policy, production=True)
    assert refused.value.code == "test_key"


OTHER = '[[certificates.any_of]]\ncode = "id.driver_mobile"'
SECOND = '[[certificates]]\nslot = "more"\nname = { ko = "더", en = "more" }\nrequired = true\n'
LAX = {
    "a bearer document": ('holder_binding = "required"', 'holder_binding = "bearer_ok"'),
    "an answer to no challenge": ("challenge = true", "challenge = true\nmax_age_seconds = 30"),
    "no status": ("[status]\nrequired = true", "[status]\nrequired = false"),
    "two documents": (OTHER, SECOND + OTHER),
    "as many documents as somebody likes": (
        "required = true\n\n[[certificates.any_of]]",
        "required = true\nmultiple = true\n\n[[certificates.any_of]]",
    ),
}


@pytest.mark.parametrize("name", LAX)
def test_a_policy_that_would_log_in_whoever_comes_is_not_taken(world, name):
    before, after = LAX[name]
    text = VerificationPolicy.preset("city.login").source
    assert text.count(before) == 1
    with pytest.raises(PolicyError):
        GuestVerifier(
            lambda: world.trust, world.identity, VerificationPolicy.load(text.replace(before, after)), production=False
        )


@pytest.mark.parametrize("given", [{"subject": "name"}, {"subject": "a..b"}, {"subject": None}, {"subject": None, "lookup": "nothing"}])  # fmt: skip
def test_settings_that_do_not_say_who_somebody_is_are_refused(tmp_path, world, given):
    with pytest.raises(SettingsError):
        Hall(f"sqlite:///{tmp_path}/issuer.db", tmp_path, world, id_login=given)
