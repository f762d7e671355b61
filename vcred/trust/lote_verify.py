"""Whether a List of Trusted Entities may be used. Facts, pins and a time in; an error or a ``VerifiedLote`` out.

1. The signer is a key or a certificate that the caller pinned, or has a path to one (``vcred.trust.foreign``). What the
   list itself lists vouches for nothing here: a list does not introduce its own signer (``untrusted``).
2. The signature is good (``signature``), and the certificate named in the header is the one in it (``key``).
3. A certificate trusted by its path names the list's operator as its organisation and, where the list has one, its
   territory as its country (clause 6.8): not everybody below a CA signs lists (``issuer``).
4. The sequence number is not below the highest that was seen (``rollback``).
5. It is issued, and the next one is not due yet: ``clock`` and ``stale``, which leave the matter undecided. A closed
   list, which has no next one, is stale.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from vcred.errors import RefusedError
from vcred.formats._jose import verify_jws
from vcred.formats._wire import b64u_encode, epoch
from vcred.reasons import ReasonCode
from vcred.trust.foreign import read_foreign, signer_key, subject_values
from vcred.trust.lote_model import VerifiedLote
from vcred.trust.rules import CLOCK_LEEWAY

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

    from vcred.keys import PublicKey
    from vcred.trust.lote_model import Lote

__all__ = ["check_times", "verify_lote"]

_ORGANISATION = "2.5.4.10"
_COUNTRY = "2.5.4.6"


def verify_lote(
    lote: Lote,
    *,
    keys: Collection[PublicKey],
    anchors: Collection[bytes],
    stored_sequence: int | None,
    at: datetime,
) -> VerifiedLote:
    """Check ``lote`` by the rules above; ``keys`` and ``anchors`` (DER) are the pinned ones, and with none nothing is
    trusted. ``stored_sequence`` is that of the last list that was used, ``None`` before the first.

    Raises ``RefusedError``: ``untrusted``, ``key``, ``chain``, ``limit``, ``signature``, ``issuer``, ``rollback``,
    ``clock``, ``stale``. ``ValueError`` for a time without zone.
    """
    now = epoch(at)
    if lote.jws.x5c:
        key, pinned = signer_key(lote.jws.x5c, keys=keys, anchors=anchors, at=at, path="lote.x5c")
    else:
        key, pinned = _named(lote, keys), True
    verify_jws(lote.jws, key)
    if lote.jws.x5c:
        _check_certificate(lote, pinned=pinned)
    check_times(
        lote.sequence,
        lote.issued_at,
        lote.next_update,
        stored=stored_sequence,
        now=now,
        path="lote",
    )
    return VerifiedLote(lote=lote, signer=key, at=now)


def check_times(
    sequence: int | None, issued_at: int, next_update: int | None, *, stored: int | None, now: int, path: str
) -> None:
    """Rules 4 and 5, for any list. Raises ``RefusedError``: ``rollback``, ``clock``, ``stale``."""
    if stored is not None and (sequence is None or sequence < stored):
        raise RefusedError(ReasonCode.ROLLBACK, path, f"list {sequence}, and {stored} was seen before")
    if now < issued_at - int(CLOCK_LEEWAY.total_seconds()):
        raise RefusedError(ReasonCode.CLOCK, path, f"the clock is {issued_at - now} s before the list was issued")
    if next_update is None:
        raise RefusedError(ReasonCode.STALE, path, "the list does not say when the next one is due")
    if now >= next_update:
        raise RefusedError(ReasonCode.STALE, path, f"the next list was due {now - next_update} s ago")


def _named(lote: Lote, keys: Collection[PublicKey]) -> PublicKey:
    """The pinned key that a header without a chain names, or the only one there is."""
    kid = lote.jws.header.get("kid")
    found = [key for key in keys if kid is None or kid in (key.kid.hex(), b64u_encode(key.thumbprint))]
    if len(found) != 1:
        raise RefusedError(ReasonCode.UNTRUSTED, "lote.kid", "the header names no key that is pinned")
    return found[0]


def _check_certificate(lote: Lote, *, pinned: bool) -> None:
    leaf = lote.jws.x5c[0]
    named = lote.jws.header.get("x5t#S256")
    if named is not None and named != b64u_encode(hashlib.sha256(leaf).digest()):
        raise RefusedError(ReasonCode.KEY, "lote.x5t#S256", "another certificate than that of x5c")
    if pinned:
        return
    certificate = read_foreign(leaf, "lote.x5c[0]")
    operators = {text for _, text in lote.operator}
    if operators.isdisjoint(subject_values(certificate, _ORGANISATION)):
        raise RefusedError(ReasonCode.ISSUER, "lote.x5c[0]", "the certificate does not name the list's operator")
    if lote.territory is not None and lote.territory not in subject_values(certificate, _COUNTRY):
        raise RefusedError(ReasonCode.ISSUER, "lote.x5c[0]", "the certificate does not name the list's territory")
