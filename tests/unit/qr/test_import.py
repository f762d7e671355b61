"""Importing the package is cheap: QR and imaging libraries come with the first picture."""

from __future__ import annotations

import subprocess
import sys


def test_the_slow_libraries_are_not_loaded() -> None:
    code = (
        "import sys, vcred.qr; print(*sorted({'qrcode', 'PIL', 'zxingcpp', 'pypdfium2', 'numpy'} & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split() == []
