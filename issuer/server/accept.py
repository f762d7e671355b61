"""Which of a few representations a client wants (RFC 9110 section 12.5.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["preferred"]

_LONGEST: Final = 1024
_WILDCARD: Final = 1_000
"""A wildcard wants nothing in particular: an exact name counts for more, whatever its weight."""


def preferred(accept: str, offered: Sequence[str]) -> str:
    """The media type of ``offered`` that the header ``accept`` prefers; the first where it does not care."""
    weights = dict.fromkeys(offered, 0.0)
    for part in accept[:_LONGEST].split(","):
        name, *parameters = (piece.strip().lower() for piece in part.split(";"))
        try:
            weight = next((float(one[2:]) for one in parameters if one.startswith("q=")), 1.0)
        except ValueError:
            continue
        for one in offered:
            if name == one:
                weights[one] = max(weights[one], weight)
            elif name in ("*/*", f"{one.partition('/')[0]}/*"):
                weights[one] = max(weights[one], weight / _WILDCARD)
    return max(offered, key=lambda one: weights[one])  # of equals the first
