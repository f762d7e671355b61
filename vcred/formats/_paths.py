"""Which disclosures a set of claim paths needs, and a mapping from paths that builds its keys only when asked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from vcred.claims import ClaimPath

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

__all__ = ["Parts", "PathMap", "needed"]

Parts = tuple[str | int, ...]
_Value = TypeVar("_Value")


class PathMap(Mapping[ClaimPath, _Value]):
    """A read-only mapping by ``ClaimPath`` over one by concrete parts.

    A verifier opens many credentials and looks at few of these keys, and a ``ClaimPath`` checks itself when built.
    """

    __slots__ = ("_by_parts",)

    def __init__(self, by_parts: dict[Parts, _Value]) -> None:
        self._by_parts = by_parts

    def __getitem__(self, path: ClaimPath) -> _Value:
        if not isinstance(path, ClaimPath):
            raise KeyError(path)
        return self._by_parts[path.parts]  # type: ignore[index]  # a path with None is simply no key

    def __iter__(self) -> Iterator[ClaimPath]:
        return map(ClaimPath, self._by_parts)

    def __len__(self) -> int:
        return len(self._by_parts)

    def __repr__(self) -> str:
        return f"PathMap({len(self._by_parts)} paths)"


def needed(claims: Any, disclosures: Mapping[Parts, Any], paths: Collection[ClaimPath]) -> set[Parts]:
    """The keys of ``disclosures`` that reveal ``paths``: each node, all below it, and every parent on the way.

    Raises ``ValueError`` for a path that selects nothing in ``claims``.
    """
    wanted: set[Parts] = set()
    for path in paths:
        found = set(_concrete(claims, path.parts, ()))
        if not found:
            raise ValueError(f"nothing to disclose at {path}")
        wanted |= found
    above = {parts[:length] for parts in wanted for length in range(1, len(parts))}
    return {parts for parts in disclosures if parts in wanted or parts in above or _is_below(parts, wanted)}


def _is_below(parts: Parts, wanted: set[Parts]) -> bool:
    parent = parts[:-1]
    while parent:
        if parent in wanted:
            return True
        parent = parent[:-1]
    return False


def _concrete(node: Any, parts: tuple[str | int | None, ...], at: Parts) -> Iterator[Parts]:
    if not parts:
        yield at
        return
    head, rest = parts[0], parts[1:]
    if isinstance(head, str):
        if isinstance(node, dict) and head in node:
            yield from _concrete(node[head], rest, (*at, head))
    elif isinstance(node, list):
        indexes = range(len(node)) if head is None else range(head, min(head + 1, len(node)))
        for index in indexes:
            yield from _concrete(node[index], rest, (*at, index))
