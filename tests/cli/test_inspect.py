"""``vcred inspect``, and ``vcred verifier verify`` with whatever file a clerk has."""

from __future__ import annotations

import json

import pytest

from tests.cli.test_formats import Agency
from tests.cli.test_transcript import AT, ISSUED, at
from vcred.formats._wire import b64u_encode
from vcred.formats.known import TEXT_FORMATS
from vcred.presentation import Presentation


@pytest.fixture
def day(shell):
    day = Agency(shell)
    day.begin()
    day.issue(moment=ISSUED)
    shell("issuer status --issuer city --out status --password-file password", *at(AT))
    day.bundle("kr2.trust", AT)
    shell("verifier trust --verifier bank --trust kr2.trust --root trust/published/root.json", *at(AT))
    shell("wallet trust --wallet me --trust kr2.trust", *at(AT))
    return day


@pytest.mark.parametrize("form", ["mso_mdoc", "vc+sd-jwt"])
def test_an_answer_is_taken_in_whatever_file_it_is(shell, day, form):
    asked = f"verifier request bank.address-change --verifier bank --format {form} --out q.png --password-file password"
    shell(asked, *at(AT))
    shell("wallet present q.png --wallet me --out answer.bin --yes --pin-file pin", *at(AT))
    answer = Presentation.parse((shell.folder / "answer.bin").read_bytes())
    ((query, (shown,)),) = answer.tokens.items()
    text = shown.raw.decode() if form in TEXT_FORMATS else b64u_encode(shown.raw)
    files = {
        "raw": shown.raw,
        "text": f"{text}\n".encode(),
        "token": json.dumps({"vp_token": {query: [text]}}).encode(),
    }
    for name, content in files.items():
        (shell.folder / name).write_bytes(content)
    shell("qr encode answer.bin --out frames")
    pictures = sorted(map(str, (shell.folder / "frames").iterdir()))
    for number, source in enumerate([name] for name in (*files, "answer.bin")):
        line = "verifier verify --verifier bank --request q.png --password-file password"
        verdict = shell.json(line, *source, *at(AT), code=1 if number else 0)
        # Read it is every time; what counts is counted once.
        assert [one["code"] for one in verdict["reasons"]] == (["replay"] if number else [])
        assert [one["format"] for one in verdict["certificates"]] == [form]
    for source in (*([name] for name in files), ["answer.bin"], pictures):
        seen = shell.json("inspect", *source)
        (document,) = seen["documents"]
        assert (seen["verified"], document["format"], document["code"]) == (False, form, "resident.personal")
        assert document["issuer"] == "https://garam.example/issuer"
        assert document["holder_bound"]
        assert document["presented_to"].startswith("x509_hash:")
        assert document["named"] == (form if source in (["answer.bin"], pictures) else document["named"])
        assert "currentAddress.road" in document["claim_paths"]
        assert "claims" not in document
    road = json.loads(shell("catalog show resident.personal --sample").stdout)["currentAddress"]["road"]
    people = shell("inspect answer.bin").stdout
    assert people.startswith("NOT VERIFIED")
    assert road not in people
    assert road in shell("inspect answer.bin --claims").stdout
    assert shell.json("inspect answer.bin --claims")["documents"][0]["claims"]["currentAddress"]["road"] == road
    assert shell("inspect answer.bin --lang ko").stdout.startswith("검증하지 않았습니다")
    # What came before it is told apart too.
    assert shell.json("inspect q.png")["policy"] == "bank.address-change"
    assert [one["format"] for one in shell.json("inspect delivery.bin")["documents"]]


def test_what_cannot_be_read_is_said_with_its_reason(shell):
    (shell.folder / "none").write_bytes(b"eyJhbGciOiJub25lIn0.e30.")
    assert '"alg"' in shell("inspect none --json", code=1).output
    (shell.folder / "cut").write_bytes(b"\xa1\x64")
    shell("inspect cut", code=1)
    (shell.folder / "empty").write_bytes(b"")
    shell("inspect empty", code=1)
    (shell.folder / "picture.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    shell("inspect picture.png", code=1)
    shell("inspect nowhere", code=4)
    shell("inspect", code=2)


def test_what_a_file_is_is_said_in_the_language_of_the_user(shell, day):
    shell("verifier request bank.address-change --verifier bank --out q.png --password-file password", *at(AT))
    assert "제출 요청" in shell("inspect q.png --lang ko").stdout
    assert json.loads(shell("inspect q.png --json").stdout)["kind"] == "request"
