"""``vcred verifier verify-many`` as an office uses it in the evening."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from tests.cli.test_transcript import AT, BANK, at, issued, stages  # noqa: F401 - fixtures
from tests.unit.verifier.test_batch import BEARER, picture
from vcred.credential import Content, StatusReference
from vcred.formats.base import IssuerKey
from vcred.formats.paper import issue_paper
from vcred.qr import Message, MessageKind, encode_message
from vcred.testing import World
from vcred.testing.world import ISSUER_ID, STATUS_URI

CODE = "resident.personal"
DESK = ("--verifier", "bank", "--password-file", "password")
NOW = datetime(2026, 9, 26, 3, 0, tzinfo=UTC)


def lines(shell, command, *more, code):
    """The verdicts, and the summary."""
    found = [json.loads(line) for line in shell(command, *more, *DESK, "--json", code=code).stdout.splitlines()]
    return found[:-1], found[-1]["summary"]


@pytest.fixture
def office(shell):
    """An office with a folder of scanned papers, in several files and forms."""
    world = World(at=NOW, policies=(BEARER.source.replace("bank.address-change", "office.paper"),))
    world.issue(CODE)
    (shell.folder / "kr.trust").write_bytes(world.bundle_file)
    (shell.folder / "root.json").write_bytes(world.root_file)
    shell("verifier init bank --password-file password --trust kr.trust --root root.json", *BANK, *at(NOW))
    kind = world.catalog[CODE]
    chain = (world.document_signer_certificate,)
    content = Content(
        vct=kind.vct,
        issuer=ISSUER_ID,
        claims=kind.issue(kind.sample, variant=None, options={"addressHistory": "none"}, issued_on=NOW.date()),
        issued_at=int(NOW.timestamp()),
        expires_at=int(NOW.timestamp()) + 86400 * 30,
        holder_key=None,
        status=StatusReference(uri=next(iter(world.trust.status_uris), STATUS_URI), index=11),
    )
    key = IssuerKey(public_key=world.document_signer.public_key, chain=chain)
    sheet = issue_paper(content, key, world.document_signer, world.catalog.labels)
    message = Message(MessageKind.PAPER, {1: sheet})
    scans = shell.folder / "scans"
    (scans / "two-sides").mkdir(parents=True)
    (scans / "a.png").write_bytes(picture(message))
    (scans / "b.bin").write_bytes(encode_message(message))
    (scans / "c.png").write_bytes(b"\x89PNG nothing")
    (scans / "d.bin").write_bytes(encode_message(Message(MessageKind.PAPER, {1: sheet[:-1] + b"x"})))
    (scans / "two-sides" / "front.txt").write_text("https://garam.example/ticket\n")
    (scans / "two-sides" / "back.png").write_bytes(picture(message))
    (scans / ".thumbnails").write_bytes(b"not a scan")
    shell.world = world
    return shell


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_a_folder_of_scanned_papers(office, workers):
    verdicts, summary = lines(
        office, f"verifier verify-many scans --paper office.paper --workers {workers}", *at(NOW), code=1
    )
    outcomes = {one["name"].removeprefix("scans/"): one["outcome"] for one in verdicts}
    assert outcomes == {
        "a.png": "ACCEPTED",
        "b.bin": "ACCEPTED",
        "c.png": "REJECTED",
        "d.bin": "REJECTED",
        "two-sides": "ACCEPTED",
    }
    assert summary == {
        "count": 5,
        "ACCEPTED": 3,
        "INDETERMINATE": 0,
        "REJECTED": 2,
        "reasons": {"format": 1, "signature": 1},
    }
    assert verdicts[0]["claims"][CODE]["name"] == "김가람"
    assert verdicts[0]["assurance"] == "bearer"
    assert "김가람" not in json.dumps(verdicts[2:4], ensure_ascii=False)
    entries = office.json("verifier evidence list --verifier bank")
    assert [one.get("outcome") for one in entries[1:]] == ["ACCEPTED", "ACCEPTED", "REJECTED", "ACCEPTED"]


def test_tables_say_what_is_wrong_and_how_many_are_good(office):
    shown = office("verifier verify-many scans --paper office.paper --lang ko", *DESK, *at(NOW), code=1).stdout
    assert "scans/c.png" in shown
    assert "scans/a.png" not in shown
    assert "REJECTED: 거절" in shown
    assert "signature" in shown
    shown = office("verifier verify-many scans/a.png scans/b.bin --paper office.paper", *DESK, *at(NOW)).stdout
    assert "ACCEPTED" in shown
    assert "reason" not in shown
    office("verifier verify-many scans --paper office.paper --request x", *DESK, *at(NOW), code=2)
    office("verifier verify-many scans --paper no.such.policy", *DESK, *at(NOW), code=4)
    office("verifier verify-many scans --paper office.paper --reference-date 2026-01-01", *DESK, *at(NOW), code=2)


def test_answers_beside_their_requests_and_answers_to_one_request(issued):  # noqa: F811 - the fixture
    shell = issued.shell
    for name in ("one", "two", "three"):
        (shell.folder / "night" / name).mkdir(parents=True)
    issued.present(issued.request(out="night/one/request.png"), out="night/one/answer.png")
    (shell.folder / "night" / "two" / "answer.png").write_bytes((shell.folder / "night/one/answer.png").read_bytes())
    (shell.folder / "night" / "three" / "request.bin").write_bytes(b"\x56\x01\x00")
    verdicts, summary = lines(shell, "verifier verify-many night", *at(), code=1)
    assert {one["name"]: one["outcome"] for one in verdicts} == {
        "night/one": "ACCEPTED",
        "night/two": "REJECTED",
        "night/three": "REJECTED",
    }
    assert summary["count"] == 3
    verdicts, _ = lines(
        shell, "verifier verify-many night/one/answer.png --request night/one/request.png", *at(), code=1
    )
    assert [one["reasons"][0]["code"] for one in verdicts] == ["replay"]
    issued.present(issued.request(out="early.png"), out="early-answer.png")
    too_early = at(AT - timedelta(days=1))
    verdicts, _ = lines(shell, "verifier verify-many early-answer.png --request early.png", *too_early, code=3)
    assert [one["reasons"][0]["code"] for one in verdicts] == ["clock"]


def test_a_file_that_is_not_there_is_our_own_mistake(office):
    office("verifier verify-many nothing.png --paper office.paper", *DESK, *at(NOW), code=4)
    office("verifier verify-many nothing scans", *DESK, *at(NOW), code=4)


def test_a_file_without_its_request_is_told_as_that(office):
    shown = office("verifier verify-many scans/a.png --lang en", *DESK, *at(NOW), code=1).stdout
    assert "there is none beside the answer" in " ".join(shown.split())


def test_a_file_that_is_too_large_does_not_end_the_others(office):
    with (office.folder / "scans" / "big.png").open("wb") as file:
        file.truncate(64 * 1024 * 1024 + 1)
    verdicts, summary = lines(office, "verifier verify-many scans --paper office.paper", *at(NOW), code=1)
    assert {one["name"]: one["outcome"] for one in verdicts}["scans/big.png"] == "REJECTED"
    assert (summary["count"], summary["ACCEPTED"], summary["reasons"]["size"]) == (6, 3, 1)
