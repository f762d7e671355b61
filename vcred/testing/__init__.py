"""For people who test their own code against vcred: a world in memory, contract checks, and a way off the network."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vcred.testing.offline import Isolation, cut_network
    from vcred.testing.world import SampleRecords, World

_HOME = {
    "Isolation": "vcred.testing.offline",
    "SampleRecords": "vcred.testing.world",
    "World": "vcred.testing.world",
    "cut_network": "vcred.testing.offline",
}

__all__ = ["Isolation", "SampleRecords", "World", "cut_network"]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module 'vcred.testing' has no attribute {name!r}")
