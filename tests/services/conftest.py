"""Towns for the tests of services: on both databases, at a clock that can be moved or at the real one."""

from __future__ import annotations

import secrets
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from tests.services.town import Town

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[str], str]:
    """``database("issuer")`` is the address of a new, empty database of the kind this test runs on."""

    def make(name: str) -> str:
        if request.param == "sqlite":
            return f"sqlite:///{tmp_path / name}.db"
        return str(request.getfixturevalue("postgres").database(f"{name}_{secrets.token_hex(6)}"))

    return make


@pytest.fixture
def found_town(tmp_path: Path, database: Callable[[str], str]) -> Iterator[Callable[..., Town]]:
    """``found_town(**settings)`` is an open town on that kind of database, at the real time unless a clock is given."""
    with ExitStack() as opened:

        def found(**settings: Any) -> Town:
            given = {"clock": lambda: datetime.now(UTC)} | settings
            return opened.enter_context(Town(tmp_path, database=database, **given))

        yield found
