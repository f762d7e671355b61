"""The one fixture that every kind of test may need: where the published test vectors are."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

_ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def vectors() -> Callable[..., Path]:
    """``vectors("sd_jwt", "specs.json")`` is that file; the test is skipped, with a reason, where it is absent."""
    home = Path(os.environ.get("VCRED_VECTORS") or _ROOT.parent / "shared" / "vectors")

    def find(*parts: str) -> Path:
        path = home.joinpath(*parts)
        if not path.exists():
            pytest.skip(f"published test vectors are not here: {'/'.join(parts)} (set VCRED_VECTORS)")
        return path

    return find
