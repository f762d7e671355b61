"""The benchmark of a nation's status runs, on a small nation, and reports every budget."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


@pytest.mark.slow
def test_a_quick_run_reports_every_figure(tmp_path):
    pytest.importorskip("matplotlib")
    command = [
        sys.executable,
        ROOT / "bench" / "nation.py",
        "--quick",
        "--json",
        "--at",
        "2026-11-22",
        "--out",
        tmp_path,
    ]
    done = subprocess.run(command, capture_output=True, check=False, text=True)
    assert done.returncode == 0, done.stderr

    found = json.loads(done.stdout)
    assert found["process"]["entries"] == found["single_process"]["entries"] == found["lists"] * found["entries"]
    assert {(one["bits"], one["rate"]) for one in found["sizes"]} == {
        (bits, rate) for bits in (1, 2) for rate in (0.001, 0.01, 0.05)
    }
    assert all(0 < one["cwt"] < one["jwt"] for one in found["sizes"])
    # What was drawn is what a verifier's process finds in the lists it loaded.
    assert found["process"]["revoked_share"] == pytest.approx(0.01, rel=0.1)
    assert 0 < found["process"]["lookup_ns"] < found["process"]["checked_ns"]
    assert list(found["delta"].values()) == sorted(found["delta"].values())

    page = (tmp_path / "results-nation.md").read_text(encoding="utf-8")
    assert "A quick run" in page
    for figure in (found["sizes"][0]["cwt"], found["single_pack"], found["delta"]["0"]):
        assert f"{figure:,}" in page
    assert (tmp_path / "results-nation.png").stat().st_size > 10_000
