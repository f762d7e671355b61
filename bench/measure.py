"""How time is taken: in blocks, ours and the raw calls in turn, as CPU time, and as a median of ratios.

A neighbour on the machine slows both halves of a round alike, so a ratio within one round is worth more than any
figure of its own. Nothing here asserts: a benchmark that fails a build measures the build machine.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Effort", "Timing", "against", "wall_times"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """How long to measure: rounds, calls in a block, repetitions of what takes milliseconds, fresh processes."""

    rounds: int
    block: int
    slow: int
    processes: int

    @classmethod
    def of(cls, *, quick: bool) -> Effort:
        return cls(rounds=3, block=4, slow=3, processes=2) if quick else cls(rounds=150, block=20, slow=15, processes=7)


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Microseconds of CPU for one call, ours and raw, and how often the raw call fits into ours.

    ``quietest`` is the same of the fastest block of each: what neighbours on the machine had least to do with.
    """

    ours: float
    raw: float
    ratio: float
    quietest: float


def against(ours: Callable[[], object], raw: Callable[[], object], effort: Effort) -> Timing:
    """``ours`` measured against ``raw``, block by block in turn."""
    ours(), raw()
    rounds = [(_block(raw, effort.block), _block(ours, effort.block)) for _ in range(effort.rounds)]
    return Timing(
        raw=median(one for one, _ in rounds),
        ours=median(two for _, two in rounds),
        ratio=median(two / one for one, two in rounds),
        quietest=min(two for _, two in rounds) / min(one for one, _ in rounds),
    )


def wall_times(calls: list[Callable[[], object]]) -> list[float]:
    """Milliseconds on the wall clock for each of ``calls``, once each."""
    found = []
    for call in calls:
        start = time.perf_counter()
        call()
        found.append((time.perf_counter() - start) * 1000)
    return found


def _block(call: Callable[[], object], times: int) -> float:
    start = time.process_time_ns()
    for _ in range(times):
        call()
    return (time.process_time_ns() - start) / times / 1000
