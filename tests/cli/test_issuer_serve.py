"""``vcred issuer serve`` and ``check-records`` as an agency uses them."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from datetime import date
from pathlib import Path

import pytest
from click.testing import CliRunner

from issuer.fictitious import generate
from vcred.cli._root import root

EXAMPLE = Path(__file__).parents[2] / "examples" / "town_mapping.toml"


def run(*words, **env):
    return CliRunner().invoke(root, [*words, "--lang", "en"], env=env)


@pytest.fixture
def town(tmp_path, monkeypatch):
    generate(tmp_path / "town.db", seed=3, households=20, today=date(2026, 9, 26))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.loopback
@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_one_command_serves_an_invented_town_and_ends_in_good_order(tmp_path, monkeypatch, stop):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = [sys.executable, "-m", "vcred", "issuer", "serve", "--development", "--port", str(port), "--lang", "en"]
    service = subprocess.Popen(words, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=os.environ | {"COLUMNS": "200"})  # fmt: skip
    try:
        until = time.monotonic() + 40
        while True:
            try:
                with urllib.request.urlopen(f"http://localhost:{port}/apply") as answer:
                    assert answer.status == 200
                break
            except OSError:
                assert time.monotonic() < until
                assert service.poll() is None, service.communicate()
                time.sleep(0.1)
        with urllib.request.urlopen(f"http://localhost:{port}/.well-known/openid-credential-issuer") as answer:
            assert json.load(answer)["credential_issuer"] == f"http://localhost:{port}"
        service.send_signal(stop)
        told, _ = service.communicate(timeout=20)
    finally:
        service.kill()
    assert service.returncode == 0
    assert f"http://localhost:{port}/apply" in told
    assert "never in production" in told
    assert told.rstrip().endswith("stopped")
    assert (tmp_path / "development-issuer" / "issuer.db").stat().st_mode & 0o077 == 0
    assert (tmp_path / "development-issuer" / "operator-token").stat().st_mode & 0o077 == 0
    assert "operator-token" in told
    assert "Password of development-issuer: development" in told
    monkeypatch.chdir(tmp_path)
    ended = run("issuer", "serve", "--development", "--port", "1")
    assert ended.exit_code == 4
    assert f"was made for http://localhost:{port}" in ended.output


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "base_url: Field required"),
        (("--base-url", "http://x.example"), "base_url is an https address"),
        (("--base-url", "https://x.example"), "home: is missing"),
        (("--base-url", "https://x.example", "--issuer", "nowhere"), "records: is missing"),
        (("--tls-cert", "a.pem"), "--tls-cert and --tls-key go together"),
        (("--tls-cert", "a.pem", "--tls-key", "b.pem", "--base-url", "https://x.example"), "tls.certificate"),
        (("--config", "nowhere.toml"), "nowhere.toml"),
        (("--development", "--db", "mysql://x"), "postgresql+psycopg"),
    ],
)
def test_wrong_settings_are_said_before_anything_starts(tmp_path, monkeypatch, words, said):
    monkeypatch.chdir(tmp_path)
    ended = run("issuer", "serve", *words)
    assert ended.exit_code in (2, 4), ended.output
    assert said in ended.output
    assert "Traceback" not in ended.output


def test_a_setting_nobody_knows_is_said_in_the_environment_too(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ended = run("issuer", "serve", "--base-url", "https://x.example", VCRED_ISSUER__REQUIRE_DPOB="false")
    assert ended.exit_code == 4
    assert "require_dpob" in ended.output


def test_check_records_says_what_would_be_certified_and_nothing_personal(town):
    ended = run("issuer", "check-records", str(EXAMPLE), "--subject", "p-00001", "--json")
    facts = {one["type"]: one for one in json.loads(ended.output)}
    assert ended.exit_code == 0
    assert facts["resident.household"]["certifies"]
    assert facts["tax.clearance"]["empty"] == ["deferrals"]
    assert "record" not in facts["resident.household"]
    shown = run(
        "issuer", "check-records", str(EXAMPLE), "--subject", "p-00001", "--type", "edu.enrolment", "--show", "--json"
    )
    name = json.loads(shown.output)[0]["record"]["name"]
    assert name not in ended.output


def test_check_records_says_what_is_missing(town):
    ended = run("issuer", "check-records", str(EXAMPLE), "--subject", "p-99999", "--type", "tax.clearance")
    assert ended.exit_code == 4
    assert "nothing of this kind can be certified" in ended.output
    (town / "m.toml").write_text(
        EXAMPLE.read_text(encoding="utf-8").replace("max(residence.moved_in)", "max(residence.moved)"), encoding="utf-8"
    )
    ended = run("issuer", "check-records", "m.toml")
    assert ended.exit_code == 4
    assert "types.resident.household.rows.cohabitants" in ended.output
    (town / "m.toml").write_text('format = 1\nsource = "sql"\nname = "x"\n')
    ended = run("issuer", "check-records", "m.toml")
    assert ended.exit_code == 4
    assert "m.toml: name: is not known here" in ended.output
    assert "m.toml: types" in ended.output


def test_offers_are_made_from_a_mapping_too(town):
    (town / "pw").write_text("eight-or-more\n")
    made = run("issuer", "init", "city", "--id", "https://garam.example/issuer", "--name-ko", "가람시 (가상)", "--name-en", "Garam", "--types", "resident.household", "--password-file", "pw")  # fmt: skip
    assert made.exit_code == 0, made.output
    ended = run("issuer", "offer", "resident.household", "--issuer", "city", "--records", str(EXAMPLE), "--subject", "p-00001", "--out", "offer.json")  # fmt: skip
    assert ended.exit_code == 0, ended.output
