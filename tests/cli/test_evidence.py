"""``vcred verifier evidence`` and receipts in the history, at the command line."""

from __future__ import annotations

import json
import sqlite3
import stat
from contextlib import closing
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.cli.test_transcript import AT, BANK, ISSUED, Day, at, issued, stages  # noqa: F401 - fixtures
from vcred.keys import SoftwareSigner

DESK = ("--verifier", "bank")
WITH_KEY = (*DESK, "--password-file", "password")
WALLET = ("--wallet", "me", "--pin-file", "pin")


@pytest.fixture
def desk(issued):  # noqa: F811 - the fixture
    """A desk with two verdicts: accepted, and then a replay."""
    request = issued.request()
    issued.answer = issued.present(request)["files"]
    first = issued.verify(issued.answer, request, "--receipt", "receipt.png", "--reference", "A-1")
    assert (first["outcome"], first["evidence"]) == ("ACCEPTED", 1)
    again = issued.verify(issued.answer, request, code=1)
    assert (again["outcome"], again["evidence"]) == ("REJECTED", 2)
    issued.asked = request
    return issued


def test_every_verdict_is_on_the_record_from_the_first_day(desk):
    entries = desk.json("verifier evidence list", *DESK)
    assert [one["kind"] for one in entries] == ["archive", "verdict", "verdict"]
    assert [one.get("outcome") for one in entries] == [None, "ACCEPTED", "REJECTED"]
    assert entries[2]["reasons"] == ["replay"]
    assert entries[1]["policy"] == "bank.address-change"
    assert entries[1]["certificates"] == ["resident.personal"]
    assert entries[1]["keep_until"] == int((AT + timedelta(days=30)).timestamp())
    text = desk.shell("verifier evidence list", *DESK, "--lang", "ko").stdout
    assert "판정" in text
    assert "replay" in text
    folder = desk.shell.folder / "bank"
    assert stat.S_IMODE((folder / "evidence").stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / "evidence.key").stat().st_mode) == 0o600
    assert b"ENCRYPTED" in (folder / "evidence.key").read_bytes()


def test_seal_and_audit(desk):
    sealed = desk.json("verifier evidence seal --out day.seal", *WITH_KEY, *at())
    assert sealed["records"] == 3
    later = at(AT + timedelta(hours=1))
    report = desk.json("verifier evidence audit day.seal", *WITH_KEY, *later)
    assert report["sound"]
    assert report["sealed"] == 3
    assert report["repeated"] == {"same": 2, "different": 0, "no": 0}
    for lang, words in (("ko", "온전합니다"), ("en", "whole")):
        assert words in desk.shell("verifier evidence audit", *WITH_KEY, *later, "--lang", lang).stdout
    assert desk.json("verifier evidence audit", *DESK, "--no-answers", *later)["repeated"]["no"] == 2
    desk.shell("verifier evidence seal --out day.seal", *WITH_KEY, *at(), code=4)
    shown = desk.shell("verifier evidence seal", *WITH_KEY, *at(), "--lang", "en").stdout
    assert "eyJ" in shown


def test_years_later_and_without_a_bundle_of_today_the_verdicts_are_the_same(desk):
    desk.json("verifier evidence seal --out day.seal", *WITH_KEY, *at())
    years = at(AT + timedelta(days=3000))
    report = desk.json("verifier evidence audit day.seal", *WITH_KEY, *years)
    assert report["today"] is None
    assert report["repeated"]["same"] == 2
    assert "expired" in desk.shell("verifier evidence audit day.seal", *WITH_KEY, *years, "--lang", "en").stdout
    for name in ("kr.trust", "trust.seen"):
        (desk.shell.folder / "bank" / name).unlink()
    assert desk.json("verifier evidence audit", *WITH_KEY, *years)["sound"]
    (desk.shell.folder / "bank" / "kr-root.json").rename(desk.shell.folder / "pinned.json")
    desk.shell("verifier evidence audit", *WITH_KEY, *years, code=4)
    assert desk.json("verifier evidence audit --root pinned.json", *WITH_KEY, *years)["sound"]


