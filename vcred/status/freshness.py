"""What a verified status list says about one credential at one time. Rules without I/O.

In this order:

1. The credential names no list: ``status_missing``. A receiver that does without asks for no check.
2. No list: ``status_unknown``. Not having looked is never "not revoked".
3. The list is not the one the credential names: ``status_list``. URIs are compared letter for letter. A W3C entry is
   looked up in a W3C list that serves the entry's purpose, and in no other.
4. The entry says revoked: ``revoked``, however old the list is. Revocation is final, so age cannot undo it.
5. The list is from the future, past its own end or ttl, or older than the receiver allows: ``stale``.
6. The index is outside the list: ``status_index``. Only of a current list; an old one may have been shorter.
7. The entry says suspended: ``suspended``. Any other value but 0: ``status_unknown``.

Of several entries each is looked up by these rules, and every one must pass: ``check_every`` raises what says most.

What passes has its age, for a receiver to show; ``status_freshness`` says under which limit that age is good.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from vcred.credential import status_entries
from vcred.errors import RefusedError
from vcred.formats._wire import epoch
from vcred.freshness import Freshness, FreshnessState, Limit, LimitRule, Subject
from vcred.reasons import ReasonCode
from vcred.status.bitstring import REVOCATION, BitstringReference

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import datetime

    from vcred.credential import Status, StatusEntry, StatusReference
    from vcred.status.list import StatusList
    from vcred.status.token import StatusToken

__all__ = ["StatusFinding", "StatusSnapshot", "check_every", "check_status", "newer_snapshot", "status_freshness"]

VALID, INVALID, SUSPENDED = 0, 1, 2
_GRAVEST = (ReasonCode.REVOKED, ReasonCode.SUSPENDED)

_LEEWAY = 60
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusSnapshot:
    """A status list whose signature was verified as that of the authority ``verified_by``."""

    uri: str
    token: StatusToken
    verified_by: str
    issued_at: int
    expires_at: int | None
    ttl: int | None

    @property
    def status_list(self) -> StatusList:
        """The values."""
        return self.token.status_list

    def age(self, at: datetime) -> timedelta:
        """How long ago the list was signed."""
        return timedelta(seconds=epoch(at) - self.issued_at)


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusFinding:
    """The credential was not revoked or suspended when the list was signed, ``age`` ago."""

    age: timedelta
    value: int


def check_status(
    reference: StatusReference | BitstringReference | None,
    snapshot: StatusSnapshot | None,
    *,
    max_age: timedelta,
    at: datetime,
) -> StatusFinding:
    """Look ``reference`` up in ``snapshot`` by the rules above.

    Raises ``RefusedError``: ``status_missing``, ``status_unknown``, ``status_list``, ``revoked``, ``stale``,
    ``status_index`` or ``suspended``. ``ValueError`` for a ``max_age`` that is not positive or a time without zone.
    """
    if max_age <= timedelta(0):
        raise ValueError("max_age is positive")
    now = epoch(at)
    if reference is None:
        raise RefusedError(ReasonCode.STATUS_MISSING, "status", "the credential has no status")
    if snapshot is None:
        raise RefusedError(ReasonCode.STATUS_UNKNOWN, "status.status_list.uri", "there is no list for this credential")
    if snapshot.uri != reference.uri:
        raise RefusedError(ReasonCode.STATUS_LIST, "status.status_list.uri", "the list is of another URI")
    _check_purpose(reference, snapshot)
    try:
        value = _meaning(reference, snapshot.status_list.get(reference.index))
    except RefusedError:
        _check_age(snapshot, now, max_age)
        raise
    if value == INVALID:
        raise RefusedError(ReasonCode.REVOKED, "status", "the status list says INVALID")
    _check_age(snapshot, now, max_age)
    if value == SUSPENDED:
        raise RefusedError(ReasonCode.SUSPENDED, "status", "the status list says SUSPENDED")
    if value != VALID:
        raise RefusedError(ReasonCode.STATUS_UNKNOWN, "status", f"the status list says {value}, which has no meaning")
    return StatusFinding(age=timedelta(seconds=now - snapshot.issued_at), value=value)


def check_every(status: Status | None, look_up: Callable[[StatusEntry], object]) -> None:
    """Call ``look_up`` with every entry of ``status``, the later ones too when one is refused.

    Raises the ``RefusedError`` that says most: ``revoked``, else ``suspended``, else the first of the others.
    """
    refused: list[RefusedError] = []
    for entry in status_entries(status):
        try:
            look_up(entry)
        except RefusedError as error:
            refused.append(error)
    if refused:
        raise min(refused, key=lambda error: _GRAVEST.index(error.code) if error.code in _GRAVEST else len(_GRAVEST))


def status_freshness(snapshot: StatusSnapshot, *, limits: Sequence[Limit], certificate: str, at: datetime) -> Freshness:
    """How old the list is, under the smallest of ``limits`` (the receiver's, at least one) and the list's own.

    It is good or stale exactly as ``check_status`` decides with the smallest of ``limits``.
    """
    now = epoch(at)
    asked = min(limits, key=lambda limit: limit.age)
    binding = min((asked, *_own_limits(snapshot)), key=lambda limit: limit.age)
    age = timedelta(seconds=now - snapshot.issued_at)
    if age < timedelta(seconds=-_LEEWAY):
        return Freshness(subject=Subject.STATUS, state=FreshnessState.UNKNOWN, certificate=certificate)
    state = FreshnessState.GOOD if _too_old(snapshot, now, asked.age) is None else FreshnessState.STALE
    return Freshness(
        subject=Subject.STATUS, state=state, certificate=certificate, age=max(age, timedelta(0)), limit=binding
    )


def newer_snapshot(kept: StatusSnapshot | None, offered: StatusSnapshot) -> StatusSnapshot:
    """Of two snapshots of one list, the one signed later. An older one offered is logged and not taken.

    Of two of the same second the one that says more: nobody can tell which came first, and a revocation is not hidden.
    """
    if kept is None or offered.issued_at > kept.issued_at:
        return offered
    if offered.issued_at == kept.issued_at and offered.status_list.weight() > kept.status_list.weight():
        return offered
    if offered.issued_at < kept.issued_at:
        _log.warning("status list %s: an older list was offered and not taken", kept.uri)
    return kept


def _check_purpose(reference: StatusReference | BitstringReference, snapshot: StatusSnapshot) -> None:
    purposes = snapshot.token.purposes
    if isinstance(reference, BitstringReference) != (purposes is not None):
        raise RefusedError(ReasonCode.STATUS_LIST, "status", "the list is of another kind than the entry")
    if isinstance(reference, BitstringReference) and reference.purpose not in (purposes or ()):
        raise RefusedError(ReasonCode.STATUS_LIST, "statusPurpose", "the list does not serve the entry's purpose")


def _meaning(reference: StatusReference | BitstringReference, value: int) -> int:
    """A set bit of a W3C list means what the entry's purpose says."""
    if isinstance(reference, BitstringReference) and value:
        return INVALID if reference.purpose == REVOCATION else SUSPENDED
    return value


def _check_age(snapshot: StatusSnapshot, now: int, max_age: timedelta) -> None:
    age = now - snapshot.issued_at
    why = "it is from the future" if age < -_LEEWAY else _too_old(snapshot, now, max_age)
    if why is not None:
        raise RefusedError(ReasonCode.STALE, "status", f"the status list is {age} s old: {why}")


def _too_old(snapshot: StatusSnapshot, now: int, max_age: timedelta) -> str | None:
    age = now - snapshot.issued_at
    if snapshot.expires_at is not None and now >= snapshot.expires_at:
        return "it is past its end"
    if snapshot.ttl is not None and age > snapshot.ttl:
        return "its time to live is over"
    if age > max_age.total_seconds():
        return f"at most {int(max_age.total_seconds())} s are allowed"
    return None


def _own_limits(snapshot: StatusSnapshot) -> Iterator[Limit]:
    """Until its end, and as long as it lives, the list may be used by its own word."""
    end = None if snapshot.expires_at is None else snapshot.expires_at - snapshot.issued_at
    for seconds in (end, snapshot.ttl):
        if seconds is not None:
            yield Limit(age=timedelta(seconds=seconds), rule=LimitRule.LIST, source=snapshot.uri)
