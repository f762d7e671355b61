"""Which status lists a publication carries: of every list the newest that its terminals would take.

One authority's mistake never keeps another's news back: a list that cannot be published is left out and named, and
what was published of it before stays, as far as it is still good.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from vcred.formats._wire import epoch
from vcred.status import parse_status_token
from vcred.trust.rules import CLOCK_LEEWAY
from vcred.trust.signers import SignerIndex
from vcred.trust.snapshots import Snapshots

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from vcred.trust.content import Authority

__all__ = ["LeftOut", "merge_status"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """A list that was given, or published before, and is not taken. ``kept``: an earlier one of it still is."""

    uri: str
    why: str
    kept: bool


def merge_status(
    kept: Iterable[bytes],
    given: Iterable[bytes],
    *,
    authorities: Sequence[Authority],
    production: bool,
    at: datetime,
) -> tuple[dict[str, bytes], tuple[LeftOut, ...]]:
    """Status List Tokens by URI, and what is left out. Raises ``MalformedError`` for what is no token.

    Left out is a list that no key of ``authorities`` may sign, one from the future (it would stay, as the latest, in
    place of every list that is signed until then), and one that is older than what was published.
    """
    index = SignerIndex(authorities, frozenset(), production=production)  # readers sign no lists anyway
    before, offered = _latest(kept), _latest(given)
    old, new = Snapshots(before, index), Snapshots(offered, index)
    lists = {uri: raw for uri, raw in before.items() if old.problem(uri) is None}
    left_out = {}
    for uri, raw in offered.items():
        why = _problem(new, uri) or _untimely(raw, lists.get(uri), at)
        if why is None:
            lists[uri] = raw
        else:
            left_out[uri] = LeftOut(uri=uri, why=why, kept=uri in lists)
    for uri in before.keys() - lists.keys() - left_out.keys():
        left_out[uri] = LeftOut(uri=uri, why=_problem(old, uri) or "", kept=False)
    return dict(sorted(lists.items())), tuple(left_out[uri] for uri in sorted(left_out))


def _problem(snapshots: Snapshots, uri: str) -> str | None:
    found = snapshots.problem(uri)
    return None if found is None else f"{found.code.value}: {found.detail}"


def _untimely(raw: bytes, kept: bytes | None, at: datetime) -> str | None:
    issued_at = parse_status_token(raw).issued_at
    if issued_at > epoch(at + CLOCK_LEEWAY):
        return "it is from the future"
    if kept is not None and issued_at < parse_status_token(kept).issued_at:
        return "a newer one is published already"
    return None


def _latest(tokens: Iterable[bytes]) -> dict[str, bytes]:
    """Tokens by URI; of two for one list the later, of two of one second the one given later."""
    found: dict[str, tuple[int, bytes]] = {}
    for raw in tokens:
        token = parse_status_token(raw)
        if token.uri not in found or token.issued_at >= found[token.uri][0]:
            found[token.uri] = (token.issued_at, raw)
    return {uri: raw for uri, (_, raw) in found.items()}
