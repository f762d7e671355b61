"""Our certificates are trees, an mdoc is flat: a claim tree as data elements, and back.

1. The root's element is called ``~``. It holds everything that is never hidden, and every presentation has it.
2. Each node that may be hidden is an element of its own. It is called by its path, the names joined by ``/``: a member
   by its name (with ``~0`` for ``~``, ``~1`` for ``/`` and ``~2`` for a name ``*``), an array element by its index as
   issued.
3. An element's value is the subtree without the nodes below it that are elements themselves.
4. In such a value an array that has hideable elements is a map: ``-1`` to its length, and the index of each element
   that is not hideable to that element. No claim is called by a number, so nothing else looks like it.

So a reader of presented elements knows how many elements of an array were kept back. A child without its parent is
refused. Indexes in what comes out are those of the elements that are there, as in every other format.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from vcred.claims import SD, ClaimPath
from vcred.errors import MalformedError
from vcred.formats._cbor import Embedded, Tagged
from vcred.reasons import ReasonCode

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from vcred.formats._paths import Parts

__all__ = [
    "MAX_DEPTH",
    "MAX_ELEMENTS",
    "ROOT",
    "Flat",
    "Tree",
    "flatten",
    "identifier_of",
    "path_of",
    "plain",
    "rebuild",
]

ROOT: Final = "~"
"""The element of the root. No other can be called so, because names are escaped."""

MAX_DEPTH: Final = 28
MAX_ELEMENTS: Final = 2000

_LENGTH: Final = -1
_EVERY: Final = "*"
_LEAVES: Final = frozenset({str, int, bool, type(None)})
_TEXTS: Final = frozenset({str})
_MAX_NAME: Final = 255
_MAX_DIGITS: Final = len(str(MAX_ELEMENTS))
_PATH: Final = "elements"


@dataclass(frozen=True, slots=True, kw_only=True)
class Flat:
    """``elements`` by identifier, parents first; ``hiding`` counts the objects and arrays that can hide something."""

    elements: dict[str, Any] = field(repr=False)
    hiding: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    """A claim tree, the identifier of each node that was an element, and how many elements each array lacks."""

    claims: dict[str, Any] = field(repr=False)
    elements: dict[Parts, str] = field(repr=False)
    hidden: dict[Parts, int] = field(repr=False)


def flatten(claims: Mapping[str, Any]) -> Flat:
    """``claims`` with its ``SD`` marks as data elements.

    Raises ``ValueError`` for a tree that is too deep or has too many nodes to hide, ``TypeError`` for what is not JSON.
    """
    work = _Flattener()
    work.elements[ROOT] = None
    work.elements[ROOT] = work.value(claims, ())
    if len(work.elements) > MAX_ELEMENTS:
        raise ValueError(f"more than {MAX_ELEMENTS} elements")
    return Flat(elements=work.elements, hiding=work.hiding)


def rebuild(elements: Mapping[str, Any]) -> Tree:
    """The claim tree of ``elements``, some or all of those that ``flatten`` made.

    Raises ``MalformedError``: ``disclosure`` (no root, a child without its parent), ``collision``, ``claim_type``,
    ``depth``.
    """
    if ROOT not in elements:
        raise MalformedError(ReasonCode.DISCLOSURE, _PATH, "what is never hidden is missing")
    root = _read(elements[ROOT], 0)
    if type(root) is not dict:
        raise MalformedError(ReasonCode.CLAIM_TYPE, f"{_PATH}.{ROOT}", "not a map")
    tree = Tree(claims=root, elements={}, hidden={})
    placed = _place_all(elements, tree)
    for name, member in root.items():
        at = (name,)
        if type(member) not in _LEAVES or at in placed:
            root[name] = _settle(member, at, at, placed, tree)
    return tree


def identifier_of(path: ClaimPath) -> str:
    """How a query for an mdoc names the claims at ``path``: ``members/*/name``, where ``*`` is every element."""
    return "/".join(
        _EVERY if part is None else _escaped(part) if isinstance(part, str) else str(part) for part in path.parts
    )


def path_of(identifier: str) -> ClaimPath:
    """The claim path that ``identifier_of`` writes so. A name of digits alone is read as an index.

    Raises ``MalformedError`` with ``dcql`` for an identifier that no claim can have.
    """
    parts: list[str | int | None] = []
    for part in identifier.split("/"):
        if part == _EVERY:
            parts.append(None)
        elif parts and part.isascii() and part.isdigit() and len(part) <= _MAX_DIGITS:
            parts.append(int(part))
        else:
            parts.append(_unescaped(part))
    try:
        path = ClaimPath(tuple(parts))
        written = identifier_of(path) if len(parts) <= MAX_DEPTH else ""
    except ValueError:
        written = ""
    if written != identifier or not identifier:
        raise MalformedError(ReasonCode.DCQL, _PATH, "not the identifier of a claim")
    return path


def plain(value: Any) -> Any:
    """The value of somebody else's data element, with dates as their text and encoded items as their bytes."""
    kind = type(value)
    if kind is dict:
        return {name: plain(member) for name, member in value.items()}
    if kind is list:
        return [plain(element) for element in value]
    if kind is Tagged:
        return plain(value.value)
    return value.raw if kind is Embedded else value


class _Flattener:
    __slots__ = ("elements", "hiding")

    def __init__(self) -> None:
        self.elements: dict[str, Any] = {}
        self.hiding = 0

    def value(self, node: Any, at: tuple[str, ...]) -> Any:
        if type(node) in _LEAVES:
            return node
        if len(at) >= MAX_DEPTH:
            raise ValueError(f"the claims are nested more than {MAX_DEPTH} levels deep")
        if isinstance(node, Mapping):
            return self._members(node, at)
        if isinstance(node, (list, tuple)):
            return self._array(node, at)
        raise TypeError(f"{type(node).__name__} is not a claim value")

    def _members(self, node: Mapping[Any, Any], at: tuple[str, ...]) -> dict[str, Any]:
        out: dict[str, Any] = {}
        for name, value in node.items():
            here = (*at, _escaped(name))
            if type(value) is not SD:
                out[name] = self.value(value, here)
            elif type(value.value) in _LEAVES:
                self.elements["/".join(here)] = value.value
            else:
                self._element(value.value, here)
        self.hiding += len(out) != len(node)
        return out

    def _array(self, node: Sequence[Any], at: tuple[str, ...]) -> Any:
        if not any(type(element) is SD for element in node):
            return [self.value(element, (*at, str(index))) for index, element in enumerate(node)]
        if len(node) > MAX_ELEMENTS:
            raise ValueError(f"an array of more than {MAX_ELEMENTS} elements that may be hidden")
        out: dict[int, Any] = {_LENGTH: len(node)}
        for index, element in enumerate(node):
            here = (*at, str(index))
            if type(element) is SD:
                self._element(element.value, here)
            else:
                out[index] = self.value(element, here)
        self.hiding += 1
        return out

    def _element(self, value: Any, at: tuple[str, ...]) -> None:
        identifier = "/".join(at)
        self.elements[identifier] = None  # parents come first
        self.elements[identifier] = self.value(value, at)


class _Array:
    """An array that may lack elements."""

    __slots__ = ("found", "length")

    def __init__(self, length: int, found: dict[int, Any]) -> None:
        self.length = length
        self.found = found


def _read(value: Any, depth: int) -> Any:
    """``value`` with every array that may lack elements as an ``_Array``."""
    kind = type(value)
    if kind in _LEAVES:
        return value
    if depth >= MAX_DEPTH:
        raise MalformedError(ReasonCode.DEPTH, _PATH, "nested too deeply")
    if kind is list:
        return [_read(element, depth + 1) for element in value]
    if kind is not dict:
        raise MalformedError(ReasonCode.CLAIM_TYPE, _PATH, "not text, integer, boolean or null")
    if _TEXTS.issuperset(map(type, value)):
        return {name: member if type(member) in _LEAVES else _read(member, depth + 1) for name, member in value.items()}
    length = value.get(_LENGTH)
    indexes = value.keys() - {_LENGTH}
    if type(length) is not int or not 0 < length <= MAX_ELEMENTS or any(type(index) is not int for index in indexes):
        raise MalformedError(ReasonCode.CLAIM_TYPE, _PATH, "neither an object nor an array with its length")
    if indexes and not 0 <= min(indexes) <= max(indexes) < length:
        raise MalformedError(ReasonCode.CLAIM_TYPE, _PATH, "an index beyond the length of its array")
    return _Array(length, {index: _read(value[index], depth + 1) for index in indexes})


def _place_all(elements: Mapping[str, Any], tree: Tree) -> dict[Parts, str]:
    """Put every element but the root into ``tree``; the identifiers of what may still move, by path as issued."""
    root = tree.claims
    deeper: list[tuple[Parts, str]] = []
    for identifier, value in elements.items():
        if identifier == ROOT:
            continue
        if type(value) in _LEAVES and "/" not in identifier and "~" not in identifier and identifier not in root:
            # By far the most of them, and they stay where they are.
            root[identifier] = value
            tree.elements[(identifier,)] = identifier
        else:
            deeper.append((tuple(identifier.split("/")), identifier))
    deeper.sort(key=lambda one: len(one[0]))
    placed: dict[Parts, str] = {}
    for parts, identifier in deeper:
        if len(parts) > MAX_DEPTH:
            raise MalformedError(ReasonCode.DEPTH, _PATH, "nested too deeply")
        placed[_place(root, parts, _read(elements[identifier], len(parts)))] = identifier
    return placed


def _place(root: dict[str, Any], parts: tuple[Any, ...], value: Any) -> Parts:
    """Put ``value`` where ``parts`` say; returns its path as issued."""
    node: Any = root
    at: list[str | int] = []
    for part in parts[:-1]:
        key = _key(node, part)
        inside = node.found if type(node) is _Array else node
        if type(key) is int and type(inside) is list:
            found = key < len(inside)
        else:
            found = type(inside) is dict and key in inside
        if not found:
            raise MalformedError(ReasonCode.DISCLOSURE, _PATH, "an element without the one it is part of")
        node = inside[key]
        at.append(key)
    key = _key(node, parts[-1])
    if type(node) is _Array and key >= node.length:
        raise MalformedError(ReasonCode.DISCLOSURE, _PATH, "an element beyond the length of its array")
    inside = node.found if type(node) is _Array else node
    if type(inside) is not dict:
        raise MalformedError(ReasonCode.DISCLOSURE, _PATH, "an element of what has none")
    if key in inside:
        raise MalformedError(ReasonCode.COLLISION, _PATH, "the element is there already")
    inside[key] = value
    return (*at, key)


def _key(node: Any, part: str) -> Any:
    if type(node) is dict:
        name = _unescaped(part)
        if _escaped(name) != part:
            raise MalformedError(ReasonCode.DISCLOSURE, _PATH, "a name that is not escaped as it has to be")
        return name
    if not (part.isascii() and part.isdigit() and len(part) <= _MAX_DIGITS and str(int(part)) == part):
        raise MalformedError(ReasonCode.DISCLOSURE, _PATH, "not an index")
    return int(part)


def _settle(node: Any, issued: Parts, at: Parts, placed: Mapping[Parts, str], tree: Tree) -> Any:
    """``node`` as a claim tree. ``issued`` is its path as issued, ``at`` where it is now."""
    if issued in placed:
        tree.elements[at] = placed[issued]
    kind = type(node)
    if kind is dict:
        return {name: _settle(member, (*issued, name), (*at, name), placed, tree) for name, member in node.items()}
    if kind is list:
        return _settle_all(enumerate(node), issued, at, placed, tree)
    if kind is not _Array:
        return node
    if node.length > len(node.found):
        tree.hidden[at] = node.length - len(node.found)
    return _settle_all(sorted(node.found.items(), key=lambda one: one[0]), issued, at, placed, tree)


def _settle_all(
    found: Iterable[tuple[int, Any]], issued: Parts, at: Parts, placed: Mapping[Parts, str], tree: Tree
) -> list[Any]:
    return [
        _settle(element, (*issued, index), (*at, place), placed, tree) for place, (index, element) in enumerate(found)
    ]


def _escaped(name: Any) -> str:
    if type(name) is not str:
        raise TypeError("a claim name is text")
    if len(name) > _MAX_NAME:
        raise ValueError(f"a claim name of more than {_MAX_NAME} characters")
    if name == _EVERY:
        return "~2"
    return name.replace("~", "~0").replace("/", "~1") if "~" in name or "/" in name else name


def _unescaped(part: str) -> str:
    return _EVERY if part == "~2" else part.replace("~1", "/").replace("~0", "~")
