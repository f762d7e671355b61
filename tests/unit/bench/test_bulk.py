"""The bulk benchmark runs and says what it measured. What the figures are is nobody's test."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]


def test_a_small_run_revokes_everything_and_writes_its_page(tmp_path):
    page = tmp_path / "bulk.md"
    command = [sys.executable, ROOT / "bench" / "bulk.py", "--copies", "3000", "--at", "2026-09-26", "--out", page]
    done = subprocess.run(command, capture_output=True, check=False, text=True)
    assert done.returncode == 0, done.stderr
    assert "3,000 copies revoked" in done.stderr
    text = page.read_text(encoding="utf-8")
    assert "| credentials revoked | 1,000 |" in text
    assert "3,000 in 1 lists" in text
    assert "2026-09-26" in text
