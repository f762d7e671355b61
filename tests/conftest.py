"""Where the published test vectors are, and the rule that CI leaves nothing out."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.postgres import PostgresServer, programs, server

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

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


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """With ``CI`` set a skipped test is a failure: a tool, a vector or a right is missing there."""
    report = yield
    if report.skipped and os.environ.get("CI"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        report.outcome = "failed"
        report.longrepr = f"CI leaves nothing out, and {item.nodeid} was skipped: {reason}"
    return report


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL server of these tests' own; ``database(name)`` makes a database in it."""
    if programs() is None:
        pytest.skip("PostgreSQL is not installed (Debian: apt-get install postgresql)")
    with server() as running:
        yield running
