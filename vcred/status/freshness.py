"""What a verified status list says about one credential at one time. Rules without I/O.

In this order:

1. The credential names no list: ``status_missing``. A receiver that does without asks for no check.
2. No list: ``status_unknown``. Not having looked is never "not revoked".
3. The list is not the one the credential names: ``status_list``. URIs are compared letter for letter.
4. The entry says revoked: ``revoked``, however old the list is. Revocation is final, so age cannot undo it.
5. The list is from the future, past its own end or ttl, or older than the receiver allows: ``stale``.
6. The index is outside the list: ``status_index``. Only of a current list; an old one may have been shorter.
7. The entry says suspended: ``suspended``. Any other value but 0: ``status_unknown``.

What passes has its age, for a receiver to show. The age is a text, never a colour.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from vcred.errors import RefusedError
from vcred.formats._wire import epoch
from vcred.reasons import ReasonCode

if TYPE_CHECKING:
    from datetime import datetime

    from vcred.credential import StatusReference
    from vcred.status.list import StatusList
    from vcred.status.token import StatusToken

__all__ = ["StatusFinding", "StatusSnapshot", "check_status", "newer_snapshot"]

VALID, INVALID, SUSPENDED = 0, 1, 2

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
    reference: StatusReference | None, snapshot: StatusSnapshot | None, *, max_age: timedelta, at: datetime
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
    try:
        value = snapshot.status_list.get(reference.index)
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


def newer_snapshot(kept: StatusSnapshot | None, offered: StatusSnapshot) -> StatusSnapshot:
    """Of two snapshots of one list, the one signed later. An older one offered is logged and not taken."""
    if kept is None or offered.issued_at > kept.issued_at:
        return offered
    if offered.issued_at < kept.issued_at:
        _log.warning("status list %s: an older list was offered and not taken", kept.uri)
    return kept


def _check_age(snapshot: StatusSnapshot, now: int, max_age: timedelta) -> None:
    age = now - snapshot.issued_at
    if age < -_LEEWAY:
        why = "it is from the future"
    elif snapshot.expires_at is not None and now >= snapshot.expires_at:
        why = "it is past its end"
    elif snapshot.ttl is not None and age > snapshot.ttl:
        why = "its time to live is over"
    elif age > max_age.total_seconds():
        why = f"at most {int(max_age.total_seconds())} s are allowed"
    else:
        return
    raise RefusedError(ReasonCode.STALE, "status", f"the status list is {age} s old: {why}")
