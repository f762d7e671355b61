"""Whether status indexes look drawn at random, from the order in which they were given (threats ST-16)."""

from __future__ import annotations

from collections import Counter, defaultdict
from itertools import pairwise
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from issuer.status_store import CopyRow

__all__ = ["lint_indexes"]

_ENOUGH: Final = 16
"""Fewer entries say nothing."""


def lint_indexes(entries: Sequence[CopyRow]) -> list[str]:
    """A sentence for every list whose indexes, in order of allocation, keep a step or a direction.

    Whoever sees two credentials must not learn from their indexes that they were issued together. Of random draws
    about half go up, and no difference between neighbours is common.
    """
    by_list: dict[int, list[int]] = defaultdict(list)
    for entry in entries:
        by_list[entry.list].append(entry.index)
    found = []
    for number, indexes in by_list.items():
        if len(indexes) < _ENOUGH:
            continue
        steps = [after - before for before, after in pairwise(indexes)]
        commonest = Counter(steps).most_common(1)[0][1]
        upward = sum(step > 0 for step in steps) / len(steps)
        if commonest > len(steps) // 4:
            found.append(f"status list {number}: indexes follow each other at one distance")
        elif not 0.1 <= upward <= 0.9:
            found.append(f"status list {number}: indexes are allocated in order")
    return found
