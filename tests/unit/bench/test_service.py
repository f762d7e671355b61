"""The load test runs and reports; what the figures are is nobody's test."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


@pytest.mark.slow
@pytest.mark.loopback
def test_a_quick_run_issues_on_each_database(tmp_path):
    pytest.importorskip("matplotlib")
    command = [sys.executable, ROOT / "bench" / "service.py", "--quick", "--json", "--out", tmp_path]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, capture_output=True, check=False, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)
    assert [(row["database"], row["attested"]) for row in rows][:2] == [("SQLite", False), ("SQLite", True)]
    for row in rows:
        assert row["number"] > 0
        assert row["rate"] > 0
        assert 0 < row["p50"] <= row["p99"]
        assert row["commits"] > 0
        assert (row["met"] is None) == (row["database"] != "SQLite")
    assert (tmp_path / "results-service.png").stat().st_size > 1000


def test_the_table_says_what_was_missed(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "bench"))
    import service

    usual = {"attested": False, "wallets": 32, "p50": 60.0, "number": 5000, "commits": 700.0}
    rows = [
        service.Row(database="SQLite", rate=450.0, p99=120.0, **usual),
        service.Row(database="SQLite", rate=450.0, p99=251.0, **usual),
        service.Row(database="PostgreSQL", rate=300.0, p99=400.0, **usual),
    ]
    assert [row.met for row in rows] == [True, False, None]
    lines = service.table(rows).splitlines()[2:]
    assert lines[0].endswith("| 120 | 700 | yes |")
    assert lines[1].endswith("| 251 | 700 | **no** |")
    assert lines[2].endswith("| 400 | 700 |  |")
