"""Get newer status lists between two bundles, from the authorities that sign them.

What may be asked is what the bundle says: an ``https`` address of a list that an authority in it answers for. An
issuer's list of lists (draft-ietf-oauth-status-list section 9) is asked if a verified list names it and it is on a
server that the bundle names; it is not signed, and only says where to look. What it names comes last, and counts only
if the authority whose list named it answers for it, so that nobody crowds out what the bundle names. Whole lists are
fetched, at times that have nothing to do with a verification, so nobody learns which credential is looked at.

A token counts if it verifies against the bundle, like one that came with it, and is newer; it is kept beside the
bundle. One address that fails leaves the others alone, and leaves its list as old as it was.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any

from vcred.errors import RefusedError, TransportError
from vcred.formats._wire import epoch
from vcred.reasons import ReasonCode
from vcred.status import parse_status_token
from vcred.status.aggregation import parse_aggregation
from vcred.status.token import MAX_TOKEN_BYTES
from vcred.trust.fetch import Network, checked_url, fetch, origin
from vcred.trust.overlay import MAX_LISTS, keep_status

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from datetime import datetime
    from pathlib import Path

    from vcred.trust.bundle import TrustBundle
    from vcred.trust.content import Authority

__all__ = ["StatusReport", "status_addresses", "sync_status"]

_ACCEPT = "application/statuslist+cwt, application/statuslist+jwt;q=0.5, application/vc+jwt;q=0.4"
_LEEWAY = 60
"""As in ``vcred.status.freshness``: what no verdict could use yet does not take the place of what one can."""
_MAX_AGGREGATION = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusReport:
    """Which lists are newer now, which were the newest already, and why the others could not be had."""

    updated: tuple[str, ...]
    unchanged: tuple[str, ...]
    failed: tuple[tuple[str, str], ...]

    def to_json(self) -> dict[str, Any]:
        """The same as JSON-able values."""
        return {
            "updated": list(self.updated),
            "unchanged": list(self.unchanged),
            "failed": [{"uri": uri, "detail": detail} for uri, detail in self.failed],
        }


def status_addresses(bundle: TrustBundle) -> tuple[str, ...]:
    """The lists that ``bundle`` knows by their full address: those in it, and those its authorities name one by one."""
    named = {uri for one in bundle.authorities for uri in one.status_uris if not uri.endswith("/")}
    return tuple(sorted(named | set(bundle.status_uris)))


def sync_status(
    bundle: TrustBundle,
    *,
    folder: Path,
    at: datetime,
    network: Network | None = None,
    more: Iterable[str] = (),
    progress: Callable[[int, int], None] | None = None,
) -> tuple[TrustBundle, StatusReport]:
    """``bundle`` with newer status lists, which are kept in ``folder`` (``vcred.trust.overlay``), and what happened.

    Every address of ``status_addresses`` is asked, and those of ``more`` that an authority of the bundle answers for.
    Raises ``StoreError`` when a list cannot be kept.
    """
    network = network or Network()
    until = network.until()
    updated: list[str] = []
    unchanged: list[str] = []
    failed: list[tuple[str, str]] = []
    known, done = dict.fromkeys([*status_addresses(bundle), *more]), 0
    found = _found(bundle, known, network=network, until=until, failed=failed)
    for done, uri in enumerate(chain(known, found), 1):
        if progress is not None:
            progress(done - 1, max(done, len(known)))
        try:
            if done > MAX_LISTS:
                raise TransportError("more lists than are kept")
            taken, token = _newer(bundle, uri, network=network, until=until, at=at)
            if taken is not bundle:
                keep_status(folder, uri=uri, token=token, bundle=taken)
        except (RefusedError, TransportError) as error:
            failed.append((uri, str(error)))
            continue
        if taken is bundle:
            unchanged.append(uri)
            continue
        bundle = taken
        updated.append(uri)
    if progress is not None:
        progress(done, done)
    return bundle, StatusReport(updated=tuple(updated), unchanged=tuple(unchanged), failed=tuple(failed))


def _found(
    bundle: TrustBundle, known: Iterable[str], *, network: Network, until: float, failed: list[tuple[str, str]]
) -> Iterator[str]:
    """What issuers' lists of lists name besides ``known``. Nobody is asked before the first of it is wanted."""
    names = set(known)
    for address, authorities in _aggregations(bundle, network).items():
        try:
            raw = fetch(address, network=network, until=until, limit=_MAX_AGGREGATION, accept="application/json")
            named = parse_aggregation(raw)
        except (RefusedError, TransportError) as error:
            failed.append((address, str(error)))
            continue
        for uri in named:
            if uri not in names and any(one.answers_for(uri) for one in authorities):
                names.add(uri)
                yield uri


def _aggregations(bundle: TrustBundle, network: Network) -> dict[str, list[Authority]]:
    """Where verified lists of ``bundle`` say that their issuers list all of theirs, on servers that it names.

    With each address the authorities whose lists say so.
    """
    named: dict[str, list[Authority]] = {}
    servers, authorities = set(), {one.id: one for one in bundle.authorities}
    for uri in (*bundle.status_uris, *(each for one in bundle.authorities for each in one.status_uris)):
        with suppress(TransportError):
            servers.add(origin(checked_url(uri, allow_http=network.allow_http)))
    for uri in bundle.status_uris:
        snapshot = bundle.status_list(uri)
        if snapshot is not None and snapshot.token.aggregation_uri is not None:
            with suppress(TransportError):
                address = snapshot.token.aggregation_uri
                if origin(checked_url(address, allow_http=network.allow_http)) in servers:
                    named.setdefault(address, []).append(authorities[snapshot.verified_by])
    return dict(sorted(named.items()))


def _newer(bundle: TrustBundle, uri: str, *, network: Network, until: float, at: datetime) -> tuple[TrustBundle, bytes]:
    if not any(one.answers_for(uri) for one in bundle.authorities):
        raise TransportError("no authority in the bundle answers for this address")
    raw = fetch(uri, network=network, until=until, limit=MAX_TOKEN_BYTES, accept=_ACCEPT)
    token, now = parse_status_token(raw), epoch(at)
    if token.uri != uri:
        raise RefusedError(ReasonCode.STATUS_LIST, "sub", "the token is of another list")
    if token.issued_at > now + _LEEWAY or (token.expires_at is not None and token.expires_at <= now):
        raise RefusedError(ReasonCode.STALE, "status_list_token", "it is from the future or past its end")
    return bundle.with_status(raw), raw
