"""Peers: other people's implementations, which are there for these tests alone."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.interop.kit import NodePeers

if TYPE_CHECKING:
    from collections.abc import Iterator

_FOLDER = Path(__file__).parent / "node"


@pytest.fixture(scope="session")
def node() -> Iterator[NodePeers]:
    """The peers from npm, in one process that lives as long as the session."""
    program = shutil.which("node")
    if program is None:
        pytest.skip("Node.js is not installed (version 20 or newer)")
    if not (_FOLDER / "node_modules").is_dir():
        pytest.skip("the peers from npm are not installed: run `npm ci --ignore-scripts` in tests/interop/node")
    peers = NodePeers(program, _FOLDER / "peers.mjs")
    yield peers
    peers.close()
