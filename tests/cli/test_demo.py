"""``vcred demo --format``: the names people say, and the same story in each of them, read back from its pictures."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from vcred import Presentation, qr
from vcred.cli._command import commands
from vcred.cli._root import root

OPEN = "vc+jwt"
DEMO = commands(root)["demo"]
FRAUDS = {
    "one letter of the address changed",
    "somebody else's phone",
    "the same screen again",
    "a screenshot for a new request",
}
LATER = {
    "no new status list for eight days": "INDETERMINATE",
    "a revoked certificate": "REJECTED",
    "a mobile card after three years": "REJECTED",
}


def story(folder, *arguments):
    """The demo cuts its own network, so it has a process of its own."""
    command = [sys.executable, "-m", "vcred", "demo", "--out", str(folder / "out"), *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def told(folder, *arguments):
    return json.loads(story(folder, "--json", *arguments))["told"]


def read_back(picture):
    return Presentation.parse(qr.decode(qr.read_image(picture)))


def formats_in(answer):
    return {one.format for many in answer.tokens.values() for one in many}


@pytest.mark.parametrize(
    ("name", "formats"),
    [
        ("sd-cwt", ("sd-cwt",)),
        ("sd-jwt", ("dc+sd-jwt",)),
        ("dc+sd-jwt", ("dc+sd-jwt",)),
        ("mdoc", ("mso_mdoc",)),
        ("MDOC", ("mso_mdoc",)),
        ("mso_mdoc", ("mso_mdoc",)),
        ("w3c", ("vc+sd-jwt",)),
        ("vc+sd-jwt", ("vc+sd-jwt",)),
        ("all", ("sd-cwt", "dc+sd-jwt", "mso_mdoc", "vc+sd-jwt", "vc+jwt")),
    ],
)
def test_a_format_goes_by_the_names_people_say(name, formats):
    assert DEMO.make_context("demo", ["--format", name]).params["formats"] == formats


def test_the_story_is_in_sd_cwt_unless_another_format_is_named():
    assert DEMO.make_context("demo", []).params["formats"] == ("sd-cwt",)


def test_help_names_the_formats_and_what_they_are_for(shell):
    for lang, words in (("ko", ("작은 코드", "비교표")), ("en", ("small codes", "compared at the end"))):
        shown = " ".join(shell(f"demo --help --lang {lang}").stdout.split())
        assert all(word in shown for word in ("sd-cwt|sd-jwt|mdoc|w3c|all", *words)), shown


def test_an_unknown_format_is_wrong_use_and_told_with_the_names_there_are(shell):
    told_en = shell("demo --format mdocs --lang en", code=2).stderr
    assert "unknown format 'mdocs': one of sd-cwt, sd-jwt, mdoc, w3c, all" in told_en
    assert "모르는 형식" in shell("demo --format mdocs --lang ko", code=2).stderr
    assert not (shell.folder / "demo-out").exists()


def test_the_format_that_hides_nothing_is_shown_beside_the_others_only(shell):
    assert "hides nothing" in shell("demo --format vc+jwt --lang en", code=2).stderr
    assert "가리지 않아" in shell("demo --format vc+jwt --lang ko", code=2).stderr


@pytest.mark.slow
@pytest.mark.parametrize(("name", "form"), [("sd-jwt", "dc+sd-jwt"), ("w3c", "vc+sd-jwt")])
def test_the_story_in_a_format_that_needs_frames(name, form, tmp_path):
    acts = told(tmp_path, "--format", name)
    assert {act["format"] for act in acts} == {form}
    outcomes = {act["what"]: act["outcome"] for act in acts}
    assert {what for what, outcome in outcomes.items() if outcome == "ACCEPTED"} == {
        "address",
        "loan",
        "the person's own phone",
    }
    assert {what: outcomes[what] for what in FRAUDS} == dict.fromkeys(FRAUDS, "REJECTED")
    assert {what: outcomes[what] for what in LATER} == LATER
    for act in acts:
        if act["shown"] is not None:
            assert act["shown"]["codes"] > 1
            answer = read_back(act["shown"]["picture"])
            assert formats_in(answer) == {form}
            assert sum(len(one.raw) for many in answer.tokens.values() for one in many) == act["shown"]["bytes"]


@pytest.mark.slow
def test_another_format_in_the_same_folder_replaces_the_pictures(tmp_path):
    shown = " ".join(story(tmp_path, "--format", "mdoc", "--lang", "ko").split())
    assert "카메라가 셋 중 하나를 놓쳐도" in shown
    assert "mso_mdoc: ISO/IEC 18013-5 판독기와 HAIP" in shown
    assert (tmp_path / "out" / "answer.gif").exists()
    shown = " ".join(story(tmp_path, "--lang", "en").split())
    assert "answer in one QR code" in shown
    assert "fits one still code" in shown
    assert not (tmp_path / "out" / "answer.gif").exists()
    assert formats_in(read_back(tmp_path / "out" / "answer.png")) == {"sd-cwt"}


@pytest.mark.slow
def test_all_formats_are_told_one_after_the_other_and_compared(tmp_path):
    shown = story(tmp_path, "--format", "all", "--lang", "en")  # no terminal: 80 columns
    flat = " ".join(shown.split())
    for words in ("the same answers in every format", "It hides nothing", "though every third is missed"):
        assert words in flat
    table = shown.partition("the same answers in every format")[2]
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in table.splitlines() if line.startswith("│ ")]
    assert [row[0] for row in rows] == ["sd-cwt", "dc+sd-jwt", "mso_mdoc", "vc+sd-jwt", "vc+jwt"]
    assert [row[2] == "1" for row in rows] == [True, False, False, False, False]
    assert [row[4] for row in rows] == ["ACCEPTED"] * 4 + ["REJECTED"]
    assert [row[8] for row in rows] == ["ACCEPTED"] * 5
    assert "forbidden_claim" in flat
    tried = shown.partition("whatever somebody tries")[2].partition("The wallet, at home")[0]
    assert [tried.count(code) for code in ("unused_disclosure", "digest", "kb_key", "device_auth")] == [3, 1, 3, 1]
    assert [tried.count(code) for code in ("replay", "nonce", "ACCEPTED")] == [4, 4, 4]
    assert max(map(len, shown.splitlines())) <= 80
    sheet = set(qr.read_image(tmp_path / "out" / "formats.png"))
    assert set(qr.read_image(tmp_path / "out" / "answer-sd-cwt.png")) <= sheet
    assert formats_in(Presentation.parse(qr.decode(qr.read_image(tmp_path / "out" / "answer-vc-jwt.gif")))) == {OPEN}
