"""A query for an mdoc of ours in the words of wallets that do not know our certificates.

Our certificates are trees, an mdoc is flat (``vcred.formats._mdoc_tree``). Our wallets find a claim in the tree and
return the elements that it takes: itself, or the one that it is a part of, those that this one is a part of, and ``~``,
which has what is never hidden. Other wallets know elements only, and return those that are named. For them a query has
claim sets more, before those in our words, so that they take these:

1. each claim of such a set is an element, alone, with nothing that is below it as an element of its own. It is marked
   by a member that others ignore (section 6): whoever knows the mark leaves these claims and sets out;
2. so they are no claims here, and no rule about over-asking meets them; nor do they ask for more than the others do;
3. what is in an array has no name before it is seen: a query with such a claim has no such set.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from vcred.claims import ClaimPath

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from vcred.catalog import CertificateType

    Element = tuple[str, str]

__all__ = ["OUR_DOCTYPES", "elements_of", "in_our_words", "with_elements"]

OUR_DOCTYPES: Final = "kr.vcred."
_MARK: Final = "vcred_element"
_ROOT: Final = "~"
_NUMBER: Final = ("birthDate", "sexDigit", "serial")


def elements_of(kind: CertificateType, paths: Sequence[ClaimPath]) -> tuple[Element, ...]:
    """What another wallet has to return for ``paths`` of an mdoc of ``kind``; empty when it cannot be named."""
    from vcred.formats._mdoc_tree import identifier_of  # noqa: PLC0415 - only for queries for mdocs
    from vcred.formats.known import spelling_of  # noqa: PLC0415 - as above

    spelling = spelling_of("mso_mdoc", kind)
    found: dict[Element, None] = {(kind.namespace, _ROOT): None}
    for path in paths:
        if None in path.parts or _has_rows(kind, path):
            return ()
        for part in _hideable(kind, path):
            place = (kind.namespace, identifier_of(part)) if spelling is None else spelling.wire(part).parts
            found[str(place[0]), str(place[1])] = None
    return tuple(found)


def with_elements(
    claims: Sequence[dict[str, Any]], sets: Sequence[Sequence[str]], also: Sequence[Sequence[Element]]
) -> tuple[list[dict[str, Any]], list[list[str]]]:
    """``claims`` and ``claim_sets`` of a query as they are written, with the sets of ``also`` before them."""
    retain = {name: one[name] for one in claims for name in ("intent_to_retain",) if name in one}
    prefix = "e"
    while any(one["id"].startswith(prefix) for one in claims):
        prefix += "e"
    places = dict.fromkeys(place for one in also for place in one)
    ids = {place: f"{prefix}{number}" for number, place in enumerate(places)}
    marked = [{"id": name, "path": list(place), _MARK: True, **retain} for place, name in ids.items()]
    return [*claims, *marked], [*([ids[place] for place in one] for one in also), *(list(one) for one in sets)]


def in_our_words(item: Mapping[str, Any], kind: str) -> tuple[dict[str, Any], tuple[tuple[Element, ...], ...]]:
    """A credential query as it came without what is marked, and the sets of that.

    What has another shape than it should have stays where it is, for its parser to refuse.
    """
    claims, sets = item.get("claims"), item.get("claim_sets")
    if kind != "mso_mdoc" or not isinstance(claims, list) or not isinstance(sets, list):
        return dict(item), ()
    marked = {one["id"]: (one["path"][0], one["path"][1]) for one in claims if _is_marked(one)}
    own = [one for one in sets if not _is_of(one, marked)]
    if not marked or not own or len(own) == len(sets):
        return dict(item), ()
    rest = [one for one in claims if not _is_marked(one)]
    also = tuple(tuple(marked[name] for name in one) for one in sets if _is_of(one, marked))
    return {**item, "claims": rest, "claim_sets": own}, also


def _has_rows(kind: CertificateType, path: ClaimPath) -> bool:
    """Whether there is an array at ``path`` or below it whose elements can be hidden."""
    return any(spec.many and spec.elements == "selective" for spec in kind.walk() if path.contains(spec.path))


def _hideable(kind: CertificateType, path: ClaimPath) -> Iterator[ClaimPath]:
    """Of ``path`` and what it is part of, each that may be hidden; of a whole registration number its parts, too."""
    for end in range(1, len(path.parts) + 1):
        part = ClaimPath(path.parts[:end])
        spec = kind.spec(part)
        if spec is None or spec.selective:
            yield part
    if spec is not None and spec.type in ("rrn", "frn"):
        yield from (path.child(name) for name in _NUMBER)


def _is_marked(claim: Any) -> bool:
    if not isinstance(claim, dict) or claim.get(_MARK) is not True or not isinstance(claim.get("id"), str):
        return False
    path = claim.get("path")
    if not isinstance(path, list) or len(path) != 2 or not all(isinstance(one, str) for one in path):
        return False
    return "values" not in claim


def _is_of(option: Any, marked: Mapping[str, Element]) -> bool:
    """Whether a claim set is made of marked claims."""
    return isinstance(option, list) and bool(option) and all(isinstance(one, str) and one in marked for one in option)
