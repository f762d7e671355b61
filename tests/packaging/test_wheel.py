"""The built wheel in a clean environment, outside the checkout: what a bank gets from ``pip install``."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SETUP = """
import base64
from datetime import UTC, datetime
from pathlib import Path
from vcred import PresentationRequest
from vcred.testing import World

world = World(at=datetime(2026, 9, 26, 3, 0, tzinfo=UTC))
world.issue("resident.personal")
Path("reader.key").write_bytes(world.identity.signer.to_pem(password=b"secret"))
der = base64.encodebytes(world.identity.chain[0]).decode()
Path("reader.pem").write_text(f"-----BEGIN CERTIFICATE-----\\n{der}-----END CERTIFICATE-----\\n")
Path("kr.trust").write_bytes(world.bundle_file)
Path("kr-root.json").write_bytes(world.root_file)

def ask(_name): return "secret"
def now(): return world.at
def show_qr(uri):
    global scanned_answer
    asked = world.wallet.match(PresentationRequest.parse(uri), at=world.at)
    scanned_answer = world.wallet.present(asked.approve(), at=world.at).to_message()
def change_address(claims): print("changed to", claims["currentAddress"]["road"])
def log(*what): raise SystemExit(f"not accepted: {what}")
"""
LIGHT = "import sys, verifier; print(*(m for m in ('fastapi', 'pydantic', 'uvicorn', 'starlette') if m in sys.modules))"

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    out = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(ROOT)]
    run = subprocess.run(command, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr[-2000:]
    (built,) = out.glob("vcred-*.whl")
    return built


@pytest.fixture(scope="module")
def python(wheel, tmp_path_factory):
    """A fresh environment with the pinned base requirements and the wheel, and nothing else."""
    home = tmp_path_factory.mktemp("clean")
    venv.create(home, with_pip=True)
    for what in (["--require-hashes", "-r", str(ROOT / "requirements" / "base.txt")], ["--no-deps", str(wheel)]):
        command = [str(home / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check", *what]
        run = subprocess.run(command, capture_output=True, text=True)
        if run.returncode and "Temporary failure" in run.stderr:
            pytest.skip("the package index cannot be reached")
        assert run.returncode == 0, run.stderr[-2000:]
    return home / "bin" / "python"


def test_the_wheel_has_the_data_and_the_story_and_no_tests(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names if ".dist-info" not in name}
    assert tops == {"vcred", "issuer", "wallet", "verifier"}
    for wanted in (
        "vcred/py.typed",
        "vcred/i18n/reasons.toml",
        "vcred/cli/texts.toml",
        "vcred/catalog/data/resident/household.toml",
        "vcred/qr/dictionary1.bin",
        "vcred/examples/burned.py",
        "verifier/policies/bank.address-change.toml",
    ):
        assert wanted in names


def test_the_bank_quick_start_runs_outside_the_checkout(python, tmp_path):
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    bank = re.findall(r"^```python\n(.*?)^```$", readme, re.MULTILINE | re.DOTALL)[2]
    (tmp_path / "bank.py").write_text(SETUP + bank, encoding="utf-8")
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VCRED"))}
    run = subprocess.run([python, "bank.py"], cwd=tmp_path, env=clean, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr[-2000:]
    assert run.stdout.startswith("changed to 가람")


def test_importing_the_verifier_loads_no_server_package(python, tmp_path):
    run = subprocess.run([python, "-c", LIGHT], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert not run.stdout.strip()


def test_the_command_line_works_there(python, tmp_path):
    vcred = python.parent / "vcred"
    run = subprocess.run([vcred, "--lang", "en", "doctor", "--json"], cwd=tmp_path, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout[-2000:]
    run = subprocess.run([vcred, "demo", "--out", "out"], cwd=tmp_path, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr[-2000:]
    assert (tmp_path / "out" / "answer.png").exists()
