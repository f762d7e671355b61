"""The benchmark against peers runs and has a row for each of them. What the figures are is nobody's test."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
PEERS = {
    "sd-jwt": 3, "vouchkit": 3, "pymdoccbor": 2, "@sd-jwt/sd-jwt-vc": 3, "@owf/mdoc": 2, "dcql": 1, "did-jwt-vc": 1,
}  # fmt: skip


VERIFIERS = PEERS.keys() - {"dcql"} | {"vcred"}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], Path]:
    out = tmp_path_factory.mktemp("bench")
    command = [sys.executable, ROOT / "bench" / "peers.py", "--quick", "--json", "--out", out]
    done = subprocess.run(command, capture_output=True, check=False, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout), out


@pytest.mark.slow
@pytest.mark.usefixtures("node")
def test_a_quick_run_has_every_peer(run: tuple[dict[str, Any], Path]) -> None:
    found, out = run
    named = [row["peer"].rpartition(" ")[0] for row in found["rows"]]
    assert {name: named.count(name) for name in named} == PEERS
    for row in found["rows"]:
        assert min(row["theirs"], row["ours"], row["ratio"]) > 0
    assert found["left_out"] == ""
    assert (out / "results-peers.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
@pytest.mark.usefixtures("node")
def test_everybody_accepts_the_honest_one_and_we_refuse_the_rest(run: tuple[dict[str, Any], Path]) -> None:
    answers = run[0]["answers"]
    assert {one["peer"].partition(" ")[0] for one in answers} == VERIFIERS
    for one in answers:
        if one["fault"] == "the honest one":
            assert one["accepted"], one["peer"]
        elif one["peer"] == "vcred":
            assert not one["accepted"], one["fault"]


@pytest.mark.slow
def test_without_node_the_page_says_what_is_left_out(tmp_path: Path) -> None:
    command = [sys.executable, ROOT / "bench" / "peers.py", "--quick", "--out", tmp_path]
    done = subprocess.run(command, capture_output=True, check=False, text=True, env=os.environ | {"PATH": "/nowhere"})
    assert done.returncode == 0, done.stderr
    assert (
        "Left out of this run: @sd-jwt/sd-jwt-vc, @owf/mdoc, dcql, did-jwt-vc: Node.js is not installed" in done.stdout
    )
    assert "| sd-jwt 0" in done.stdout
    assert "| dcql" not in done.stdout
