"""What a list of authorities should not say: looked for by whoever publishes it, never by a verifier.

A verifier refuses what breaks a rule. These are mistakes that break none, or only later, or let one authority speak
where another should; a maker of bundles refuses to publish them.
"""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import combinations
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from vcred.errors import RefusedError
from vcred.formats._wire import epoch
from vcred.trust.bare import check_keys, keys_of
from vcred.trust.did import is_public_host
from vcred.trust.profile import Purpose
from vcred.trust.signers import signer_purpose

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from datetime import timedelta

    from vcred.trust.content import Authority
    from vcred.trust.x509 import VerifiedChain

__all__ = ["expiring_keys", "lint_authorities"]


def lint_authorities(authorities: Sequence[Authority], *, production: bool, types: Collection[str] | None) -> list[str]:
    """What must not be published, in English, each beginning with the authority's id; empty when all is well.

    ``production`` is the bundle's, ``types`` are the codes of the certificate types that it carries (``None`` when it
    carries none, and receivers have their own).
    """
    found: list[str] = []
    for authority in authorities:
        if production and authority.test:
            found.append(f"{authority.id}: a test authority in a bundle for production")
        if production:
            # Every terminal asks there: it would be made to ask machines beside it, which trust who is near.
            found += [f"{authority.id}: nobody else can ask for {uri}" for uri in authority.status_uris if _nearby(uri)]
        found += [f"{authority.id}: {finding}" for finding in _alone(authority, types)]
    for one, other in combinations(authorities, 2):
        found += [f"{other.id}: {finding}" for finding in _together(one, other)]
    return found


def expiring_keys(authorities: Sequence[Authority], *, at: datetime, within: timedelta) -> list[str]:
    """The keys that are valid at ``at`` and will not be after ``within``, in English. Older ones are history."""
    start, end = epoch(at), epoch(at + within)
    found = []
    for authority in authorities:
        gone = {each.kid for each in authority.withdrawn}
        for kid, last in _ends(authority):
            if start <= last <= end and kid not in gone and None not in gone:
                day = datetime.fromtimestamp(last, UTC).date().isoformat()
                found.append(f"{authority.id}: key {kid.hex()} ends on {day}")
    return found


def _alone(authority: Authority, types: Collection[str] | None) -> Iterator[str]:
    if types is not None:
        for code in sorted(authority.types - set(types)):
            yield f"there is no certificate type {code}"
    try:
        check_keys(authority)
        for chain in _chains(authority):
            if chain.leaf.not_after > chain.not_after:
                yield f"signer {chain.leaf.key.kid.hex()} outlives a certificate above it"
            if chain.leaf.not_before < chain.not_before:
                yield f"signer {chain.leaf.key.kid.hex()} is older than a certificate above it"
    except RefusedError as error:
        yield str(error)
    yield from _mute(authority)
    for bare in authority.keys:
        if bare.valid_until > authority.valid_until:
            yield f"key {bare.key.kid.hex()} outlives the entry of its authority"


def _mute(authority: Authority) -> Iterator[str]:
    own = authority.anchors or authority.id.startswith("did:")
    if authority.status_uris and not own and all(each.key.is_post_quantum for each in authority.keys):
        yield "nobody can sign its status lists: post-quantum keys do not"


def _together(one: Authority, other: Authority) -> Iterator[str]:
    if one.id == other.id:
        yield "the id appears twice"
    if one.purpose is other.purpose and (one.names.ko == other.names.ko or one.names.en == other.names.en):
        yield f"the name is that of {one.id}"
    for own in one.status_uris:
        for theirs in other.status_uris:
            if _covers(own, theirs) or _covers(theirs, own):
                yield f"{one.id} answers for status lists at {theirs} as well"
    if (one.purpose is Purpose.READER) != (other.purpose is Purpose.READER):
        if set(one.anchors) & set(other.anchors):
            yield f"a root certifies readers and others: it is in {one.id} as well"
    elif one.purpose is Purpose.READER and set(one.anchors) & set(other.anchors):
        yield f"a root of readers is in {one.id} as well"


def _nearby(uri: str) -> bool:
    """Whether it is a web address of a machine nearby, or of any without TLS. Others are not fetched at all."""
    try:
        parts = urlsplit(uri)
        return parts.scheme == "http" or (parts.scheme == "https" and not is_public_host(parts.hostname or ""))
    except ValueError:
        return True


def _covers(pattern: str, uri: str) -> bool:
    return uri == pattern or (pattern.endswith("/") and uri.startswith(pattern))


def _chains(authority: Authority) -> Iterator[VerifiedChain]:
    from vcred.trust.x509 import read_certificate, verify_chain  # noqa: PLC0415 - X.509 loads when it is used

    for chain in authority.signers:
        purpose = signer_purpose(authority, read_certificate(chain[0], "signer"))
        starts = max(read_certificate(each, "signer").not_before for each in chain)
        at = datetime.fromtimestamp(starts, UTC)
        yield verify_chain(chain, authority.anchors, purpose=purpose, at=at, path="signer", profile=authority.profile)


def _ends(authority: Authority) -> Iterator[tuple[bytes, int]]:
    for chain in _chains(authority):
        yield chain.leaf.key.kid, min(chain.not_after, authority.valid_until)
    for bare in keys_of(authority):
        yield bare.key.kid, min(bare.valid_until, authority.valid_until)
