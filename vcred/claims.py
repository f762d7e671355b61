"""Claim trees and paths into them.

A claim tree is what JSON can say (objects with text keys, arrays, text, integers, booleans, null).
Issuers mark a member or element that a holder may hide with ``SD``. Paths follow OpenID4VP 1.0
section 7: a text key, a non-negative array index, or ``None`` for every element of an array.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["SD", "ClaimPath", "select"]

PathPart = str | int | None


@dataclass(frozen=True, slots=True)
class SD:
    """Marks an object member's value or an array element as selectively disclosable."""

    value: Any


@dataclass(frozen=True, slots=True)
class ClaimPath:
    """A path such as ``members[].name``; ``parts`` is ``("members", None, "name")``."""

    parts: tuple[PathPart, ...]

    def __post_init__(self) -> None:
        if not self.parts or not isinstance(self.parts[0], str):
            raise ValueError("a claim path starts with a claim name")
        for part in self.parts:
            if isinstance(part, bool) or not (part is None or isinstance(part, (str, int))):
                raise ValueError("a claim path part is a name, an index or None")
            if isinstance(part, int) and part < 0:
                raise ValueError("an array index is not negative")

    @classmethod
    def parse(cls, text: str) -> ClaimPath:
        """Read ``a.b[].c[2]``. Raises ``ValueError``."""
        parts: list[PathPart] = []
        for piece in text.split("."):
            name, *rest = piece.split("[")
            if not name and not (rest and parts):
                raise ValueError(f"empty name in claim path {text!r}")
            if name:
                parts.append(name)
            for index in rest:
                if index == "]":
                    parts.append(None)
                elif index.endswith("]") and index[:-1].isascii() and index[:-1].isdigit():
                    parts.append(int(index[:-1]))
                else:
                    raise ValueError(f"bad index in claim path {text!r}")
        return cls(tuple(parts))

    def __str__(self) -> str:
        text = ""
        for part in self.parts:
            if isinstance(part, str):
                text += f".{part}" if text else part
            else:
                text += f"[{'' if part is None else part}]"
        return text

    def child(self, part: PathPart) -> ClaimPath:
        """This path, one step deeper."""
        return ClaimPath((*self.parts, part))

    def contains(self, other: ClaimPath) -> bool:
        """Whether ``other`` is this node or lies below it; ``None`` here matches any index."""
        if len(other.parts) < len(self.parts):
            return False
        return all(
            mine == theirs or (mine is None and (theirs is None or isinstance(theirs, int)))
            for mine, theirs in zip(self.parts, other.parts, strict=False)
        )


def select(tree: Any, path: ClaimPath) -> list[tuple[ClaimPath, Any]]:
    """Every node of ``tree`` that ``path`` selects, with its concrete path; empty when there is none."""
    return list(_select(tree, path.parts, ()))


def _select(node: Any, parts: tuple[PathPart, ...], at: tuple[PathPart, ...]) -> Iterator[tuple[ClaimPath, Any]]:
    if not parts:
        yield ClaimPath(at), node
        return
    head, rest = parts[0], parts[1:]
    if isinstance(head, str):
        if isinstance(node, dict) and head in node:
            yield from _select(node[head], rest, (*at, head))
    elif isinstance(node, (list, tuple)):
        indexes = range(len(node)) if head is None else range(head, min(head + 1, len(node)))
        for index in indexes:
            yield from _select(node[index], rest, (*at, index))
