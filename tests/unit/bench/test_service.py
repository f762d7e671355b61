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
    runs = [("SQLite", 1, False), ("SQLite", 2, False), ("SQLite", 1, True), ("SQLite", 2, True)]
    assert [(row["database"], row["workers"], row["attested"]) for row in rows][:4] == runs
    for row in rows:
        assert row["number"] > 0
        assert row["rate"] > 0
        assert 0 < row["p50"] <= row["p99"]
        assert row["cpu"] > 0
        assert row["commits"] > 0
        assert (row["met"] is None) == (row["workers"] == 1)
    assert (tmp_path / "results-service.png").stat().st_size > 1000


def test_the_table_says_what_was_missed(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "bench"))
    import service

    usual = {"workers": 2, "attested": False, "p50": 60.0, "number": 5000, "cpu": 4.0, "load": 0.5}
    usual |= {"commits": 600.0, "together": 2000.0, "flushes": 800.0}
    rows = [
        service.Row(database="SQLite", rate=450.0, p99=120.0, **usual),
        service.Row(database="SQLite", rate=450.0, p99=251.0, **usual),
        service.Row(database="SQLite", rate=399.0, p99=120.0, **usual),
        service.Row(database="SQLite", rate=450.0, p99=120.0, **usual | {"workers": 1}),
        service.Row(database="PostgreSQL", rate=310.0, p99=400.0, **usual),
        service.Row(database="PostgreSQL", rate=290.0, p99=400.0, **usual),
        service.Row(database="PostgreSQL", rate=390.0, p99=400.0, **usual | {"commits": 4500.0}),
    ]
    assert [row.met for row in rows] == [True, False, False, None, True, False, False]
    lines = service.table(rows).splitlines()[2:]
    assert lines[0].endswith("| 600 | 2,000 | 300 | 800 | yes |")
    assert lines[1].endswith("| 600 | 2,000 | 300 | 800 | **no** |")
    assert lines[3].endswith("| 600 | 2,000 | 300 | 800 |  |")
