"""Why a claim is, or is not, in a presentation: never issued, hidden by the holder, issued and empty, or there."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import TYPE_CHECKING, Any

from vcred.catalog.issue import lenient_plan
from vcred.claims import ClaimPath, select

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from vcred.catalog.effects import Plan
    from vcred.catalog.types import CertificateType

__all__ = ["ClaimState", "dropped", "state"]


class ClaimState(Enum):
    """What can be said about one claim of a presentation."""

    NOT_ISSUED = "not_issued"
    HIDDEN = "hidden"
    EMPTY = "empty"
    PRESENT = "present"


_WORST_FIRST = (ClaimState.HIDDEN, ClaimState.NOT_ISSUED, ClaimState.PRESENT, ClaimState.EMPTY)


def state(
    kind: CertificateType, path: ClaimPath, claims: Mapping[str, Any], hidden_elements: Mapping[ClaimPath, int]
) -> ClaimState:
    """See ``CertificateType.state``."""
    plain = path.parts[0] in ("issuedOn", "variant", "options")
    if not plain and kind.spec(path) is None:
        raise ValueError(f"{kind.code} has no claim {path}")
    plan = lenient_plan(kind, claims.get("variant"), claims.get("options"))
    if dropped(plan, path) and not select(claims, path):
        return ClaimState.NOT_ISSUED
    found = set(_walk(claims, path.parts, (), _Presentation(plan, hidden_elements, is_plain=plain), None))
    return next(answer for answer in _WORST_FIRST if answer in found)


def dropped(plan: Plan, path: ClaimPath) -> bool:
    """Whether ``plan`` leaves the claim, or one it lies in, out everywhere."""
    parts = tuple(None if isinstance(part, int) else part for part in path.parts)
    return any(plan.drops(ClaimPath(parts[:end]), None) for end in range(1, len(parts) + 1))


class _Presentation:
    def __init__(self, plan: Plan, hidden_elements: Mapping[ClaimPath, int], *, is_plain: bool) -> None:
        self.plan = plan
        self.hidden_elements = hidden_elements
        self.is_plain = is_plain

    def hides_in(self, at: tuple[Any, ...]) -> bool:
        return self.hidden_elements.get(ClaimPath(at), 0) > 0

    def missing(self, at: tuple[Any, ...], row: Mapping[str, Any] | None) -> ClaimState:
        """Why a member that is not there is not there; ``row`` is the disclosed row around it."""
        general = ClaimPath(tuple(None if isinstance(part, int) else part for part in at))
        return ClaimState.NOT_ISSUED if self.is_plain or self.plan.drops(general, row) else ClaimState.HIDDEN


def _walk(
    node: Any, parts: tuple[Any, ...], at: tuple[Any, ...], shown: _Presentation, row: Mapping[str, Any] | None
) -> Iterator[ClaimState]:
    if node is None:
        yield ClaimState.EMPTY
    elif isinstance(node, (list, tuple)) and (not parts or not isinstance(parts[0], str)):
        yield from _walk_array(node, parts, at, shown)
    elif not parts:
        yield ClaimState.PRESENT
    elif not isinstance(node, Mapping) or not isinstance(parts[0], str):
        yield ClaimState.HIDDEN
    elif parts[0] in node:
        yield from _walk(node[parts[0]], parts[1:], (*at, parts[0]), shown, row)
    else:
        yield shown.missing((*at, parts[0]), row)


def _walk_array(
    node: Sequence[Any], parts: tuple[Any, ...], at: tuple[Any, ...], shown: _Presentation
) -> Iterator[ClaimState]:
    hides = shown.hides_in(at)
    if not parts:
        yield ClaimState.PRESENT if node else ClaimState.HIDDEN if hides else ClaimState.EMPTY
        return
    index, rest = parts[0], parts[1:]
    chosen = range(len(node)) if index is None else [index] if index < len(node) else []
    for position in chosen:
        element = node[position]
        yield from _walk(element, rest, (*at, position), shown, element if isinstance(element, Mapping) else None)
    if hides and (index is None or not chosen):
        yield ClaimState.HIDDEN
    elif not chosen:
        yield ClaimState.EMPTY
