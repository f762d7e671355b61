"""Logging in at the issuer by showing an identity card from a wallet: on both databases, over ASGI."""

from __future__ import annotations

from contextlib import closing
from urllib.parse import urlsplit

import pytest

from tests.services.browser_kit import Browser, heading
from tests.services.card_kit import CARD, SUBJECT, Hall, town
from tests.services.issuer_kit import BASE, CALLBACK, CODE, Wallet, parameters, target  # noqa: F401 - a fixture
from vcred.oid4vp import build_answer, build_error
from vcred.qr import read_image

pytestmark = pytest.mark.loopback


@pytest.fixture(scope="module")
def world():
    return town(CARD, CODE)


@pytest.fixture
def hall(target, tmp_path, world):  # noqa: F811 - as above
    world.at = world.trust.signed_at
    with closing(Hall(target, tmp_path, world)) as made:
        yield made


def test_a_wallet_on_another_device_logs_in_with_the_code_that_is_carried(hall):
    visitor = Browser(hall.service)
    assert "신분증으로 본인확인" in visitor.get("/apply").text
    waiting = hall.begin(visitor)
    page = waiting.look()
    assert heading(page) == "신분증을 보여 주세요"
    assert "주민등록번호" in page.text
    assert "보관하지 않음" in page.text
    cross, _ = waiting.links()
    request = hall.fetch(cross, wallet_nonce="a-nonce-of-the-wallet")
    assert "동의해 주세요" in waiting.look().text
    answer = hall.post(request, build_answer(hall.present(request), request))
    assert answer.status_code == 200
    assert waiting.who is None
    assert "확인번호를 넣어 주세요" in waiting.look().text
    code = hall.carried(answer)
    onward = waiting.bring(f" {code[:3]} {code[3:]} ")
    assert (onward.status_code, onward.headers["location"]) == (303, "/garam/apply")
    assert waiting.who == SUBJECT
    assert heading(visitor.get("/apply")) == "어떤 증명서가 필요하세요?"


def test_a_wallet_on_the_same_device_comes_back_to_the_browser(hall):
    waiting = hall.begin(query=f"?type={CODE}")
    _, same = waiting.links()
    onward = hall.show(same).json()["redirect_uri"]
    assert onward.startswith(f"{BASE}/apply/shown?response_code=")
    assert "지갑이 연 화면에서 이어집니다" in waiting.look().text
    landed = waiting.browser.send("GET", onward)
    assert (landed.status_code, landed.headers["location"]) == (303, f"/garam/apply/types/{CODE}")
    assert waiting.who == SUBJECT


def test_it_ends_with_a_certificate(hall):
    waiting = hall.begin()
    waiting.browser.send("GET", hall.show(waiting.links()[1]).json()["redirect_uri"])
    assert heading(waiting.browser.apply()) == "지갑으로 받으세요"
    (application,) = hall.service.parts.applications.newest()
    assert application.subject == SUBJECT
    (line,) = [one for one in hall.service.store.audit() if one["event"] == "logged in by card"]
    assert line["code"] == CARD
    assert line["subject_hash"] == hall.service.store.subject_hash(SUBJECT)
    assert SUBJECT not in str(hall.service.store.audit())


def test_a_wallet_that_began_gets_its_code_after_a_login_by_card(hall):
    wallet, visitor = Wallet(hall.service), Browser(hall.service)
    request_uri = wallet.par().json()["request_uri"]
    visitor.get(f"/authorize?client_id={wallet.client_id}&request_uri={request_uri}")
    assert 'href="/garam/apply/login/id"' in visitor.answer.text
    waiting = hall.begin(visitor)
    waiting.browser.send("GET", hall.show(waiting.links()[1]).json()["redirect_uri"])
    visitor.get("/apply")
    assert urlsplit(str(visitor.answer.url)).path == f"/garam/apply/types/{CODE}"
    visitor.get(f"/apply/types/{CODE}/check?chosen=1")
    back = visitor.submit(f"/apply/types/{CODE}", purpose="own")
    assert back.headers["location"].startswith(f"{CALLBACK}?")
    assert wallet.token(code=parameters(back.headers["location"])["code"]).status_code == 200


def test_the_qr_code_and_the_link_are_two_requests_of_one_login(hall, tmp_path):
    from vcred.qr import text_code

    waiting = hall.begin()
    cross, same = waiting.links()
    assert cross != same
    page = waiting.look().text
    assert same.replace("&", "&amp;") in page
    assert text_code(cross).svg() in page
    picture = tmp_path / "code.png"
    picture.write_bytes(text_code(cross).png())
    assert read_image(picture) == [cross]
    assert waiting.links() == (cross, same), "the same however often the page is looked at"
    first, second = (hall.fetch(one) for one in (cross, same))
    assert first.online.nonce != second.online.nonce
    assert first.online.state != second.online.state
    assert first.online.encryption.kid != second.online.encryption.kid
    assert first.online.mode == "direct_post.jwt"


