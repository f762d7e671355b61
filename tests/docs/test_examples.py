"""The examples run, and the generated pages are what they are generated from."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def run(script, *arguments, cwd):
    command = [sys.executable, str(ROOT / script), *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("agency", "status list: https://city.example/issuer/"),
        ("app", "answer: 1 QR code(s)"),
        ("bank", "an honest answer: ACCEPTED"),
        ("night_pile", "ACCEPTED: 9, REJECTED: 3"),
        ("mdoc_counter", "in another session: refused (device_auth)"),
        ("w3c_jwt", "PyJWT reads: 김가상"),
    ],
)
def test_an_example_runs(name, says, tmp_path):
    done = run(f"examples/{name}.py", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert says in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize(("lang", "words"), [("ko", "네트워크가 없습니다"), ("en", "there is no network")])
def test_the_story_is_told_to_its_end(lang, words, tmp_path):
    done = run("examples/burned.py", "--lang", lang, "--out", str(tmp_path / "out"), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    told = done.stdout
    assert words in told
    assert told.count("ACCEPTED") == 3
    assert told.count("REJECTED") == 6
    assert told.count("INDETERMINATE") == 1
    for code in ("unused_disclosure", "kb_key", "replay", "nonce", "stale", "revoked", "expired"):
        assert f"({code})" in " ".join(told.split())
    assert (tmp_path / "out" / "bank-request.png").exists()
    assert (tmp_path / "out" / "answer.png").exists()


def test_the_generated_pages_are_up_to_date(tmp_path):
    done = run("docs/generate.py", "--check", cwd=tmp_path)
    assert done.returncode == 0, done.stdout
