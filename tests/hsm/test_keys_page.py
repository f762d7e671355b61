"""The trial on the page about keys works as printed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "keys.md"
PRINTED = "/usr/lib/softhsm/libsofthsm2.so"


def test_the_trial_runs_as_printed(token, tmp_path):
    (block,) = PAGE.read_text("utf-8").split("```sh\n")[1:]
    script = block.partition("```")[0]
    assert PRINTED in script
    if not Path(PRINTED).exists():  # another system keeps it elsewhere
        script = script.replace(PRINTED, str(token.module))
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-euc", script], cwd=tmp_path, env=os.environ | {"PATH": path}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "True"
    assert (tmp_path / "hsm" / "pin").stat().st_mode & 0o077 == 0
