"""The benchmark runs and reports every budget. What the figures are is nobody's test."""

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

FAST = all(map(find_spec, ("orjson", "pybase64")))
ROOT = Path(__file__).parents[3]
FORMS = ("sd-cwt", "dc+sd-jwt", "mso_mdoc")
TEXT = ("dc+sd-jwt flat", "dc+sd-jwt nested", "vc+jwt flat")
RATIOS = ("verify_new", "verify_cached", "issue", "present_opened", "present_raw")
READING = ("verify_new", "verify_cached", "present_raw")
OTHERS = ("size sd-cwt", "size dc+sd-jwt", "picture", "import", "first verdict", "memory")


@pytest.mark.slow
def test_a_quick_run_reports_every_row(tmp_path):
    run, options = (
        ROOT / "bench" / "run.py",
        ["--quick", "--json", "--at", "2026-09-26", "--without", "peers", "--without", "service"],
    )
    command = [sys.executable, run, *options, "--out", tmp_path]
    done = subprocess.run(command, capture_output=True, check=False, text=True, env=os.environ | {"COLUMNS": "200"})
    assert done.returncode == 0, done.stderr

    figures = json.loads(done.stdout)
    rows = {row["id"]: row for row in figures["rows"]}
    names = [f"{form} {shape}" for form in FORMS for shape in ("flat", "nested")] + ["vc+jwt flat"]
    fast = [f"{what} {name} fast" for what in READING for name in TEXT] if FAST else []
    assert set(rows) == {f"{what} {name}" for what in RATIOS for name in names} | {*fast, *OTHERS}
    assert figures["at"].startswith("2026-09-26")
    for row in rows.values():
        assert row["value"] > 0
        assert row["met"] == (None if row["budget"] is None else row["value"] <= row["budget"])
        # Whatever is missed is explained.
        assert row["met"] is not False or row["why"]

    page = (tmp_path / "results.md").read_text(encoding="utf-8")
    table = [line for line in page.splitlines() if line.startswith("| ")]
    for row in rows.values():
        assert any(line.startswith(f"| {row['what']} |") for line in table)
    assert "2026-09-26" in page
    assert "A quick run" in page
    assert "| 40% |" in page
    assert "by others" not in page


@pytest.mark.slow
def test_the_picture_can_be_opened(tmp_path, monkeypatch):
    pillow = pytest.importorskip("PIL.Image")
    pytest.importorskip("matplotlib")
    monkeypatch.syspath_prepend(str(ROOT / "bench"))
    import report
    import rows

    found = [
        rows.Row(id="a", what="met", value=1, unit="x raw", budget=2, detail=""),
        rows.Row(id="b", what="missed", value=60, unit="ms", budget=50, detail="", why="Because."),
        rows.Row(id="c", what="without a budget", value=3, unit="ms", budget=None, detail=""),
    ]
    losses = rows.fountain(2)
    report.picture(found, losses, tmp_path / "results.png")
    with pillow.open(tmp_path / "results.png") as image:
        image.load()
        assert min(image.size) > 300
    assert losses == rows.fountain(2), "the same chance every time"
    assert losses[0].mean >= losses[0].parts


def test_a_section_that_lacks_a_package_says_which(tmp_path, monkeypatch):
    pytest.importorskip("rich")
    monkeypatch.syspath_prepend(str(ROOT / "bench"))
    import run

    (tmp_path / "lacking.py").write_text("import a_package_that_nobody_has\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    found = run._section("lacking", None, tmp_path, print)
    assert found.text.startswith("## Left out: lacking")
    assert "`a_package_that_nobody_has` is not installed" in found.text