def test_only_what_is_needed_is_asked_for(hall):
    request = hall.fetch(hall.begin().links()[0])
    asked = {one.format: {str(claim.path) for claim in one.claims} for one in request.query.credentials}
    assert asked["dc+sd-jwt"] <= {"rrn", "cardState"}
    assert all(one.holder_binding for one in request.query.credentials)
    assert request.purpose == "증명서 신청인의 본인 확인"


def test_an_mdoc_logs_in_too(tmp_path):
    cards = town(CARD, formats=("mso_mdoc",))
    with closing(Hall(f"sqlite:///{tmp_path}/issuer.db", tmp_path, cards)) as hall:
        waiting = hall.begin()
        request = hall.fetch(waiting.links()[1])
        shown = hall.present(request)
        assert {one.format for many in shown.tokens.values() for one in many} == {"mso_mdoc"}
        answer = hall.post(request, build_answer(shown, request))
        waiting.browser.send("GET", answer.json()["redirect_uri"])
        assert waiting.who == SUBJECT


def test_another_process_goes_on_where_the_first_was(hall):
    waiting = hall.begin()
    cross, _ = waiting.links()
    request = hall.fetch(cross)
    other = hall.again()
    place = urlsplit(request.online.response_uri).path
    body = build_answer(hall.present(request), request)
    answer = other.send("POST", place, content=body, headers={"Content-Type": "application/x-www-form-urlencoded"})
    assert answer.status_code == 200
    code = hall.carried(answer)
    waiting.browser.service = other
    assert waiting.bring(code).status_code == 303
    assert waiting.who == SUBJECT


def test_whoever_says_no_in_the_wallet_may_begin_again(hall):
    waiting = hall.begin()
    request = hall.fetch(waiting.links()[1])
    answer = hall.post(request, build_error(request, "access_denied"))
    assert answer.json() == {"redirect_uri": f"{BASE}/apply"}
    assert "보여 주지 않기로 했습니다" in waiting.look().text
    assert hall.begin(waiting.browser).look().status_code == 200


def test_the_event_stream_says_what_the_page_shows(hall):
    waiting = hall.begin()
    answer = hall.show(waiting.links()[0])
    stream = waiting.browser.send("GET", f"{waiting.place}/events")
    assert stream.headers["content-type"].startswith("text/event-stream")
    assert stream.text == "event: state\ndata: code\n\n"
    assert answer.status_code == 200
    assert Browser(hall.service).send("GET", f"{waiting.place}/events").status_code == 404


def test_only_so_many_wait_for_events_at_once(hall, monkeypatch):
    from issuer.server import id_pages

    waiting = hall.begin()
    hall.show(waiting.links()[0])
    monkeypatch.setattr(id_pages, "_MOST", 0)
    full = waiting.browser.send("GET", f"{waiting.place}/events")
    assert (full.status_code, full.headers["retry-after"]) == (503, "5")
    monkeypatch.setattr(id_pages, "_MOST", 1)
    for _ in range(3):
        assert waiting.browser.send("GET", f"{waiting.place}/events").status_code == 200, "each lets go of its place"


def test_every_state_is_there_in_english(hall):
    visitor = Browser(hall.service, lang="en")
    assert "Show your ID from a wallet" in visitor.get("/apply").text
    waiting = hall.begin(visitor)
    assert heading(waiting.look()) == "Show your identity card"
    assert hall.fetch(waiting.links()[0]).purpose == "Confirming who applies for a certificate"


def test_what_somebody_showed_is_forgotten_with_the_login(hall):
    waiting = hall.begin()
    answer = hall.show(waiting.links()[0])
    store = hall.service.store
    (row,) = store._all("SELECT * FROM showings WHERE state = 'answered'")
    code = hall.carried(answer)
    kept = str(list(row))
    assert "김가람" not in kept
    assert code not in kept
    waiting.bring(code)
    assert store._all("SELECT * FROM showings") == []
    hall.begin()
    hall.forward(minutes=21)
    hall.begin()
    assert len(store._all("SELECT * FROM showings")) == 2, "what nobody came back to is gone"


def test_without_a_reader_there_is_no_such_login(tmp_path):
    from tests.services.issuer_kit import Clock, Service

    with closing(Service(f"sqlite:///{tmp_path}/issuer.db", tmp_path, Clock())) as service:
        visitor = Browser(service)
        assert "신분증으로" not in visitor.get("/apply").text
        assert visitor.get("/apply/login/id").status_code == 404
        assert service.send("GET", f"/garam/id/{'A' * 43}").status_code == 404