def test_an_unsealed_tail_is_exit_3_and_a_changed_archive_exit_1(desk):
    later = at(AT + timedelta(hours=1))
    assert desk.json("verifier evidence audit", *WITH_KEY, *later, code=3)["worst"] == "warning"
    desk.shell("verifier evidence seal --out day.seal", *WITH_KEY, *at())
    with closing(sqlite3.connect(desk.shell.folder / "bank" / "evidence" / "evidence.db")) as db, db:
        db.execute("DELETE FROM entries WHERE sequence = 2")
        db.execute("DELETE FROM seals")
    report = desk.json("verifier evidence audit day.seal", *WITH_KEY, *later, code=1)
    assert not report["sound"]
    assert [one["code"] for one in report["findings"]] == ["truncated", "unsealed"]
    assert "FAULT" in desk.shell("verifier evidence audit day.seal", *WITH_KEY, *later, code=1).stdout


def test_answers_are_retained_and_purged(desk):
    until = (AT + timedelta(days=2000)).isoformat()
    desk.json(f"verifier evidence retain 1 --until {until}", *DESK)
    asked = desk.shell("verifier evidence purge --lang en", *DESK, *at(AT + timedelta(days=31)), typed="n\n", code=130)
    assert "Is the time right" in asked.stderr
    purged = desk.json("verifier evidence purge --yes", *DESK, *at(AT + timedelta(days=31)))
    assert purged == {"destroyed": [2]}
    assert desk.json("verifier evidence purge --record 1 --yes", *DESK, *at(AT + timedelta(days=32))) == {
        "destroyed": [1]
    }
    desk.shell("verifier evidence purge --record 1 --yes", *DESK, *at(), code=4)
    text = desk.shell("verifier evidence list", *DESK, "--lang", "en").stdout
    assert text.count("destroyed") >= 4


def test_a_desk_may_do_without_and_begin_later_for_an_auditors_key(issued):  # noqa: F811 - the fixture
    issued.shell("verifier init quiet --no-evidence --password-file password", *BANK, *at(ISSUED))
    folder = issued.shell.folder / "quiet"
    assert not (folder / "evidence").exists()
    assert not (folder / "evidence.key").exists()
    issued.shell("verifier evidence list --verifier quiet", code=4)
    auditor = SoftwareSigner.generate()
    pem = auditor.public_key.crypto.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (issued.shell.folder / "auditor.pem").write_bytes(pem)
    (issued.shell.folder / "junk.pem").write_bytes(b"junk")
    begin = "verifier evidence init --verifier quiet --recipient"
    issued.shell(f"{begin} junk.pem", *at(), code=4)
    issued.shell(f"{begin} auditor.pem", *at())
    issued.shell(f"{begin} auditor.pem", *at(), code=4)
    assert not (folder / "evidence.key").exists()
    (first,) = issued.json("verifier evidence list --verifier quiet")
    assert first["kind"] == "archive"


def test_the_wallet_keeps_the_receipt_and_verifies_it_again(desk):
    desk.json("wallet receipt receipt.png", *WALLET, *at())
    (entry,) = desk.json("wallet history", *WALLET, *at(AT + timedelta(days=20)))
    assert entry["receipt"]["verified"] == "trust_list"
    assert entry["receipt"]["as_asked"] is True
    assert entry["receipt"]["at"] == int(AT.timestamp())
    told = desk.shell("wallet receipt receipt.png --lang ko", *WALLET, *at()).stdout
    assert f"목적: {entry['receipt']['purpose']}" in told
    assert f"보관: {entry['receipt']['retention']}" in told
    text = desk.shell("wallet history", *WALLET, *at(), "--lang", "ko").stdout
    assert "ACCEPTED" in text
    assert "보관" in text


def test_the_record_names_no_person(desk):
    sample = json.loads(desk.shell("catalog show resident.personal --sample").stdout)
    listed = desk.shell("verifier evidence list", *DESK, "--json").stdout
    audited = desk.shell("verifier evidence audit", *WITH_KEY, *at(AT + timedelta(hours=1)), "--json", code=3).stdout
    for text in (listed, audited):
        assert sample["name"] not in text
        assert sample["rrn"] not in text
