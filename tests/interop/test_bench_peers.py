"""The benchmark against peers runs and has a row for each of them. What the figures are is nobody's test."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PEERS = {
    "sd-jwt": 3, "vouchkit": 3, "pymdoccbor": 2, "@sd-jwt/sd-jwt-vc": 3, "@owf/mdoc": 2, "dcql": 1, "did-jwt-vc": 1,
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.usefixtures("node")
def test_a_quick_run_has_every_peer() -> None:
    command = [sys.executable, ROOT / "bench" / "peers.py", "--quick", "--json"]
    done = subprocess.run(command, capture_output=True, check=False, text=True)
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)["rows"]
    named = [row["peer"].rpartition(" ")[0] for row in rows]
    assert {name: named.count(name) for name in named} == PEERS
    for row in rows:
        assert min(row["theirs"], row["ours"], row["ratio"]) > 0
