"""What the desk's camera sends, and what strangers upload: over ASGI, with the decoder in its own process."""

from __future__ import annotations

import io
import random
from pathlib import Path

import pytest
from PIL import Image

from tests.services.bank_kit import POLICY, Bank, world
from tests.services.test_verifier_desk import Browser
from vcred import qr
from vcred.qr import apart
from vcred.qr.codes import text_code
from verifier.server.pages.scanning import read_frame
from verifier.server.pages.sessions import form_token

pytestmark = pytest.mark.loopback

NOISE = random.Random(20261122)
SMALL = qr.Message(qr.MessageKind.PAPER, {1: NOISE.randbytes(200)})
LARGE = qr.Message(qr.MessageKind.RESPONSE, {1: NOISE.randbytes(3_000)})
OTHER = qr.Message(qr.MessageKind.RESPONSE, {1: NOISE.randbytes(2_500)})
URL = text_code("https://elsewhere.example/ticket")


@pytest.fixture(scope="module")
def bank(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bank")
    opened = Bank(folder, f"sqlite:///{folder}/bank.db", world=world("resident.personal"))
    yield opened
    opened.parts.pictures.close()
    opened.close()


@pytest.fixture(scope="module")
def desk(bank):
    return Browser(bank).sign_in()


def jpeg(code):
    out = io.BytesIO()
    Image.open(io.BytesIO(code.png(scale=4))).convert("L").save(out, "JPEG", quality=85)
    return out.getvalue()


def send(desk, picture, texts=(), *, token=None):
    token = form_token(desk.cookies["vcred_desk"]) if token is None else token
    files = {"picture": ("p.jpg", picture), "texts": ("t.txt", "\n".join(texts).encode())}
    return desk.go("POST", "/desk/scan", data={"csrf": token}, files=files, headers={"Accept": "application/json"})


def test_frames_are_collected_by_the_page_until_the_message_is_there(desk):
    codes, texts, parts = qr.encode(LARGE), [], []
    for code in (codes[0], codes[0], URL, *codes[2:]):
        answer = send(desk, jpeg(code), texts)
        assert answer.status_code == 200
        found = answer.json()
        texts = found["texts"]
        parts.append(found["received"])
        assert found["foreign"] is (code is URL)
        if found["done"]:
            break
    assert found["done"]
    assert found["received"] == found["needed"]
    assert parts[:3] == [1, 1, 1]
    assert parts == sorted(parts)
    assert qr.decode(texts) == LARGE


def test_nothing_to_be_seen_is_no_error(desk):
    out = io.BytesIO()
    Image.new("L", (640, 480), 90).save(out, "JPEG")
    empty = {"texts": [], "received": 0, "needed": 1, "done": False, "foreign": False}
    assert send(desk, out.getvalue()).json() == empty
    assert send(desk, b"\xff\xd8\xff and then nothing").json() == empty


def test_one_code_is_enough_for_a_small_message(desk):
    (code,) = qr.encode(SMALL)
    found = send(desk, jpeg(code)).json()
    assert (found["done"], found["texts"]) == (True, [code.text])


def test_only_the_texts_of_the_message_that_is_complete_are_uploaded():
    mine, others = ([one.text for one in qr.encode(each)] for each in (LARGE, OTHER))
    found = read_frame(others[:2], mine)
    assert found["done"]
    assert set(found["texts"]) <= set(mine)
    assert qr.decode(found["texts"]) == LARGE


def test_a_damaged_frame_is_left_out_and_harms_nothing():
    texts = [one.text for one in qr.encode(LARGE)]
    damaged = texts[1][:-3] + ("000" if texts[1][-3:] != "000" else "111")
    found = read_frame([texts[0], damaged, "x" * 100_000, "hello"], [])
    assert found["texts"][0] == texts[0]
    assert "hello" not in found["texts"]
    done = read_frame(found["texts"], texts)
    assert done["done"] or done["received"] >= 1
    assert read_frame([], texts)["done"]


@pytest.mark.parametrize(
    ("picture", "texts"),
    [
        (b"%PDF-1.7", ()),
        (b"VF1:", ()),
        (b"", ()),
        (b"\xff\xd8\xff" + bytes(1024 * 1024), ()),
        (b"\xff\xd8\xff", ["1"] * 401),
    ],
    ids=["pdf", "text", "empty", "large", "many"],
)
def test_ci_14_what_is_no_picture_of_a_camera_is_refused(desk, picture, texts):
    assert send(desk, picture, texts).status_code == 400


def test_nobody_but_a_clerks_own_page_may_send_pictures(bank, desk):
    (code,) = qr.encode(SMALL)
    assert send(desk, jpeg(code), token="0" * 64).status_code == 403
    stranger = bank.client.post("/vp/desk/scan", headers={"Accept": "application/json"}, files={"picture": jpeg(code)})
    assert stranger.status_code in (401, 403)
    assert "csrf" not in stranger.text


def test_the_pages_tell_what_the_camera_is_for_in_both_languages(desk):
    for lang, words in (("ko", "카메라로 읽기"), ("en", "Read with the camera")):
        page = desk.go("GET", f"/desk/paper?lang={lang}")
        assert words in page.text
        assert "camera=(self)" in page.headers["permissions-policy"]
    script = desk.go("GET", "/static/scan.js")
    assert script.headers["content-type"].startswith("text/javascript")


def test_an_upload_that_crashes_the_decoder_is_refused_and_the_service_goes_on(bank, desk, tmp_path, monkeypatch):
    worker = tmp_path / "worker.py"
    text = Path(apart.__file__).with_name("_picture_worker.py").read_text()
    begin = '    """The texts that were found, or why there are none, as JSON."""\n'
    worker.write_text(text.replace(begin, begin + "    if raw[:2] == b'BM':\n        os.abort()\n"))
    bank.parts.pictures.close()
    monkeypatch.setattr(apart, "_WORKER", worker)
    token = form_token(desk.cookies["vcred_desk"])

    def upload(raw):
        data = {"csrf": token, "policy": POLICY}
        return desk.go("POST", "/desk/paper?lang=ko", data=data, files={"sheet": ("a", raw)})

    refused = upload(b"BM" + bytes(100))
    assert refused.status_code == 200
    assert "필요한 확인을 하지 못했습니다" in refused.text
    assert 'class="verdict' not in refused.text
    (code,) = qr.encode(SMALL)
    judged = upload(code.png(scale=4))
    assert 'class="verdict' in judged.text
